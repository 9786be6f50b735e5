/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Days in figures: 2027-05-03, 5/3/2027, 5/3, 5-3-27, 3.5.2027, 05/2027. Which of two small numbers
 * is the month says the locale, unless only one can be. Fractions, versions, scores, telephone
 * numbers and "9/11" as a name must not become dates.
 */
#include "src/domain/due_match_private.h"

static bool is_separator(const struct words *w, size_t i)
{
	return (is_punct(w, i, '/') || is_punct(w, i, '-') || is_punct(w, i, '.')) &&
	       is_glued(w, i) && is_glued(w, i + 1);
}

static bool is_figure(const struct words *w, size_t i, int max_digits)
{
	return word_at(w, i) == W_DIGITS && w->t[i].digits <= max_digits;
}

static int full_year(const struct words *w, size_t i)
{
	int year = value_at(w, i);

	if (w->t[i].digits == 4)
		return year;
	return year < 70 ? 2000 + year : 1900 + year;
}

static bool set_date(struct day *d, int year, int month, int day)
{
	if (year < 1 || year > 9998 || month < 1 || month > 12 || day < 1 ||
	    day > time_days_in_month(year, month))
		return false;
	d->has_year = d->has_month = d->is_month_day = true;
	d->year = year;
	d->month = month;
	d->day = day;
	return true;
}

/* Month and day from two figures, by locale or by what is possible. */
static bool order(const struct words *w, int a, int b, int *ret_month, int *ret_day)
{
	bool is_day_first = w->ctx->day_first ? b <= 12 : a > 12;

	*ret_month = is_day_first ? b : a;
	*ret_day = is_day_first ? a : b;
	return *ret_month >= 1 && *ret_month <= 12 && *ret_day >= 1 && *ret_day <= 31;
}

/* "2027-05-03", "2027/5/3", "2027.5.3"; and 20270503. */
static size_t match_year_month_day(const struct words *w, size_t i, struct day *d)
{
	if (word_at(w, i) != W_DIGITS || w->t[i].digits != 4 || !is_separator(w, i + 1) ||
	    !is_figure(w, i + 2, 2) || !is_separator(w, i + 3) || !is_figure(w, i + 4, 2) ||
	    value_at(w, i + 1) != value_at(w, i + 3))
		return 0;
	return set_date(d, value_at(w, i), value_at(w, i + 2), value_at(w, i + 4)) ? 5 : 0;
}

/* Of a whole year or two figures; "1.10.30" is a version: dotted dates have the whole year, or a
 * day that can be no month ("30.12.16"). */
static bool is_year_figure(const struct words *w, size_t i, bool is_dotted)
{
	int digits = w->t[i + 4].digits;
	bool has_day = w->t[i].digits == 2 && w->t[i + 2].digits == 2 &&
		       (value_at(w, i) > 12) != (value_at(w, i + 2) > 12);

	return digits == 4 || (digits == 2 && (!is_dotted || has_day));
}

/* "5/3/2027", "3.5.2027" (day first), "5-3-27". */
static size_t match_three(const struct words *w, size_t i, struct day *d)
{
	int month, day;

	if (!is_figure(w, i, 2) || !is_separator(w, i + 1) || !is_figure(w, i + 2, 2) ||
	    !is_separator(w, i + 3) || value_at(w, i + 1) != value_at(w, i + 3) ||
	    word_at(w, i + 4) != W_DIGITS)
		return 0;
	bool is_dotted = is_punct(w, i + 1, '.');
	if (!is_year_figure(w, i, is_dotted))
		return 0;
	if (is_dotted && value_at(w, i + 2) <= 12) {
		day = value_at(w, i);
		month = value_at(w, i + 2);
	} else if (!order(w, value_at(w, i), value_at(w, i + 2), &month, &day)) {
		return 0;
	}
	return set_date(d, full_year(w, i + 4), month, day) ? 5 : 0;
}

/* A lone 3/4 is a date before the end, a time or a preposition, or after a preposition. */
static bool is_lone_date(const struct words *w, size_t i, size_t after)
{
	static const uint8_t BEFORE[] = { W_ON,	 W_BY,	   W_UNTIL, W_FROM,  W_SINCE,
					  W_DUE, W_BEFORE, W_AFTER, W_START, W_TO };
	enum word next = word_at(w, after);

	for (size_t k = 0; i > 0 && k < sizeof(BEFORE); k++) {
		if (word_at(w, i - 1) == (enum word)BEFORE[k])
			return next != W_UNIT && next != W_OF;
	}
	return after >= w->n || (next != W_NONE && next != W_UNIT && next != W_OF && next != W_A &&
				 next != W_THE && next != W_NUMBER && next != W_TIMES);
}

/* "5/3" */
static size_t match_two(const struct words *w, size_t i, struct day *d)
{
	int month, day;

	if (!is_figure(w, i, 2) || !is_punct(w, i + 1, '/') || !is_separator(w, i + 1) ||
	    !is_figure(w, i + 2, 2) || !is_lone_date(w, i, i + 3))
		return 0;
	/* "24/7" */
	if (value_at(w, i) > 12 && !w->ctx->day_first && value_at(w, i + 2) < 10 &&
	    w->t[i + 2].digits < 2)
		return 0;
	if (!order(w, value_at(w, i), value_at(w, i + 2), &month, &day) ||
	    !set_date(d, 2000, month, day))
		return 0;
	d->has_year = false;
	d->flags |= DUE_TENTATIVE;
	return 3;
}

/* "05/2027" */
static size_t match_month_year(const struct words *w, size_t i, struct day *d)
{
	if (!is_figure(w, i, 2) || !is_punct(w, i + 1, '/') || !is_separator(w, i + 1) ||
	    word_at(w, i + 2) != W_DIGITS || w->t[i + 2].digits != 4)
		return 0;
	if (!set_date(d, value_at(w, i + 2), value_at(w, i), 1) || value_at(w, i + 2) < 1900 ||
	    value_at(w, i + 2) > 2999)
		return 0;
	d->is_month_day = false;
	return 3;
}

size_t match_numeric_day(const struct words *w, size_t i, struct day *ret)
{
	static size_t (*const FORMS[])(const struct words *, size_t, struct day *) = {
		match_year_month_day,
		match_three,
		match_month_year,
		match_two,
	};

	if (word_at(w, i) != W_DIGITS)
		return 0;
	for (size_t k = 0; k < ARRAY_SIZE(FORMS); k++) {
		struct day d = { 0 };
		size_t n = FORMS[k](w, i, &d);
		if (n > 0) {
			day_resolve(w, &d);
			*ret = d;
			return n;
		}
	}
	return 0;
}
