/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The POSIX TZ rule that stands in the footer of a TZif file, "CET-1CEST,M3.5.0,M10.5.0/3".
 *
 * Evaluation looks at the changes of five years around the instant: the time of a change may be a
 * week away from its day, so that the one in force may stem from two years before. Daylight saving
 * may be negative (Ireland's winter) and may last the whole year; then its end and its next start
 * fall on one instant and the start, which comes later in the sequence, wins.
 */
#include "src/base/tz_private.h"

#include <errno.h>

enum { HOUR_S = 3600, CHANGES = 10, DEFAULT_CHANGE_S = 2 * HOUR_S };

struct change {
	int64_t at;
	int32_t offset;
};

/*
 * Reading. Each take_ moves *rest past what it has read, and is false when that is not there.
 */

static bool take_char(struct str *rest, char c)
{
	if (rest->n == 0 || rest->p[0] != c)
		return false;
	rest->p++;
	rest->n--;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_number(struct str *rest, int min, int max, int *ret)
{
	int v = 0;
	size_t n = 0;

	for (; n < rest->n && n < 3 && is_digit(rest->p[n]); n++)
		v = v * 10 + (rest->p[n] - '0');
	if (n == 0 || v < min || v > max)
		return false;
	rest->p += n;
	rest->n -= n;
	*ret = v;
	return true;
}

/* Three or more letters; or, in angle brackets, letters, digits and signs. */
static bool take_name(struct str *rest)
{
	bool quoted = take_char(rest, '<');
	size_t n = 0;

	while (n < rest->n &&
	       (is_alpha(rest->p[n]) ||
		(quoted && (is_digit(rest->p[n]) || rest->p[n] == '+' || rest->p[n] == '-'))))
		n++;
	if (n < 3)
		return false;
	rest->p += n;
	rest->n -= n;
	return !quoted || take_char(rest, '>');
}

/* [+-]hh[:mm[:ss]] */
static bool take_hms(struct str *rest, int max_hours, int32_t *ret_s)
{
	bool negative = take_char(rest, '-');
	int h, m = 0, s = 0;

	if (!negative)
		take_char(rest, '+');
	if (!take_number(rest, 0, max_hours, &h))
		return false;
	if (take_char(rest, ':')) {
		if (!take_number(rest, 0, 59, &m))
			return false;
		if (take_char(rest, ':') && !take_number(rest, 0, 59, &s))
			return false;
	}
	*ret_s = (h * HOUR_S + m * 60 + s) * (negative ? -1 : 1);
	return true;
}

static bool take_day(struct str *rest, struct tz_rule_day *day)
{
	if (take_char(rest, 'J')) {
		day->kind = TZ_DAY_JULIAN;
		return take_number(rest, 1, 365, &day->day);
	}
	if (!take_char(rest, 'M')) {
		day->kind = TZ_DAY_ZERO;
		return take_number(rest, 0, 365, &day->day);
	}
	day->kind = TZ_DAY_MONTH;
	return take_number(rest, 1, 12, &day->month) && take_char(rest, '.') &&
	       take_number(rest, 1, 5, &day->week) && take_char(rest, '.') &&
	       take_number(rest, 0, 6, &day->day);
}

static bool take_change(struct str *rest, struct tz_rule_day *day)
{
	day->time_s = DEFAULT_CHANGE_S;
	return take_char(rest, ',') && take_day(rest, day) &&
	       (!take_char(rest, '/') || take_hms(rest, 167, &day->time_s));
}

/* Offsets stand in the text as seconds west of UTC. */
static bool take_offset(struct str *rest, int32_t *ret_east)
{
	int32_t west;

	if (!take_hms(rest, 24, &west))
		return false;
	*ret_east = -west;
	return true;
}

int tz_rule_parse(struct str text, struct tz_rule *ret_rule)
{
	struct str rest = text;
	struct tz_rule rule = { .present = true };

	if (!take_name(&rest) || !take_offset(&rest, &rule.standard))
		return -EBADMSG;
	if (rest.n > 0) {
		rule.has_dst = true;
		rule.dst = rule.standard + HOUR_S;
		if (!take_name(&rest))
			return -EBADMSG;
		if (rest.n > 0 && rest.p[0] != ',' && !take_offset(&rest, &rule.dst))
			return -EBADMSG;
		if (!take_change(&rest, &rule.dst_start) || !take_change(&rest, &rule.dst_end) ||
		    rest.n > 0)
			return -EBADMSG;
	}
	*ret_rule = rule;
	return 0;
}

/*
 * Evaluation
 */

static int64_t day_in_year(const struct tz_rule_day *day, int year)
{
	int64_t january_1 = time_days_from_civil(year, 1, 1);
	int64_t first;
	int nth;

	switch (day->kind) {
	case TZ_DAY_ZERO:
		return january_1 + day->day;
	case TZ_DAY_JULIAN:
		return january_1 + day->day - 1 +
		       (day->day > 59 && time_days_in_month(year, 2) == 29);
	case TZ_DAY_MONTH:
	default:
		first = time_days_from_civil(year, day->month, 1);
		/* Ours count from Monday, POSIX's from Sunday. */
		nth = (day->day + 6 - time_weekday(first)) % 7 + (day->week - 1) * 7;
		if (nth >= time_days_in_month(year, day->month))
			nth -= 7; /* week 5 is the last one */
		return first + nth;
	}
}

static int64_t change_at(const struct tz_rule_day *day, int year, int32_t offset_before)
{
	return day_in_year(day, year) * TIME_S_PER_DAY + day->time_s - offset_before;
}

/* In the order of time, but for the odd rule whose years overlap. */
static void list_changes(const struct tz_rule *rule, int64_t unix_s, struct change changes[CHANGES])
{
	struct civil c;

	time_civil_from_s(unix_s + rule->standard, &c);
	for (int i = 0; i < CHANGES; i += 2) {
		int year = c.year - 2 + i / 2;
		struct change start = { change_at(&rule->dst_start, year, rule->standard),
					rule->dst };
		struct change end = { change_at(&rule->dst_end, year, rule->dst), rule->standard };
		bool start_first = start.at <= end.at;

		changes[i] = start_first ? start : end;
		changes[i + 1] = start_first ? end : start;
	}
}

int32_t tz_rule_offset_at(const struct tz_rule *rule, int64_t unix_s)
{
	struct change changes[CHANGES];
	const struct change *last = NULL;

	if (!rule->has_dst)
		return rule->standard;
	list_changes(rule, unix_s, changes);
	for (size_t i = 0; i < CHANGES; i++)
		if (changes[i].at <= unix_s && (!last || changes[i].at >= last->at))
			last = &changes[i];
	return last ? last->offset : rule->standard;
}

bool tz_rule_next_change(const struct tz_rule *rule, int64_t unix_s, int64_t *ret_unix_s)
{
	struct change changes[CHANGES];
	const struct change *next = NULL;

	if (!rule->has_dst)
		return false;
	list_changes(rule, unix_s, changes);
	for (size_t i = 0; i < CHANGES; i++)
		if (changes[i].at > unix_s && (!next || changes[i].at < next->at))
			next = &changes[i];
	if (!next)
		return false;
	*ret_unix_s = next->at;
	return true;
}
