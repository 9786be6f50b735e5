/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags. Renaming and removing one changes every task that has it, each with its events, some at a
 * time; the tag itself is settled when no task is left, together with the answer. Cut short, the
 * same request goes on where it was.
 */
#include "chat_api_private.h"
#include "base/json.h"
#include "base/time.h"
#include "store/tags.h"

#include <errno.h>

enum {
	WALK_ARENA_MAX = 16 * 1024 * 1024,
	WALK_STEPS_MAX = 2000, /* ten walks over the most tasks a user can have */
	LOST_RACES_MAX = 20,
};

static const char BUSY[] = "the tag is being changed by others: try again";

static struct buf *render_tag(struct request *rq, const struct tag *tag)
{
	struct buf *body = request_buf(rq, TASK_JSON_MAX);
	struct json_out o;

	if (body == NULL)
		return NULL;
	json_out_init(&o, body);
	tag_write_json(&o, tag);
	return body;
}

/* The tag as an answer. */
static int draft_tag(struct request *rq, struct draft *d, int status, const struct tag *tag,
		     const struct idempotency_key *key)
{
	d->body = render_tag(rq, tag);
	if (d->body == NULL)
		return -ENOMEM;
	if (buf_status(d->body) < 0)
		return out_of_memory(rq);
	d->change.user_id = rq->user;
	draft_answer(d, status, key);
	return 0;
}

static FIBER int list(struct request *rq)
{
	struct buf *body = request_buf(rq, LIST_JSON_MAX);
	struct tag_list tags;
	struct json_out o;

	if (body == NULL)
		return -ENOMEM;
	int r = tag_store_list_wait(request_db(rq), rq->arena, rq->user, &tags, &rq->err);
	if (r < 0)
		return r;
	json_out_init(&o, body);
	json_begin_array(&o);
	for (size_t i = 0; i < tags.n; i++)
		tag_write_json(&o, &tags.tags[i]);
	json_end_array(&o);
	reply_json(rq, 200, body);
	return 0;
}

FIBER void tag_list(struct request *rq)
{
	if (list(rq) < 0)
		reply_problem(rq);
}

static struct str tag_path(struct request *rq, struct str name)
{
	struct str encoded = http_percent_encode(rq->arena, name);

	return encoded.p == NULL ? encoded
				 : arena_printf(rq->arena, "%.*s/%s", STR_ARGS(rq->http->head.path),
						encoded.p);
}

static FIBER int create_once(struct request *rq, const struct idempotency_key *key)
{
	struct draft d = { .body = NULL };
	struct tag tag;

	int r = tag_parse_create(rq->arena, request_body(rq), &tag, &rq->err);
	if (r == 0)
		r = draft_tag(rq, &d, 201, &tag, key);
	if (r < 0)
		return r;
	d.answer.location = tag_path(rq, tag.name.name);
	if (d.answer.location.p == NULL)
		return out_of_memory(rq);
	r = tag_store_create_wait(request_db(rq), rq->arena, &d.change, &tag, &rq->err);
	/* The tag that is there already, or that reached the quota, may be this key's own. */
	if (r == -EEXIST || ((r == -EALREADY || r == -EDQUOT) && key != NULL)) {
		int resolved = write_key_resolve_wait(rq, key);
		if (resolved != 0)
			return resolved < 0 ? resolved : 0;
		return r == -EEXIST ? 1 : r;
	}
	if (r == 0)
		reply_draft(rq, &d);
	return r;
}

FIBER void tag_create(struct request *rq)
{
	run_write(rq, create_once, BUSY);
}

/* ---- walking over the tasks of a tag ---- */

struct walk {
	struct str from, to; /* keys; to.p NULL: the tag is taken away */
	struct str name;     /* what it is called then */
	int64_t after_id;
	int64_t now_us;	     /* of one step, whose tasks all change at once */
	struct arena *arena; /* of one step */
	int n_steps, n_lost;
};

/* The task with the tag under its other name, or without it; false: it is so already. */
static bool retag(const struct walk *w, const struct task *before, struct task *after,
		  struct str *names)
{
	size_t n = 0;
	bool is_changed = false, has_target = false;

	for (size_t i = 0; i < before->n_tags; i++) {
		struct tag_name tag = { .name = before->tags[i] };

		if (tag_name_parse(w->arena, before->tags[i], "", &tag, NULL) < 0)
			tag.key = before->tags[i];
		bool is_from = str_eq(tag.key, w->from);
		if (!is_from && (w->to.p == NULL || !str_eq(tag.key, w->to))) {
			names[n++] = before->tags[i];
			continue;
		}
		is_changed |= !(w->to.p != NULL && str_eq(before->tags[i], w->name));
		if (w->to.p != NULL && !has_target)
			names[n++] = w->name;
		has_target = true;
	}
	*after = *before;
	after->tags = names;
	after->n_tags = n;
	after->version++;
	after->updated_at_us = w->now_us;
	return is_changed;
}

/* What one step writes. */
struct step {
	struct task *after;
	struct event *events;
	size_t n;
};

static int render_step(struct request *rq, const struct walk *w, const struct task *tasks, size_t n,
		       struct step *ret)
{
	struct event rendered[TASK_EVENTS_MAX];
	struct str unused;
	size_t n_events;

	ret->n = 0;
	ret->after = arena_alloc(w->arena, n * sizeof(*ret->after));
	ret->events = arena_alloc(w->arena, 2 * n * sizeof(*ret->events));
	struct str *names = arena_alloc(w->arena, n * TAGS_OF_TASK_MAX * sizeof(*names));
	if (ret->after == NULL || ret->events == NULL || names == NULL)
		return out_of_memory(rq);
	for (size_t i = 0; i < n; i++) {
		struct task *after = &ret->after[ret->n];

		if (!retag(w, &tasks[i], after, names + i * TAGS_OF_TASK_MAX))
			continue;
		int r = render_task_events(rq, w->arena, TASK_EVENT_UPDATED, &tasks[i], after,
					   rendered, &n_events, &unused);
		if (r < 0)
			return r;
		memcpy(&ret->events[2 * ret->n], rendered, 2 * sizeof(*rendered));
		ret->n++;
	}
	return 0;
}

/* 0: *ret_done says whether the walk is over; < 0: rq->err. */
static FIBER int walk_step(struct request *rq, struct walk *w, bool *ret_done)
{
	const struct task *tasks;
	struct step step;
	bool all = true;
	size_t n;

	int r = tag_store_tasks_wait(request_db(rq), w->arena, rq->user, w->from, w->after_id,
				     &tasks, &n, &rq->err);
	if (r < 0)
		return r;
	*ret_done = n < TAG_STEP;
	w->now_us = time_now_us();
	r = n > 0 ? render_step(rq, w, tasks, n, &step) : 0;
	if (r < 0 || n == 0)
		return r;
	if (step.n > 0) {
		const struct store_change change = { .user_id = rq->user,
						     .events = step.events,
						     .n_events = 2 * step.n };
		r = tag_store_step_wait(request_db(rq), w->arena, &change, step.after, step.n,
					w->from, w->to, &all, &rq->err);
	}
	if (r < 0)
		return r;
	app_poke_relay(rq->app);
	if (all) {
		w->after_id = tasks[n - 1].id;
	} else { /* some were changed by others: once more */
		*ret_done = false;
		w->n_lost++;
	}
	return 0;
}

static FIBER int walk(struct request *rq, struct walk *w)
{
	bool is_done = false;
	int r = 0;

	w->after_id = 0;
	w->arena = arena_new(WALK_ARENA_MAX);
	if (w->arena == NULL)
		return out_of_memory(rq);
	while (r == 0 && !is_done) {
		arena_reset(w->arena);
		r = ++w->n_steps > WALK_STEPS_MAX || w->n_lost > LOST_RACES_MAX
			    ? err_unavailable(&rq->err, 1, "%s", BUSY)
			    : walk_step(rq, w, &is_done);
	}
	arena_free(w->arena);
	return r;
}

/* ---- rename, recolour, remove ---- */

/* The tag of the path. 0; 1: answered before; -ENOENT (404); < 0: rq->err. */
static FIBER int read_path_tag(struct request *rq, const struct idempotency_key *key,
			       struct tag_lookup *ret)
{
	struct tag_name name;

	if (tag_name_parse(rq->arena, rq->params[PARAM_TAG_NAME], "path.name", &name, &rq->err) < 0)
		return err_set(&rq->err, &ERR_TAG_NOT_FOUND, NULL, "%s", ERR_TAG_NOT_FOUND.title);
	int r = tag_store_read_wait(request_db(rq), rq->arena, rq->user, name.key, key, ret,
				    &rq->err);
	if (r < 0)
		return r;
	if (ret->answered) {
		write_key_replay(rq, &ret->answer);
		return 1;
	}
	if (!ret->found)
		return err_set(&rq->err, &ERR_TAG_NOT_FOUND, NULL, "%s", ERR_TAG_NOT_FOUND.title);
	return 0;
}

static bool is_begun(const struct tag_lookup *found, const struct tag *to)
{
	return found->renaming_to.p != NULL && str_eq(found->renaming_to, to->name.key);
}

/* Makes the tag that the old one becomes. A rename that was cut short has made it, and perhaps was
 * asked for with another spelling or colour. */
static FIBER int begin_rename(struct request *rq, const struct tag_lookup *found,
			      const struct tag *to)
{
	const struct store_change change = { .user_id = rq->user };

	if (is_begun(found, to))
		return tag_store_update_wait(request_db(rq), rq->arena, &change, to, &rq->err);
	if (found->renaming_to.p != NULL)
		return err_set(&rq->err, &ERR_TAG_EXISTS, "body.name",
			       "the tag is being given another name: repeat that request first");
	return tag_store_begin_rename_wait(request_db(rq), rq->arena, &change, found->tag.name.key,
					   to, &rq->err);
}

/* -ESTALE becomes 1: once more from the start. */
static int again_if_stale(int r)
{
	return r == -ESTALE ? 1 : r;
}

/* Every task under the new name; *ret is the tag as it is then. */
static FIBER int move_tasks(struct request *rq, const struct tag_lookup *found,
			    const struct tag *to, struct tag_lookup *ret)
{
	struct walk w = { .from = found->tag.name.key, .to = to->name.key, .name = to->name.name };
	struct walk moved_before = { .from = w.to, .to = w.to, .name = w.name };
	int r = walk(rq, &w);

	if (r == 0 && is_begun(found, to))
		r = walk(rq, &moved_before);
	return r < 0 ? r
		     : tag_store_read_wait(request_db(rq), rq->arena, rq->user, w.to, NULL, ret,
					   &rq->err);
}

static FIBER int rename_tag(struct request *rq, const struct tag_lookup *found,
			    const struct tag *to, const struct idempotency_key *key,
			    struct draft *d)
{
	struct tag_lookup moved;

	int r = begin_rename(rq, found, to);
	if (r == 0)
		r = move_tasks(rq, found, to, &moved);
	if (r < 0)
		return again_if_stale(r);
	if (!moved.found)
		return 1;
	r = draft_tag(rq, d, 200, &moved.tag, key);
	if (r < 0)
		return r;
	return settle_draft(rq, d,
			    tag_store_remove_wait(request_db(rq), rq->arena, &d->change,
						  found->tag.name.key, &rq->err));
}

/* The same key: another spelling, another colour, or both. */
static FIBER int restyle_tag(struct request *rq, const struct tag_lookup *found,
			     const struct tag *to, const struct idempotency_key *key,
			     struct draft *d)
{
	struct walk w = { .from = to->name.key, .to = to->name.key, .name = to->name.name };
	int r = str_eq(found->tag.name.name, to->name.name) ? 0 : walk(rq, &w);

	if (r < 0)
		return again_if_stale(r);
	r = draft_tag(rq, d, 200, to, key);
	if (r < 0)
		return r;
	return settle_draft(
		rq, d, tag_store_update_wait(request_db(rq), rq->arena, &d->change, to, &rq->err));
}

static FIBER int change_once(struct request *rq, const struct idempotency_key *key)
{
	struct draft d = { .body = NULL };
	struct tag_lookup found;

	int r = read_path_tag(rq, key, &found);
	if (r != 0)
		return r < 0 ? r : 0;
	struct tag to = found.tag;
	r = tag_parse_change(rq->arena, request_body(rq), &to, &rq->err);
	if (r < 0)
		return r;
	if (str_eq(found.tag.name.key, to.name.key))
		return restyle_tag(rq, &found, &to, key, &d);
	return rename_tag(rq, &found, &to, key, &d);
}

static FIBER int delete_once(struct request *rq, const struct idempotency_key *key)
{
	struct draft d = { .body = NULL };
	struct tag_lookup found;

	int r = read_path_tag(rq, key, &found);
	if (r != 0)
		return r < 0 ? r : 0;
	struct walk w = { .from = found.tag.name.key };
	r = walk(rq, &w);
	if (r < 0)
		return again_if_stale(r);
	d.change.user_id = rq->user;
	draft_answer(&d, 204, key);
	return settle_draft(rq, &d,
			    tag_store_remove_wait(request_db(rq), rq->arena, &d.change, w.from,
						  &rq->err));
}

FIBER void tag_change(struct request *rq)
{
	run_write(rq, change_once, BUSY);
}

FIBER void tag_delete(struct request *rq)
{
	run_write(rq, delete_once, BUSY);
}
