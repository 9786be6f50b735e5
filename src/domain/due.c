/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Date language: goes through the tokens once; where an expression may begin it takes the longest
 * of set, range, moment and duration, and goes on behind it. Also how values look as text.
 */
#include "src/domain/due_repeat_private.h"

#include <errno.h>

static struct str format_duration(struct arena *arena, const struct amount *a)
{
	int64_t months = a->n[U_MONTH] + 3 * a->n[U_QUARTER];
	int64_t days = a->n[U_DAY] + a->n[U_WORKDAY];
	struct buf b;
	struct str iso;

	buf_init(&b, 256);
	buf_append_char(&b, 'P');
	if (a->n[U_YEAR] != 0)
		buf_printf(&b, "%lldY", (long long)a->n[U_YEAR]);
	if (months != 0)
		buf_printf(&b, "%lldM", (long long)months);
	if (a->n[U_WEEK] != 0 && days == 0 && b.n == 1 && a->finest == U_WEEK)
		buf_printf(&b, "%lldW", (long long)a->n[U_WEEK]);
	else if (days + 7 * a->n[U_WEEK] != 0)
		buf_printf(&b, "%lldD", (long long)(days + 7 * a->n[U_WEEK]));
	int64_t s = a->n[U_SECOND] + 60 * a->n[U_MINUTE] + 3600 * a->n[U_HOUR];
	if (s != 0)
		buf_append_char(&b, 'T');
	if (s / 3600 != 0)
		buf_printf(&b, "%lldH", (long long)(s / 3600));
	if (s / 60 % 60 != 0)
		buf_printf(&b, "%lldM", (long long)(s / 60 % 60));
	if (s % 60 != 0)
		buf_printf(&b, "%lldS", (long long)(s % 60));
	if (b.n == 1)
		buf_append_str(&b, STR("T0S"));
	iso = buf_status(&b) == 0 ? arena_dup(arena, buf_str(&b)) : (struct str){ NULL, 0 };
	buf_done(&b);
	return iso;
}

/* An amount that stands alone. "a day" and "5m" are only one after "for", or as the whole text. */
static size_t match_duration(const struct words *w, size_t i, struct arena *arena, struct due *ret)
{
	struct amount a;
	size_t n = match_amount(w, i, &a);
	bool is_whole = i == 0 && n == w->n;

	bool is_led = i > 0 && WORD_IN(w, i - 1, W_FOR, W_ABOUT);
	if (n == 0 || ((a.is_vague || a.is_short) && !is_whole && !is_led))
		return 0;
	*ret = (struct due){ .kind = DUE_DURATION, .seconds = amount_seconds(&a) };
	ret->grain = a.finest == U_SECOND   ? DUE_GRAIN_SECOND
		     : a.finest == U_MINUTE ? DUE_GRAIN_MINUTE
		     : a.finest == U_HOUR   ? DUE_GRAIN_HOUR
					    : DUE_GRAIN_DAY;
	ret->iso = format_duration(arena, &a);
	return ret->iso.p != NULL ? n : 0;
}

/* Words that an expression may begin with. Any other word can only be a holiday's, or one of a few
 * names. */
static bool is_first_word(const struct words *w, size_t i)
{
	struct day d;

	switch ((int)word_at(w, i)) {
	case W_NONE:
		return match_holiday(w, i, &d) > 0 || word_is(w, i, "right") ||
		       word_is(w, i, "bi") || word_is(w, i, "semi") || word_is(w, i, "close") ||
		       match_near_day(w, i, &d) > 0;
	case W_PUNCT:
		return (is_punct(w, i, '+') || is_punct(w, i, '-') || is_punct(w, i, '@')) &&
		       word_at(w, i + 1) == W_DIGITS;
	case W_SUFFIX:
	case W_OCLOCK:
	case W_MERIDIEM:
		return match_holiday(w, i, &d) > 0;
	case W_TO:
	case W_AND:
	case W_OR:
	case W_OF:
	case W_AGO:
	case W_HENCE:
	case W_TIMES:
	case W_EXCEPT:
	case W_UP:
		return false;
	default:
		return true;
	}
}

static size_t take_longer(const struct words *w, size_t i, size_t n, const struct due *found,
			  size_t best, struct due *ret)
{
	if (n <= best || !words_can_end(w, i + n))
		return best;
	*ret = *found;
	return n;
}

/* The longest of all readings; a set before a range before a moment before a duration. */
static size_t match_any(const struct words *w, size_t i, struct arena *arena, struct due *ret)
{
	struct due found = { 0 };
	size_t best, n;

	if (!is_first_word(w, i))
		return 0;
	best = match_set(w, i, arena, ret);
	if (best > 0 && !words_can_end(w, i + best))
		best = 0;
	/* nothing else begins with these */
	if (WORD_IN(w, i, W_EVERY, W_FREQ, W_ONCE, W_OTHER, W_WORKDAYS, W_WEEKENDS))
		return best;
	struct due single = { 0 };
	struct moment moment = { 0 };
	size_t single_n = match_moment(w, i, &moment);
	if (single_n > 0)
		moment_value(w, &moment, &single);
	/* a range begins with a moment, a number, or a word of its own */
	if (single_n > 0 || WORD_IN(w, i, W_FROM, W_BETWEEN, W_DIGITS, W_NUMBER, W_ORDINAL, W_UNIT,
				    W_THE, W_NEXT, W_LAST, W_PAST, W_PREVIOUS, W_FOR, W_IN)) {
		n = match_range(w, i, &moment, single_n, &found);
		best = take_longer(w, i, n, &found, best, ret);
	}
	best = take_longer(w, i, single_n, &single, best, ret);
	found = (struct due){ 0 };
	n = match_duration(w, i, arena, &found);
	best = take_longer(w, i, n, &found, best, ret);
	return best;
}

/* Prepositions in front belong to the expression, and say what it is for. */
static void read_lead(const struct words *w, size_t i, struct due *d)
{
	static const struct {
		uint8_t word;
		uint16_t flags;
	} LEADS[] = {
		{ W_ON, 0 },
		{ W_AT, 0 },
		{ W_IN, 0 },
		{ W_THE, 0 },
		{ W_FOR, 0 },
		{ W_ABOUT, 0 },
		{ W_BY, DUE_DEADLINE },
		{ W_DUE, DUE_DEADLINE },
		{ W_UNTIL, DUE_DEADLINE },
		{ W_BEFORE, DUE_DEADLINE | DUE_BEFORE },
		{ W_AFTER, DUE_AFTER },
		{ W_SINCE, DUE_AFTER },
		{ W_FROM, DUE_AFTER },
		{ W_START, DUE_AFTER },
		{ W_WITHIN, DUE_DEADLINE },
	};
	bool goes_on = true;

	for (int steps = 0; goes_on && i > 0 && steps < 4; steps++) {
		goes_on = false;
		for (size_t k = 0; k < ARRAY_SIZE(LEADS); k++) {
			if (word_at(w, i - 1) != (enum word)LEADS[k].word)
				continue;
			d->flags |= LEADS[k].flags;
			d->lead = w->t[--i].start;
			goes_on = true;
			break;
		}
		if (!goes_on && is_punct(w, i - 1, ':') && i > 1 && word_at(w, i - 2) == W_DUE) {
			i--;
			goes_on = true;
		}
	}
}

/* Monday's meeting, 2 weeks' notice: the words belong to a title. */
static bool is_possessive(const struct words *w, size_t after)
{
	return is_punct(w, after, '\'') && is_glued(w, after) && is_glued(w, after + 1) &&
	       word_is(w, after + 1, "s");
}

static bool is_in_calendar(const struct due_value *v)
{
	return v->at.year >= 1 && v->at.year <= 9999;
}

/* Past the year 9999 there is no date. */
static void check_calendar(struct due *d)
{
	if (d->has_end && !is_in_calendar(&d->end_value))
		d->has_end = false;
	if (!d->has_value || is_in_calendar(&d->value))
		return;
	d->has_value = d->has_end = false;
	d->flags |= DUE_IMPOSSIBLE;
	d->problem = "there is no such date";
}

int due_find(struct arena *arena, struct str text, const struct due_context *ctx,
	     struct due_list *ret)
{
	struct words w;
	struct due *found;
	size_t count = 0, not_before = 0;

	if (text.n > DUE_TEXT_MAX)
		return -E2BIG;
	int r = words_read(arena, text, ctx, &w);
	if (r < 0)
		return r;
	found = arena_alloc(arena, sizeof(*found) * DUE_FOUND_MAX);
	if (found == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < w.n && i < DUE_WORDS_MAX && count < DUE_FOUND_MAX;) {
		struct due d = { 0 };
		size_t n = words_can_begin(&w, i) ? match_any(&w, i, arena, &d) : 0;
		if (n == 0 || is_possessive(&w, i + n)) {
			i += n > 0 ? n : 1;
			continue;
		}
		d.start = d.lead = w.t[i].start;
		d.end = w.t[i + n - 1].end;
		read_lead(&w, i, &d);
		check_calendar(&d);
		if (d.lead < not_before)
			d.lead = d.start;
		not_before = d.end;
		found[count++] = d;
		i += n;
	}
	*ret = (struct due_list){ .v = found, .n = count };
	return 0;
}

int64_t due_instant_us(const struct due_value *v, const struct tz *tz)
{
	int64_t s = time_civil_to_s(&v->at);

	if (tz != NULL)
		tz_from_local(tz, &v->at, &s);
	return s * TIME_US_PER_S;
}

void due_append_value(struct buf *out, const struct due_value *v, const struct tz *tz)
{
	const struct civil *c = &v->at;
	struct civil shown;

	if (v->all_day) {
		buf_printf(out, "%04d-%02d-%02d", c->year, c->month, c->day);
		return;
	}
	/* in a gap the clock shows a later reading */
	int64_t s = due_instant_us(v, tz) / TIME_US_PER_S;
	int32_t offset = tz != NULL ? tz_offset_at(tz, s) : 0;
	time_civil_from_s(s + offset, &shown);
	buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", shown.year, shown.month, shown.day,
		   shown.hour, shown.minute, shown.second);
	if (tz == NULL || str_eq(tz_name(tz), STR("UTC"))) {
		buf_append_char(out, 'Z');
		return;
	}
	int32_t minutes = (offset < 0 ? -offset : offset) / 60;
	buf_printf(out, "%c%02d:%02d", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}
