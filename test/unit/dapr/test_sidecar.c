/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all calls do alike: the token, what each status means, slow and missing and senseless
 * answers, bounds, cancel; and waiting for a sidecar that starts, whichever version it is.
 */
#include "fake_sidecar.h"

#include "test/unit/support/fail_alloc.h"

/* ---- one call of each kind, for what they share ---- */

static FIBER int call_publish(void)
{
	const struct sidecar_entry e = { STR("1"), STR("alice"), STR("{}") };
	bool published;

	return sidecar_publish_wait(fake.client, STR("task-events"), &e, 1, &published, &err);
}

static FIBER int call_state_get(void)
{
	struct sidecar_state state;

	return sidecar_state_get_wait(fake.client, fake.arena, STR("k"), &state, &err);
}

static FIBER int call_state_put(void)
{
	return sidecar_state_put_wait(fake.client, STR("k"), STR("1"), (struct str){ NULL, 0 },
				      false, 0, &err);
}

static FIBER int call_state_delete(void)
{
	return sidecar_state_delete_wait(fake.client, STR("k"), (struct str){ NULL, 0 }, &err);
}

static FIBER int call_job_put(void)
{
	return sidecar_job_put_wait(fake.client, STR("rem-1"), 0, STR("\"x\""), 30, &err);
}

static FIBER int call_job_delete(void)
{
	return sidecar_job_delete_wait(fake.client, STR("rem-1"), &err);
}

static FIBER int call_secret(void)
{
	struct str value;

	return sidecar_secret_wait(fake.client, fake.arena, STR("db"), STR("url"), &value, &err);
}

static FIBER int call_invoke(void)
{
	struct http_response response;
	int r = sidecar_invoke_wait(fake.client, "chat-api", "GET", STR("/api/tasks"), NULL,
				    (struct str){ NULL, 0 }, 1000, &response, &err);

	buf_done(&response.body);
	return r;
}

static const struct {
	const char *name;
	FIBER int (*call)(void);
} kinds[] = {
	{ "publish", call_publish },	 { "state_get", call_state_get },
	{ "state_put", call_state_put }, { "state_delete", call_state_delete },
	{ "job_put", call_job_put },	 { "job_delete", call_job_delete },
	{ "secret", call_secret },	 { "invoke", call_invoke },
};

enum { INVOKE = 7 };

/* ---- statuses ---- */

#define ANY -1

static const struct {
	int kind, status, result;
	const char *counted;
} statuses[] = {
	{ ANY, 400, -EINVAL, "refused" },
	{ ANY, 401, -EINVAL, "refused" },
	{ ANY, 403, -EACCES, "refused" },
	{ ANY, 404, -EINVAL, "refused" },
	{ ANY, 429, -EAGAIN, "unavailable" },
	{ ANY, 500, -EAGAIN, "unavailable" },
	{ ANY, 503, -EAGAIN, "unavailable" },
	{ ANY, 302, -EINVAL, "refused" },
	{ 0, 204, 0, "ok" },
	{ 0, 200, 0, "ok" },
	{ 0, 409, -EINVAL, "refused" },
	{ 1, 204, 0, "ok" },
	{ 1, 200, 0, "ok" },
	{ 1, 409, -EINVAL, "refused" },
	{ 2, 204, 0, "ok" },
	{ 2, 409, -EEXIST, "ok" },
	{ 3, 204, 0, "ok" },
	{ 3, 409, -EEXIST, "ok" },
	{ 4, 204, 0, "ok" },
	{ 4, 409, -EINVAL, "refused" },
	{ 5, 204, 0, "ok" },
	{ 5, 409, -EINVAL, "refused" },
	{ 6, 204, -ENOENT, "ok" },
	{ 6, 200, -EAGAIN, "unavailable" },
	{ INVOKE, 200, 0, "ok" },
	{ INVOKE, 204, 0, "ok" },
	{ INVOKE, 404, 0, "ok" },
	{ INVOKE, 500, 0, "ok" },
	{ INVOKE, 302, 0, "ok" },
};

static void check_status_of(size_t k, size_t i)
{
	double before = calls(kinds[k].name, statuses[i].counted);
	int r;

	fake_says(statuses[i].status,
		  statuses[i].status == 204 ? ""
					    : "{\"errorCode\":\"ERR_X\",\"message\":\"because\"}");
	if (statuses[i].status == 200)
		fake.body = "words";
	err = (struct err){ 0 };
	r = kinds[k].call();
	ck_assert_msg(r == statuses[i].result, "%s %d: %d %s", kinds[k].name, statuses[i].status, r,
		      err.text);
	ck_assert_msg(calls(kinds[k].name, statuses[i].counted) > before, "%s %d", kinds[k].name,
		      statuses[i].status);
	ck_assert(sidecar_is_up(fake.client));
	ck_assert_ptr_nonnull(strstr(fake.request, "\r\ndapr-api-token: s3cret\r\n"));
	ck_assert((r == 0) == (err.kind == NULL));
	if (r == -EAGAIN)
		ck_assert(err.kind == &ERR_UNAVAILABLE && err.retry_after_s > 0);
	if (r < 0 && r != -ENOENT && statuses[i].status >= 300) {
		ck_assert_msg(strstr(err.text, "ERR_X: because"), "%s", err.text);
		ck_assert_ptr_nonnull(strstr(err.text, kinds[k].name));
	}
}

static void status_fiber(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (statuses[i].kind == (int)k || (statuses[i].kind == ANY && k != INVOKE))
				check_status_of(k, i);
}

START_TEST(what_a_status_means)
{
	on_fiber(status_fiber, NULL);
}
END_TEST

/* What it says is in the error, whatever it says. */
static void words_fiber(void *arg)
{
	static const struct {
		const char *body, *told;
	} cases[] = {
		{ "{\"errorCode\":\"ERR_A\",\"message\":\"m\",\"details\":[{\"@type\":\"x\"}]}",
		  "401 ERR_A: m" },
		{ "{\"errorCode\":\"ERR_A\"}", "401 ERR_A: " },
		{ "invalid api token", "401 invalid api token" },
		{ "", "401 " },
		{ "\xFF\xFE", "401 (no text)" },
		{ "[1]", "401 [1]" },
		{ "{\"errorCode\":7}", "401 {\"errorCode\":7}" },
	};
	static char body[4096] = "x";

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_says(401, cases[i].body);
		ck_assert_int_eq(call_state_put(), -EINVAL);
		ck_assert_msg(strstr(err.text, cases[i].told), "%s", err.text);
	}
	for (size_t i = 0; i + 4 < sizeof(body); i += 3)
		memcpy(body + i, "\xE2\x82\xAC", 4);
	fake_says(401, body);
	ck_assert_int_eq(call_state_put(), -EINVAL);
	ck_assert(utf8_valid(str_from(err.text)));
	ck_assert_int_eq(sidecar_state_put_wait(fake.client, STR("k"), STR("1"),
						(struct str){ NULL, 0 }, false, 0, NULL),
			 -EINVAL);
}

START_TEST(the_sidecars_words)
{
	on_fiber(words_fiber, NULL);
}
END_TEST

/* ---- no good answers ---- */

static void slow_fiber(void *arg)
{
	struct sidecar_config config = fake_config();

	(void)arg;
	config.timeout_ms = 30;
	fake_client(&config);
	fake.status = 0;
	fake.after = SILENCE;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		ck_assert_int_eq(kinds[k].call(), -ETIME);
		ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
		ck_assert(calls(kinds[k].name, "timeout") > 0);
		ck_assert(!sidecar_is_up(fake.client));
	}
}

START_TEST(slow_answers)
{
	on_fiber(slow_fiber, NULL);
}
END_TEST

static void gone_fiber(void *arg)
{
	(void)arg;
	ck_assert_int_eq(call_state_put(), 0);
	ck_assert(sidecar_is_up(fake.client));
	loopback_stop(&fake.server);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		ck_assert_int_eq(kinds[k].call(), -EAGAIN);
		ck_assert(err.kind == &ERR_UNAVAILABLE && err.retry_after_s > 0);
		ck_assert(calls(kinds[k].name, "unavailable") > 0);
		ck_assert(!sidecar_is_up(fake.client));
	}
}

START_TEST(nobody_there)
{
	ck_assert(!sidecar_is_up(fake.client));
	on_fiber(gone_fiber, NULL);
}
END_TEST

static void cut_fiber(void *arg)
{
	(void)arg;
	fake.status = 0;
	fake.after = CLOSE;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		ck_assert_int_eq(kinds[k].call(), -EAGAIN);
		ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
		ck_assert(!sidecar_is_up(fake.client));
	}
	fake_says(204, "");
	ck_assert_int_eq(call_state_put(), 0);
	ck_assert(sidecar_is_up(fake.client));
}

START_TEST(cut_off)
{
	on_fiber(cut_fiber, NULL);
}
END_TEST

/* Failures of publishing may pass; of the others a longer answer than there can be will not. */
static void long_fiber(void *arg)
{
	char *body = malloc((5 << 20) + 1);

	(void)arg;
	memset(body, ' ', 5 << 20);
	body[5 << 20] = '\0';
	fake_says(500, body);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		ck_assert_int_eq(kinds[k].call(), k == 0 ? -EAGAIN : -EINVAL);
		ck_assert_msg(strstr(err.text, "too long"), "%s", err.text);
		ck_assert(sidecar_is_up(fake.client));
	}
	free(body);
}

START_TEST(answers_too_long)
{
	on_fiber(long_fiber, NULL);
}
END_TEST

/* ---- many at a time, cancelled, closed ---- */

static int results[5];

static void hanging_fiber(void *arg)
{
	*(int *)arg = call_state_put();
}

static void hang(size_t n)
{
	fake.status = 0;
	fake.after = SILENCE;
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(fiber_spawn(loop, "hang", hanging_fiber, &results[i], NULL, NULL),
				 0);
	while (fake.asked < n)
		ck_assert_int_eq(fiber_sleep(1), 0);
}

static void bound_fiber(void *arg)
{
	(void)arg;
	hang(4);
	ck_assert_int_eq(call_state_put(), -EAGAIN);
	ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
	ck_assert_uint_eq(fake.asked, 4);
	fiber_cancel_all();
}

START_TEST(bounded_and_cancelled)
{
	on_fiber(bound_fiber, NULL);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(results[i], -ECANCELED);
	ck_assert(calls("state_put", "cancelled") > 3);
}
END_TEST

static int ready_result;

static void waiting_fiber(void *arg)
{
	(void)arg;
	ready_result = sidecar_ready_wait(fake.client, PATIENCE_MS, NULL);
}

/* The client goes while one call waits for an answer and another one between two questions. */
static void free_fiber(void *arg)
{
	(void)arg;
	hang(3);
	fake.health = 500;
	ck_assert_int_eq(fiber_spawn(loop, "wait", waiting_fiber, NULL, NULL, NULL), 0);
	while (fake.asked_health < 1)
		ck_assert_int_eq(fiber_sleep(1), 0);
	ck_assert_int_eq(fiber_sleep(5), 0);
	sidecar_free(fake.client);
	fake.client = NULL;
}

START_TEST(freed_while_calls_run)
{
	on_fiber(free_fiber, NULL);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(results[i], -ECANCELED);
	ck_assert_int_eq(ready_result, -ECANCELED);
	sidecar_free(NULL);
}
END_TEST

/* ---- the token ---- */

static void token_fiber(void *arg)
{
	struct sidecar_config config = fake_config();

	(void)arg;
	config.token = STR("");
	fake_client(&config);
	ck_assert_int_eq(call_state_put(), 0);
	ck_assert_ptr_null(strcasestr(fake.request, "dapr-api-token"));
	/* One that would add a line is not sent, and not told. */
	config.token = STR("a\r\nInjected: 1");
	fake_client(&config);
	ck_assert_int_eq(call_state_put(), -EINVAL);
	ck_assert_ptr_null(strstr(err.text, "Injected"));
	ck_assert_uint_eq(fake.asked, 1);
}

START_TEST(tokens)
{
	on_fiber(token_fiber, NULL);
}
END_TEST

/* ---- ready ---- */

enum { ASK_ONCE_MS = 390 }; /* no time to ask again, enough for an answer */

static void ready_fiber(void *arg)
{
	(void)arg;
	fake.health_left = 2;
	ck_assert_int_eq(sidecar_ready_wait(fake.client, PATIENCE_MS, &err), 0);
	ck_assert_uint_eq(fake.asked_health, 3);
	ck_assert_uint_eq(fake.asked_metadata, 0); /* the paths are configured */
	ck_assert(sidecar_is_up(fake.client));
}

START_TEST(ready_when_it_says_so)
{
	on_fiber(ready_fiber, NULL);
}
END_TEST

static void never_fiber(void *arg)
{
	(void)arg;
	ck_assert_int_eq(call_state_put(), 0); /* connected */
	fake.health_left = 1000;
	ck_assert_int_eq(sidecar_ready_wait(fake.client, 1000, &err), -ETIME);
	ck_assert_uint_ge(fake.asked_health, 2);
	ck_assert_msg(strstr(err.text, "ERR_OUTBOUND_HEALTH_NOT_READY"), "%s", err.text);
	ck_assert_msg(strstr(err.text, fake.url), "%s", err.text);
	/* Only 204 says that it is ready: 200 may come from anybody. */
	fake.health_left = 0;
	fake.health = 200;
	ck_assert_int_eq(sidecar_ready_wait(fake.client, ASK_ONCE_MS, NULL), -ETIME);
	loopback_stop(&fake.server);
	ck_assert_int_eq(sidecar_ready_wait(fake.client, ASK_ONCE_MS, &err), -ETIME);
	ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
}

START_TEST(never_ready)
{
	on_fiber(never_fiber, NULL);
}
END_TEST

static void cancel_fiber(void *arg)
{
	(void)arg;
	fake.health_left = 1000;
	ck_assert_int_eq(fiber_spawn(loop, "wait", waiting_fiber, NULL, NULL, NULL), 0);
	while (fake.asked_health < 1)
		ck_assert_int_eq(fiber_sleep(1), 0);
	fiber_cancel_all();
}

START_TEST(ready_cancelled)
{
	on_fiber(cancel_fiber, NULL);
	ck_assert_int_eq(ready_result, -ECANCELED);
}
END_TEST

static const struct {
	enum sidecar_api api;
	const char *version; /* NULL: its metadata is no JSON */
	int metadata_status;
	const char *publish, *job;
} versions[] = {
	{ SIDECAR_API_STABLE, "1.16.0", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_ALPHA1, "1.18.3", 200, "v1.0-alpha1", "v1.0-alpha1" },
	{ SIDECAR_API_AUTO, "1.16.0", 200, "v1.0-alpha1", "v1.0-alpha1" },
	{ SIDECAR_API_AUTO, "1.16.19", 200, "v1.0-alpha1", "v1.0-alpha1" },
	{ SIDECAR_API_AUTO, "v1.16.0-rc.2", 200, "v1.0-alpha1", "v1.0-alpha1" },
	{ SIDECAR_API_AUTO, "1.17.0", 200, "v1.0", "v1.0-alpha1" },
	{ SIDECAR_API_AUTO, "1.17", 200, "v1.0", "v1.0-alpha1" },
	{ SIDECAR_API_AUTO, "1.18.0", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_AUTO, "1.18.0-rc.1", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_AUTO, "1.100.0", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_AUTO, "2.0.0", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_AUTO, "0.11.0", 200, "v1.0-alpha1", "v1.0-alpha1" },
	{ SIDECAR_API_AUTO, "edge", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_AUTO, "", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_AUTO, "v", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_AUTO, "1", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_AUTO, "1.x", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_AUTO, "99999999999999999999.1", 200, "v1.0", "v1.0" },
	{ SIDECAR_API_AUTO, "1.16.0", 403, "v1.0", "v1.0" }, /* switched off */
	{ SIDECAR_API_AUTO, "1.16.0", 404, "v1.0", "v1.0" },
};

static void check_paths(size_t i)
{
	char line[128];

	ck_assert_int_eq(call_publish(), 0);
	snprintf(line, sizeof(line), "POST /%s/publish/bulk/kafka-pubsub/task-events",
		 versions[i].publish);
	ck_assert_msg(asked_line(line), "%zu: %s", i, fake.request);
	ck_assert_int_eq(call_job_put(), 0);
	snprintf(line, sizeof(line), "POST /%s/jobs/rem-1", versions[i].job);
	ck_assert_msg(asked_line(line), "%zu: %s", i, fake.request);
	ck_assert_int_eq(call_job_delete(), 0);
	snprintf(line, sizeof(line), "DELETE /%s/jobs/rem-1", versions[i].job);
	ck_assert_msg(asked_line(line), "%zu: %s", i, fake.request);
}

static void version_fiber(void *arg)
{
	struct sidecar_config config = fake_config();

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		config.api = versions[i].api;
		fake.version = versions[i].version;
		fake.metadata_status = versions[i].metadata_status;
		/* Decided while waiting, or by the first call, and then no more. */
		fake_client(&config);
		fake.asked_metadata = 0;
		ck_assert_int_eq(sidecar_ready_wait(fake.client, PATIENCE_MS, &err), 0);
		check_paths(i);
		ck_assert_uint_eq(fake.asked_metadata, config.api == SIDECAR_API_AUTO);
		fake_client(&config);
		fake.asked_metadata = 0;
		check_paths(i);
		ck_assert_uint_eq(fake.asked_metadata, config.api == SIDECAR_API_AUTO);
	}
}

START_TEST(paths_of_versions)
{
	on_fiber(version_fiber, NULL);
}
END_TEST

/* While it is not known which paths there are, nothing is sent to either. */
static void undecided_fiber(void *arg)
{
	static const struct {
		const char *version;
		int status, result;
	} cases[] = {
		{ NULL, 200, -EAGAIN },
		{ NULL, 500, -EAGAIN },
		{ "1.18.0", 503, -EAGAIN },
		{ "1.18.0", 401, -EINVAL },
	};
	struct sidecar_config config = fake_config();

	(void)arg;
	config.api = SIDECAR_API_AUTO;
	fake_client(&config);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake.version = cases[i].version;
		fake.metadata_status = cases[i].status;
		ck_assert_int_eq(call_publish(), cases[i].result);
		ck_assert_int_eq(call_job_put(), cases[i].result);
		ck_assert_int_eq(call_job_delete(), cases[i].result);
		ck_assert_int_eq(sidecar_ready_wait(fake.client, ASK_ONCE_MS, &err), -ETIME);
		ck_assert_ptr_nonnull(strstr(err.text, "metadata"));
	}
	ck_assert_uint_eq(fake.asked, 0);
	ck_assert_int_eq(call_state_put(), 0); /* its path is the same everywhere */
}

START_TEST(paths_not_known)
{
	on_fiber(undecided_fiber, NULL);
}
END_TEST

/* ---- sizes ---- */

static void big_fiber(void *arg)
{
	char *value = malloc(SIDECAR_BODY_MAX + 1);
	struct sidecar_entry e[2] = { { STR("1"), STR("a"), { value, 0 } },
				      { STR("2"), STR("a"), { value, 0 } } };
	struct str none = { NULL, 0 };
	bool published[2];

	(void)arg;
	memset(value, '7', SIDECAR_BODY_MAX + 1);
	e[0].json.n = e[1].json.n = SIDECAR_BODY_MAX / 2;
	ck_assert_int_eq(sidecar_publish_wait(fake.client, STR("t"), e, 2, published, &err),
			 -EMSGSIZE);
	ck_assert_ptr_eq(err.kind, &ERR_CONTENT_TOO_LARGE);
	e[0].json.n = SIDECAR_BODY_MAX + 1;
	ck_assert_int_eq(sidecar_publish_wait(fake.client, STR("t"), e, 1, published, &err),
			 -EMSGSIZE);
	ck_assert_int_eq(sidecar_state_put_wait(fake.client, STR("k"),
						(struct str){ value, SIDECAR_BODY_MAX }, none,
						false, 0, &err),
			 -EMSGSIZE);
	ck_assert_int_eq(sidecar_job_put_wait(fake.client, STR("j"), 0,
					      (struct str){ value, SIDECAR_BODY_MAX }, 1, &err),
			 -EMSGSIZE);
	ck_assert_uint_eq(fake.asked, 0);
	/* What is just below passes, without Expect. */
	e[0].json.n = e[1].json.n = SIDECAR_BODY_MAX / 2 - 200;
	ck_assert_int_eq(sidecar_publish_wait(fake.client, STR("t"), e, 2, published, &err), 0);
	ck_assert_uint_gt(fake.request_n, SIDECAR_BODY_MAX - 400);
	free(value);
}

START_TEST(bodies_too_long)
{
	on_fiber(big_fiber, NULL);
}
END_TEST

/* ---- memory ---- */

START_TEST(made_without_memory)
{
	struct sidecar_config config = fake_config();
	unsigned failed = 0;

	if (!fail_alloc_works()) {
		printf("sidecar: left out, allocations cannot be made to fail here\n");
		return;
	}
	for (uint64_t nth = 1;; nth++) {
		struct sidecar *s;

		fail_alloc_arm(nth);
		s = sidecar_new(&config);
		if (!fail_alloc_disarm()) {
			ck_assert_ptr_nonnull(s);
			sidecar_free(s);
			break;
		}
		failed++;
		sidecar_free(s); /* of metrics it can do without */
	}
	ck_assert_uint_gt(failed, 3);
}
END_TEST

/* Nobody listens, so that all memory that is asked for is the client's. */
static void memory_fiber(void *arg)
{
	unsigned failed = 0;

	(void)arg;
	loopback_stop(&fake.server);
	timer_stop(&watcher); /* its assertions allocate */
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		ck_assert_int_eq(kinds[k].call(), -EAGAIN);
		for (uint64_t nth = 1;; nth++) {
			int r;

			err = (struct err){ 0 };
			fail_alloc_arm(nth);
			r = kinds[k].call();
			if (!fail_alloc_disarm())
				break;
			failed++;
			ck_assert_msg(r == -ENOMEM || r == -EAGAIN || r == -ETIME, "%s: %d",
				      kinds[k].name, r);
			ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
			arena_reset(fake.arena);
		}
	}
	ck_assert_uint_gt(failed, 100);
	printf("sidecar: %u failed allocations within calls\n", failed);
	ck_assert_int_eq(timer_start(&watcher, 1), 0);
}

START_TEST(called_without_memory)
{
	if (!fail_alloc_works())
		return;
	on_fiber(memory_fiber, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sidecar");
	TCase *tc = tcase_create("sidecar");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, fake_setup, fake_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_a_status_means);
	tcase_add_test(tc, the_sidecars_words);
	tcase_add_test(tc, slow_answers);
	tcase_add_test(tc, nobody_there);
	tcase_add_test(tc, cut_off);
	tcase_add_test(tc, answers_too_long);
	tcase_add_test(tc, bounded_and_cancelled);
	tcase_add_test(tc, freed_while_calls_run);
	tcase_add_test(tc, tokens);
	tcase_add_test(tc, ready_when_it_says_so);
	tcase_add_test(tc, never_ready);
	tcase_add_test(tc, ready_cancelled);
	tcase_add_test(tc, paths_of_versions);
	tcase_add_test(tc, paths_not_known);
	tcase_add_test(tc, bodies_too_long);
	tcase_add_test(tc, made_without_memory);
	tcase_add_test(tc, called_without_memory);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
