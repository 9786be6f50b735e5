/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reminders of anybody whose time has come, by the database's clock, and their triggers into the
 * outbox. What is triggered is left alone for a while: until somebody tells what became of it, or
 * REMINDER_HOLD_S, which doubles each time, are over. As todod_sweeper. Errors as db_run_wait.
 */
#ifndef STORE_REMINDER_SWEEP_H
#define STORE_REMINDER_SWEEP_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/event.h"
#include "domain/task.h"
#include "net/db.h"

#include <stddef.h>
#include <stdint.h>

enum {
	REMINDER_SWEEP_MAX = 1000, /* of one call */
	/* Whoever sends holds a lease of 60 s: when it died, the next trigger finds that over. */
	REMINDER_HOLD_S = 63,
};

struct due_reminder {
	struct reminder reminder; /* id, task, time, own channels, version */
	struct task task;	  /* user, id, title, due date, zone */
};

struct due_reminders {
	const struct due_reminder *list; /* in the arena, oldest first */
	size_t n;
	int64_t now_us; /* the database's clock */
};

FIBER int reminder_due_wait(struct db *sweeper, struct arena *arena, struct due_reminders *ret,
			    struct err *reterr) MUST_CHECK;
/*
 * events[i] is list[i]'s trigger. Those that are still as they were read, and that nobody is
 * writing to this moment, are triggered, with their events: *ret_n of them.
 */
FIBER int reminder_trigger_wait(struct db *sweeper, struct arena *arena,
				const struct due_reminders *due, const struct event *events,
				size_t *ret_n, struct err *reterr) MUST_CHECK;

#endif
