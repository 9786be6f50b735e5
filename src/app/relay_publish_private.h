/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn's events to the broker, a batch for each topic, and what became of each.
 */
#ifndef RELAY_PUBLISH_PRIVATE_H
#define RELAY_PUBLISH_PRIVATE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/metrics.h"
#include "dapr/sidecar.h"
#include "relay_holds_private.h"
#include "store/outbox.h"

enum { RELAY_BATCH_BYTES_MAX = 2 * 1024 * 1024 }; /* half of what a sidecar takes */

struct relay_publisher {
	struct sidecar *sidecar;
	struct relay_holds holds;
	struct outbox_ref done[OUTBOX_TURN_MAX]; /* published, not yet taken away */
	size_t n_done;
	struct arena *words; /* of one event, while it is logged */
	struct metric *failed, *held, *seconds;
};

/* 0 or -ENOMEM. */
int relay_publisher_init(struct relay_publisher *p, struct sidecar *s) MUST_CHECK;
void relay_publisher_done(struct relay_publisher *p);
/*
 * Publishes what it can begin before until_ms (monotonic); each event goes to done, or its user or
 * topic is held, or it stays for the next turn. 0; -EAGAIN: the sidecar cannot be reached;
 * -ECANCELED; -ENOMEM.
 */
FIBER int relay_publish_wait(struct relay_publisher *p, struct arena *arena,
			     const struct outbox_event *events, size_t n, int64_t until_ms,
			     struct err *reterr) MUST_CHECK;

#endif
