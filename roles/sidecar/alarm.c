/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timerfd on the loop.
 */
#include "alarm_private.h"

#include "base/log.h"
#include "base/time.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void on_fire(evutil_socket_t fd, short what, void *arg)
{
	struct alarm_clock *a = arg;
	LOOP_ENTER(a->loop);
	uint64_t n;

	(void)what;
	/* ECANCELED: the clock was set. Whatever comes, the callee looks at the clock itself. */
	if (read(fd, &n, sizeof(n)) < 0 && errno == EAGAIN)
		return;
	a->at_us = INT64_MAX;
	a->fn(a->arg);
}

int alarm_clock_open(struct alarm_clock *a, struct loop *l, loop_fn *fn, void *arg)
{
	*a = (struct alarm_clock){ .loop = l, .fd = -1, .at_us = INT64_MAX, .fn = fn, .arg = arg };
	a->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (a->fd < 0)
		return -errno;
	if (event_assign(&a->event, loop_base(l), a->fd, EV_READ | EV_PERSIST, on_fire, a) < 0 ||
	    event_add(&a->event, NULL) < 0) {
		close(a->fd);
		return -ENOMEM;
	}
	a->is_open = true;
	return 0;
}

void alarm_clock_set(struct alarm_clock *a, int64_t at_us)
{
	struct itimerspec spec = { 0 };

	if (a->at_us == at_us)
		return;
	a->at_us = at_us;
	if (at_us != INT64_MAX) {
		/* Rounded up, so that it never fires before; never zero, which would mean off. */
		int64_t us = at_us > 1 ? at_us : 1;
		spec.it_value.tv_sec = us / TIME_US_PER_S;
		spec.it_value.tv_nsec = us % TIME_US_PER_S * 1000;
	}
	if (timerfd_settime(a->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL) < 0)
		log_error("sidecar.alarm_failed", LOG_I64("errno", errno));
}

void alarm_clock_close(struct alarm_clock *a)
{
	if (!a->is_open)
		return;
	event_del(&a->event);
	close(a->fd);
	a->is_open = false;
}
