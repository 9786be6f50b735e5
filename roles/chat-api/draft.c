/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a write leaves besides its rows: events, and the answer. Both are rendered before the
 * statement runs, which stores them or nothing.
 */
#include "chat_api_private.h"
#include "base/json.h"
#include "base/time.h"

#include <errno.h>

int out_of_memory(struct request *rq)
{
	return err_unavailable(&rq->err, 1, "out of memory");
}

struct db *request_db(const struct request *rq)
{
	const struct chat_api *api = app_role_state(rq->app);

	return api->db;
}

struct event_origin request_origin(const struct request *rq)
{
	return (struct event_origin){
		.source = STR("chat-api"),
		.user_id = rq->user,
		.correlation_id = str_from(rq->log.correlation_id),
		.trace_id = str_from(rq->log.trace_id),
	};
}

/* An event to be, and the buffer it is rendered into. */
static struct buf *begin_event(struct arena *arena, struct event *e, int64_t at_us)
{
	*e = (struct event){ .id = uuid_v7(), .at_us = at_us };
	return arena_buf(arena, TASK_JSON_MAX);
}

static int end_event(struct request *rq, struct event *e, const struct buf *out)
{
	if (out == NULL || buf_status(out) < 0)
		return out_of_memory(rq);
	e->json = buf_str(out);
	return 0;
}

static int render_of_task(struct request *rq, struct arena *arena, enum task_event_kind kind,
			  const struct task *before, const struct task *after, struct event ret[2],
			  struct str *ret_task)
{
	const struct event_origin origin = request_origin(rq);
	struct buf *const out[] = { begin_event(arena, &ret[0], after->updated_at_us),
				    begin_event(arena, &ret[1], after->updated_at_us) };

	if (out[0] == NULL || out[1] == NULL)
		return out_of_memory(rq);
	task_events_write(out, &origin, ret, kind, before, after, ret_task);
	int r = end_event(rq, &ret[0], out[0]);
	return r < 0 ? r : end_event(rq, &ret[1], out[1]);
}

static int render_of_reminder(struct request *rq, struct arena *arena,
			      const struct reminder_change *change, const struct task *task,
			      struct event *ret)
{
	const struct event_origin origin = request_origin(rq);
	struct buf *out = begin_event(arena, ret, task->updated_at_us);

	if (out != NULL)
		reminder_event_write(out, &origin, ret, change->is_scheduled, &change->reminder,
				     task);
	return end_event(rq, ret, out);
}

int render_task_events(struct request *rq, struct arena *arena, enum task_event_kind kind,
		       const struct task *before, const struct task *after,
		       struct event ret[DRAFT_EVENTS_MAX], size_t *ret_n, struct str *ret_task)
{
	struct reminder_change changes[REMINDER_CHANGES_MAX];
	size_t n = 0;
	int r = render_of_task(rq, arena, kind, before, after, ret, ret_task);

	if (r < 0)
		return r;
	n = task_reminder_changes(before, kind == TASK_EVENT_DELETED ? NULL : after, changes);
	for (size_t i = 0; i < n; i++) {
		r = render_of_reminder(rq, arena, &changes[i], after, &ret[2 + i]);
		if (r < 0)
			return r;
	}
	*ret_n = 2 + n;
	return 0;
}

int draft_task_events(struct request *rq, struct draft *d, enum task_event_kind kind,
		      const struct task *before, const struct task *after)
{
	d->change.user_id = rq->user;
	d->change.events = d->events;
	return render_task_events(rq, rq->arena, kind, before, after, d->events,
				  &d->change.n_events, &d->task);
}

void draft_answer(struct draft *d, int status, const struct idempotency_key *key)
{
	d->answer.status = status;
	if (d->body != NULL)
		d->answer.body = buf_str(d->body);
	d->change.key = key;
	d->change.answer = &d->answer;
}

void reply_draft(struct request *rq, struct draft *d)
{
	app_poke_relay(rq->app);
	if (d->answer.etag.p != NULL)
		request_add_header(rq, "ETag", d->answer.etag);
	if (d->answer.location.p != NULL)
		request_add_header(rq, "Location", d->answer.location);
	if (d->body != NULL)
		reply_json(rq, d->answer.status, d->body);
	else
		reply_empty(rq, d->answer.status);
}

FIBER int settle_draft(struct request *rq, struct draft *d, int written)
{
	if (written == -EEXIST) {
		int r = write_key_resolve_wait(rq, d->change.key);
		return r < 0 ? r : !r;
	}
	if (written == 0)
		reply_draft(rq, d);
	return written == -ESTALE ? 1 : written;
}

void reply_read(struct request *rq, struct draft *d)
{
	d->answer.status = 200;
	if (has_if_none_match(rq, d->answer.etag)) {
		request_add_header(rq, "ETag", d->answer.etag);
		reply_empty(rq, 304);
	} else {
		reply_draft(rq, d);
	}
}
