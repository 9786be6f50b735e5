/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holidays with a fixed date, on the nth weekday of a month, counted from Easter or in another
 * calendar (due_calendar.c): "Christmas Eve", "next Thanksgiving", "good friday 2027". A holiday is
 * a row, in any order.
 */
#include "src/domain/due_match_private.h"

enum rule { FIXED, NTH, EASTER, ORTHODOX, HEBREW, ISLAMIC, TABLE };

/* name: lower case words without apostrophes, "day" at the end left out where people do. */
static const struct holiday {
	const char *name;
	enum rule rule;
	int8_t month;	/* FIXED, NTH; ISLAMIC: of that calendar */
	int16_t day;	/* FIXED: of the month; NTH: which one, -1 the last; EASTER, ORTHODOX: days
			   after; HEBREW: days after Rosh Hashanah; ISLAMIC: of its month; TABLE:
			   which table */
	int8_t weekday; /* NTH */
	int8_t plus;	/* NTH: days after it */
} HOLIDAYS[] = {
	{ "all hallows eve", FIXED, 10, 31, 0, 0 },
	{ "all saints", FIXED, 11, 1, 0, 0 },
	{ "all souls", FIXED, 11, 2, 0, 0 },
	{ "anzac day", FIXED, 4, 25, 0, 0 },
	{ "april fools", FIXED, 4, 1, 0, 0 },
	{ "armistice day", FIXED, 11, 11, 0, 0 },
	{ "ascension day", EASTER, 0, 39, 0, 0 },
	{ "ash wednesday", EASTER, 0, -46, 0, 0 },
	{ "ashura", ISLAMIC, 1, 10, 0, 0 },
	{ "australia day", FIXED, 1, 26, 0, 0 },
	{ "bastille day", FIXED, 7, 14, 0, 0 },
	{ "black friday", NTH, 11, 4, 3, 1 },
	{ "bonfire night", FIXED, 11, 5, 0, 0 },
	{ "bosses day", FIXED, 10, 16, 0, 0 },
	{ "bosss day", FIXED, 10, 16, 0, 0 },
	{ "boxing day", FIXED, 12, 26, 0, 0 },
	{ "branch sunday", EASTER, 0, -7, 0, 0 },
	{ "burns night", FIXED, 1, 25, 0, 0 },
	{ "canada day", FIXED, 7, 1, 0, 0 },
	{ "canadian thanksgiving", NTH, 10, 2, 0, 0 },
	{ "candlemas", FIXED, 2, 2, 0, 0 },
	{ "chanukah", HEBREW, 0, 83, 0, 0 },
	{ "chinese new year", TABLE, 0, TABLE_CHINESE_NEW_YEAR, 0, 0 },
	{ "christmas", FIXED, 12, 25, 0, 0 },
	{ "christmas eve", FIXED, 12, 24, 0, 0 },
	{ "cinco de mayo", FIXED, 5, 5, 0, 0 },
	{ "clean monday", ORTHODOX, 0, -48, 0, 0 },
	{ "columbus day", NTH, 10, 2, 0, 0 },
	{ "corpus christi", EASTER, 0, 60, 0, 0 },
	{ "cyber monday", NTH, 11, 4, 3, 4 },
	{ "day of the dead", FIXED, 11, 2, 0, 0 },
	{ "deepavali", TABLE, 0, TABLE_DIWALI, 0, 0 },
	{ "diwali", TABLE, 0, TABLE_DIWALI, 0, 0 },
	{ "earth day", FIXED, 4, 22, 0, 0 },
	{ "easter", EASTER, 0, 0, 0, 0 },
	{ "easter mon", EASTER, 0, 1, 0, 0 },
	{ "easter monday", EASTER, 0, 1, 0, 0 },
	{ "easter sunday", EASTER, 0, 0, 0, 0 },
	{ "eid al adha", ISLAMIC, 12, 10, 0, 0 },
	{ "eid al fitr", ISLAMIC, 10, 1, 0, 0 },
	{ "eid ul adha", ISLAMIC, 12, 10, 0, 0 },
	{ "eid ul fitr", ISLAMIC, 10, 1, 0, 0 },
	{ "election day", NTH, 11, 1, 0, 1 },
	{ "emancipation day", FIXED, 4, 16, 0, 0 },
	{ "epiphany", FIXED, 1, 6, 0, 0 },
	{ "fathers day", NTH, 6, 3, 6, 0 },
	{ "flag day", FIXED, 6, 14, 0, 0 },
	{ "fools day", FIXED, 4, 1, 0, 0 },
	{ "gandhi jayanti", FIXED, 10, 2, 0, 0 },
	{ "giving tuesday", NTH, 11, 4, 3, 5 },
	{ "good friday", EASTER, 0, -2, 0, 0 },
	{ "grandparents day", NTH, 9, 1, 0, 6 },
	{ "groundhog day", FIXED, 2, 2, 0, 0 },
	{ "guy fawkes", FIXED, 11, 5, 0, 0 },
	{ "guy fawkes night", FIXED, 11, 5, 0, 0 },
	{ "halloween", FIXED, 10, 31, 0, 0 },
	{ "haloween", FIXED, 10, 31, 0, 0 },
	{ "hanukah", HEBREW, 0, 83, 0, 0 },
	{ "hanukkah", HEBREW, 0, 83, 0, 0 },
	{ "holy saturday", EASTER, 0, -1, 0, 0 },
	{ "holy thursday", EASTER, 0, -3, 0, 0 },
	{ "id ul adha", ISLAMIC, 12, 10, 0, 0 },
	{ "ides of march", FIXED, 3, 15, 0, 0 },
	{ "independence day", FIXED, 7, 4, 0, 0 },
	{ "indigenous peoples day", NTH, 10, 2, 0, 0 },
	{ "international womens day", FIXED, 3, 8, 0, 0 },
	{ "islamic new year", ISLAMIC, 1, 1, 0, 0 },
	{ "jewish new year", HEBREW, 0, 0, 0, 0 },
	{ "juneteenth", FIXED, 6, 19, 0, 0 },
	{ "kings day", FIXED, 4, 27, 0, 0 },
	{ "koningsdag", FIXED, 4, 27, 0, 0 },
	{ "kwanzaa", FIXED, 12, 26, 0, 0 },
	{ "labor day", NTH, 9, 1, 0, 0 },
	{ "labour day", FIXED, 5, 1, 0, 0 },
	{ "lag baomer", HEBREW, 0, -131, 0, 0 },
	{ "laylat al qadr", ISLAMIC, 9, 27, 0, 0 },
	{ "lazarus saturday", ORTHODOX, 0, -8, 0, 0 },
	{ "lunar new year", TABLE, 0, TABLE_CHINESE_NEW_YEAR, 0, 0 },
	{ "mardi gras", EASTER, 0, -47, 0, 0 },
	{ "martin luther king day", NTH, 1, 3, 0, 0 },
	{ "martin luther king jr day", NTH, 1, 3, 0, 0 },
	{ "martin luther kings day", NTH, 1, 3, 0, 0 },
	{ "maundy thursday", EASTER, 0, -3, 0, 0 },
	{ "mawlid", ISLAMIC, 3, 12, 0, 0 },
	{ "may day", FIXED, 5, 1, 0, 0 },
	{ "memorial day", NTH, 5, -1, 0, 0 },
	{ "mlk day", NTH, 1, 3, 0, 0 },
	{ "mlk jr day", NTH, 1, 3, 0, 0 },
	{ "mothering sunday", EASTER, 0, -21, 0, 0 },
	{ "mothers day", NTH, 5, 2, 6, 0 },
	{ "new year", FIXED, 1, 1, 0, 0 },
	{ "new year day", FIXED, 1, 1, 0, 0 },
	{ "new year eve", FIXED, 12, 31, 0, 0 },
	{ "new years", FIXED, 1, 1, 0, 0 },
	{ "new years eve", FIXED, 12, 31, 0, 0 },
	{ "nye", FIXED, 12, 31, 0, 0 },
	{ "orthodox christmas", FIXED, 1, 7, 0, 0 },
	{ "orthodox easter", ORTHODOX, 0, 0, 0, 0 },
	{ "orthodox easter monday", ORTHODOX, 0, 1, 0, 0 },
	{ "orthodox easter sunday", ORTHODOX, 0, 0, 0, 0 },
	{ "orthodox good friday", ORTHODOX, 0, -2, 0, 0 },
	{ "orthodox palm sunday", ORTHODOX, 0, -7, 0, 0 },
	{ "orthodox shrove monday", ORTHODOX, 0, -48, 0, 0 },
	{ "palm sunday", EASTER, 0, -7, 0, 0 },
	{ "pancake day", EASTER, 0, -47, 0, 0 },
	{ "passover", HEBREW, 0, -163, 0, 0 },
	{ "patriots day", NTH, 4, 3, 0, 0 },
	{ "pentecost", EASTER, 0, 49, 0, 0 },
	{ "pesach", HEBREW, 0, -163, 0, 0 },
	{ "pi day", FIXED, 3, 14, 0, 0 },
	{ "presidents day", NTH, 2, 3, 0, 0 },
	{ "purim", HEBREW, 0, -193, 0, 0 },
	{ "ramadan", ISLAMIC, 9, 1, 0, 0 },
	{ "remembrance day", FIXED, 11, 11, 0, 0 },
	{ "rosh hashana", HEBREW, 0, 0, 0, 0 },
	{ "rosh hashanah", HEBREW, 0, 0, 0, 0 },
	{ "rosh hashanna", HEBREW, 0, 0, 0, 0 },
	{ "shavuot", HEBREW, 0, -113, 0, 0 },
	{ "shemini atzeret", HEBREW, 0, 21, 0, 0 },
	{ "shrove tuesday", EASTER, 0, -47, 0, 0 },
	{ "shushan purim", HEBREW, 0, -192, 0, 0 },
	{ "simchat torah", HEBREW, 0, 22, 0, 0 },
	{ "singles day", FIXED, 11, 11, 0, 0 },
	{ "small business saturday", NTH, 11, 4, 3, 2 },
	{ "st andrews day", FIXED, 11, 30, 0, 0 },
	{ "st georges day", FIXED, 4, 23, 0, 0 },
	{ "st nicholas day", FIXED, 12, 6, 0, 0 },
	{ "st paddys", FIXED, 3, 17, 0, 0 },
	{ "st patricks", FIXED, 3, 17, 0, 0 },
	{ "st stephens day", FIXED, 12, 26, 0, 0 },
	{ "st valentines day", FIXED, 2, 14, 0, 0 },
	{ "sukkot", HEBREW, 0, 14, 0, 0 },
	{ "tax day", FIXED, 4, 15, 0, 0 },
	{ "thanksgiving", NTH, 11, 4, 3, 0 },
	{ "trinity sunday", EASTER, 0, 56, 0, 0 },
	{ "turkey day", NTH, 11, 4, 3, 0 },
	{ "valentine day", FIXED, 2, 14, 0, 0 },
	{ "valentines", FIXED, 2, 14, 0, 0 },
	{ "veterans day", FIXED, 11, 11, 0, 0 },
	{ "walpurgis night", FIXED, 4, 30, 0, 0 },
	{ "whit monday", EASTER, 0, 50, 0, 0 },
	{ "whit sunday", EASTER, 0, 49, 0, 0 },
	{ "womens day", FIXED, 3, 8, 0, 0 },
	{ "world vegan day", FIXED, 11, 1, 0, 0 },
	{ "xmas", FIXED, 12, 25, 0, 0 },
	{ "xmas eve", FIXED, 12, 24, 0, 0 },
	{ "yom kippur", HEBREW, 0, 9, 0, 0 },
};

/* -1: no such day is known. */
static int64_t holiday_in(const struct holiday *h, int year)
{
	switch (h->rule) {
	case EASTER:
		return calendar_easter(year) + h->day;
	case ORTHODOX:
		return calendar_orthodox_easter(year) + h->day;
	case NTH:
		return nth_weekday(year, h->month, h->day, h->weekday) + h->plus;
	case HEBREW:
		return calendar_hebrew(year, h->day);
	case ISLAMIC:
		return calendar_islamic(year, h->month, h->day);
	case TABLE:
		return calendar_table(year, (enum calendar_table)h->day);
	case FIXED:
	default:
		return time_days_from_civil(year, h->month, h->day);
	}
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

/* Where the names with that letter begin. */
static size_t first_row(char letter)
{
	size_t low = 0, high = ARRAY_SIZE(HOLIDAYS);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (HOLIDAYS[middle].name[0] < letter)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool holiday_table_is_sorted(void)
{
	for (size_t i = 1; i < ARRAY_SIZE(HOLIDAYS); i++) {
		if (strcmp(HOLIDAYS[i - 1].name, HOLIDAYS[i].name) >= 0)
			return false;
	}
	return true;
}

static const struct holiday *find_holiday(const struct words *w, size_t i, size_t *ret_n)
{
	const struct holiday *best = NULL;
	char first = (char)(w->text.p[w->t[i].start] | 0x20);

	*ret_n = 0;
	for (size_t k = first_row(first); k < ARRAY_SIZE(HOLIDAYS); k++) {
		if (HOLIDAYS[k].name[0] != first)
			break;
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
	/* a new year that the table does not reach is not the 1st of January */
	if (i > 0 && (word_is(w, i - 1, "chinese") || word_is(w, i - 1, "lunar")))
		return 0;
	const struct holiday *h = find_holiday(w, i + lead, &n);
	if (h == NULL)
		return 0;
	n += lead;
	size_t year_n = match_holiday_year(w, i + n, &year);
	if (year < 2 || year > 9990)
		return 0;
	int64_t day = choose_holiday(w, h, which, year, year_n > 0);
	if (day == -1)
		return 0;
	day_set(ret, day, day + 1, DUE_GRAIN_DAY);
	if (which == W_LAST)
		ret->flags |= DUE_PAST;
	if (h->rule == NTH && h->plus == 0) {
		ret->month = h->month;
		ret->nth = h->day;
		ret->weekday = h->weekday;
	}
	if (h->rule == FIXED) {
		ret->has_month = ret->is_month_day = true;
		ret->month = h->month;
		ret->day = h->day;
		time_civil_from_days(day, &ret->year, &ret->month, &ret->day);
	}
	ret->has_year = year_n > 0;
	return n + year_n;
}
