/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user prefers: read, and merged with what is sent.
 */
#include "chat_api_private.h"
#include "base/json.h"
#include "base/time.h"
#include "store/preferences.h"

#include <errno.h>

static int draft_preferences(struct request *rq, struct draft *d, const struct preferences *p)
{
	struct json_out o;

	d->body = request_buf(rq, TASK_JSON_MAX);
	if (d->body == NULL)
		return -ENOMEM;
	json_out_init(&o, d->body);
	preferences_write_json(&o, p);
	d->answer.etag = version_etag(rq->arena, p->version);
	if (buf_status(d->body) < 0 || d->answer.etag.p == NULL)
		return out_of_memory(rq);
	return 0;
}

static FIBER int get(struct request *rq)
{
	struct idempotency_answer no_answer;
	struct draft d = { .body = NULL };
	struct preferences p;
	bool answered;

	int r = preferences_store_read_wait(request_db(rq), rq->arena, rq->user, NULL, &p,
					    &answered, &no_answer, &rq->err);
	if (r == 0)
		r = draft_preferences(rq, &d, &p);
	if (r < 0)
		return r;
	reply_read(rq, &d);
	return 0;
}

FIBER void preferences_get(struct request *rq)
{
	if (get(rq) < 0)
		reply_problem(rq);
}

static int draft_event(struct request *rq, struct draft *d, const struct preferences *after)
{
	const struct event_origin origin = request_origin(rq);
	struct buf *out = request_buf(rq, TASK_JSON_MAX);

	if (out == NULL)
		return -ENOMEM;
	d->events[0] = (struct event){ .id = uuid_v7(), .at_us = after->updated_at_us };
	preferences_event_write(out, &origin, &d->events[0], after);
	if (buf_status(out) < 0)
		return out_of_memory(rq);
	d->events[0].json = buf_str(out);
	d->change.events = d->events;
	d->change.n_events = 1;
	return 0;
}

/* What is there now, unless the request was answered before or asks for another version. 0; 1:
 * answered; < 0: rq->err. */
static FIBER int read_before(struct request *rq, const struct idempotency_key *key,
			     struct preferences *ret)
{
	struct idempotency_answer answer;
	bool answered;

	int r = preferences_store_read_wait(request_db(rq), rq->arena, rq->user, key, ret,
					    &answered, &answer, &rq->err);
	if (r < 0)
		return r;
	if (answered) {
		write_key_replay(rq, &answer);
		return 1;
	}
	struct str etag = version_etag(rq->arena, ret->version);
	return etag.p == NULL ? out_of_memory(rq) : check_if_match(rq, etag);
}

/* 0: answered; 1: others were faster; < 0: rq->err. */
static FIBER int put_once(struct request *rq, const struct idempotency_key *key)
{
	struct draft *d = arena_calloc(rq->arena, 1, sizeof(*d));
	struct preferences before, after;
	int r = d != NULL ? read_before(rq, key, &before) : out_of_memory(rq);

	if (r != 0)
		return r < 0 ? r : 0;
	r = preferences_parse(rq->arena, request_body(rq), &before, &after, &rq->err);
	if (r < 0)
		return r;
	bool is_changed = !preferences_same(&before, &after);
	after.version = before.version + is_changed;
	after.updated_at_us = time_now_us();
	d->change.user_id = rq->user;
	r = draft_preferences(rq, d, &after);
	if (r == 0)
		r = draft_event(rq, d, &after);
	if (r < 0)
		return r;
	draft_answer(d, 200, key);
	if (is_changed)
		r = preferences_store_write_wait(request_db(rq), rq->arena, &d->change, &after,
						 &rq->err);
	else if (key != NULL)
		r = idempotency_record_wait(request_db(rq), key, &d->answer, &rq->err);
	return settle_draft(rq, d, r);
}

FIBER void preferences_put(struct request *rq)
{
	run_write(rq, put_once, "the preferences are being changed by others: try again");
}
