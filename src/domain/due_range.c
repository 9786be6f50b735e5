/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of two moments, where what the second one names completes the first ("1-2pm tomorrow",
 * "Aug 8 - 12"), two times with their day on either side ("Monday 9-11am", "from 9:30 to 11 on
 * Thursday"), lengths ("4pm for 30 minutes"), and counted ones ("the next three days"). A range
 * that ends before it starts is none.
 */
#include "src/domain/due_match_private.h"

enum { HALF_DAY = 12 * 3600, DAY = 24 * 3600 };

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

/* Two times without a day: today while the second has not passed, else tomorrow. */
static void put_coming_day(const struct words *w, struct moment *a, struct moment *b)
{
	int64_t now = w->now.hour * 3600 + w->now.minute * 60 + w->now.second;
	int64_t end = b->clock.second + (b->clock.second <= a->clock.second ? DAY : 0);
	int64_t day = w->today + (end <= now);

	a->has_day = b->has_day = true;
	a->flags |= DUE_NO_DAY;
	day_set(&a->day, day, day + 1, DUE_GRAIN_DAY);
	day += b->clock.second <= a->clock.second;
	day_set(&b->day, day, day + 1, DUE_GRAIN_DAY);
}

static bool set_range(const struct words *w, struct moment *a, struct moment *b, struct due *ret)
{
	struct due from = { 0 }, to = { 0 };

	complete(w, a, b);
	if (!a->has_day && !b->has_day && a->has_clock && b->has_clock && !a->clock.has_day)
		put_coming_day(w, a, b);
	moment_value(w, a, &from);
	moment_value(w, b, &to);
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

/* What the number of the first side is, by the second one: a time or a day of its month. */
static bool explain_number(const struct words *w, const struct clock *c, int number,
			   struct moment *a, const struct moment *b)
{
	if (b->has_clock && !b->clock.is_bare && !b->clock.is_part && c->is_bare) {
		a->has_clock = true;
		a->clock = *c;
		return true;
	}
	return b->has_day && day_from_number(w, a, &b->day, number) && a->day.first <= b->day.first;
}

/* "3 to 5pm", "from 13 to 15 of July", "between 9 and 11 on Friday". i stands after the word that
 * leads, if there is one. */
static size_t match_number_sides(const struct words *w, size_t i, bool is_led, bool is_between,
				 struct moment *ret_a, struct moment *ret_b)
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
	if (more == 0 && is_led && c.is_bare && words_can_end(w, i + n + 1)) {
		/* "between 9 and 11" */
		more = match_clock(w, i + n, &b.clock);
		b.has_clock = a.has_clock = more > 0;
		a.clock = c;
	} else if (more > 0 && !explain_number(w, &c, number, &a, &b)) {
		return 0;
	}
	if (more == 0)
		return 0;
	*ret_a = a;
	*ret_b = b;
	return n + more;
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
		if (n > 0 && w->t[i].digits != 3) {
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

/* From *a on, so long: times for a part of a day, days for a number of them. */
static bool set_length(const struct words *w, const struct moment *a, const struct amount *length,
		       struct due *ret)
{
	bool is_days = a->has_day && !a->has_clock && length->finest >= U_DAY &&
		       a->day.grain == DUE_GRAIN_DAY;

	if (!a->has_clock && !is_days)
		return false;
	moment_value(w, a, ret);
	ret->end_value = ret->value;
	ret->has_end = amount_add(length, 1, &ret->end_value.at);
	ret->kind = DUE_RANGE;
	return ret->has_end;
}

static size_t match_for_amount(const struct words *w, size_t i, const struct moment *a,
			       struct due *ret)
{
	struct amount amount;
	size_t n = skip(w, i, W_FOR), more = match_amount(w, i + n, &amount);

	if (n == 0 || more == 0 || !words_can_end(w, i + n + more))
		return 0;
	return set_length(w, a, &amount, ret) ? n + more : 0;
}

/* "4pm for 30 minutes" behind the moment, which takes n words. */
static size_t match_moment_for(const struct words *w, size_t i, const struct moment *m, size_t n,
			       struct due *ret)
{
	size_t more = n > 0 ? match_for_amount(w, i + n, m, ret) : 0;

	return more > 0 ? n + more : 0;
}

/* "for 30 minutes from 4pm", "for 3 days starting on Monday" */
static size_t match_amount_from(const struct words *w, size_t i, struct due *ret)
{
	struct amount amount;
	struct moment a = { 0 };
	size_t n = skip(w, i, W_FOR), more = n > 0 ? match_amount(w, i + n, &amount) : 0;

	n += more;
	if (more == 0 || !WORD_IN(w, i + n, W_FROM, W_START, W_BEGIN))
		return 0;
	n++;
	n += WORD_IN(w, i + n, W_FROM, W_AT, W_ON);
	more = match_moment(w, i + n, &a);
	return more > 0 && set_length(w, &a, &amount, ret) ? n + more : 0;
}

/* "the next 3 hours", "last 24 hours": from or up to now. */
static bool set_hours(const struct words *w, const struct amount *a, bool is_next, struct due *ret)
{
	struct civil other = w->now;

	if (!amount_add(a, is_next ? 1 : -1, &other))
		return false;
	*ret = (struct due){ .kind = DUE_RANGE,
			     .grain = DUE_GRAIN_MINUTE,
			     .flags = DUE_OFFSET | (is_next ? 0U : DUE_PAST),
			     .has_value = true,
			     .has_end = true };
	ret->value.at = is_next ? w->now : other;
	ret->end_value.at = is_next ? other : w->now;
	return true;
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
	if (more == 0 || a.is_vague)
		return 0;
	if (a.finest < U_DAY)
		return set_hours(w, &a, which == W_NEXT, ret) ? n + more : 0;
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

/* Two moments, from i behind the word that leads; the first one, if it is a moment, is *first and
 * takes n words. *a and *b are not yet completed by each other. */
static size_t match_sides(const struct words *w, size_t i, bool is_led, bool is_between,
			  const struct moment *first, size_t n, struct moment *a, struct moment *b)
{
	size_t number_n = match_number_sides(w, i, is_led, is_between, a, b), to, more;

	if (number_n > 0)
		return number_n;
	*a = *first;
	if (n == 0 && is_led && w->t[i].digits == 4) {
		/* "between 0800 and 1000" */
		n = match_clock(w, i, &a->clock);
		a->has_clock = n > 0;
	}
	to = n > 0 ? match_to(w, i + n, is_between) : 0;
	if (to == 0)
		return 0;
	more = match_second(w, i + n + to, a, b);
	return more > 0 && b->is_exact == a->is_exact ? n + to + more : 0;
}

static bool are_times(const struct moment *a, const struct moment *b)
{
	return a->has_clock && b->has_clock && !a->has_day && !b->has_day && !a->is_exact &&
	       !a->clock.has_day && !b->clock.has_day;
}

static void put_day(struct moment *a, struct moment *b, const struct day *day)
{
	a->has_day = b->has_day = true;
	a->day = b->day = *day;
	a->day.has_year = b->day.has_year = true;
	a->clock.is_bare = b->clock.is_bare = false;
	a->flags |= day->flags;
	complete_clock(a, b);
	if (b->clock.second <= a->clock.second) {
		b->day.first++;
		b->day.after++;
	}
}

/* "from", "between", "in between" */
static size_t match_range_lead(const struct words *w, size_t i, bool *ret_is_between)
{
	size_t n = word_at(w, i) == W_IN && word_at(w, i + 1) == W_BETWEEN;

	*ret_is_between = word_at(w, i + n) == W_BETWEEN;
	return n + (*ret_is_between || word_at(w, i) == W_FROM);
}

/* "Monday 9-11am", "tomorrow between 1 and 2:30" */
static size_t match_day_and_times(const struct words *w, size_t i, struct due *ret)
{
	struct day day = { 0 };
	struct moment a = { 0 }, b = { 0 }, first = { 0 };
	bool is_between;
	size_t n = match_day(w, i, &day), lead, more;

	if (n == 0 || day.grain != DUE_GRAIN_DAY || day.is_impossible)
		return 0;
	n += skip_comma(w, i + n);
	lead = match_range_lead(w, i + n, &is_between);
	n += lead;
	more = match_moment(w, i + n, &first);
	more = match_sides(w, i + n, true, is_between, &first, more, &a, &b);
	/* "aug 10 - 12" is a range of days, "monday 3-4 people" none of times */
	bool is_bare = a.clock.is_bare && b.clock.is_bare && lead == 0;
	if (more == 0 || !are_times(&a, &b) || is_bare)
		return 0;
	put_day(&a, &b, &day);
	return set_range(w, &a, &b, ret) ? n + more : 0;
}

/* "on Thursday" behind two times. */
static size_t match_trailing_day(const struct words *w, size_t i, struct moment *a,
				 struct moment *b)
{
	struct day day = { 0 };
	size_t n = skip_comma(w, i), more;

	if (!are_times(a, b))
		return 0;
	n += skip(w, i + n, W_ON);
	more = match_day(w, i + n, &day);
	if (more == 0 || day.grain != DUE_GRAIN_DAY || day.is_impossible)
		return 0;
	put_day(a, b, &day);
	return n + more;
}

size_t match_range(const struct words *w, size_t i, const struct moment *first, size_t first_n,
		   struct due *ret)
{
	struct moment a = { 0 }, b = { 0 }, led = { 0 };
	bool is_between;
	size_t n = match_counted_range(w, i, ret), more;

	if (n == 0)
		n = match_amount_from(w, i, ret);
	if (n == 0 && first_n > 0 && first->has_day)
		n = match_day_and_times(w, i, ret);
	if (n > 0)
		return n;
	n = match_range_lead(w, i, &is_between);
	if (n > 0) {
		first_n = match_moment(w, i + n, &led);
		first = &led;
	}
	more = match_moment_for(w, i + n, first, first_n, ret);
	if (more > 0)
		return n + more;
	more = match_sides(w, i + n, n > 0, is_between, first, first_n, &a, &b);
	if (more == 0)
		return 0;
	n += more;
	n += match_trailing_day(w, i + n, &a, &b);
	/* "between 1 and 10" counts, but for where the text is about nothing else */
	bool is_bare = are_times(&a, &b) && a.clock.is_bare && b.clock.is_bare;
	if (is_bare && i > 0)
		return 0;
	return set_range(w, &a, &b, ret) ? n : 0;
}
