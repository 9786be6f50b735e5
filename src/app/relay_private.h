/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox relay of a process: one fiber that publishes the events of the partitions it holds,
 * in bulk, and takes away what the broker has. At least once, in the order of each user's events of
 * a topic. It never stands in the way of a request: writers only poke it.
 */
#ifndef RELAY_PRIVATE_H
#define RELAY_PRIVATE_H

#include "base/err.h"
#include "dapr/sidecar.h"
#include "loop/loop.h"
#include "net/db.h"

#include <stdbool.h>

struct relay;

/* db: a pool of its own, as the role of relays. Both must outlive the relay. stands_in: it
 * publishes only while no other relay is known that does not stand in. NULL when out of memory. */
struct relay *relay_new(struct loop *l, struct db *db, struct sidecar *sidecar, bool stands_in);
/* -EAGAIN or -ENOMEM: no fiber. */
int relay_start(struct relay *r, struct err *reterr) MUST_CHECK;
/* Something was committed. From any fiber or callback; accepts NULL. */
void relay_poke(struct relay *r);
/* Finishes what is under way, gives the partitions back and ends. Accepts NULL. */
void relay_stop(struct relay *r);
/* Its fiber has not ended. Accepts NULL. */
bool relay_is_running(const struct relay *r);
/* Accepts NULL. Its fiber has ended. */
void relay_free(struct relay *r);

#endif
