/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules as bit sets. The next time is found by day, then within the day, so that a schedule
 * that never comes costs a bounded search.
 */
#include "schedule_private.h"

#include "base/time.h"

#include <errno.h>
#include <stdlib.h>

enum { SEARCH_DAYS = 366 * 9 /* over a leap year that is left out */, NUMBER_DIGITS_MAX = 12 };

static const int64_t LONGEST_US = INT64_C(10000) * 366 * 86400 * TIME_US_PER_S;

struct field {
	int min, max;
	const char *names; /* of values from min on, three letters each; NULL: none */
};

enum { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field FIELD[FIELDS] = {
	[SECOND] = { 0, 59, NULL },
	[MINUTE] = { 0, 59, NULL },
	[HOUR] = { 0, 23, NULL },
	[DAY] = { 1, 31, NULL },
	[MONTH] = { 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
	[WEEKDAY] = { 0, 6, "sunmontuewedthufrisat" },
};

static int parse_value(const struct field *f, struct str s, int *ret)
{
	int64_t v;

	if (s.n == 3 && f->names != NULL) {
		for (int i = 0; i <= f->max - f->min; i++) {
			struct str name = { f->names + (ptrdiff_t)3 * i, 3 };
			if (str_eq_nocase(s, name)) {
				*ret = f->min + i;
				return 0;
			}
		}
	}
	if (str_parse_i64(s, &v) < 0 || v < f->min || v > f->max)
		return -EINVAL;
	*ret = (int)v;
	return 0;
}

/* "5" or "1-5". *ret_last: of a range, else as it was. */
static int parse_range(const struct field *f, struct str range, int *ret_first, int *ret_last)
{
	struct str to = range, from;

	str_split(&to, '-', &from);
	if (parse_value(f, from, ret_first) < 0)
		return -EINVAL;
	if (from.n == range.n)
		return 0;
	return parse_value(f, to, ret_last) == 0 && *ret_last >= *ret_first ? 0 : -EINVAL;
}

/* "*", "5", "1-5", each with "/STEP"; "5/10" goes from 5 to the end. */
static int parse_part(const struct field *f, struct str part, uint64_t *bits, bool *ret_any)
{
	struct str step_text = part, range;
	int64_t step = 1;
	int first = f->min, last = f->max;

	str_split(&step_text, '/', &range);
	bool has_step = range.n < part.n;
	if (has_step && (str_parse_i64(step_text, &step) < 0 || step < 1 || step > f->max))
		return -EINVAL;
	if (str_eq(range, STR("*")) || str_eq(range, STR("?")))
		*ret_any = *ret_any || !has_step;
	else if (parse_range(f, range, &first, &last) < 0)
		return -EINVAL;
	else if (!has_step && str_find_char(range, '-', 0) < 0)
		last = first;
	for (int v = first; v <= last; v += (int)step)
		*bits |= UINT64_C(1) << v;
	return 0;
}

static int parse_field(const struct field *f, struct str text, uint64_t *bits, bool *ret_any)
{
	struct str part;

	while (str_split(&text, ',', &part)) {
		if (parse_part(f, part, bits, ret_any) < 0)
			return -EINVAL;
	}
	return 0;
}

static int parse_fields(struct str text, struct schedule *ret)
{
	uint64_t bits[FIELDS] = { 0 };
	bool any[FIELDS] = { false };
	struct str word;
	size_t n = 0;

	while (str_split(&text, ' ', &word)) {
		if (word.n == 0)
			continue;
		if (n == FIELDS || parse_field(&FIELD[n], word, &bits[n], &any[n]) < 0)
			return -EINVAL;
		n++;
	}
	if (n != FIELDS)
		return -EINVAL;
	*ret = (struct schedule){
		.seconds = bits[SECOND],
		.minutes = bits[MINUTE],
		.hours = (uint32_t)bits[HOUR],
		.days = (uint32_t)bits[DAY],
		.months = (uint32_t)bits[MONTH],
		.weekdays = (uint32_t)bits[WEEKDAY],
		.any_day = any[DAY],
		.any_weekday = any[WEEKDAY],
	};
	return 0;
}

static int parse_word(struct str text, struct schedule *ret)
{
	static const struct {
		struct str word, fields;
	} WORDS[] = {
		{ STR_INIT("@yearly"), STR_INIT("0 0 0 1 1 *") },
		{ STR_INIT("@annually"), STR_INIT("0 0 0 1 1 *") },
		{ STR_INIT("@monthly"), STR_INIT("0 0 0 1 * *") },
		{ STR_INIT("@weekly"), STR_INIT("0 0 0 * * 0") },
		{ STR_INIT("@daily"), STR_INIT("0 0 0 * * *") },
		{ STR_INIT("@midnight"), STR_INIT("0 0 0 * * *") },
		{ STR_INIT("@hourly"), STR_INIT("0 0 * * * *") },
	};

	for (size_t i = 0; i < ARRAY_SIZE(WORDS); i++) {
		if (str_eq(text, WORDS[i].word))
			return parse_fields(WORDS[i].fields, ret);
	}
	if (!str_starts(text, STR("@every ")))
		return -EINVAL;
	struct schedule s = { 0 };
	text = str_trim((struct str){ text.p + 7, text.n - 7 });
	if (schedule_parse_duration(text, &s.every_us) < 0 || s.every_us <= 0)
		return -EINVAL;
	/* As in Dapr: whole seconds, at least one. */
	s.every_us -= s.every_us % TIME_US_PER_S;
	if (s.every_us == 0)
		s.every_us = TIME_US_PER_S;
	*ret = s;
	return 0;
}

int schedule_parse(struct str text, struct schedule *ret, struct err *reterr)
{
	struct str core = str_trim(text);
	int r;

	if (str_starts(core, STR("CRON_TZ=")) || str_starts(core, STR("TZ=")))
		return err_set(reterr, &ERR_INVALID, NULL,
			       "the embedded sidecar keeps schedules in UTC only");
	r = core.n > 0 && core.p[0] == '@' ? parse_word(core, ret) : parse_fields(core, ret);
	if (r < 0)
		err_set(reterr, &ERR_INVALID, NULL,
			"\"%.*s\" is no schedule: @every DURATION, @daily, or six fields",
			STR_ARGS(core));
	return r;
}

static bool day_matches(const struct schedule *s, int64_t day)
{
	int year, month, of_month;

	time_civil_from_days(day, &year, &month, &of_month);
	if (!(s->months >> month & 1))
		return false;
	bool by_day = s->days >> of_month & 1;
	bool by_weekday = s->weekdays >> (time_weekday(day) + 1) % 7 & 1;
	if (s->any_day || s->any_weekday)
		return by_day && by_weekday;
	return by_day || by_weekday;
}

/* The lowest set bit from `from` on; -1: none. */
static int next_bit(uint64_t bits, int from)
{
	uint64_t left = from < 64 ? bits >> from << from : 0;

	return left != 0 ? __builtin_ctzll(left) : -1;
}

/* The first second of the day from `from` on that matches; -1: none. */
static int next_in_day(const struct schedule *s, int from)
{
	for (int hour = next_bit(s->hours, from / 3600); hour >= 0;
	     hour = next_bit(s->hours, hour + 1)) {
		int second = hour == from / 3600 ? from % 3600 : 0; /* of the hour */
		int first = second / 60;

		for (int minute = next_bit(s->minutes, first); minute >= 0;
		     minute = next_bit(s->minutes, minute + 1)) {
			int found = next_bit(s->seconds, minute == first ? second % 60 : 0);
			if (found >= 0)
				return hour * 3600 + minute * 60 + found;
		}
	}
	return -1;
}

int64_t schedule_next(const struct schedule *s, int64_t after_us)
{
	if (s->every_us > 0)
		return after_us > INT64_MAX - s->every_us ? INT64_MAX : after_us + s->every_us;
	int64_t second = after_us / TIME_US_PER_S + (after_us % TIME_US_PER_S < 0 ? 0 : 1);
	int64_t day = second / TIME_S_PER_DAY - (second % TIME_S_PER_DAY < 0);
	int from = (int)(second - day * TIME_S_PER_DAY);

	for (int n = 0; n < SEARCH_DAYS; n++, day++, from = 0) {
		int found = day_matches(s, day) ? next_in_day(s, from) : -1;
		if (found >= 0)
			return (day * TIME_S_PER_DAY + found) * TIME_US_PER_S;
	}
	return INT64_MAX;
}

/* Digits with an optional fraction, as micro-units of one; *at moves past them. */
static int parse_number(struct str s, size_t *at, double *ret)
{
	char text[NUMBER_DIGITS_MAX + 8];
	size_t n = 0, digits = 0;

	while (*at < s.n && ((s.p[*at] >= '0' && s.p[*at] <= '9') || s.p[*at] == '.')) {
		if (n == sizeof(text) - 1)
			return -EINVAL;
		digits += s.p[*at] != '.';
		text[n++] = s.p[(*at)++];
	}
	text[n] = '\0';
	if (digits == 0 || digits + 1 < n)
		return -EINVAL;
	*ret = strtod(text, NULL);
	return 0;
}

static const struct unit {
	struct str name;
	double us;
} GO_UNITS[] = {
	{ STR_INIT("ns"), 1e-3 }, { STR_INIT("us"), 1 },   { STR_INIT("ms"), 1e3 },
	{ STR_INIT("s"), 1e6 },	  { STR_INIT("m"), 60e6 }, { STR_INIT("h"), 3600e6 },
};

static const struct unit *find_unit(struct str s)
{
	for (size_t i = 0; i < ARRAY_SIZE(GO_UNITS); i++) {
		if (str_eq(GO_UNITS[i].name, s))
			return &GO_UNITS[i];
	}
	return NULL;
}

static int add(double us, int64_t *sum)
{
	if (!(us < (double)LONGEST_US) || *sum + (int64_t)us > LONGEST_US)
		return -EINVAL;
	*sum += (int64_t)us;
	return 0;
}

int schedule_parse_duration(struct str text, int64_t *ret_us)
{
	int64_t sum = 0;
	size_t at = 0;

	while (at < text.n) {
		double number;
		if (parse_number(text, &at, &number) < 0)
			return -EINVAL;
		size_t begin = at;
		while (at < text.n && text.p[at] >= 'a' && text.p[at] <= 'z')
			at++;
		const struct unit *unit = find_unit((struct str){ text.p + begin, at - begin });
		if (unit == NULL || add(number * unit->us, &sum) < 0)
			return -EINVAL;
	}
	if (text.n == 0)
		return -EINVAL;
	*ret_us = sum;
	return 0;
}

/* Microseconds of an ISO 8601 unit; 0: none. Months and years have no fixed length. */
static double iso_unit(char c, bool in_time)
{
	static const struct {
		char c;
		bool in_time;
		double us;
	} UNITS[] = { { 'W', false, 7 * 86400e6 },
		      { 'D', false, 86400e6 },
		      { 'H', true, 3600e6 },
		      { 'M', true, 60e6 },
		      { 'S', true, 1e6 } };

	for (size_t i = 0; i < ARRAY_SIZE(UNITS); i++) {
		if (UNITS[i].c == c && UNITS[i].in_time == in_time)
			return UNITS[i].us;
	}
	return 0;
}

/* P[nW][nD][T[nH][nM][nS]] */
static int parse_iso_duration(struct str text, int64_t *ret_us)
{
	int64_t sum = 0;
	bool in_time = false;
	size_t at = 1;

	if (text.n < 3 || text.p[text.n - 1] == 'T')
		return -EINVAL;
	while (at < text.n) {
		double number, unit;
		if (text.p[at] == 'T' && !in_time) {
			in_time = true;
			at++;
			continue;
		}
		if (parse_number(text, &at, &number) < 0 || at == text.n)
			return -EINVAL;
		unit = iso_unit(text.p[at++], in_time);
		if (!(unit > 0) || add(number * unit, &sum) < 0)
			return -EINVAL;
	}
	*ret_us = sum;
	return 0;
}

int schedule_parse_instant(struct str text, int64_t now_us, int64_t *ret_us)
{
	struct civil civil;
	int64_t us;
	bool has_offset = false;

	if (time_parse_rfc3339(text, &us, &civil, &has_offset) == 0 && has_offset) {
		*ret_us = us;
		return 0;
	}
	int r = text.n > 0 && text.p[0] == 'P' ? parse_iso_duration(text, &us)
					       : schedule_parse_duration(text, &us);
	if (r < 0 || us > TIME_MAX_US - now_us)
		return -EINVAL;
	*ret_us = now_us + us;
	return 0;
}
