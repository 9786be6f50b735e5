/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sidecar calls an app for: events, cron ticks, jobs. Handlers run on fibers and return what
 * became of it; the answer's status is the protocol that the sidecar reads.
 */
#ifndef DAPR_CALLBACK_H
#define DAPR_CALLBACK_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "dapr/cloudevent.h"
#include "loop/fiber.h"

#include <stdbool.h>
#include <stdint.h>

struct app;

/* One event that was delivered. */
struct delivery {
	struct arena *arena;
	struct str topic;		   /* as subscribed */
	struct str body;		   /* as it came */
	struct cloudevent event;	   /* not of a raw subscription */
	struct str key, partition, offset; /* the broker's, for logs; .p NULL: unknown */
};

/*
 * 0: done, or not for us: 200. -EINVAL: it can never be done: 422, a dead letter at once. Anything
 * else: 503, tried again. reterr is logged by the caller, once.
 */
typedef FIBER int delivery_fn(struct app *app, const struct delivery *d, struct err *reterr);
/* 0: 200; else 503, and the next tick comes anyway. */
typedef FIBER int cron_fn(struct app *app, struct err *reterr);
/* data: what the job was made with, as JSON. 0: done. -EINVAL: it can never be done, which ends it
 * and is an error in the log: 200. Anything else: 503, tried again as its policy says. */
typedef FIBER int job_fn(struct app *app, struct str name, struct str data, struct arena *arena,
			 struct err *reterr);

/* A table ends with a NULL topic. */
struct subscription {
	const char *topic;
	const char *dead_letter; /* topic; NULL: none */
	bool raw;		 /* the record's bytes, which need not be an event */
	delivery_fn *handler;
};

/* A table ends with a NULL name: that of the binding, whose component has the schedule. */
struct cron {
	const char *name;
	cron_fn *handler;
	const char *schedule; /* "@every 60s"; for --role=all, which has no component */
};

/* Where the sidecar calls an app, beside the paths of its subscriptions and crons. */
#define CALLBACK_HEALTH_PATH "/healthz"
#define CALLBACK_DOCUMENT_PATH "/dapr/{document}"
#define CALLBACK_JOB_PATH "/job/{name}"

/* GET /dapr/subscribe, for this pubsub component. */
void subscriptions_write(struct buf *out, const char *pubsub, const struct subscription *table);
/* Where events of a topic are posted: "/events/task-events". */
struct str subscription_path(const struct subscription *s, char out[128]);

#endif
