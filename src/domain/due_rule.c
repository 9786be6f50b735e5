/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From gathered words to RRULE text and the first occurrence. domain/recurrence brings the text
 * into its canonical form and knows the dates; hours and minutes, which no task may recur by, are
 * written out and marked as unsupported.
 */
#include "src/domain/due_repeat_private.h"

#include "domain/recurrence.h"

#include <stdarg.h>
#include <stdio.h>

enum { RULE_MAX = 512 };

static const char DAYS[7][3] = { "MO", "TU", "WE", "TH", "FR", "SA", "SU" };

/* Text that is only appended to; what does not fit is cut, and then refused by the parser. */
struct text {
	char p[RULE_MAX];
	size_t n;
};

static PRINTF_LIKE(2, 3) void add(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(t->p + t->n, sizeof(t->p) - t->n, fmt, args);
	va_end(args);
	t->n += n < 0 ? 0 : (size_t)n;
	if (t->n >= sizeof(t->p))
		t->n = sizeof(t->p) - 1;
}

void repeat_put_time(struct repeat *r, int second)
{
	if (r->n_times < REPEAT_TIMES_MAX)
		r->times[r->n_times++] = second;
}

static const char *comma(bool *is_first)
{
	const char *mark = *is_first ? "" : ",";

	*is_first = false;
	return mark;
}

static void add_by_day(struct text *t, const struct repeat *r)
{
	bool is_first = true;

	if (r->weekdays == 0 && r->n_nth == 0)
		return;
	add(t, ";BYDAY=");
	for (int d = 0; d < 7; d++) {
		if ((r->weekdays >> d & 1) != 0)
			add(t, "%s%s", comma(&is_first), DAYS[d]);
	}
	for (int k = 0; k < r->n_nth; k++)
		add(t, "%s%d%s", comma(&is_first), r->nth[k].n, DAYS[r->nth[k].weekday]);
}

static void add_by_month(struct text *t, const struct repeat *r)
{
	bool is_first = true;

	if (r->months != 0)
		add(t, ";BYMONTH=");
	for (int m = 1; m <= 12; m++) {
		if ((r->months >> m & 1) != 0)
			add(t, "%s%d", comma(&is_first), m);
	}
	is_first = true;
	if (r->n_month_days > 0)
		add(t, ";BYMONTHDAY=");
	for (int k = 0; k < r->n_month_days; k++)
		add(t, "%s%d", comma(&is_first), r->month_days[k]);
}

/* Several times can share a rule only when hours times minutes gives just them. */
static bool add_by_time(struct text *t, const struct repeat *r)
{
	bool is_first = true;

	for (int k = 1; k < r->n_times; k++) {
		if (r->times[k] % 3600 != r->times[0] % 3600)
			return false;
	}
	if (r->n_times > 0)
		add(t, ";BYHOUR=");
	for (int k = 0; k < r->n_times; k++)
		add(t, "%s%d", comma(&is_first), r->times[k] / 3600);
	if (r->n_times > 0)
		add(t, ";BYMINUTE=%d", r->times[0] / 60 % 60);
	return true;
}

static const char *freq_name(const struct repeat *r, int *ret_factor)
{
	*ret_factor = r->unit == U_QUARTER ? 3 : 1;
	switch ((int)r->unit) {
	case U_SECOND:
		return "SECONDLY";
	case U_MINUTE:
		return "MINUTELY";
	case U_HOUR:
		return "HOURLY";
	case U_DAY:
		return "DAILY";
	case U_WEEK:
		return "WEEKLY";
	case U_MONTH:
	case U_QUARTER:
		return "MONTHLY";
	case U_YEAR:
		return "YEARLY";
	default:
		return NULL;
	}
}

/* The rule without end; interval 1 for the search of the first date. */
static bool write_rule(struct text *t, const struct repeat *r, bool is_whole)
{
	int factor;
	const char *freq = freq_name(r, &factor);

	t->n = 0;
	if (freq == NULL)
		return false;
	add(t, "FREQ=%s", freq);
	if (is_whole && r->interval * factor != 1)
		add(t, ";INTERVAL=%d", r->interval * factor);
	if (is_whole && r->count > 0)
		add(t, ";COUNT=%d", r->count);
	if (is_whole && r->has_until && r->count == 0) {
		int year, month, day;
		time_civil_from_days(r->until, &year, &month, &day);
		add(t, ";UNTIL=%04d%02d%02d", year, month, day);
	}
	add_by_month(t, r);
	add_by_day(t, r);
	bool is_sayable = add_by_time(t, r);
	if (r->set_pos != 0)
		add(t, ";BYSETPOS=%d", r->set_pos);
	return is_sayable;
}

/* "every month in December" and the like: yearly. A year with a weekday but no month counts weeks
 * of the year, which nobody means. */
static void normalise(struct repeat *r)
{
	if (r->unit == U_WEEK && (r->n_nth > 0 || r->n_month_days > 0))
		r->unit = U_MONTH;
	if (r->unit == U_DAY && r->months == 0 && r->n_month_days > 0)
		r->unit = U_MONTH;
	if (r->unit == U_DAY && r->weekdays != 0 && r->interval == 1)
		r->unit = U_WEEK;
	if (r->unit == U_QUARTER && r->interval > 300)
		r->interval = 300;
}

/* No day is named: the series starts on its first day, whatever that is. */
static bool is_unanchored(const struct repeat *r)
{
	return r->weekdays == 0 && r->n_nth == 0 && r->n_month_days == 0 && r->months == 0;
}

/* Of several times the next one on the day that it is now, else the first. */
static int first_time(const struct words *w, const struct repeat *r, int64_t day)
{
	int now_s = w->now.hour * 3600 + w->now.minute * 60 + w->now.second, best = -1;

	for (int k = 0; k < r->n_times; k++) {
		bool is_next = day != w->today || r->has_start || r->times[k] > now_s;
		if (is_next && (best < 0 || r->times[k] < best))
			best = r->times[k];
	}
	return best >= 0 ? best : r->n_times > 0 ? r->times[0] : 0;
}

static void set_value(const struct words *w, const struct repeat *r, int64_t day, struct due *ret)
{
	time_civil_from_s(day * TIME_S_PER_DAY + first_time(w, r, day), &ret->value.at);
	ret->value.all_day = r->n_times == 0;
	ret->has_value = true;
}

/* Only months are named: the day is that of the start. */
static void anchor(struct repeat *r, int64_t day)
{
	int year, month;

	if (r->weekdays != 0 || r->n_nth > 0 || r->n_month_days > 0)
		return;
	if (r->unit == U_WEEK)
		r->weekdays = (uint8_t)(1U << time_weekday(day));
	else if (r->unit >= U_MONTH)
		time_civil_from_days(day, &year, &month, &r->month_days[r->n_month_days++]);
}

static __attribute__((noinline)) void first_occurrence(const struct words *w,
						       const struct repeat *r, struct due *ret)
{
	int64_t day = r->has_start ? r->start : w->today;
	struct recurrence rule;
	struct occurrence o;
	struct text t;
	struct civil before;
	int64_t after_us;
	int now_s = w->now.hour * 3600 + w->now.minute * 60 + w->now.second;
	bool is_past = !r->has_start && r->n_times > 0 && r->times[r->n_times - 1] <= now_s;

	if (is_unanchored(r) || r->unit < U_DAY) {
		set_value(w, r, day + (is_past ? 1 : 0), ret);
		return;
	}
	struct repeat plain = *r;
	plain.n_times = 0;
	anchor(&plain, day + is_past);
	if (!write_rule(&t, &plain, false) ||
	    recurrence_parse((struct str){ t.p, t.n }, "text", &rule, NULL) < 0)
		return;
	/* the day before is dtstart, always the first occurrence, and left out */
	time_civil_from_s((day - 1 + is_past) * TIME_S_PER_DAY, &before);
	if (before.year < 1 || before.year > 9999)
		return;
	after_us = time_civil_to_s(&before) * TIME_US_PER_S;
	if (recurrence_next(&rule, &before, NULL, after_us, &o) == 0)
		set_value(w, r, days_of_civil(&o.local), ret);
}

/* Kept out of line: it and first_occurrence would make one large frame. */
static __attribute__((noinline)) bool set_rrule(const struct repeat *r, const struct text *t,
						struct arena *arena, struct due *ret)
{
	char canonical[RECURRENCE_FORMAT_SIZE];
	struct recurrence rule;
	struct str text = { t->p, t->n };

	if (r->unit >= U_DAY) {
		if (recurrence_parse(text, "text", &rule, NULL) < 0)
			return false;
		text = (struct str){ canonical, recurrence_format(&rule, canonical) };
	}
	ret->rrule = arena_dup(arena, text);
	return ret->rrule.p != NULL;
}

bool repeat_finish(const struct words *w, const struct repeat *from, struct arena *arena,
		   struct due *ret)
{
	struct repeat r = *from;
	struct text t;

	normalise(&r);
	*ret = (struct due){ .kind = DUE_SET,
			     .grain = r.n_times > 0 ? DUE_GRAIN_MINUTE : DUE_GRAIN_DAY,
			     .problem = r.problem };
	if (r.n_times > 1 && !write_rule(&t, &r, true)) {
		r.n_times = 1;
		ret->problem = "these times of day do not fit into one rule";
	}
	if (!write_rule(&t, &r, true) || !set_rrule(&r, &t, arena, ret))
		return false;
	if (r.unit < U_DAY)
		ret->problem = "a task cannot recur more often than daily";
	if (ret->problem != NULL)
		ret->flags |= DUE_UNSUPPORTED;
	first_occurrence(w, &r, ret);
	return true;
}
