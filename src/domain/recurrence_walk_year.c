/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The days of one year on which a rule has an occurrence: what its BY parts allow
 * (recurrence_year.c), in the periods that INTERVAL keeps, thinned by BYSETPOS. A period is a day,
 * a week, a month or a year; weeks may lie in two years. BYSETPOS numbers the readings of a period:
 * with several times a day, day k (from 0) of n holds the positions k*T+1 .. k*T+T from the front
 * and (n-1-k)*T+1 .. from the back.
 */
#include "recurrence_walk_private.h"

bool walk_is_picked(const struct walk *w, struct day_rank rank, int time)
{
	int t = w->times_a_day;
	int front = rank.before * t + time + 1, back = rank.total * t - (front - 1);

	return (front <= 366 && bit_is_set(w->r->set_pos.fwd, front)) ||
	       (back <= 366 && bit_is_set(w->r->set_pos.back, back));
}

/* Which days of a period with `total` days hold a picked reading: bit k is day k of them. */
static void pick_ranks(const struct walk *w, int total, struct year_days *ret)
{
	const struct recurrence_list *l = &w->r->set_pos;
	int t = w->times_a_day;

	*ret = (struct year_days){ 0 };
	for (int n = bits_next(l->fwd, 1); n > 0 && n <= total * t; n = bits_next(l->fwd, n + 1))
		days_put(ret, (n - 1) / t, 1);
	for (int n = bits_next(l->back, 1); n > 0 && n <= total * t; n = bits_next(l->back, n + 1))
		days_put(ret, total - 1 - (n - 1) / t, 1);
}

/* The picked ones of the days of a week or a month. */
static uint64_t pick_bits(const struct walk *w, uint64_t bits)
{
	struct year_days ranks;
	uint64_t picked = 0;

	pick_ranks(w, __builtin_popcountll(bits), &ranks);
	for (uint64_t rank = ranks.w[0]; rank != 0; rank &= rank - 1)
		picked |= UINT64_C(1) << nth_bit(bits, __builtin_ctzll(rank));
	return picked;
}

static void pick_year(const struct walk *w, const struct year_days *all, struct year_days *ret)
{
	struct year_days ranks;
	int rank = 0;

	pick_ranks(w, days_count_before(all, 366), &ranks);
	for (int day = bits_next(all->w, 0); day >= 0; day = bits_next(all->w, day + 1)) {
		if (bit_is_set(ranks.w, rank++))
			days_put(ret, day, 1);
	}
}

static void pick_months(const struct walk *w, const struct year_shape *s,
			const struct year_days *all, struct year_days *ret)
{
	for (int month = 1; month <= 12; month++) {
		int length, start = year_month_start(s, month, &length);
		days_put(ret, start, pick_bits(w, days_get(all, start, length)));
	}
}

/* A neighbour as far as weekdays and months go; week numbers, which need its neighbours, don't come
 * with weeks. */
static void days_beside(const struct walk *w, const struct year_shape *s, bool is_next,
			struct year_days *ret)
{
	struct year_shape beside = { 0 };

	beside.length = is_next ? s->next_length : s->prev_length;
	beside.weekday = (s->weekday + (is_next ? s->length : 7 * 53 - s->prev_length)) % 7;
	day_rule_year(&w->rule, &beside, ret);
}

/* The rule's days in the week that starts on day `at` (-6 .. length - 1) of the year, as 7 bits. */
static uint64_t week_bits(const struct walk *w, const struct year_shape *s,
			  const struct year_days *here, int at)
{
	struct year_days beside;

	if (at < 0) {
		days_beside(w, s, false, &beside);
		return (days_get(&beside, s->prev_length + at, 7) | days_get(here, 0, 7) << -at) &
		       0x7f;
	}
	uint64_t bits = days_get(here, at, 7);
	if (at + 7 > s->length) {
		days_beside(w, s, true, &beside);
		bits |= days_get(&beside, 0, 7) << (s->length - at) & 0x7f;
	}
	return bits;
}

/* Puts the days of a week that may begin in the year before. */
static void put_week(struct year_days *days, int at, uint64_t bits)
{
	if (at < 0)
		days_put(days, 0, bits >> -at);
	else
		days_put(days, at, bits);
}

static void pick_weeks(const struct walk *w, const struct year_shape *s,
		       const struct year_days *all, struct year_days *ret)
{
	int64_t since = s->jan1 - w->start_week;

	for (int at = (int)(floor_div(since, 7) * 7 - since); at < s->length; at += 7)
		put_week(ret, at, pick_bits(w, week_bits(w, s, all, at)));
	for (int i = 0; i < RECURRENCE_LIST_WORDS; i++)
		ret->w[i] &= all->w[i];
}

/* Fills the cache for this kind of year. */
static void learn_kind(struct walk *w, const struct year_shape *s)
{
	struct year_days *all = &w->kinds[s->kind].all, *selected = &w->kinds[s->kind].selected;

	w->known |= UINT32_C(1) << s->kind;
	w->kinds[s->kind].readings = -1;
	day_rule_year(&w->rule, s, all);
	*selected = *all;
	if (!w->has_set_pos || w->r->freq == RECURRENCE_DAILY)
		return;
	*selected = (struct year_days){ 0 };
	if (w->r->freq == RECURRENCE_YEARLY)
		pick_year(w, all, selected);
	else if (w->r->freq == RECURRENCE_MONTHLY)
		pick_months(w, s, all, selected);
	else
		pick_weeks(w, s, all, selected);
}

static const struct year_days *all_days(struct walk *w, const struct year_shape *s)
{
	if (!(w->known >> s->kind & 1))
		learn_kind(w, s);
	return &w->kinds[s->kind].all;
}

static int64_t round_up(int64_t n, int64_t step)
{
	return -floor_div(-n, step) * step;
}

static void weeks_of_year(const struct walk *w, const struct year_shape *s, struct year_days *ret)
{
	int64_t first = floor_div(s->jan1 - w->start_week, 7);

	for (int64_t week = round_up(first, w->r->interval);; week += w->r->interval) {
		int64_t at = w->start_week + 7 * week - s->jan1;
		if (at >= s->length)
			return;
		put_week(ret, (int)at, 0x7f);
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

/* Whichever is less work: the days of the interval, or those that the rule allows. */
static void days_of_year(const struct walk *w, const struct year_shape *s,
			 const struct year_days *allowed, struct year_days *ret)
{
	int interval = w->r->interval;
	int first = (int)(w->start_day + round_up(s->jan1 - w->start_day, interval) - s->jan1);

	if (days_count_before(allowed, s->length) * interval > s->length) {
		for (int day = first; day < s->length; day += interval)
			days_put(ret, day, 1);
		return;
	}
	for (int day = bits_next(allowed->w, first); day >= 0;
	     day = bits_next(allowed->w, day + 1)) {
		if ((day - first) % interval == 0)
			days_put(ret, day, 1);
	}
}

void walk_year(struct walk *w, const struct year_shape *s, struct year_days *ret)
{
	all_days(w, s);
	*ret = w->kinds[s->kind].selected;
	if (days_is_empty(ret) || w->r->interval == 1)
		return;

	struct year_days kept = { 0 };
	switch (w->r->freq) {
	case RECURRENCE_DAILY:
		days_of_year(w, s, ret, &kept);
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

/* A period of at most 31 days. */
static struct day_rank rank_in_bits(uint64_t bits, int at)
{
	uint64_t before = bits & ((UINT64_C(1) << at) - 1);

	return (struct day_rank){ __builtin_popcountll(before), __builtin_popcountll(bits) };
}

struct day_rank walk_rank(struct walk *w, const struct year_shape *s, int day)
{
	const struct year_days *all = all_days(w, s);

	if (w->r->freq == RECURRENCE_DAILY)
		return (struct day_rank){ 0, 1 };
	if (w->r->freq == RECURRENCE_YEARLY)
		return (struct day_rank){ days_count_before(all, day),
					  days_count_before(all, s->length) };
	if (w->r->freq == RECURRENCE_WEEKLY) {
		int64_t since = s->jan1 + day - w->start_week;
		int in_week = (int)(since - floor_div(since, 7) * 7);
		return rank_in_bits(week_bits(w, s, all, day - in_week), in_week);
	}
	int month = day / 31 + 1; /* or the next */
	int length, start = year_month_start(s, month, &length);
	if (day >= start + length)
		start = year_month_start(s, month + 1, &length);
	return rank_in_bits(days_get(all, start, length), day - start);
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
