/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks in PostgreSQL. Every write is one statement that changes the task, counts it, leaves its
 * event in the outbox and, when there is a key, stores the finished answer: all of it or, when the
 * version is stale or the quota is reached, none of it. So the caller renders the event and the
 * answer first, with an id from task_ids_next_wait, and then writes. Rows are seen and written only
 * as their user (row-level security).
 *
 * Strings and arrays handed out live in the caller's arena (views into a query result that the
 * arena frees).
 */
#ifndef STORE_TASKS_H
#define STORE_TASKS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/uuid.h"
#include "domain/task.h"
#include "net/db.h"
#include "store/idempotency.h"

#include <stdbool.h>
#include <stdint.h>

/* A write: the task, the event that tells of it, and the answer when the client gave a key. */
struct task_change {
	const struct task *task; /* create, update: the row as it will be; delete: as the event says
				    it was last */
	struct uuid event_id;
	struct str event;			 /* the finished CloudEvent */
	const struct idempotency_key *key;	 /* NULL: no Idempotency-Key */
	const struct idempotency_answer *answer; /* with key; same_body is not read */
};

/*
 * 0; -EDQUOT with ERR_TASK_QUOTA: the user holds TASK_QUOTA tasks, nothing was written; -EEXIST:
 * the key was used before, nothing was written (idempotency_lookup_wait, then try again if it finds
 * none); or as db_run_wait.
 */
FIBER int task_store_create_wait(struct db *db, const struct task_change *change,
				 struct err *reterr) MUST_CHECK;
/*
 * Replaces the row if its version is still expected_version; change->task->version is the new one.
 * 0; -ESTALE: changed or deleted meanwhile, nothing was written (read again); -EEXIST as above; or
 * as db_run_wait.
 */
FIBER int task_store_update_wait(struct db *db, const struct task_change *change,
				 int64_t expected_version, struct err *reterr) MUST_CHECK;
/* The same for a deletion: the event's sequence is change->task->version. */
FIBER int task_store_delete_wait(struct db *db, const struct task_change *change,
				 int64_t expected_version, struct err *reterr) MUST_CHECK;

/* What a write needs to know first, read in one segment. */
struct task_lookup {
	bool found; /* the task is there and the user's */
	struct task task;
	bool answered; /* key given and used before: answer is it, and outranks found */
	struct idempotency_answer answer;
};

/* key may be NULL. A task of someone else is not found. 0, -ENOMEM, or as db_run_wait. */
FIBER int task_store_get_wait(struct db *db, struct arena *arena, struct str user_id, int64_t id,
			      const struct idempotency_key *key, struct task_lookup *ret,
			      struct err *reterr) MUST_CHECK;

enum { TASK_LIST_MAX = 1000 }; /* rows of one call */

struct task_list_query {
	struct str user_id;
	unsigned limit; /* 1..TASK_LIST_MAX */
	bool after;	/* only what comes after the last (created_at, id) seen */
	int64_t after_created_at_us, after_id;
	bool slow; /* a page of a long stream: on the slow connections */
};

struct task_list {
	const struct task *tasks; /* newest first: by created_at, then id, both descending */
	size_t n;
	int64_t total; /* tasks of the user, whatever the page */
};

/* 0, -ENOMEM, or as db_run_wait. user_id of the tasks is the query's. */
FIBER int task_store_list_wait(struct db *db, struct arena *arena,
			       const struct task_list_query *query, struct task_list *ret,
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
