/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A one-shot timer by the wall clock (timerfd, CLOCK_REALTIME): it fires at an instant, also when
 * the machine slept over it or the clock was set. May fire early for nothing when the clock is set.
 */
#ifndef SIDECAR_ALARM_PRIVATE_H
#define SIDECAR_ALARM_PRIVATE_H

#include "loop/loop.h"

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct alarm_clock {
	struct event event;
	struct loop *loop;
	int fd;
	bool is_open;
	int64_t at_us; /* INT64_MAX: off */
	loop_fn *fn;
	void *arg;
};

int alarm_clock_open(struct alarm_clock *a, struct loop *l, loop_fn *fn, void *arg) MUST_CHECK;
/* Past: at once. INT64_MAX: never. */
void alarm_clock_set(struct alarm_clock *a, int64_t at_us);
void alarm_clock_close(struct alarm_clock *a); /* also of one that is all zeros */

#endif
