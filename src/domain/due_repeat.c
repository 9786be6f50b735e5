/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cores of recurrences: "every other Friday", "mondays and thursdays", "the 4th of each month",
 * "daily". Clauses stand before and behind them (due_clause.c). What is gathered becomes RRULE text
 * in due_rule.c. What RRULE cannot say is told in `problem`, never guessed.
 */
#include "src/domain/due_repeat_private.h"

static const char SEVERAL_TIMES[] =
	"several times in one period: say on which days or at which times";

static size_t match_yearly_day(const struct words *w, size_t i, struct repeat *r)
{
	struct day d = { 0 };
	size_t n = match_months(w, i, &r->months), more;

	if (n > 0) {
		r->unit = U_YEAR;
		more = match_days_of_month(w, i + n, r);
		if (more == 0)
			r->month_days[r->n_month_days++] = 1;
		return n + more;
	}
	n = match_holiday(w, i, &d);
	if (n > 0 && d.nth != 0 && r->n_nth < REPEAT_LIST_MAX) {
		r->unit = U_YEAR;
		r->months = (uint16_t)(1U << d.month);
		r->nth[r->n_nth++] = (struct repeat_nth){ d.nth, d.weekday };
		return n;
	}
	if (n > 0 && !d.has_month) {
		r->unit = U_YEAR;
		r->problem = "a recurrence rule cannot follow a holiday that moves";
		return n;
	}
	if (n > 0) {
		r->unit = U_YEAR;
		r->months = (uint16_t)(1U << d.month);
		r->month_days[r->n_month_days++] = d.day;
		return n;
	}
	/* "every 25th of december" */
	struct positions p = { 0 };
	n = match_positions(w, i, &p);
	if (n == 0)
		return 0;
	n += skip(w, i + n, W_OF);
	more = match_months(w, i + n, &r->months);
	if (more == 0)
		return 0;
	r->unit = U_YEAR;
	put_month_days(r, &p);
	return n + more;
}

static void put_part(struct repeat *r, enum part part)
{
	repeat_put_time(r, part_hour(part) * 3600);
	r->is_part_time = true;
	r->part = part;
}

/* After "every" and its interval: a unit, weekdays, a part of the day. */
static size_t match_every_what(const struct words *w, size_t i, struct repeat *r)
{
	size_t n = match_weekday_list(w, i, &r->weekdays);

	if (n > 0) {
		r->unit = U_WEEK;
		return n;
	}
	switch ((int)word_at(w, i)) {
	case W_WORKDAY:
	case W_WORKDAYS:
		r->weekdays = WORKDAYS;
		r->unit = U_WEEK;
		return 1;
	case W_WEEKEND:
	case W_WEEKENDS:
		r->weekdays = WEEKEND;
		r->unit = U_WEEK;
		return 1;
	case W_BUSINESS:
		if (word_at(w, i + 1) != W_UNIT || value_at(w, i + 1) != U_DAY)
			return 0;
		r->weekdays = WORKDAYS;
		r->unit = U_WEEK;
		return 2;
	case W_FORTNIGHT:
		r->unit = U_WEEK;
		r->interval *= 2;
		return 1;
	case W_QUARTER:
		r->unit = U_QUARTER;
		return 1;
	case W_UNIT:
		if ((w->t[i].flags & WORD_WEAK) != 0 && !is_glued(w, i))
			return 0;
		r->unit = (enum unit)value_at(w, i);
		return 1;
	case W_PART:
		r->unit = U_DAY;
		put_part(r, (enum part)value_at(w, i));
		return 1;
	default:
		return 0;
	}
}

static size_t match_every_interval(const struct words *w, size_t i, struct repeat *r,
				   bool *ret_is_ordinal)
{
	int64_t number;
	int position;
	size_t n;

	*ret_is_ordinal = false;
	if (word_at(w, i) == W_OTHER) {
		r->interval = 2;
		return 1;
	}
	if (word_is(w, i, "single"))
		return 1;
	n = match_ordinal(w, i, &position);
	if (n > 0) {
		*ret_is_ordinal = true;
		r->interval = position;
		return n;
	}
	n = match_number(w, i, &number);
	if (n > 0) {
		/* RRULE of a task goes up to 1000: nothing is guessed beyond */
		r->interval = number > 1000 ? 0 : (int)number;
		return n;
	}
	n = skip(w, i, W_A);
	if (word_at(w, i + n) == W_COUPLE || word_at(w, i + n) == W_FEW) {
		r->interval = word_at(w, i + n) == W_COUPLE ? 2 : 3;
		n++;
		return n + skip(w, i + n, W_OF);
	}
	return 0;
}

/* "every first Monday", "every 2nd and 4th Tuesday", "every 2nd Friday of the month",
 * "every 15th", "every last day of the month". */
/* Without "of the month" behind it a position may be an interval: "every 2nd day", "every third
 * Friday". It is none for "first", "last", lists, and a number alone. */
static bool is_position(const struct words *w, size_t i, size_t what, const struct positions *p,
			const struct repeat *r)
{
	if (r->n_nth > 0)
		return p->n > 1 || p->at[0] < 2;
	if (what > 0)
		return word_at(w, i) != W_UNIT;
	return i >= w->n || !WORD_IN(w, i, W_UNIT, W_WORKDAYS, W_QUARTER, W_PART)
		       ? word_at(w, i) != W_NONE || i >= w->n
		       : false;
}

/* "every first Monday", "every 2nd and 4th Tuesday", "every 2nd Friday of the month",
 * "every 15th", "every last day of the month". */
static size_t match_every_position(const struct words *w, size_t i, struct repeat *r)
{
	struct positions p = { 0 };
	bool is_every;
	size_t n = match_positions(w, i, &p), what, of;

	if (n == 0)
		return 0;
	what = put_positions(w, i + n, &p, r);
	r->unit = U_COUNT;
	of = match_of_month(w, i + n + what, r, &is_every);
	/* "every 1st Monday of January" */
	if (of == 0 && r->n_nth > 0 && WORD_IN(w, i + n + what, W_OF, W_IN)) {
		of = match_months(w, i + n + what + 1, &r->months);
		of += of > 0;
		r->unit = of > 0 ? U_YEAR : r->unit;
	}
	if (of == 0 && word_at(w, i + n + what) == W_OF)
		return 0;
	if (r->unit == U_COUNT)
		r->unit = U_MONTH;
	if (of == 0 && !is_position(w, i + n, what, &p, r))
		return 0;
	return n + what + of;
}

static size_t core_every(const struct words *w, size_t i, struct repeat *r)
{
	bool is_ordinal;
	size_t lead = skip(w, i, W_ON), n, more;

	if (word_at(w, i + lead) != W_EVERY)
		return 0;
	lead++;
	n = match_every_position(w, i + lead, r);
	if (n > 0)
		return lead + n;
	*r = (struct repeat){ .interval = 1 };
	n = match_yearly_day(w, i + lead, r);
	if (n > 0)
		return lead + n;
	*r = (struct repeat){ .interval = 1 };
	more = match_every_interval(w, i + lead, r, &is_ordinal);
	n = lead + more;
	more = match_every_what(w, i + n, r);
	return more > 0 && r->interval >= 1 ? n + more : 0;
}

/* "daily", "bi-weekly". */
static size_t match_freq(const struct words *w, size_t i, struct repeat *r)
{
	bool is_bi = word_is(w, i, "bi") && is_punct(w, i + 1, '-');
	bool is_semi = word_is(w, i, "semi") && is_punct(w, i + 1, '-') &&
		       value_at(w, i + 2) % 16 == U_YEAR;
	size_t n = is_bi || is_semi ? 2 : 0;

	if (word_at(w, i + n) != W_FREQ || word_is(w, i + n, "annual"))
		return 0;
	r->unit = (enum unit)(value_at(w, i + n) % 16);
	r->interval = value_at(w, i + n) / 16 * (is_bi ? 2 : 1);
	if (is_semi) {
		r->unit = U_MONTH;
		r->interval = 6;
	}
	if (word_is(w, i + n, "nightly"))
		put_part(r, P_NIGHT);
	return n + 1;
}

/* "daily", "weekdays", "mondays and thursdays", "other tuesdays". */
static size_t core_plain(const struct words *w, size_t i, struct repeat *r)
{
	size_t n = skip(w, i, W_ON), more = match_freq(w, i + n, r);

	if (more > 0)
		return n + more;
	r->unit = U_WEEK;
	if (WORD_IN(w, i + n, W_WORKDAYS, W_WEEKENDS)) {
		r->weekdays = word_at(w, i + n) == W_WORKDAYS ? WORKDAYS : WEEKEND;
		return n + 1;
	}
	if (word_is(w, i + n, "other") || word_is(w, i + n, "alternate")) {
		r->interval = 2;
		n++;
		if (word_is(w, i + n - 1, "alternate") && is_unit(w, i + n, U_DAY)) {
			r->unit = U_DAY;
			return n + 1;
		}
	}
	/* "sunday mornings" */
	bool has_parts =
		word_at(w, i + n + 1) == W_PART && (w->t[i + n + 1].flags & WORD_PLURAL) != 0;
	if (word_at(w, i + n) == W_WEEKDAY && has_parts) {
		r->weekdays = (uint8_t)(1U << value_at(w, i + n));
		put_part(r, (enum part)value_at(w, i + n + 1));
		return n + 2;
	}
	if (word_at(w, i + n) != W_WEEKDAYS)
		return 0;
	return n + match_weekday_list(w, i + n, &r->weekdays);
}

/* "the 4th of each month", "first Friday of every other month", "the end of every month". */
static size_t core_position(const struct words *w, size_t i, struct repeat *r)
{
	struct positions p = { 0 };
	bool is_every, is_plural = false;
	size_t lead = skip(w, i, W_ON), n = match_positions(w, i + lead, &p), of;

	if (n == 0) {
		lead += skip(w, i + lead, W_THE);
		enum word edge = word_at(w, i + lead);
		if (edge != W_BEGIN && edge != W_END && !word_is(w, i + lead, "start"))
			return 0;
		p.at[0] = edge == W_END ? -1 : 1;
		p.n = 1;
		n = 1;
		put_month_days(r, &p);
	} else {
		/* "2nd and 4th thursdays" recur without "of every month" */
		is_plural = word_at(w, i + lead + n) == W_WEEKDAYS;
		n += put_positions(w, i + lead + n, &p, r);
	}
	r->unit = U_COUNT;
	of = match_of_month(w, i + lead + n, r, &is_every);
	if (is_plural && !is_every)
		r->unit = U_MONTH;
	return is_plural || (of > 0 && is_every) ? lead + n + of : 0;
}

/* "once", "twice", "3 times", "3x". */
static size_t match_times(const struct words *w, size_t i, int64_t *ret)
{
	size_t n = skip(w, i, W_ONCE);

	if (n > 0) {
		*ret = value_at(w, i);
		return n;
	}
	n = match_number(w, i, ret);
	if (n == 0)
		return 0;
	bool is_x = word_is(w, i + n, "x") && is_glued(w, i + n);
	bool is_time = *ret == 1 && word_is(w, i + n, "time");
	return word_at(w, i + n) == W_TIMES || is_x || is_time ? n + 1 : 0;
}

/* "once a week", "twice a day": more than once is nothing RRULE can say without the days. */
static size_t core_times(const struct words *w, size_t i, struct repeat *r)
{
	int64_t times;
	size_t n = match_times(w, i, &times), more;
	bool is_ordinal;

	/* "twice daily" */
	more = n > 0 && times > 1 ? match_freq(w, i + n, r) : 0;
	if (more > 0) {
		r->problem = SEVERAL_TIMES;
		return n + more;
	}
	if (n == 0 || (!word_is(w, i + n, "per") && !WORD_IN(w, i + n, W_A, W_EVERY)))
		return 0;
	n++;
	if (word_at(w, i + n - 1) == W_EVERY)
		n += match_every_interval(w, i + n, r, &is_ordinal);
	if (!WORD_IN(w, i + n, W_UNIT, W_QUARTER, W_FORTNIGHT))
		return 0;
	more = match_every_what(w, i + n, r);
	if (more == 0 || r->interval < 1 || (times == 1 && r->unit < U_DAY))
		return 0;
	if (times > 1)
		r->problem = SEVERAL_TIMES;
	return n + more;
}

static size_t match_core(const struct words *w, size_t i, struct repeat *ret)
{
	static size_t (*const CORES[])(const struct words *, size_t, struct repeat *) = {
		core_every,
		core_plain,
		core_position,
		core_times,
	};

	for (size_t k = 0; k < ARRAY_SIZE(CORES); k++) {
		struct repeat r = { .interval = 1 };
		size_t n = CORES[k](w, i, &r);
		if (n > 0 && words_can_pause(w, i + n)) {
			*ret = r;
			return n;
		}
	}
	return 0;
}

size_t match_set(const struct words *w, size_t i, struct arena *arena, struct due *ret)
{
	struct repeat r, front;

	/* what no recurrence begins with */
	if (WORD_IN(w, i, W_DAY, W_TONIGHT, W_NEXT, W_THIS, W_MONTH, W_BY, W_NOW, W_HALF, W_COUPLE,
		    W_FEW, W_DUE, W_BEFORE, W_WITHIN, W_SINCE, W_COMING, W_PREVIOUS, W_PAST, W_FOR))
		return 0;
	size_t lead = match_front_clauses(w, i, &front), n = match_core(w, i + lead, &r);

	if (n == 0)
		return 0;
	if (lead > 0) {
		if (front.n_times > 0 && r.n_times == 0)
			repeat_put_time(&r, front.times[0]);
		r.is_ambiguous_time = front.is_ambiguous_time;
		r.has_start = front.has_start;
		r.start = front.start;
	}
	n += lead;
	n += match_clauses(w, i + n, &r);
	return repeat_finish(w, &r, arena, ret) ? n : 0;
}
