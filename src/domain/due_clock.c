/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times of day: "5pm", "17:30", "half past eight", "noon", "in the morning". An hour without am or
 * pm is ambiguous: 1 to 6 are read as afternoon and 7 to 11 as morning, unless a part of the day
 * stands beside it or the other reading comes first (due_moment.c).
 */
#include "src/domain/due_match_private.h"

enum { HOUR = 3600, HALF_DAY = 12 * HOUR, DAY = 24 * HOUR };

static const struct {
	int hour, first, last; /* the decided hour; hours that belong to the part */
} PARTS[] = {
	[P_MORNING] = { 9, 0, 11 },   [P_LUNCH] = { 12, 11, 14 }, [P_AFTERNOON] = { 15, 12, 23 },
	[P_EVENING] = { 18, 12, 23 }, [P_NIGHT] = { 20, 18, 27 },
};

int part_hour(enum part part)
{
	return PARTS[part].hour;
}

static void set_clock(struct clock *c, int hour, int minute, int second)
{
	*c = (struct clock){ .second = hour * HOUR + minute * 60 + second,
			     .grain = second != 0   ? DUE_GRAIN_SECOND
				      : minute != 0 ? DUE_GRAIN_MINUTE
						    : DUE_GRAIN_HOUR };
}

/* hour as written, 1 to 12, without am or pm */
static void set_ambiguous(struct clock *c, int hour, int minute, int second)
{
	set_clock(c, hour >= 1 && hour <= 6 ? hour + 12 : hour, minute, second);
	c->is_ambiguous = true;
}

void clock_apply_part(struct clock *c, enum part part)
{
	int hour = c->second / HOUR % 24;

	if (c->is_ambiguous) {
		hour %= 12;
		/* "11 at night", "2 at night", "12 at night" */
		if (part == P_NIGHT && (hour == 0 || hour >= 6))
			hour += hour == 0 ? 24 : 12;
		else if (part != P_NIGHT && hour + 12 <= PARTS[part].last &&
			 hour < PARTS[part].first)
			hour += 12;
		c->second = hour * HOUR + c->second % HOUR;
	}
	c->is_ambiguous = false;
	c->is_bare = false;
}

/* "am", "pm", "a.m.", "p", "a" right after the number. Returns tokens, hour 0 or 12 in *ret. */
static size_t match_meridiem(const struct words *w, size_t i, int *ret)
{
	bool is_a = word_is(w, i, "a"), is_p = word_is(w, i, "p");

	if (word_at(w, i) == W_MERIDIEM) {
		*ret = value_at(w, i);
		return 1;
	}
	if (!is_a && !is_p)
		return 0;
	*ret = is_p ? 12 : 0;
	if (is_punct(w, i + 1, '.') && is_glued(w, i + 1) && word_at(w, i + 2) == W_UNIT &&
	    word_is(w, i + 2, "m"))
		return 3 + skip_dot(w, i + 3);
	return is_glued(w, i) && words_can_pause(w, i + 1) ? 1 : 0;
}

static size_t match_oclock(const struct words *w, size_t i)
{
	if (word_at(w, i) == W_OCLOCK)
		return 1;
	if (!word_is(w, i, "o"))
		return 0;
	size_t n = 1 + is_punct(w, i + 1, '\'');
	return word_is(w, i + n, "clock") ? n + 1 : 0;
}

/* What stood in figures. */
struct reading {
	int hour, minute, second;
	bool has_minutes;
	int figures; /* of the hour */
};

/* "ish" behind "3" and "4:30". */
static size_t skip_ish(const struct words *w, size_t i)
{
	return word_is(w, i, "ish") && is_glued(w, i);
}

static bool is_two_digits(const struct words *w, size_t i)
{
	return word_at(w, i) == W_DIGITS && w->t[i].digits == 2 && value_at(w, i) < 60 &&
	       is_glued(w, i);
}

/* ":30" and ":15" after the hour; "h30"; ".30" after "at" or before am or pm. Tokens, *ret the
 * minute. */
static size_t match_colon(const struct words *w, size_t i, int *ret)
{
	bool is_dotted = is_punct(w, i, '.') &&
			 (word_at(w, i + 2) == W_MERIDIEM || (i > 1 && word_at(w, i - 2) == W_AT));

	if (!is_glued(w, i) || !is_two_digits(w, i + 1))
		return 0;
	if (!is_dotted && !is_punct(w, i, ':') && !word_is(w, i, "h"))
		return 0;
	*ret = value_at(w, i + 1);
	return 2;
}

/* "5", "5:30", "17:30:15", "1730", "17h30", "5.30" when am or pm follows. */
static size_t match_reading(const struct words *w, size_t i, struct reading *r)
{
	size_t n = 1, more;

	if (word_at(w, i) != W_DIGITS || w->t[i].digits > 4)
		return 0;
	*r = (struct reading){ .hour = value_at(w, i), .figures = w->t[i].digits };
	if (w->t[i].digits >= 3) {
		r->minute = r->hour % 100;
		r->hour /= 100;
		r->has_minutes = true;
		return r->minute < 60 ? 1 : 0;
	}
	more = match_colon(w, i + 1, &r->minute);
	r->has_minutes = more > 0;
	n += more;
	if (more == 0)
		return word_is(w, i + 1, "h") && is_glued(w, i + 1) ? 2 : 1;
	if (is_punct(w, i + 3, ':'))
		n += match_colon(w, i + 3, &r->second);
	return n;
}

static bool is_24_hours(const struct reading *r, bool has_h)
{
	return r->hour == 0 || r->hour > 12 || (r->figures == 2 && r->hour < 10) ||
	       r->figures == 4 || has_h;
}

/* "-ish" too */
static size_t skip_any_ish(const struct words *w, size_t i)
{
	if (is_punct(w, i, '-') && word_is(w, i + 1, "ish"))
		return 2;
	return skip_ish(w, i);
}

/* 24:00 is the day's end, 24 alone is nothing. */
static bool is_on_clock(const struct reading *r)
{
	if (r->hour == 24)
		return r->minute == 0 && r->second == 0 && r->has_minutes;
	return r->hour < 24;
}

static size_t finish_reading(const struct words *w, size_t i, size_t n, const struct reading *r,
			     struct clock *ret)
{
	int meridiem;
	bool has_h = n == 2;
	size_t oclock = match_oclock(w, i + n), more;

	/* "0830 hrs", "1700 hours" */
	if (r->figures == 4 && is_unit(w, i + n, U_HOUR))
		oclock = 1;
	oclock += skip_ish(w, i + n + oclock);
	n += oclock;
	more = match_meridiem(w, i + n, &meridiem);
	if (more > 0) {
		if (r->hour < 1 || r->hour > 12)
			return 0;
		set_clock(ret, r->hour % 12 + meridiem, r->minute, r->second);
		ret->has_meridiem = true;
		return n + more + skip_any_ish(w, i + n + more);
	}
	if (!is_on_clock(r))
		return 0;
	if (is_24_hours(r, has_h && oclock == 0))
		set_clock(ret, r->hour, r->minute, r->second);
	else
		set_ambiguous(ret, r->hour, r->minute, r->second);
	/* "15h" is a time, "2h" rather an amount */
	ret->is_bare = oclock == 0 && (n == 1 || (has_h && r->hour <= 12 && !r->has_minutes));
	return n;
}

static size_t match_digital(const struct words *w, size_t i, struct clock *ret)
{
	struct reading r;
	size_t n = match_reading(w, i, &r);

	return n > 0 ? finish_reading(w, i, n, &r, ret) : 0;
}

/* "eight", "five pm", "nine o'clock", "seven thirty pm". */
static size_t match_spelled(const struct words *w, size_t i, struct clock *ret)
{
	struct reading r = { 0 };
	int64_t minute;
	int meridiem;
	size_t n = 1;

	if (word_at(w, i) != W_NUMBER || value_at(w, i) > 12)
		return 0;
	r.hour = value_at(w, i);
	size_t more = match_number(w, i + 1, &minute);
	bool is_told = (i > 0 && word_at(w, i - 1) == W_AT) ||
		       WORD_IN(w, i + 1 + more, W_DAY, W_WEEKDAY, W_TONIGHT) ||
		       match_meridiem(w, i + 1 + more, &meridiem) > 0;
	if (more > 0 && word_at(w, i + 1) == W_NUMBER && minute >= 5 && minute < 60 && is_told) {
		r.minute = (int)minute;
		r.has_minutes = true;
		n += more;
	}
	size_t all = finish_reading(w, i, n, &r, ret);
	if (all == n)
		ret->is_bare = !r.has_minutes;
	return all;
}

static size_t match_named(const struct words *w, size_t i, struct clock *ret)
{
	size_t n = skip(w, i, W_THE);

	if (n > 0)
		return 0;
	if (word_at(w, i) == W_DIGITS && value_at(w, i) == 12 &&
	    (word_at(w, i + 1) == W_NOON || word_at(w, i + 1) == W_MIDNIGHT))
		n = 1;
	if (word_at(w, i + n) == W_NOON) {
		set_clock(ret, 12, 0, 0);
		return n + 1;
	}
	if (word_at(w, i + n) == W_MIDNIGHT) {
		set_clock(ret, 24, 0, 0);
		return n + 1;
	}
	return 0;
}

static size_t match_hour(const struct words *w, size_t i, struct clock *ret)
{
	size_t n = match_named(w, i, ret);

	if (n == 0)
		n = match_digital(w, i, ret);
	return n > 0 ? n : match_spelled(w, i, ret);
}

/* Minutes of "quarter past", "20 to", "15 minutes past". */
static size_t match_minutes(const struct words *w, size_t i, int *ret)
{
	size_t n = skip(w, i, W_A);
	int64_t minutes;

	if (word_at(w, i + n) == W_QUARTER || word_at(w, i + n) == W_HALF) {
		*ret = word_at(w, i + n) == W_HALF ? 30 : 15;
		return n + 1;
	}
	size_t more = n > 0 ? 0 : match_number(w, i, &minutes);
	if (more == 0 || minutes < 1 || minutes > 59)
		return 0;
	*ret = (int)minutes;
	return more + (word_at(w, i + more) == W_UNIT && value_at(w, i + more) == U_MINUTE);
}

/* "7 to 10pm" and "nine to five" are ranges, "ten to five" and "20 to 5" times. */
static bool is_range_to(const struct words *w, size_t i, size_t n, int minutes)
{
	if (i > 0 && WORD_IN(w, i - 1, W_FROM, W_BETWEEN))
		return true;
	return n == 1 && (minutes % 5 != 0 || (word_at(w, i) == W_DIGITS && minutes <= 12));
}

/* "till" leads to the hour; "30 until 5" is no time of day, "30 minutes until 5" is. */
static bool is_till(const struct words *w, size_t i, size_t n)
{
	if (word_at(w, i + n) != W_UNTIL || word_is(w, i + n, "through") ||
	    word_is(w, i + n, "thru"))
		return false;
	return n > 1 || word_is(w, i + n, "till");
}

/* Which way the minutes count: 1 "past", -1 "to", 0 neither. *ret_n: the words it takes, none in
 * "half three". */
static int minutes_way(const struct words *w, size_t i, size_t n, int minutes, size_t *ret_n)
{
	enum word way = word_at(w, i + n);

	*ret_n = 1;
	if (way == W_PAST || way == W_AFTER)
		return 1;
	if (way == W_BEFORE || is_till(w, i, n))
		return -1;
	if (way == W_TO)
		return is_range_to(w, i, n, minutes) ? 0 : -1;
	*ret_n = 0;
	return minutes == 30 && word_at(w, i) == W_HALF && way == W_NUMBER ? 1 : 0;
}

/* "half past eight", "a quarter to noon", "ten to five", "half three". */
static size_t match_relative(const struct words *w, size_t i, struct clock *ret)
{
	int minutes;
	size_t n = match_minutes(w, i, &minutes), more;

	if (n == 0)
		return 0;
	int sign = minutes_way(w, i, n, minutes, &more);
	if (sign == 0)
		return 0;
	n += more;
	more = match_hour(w, i + n, ret);
	if (more == 0 || ret->second % HOUR != 0)
		return 0;
	ret->second += sign * minutes * 60;
	ret->grain = DUE_GRAIN_MINUTE;
	ret->is_bare = false;
	return ret->second >= 0 ? n + more : 0;
}

size_t match_clock(const struct words *w, size_t i, struct clock *ret)
{
	size_t n = match_relative(w, i, ret);

	if (n == 0)
		n = match_hour(w, i, ret);
	return n > 0 && words_can_pause(w, i + n) ? n : 0;
}

/* "after lunch", "after work", "after school": when that is over. A noun behind it takes the words
 * for itself ("after school club"). */
static size_t match_after(const struct words *w, size_t i, struct clock *ret)
{
	static const struct {
		const char *name;
		int hour;
	} ENDS[] = { { "lunch", 13 }, { "school", 15 }, { "work", 17 }, { "dinner", 20 } };

	if (word_at(w, i) != W_AFTER || (i + 2 < w->n && word_at(w, i + 2) == W_NONE))
		return 0;
	for (size_t k = 0; k < ARRAY_SIZE(ENDS); k++) {
		if (!word_is(w, i + 1, ENDS[k].name))
			continue;
		set_clock(ret, ENDS[k].hour, 0, 0);
		ret->grain = DUE_GRAIN_PART;
		return 2;
	}
	return 0;
}

static void set_part(struct clock *c, enum part part)
{
	set_clock(c, part_hour(part), 0, 0);
	c->grain = DUE_GRAIN_PART;
	c->part = part;
	c->is_part = true;
}

/* The day's end, for deadlines: "end of day", "eod", "close of business". */
static size_t match_day_end(const struct words *w, size_t i, struct clock *ret)
{
	size_t n = skip(w, i, W_THE);

	if (word_at(w, i + n) == W_EO && value_at(w, i + n) == U_DAY) {
		n++;
	} else {
		bool is_close = word_is(w, i + n, "close");
		if (!is_close && word_at(w, i + n) != W_END)
			return 0;
		if (word_at(w, i + n + 1) != W_OF)
			return 0;
		n += 2;
		if (!is_close && WORD_IN(w, i + n, W_DAY, W_WEEKDAY)) {
			set_clock(ret, 17, 0, 0);
			return n;
		}
		n += skip(w, i + n, W_THE);
		bool is_business = word_at(w, i + n) == W_BUSINESS;
		n += is_business;
		bool is_day = word_at(w, i + n) == W_UNIT && value_at(w, i + n) == U_DAY;
		if (!is_day && !is_business)
			return 0;
		n += is_day;
	}
	set_clock(ret, 17, 0, 0);
	return n;
}

/* "early" and "late" have the value 1, "beginning" and "end" do not. */
static size_t skip_early(const struct words *w, size_t i)
{
	return WORD_IN(w, i, W_BEGIN, W_END) && value_at(w, i) == 1;
}

/* "in the", "this", "late", "early in the" in front of a part of the day. */
static size_t match_part_lead(const struct words *w, size_t i, bool *ret_is_this)
{
	size_t n = skip_early(w, i);

	n += WORD_IN(w, i + n, W_IN, W_AT, W_DUE);
	n += skip(w, i + n, W_THE);
	*ret_is_this = word_at(w, i + n) == W_THIS;
	n += *ret_is_this;
	return n + skip_early(w, i + n);
}

/* The part itself; "am" and "pm" are parts in "this am" and "3 in the pm". */
static bool is_part_word(const struct words *w, size_t i, size_t lead, enum part *ret)
{
	bool is_half = word_at(w, i) == W_MERIDIEM && lead > 0 && word_at(w, i - 1) != W_AT;

	if (is_half)
		*ret = value_at(w, i) == 0 ? P_MORNING : P_AFTERNOON;
	else if (word_at(w, i) == W_PART && (w->t[i].flags & WORD_PLURAL) == 0)
		*ret = (enum part)value_at(w, i);
	else
		return false;
	return true;
}

size_t match_part(const struct words *w, size_t i, struct clock *ret)
{
	bool is_this;
	enum part part;
	size_t n = match_day_end(w, i, ret);

	if (n == 0)
		n = match_after(w, i, ret);
	if (n > 0)
		return words_can_pause(w, i + n) ? n : 0;
	n = match_part_lead(w, i, &is_this);
	if (word_at(w, i + n) == W_TONIGHT) {
		set_part(ret, P_NIGHT);
		ret->has_day = true;
	} else if (is_part_word(w, i + n, n, &part)) {
		set_part(ret, part);
		ret->has_day = is_this;
		if ((w->t[i + n].flags & WORD_WEAK) != 0 && n == 0 && i == 0)
			return 0;
	} else {
		return 0;
	}
	return words_can_pause(w, i + n + 1) ? n + 1 : 0;
}
