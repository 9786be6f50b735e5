/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding and counting the readings of a rule. Finding starts at the wanted date, not at dtstart:
 * which periods the interval keeps is arithmetic. Counting goes through the years from dtstart on,
 * a few nanoseconds each. Both end: after 400 * INTERVAL years the calendar has shown the rule
 * everything, and year 9999 is the last.
 */
#include "recurrence_walk_private.h"

#include <limits.h>

static void fill_days_from_start(struct walk *w, const struct civil *dtstart)
{
	struct day_rule *d = &w->rule;
	bool has_weekdays = d->weekdays != 0 || d->has_nth;
	bool has_month_days = (d->month_days | d->month_days_back) != 0;
	unsigned weekday = 1u << time_weekday(w->start_day);

	if (has_weekdays || has_month_days || d->has_year_days)
		return;
	if (d->has_week_numbers || w->r->freq == RECURRENCE_WEEKLY) {
		d->weekdays = weekday;
	} else if (w->r->freq != RECURRENCE_DAILY) {
		d->month_days = UINT64_C(1) << dtstart->day;
		if (w->r->freq == RECURRENCE_YEARLY && d->months == 0)
			d->months = UINT64_C(1) << dtstart->month;
	}
}

/* Every 7, 14, ... days it is always the same weekday. */
static bool misses_weekdays(const struct walk *w)
{
	return w->r->freq == RECURRENCE_DAILY && w->r->interval % 7 == 0 && w->rule.weekdays != 0 &&
	       !(w->rule.weekdays >> time_weekday(w->start_day) & 1);
}

/* No period has as many readings as the smallest position asks for. */
static bool has_too_high_positions(const struct walk *w)
{
	static const int DAYS[4] = { 1, 7, 31, 366 };
	int days = w->r->freq == RECURRENCE_WEEKLY ? __builtin_popcount(w->rule.weekdays)
						   : DAYS[w->r->freq];

	if (!w->has_set_pos)
		return false;
	for (int n = 1; n <= days * w->times_a_day && n <= 366; n++) {
		if (bit_is_set(w->r->set_pos.fwd, n) || bit_is_set(w->r->set_pos.back, n))
			return false;
	}
	return true;
}

void walk_init(struct walk *w, const struct recurrence *r, const struct civil *dtstart)
{
	struct day_rule *d = &w->rule;
	int64_t day = time_days_from_civil(dtstart->year, dtstart->month, dtstart->day);

	w->r = r;
	w->start_day = day;
	w->start = day * MINUTES_PER_DAY + dtstart->hour * 60 + dtstart->minute;
	w->start_week = day - (time_weekday(day) - r->wkst + 7) % 7;
	w->start_year = dtstart->year;
	w->start_month = dtstart->month;
	w->known = 0;
	d->r = r;
	d->months = r->months.fwd[0];
	d->month_days = r->month_days.fwd[0];
	d->month_days_back = r->month_days.back[0];
	d->weekdays = r->weekdays;
	d->has_nth = recurrence_has_nth(r);
	d->has_week_numbers = !list_is_empty(&r->week_numbers);
	d->has_year_days = !list_is_empty(&r->year_days);
	fill_days_from_start(w, dtstart);
	w->hours = r->hours.fwd[0] != 0 ? r->hours.fwd[0] : UINT64_C(1) << dtstart->hour;
	w->minutes = r->minutes.fwd[0] != 0 ? r->minutes.fwd[0] : UINT64_C(1) << dtstart->minute;
	w->times_a_day = __builtin_popcountll(w->hours) * __builtin_popcountll(w->minutes);
	w->has_set_pos = !list_is_empty(&r->set_pos);
	w->is_impossible = misses_weekdays(w) || has_too_high_positions(w);
}

/* How many times of day lie before that minute of the day. */
static int times_before(const struct walk *w, int minute_of_day)
{
	int hour = minute_of_day / 60, minute = minute_of_day % 60;
	int n = __builtin_popcountll(w->hours & ((UINT64_C(1) << hour) - 1)) *
		__builtin_popcountll(w->minutes);

	if (w->hours >> hour & 1)
		n += __builtin_popcountll(w->minutes & ((UINT64_C(1) << minute) - 1));
	return n;
}

static int time_of_day(const struct walk *w, int time)
{
	int per_hour = __builtin_popcountll(w->minutes);

	return nth_bit(w->hours, time / per_hour) * 60 + nth_bit(w->minutes, time % per_hour);
}

/* The first time at or after `from` (a number of times) that BYSETPOS leaves on that day; -1: none.
 */
static int next_time(struct walk *w, const struct year_shape *s, int day, int from)
{
	if (!w->has_set_pos)
		return from < w->times_a_day ? from : -1;
	struct day_rank rank = walk_rank(w, s, day);
	for (int time = from; time < w->times_a_day; time++) {
		if (walk_is_picked(w, rank, time))
			return time;
	}
	return -1;
}

/* How many times before `end` BYSETPOS leaves on that day. */
static int count_times(struct walk *w, const struct year_shape *s, int day, int end)
{
	int n = 0;

	if (!w->has_set_pos)
		return end;
	struct day_rank rank = walk_rank(w, s, day);
	for (int time = 0; time < end; time++)
		n += walk_is_picked(w, rank, time);
	return n;
}

static bool seek_in_year(struct walk *w, const struct year_shape *s, int64_t from,
			 int64_t *ret_minute)
{
	struct year_days days;
	int64_t from_day = floor_div(from, MINUTES_PER_DAY) - s->jan1;

	walk_year(w, s, &days);
	for (int day = bits_next(days.w, from_day < 0 ? 0 : (int)from_day); day >= 0;
	     day = bits_next(days.w, day + 1)) {
		int64_t midnight = (s->jan1 + day) * MINUTES_PER_DAY;
		int skipped = from > midnight ? times_before(w, (int)(from - midnight)) : 0;
		int time = next_time(w, s, day, skipped);
		if (time >= 0) {
			*ret_minute = midnight + time_of_day(w, time);
			return true;
		}
		if (w->r->freq == RECURRENCE_DAILY && skipped == 0)
			return false; /* BYSETPOS leaves nothing of a whole day, of no day */
	}
	return false;
}

bool walk_seek(struct walk *w, int64_t from, int64_t *ret_minute)
{
	int year, month, day;
	struct year_shape s = { 0 };

	if (w->is_impossible)
		return false;
	if (from < w->start)
		from = w->start;
	time_civil_from_days(floor_div(from, MINUTES_PER_DAY), &year, &month, &day);
	int last = year + 400 * w->r->interval;
	if (last > 9999)
		last = 9999;
	for (year = walk_next_year(w, year); year <= last; year = walk_next_year(w, year + 1)) {
		year_shape_move(&s, year);
		if (seek_in_year(w, &s, from, ret_minute))
			return true;
	}
	return false;
}

/* Readings on the days `from` .. `end` - 1 of the year, one day after the other. */
static int count_day_by_day(struct walk *w, const struct year_shape *s,
			    const struct year_days *days, int from, int end, int limit)
{
	int n = 0;

	for (int day = bits_next(days->w, from); day >= 0 && day < end && n <= limit;
	     day = bits_next(days->w, day + 1))
		n += count_times(w, s, day, w->times_a_day);
	return n;
}

static int count_days(struct walk *w, const struct year_shape *s, int from, int end, int limit)
{
	struct year_days days;

	walk_year(w, s, &days);
	bool is_same_daily = !w->has_set_pos || w->r->freq == RECURRENCE_DAILY;
	if (is_same_daily || w->times_a_day == 1) {
		int first = bits_next(days.w, from);
		if (first < 0 || first >= end)
			return 0;
		int n = days_count_before(&days, end) - days_count_before(&days, from);
		return n * (is_same_daily ? count_times(w, s, first, w->times_a_day) : 1);
	}
	bool is_whole = from == 0 && end == s->length &&
			(w->r->interval == 1 || w->r->freq == RECURRENCE_YEARLY);
	if (!is_whole)
		return count_day_by_day(w, s, &days, from, end, limit);
	int *readings = &w->kinds[s->kind].readings;
	if (*readings < 0)
		*readings = count_day_by_day(w, s, &days, from, end, INT_MAX);
	return *readings;
}

/* What to add to the number of the rule's readings from midnight of dtstart's day on: those before
 * dtstart don't count, dtstart always does. */
static int count_correction(struct walk *w)
{
	struct year_shape s = { 0 };
	struct year_days days;
	int tod = (int)(w->start - w->start_day * MINUTES_PER_DAY), skipped = times_before(w, tod);

	year_shape_move(&s, w->start_year);
	walk_year(w, &s, &days);
	int day = (int)(w->start_day - s.jan1);
	if (!bit_is_set(days.w, day))
		return 1;
	int before = count_times(w, &s, day, skipped);
	bool is_time = times_before(w, tod + 1) > skipped;
	bool is_start_in_set = is_time && count_times(w, &s, day, skipped + 1) > before;
	return is_start_in_set ? -before : 1 - before;
}

int walk_index(struct walk *w, int64_t minute, int limit)
{
	int64_t day = floor_div(minute, MINUTES_PER_DAY);
	int tod = (int)(minute - day * MINUTES_PER_DAY), n = count_correction(w);
	struct year_shape s = { 0 };

	for (int year = w->start_year; year <= 9999 && n <= limit;
	     year = walk_next_year(w, year + 1)) {
		year_shape_move(&s, year);
		int from = w->start_day > s.jan1 ? (int)(w->start_day - s.jan1) : 0;
		bool is_last = day < s.jan1 + s.length;
		int end = is_last ? (int)(day - s.jan1) : s.length;
		n += count_days(w, &s, from, end, limit);
		if (is_last) {
			n += count_times(w, &s, end, times_before(w, tod)) + 1;
			return n <= limit ? n : limit + 1;
		}
	}
	return limit + 1;
}
