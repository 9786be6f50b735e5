/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which days of a year a rule's BY parts allow, as a set of 366 bits. Every BY part that names days
 * is a filter here (RFC 5545 calls some of them expansions: over whole years, months or weeks that
 * is the same set). The result depends only on the kind of year: the weekday of 1 January and which
 * of the year before, the year and the year after is a leap year. There are 28 kinds, so a walk
 * over centuries computes few of them.
 */
#include "recurrence_private.h"

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

void year_shape_move(struct year_shape *s, int year)
{
	bool was = is_leap(year - 1), is = is_leap(year), will = is_leap(year + 1);

	if (s->length != 0 && year == s->year + 1) {
		s->jan1 += s->length;
		s->weekday = (s->weekday + s->length) % 7;
	} else {
		s->jan1 = time_days_from_civil(year, 1, 1);
		s->weekday = time_weekday(s->jan1);
	}
	s->year = year;
	s->length = is ? 366 : 365;
	s->prev_length = was ? 366 : 365;
	s->next_length = will ? 366 : 365;
	/* At most one of three years in a row is a leap year. */
	s->kind = s->weekday * 4 + (was ? 1 : is ? 2 : will ? 3 : 0);
}

int year_month_start(const struct year_shape *s, int month, int *ret_length)
{
	static const int STARTS[14] = { 0,   0,	  31,  59,  90,	 120, 151,
					181, 212, 243, 273, 304, 334, 365 };
	int leap = s->length - 365;
	int start = STARTS[month] + (month > 2 ? leap : 0);

	*ret_length = STARTS[month + 1] - STARTS[month] + (month == 2 ? leap : 0);
	return start;
}

bool days_is_empty(const struct year_days *d)
{
	return (d->w[0] | d->w[1] | d->w[2] | d->w[3] | d->w[4] | d->w[5]) == 0;
}

int bits_next(const uint64_t words[RECURRENCE_LIST_WORDS], int from)
{
	if (from >= RECURRENCE_LIST_WORDS * 64)
		return -1;
	int i = from / 64;
	uint64_t word = words[i] & (~UINT64_C(0) << (from % 64));

	while (word == 0) {
		if (++i == RECURRENCE_LIST_WORDS)
			return -1;
		word = words[i];
	}
	return i * 64 + __builtin_ctzll(word);
}

int days_count_before(const struct year_days *d, int end)
{
	int n = 0;

	for (int i = 0; i < end / 64; i++)
		n += __builtin_popcountll(d->w[i]);
	if (end % 64 != 0)
		n += __builtin_popcountll(d->w[end / 64] & ((UINT64_C(1) << (end % 64)) - 1));
	return n;
}

/* Days 1..length as bits 0..length-1. */
static uint64_t month_bits(const struct day_rule *rule, int length)
{
	uint64_t all = (UINT64_C(1) << length) - 1;

	if ((rule->month_days | rule->month_days_back) == 0)
		return all;
	uint64_t bits = rule->month_days >> 1;
	if (rule->r->skip_backward && bits > all)
		bits |= UINT64_C(1) << (length - 1);
	for (uint64_t back = rule->month_days_back; back != 0; back &= back - 1) {
		int n = __builtin_ctzll(back);
		if (n <= length)
			bits |= UINT64_C(1) << (length - n);
	}
	return bits & all;
}

static void keep_months(const struct day_rule *rule, const struct year_shape *s,
			struct year_days *ret)
{
	for (int month = 1; month <= 12; month++) {
		int length, start = year_month_start(s, month, &length);
		if (rule->months == 0 || (rule->months >> month & 1))
			days_put(ret, start, month_bits(rule, length));
	}
}

/* The n-th weekdays of the range start .. start + length - 1, for the ordinals of one weekday. */
static void put_nth(const struct recurrence *r, int weekday, int first_weekday, int start,
		    int length, struct year_days *d)
{
	int first = (weekday - first_weekday + 7) % 7;
	int count = (length - first + 6) / 7;

	for (uint64_t bits = r->nth[weekday].fwd; bits != 0; bits &= bits - 1) {
		int n = __builtin_ctzll(bits);
		if (n <= count)
			days_put(d, start + first + 7 * (n - 1), 1);
	}
	for (uint64_t bits = r->nth[weekday].back; bits != 0; bits &= bits - 1) {
		int n = __builtin_ctzll(bits);
		if (n <= count)
			days_put(d, start + first + 7 * (count - n), 1);
	}
}

/* Ordinals count within months for MONTHLY and beside BYMONTH, else within the year. */
static void put_ordinals(const struct day_rule *rule, const struct year_shape *s,
			 struct year_days *d)
{
	const struct recurrence *r = rule->r;
	bool is_by_month = r->freq == RECURRENCE_MONTHLY || rule->months != 0;

	for (int weekday = 0; weekday < 7; weekday++) {
		if ((r->nth[weekday].fwd | r->nth[weekday].back) == 0)
			continue;
		if (!is_by_month) {
			put_nth(r, weekday, s->weekday, 0, s->length, d);
			continue;
		}
		for (int month = 1; month <= 12; month++) {
			int length, start = year_month_start(s, month, &length);
			put_nth(r, weekday, (s->weekday + start) % 7, start, length, d);
		}
	}
}

static void keep_weekdays(const struct day_rule *rule, const struct year_shape *s,
			  struct year_days *ret)
{
	struct year_days d = { 0 };
	uint64_t week = 0;

	for (int i = 0; i < 7; i++) {
		if (rule->weekdays >> ((s->weekday + i) % 7) & 1)
			week |= UINT64_C(1) << i;
	}
	for (int at = 0; week != 0 && at < s->length; at += 7)
		days_put(&d, at, week);
	if (rule->has_nth)
		put_ordinals(rule, s, &d);
	for (int i = 0; i < RECURRENCE_LIST_WORDS; i++)
		ret->w[i] &= d.w[i];
}

static void keep_year_days(const struct recurrence_list *l, const struct year_shape *s,
			   struct year_days *ret)
{
	for (int day = bits_next(ret->w, 0); day >= 0; day = bits_next(ret->w, day + 1)) {
		if (!bit_is_set(l->fwd, day + 1) && !bit_is_set(l->back, s->length - day))
			ret->w[day / 64] &= ~(UINT64_C(1) << (day % 64));
	}
}

/*
 * Day on which week 1 starts, counted from 1 January, for a year whose 1 January is day `offset`
 * (0..6) of its week: week 1 is the first with four days in the year.
 */
static int week1_start(int offset)
{
	return offset <= 3 ? -offset : 7 - offset;
}

static int weeks_in_year(int offset, int length)
{
	return (length + week1_start((offset + length) % 7) - week1_start(offset)) / 7;
}

static bool is_week_listed(const struct recurrence_list *l, int week, int weeks)
{
	return bit_is_set(l->fwd, week) || bit_is_set(l->back, weeks + 1 - week);
}

/* Days before week 1 are in the last week of the year before, days after the last week in week 1 of
 * the next. */
static void keep_week_numbers(const struct day_rule *rule, const struct year_shape *s,
			      struct year_days *ret)
{
	const struct recurrence_list *l = &rule->r->week_numbers;
	int offset = (s->weekday - rule->r->wkst + 7) % 7;
	int start = week1_start(offset), weeks = weeks_in_year(offset, s->length);
	int prev_weeks = weeks_in_year((offset - s->prev_length % 7 + 7) % 7, s->prev_length);
	int next_weeks = weeks_in_year((offset + s->length) % 7, s->next_length);
	struct year_days d = { 0 };

	if (start > 0 && is_week_listed(l, prev_weeks, prev_weeks))
		days_put(&d, 0, (UINT64_C(1) << start) - 1);
	for (int week = 1; week <= weeks; week++) {
		int at = start + 7 * (week - 1);
		if (is_week_listed(l, week, weeks))
			days_put(&d, at < 0 ? 0 : at, UINT64_C(0x7f) >> (at < 0 ? -at : 0));
	}
	if (start + 7 * weeks < s->length && is_week_listed(l, 1, next_weeks))
		days_put(&d, start + 7 * weeks, 0x7f);
	for (int i = 0; i < RECURRENCE_LIST_WORDS; i++)
		ret->w[i] &= d.w[i];
}

void day_rule_year(const struct day_rule *rule, const struct year_shape *s, struct year_days *ret)
{
	*ret = (struct year_days){ 0 };
	keep_months(rule, s, ret);
	if (rule->has_week_numbers)
		keep_week_numbers(rule, s, ret);
	if (rule->weekdays != 0 || rule->has_nth)
		keep_weekdays(rule, s, ret);
	if (rule->has_year_days)
		keep_year_days(&rule->r->year_days, s, ret);
}
