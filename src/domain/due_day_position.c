/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Days by their place in a longer time: "first Monday of June", "last day of the month", "4th day
 * last week", "end of the month", "mid March".
 */
#include "src/domain/due_match_private.h"

enum { WEEK = 7, FRIDAY = 4, SATURDAY = 5 };

static void first_of(const struct day *frame, int *ret_year, int *ret_month)
{
	int day;

	time_civil_from_days(frame->first, ret_year, ret_month, &day);
}

/* Which one of a month: "first", "3rd", "last", "second to last". */
static size_t match_position(const struct words *w, size_t i, int *ret)
{
	size_t n = skip(w, i, W_THE);

	if (word_at(w, i + n) == W_LAST) {
		*ret = -1;
		return n + 1;
	}
	size_t more = match_ordinal(w, i + n, ret);
	if (more == 0)
		return 0;
	n += more;
	if ((is_punct(w, i + n, '-') || word_at(w, i + n) == W_TO) &&
	    word_at(w, i + n + 1 + skip(w, i + n + 1, W_TO)) == W_LAST) {
		n += word_at(w, i + n + 1) == W_TO ? 3 : 2;
		*ret = -*ret;
	}
	return n;
}

/* What a position counts: days, or the days of one weekday. */
struct counted {
	int weekday; /* -1: every day */
	bool is_workday;
	int64_t length;
	enum due_grain grain;
	size_t n;
};

static struct counted match_counted(const struct words *w, size_t i)
{
	struct counted c = { .weekday = -1, .length = 1, .grain = DUE_GRAIN_DAY };

	c.n = match_weekday(w, i, &c.weekday);
	if (c.n > 0)
		return c;
	if (word_at(w, i) == W_WEEKEND) {
		c = (struct counted){ SATURDAY, false, 2, DUE_GRAIN_WEEKEND, 1 };
		return c;
	}
	bool is_business = word_at(w, i) == W_BUSINESS && is_unit(w, i + 1, U_DAY);
	c.is_workday = is_business || word_at(w, i) == W_WORKDAY;
	c.n = c.is_workday ? 1U + is_business : is_unit(w, i, U_DAY);
	return c;
}

static int64_t position_day(const struct day *frame, int position, const struct counted *c)
{
	int year, month, weekday = c->weekday;

	if (c->is_workday)
		return position > 0 ? add_workdays(frame->first - 1, position)
				    : add_workdays(frame->after, position);
	if (weekday < 0)
		return position > 0 ? frame->first + position - 1 : frame->after + position;
	first_of(frame, &year, &month);
	return nth_weekday(year, month, position, weekday);
}

/* The same position so many months later; the frame moves. */
static int64_t later(struct day *frame, int months, int position, const struct counted *c)
{
	frame->first = add_months(frame->first, months);
	frame->after = add_months(frame->first, 1);
	return position_day(frame, position, c);
}

/* "the 1st of the month" is the coming one, of "this month" it may be past. */
static bool is_open_month(const struct words *w, size_t i, size_t n)
{
	return is_unit(w, i + n - 1, U_MONTH) && (n == 1 || (n == 2 && word_at(w, i) == W_THE));
}

/* "of June", "in March 2027", "last week" behind what is counted. Tokens with the "of". */
static size_t match_counted_frame(const struct words *w, size_t i, bool is_number,
				  struct day *frame)
{
	size_t of = WORD_IN(w, i, W_OF, W_IN), n;

	/* "15th of July" belongs to due_day.c */
	if (is_number && (of == 0 || word_at(w, i + of) == W_MONTH))
		return 0;
	n = match_frame(w, i + of, frame);
	if (n == 0 || (of == 0 && frame->grain != DUE_GRAIN_WEEK && !frame->has_month))
		return 0;
	return of + n;
}

/* "first Monday of June", "last Friday in March 2027", "last day of the month",
 * "the 20th of next month", "4th day last week". */
size_t match_position_of(const struct words *w, size_t i, struct day *d)
{
	int position;
	size_t n = match_position(w, i, &position), frame_n;
	struct day frame = { 0 };

	if (n == 0)
		return 0;
	struct counted c = match_counted(w, i + n);
	n += c.n;
	frame_n = match_counted_frame(w, i + n, c.n == 0, &frame);
	if (frame_n == 0)
		return 0;
	size_t of = WORD_IN(w, i + n, W_OF, W_IN);
	int64_t day = position_day(&frame, position, &c);
	bool is_past = day >= frame.first && day < w->today;
	if (is_past && frame.has_month && !frame.has_year)
		day = later(&frame, 12, position, &c);
	else if (is_past && is_open_month(w, i + n + of, frame_n - of))
		day = later(&frame, 1, position, &c);
	if (day < frame.first || day >= frame.after)
		return 0;
	day_set(d, day, day + c.length, c.grain);
	return n + frame_n;
}

static int64_t edge_of(const struct day *frame, enum word edge)
{
	if (edge == W_BEGIN)
		return frame->first;
	if (edge == W_END && frame->grain == DUE_GRAIN_WEEK)
		return frame->first + (FRIDAY - time_weekday(frame->first) + WEEK) % WEEK;
	if (edge == W_END)
		return frame->after - 1;
	if (frame->grain == DUE_GRAIN_MONTH)
		return frame->first + 14;
	return frame->first + (frame->after - frame->first - 1) / 2;
}

/* "end of the month", "beginning of next week", "mid March", "eom", "late June". */
size_t match_edge(const struct words *w, size_t i, struct day *d)
{
	size_t n = skip(w, i, W_THE);
	enum word edge = word_at(w, i + n);
	struct day frame = { 0 };

	if (edge == W_EO && value_at(w, i + n) != U_DAY) {
		day_set_unit(w, &frame, (enum unit)value_at(w, i + n), 0);
		edge = W_END;
		n++;
	} else if (edge == W_BEGIN || edge == W_MIDDLE || edge == W_END ||
		   word_is(w, i + n, "start")) {
		edge = edge == W_START ? W_BEGIN : edge;
		n++;
		bool is_hyphen = edge == W_MIDDLE && is_punct(w, i + n, '-');
		size_t of = is_hyphen ? 1 : skip(w, i + n, W_OF);
		of += skip(w, i + n + of, W_ABOUT);
		size_t more = match_frame(w, i + n + of, &frame);
		if (more == 0 || (of == 0 && !frame.has_month && word_at(w, i + n) == W_UNIT))
			return 0;
		n += of + more;
	} else {
		return 0;
	}
	int64_t day = edge_of(&frame, edge);
	day_set(d, day, day + 1, DUE_GRAIN_DAY);
	return n;
}
