/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holidays with a fixed date, on the nth weekday of a month, or counted from Easter: "Christmas
 * Eve", "next Thanksgiving", "good friday 2027". A holiday is a row. Those of lunar calendars are
 * left out: their dates are announced or need tables of their own.
 */
#include "src/domain/due_match_private.h"

enum rule { FIXED, NTH, EASTER };

/* name: lower case words without apostrophes, "day" at the end left out where people do. */
static const struct holiday {
	const char *name;
	enum rule rule;
	int8_t month;	/* FIXED, NTH */
	int8_t day;	/* FIXED: of the month; NTH: which one, -1 the last; EASTER: days after */
	int8_t weekday; /* NTH */
	int8_t plus;	/* NTH: days after it */
} HOLIDAYS[] = {
	{ "all saints", FIXED, 11, 1, 0, 0 },
	{ "april fools", FIXED, 4, 1, 0, 0 },
	{ "armistice day", FIXED, 11, 11, 0, 0 },
	{ "ascension day", EASTER, 0, 39, 0, 0 },
	{ "ash wednesday", EASTER, 0, -46, 0, 0 },
	{ "australia day", FIXED, 1, 26, 0, 0 },
	{ "bastille day", FIXED, 7, 14, 0, 0 },
	{ "black friday", NTH, 11, 4, 3, 1 },
	{ "bonfire night", FIXED, 11, 5, 0, 0 },
	{ "bosss day", FIXED, 10, 16, 0, 0 },
	{ "bosses day", FIXED, 10, 16, 0, 0 },
	{ "boxing day", FIXED, 12, 26, 0, 0 },
	{ "branch sunday", EASTER, 0, -7, 0, 0 },
	{ "canada day", FIXED, 7, 1, 0, 0 },
	{ "christmas", FIXED, 12, 25, 0, 0 },
	{ "christmas eve", FIXED, 12, 24, 0, 0 },
	{ "cinco de mayo", FIXED, 5, 5, 0, 0 },
	{ "columbus day", NTH, 10, 2, 0, 0 },
	{ "corpus christi", EASTER, 0, 60, 0, 0 },
	{ "cyber monday", NTH, 11, 4, 3, 4 },
	{ "earth day", FIXED, 4, 22, 0, 0 },
	{ "easter", EASTER, 0, 0, 0, 0 },
	{ "easter mon", EASTER, 0, 1, 0, 0 },
	{ "easter monday", EASTER, 0, 1, 0, 0 },
	{ "easter sunday", EASTER, 0, 0, 0, 0 },
	{ "election day", NTH, 11, 1, 0, 1 },
	{ "epiphany", FIXED, 1, 6, 0, 0 },
	{ "fathers day", NTH, 6, 3, 6, 0 },
	{ "flag day", FIXED, 6, 14, 0, 0 },
	{ "fools day", FIXED, 4, 1, 0, 0 },
	{ "good friday", EASTER, 0, -2, 0, 0 },
	{ "groundhog day", FIXED, 2, 2, 0, 0 },
	{ "guy fawkes", FIXED, 11, 5, 0, 0 },
	{ "halloween", FIXED, 10, 31, 0, 0 },
	{ "haloween", FIXED, 10, 31, 0, 0 },
	{ "holy saturday", EASTER, 0, -1, 0, 0 },
	{ "holy thursday", EASTER, 0, -3, 0, 0 },
	{ "ides of march", FIXED, 3, 15, 0, 0 },
	{ "independence day", FIXED, 7, 4, 0, 0 },
	{ "international womens day", FIXED, 3, 8, 0, 0 },
	{ "juneteenth", FIXED, 6, 19, 0, 0 },
	{ "kings day", FIXED, 4, 27, 0, 0 },
	{ "koningsdag", FIXED, 4, 27, 0, 0 },
	{ "labor day", NTH, 9, 1, 0, 0 },
	{ "labour day", FIXED, 5, 1, 0, 0 },
	{ "mardi gras", EASTER, 0, -47, 0, 0 },
	{ "martin luther king day", NTH, 1, 3, 0, 0 },
	{ "martin luther kings day", NTH, 1, 3, 0, 0 },
	{ "maundy thursday", EASTER, 0, -3, 0, 0 },
	{ "may day", FIXED, 5, 1, 0, 0 },
	{ "memorial day", NTH, 5, -1, 0, 0 },
	{ "mlk day", NTH, 1, 3, 0, 0 },
	{ "mlk jr day", NTH, 1, 3, 0, 0 },
	{ "mothers day", NTH, 5, 2, 6, 0 },
	{ "new years", FIXED, 1, 1, 0, 0 },
	{ "new year day", FIXED, 1, 1, 0, 0 },
	{ "new year eve", FIXED, 12, 31, 0, 0 },
	{ "new years eve", FIXED, 12, 31, 0, 0 },
	{ "nye", FIXED, 12, 31, 0, 0 },
	{ "palm sunday", EASTER, 0, -7, 0, 0 },
	{ "pancake day", EASTER, 0, -47, 0, 0 },
	{ "pentecost", EASTER, 0, 49, 0, 0 },
	{ "pi day", FIXED, 3, 14, 0, 0 },
	{ "presidents day", NTH, 2, 3, 0, 0 },
	{ "remembrance day", FIXED, 11, 11, 0, 0 },
	{ "shrove tuesday", EASTER, 0, -47, 0, 0 },
	{ "st andrews day", FIXED, 11, 30, 0, 0 },
	{ "st georges day", FIXED, 4, 23, 0, 0 },
	{ "st nicholas day", FIXED, 12, 6, 0, 0 },
	{ "st paddys", FIXED, 3, 17, 0, 0 },
	{ "st patricks", FIXED, 3, 17, 0, 0 },
	{ "st stephens day", FIXED, 12, 26, 0, 0 },
	{ "tax day", FIXED, 4, 15, 0, 0 },
	{ "thanksgiving", NTH, 11, 4, 3, 0 },
	{ "turkey day", NTH, 11, 4, 3, 0 },
	{ "valentine day", FIXED, 2, 14, 0, 0 },
	{ "valentines", FIXED, 2, 14, 0, 0 },
	{ "veterans day", FIXED, 11, 11, 0, 0 },
	{ "whit monday", EASTER, 0, 50, 0, 0 },
	{ "whit sunday", EASTER, 0, 49, 0, 0 },
	{ "womens day", FIXED, 3, 8, 0, 0 },
	{ "world vegan day", FIXED, 11, 1, 0, 0 },
	{ "xmas", FIXED, 12, 25, 0, 0 },
	{ "xmas eve", FIXED, 12, 24, 0, 0 },
};

/* Easter Sunday of the Gregorian calendar (the anonymous algorithm of Meeus, Jones and Butcher). */
static int64_t easter(int year)
{
	int a = year % 19, b = year / 100, c = year % 100;
	int d = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
	int e = (32 + 2 * (b % 4) + 2 * (c / 4) - d - c % 4) % 7;
	int f = d + e - 7 * ((a + 11 * d + 22 * e) / 451) + 114;

	return time_days_from_civil(year, f / 31, f % 31 + 1);
}

static int64_t holiday_in(const struct holiday *h, int year)
{
	if (h->rule == EASTER)
		return easter(year) + h->day;
	if (h->rule == NTH)
		return nth_weekday(year, h->month, h->day, h->weekday) + h->plus;
	return time_days_from_civil(year, h->month, h->day);
}

/* Token i with an 's behind it, or a dot, equals the next word of *name. */
static size_t match_name_word(const struct words *w, size_t i, const char **name)
{
	size_t length = strcspn(*name, " ");
	struct str word = { *name, length };

	if (i >= w->n)
		return 0;
	struct str token = { w->text.p + w->t[i].start, w->t[i].end - w->t[i].start };
	bool has_s = is_punct(w, i + 1, '\'') && word_is(w, i + 2, "s") && is_glued(w, i + 2);
	*name += length + ((*name)[length] == ' ');
	if (has_s && length == token.n + 1 && word.p[length - 1] == 's' &&
	    str_eq_nocase(token, (struct str){ word.p, length - 1 }))
		return 3;
	if (!str_eq_nocase(token, word))
		return 0;
	bool has_mark = is_punct(w, i + 1, '.') || (is_punct(w, i + 1, '\'') && !has_s) ||
			(is_punct(w, i + 1, '-') && is_glued(w, i + 1) && is_glued(w, i + 2));
	return has_mark ? 2 : 1;
}

static size_t match_name(const struct words *w, size_t i, const char *name)
{
	size_t n = 0;

	while (*name != '\0') {
		size_t more = match_name_word(w, i + n, &name);
		if (more == 0)
			return 0;
		n += more;
	}
	/* "Christmas." ends before the dot */
	if (is_punct(w, i + n - 1, '.'))
		n--;
	return n + (word_at(w, i + n) == W_UNIT && word_is(w, i + n, "day"));
}

static const struct holiday *find_holiday(const struct words *w, size_t i, size_t *ret_n)
{
	const struct holiday *best = NULL;
	char first = (char)(w->text.p[w->t[i].start] | 0x20);

	*ret_n = 0;
	for (size_t k = 0; k < ARRAY_SIZE(HOLIDAYS); k++) {
		if (HOLIDAYS[k].name[0] != first)
			continue;
		size_t n = match_name(w, i, HOLIDAYS[k].name);
		if (n > *ret_n) {
			*ret_n = n;
			best = &HOLIDAYS[k];
		}
	}
	return best;
}

/* "next year", "2027", "of last year" behind the name. */
static size_t match_holiday_year(const struct words *w, size_t i, int *ret)
{
	size_t n = word_at(w, i) == W_OF || word_at(w, i) == W_IN || is_punct(w, i, ',');
	size_t more = match_year(w, i + n, ret);

	if (more > 0 && w->t[i + n].digits == 4)
		return n + more;
	if (word_at(w, i + n + 1) != W_UNIT || !word_is(w, i + n + 1, "year"))
		return 0;
	switch ((int)word_at(w, i + n)) {
	case W_THIS:
		*ret = w->now.year;
		return n + 2;
	case W_NEXT:
		*ret = w->now.year + 1;
		return n + 2;
	case W_LAST:
		*ret = w->now.year - 1;
		return n + 2;
	default:
		return 0;
	}
}

/* Which one: of a year that was said, the last one, or the coming one. */
static int64_t choose_holiday(const struct words *w, const struct holiday *h, enum word which,
			      int year, bool has_year)
{
	int64_t day = holiday_in(h, year);

	if (has_year)
		return day;
	if (which == W_LAST)
		return day < w->today ? day : holiday_in(h, year - 1);
	return day < w->today + (which == W_NEXT) ? holiday_in(h, year + 1) : day;
}

size_t match_holiday(const struct words *w, size_t i, struct day *ret)
{
	enum word which = word_at(w, i);
	size_t lead = WORD_IN(w, i, W_NEXT, W_LAST, W_THIS, W_COMING, W_THE), n;
	int year = w->now.year;

	if (i + lead >= w->n || WORD_IN(w, i + lead, W_PUNCT, W_DIGITS))
		return 0;
	const struct holiday *h = find_holiday(w, i + lead, &n);
	if (h == NULL)
		return 0;
	n += lead;
	size_t year_n = match_holiday_year(w, i + n, &year);
	if (year < 2 || year > 9990)
		return 0;
	int64_t day = choose_holiday(w, h, which, year, year_n > 0);
	day_set(ret, day, day + 1, DUE_GRAIN_DAY);
	if (which == W_LAST)
		ret->flags |= DUE_PAST;
	if (h->rule == FIXED) {
		ret->has_month = ret->is_month_day = true;
		ret->month = h->month;
		ret->day = h->day;
		time_civil_from_days(day, &ret->year, &ret->month, &ret->day);
	}
	ret->has_year = year_n > 0;
	return n + year_n;
}
