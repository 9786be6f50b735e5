/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Days that another day tells: "the day after Christmas", "third Tuesday after Easter", "a week
 * from Friday", "the week of October 6th", "first week of March"; and the seasons. The other day is
 * a plain one, never again such a chain, so that work stays linear in the text.
 */
#include "src/domain/due_match_private.h"

enum { WEEK = 7 };

/* The day that is counted from. */
static size_t match_base(const struct words *w, size_t i, struct day *ret)
{
	struct day d = { 0 };
	size_t n = match_calendar_day(w, i, &d), plain;

	if (n > 0 && d.grain == DUE_GRAIN_DAY && !d.is_impossible)
		*ret = d;
	else
		n = 0;
	plain = match_plain_base(w, i, &d);
	if (plain > n)
		*ret = d;
	return plain > n ? plain : n;
}

/* "after" 1, "before" -1 and the day behind it. */
static size_t match_beside(const struct words *w, size_t i, int *ret_way, struct day *ret)
{
	if (!WORD_IN(w, i, W_AFTER, W_BEFORE))
		return 0;
	*ret_way = word_at(w, i) == W_AFTER ? 1 : -1;
	size_t n = match_base(w, i + 1, ret);
	return n > 0 ? n + 1 : 0;
}

/* "the day after Christmas", "day before Thanksgiving" */
static size_t match_day_beside(const struct words *w, size_t i, struct day *d)
{
	struct day base = { 0 };
	int way;
	size_t n = skip(w, i, W_THE), more;

	if (!word_is(w, i + n, "day"))
		return 0;
	more = match_beside(w, i + n + 1, &way, &base);
	if (more == 0)
		return 0;
	day_set(d, base.first + way, base.first + way + 1, DUE_GRAIN_DAY);
	return n + 1 + more;
}

/* "the Friday before Easter", "third Tuesday after Christmas 2014" */
static size_t match_weekday_beside(const struct words *w, size_t i, struct day *d)
{
	struct day base = { 0 };
	int way, weekday, position = 1;
	size_t n = skip(w, i, W_THE), more;

	n += match_ordinal(w, i + n, &position);
	more = match_weekday(w, i + n, &weekday);
	if (more == 0 || position < 1 || position > 53)
		return 0;
	n += more;
	more = match_beside(w, i + n, &way, &base);
	if (more == 0)
		return 0;
	int64_t day = base.first + way;
	day += way * ((way * (weekday - time_weekday(day)) + WEEK) % WEEK + (position - 1) * WEEK);
	day_set(d, day, day + 1, DUE_GRAIN_DAY);
	return n + more;
}

/* "week from tomorrow", "month from today"; with an article it is an amount. */
static size_t match_unit_from(const struct words *w, size_t i, struct day *d)
{
	struct day base = { 0 };

	if (word_at(w, i) != W_UNIT || value_at(w, i) < U_WEEK || value_at(w, i) == U_QUARTER ||
	    (w->t[i].flags & (WORD_WEAK | WORD_PLURAL)) != 0 || word_at(w, i + 1) != W_FROM)
		return 0;
	size_t n = match_base(w, i + 2, &base);
	if (n == 0)
		return 0;
	int64_t day = value_at(w, i) == U_WEEK
			      ? base.first + WEEK
			      : add_months(base.first, value_at(w, i) == U_YEAR ? 12 : 1);
	day_set(d, day, day + 1, DUE_GRAIN_DAY);
	return n + 2;
}

/* The nth whole week of a month, -1 the last one. */
static int64_t nth_week(const struct words *w, const struct day *month, int n)
{
	int64_t first = week_start(w, month->first + WEEK - 1), last = week_start(w, month->after);

	return n < 0 ? (last == month->after ? last - WEEK : week_start(w, last - 1))
		     : first + (n - 1) * WEEK;
}

/* "the week of October 6th", "first week of March", "last week of September 2027" */
static size_t match_week_of(const struct words *w, size_t i, struct day *d)
{
	struct day frame = { 0 };
	int position = 0;
	size_t n = skip(w, i, W_THE), more;

	if (word_at(w, i + n) == W_LAST) {
		position = -1;
		n++;
	} else {
		n += match_ordinal(w, i + n, &position);
	}
	if (!is_unit(w, i + n, U_WEEK) || !WORD_IN(w, i + n + 1, W_OF, W_IN))
		return 0;
	n += 2;
	more = position != 0 ? match_frame(w, i + n, &frame) : match_base(w, i + n, &frame);
	if (more == 0 || position > 5 ||
	    frame.grain != (position != 0 ? DUE_GRAIN_MONTH : DUE_GRAIN_DAY))
		return 0;
	int64_t first = position != 0 ? nth_week(w, &frame, position) : week_start(w, frame.first);
	day_set(d, first, first + WEEK, DUE_GRAIN_WEEK);
	return n + more;
}

/* ---- seasons: of the north, from equinox and solstice as calendars have them ---- */

static const struct {
	const char *name;
	int month, day; /* its first day; it ends before the next season's */
} SEASONS[] = {
	{ "spring", 3, 20 }, { "summer", 6, 21 },  { "fall", 9, 23 },
	{ "autumn", 9, 23 }, { "winter", 12, 21 },
};

static int64_t season_start(size_t season, int year)
{
	return time_days_from_civil(year, SEASONS[season].month, SEASONS[season].day);
}

static int64_t season_end(size_t season, int64_t first)
{
	int year, month, day;

	time_civil_from_days(first, &year, &month, &day);
	switch (SEASONS[season].month) {
	case 3:
		return season_start(1, year);
	case 6:
		return season_start(2, year);
	case 9:
		return season_start(4, year);
	default:
		return season_start(0, year + 1);
	}
}

/* The one that goes on or comes next; "next" one not yet begun, "last" one that is over. */
static int64_t choose_season(const struct words *w, size_t season, int which)
{
	int year = w->now.year - 1;
	int64_t first = season_start(season, year);

	for (int tries = 0; tries < 4 && season_end(season, first) <= w->today; tries++)
		first = season_start(season, ++year);
	if (which > 0 && first <= w->today)
		first = season_start(season, year + 1);
	if (which < 0)
		first = season_start(season, year - 1);
	return first;
}

/* "this summer", "next spring", "summer 2027"; a season's word alone is none. */
static size_t match_season(const struct words *w, size_t i, struct day *d)
{
	int which = 0, year = 0;
	size_t lead = match_which(w, i, &which), season = 0, n, of;

	while (season < ARRAY_SIZE(SEASONS) && !word_is(w, i + lead, SEASONS[season].name))
		season++;
	if (season == ARRAY_SIZE(SEASONS))
		return 0;
	n = lead + 1;
	of = skip(w, i + n, W_OF);
	size_t year_n = lead == 0 ? match_year(w, i + n + of, &year) : 0;
	if (lead == 0 && (year_n == 0 || w->t[i + n + of + year_n - 1].digits != 4))
		return 0;
	int64_t first = lead > 0 ? choose_season(w, season, which) : season_start(season, year);
	day_set(d, first, season_end(season, first), DUE_GRAIN_QUARTER);
	d->is_span = true;
	d->flags |= which < 0 ? DUE_PAST : 0U;
	return lead > 0 ? n : n + of + year_n;
}

size_t match_near_day(const struct words *w, size_t i, struct day *ret)
{
	static size_t (*const FORMS[])(const struct words *, size_t, struct day *) = {
		match_day_beside, match_weekday_beside, match_unit_from,
		match_week_of,	  match_season,
	};

	/* a word that means nothing else can only be a season's */
	size_t first = word_at(w, i) == W_NONE ? ARRAY_SIZE(FORMS) - 1 : 0;
	for (size_t k = first; k < ARRAY_SIZE(FORMS); k++) {
		struct day d = { 0 };
		size_t n = FORMS[k](w, i, &d);
		if (n > 0) {
			*ret = d;
			return n;
		}
	}
	return 0;
}
