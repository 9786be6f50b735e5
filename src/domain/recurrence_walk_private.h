/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk: finds and counts the readings of one rule with one start. No zones here: recurrence.c
 * turns readings into instants.
 */
#ifndef DOMAIN_RECURRENCE_WALK_PRIVATE_H
#define DOMAIN_RECURRENCE_WALK_PRIVATE_H

#include "recurrence_private.h"

enum { MINUTES_PER_DAY = 1440 };

/*
 * One rule with one start. Readings are minutes since 1970-01-01T00:00 on the wall clock; the
 * seconds of dtstart are the same in each. About 3 kB: lives on the stack of one call.
 */
struct walk {
	const struct recurrence *r;
	struct day_rule rule;
	uint64_t hours, minutes;
	int times_a_day; /* readings a day before BYSETPOS */
	bool has_set_pos;
	bool is_impossible; /* found at once: the interval misses the weekdays, or BYSETPOS is too
			       high */
	int64_t start;	    /* dtstart as minutes */
	int64_t start_day;  /* as days since 1970 */
	int64_t start_week; /* first day of its week */
	int start_year, start_month;
	uint32_t known; /* bits: which kinds of year are in the cache */
	struct {
		struct year_days all;	   /* before BYSETPOS */
		struct year_days selected; /* after it, as for INTERVAL=1; the same for DAILY */
		int readings;		   /* in such a year, for INTERVAL=1; -1: not counted yet */
	} kinds[RECURRENCE_YEAR_KINDS];
};

void walk_init(struct walk *w, const struct recurrence *r, const struct civil *dtstart);
/* The first reading of the rule at or after `from` and not before dtstart; false: none up to year
 * 9999. */
bool walk_seek(struct walk *w, int64_t from, int64_t *ret_minute);
/* The number of an occurrence that walk_seek found, dtstart being 1; limit + 1 if it is above
 * limit. */
int walk_index(struct walk *w, int64_t minute, int limit);

/* A day in its period (day, week, month, year): how many days of the rule's come before it, and how
 * many there are. */
struct day_rank {
	int before, total;
};

/* Days of the year on which the rule has an occurrence: BY parts, INTERVAL, BYSETPOS. */
void walk_year(struct walk *w, const struct year_shape *s, struct year_days *ret);
struct day_rank walk_rank(struct walk *w, const struct year_shape *s, int day);
/* Does BYSETPOS pick the time-th reading (from 0) of a day with that rank? */
bool walk_is_picked(const struct walk *w, struct day_rank rank, int time);
/* The first year at or after `year` in which a period of the interval may lie. */
int walk_next_year(const struct walk *w, int year);

static inline int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

#endif
