/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Days counted from today: "tomorrow", "next Friday", "this week", "the week after next", "end of
 * the month", "first Monday of next month", "three Fridays from now". What the ambiguous words mean
 * is decided here and written down in docs/language.md.
 */
#include "src/domain/due_match_private.h"

enum { WEEK = 7, SATURDAY = 5 };

size_t match_which(const struct words *w, size_t i, int *ret)
{
	size_t n = skip(w, i, W_THE);

	switch ((int)word_at(w, i + n)) {
	case W_THIS:
		*ret = 0;
		return n + 1;
	case W_NEXT:
	case W_COMING:
		*ret = 1;
		return n + 1;
	case W_LAST:
	case W_PREVIOUS:
	case W_PAST:
		*ret = -1;
		return n + 1;
	default:
		return 0;
	}
}

static int64_t unit_start(const struct words *w, enum unit unit)
{
	const struct civil *now = &w->now;

	switch ((int)unit) {
	case U_WEEK:
		return week_start(w, w->today);
	case U_MONTH:
		return time_days_from_civil(now->year, now->month, 1);
	case U_QUARTER:
		return time_days_from_civil(now->year, (now->month - 1) / 3 * 3 + 1, 1);
	case U_YEAR:
		return time_days_from_civil(now->year, 1, 1);
	default:
		return w->today;
	}
}

static int64_t unit_step(int64_t first, enum unit unit, int64_t n)
{
	switch ((int)unit) {
	case U_WEEK:
		return first + WEEK * n;
	case U_MONTH:
		return add_months(first, n);
	case U_QUARTER:
		return add_months(first, 3 * n);
	case U_YEAR:
		return add_months(first, 12 * n);
	default:
		return first + n;
	}
}

void day_set_unit(const struct words *w, struct day *d, enum unit unit, int shift)
{
	static const enum due_grain GRAINS[U_COUNT] = {
		[U_DAY] = DUE_GRAIN_DAY,     [U_WEEK] = DUE_GRAIN_WEEK,
		[U_MONTH] = DUE_GRAIN_MONTH, [U_QUARTER] = DUE_GRAIN_QUARTER,
		[U_YEAR] = DUE_GRAIN_YEAR,
	};
	int64_t first = unit_step(unit_start(w, unit), unit, shift);

	day_set(d, first, unit_step(first, unit, 1), GRAINS[unit]);
	if (shift < 0)
		d->flags |= DUE_PAST;
}

/* The unit of a period: day, week, month, quarter, year. */
bool period_unit(const struct words *w, size_t i, enum unit *ret)
{
	if (word_at(w, i) == W_QUARTER) {
		*ret = U_QUARTER;
		return true;
	}
	if (word_at(w, i) != W_UNIT || value_at(w, i) < U_DAY ||
	    (w->t[i].flags & (WORD_WEAK | WORD_PLURAL)) != 0)
		return false;
	*ret = (enum unit)value_at(w, i);
	return true;
}

/* "today", "tomorrow", "the day after tomorrow", "day before yesterday". */
static size_t match_named_day(const struct words *w, size_t i, struct day *d)
{
	size_t n = skip(w, i, W_THE);
	int64_t day = w->today;

	if (word_is(w, i + n, "day") && WORD_IN(w, i + n + 1, W_AFTER, W_BEFORE)) {
		day += word_at(w, i + n + 1) == W_AFTER ? 1 : -1;
		n += 2;
	} else if (n > 0) {
		return 0;
	}
	if (word_at(w, i + n) != W_DAY)
		return 0;
	day += value_at(w, i + n);
	day_set(d, day, day + 1, DUE_GRAIN_DAY);
	if (day < w->today)
		d->flags |= DUE_PAST;
	return n + 1;
}

static int64_t coming_weekday(int64_t from, int weekday)
{
	return from + 1 + (weekday - time_weekday(from + 1) + WEEK) % WEEK;
}

/* The weekday of the week that lies `shift` weeks from this one. */
static int64_t weekday_of_week(const struct words *w, int weekday, int shift)
{
	int64_t start = week_start(w, w->today) + WEEK * shift;

	return start + (weekday - time_weekday(start) + WEEK) % WEEK;
}

static void set_weekday(const struct words *w, struct day *d, int weekday, int64_t day)
{
	day_set(d, day, day + 1, DUE_GRAIN_DAY);
	d->is_weekday = true;
	d->weekday = weekday;
	if (day < w->today)
		d->flags |= DUE_PAST;
}

/* "after next": a week later. */
static size_t match_after_next(const struct words *w, size_t i)
{
	bool is_it = word_at(w, i) == W_AFTER && word_at(w, i + 1) == W_NEXT &&
		     !WORD_IN(w, i + 2, W_UNIT, W_WEEKDAY, W_MONTH, W_QUARTER);

	return is_it ? 2 : 0;
}

/* "next week" after a weekday: "Friday next week", "Monday of last week". 0 without. */
static size_t match_of_week(const struct words *w, size_t i, int *ret_shift)
{
	size_t n = WORD_IN(w, i, W_OF, W_IN, W_FROM);
	size_t more = match_which(w, i + n, ret_shift);

	if (more == 0 || word_at(w, i + n + more) != W_UNIT ||
	    value_at(w, i + n + more) != U_WEEK ||
	    (w->t[i + n + more].flags & (WORD_WEAK | WORD_PLURAL)) != 0)
		return 0;
	return n + more + 1;
}

static size_t match_which_weekday(const struct words *w, size_t i, struct day *d)
{
	int which = 0, weekday, shift;
	size_t n = match_which(w, i, &which);
	bool is_coming = n > 0 && word_at(w, i + n - 1) == W_COMING;
	bool is_this = n > 0 && word_at(w, i + n - 1) == W_THIS && word_at(w, i + n) == W_COMING;

	n += is_this;
	size_t more = match_weekday(w, i + n, &weekday);
	if (more == 0)
		return 0;
	bool is_plain = n == 0;
	n += more;
	more = is_plain ? match_of_week(w, i + n, &shift) : 0;
	size_t after_next = is_plain ? match_after_next(w, i + n) : 0;
	int64_t day = coming_weekday(w->today, weekday) + (after_next > 0 ? WEEK : 0);
	if (more > 0)
		day = weekday_of_week(w, weekday, shift);
	else if (which < 0)
		day = coming_weekday(w->today - WEEK - 1, weekday);
	else if (which > 0 && !is_coming)
		day = weekday_of_week(w, weekday, 1);
	set_weekday(w, d, weekday, day);
	return n + more + after_next;
}

/* "next week on Tuesday", "next week Tuesday" */
static size_t match_week_weekday(const struct words *w, size_t i, struct day *d)
{
	int shift, weekday;
	size_t n = match_of_week(w, i, &shift);

	if (n == 0)
		return 0;
	n += skip_comma(w, i + n);
	n += skip(w, i + n, W_ON);
	if (is_punct(w, i + n, '\'') && is_glued(w, i + n) && word_is(w, i + n + 1, "s"))
		n += 2;
	size_t more = match_weekday(w, i + n, &weekday);
	if (more == 0)
		return 0;
	set_weekday(w, d, weekday, weekday_of_week(w, weekday, shift));
	return n + more;
}

/* "weekend" and "week-end". */
static size_t match_weekend_word(const struct words *w, size_t i)
{
	if (word_at(w, i) == W_WEEKEND)
		return 1;
	return is_unit(w, i, U_WEEK) && is_punct(w, i + 1, '-') && word_is(w, i + 2, "end") ? 3 : 0;
}

static void set_weekend(const struct words *w, struct day *d, int shift)
{
	/* on a weekend, "last weekend" is the one before */
	int64_t saturday = weekday_of_week(w, SATURDAY, 0) + WEEK * shift;

	day_set(d, saturday, saturday + 2, DUE_GRAIN_WEEKEND);
	d->flags |= shift < 0 ? DUE_PAST : 0U;
}

/* "next month", "this year", "the coming week", "next weekend", "the week after next". */
static size_t match_period(const struct words *w, size_t i, struct day *d)
{
	int shift = 0;
	enum unit unit;
	size_t n = match_which(w, i, &shift), more = n > 0 ? match_weekend_word(w, i + n) : 0;

	if (more > 0) {
		/* "the coming weekend" is this one until it has begun */
		bool is_coming =
			word_at(w, i + n - 1) == W_COMING && time_weekday(w->today) < SATURDAY;
		set_weekend(w, d, is_coming ? 0 : shift);
		return n + more;
	}
	if (n > 0 && period_unit(w, i + n, &unit)) {
		day_set_unit(w, d, unit, shift);
		return n + 1;
	}
	n = skip(w, i, W_THE);
	if (!period_unit(w, i + n, &unit) || unit == U_DAY || word_at(w, i + n + 1) != W_AFTER ||
	    word_at(w, i + n + 2) != W_NEXT || word_at(w, i + n + 3) == W_UNIT)
		return 0;
	day_set_unit(w, d, unit, 2);
	return n + 3;
}

static size_t match_lone_weekend(const struct words *w, size_t i, struct day *d)
{
	size_t n = skip(w, i, W_THE);

	if (word_at(w, i + n) != W_WEEKEND || (n > 0 && i == 0) ||
	    (n > 0 && word_at(w, i - 1) == W_NONE && !word_is(w, i - 1, "over")))
		return 0;
	int64_t saturday = weekday_of_week(w, SATURDAY, 0);
	day_set(d, saturday, saturday + 2, DUE_GRAIN_WEEKEND);
	return n + 1;
}

/* "next July", "last March", "this May": of the year that way. "July of next year". */
static size_t match_which_month(const struct words *w, size_t i, struct day *d)
{
	int which = 0, year = w->now.year;
	size_t n = match_which(w, i, &which), more = match_month(w, i + n, &d->month);

	if (more == 0)
		return 0;
	if (n == 0) {
		bool is_after_next =
			word_at(w, i + more) == W_AFTER && word_at(w, i + more + 1) == W_NEXT;
		size_t of = skip(w, i + more, W_OF),
		       which_n = match_which(w, i + more + of, &which);
		if (is_after_next) {
			year += d->month <= w->now.month ? 2 : 1;
			more += 2;
		} else if (which_n > 0 && word_at(w, i + more + of + which_n) == W_UNIT &&
			   value_at(w, i + more + of + which_n) == U_YEAR) {
			year += which;
			more += of + which_n + 1;
		} else {
			return 0;
		}
	} else if (which > 0) {
		year += d->month <= w->now.month;
	} else if (which < 0) {
		year -= d->month >= w->now.month;
		d->flags |= DUE_PAST;
	}
	/* "next May 5th" is that day */
	bool is_dated = n > 0 && (word_at(w, i + n + more) == W_DIGITS);
	if (is_dated)
		return 0;
	d->has_month = d->has_year = true;
	d->year = year;
	int64_t first = time_days_from_civil(year, d->month, 1);
	day_set(d, first, add_months(first, 1), DUE_GRAIN_MONTH);
	return n + more;
}

size_t match_frame(const struct words *w, size_t i, struct day *d)
{
	enum unit unit;
	size_t n = match_which_month(w, i, d);

	if (n == 0)
		n = match_period(w, i, d);
	if (n > 0)
		return n;
	n = skip(w, i, W_THE);
	if (period_unit(w, i + n, &unit) && unit >= U_WEEK) {
		day_set_unit(w, d, unit, 0);
		return n + 1;
	}
	n = match_month(w, i, &d->month);
	if (n > 0) {
		size_t gap = skip_comma(w, i + n);
		size_t more = match_year(w, i + n + gap, &d->year);
		d->has_month = true;
		d->has_year = more > 0;
		day_resolve(w, d);
		return more > 0 ? n + gap + more : n;
	}
	n = match_quarter(w, i, d);
	if (n > 0)
		return n;
	n = match_year(w, i, &d->year);
	if (n > 0 && w->t[i].digits == 4)
		day_set(d, time_days_from_civil(d->year, 1, 1),
			time_days_from_civil(d->year + 1, 1, 1), DUE_GRAIN_YEAR);
	return n > 0 && w->t[i].digits == 4 ? n : 0;
}

/* "three Fridays from now", "a week from Friday", "2 days before Christmas", "a week after
 * tomorrow". `from now` with amounts alone is an offset (due_moment.c). */
static size_t match_counted_weekdays(const struct words *w, size_t i, struct day *d)
{
	int64_t count;
	size_t n = match_number(w, i, &count);

	if (n == 0 || (word_at(w, i + n) != W_WEEKDAYS && word_at(w, i + n) != W_WEEKDAY) ||
	    count < 1 || count > 1000)
		return 0;
	int weekday = value_at(w, i + n);
	n++;
	if (word_at(w, i + n) == W_AGO) {
		set_weekday(w, d, weekday,
			    coming_weekday(w->today - WEEK - 1, weekday) - WEEK * (count - 1));
		return n + 1;
	}
	bool is_from_now = word_at(w, i + n) == W_FROM &&
			   (word_at(w, i + n + 1) == W_NOW || word_at(w, i + n + 1) == W_DAY);
	if (!is_from_now && word_at(w, i + n) != W_HENCE)
		return 0;
	set_weekday(w, d, weekday, coming_weekday(w->today, weekday) + WEEK * (count - 1));
	return is_from_now ? n + 2 : n + 1;
}

size_t match_plain_base(const struct words *w, size_t i, struct day *d)
{
	static size_t (*const FORMS[])(const struct words *, size_t, struct day *) = {
		match_named_day,
		match_which_weekday,
		match_holiday,
		match_numeric_day,
	};
	size_t best = 0;

	for (size_t k = 0; k < ARRAY_SIZE(FORMS); k++) {
		struct day one = { 0 };
		size_t n = FORMS[k](w, i, &one);
		if (n > best) {
			best = n;
			*d = one;
		}
	}
	return best;
}

static size_t match_amount_from_day(const struct words *w, size_t i, struct day *d)
{
	struct amount a;
	struct day base = { 0 };
	struct civil c = { 0 };
	size_t n = match_amount(w, i, &a);

	if (n == 0 || a.finest < U_DAY)
		return 0;
	enum word way = word_at(w, i + n);
	if (way != W_FROM && way != W_AFTER && way != W_BEFORE)
		return 0;
	n++;
	size_t more = match_plain_base(w, i + n, &base);
	if (more == 0)
		return 0;
	time_civil_from_days(base.first, &c.year, &c.month, &c.day);
	if (!amount_add(&a, way == W_BEFORE ? -1 : 1, &c))
		return 0;
	day_set(d, days_of_civil(&c), days_of_civil(&c) + 1, DUE_GRAIN_DAY);
	return n + more;
}

/* "in May" and the like belong to due_day.c. */
size_t match_relative_day(const struct words *w, size_t i, struct day *ret)
{
	enum {
		WHICH = 1 << 0, /* forms by what they may begin with */
		COUNT = 1 << 1,
		OTHER = 1 << 2,
	};
	static const struct {
		size_t (*match)(const struct words *, size_t, struct day *);
		int begin;
	} FORMS[] = {
		{ match_named_day, WHICH | OTHER },
		{ match_which_weekday, WHICH | OTHER },
		{ match_week_weekday, WHICH | OTHER },
		{ match_period, WHICH | OTHER },
		{ match_lone_weekend, WHICH | OTHER },
		{ match_which_month, WHICH | OTHER },
		{ match_position_of, WHICH | COUNT | OTHER },
		{ match_edge, WHICH | OTHER },
		{ match_counted_weekdays, COUNT },
		{ match_amount_from_day, COUNT },
	};
	size_t best = 0;
	int begin = OTHER;

	if (WORD_IN(w, i, W_THE, W_THIS, W_NEXT, W_COMING, W_LAST, W_PREVIOUS, W_PAST))
		begin = WHICH;
	else if (WORD_IN(w, i, W_DIGITS, W_NUMBER, W_A, W_COUPLE, W_FEW, W_HALF))
		begin = COUNT;
	else if (!WORD_IN(w, i, W_DAY, W_WEEKDAY, W_UNIT, W_QUARTER, W_WEEKEND, W_MONTH, W_ORDINAL,
			  W_BEGIN, W_MIDDLE, W_END, W_START, W_EO, W_OF, W_IN))
		return 0;
	for (size_t k = 0; k < ARRAY_SIZE(FORMS); k++) {
		struct day d = { 0 };
		size_t n = (FORMS[k].begin & begin) != 0 ? FORMS[k].match(w, i, &d) : 0;
		if (n > best) {
			best = n;
			*ret = d;
		}
	}
	return best;
}
