/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payloads of events. They are complete, so that a reader needs no other source.
 */
#include "domain/task_event.h"

#include "base/macro.h"

#include <stdio.h>

static const struct {
	struct str type, change;
} KINDS[_TASK_EVENT_KIND_MAX] = {
	[TASK_EVENT_CREATED] = { STR_INIT("task.created"), STR_INIT("created") },
	[TASK_EVENT_UPDATED] = { STR_INIT("task.updated"), STR_INIT("updated") },
	[TASK_EVENT_COMPLETED] = { STR_INIT("task.completed"), STR_INIT("completed") },
	[TASK_EVENT_REOPENED] = { STR_INIT("task.reopened"), STR_INIT("reopened") },
	[TASK_EVENT_DELETED] = { STR_INIT("task.deleted"), STR_INIT("deleted") },
	[TASK_EVENT_RECURRED] = { STR_INIT("task.recurred"), STR_INIT("created") },
};

struct str task_event_type(enum task_event_kind k)
{
	return KINDS[k].type;
}

enum task_event_kind task_event_kind_of(const struct task *before, const struct task *after)
{
	if (before == NULL)
		return TASK_EVENT_CREATED;
	if (after == NULL)
		return TASK_EVENT_DELETED;
	if (before->completed == after->completed)
		return TASK_EVENT_UPDATED;
	return after->completed ? TASK_EVENT_COMPLETED : TASK_EVENT_REOPENED;
}

/* Where something stands in a buffer that may yet move. */
struct span {
	size_t at, n;
};

/* What two events of the same change have in common, as the first of them has it. */
struct rendered {
	const struct buf *in; /* NULL: nothing is rendered yet */
	struct span task, changes;
};

struct task_payload {
	enum task_event_kind kind;
	bool says_change;
	const struct task *before, *after;
	struct rendered *rendered;
};

static void write_task_id(struct json_out *o, int64_t id)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)id);
	json_key_str(o, STR("task_id"), str_from(text));
}

static void write_changes(struct json_out *o, const struct task_payload *p)
{
	if (p->kind == TASK_EVENT_DELETED) {
		json_begin_object(o);
		json_end_object(o);
	} else if (task_write_changes(o, p->before, p->after) < 0) {
		o->buf->failed = true;
	}
}

static struct str text_of(const struct rendered *r, struct span s)
{
	return (struct str){ r->in->p + s.at, s.n };
}

static void write_task_and_changes(struct json_out *o, const struct task_payload *p)
{
	struct rendered *r = p->rendered;

	json_key(o, STR("task"));
	r->task.at = o->buf->n;
	task_write_json(o, p->after);
	r->task.n = o->buf->n - r->task.at;
	json_key(o, STR("changes"));
	r->changes.at = o->buf->n;
	write_changes(o, p);
	r->changes.n = o->buf->n - r->changes.at;
	r->in = o->buf;
}

static void write_task_payload(struct json_out *o, const void *arg)
{
	const struct task_payload *p = arg;
	const struct rendered *r = p->rendered;

	json_begin_object(o);
	write_task_id(o, p->after->id);
	if (p->says_change)
		json_key_str(o, STR("change"), KINDS[p->kind].change);
	if (r->in == NULL) {
		write_task_and_changes(o, p);
	} else {
		json_key_raw(o, STR("task"), text_of(r, r->task));
		json_key_raw(o, STR("changes"), text_of(r, r->changes));
	}
	json_end_object(o);
}

static void write_of_task(struct buf *out, const struct event_origin *origin, struct event *e,
			  const struct task_payload *payload)
{
	if (payload->says_change) {
		e->topic = EVENT_TASK_UPDATES;
		e->type = STR("task.state_changed");
	} else {
		e->topic = EVENT_TASK_EVENTS;
		e->type = KINDS[payload->kind].type;
	}
	e->task_id = payload->after->id;
	e->sequence = payload->after->version;
	event_write(out, origin, e, write_task_payload, payload);
}

void task_event_write(struct buf *out, const struct event_origin *origin, struct event *e,
		      enum task_event_kind kind, const struct task *before,
		      const struct task *after)
{
	struct rendered nothing = { .in = NULL };
	const struct task_payload payload = { kind, false, before, after, &nothing };

	write_of_task(out, origin, e, &payload);
}

void task_update_write(struct buf *out, const struct event_origin *origin, struct event *e,
		       enum task_event_kind kind, const struct task *before,
		       const struct task *after)
{
	struct rendered nothing = { .in = NULL };
	const struct task_payload payload = { kind, true, before, after, &nothing };

	write_of_task(out, origin, e, &payload);
}

void task_events_write(struct buf *const out[2], const struct event_origin *origin,
		       struct event e[2], enum task_event_kind kind, const struct task *before,
		       const struct task *after, struct str *ret_task)
{
	struct rendered rendered = { .in = NULL };
	const struct task_payload event = { kind, false, before, after, &rendered };
	const struct task_payload update = { kind, true, before, after, &rendered };

	write_of_task(out[0], origin, &e[0], &event);
	/* What has no room in the first has none in the second. */
	if (buf_status(out[0]) < 0)
		out[1]->failed = true;
	else
		write_of_task(out[1], origin, &e[1], &update);
	*ret_task = text_of(&rendered, rendered.task);
}

enum { NOT_LATE = -1 };

struct reminder_payload {
	const struct reminder *reminder;
	const struct task *task;
	int64_t late_by_s; /* NOT_LATE: nothing is said of it */
};

static void write_reminder_payload(struct json_out *o, const void *arg)
{
	const struct reminder_payload *p = arg;
	char id[UUID_TEXT_SIZE];

	uuid_format(&p->reminder->id, id);
	json_begin_object(o);
	json_key_str(o, STR("reminder_id"), str_from(id));
	write_task_id(o, p->task->id);
	json_key_str(o, STR("title"), p->task->title);
	json_key_time(o, STR("remind_at"), p->reminder->remind_at_us);
	json_key(o, STR("due_date"));
	task_date_write_json(o, &p->task->due);
	json_key_str_or_null(o, STR("time_zone"), p->task->time_zone);
	json_key(o, STR("channels")); /* null: those of the user's preferences */
	if (p->reminder->has_own_channels)
		channels_write_json(o, p->reminder->channels);
	else
		json_null(o);
	json_key_i64(o, STR("version"), p->reminder->version);
	if (p->late_by_s != NOT_LATE)
		json_key_i64(o, STR("late_by"), p->late_by_s);
	json_end_object(o);
}

static void write_of_reminder(struct buf *out, const struct event_origin *origin, struct event *e,
			      const struct reminder_payload *payload)
{
	e->topic = EVENT_REMINDERS;
	e->task_id = payload->task->id;
	e->sequence = payload->reminder->version;
	event_write(out, origin, e, write_reminder_payload, payload);
}

void reminder_event_write(struct buf *out, const struct event_origin *origin, struct event *e,
			  bool is_scheduled, const struct reminder *reminder,
			  const struct task *task)
{
	const struct reminder_payload payload = { reminder, task, NOT_LATE };

	e->type = is_scheduled ? STR("reminder.scheduled") : STR("reminder.cancelled");
	write_of_reminder(out, origin, e, &payload);
}

void reminder_trigger_write(struct buf *out, const struct event_origin *origin, struct event *e,
			    const struct reminder *reminder, const struct task *task,
			    int64_t late_by_s)
{
	const struct reminder_payload payload = { reminder, task, late_by_s };

	e->type = STR("reminder.trigger");
	write_of_reminder(out, origin, e, &payload);
}

static void write_preferences_payload(struct json_out *o, const void *arg)
{
	preferences_write_payload(o, arg);
}

void preferences_event_write(struct buf *out, const struct event_origin *origin, struct event *e,
			     const struct preferences *preferences)
{
	e->topic = EVENT_TASK_EVENTS;
	e->type = STR("preferences.changed");
	e->task_id = 0;
	e->sequence = preferences->version;
	event_write(out, origin, e, write_preferences_payload, preferences);
}
