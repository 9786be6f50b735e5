/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates of tasks: an instant, or all of a day in a zone. A day keeps its number, so that it stays
 * the same day whatever becomes of the zone's rules; its midnight is where it sorts.
 */
#include "domain/recurrence.h"
#include "domain/task.h"

#include <assert.h>
#include <errno.h>

enum { ALL_DAY_HOUR = 9, S_PER_MINUTE = 60 };

static const struct tz *utc(void)
{
	const struct tz *tz = NULL;
	int r = tz_load(STR("UTC"), &tz);

	assert(r == 0);
	(void)r;
	return tz;
}

const struct tz *task_tz(const struct task *t)
{
	const struct tz *tz;

	if (t->time_zone.p == NULL || tz_load(t->time_zone, &tz) < 0)
		return utc();
	return tz;
}

void task_date_set_day(struct task_date *d, int64_t day, const struct tz *tz)
{
	struct civil midnight = { 0 };
	int64_t s;

	time_civil_from_days(day, &midnight.year, &midnight.month, &midnight.day);
	tz_from_local(tz, &midnight, &s);
	*d = (struct task_date){ TASK_DATE_DAY, s * TIME_US_PER_S, day };
}

static int date_error(const char *field, struct err *reterr)
{
	return err_set(
		reterr, &ERR_INVALID, field,
		"must be a date (2026-12-24) or a date and time (2026-12-24T18:30:00Z) that exists");
}

static int parse_day(struct str text, const struct tz *tz, struct task_date *ret)
{
	int year, month, day;

	if (time_parse_date(text, &year, &month, &day) < 0)
		return -EINVAL;
	task_date_set_day(ret, time_days_from_civil(year, month, day), tz);
	return 0;
}

static int parse_instant(struct str text, const struct tz *tz, struct task_date *ret)
{
	struct civil local;
	bool has_offset;
	int64_t us;

	if (time_parse_rfc3339(text, &us, &local, &has_offset) < 0)
		return -EINVAL;
	if (!has_offset) {
		tz_from_local(tz, &local, &us);
		us = us * TIME_US_PER_S + local.microsecond;
	}
	*ret = (struct task_date){ TASK_DATE_INSTANT, us, 0 };
	return 0;
}

int task_date_parse(struct str text, const struct tz *tz, const char *field, struct task_date *ret,
		    struct err *reterr)
{
	struct task_date d;

	if (parse_day(text, tz, &d) < 0 && parse_instant(text, tz, &d) < 0)
		return date_error(field, reterr);
	if (d.at_us < TIME_MIN_US || d.at_us > TIME_MAX_US)
		return date_error(field, reterr);
	*ret = d;
	return 0;
}

void task_date_write_json(struct json_out *o, const struct task_date *d)
{
	char text[TIME_RFC3339_SIZE];

	if (d->kind == TASK_DATE_NONE) {
		json_null(o);
	} else if (d->kind == TASK_DATE_INSTANT) {
		json_time(o, d->at_us);
	} else {
		time_format_rfc3339(d->day * TIME_S_PER_DAY * TIME_US_PER_S, text);
		json_str(o, (struct str){ text, sizeof("YYYY-MM-DD") - 1 });
	}
}

bool task_date_same(const struct task_date *a, const struct task_date *b)
{
	return a->kind == b->kind && a->at_us == b->at_us && a->day == b->day;
}

struct civil task_date_civil(const struct task_date *d, const struct tz *tz)
{
	struct civil local = { 0 };

	if (d->kind == TASK_DATE_DAY) {
		time_civil_from_days(d->day, &local.year, &local.month, &local.day);
		return local;
	}
	int64_t s = d->at_us / TIME_US_PER_S;
	if (d->at_us % TIME_US_PER_S < 0)
		s--;
	tz_to_local(tz, s, &local);
	return local;
}

int64_t task_date_overdue_us(const struct task_date *d, const struct tz *tz)
{
	struct task_date next_day;

	if (d->kind != TASK_DATE_DAY)
		return d->at_us;
	task_date_set_day(&next_day, d->day + 1, tz);
	return next_day.at_us;
}

int64_t task_date_before_us(const struct task_date *d, int64_t minutes, const struct tz *tz)
{
	int64_t offset_s = minutes * S_PER_MINUTE, s, us;
	struct civil local;

	if (d->kind == TASK_DATE_INSTANT) {
		us = d->at_us - offset_s * TIME_US_PER_S;
	} else {
		time_civil_from_s(d->day * TIME_S_PER_DAY + ALL_DAY_HOUR * 60 * S_PER_MINUTE -
					  offset_s,
				  &local);
		tz_from_local(tz, &local, &s);
		us = s * TIME_US_PER_S;
	}
	return us > TIME_MIN_US ? us : TIME_MIN_US;
}

/* No instance comes later than the end; of a day, all of it still counts. */
static bool is_past_end(const struct task *t, const struct occurrence *o)
{
	const struct task_date *end = &t->recurrence_end;

	if (end->kind == TASK_DATE_DAY)
		return time_days_from_civil(o->local.year, o->local.month, o->local.day) > end->day;
	return end->kind == TASK_DATE_INSTANT && o->at_us > end->at_us;
}

/* The rule is changed to what it means for this task. */
static int next_occurrence(const struct task *t, struct recurrence *rule, const struct tz *tz,
			   int64_t done_us, int64_t now_us, struct occurrence *ret)
{
	int64_t after_us = done_us > now_us ? done_us : now_us;
	struct civil start;

	if (t->due.kind == TASK_DATE_DAY)
		recurrence_forget_times(rule);
	if (t->recurrence_mode == TASK_RECUR_COMPLETION) {
		start = task_date_civil(&t->due, tz);
		return recurrence_next_after_done(rule, &start, tz, done_us, now_us,
						  (int)t->occurrence, ret);
	}
	time_civil_from_s(t->series_start_s, &start);
	if (t->due.kind == TASK_DATE_DAY) /* the series may have begun at a time of day */
		start.hour = start.minute = start.second = 0;
	return recurrence_next(rule, &start, tz, after_us > t->due.at_us ? after_us : t->due.at_us,
			       ret);
}

bool task_next_due(const struct task *t, int64_t done_us, int64_t now_us, struct task_date *ret)
{
	const struct tz *tz = task_tz(t);
	struct recurrence rule;
	struct occurrence next;

	if (t->recurrence_rule.p == NULL || t->due.kind == TASK_DATE_NONE ||
	    recurrence_parse(t->recurrence_rule, "", &rule, NULL) < 0 ||
	    next_occurrence(t, &rule, tz, done_us, now_us, &next) < 0 || is_past_end(t, &next))
		return false;
	if (t->due.kind == TASK_DATE_DAY)
		task_date_set_day(ret,
				  time_days_from_civil(next.local.year, next.local.month,
						       next.local.day),
				  tz);
	else
		*ret = (struct task_date){ TASK_DATE_INSTANT, next.at_us, 0 };
	return true;
}
