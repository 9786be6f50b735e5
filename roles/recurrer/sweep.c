/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each ten seconds, by one process: reminders that are due and of which nobody told that they went
 * out, then recurring tasks whose event got lost. Each hour: what the inbox need not know any more.
 */
#include "recurrer_private.h"

#include "base/log.h"
#include "base/time.h"
#include "domain/task_event.h"
#include "store/inbox.h"
#include "store/lease.h"
#include "store/reminder_sweep.h"

#include <errno.h>

enum {
	LEASE_MS = 9 * 1000, /* renewed with each page */
	PAGES_MAX = 100,     /* of one tick */
	BUG_DELAY_S = 600,
	TICK_ARENA_BYTES = 64 * 1024 * 1024,
	EVENT_BYTES_MAX = 8 * 1024,
	UPKEEP_LEASE_MS = 60 * 1000,
	UPKEEP_PAGES_MAX = 1000,
};

static const struct str SWEEP_LEASE = STR_INIT("reminder-sweep");
static const struct str UPKEEP_LEASE = STR_INIT("inbox-upkeep");

/* One page. 1: there may be more; 0: there is not; < 0. */
typedef FIBER int page_fn(struct recurrer *rc, struct arena *arena, struct err *reterr);

/* ---- reminders ---- */

static int render_trigger(struct arena *arena, const struct due_reminder *d, int64_t now_us,
			  struct event *ret)
{
	const struct event_origin origin =
		recurrer_origin(d->task.user_id, (struct str){ NULL, 0 });
	struct buf *out = arena_buf(arena, EVENT_BYTES_MAX);
	int64_t late_by_s = (now_us - d->reminder.remind_at_us) / TIME_US_PER_S;

	if (out == NULL)
		return -ENOMEM;
	*ret = (struct event){ .id = uuid_v7(), .at_us = now_us };
	reminder_trigger_write(out, &origin, ret, &d->reminder, &d->task, late_by_s);
	ret->json = buf_str(out);
	return buf_status(out) < 0 ? -ENOMEM : 0;
}

static int render_triggers(struct arena *arena, const struct due_reminders *due,
			   struct event **ret_events, struct err *reterr)
{
	struct event *events = arena_alloc(arena, due->n * sizeof(*events));
	int r = events != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < due->n; i++)
		r = render_trigger(arena, &due->list[i], due->now_us, &events[i]);
	*ret_events = events;
	return r < 0 ? err_unavailable(reterr, 1, "out of memory") : 0;
}

static FIBER int trigger_page(struct recurrer *rc, struct arena *arena, struct err *reterr)
{
	struct due_reminders due;
	struct event *events;
	size_t n = 0;
	int r = reminder_due_wait(rc->sweeper, arena, &due, reterr);

	if (r < 0 || due.n == 0)
		return r;
	r = render_triggers(arena, &due, &events, reterr);
	if (r == 0)
		r = reminder_trigger_wait(rc->sweeper, arena, &due, events, &n, reterr);
	if (r < 0)
		return r;
	metric_add(rc->triggered, n);
	app_poke_relay(rc->app);
	log_info("reminder.swept", LOG_I64("n", (int64_t)n),
		 LOG_I64("oldest_late_by_s",
			 (due.now_us - due.list[0].reminder.remind_at_us) / TIME_US_PER_S));
	/* Those that somebody writes to this moment are for the next tick. */
	return n > 0 && due.n == REMINDER_SWEEP_MAX;
}

/* ---- tasks ---- */

static bool may_pass(int r)
{
	return r == -EAGAIN || r == -ETIME || r == -ECANCELED || r == -ESTALE;
}

/* One that can't be settled must not be first in line for ever. */
static FIBER int settle_one(struct recurrer *rc, struct arena *arena,
			    const struct recurring_key *key, struct err *reterr)
{
	int r = recurrer_settle(rc, arena, key, reterr);

	if (r == 0 || may_pass(r))
		return r;
	log_err(LOG_ERROR, "task.not_settled", reterr);
	return recurring_postpone_wait(rc->db, key, BUG_DELAY_S, reterr);
}

static FIBER int settle_page(struct recurrer *rc, struct arena *arena, struct err *reterr)
{
	struct arena *own = arena_new(TICK_ARENA_BYTES); /* of one task */
	const struct recurring_key *keys;
	size_t n = 0;
	int r = own != NULL ? recurring_unsettled_wait(rc->sweeper, arena, &keys, &n, reterr)
			    : err_unavailable(reterr, 1, "out of memory");

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = settle_one(rc, own, &keys[i], reterr);
		arena_reset(own);
	}
	arena_free(own);
	return r < 0 ? r : n == RECURRING_PAGE_MAX;
}

/* ---- ticks ---- */

/* Each page under a lease that is taken anew: a process that hangs lets another one go on. */
static FIBER int run_pages(struct recurrer *rc, struct str lease, int64_t lease_ms, int pages_max,
			   page_fn *page, struct err *reterr)
{
	struct arena *arena = arena_new(TICK_ARENA_BYTES);
	int r = arena != NULL ? 1 : err_unavailable(reterr, 1, "out of memory");

	for (int i = 0; r == 1 && i < pages_max; i++) {
		bool is_mine = false;

		r = lease_take_wait(rc->db, lease, &rc->id, lease_ms, &is_mine, reterr);
		if (r == 0 && is_mine)
			r = page(rc, arena, reterr);
		arena_reset(arena);
	}
	arena_free(arena);
	return r < 0 ? r : 0;
}

FIBER int recurrer_sweep(struct app *app, struct err *reterr)
{
	struct recurrer *rc = recurrer_of(app);

	if (rc->is_sweeping) /* a tick that takes longer than ten seconds */
		return 0;
	rc->is_sweeping = true;
	int r = run_pages(rc, SWEEP_LEASE, LEASE_MS, PAGES_MAX, trigger_page, reterr);
	if (r == 0)
		r = run_pages(rc, SWEEP_LEASE, LEASE_MS, PAGES_MAX, settle_page, reterr);
	rc->is_sweeping = false;
	return r;
}

static FIBER int expire_page(struct recurrer *rc, struct arena *arena, struct err *reterr)
{
	int64_t n = 0;
	int r = inbox_expire_wait(rc->db, &n, reterr);

	(void)arena;
	return r < 0 ? r : n > 0;
}

FIBER int recurrer_upkeep(struct app *app, struct err *reterr)
{
	return run_pages(recurrer_of(app), UPKEEP_LEASE, UPKEEP_LEASE_MS, UPKEEP_PAGES_MAX,
			 expire_page, reterr);
}
