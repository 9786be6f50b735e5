/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From readings of the wall clock to instants: the next occurrence after an instant, with UNTIL and
 * COUNT. Readings come in their own order from the walk; a DST gap moves a reading behind later
 * ones (02:30 becomes 03:30, 03:00 stays), so the search starts early enough and looks past a moved
 * reading before it decides. What next returns is strictly increasing in time; readings that fall
 * on one instant are one occurrence.
 */
#include "recurrence_walk_private.h"

#include <assert.h>
#include <errno.h>

#define MIN_INSTANT_S INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define MAX_INSTANT_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

struct search {
	struct walk walk;
	const struct recurrence *r;
	const struct civil *dtstart;
	const struct tz *tz;
};

/* One reading with its instant. */
struct candidate {
	int64_t minute;
	int64_t local_s, at_s;
	bool is_moved; /* it lies in a gap */
	int index;
};

static int32_t offset_at(const struct search *s, int64_t unix_s)
{
	return s->tz == NULL ? 0 : tz_offset_at(s->tz, unix_s);
}

static int64_t to_instant(const struct tz *tz, const struct civil *local, bool *ret_is_moved)
{
	int64_t at_s = time_civil_to_s(local);

	*ret_is_moved = tz != NULL && tz_from_local(tz, local, &at_s) == TZ_GAP;
	return at_s;
}

static void place(const struct search *s, int64_t minute, struct candidate *ret)
{
	struct civil local;

	ret->minute = minute;
	ret->local_s = minute * 60 + s->dtstart->second;
	time_civil_from_s(ret->local_s, &local);
	ret->at_s = to_instant(s->tz, &local, &ret->is_moved);
}

/* dtstart first, then what the rule gives. */
static bool find_reading(struct search *s, int64_t from, int64_t *ret_minute)
{
	if (from > s->walk.start)
		return walk_seek(&s->walk, from, ret_minute);
	*ret_minute = s->walk.start;
	return true;
}

static bool is_past_until(const struct recurrence *r, const struct candidate *c)
{
	int64_t until_s;

	if (r->until_kind == RECURRENCE_NO_UNTIL)
		return false;
	until_s = time_civil_to_s(&r->until);
	if (r->until_kind == RECURRENCE_UNTIL_DATE)
		return c->local_s >= until_s + TIME_S_PER_DAY;
	return (r->until_kind == RECURRENCE_UNTIL_UTC ? c->at_s : c->local_s) > until_s;
}

/* The first minute at which a reading later than after_s may stand. */
static int64_t first_minute(const struct search *s, int64_t after_s)
{
	/* A reading that a gap moved shows up to the gap's length less than the clock does; none is
	 * over 24 hours. */
	int32_t offset = offset_at(s, after_s), before = offset_at(s, after_s - 25 * 3600);
	int64_t local_s = after_s + (before < offset ? before : offset);

	return floor_div(local_s - s->dtstart->second, 60) + 1;
}

/* Numbers a candidate if the rule counts, `previous` being the number of the one before, or 0.
 * False: past COUNT. */
static bool number(struct search *s, struct candidate *c, int previous)
{
	c->index = 0;
	if (s->r->count == 0)
		return true;
	if (c->minute == s->walk.start)
		c->index = 1;
	else
		c->index =
			previous > 0 ? previous + 1 : walk_index(&s->walk, c->minute, s->r->count);
	return c->index <= s->r->count;
}

static bool find_instant(struct search *s, int64_t after_s, struct candidate *ret)
{
	struct candidate best = { 0 }, c = { 0 };
	bool is_found = false;

	for (int64_t from = first_minute(s, after_s); find_reading(s, from, &c.minute);
	     from = c.minute + 1) {
		place(s, c.minute, &c);
		/* Behind a moved reading only those can be sooner that show less than the clock
		 * does then. */
		if (is_found && c.local_s >= best.at_s + offset_at(s, best.at_s))
			break;
		if (!number(s, &c, c.index))
			break;
		bool is_over = is_past_until(s->r, &c);
		if (!is_over && c.at_s > after_s && (!is_found || c.at_s < best.at_s)) {
			best = c;
			is_found = true;
		}
		if (!c.is_moved && (is_over || c.at_s > after_s))
			break; /* readings outside gaps are in order */
	}
	if (is_found)
		*ret = best;
	return is_found;
}

static void search_init(struct search *s, const struct recurrence *r, const struct civil *dtstart,
			const struct tz *tz)
{
	assert(dtstart->year >= 1 && dtstart->year <= 9999);
	s->r = r;
	s->dtstart = dtstart;
	s->tz = tz;
	walk_init(&s->walk, r, dtstart);
}

void recurrence_forget_times(struct recurrence *r)
{
	r->hours = r->minutes = (struct recurrence_list){ 0 };
}

int recurrence_next(const struct recurrence *r, const struct civil *dtstart, const struct tz *tz,
		    int64_t after_us, struct occurrence *ret)
{
	struct search s;
	struct candidate start, found = { 0 };
	/* All occurrences have dtstart's microseconds: the same question in whole seconds. */
	int64_t after_s = floor_div(after_us, TIME_US_PER_S), rest_us = after_us % TIME_US_PER_S;

	if (rest_us + (rest_us < 0 ? TIME_US_PER_S : 0) < dtstart->microsecond)
		after_s--;
	search_init(&s, r, dtstart, tz);
	place(&s, s.walk.start, &start);
	if (after_s >= MAX_INSTANT_S)
		return -ENOENT;
	if (after_s < start.at_s - 2 * TIME_S_PER_DAY)
		after_s = start.at_s - 2 * TIME_S_PER_DAY;
	if (!find_instant(&s, after_s, &found) || found.at_s > MAX_INSTANT_S)
		return -ENOENT;
	time_civil_from_s(found.local_s, &ret->local);
	ret->local.microsecond = dtstart->microsecond;
	ret->at_us = found.at_s * TIME_US_PER_S + dtstart->microsecond;
	ret->index = found.index;
	return 0;
}

int recurrence_check(const struct recurrence *r, const struct civil *dtstart, const struct tz *tz,
		     const char *field, struct err *reterr)
{
	struct search s;
	struct candidate start;
	int64_t minute;

	search_init(&s, r, dtstart, tz);
	place(&s, s.walk.start, &start);
	if (is_past_until(r, &start))
		return err_set(reterr, &ERR_INVALID, field,
			       "UNTIL must not be before the first date of the series");
	if (!walk_seek(&s.walk, s.walk.start, &minute))
		return err_set(reterr, &ERR_INVALID, field,
			       "this rule never gives a date; its parts exclude each other");
	return 0;
}

int recurrence_next_after_done(const struct recurrence *r, const struct civil *due,
			       const struct tz *tz, int64_t done_us, int64_t now_us, int occurrence,
			       struct occurrence *ret)
{
	struct recurrence endless = *r;
	struct occurrence next;
	struct civil start;
	int64_t done_s = floor_div(done_us, TIME_US_PER_S);
	bool is_moved;

	if (r->count != 0 && occurrence >= r->count)
		return -ENOENT;
	if (done_s < MIN_INSTANT_S + TIME_S_PER_DAY || done_s > MAX_INSTANT_S - TIME_S_PER_DAY)
		return -ENOENT;
	time_civil_from_s(done_s + (tz == NULL ? 0 : tz_offset_at(tz, done_s)), &start);
	start.hour = due->hour;
	start.minute = due->minute;
	start.second = due->second;
	start.microsecond = due->microsecond;
	endless.count = 0;
	int64_t start_us = to_instant(tz, &start, &is_moved) * TIME_US_PER_S + start.microsecond;
	int64_t after_us = done_us > now_us ? done_us : now_us;
	int error = recurrence_next(&endless, &start, tz, after_us > start_us ? after_us : start_us,
				    &next);
	if (error < 0)
		return error;
	next.index = occurrence + 1;
	*ret = next;
	return 0;
}
