/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reminders of a task: when, by which channels, in which state. Pure.
 */
#ifndef DOMAIN_REMINDER_H
#define DOMAIN_REMINDER_H

#include "base/err.h"
#include "base/json_out.h"
#include "base/uuid.h"
#include "domain/channels.h"

#include <stdbool.h>
#include <stdint.h>

enum { REMINDERS_OF_TASK_MAX = 10 };

/* A reminder at a time of its own, not so many minutes before the task is due. */
enum { REMINDER_NO_OFFSET = -1 };

enum reminder_status {
	REMINDER_PENDING,   /* will fire */
	REMINDER_TRIGGERED, /* is being sent */
	REMINDER_RETRYING,  /* a try failed, another one follows */
	REMINDER_SENT,
	REMINDER_FAILED,
	REMINDER_CANCELLED, /* the task was completed before */
	_REMINDER_STATUS_MAX,
};

struct reminder {
	struct uuid id;
	int64_t task_id;
	int64_t remind_at_us;
	int64_t offset_minutes; /* before the task is due; REMINDER_NO_OFFSET */
	unsigned channels;	/* those in force */
	bool has_own_channels;	/* else they are the user's */
	enum reminder_status status;
	int64_t sent_at_us; /* 0: not sent */
	int64_t retry_count;
	struct str last_error; /* .p NULL: none */
	int64_t version;       /* 1 at first, one more with each change */
};

extern const struct err_kind ERR_REMINDER_NOT_FOUND; /* 404 */

/* "pending" ... */
struct str reminder_status_name(enum reminder_status s);
/* 0 or -EINVAL. */
int reminder_status_parse(struct str name, enum reminder_status *ret) MUST_CHECK;
/* Whether it may still fire: pending, triggered, retrying. */
bool reminder_is_live(const struct reminder *r);
/* Soonest first, then by id: the order in which a task has them. */
void reminders_sort(struct reminder *list, size_t n);
void reminder_write_json(struct json_out *o, const struct reminder *r);

#endif
