/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop that a test runs until no fiber is left: who waits for what never comes fails by the
 * test's own time limit.
 */
#ifndef TEST_FIBER_LOOP_H
#define TEST_FIBER_LOOP_H

#include "loop/fiber.h"
#include "loop/loop.h"
#include "loop/timer.h"

#include <check.h>

static struct loop *loop;
static struct timer watcher;

static void stop_when_idle(void *arg)
{
	(void)arg;
	if (fiber_count() == 0)
		loop_stop(loop);
	else
		ck_assert_int_eq(timer_start(&watcher, 1), 0);
}

static void fiber_loop_setup(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	timer_init(&watcher, loop, stop_when_idle, NULL);
}

/* After everything else that is on the loop. */
static void fiber_loop_teardown(void)
{
	timer_done(&watcher);
	fiber_done();
	loop_free(loop);
}

static void run_until_idle(void)
{
	ck_assert_int_eq(timer_start(&watcher, 1), 0);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_uint_eq(fiber_count(), 0);
}

/* Runs fn on a fiber, and the loop until no fiber is left. */
static inline void on_fiber(fiber_fn *fn, void *arg)
{
	ck_assert_int_eq(fiber_spawn(loop, "test", fn, arg, NULL, NULL), 0);
	run_until_idle();
}

#endif
