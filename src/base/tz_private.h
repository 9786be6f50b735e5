/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A zone as the parts of base/tz share it: tz_file.c fills it from TZif bytes, tz_rule.c knows the
 * POSIX rule of the footer, tz.c answers questions. Fuzzing and tests come in here.
 */
#ifndef BASE_TZ_PRIVATE_H
#define BASE_TZ_PRIVATE_H

#include "base/tz.h"

enum {
	TZ_NAME_SIZE = 65,
	/* No offset is this large (RFC 8536 section 3.2 wants -89999 to 93599). */
	TZ_OFFSET_END = 93600,
};

enum tz_day_kind {
	TZ_DAY_JULIAN, /* Jn: day 1 to 365, 29 February never counted */
	TZ_DAY_ZERO,   /* n: day 0 to 365 */
	TZ_DAY_MONTH,  /* Mm.w.d: weekday d (0 Sunday) of week w (5: the last) of month m */
};

struct tz_rule_day {
	enum tz_day_kind kind;
	int month, week, day;
	int32_t time_s; /* after local midnight; negative and over 24 h are allowed */
};

struct tz_rule {
	bool present; /* otherwise the last transition holds for good */
	bool has_dst;
	int32_t standard, dst; /* seconds east of UTC */
	struct tz_rule_day dst_start, dst_end;
};

struct tz {
	char name[TZ_NAME_SIZE];
	size_t n_transitions;
	int64_t *at;	      /* instants, ascending */
	int32_t *offset;      /* in force from the instant of the same index on */
	int32_t first_offset; /* before all transitions */
	struct tz_rule rule;  /* from the last transition on */
};

/* Fills all but the name. 0; -EBADMSG when the bytes are no sound TZif file; -ENOMEM. On failure
 * there is nothing to free. */
int tz_parse(struct str bytes, struct tz *ret_tz) MUST_CHECK;
void tz_parse_done(struct tz *tz);

/* A POSIX TZ string with the extensions of RFC 8536 section 3.3.1. 0 or -EBADMSG. */
int tz_rule_parse(struct str text, struct tz_rule *ret_rule) MUST_CHECK;
int32_t tz_rule_offset_at(const struct tz_rule *rule, int64_t unix_s);
/* The first change of the rule after that instant; false when there is none. */
bool tz_rule_next_change(const struct tz_rule *rule, int64_t unix_s, int64_t *ret_unix_s);

#endif
