/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One task and the instances after it. Each round reads, decides, and writes one thing in one
 * transaction; whoever loses a race reads again. A round that is repeated, after a kill in between
 * or by another process, finds what is left to do or nothing.
 */
#include "recurrer_private.h"

#include "base/log.h"
#include "domain/task_event.h"
#include "domain/task_next.h"
#include "store/inbox.h"

#include <errno.h>

enum { QUOTA_DELAY_S = 3600 };

struct settling {
	struct recurrer *rc;
	struct arena *arena;
	const struct recurring_key *key;
	struct recurring_view view;
	struct event events[TASK_EVENTS_MAX];
	struct recurring_change change;
};

static int render(struct settling *s, enum task_event_kind kind, const struct task *before,
		  const struct task *after, struct err *reterr)
{
	const struct event_origin origin = recurrer_origin(s->key->user_id, s->key->event_id);
	struct str unused;
	int r = task_events_render(s->arena, &origin, uuid_v7, kind, before, after, s->events,
				   &s->change.n_events, &unused);

	s->change.events = s->events;
	return r < 0 ? err_unavailable(reterr, 1, "out of memory") : 0;
}

/* 1: there is another round. */
static int again(int r)
{
	return r == -ESTALE ? 1 : r;
}

static FIBER int settle(struct settling *s, struct err *reterr)
{
	return again(recurring_settle_wait(s->rc->db, &s->change, reterr));
}

static void tell_made(struct settling *s, const struct task *next)
{
	bool is_by_event = s->key->event_id.p != NULL;

	metric_add(is_by_event ? s->rc->made_by_event : s->rc->made_by_sweep, 1);
	log_info("task.recurred", LOG_I64("parent_task_id", s->key->task_id),
		 LOG_I64("task_id", next->id), LOG_I64("occurrence", next->occurrence),
		 LOG_BOOL("swept", !is_by_event));
	app_poke_relay(s->rc->app);
}

static FIBER int make(struct settling *s, struct err *reterr)
{
	struct task_next n = { .done = &s->view.task, .now_us = s->view.now_us, .new_id = uuid_v7 };
	struct task next;
	int r = task_ids_next_wait(&s->rc->ids, s->rc->db, &n.id, reterr);

	if (r < 0)
		return r;
	r = task_next_make(s->arena, &n, &next);
	if (r < 0)
		return err_unavailable(reterr, 1, "out of memory");
	if (r == 0)
		return settle(s, reterr); /* that was the last */
	r = render(s, TASK_EVENT_RECURRED, NULL, &next, reterr);
	if (r == 0)
		r = recurring_make_wait(s->rc->db, s->arena, &s->change, &next, reterr);
	if (r == 0)
		tell_made(s, &next);
	return again(r);
}

static FIBER int take_back(struct settling *s, struct err *reterr)
{
	const struct task *surplus = &s->view.surplus;
	struct task last = *surplus;

	last.version++;
	last.updated_at_us = s->view.now_us;
	int r = render(s, TASK_EVENT_DELETED, surplus, &last, reterr);
	if (r == 0)
		r = recurring_take_back_wait(s->rc->db, s->arena, &s->change, &last, reterr);
	if (r < 0)
		return again(r);
	metric_add(s->rc->taken_back, 1);
	log_info("task.taken_back", LOG_I64("parent_task_id", s->key->task_id),
		 LOG_I64("task_id", last.id), LOG_I64("occurrence", last.occurrence));
	app_poke_relay(s->rc->app);
	return 1;
}

/* The user has no room for another task; the sweep asks again. */
static FIBER int put_off(struct settling *s, struct err *reterr)
{
	metric_add(s->rc->refused, 1);
	log_warn("task.not_recurred", LOG_I64("parent_task_id", s->key->task_id),
		 LOG_CSTR("reason", "the user holds as many tasks as he may"));
	int r = recurring_postpone_wait(s->rc->db, s->key, QUOTA_DELAY_S, reterr);
	if (r < 0 || s->key->event_id.p == NULL)
		return r;
	return inbox_note_wait(s->rc->db, s->key->event_id, reterr);
}

static FIBER int note(struct settling *s, struct err *reterr)
{
	if (s->key->event_id.p == NULL || s->view.is_processed)
		return 0;
	return inbox_note_wait(s->rc->db, s->key->event_id, reterr);
}

/* 0: settled; 1: read again; < 0. */
static FIBER int one_round(struct settling *s, struct err *reterr)
{
	const struct recurring_view *v = &s->view;
	int r = recurring_read_wait(s->rc->db, s->arena, s->key, &s->view, reterr);

	if (r < 0)
		return r;
	s->change = (struct recurring_change){ .key = s->key, .version = v->task.version };
	if (v->is_processed || !v->is_unsettled || !v->found)
		return note(s, reterr);
	if (v->has_surplus)
		return take_back(s, reterr);
	if (!v->task.completed || v->task.recurrence_rule.p == NULL || v->has_next)
		return settle(s, reterr);
	return v->n_tasks < TASK_QUOTA ? make(s, reterr) : put_off(s, reterr);
}

FIBER int recurrer_settle(struct recurrer *rc, struct arena *arena, const struct recurring_key *key,
			  struct err *reterr)
{
	struct settling *s = arena_calloc(arena, 1, sizeof(*s));

	if (s == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	s->rc = rc;
	s->arena = arena;
	s->key = key;
	for (int tries = 0; tries < OUT_OF_DATE_TRIES_MAX; tries++) {
		int r = one_round(s, reterr);

		if (r <= 0)
			return r;
	}
	err_unavailable(reterr, 1, "the task is being changed by others");
	return -ESTALE;
}
