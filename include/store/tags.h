/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags in PostgreSQL. A tag on thousands of tasks is renamed or removed by walking over its tasks,
 * TAG_STEP at a time, each step one statement that changes them with their events; the tag itself
 * comes first or last. A walk that is cut short is repeated by the same call.
 */
#ifndef STORE_TAGS_H
#define STORE_TAGS_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/tag.h"
#include "domain/task.h"
#include "net/db.h"
#include "store/change.h"

#include <stdbool.h>

enum { TAG_STEP = 100 }; /* tasks changed by one statement */

struct tag_list {
	const struct tag *tags; /* by key */
	size_t n;
};

struct tag_lookup {
	bool found;
	struct tag tag;		/* open_tasks counted */
	struct str renaming_to; /* key; .p NULL: no */
	bool answered;		/* the key was used before: answer is it, and outranks found */
	struct idempotency_answer answer;
};

/* Strings live in the arena. 0, -ENOMEM, or as db_run_wait. */
FIBER int tag_store_list_wait(struct db *db, struct arena *arena, struct str user_id,
			      struct tag_list *ret, struct err *reterr) MUST_CHECK;
/* key may be NULL. */
FIBER int tag_store_read_wait(struct db *db, struct arena *arena, struct str user_id,
			      struct str tag_key, const struct idempotency_key *key,
			      struct tag_lookup *ret, struct err *reterr) MUST_CHECK;

/* 0; -EALREADY with ERR_TAG_EXISTS; -EDQUOT with ERR_TAG_QUOTA; -EEXIST: the idempotency key was
 * used before; or as db_run_wait. change has no events. */
FIBER int tag_store_create_wait(struct db *db, struct arena *arena,
				const struct store_change *change, const struct tag *tag,
				struct err *reterr) MUST_CHECK;
/* Name (of the same key) and colour. 0; -ESTALE: it is gone; -EEXIST as above. */
FIBER int tag_store_update_wait(struct db *db, struct arena *arena,
				const struct store_change *change, const struct tag *tag,
				struct err *reterr) MUST_CHECK;
/* Makes the tag that `from` will become, and marks `from`. 0; -EALREADY with ERR_TAG_EXISTS;
 * -ESTALE: `from` is gone or being renamed. */
FIBER int tag_store_begin_rename_wait(struct db *db, struct arena *arena,
				      const struct store_change *change, struct str from,
				      const struct tag *to, struct err *reterr) MUST_CHECK;
/* Removes a tag that no task has any more; one being renamed counts as its successor. 0;
 * -ESTALE: a task has it again, or it is gone; -EEXIST as above. */
FIBER int tag_store_remove_wait(struct db *db, struct arena *arena,
				const struct store_change *change, struct str tag_key,
				struct err *reterr) MUST_CHECK;

/* At most TAG_STEP tasks with this tag and an id above after_id, by id. */
FIBER int tag_store_tasks_wait(struct db *db, struct arena *arena, struct str user_id,
			       struct str tag_key, int64_t after_id, const struct task **ret,
			       size_t *ret_n, struct err *reterr) MUST_CHECK;
/*
 * Writes the tags of n tasks (1..TAG_STEP) whose versions are still those before; the others stay
 * as they are. change->events has two for each task, in the order of the tasks. from_key leaves the
 * tasks, to_key (.p NULL: none) comes in its place; equal keys: only the spelling changes.
 * *ret_all: none was left out.
 */
FIBER int tag_store_step_wait(struct db *db, struct arena *arena, const struct store_change *change,
			      const struct task *after, size_t n, struct str from_key,
			      struct str to_key, bool *ret_all, struct err *reterr) MUST_CHECK;

#endif
