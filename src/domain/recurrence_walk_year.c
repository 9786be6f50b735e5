/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The days of one year on which a rule has an occurrence: what its BY parts allow
 * (recurrence_year.c), in the periods that INTERVAL keeps, thinned by BYSETPOS. A period is a day,
 * a week, a month or a year; weeks may lie in two years. BYSETPOS numbers the readings of a period:
 * with several times a day, day k (from 0) of n holds the positions k*T+1 .. k*T+T from the front
 * and (n-1-k)*T+1 .. from the back.
 */
#include "recurrence_walk_private.h"

static bool has_any(const uint64_t *positions, int from, int n)
{
	for (int i = from; i < from + n && i <= 366; i++) {
		if (bit_is_set(positions, i))
			return true;
	}
	return false;
}

static bool is_day_picked(const struct walk *w, struct day_rank rank)
{
	int t = w->times_a_day;

	return has_any(w->r->set_pos.fwd, rank.before * t + 1, t) ||
	       has_any(w->r->set_pos.back, (rank.total - 1 - rank.before) * t + 1, t);
}

bool walk_is_picked(const struct walk *w, struct day_rank rank, int time)
{
	int t = w->times_a_day;
	int front = rank.before * t + time + 1, back = rank.total * t - (front - 1);

	return (front <= 366 && bit_is_set(w->r->set_pos.fwd, front)) ||
	       (back <= 366 && bit_is_set(w->r->set_pos.back, back));
}

/* Moves the picked days of the period start .. start + length - 1 from `all` to `ret`. */
static void pick_days(const struct walk *w, const struct year_days *all, int start, int length,
		      struct year_days *ret)
{
	struct day_rank rank = { 0, days_count_before(all, start + length) -
					    days_count_before(all, start) };

	for (int day = days_next(all, start); day >= 0 && day < start + length;
	     day = days_next(all, day + 1)) {
		if (is_day_picked(w, rank))
			days_put(ret, day, 1);
		rank.before++;
	}
}

/* Fills the cache for this kind of year. */
static void learn_kind(struct walk *w, const struct year_shape *s)
{
	struct year_days *all = &w->kinds[s->kind].all, *selected = &w->kinds[s->kind].selected;

	w->known |= UINT32_C(1) << s->kind;
	day_rule_year(&w->rule, s, all);
	*selected = *all;
	if (!w->has_set_pos || w->r->freq == RECURRENCE_DAILY || w->r->freq == RECURRENCE_WEEKLY)
		return;
	*selected = (struct year_days){ 0 };
	if (w->r->freq == RECURRENCE_YEARLY) {
		pick_days(w, all, 0, s->length, selected);
		return;
	}
	for (int month = 1; month <= 12; month++) {
		int length, start = year_month_start(s, month, &length);
		pick_days(w, all, start, length, selected);
	}
}

static const struct year_days *all_days(struct walk *w, const struct year_shape *s)
{
	if (!(w->known >> s->kind & 1))
		learn_kind(w, s);
	return &w->kinds[s->kind].all;
}

static const struct year_days *all_days_of(struct walk *w, int year, int *ret_length)
{
	static const struct year_days NONE;
	struct year_shape s;

	*ret_length = 365;
	if (year < 1 || year > 9999)
		return &NONE;
	year_shape_init(&s, year);
	*ret_length = s.length;
	return all_days(w, &s);
}

/* The rule's days in the week that starts on day `at` (-6 .. length - 1) of the year, as 7 bits. */
static uint64_t week_bits(struct walk *w, const struct year_shape *s, int at)
{
	const struct year_days *here = all_days(w, s);
	int length;

	if (at < 0) {
		const struct year_days *before = all_days_of(w, s->year - 1, &length);
		return (days_get(before, length + at, 7) | days_get(here, 0, 7) << -at) & 0x7f;
	}
	uint64_t bits = days_get(here, at, 7);
	if (at + 7 > s->length) {
		const struct year_days *after = all_days_of(w, s->year + 1, &length);
		bits |= days_get(after, 0, 7) << (s->length - at) & 0x7f;
	}
	return bits;
}

static uint64_t pick_week(const struct walk *w, uint64_t bits)
{
	struct day_rank rank = { 0, __builtin_popcountll(bits) };
	uint64_t picked = 0;

	for (; bits != 0; bits &= bits - 1) {
		if (is_day_picked(w, rank))
			picked |= bits & -bits;
		rank.before++;
	}
	return picked;
}

static int64_t round_up(int64_t n, int64_t step)
{
	return -floor_div(-n, step) * step;
}

static void weeks_of_year(struct walk *w, const struct year_shape *s, struct year_days *ret)
{
	int64_t first = floor_div(s->jan1 - w->start_week, 7);

	for (int64_t week = round_up(first, w->r->interval);; week += w->r->interval) {
		int64_t at = w->start_week + 7 * week - s->jan1;
		if (at >= s->length)
			return;
		uint64_t bits = w->has_set_pos ? pick_week(w, week_bits(w, s, (int)at)) : 0x7f;
		if (at < 0)
			days_put(ret, 0, bits >> -at);
		else
			days_put(ret, (int)at, bits);
	}
}

static void months_of_year(const struct walk *w, const struct year_shape *s, struct year_days *ret)
{
	int64_t start = (int64_t)w->start_year * 12 + w->start_month - 1;
	int64_t jan = (int64_t)s->year * 12;

	for (int64_t m = start + round_up(jan - start, w->r->interval); m < jan + 12;
	     m += w->r->interval) {
		int length, at = year_month_start(s, (int)(m - jan) + 1, &length);
		days_put(ret, at, (UINT64_C(1) << length) - 1);
	}
}

static void days_of_year(const struct walk *w, const struct year_shape *s, struct year_days *ret)
{
	int64_t day = w->start_day + round_up(s->jan1 - w->start_day, w->r->interval);

	for (; day < s->jan1 + s->length; day += w->r->interval)
		days_put(ret, (int)(day - s->jan1), 1);
}

void walk_year(struct walk *w, const struct year_shape *s, struct year_days *ret)
{
	all_days(w, s);
	*ret = w->kinds[s->kind].selected;
	bool is_weekly_pick = w->has_set_pos && w->r->freq == RECURRENCE_WEEKLY;
	if (days_is_empty(ret) || (w->r->interval == 1 && !is_weekly_pick))
		return;

	struct year_days kept = { 0 };
	switch (w->r->freq) {
	case RECURRENCE_DAILY:
		days_of_year(w, s, &kept);
		break;
	case RECURRENCE_WEEKLY:
		weeks_of_year(w, s, &kept);
		break;
	case RECURRENCE_MONTHLY:
		months_of_year(w, s, &kept);
		break;
	case RECURRENCE_YEARLY:
		return; /* walk_next_year has left the others out */
	}
	for (int i = 0; i < RECURRENCE_LIST_WORDS; i++)
		ret->w[i] &= kept.w[i];
}

static struct day_rank rank_between(const struct year_days *all, int start, int end, int day)
{
	int skipped = days_count_before(all, start);

	return (struct day_rank){ days_count_before(all, day) - skipped,
				  days_count_before(all, end) - skipped };
}

struct day_rank walk_rank(struct walk *w, const struct year_shape *s, int day)
{
	int start = 0, length = s->length;

	if (w->r->freq == RECURRENCE_DAILY)
		return (struct day_rank){ 0, 1 };
	if (w->r->freq == RECURRENCE_WEEKLY) {
		int64_t abs_day = s->jan1 + day - w->start_week;
		int in_week = (int)(abs_day - floor_div(abs_day, 7) * 7);
		uint64_t bits = week_bits(w, s, day - in_week);
		uint64_t before = bits & ((UINT64_C(1) << in_week) - 1);
		return (struct day_rank){ __builtin_popcountll(before),
					  __builtin_popcountll(bits) };
	}
	for (int month = 1; w->r->freq == RECURRENCE_MONTHLY && month <= 12; month++) {
		start = year_month_start(s, month, &length);
		if (day < start + length)
			break;
	}
	return rank_between(all_days(w, s), start, start + length, day);
}

int walk_next_year(const struct walk *w, int year)
{
	int64_t interval = w->r->interval,
		months = (int64_t)w->start_year * 12 + w->start_month - 1;

	if (w->r->freq == RECURRENCE_YEARLY)
		return w->start_year + (int)round_up(year - w->start_year, interval);
	if (w->r->freq == RECURRENCE_MONTHLY && interval > 12)
		return (int)((months + round_up((int64_t)year * 12 - months, interval)) / 12);
	return year;
}
