/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a task that is there. A write reads what it must know, decides, renders the answer and
 * the events, and writes all of it in one statement that only succeeds on the version that was
 * read. Whoever loses that race reads again.
 */
#include "chat_api_private.h"
#include "base/json.h"
#include "base/time.h"

#include <errno.h>

static void write_done(struct json_out *o, const struct task *t)
{
	struct task_date next = { .kind = TASK_DATE_NONE };

	json_begin_object(o);
	task_write_fields(o, t);
	if (!task_next_due(t, t->completed_at_us, t->completed_at_us, &next))
		next.kind = TASK_DATE_NONE;
	json_key(o, STR("next_occurrence"));
	task_date_write_json(o, &next);
	json_end_object(o);
}

int answer_task(struct request *rq, const struct task *t, bool is_done, struct draft *d)
{
	struct json_out o;

	d->body = request_buf(rq, TASK_JSON_MAX);
	if (d->body == NULL)
		return -ENOMEM;
	json_out_init(&o, d->body);
	if (is_done && t->recurrence_rule.p != NULL)
		write_done(&o, t);
	else if (d->task.p != NULL)
		json_raw(&o, d->task);
	else
		task_write_json(&o, t);
	d->answer.etag = version_etag(rq->arena, t->version);
	if (buf_status(d->body) < 0 || d->answer.etag.p == NULL)
		return out_of_memory(rq);
	return 0;
}

static int render_answer(struct request *rq, const struct task_edit *edit,
			 const struct task *before, const struct task *after, struct draft *d)
{
	bool is_about_state = edit->is_toggle || edit->input.completed.state == JSON_SET;

	d->answer.status = 200;
	if (edit->answer != NULL)
		return edit->answer(rq, edit, before, after, d);
	return answer_task(rq, after, is_about_state && after->completed, d);
}

/* Nothing but "is it done" is touched. */
static bool is_state_only(const struct task_input *in)
{
	return in->title.state == JSON_ABSENT && in->description.state == JSON_ABSENT &&
	       in->priority_state == JSON_ABSENT && in->tags_state == JSON_ABSENT &&
	       in->reminders_state == JSON_ABSENT && in->recurrence_mode_state == JSON_ABSENT &&
	       in->recurrence_word.state == JSON_ABSENT &&
	       in->recurrence_rule.state == JSON_ABSENT && !task_input_wants_preferences(in) &&
	       in->recurrence_end.state == JSON_ABSENT;
}

static int merge(struct request *rq, struct task_edit *edit, const struct task_lookup *found,
		 struct task_merge *ret)
{
	const struct task_context ctx = {
		.now_us = found->now_us,
		.user_id = rq->user,
		.preferences = &found->preferences,
		.known_tags = found->known_tags,
		.n_known_tags = found->n_known_tags,
		.new_id = uuid_v7,
	};

	if (edit->is_toggle)
		edit->input.completed = (struct json_bool){ JSON_SET, !found->task.completed };
	int r = edit->adapt != NULL ? edit->adapt(rq, edit, &found->task) : 0;
	return r < 0 ? r : task_merge(rq->arena, &edit->input, &found->task, &ctx, ret, &rq->err);
}

/*
 * Writes the change, or, where nothing changes, only remembers the answer under its key. 0:
 * answered; 1: others were faster, read again; < 0: rq->err.
 */
static FIBER int finish(struct request *rq, struct draft *d, const struct task_change *change,
			bool is_changed)
{
	const struct idempotency_key *key = d->change.key;
	int r = 0;

	if (is_changed)
		r = task_store_update_wait(request_db(rq), rq->arena, change, &rq->err);
	else if (key != NULL)
		r = idempotency_record_wait(request_db(rq), key, &d->answer, &rq->err);
	return settle_draft(rq, d, r);
}

static FIBER int edit_found(struct request *rq, struct task_edit *edit,
			    const struct task_lookup *found, const struct idempotency_key *key)
{
	struct draft *d = arena_calloc(rq->arena, 1, sizeof(*d));
	struct task_merge m;

	if (d == NULL)
		return out_of_memory(rq);
	int r = merge(rq, edit, found, &m);
	if (r == 0 && m.is_changed)
		r = draft_task_events(rq, d, task_event_kind_of(&found->task, &m.task),
				      &found->task, &m.task);
	if (r == 0)
		r = render_answer(rq, edit, &found->task, &m.task, d);
	if (r < 0)
		return r;
	draft_answer(d, d->answer.status, key);
	const struct task_change change = {
		.common = d->change,
		.before = &found->task,
		.after = &m.task,
		.new_tags = m.new_tags,
		.n_new_tags = m.n_new_tags,
		.is_state_only = is_state_only(&edit->input),
	};
	return finish(rq, d, &change, m.is_changed);
}

/* The task as it is, unless the request was answered before or asks for another version of it. 0:
 * *ret_found; 1: answered; < 0: rq->err. */
static FIBER int read_for_change(struct request *rq, const struct task_question *question,
				 struct task_lookup *ret)
{
	int r = task_store_read_wait(request_db(rq), rq->arena, question, ret, &rq->err);

	if (r < 0)
		return r;
	if (ret->answered) {
		write_key_replay(rq, &ret->answer);
		return 1;
	}
	if (!ret->found)
		return err_set(&rq->err, &ERR_TASK_NOT_FOUND, NULL, "Task not found");
	struct str etag = version_etag(rq->arena, ret->task.version);
	return etag.p == NULL ? out_of_memory(rq) : check_if_match(rq, etag);
}

static FIBER int edit_once(struct request *rq, struct task_edit *edit,
			   const struct task_question *question)
{
	struct task_lookup found;
	int r = read_for_change(rq, question, &found);

	if (r != 0)
		return r < 0 ? r : 0;
	return edit_found(rq, edit, &found, question->key);
}

static FIBER int delete_once(struct request *rq, struct task_edit *unused,
			     const struct task_question *question)
{
	struct draft *d = arena_calloc(rq->arena, 1, sizeof(*d));
	struct task_lookup found;
	struct task last;

	(void)unused;
	if (d == NULL)
		return out_of_memory(rq);
	int r = read_for_change(rq, question, &found);
	if (r != 0)
		return r < 0 ? r : 0;
	last = found.task;
	last.updated_at_us = time_now_us();
	last.version = found.task.version + 1;
	r = draft_task_events(rq, d, TASK_EVENT_DELETED, &found.task, &last);
	if (r < 0)
		return r;
	draft_answer(d, 204, question->key);
	const struct task_change change = { .common = d->change,
					    .before = &found.task,
					    .after = &last };
	r = task_store_delete_wait(request_db(rq), rq->arena, &change, &rq->err);
	return settle_draft(rq, d, r);
}

/* One round: read, check, decide, write. 0: answered; 1: others were faster; < 0: rq->err. */
typedef FIBER int round_fn(struct request *rq, struct task_edit *edit,
			   const struct task_question *question);

static FIBER int run_rounds(struct request *rq, round_fn *round, struct task_edit *edit,
			    struct task_question *question)
{
	struct idempotency_key *key;

	question->user_id = rq->user;
	int r = request_path_id(rq, PARAM_TASK_ID, &ERR_TASK_NOT_FOUND, &question->task_id);
	if (r == 0)
		r = write_key_read(rq, &key);
	if (r < 0)
		return r;
	question->key = key;
	for (int tries = 0; tries < OUT_OF_DATE_TRIES_MAX; tries++) {
		r = round(rq, edit, question);
		if (r <= 0)
			return r;
	}
	return err_unavailable(&rq->err, 1, "the task is being changed by others: try again");
}

void task_edit_run(struct request *rq, struct task_edit *edit)
{
	struct task_question question = {
		.wants_preferences =
			task_input_wants_preferences(&edit->input) || edit->adapt != NULL,
		.tags = edit->input.tags,
		.n_tags = edit->input.n_tags,
	};

	if (run_rounds(rq, edit_once, edit, &question) < 0)
		reply_problem(rq);
}

FIBER void task_delete(struct request *rq)
{
	struct task_question question = { .task_id = 0 };

	if (run_rounds(rq, delete_once, NULL, &question) < 0)
		reply_problem(rq);
}
