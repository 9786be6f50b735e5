/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the auditor role share.
 */
#ifndef AUDITOR_PRIVATE_H
#define AUDITOR_PRIVATE_H

#include "app/app.h"
#include "app/audit_keys.h"
#include "app/request.h"
#include "base/metrics.h"
#include "dapr/callback.h"
#include "dapr/sidecar.h"
#include "store/audit.h"
#include "store/audit_checkpoint.h"

struct auditor {
	struct db *db, *checker;
	struct sidecar *sidecar;
	struct audit_keys keys;
	struct audit *audit;
	struct audit_checkpointer *checkpointer;
	struct uuid id; /* whose leases are this process's */
	int64_t replay_after_ms;
	struct metric *gaps, *refused, *letters, *replayed, *open_letters, *checkpoints;
};

struct auditor *auditor_of(struct app *app);

extern const struct route AUDITOR_ROUTES[];
extern const struct subscription AUDITOR_SUBSCRIPTIONS[];

delivery_fn auditor_on_event, auditor_on_dead_letter;
cron_fn auditor_checkpoint, auditor_upkeep;
route_handler_fn auditor_task_history, auditor_history;

/*
 * An event that was delivered, as the trail keeps it. Older spellings and shapes are read too, and
 * types nobody knows. -EINVAL: it can never be kept: no user, a type that is wrong, a later
 * version, an id or a user that contradicts the envelope, too long; -ENOMEM. Pure.
 */
int auditor_read_event(struct arena *arena, struct str topic, const struct cloudevent *ce,
		       struct audit_event *ret, struct err *reterr) MUST_CHECK;
/* The bytes of the record in a raw delivery: the sidecar wraps them (data_base64). -ENOMEM. */
int auditor_read_record(struct arena *arena, struct str body, struct str *ret) MUST_CHECK;

#endif
