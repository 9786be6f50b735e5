/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reads of tasks, and ids for new ones. Rows become struct task without copying: strings are
 * views into the result, which the arena frees.
 */
#include "idempotency_private.h"
#include "results_private.h"
#include "store/tasks.h"

#include <assert.h>
#include <errno.h>

#define COLUMNS \
	"id, title, description, completed, completed_at, priority, version, created_at, updated_at"
enum {
	COL_ID,
	COL_TITLE,
	COL_DESCRIPTION,
	COL_COMPLETED,
	COL_COMPLETED_AT,
	COL_PRIORITY,
	COL_VERSION,
	COL_CREATED_AT,
	COL_UPDATED_AT
};

#define NEWEST_FIRST " ORDER BY created_at DESC, id DESC LIMIT "

static const struct db_statement GET = {
	"task_get",
	"SELECT " COLUMNS " FROM todod.tasks WHERE user_id = $1 AND id = $2",
	2,
};
static const struct db_statement LIST_FIRST = {
	"task_list_first",
	"SELECT " COLUMNS " FROM todod.tasks WHERE user_id = $1" NEWEST_FIRST "$2",
	2,
};
static const struct db_statement LIST_AFTER = {
	"task_list_after",
	"SELECT " COLUMNS
	" FROM todod.tasks WHERE user_id = $1 AND (created_at, id) < ($3, $4)" NEWEST_FIRST "$2",
	4,
};
static const struct db_statement COUNT = {
	"task_count",
	"SELECT tasks FROM todod.user_counters WHERE user_id = $1",
	1,
};
static const struct db_statement NEXT_ID_BLOCK = { "task_id_block",
						   "SELECT nextval('todod.task_id_blocks')", 0 };

static void read_task(const struct db_result *r, int row, struct str user_id, struct task *ret)
{
	*ret = (struct task){
		.id = db_i64(r, row, COL_ID),
		.user_id = user_id,
		.title = db_text(r, row, COL_TITLE),
		.description = results_text(r, row, COL_DESCRIPTION),
		.completed = db_bool(r, row, COL_COMPLETED),
		.completed_at_us = db_is_null(r, row, COL_COMPLETED_AT)
					   ? 0
					   : db_time(r, row, COL_COMPLETED_AT),
		.priority = (enum task_priority)db_i64(r, row, COL_PRIORITY),
		.version = db_i64(r, row, COL_VERSION),
		.created_at_us = db_time(r, row, COL_CREATED_AT),
		.updated_at_us = db_time(r, row, COL_UPDATED_AT),
	};
}

int task_store_get_wait(struct db *db, struct arena *arena, struct str user_id, int64_t id,
			const struct idempotency_key *key, struct task_lookup *ret,
			struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(user_id), DB_PARAM_I64(id) };
	struct db_param key_params[IDEMPOTENCY_LOOKUP_PARAMS];
	const struct db_query queries[] = { { &GET, params }, { &IDEMPOTENCY_LOOKUP, key_params } };
	const struct db_segment segment = { .user_id = user_id,
					    .queries = queries,
					    .n_queries = key ? 2 : 1 };
	struct db_result *results[2];
	struct task_lookup found = { .found = false };
	int r;

	if (key)
		idempotency_lookup_params(key, key_params);
	r = db_run_wait(db, &segment, results, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, results, segment.n_queries, reterr);
	if (r < 0)
		return r;
	found.found = db_rows(results[0]) == 1;
	if (found.found)
		read_task(results[0], 0, user_id, &found.task);
	if (key)
		found.answered = idempotency_read(results[1], key, &found.answer);
	*ret = found;
	return 0;
}

static int read_list(struct arena *arena, const struct db_result *rows,
		     const struct db_result *count, struct str user_id, struct task_list *ret,
		     struct err *reterr)
{
	int n = db_rows(rows);
	struct task *tasks = arena_alloc(arena, (size_t)n * sizeof(*tasks));

	if (!tasks) {
		err_unavailable(reterr, 1, "out of memory");
		return -ENOMEM;
	}
	for (int i = 0; i < n; i++)
		read_task(rows, i, user_id, &tasks[i]);
	ret->tasks = tasks;
	ret->n = (size_t)n;
	/* Who never had a task has no counter. */
	ret->total = db_rows(count) == 1 ? db_i64(count, 0, 0) : 0;
	return 0;
}

int task_store_list_wait(struct db *db, struct arena *arena, const struct task_list_query *query,
			 struct task_list *ret, struct err *reterr)
{
	const struct db_param params[] = {
		DB_PARAM_TEXT(query->user_id),
		DB_PARAM_I64(query->limit),
		DB_PARAM_TIME(query->after_created_at_us),
		DB_PARAM_I64(query->after_id),
	};
	const struct db_query queries[] = { { query->after ? &LIST_AFTER : &LIST_FIRST, params },
					    { &COUNT, params } };
	const struct db_segment segment = {
		.user_id = query->user_id,
		.queries = queries,
		.n_queries = 2,
		.slow = query->slow,
	};
	struct db_result *results[2];
	int r;

	assert(query->limit >= 1 && query->limit <= TASK_LIST_MAX);
	r = db_run_wait(db, &segment, results, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, results, 2, reterr);
	return r < 0 ? r : read_list(arena, results[0], results[1], query->user_id, ret, reterr);
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
