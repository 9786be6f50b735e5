/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload of a reminder's events, in and out. Its keys and their order are those that
 * task_event.c writes from the task itself.
 */
#include "domain/reminder_notice.h"

#include "base/json.h"
#include "base/time.h"
#include "domain/channels.h"
#include "domain/task.h"

#include <errno.h>
#include <stdio.h>

struct words {
	struct json_str reminder_id, task_id, title, remind_at, due_date, time_zone;
	struct json_strs channels;
	struct json_i64 version, late_by, attempt;
};

static const struct json_field WORDS[] = {
	JSON_FIELD(struct words, reminder_id, "reminder_id", JSON_KIND_STR),
	JSON_FIELD(struct words, task_id, "task_id", JSON_KIND_STR),
	JSON_FIELD(struct words, title, "title", JSON_KIND_STR),
	JSON_FIELD(struct words, remind_at, "remind_at", JSON_KIND_STR),
	JSON_FIELD(struct words, due_date, "due_date", JSON_KIND_STR),
	JSON_FIELD(struct words, time_zone, "time_zone", JSON_KIND_STR),
	JSON_FIELD(struct words, channels, "channels", JSON_KIND_STRS),
	JSON_FIELD(struct words, version, "version", JSON_KIND_I64),
	JSON_FIELD(struct words, late_by, "late_by", JSON_KIND_I64),
	JSON_FIELD(struct words, attempt, "attempt", JSON_KIND_I64),
	JSON_FIELD_END,
};

#define WHERE "event.data.payload"

static int refuse(struct err *reterr, const char *field, const char *what)
{
	return err_set(reterr, &ERR_INVALID, field, "%s", what);
}

static struct str text_of(const struct json_str *v)
{
	return v->state == JSON_SET ? v->v : (struct str){ NULL, 0 };
}

static int64_t number_of(const struct json_i64 *v, int64_t otherwise)
{
	return v->state == JSON_SET ? v->v : otherwise;
}

static bool is_time(struct str s, int64_t *ret_us)
{
	struct civil civil;
	bool has_offset;

	return s.p != NULL && time_parse_rfc3339(s, ret_us, &civil, &has_offset) == 0 && has_offset;
}

/* A day or an instant. */
static bool is_date(struct str s)
{
	int year, month, day;
	int64_t us;

	return is_time(s, &us) || time_parse_date(s, &year, &month, &day) == 0;
}

static int read_identity(const struct words *w, struct reminder_notice *n, struct err *reterr)
{
	if (uuid_parse(text_of(&w->reminder_id), &n->reminder_id) < 0)
		return refuse(reterr, WHERE ".reminder_id", "must be a UUID");
	if (str_parse_i64(text_of(&w->task_id), &n->task_id) < 0 || n->task_id < 1)
		return refuse(reterr, WHERE ".task_id", "must be a positive number in a string");
	n->version = number_of(&w->version, 0);
	if (n->version < 1)
		return refuse(reterr, WHERE ".version", "must be 1 or more");
	return 0;
}

static int read_words(const struct words *w, struct reminder_notice *n, struct err *reterr)
{
	n->title = text_of(&w->title);
	n->due_date = text_of(&w->due_date);
	n->time_zone = text_of(&w->time_zone);
	n->channels = channels_read(&w->channels);
	n->has_own_channels = n->channels != 0;
	n->late_by_s = number_of(&w->late_by, NOTICE_NOT_LATE);
	n->attempt = number_of(&w->attempt, 0);
	if (n->title.n == 0 || utf8_count(n->title) > TASK_TITLE_MAX)
		return refuse(reterr, WHERE ".title", "must have 1 to 200 characters");
	if (!is_time(text_of(&w->remind_at), &n->remind_at_us))
		return refuse(reterr, WHERE ".remind_at", "must be an instant");
	if (n->due_date.p != NULL && !is_date(n->due_date))
		return refuse(reterr, WHERE ".due_date", "must be a day or an instant");
	if (n->late_by_s < NOTICE_NOT_LATE || n->attempt < 0)
		return refuse(reterr, WHERE, "late_by and attempt are not negative");
	return 0;
}

int reminder_notice_parse(struct arena *arena, struct str payload, struct reminder_notice *ret,
			  struct err *reterr)
{
	struct words w = { .title = { .state = JSON_ABSENT } };
	struct reminder_notice n = { .late_by_s = NOTICE_NOT_LATE };
	int r = json_parse(arena, payload, WHERE, WORDS, &w, reterr);

	if (r == 0)
		r = read_identity(&w, &n, reterr);
	if (r == 0)
		r = read_words(&w, &n, reterr);
	if (r == 0)
		*ret = n;
	return r;
}

/* ---- writing ---- */

/* What of a payload is written. */
struct payload {
	const struct reminder_notice *notice;
	const struct reminder_outcome *outcome; /* NULL: a trigger, or a notification */
	bool is_notification;
};

static void write_outcome(struct json_out *o, const struct reminder_outcome *outcome)
{
	json_key_i64(o, STR("attempt"), outcome->attempt);
	if (outcome->error.p == NULL) {
		json_key(o, STR("via"));
		channels_write_json(o, outcome->via);
		return;
	}
	json_key(o, STR("retry_at"));
	if (outcome->retry_at_us == 0)
		json_null(o);
	else
		json_time(o, outcome->retry_at_us);
	json_key_str(o, STR("error"), outcome->error);
}

static void write_channels(struct json_out *o, const struct reminder_notice *n)
{
	json_key(o, STR("channels"));
	if (n->has_own_channels)
		channels_write_json(o, n->channels);
	else
		json_null(o);
}

static void write_late_by(struct json_out *o, const struct payload *p)
{
	if (p->notice->late_by_s != NOTICE_NOT_LATE)
		json_key_i64(o, STR("late_by"), p->notice->late_by_s);
	else if (p->is_notification)
		json_key_null(o, STR("late_by"));
}

static void write_payload(struct json_out *o, const void *arg)
{
	const struct payload *p = arg;
	const struct reminder_notice *n = p->notice;
	char id[UUID_TEXT_SIZE], task_id[24];

	uuid_format(&n->reminder_id, id);
	snprintf(task_id, sizeof(task_id), "%lld", (long long)n->task_id);
	json_begin_object(o);
	if (p->is_notification)
		json_key_str(o, STR("kind"), STR("reminder"));
	json_key_str(o, STR("reminder_id"), str_from(id));
	json_key_str(o, STR("task_id"), str_from(task_id));
	json_key_str(o, STR("title"), n->title);
	json_key_time(o, STR("remind_at"), n->remind_at_us);
	json_key_str_or_null(o, STR("due_date"), n->due_date);
	json_key_str_or_null(o, STR("time_zone"), n->time_zone);
	if (!p->is_notification)
		write_channels(o, n);
	json_key_i64(o, STR("version"), n->version);
	write_late_by(o, p);
	if (p->outcome != NULL)
		write_outcome(o, p->outcome);
	else if (!p->is_notification && n->attempt > 0)
		json_key_i64(o, STR("attempt"), n->attempt);
	json_end_object(o);
}

static void write_event(struct buf *out, const struct event_origin *origin, struct event *e,
			const struct payload *p)
{
	e->task_id = p->notice->task_id;
	e->sequence = p->notice->version;
	event_write(out, origin, e, write_payload, p);
}

void reminder_notice_write_trigger(struct buf *out, const struct event_origin *origin,
				   struct event *e, const struct reminder_notice *n)
{
	const struct payload p = { .notice = n };

	e->topic = EVENT_REMINDERS;
	e->type = STR("reminder.trigger");
	write_event(out, origin, e, &p);
}

void reminder_notice_write_outcome(struct buf *out, const struct event_origin *origin,
				   struct event *e, const struct reminder_notice *n,
				   const struct reminder_outcome *o)
{
	const struct payload p = { .notice = n, .outcome = o };

	e->topic = EVENT_REMINDERS;
	e->type = o->error.p == NULL ? STR("reminder.sent") : STR("reminder.failed");
	write_event(out, origin, e, &p);
}

void reminder_notice_write_notification(struct buf *out, const struct event_origin *origin,
					struct event *e, const struct reminder_notice *n)
{
	const struct payload p = { .notice = n, .is_notification = true };

	e->topic = EVENT_TASK_UPDATES;
	e->type = STR("notification");
	write_event(out, origin, e, &p);
}
