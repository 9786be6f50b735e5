/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Days on the calendar: "Friday, May 3rd 2027", "the 15th", "first Monday of June", "March", "q3".
 * What is left open is the coming one. Words that mean something else as well ("may", "sat") need
 * evidence beside them. Also the arithmetic of days that the other files share.
 */
#include "src/domain/due_match_private.h"

enum { YEAR_FIRST = 1900, YEAR_LAST = 2999 };

int64_t days_of_civil(const struct civil *c)
{
	return time_days_from_civil(c->year, c->month, c->day);
}

void day_set(struct day *d, int64_t first, int64_t after, enum due_grain grain)
{
	d->first = first;
	d->after = after;
	d->grain = grain;
}

static int64_t clamp_day(int64_t day)
{
	int64_t first = time_days_from_civil(1, 1, 1), last = time_days_from_civil(9999, 12, 31);

	return day < first ? first : day > last ? last : day;
}

int64_t add_months(int64_t day, int64_t months)
{
	int year, month, d;

	time_civil_from_days(day, &year, &month, &d);
	int64_t m = year * INT64_C(12) + month - 1 + months;
	if (m < 12 || m >= 10000 * 12)
		return clamp_day(day + months * 31);
	int length = time_days_in_month((int)(m / 12), (int)(m % 12) + 1);
	return time_days_from_civil((int)(m / 12), (int)(m % 12) + 1, d < length ? d : length);
}

/* n Mondays to Fridays further; whole weeks at once. */
int64_t add_workdays(int64_t day, int64_t n)
{
	int step = n < 0 ? -1 : 1;

	if (n == 0)
		return day;
	day += n / 5 * 7;
	n %= 5;
	while (time_weekday(day) > 4)
		day -= step;
	for (; n != 0; n -= step) {
		do
			day += step;
		while (time_weekday(day) > 4);
	}
	return day;
}

int64_t week_start(const struct words *w, int64_t day)
{
	int weekday = time_weekday(day);

	return day - (w->ctx->sunday_first ? (weekday + 1) % 7 : weekday);
}

int64_t nth_weekday(int year, int month, int n, int weekday)
{
	int64_t first = time_days_from_civil(year, month, 1);
	int length = time_days_in_month(year, month);
	int64_t day;

	if (n > 0)
		day = first + (weekday - time_weekday(first) + 7) % 7 + (n - 1) * 7;
	else
		day = first + length - 1 - (time_weekday(first + length - 1) - weekday + 7) % 7 +
		      (n + 1) * 7;
	return n != 0 && day >= first && day < first + length ? day : -1;
}

/* Words that make what follows a date. */
static bool is_evidence(const struct words *w, size_t i)
{
	return WORD_IN(w, i, W_IN, W_ON, W_BY, W_UNTIL, W_SINCE, W_OF, W_NEXT, W_THIS, W_LAST,
		       W_FROM, W_EVERY, W_DUE, W_BEFORE, W_AFTER, W_BEGIN, W_MIDDLE, W_COMING,
		       W_END, W_START, W_BETWEEN, W_PREVIOUS, W_FOR, W_EXCEPT);
}

static bool has_evidence(const struct words *w, size_t i)
{
	return i > 0 && (is_evidence(w, i - 1) ||
			 (i > 1 && word_at(w, i - 1) == W_THE && is_evidence(w, i - 2)));
}

/* "sat", "sun", "wed": only beside something else that tells a date, or last in the text. */
static bool is_weak_weekday(const struct words *w, size_t i)
{
	if (i > 0 && word_at(w, i - 1) == W_THE)
		return false;
	return has_evidence(w, i) || i + 1 >= w->n ||
	       WORD_IN(w, i + 1, W_PUNCT, W_AT, W_DIGITS, W_PART, W_MONTH, W_TO, W_UNTIL, W_NOON,
		       W_NEXT, W_AND, W_NUMBER);
}

size_t match_weekday(const struct words *w, size_t i, int *ret)
{
	if (word_at(w, i) != W_WEEKDAY)
		return 0;
	if ((w->t[i].flags & WORD_WEAK) != 0 && !is_weak_weekday(w, i))
		return 0;
	*ret = value_at(w, i);
	return (w->t[i].flags & WORD_ABBREVIATED) != 0 ? 1 + skip_dot(w, i + 1) : 1;
}

/* The month's word alone, with its dot. */
size_t match_month(const struct words *w, size_t i, int *ret)
{
	if (word_at(w, i) != W_MONTH)
		return 0;
	*ret = value_at(w, i);
	return (w->t[i].flags & WORD_ABBREVIATED) != 0 ? 1 + skip_dot(w, i + 1) : 1;
}

/* A number that goes on to be a time or an amount is neither a day nor a year. */
static bool is_other_number(const struct words *w, size_t after)
{
	enum word next = word_at(w, after);

	if (next == W_MERIDIEM || next == W_OCLOCK || word_is(w, after, "o"))
		return true;
	if (next == W_UNIT && !word_is(w, after, "second"))
		return true;
	if (is_punct(w, after, ':') && is_glued(w, after) && is_glued(w, after + 1) &&
	    word_at(w, after + 1) == W_DIGITS)
		return true;
	return is_punct(w, after, '%') || (word_is(w, after, "p") && is_glued(w, after));
}

size_t match_year(const struct words *w, size_t i, int *ret)
{
	size_t n = is_punct(w, i, '\'') && is_glued(w, i + 1);

	if (word_at(w, i + n) != W_DIGITS || is_other_number(w, i + n + 1))
		return 0;
	int32_t value = value_at(w, i + n);
	if (w->t[i + n].digits == 4 && n == 0 && value >= YEAR_FIRST && value <= YEAR_LAST) {
		*ret = value;
		return 1;
	}
	if (w->t[i + n].digits != 2 || (n == 0 && value < 32))
		return 0;
	*ret = value < 70 ? 2000 + value : 1900 + value;
	return n + 1;
}

/* "-" or "/" between figures and words that touch it. */
static size_t match_glued_mark(const struct words *w, size_t i)
{
	return (is_punct(w, i, '/') || is_punct(w, i, '-')) && is_glued(w, i) && is_glued(w, i + 1);
}

/* ", 2027" after a date. */
static size_t match_trailing_year(const struct words *w, size_t i, struct day *d)
{
	size_t n = skip_comma(w, i);

	if (n == 0)
		n = match_glued_mark(w, i);
	size_t more = match_year(w, i + n, &d->year);
	if (more == 0)
		return 0;
	d->has_year = true;
	return n + more;
}

/* The coming day with that number. */
static void resolve_lone_number(const struct words *w, const struct day *d, int *year, int *month)
{
	for (int tries = 0; tries < 3; tries++) {
		if (d->day <= time_days_in_month(*year, *month) &&
		    time_days_from_civil(*year, *month, d->day) >= w->today)
			return;
		*year += *month == 12;
		*month = *month % 12 + 1;
	}
}

/* The year of a month or of a day in it, when none was said. */
static int coming_year(const struct words *w, const struct day *d)
{
	int year = w->now.year;

	if (!d->is_month_day)
		return d->month < w->now.month ? year + 1 : year;
	if (d->month == 2 && d->day == 29) {
		while (time_days_in_month(year, 2) < 29 && year < 9990)
			year++;
	}
	if (d->day <= time_days_in_month(year, d->month) &&
	    time_days_from_civil(year, d->month, d->day) < w->today)
		year += d->month == 2 && d->day == 29 ? 4 : 1;
	return year;
}

void day_resolve(const struct words *w, struct day *d)
{
	int month = d->month, year = d->year;

	if (!d->has_month) {
		month = w->now.month;
		year = w->now.year;
		resolve_lone_number(w, d, &year, &month);
	} else if (!d->has_year) {
		year = coming_year(w, d);
	}
	if (year > 9998)
		year = 9998;
	d->is_impossible = d->is_month_day && d->day > time_days_in_month(year, month);
	int64_t first = time_days_from_civil(year, month, 1);
	if (d->is_month_day)
		day_set(d, first + d->day - 1, first + d->day, DUE_GRAIN_DAY);
	else
		day_set(d, first, add_months(first, 1), DUE_GRAIN_MONTH);
}

/* Day of the month in figures or words. */
static size_t match_month_day(const struct words *w, size_t i, struct day *d, bool *ret_is_spelled)
{
	int number;
	size_t n = match_ordinal(w, i, &number);

	if (n == 0 && word_at(w, i) == W_DIGITS && w->t[i].digits <= 2 &&
	    !is_other_number(w, i + 1)) {
		number = value_at(w, i);
		n = 1;
	}
	if (n == 0 || number < 1 || number > 31)
		return 0;
	d->day = number;
	d->is_month_day = true;
	*ret_is_spelled = word_at(w, i) != W_DIGITS;
	return n;
}

/* Whether a month's word without a year is a month: a lone "March" is, "mar", "may" and "May the
 * fourth" need evidence; "march first" is a day where no noun follows. */
static bool is_month_told(const struct words *w, size_t i, size_t n, const struct day *d,
			  bool is_spelled)
{
	if ((w->t[i].flags & WORD_WEAK) == 0 || d->has_year || has_evidence(w, i))
		return true;
	if (d->is_month_day && is_spelled)
		return n == 2 && (i + n >= w->n || word_at(w, i + n) != W_NONE);
	if (d->is_month_day)
		return true;
	return n == 1 && w->n == 1 && word_is(w, i, "march");
}

/* "May 3rd", "May the 3rd, 2027", "aug-20", "August/10/2012", "May 2027", "in May". */
static size_t match_month_first(const struct words *w, size_t i, struct day *d)
{
	bool is_spelled = false;
	size_t n = match_month(w, i, &d->month), day_n;

	if (n == 0)
		return 0;
	d->has_month = true;
	size_t gap = match_glued_mark(w, i + n);
	gap += skip(w, i + n + gap, W_THE);
	day_n = match_month_day(w, i + n + gap, d, &is_spelled);
	if (day_n > 0)
		n += gap + day_n;
	n += match_trailing_year(w, i + n, d);
	/* "32 August 2014" is no August */
	bool is_cut = day_n == 0 && i > 0 && word_at(w, i - 1) == W_DIGITS &&
		      w->t[i - 1].digits == 2 && value_at(w, i - 1) > 31;
	if (is_cut || !is_month_told(w, i, n, d, is_spelled))
		return 0;
	if (day_n == 0)
		d->flags |= DUE_TENTATIVE;
	return n;
}

/* "3rd of May 2027", "3 May", "10/August/2012". */
static size_t match_day_first(const struct words *w, size_t i, struct day *d)
{
	bool is_spelled;
	size_t n = skip(w, i, W_THE), more = match_month_day(w, i + n, d, &is_spelled);

	if (more == 0)
		return 0;
	n += more;
	size_t of = skip(w, i + n, W_OF);
	if (of == 0)
		of = (is_punct(w, i + n, '-') || is_punct(w, i + n, '/')) && is_glued(w, i + n) &&
		     is_glued(w, i + n + 1);
	n += of + skip(w, i + n + of, W_THE);
	more = match_month(w, i + n, &d->month);
	if (more == 0)
		return 0;
	d->has_month = true;
	n += more;
	return n + match_trailing_year(w, i + n, d);
}

/* "2024 Aug", "2012/Aug/10". */
static size_t match_year_first(const struct words *w, size_t i, struct day *d)
{
	bool is_spelled;

	if (word_at(w, i) != W_DIGITS || w->t[i].digits != 4 || match_year(w, i, &d->year) == 0)
		return 0;
	bool is_glued_mark =
		(is_punct(w, i + 1, '/') || is_punct(w, i + 1, '-')) && is_glued(w, i + 1);
	size_t n = is_glued_mark ? 2 : 1;
	size_t more = match_month(w, i + n, &d->month);
	if (more == 0)
		return 0;
	d->has_year = d->has_month = true;
	n += more;
	size_t gap = is_punct(w, i + n, '/') || is_punct(w, i + n, '-');
	more = match_month_day(w, i + n + gap, d, &is_spelled);
	return more > 0 ? n + gap + more : n;
}

/* Before "the 15th" stands what makes it a date: "on", "by"; "move it to the 30th", but "go to the
 * 2nd floor". */
static bool is_ordinal_told(const struct words *w, size_t i)
{
	if (i == 0)
		return true;
	if (word_at(w, i - 1) == W_TO)
		return i + 3 >= w->n || word_at(w, i + 3) != W_NONE;
	return has_evidence(w, i) && !WORD_IN(w, i - 1, W_OF, W_FOR, W_IN, W_END);
}

/* "the 15th", after a word that makes it a date, or first in the text before a time. */
static size_t match_lone_ordinal(const struct words *w, size_t i, struct day *d)
{
	bool is_spelled;
	size_t n = skip(w, i, W_THE), more;

	if (n == 0 || !is_ordinal_told(w, i))
		return 0;
	more = match_month_day(w, i + n, d, &is_spelled);
	if (more != 2 || is_spelled)
		return 0;
	n += more;
	/* "the 15th floor" */
	enum word next = word_at(w, i + n);
	if (i == 0 && n < w->n && next != W_AT)
		return 0;
	if (i + n < w->n && next == W_NONE)
		d->flags |= DUE_TENTATIVE;
	return WORD_IN(w, i + n, W_WEEKDAY, W_UNIT, W_OF) ? 0 : n;
}

/* "q3", "q3 2027", "third quarter of 2027". */
size_t match_quarter(const struct words *w, size_t i, struct day *d)
{
	int quarter = 0, year = w->now.year;
	size_t n = skip(w, i, W_THE);

	if (word_at(w, i + n) == W_YEARQUARTER && word_at(w, i + n + 1) == W_DIGITS &&
	    is_glued(w, i + n + 1)) {
		quarter = value_at(w, i + n + 1);
		n += 2;
	} else {
		size_t more = match_ordinal(w, i + n, &quarter);
		if (more == 0 || word_at(w, i + n + more) != W_QUARTER)
			return 0;
		n += more + 1;
	}
	if (quarter < 1 || quarter > 4)
		return 0;
	size_t of = skip(w, i + n, W_OF), more = match_year(w, i + n + of, &year);
	n += more > 0 ? of + more : 0;
	int64_t first = time_days_from_civil(year, quarter * 3 - 2, 1);
	if (more == 0 && add_months(first, 3) <= w->today)
		first = add_months(first, 12);
	day_set(d, first, add_months(first, 3), DUE_GRAIN_QUARTER);
	return n;
}

/* "in 2027" */
static size_t match_lone_year(const struct words *w, size_t i, struct day *d)
{
	enum word before = i > 0 ? word_at(w, i - 1) : W_NONE;

	if (before != W_IN && before != W_SINCE && before != W_BY && before != W_UNTIL)
		return 0;
	if (word_at(w, i) != W_DIGITS || w->t[i].digits != 4 || match_year(w, i, &d->year) == 0)
		return 0;
	if (value_at(w, i) < 1950 || value_at(w, i) > 2100 ||
	    (i + 1 < w->n && word_at(w, i + 1) == W_NONE))
		return 0;
	day_set(d, time_days_from_civil(d->year, 1, 1), time_days_from_civil(d->year + 1, 1, 1),
		DUE_GRAIN_YEAR);
	return 1;
}

size_t match_calendar_day(const struct words *w, size_t i, struct day *ret)
{
	static size_t (*const FORMS[])(const struct words *, size_t, struct day *) = {
		match_month_first,
		match_day_first,
		match_year_first,
		match_lone_ordinal,
	};

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

/* "the 13th" behind a weekday. */
static size_t match_number_after_weekday(const struct words *w, size_t i, struct day *d)
{
	size_t n = skip(w, i, W_THE);

	if (word_at(w, i + n) != W_DIGITS || word_at(w, i + n + 1) != W_SUFFIX)
		return 0;
	d->day = value_at(w, i + n);
	d->is_month_day = d->day >= 1 && d->day <= 31;
	if (!d->is_month_day)
		return 0;
	day_resolve(w, d);
	return n + 2;
}

/* The year in which that date is that weekday: next year, or this one when the date has just
 * passed. */
static void prefer_weekday(const struct words *w, struct day *d, int weekday)
{
	int64_t next = add_months(d->first, 12), past = add_months(d->first, -12), day = d->first;
	int year, month, number;

	if (d->has_year || !d->has_month || time_weekday(day) == weekday)
		return;
	time_civil_from_days(day, &year, &month, &number);
	if (year == w->now.year && time_weekday(next) == weekday)
		day = next;
	else if (year > w->now.year && past + 60 > w->today && time_weekday(past) == weekday)
		day = past;
	day_set(d, day, day + 1, DUE_GRAIN_DAY);
}

/* "Friday, May 3rd": the date counts. */
static size_t match_weekday_and_date(const struct words *w, size_t i, struct day *ret)
{
	int weekday;
	struct day d = { 0 };
	size_t n = match_weekday(w, i, &weekday), more;

	if (n == 0)
		return 0;
	n += skip_comma(w, i + n);
	n += skip(w, i + n, W_ON);
	more = match_calendar_day(w, i + n, &d);
	if (more == 0)
		more = match_numeric_day(w, i + n, &d);
	if (more == 0)
		more = match_number_after_weekday(w, i + n, &d);
	if (more == 0 || d.grain != DUE_GRAIN_DAY)
		return 0;
	prefer_weekday(w, &d, weekday);
	*ret = d;
	return n + more;
}

size_t match_day(const struct words *w, size_t i, struct day *ret)
{
	static const struct {
		size_t (*match)(const struct words *, size_t, struct day *);
		uint64_t begin; /* WORD_BIT of the words it may begin with */
	} FORMS[] = {
		{ match_numeric_day, WORD_BIT(W_DIGITS) },
		{ match_holiday, ~UINT64_C(0) },
		{ match_weekday_and_date, WORD_BIT(W_WEEKDAY) },
		{ match_relative_day, ~UINT64_C(0) },
		{ match_near_day, ~UINT64_C(0) },
		{ match_calendar_day, WORD_BIT(W_MONTH) | WORD_BIT(W_DIGITS) | WORD_BIT(W_THE) |
					      WORD_BIT(W_ORDINAL) | WORD_BIT(W_NUMBER) |
					      WORD_BIT(W_UNIT) },
		{ match_quarter, WORD_BIT(W_THE) | WORD_BIT(W_YEARQUARTER) | WORD_BIT(W_ORDINAL) |
					 WORD_BIT(W_DIGITS) | WORD_BIT(W_UNIT) },
		{ match_lone_year, WORD_BIT(W_DIGITS) },
	};
	struct day best = { 0 };
	size_t best_n = 0;
	uint64_t bit = WORD_BIT(word_at(w, i));

	if (WORD_IN(w, i, W_PUNCT, W_AND, W_AT, W_ON, W_IN, W_FROM, W_BY, W_TO))
		return 0;
	/* the longest, among equals the first */
	for (size_t k = 0; k < ARRAY_SIZE(FORMS); k++) {
		struct day d = { 0 };
		size_t n = (FORMS[k].begin & bit) != 0 ? FORMS[k].match(w, i, &d) : 0;
		if (n > best_n && words_can_pause(w, i + n)) {
			best = d;
			best_n = n;
		}
	}
	if (best_n > 0)
		*ret = best;
	return best_n;
}
