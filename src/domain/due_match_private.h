/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matchers of domain/due. Each looks at the tokens from one place on and says how many it takes, 0
 * for "no"; it is pure and looks at a bounded number of tokens. Components (due_number, due_clock,
 * due_day, due_holiday) make moments (due_moment), these ranges (due_range); due_repeat makes sets.
 */
#ifndef DOMAIN_DUE_MATCH_PRIVATE_H
#define DOMAIN_DUE_MATCH_PRIVATE_H

#include "src/domain/due_private.h"

/* Days, with what the words said, so that a neighbour can complete them (year, month). */
struct day {
	int64_t first, after; /* days since 1970; after is the first one past it */
	enum due_grain grain;
	unsigned flags; /* enum due_flag */
	bool has_year, has_month, is_month_day, is_weekday, is_impossible;
	bool is_span; /* a range from first on, as a season is */
	int nth;      /* a holiday on the nth weekday of month; 0: none */
	int year, month, day, weekday;
};

struct clock {
	int second;	   /* of the day, of the preferred reading; 86400 for midnight at its end */
	bool is_ambiguous; /* 12 hours later is possible too */
	bool is_bare;	   /* a lone number: a time only beside "at" or a day */
	bool is_part;	   /* part of the day only */
	bool has_day;	   /* "tonight": today */
	bool has_meridiem; /* am or pm was said */
	enum due_grain grain;
	enum part part;
};

/* An amount of time: "1 month and 5 days". */
struct amount {
	int64_t n[U_COUNT];
	enum unit finest;
	bool is_vague; /* "a day": an article, or nothing, stands for the number */
	bool is_short; /* "2m", "5d" */
};

/* due_number.c */
size_t match_number(const struct words *w, size_t i, int64_t *ret);
/* "3rd", "third", "twenty-first", with `second`. */
size_t match_ordinal(const struct words *w, size_t i, int *ret);
size_t match_amount(const struct words *w, size_t i, struct amount *ret);
int64_t amount_seconds(const struct amount *a);
/* Moves a reading; years are kept within 1..9999 (false when they leave). sign is 1 or -1. */
bool amount_add(const struct amount *a, int sign, struct civil *c);

/* due_clock.c */
size_t match_clock(const struct words *w, size_t i, struct clock *ret);
/* "in the morning", "morning", "this afternoon" (has_day). */
size_t match_part(const struct words *w, size_t i, struct clock *ret);
void clock_apply_part(struct clock *c, enum part part);
int part_hour(enum part part);

/* due_day.c */
size_t match_day(const struct words *w, size_t i, struct day *ret);
/* A date with its month, or "the 15th". */
size_t match_calendar_day(const struct words *w, size_t i, struct day *ret);
/* Fills first and after from month, day and the year if any; else the coming one. */
void day_resolve(const struct words *w, struct day *d);
/* "monday", "mondays"; a weak one needs evidence around it. */
size_t match_weekday(const struct words *w, size_t i, int *ret);
size_t match_year(const struct words *w, size_t i, int *ret);
size_t match_month(const struct words *w, size_t i, int *ret);
void day_set(struct day *d, int64_t first, int64_t after, enum due_grain grain);
int64_t days_of_civil(const struct civil *c);
int64_t nth_weekday(int year, int month, int n, int weekday); /* n < 0 from the end; -1: none */
int64_t week_start(const struct words *w, int64_t day);
int64_t add_months(int64_t day, int64_t months); /* clamps to the month's end */
int64_t add_workdays(int64_t day, int64_t n);
size_t match_quarter(const struct words *w, size_t i, struct day *ret);
/* due_day_numeric.c: 3/4, 3/4/2026, 2026-03-04, 4.3.2026 */
size_t match_numeric_day(const struct words *w, size_t i, struct day *ret);
/* due_day_relative.c: tomorrow, next week, 3 days from now, end of the month */
size_t match_relative_day(const struct words *w, size_t i, struct day *ret);
/* "this" 0, "next" 1, "last" -1 in front of a period. */
size_t match_which(const struct words *w, size_t i, int *ret);
/* A day that others may be counted from: "tomorrow", "next Friday", "Christmas", "3/4". */
size_t match_plain_base(const struct words *w, size_t i, struct day *ret);
/* A month or longer: "May", "May 2027", "next month", "the year", "q3". */
size_t match_frame(const struct words *w, size_t i, struct day *ret);
/* The unit of a period at i: day, week, month, quarter, year. */
bool period_unit(const struct words *w, size_t i, enum unit *ret);
/* The unit that lies shift units from this one. */
void day_set_unit(const struct words *w, struct day *d, enum unit unit, int shift);
/* due_day_position.c: first Monday of June, end of the month */
size_t match_position_of(const struct words *w, size_t i, struct day *ret);
size_t match_edge(const struct words *w, size_t i, struct day *ret);
/* due_day_near.c: the day after Christmas, week of October 6th, this summer */
size_t match_near_day(const struct words *w, size_t i, struct day *ret);
/* due_calendar.c: days since 1970 in a year of ours */
int64_t calendar_easter(int year);
int64_t calendar_orthodox_easter(int year);
/* days: counted from Rosh Hashanah of that autumn; the feasts of spring stand before it. */
int64_t calendar_hebrew(int year, int days);
/* The first such day of the year. */
int64_t calendar_islamic(int year, int month, int day);
enum calendar_table { TABLE_CHINESE_NEW_YEAR, TABLE_DIWALI };
int64_t calendar_table(int year, enum calendar_table table); /* -1: not in the table */
/* due_holiday.c */
bool holiday_table_is_sorted(void); /* for its test */
size_t match_holiday(const struct words *w, size_t i, struct day *ret);

/* due_moment.c: day and time together, ranges, offsets from now. Fills kind, grain, flags, value,
 * end_value, seconds, iso; returns the tokens taken. */
struct moment {
	bool has_day, has_clock, is_exact, has_zone;
	struct day day;
	struct clock clock;
	struct civil exact; /* is_exact: an offset from now with a time of its own */
	int zone_minutes;   /* east of UTC, of the time that was said */
	enum due_grain grain;
	unsigned flags;
};
size_t match_moment(const struct words *w, size_t i, struct moment *ret);
void moment_value(const struct words *w, const struct moment *m, struct due *ret);

/* due_range.c */
/* first: the moment that stands at i, of first_n tokens; 0: none does. */
size_t match_range(const struct words *w, size_t i, const struct moment *first, size_t first_n,
		   struct due *ret);

/* due_zone.c: "PST", "GMT+2", "-0500", "Z" after a time. */
size_t match_zone(const struct words *w, size_t i, int *ret_minutes);

/* due_repeat.c */
size_t match_set(const struct words *w, size_t i, struct arena *arena, struct due *ret);

#endif
