/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reminder as its events tell of it, for those who have no other source: read from the payload of
 * one event, written into the next. Pure.
 */
#ifndef DOMAIN_REMINDER_NOTICE_H
#define DOMAIN_REMINDER_NOTICE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "domain/event.h"

#include <stdbool.h>

/* How late a reminder is, where nobody said it. */
enum { NOTICE_NOT_LATE = -1 };

struct reminder_notice {
	struct uuid reminder_id;
	int64_t task_id;
	struct str title; /* 1 to 200 characters */
	int64_t remind_at_us;
	struct str due_date;  /* a day or an instant, as events show it; .p NULL: none */
	struct str time_zone; /* of the task; .p NULL: none */
	bool has_own_channels;
	unsigned channels; /* its own, as far as they are known here; 0: none */
	int64_t version;
	int64_t late_by_s; /* or NOTICE_NOT_LATE */
	int64_t attempt;   /* of a trigger by a job: which try it is for; 0: not said */
};

/* What became of one try. */
struct reminder_outcome {
	int64_t attempt;     /* from 1 */
	unsigned via;	     /* sent: by which channels */
	struct str error;    /* failed: why, UTF-8; .p NULL: it was sent */
	int64_t retry_at_us; /* failed: when it is tried again; 0: never */
};

/* The payload of any event of a reminder. Strings live in the arena. -EINVAL: what makes it a
 * reminder is missing or wrong; -ENOMEM. Keys nobody knows are ignored. */
int reminder_notice_parse(struct arena *arena, struct str payload, struct reminder_notice *ret,
			  struct err *reterr) MUST_CHECK;

/* Each appends one whole event under the id and time of *e, whose topic, type, task and sequence
 * they set. */
void reminder_notice_write_trigger(struct buf *out, const struct event_origin *origin,
				   struct event *e, const struct reminder_notice *n);
/* reminder.sent or reminder.failed */
void reminder_notice_write_outcome(struct buf *out, const struct event_origin *origin,
				   struct event *e, const struct reminder_notice *n,
				   const struct reminder_outcome *o);
/* notification: for screens */
void reminder_notice_write_notification(struct buf *out, const struct event_origin *origin,
					struct event *e, const struct reminder_notice *n);

#endif
