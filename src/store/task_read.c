/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a write reads first, in one segment, and ids for new tasks.
 */
#include "idempotency_private.h"
#include "preferences_private.h"
#include "results_private.h"
#include "store/tasks.h"
#include "task_row_private.h"

#include <assert.h>
#include <errno.h>

const struct db_statement TASK_GET = {
	"task_get",
	"SELECT " TASK_COLUMNS ", now() FROM todod.tasks t" REMINDERS_OF_TASK
	" WHERE t.user_id = $1 AND t.id = $2",
	2,
};
static const struct db_statement KNOWN_TAGS = {
	"tags_known",
	"SELECT key, name FROM todod.tags WHERE user_id = $1 AND key = ANY($2)",
	2,
};
static const struct db_statement CLOCK = { "task_clock", "SELECT now()", 0 };
static const struct db_statement NEXT_ID_BLOCK = { "task_id_block",
						   "SELECT nextval('todod.task_id_blocks')", 0 };

/* A question as a segment; [..] of what was not asked is -1. */
struct reading {
	struct db_param task[2], key[IDEMPOTENCY_LOOKUP_PARAMS], preferences[1], tags[2];
	struct db_query queries[DB_SEGMENT_MAX];
	struct db_result *results[DB_SEGMENT_MAX];
	int n, at_task, at_key, at_preferences, at_clock, at_tags;
};

static int ask(struct reading *r, const struct db_statement *s, const struct db_param *params)
{
	r->queries[r->n] = (struct db_query){ s, params };
	return r->n++;
}

static int keys_param(struct arena *arena, const struct tag_name *tags, size_t n,
		      struct db_param *ret)
{
	struct str *keys = arena_alloc(arena, n * sizeof(*keys));

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		keys[i] = tags[i].key;
	return db_param_texts(arena, keys, n, ret);
}

static int prepare(struct reading *r, struct arena *arena, const struct task_question *q)
{
	r->n = 0;
	r->at_task = r->at_key = r->at_preferences = r->at_clock = r->at_tags = -1;
	if (q->task_id) {
		r->task[0] = (struct db_param)DB_PARAM_TEXT(q->user_id);
		r->task[1] = (struct db_param)DB_PARAM_I64(q->task_id);
		r->at_task = ask(r, &TASK_GET, r->task);
	}
	if (q->key) {
		idempotency_lookup_params(q->key, r->key);
		r->at_key = ask(r, &IDEMPOTENCY_LOOKUP, r->key);
	}
	if (q->wants_preferences) {
		r->preferences[0] = (struct db_param)DB_PARAM_TEXT(q->user_id);
		r->at_preferences = ask(r, &PREFERENCES_GET, r->preferences);
	}
	if (q->wants_preferences && !q->task_id) /* the task says it too */
		r->at_clock = ask(r, &CLOCK, NULL);
	if (q->n_tags) {
		r->tags[0] = (struct db_param)DB_PARAM_TEXT(q->user_id);
		r->at_tags = ask(r, &KNOWN_TAGS, r->tags);
		return keys_param(arena, q->tags, q->n_tags, &r->tags[1]);
	}
	return 0;
}

static int read_known_tags(struct arena *arena, const struct db_result *r, struct task_lookup *ret)
{
	size_t n = (size_t)db_rows(r);
	struct tag_name *tags = arena_alloc(arena, n * sizeof(*tags));

	if (!tags)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		tags[i].key = db_text(r, (int)i, 0);
		tags[i].name = db_text(r, (int)i, 1);
	}
	ret->known_tags = tags;
	ret->n_known_tags = n;
	return 0;
}

static int read_task(struct arena *arena, const struct db_result *r, struct str user_id,
		     struct task_lookup *ret, struct err *reterr)
{
	const struct task *tasks;
	size_t n;
	int e = task_rows_read(arena, r, user_id, &tasks, &n, reterr);

	if (e == 0 && n == 1) {
		ret->found = true;
		ret->task = tasks[0];
		ret->now_us = db_time(r, 0, TASK_COLUMNS_END);
	}
	return e;
}

static int read_answers(const struct reading *r, struct arena *arena, const struct task_question *q,
			struct task_lookup *ret, struct err *reterr)
{
	int e = 0;

	if (r->at_task >= 0)
		e = read_task(arena, r->results[r->at_task], q->user_id, ret, reterr);
	if (e < 0)
		return e;
	if (r->at_key >= 0)
		ret->answered = idempotency_read(r->results[r->at_key], q->key, &ret->answer);
	if (r->at_preferences >= 0)
		preferences_read(r->results[r->at_preferences], &ret->preferences);
	if (r->at_clock >= 0)
		ret->now_us = db_time(r->results[r->at_clock], 0, 0);
	if (r->at_tags >= 0 && read_known_tags(arena, r->results[r->at_tags], ret) < 0)
		return results_out_of_memory(reterr);
	return 0;
}

int task_store_read_wait(struct db *db, struct arena *arena, const struct task_question *question,
			 struct task_lookup *ret, struct err *reterr)
{
	struct task_lookup found = { .preferences = PREFERENCES_DEFAULT };
	struct reading r;

	if (prepare(&r, arena, question) < 0)
		return results_out_of_memory(reterr);
	assert(r.n > 0);
	const struct db_segment segment = { .user_id = question->user_id,
					    .queries = r.queries,
					    .n_queries = (size_t)r.n };
	int e = db_run_wait(db, &segment, r.results, NULL, reterr);
	if (e == 0)
		e = results_keep(arena, r.results, (size_t)r.n, reterr);
	if (e == 0)
		e = read_answers(&r, arena, question, &found, reterr);
	if (e == 0)
		*ret = found;
	return e;
}

static int64_t ids_left(const struct task_ids *ids)
{
	int64_t n = 0;

	for (unsigned i = 0; i < ids->n_blocks; i++)
		n += ids->blocks[i].end - ids->blocks[i].next;
	return n;
}

/* From the stock, which is not empty. */
static int64_t take_id(struct task_ids *ids)
{
	int64_t id = ids->blocks[0].next++;

	if (ids->blocks[0].next == ids->blocks[0].end) {
		ids->n_blocks--;
		memmove(&ids->blocks[0], &ids->blocks[1], ids->n_blocks * sizeof(ids->blocks[0]));
	}
	return id;
}

static void add_block(struct task_ids *ids, int64_t next, int64_t end)
{
	if (ids->n_blocks == TASK_ID_BLOCKS_MAX)
		return;
	ids->blocks[ids->n_blocks].next = next;
	ids->blocks[ids->n_blocks].end = end;
	ids->n_blocks++;
}

/* The stock is low: this fiber, which has its id already, fetches the next block while others live
 * on the rest. */
static FIBER int fetch_ahead(struct task_ids *ids, struct db *db, struct err *reterr)
{
	struct err err = { 0 };
	int64_t first;
	int r;

	ids->fetching = true;
	r = results_number_wait(db, &NEXT_ID_BLOCK, &first, &err);
	ids->fetching = false;
	if (r == 0)
		add_block(ids, first, first + TASK_ID_BLOCK);
	/* Failing is for who finds the stock empty. */
	if (r != -ECANCELED)
		return 0;
	if (reterr)
		*reterr = err;
	return r;
}

int task_ids_next_wait(struct task_ids *ids, struct db *db, int64_t *ret, struct err *reterr)
{
	int64_t left = ids_left(ids), id;
	int r = 0;

	if (left > 0) {
		id = take_id(ids);
		if (left <= TASK_ID_BLOCK && !ids->fetching)
			r = fetch_ahead(ids, db, reterr);
	} else {
		r = results_number_wait(db, &NEXT_ID_BLOCK, &id, reterr);
		/* A block that finds no room is lost but for this id: ids may have gaps. */
		if (r == 0)
			add_block(ids, id + 1, id + TASK_ID_BLOCK);
	}
	if (r < 0)
		return r;
	*ret = id;
	return 0;
}
