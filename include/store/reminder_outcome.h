/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a reminder that is under way. As todod_recurrer, in the name of the user; each
 * write takes the event's row in the inbox along. Errors as db_run_wait, beside what each names.
 */
#ifndef STORE_REMINDER_OUTCOME_H
#define STORE_REMINDER_OUTCOME_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/event.h"
#include "domain/task.h"
#include "net/db.h"

#include <stdint.h>

struct reminder_key {
	struct str user_id;
	int64_t task_id;
	struct uuid id;
	int64_t version; /* that the event is about */
	struct str event_id;
};

/* It was triggered: the sweep leaves it alone for REMINDER_HOLD_S. 0 also when it is another
 * version by now, or no longer waits for that. Not a change of its task: it lasts for seconds. */
FIBER int reminder_triggered_wait(struct db *db, const struct reminder_key *key,
				  struct err *reterr) MUST_CHECK;

/* A new version of the task, in which the reminder of that key is what `reminder` says. */
struct reminder_outcome {
	const struct reminder_key *key;
	const struct task *before, *after;
	const struct reminder *reminder; /* one of after's */
	int64_t retry_at_us;		 /* 0: never */
	const struct event *events;
	size_t n_events;
};
/* -ESTALE: the task changed meanwhile, or the event was dealt with: read again. */
FIBER int reminder_outcome_wait(struct db *db, struct arena *arena,
				const struct reminder_outcome *o, struct err *reterr) MUST_CHECK;

#endif
