/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks in PostgreSQL, with their tags and reminders. Every write is one statement that changes the
 * task, counts it, leaves its events in the outbox and, when there is a key, stores the finished
 * answer: all of it or, when the version is stale or a quota is reached, none of it. So the caller
 * renders events and answer first, with an id from task_ids_next_wait, and then writes. Rows are
 * seen and written only as their user (row-level security).
 *
 * Strings and arrays handed out live in the caller's arena (views into a query result that the
 * arena frees).
 */
#ifndef STORE_TASKS_H
#define STORE_TASKS_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/preferences.h"
#include "domain/tag.h"
#include "domain/task.h"
#include "domain/task_filter.h"
#include "net/db.h"
#include "store/change.h"
#include "store/idempotency.h"

#include <stdbool.h>
#include <stdint.h>

/* A write of one task. */
struct task_change {
	struct store_change common;
	const struct task *before;	 /* NULL for a create */
	const struct task *after;	 /* for a deletion: as the event says it was last */
	const struct tag_name *new_tags; /* of after's tags, those the user does not have yet */
	size_t n_new_tags;
	bool is_state_only; /* an update of nothing but completed, its time and reminders */
};

/*
 * 0; -EDQUOT with ERR_TASK_QUOTA or ERR_TAG_QUOTA: the user holds as many as he may; -EEXIST: the
 * key was used before (idempotency_lookup_wait, then try again if it finds none); -ESTALE: a tag
 * came or went meanwhile (read again); or as db_run_wait. Nothing was written, but for 0.
 */
FIBER int task_store_create_wait(struct db *db, struct arena *arena,
				 const struct task_change *change, struct err *reterr) MUST_CHECK;
/*
 * Replaces the row if its version is still before->version; after->version is the new one. As
 * above; -ESTALE: changed or deleted meanwhile (read again).
 */
FIBER int task_store_update_wait(struct db *db, struct arena *arena,
				 const struct task_change *change, struct err *reterr) MUST_CHECK;
/* The same for a deletion, which leaves the id and the time, after->updated_at_us, behind. */
FIBER int task_store_delete_wait(struct db *db, struct arena *arena,
				 const struct task_change *change, struct err *reterr) MUST_CHECK;

/* What a write needs to know first, read in one segment. */
struct task_question {
	struct str user_id;
	int64_t task_id;		   /* 0: none */
	const struct idempotency_key *key; /* NULL: none */
	bool wants_preferences;
	const struct tag_name *tags; /* which of them does the user have? */
	size_t n_tags;
};

struct task_lookup {
	bool found; /* the task is there and the user's */
	struct task task;
	bool answered; /* the key was used before: answer is it, and outranks found */
	struct idempotency_answer answer;
	struct preferences preferences; /* the defaults when not asked for */
	int64_t now_us; /* by the database's clock; 0: neither task nor preferences were read */
	const struct tag_name *known_tags;
	size_t n_known_tags;
};

/* 0, -ENOMEM, or as db_run_wait. At least one of the questions is asked. */
FIBER int task_store_read_wait(struct db *db, struct arena *arena,
			       const struct task_question *question, struct task_lookup *ret,
			       struct err *reterr) MUST_CHECK;

enum { TASK_LIST_MAX = 1000 }; /* tasks of one call */

struct task_list_query {
	struct str user_id;
	struct task_filter filter;
	struct task_order order;
	unsigned limit; /* 1..TASK_LIST_MAX */
	bool after;	/* only what comes after this place */
	struct task_position position;
	bool slow; /* a page of a long stream: on the slow connections */
};

struct task_list {
	const struct task *tasks;
	size_t n;
	bool has_more;
	struct task_position last; /* of the last task, when n > 0 */
	int64_t total;		   /* tasks the filter finds, whatever the page */
};

/* 0, -ENOMEM, or as db_run_wait. user_id of the tasks is the query's. */
FIBER int task_store_list_wait(struct db *db, struct arena *arena,
			       const struct task_list_query *query, struct task_list *ret,
			       struct err *reterr) MUST_CHECK;

/* A task that is gone. */
struct deleted_task {
	int64_t id, deleted_at_us;
};

enum { DELETED_TASKS_MAX = 10000, DELETED_TASKS_DAYS = 30 };

/* Those deleted since then, oldest first, at most the last DELETED_TASKS_MAX of the last
 * DELETED_TASKS_DAYS. */
FIBER int task_store_deleted_wait(struct db *db, struct arena *arena, struct str user_id,
				  int64_t since_us, const struct deleted_task **ret, size_t *ret_n,
				  struct err *reterr) MUST_CHECK;

/* Ids reserved by this process, one sequence step (64 ids) at a time. Zero it before the first use.
 */
enum { TASK_ID_BLOCK = 64, TASK_ID_BLOCKS_MAX = 8 };

struct task_ids {
	struct {
		int64_t next, end;
	} blocks[TASK_ID_BLOCKS_MAX];
	unsigned n_blocks;
	bool fetching;
};

/* An id nobody had before. Seldom suspends. 0, or as db_run_wait. */
FIBER int task_ids_next_wait(struct task_ids *ids, struct db *db, int64_t *ret,
			     struct err *reterr) MUST_CHECK;

#endif
