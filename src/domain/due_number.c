/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers, ordinals and amounts of time: "twenty-one", "a couple of", "1.5 hours", "one hour and a
 * half", "2 weeks and 3 days".
 */
#include "src/domain/due_match_private.h"

enum { AMOUNT_PARTS_MAX = 6, AMOUNT_MAX = 1000000000 };

static const int64_t UNIT_SECONDS[U_COUNT] = {
	[U_SECOND] = 1,		  [U_MINUTE] = 60,	  [U_HOUR] = 3600,
	[U_DAY] = 86400,	  [U_WEEK] = 7 * 86400,	  [U_MONTH] = 30 * 86400,
	[U_QUARTER] = 91 * 86400, [U_YEAR] = 365 * 86400, [U_WORKDAY] = 86400,
};

size_t match_number(const struct words *w, size_t i, int64_t *ret)
{
	size_t n = 1;

	if (word_at(w, i) == W_DIGITS) {
		*ret = value_at(w, i);
		return 1;
	}
	if (word_at(w, i) != W_NUMBER)
		return 0;
	*ret = value_at(w, i);
	if (*ret < 20)
		return 1;
	n += is_punct(w, i + 1, '-');
	if (*ret < 100 && word_at(w, i + n) == W_NUMBER && value_at(w, i + n) < 10) {
		*ret += value_at(w, i + n);
		return n + 1;
	}
	return 1;
}

size_t match_ordinal(const struct words *w, size_t i, int *ret)
{
	if (word_at(w, i) == W_DIGITS && word_at(w, i + 1) == W_SUFFIX && is_glued(w, i + 1)) {
		*ret = value_at(w, i);
		return 2;
	}
	if (word_at(w, i) == W_ORDINAL || word_is(w, i, "second")) {
		*ret = word_at(w, i) == W_ORDINAL ? value_at(w, i) : 2;
		return 1;
	}
	if (word_at(w, i) != W_NUMBER || value_at(w, i) < 20 || value_at(w, i) > 90)
		return 0;
	size_t n = 1 + is_punct(w, i + 1, '-');
	if (word_is(w, i + n, "second"))
		*ret = value_at(w, i) + 2;
	else if (word_at(w, i + n) == W_ORDINAL && value_at(w, i + n) < 10)
		*ret = value_at(w, i) + value_at(w, i + n);
	else
		return 0;
	return n + 1;
}

/* A number in halves of a 360th, so that 1.5, 1/2, 3/4 and 15.5 are exact. */
enum { FRACTION = 720 };

struct quantity {
	int64_t n; /* in 1/FRACTION */
	bool is_vague, is_digits;
};

static const struct {
	enum word word;
	int n;
} VAGUE[] = { { W_A, 1 }, { W_COUPLE, 2 }, { W_FEW, 3 } };

/* "1/2", "1.5", "2 1/2" after the whole part. */
static size_t match_fraction(const struct words *w, size_t i, struct quantity *q)
{
	int64_t divisor = 1;

	if (is_punct(w, i + 1, '/') && word_at(w, i + 2) == W_DIGITS && value_at(w, i + 2) > 1 &&
	    value_at(w, i + 2) <= 10 && value_at(w, i) < value_at(w, i + 2)) {
		q->n = (int64_t)value_at(w, i) * FRACTION / value_at(w, i + 2);
		return 3;
	}
	q->n = (int64_t)value_at(w, i) * FRACTION;
	if (!is_punct(w, i + 1, '.') || !is_glued(w, i + 1) || word_at(w, i + 2) != W_DIGITS ||
	    !is_glued(w, i + 2) || w->t[i + 2].digits > 4)
		return 1;
	for (int k = 0; k < w->t[i + 2].digits; k++)
		divisor *= 10;
	q->n += (int64_t)value_at(w, i + 2) * FRACTION / divisor;
	return 3;
}

/* "half a", "half an", "a quarter of an", "quarter". Only in front of a unit. */
static size_t match_part_of_unit(const struct words *w, size_t i, struct quantity *q)
{
	size_t n = skip(w, i, W_A);
	int64_t quarters;
	size_t number = n == 0 ? match_number(w, i, &quarters) : 0;
	size_t dash = number > 0 && is_punct(w, i + number, '-');

	/* "three-quarters of an hour" */
	if (number > 0 && quarters == 3 && word_at(w, i + number + dash) == W_UNIT &&
	    value_at(w, i + number + dash) == U_QUARTER &&
	    word_at(w, i + number + dash + 1) == W_OF) {
		q->n = FRACTION * 3 / 4;
		n = number + dash;
	} else if (word_at(w, i + n) == W_HALF)
		q->n = FRACTION / 2;
	else if (word_at(w, i + n) == W_QUARTER && word_at(w, i + n + 1) != W_NONE)
		q->n = FRACTION / 4;
	else
		return 0;
	n++;
	n += skip(w, i + n, W_OF);
	n += skip(w, i + n, W_A);
	return word_at(w, i + n) == W_UNIT ? n : 0;
}

/* "... and a half" before a unit: "2 and a half hours". */
static size_t match_and_half(const struct words *w, size_t i, struct quantity *q)
{
	size_t n = skip(w, i, W_AND);

	n += skip(w, i + n, W_A);
	if (n != 2 || word_at(w, i + n) != W_HALF || word_at(w, i + n + 1) != W_UNIT)
		return 0;
	q->n += FRACTION / 2;
	return n + 1;
}

static size_t match_quantity(const struct words *w, size_t i, struct quantity *q)
{
	size_t n = match_part_of_unit(w, i, q);
	int64_t number;

	if (n > 0)
		return n;
	if (word_at(w, i) == W_DIGITS) {
		q->is_digits = true;
		n = match_fraction(w, i, q);
		return n == 1 ? 1 + match_and_half(w, i + 1, q) : n;
	}
	n = match_number(w, i, &number);
	if (n > 0) {
		q->n = number * FRACTION;
		return n + match_and_half(w, i + n, q);
	}
	n = word_at(w, i) == W_A && (word_at(w, i + 1) == W_COUPLE || word_at(w, i + 1) == W_FEW);
	for (size_t k = 0; k < ARRAY_SIZE(VAGUE); k++) {
		if (word_at(w, i + n) == VAGUE[k].word) {
			q->n = VAGUE[k].n * FRACTION;
			q->is_vague = VAGUE[k].word == W_A;
			return n + 1 + skip(w, i + n + 1, W_OF);
		}
	}
	return 0;
}

static bool amount_put(struct amount *a, const struct quantity *q, enum unit unit)
{
	int64_t whole = q->n / FRACTION, rest = q->n % FRACTION;

	if (whole > AMOUNT_MAX)
		return false;
	a->n[unit] += whole;
	if (unit < a->finest)
		a->finest = unit;
	if (rest == 0)
		return true;
	if (unit == U_YEAR) {
		a->n[U_MONTH] += rest * 12 / FRACTION;
		a->finest = U_MONTH;
	} else {
		int64_t seconds = rest * UNIT_SECONDS[unit] / FRACTION;
		a->n[U_SECOND] += seconds;
		a->finest = seconds % 60 != 0			? U_SECOND
			    : seconds % 3600 != 0		? U_MINUTE
			    : unit == U_WEEK || unit == U_MONTH ? U_DAY
								: U_HOUR;
		if (unit == U_MONTH || unit == U_WEEK) {
			a->n[U_SECOND] -= seconds;
			a->n[U_DAY] += seconds / 86400;
		}
	}
	return true;
}

/* "business days", "fortnight", "minutes", and the ' of "in 15'". */
static size_t match_unit(const struct words *w, size_t i, enum unit *ret)
{
	bool is_prime =
		is_punct(w, i, '\'') && is_glued(w, i) && i > 0 && word_at(w, i - 1) == W_DIGITS;

	switch ((int)word_at(w, i)) {
	case W_UNIT:
		*ret = (enum unit)value_at(w, i);
		/* one letter must touch its number: "5m", not "5 m" */
		if ((w->t[i].flags & WORD_WEAK) != 0 && !is_glued(w, i))
			return 0;
		return (w->t[i].flags & WORD_ABBREVIATED) != 0 ? 1 + skip_dot(w, i + 1) : 1;
	case W_QUARTER:
		*ret = U_QUARTER;
		return 1;
	case W_WORKDAYS:
	case W_WORKDAY:
		*ret = U_WORKDAY;
		return 1;
	case W_BUSINESS:
		*ret = U_WORKDAY;
		return word_at(w, i + 1) == W_UNIT && value_at(w, i + 1) == U_DAY ? 2 : 0;
	default:
		*ret = U_MINUTE;
		return is_prime && !is_glued(w, i + 1);
	}
}

/* One number with its unit. */
static size_t match_amount_part(const struct words *w, size_t i, struct amount *a)
{
	struct quantity q = { 0 };
	enum unit unit;
	size_t n = match_quantity(w, i, &q), unit_n;

	if (n == 0)
		return 0;
	n += is_punct(w, i + n, '-') && word_at(w, i + n + 1) == W_UNIT;
	if (word_at(w, i + n) == W_FORTNIGHT) {
		q.n *= 2;
		unit = U_WEEK;
		unit_n = 1;
	} else {
		unit_n = match_unit(w, i + n, &unit);
	}
	if (unit_n == 0 || !amount_put(a, &q, unit))
		return 0;
	/* "one day" */
	a->is_vague = q.is_vague || (word_at(w, i) == W_NUMBER && q.n == FRACTION && unit == U_DAY);
	a->is_short = (w->t[i + n].flags & WORD_WEAK) != 0 && unit != U_HOUR;
	return n + unit_n;
}

/* Minutes behind hours, without their unit. */
static size_t match_more_minutes(const struct words *w, size_t i, struct amount *a)
{
	if (word_at(w, i) != W_DIGITS || value_at(w, i) >= 60 || !words_can_end(w, i + 1) ||
	    WORD_IN(w, i + 1, W_UNIT, W_MERIDIEM))
		return 0;
	a->n[U_MINUTE] += value_at(w, i);
	a->finest = U_MINUTE;
	return 1;
}

/* "... and a half", "... and half", "2 hours and 10", "1h30". */
static size_t match_amount_tail(const struct words *w, size_t i, struct amount *a, enum unit unit)
{
	size_t n = skip(w, i, W_AND), half = n + skip(w, i + n, W_A), more;

	if (n > 0 && word_at(w, i + half) == W_HALF && !WORD_IN(w, i + half + 1, W_A, W_UNIT)) {
		struct quantity q = { .n = FRACTION / 2 };
		return amount_put(a, &q, unit) ? half + 1 : 0;
	}
	bool is_glued_hour = is_glued(w, i) && word_is(w, i - 1, "h") && w->t[i].digits == 2;
	if (unit != U_HOUR || (n == 0 && !is_glued_hour))
		return 0;
	more = match_more_minutes(w, i + n, a);
	return more > 0 ? n + more : 0;
}

size_t match_amount(const struct words *w, size_t i, struct amount *ret)
{
	struct amount a = { .finest = U_COUNT };
	size_t n = match_amount_part(w, i, &a);

	if (n == 0)
		return 0;
	for (int parts = 1; parts < AMOUNT_PARTS_MAX; parts++) {
		struct amount more = a;
		size_t gap = skip_comma(w, i + n);
		gap += skip(w, i + n + gap, W_AND);
		size_t part = match_amount_part(w, i + n + gap, &more);
		if (part == 0 || more.finest >= a.finest || more.is_vague)
			break;
		a = more;
		a.is_short = false;
		n += gap + part;
	}
	n += match_amount_tail(w, i + n, &a, a.finest);
	*ret = a;
	return n;
}

int64_t amount_seconds(const struct amount *a)
{
	int64_t s = 0;

	for (int u = 0; u < U_COUNT; u++)
		s += a->n[u] * UNIT_SECONDS[u];
	return s;
}

bool amount_add(const struct amount *a, int sign, struct civil *c)
{
	int64_t months = a->n[U_MONTH] + 3 * a->n[U_QUARTER] + 12 * a->n[U_YEAR];
	int64_t days = a->n[U_DAY] + 7 * a->n[U_WEEK];
	int64_t seconds = a->n[U_SECOND] + 60 * a->n[U_MINUTE] + 3600 * a->n[U_HOUR];
	int64_t first = time_days_from_civil(1, 1, 1), last = time_days_from_civil(9999, 12, 31);

	if (months > 12 * 9998 || days > last - first || a->n[U_WORKDAY] > last - first ||
	    seconds > (last - first) * TIME_S_PER_DAY)
		return false;
	int64_t month = c->year * INT64_C(12) + c->month - 1 + sign * months;
	if (month < 12 || month > 9999 * 12 + 11)
		return false;
	int64_t day = add_months(days_of_civil(c), sign * months) + sign * days;
	day = add_workdays(day, sign * a->n[U_WORKDAY]);
	int64_t s =
		day * TIME_S_PER_DAY + c->hour * 3600 + c->minute * 60 + c->second + sign * seconds;
	if (s < first * TIME_S_PER_DAY || s >= (last + 1) * TIME_S_PER_DAY)
		return false;
	time_civil_from_s(s, c);
	return true;
}
