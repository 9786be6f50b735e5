/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record to one app: how it is sent, and what the answer means.
 */
#ifndef SIDECAR_DELIVERY_PRIVATE_H
#define SIDECAR_DELIVERY_PRIVATE_H

#include "consumer_private.h"

enum verdict {
	VERDICT_DONE,
	VERDICT_RETRY,	/* again, a few times, then a dead letter */
	VERDICT_DROP,	/* a dead letter at once; without a topic for them it is gone */
	VERDICT_POISON, /* a dead letter at once; without a topic for them the partition waits */
};

/* What an answer to an event means (docs.dapr.io, pub/sub; 404 as since Dapr 1.18). */
enum verdict verdict_of(struct arena *arena, int status, struct str body);

/*
 * Delivers until it is settled: done, dropped, or in the dead letters. 0; -EAGAIN: the partition
 * has gone to another instance or to nobody, and the record is not settled; -ECANCELED.
 */
FIBER int delivery_settle_wait(struct partition *p, struct arena *arena, struct kept *m);

/* As url.QueryEscape of Go, for header values. .p NULL when out of memory. */
struct str delivery_escape(struct arena *arena, struct str s);

#endif
