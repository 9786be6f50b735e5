/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One task: create, read, complete, delete. A write reads what it must know, decides, renders the
 * answer and the event, and writes all of it in one statement that only succeeds on the version
 * that was read. Whoever loses that race reads again.
 */
#include "chat_api_private.h"
#include "base/json.h"
#include "base/time.h"
#include "domain/task_event.h"

#include <errno.h>

/* A change being prepared: what the statement stores and what the client gets. */
struct draft {
	struct task_change change;
	struct idempotency_answer answer;
	struct buf *body; /* NULL for a deletion */
};

static int out_of_memory(struct request *rq)
{
	return err_unavailable(&rq->err, 1, "out of memory");
}

static struct buf *render_task(struct request *rq, const struct task *t)
{
	struct buf *body = request_buf(rq, TASK_JSON_MAX);
	struct json_out o;

	if (body == NULL)
		return NULL;
	json_out_init(&o, body);
	task_write_json(&o, t);
	if (buf_status(body) < 0) {
		out_of_memory(rq);
		return NULL;
	}
	return body;
}

static int draft_event(struct request *rq, struct draft *d, enum task_event_kind kind,
		       const struct task *before, const struct task *after)
{
	struct buf *out = request_buf(rq, TASK_JSON_MAX);

	if (out == NULL)
		return -ENOMEM;
	const struct task_event event = {
		.kind = kind,
		.id = uuid_v7(),
		.at_us = after->updated_at_us,
		.source = STR("chat-api"),
		.correlation_id = str_from(rq->log.correlation_id),
		.trace_id = str_from(rq->log.trace_id),
		.before = before,
		.after = after,
	};
	task_event_write(out, &event);
	if (buf_status(out) < 0)
		return out_of_memory(rq);
	d->change.task = after;
	d->change.event_id = event.id;
	d->change.event = buf_str(out);
	return 0;
}

/* The answer of a write that leaves a task: the task and its entity tag. */
static int draft_answer(struct request *rq, struct draft *d, int status,
			const struct idempotency_key *key)
{
	d->body = render_task(rq, d->change.task);
	if (d->body == NULL)
		return -ENOMEM;
	d->answer.status = status;
	d->answer.etag = task_etag(rq->arena, d->change.task->version);
	if (d->answer.etag.p == NULL)
		return out_of_memory(rq);
	d->answer.body = buf_str(d->body);
	d->change.key = key;
	d->change.answer = &d->answer;
	return 0;
}

static void reply_draft(struct request *rq, struct draft *d)
{
	if (d->answer.etag.p != NULL)
		request_add_header(rq, "ETag", d->answer.etag);
	if (d->answer.location.p != NULL)
		request_add_header(rq, "Location", d->answer.location);
	if (d->body != NULL)
		reply_json(rq, d->answer.status, d->body);
	else
		reply_empty(rq, d->answer.status);
}

static FIBER int draft_create(struct request *rq, struct draft *d, struct task *t,
			      const struct idempotency_key *key)
{
	struct chat_api *api = app_role_state(rq->app);

	int r = task_ids_next_wait(&api->ids, api->db, &t->id, &rq->err);
	if (r < 0)
		return r;
	t->user_id = rq->user;
	t->created_at_us = t->updated_at_us = time_now_us();
	t->completed_at_us = t->completed ? t->created_at_us : 0;
	t->version = 1;
	r = draft_event(rq, d, TASK_EVENT_CREATED, NULL, t);
	if (r < 0)
		return r;
	d->answer.location = arena_printf(rq->arena, "%.*s/%lld", STR_ARGS(rq->http->head.path),
					  (long long)t->id);
	if (d->answer.location.p == NULL)
		return out_of_memory(rq);
	return draft_answer(rq, d, 201, key);
}

/* 0: answered. */
static FIBER int create(struct request *rq)
{
	struct chat_api *api = app_role_state(rq->app);
	struct idempotency_key *key;
	struct draft d = { 0 };
	struct task t;

	int r = write_key_read(rq, &key);
	if (r < 0)
		return r;
	r = task_parse_create(rq->arena, request_body(rq), &t, &rq->err);
	if (r < 0)
		return r;
	r = draft_create(rq, &d, &t, key);
	if (r < 0)
		return r;
	for (int tries = 0; tries < OUT_OF_DATE_TRIES_MAX; tries++) {
		int written = task_store_create_wait(api->db, &d.change, &rq->err);
		/* The task that reached the quota may be this key's own. */
		bool is_known = written == -EEXIST || (written == -EDQUOT && key != NULL);

		r = is_known ? write_key_resolve_wait(rq, key) : 0;
		if (r != 0)
			return r < 0 ? r : 0;
		r = written;
		if (r != -EEXIST) /* else that answer has expired meanwhile: write again */
			break;
	}
	if (r == -EEXIST)
		return err_unavailable(&rq->err, 1, "the same key is being written by others");
	if (r < 0)
		return r;
	reply_draft(rq, &d);
	return 0;
}

FIBER void task_create(struct request *rq)
{
	if (create(rq) < 0)
		reply_problem(rq);
}

static FIBER int read_task(struct request *rq)
{
	struct chat_api *api = app_role_state(rq->app);
	struct task_lookup found;
	struct draft d = { 0 };
	int64_t id;

	int r = request_path_id(rq, PARAM_TASK_ID, &ERR_TASK_NOT_FOUND, &id);
	if (r < 0)
		return r;
	r = task_store_get_wait(api->db, rq->arena, rq->user, id, NULL, &found, &rq->err);
	if (r < 0)
		return r;
	if (!found.found)
		return err_set(&rq->err, &ERR_TASK_NOT_FOUND, NULL, "Task not found");
	d.change.task = &found.task;
	r = draft_answer(rq, &d, 200, NULL);
	if (r < 0)
		return r;
	if (has_if_none_match(rq, d.answer.etag)) {
		request_add_header(rq, "ETag", d.answer.etag);
		reply_empty(rq, 304);
	} else {
		reply_draft(rq, &d);
	}
	return 0;
}

FIBER void task_read(struct request *rq)
{
	if (read_task(rq) < 0)
		reply_problem(rq);
}

/*
 * A change of an existing task. Fills the draft from the task as it is now.
 * 1: write it; 0: nothing changes, the draft is the answer; < 0: rq->err.
 */
typedef int change_fn(struct request *rq, const struct task *before,
		      const struct idempotency_key *key, void *arg, struct draft *d);
typedef FIBER int store_fn(struct db *db, const struct task_change *change,
			   int64_t expected_version, struct err *reterr);

/*
 * Writes the draft, or, where nothing changes (store is NULL), only remembers the answer under its
 * key. 0: answered; 1: others were faster, read again; < 0: rq->err.
 */
static FIBER int finish_change(struct request *rq, struct draft *d, store_fn *store,
			       int64_t version)
{
	struct chat_api *api = app_role_state(rq->app);
	const struct idempotency_key *key = d->change.key;
	int r = 0;

	if (store != NULL)
		r = store(api->db, &d->change, version, &rq->err);
	else if (key != NULL)
		r = idempotency_record_wait(api->db, key, &d->answer, &rq->err);
	if (r == -ESTALE)
		return 1;
	if (r == -EEXIST) {
		r = write_key_resolve_wait(rq, key);
		return r < 0 ? r : !r;
	}
	if (r == 0)
		reply_draft(rq, d);
	return r;
}

/* One round: read, check, decide, write. 0: answered; 1: others were faster, read again; < 0:
 * rq->err. */
static FIBER int change_once(struct request *rq, int64_t id, const struct idempotency_key *key,
			     change_fn *change, void *arg, store_fn *store)
{
	struct chat_api *api = app_role_state(rq->app);
	struct draft d = { 0 };
	struct task_lookup found;

	int r = task_store_get_wait(api->db, rq->arena, rq->user, id, key, &found, &rq->err);
	if (r < 0)
		return r;
	if (found.answered) {
		write_key_replay(rq, &found.answer);
		return 0;
	}
	if (!found.found)
		return err_set(&rq->err, &ERR_TASK_NOT_FOUND, NULL, "Task not found");
	struct str etag = task_etag(rq->arena, found.task.version);
	if (etag.p == NULL)
		return out_of_memory(rq);
	r = check_if_match(rq, etag);
	if (r < 0)
		return r;
	r = change(rq, &found.task, key, arg, &d);
	if (r < 0)
		return r;
	return finish_change(rq, &d, r > 0 ? store : NULL, found.task.version);
}

static FIBER int change_task(struct request *rq, change_fn *change, void *arg, store_fn *store)
{
	struct idempotency_key *key;
	int64_t id;

	int r = request_path_id(rq, PARAM_TASK_ID, &ERR_TASK_NOT_FOUND, &id);
	if (r < 0)
		return r;
	r = write_key_read(rq, &key);
	if (r < 0)
		return r;
	for (int tries = 0; tries < OUT_OF_DATE_TRIES_MAX; tries++) {
		r = change_once(rq, id, key, change, arg, store);
		if (r <= 0)
			return r;
	}
	return err_unavailable(&rq->err, 1, "the task is being changed by others: try again");
}

struct complete_input {
	bool is_set; /* false: toggle */
	bool completed;
};

static int change_completed(struct request *rq, const struct task *before,
			    const struct idempotency_key *key, void *arg, struct draft *d)
{
	const struct complete_input *in = arg;
	struct task *after = arena_alloc(rq->arena, sizeof(*after));

	if (after == NULL)
		return out_of_memory(rq);
	*after = *before;
	after->completed = in->is_set ? in->completed : !before->completed;
	if (after->completed == before->completed) {
		d->change.task = after;
		return draft_answer(rq, d, 200, key);
	}
	after->updated_at_us = time_now_us();
	after->completed_at_us = after->completed ? after->updated_at_us : 0;
	after->version = before->version + 1;
	int r = draft_event(rq, d, after->completed ? TASK_EVENT_COMPLETED : TASK_EVENT_REOPENED,
			    before, after);
	if (r < 0)
		return r;
	r = draft_answer(rq, d, 200, key);
	return r < 0 ? r : 1;
}

FIBER void task_complete(struct request *rq)
{
	struct complete_input in;

	if (task_parse_complete(rq->arena, request_body(rq), &in.is_set, &in.completed, &rq->err) <
		    0 ||
	    change_task(rq, change_completed, &in, task_store_update_wait) < 0)
		reply_problem(rq);
}

static int change_deleted(struct request *rq, const struct task *before,
			  const struct idempotency_key *key, void *arg, struct draft *d)
{
	struct task *last = arena_alloc(rq->arena, sizeof(*last));

	(void)arg;
	if (last == NULL)
		return out_of_memory(rq);
	*last = *before;
	last->updated_at_us = time_now_us();
	last->version = before->version + 1;
	int r = draft_event(rq, d, TASK_EVENT_DELETED, before, last);
	if (r < 0)
		return r;
	d->answer.status = 204;
	d->change.key = key;
	d->change.answer = &d->answer;
	return 1;
}

FIBER void task_delete(struct request *rq)
{
	if (change_task(rq, change_deleted, NULL, task_store_delete_wait) < 0)
		reply_problem(rq);
}
