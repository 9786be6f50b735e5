/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mail is a list of lines; each goes into the text as it is and into the HTML escaped, so that
 * both always say the same.
 */
#include "domain/mail_text.h"

#include "base/time.h"
#include "domain/mail.h"

#include <stdio.h>

enum { LINE_MAX_BYTES = 8 * 1024, SECOND = 1, MINUTE = 60, HOUR = 3600, DAY = 86400 };

static const char *const WEEKDAYS[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
					"Friday", "Saturday", "Sunday" };
static const char *const MONTHS[] = { "January",   "February", "March",	   "April",
				      "May",	   "June",     "July",	   "August",
				      "September", "October",  "November", "December" };

/* ---- lines ---- */

static void begin_html(const struct mail_text *out)
{
	buf_append_str(out->html,
		       STR("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
			   "</head><body>\n"));
}

static void end_html(const struct mail_text *out)
{
	buf_append_str(out->html, STR("</body></html>\n"));
}

/* A paragraph of one line. */
static void add_line(const struct mail_text *out, const struct buf *line, const char *tag)
{
	buf_append_str(out->text, buf_str(line));
	buf_append_str(out->text, STR("\n\n"));
	buf_printf(out->html, "<%s>", tag);
	mail_append_html(out->html, buf_str(line));
	buf_printf(out->html, "</%s>\n", tag);
	if (line->failed)
		out->text->failed = true;
}

static void add_text(const struct mail_text *out, const char *text)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	buf_append_str(&line, str_from(text));
	add_line(out, &line, "p");
	buf_done(&line);
}

/* A line with a link in it. */
static void add_link(const struct mail_text *out, const char *before, struct str url)
{
	buf_printf(out->text, "%s\n%.*s\n\n", before, STR_ARGS(url));
	buf_printf(out->html, "<p>%s<br><a href=\"", before);
	mail_append_html(out->html, url);
	buf_append_str(out->html, STR("\">"));
	mail_append_html(out->html, url);
	buf_append_str(out->html, STR("</a></p>\n"));
}

/* ---- times ---- */

static void append_day(struct buf *out, int year, int month, int day)
{
	int weekday = time_weekday(time_days_from_civil(year, month, day));

	buf_printf(out, "%s, %d %s %d", WEEKDAYS[weekday], day, MONTHS[month - 1], year);
}

static bool is_utc(const struct tz *tz)
{
	return str_ends(tz_name(tz), STR("UTC"));
}

static void append_instant(struct buf *out, int64_t us, const struct tz *tz)
{
	struct civil c;

	tz_to_local(tz, us / TIME_US_PER_S, &c);
	append_day(out, c.year, c.month, c.day);
	buf_printf(out, ", %02d:%02d", c.hour, c.minute);
	if (is_utc(tz))
		buf_append_str(out, STR(" UTC"));
	else
		buf_printf(out, " (%.*s)", STR_ARGS(tz_name(tz)));
}

/* s is a day or an instant, as events show it. */
static void append_date(struct buf *out, struct str s, const struct tz *tz)
{
	int year, month, day;
	struct civil civil;
	bool has_offset;
	int64_t us;

	if (time_parse_date(s, &year, &month, &day) == 0)
		append_day(out, year, month, day);
	else if (time_parse_rfc3339(s, &us, &civil, &has_offset) == 0)
		append_instant(out, us, tz);
}

/* "2 hours 5 minutes": its two greatest units. */
static void append_duration(struct buf *out, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} UNITS[] = {
		{ DAY, "day" }, { HOUR, "hour" }, { MINUTE, "minute" }, { SECOND, "second" }
	};
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(UNITS) && n < 2; i++) {
		int64_t count = seconds / UNITS[i].seconds;

		if (count == 0)
			continue;
		buf_printf(out, "%s%lld %s%s", n > 0 ? " " : "", (long long)count, UNITS[i].name,
			   count == 1 ? "" : "s");
		seconds %= UNITS[i].seconds;
		n++;
	}
}

/* ---- mails ---- */

static void add_times(const struct mail_text *out, const struct reminder_notice *n,
		      const struct tz *tz, struct buf *line)
{
	if (n->due_date.p != NULL) {
		buf_clear(line);
		buf_append_str(line, STR("Due: "));
		append_date(line, n->due_date, tz);
		add_line(out, line, "p");
	}
	buf_clear(line);
	buf_append_str(line, STR("Reminder set for: "));
	append_instant(line, n->remind_at_us, tz);
	add_line(out, line, "p");
	if (n->late_by_s > 0) {
		buf_clear(line);
		buf_append_str(line, STR("It comes "));
		append_duration(line, n->late_by_s);
		buf_append_str(line, STR(" late, because todod could not send it earlier."));
		add_line(out, line, "p");
	}
}

void mail_text_reminder(const struct mail_text *out, const struct reminder_notice *n,
			const struct tz *tz, struct str settings_url)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	buf_append_str(&line, STR("Reminder: "));
	mail_append_line(&line, n->title);
	buf_append_str(out->subject, buf_str(&line));
	begin_html(out);
	add_line(out, &line, "h2");
	add_times(out, n, tz, &line);
	buf_done(&line);
	if (is_utc(tz))
		add_text(out, "Times are in UTC: your preferences name no other time zone.");
	add_link(out,
		 "You get this because your preferences ask for reminders by mail. Change them at",
		 settings_url);
	end_html(out);
}

void mail_text_confirmation(const struct mail_text *out, struct str link, int days)
{
	char text[160];

	buf_append_str(out->subject, STR("Confirm your address"));
	begin_html(out);
	add_text(out,
		 "Somebody who uses todod, a todo service, wants reminders sent to this address.");
	snprintf(text, sizeof(text), "If that is you, open this link within %d days:", days);
	add_link(out, text, link);
	add_text(
		out,
		"If it is not, do nothing: no other mail will come to this address until the link is opened.");
	end_html(out);
}
