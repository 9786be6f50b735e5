/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments: a day and a time of day in any order, or an offset from now.
 */
#include "src/domain/due_match_private.h"

enum { PARTS_MAX = 6, HALF_DAY = 12 * 3600, DAY = 24 * 3600 };

/* ---- offsets: "in 2 hours", "3 days from now", "5 minutes ago" ---- */

static void set_offset(const struct words *w, const struct amount *a, int sign, struct moment *m)
{
	struct civil c = w->now;

	if (!amount_add(a, sign, &c)) {
		m->day.is_impossible = true;
		return;
	}
	m->flags |= DUE_OFFSET | (sign < 0 ? DUE_PAST : 0U);
	if (a->finest >= U_DAY) {
		m->has_day = true;
		day_set(&m->day, days_of_civil(&c), days_of_civil(&c) + 1, DUE_GRAIN_DAY);
		return;
	}
	bool is_elapsed =
		amount_seconds(a) == a->n[U_SECOND] + 60 * a->n[U_MINUTE] + 3600 * a->n[U_HOUR];
	if (is_elapsed && w->ctx->tz != NULL) {
		int64_t now_s = w->ctx->now_us / TIME_US_PER_S;
		tz_to_local(w->ctx->tz, now_s + sign * amount_seconds(a), &c);
		c.microsecond = 0;
	}
	m->is_exact = true;
	m->exact = c;
	m->grain = a->finest == U_SECOND   ? DUE_GRAIN_SECOND
		   : a->finest == U_MINUTE ? DUE_GRAIN_MINUTE
					   : DUE_GRAIN_HOUR;
}

/* "from now", "ago", "from today", "hence", "out" after an amount. */
static size_t match_offset_tail(const struct words *w, size_t i, int *ret_sign)
{
	enum word word = word_at(w, i);

	*ret_sign = word == W_AGO || word == W_BEFORE ? -1 : 1;
	if (word == W_AGO || word == W_HENCE)
		return 1;
	if ((word == W_FROM || word == W_AFTER || word == W_BEFORE) &&
	    (word_at(w, i + 1) == W_NOW || (word_at(w, i + 1) == W_DAY && value_at(w, i + 1) == 0)))
		return 2;
	return word_is(w, i, "out") ? 1 : 0;
}

/* "in 15": minutes, when nothing else follows. */
static size_t match_bare_in(const struct words *w, size_t i, struct moment *m)
{
	struct amount a = { .finest = U_MINUTE };

	if (word_at(w, i) != W_IN || word_at(w, i + 1) != W_DIGITS || i + 2 < w->n ||
	    w->t[i + 1].digits > 3)
		return 0;
	a.n[U_MINUTE] = value_at(w, i + 1);
	set_offset(w, &a, 1, m);
	m->flags |= DUE_TENTATIVE;
	return 2;
}

/* "in", "within", "after", "for the next" before an amount that counts from now. */
static size_t match_offset_lead(const struct words *w, size_t i, int *ret_sign)
{
	*ret_sign = 1;
	switch ((int)word_at(w, i)) {
	case W_AFTER:
		return word_at(w, i + 1) == W_DIGITS || word_at(w, i + 1) == W_NUMBER;
	case W_IN:
	case W_WITHIN:
		if (is_punct(w, i + 1, '~') || is_punct(w, i + 2, '~'))
			return 2 + (word_at(w, i + 1) == W_ABOUT);
		return 1 + skip(w, i + 1, W_THE) * (word_at(w, i + 2) == W_NEXT) +
		       (word_at(w, i + 1) == W_ABOUT) + (word_at(w, i + 2) == W_NEXT);
	case W_PUNCT:
		if ((value_at(w, i) != '+' && value_at(w, i) != '-') || !is_glued(w, i + 1) ||
		    word_at(w, i + 1) != W_DIGITS || (i > 0 && !w->t[i].is_spaced))
			return 0;
		*ret_sign = value_at(w, i) == '+' ? 1 : -1;
		return 1;
	default:
		return 0;
	}
}

/* "2 upcoming days", "upcoming two days": so far from now. */
static size_t match_coming_amount(const struct words *w, size_t i, struct amount *a)
{
	int64_t count;
	size_t lead = skip(w, i, W_COMING), n = match_number(w, i + lead, &count);

	if (n == 0 || count < 1 || count > 1000)
		return 0;
	n += lead;
	if (lead == 0 && word_at(w, i + n) != W_COMING)
		return 0;
	n += lead == 0;
	if (word_at(w, i + n) != W_UNIT || value_at(w, i + n) < U_HOUR)
		return 0;
	*a = (struct amount){ .finest = (enum unit)value_at(w, i + n) };
	a->n[a->finest] = count;
	return n + 1;
}

/* "in 2 weeks' time", "in 3 days time" */
static size_t match_time_word(const struct words *w, size_t i)
{
	size_t n = is_punct(w, i, '\'');

	n += n > 0 && word_is(w, i + n, "s") && is_glued(w, i + n);
	return word_is(w, i + n, "time") ? n + 1 : 0;
}

static size_t match_offset(const struct words *w, size_t i, struct moment *m)
{
	struct amount a;
	int sign, tail_sign;
	size_t n = match_bare_in(w, i, m);

	if (n > 0)
		return n;
	n = match_coming_amount(w, i, &a);
	if (n > 0) {
		set_offset(w, &a, 1, m);
		return n;
	}
	size_t lead = match_offset_lead(w, i, &sign);
	n = match_amount(w, i + lead, &a);
	if (n == 0)
		return 0;
	n += lead;
	size_t tail = match_offset_tail(w, i + n, &tail_sign);
	if (lead > 0 && word_at(w, i) == W_IN)
		n += match_time_word(w, i + n);
	if (lead == 0 && tail == 0)
		return 0;
	/* "-5 min" and "2 min" in a title are no dates */
	bool is_elsewhere = lead > 0 && tail == 0 &&
			    (word_at(w, i + n) == W_OF || word_at(w, i + n) == W_BEFORE ||
			     word_at(w, i + n) == W_AFTER);
	if (is_elsewhere)
		return 0;
	set_offset(w, &a, tail > 0 ? tail_sign : sign, m);
	return n + tail;
}

/* "next hour", "this minute" */
static size_t match_which_hour(const struct words *w, size_t i, struct moment *m)
{
	struct amount a = { 0 };

	if (word_at(w, i) != W_NEXT || word_at(w, i + 1) != W_UNIT ||
	    (value_at(w, i + 1) != U_HOUR && value_at(w, i + 1) != U_MINUTE) ||
	    (w->t[i + 1].flags & (WORD_WEAK | WORD_PLURAL)) != 0)
		return 0;
	a.finest = (enum unit)value_at(w, i + 1);
	a.n[a.finest] = 1;
	set_offset(w, &a, 1, m);
	return 2;
}

static size_t match_now(const struct words *w, size_t i, struct moment *m)
{
	size_t n = word_is(w, i, "right");

	if (word_at(w, i + n) != W_NOW || word_at(w, i + n + 1) == W_AND)
		return 0;
	m->is_exact = true;
	m->exact = w->now;
	m->grain = DUE_GRAIN_SECOND;
	m->flags |= DUE_OFFSET;
	return n + 1;
}

/* ---- day and time ---- */

static bool is_time_lead(const struct words *w, size_t i)
{
	return is_punct(w, i, '@') || WORD_IN(w, i, W_AT, W_FROM, W_BY, W_BEFORE, W_AFTER, W_ABOUT,
					      W_DUE, W_START, W_UNTIL);
}

/* Words between what there is and a time: ", at about", "by", the T of ISO 8601. */
static size_t match_time_lead(const struct words *w, size_t i, struct moment *m, bool *ret_is_led)
{
	size_t n = skip_comma(w, i);

	*ret_is_led = is_time_lead(w, i + n);
	if (m->has_day && word_is(w, i, "t") && is_glued(w, i) && is_glued(w, i + 1))
		return 1;
	/* "July 13 thru 15" is a range of days; "Saturday for 9am" leads a time, "for 9" nothing */
	if (m->has_day && m->day.is_month_day && word_at(w, i + n) == W_UNTIL)
		return n;
	if (m->has_day && word_at(w, i + n) == W_FOR)
		return n + 1;
	if (WORD_IN(w, i + n, W_BEFORE, W_BY))
		m->flags |= DUE_DEADLINE | (word_at(w, i + n) == W_BEFORE ? DUE_BEFORE : 0U);
	n += *ret_is_led;
	return n + skip(w, i + n, W_ABOUT);
}

/* A day or a part of it behind a lone number: "9 tomorrow", "7 in the evening", "5 on Friday". */
static bool has_day_behind(const struct words *w, size_t i, bool is_first)
{
	struct clock part;
	size_t day = skip(w, i, W_DAY);

	if (match_part(w, i, &part) > 0 && part.is_part)
		return true;
	if (day > 0)
		return is_first || match_part(w, i + day, &part) > 0;
	return is_first && word_at(w, i) == W_ON &&
	       WORD_IN(w, i + 1, W_WEEKDAY, W_MONTH, W_THE, W_DIGITS, W_NEXT, W_THIS);
}

/* A lone number is a time after "at", or beside a day or a part of it. "at 650", "by 3 people" and
 * "version 2 tomorrow" are none. */
static bool is_time_told(const struct words *w, size_t i, size_t n, const struct moment *m,
			 bool is_led)
{
	bool has_next = has_day_behind(w, i + n, i == 0);

	if (word_at(w, i) == W_DIGITS && w->t[i].digits == 3)
		return m->has_day || has_next;
	bool is_before_noun = is_led && !m->has_day && i + n < w->n && word_at(w, i + n) == W_NONE;
	if (is_before_noun)
		return word_at(w, i - 1) == W_AT;
	return is_led || m->has_clock || has_next;
}

static size_t add_zone(const struct words *w, size_t i, struct moment *m)
{
	size_t n = match_zone(w, i, &m->zone_minutes);

	m->has_zone = n > 0;
	return n;
}

/* Adds a time of day that stands at i, with "at" and the like before it. */
static size_t add_clock(const struct words *w, size_t i, struct moment *m)
{
	struct clock c = { 0 };
	bool is_led;

	if (m->is_exact || (m->has_clock && !m->clock.is_part))
		return 0;
	size_t lead = match_time_lead(w, i, m, &is_led);
	size_t n = match_clock(w, i + lead, &c);
	if (n == 0 || (c.is_bare && !is_time_told(w, i + lead, n, m, is_led)))
		return 0;
	if (m->has_clock) {
		clock_apply_part(&c, m->clock.part);
		c.has_day = m->clock.has_day;
	}
	m->clock = c;
	m->has_clock = true;
	n += lead;
	/* "at 8 GMT", but "at 8 -0500" is none */
	bool has_zone = !c.is_bare || (is_led && word_at(w, i + n) == W_NONE);
	return n + (has_zone ? add_zone(w, i + n, m) : 0);
}

/* "the evening" and "evening" in a sentence are no time; "in the evening", "tonight" and "evening"
 * as the whole text are. */
static bool is_part_told(const struct words *w, size_t i, size_t n, const struct clock *c)
{
	if (!c->is_part || c->has_day || i == 0)
		return !c->is_part || c->has_day || n > 1 || w->n == 1;
	return n > 1 && WORD_IN(w, i, W_IN, W_AT, W_DUE, W_BEGIN, W_AFTER);
}

/* "last night", "late last night", "11 last night". */
static size_t add_last_night(const struct words *w, size_t i, struct moment *m)
{
	size_t late = word_is(w, i, "late") ? 1 : 0, n = late + 2;

	if (m->has_day || m->is_exact || word_at(w, i + late) != W_LAST ||
	    word_at(w, i + late + 1) != W_PART || value_at(w, i + late + 1) != P_NIGHT)
		return 0;
	if (m->has_clock)
		clock_apply_part(&m->clock, P_NIGHT);
	else
		m->clock = (struct clock){ .second = part_hour(P_NIGHT) * 3600,
					   .is_part = true,
					   .part = P_NIGHT,
					   .grain = DUE_GRAIN_PART };
	m->has_clock = m->has_day = true;
	m->flags |= DUE_PAST;
	day_set(&m->day, w->today - 1, w->today, DUE_GRAIN_DAY);
	return n;
}

/* "tomorrow am", "monday pm"; "am" is a verb before another word. */
static size_t add_half(const struct words *w, size_t i, struct moment *m)
{
	if (!m->has_day || m->has_clock || m->is_exact || word_at(w, i) != W_MERIDIEM ||
	    (i + 1 < w->n && word_at(w, i + 1) == W_NONE))
		return 0;
	enum part part = value_at(w, i) == 0 ? P_MORNING : P_AFTERNOON;
	m->clock = (struct clock){ .second = part_hour(part) * 3600,
				   .is_part = true,
				   .part = part,
				   .grain = DUE_GRAIN_PART };
	m->has_clock = true;
	return 1 + skip_dot(w, i + 1);
}

static size_t add_part(const struct words *w, size_t i, struct moment *m)
{
	struct clock c = { 0 };
	size_t lead = skip_comma(w, i), n = match_part(w, i + lead, &c);
	bool is_alone = !m->has_day && !m->has_clock;

	if (n == 0 || m->is_exact || (is_alone && !is_part_told(w, i + lead, n, &c)))
		return 0;
	if (!m->has_clock) {
		m->clock = c;
		m->has_clock = true;
		return lead + n;
	}
	if (m->clock.is_part || !c.is_part)
		return 0;
	clock_apply_part(&m->clock, c.part);
	m->clock.has_day = c.has_day;
	return lead + n;
}

static size_t add_day(const struct words *w, size_t i, struct moment *m)
{
	struct day d = { 0 };
	size_t lead = skip_comma(w, i), n;

	if (m->has_day || m->is_exact)
		return 0;
	if (m->has_clock)
		lead += WORD_IN(w, i + lead, W_ON, W_OF, W_BY);
	n = match_day(w, i + lead, &d);
	if (n == 0 || (m->has_clock && d.grain > DUE_GRAIN_DAY))
		return 0;
	/* "20th April, May 5th" are two */
	m->day = d;
	m->has_day = true;
	m->flags |= d.flags;
	return lead + n;
}

static size_t add_offset(const struct words *w, size_t i, struct moment *m)
{
	struct moment o = { 0 };
	size_t n;

	if (m->has_day || m->is_exact)
		return 0;
	n = match_offset(w, i, &o);
	if (n == 0)
		n = match_which_hour(w, i, &o);
	if (n == 0)
		n = match_now(w, i, &o);
	if (n == 0 || !words_can_pause(w, i + n) || (m->has_clock && !o.has_day))
		return 0;
	m->is_exact = o.is_exact;
	m->exact = o.exact;
	m->has_day = o.has_day;
	m->day = o.day;
	m->grain = o.grain;
	m->flags |= o.flags;
	return n;
}

/* "2 hours before noon", "half an hour after 5pm", within the day. */
static size_t add_shifted_clock(const struct words *w, size_t i, struct moment *m)
{
	struct amount a;
	struct clock c = { 0 };
	size_t n, more;

	if (m->has_clock || m->is_exact || m->has_day)
		return 0;
	n = match_amount(w, i, &a);
	if (n == 0 || a.finest >= U_DAY || !WORD_IN(w, i + n, W_BEFORE, W_AFTER))
		return 0;
	more = match_clock(w, i + n + 1, &c);
	int64_t second = c.second + amount_seconds(&a) * (word_at(w, i + n) == W_AFTER ? 1 : -1);
	if (more == 0 || c.is_bare || second < 0 || second >= DAY)
		return 0;
	c.second = (int)second;
	c.grain = DUE_GRAIN_MINUTE;
	m->clock = c;
	m->has_clock = true;
	return n + 1 + more;
}

size_t match_moment(const struct words *w, size_t i, struct moment *ret)
{
	static size_t (*const ADD[])(const struct words *, size_t, struct moment *) = {
		add_shifted_clock, add_last_night, add_offset, add_day,
		add_part,	   add_clock,	   add_half,
	};
	struct moment m = { 0 };
	size_t n = 0;

	for (int parts = 0; parts < PARTS_MAX; parts++) {
		size_t more = 0;
		for (size_t k = 0; k < ARRAY_SIZE(ADD) && more == 0; k++) {
			struct moment next = m;
			more = ADD[k](w, i + n, &next);
			if (more > 0 && !words_can_pause(w, i + n + more))
				more = 0;
			if (more > 0)
				m = next;
		}
		if (more == 0)
			break;
		n += more;
	}
	if (n > 0)
		*ret = m;
	return n;
}

/* ---- values ---- */

static void set_second(struct civil *c, int64_t day, int64_t second)
{
	time_civil_from_s(day * TIME_S_PER_DAY + second, c);
}

static int64_t now_second(const struct words *w)
{
	return w->now.hour * 3600 + w->now.minute * 60 + w->now.second;
}

/* A time without a day: when the clock shows it next. */
static int64_t coming_time(const struct words *w, const struct clock *c)
{
	int64_t now = now_second(w), other = (c->second + HALF_DAY) % DAY;

	/* an afternoon or an evening that has begun still is one; "in the morning" is the next */
	int length = c->is_part && c->part != P_MORNING ? 3 * 3600 : 0;

	if (c->has_day || c->second + length > now)
		return c->second;
	if (c->is_ambiguous && other > now)
		return other;
	return c->second + DAY;
}

/* A reading of another zone's clock, shown on the user's. */
static void to_own_zone(const struct words *w, const struct moment *m, struct civil *c)
{
	int64_t s = time_civil_to_s(c) - m->zone_minutes * 60;

	if (s < time_days_from_civil(1, 1, 2) * TIME_S_PER_DAY ||
	    s > time_days_from_civil(9999, 12, 30) * TIME_S_PER_DAY)
		return;
	if (w->ctx->tz != NULL)
		tz_to_local(w->ctx->tz, s, c);
	else
		time_civil_from_s(s, c);
	c->microsecond = 0;
}

void moment_value(const struct words *w, const struct moment *m, struct due *ret)
{
	ret->flags |= m->flags;
	ret->has_value = true;
	if (m->is_exact) {
		ret->kind = DUE_DATETIME;
		ret->grain = m->grain;
		ret->value = (struct due_value){ .at = m->exact };
		return;
	}
	int64_t day = m->has_day ? m->day.first : w->today;
	if (m->day.is_impossible) {
		ret->flags |= DUE_IMPOSSIBLE;
		ret->problem = "there is no such date";
		ret->has_value = false;
	}
	if (m->has_clock) {
		ret->kind = DUE_DATETIME;
		ret->grain = m->clock.grain;
		ret->flags |= !m->has_day && !m->clock.has_day ? DUE_NO_DAY : 0U;
		ret->flags |= m->clock.is_bare ? DUE_TENTATIVE : 0U;
		set_second(&ret->value.at, day,
			   m->has_day ? m->clock.second : coming_time(w, &m->clock));
		if (m->has_zone)
			to_own_zone(w, m, &ret->value.at);
		return;
	}
	ret->kind = m->day.is_span ? DUE_RANGE : DUE_DATE;
	ret->grain = m->day.grain;
	ret->value.all_day = true;
	set_second(&ret->value.at, day, 0);
	if (m->day.is_span) {
		ret->has_end = ret->end_value.all_day = true;
		set_second(&ret->end_value.at, m->day.after - 1, 0);
		return;
	}
	if (m->day.after - m->day.first > 1) {
		ret->has_end = true;
		ret->end_value.all_day = true;
		set_second(&ret->end_value.at, m->day.after, 0);
	}
}
