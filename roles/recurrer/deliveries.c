/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which events are for this role, and waiting for the database. What an event says is only a
 * wake-up call: what is done depends on the rows.
 */
#include "recurrer_private.h"

#include "base/json.h"
#include "base/time.h"

#include <errno.h>

enum { EVENT_ID_MAX = 256 }; /* bytes; the inbox takes no longer ones */

/* What an event says of its task, as it stands. */
struct task_words {
	struct json_str completed, recurrence_rule;
};

static const struct json_field TASK_WORDS[] = {
	JSON_FIELD(struct task_words, completed, "completed", JSON_KIND_RAW),
	JSON_FIELD(struct task_words, recurrence_rule, "recurrence_rule", JSON_KIND_RAW),
	JSON_FIELD_END,
};

/* An event that does not say is asked about. */
static int read_words(struct arena *arena, struct str task, struct task_words *ret,
		      struct err *reterr)
{
	*ret = (struct task_words){ .completed = { .state = JSON_ABSENT } };
	return task.p != NULL ? json_parse(arena, task, "event.data.task", TASK_WORDS, ret, reterr)
			      : 0;
}

/* 1: the task may have a next instance to make or to take back; 0: not; -EINVAL, -ENOMEM. */
static int concerns_series(struct arena *arena, const struct delivered_event *e, struct err *reterr)
{
	bool is_flip = delivery_is(e, "task", "completed") || delivery_is(e, "task", "reopened");
	bool is_write = delivery_is(e, "task", "created") || delivery_is(e, "task", "updated");
	struct task_words words;

	if (e->task_id == DELIVERY_NONE || (!is_flip && !is_write))
		return 0;
	int r = read_words(arena, e->task, &words, reterr);
	if (r < 0)
		return r;
	if (words.recurrence_rule.state == JSON_NULL)
		return 0;
	return is_flip ||
	       (words.completed.state == JSON_SET && str_eq(words.completed.v, STR("true")) &&
		words.recurrence_rule.state == JSON_SET);
}

static int read_event(const struct delivery *d, struct delivered_event *ret, struct err *reterr)
{
	if (d->event.id.n > EVENT_ID_MAX)
		return err_set(reterr, &ERR_INVALID, "event.id", "has more than %d bytes",
			       EVENT_ID_MAX);
	return delivery_read(d->arena, d->body, &d->event, ret, reterr);
}

FIBER int recurrer_on_task_event(struct app *app, const struct delivery *d, struct err *reterr)
{
	int64_t until_ms = time_monotonic_ms() + DELIVERY_WAIT_MS, pause_ms = 0;
	struct delivered_event e;
	int r = read_event(d, &e, reterr);

	if (r == 0)
		r = concerns_series(d->arena, &e, reterr);
	if (r <= 0)
		return r;
	const struct recurring_key key = { e.user_id, e.task_id, e.id };
	do
		r = recurrer_settle(recurrer_of(app), d->arena, &key, reterr);
	while (delivery_wait_again(r, until_ms, &pause_ms));
	return r;
}

FIBER int recurrer_on_reminder_event(struct app *app, const struct delivery *d, struct err *reterr)
{
	int64_t until_ms = time_monotonic_ms() + DELIVERY_WAIT_MS, pause_ms = 0;
	struct delivered_event e;
	int r = read_event(d, &e, reterr);

	if (r < 0)
		return r;
	do
		r = recurrer_take_outcome(recurrer_of(app), d->arena, &e, reterr);
	while (delivery_wait_again(r, until_ms, &pause_ms));
	return r;
}

const struct subscription RECURRER_SUBSCRIPTIONS[] = {
	{ "task-events", "dlq.task-events", false, recurrer_on_task_event },
	{ "reminders", "dlq.reminders", false, recurrer_on_reminder_event },
	{ .topic = NULL },
};
