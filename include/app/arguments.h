/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line as a struct. Flags that are no switch are configuration keys and are only looked
 * up once the role, and so the table of keys, is known.
 */
#ifndef APP_ARGUMENTS_H
#define APP_ARGUMENTS_H

#include "app/command_parse.h"
#include "base/config.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum command {
	COMMAND_NONE,
	COMMAND_MIGRATE,
	COMMAND_TOKEN,
	COMMAND_PARSE,
	COMMAND_AUDIT,
	COMMAND_DLQ
};

struct arguments {
	enum command command;
	struct str role;	 /* .p NULL: not given */
	const char *config_file; /* NULL: not given */
	struct str user;
	struct str action, id; /* of audit and dlq; .p NULL: not given */
	int64_t ttl_s;
	struct command_parse parse;
	bool help, version, list_roles, describe, openapi, check_config;
	char **argv; /* for arguments_configure */
};

extern const char ARGUMENTS_USAGE[];

/* EX_OK; EX_USAGE after telling on standard error what is wrong. argv must outlive *ret. */
int arguments_parse(int argc, char **argv, struct arguments *ret);
/* Sets the keys that were given as --key=value; bad values gather in the config. EX_OK; EX_USAGE
 * for a flag that no table knows, told on standard error. */
int arguments_configure(const struct arguments *a, struct config *config);

#endif
