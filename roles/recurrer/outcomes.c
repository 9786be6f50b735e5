/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of reminders. A state is a change of the reminder's task like any other: a new
 * version, told to screens and to the trail. Only that it was triggered is not, which lasts for
 * seconds. Events of a version that is no longer the reminder's change nothing.
 */
#include "recurrer_private.h"

#include "base/json.h"
#include "base/time.h"
#include "domain/task_event.h"
#include "store/inbox.h"
#include "store/reminder_outcome.h"

#include <errno.h>

enum { ERROR_MAX = 500 };		     /* code points of an error that is kept */
#define PAUSE_MAX_US (86400 * TIME_US_PER_S) /* as long as notifier.retry_delays may be */

enum outcome_kind { OUTCOME_NONE, OUTCOME_TRIGGER, OUTCOME_SENT, OUTCOME_FAILED };

struct outcome_words {
	struct json_str reminder_id, retry_at, error;
	struct json_i64 version, attempt;
};

static const struct json_field WORDS[] = {
	JSON_FIELD(struct outcome_words, reminder_id, "reminder_id", JSON_KIND_STR),
	JSON_FIELD(struct outcome_words, retry_at, "retry_at", JSON_KIND_STR),
	JSON_FIELD(struct outcome_words, error, "error", JSON_KIND_STR),
	JSON_FIELD(struct outcome_words, version, "version", JSON_KIND_I64),
	JSON_FIELD(struct outcome_words, attempt, "attempt", JSON_KIND_I64),
	JSON_FIELD_END,
};

/* An event about one reminder. */
struct outcome {
	enum outcome_kind kind;
	struct reminder_key key;
	int64_t at_us, attempt;
	int64_t retry_at_us; /* 0: never */
	struct str error;    /* .p NULL: none */
};

static enum outcome_kind kind_of(const struct delivered_event *e)
{
	if (delivery_is(e, "reminder", "trigger") || delivery_is(e, "reminder", "triggered"))
		return OUTCOME_TRIGGER;
	if (delivery_is(e, "reminder", "sent"))
		return OUTCOME_SENT;
	return delivery_is(e, "reminder", "failed") ? OUTCOME_FAILED : OUTCOME_NONE;
}

static int read_retry_at(const struct outcome_words *w, int64_t *ret, struct err *reterr)
{
	struct civil civil;
	bool has_offset;

	*ret = 0;
	if (w->retry_at.state != JSON_SET ||
	    time_parse_rfc3339(w->retry_at.v, ret, &civil, &has_offset) == 0)
		return 0;
	return err_set(reterr, &ERR_INVALID, "event.data.payload.retry_at", "must be a time");
}

static struct str cut(struct str s)
{
	size_t end = 0;

	for (int n = 0; n < ERROR_MAX && end < s.n; n++)
		utf8_next(s, &end);
	return (struct str){ s.p, end };
}

static int read_outcome(struct arena *arena, const struct delivered_event *e, struct outcome *o,
			struct err *reterr)
{
	struct outcome_words w = { .reminder_id = { .state = JSON_ABSENT } };

	if (e->payload.p == NULL)
		return err_set(reterr, &ERR_INVALID, "event.data.payload", "must be an object");
	int r = json_parse(arena, e->payload, "event.data.payload", WORDS, &w, reterr);
	if (r < 0)
		return r;
	o->key.user_id = e->user_id;
	o->key.task_id = e->task_id;
	o->key.event_id = e->id;
	o->key.version = w.version.state == JSON_SET ? w.version.v : e->sequence;
	o->at_us = e->at_us;
	o->attempt = w.attempt.state == JSON_SET && w.attempt.v >= 1 ? w.attempt.v : 1;
	if (w.error.state == JSON_SET)
		o->error = cut(w.error.v);
	if (w.reminder_id.state != JSON_SET || uuid_parse(w.reminder_id.v, &o->key.id) < 0 ||
	    e->task_id == DELIVERY_NONE || o->key.version == DELIVERY_NONE ||
	    o->attempt > INT32_MAX)
		return err_set(reterr, &ERR_INVALID, "event.data.payload",
			       "must name a reminder, its task and its version");
	return read_retry_at(&w, &o->retry_at_us, reterr);
}

/* Whether it says something new of the reminder, which is what it says then. */
static bool apply(const struct outcome *o, struct reminder *r)
{
	if (r->version != o->key.version)
		return false;
	if (o->kind == OUTCOME_SENT) {
		if (r->status == REMINDER_SENT || r->status == REMINDER_CANCELLED)
			return false;
		r->status = REMINDER_SENT;
		r->sent_at_us = o->at_us;
		r->retry_count = o->attempt - 1;
		r->last_error = (struct str){ NULL, 0 };
		return true;
	}
	if (!reminder_is_live(r) || o->attempt <= r->retry_count)
		return false;
	r->status = o->retry_at_us != 0 ? REMINDER_RETRYING : REMINDER_FAILED;
	r->retry_count = o->attempt;
	r->last_error = o->error;
	return true;
}

/* The task as it is then; NULL: nothing changes (or, with -ENOMEM, no memory). */
static int change_task(struct arena *arena, const struct outcome *o, const struct recurring_view *v,
		       struct task *after, const struct reminder **ret)
{
	struct reminder *list = arena_alloc(arena, v->task.n_reminders * sizeof(*list));

	*ret = NULL;
	if (list == NULL)
		return -ENOMEM;
	*after = v->task;
	after->version++;
	after->updated_at_us = v->now_us;
	after->reminders = list;
	for (size_t i = 0; i < v->task.n_reminders; i++) {
		list[i] = v->task.reminders[i];
		if (memcmp(&list[i].id, &o->key.id, sizeof(o->key.id)) == 0 && apply(o, &list[i]))
			*ret = &list[i];
	}
	return 0;
}

/* The pause that was told, at most PAUSE_MAX_US, from now on by the database's clock: the one who
 * told it has its own. */
static int64_t sweep_from_us(const struct outcome *o, int64_t now_us)
{
	int64_t pause_us = o->retry_at_us - o->at_us;

	if (o->retry_at_us == 0)
		return 0;
	if (pause_us < 0)
		pause_us = 0;
	return now_us + (pause_us < PAUSE_MAX_US ? pause_us : PAUSE_MAX_US);
}

static FIBER int store(struct recurrer *rc, struct arena *arena, const struct outcome *o,
		       const struct recurring_view *v, struct err *reterr)
{
	const struct event_origin origin = recurrer_origin(o->key.user_id, o->key.event_id);
	struct event *events = arena_alloc(arena, TASK_EVENTS_MAX * sizeof(*events));
	struct reminder_outcome write = {
		.key = &o->key,
		.before = &v->task,
		.events = events,
		.retry_at_us = sweep_from_us(o, v->now_us),
	};
	struct task after;
	struct str unused;
	int r = events != NULL ? change_task(arena, o, v, &after, &write.reminder) : -ENOMEM;

	if (r == 0 && write.reminder == NULL)
		return inbox_note_wait(rc->db, o->key.event_id, reterr);
	if (r == 0)
		r = task_events_render(arena, &origin, uuid_v7, TASK_EVENT_UPDATED, &v->task,
				       &after, events, &write.n_events, &unused);
	if (r < 0)
		return err_unavailable(reterr, 1, "out of memory");
	write.after = &after;
	write.n_events = 2; /* of the task; what tells of the reminder is this event itself */
	r = reminder_outcome_wait(rc->db, arena, &write, reterr);
	if (r < 0)
		return r;
	metric_add(rc->outcomes, 1);
	app_poke_relay(rc->app);
	return 0;
}

static FIBER int store_once(struct recurrer *rc, struct arena *arena, const struct outcome *o,
			    struct err *reterr)
{
	const struct recurring_key key = { o->key.user_id, o->key.task_id, o->key.event_id };
	struct recurring_view v;
	int r = recurring_read_wait(rc->db, arena, &key, &v, reterr);

	if (r < 0 || v.is_processed)
		return r;
	return v.found ? store(rc, arena, o, &v, reterr)
		       : inbox_note_wait(rc->db, o->key.event_id, reterr);
}

FIBER int recurrer_take_outcome(struct recurrer *rc, struct arena *arena,
				const struct delivered_event *e, struct err *reterr)
{
	struct outcome o = { .kind = kind_of(e) };
	int r;

	if (o.kind == OUTCOME_NONE)
		return 0;
	r = read_outcome(arena, e, &o, reterr);
	if (r < 0)
		return r;
	if (o.kind == OUTCOME_TRIGGER)
		return reminder_triggered_wait(rc->db, &o.key, reterr);
	for (int tries = 0; tries < OUT_OF_DATE_TRIES_MAX; tries++) {
		r = store_once(rc, arena, &o, reterr);
		if (r != -ESTALE)
			return r;
	}
	return err_unavailable(reterr, 1, "the task is being changed by others");
}
