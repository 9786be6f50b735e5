/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of an answer: titles that are safe in Markdown, days and times as people say them, lengths,
 * filters.
 */
#include "rules_reply_private.h"

#include "domain/recurrence.h"

#include <stdio.h>

enum { SHOWN_MAX = 400 }; /* bytes of a title in an answer */

/* Marks that turn the direction of the text around them, and are not seen themselves. */
static bool is_hidden(int32_t c)
{
	return (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0x061c || c == 0xfeff;
}

void reply_put_text(struct buf *out, struct str s)
{
	size_t pos = 0, from;

	while (pos < s.n && pos < SHOWN_MAX) {
		from = pos;
		int32_t c = utf8_next(s, &pos);
		if (c < 0) {
			buf_append_str(out, STR("\xef\xbf\xbd"));
			pos = from + 1;
		} else if (c < ' ' || c == 0x7f || c == 0x2028 || c == 0x2029) {
			buf_append_char(out, ' ');
		} else if (!is_hidden(c)) {
			if (c < 0x80 && strchr("*`[]<>\\|", c))
				buf_append_char(out, '\\');
			buf_append(out, s.p + from, pos - from);
		}
	}
	if (pos < s.n)
		buf_append_str(out, STR("..."));
}

/* A first word in small letters only begins with a capital. */
static bool is_plain(struct str title)
{
	size_t n = 0;

	while (n < title.n && title.p[n] >= 'a' && title.p[n] <= 'z')
		n++;
	return n > 0 && (n == title.n || strchr(" ,'-", title.p[n]));
}

/* Puts the first letter as a capital, and gives the rest. */
static struct str put_capital(struct buf *out, struct str title)
{
	if (!is_plain(title))
		return title;
	buf_append_char(out, (char)(title.p[0] - ('a' - 'A')));
	return (struct str){ title.p + 1, title.n - 1 };
}

void rules_append_title(struct buf *out, struct str title)
{
	buf_append_str(out, put_capital(out, title));
}

void reply_put_title(struct buf *out, struct str title)
{
	buf_append_str(out, STR("**"));
	reply_put_text(out, put_capital(out, title));
	buf_append_str(out, STR("**"));
}

static const char *const WEEKDAYS[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
static const char *const MONTHS[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
				      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static int64_t today(const struct due_context *ctx, struct civil *ret)
{
	int64_t s = ctx->now_us / TIME_US_PER_S - (ctx->now_us % TIME_US_PER_S < 0);

	if (ctx->tz)
		tz_to_local(ctx->tz, s, ret);
	else
		time_civil_from_s(s, ret);
	return time_days_from_civil(ret->year, ret->month, ret->day);
}

void reply_put_day(struct buf *out, const struct civil *at, bool with_weekday,
		   const struct due_context *ctx)
{
	struct civil now;
	int64_t first = today(ctx, &now), day = time_days_from_civil(at->year, at->month, at->day);

	if (with_weekday)
		buf_printf(out, "%s ", WEEKDAYS[time_weekday(day)]);
	buf_printf(out, "%d %s", at->day, MONTHS[at->month - 1]);
	if (at->year != now.year && (day < first || day > first + 300))
		buf_printf(out, " %d", at->year);
}

/* "tomorrow at 09:00", "Fri 20 Mar", "Mon 3 May 2027 at 17:30" */
void reply_put_when(struct buf *out, const struct due_value *v, const struct due_context *ctx)
{
	static const char *const NEAR[] = { "yesterday", "today", "tomorrow" };
	struct civil now;
	int64_t away = time_days_from_civil(v->at.year, v->at.month, v->at.day) - today(ctx, &now);

	if (away >= -1 && away <= 1)
		buf_append_str(out, str_from(NEAR[away + 1]));
	else
		reply_put_day(out, &v->at, true, ctx);
	if (!v->all_day)
		buf_printf(out, " at %02d:%02d", v->at.hour, v->at.minute);
}

static const char *unit_name(char c, bool is_time)
{
	switch (c) {
	case 'Y':
		return "year";
	case 'M':
		return is_time ? "minute" : "month";
	case 'W':
		return "week";
	case 'D':
		return "day";
	case 'H':
		return "hour";
	case 'S':
		return "second";
	default:
		return NULL;
	}
}

/* "P1DT2H" as "1 day 2 hours" */
void reply_put_length(struct buf *out, struct str iso)
{
	bool is_time = false, is_first = true;
	int64_t n = 0;

	for (size_t i = 0; i < iso.n; i++) {
		char c = iso.p[i];
		const char *unit = unit_name(c, is_time);
		is_time |= c == 'T';
		if (c >= '0' && c <= '9')
			n = n < 100000000 ? n * 10 + (c - '0') : n;
		if (!unit)
			continue;
		buf_printf(out, "%s%lld %s%s", is_first ? "" : " ", (long long)n, unit,
			   n == 1 ? "" : "s");
		is_first = false;
		n = 0;
	}
}

void reply_put_minutes(struct buf *out, int64_t minutes)
{
	static const struct {
		int64_t minutes;
		const char *unit;
	} UNITS[] = { { 10080, "week" }, { 1440, "day" }, { 60, "hour" }, { 1, "minute" } };

	for (size_t k = 0; k < ARRAY_SIZE(UNITS); k++) {
		if (minutes % UNITS[k].minutes != 0)
			continue;
		int64_t n = minutes / UNITS[k].minutes;
		buf_printf(out, "%lld %s%s", (long long)n, UNITS[k].unit, n == 1 ? "" : "s");
		return;
	}
}

/* "every other Sunday at 08:00" */
void reply_put_rule(struct buf *out, struct str rrule, const struct due_value *first)
{
	static const struct str SECOND = STR_INIT("every second ");
	struct recurrence rule;
	size_t from = out->n;

	if (recurrence_parse(rrule, "rrule", &rule, NULL) < 0) {
		buf_append_str(out, STR("repeating"));
		return;
	}
	recurrence_describe(&rule, &first->at, first->all_day, out);
	struct str said = { out->p + from, out->n - from };
	if (buf_status(out) < 0 || !str_starts(said, SECOND))
		return;
	/* what people say, a letter shorter */
	memcpy(out->p + from, "every other ", 12);
	memmove(out->p + from + 12, out->p + from + 13, out->n - from - 13);
	out->n--;
}

void reply_put_tags(struct buf *out, const struct rules_tags *tags)
{
	for (size_t i = 0; i < tags->n; i++) {
		buf_append_str(out, str_from(i == 0 ? "#" : i + 1 < tags->n ? ", #" : " and #"));
		reply_put_text(out, tags->v[i]);
	}
}

static void put_priorities(struct buf *out, unsigned set)
{
	bool is_first = true;

	for (unsigned p = 0; p < _TASK_PRIORITY_MAX; p++) {
		if (!(set & 1u << p))
			continue;
		struct str name = task_priority_name((enum task_priority)p);
		buf_printf(out, "%s%.*s", is_first ? "" : " or ", STR_ARGS(name));
		is_first = false;
	}
	if (!is_first)
		buf_append_str(out, STR(" priority "));
}

/* The window, its end as the last day. */
static void put_window(struct buf *out, const struct rules_filter *f, const struct due_context *ctx)
{
	struct due_value last = f->before;
	const char *what = f->status == RULES_COMPLETED ? " done" : " due";

	if (!f->has_after && !f->has_before)
		return;
	buf_append_str(out, str_from(what));
	if (f->has_before && f->before.all_day) {
		int64_t day = time_days_from_civil(last.at.year, last.at.month, last.at.day) - 1;
		time_civil_from_days(day, &last.at.year, &last.at.month, &last.at.day);
	}
	bool is_day = f->has_after && f->has_before && f->after.all_day && last.all_day &&
		      due_instant_us(&f->after, NULL) == due_instant_us(&last, NULL);
	if (is_day) {
		buf_append_char(out, ' ');
		reply_put_when(out, &last, ctx);
		return;
	}
	if (f->has_after) {
		buf_append_str(out, STR(" from "));
		reply_put_when(out, &f->after, ctx);
	}
	if (f->has_before) {
		buf_append_str(out, str_from(last.all_day ? " until " : " before "));
		reply_put_when(out, &last, ctx);
	}
}

void reply_put_filter(struct buf *out, const struct rules_filter *f, const struct due_context *ctx)
{
	static const char *const STATUS[] = { "", "pending ", "completed ", "" };

	if (f->overdue)
		buf_append_str(out, STR("overdue "));
	buf_append_str(out, str_from(STATUS[f->status]));
	put_priorities(out, f->priorities);
	if (f->part)
		buf_printf(out, "%s ", f->part);
	buf_append_str(out, STR("tasks"));
	if (f->tags.n) {
		buf_append_str(out, STR(" tagged "));
		reply_put_tags(out, &f->tags);
	}
	if (f->search.n) {
		buf_append_str(out, STR(" about \""));
		reply_put_text(out, f->search);
		buf_append_char(out, '"');
	}
	put_window(out, f, ctx);
}
