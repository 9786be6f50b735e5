/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the consumers of events have in common: reading what others wrote, older shapes among it,
 * and waiting for the database before a delivery is given back.
 */
#ifndef APP_DELIVERY_H
#define APP_DELIVERY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "dapr/cloudevent.h"
#include "loop/fiber.h"

#include <stdbool.h>
#include <stdint.h>

/* A number that is not there. */
#define DELIVERY_NONE INT64_MIN

struct delivered_event {
	struct str id, type; /* type: as its producer called it, whatever wrapped it */
	struct str user_id;
	int64_t task_id, sequence; /* DELIVERY_NONE: none */
	int64_t at_us;		   /* what it says, else when it was read */
	struct str payload;	   /* the object that tells of it; .p NULL: none */
	struct str task_data;	   /* the task, where older programs put it; .p NULL: not there */
};

/*
 * Older spellings and shapes are read too (flat data, task_data, numbers where texts belong), and
 * types nobody knows. Strict is what decides whose event it is, and that it is the event it says.
 * Views of the event and strings in the arena. -EINVAL: it can never be taken: no user, a later
 * version, an id or a user that contradicts the envelope; -ENOMEM. Pure but for the clock.
 */
int delivery_read(struct arena *arena, const struct cloudevent *ce, struct delivered_event *ret,
		  struct err *reterr) MUST_CHECK;
/* The task that it tells of, as an object; .p NULL: of none. A view. -EINVAL, -ENOMEM. */
int delivery_task(struct arena *arena, const struct delivered_event *e, struct str *ret,
		  struct err *reterr) MUST_CHECK;
/* Whether a type says this of that noun: ("task", "completed") is task.completed, TASK_COMPLETED
 * and completed. */
bool delivery_is(const struct delivered_event *e, const char *noun, const char *verb);

enum { DELIVERY_WAIT_MS = 8000 }; /* for the database; the sidecar gives up after 10 s */

/* Whether it makes sense to ask again soon: the database was away. Sleeps before it says yes; no
 * when the time is over. pause_ms: 0 at first. */
FIBER bool delivery_wait_again(int r, int64_t until_ms, int64_t *pause_ms);

#endif
