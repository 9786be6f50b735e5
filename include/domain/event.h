/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope that all events share: a complete CloudEvent 1.0 in JSON (structured mode) whose
 * data says who, what, when and why. Pure.
 */
#ifndef DOMAIN_EVENT_H
#define DOMAIN_EVENT_H

#include "base/buf.h"
#include "base/json_out.h"
#include "base/str.h"
#include "base/uuid.h"

enum event_topic {
	EVENT_TASK_EVENTS,  /* what happened to tasks and preferences: every reader of truth */
	EVENT_REMINDERS,    /* the life of reminders */
	EVENT_TASK_UPDATES, /* for screens: fire and forget */
	_EVENT_TOPIC_MAX,
};

/* What the events of one request have in common. */
struct event_origin {
	struct str source; /* the role that made it: "chat-api" */
	struct str user_id;
	struct str correlation_id;
	struct str causation_id; /* .p NULL: none */
	struct str trace_id;	 /* 32 hex digits, or empty */
};

struct event {
	struct uuid id;
	enum event_topic topic;
	struct str type;  /* "task.created" */
	int64_t task_id;  /* 0: about no task */
	int64_t sequence; /* the version of what it tells of */
	int64_t at_us;
	struct str json; /* the finished event, once somebody rendered it */
};

typedef void event_payload_fn(struct json_out *o, const void *arg);

/* "task-events" ... */
struct str event_topic_name(enum event_topic t);
/* Partition of a user's events, 0..15: hash_stable64(user_id) % 16. */
int event_partition(struct str user_id);
/* Appends the whole event; payload writes one JSON value. */
void event_write(struct buf *out, const struct event_origin *origin, const struct event *e,
		 event_payload_fn *payload, const void *arg);

#endif
