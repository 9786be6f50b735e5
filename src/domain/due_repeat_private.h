/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the words of a recurrence say, gathered by due_repeat.c and written as RRULE by due_rule.c.
 */
#ifndef DOMAIN_DUE_REPEAT_PRIVATE_H
#define DOMAIN_DUE_REPEAT_PRIVATE_H

#include "src/domain/due_match_private.h"

enum { REPEAT_LIST_MAX = 24, REPEAT_TIMES_MAX = 4, LIST_MAX = 12, WORKDAYS = 0x1f, WEEKEND = 0x60 };

/* "1st and 3rd", "last": of a month, negative from its end. */
struct positions {
	int at[LIST_MAX];
	int n;
};

struct repeat_nth {
	int n, weekday;
};

struct repeat {
	enum unit unit; /* U_COUNT: not yet known */
	int interval;
	uint8_t weekdays; /* bit 0 Monday */
	uint16_t months;  /* bit 1 January */
	struct repeat_nth nth[REPEAT_LIST_MAX];
	int n_nth;
	int month_days[REPEAT_LIST_MAX], n_month_days; /* negative from the end */
	int set_pos;
	int times[REPEAT_TIMES_MAX], n_times; /* seconds of the day */
	bool is_part_time, is_ambiguous_time;
	enum part part;
	int count; /* 0: none */
	bool has_start, has_until;
	int64_t start, until; /* days since 1970 */
	const char *problem;
};

void repeat_put_time(struct repeat *r, int second);
/* Fills kind, grain, flags, rrule and the first occurrence. False when the arena is full or the
 * words make no rule. */
bool repeat_finish(const struct words *w, const struct repeat *r, struct arena *arena,
		   struct due *ret);

/* due_repeat_list.c: what cores and clauses share. */
/* A comma, "and", both, "&", "/". */
size_t match_list_gap(const struct words *w, size_t i);
size_t match_weekday_list(const struct words *w, size_t i, uint8_t *ret_mask);
size_t match_positions(const struct words *w, size_t i, struct positions *ret);
/* What positions count (weekdays, days of the month, working days) goes into *r. */
size_t put_positions(const struct words *w, size_t i, const struct positions *p, struct repeat *r);
void put_month_days(struct repeat *r, const struct positions *p);
size_t match_of_month(const struct words *w, size_t i, struct repeat *r, bool *ret_is_every);
size_t match_months(const struct words *w, size_t i, uint16_t *ret_mask);
size_t match_days_of_month(const struct words *w, size_t i, struct repeat *r);

/* due_clause.c: clauses behind a core, in any order; and those in front of one. */
size_t match_clauses(const struct words *w, size_t i, struct repeat *r);
size_t match_front_clauses(const struct words *w, size_t i, struct repeat *ret);

#endif
