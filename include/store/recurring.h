/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series of recurring tasks: the next instance of one that is done, and taking it back. A task that
 * was completed or reopened is unsettled (a row that the database notes by itself); each write here
 * locks it as it was read, and the one that settles it takes that row away: so each completion has
 * its next instance once, whoever comes how often.
 *
 * The statements run as todod_recurrer, in the name of the user, but for recurring_unsettled_wait.
 * Strings live in the caller's arena. Errors as db_run_wait, beside what each call names.
 */
#ifndef STORE_RECURRING_H
#define STORE_RECURRING_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/event.h"
#include "domain/task.h"
#include "net/db.h"

#include <stdbool.h>
#include <stdint.h>

struct recurring_key {
	struct str user_id;
	int64_t task_id;
	struct str event_id; /* that it is about; .p NULL: none */
};

struct recurring_view {
	bool is_processed; /* the event was dealt with before */
	bool is_unsettled, found;
	struct task task;
	bool has_next;	  /* an instance with the next number is there */
	bool has_surplus; /* an instance made of this task, untouched, that should not be there: */
	struct task surplus; /* the task is open again, or in another series */
	int64_t n_tasks;     /* that the user holds */
	int64_t now_us;	     /* the database's clock */
};
FIBER int recurring_read_wait(struct db *db, struct arena *arena, const struct recurring_key *key,
			      struct recurring_view *ret, struct err *reterr) MUST_CHECK;

/* What is written beside the rows. */
struct recurring_change {
	const struct recurring_key *key;
	int64_t version; /* of the task that was read */
	const struct event *events;
	size_t n_events;
};

/* Makes the next instance, and settles the task. -ESTALE: it, its tags or its series changed
 * meanwhile, or somebody else was faster, or the user holds too many tasks: read again. */
FIBER int recurring_make_wait(struct db *db, struct arena *arena, const struct recurring_change *c,
			      const struct task *next, struct err *reterr) MUST_CHECK;
/* Deletes an untouched instance, of which `last` is the event's task; the task stays unsettled.
 * -ESTALE: one of the two changed meanwhile. */
FIBER int recurring_take_back_wait(struct db *db, struct arena *arena,
				   const struct recurring_change *c, const struct task *last,
				   struct err *reterr) MUST_CHECK;
/* Nothing is to be made. -ESTALE: it changed meanwhile. No events. */
FIBER int recurring_settle_wait(struct db *db, const struct recurring_change *c,
				struct err *reterr) MUST_CHECK;
/* Not now: the sweep looks at it again after delay_s. */
FIBER int recurring_postpone_wait(struct db *db, const struct recurring_key *key, int64_t delay_s,
				  struct err *reterr) MUST_CHECK;

enum { RECURRING_PAGE_MAX = 200 };

/* Unsettled tasks of anybody that the sweep is to look at, oldest first; as todod_sweeper. */
FIBER int recurring_unsettled_wait(struct db *sweeper, struct arena *arena,
				   const struct recurring_key **ret, size_t *ret_n,
				   struct err *reterr) MUST_CHECK;

#endif
