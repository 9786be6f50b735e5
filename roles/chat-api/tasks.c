/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One task: create, read, update, complete.
 */
#include "chat_api_private.h"
#include "base/json.h"
#include "base/time.h"

#include <errno.h>

/* What a new task is made of. */
struct creation {
	struct task_input input;
	struct idempotency_key *key;
	int64_t id;
};

/* Reads what the new task depends on, if it depends on anything. 0; 1: answered; < 0: rq->err. */
static FIBER int read_context(struct request *rq, const struct creation *c, struct task_lookup *ret)
{
	const struct task_question question = {
		.user_id = rq->user,
		.key = c->key,
		.wants_preferences = task_input_wants_preferences(&c->input),
		.tags = c->input.tags,
		.n_tags = c->input.n_tags,
	};

	*ret = (struct task_lookup){ .preferences = PREFERENCES_DEFAULT };
	if (!question.wants_preferences && question.n_tags == 0)
		return 0;
	int r = task_store_read_wait(request_db(rq), rq->arena, &question, ret, &rq->err);
	if (r < 0 || !ret->answered)
		return r;
	write_key_replay(rq, &ret->answer);
	return 1;
}

static int merge_new(struct request *rq, const struct creation *c, const struct task_lookup *known,
		     struct task_merge *ret)
{
	const struct task_context ctx = {
		.now_us = known->now_us != 0 ? known->now_us : time_now_us(),
		.user_id = rq->user,
		.new_task_id = c->id,
		.preferences = &known->preferences,
		.known_tags = known->known_tags,
		.n_known_tags = known->n_known_tags,
		.new_id = uuid_v7,
	};
	struct task_merge m;

	int r = task_merge(rq->arena, &c->input, NULL, &ctx, &m, &rq->err);
	if (r < 0)
		return r;
	m.task.created_at_us = m.task.updated_at_us = ctx.now_us;
	m.task.version = 1;
	*ret = m;
	return 0;
}

static int draft_create(struct request *rq, struct draft *d, const struct task *t,
			const struct creation *c)
{
	int r = draft_task_events(rq, d, TASK_EVENT_CREATED, NULL, t);

	if (r == 0)
		r = answer_task(rq, t, false, d);
	if (r < 0)
		return r;
	d->answer.location = arena_printf(rq->arena, "%.*s/%lld", STR_ARGS(rq->http->head.path),
					  (long long)t->id);
	if (d->answer.location.p == NULL)
		return out_of_memory(rq);
	draft_answer(d, 201, c->key);
	return 0;
}

/* 0: answered; 1: somebody else made or removed a tag, or the key's answer expired: again. */
static FIBER int store_new(struct request *rq, struct draft *d, const struct task_merge *m,
			   const struct creation *c)
{
	const struct task_change change = { .common = d->change,
					    .after = &m->task,
					    .new_tags = m->new_tags,
					    .n_new_tags = m->n_new_tags };
	int written = task_store_create_wait(request_db(rq), rq->arena, &change, &rq->err);
	/* The task that reached the quota may be this key's own. */
	bool is_known = written == -EEXIST || (written == -EDQUOT && c->key != NULL);
	int r = is_known ? write_key_resolve_wait(rq, c->key) : 0;

	if (r != 0)
		return r < 0 ? r : 0;
	if (written == -EEXIST || written == -ESTALE)
		return 1;
	if (written == 0)
		reply_draft(rq, d);
	return written;
}

static FIBER int create_once(struct request *rq, struct creation *c)
{
	struct chat_api *api = app_role_state(rq->app);
	struct draft *d = arena_calloc(rq->arena, 1, sizeof(*d));
	struct task_lookup known;
	struct task_merge m;

	if (d == NULL)
		return out_of_memory(rq);
	int r = read_context(rq, c, &known);
	if (r != 0)
		return r < 0 ? r : 0;
	if (c->id == 0)
		r = task_ids_next_wait(&api->ids, api->db, &c->id, &rq->err);
	if (r == 0)
		r = merge_new(rq, c, &known, &m);
	if (r == 0)
		r = draft_create(rq, d, &m.task, c);
	return r < 0 ? r : store_new(rq, d, &m, c);
}

static FIBER int create(struct request *rq)
{
	struct creation c = { .id = 0 };

	int r = write_key_read(rq, &c.key);
	if (r == 0)
		r = task_input_parse(rq->arena, request_body(rq), &c.input, &rq->err);
	for (int tries = 0; r == 0 && tries < OUT_OF_DATE_TRIES_MAX; tries++) {
		r = create_once(rq, &c);
		if (r <= 0)
			return r;
		r = 0;
	}
	if (r < 0)
		return r;
	return err_unavailable(&rq->err, 1, "the same key or tags are being written by others");
}

FIBER void task_create(struct request *rq)
{
	if (create(rq) < 0)
		reply_problem(rq);
}

FIBER int read_path_task(struct request *rq, struct task *ret)
{
	struct task_question question = { .user_id = rq->user };
	struct task_lookup found;

	int r = request_path_id(rq, PARAM_TASK_ID, &ERR_TASK_NOT_FOUND, &question.task_id);
	if (r == 0)
		r = task_store_read_wait(request_db(rq), rq->arena, &question, &found, &rq->err);
	if (r < 0)
		return r;
	if (!found.found)
		return err_set(&rq->err, &ERR_TASK_NOT_FOUND, NULL, "Task not found");
	*ret = found.task;
	return 0;
}

static FIBER int read_task(struct request *rq)
{
	struct draft d = { .body = NULL };
	struct task t;

	int r = read_path_task(rq, &t);
	if (r == 0)
		r = answer_task(rq, &t, false, &d);
	if (r < 0)
		return r;
	reply_read(rq, &d);
	return 0;
}

FIBER void task_read(struct request *rq)
{
	if (read_task(rq) < 0)
		reply_problem(rq);
}

FIBER void task_update(struct request *rq)
{
	struct task_edit *edit = arena_calloc(rq->arena, 1, sizeof(*edit));

	if (edit == NULL)
		out_of_memory(rq);
	if (edit == NULL ||
	    task_input_parse(rq->arena, request_body(rq), &edit->input, &rq->err) < 0)
		reply_problem(rq);
	else
		task_edit_run(rq, edit);
}

FIBER void task_complete(struct request *rq)
{
	struct task_edit *edit = arena_calloc(rq->arena, 1, sizeof(*edit));

	if (edit == NULL)
		out_of_memory(rq);
	if (edit == NULL ||
	    task_input_parse_complete(rq->arena, request_body(rq), &edit->input, &rq->err) < 0) {
		reply_problem(rq);
		return;
	}
	edit->is_toggle = edit->input.completed.state != JSON_SET;
	task_edit_run(rq, edit);
}
