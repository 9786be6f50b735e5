/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones behind a time: "9:00 PST", "10:30 GMT+2", "11:50 -0500", "18:22Z". Abbreviations are
 * those with one meaning in English mail; "ET" and the like, which are two offsets, are none.
 */
#include "src/domain/due_match_private.h"

static const struct {
	struct str name;
	int minutes; /* east of UTC */
} ZONES[] = {
	{ STR_INIT("gmt"), 0 },	   { STR_INIT("utc"), 0 },    { STR_INIT("z"), 0 },
	{ STR_INIT("est"), -300 }, { STR_INIT("edt"), -240 }, { STR_INIT("cst"), -360 },
	{ STR_INIT("cdt"), -300 }, { STR_INIT("mst"), -420 }, { STR_INIT("mdt"), -360 },
	{ STR_INIT("pst"), -480 }, { STR_INIT("pdt"), -420 }, { STR_INIT("cet"), 60 },
	{ STR_INIT("cest"), 120 }, { STR_INIT("bst"), 60 },   { STR_INIT("eet"), 120 },
	{ STR_INIT("eest"), 180 }, { STR_INIT("ist"), 330 },  { STR_INIT("jst"), 540 },
	{ STR_INIT("aest"), 600 }, { STR_INIT("aedt"), 660 },
};

/* "+2", "-05:00", "+0900" */
static size_t match_offset(const struct words *w, size_t i, int *ret_minutes)
{
	bool is_minus = is_punct(w, i, '-');

	if ((!is_minus && !is_punct(w, i, '+')) || word_at(w, i + 1) != W_DIGITS ||
	    !is_glued(w, i + 1))
		return 0;
	int value = value_at(w, i + 1), digits = w->t[i + 1].digits;
	size_t n = 2;
	if (digits == 4) {
		value = value / 100 * 60 + value % 100;
	} else if (digits <= 2) {
		value *= 60;
		if (is_punct(w, i + 2, ':') && is_glued(w, i + 2) &&
		    word_at(w, i + 3) == W_DIGITS && w->t[i + 3].digits == 2) {
			value += value_at(w, i + 3);
			n = 4;
		}
	} else {
		return 0;
	}
	*ret_minutes = is_minus ? -value : value;
	return value <= 14 * 60 ? n : 0;
}

/* ".759" of "18:22:14.759Z" */
static size_t skip_fraction(const struct words *w, size_t i)
{
	bool is_fraction = is_punct(w, i, '.') && is_glued(w, i) && is_glued(w, i + 1) &&
			   word_at(w, i + 1) == W_DIGITS;

	return is_fraction ? 2 : 0;
}

/* "PST", "GMT+2", "(gmt-2:30)" */
static size_t match_named_zone(const struct words *w, size_t i, int *ret_minutes)
{
	size_t n = is_punct(w, i, '(');
	bool is_bracketed = n > 0;
	int more = 0;

	for (size_t k = 0; i + n < w->n && k < ARRAY_SIZE(ZONES); k++) {
		struct str token = { w->text.p + w->t[i + n].start,
				     w->t[i + n].end - w->t[i + n].start };
		if (!str_eq_nocase(token, ZONES[k].name))
			continue;
		n++;
		n += ZONES[k].minutes == 0 ? match_offset(w, i + n, &more) : 0;
		*ret_minutes = ZONES[k].minutes + more;
		return n + (is_bracketed && is_punct(w, i + n, ')'));
	}
	return 0;
}

/* An offset alone must look like one and not like the other side of a range: "5pm -7pm",
 * "3:30-6:00". */
static bool is_offset(const struct words *w, size_t i)
{
	bool has_seconds = i >= 4 && is_punct(w, i - 2, ':') && is_punct(w, i - 4, ':');

	if (word_at(w, i + 1) != W_DIGITS || (!has_seconds && !is_punct(w, i, '+')))
		return false;
	return w->t[i + 1].digits == 4 || (is_punct(w, i + 2, ':') && is_glued(w, i));
}

size_t match_zone(const struct words *w, size_t i, int *ret_minutes)
{
	size_t fraction = skip_fraction(w, i), n = match_named_zone(w, i + fraction, ret_minutes);

	if (n == 0 && is_offset(w, i + fraction))
		n = match_offset(w, i + fraction, ret_minutes);
	return n > 0 ? fraction + n : 0;
}
