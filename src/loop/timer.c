/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One-shot timers on libevent's heap. The event struct lies inside the timer, so that starting one
 * that is running already only moves it. libevent counts on a coarse monotonic clock: a timer is
 * never early by more than one of its ticks (4 ms), and wall-clock jumps don't touch it.
 */
#include "loop/timer.h"

#include <errno.h>
#include <event2/event.h>

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct timer *t = arg;
	LOOP_ENTER(t->loop);

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

void timer_init(struct timer *t, struct loop *l, loop_fn *fn, void *arg)
{
	t->fn = fn;
	t->arg = arg;
	t->loop = l;
	/* event_assign refuses only bad flags, and these are constant. */
	evtimer_assign(&t->event, loop_base(l), on_timer, t);
}

int timer_start(struct timer *t, int64_t delay_ms)
{
	struct timeval tv;

	if (delay_ms < 0)
		delay_ms = 0;
	tv.tv_sec = (time_t)(delay_ms / 1000);
	tv.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000);
	return evtimer_add(&t->event, &tv) < 0 ? -EIO : 0;
}

void timer_stop(struct timer *t)
{
	evtimer_del(&t->event);
}

bool timer_is_running(const struct timer *t)
{
	return evtimer_pending(&t->event, NULL) != 0;
}

void timer_done(struct timer *t)
{
	evtimer_del(&t->event);
}
