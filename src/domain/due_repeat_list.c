/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists inside recurrences: weekdays, positions in a month, months and their days. Cores and
 * clauses share them.
 */
#include "src/domain/due_repeat_private.h"

size_t match_list_gap(const struct words *w, size_t i)
{
	size_t n = skip_comma(w, i);

	n += word_at(w, i + n) == W_AND || word_at(w, i + n) == W_OR || is_punct(w, i + n, '&') ||
	     is_punct(w, i + n, '/');
	return n;
}

static size_t match_any_weekday(const struct words *w, size_t i, int *ret)
{
	if (word_at(w, i) == W_WEEKDAYS) {
		*ret = value_at(w, i);
		return 1;
	}
	if (word_at(w, i) != W_WEEKDAY)
		return 0;
	*ret = value_at(w, i);
	return 1 + skip_dot(w, i + 1);
}

static uint8_t weekday_span(int from, int to)
{
	uint8_t mask = 0;

	for (int d = from;; d = (d + 1) % 7) {
		mask = (uint8_t)(mask | 1U << d);
		if (d == to)
			return mask;
	}
}

/* "monday", "tue and thu", "Mon thru Wed", "saturdays through tuesdays". */
size_t match_weekday_list(const struct words *w, size_t i, uint8_t *ret_mask)
{
	int first, last;
	size_t n = match_any_weekday(w, i, &first), more, gap;

	if (n == 0)
		return 0;
	*ret_mask = (uint8_t)(1U << first);
	for (int k = 0; k < LIST_MAX; k++) {
		bool is_span = is_punct(w, i + n, '-') || word_at(w, i + n) == W_TO ||
			       word_at(w, i + n) == W_UNTIL;
		gap = is_span ? 1 : match_list_gap(w, i + n);
		gap += word_at(w, i + n + gap) == W_ON && gap > 0;
		/* "mon wed fri" needs no commas */
		more = match_any_weekday(w, i + n + gap, &last);
		if (more == 0)
			break;
		unsigned more_days = is_span ? weekday_span(first, last) : 1U << last;
		*ret_mask = (uint8_t)(*ret_mask | more_days);
		first = last;
		n += gap + more;
	}
	return n;
}

/* "1st", "first and third", "second to last", "last". */
static size_t match_one_position(const struct words *w, size_t i, int *ret)
{
	size_t n = skip(w, i, W_THE), more;

	if (word_at(w, i + n) == W_LAST) {
		*ret = -1;
		return n + 1;
	}
	more = match_ordinal(w, i + n, ret);
	if (more == 0 || *ret < 1 || *ret > 31)
		return 0;
	n += more;
	size_t to = word_at(w, i + n) == W_TO || is_punct(w, i + n, '-');
	/* "2nd last" */
	if (word_at(w, i + n) == W_LAST) {
		*ret = -*ret;
		return n + 1;
	}
	to += is_punct(w, i + n, '-') && word_at(w, i + n + 1) == W_TO;
	to += is_punct(w, i + n + to, '-') && to > 0;
	to += to > 0 ? skip(w, i + n + to, W_THE) : 0;
	if (to > 0 && word_at(w, i + n + to) == W_LAST) {
		*ret = -*ret;
		return n + to + 1;
	}
	return n;
}

size_t match_positions(const struct words *w, size_t i, struct positions *ret)
{
	size_t n = match_one_position(w, i, &ret->at[0]), gap, more;

	if (n == 0)
		return 0;
	for (ret->n = 1; ret->n < LIST_MAX; ret->n++) {
		gap = match_list_gap(w, i + n);
		more = gap > 0 ? match_one_position(w, i + n + gap, &ret->at[ret->n]) : 0;
		if (more == 0)
			break;
		n += gap + more;
	}
	return n;
}

static void put_nth(struct repeat *r, const struct positions *p, uint8_t weekdays)
{
	for (int k = 0; k < p->n; k++) {
		for (int d = 0; d < 7; d++) {
			if ((weekdays >> d & 1) != 0 && r->n_nth < REPEAT_LIST_MAX)
				r->nth[r->n_nth++] = (struct repeat_nth){ p->at[k], d };
		}
	}
}

void put_month_days(struct repeat *r, const struct positions *p)
{
	for (int k = 0; k < p->n && r->n_month_days < REPEAT_LIST_MAX; k++)
		r->month_days[r->n_month_days++] = p->at[k];
}

/* What positions count: weekdays, days of the month, working days. */
size_t put_positions(const struct words *w, size_t i, const struct positions *p, struct repeat *r)
{
	uint8_t weekdays;
	size_t n = match_weekday_list(w, i, &weekdays);

	if (n > 0) {
		put_nth(r, p, weekdays);
		return n;
	}
	bool is_business_day = word_at(w, i) == W_BUSINESS && word_at(w, i + 1) == W_UNIT &&
			       value_at(w, i + 1) == U_DAY;
	if (word_at(w, i) == W_WORKDAY || is_business_day) {
		r->weekdays = WORKDAYS;
		r->set_pos = p->at[0];
		return is_business_day ? 2 : 1;
	}
	if (word_at(w, i) == W_WEEKEND) {
		put_nth(r, p, 1U << 5);
		return 1;
	}
	put_month_days(r, p);
	return word_at(w, i) == W_UNIT && value_at(w, i) == U_DAY;
}

/* "every other", "each 3", after which a unit stands. 0 without "every". */
static size_t match_each(const struct words *w, size_t i, int *ret_interval)
{
	int64_t interval = 1;
	size_t n = skip(w, i, W_EVERY);

	if (n == 0)
		return 0;
	if (word_at(w, i + n) == W_OTHER || word_is(w, i + n, "second")) {
		interval = 2;
		n++;
	} else {
		n += match_number(w, i + n, &interval);
	}
	*ret_interval = (int)interval;
	return interval >= 1 && interval <= 1000 ? n : 0;
}

/* "of the month", "of each month", "every other month". */
size_t match_of_month(const struct words *w, size_t i, struct repeat *r, bool *ret_is_every)
{
	int interval = 1;
	size_t n = WORD_IN(w, i, W_OF, W_IN), each = match_each(w, i + n, &interval);

	*ret_is_every = each > 0;
	n += each > 0 ? each : WORD_IN(w, i + n, W_THE, W_A);
	if (n == 0 || (!is_unit(w, i + n, U_MONTH) && !is_unit(w, i + n, U_YEAR)))
		return 0;
	if (each > 0 || r->unit == U_COUNT) {
		r->unit = (enum unit)value_at(w, i + n);
		r->interval = interval;
	}
	return n + 1;
}

/* Months of the year: "december", "march and april". */
size_t match_months(const struct words *w, size_t i, uint16_t *ret_mask)
{
	int month;
	size_t n = match_month(w, i, &month), gap, more;

	if (n == 0)
		return 0;
	*ret_mask = (uint16_t)(1U << month);
	for (int k = 0; k < LIST_MAX; k++) {
		gap = match_list_gap(w, i + n);
		more = gap > 0 ? match_month(w, i + n + gap, &month) : 0;
		if (more == 0)
			break;
		*ret_mask = (uint16_t)(*ret_mask | 1U << month);
		n += gap + more;
	}
	return n;
}

/* Days after a month's name: "21st and 31st", "20 and 30". */
size_t match_days_of_month(const struct words *w, size_t i, struct repeat *r)
{
	size_t n = 0;

	for (int k = 0; k < LIST_MAX; k++) {
		int day = 0;
		size_t gap = k == 0 ? skip(w, i, W_THE) : match_list_gap(w, i + n);
		if (k > 0 && gap == 0)
			break;
		size_t more = match_ordinal(w, i + n + gap, &day);
		if (more == 0 && word_at(w, i + n + gap) == W_DIGITS &&
		    word_at(w, i + n + gap + 1) != W_MERIDIEM &&
		    !(is_punct(w, i + n + gap + 1, ':') && is_glued(w, i + n + gap + 1))) {
			day = value_at(w, i + n + gap);
			more = 1;
		}
		if (more == 0 || day < 1 || day > 31 || r->n_month_days == REPEAT_LIST_MAX)
			break;
		r->month_days[r->n_month_days++] = day;
		n += gap + more;
	}
	return n;
}
