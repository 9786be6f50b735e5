/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the text of a rule. Strict: what is unknown, doubled, out of range or of no defined meaning
 * in combination is refused with a sentence that says what is allowed, since a guess would show
 * only weeks later. The result is in normal form: what changes nothing is taken out, so that the
 * canonical text is the same for equal rules.
 */
#include "recurrence_private.h"

#include <errno.h>

#define OFFSET(member) offsetof(struct recurrence, member)

const struct recurrence_list_part RECURRENCE_LIST_PARTS[RECURRENCE_LISTS] = {
	{ STR_INIT("BYMONTH"), OFFSET(months), 1, 12, false },
	{ STR_INIT("BYWEEKNO"), OFFSET(week_numbers), 1, 53, true },
	{ STR_INIT("BYYEARDAY"), OFFSET(year_days), 1, 366, true },
	{ STR_INIT("BYMONTHDAY"), OFFSET(month_days), 1, 31, true },
	{ STR_INIT("BYHOUR"), OFFSET(hours), 0, 23, false },
	{ STR_INIT("BYMINUTE"), OFFSET(minutes), 0, 59, false },
	{ STR_INIT("BYSETPOS"), OFFSET(set_pos), 1, 366, true },
};
const char RECURRENCE_FREQ_NAMES[4][8] = { "DAILY", "WEEKLY", "MONTHLY", "YEARLY" };
const char RECURRENCE_WEEKDAY_NAMES[7][3] = { "MO", "TU", "WE", "TH", "FR", "SA", "SU" };

struct reader {
	struct recurrence *r;
	const char *field;
	struct err *reterr;
	uint32_t seen; /* bits: index in PARTS, then in RECURRENCE_LIST_PARTS */
};

#define REFUSE(reader, ...) err_set((reader)->reterr, &ERR_INVALID, (reader)->field, __VA_ARGS__)

/* Up to max_digits digits and nothing else; -1 otherwise. */
static int parse_number(struct str s, size_t max_digits)
{
	int n = 0;

	if (s.n == 0 || s.n > max_digits)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		n = n * 10 + (s.p[i] - '0');
	}
	return n;
}

/* Cuts an optional sign off; true for minus. */
static bool cut_sign(struct str *s)
{
	bool is_minus = s->n > 0 && s->p[0] == '-';

	if (is_minus || (s->n > 0 && s->p[0] == '+')) {
		s->p++;
		s->n--;
	}
	return is_minus;
}

static struct str cut(struct str s, size_t from, size_t n)
{
	return (struct str){ s.p + from, n };
}

static int parse_freq(struct reader *rd, struct str value)
{
	for (int i = 0; i < 4; i++) {
		if (str_eq_nocase(value, str_from(RECURRENCE_FREQ_NAMES[i]))) {
			rd->r->freq = (enum recurrence_freq)i;
			return 0;
		}
	}
	return REFUSE(rd, "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY");
}

static int parse_interval(struct reader *rd, struct str value)
{
	int n = parse_number(value, 9);

	if (n < 1 || n > RECURRENCE_INTERVAL_MAX)
		return REFUSE(rd, "INTERVAL must be a whole number from 1 to %d",
			      RECURRENCE_INTERVAL_MAX);
	rd->r->interval = n;
	return 0;
}

static int parse_count(struct reader *rd, struct str value)
{
	int n = parse_number(value, 9);

	if (n < 1 || n > RECURRENCE_COUNT_MAX)
		return REFUSE(rd, "COUNT must be a whole number from 1 to %d",
			      RECURRENCE_COUNT_MAX);
	rd->r->count = n;
	return 0;
}

static bool parse_basic_date(struct str s, struct civil *ret)
{
	ret->year = parse_number(cut(s, 0, 4), 4);
	ret->month = parse_number(cut(s, 4, 2), 2);
	ret->day = parse_number(cut(s, 6, 2), 2);
	return ret->year >= 1 && ret->month >= 1 && ret->month <= 12 && ret->day >= 1 &&
	       ret->day <= time_days_in_month(ret->year, ret->month);
}

static bool parse_basic_time(struct str s, struct civil *ret)
{
	ret->hour = parse_number(cut(s, 1, 2), 2);
	ret->minute = parse_number(cut(s, 3, 2), 2);
	ret->second = parse_number(cut(s, 5, 2), 2);
	return (s.p[0] == 'T' || s.p[0] == 't') && ret->hour >= 0 && ret->hour <= 23 &&
	       ret->minute >= 0 && ret->minute <= 59 && ret->second >= 0 && ret->second <= 59;
}

static int parse_until(struct reader *rd, struct str value)
{
	struct civil c = { 0 };
	bool is_utc = value.n == 16 && (value.p[15] == 'Z' || value.p[15] == 'z');
	bool is_date = value.n == 8;
	bool is_valid = (is_date || is_utc || value.n == 15) && parse_basic_date(value, &c);

	if (is_valid && !is_date)
		is_valid = parse_basic_time(cut(value, 8, 7), &c);
	if (!is_valid)
		return REFUSE(
			rd,
			"UNTIL must be a date that exists, as 20270503, 20270503T080000 (local time) or "
			"20270503T060000Z (UTC)");
	rd->r->until = c;
	rd->r->until_kind = is_date  ? RECURRENCE_UNTIL_DATE
			    : is_utc ? RECURRENCE_UNTIL_UTC
				     : RECURRENCE_UNTIL_LOCAL;
	return 0;
}

/* -1: none of them. */
static int parse_weekday(struct str name)
{
	for (int i = 0; i < 7; i++) {
		if (str_eq_nocase(name, str_from(RECURRENCE_WEEKDAY_NAMES[i])))
			return i;
	}
	return -1;
}

static int parse_wkst(struct reader *rd, struct str value)
{
	rd->r->wkst = parse_weekday(value);
	if (rd->r->wkst < 0)
		return REFUSE(rd, "WKST must be MO, TU, WE, TH, FR, SA or SU");
	return 0;
}

static int parse_rscale(struct reader *rd, struct str value)
{
	if (!str_eq_nocase(value, STR("GREGORIAN")))
		return REFUSE(rd, "RSCALE must be GREGORIAN; other calendars are not supported");
	return 0;
}

static int parse_skip(struct reader *rd, struct str value)
{
	rd->r->skip_backward = str_eq_nocase(value, STR("BACKWARD"));
	if (!rd->r->skip_backward && !str_eq_nocase(value, STR("OMIT")))
		return REFUSE(rd, "SKIP must be OMIT or BACKWARD");
	return 0;
}

static bool parse_byday_item(struct recurrence *r, struct str item)
{
	struct str ordinal = item;
	bool is_back = cut_sign(&ordinal), has_sign = ordinal.n != item.n;

	if (ordinal.n < 2)
		return false;
	int weekday = parse_weekday(cut(ordinal, ordinal.n - 2, 2));
	ordinal.n -= 2;
	if (weekday < 0)
		return false;
	if (ordinal.n == 0) {
		r->weekdays |= (uint8_t)(1u << weekday);
		return !has_sign;
	}
	int n = parse_number(ordinal, 2);
	if (n < 1 || n > 53)
		return false;
	*(is_back ? &r->nth[weekday].back : &r->nth[weekday].fwd) |= UINT64_C(1) << n;
	return true;
}

static int parse_byday(struct reader *rd, struct str value)
{
	struct str item;

	while (str_split(&value, ',', &item)) {
		if (!parse_byday_item(rd->r, item))
			return REFUSE(
				rd,
				"BYDAY takes weekdays as MO or with an ordinal from 1 to 53 as 2MO or -1FR, "
				"separated by commas");
	}
	return 0;
}

static int parse_list(struct reader *rd, const struct recurrence_list_part *part, struct str value)
{
	struct recurrence_list *l =
		(struct recurrence_list *)(void *)((char *)rd->r + part->offset);
	struct str item;

	while (str_split(&value, ',', &item)) {
		struct str digits = item;
		bool is_back = part->is_signed && cut_sign(&digits);
		int n = parse_number(digits, 3);
		if (n < part->min || n > part->max)
			return REFUSE(rd,
				      "%s takes whole numbers from %d to %d%s, separated by commas",
				      part->name.p, part->min, part->max,
				      part->is_signed ? " or, from the end, negative" : "");
		(is_back ? l->back : l->fwd)[n / 64] |= UINT64_C(1) << (n % 64);
	}
	return 0;
}

enum {
	PART_FREQ,
	PART_INTERVAL,
	PART_COUNT,
	PART_UNTIL,
	PART_WKST,
	PART_RSCALE,
	PART_SKIP,
	PART_BYDAY,
	PARTS_N
};

static const struct {
	struct str name;
	int (*parse)(struct reader *rd, struct str value);
} PARTS[PARTS_N] = {
	[PART_FREQ] = { STR_INIT("FREQ"), parse_freq },
	[PART_INTERVAL] = { STR_INIT("INTERVAL"), parse_interval },
	[PART_COUNT] = { STR_INIT("COUNT"), parse_count },
	[PART_UNTIL] = { STR_INIT("UNTIL"), parse_until },
	[PART_WKST] = { STR_INIT("WKST"), parse_wkst },
	[PART_RSCALE] = { STR_INIT("RSCALE"), parse_rscale },
	[PART_SKIP] = { STR_INIT("SKIP"), parse_skip },
	[PART_BYDAY] = { STR_INIT("BYDAY"), parse_byday },
};

static bool is_first(struct reader *rd, size_t part)
{
	uint32_t bit = UINT32_C(1) << part;
	bool was_seen = rd->seen & bit;

	rd->seen |= bit;
	return !was_seen;
}

static int parse_part(struct reader *rd, struct str part)
{
	ssize_t eq = str_find_char(part, '=', 0);

	if (eq < 0)
		return REFUSE(rd,
			      "a rule is made of NAME=value parts with semicolons between them, as "
			      "FREQ=WEEKLY;BYDAY=MO,FR");
	struct str name = cut(part, 0, (size_t)eq),
		   value = cut(part, (size_t)eq + 1, part.n - (size_t)eq - 1);
	for (size_t i = 0; i < PARTS_N; i++) {
		if (!str_eq_nocase(name, PARTS[i].name))
			continue;
		if (!is_first(rd, i))
			return REFUSE(rd, "%s may stand only once", PARTS[i].name.p);
		return PARTS[i].parse(rd, value);
	}
	for (size_t i = 0; i < RECURRENCE_LISTS; i++) {
		const struct recurrence_list_part *list = &RECURRENCE_LIST_PARTS[i];
		if (!str_eq_nocase(name, list->name))
			continue;
		if (!is_first(rd, PARTS_N + i))
			return REFUSE(rd, "%s may stand only once", list->name.p);
		return parse_list(rd, list, value);
	}
	return REFUSE(
		rd,
		"the parts of a rule are FREQ, INTERVAL, COUNT, UNTIL, WKST, BYMONTH, BYWEEKNO, BYYEARDAY, "
		"BYMONTHDAY, BYDAY, BYHOUR, BYMINUTE, BYSETPOS, RSCALE and SKIP");
}

bool recurrence_has_nth(const struct recurrence *r)
{
	uint64_t any = 0;

	for (int i = 0; i < 7; i++)
		any |= r->nth[i].fwd | r->nth[i].back;
	return any != 0;
}

/* Which BY parts may stand with which FREQ: the table and notes of RFC 5545 section 3.3.10. */
static int check_by_parts(const struct reader *rd)
{
	const struct recurrence *r = rd->r;
	const uint32_t by_parts = UINT32_C(1) << PART_BYDAY | ~UINT32_C(0) << PARTS_N;
	const uint32_t by_set_pos = UINT32_C(1) << (PARTS_N + RECURRENCE_LISTS - 1);

	if (!list_is_empty(&r->week_numbers) && r->freq != RECURRENCE_YEARLY)
		return REFUSE(rd, "BYWEEKNO is allowed only with FREQ=YEARLY");
	if (!list_is_empty(&r->year_days) && r->freq != RECURRENCE_YEARLY)
		return REFUSE(rd, "BYYEARDAY is allowed only with FREQ=YEARLY");
	if (!list_is_empty(&r->month_days) && r->freq == RECURRENCE_WEEKLY)
		return REFUSE(rd, "BYMONTHDAY is not allowed with FREQ=WEEKLY");
	if (recurrence_has_nth(r) && r->freq != RECURRENCE_MONTHLY && r->freq != RECURRENCE_YEARLY)
		return REFUSE(
			rd, "BYDAY takes ordinals, as 2MO, only with FREQ=MONTHLY or FREQ=YEARLY");
	if (recurrence_has_nth(r) && !list_is_empty(&r->week_numbers))
		return REFUSE(rd, "BYDAY takes no ordinals, as 2MO, beside BYWEEKNO");
	if ((rd->seen & by_parts) == by_set_pos)
		return REFUSE(rd, "BYSETPOS needs another BY part to choose from");
	return 0;
}

static int check_parts(const struct reader *rd)
{
	if (!(rd->seen >> PART_FREQ & 1))
		return REFUSE(rd, "FREQ is required: DAILY, WEEKLY, MONTHLY or YEARLY");
	if (rd->r->count != 0 && rd->r->until_kind != RECURRENCE_NO_UNTIL)
		return REFUSE(rd, "COUNT and UNTIL may not stand together");
	return check_by_parts(rd);
}

/* Can a day of the month be named that some month does not have? */
static bool uses_month_days(const struct recurrence *r)
{
	bool has_weekdays = r->weekdays != 0 || recurrence_has_nth(r);

	if (r->freq != RECURRENCE_MONTHLY && r->freq != RECURRENCE_YEARLY)
		return false;
	if (!list_is_empty(&r->month_days))
		return r->month_days.fwd[0] >> 29 != 0;
	return !has_weekdays && list_is_empty(&r->year_days) && list_is_empty(&r->week_numbers);
}

static void normalise(struct recurrence *r)
{
	bool is_week_counted = r->freq == RECURRENCE_WEEKLY && r->weekdays != 0 &&
			       (r->interval > 1 || !list_is_empty(&r->set_pos));

	if (!is_week_counted && list_is_empty(&r->week_numbers))
		r->wkst = 0;
	for (int i = 0; i < 7; i++) {
		if (r->weekdays >> i & 1)
			r->nth[i].fwd = r->nth[i].back = 0;
	}
	if (!uses_month_days(r))
		r->skip_backward = false;
}

int recurrence_parse(struct str text, const char *field, struct recurrence *ret, struct err *reterr)
{
	struct recurrence r = { .interval = 1 };
	struct reader rd = { &r, field, reterr, 0 };
	struct str rest = str_trim(text), part;

	if (rest.n > RECURRENCE_TEXT_MAX)
		return REFUSE(&rd, "a rule must have at most %d bytes", RECURRENCE_TEXT_MAX);
	if (rest.n >= 6 && str_eq_nocase(cut(rest, 0, 6), STR("RRULE:")))
		rest = cut(rest, 6, rest.n - 6);
	while (str_split(&rest, ';', &part)) {
		int error = parse_part(&rd, part);
		if (error < 0)
			return error;
	}
	int error = check_parts(&rd);
	if (error < 0)
		return error;
	normalise(&r);
	*ret = r;
	return 0;
}

int recurrence_from_word(struct str word, int64_t interval, const char *field,
			 struct recurrence *ret, struct err *reterr)
{
	struct recurrence r = { .interval = 1 };
	struct reader rd = { &r, field, reterr, 0 };

	if (parse_freq(&rd, word) < 0)
		return REFUSE(&rd, "recurrence must be daily, weekly, monthly or yearly");
	if (interval < 1 || interval > RECURRENCE_INTERVAL_MAX)
		return REFUSE(&rd, "the interval must be a whole number from 1 to %d",
			      RECURRENCE_INTERVAL_MAX);
	r.interval = (int)interval;
	r.skip_backward = uses_month_days(&r);
	*ret = r;
	return 0;
}
