/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every write of a user carries beside its rows, in the same statement: the events that tell
 * of it, and the answer when the client gave a key. So a change and its events are there together
 * or not at all, and a repeated key finds what the first one was answered.
 */
#ifndef STORE_CHANGE_H
#define STORE_CHANGE_H

#include "domain/event.h"
#include "store/idempotency.h"

struct store_change {
	struct str user_id;
	const struct event *events; /* rendered; published in this order */
	size_t n_events;
	const struct idempotency_key *key;	 /* NULL: no Idempotency-Key */
	const struct idempotency_answer *answer; /* with key; same_body is not read */
};

#endif
