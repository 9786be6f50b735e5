/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clauses of recurrences, in any order: "at 9", "on the first Monday", "in May", "starting
 * tomorrow", "until June", "for 3 times", "except on Sundays". Each puts what it says into the
 * struct repeat that the core began.
 */
#include "src/domain/due_repeat_private.h"

enum { CLAUSES_MAX = 10, DAY = 86400 };

/* "in the morning", behind a time or alone. */
static size_t clause_part(const struct words *w, size_t i, struct repeat *r)
{
	struct clock c;
	size_t lead = skip_comma(w, i), n = match_part(w, i + lead, &c);

	if (n == 0 || (r->n_times > 0 && !r->is_ambiguous_time))
		return 0;
	if (r->n_times > 0) {
		struct clock at = { .second = r->times[0], .is_ambiguous = true };
		clock_apply_part(&at, c.part);
		r->times[0] = at.second % DAY;
		r->is_ambiguous_time = false;
	} else {
		repeat_put_time(r, c.second % DAY);
		r->is_part_time = c.is_part;
		r->part = c.part;
	}
	return lead + n;
}

/* Words in front of a time: "at", "@", "around"; between two times "and". */
static size_t match_time_lead(const struct words *w, size_t i, const struct repeat *r,
			      bool *ret_is_led)
{
	size_t n = skip_comma(w, i);
	bool is_next = r->n_times > 0 && !r->is_part_time;

	*ret_is_led = is_punct(w, i + n, '@') || WORD_IN(w, i + n, W_AT, W_ABOUT, W_BY);
	if (is_next) {
		size_t gap = match_list_gap(w, i);
		*ret_is_led = gap > 0;
		n = gap + skip(w, i + gap, W_AT);
	} else {
		n += *ret_is_led;
	}
	return n + skip(w, i + n, W_ABOUT);
}

static size_t clause_time(const struct words *w, size_t i, struct repeat *r)
{
	struct clock c = { 0 };
	bool is_led;
	size_t lead = match_time_lead(w, i, r, &is_led), n = match_clock(w, i + lead, &c);
	bool is_next = r->n_times > 0 && !r->is_part_time;

	/* "at 8, 12 and 18", but "at 8 and 12 people" */
	bool is_noun =
		is_next && c.is_bare && i + lead + n < w->n && word_at(w, i + lead + n) == W_NONE;
	if (n == 0 || (c.is_bare && !is_led) || is_noun || r->n_times == REPEAT_TIMES_MAX)
		return 0;
	if (r->is_part_time) {
		clock_apply_part(&c, r->part);
		r->n_times = 0;
		r->is_part_time = false;
	}
	r->is_ambiguous_time = c.is_ambiguous;
	repeat_put_time(r, c.second % DAY);
	return lead + n;
}

/* "on Monday", "tuesdays and thursdays", "on weekdays". */
static size_t clause_weekdays(const struct words *w, size_t i, struct repeat *r)
{
	size_t lead = skip_comma(w, i), n;

	lead += WORD_IN(w, i + lead, W_ON, W_AT);
	if (r->weekdays != 0 || r->n_nth > 0)
		return 0;
	n = match_weekday_list(w, i + lead, &r->weekdays);
	if (n == 0 && WORD_IN(w, i + lead, W_WORKDAYS, W_WEEKENDS)) {
		r->weekdays = word_at(w, i + lead) == W_WORKDAYS ? WORKDAYS : WEEKEND;
		n = 1;
	}
	if (n > 0 && r->unit == U_DAY)
		r->unit = U_WEEK;
	return n > 0 ? lead + n : 0;
}

/* "the beginning", "the end": the first and the last day. */
static size_t match_edge_day(const struct words *w, size_t i, struct repeat *r)
{
	size_t n = skip(w, i, W_THE);
	bool is_end = word_at(w, i + n) == W_END;
	const struct positions p = { .at = { is_end ? -1 : 1 }, .n = 1 };

	if (!is_end && word_at(w, i + n) != W_BEGIN && !word_is(w, i + n, "start"))
		return 0;
	put_month_days(r, &p);
	return n + 1;
}

/* "on the 4th", "on the first Monday of the month", "on december 21st", "at the end". */
static size_t clause_day(const struct words *w, size_t i, struct repeat *r)
{
	struct positions p = { 0 };
	bool is_every;
	size_t lead = skip_comma(w, i), n;

	lead += WORD_IN(w, i + lead, W_ON, W_AT);
	if (lead == 0 || r->n_month_days > 0 || r->n_nth > 0 || r->unit < U_MONTH)
		return 0;
	n = match_months(w, i + lead, &r->months);
	if (n > 0)
		return lead + n + match_days_of_month(w, i + lead + n, r);
	n = match_edge_day(w, i + lead, r);
	if (n == 0) {
		/* "on day 5" */
		bool is_day = is_unit(w, i + lead, U_DAY) && word_at(w, i + lead + 1) == W_DIGITS &&
			      value_at(w, i + lead + 1) >= 1 && value_at(w, i + lead + 1) <= 31;
		p = (struct positions){ .at = { value_at(w, i + lead + 1) }, .n = 1 };
		if (is_day) {
			put_month_days(r, &p);
			return lead + 2;
		}
		n = match_positions(w, i + lead, &p);
		if (n == 0)
			return 0;
		n += put_positions(w, i + lead + n, &p, r);
	}
	return lead + n + match_of_month(w, i + lead + n, r, &is_every);
}

/* "in November", "of each year" */
static size_t clause_months(const struct words *w, size_t i, struct repeat *r)
{
	size_t n = word_at(w, i) == W_IN || word_at(w, i) == W_OF || word_at(w, i) == W_EVERY;

	if (n == 0 || r->months != 0)
		return 0;
	size_t more = match_months(w, i + n, &r->months);
	return more > 0 ? n + more : 0;
}

static size_t clause_start(const struct words *w, size_t i, struct repeat *r)
{
	struct day d;
	size_t n = skip_comma(w, i);
	enum word word = word_at(w, i + n);

	if (r->has_start)
		return 0;
	if (word_is(w, i + n, "as") &&
	    (word_at(w, i + n + 1) == W_OF || word_at(w, i + n + 1) == W_FROM))
		n += 2;
	else if (word == W_START || word == W_FROM || word == W_BEGIN || word == W_SINCE ||
		 word == W_AFTER)
		n++;
	else
		return 0;
	n += word_at(w, i + n) == W_ON || word_at(w, i + n) == W_FROM || word_at(w, i + n) == W_IN;
	size_t more = match_day(w, i + n, &d);
	if (more == 0 || d.is_impossible)
		return 0;
	r->has_start = true;
	r->start = d.first;
	return n + more;
}

static size_t match_until_lead(const struct words *w, size_t i)
{
	size_t n = skip_comma(w, i);

	n += skip(w, i + n, W_UP);
	if (!is_punct(w, i + n, '-') && !WORD_IN(w, i + n, W_UNTIL, W_TO, W_END))
		return 0;
	n++;
	return n + WORD_IN(w, i + n, W_ON, W_IN, W_BY);
}

static size_t clause_until(const struct words *w, size_t i, struct repeat *r)
{
	struct day d;
	size_t n = match_until_lead(w, i), more = n > 0 ? match_day(w, i + n, &d) : 0;

	if (more == 0 || d.is_impossible || r->has_until || r->count > 0)
		return 0;
	/* "until June" ends as June begins, "through June" with it */
	bool is_through = word_is(w, i + n - 1, "through") || word_is(w, i + n - 1, "thru");
	int64_t start = r->has_start ? r->start : w->today;
	r->until = is_through ? d.after - 1 : d.first;
	if (r->until < start && d.has_month && !d.has_year)
		r->until = add_months(r->until, 12);
	r->has_until = r->until >= start;
	return r->has_until ? n + more : 0;
}

/* "3 times", "10x", "for 4 occurrences", "twice". */
static size_t match_count(const struct words *w, size_t i, struct repeat *r)
{
	int64_t count = 0;
	size_t n = skip(w, i, W_FOR);

	if (word_at(w, i + n) == W_ONCE && value_at(w, i + n) > 1) {
		r->count = value_at(w, i + n);
		return n + 1;
	}
	size_t more = match_number(w, i + n, &count);
	if (more == 0 || count < 1 || count > 10000)
		return 0;
	n += more;
	bool is_x = word_is(w, i + n, "x") && is_glued(w, i + n);
	if (word_at(w, i + n) != W_TIMES && !is_x)
		return 0;
	r->count = (int)count;
	return n + 1;
}

/* "for 2 months", "for up to 2 months", "for the next year". */
static size_t clause_for(const struct words *w, size_t i, struct repeat *r)
{
	struct amount a = { .finest = U_DAY };
	struct civil c = { 0 };
	size_t comma = skip_comma(w, i), n;

	if (r->has_until || r->count > 0)
		return 0;
	n = match_count(w, i + comma, r);
	if (n > 0)
		return comma + n;
	if (word_at(w, i + comma) != W_FOR)
		return 0;
	n = comma + 1;
	if (word_at(w, i + n) == W_UP && word_at(w, i + n + 1) == W_TO)
		n += 2;
	n += skip(w, i + n, W_THE);
	bool is_next = word_at(w, i + n) == W_NEXT;
	n += is_next;
	if (is_next && word_at(w, i + n) == W_UNIT) {
		a.finest = (enum unit)value_at(w, i + n);
		a.n[a.finest] = 1;
		n++;
	} else {
		size_t more = match_amount(w, i + n, &a);
		if (more == 0)
			return 0;
		n += more;
	}
	time_civil_from_days(r->has_start ? r->start : w->today, &c.year, &c.month, &c.day);
	if (a.finest < U_DAY || !amount_add(&a, 1, &c))
		return 0;
	r->has_until = true;
	r->until = days_of_civil(&c);
	return n;
}

static size_t match_except_lead(const struct words *w, size_t i)
{
	size_t n = skip_comma(w, i);

	if (word_is(w, i + n, "but") && word_is(w, i + n + 1, "not"))
		n += 2;
	else if (word_is(w, i + n, "but") &&
		 WORD_IN(w, i + n + 1, W_WEEKDAY, W_WEEKDAYS, W_WEEKENDS, W_ON))
		n++;
	else if (word_at(w, i + n) == W_EXCEPT)
		n++;
	else
		return 0;
	n += skip(w, i + n, W_FOR);
	return n + WORD_IN(w, i + n, W_ON, W_IN);
}

/* "except Sundays", "except weekends": the other weekdays. */
static size_t except_weekdays(const struct words *w, size_t i, struct repeat *r)
{
	uint8_t weekdays = 0, all = r->weekdays != 0 ? r->weekdays : 0x7f;
	size_t n = match_weekday_list(w, i, &weekdays);

	if (n == 0 && WORD_IN(w, i, W_WEEKENDS, W_WORKDAYS)) {
		weekdays = word_at(w, i) == W_WEEKENDS ? WEEKEND : WORKDAYS;
		n = 1;
	}
	bool has_days = r->unit == U_DAY || (r->unit == U_WEEK && r->weekdays != 0);
	if (n == 0 || word_at(w, i + n) == W_IN || r->interval != 1 || !has_days ||
	    (all & ~weekdays) == 0)
		return 0;
	r->weekdays = (uint8_t)(all & ~weekdays);
	r->unit = U_WEEK;
	return n;
}

/* "except in December": the other months. */
static size_t except_months(const struct words *w, size_t i, struct repeat *r)
{
	uint16_t months;
	int year;
	size_t n = match_months(w, i, &months);

	if (n == 0 || match_year(w, i + n, &year) > 0 || r->months != 0 || r->has_until)
		return 0;
	r->months = (uint16_t)(0x1ffe & ~months);
	return n;
}

/* What is left out; RRULE can only say it by naming the rest. */
static size_t clause_except(const struct words *w, size_t i, struct repeat *r)
{
	struct moment m;
	size_t n = match_except_lead(w, i), more;

	if (n == 0)
		return 0;
	more = except_weekdays(w, i + n, r);
	if (more == 0)
		more = except_months(w, i + n, r);
	if (more > 0)
		return n + more;
	for (int k = 0; k < LIST_MAX; k++) {
		size_t gap = k == 0 ? 0 : match_list_gap(w, i + n);
		more = k == 0 || gap > 0 ? match_moment(w, i + n + gap, &m) : 0;
		if (more == 0)
			break;
		n += gap + more;
	}
	r->problem = "a recurrence rule cannot leave single dates out";
	return n;
}

size_t match_clauses(const struct words *w, size_t i, struct repeat *r)
{
	static size_t (*const CLAUSES[])(const struct words *, size_t, struct repeat *) = {
		clause_part,  clause_time,  clause_weekdays, clause_day,    clause_months,
		clause_start, clause_until, clause_for,	     clause_except,
	};
	size_t n = 0;

	for (int parts = 0; parts < CLAUSES_MAX; parts++) {
		size_t more = 0;
		for (size_t k = 0; k < ARRAY_SIZE(CLAUSES) && more == 0; k++) {
			struct repeat next = *r;
			more = CLAUSES[k](w, i + n, &next);
			if (more > 0 && words_can_pause(w, i + n + more))
				*r = next;
			else
				more = 0;
		}
		if (more == 0)
			break;
		n += more;
	}
	return n;
}

/* Clauses that stand in front: "at 9 every day", "starting Monday every week". */
size_t match_front_clauses(const struct words *w, size_t i, struct repeat *front)
{
	size_t n;

	*front = (struct repeat){ .interval = 1 };
	if (word_at(w, i) != W_AT && word_at(w, i) != W_DIGITS && word_at(w, i) != W_START &&
	    word_at(w, i) != W_NOON && word_at(w, i) != W_FROM)
		return 0;
	n = clause_time(w, i, front);
	if (n == 0)
		n = clause_start(w, i, front);
	return n + (n > 0 ? skip_comma(w, i + n) : 0);
}
