/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes of the Dapr listener, made from a role's tables of subscriptions, crons and jobs, and
 * what becomes of each delivery: a fiber, a status that the sidecar reads, a line in the log under
 * the ids of the request that the event is from.
 */
#ifndef CALLBACKS_PRIVATE_H
#define CALLBACKS_PRIVATE_H

#include "app_private.h"

enum { SUBSCRIPTIONS_JSON_MAX = 64 * 1024 };

struct callbacks;

/* app_token: what the sidecar must send; empty: nothing is asked for. What is pointed at must
 * outlive it. NULL when out of memory. */
struct callbacks *callbacks_new(const struct role *role, const char *pubsub, struct str app_token);
/* Accepts NULL. */
void callbacks_free(struct callbacks *c);
const struct route *callbacks_routes(const struct callbacks *c);
/*
 * Whether a request of the Dapr listener may go on: the sidecar's token (401), and for callbacks no
 * caller, who would be a peer by invocation, for other routes one (403).
 */
int callbacks_admit(const struct callbacks *c, const struct request *rq, struct err *reterr);

/* The list of subscriptions of a role, which may have none. */
void role_subscriptions(const struct role *role, const char *pubsub, struct buf *out);

#endif
