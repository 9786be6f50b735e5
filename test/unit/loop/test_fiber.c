/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of fibers, one test each: see the top of loop/fiber.h. */
#include "loop/fiber.h"

#include "loop/timer.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ON_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ON_ASAN 1
#endif
#endif

static struct loop *l;
static char trace[256];

/* A text as an argument of a fiber that only reads it. */
static void *text(const char *s)
{
	return (void *)(uintptr_t)s;
}

static void setup(void)
{
	l = loop_new();
	ck_assert_ptr_nonnull(l);
	trace[0] = '\0';
}

static void teardown(void)
{
	ck_assert_uint_eq(fiber_count(), 0);
	fiber_done();
	loop_free(l);
}

static void note(const char *word)
{
	size_t n = strlen(trace), word_n = strlen(word);

	ck_assert_uint_lt(n + word_n + 2, sizeof(trace));
	memcpy(trace + n, word, word_n);
	memcpy(trace + n + word_n, " ", 2);
}

static void spawn(const char *name, fiber_fn *fn, void *arg, struct fiber **ret)
{
	ck_assert_int_eq(fiber_spawn(l, name, fn, arg, NULL, ret), 0);
}

static void stop_when_alone(void *arg)
{
	struct timer *t = arg;

	if (fiber_count() == 0)
		loop_stop(l);
	else
		ck_assert_int_eq(timer_start(t, 1), 0);
}

/* Runs the loop until no fiber lives. */
static void run(void)
{
	struct timer t;

	timer_init(&t, l, stop_when_alone, &t);
	ck_assert_int_eq(timer_start(&t, 0), 0);
	ck_assert_int_eq(loop_run(l), 0);
	timer_done(&t);
}

static void say(void *arg)
{
	ck_assert_ptr_nonnull(fiber_self());
	note(arg);
}

START_TEST(runs_later_and_in_order)
{
	spawn("one", say, text("1"), NULL);
	spawn("two", say, text("2"), NULL);
	ck_assert_ptr_null(fiber_self());
	ck_assert_uint_eq(fiber_count(), 2);
	ck_assert_str_eq(trace, "");
	run();
	ck_assert_str_eq(trace, "1 2 ");
}
END_TEST

struct waiter {
	struct fiber_wait wait;
	int64_t timeout_ms;
	int result;
	bool ended;
};

static void wait_once(void *arg)
{
	struct waiter *w = arg;

	w->result = fiber_wait(&w->wait, "test.wait", w->timeout_ms);
	w->ended = true;
}

static void waiter_init(struct waiter *w, int64_t timeout_ms)
{
	*w = (struct waiter){ .timeout_ms = timeout_ms, .result = 12345 };
	fiber_wait_init(&w->wait);
}

static void wake_with_seven(void *arg)
{
	struct waiter *w = arg;

	fiber_wake(&w->wait, 7);
	ck_assert(!w->ended);	 /* waking only queues; it never switches */
	fiber_wake(&w->wait, 8); /* ignored */
}

START_TEST(a_wake_gives_its_result)
{
	struct waiter w;
	struct timer t;

	waiter_init(&w, 10000);
	spawn("waiter", wait_once, &w, NULL);
	timer_init(&t, l, wake_with_seven, &w);
	ck_assert_int_eq(timer_start(&t, 5), 0);
	run();
	ck_assert_int_eq(w.result, 7);
	timer_done(&t);
}
END_TEST

START_TEST(a_wake_before_the_wait_is_kept)
{
	struct waiter w;

	waiter_init(&w, 10000);
	fiber_wake(&w.wait, -EPIPE);
	spawn("waiter", wait_once, &w, NULL);
	run();
	ck_assert_int_eq(w.result, -EPIPE);
}
END_TEST

START_TEST(the_deadline_ends_a_wait)
{
	struct waiter w;

	waiter_init(&w, 5);
	spawn("waiter", wait_once, &w, NULL);
	run();
	ck_assert_int_eq(w.result, -ETIME);
	fiber_wake(&w.wait, 0); /* late: the struct lives, nobody listens */
	ck_assert_uint_eq(fiber_count(), 0);
}
END_TEST

static void wait_three_times(void *arg)
{
	struct waiter w;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		waiter_init(&w, 10000);
		wait_once(&w);
		note(w.result == -ECANCELED ? "cancelled" : "other");
	}
	ck_assert_int_eq(fiber_sleep(1), -ECANCELED);
	ck_assert(fiber_is_cancelled(fiber_self()));
}

static void cancel(void *arg)
{
	fiber_cancel(arg);
}

START_TEST(cancel_is_sticky)
{
	struct fiber *f;
	struct timer t;

	spawn("waiter", wait_three_times, NULL, &f);
	timer_init(&t, l, cancel, f);
	ck_assert_int_eq(timer_start(&t, 5), 0);
	run();
	ck_assert_str_eq(trace, "cancelled cancelled cancelled ");
	timer_done(&t);
}
END_TEST

START_TEST(cancel_before_the_first_run)
{
	struct fiber *f;

	spawn("waiter", wait_three_times, NULL, &f);
	fiber_cancel(f);
	run();
	ck_assert_str_eq(trace, "cancelled cancelled cancelled ");
}
END_TEST

static void cancel_self(void *arg)
{
	(void)arg;
	fiber_cancel(fiber_self());
	wait_three_times(NULL);
}

START_TEST(a_fiber_may_cancel_itself)
{
	spawn("self", cancel_self, NULL, NULL);
	run();
	ck_assert_str_eq(trace, "cancelled cancelled cancelled ");
}
END_TEST

struct cancel_and_wake {
	struct fiber *fiber;
	struct waiter *waiter;
};

static void do_cancel_and_wake(void *arg)
{
	struct cancel_and_wake *c = arg;

	fiber_wake(&c->waiter->wait, 7);
	fiber_cancel(c->fiber);
}

START_TEST(cancel_outranks_a_result)
{
	struct waiter w;
	struct cancel_and_wake both = { .waiter = &w };
	struct timer t;

	waiter_init(&w, 10000);
	spawn("waiter", wait_once, &w, &both.fiber);
	timer_init(&t, l, do_cancel_and_wake, &both);
	ck_assert_int_eq(timer_start(&t, 5), 0);
	run();
	ck_assert_int_eq(w.result, -ECANCELED);
	timer_done(&t);
}
END_TEST

START_TEST(cancel_all_reaches_every_fiber)
{
	struct waiter w[20];

	for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
		waiter_init(&w[i], 10000);
		spawn("waiter", wait_once, &w[i], NULL);
	}
	fiber_cancel_all();
	run();
	for (size_t i = 0; i < ARRAY_SIZE(w); i++)
		ck_assert_int_eq(w[i].result, -ECANCELED);
}
END_TEST

static void spawn_another(void *arg)
{
	note("outer");
	spawn("inner", say, arg, NULL);
	ck_assert_int_eq(fiber_sleep(1), 0);
	note("outer-again");
}

START_TEST(a_fiber_may_spawn_but_not_enter_another)
{
	spawn("outer", spawn_another, text("inner"), NULL);
	run();
	ck_assert_str_eq(trace, "outer inner outer-again ");
}
END_TEST

static void sleep_short(void *arg)
{
	(void)arg;
	ck_assert_int_eq(fiber_sleep(0), 0);
}

START_TEST(capped_and_pooled)
{
	struct fiber *f;

	for (int i = 0; i < FIBER_MAX; i++)
		spawn("many", sleep_short, NULL, NULL);
	ck_assert_int_eq(fiber_spawn(l, "one too many", sleep_short, NULL, NULL, &f), -EAGAIN);
	ck_assert_uint_eq(fiber_count(), FIBER_MAX);
	run();
	for (int i = 0; i < FIBER_MAX; i++)
		spawn("again", sleep_short, NULL, NULL);
	run();
}
END_TEST

static unsigned n_expecting;

static void expect_role(void *arg)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(scope_current()->role, arg);
		ck_assert_int_eq(fiber_sleep(1), 0);
	}
	if (--n_expecting == 0)
		loop_stop(l);
}

static void wait_long(void *arg)
{
	*(int *)arg = fiber_sleep(60 * 1000);
	loop_stop(l);
}

/* Two roles of a process: each has its own fibers, as many as it may, and its own scope. */
START_TEST(loops_beside_each_other)
{
	struct scope scopes[2];
	struct loop *ls[2];
	int waited[2] = { 1, 1 };
	struct buf dump;

	for (size_t i = 0; i < 2; i++) {
		scope_init(&scopes[i], i == 0 ? "a" : "b", LOG_INFO);
		ls[i] = loop_new_beside(l, &scopes[i]);
		ck_assert_ptr_nonnull(ls[i]);
	}
	for (int i = 0; i < FIBER_MAX - 1; i++)
		ck_assert_int_eq(fiber_spawn(ls[0], "many", expect_role, text("a"), NULL, NULL), 0);
	ck_assert_int_eq(fiber_spawn(ls[0], "long", wait_long, &waited[0], NULL, NULL), 0);
	ck_assert_int_eq(fiber_spawn(ls[0], "more", sleep_short, NULL, NULL, NULL), -EAGAIN);
	ck_assert_int_eq(fiber_spawn(ls[1], "b", expect_role, text("b"), NULL, NULL), 0);
	ck_assert_int_eq(fiber_spawn(ls[1], "long-b", wait_long, &waited[1], NULL, NULL), 0);
	ck_assert_uint_eq(fiber_count_of(ls[0]), FIBER_MAX);
	ck_assert_uint_eq(fiber_count_of(ls[1]), 2);
	ck_assert_uint_eq(fiber_count_of(l), 0);

	buf_init(&dump, 4096);
	fiber_dump(ls[1], &dump);
	buf_append_char(&dump, '\0');
	ck_assert_int_eq(buf_status(&dump), 0);
	ck_assert_ptr_nonnull(strstr(dump.p, "long-b\t"));
	ck_assert_ptr_null(strstr(dump.p, "many\t"));
	buf_done(&dump);

	n_expecting = FIBER_MAX;
	ck_assert_int_eq(loop_run(l), 0);
	fiber_cancel_all_of(ls[1]);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_int_eq(waited[1], -ECANCELED);
	ck_assert_int_eq(waited[0], 1);
	fiber_cancel_all();
	while (fiber_count() > 0)
		ck_assert_int_eq(loop_run(l), 0);
	for (size_t i = 0; i < 2; i++)
		loop_free(ls[i]);
}
END_TEST

static const char *logged_id(void)
{
	const struct log_context *c = log_context_current();

	return c ? c->correlation_id : "none";
}

static void check_context(void *arg)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(logged_id(), arg);
		ck_assert_int_eq(fiber_sleep(1), 0);
	}
}

START_TEST(the_log_context_belongs_to_the_fiber)
{
	struct log_context a = { .correlation_id = "a" }, b = { .correlation_id = "b" };

	ck_assert_int_eq(fiber_spawn(l, "a", check_context, text("a"), &a, NULL), 0);
	ck_assert_int_eq(fiber_spawn(l, "b", check_context, text("b"), &b, NULL), 0);
	ck_assert_int_eq(fiber_spawn(l, "none", check_context, text("none"), NULL, NULL), 0);
	ck_assert_str_eq(logged_id(), "none");
	run();
	ck_assert_str_eq(logged_id(), "none");
}
END_TEST

static void put_context_of_its_own(void *arg)
{
	log_context_swap(arg);
	ck_assert_int_eq(fiber_sleep(1), 0);
	ck_assert_str_eq(logged_id(), "own");
}

START_TEST(a_context_taken_on_the_way_is_kept)
{
	struct log_context own = { .correlation_id = "own" };

	spawn("own", put_context_of_its_own, &own, NULL);
	spawn("none", check_context, text("none"), NULL);
	run();
}
END_TEST

static void dump_inside(void *arg)
{
	fiber_dump(l, arg);
}

START_TEST(the_dump_names_who_waits_for_what)
{
	struct waiter w;
	struct buf b;

	buf_init(&b, 4096);
	waiter_init(&w, 50);
	spawn("waiter", wait_once, &w, NULL);
	spawn("dumper", dump_inside, &b, NULL);
	run();
	buf_append_char(&b, '\0');
	ck_assert_int_eq(buf_status(&b), 0);
	ck_assert_ptr_nonnull(strstr(b.p, "waiter\ttest.wait\t0 ms\n"));
	ck_assert_ptr_nonnull(strstr(b.p, "dumper\trunning\t"));
	buf_done(&b);
}
END_TEST

static volatile unsigned depth;

/* Bounded by the guard page only. */
static __attribute__((noinline)) unsigned dig(unsigned n)
{
	volatile char frame[1024];

	frame[n % sizeof(frame)] = (char)n;
	depth = n;
	if (n == 10 * 1024)
		return n;
	return dig(n + 1) + (unsigned)frame[n % sizeof(frame)];
}

static void overflow(void *arg)
{
	(void)arg;
	dig(1);
}

START_TEST(overflow_hits_the_guard_page)
{
	spawn("overflow", overflow, NULL, NULL);
	run();
}
END_TEST

/* Floating point and callee-saved registers survive a switch. */
static void count_with_floats(void *arg)
{
	double sum = 0, step = *(const double *)arg;
	int n = 0;

	for (int i = 0; i < 50; i++) {
		sum += step;
		n += i;
		ck_assert_int_eq(fiber_sleep(0), 0);
	}
	ck_assert(fabs(sum - 50 * step) < 1e-9);
	ck_assert_int_eq(n, 1225);
}

START_TEST(registers_survive)
{
	static const double steps[] = { 0.25, 1.5, 3.0 };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		spawn("floats", count_with_floats, (void *)(uintptr_t)&steps[i], NULL);
	run();
}
END_TEST

static Suite *fiber_suite(void)
{
	Suite *s = suite_create("fiber");
	TCase *t = tcase_create("fiber"), *guard = tcase_create("guard");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, runs_later_and_in_order);
	tcase_add_test(t, a_wake_gives_its_result);
	tcase_add_test(t, a_wake_before_the_wait_is_kept);
	tcase_add_test(t, the_deadline_ends_a_wait);
	tcase_add_test(t, cancel_is_sticky);
	tcase_add_test(t, cancel_before_the_first_run);
	tcase_add_test(t, a_fiber_may_cancel_itself);
	tcase_add_test(t, cancel_outranks_a_result);
	tcase_add_test(t, cancel_all_reaches_every_fiber);
	tcase_add_test(t, a_fiber_may_spawn_but_not_enter_another);
	tcase_add_test(t, capped_and_pooled);
	tcase_add_test(t, loops_beside_each_other);
	tcase_add_test(t, the_log_context_belongs_to_the_fiber);
	tcase_add_test(t, a_context_taken_on_the_way_is_kept);
	tcase_add_test(t, the_dump_names_who_waits_for_what);
	tcase_add_test(t, registers_survive);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(guard, setup, teardown);
#ifdef ON_ASAN
	tcase_add_exit_test(guard, overflow_hits_the_guard_page,
			    1); /* it reports stack-overflow and exits */
#else
	tcase_add_test_raise_signal(guard, overflow_hits_the_guard_page, SIGSEGV);
#endif
	suite_add_tcase(s, guard);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(fiber_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
