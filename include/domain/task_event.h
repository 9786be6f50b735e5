/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event that a change of a task leaves: a complete CloudEvent 1.0 in JSON. Pure.
 */
#ifndef DOMAIN_TASK_EVENT_H
#define DOMAIN_TASK_EVENT_H

#include "base/buf.h"
#include "base/uuid.h"
#include "domain/task.h"

enum task_event_kind {
	TASK_EVENT_CREATED,
	TASK_EVENT_UPDATED,
	TASK_EVENT_COMPLETED,
	TASK_EVENT_REOPENED,
	TASK_EVENT_DELETED,
	_TASK_EVENT_KIND_MAX,
};

struct task_event {
	enum task_event_kind kind;
	struct uuid id;
	int64_t at_us;
	struct str source; /* the role that made it: "chat-api" */
	struct str correlation_id;
	struct str causation_id;   /* .p NULL: none */
	struct str trace_id;	   /* 32 hex digits, or empty */
	const struct task *before; /* NULL for created */
	const struct task *after;  /* for deleted: the task as it was last, version + 1 */
};

/* "task.created" ... */
struct str task_event_type(enum task_event_kind k);
/* The whole event, with the whole task and the fields that changed. */
void task_event_write(struct buf *out, const struct task_event *e);
/* Partition of a user's events, 0..15: hash_stable64(user_id) % 16. */
int task_event_partition(struct str user_id);

#endif
