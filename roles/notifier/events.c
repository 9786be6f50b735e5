/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries: which part of the role an event is for. Types that nobody here knows, and what others
 * make of reminders, are done as soon as they come.
 */
#include "notifier_private.h"

#include "base/time.h"

#include <errno.h>

enum { EVENT_ARENA_BYTES = 64 * 1024 * 1024 };

int notifier_no_memory(struct err *reterr)
{
	err_unavailable(reterr, 1, "out of memory");
	return -ENOMEM;
}

/* ---- out ---- */

struct event_origin notifier_origin(const struct incoming *in)
{
	return (struct event_origin){
		.source = STR("notifier"),
		.user_id = in->event.user_id,
		.correlation_id = str_from(in->log.correlation_id),
		.causation_id = in->event.id,
		.trace_id = str_from(in->log.trace_id),
	};
}

static FIBER int publish_wait(struct notifier *n, struct str topic, struct str user_id,
			      struct str event_id, struct str json, int64_t until_ms,
			      struct err *reterr)
{
	const struct sidecar_entry entry = { event_id, user_id, json };
	int64_t pause_ms = 0;
	bool is_published;
	int r;

	do {
		r = sidecar_publish_wait(n->sidecar, topic, &entry, 1, &is_published, reterr);
		if (r == 0 && !is_published)
			r = -EAGAIN;
	} while (delivery_wait_again(r, until_ms, &pause_ms));
	return r;
}

FIBER int notifier_publish_wait(struct notifier *n, enum event_topic topic, struct str user_id,
				struct str event_id, struct str json, int64_t until_ms,
				struct err *reterr)
{
	return publish_wait(n, event_topic_name(topic), user_id, event_id, json, until_ms, reterr);
}

FIBER int notifier_bury_wait(struct notifier *n, const struct incoming *in, struct err *reterr)
{
	struct str topic = arena_printf(in->arena, "dlq.%.*s", STR_ARGS(in->topic));

	if (topic.p == NULL)
		return notifier_no_memory(reterr);
	return publish_wait(n, topic, in->event.user_id, in->event.id, in->body,
			    time_monotonic_ms() + PATIENCE_INLINE_MS, reterr);
}

/* ---- in ---- */

/* A copy of the delivery in an arena of its own, which may outlive it. */
static int take(const struct delivery *d, struct incoming *ret, struct err *reterr)
{
	const struct log_context *log = log_context_current();
	struct incoming in = { .arena = arena_new(EVENT_ARENA_BYTES), .topic = d->topic };
	struct cloudevent ce;
	int r = -ENOMEM;

	if (in.arena != NULL)
		in.body = arena_dup(in.arena, d->body);
	if (in.body.p != NULL)
		r = cloudevent_parse(in.arena, in.body, &ce, reterr);
	else
		notifier_no_memory(reterr);
	if (r == 0)
		r = delivery_read(in.arena, &ce, &in.event, reterr);
	if (r < 0) {
		arena_free(in.arena);
		return r;
	}
	if (log != NULL)
		in.log = *log;
	*ret = in;
	return 0;
}

static FIBER int on_reminder(struct app *app, const struct delivery *d, struct err *reterr)
{
	struct notifier *n = notifier_of(app);
	struct incoming in;
	int r = take(d, &in, reterr);

	if (r < 0)
		return r;
	if (delivery_is(&in.event, "reminder", "trigger"))
		return notifier_on_trigger(n, &in, reterr);
	if (delivery_is(&in.event, "reminder", "scheduled"))
		r = notifier_on_scheduled(n, &in, reterr);
	else if (delivery_is(&in.event, "reminder", "cancelled"))
		r = notifier_on_cancelled(n, &in, reterr);
	arena_free(in.arena);
	return r;
}

static FIBER int on_task_event(struct app *app, const struct delivery *d, struct err *reterr)
{
	struct incoming in;
	int r;

	/* What happens to tasks reaches reminders by events of their own. */
	if (!str_eq(d->event.type, STR("preferences.changed")))
		return 0;
	r = take(d, &in, reterr);
	return r < 0 ? r : notifier_on_preferences(notifier_of(app), &in, reterr);
}

const struct subscription NOTIFIER_SUBSCRIPTIONS[] = {
	{ "task-events", "dlq.task-events", false, on_task_event },
	{ "reminders", "dlq.reminders", false, on_reminder },
	{ .topic = NULL },
};
