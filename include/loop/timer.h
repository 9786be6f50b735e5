/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One-shot timers, embedded in what they act on. timer_init before anything else; timer_done before
 * the memory goes.
 */
#ifndef LOOP_TIMER_H
#define LOOP_TIMER_H

#include "loop/loop.h"

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct timer {
	struct event event; /* libevent's, in place: no allocation */
	loop_fn *fn;
	void *arg;
	struct loop *loop;
};

void timer_init(struct timer *t, struct loop *l, loop_fn *fn, void *arg);
/* Starts or restarts; 0 ms means the next turn. -EIO. */
int timer_start(struct timer *t, int64_t delay_ms);
void timer_stop(struct timer *t);
bool timer_is_running(const struct timer *t);
void timer_done(struct timer *t);

#endif
