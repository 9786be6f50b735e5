/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `todod parse`: the language engine on its own, lines in, lines of JSON out; no database, no
 * network.
 */
#ifndef APP_COMMAND_PARSE_H
#define APP_COMMAND_PARSE_H

#include "base/str.h"

#include <stdbool.h>
#include <stdio.h>

struct command_parse {
	bool is_plain;	   /* lines are text, not JSON objects */
	bool is_dates;	   /* every date and time expression */
	bool is_day_first; /* 3/4 is the 3rd of April */
	struct str now;	   /* RFC 3339, or a reading in the zone; .p NULL: the clock */
	struct str tz;	   /* IANA name; .p NULL: UTC */
};

/*
 * Reads `in` to its end, answers each line at once on `out`. A line that cannot be read is answered
 * with {"error": ...}. EX_OK; EX_USAGE for options that make no sense, told on standard error;
 * EX_IOERR when out cannot be written; EX_OSERR without memory.
 */
int command_parse(const struct command_parse *options, FILE *in, FILE *out);

#endif
