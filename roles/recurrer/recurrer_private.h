/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the recurrer role share.
 */
#ifndef RECURRER_PRIVATE_H
#define RECURRER_PRIVATE_H

#include "app/app.h"
#include "app/delivery.h"
#include "base/metrics.h"
#include "dapr/callback.h"
#include "domain/event.h"
#include "net/db.h"
#include "store/recurring.h"
#include "store/tasks.h"

#include <stdbool.h>

enum { OUT_OF_DATE_TRIES_MAX = 8 }; /* how often it reads again when others were faster */

struct recurrer {
	struct app *app;
	struct db *db, *sweeper;
	struct task_ids ids;
	struct uuid id; /* whose leases are this process's */
	bool is_sweeping;
	struct metric *made_by_event, *made_by_sweep, *taken_back, *refused;
	struct metric *triggered, *outcomes;
};

struct recurrer *recurrer_of(struct app *app);

extern const struct subscription RECURRER_SUBSCRIPTIONS[];

delivery_fn recurrer_on_task_event, recurrer_on_reminder_event;
cron_fn recurrer_sweep, recurrer_upkeep;

/* What the events that a fiber makes have in common: the ids of what it works on. cause .p NULL:
 * none. */
struct event_origin recurrer_origin(struct str user_id, struct str cause);

/*
 * Brings the instances after a task in line with it: makes the next one of a completed task, takes
 * an untouched one back from a task that is open again, or does nothing when the task is settled.
 * key->event_id is the event that tells of it; .p NULL: the sweep found it. -ESTALE: others were
 * always faster.
 */
FIBER int recurrer_settle(struct recurrer *rc, struct arena *arena, const struct recurring_key *key,
			  struct err *reterr) MUST_CHECK;

/* What became of a reminder, or that it was triggered. -EINVAL: it does not say which. */
FIBER int recurrer_take_outcome(struct recurrer *rc, struct arena *arena,
				const struct delivered_event *e, struct err *reterr) MUST_CHECK;

#endif
