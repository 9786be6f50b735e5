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

int render_task_events(struct request *rq, struct arena *arena, enum task_event_kind kind,
		       const struct task *before, const struct task *after,
		       struct event ret[TASK_EVENTS_MAX], size_t *ret_n, struct str *ret_task)
{
	const struct event_origin origin = request_origin(rq);
	int r = task_events_render(arena, &origin, uuid_v7, kind, before, after, ret, ret_n,
				   ret_task);

	return r < 0 ? out_of_memory(rq) : 0;
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
