/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of two moments, where what the second one names completes the first ("1-2pm tomorrow",
 * "Aug 8 - 12"), and counted ones ("the next three days"). A range that ends before it starts is
 * none.
 */
#include "src/domain/due_match_private.h"

enum { HALF_DAY = 12 * 3600, DAY = 24 * 3600 };

static void set_second(struct civil *c, int64_t day, int64_t second)
{
	time_civil_from_s(day * TIME_S_PER_DAY + second, c);
}

static size_t match_to(const struct words *w, size_t i, bool is_between)
{
	enum word word = word_at(w, i);

	if (is_between)
		return word == W_AND || is_punct(w, i, '-');
	if (is_punct(w, i, '-'))
		return 1;
	return word == W_TO || word == W_UNTIL;
}

/* The first side of "13 to 15 July", "1-8 september", "9 to 5pm": a number that the second side
 * explains. */
static size_t match_first_number(const struct words *w, size_t i, struct clock *c, int *ret)
{
	size_t n = skip(w, i, W_THE), more;
	struct day d;

	match_clock(w, i, c);
	if (match_numeric_day(w, i + n, &d) > 0)
		return 0;
	more = match_ordinal(w, i + n, ret);
	if (more > 0)
		return n + more;
	if (word_at(w, i + n) != W_DIGITS || w->t[i + n].digits > 2)
		return 0;
	*ret = value_at(w, i + n);
	return n + 1;
}

/* What the second side says and the first leaves open. */
/* am or pm of the second time holds for the first ("3 to 5pm"), unless that turns them around. */
static void complete_clock(struct moment *a, struct moment *b)
{
	if (a->clock.is_ambiguous && b->clock.has_meridiem) {
		int half = b->clock.second >= HALF_DAY ? HALF_DAY : 0;
		int second = a->clock.second % HALF_DAY + half;
		if (second > b->clock.second && second >= HALF_DAY)
			second -= HALF_DAY;
		a->clock.second = second;
	} else if (b->clock.is_ambiguous && b->clock.second <= a->clock.second &&
		   b->clock.second < HALF_DAY && b->clock.second + HALF_DAY > a->clock.second) {
		b->clock.second += HALF_DAY;
	}
}

/* The year of the second day holds for the first. */
static void complete_year(const struct words *w, struct moment *a, const struct moment *b)
{
	if (!a->day.has_month || !b->day.has_year || a->day.has_year)
		return;
	a->day.has_year = true;
	a->day.year = b->day.year;
	day_resolve(w, &a->day);
	if (a->day.first > b->day.first) {
		a->day.year--;
		day_resolve(w, &a->day);
	}
}

/* What the second side says and the first leaves open, and the other way round. */
static void complete(const struct words *w, struct moment *a, struct moment *b)
{
	bool are_times = a->has_clock && b->has_clock;

	if (are_times && !(a->has_day && b->has_day))
		complete_clock(a, b);
	if (a->has_day && b->has_day) {
		complete_year(w, a, b);
	} else if (b->has_day && are_times) {
		a->has_day = true;
		a->day = b->day;
	} else if (a->has_day && b->has_clock) {
		b->has_day = true;
		b->day = a->day;
		if (a->has_clock && b->clock.second <= a->clock.second)
			b->day.first++;
	}
}

/* "Friday to Monday", "Dec 28 - Jan 3", "10pm to 2am": the end is the one after the start. */
static void end_after_start(const struct words *w, struct moment *b, const struct due *from,
			    struct due *to)
{
	int64_t start = time_civil_to_s(&from->value.at), end = time_civil_to_s(&to->value.at);

	if (!b->has_day) {
		if (end <= start && b->has_clock)
			time_civil_from_s(end + DAY, &to->value.at);
		return;
	}
	if (end >= start || b->day.has_year)
		return;
	if (b->day.is_weekday) {
		b->day.first += 7;
		b->day.after += 7;
	} else if (b->day.has_month && b->day.is_month_day) {
		b->day.has_year = true;
		b->day.year = from->value.at.year;
		day_resolve(w, &b->day);
		if (b->day.first < days_of_civil(&from->value.at)) {
			b->day.year++;
			day_resolve(w, &b->day);
		}
	}
	moment_value(w, b, to);
}

static bool set_range(const struct words *w, struct moment *a, struct moment *b, struct due *ret)
{
	struct due from = { 0 }, to = { 0 };

	complete(w, a, b);
	moment_value(w, a, &from);
	moment_value(w, b, &to);
	if (!a->has_day && !b->has_day && a->has_clock && b->has_clock)
		set_second(&to.value.at, days_of_civil(&from.value.at), b->clock.second);
	end_after_start(w, b, &from, &to);
	*ret = from;
	ret->kind = DUE_RANGE;
	ret->flags |= to.flags;
	ret->problem = from.problem != NULL ? from.problem : to.problem;
	ret->end_value = to.value;
	ret->has_end = to.has_value;
	return time_civil_to_s(&to.value.at) >= time_civil_to_s(&from.value.at);
}

/* The day that "15" is when the other side is a day of a month. */
static bool day_from_number(const struct words *w, struct moment *m, const struct day *like,
			    int number)
{
	if (number < 1 || number > 31 || !like->has_month || !like->is_month_day)
		return false;
	*m = (struct moment){ .has_day = true, .day = *like };
	m->day.day = number;
	m->day.has_year = true;
	time_civil_from_days(like->first, &m->day.year, &m->day.month, &(int){ 0 });
	day_resolve(w, &m->day);
	return true;
}

/* "11 on Friday" after "between 9 and": a lone number with a day. */
static size_t match_number_and_day(const struct words *w, size_t i, struct moment *m)
{
	size_t n = match_clock(w, i, &m->clock), more;

	if (n == 0)
		return 0;
	n += skip(w, i + n, W_ON);
	more = match_day(w, i + n, &m->day);
	m->has_clock = m->has_day = more > 0;
	m->clock.is_bare = false;
	return more > 0 ? n + more : 0;
}

/* "3 to 5pm", "from 13 to 15 of July", "between 9 and 11 on Friday". i stands after the word that
 * leads, if there is one. */
static size_t match_number_range(const struct words *w, size_t i, bool is_led, bool is_between,
				 struct due *ret)
{
	struct moment a = { 0 }, b = { 0 };
	struct clock c = { 0 };
	int number = 0;
	size_t n = match_first_number(w, i, &c, &number), more;

	if (n == 0 || match_to(w, i + n, is_between) == 0)
		return 0;
	n++;
	more = match_moment(w, i + n, &b);
	if (more == 0 && is_led)
		more = match_number_and_day(w, i + n, &b);
	if (more == 0)
		return 0;
	if (b.has_clock && !b.clock.is_bare && !b.clock.is_part && c.is_bare) {
		a.has_clock = true;
		a.clock = c;
	} else if (!b.has_day || !day_from_number(w, &a, &b.day, number) ||
		   a.day.first > b.day.first) {
		return 0;
	}
	return set_range(w, &a, &b, ret) ? n + more : 0;
}

/* The second side of "Aug 8 - 12", "from 9:30 to 11", "4pm for 30 mins". */
static size_t match_second(const struct words *w, size_t i, const struct moment *a,
			   struct moment *b)
{
	struct clock c = { 0 };
	int number = 0;
	size_t n = match_moment(w, i, b);

	if (n > 0)
		return n;
	if (a->has_clock && !a->clock.is_part) {
		n = match_clock(w, i, &c);
		if (n > 0 && w->t[i].digits < 3) {
			*b = (struct moment){ .has_clock = true, .clock = c };
			return n;
		}
		return 0;
	}
	n = match_first_number(w, i, &c, &number);
	if (n == 0 || !a->has_day || !day_from_number(w, b, &a->day, number) ||
	    b->day.first <= a->day.first || !words_can_pause(w, i + n))
		return 0;
	/* "Aug 8 - 12, 2027" */
	int year;
	size_t gap = skip_comma(w, i + n), more = match_year(w, i + n + gap, &year);
	if (more > 0) {
		b->day.has_year = true;
		b->day.year = year;
		day_resolve(w, &b->day);
		n += gap + more;
	}
	return n;
}

static size_t match_for_amount(const struct words *w, size_t i, const struct moment *a,
			       struct due *ret)
{
	struct amount amount;
	size_t n = skip(w, i, W_FOR), more = match_amount(w, i + n, &amount);

	if (n == 0 || more == 0 || !a->has_clock || !words_can_end(w, i + n + more))
		return 0;
	moment_value(w, a, ret);
	ret->end_value = ret->value;
	ret->has_end = amount_add(&amount, 1, &ret->end_value.at);
	ret->kind = DUE_RANGE;
	return n + more;
}

/* "next 3 days", "the last two weeks": from or up to today. */
static size_t match_counted_range(const struct words *w, size_t i, struct due *ret)
{
	struct amount a;
	size_t n = skip(w, i, W_THE);
	enum word which = word_at(w, i + n);
	struct moment from = { .has_day = true }, to = { .has_day = true };
	struct civil c = { 0 };

	if (which != W_NEXT && which != W_LAST && which != W_PAST && which != W_PREVIOUS)
		return 0;
	n++;
	size_t more = match_amount(w, i + n, &a);
	if (more == 0 || a.finest < U_DAY || a.is_vague)
		return 0;
	time_civil_from_days(w->today, &c.year, &c.month, &c.day);
	if (!amount_add(&a, which == W_NEXT ? 1 : -1, &c))
		return 0;
	int64_t other = days_of_civil(&c);
	if (which == W_NEXT) {
		day_set(&from.day, w->today + 1, w->today + 2, DUE_GRAIN_DAY);
		day_set(&to.day, other, other + 1, DUE_GRAIN_DAY);
	} else {
		day_set(&from.day, other, other + 1, DUE_GRAIN_DAY);
		day_set(&to.day, w->today - 1, w->today, DUE_GRAIN_DAY);
		from.flags |= DUE_PAST;
	}
	return set_range(w, &from, &to, ret) ? n + more : 0;
}

size_t match_range(const struct words *w, size_t i, struct due *ret)
{
	struct moment a = { 0 }, b = { 0 };
	size_t n = match_counted_range(w, i, ret), more, to;

	if (n > 0)
		return n;
	bool is_between = word_at(w, i) == W_BETWEEN;
	bool is_from = word_at(w, i) == W_FROM || is_between;
	n = match_number_range(w, i + is_from, is_from, is_between, ret);
	if (n > 0)
		return n + is_from;
	n = is_from;
	more = match_moment(w, i + n, &a);
	if (more == 0)
		return 0;
	n += more;
	more = match_for_amount(w, i + n, &a, ret);
	if (more > 0)
		return n + more;
	to = match_to(w, i + n, is_between);
	if (to == 0)
		return 0;
	more = match_second(w, i + n + to, &a, &b);
	if (more == 0 || b.is_exact != a.is_exact)
		return 0;
	n += to + more;
	return set_range(w, &a, &b, ret) ? n : 0;
}
