/* SPDX-License-Identifier: Apache-2.0 */
/* Timers fire once, in order of their deadlines, never early, and not after timer_stop. */
#include "loop/timer.h"

#include "base/time.h"

#include <check.h>
#include <stdlib.h>

static struct loop *l;
static char trace[16];
static size_t n_trace;

struct named_timer {
	struct timer timer;
	char name;
};

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
	const struct named_timer *t = arg;

	ck_assert_uint_lt(n_trace, sizeof(trace) - 1);
	trace[n_trace++] = t->name;
	trace[n_trace] = '\0';
	if (t->name == '.')
		loop_stop(l);
}

static void start(struct named_timer *t, char name, int64_t ms)
{
	t->name = name;
	timer_init(&t->timer, l, note, t);
	ck_assert(!timer_is_running(&t->timer));
	ck_assert_int_eq(timer_start(&t->timer, ms), 0);
	ck_assert(timer_is_running(&t->timer));
}

START_TEST(they_fire_in_order_of_deadline)
{
	struct named_timer a, b, c, end;

	start(&end, '.', 60);
	start(&c, 'c', 40);
	start(&a, 'a', 0);
	start(&b, 'b', 20);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_str_eq(trace, "abc.");
	ck_assert(!timer_is_running(&a.timer));
}
END_TEST

START_TEST(stopped_and_restarted)
{
	struct named_timer stopped, moved, gone, end;

	start(&stopped, 's', 10);
	start(&moved, 'm', 0);
	start(&gone, 'g', 10);
	start(&end, '.', 30);
	timer_stop(&stopped.timer);
	timer_stop(&stopped.timer);
	ck_assert(!timer_is_running(&stopped.timer));
	ck_assert_int_eq(timer_start(&moved.timer, 60), 0); /* past the end */
	timer_done(&gone.timer);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_str_eq(trace, ".");
	timer_done(&moved.timer);
}
END_TEST

START_TEST(never_early)
{
	struct named_timer end;
	int64_t before = time_monotonic_ms();

	start(&end, '.', 50);
	ck_assert_int_eq(loop_run(l), 0);
	/* libevent's clock ticks every 4 ms. */
	ck_assert_int_ge(time_monotonic_ms() - before, 46);
}
END_TEST

START_TEST(a_negative_delay_is_none)
{
	struct named_timer end;

	start(&end, '.', -5);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_str_eq(trace, ".");
}
END_TEST

static Suite *timer_suite(void)
{
	Suite *s = suite_create("timer");
	TCase *t = tcase_create("timer");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, they_fire_in_order_of_deadline);
	tcase_add_test(t, stopped_and_restarted);
	tcase_add_test(t, never_early);
	tcase_add_test(t, a_negative_delay_is_none);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(timer_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
