/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule as an English phrase, for chat and page. Common shapes get the words people use ("on the
 * last weekday of every month"); all others are told part by part, complete if less pretty. What a
 * rule leaves to dtstart is named. Lists are cut after eight items ("and 5 more"), so that the
 * phrase stays short for any rule.
 */
#include "recurrence_private.h"

#include <stdarg.h>
#include <stdio.h>

enum { WORDS_MAX = 8, WEEKDAYS_ALL = 0x7f, WEEKDAYS_WORK = 0x1f };

static const char *const WEEKDAYS[7] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
					 "Friday", "Saturday", "Sunday" };
static const char *const MONTHS[13] = { "",	   "January",  "February", "March",  "April",
					"May",	   "June",     "July",	   "August", "September",
					"October", "November", "December" };
static const char *const ORDINALS[6] = { "", "first", "second", "third", "fourth", "fifth" };
static const char *const UNITS[4] = { "day", "week", "month", "year" };

/* Items of an enumeration; n also counts those that were not kept. */
struct words {
	char item[WORDS_MAX][40];
	int n;
};

static void add(struct words *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add(struct words *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (w->n < WORDS_MAX)
		(void)vsnprintf(w->item[w->n], sizeof(w->item[0]), fmt, ap);
	va_end(ap);
	w->n++;
}

static void put_words(struct buf *out, const struct words *w, const char *last_joint)
{
	int kept = w->n < WORDS_MAX ? w->n : WORDS_MAX;

	for (int i = 0; i < kept; i++) {
		bool is_last = i == w->n - 1;
		buf_printf(out, "%s%s", i == 0 ? "" : is_last ? last_joint : ", ", w->item[i]);
	}
	if (w->n > kept)
		buf_printf(out, " and %d more", w->n - kept);
}

static const char *number_ending(int n)
{
	if (n % 100 >= 11 && n % 100 <= 13)
		return "th";
	return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

/* "first", "6th", and from the end "last", "second to last"; `what` behind it. */
static void add_ordinal(struct words *w, int n, bool is_back, const char *what)
{
	if (is_back && n == 1)
		add(w, "last%s", what);
	else if (n <= 5)
		add(w, "%s%s%s", ORDINALS[n], is_back ? " to last" : "", what);
	else
		add(w, "%d%s%s%s", n, number_ending(n), is_back ? " to last" : "", what);
}

static void add_ordinals(struct words *w, const struct recurrence_list *l, int max,
			 const char *what)
{
	for (int n = 1; n <= max; n++) {
		if (bit_is_set(l->fwd, n))
			add_ordinal(w, n, false, what);
	}
	for (int n = max; n >= 1; n--) {
		if (bit_is_set(l->back, n))
			add_ordinal(w, n, true, what);
	}
}

static void add_weekdays(struct words *w, unsigned weekdays)
{
	for (int i = 0; i < 7; i++) {
		if (weekdays >> i & 1)
			add(w, "%s", WEEKDAYS[i]);
	}
}

static void put_weekdays(struct buf *out, unsigned weekdays, const char *last_joint)
{
	struct words w = { .n = 0 };

	if (weekdays == WEEKDAYS_ALL)
		add(&w, "day");
	else if (weekdays == WEEKDAYS_WORK)
		add(&w, "weekday");
	else
		add_weekdays(&w, weekdays);
	put_words(out, &w, last_joint);
}

static void put_every(struct buf *out, int interval, const char *unit)
{
	if (interval == 1)
		buf_printf(out, "every %s", unit);
	else if (interval <= 4)
		buf_printf(out, "every %s %s", ORDINALS[interval], unit);
	else
		buf_printf(out, "every %d %ss", interval, unit);
}

static void put_months(struct buf *out, const struct recurrence *r, const char *before)
{
	struct words w = { .n = 0 };

	for (int m = 1; m <= 12; m++) {
		if (bit_is_set(r->months.fwd, m))
			add(&w, "%s", MONTHS[m]);
	}
	if (w.n > 0)
		buf_append_str(out, str_from(before));
	put_words(out, &w, " and ");
}

/* "15th", "last day" */
static void put_month_days(struct buf *out, const struct recurrence_list *l)
{
	struct words w = { .n = 0 };

	for (int n = 1; n <= 31; n++) {
		if (bit_is_set(l->fwd, n))
			add(&w, "%d%s", n, number_ending(n));
	}
	for (int n = 31; n >= 1; n--) {
		if (bit_is_set(l->back, n))
			add_ordinal(&w, n, true, " day");
	}
	put_words(out, &w, " and ");
}

/* "first Monday and last Friday" */
static void put_nth(struct buf *out, const struct recurrence *r)
{
	struct words w = { .n = 0 };
	char what[16];

	for (int i = 0; i < 7; i++) {
		snprintf(what, sizeof(what), " %s", WEEKDAYS[i]);
		if (r->weekdays >> i & 1)
			add(&w, "every%s", what);
		for (int n = 1; n <= 53; n++) {
			if (r->nth[i].fwd >> n & 1)
				add_ordinal(&w, n, false, what);
		}
		for (int n = 53; n >= 1; n--) {
			if (r->nth[i].back >> n & 1)
				add_ordinal(&w, n, true, what);
		}
	}
	put_words(out, &w, " and ");
}

static void put_times(struct buf *out, const struct recurrence *r, const struct civil *dtstart)
{
	uint64_t hours = r->hours.fwd[0] != 0 ? r->hours.fwd[0] : UINT64_C(1) << dtstart->hour;
	uint64_t minutes =
		r->minutes.fwd[0] != 0 ? r->minutes.fwd[0] : UINT64_C(1) << dtstart->minute;
	struct words w = { .n = 0 };

	for (int hour = 0; hour < 24; hour++) {
		for (int minute = 0; minute < 60; minute++) {
			if ((hours >> hour & 1) && (minutes >> minute & 1))
				add(&w, "%02d:%02d", hour, minute);
		}
	}
	buf_append_str(out, STR(" at "));
	put_words(out, &w, " and ");
}

static void put_end(struct buf *out, const struct recurrence *r)
{
	const struct civil *u = &r->until;

	if (r->count == 1)
		buf_append_str(out, STR(", once"));
	else if (r->count != 0)
		buf_printf(out, ", %d times", r->count);
	if (r->until_kind == RECURRENCE_NO_UNTIL)
		return;
	buf_printf(out, ", until %d %s %d", u->day, MONTHS[u->month], u->year);
	if (r->until_kind != RECURRENCE_UNTIL_DATE)
		buf_printf(out, " at %02d:%02d%s", u->hour, u->minute,
			   r->until_kind == RECURRENCE_UNTIL_UTC ? " UTC" : "");
}

/* Which BY parts there are. Times count where BYSETPOS has several a day to choose from. */
enum {
	HAS_MONTHS = 1,
	HAS_WEEK_NO = 2,
	HAS_YEAR_DAYS = 4,
	HAS_MONTH_DAYS = 8,
	HAS_WEEKDAYS = 16,
	HAS_NTH = 32,
	HAS_POS = 64,
	HAS_POS_OF_TIMES = 128,
};

static int shape_of(const struct recurrence *r)
{
	bool has_pos = !list_is_empty(&r->set_pos);
	bool has_times = __builtin_popcountll(r->hours.fwd[0]) > 1 ||
			 __builtin_popcountll(r->minutes.fwd[0]) > 1;

	return (list_is_empty(&r->months) ? 0 : HAS_MONTHS) |
	       (list_is_empty(&r->week_numbers) ? 0 : HAS_WEEK_NO) |
	       (list_is_empty(&r->year_days) ? 0 : HAS_YEAR_DAYS) |
	       (list_is_empty(&r->month_days) ? 0 : HAS_MONTH_DAYS) |
	       (r->weekdays == 0 ? 0 : HAS_WEEKDAYS) | (recurrence_has_nth(r) ? HAS_NTH : 0) |
	       (has_pos ? HAS_POS : 0) | (has_pos && has_times ? HAS_POS_OF_TIMES : 0);
}

/* "every Monday and Friday", "every second Sunday", "every second week on Monday and Friday" */
static void put_weekly(struct buf *out, const struct recurrence *r)
{
	bool is_one = (r->weekdays & (r->weekdays - 1)) == 0;

	if (r->interval == 1 || (is_one && r->interval <= 4)) {
		buf_append_str(out, STR("every "));
		if (r->interval > 1)
			buf_printf(out, "%s ", ORDINALS[r->interval]);
	} else {
		put_every(out, r->interval, "week");
		buf_append_str(out, r->weekdays == WEEKDAYS_ALL || r->weekdays == WEEKDAYS_WORK
					    ? STR(" on every ")
					    : STR(" on "));
	}
	put_weekdays(out, r->weekdays, " and ");
}

/* "on the last weekday": one kind of day chosen by its position in the period. */
static void put_position(struct buf *out, const struct recurrence *r)
{
	struct words w = { .n = 0 };

	add_ordinals(&w, &r->set_pos, 366, "");
	buf_append_str(out, STR("on the "));
	put_words(out, &w, " and ");
	buf_append_char(out, ' ');
	put_weekdays(out, r->weekdays, " or ");
}

/* The shapes that put_position tells in full. */
static bool is_position(const struct recurrence *r, int shape)
{
	if (r->freq == RECURRENCE_MONTHLY)
		return shape == (HAS_WEEKDAYS | HAS_POS);
	return r->freq == RECURRENCE_YEARLY && shape == (HAS_WEEKDAYS | HAS_POS | HAS_MONTHS) &&
	       __builtin_popcountll(r->months.fwd[0]) == 1;
}

static int only_bit(uint64_t bits)
{
	return bits != 0 && (bits & (bits - 1)) == 0 ? __builtin_ctzll(bits) : 0;
}

/* What happens to days that not every month has. */
static void put_short_months(struct buf *out, const struct recurrence *r, uint64_t days)
{
	if (days >> 29 == 0)
		return;
	buf_append_str(out, r->skip_backward ? STR(" (the last day in shorter months)")
					     : STR(" (left out in shorter months)"));
}

static bool put_monthly(struct buf *out, const struct recurrence *r, int shape)
{
	if (shape == HAS_MONTH_DAYS) {
		buf_append_str(out, STR("on the "));
		put_month_days(out, &r->month_days);
	} else if (shape == HAS_NTH) {
		buf_append_str(out, STR("on the "));
		put_nth(out, r);
	} else if (is_position(r, shape)) {
		put_position(out, r);
	} else {
		return false;
	}
	buf_append_str(out, STR(" of "));
	put_every(out, r->interval, "month");
	put_short_months(out, r, r->month_days.fwd[0]);
	return true;
}

/* "every year on 29 February (28 February in other years)" */
static void put_year_dates(struct buf *out, const struct recurrence *r, uint64_t months,
			   uint64_t days)
{
	struct words w = { .n = 0 };
	bool is_short = false;

	for (int m = 1; m <= 12; m++) {
		for (int d = 1; (months >> m & 1) && d <= 31; d++) {
			if (!(days >> d & 1))
				continue;
			add(&w, "%d %s", d, MONTHS[m]);
			is_short = is_short || d > time_days_in_month(2023, m);
		}
	}
	put_every(out, r->interval, "year");
	buf_append_str(out, STR(" on "));
	put_words(out, &w, " and ");
	if (only_bit(months) == 2 && only_bit(days) == 29)
		buf_append_str(out, r->skip_backward ? STR(" (28 February in other years)")
						     : STR(" (in leap years only)"));
	else if (is_short)
		put_short_months(out, r, days);
}

static bool put_yearly(struct buf *out, const struct recurrence *r, int shape)
{
	if (shape == (HAS_MONTHS | HAS_MONTH_DAYS) && r->month_days.back[0] == 0) {
		put_year_dates(out, r, r->months.fwd[0], r->month_days.fwd[0]);
		return true;
	}
	if (!is_position(r, shape) && shape != (HAS_NTH | HAS_MONTHS))
		return false;
	put_every(out, r->interval, "year");
	if (shape & HAS_POS) {
		buf_append_char(out, ' ');
		put_position(out, r);
	} else {
		buf_append_str(out, STR(" on the "));
		put_nth(out, r);
	}
	put_months(out, r, " of ");
	return true;
}

static void put_numbers(struct buf *out, const struct recurrence_list *l, int max, const char *what,
			const char *of)
{
	struct words w = { .n = 0 };

	add_ordinals(&w, l, max, "");
	buf_append_str(out, STR(" in the "));
	put_words(out, &w, " and ");
	buf_printf(out, " %s%s", what, of);
}

/* Part by part. */
static void put_any(struct buf *out, const struct recurrence *r, int shape)
{
	put_every(out, r->interval, UNITS[r->freq]);
	put_months(out, r, " in ");
	if (shape & HAS_WEEK_NO)
		put_numbers(out, &r->week_numbers, 53, "week", " of the year");
	if (shape & HAS_YEAR_DAYS) {
		struct words w = { .n = 0 };
		add_ordinals(&w, &r->year_days, 366, "");
		buf_append_str(out, STR(" on the "));
		put_words(out, &w, " and ");
		buf_append_str(out, STR(" day of the year"));
	}
	if (shape & HAS_MONTH_DAYS) {
		buf_append_str(out, STR(" on the "));
		put_month_days(out, &r->month_days);
		put_short_months(out, r, r->skip_backward ? r->month_days.fwd[0] : 0);
	}
	bool is_condition =
		(shape & (HAS_MONTH_DAYS | HAS_YEAR_DAYS)) || r->freq == RECURRENCE_DAILY;
	if (shape & HAS_NTH) {
		buf_append_str(out, is_condition ? STR(" if it is the ") : STR(" on the "));
		put_nth(out, r);
		if (r->freq == RECURRENCE_YEARLY && !(shape & HAS_MONTHS))
			buf_append_str(out, STR(" of the year"));
	} else if (shape & HAS_WEEKDAYS) {
		buf_append_str(out, is_condition ? STR(" if it is a ") : STR(" on every "));
		put_weekdays(out, r->weekdays, is_condition ? " or " : " and ");
	}
}

static void put_days(struct buf *out, const struct recurrence *r, int shape)
{
	bool is_told = false;

	if (r->freq == RECURRENCE_MONTHLY)
		is_told = put_monthly(out, r, shape);
	else if (r->freq == RECURRENCE_YEARLY)
		is_told = put_yearly(out, r, shape);
	else if (shape == HAS_WEEKDAYS && (r->freq == RECURRENCE_WEEKLY || r->interval == 1)) {
		put_weekly(out, r);
		is_told = true;
	}
	if (!is_told)
		put_any(out, r, shape);
}

/* The days that the rule leaves to dtstart. */
static void fill_days(struct recurrence *r, const struct civil *dtstart)
{
	int shape = shape_of(r);

	if (shape & (HAS_YEAR_DAYS | HAS_MONTH_DAYS | HAS_WEEKDAYS | HAS_NTH))
		return;
	if (r->freq == RECURRENCE_WEEKLY || (shape & HAS_WEEK_NO)) {
		int64_t day = time_days_from_civil(dtstart->year, dtstart->month, dtstart->day);
		r->weekdays = (uint8_t)(1u << time_weekday(day));
	} else if (r->freq != RECURRENCE_DAILY) {
		r->month_days.fwd[0] = UINT64_C(1) << dtstart->day;
		if (r->freq == RECURRENCE_YEARLY && !(shape & HAS_MONTHS))
			r->months.fwd[0] = UINT64_C(1) << dtstart->month;
	}
}

void recurrence_describe(const struct recurrence *r, const struct civil *dtstart, bool all_day,
			 struct buf *out)
{
	struct recurrence full = *r;

	fill_days(&full, dtstart);
	int shape = shape_of(&full);
	put_days(out, &full, shape);
	if (!all_day || r->hours.fwd[0] != 0 || r->minutes.fwd[0] != 0)
		put_times(out, r, dtstart);
	if ((shape & HAS_POS) && !is_position(&full, shape)) {
		struct words w = { .n = 0 };
		add_ordinals(&w, &r->set_pos, 366, "");
		buf_append_str(out, STR(", only the "));
		put_words(out, &w, " and ");
		buf_printf(out, " time of each %s", UNITS[r->freq]);
	}
	put_end(out, r);
}
