/* SPDX-License-Identifier: Apache-2.0 */
/* Deferred calls run in order, once, within their bound, and beside sockets and signals. */
#include "loop/loop.h"

#include "base/time.h"
#include "loop/timer.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct loop *l;
static char trace[64];
static size_t n_trace;

/* A text as an argument of a callback that only reads it. */
static void *text(const char *s)
{
	return (void *)(uintptr_t)s;
}

static void setup(void)
{
	l = loop_new();
	ck_assert_ptr_nonnull(l);
	n_trace = 0;
}

static void teardown(void)
{
	loop_free(l);
}

static void note(void *arg)
{
	ck_assert_uint_lt(n_trace, sizeof(trace) - 1);
	trace[n_trace++] = *(const char *)arg;
	trace[n_trace] = '\0';
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(l);
}

START_TEST(deferred_calls_run_in_order)
{
	struct loop_task a, b, c, end;

	loop_task_init(&a, note, text("a"));
	loop_task_init(&b, note, text("b"));
	loop_task_init(&c, note, text("c"));
	loop_task_init(&end, stop, NULL);
	loop_defer(l, &b);
	loop_defer(l, &a);
	loop_defer(l, &b); /* queued already: keeps its place */
	loop_defer(l, &c);
	loop_undefer(l, &c);
	loop_undefer(l, &c); /* not queued: nothing */
	loop_defer(l, &end);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_str_eq(trace, "ba");
}
END_TEST

static struct loop_task again;
static unsigned rounds;

static void run_again(void *arg)
{
	(void)arg;
	rounds++;
	loop_defer(l, &again);
}

static void on_pipe(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	loop_stop(l);
}

START_TEST(endless_deferring_leaves_room_for_sockets)
{
	struct event *e;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	e = event_new(loop_base(l), fds[0], EV_READ, on_pipe, NULL);
	ck_assert_ptr_nonnull(e);
	event_add(e, NULL);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	loop_task_init(&again, run_again, NULL);
	loop_defer(l, &again);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_uint_ge(rounds, 1);
	loop_undefer(l, &again);
	event_free(e);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static void defer_from_task(void *arg)
{
	loop_defer(l, arg);
}

START_TEST(a_call_may_defer_another_in_the_same_turn)
{
	struct loop_task first, second;

	loop_task_init(&second, stop, NULL);
	loop_task_init(&first, defer_from_task, &second);
	loop_defer(l, &first);
	ck_assert_int_eq(loop_run(l), 0); /* would wait forever if the second were lost */
}
END_TEST

static void raise_usr1(void *arg)
{
	(void)arg;
	raise(SIGUSR1);
}

START_TEST(a_signal_calls_its_handler_in_the_loop)
{
	struct loop_task t;

	ck_assert_int_eq(loop_on_signal(l, SIGUSR1, stop, NULL), 0);
	loop_task_init(&t, raise_usr1, NULL);
	loop_defer(l, &t);
	ck_assert_int_eq(loop_run(l), 0);
}
END_TEST

START_TEST(signal_handlers_are_bounded)
{
	static const int signals[] = { SIGUSR1, SIGUSR2, SIGHUP,   SIGINT,
				       SIGTERM, SIGQUIT, SIGWINCH, SIGCONT };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		ck_assert_int_eq(loop_on_signal(l, signals[i], stop, NULL), 0);
	ck_assert_int_eq(loop_on_signal(l, SIGURG, stop, NULL), -EIO);
}
END_TEST

START_TEST(a_write_to_a_closed_pipe_is_an_error_not_a_death)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	close(fds[0]);
	ck_assert_int_eq(write(fds[1], "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	close(fds[1]);
}
END_TEST

static int64_t clock_in_turn[2];

static void read_clock_twice(void *arg)
{
	(void)arg;
	clock_in_turn[0] = loop_now_ms(l);
	usleep(5000);
	clock_in_turn[1] = loop_now_ms(l);
	loop_stop(l);
}

START_TEST(the_clock_stands_still_within_a_turn)
{
	struct loop_task t;
	int64_t before = time_monotonic_ms();

	loop_task_init(&t, read_clock_twice, NULL);
	loop_defer(l, &t);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_int_eq(clock_in_turn[0], clock_in_turn[1]);
	ck_assert_int_ge(clock_in_turn[0], before);
	ck_assert_int_le(clock_in_turn[0], time_monotonic_ms());
}
END_TEST

static void note_role(void *arg)
{
	(void)arg;
	note(scope_current()->role);
}

static void note_role_and_stop(void *arg)
{
	note_role(arg);
	loop_stop(l);
}

/* Two roles of a process: what one of them has no end of holds up neither the other nor its timer.
 */
START_TEST(loops_beside_each_other_have_scopes)
{
	struct scope scopes[2];
	struct loop *a, *b;
	struct loop_task task;
	struct timer timer;

	scope_init(&scopes[0], "a", LOG_INFO);
	scope_init(&scopes[1], "b", LOG_INFO);
	a = loop_new_beside(l, &scopes[0]);
	b = loop_new_beside(l, &scopes[1]);
	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_nonnull(b);
	ck_assert_ptr_eq(loop_base(a), loop_base(l));
	ck_assert_ptr_eq(loop_scope(b), &scopes[1]);

	loop_task_init(&again, run_again, NULL); /* defers to l */
	loop_defer(a, &again);
	loop_task_init(&task, note_role, NULL);
	loop_defer(b, &task);
	timer_init(&timer, a, note_role_and_stop, NULL);
	ck_assert_int_eq(timer_start(&timer, 20), 0);
	ck_assert_int_eq(loop_run(b), 0); /* any of them runs all */
	ck_assert_str_eq(trace, "ba");
	ck_assert_str_eq(scope_current()->role, "");

	loop_undefer(l, &again);
	timer_done(&timer);
	loop_free(a);
	loop_task_init(&task, stop, NULL);
	loop_defer(b, &task);
	ck_assert_int_eq(loop_run(l), 0);
	loop_free(b);
}
END_TEST

static Suite *loop_suite(void)
{
	Suite *s = suite_create("loop");
	TCase *t = tcase_create("loop");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, deferred_calls_run_in_order);
	tcase_add_test(t, endless_deferring_leaves_room_for_sockets);
	tcase_add_test(t, a_call_may_defer_another_in_the_same_turn);
	tcase_add_test(t, a_signal_calls_its_handler_in_the_loop);
	tcase_add_test(t, signal_handlers_are_bounded);
	tcase_add_test(t, a_write_to_a_closed_pipe_is_an_error_not_a_death);
	tcase_add_test(t, the_clock_stands_still_within_a_turn);
	tcase_add_test(t, loops_beside_each_other_have_scopes);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(loop_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
