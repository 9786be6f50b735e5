/* SPDX-License-Identifier: Apache-2.0 */
/* Two scopes in one process: names, levels and metrics of one never show in the other. */
#include "base/scope.h"

#include "base/metrics.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const struct metric_family REQUESTS = { "requests_total", METRIC_COUNTER, "Requests." };
static struct scope a, b;

static void setup(void)
{
	scope_init(&a, "role-a", LOG_DEBUG);
	scope_init(&b, "role-b", LOG_WARN);
}

static const char *read_text(int fd, char *text, size_t size)
{
	ssize_t n = read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void enter_own(const struct scope *own)
{
	SCOPE_ENTER(NULL);
	ck_assert_ptr_eq(scope_current(), own);
}

static void enter_a(const struct scope *own)
{
	SCOPE_ENTER(&a);
	ck_assert_ptr_eq(scope_current(), &a);
	enter_own(own);
	ck_assert_ptr_eq(scope_current(), &a);
}

START_TEST(blocks_nest)
{
	const struct scope *own = scope_current();

	enter_a(own);
	ck_assert_ptr_eq(scope_current(), own);
}
END_TEST

START_TEST(log_has_the_name_and_the_level)
{
	static char text[4096];
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	log_init(LOG_INFO, "process", fds[1]);
	{
		SCOPE_ENTER(&a);
		log_debug("of.a", LOG_I64("n", 1));
	}
	{
		SCOPE_ENTER(&b);
		log_info("not.of.b", LOG_I64("n", 1));
		log_warn("of.b", LOG_I64("n", 1));
	}
	log_debug("not.of.process", LOG_I64("n", 1));
	log_info("of.process", LOG_I64("n", 1));
	log_flush();
	read_text(fds[0], text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "\"role\":\"role-a\",\"msg\":\"of.a\""));
	ck_assert_ptr_nonnull(strstr(text, "\"role\":\"role-b\",\"msg\":\"of.b\""));
	ck_assert_ptr_nonnull(strstr(text, "\"role\":\"process\",\"msg\":\"of.process\""));
	ck_assert_ptr_null(strstr(text, "not.of"));
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static void collect(void *arg)
{
	metric_add(metric_get(&REQUESTS, ""), *(const uint64_t *)arg);
}

static void check_rendered(struct scope *s, const char *wanted)
{
	SCOPE_ENTER(s);
	struct buf out;

	buf_init(&out, 65536);
	metrics_render(&out);
	buf_append_char(&out, '\0');
	ck_assert_int_eq(buf_status(&out), 0);
	if (*wanted != '\0')
		ck_assert_ptr_nonnull(strstr(out.p, wanted));
	else
		ck_assert_str_eq(out.p, "");
	buf_done(&out);
}

static void forget(struct scope *s)
{
	SCOPE_ENTER(s);
	metrics_done();
}

START_TEST(metrics_are_apart)
{
	uint64_t ten = 10;
	{
		SCOPE_ENTER(&a);
		metric_add(metric_get(&REQUESTS, ""), 1);
		ck_assert_int_eq(metric_on_collect(collect, &ten), 0);
	}
	{
		SCOPE_ENTER(&b);
		ck_assert_int_eq((int)metric_value(metric_get(&REQUESTS, "")), 0);
		metric_off_collect(collect, &ten); /* which is not b's */
	}
	check_rendered(&a, "requests_total 11\n");
	check_rendered(&b, "requests_total 0\n");
	check_rendered(NULL, "");
	forget(&b);
	check_rendered(&a, "requests_total 21\n");
	check_rendered(&b, "");
	forget(&a);
	check_rendered(&a, "");
}
END_TEST

static const struct metric_family SIZE = { "size", METRIC_GAUGE, "Size." };
static const struct metric_family SECONDS = { "seconds", METRIC_HISTOGRAM, "Time." };

/* A family stands once, with the series of all under it. */
START_TEST(metrics_are_shown_together)
{
	static struct scope c;
	struct scope *const scopes[] = { &a, &c, &b };
	uint64_t ten = 10;
	struct buf out;

	scope_init(&c, "role-c", LOG_INFO);
	{
		SCOPE_ENTER(&a);
		metric_add(metric_get(&REQUESTS, "route=\"x\""), 1);
		metric_set(metric_get(&SIZE, ""), 7);
	}
	{
		SCOPE_ENTER(&b);
		metric_observe(metric_get(&SECONDS, ""), 11);
		ck_assert_int_eq(metric_on_collect(collect, &ten), 0);
	}
	buf_init(&out, 65536);
	metrics_render_all(scopes, ARRAY_SIZE(scopes), &out);
	buf_append_char(&out, '\0');
	ck_assert_int_eq(buf_status(&out), 0);
	ck_assert_ptr_nonnull(strstr(out.p, "# HELP requests_total Requests.\n"
					    "# TYPE requests_total counter\n"
					    "requests_total{role=\"role-a\",route=\"x\"} 1\n"
					    "requests_total{role=\"role-b\"} 10\n"
					    "# HELP size Size.\n"
					    "# TYPE size gauge\n"
					    "size{role=\"role-a\"} 7\n"
					    "# HELP seconds Time.\n"));
	ck_assert_ptr_nonnull(strstr(out.p, "seconds_bucket{role=\"role-b\",le=\"10\"} 0\n"
					    "seconds_bucket{role=\"role-b\",le=\"+Inf\"} 1\n"
					    "seconds_sum{role=\"role-b\"} 11\n"));
	buf_done(&out);
	forget(&a);
	forget(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scope");
	TCase *tc = tcase_create("scope");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, blocks_nest);
	tcase_add_test(tc, log_has_the_name_and_the_level);
	tcase_add_test(tc, metrics_are_apart);
	tcase_add_test(tc, metrics_are_shown_together);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
