/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules, durations and instants of the embedded sidecar, and what a job's body says.
 */
#include "roles/sidecar/jobs_private.h"
#include "roles/sidecar/schedule_private.h"

#include "base/time.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new(1024 * 1024);
	ck_assert_ptr_nonnull(arena);
}

static void tear_down(void)
{
	arena_free(arena);
}

static int64_t instant(const char *text)
{
	struct civil civil;
	bool has_offset;
	int64_t us;

	ck_assert_int_eq(time_parse_rfc3339(str_from(text), &us, &civil, &has_offset), 0);
	return us;
}

/* next NULL: never. */
static const struct {
	const char *schedule, *after, *next;
} NEXT[] = {
	{ "* * * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z" },
	{ "* * * * * *", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:01Z" },
	{ "*/15 * * * * *", "2026-01-01T00:00:14Z", "2026-01-01T00:00:15Z" },
	{ "*/15 * * * * *", "2026-01-01T00:00:45Z", "2026-01-01T00:01:00Z" },
	{ "0 30 9 * * *", "2026-01-01T09:30:00Z", "2026-01-02T09:30:00Z" },
	{ "5 4 3 2 1 *", "2026-01-02T03:04:05Z", "2027-01-02T03:04:05Z" },
	{ "0 0 0 29 2 ?", "2025-01-01T00:00:00Z", "2028-02-29T00:00:00Z" },
	{ "0 0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z" },
	{ "0 0 0 30 2 *", "2025-01-01T00:00:00Z", NULL },
	{ "0 0 12 * * MON-FRI", "2026-01-02T12:00:00Z", "2026-01-05T12:00:00Z" },
	{ "0 0 12 * jan,MAR sun", "2026-01-31T00:00:00Z", "2026-03-01T12:00:00Z" },
	/* Both days restricted: either will do. */
	{ "0 0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z" },
	{ "0 0 0 13 * 5", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z" },
	{ "0 50/5 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:50:00Z" },
	{ "0 0 0-23/6 * * *", "2026-01-01T06:00:00Z", "2026-01-01T12:00:00Z" },
	{ "  0  0 0 1 1 * ", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z" },
	{ "@hourly", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z" },
	{ "@daily", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z" },
	{ "@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z" },
	{ "@monthly", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z" },
	{ "@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z" },
	{ "@every 90s", "2026-01-01T00:00:00.25Z", "2026-01-01T00:01:30.25Z" },
	{ "@every 1h30m", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z" },
	{ "@every 10ms", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z" },
	{ "0 0 0 1 1 *", "1969-06-01T00:00:00Z", "1970-01-01T00:00:00Z" },
};

START_TEST(finds_the_next)
{
	struct schedule s;
	struct err err = { 0 };
	int64_t expected = NEXT[_i].next != NULL ? instant(NEXT[_i].next) : INT64_MAX;

	ck_assert_msg(schedule_parse(str_from(NEXT[_i].schedule), &s, &err) == 0, "%s", err.text);
	ck_assert_msg(schedule_next(&s, instant(NEXT[_i].after)) == expected, "%s after %s",
		      NEXT[_i].schedule, NEXT[_i].after);
}
END_TEST

static const char *const BAD_SCHEDULES[] = {
	"",
	" ",
	"*",
	"* * * * *",
	"* * * * * * *",
	"60 * * * * *",
	"-1 * * * * *",
	"* * 24 * * *",
	"* * * 0 * *",
	"* * * 32 * *",
	"* * * * 13 *",
	"* * * * * 7",
	"5-1 * * * * *",
	"*/0 * * * * *",
	"1- * * * * *",
	"a * * * * *",
	"1,,2 * * * * *",
	"1-2-3 * * * * *",
	"* * * * foo *",
	"*/ * * * * *",
	"@",
	"@never",
	"@every",
	"@every ",
	"@every x",
	"@every -1s",
	"@every 0s",
	"@every 1",
	"@dailyx",
	"CRON_TZ=Europe/Rome 0 0 9 * * *",
	"TZ=UTC 0 0 9 * * *",
};

START_TEST(refuses_schedules)
{
	struct schedule s;
	struct err err = { 0 };

	ck_assert_msg(schedule_parse(str_from(BAD_SCHEDULES[_i]), &s, &err) == -EINVAL, "\"%s\"",
		      BAD_SCHEDULES[_i]);
	ck_assert_str_ne(err.text, "");
}
END_TEST

static const struct {
	const char *text;
	int64_t us; /* -1: refused */
} DURATIONS[] = {
	{ "1s", 1000000 },
	{ "1.5s", 1500000 },
	{ "250ms", 250000 },
	{ "1h30m", 5400000000 },
	{ "1m0.5s", 60500000 },
	{ "0s", 0 },
	{ "1us", 1 },
	{ "1000ns", 1 },
	{ "", -1 },
	{ "1", -1 },
	{ "s", -1 },
	{ "1d", -1 },
	{ "-1s", -1 },
	{ "1..5s", -1 },
	{ ".s", -1 },
	{ "1s ", -1 },
	{ "1e3s", -1 },
	{ "99999999999999999999h", -1 },
	{ "9999999999h", -1 },
};

START_TEST(reads_durations)
{
	int64_t us = -1;
	int r = schedule_parse_duration(str_from(DURATIONS[_i].text), &us);

	ck_assert_msg(r == (DURATIONS[_i].us < 0 ? -EINVAL : 0) && us == DURATIONS[_i].us,
		      "\"%s\": %d %lld", DURATIONS[_i].text, r, (long long)us);
}
END_TEST

static const struct {
	const char *text, *expected; /* NULL: refused. From 2026-01-01T00:00:00Z. */
} INSTANTS[] = {
	{ "2026-06-01T12:00:00+02:00", "2026-06-01T10:00:00Z" },
	{ "2020-01-01T00:00:00.25Z", "2020-01-01T00:00:00.25Z" },
	{ "90m", "2026-01-01T01:30:00Z" },
	{ "PT1H30M", "2026-01-01T01:30:00Z" },
	{ "P1W", "2026-01-08T00:00:00Z" },
	{ "P1DT0.5S", "2026-01-02T00:00:00.5Z" },
	{ "2026-06-01T12:00:00", NULL },
	{ "tomorrow", NULL },
	{ "P", NULL },
	{ "PT", NULL },
	{ "P1M", NULL },
	{ "P1Y", NULL },
	{ "P1DT", NULL },
	{ "PT1D", NULL },
	{ "PTT1S", NULL },
	{ "PT1", NULL },
	{ "", NULL },
	{ "80000000h", NULL },
};

START_TEST(reads_instants)
{
	int64_t us = 0;
	int r = schedule_parse_instant(str_from(INSTANTS[_i].text), instant("2026-01-01T00:00:00Z"),
				       &us);

	ck_assert_msg(r == (INSTANTS[_i].expected == NULL ? -EINVAL : 0), "\"%s\"",
		      INSTANTS[_i].text);
	if (r == 0)
		ck_assert_int_eq(us, instant(INSTANTS[_i].expected));
}
END_TEST

static int parse_job(const char *body, struct job *ret, const char **code)
{
	struct err err = { 0 };

	return job_parse(arena, STR("j"), str_from(body), instant("2026-01-01T00:00:00Z"), ret,
			 code, &err);
}

START_TEST(reads_jobs)
{
	struct job job;
	const char *code;

	ck_assert_int_eq(parse_job("{\"dueTime\":\"1h\",\"data\": {\"n\": 1e400 , \"a\":[1]} }",
				   &job, &code),
			 -EINVAL);
	ck_assert_int_eq(parse_job("{\"dueTime\":\"1h\",\"data\": {\"n\": 12345678901234567890} }",
				   &job, &code),
			 0);
	ck_assert_int_eq(job.due_us, instant("2026-01-01T01:00:00Z"));
	ck_assert(str_eq(job.data, STR("{\"n\": 12345678901234567890}")));
	ck_assert(job.schedule.p == NULL && job.ticks == 0 && !job.overwrite);
	ck_assert(job.expires_us == INT64_MAX);
	ck_assert_int_eq(job.retry_ms, 1000); /* Dapr's policy where none is given */
	ck_assert_int_eq(job.max_retries, 3);

	ck_assert_int_eq(
		parse_job(
			"{\"schedule\":\"@every 5s\",\"due_time\":\"1s\",\"repeats\":4,\"ttl\":\"1m\","
			"\"overwrite\":true,\"failure_policy\":{\"constant\":{\"interval\":\"2.5s\"}}}",
			&job, &code),
		0);
	ck_assert_int_eq(job.due_us, instant("2026-01-01T00:00:01Z"));
	ck_assert_int_eq(job.expires_us, instant("2026-01-01T00:01:00Z"));
	ck_assert(job.ticks == 4 && job.overwrite && job.data.p == NULL);
	ck_assert_int_eq(job.retry_ms, 2500);
	ck_assert_int_eq(job.max_retries, -1);

	ck_assert_int_eq(
		parse_job("{\"dueTime\":\"1s\",\"failurePolicy\":{\"drop\":{}},\"data\":null}",
			  &job, &code),
		0);
	ck_assert_int_eq(job.max_retries, 0);
	ck_assert_ptr_null(job.data.p);
	ck_assert_int_eq(
		parse_job(
			"{\"dueTime\":\"1s\",\"failurePolicy\":{\"constant\":{\"maxRetries\":7}}}",
			&job, &code),
		0);
	ck_assert_int_eq(job.max_retries, 7);
	ck_assert_int_ge(job.retry_ms, 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("schedule");
	TCase *tc = tcase_create("schedule");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, finds_the_next, 0, ARRAY_SIZE(NEXT));
	tcase_add_loop_test(tc, refuses_schedules, 0, ARRAY_SIZE(BAD_SCHEDULES));
	tcase_add_loop_test(tc, reads_durations, 0, ARRAY_SIZE(DURATIONS));
	tcase_add_loop_test(tc, reads_instants, 0, ARRAY_SIZE(INSTANTS));
	tcase_add_test(tc, reads_jobs);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
