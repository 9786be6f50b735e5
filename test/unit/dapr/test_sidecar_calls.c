/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each call by itself: what goes onto the wire, to the byte, and what each of the sidecar's answers
 * means for it.
 */
#include "fake_sidecar.h"

static const struct str NONE = { NULL, 0 };

/* ---- publish ---- */

static const struct sidecar_entry entries[] = {
	{ STR_INIT("e1"), STR_INIT("alice"), STR_INIT("{\"id\":\"e1\",\"n\":1}") },
	{ STR_INIT("e2"), STR_INIT("b\"ob"), STR_INIT("{\"id\":\"e2\"}") },
	{ STR_INIT("e3"), STR_INIT("carol"), STR_INIT("{\"id\":\"e3\"}") },
};

static void publish_fiber(void *arg)
{
	bool published[3] = { false, false, false };

	(void)arg;
	ck_assert_int_eq(sidecar_publish_wait(fake.client, STR("task-events"), entries, 3,
					      published, &err),
			 0);
	ck_assert(published[0] && published[1] && published[2]);
	ck_assert(asked_line("POST /v1.0/publish/bulk/kafka-pubsub/task-events"));
	ck_assert_ptr_nonnull(strstr(fake.request, "\r\nContent-Type: application/json\r\n"));
	ck_assert_str_eq(
		asked_body(),
		"[{\"entryId\":\"e1\",\"event\":{\"id\":\"e1\",\"n\":1},\"contentType\":\"application/cloudevents+json\","
		"\"metadata\":{\"partitionKey\":\"alice\"}},"
		"{\"entryId\":\"e2\",\"event\":{\"id\":\"e2\"},\"contentType\":\"application/cloudevents+json\","
		"\"metadata\":{\"partitionKey\":\"b\\\"ob\"}},"
		"{\"entryId\":\"e3\",\"event\":{\"id\":\"e3\"},\"contentType\":\"application/cloudevents+json\","
		"\"metadata\":{\"partitionKey\":\"carol\"}}]");
	/* Nothing to publish, nothing to ask. */
	ck_assert_int_eq(sidecar_publish_wait(fake.client, STR("t"), NULL, 0, NULL, NULL), 0);
	ck_assert_uint_eq(fake.asked, 1);
	ck_assert_int_eq(
		sidecar_publish_wait(fake.client, STR("a/b?"), entries, 1, published, NULL), 0);
	ck_assert(asked_line("POST /v1.0/publish/bulk/kafka-pubsub/a%2Fb%3F"));
}

START_TEST(publish)
{
	on_fiber(publish_fiber);
}
END_TEST

/* Answers to the three entries; taken: '+' for those that are there; NULL: untouched. */
static const struct {
	int status;
	const char *body;
	int result;
	const char *taken, *told;
} publications[] = {
	{ 204, "", 0, "+++", NULL },
	{ 200, "{}", 0, "+++", NULL },
	{ 500,
	  "{\"failedEntries\":[{\"entryId\":\"e2\",\"error\":\"too big\"}],\"errorCode\":\"ERR_PUBSUB_PUBLISH_MESSAGE\"}",
	  0, "+-+", "1 of 3 entries failed, the first because: too big" },
	{ 500, "{\"failedEntries\":[{\"entryId\":\"e3\"},{\"entryId\":\"e1\",\"error\":\"x\"}]}", 0,
	  "-+-", "2 of 3" },
	{ 500, "{\"failedEntries\":[{\"entryId\":\"e1\"},{\"entryId\":\"e1\"}]}", 0, "-++", NULL },
	/* the broker is down */
	{ 500,
	  "{\"failedEntries\":[{\"entryId\":\"e1\",\"error\":\"down\"},{\"entryId\":\"e2\"},{\"entryId\":\"e3\"}],"
	  "\"errorCode\":\"ERR_PUBSUB_PUBLISH_MESSAGE\"}",
	  -EAGAIN, NULL, "the first because: down" },
	/* none is known to be there */
	{ 500, "{\"failedEntries\":[],\"errorCode\":\"ERR_A\",\"message\":\"m\"}", -EAGAIN, NULL,
	  "ERR_A: m" },
	{ 500, "{\"failedEntries\":null}", -EAGAIN, NULL, NULL },
	{ 500, "{\"errorCode\":\"ERR_A\",\"message\":\"m\"}", -EAGAIN, NULL, "ERR_A: m" },
	{ 500, "", -EAGAIN, NULL, NULL },
	{ 500, "<html>", -EAGAIN, NULL, "<html>" },
	{ 500, "{\"failedEntries\":[{\"entryId\":\"e4\"}]}", -EAGAIN, NULL, NULL },
	{ 500, "{\"failedEntries\":[{\"error\":\"x\"}]}", -EAGAIN, NULL, NULL },
	{ 500, "{\"failedEntries\":[{\"entryId\":2}]}", -EAGAIN, NULL, NULL },
	{ 500, "{\"failedEntries\":[\"e1\"]}", -EAGAIN, NULL, NULL },
	{ 500, "{\"failedEntries\":{\"entryId\":\"e1\"}}", -EAGAIN, NULL, NULL },
	{ 503, "", -EAGAIN, NULL, NULL },
	{ 429, "", -EAGAIN, NULL, NULL },
	{ 403, "{\"errorCode\":\"ERR_PUBSUB_FORBIDDEN\",\"message\":\"topic\"}", -EACCES, NULL,
	  "ERR_PUBSUB_FORBIDDEN: topic" },
	{ 404, "{\"errorCode\":\"ERR_PUBSUB_NOT_FOUND\",\"message\":\"p\"}", -EINVAL, NULL,
	  "ERR_PUBSUB_NOT_FOUND" },
	{ 400, "{\"failedEntries\":[{\"entryId\":\"e2\"}],\"errorCode\":\"ERR_B\"}", -EINVAL, NULL,
	  "ERR_B" },
	{ 401, "invalid api token", -EINVAL, NULL, "invalid api token" },
};

static void publications_fiber(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(publications); i++) {
		bool published[3] = { true, false, true };
		int r;

		err = (struct err){ 0 };
		fake_says(publications[i].status, publications[i].body);
		r = sidecar_publish_wait(fake.client, STR("t"), entries, 3, published, &err);
		ck_assert_msg(r == publications[i].result, "%zu: %d %s", i, r, err.text);
		for (size_t k = 0; k < 3; k++)
			ck_assert_msg(published[k] == (publications[i].taken
							       ? publications[i].taken[k] == '+'
							       : k != 1),
				      "%zu: %zu", i, k);
		ck_assert_msg(!publications[i].told || strstr(err.text, publications[i].told),
			      "%zu: %s", i, err.text);
	}
}

START_TEST(what_was_published)
{
	on_fiber(publications_fiber);
}
END_TEST

/* As many as there may be, half of which fail, in another order. */
static void many_fiber(void *arg)
{
	static struct sidecar_entry many[SIDECAR_ENTRIES_MAX];
	static char ids[SIDECAR_ENTRIES_MAX][8];
	static bool published[SIDECAR_ENTRIES_MAX];
	struct buf answer;

	(void)arg;
	buf_init(&answer, 1 << 20);
	buf_append_str(&answer, STR("{\"failedEntries\":["));
	for (size_t i = 0; i < SIDECAR_ENTRIES_MAX; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%zu", i);
		many[i] = (struct sidecar_entry){ str_from(ids[i]), STR("k"), STR("{}") };
	}
	for (size_t i = SIDECAR_ENTRIES_MAX; i > 0; i -= 2)
		buf_printf(&answer, "%s{\"entryId\":\"%zu\"}", i < SIDECAR_ENTRIES_MAX ? "," : "",
			   i - 1);
	buf_append(&answer, "]}", 3);
	fake_says(500, answer.p);
	ck_assert_int_eq(sidecar_publish_wait(fake.client, STR("t"), many, SIDECAR_ENTRIES_MAX,
					      published, &err),
			 0);
	for (size_t i = 0; i < SIDECAR_ENTRIES_MAX; i++)
		ck_assert_int_eq(published[i], i % 2 == 0);
	buf_done(&answer);
}

START_TEST(publish_many)
{
	on_fiber(many_fiber);
}
END_TEST

/* ---- state ---- */

static void keys_fiber(void *arg)
{
	static const struct {
		struct str key;
		const char *path; /* NULL: refused */
	} cases[] = {
		{ STR_INIT("counter"), "counter" },
		{ STR_INIT("u/alice/contact"), "u%2Falice%2Fcontact" },
		{ STR_INIT("u/a%40b%2Fc/contact"), "u%2Fa%2540b%252Fc%2Fcontact" },
		{ STR_INIT("a b?c#d&e=f+g|h"), "a%20b%3Fc%23d%26e%3Df%2Bg%7Ch" },
		{ STR_INIT("\xC3\xA9"), "%C3%A9" },
		{ STR_INIT("../x"), "..%2Fx" },
		{ STR_INIT("..."), "..." },
		{ STR_INIT("."), NULL },
		{ STR_INIT(".."), NULL },
		{ STR_INIT(""), NULL },
		{ STR_INIT("a||b"), NULL },
		{ STR_INIT("a\nb"), NULL },
		{ STR_INIT("a\x7F"), NULL },
		{ STR_INIT("a\0b"), NULL },
		{ STR_INIT("\xFF"), NULL },
	};
	struct sidecar_state state;
	char line[128], big[513];
	unsigned sent = 0;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int want = cases[i].path ? 0 : -EINVAL;

		fake_says(204, "");
		ck_assert_int_eq(sidecar_state_get_wait(fake.client, fake.arena, cases[i].key,
							&state, &err),
				 want);
		sent += want == 0;
		snprintf(line, sizeof(line), "GET /v1.0/state/statestore/%s?consistency=strong",
			 cases[i].path ? cases[i].path : "");
		ck_assert_msg(want < 0 || asked_line(line), "%s", fake.request);
		ck_assert_int_eq(sidecar_state_delete_wait(fake.client, cases[i].key, NONE, &err),
				 want);
		sent += want == 0;
		snprintf(line, sizeof(line), "DELETE /v1.0/state/statestore/%s",
			 cases[i].path ? cases[i].path : "");
		ck_assert_msg(want < 0 || asked_line(line), "%s", fake.request);
		ck_assert_int_eq(sidecar_state_put_wait(fake.client, cases[i].key, STR("1"), NONE,
							false, 0, &err),
				 want);
		sent += want == 0;
		ck_assert_uint_eq(fake.asked, sent);
	}
	memset(big, 'k', sizeof(big));
	ck_assert_int_eq(
		sidecar_state_delete_wait(fake.client, (struct str){ big, 512 }, NONE, &err), 0);
	ck_assert_int_eq(sidecar_state_delete_wait(fake.client, (struct str){ big, 513 }, NONE,
						   &err),
			 -EINVAL);
}

START_TEST(state_keys)
{
	on_fiber(keys_fiber);
}
END_TEST

START_TEST(keys_of_users)
{
	struct arena *none = arena_new(0);

	ck_assert(str_eq(sidecar_user_key(fake.arena, STR("alice"), STR("contact")),
			 STR("u/alice/contact")));
	ck_assert(str_eq(sidecar_user_key(fake.arena, STR("a/b@c||%"), STR("conv/7")),
			 STR("u/a%2Fb%40c%7C%7C%25/conv/7")));
	ck_assert_ptr_null(sidecar_user_key(none, STR("alice"), STR("x")).p);
	arena_free(none);
}
END_TEST

static void get_fiber(void *arg)
{
	struct sidecar_state state = { .found = false };

	(void)arg;
	fake_says(200, "{\"a\":[1, 2]}");
	fake.head = "Etag: 7b1c\r\nMetadata.ttlExpireTime: x\r\n";
	ck_assert_int_eq(sidecar_state_get_wait(fake.client, fake.arena, STR("k"), &state, &err),
			 0);
	ck_assert(state.found && str_eq(state.value, STR("{\"a\":[1, 2]}")));
	ck_assert(str_eq(state.etag, STR("7b1c")));
	fake.head = NULL; /* a store that has none */
	ck_assert_int_eq(sidecar_state_get_wait(fake.client, fake.arena, STR("k"), &state, &err),
			 0);
	ck_assert(state.found && !state.etag.p);
	/* Failures leave it alone. */
	fake_says(500, "{\"errorCode\":\"ERR_STATE_GET\",\"message\":\"m\"}");
	ck_assert_int_eq(sidecar_state_get_wait(fake.client, fake.arena, STR("k"), &state, &err),
			 -EAGAIN);
	ck_assert(state.found && state.value.n > 0);
	fake_says(204, "");
	ck_assert_int_eq(sidecar_state_get_wait(fake.client, fake.arena, STR("k"), &state, &err),
			 0);
	ck_assert(!state.found && !state.value.p);
	fake_says(200, "");
	ck_assert_int_eq(sidecar_state_get_wait(fake.client, fake.arena, STR("k"), &state, &err),
			 0);
	ck_assert(!state.found);
}

START_TEST(state_get)
{
	on_fiber(get_fiber);
}
END_TEST

static const struct {
	const char *etag;
	bool first_write;
	int64_t ttl_s;
	const char *body;
} puts_[] = {
	{ NULL, false, 0,
	  "[{\"key\":\"u/a\",\"value\":{\"x\":1},\"options\":{\"concurrency\":\"last-write\",\"consistency\":\"strong\"}}]" },
	{ NULL, true, 60,
	  "[{\"key\":\"u/a\",\"value\":{\"x\":1},\"metadata\":{\"ttlInSeconds\":\"60\"},"
	  "\"options\":{\"concurrency\":\"first-write\",\"consistency\":\"strong\"}}]" },
	{ "7\"b", false, 0,
	  "[{\"key\":\"u/a\",\"value\":{\"x\":1},\"etag\":\"7\\\"b\","
	  "\"options\":{\"concurrency\":\"first-write\",\"consistency\":\"strong\"}}]" },
	{ "7", true, INT64_MAX,
	  "[{\"key\":\"u/a\",\"value\":{\"x\":1},\"etag\":\"7\",\"metadata\":{\"ttlInSeconds\":\"9223372036854775807\"},"
	  "\"options\":{\"concurrency\":\"first-write\",\"consistency\":\"strong\"}}]" },
};

static void put_fiber(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(puts_); i++) {
		struct str etag = puts_[i].etag ? str_from(puts_[i].etag) : NONE;

		ck_assert_int_eq(sidecar_state_put_wait(fake.client, STR("u/a"), STR("{\"x\":1}"),
							etag, puts_[i].first_write, puts_[i].ttl_s,
							&err),
				 0);
		ck_assert(asked_line("POST /v1.0/state/statestore"));
		ck_assert_ptr_nonnull(
			strstr(fake.request, "\r\nContent-Type: application/json\r\n"));
		ck_assert_str_eq(asked_body(), puts_[i].body);
	}
}

START_TEST(state_put)
{
	on_fiber(put_fiber);
}
END_TEST

#define NOT_UPDATED                                                                           \
	"{\"errorCode\":\"ERR_STATE_SAVE\",\"message\":\"failed saving state in state store " \
	"statestore: no item was updated\"}"

static const struct {
	int status;
	const char *body;
	int plain, first_write, etag; /* results */
} conflicts[] = {
	{ 204, "", 0, 0, 0 },
	{ 409, "{\"errorCode\":\"ERR_STATE_SAVE\",\"message\":\"possible etag mismatch\"}", -EEXIST,
	  -EEXIST, -EEXIST },
	{ 500, NOT_UPDATED, -EAGAIN, -EEXIST, -EEXIST },
	{ 500, "{\"errorCode\":\"ERR_STATE_SAVE\",\"message\":\"connection refused\"}", -EAGAIN,
	  -EAGAIN, -EAGAIN },
	{ 503, NOT_UPDATED, -EAGAIN, -EAGAIN, -EAGAIN },
	{ 400, NOT_UPDATED, -EINVAL, -EINVAL, -EINVAL },
	{ 500, "", -EAGAIN, -EAGAIN, -EAGAIN },
};

static void conflict_fiber(void *arg)
{
	struct str k = STR("k"), v = STR("1"), etag = STR("7");

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(conflicts); i++) {
		fake_says(conflicts[i].status, conflicts[i].body);
		ck_assert_int_eq(sidecar_state_put_wait(fake.client, k, v, NONE, false, 0, &err),
				 conflicts[i].plain);
		ck_assert_int_eq(sidecar_state_put_wait(fake.client, k, v, NONE, true, 0, &err),
				 conflicts[i].first_write);
		ck_assert(conflicts[i].first_write != -EEXIST || err.kind == &ERR_CONFLICT);
		ck_assert_int_eq(sidecar_state_put_wait(fake.client, k, v, etag, false, 0, &err),
				 conflicts[i].etag);
		ck_assert_int_eq(sidecar_state_delete_wait(fake.client, k, NONE, &err),
				 conflicts[i].plain);
		ck_assert_ptr_null(strstr(fake.request, "If-Match"));
		ck_assert_int_eq(sidecar_state_delete_wait(fake.client, k, etag, &err),
				 conflicts[i].etag);
		ck_assert_ptr_nonnull(strstr(fake.request, "\r\nIf-Match: 7\r\n"));
		ck_assert(asked_line(
			"DELETE /v1.0/state/statestore/k?concurrency=first-write&consistency=strong"));
	}
	ck_assert_int_eq(sidecar_state_delete_wait(fake.client, k, STR("7\r\nX: y"), &err),
			 -EINVAL);
}

START_TEST(state_conditions)
{
	on_fiber(conflict_fiber);
}
END_TEST

/* ---- jobs ---- */

static void job_fiber(void *arg)
{
	static const char *const bad[] = { "",	 "a/b", "A",  "a_b",  "a.b",  "a b",
					   "..", "a#",	"a?", "a\\b", "a%2f", "\xC3\xA9" };
	char name[130];

	(void)arg;
	ck_assert_int_eq(sidecar_job_put_wait(fake.client, STR("rem-0190a"), 1795262400000000,
					      STR("\"{\\\"id\\\":1}\""), 30, &err),
			 0);
	ck_assert(asked_line("POST /v1.0/jobs/rem-0190a"));
	ck_assert_str_eq(
		asked_body(),
		"{\"dueTime\":\"2026-11-21T12:00:00Z\",\"data\":\"{\\\"id\\\":1}\",\"overwrite\":true,"
		"\"failurePolicy\":{\"constant\":{\"interval\":\"30s\"}}}");
	ck_assert_int_eq(sidecar_job_put_wait(fake.client, STR("r"), 1795262400123456, STR("1"),
					      3600, &err),
			 0);
	ck_assert_ptr_nonnull(strstr(asked_body(), "\"2026-11-21T12:00:00.123456Z\""));
	ck_assert_ptr_nonnull(strstr(asked_body(), "\"3600s\""));
	ck_assert_int_eq(sidecar_job_delete_wait(fake.client, STR("rem-0190a"), &err), 0);
	ck_assert(asked_line("DELETE /v1.0/jobs/rem-0190a"));
	ck_assert_uint_eq(fake.asked, 3);

	memset(name, 'n', sizeof(name));
	for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
		struct str s = i < ARRAY_SIZE(bad) ? str_from(bad[i]) : (struct str){ name, 129 };

		ck_assert_int_eq(sidecar_job_put_wait(fake.client, s, 0, STR("1"), 1, &err),
				 -EINVAL);
		ck_assert_int_eq(sidecar_job_delete_wait(fake.client, s, &err), -EINVAL);
	}
	ck_assert_int_eq(sidecar_job_put_wait(fake.client, STR("r"), 0, STR("1"), 0, &err),
			 -EINVAL);
	ck_assert_uint_eq(fake.asked, 3);
	ck_assert_int_eq(sidecar_job_delete_wait(fake.client, (struct str){ name, 128 }, &err), 0);
	/* The Scheduler is down. */
	fake_says(500, "{\"errorCode\":\"DAPR_SCHEDULER_SCHEDULE_JOB\",\"message\":\"m\"}");
	ck_assert_int_eq(sidecar_job_put_wait(fake.client, STR("r"), 0, STR("1"), 1, &err),
			 -EAGAIN);
}

START_TEST(jobs)
{
	on_fiber(job_fiber);
}
END_TEST

/* ---- secrets ---- */

static const struct {
	int status;
	const char *body;
	int result;
} secrets[] = {
	{ 200, "{\"url\":\"v\\u00e9\",\"other\":\"x\"}", 0 },
	{ 200, "{\"url\":\"\"}", -ENOENT }, /* local.env has no such variable */
	{ 200, "{\"other\":\"x\"}", -ENOENT },
	{ 200, "{\"url\":null}", -ENOENT },
	{ 200, "{}", -ENOENT },
	{ 204, "", -ENOENT },
	{ 200, "", -EAGAIN },
	{ 200, "[]", -EAGAIN },
	{ 200, "<html>", -EAGAIN },
	{ 200, "{\"url\":7}", -EAGAIN },
	{ 403, "{\"errorCode\":\"ERR_PERMISSION_DENIED\",\"message\":\"m\"}", -EACCES },
	{ 500, "{\"errorCode\":\"ERR_SECRET_GET\",\"message\":\"m\"}", -EAGAIN },
	{ 401, "{\"errorCode\":\"ERR_SECRET_STORE_NOT_FOUND\",\"message\":\"m\"}", -EINVAL },
};

static void secret_fiber(void *arg)
{
	struct str value = STR("before");
	char big[300];

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		value = STR("before");
		fake_says(secrets[i].status, secrets[i].body);
		ck_assert_int_eq(sidecar_secret_wait(fake.client, fake.arena, STR("todod db"),
						     STR("url"), &value, &err),
				 secrets[i].result);
		ck_assert(asked_line("GET /v1.0/secrets/secrets/todod%20db"));
		ck_assert(str_eq(value, secrets[i].result == 0 ? STR("v\xC3\xA9") : STR("before")));
		if (secrets[i].result == -ENOENT)
			ck_assert_str_eq(err.text, "The secret todod db has no value for url.");
	}
	fake_says(200, "{\"url\":\"v\"}");
	memset(big, 'k', sizeof(big));
	ck_assert_int_eq(sidecar_secret_wait(fake.client, fake.arena, STR("s"),
					     (struct str){ big, sizeof(big) }, &value, &err),
			 -EINVAL);
	ck_assert_int_eq(sidecar_secret_wait(fake.client, fake.arena, STR(".."), STR("url"), &value,
					     &err),
			 -EINVAL);
	ck_assert_int_eq(sidecar_secret_wait(fake.client, fake.arena, STR(""), STR("url"), &value,
					     &err),
			 -EINVAL);
}

START_TEST(secrets_)
{
	on_fiber(secret_fiber);
}
END_TEST

/* ---- invocation ---- */

static FIBER int invoke(const char *method, const char *path, const char *const *headers,
			struct str body, struct http_response *ret)
{
	err = (struct err){ 0 };
	return sidecar_invoke_wait(fake.client, "chat-api", method, str_from(path), headers, body,
				   1000, ret, &err);
}

static void invoke_fiber(void *arg)
{
	static const char *const headers[] = { "Content-Type: application/json",
					       "Authorization: Bearer a.b.c",
					       "Dapr-Api-Token: guessed",
					       "dapr-app-id: auditor",
					       "Idempotency-Key: 1",
					       NULL };
	struct http_response response;

	(void)arg;
	fake_says(201, "{\"id\":1}");
	ck_assert_int_eq(invoke("POST", "/api/alice%2Fb/tasks?x=1&y=..", headers,
				STR("{\"title\":\"a\"}"), &response),
			 0);
	ck_assert_int_eq(response.status, 201);
	ck_assert(str_eq(buf_str(&response.body), STR("{\"id\":1}")));
	buf_done(&response.body);
	ck_assert(asked_line("POST /v1.0/invoke/chat-api/method/api/alice%2Fb/tasks?x=1&y=.."));
	ck_assert_ptr_nonnull(strstr(fake.request, "\r\nAuthorization: Bearer a.b.c\r\n"));
	ck_assert_ptr_nonnull(strstr(fake.request, "\r\nIdempotency-Key: 1\r\n"));
	ck_assert_ptr_nonnull(strstr(fake.request, "\r\ndapr-api-token: s3cret\r\n"));
	ck_assert_ptr_null(strcasestr(fake.request, "guessed"));
	ck_assert_ptr_null(strcasestr(fake.request, "auditor"));
	ck_assert_str_eq(asked_body(), "{\"title\":\"a\"}");
	/* Without a body and without headers there are none. */
	ck_assert_int_eq(invoke("GET", "/", NULL, NONE, &response), 0);
	buf_done(&response.body);
	ck_assert(asked_line("GET /v1.0/invoke/chat-api/method/"));
	ck_assert_ptr_null(strstr(fake.request, "Content-"));
}

START_TEST(invocation)
{
	on_fiber(invoke_fiber);
}
END_TEST

/* The answers of an app pass, whatever they are; those of the sidecar do not. */
static const struct {
	int status;
	const char *body;
	int result;
} invocations[] = {
	{ 200, "", 0 },
	{ 204, "", 0 },
	{ 302, "", 0 },
	{ 401, "{\"detail\":\"no token\"}", 0 },
	{ 403, "{\"detail\":\"not yours\"}", 0 },
	{ 404, "{\"detail\":\"no such task\"}", 0 },
	{ 500, "oops", 0 },
	{ 500, "{\"errorCode\":\"MINE\"}", 0 },
	{ 503, "", 0 },
	{ 200, "{\"errorCode\":\"ERR_DIRECT_INVOKE\"}", 0 },
	{ 500,
	  "{\"errorCode\":\"ERR_DIRECT_INVOKE\",\"message\":\"failed to invoke, id: chat-api\"}",
	  -EAGAIN },
	{ 404, "{\"errorCode\":\"ERR_DIRECT_INVOKE\",\"message\":\"m\"}", -EAGAIN },
	{ 403,
	  "{\"errorCode\":\"ERR_DIRECT_INVOKE\",\"message\":\"access control policy has denied access\"}",
	  -EACCES },
	{ 401, "invalid api token", -EINVAL },
};

static void invocations_fiber(void *arg)
{
	struct http_response response;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(invocations); i++) {
		int r;

		fake_says(invocations[i].status, invocations[i].body);
		r = invoke("GET", "/x", NULL, NONE, &response);
		ck_assert_msg(r == invocations[i].result, "%zu: %d %s", i, r, err.text);
		ck_assert_int_eq(response.status, r == 0 ? invocations[i].status : 0);
		if (r == 0)
			ck_assert(str_eq(buf_str(&response.body), str_from(invocations[i].body)));
		else
			ck_assert_uint_eq(response.body.n, 0);
		ck_assert(r != -EAGAIN || err.kind == &ERR_UNAVAILABLE);
		buf_done(&response.body);
	}
}

START_TEST(who_answers)
{
	on_fiber(invocations_fiber);
}
END_TEST

static const struct {
	const char *path;
	bool good;
} paths[] = {
	{ "/", true },
	{ "/a/b", true },
	{ "/a/.well-known/x..y/...", true },
	{ "/a//b/", true },
	{ "/a?b=../..", true },
	{ "/%41/%", true },
	{ "/%2e%2e%2e/x", true },
	{ "", false },
	{ "a", false },
	{ "?a", false },
	{ "/..", false },
	{ "/.", false },
	{ "/../../../secrets/secrets/db", false },
	{ "/a/../b", false },
	{ "/a/./b", false },
	{ "/a/..?x", false },
	{ "/%2e%2E/%2e./.%2e", false },
	{ "/a/%2e%2e", false },
	{ "/a%2f..%2fb", false },
	{ "/a%2F%2e%2e", false },
	{ "/a%5c..%5cb", false },
	{ "/a\\..\\b", false },
	{ "/a\\b", false },
	{ "/a#b", false },
	{ "/a b", false },
	{ "/a\r\nX: y", false },
	{ "/\xC3\xA9", false },
};

static void paths_fiber(void *arg)
{
	static const char *const bad_ids[] = { "", "a/b", "a.b", "..", "a b", "A" };
	struct http_response response;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		unsigned before = fake.asked;
		int r = invoke("GET", paths[i].path, NULL, NONE, &response);

		ck_assert_msg(r == (paths[i].good ? 0 : -EINVAL), "%s", paths[i].path);
		ck_assert_uint_eq(fake.asked, before + paths[i].good);
		ck_assert(paths[i].good || err.kind == &ERR_BAD_REQUEST);
		/* It stays under the app. */
		ck_assert(!paths[i].good ||
			  strncmp(fake.request, "GET /v1.0/invoke/chat-api/method/", 33) == 0);
		buf_done(&response.body);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		ck_assert_int_eq(sidecar_invoke_wait(fake.client, bad_ids[i], "GET", STR("/"), NULL,
						     NONE, 10, &response, &err),
				 -EINVAL);
		buf_done(&response.body);
	}
}

START_TEST(paths_to_apps)
{
	on_fiber(paths_fiber);
}
END_TEST

static void header_fiber(void *arg)
{
	static const char *headers[70];
	struct http_response response;

	(void)arg;
	for (size_t i = 0; i < 64; i++)
		headers[i] = "X-A: 1";
	ck_assert_int_eq(invoke("GET", "/", headers, NONE, &response), 0);
	buf_done(&response.body);
	headers[64] = "dapr-x: does not count";
	ck_assert_int_eq(invoke("GET", "/", headers, NONE, &response), 0);
	buf_done(&response.body);
	headers[65] = "X-A: 1";
	ck_assert_int_eq(invoke("GET", "/", headers, NONE, &response), -EINVAL);
	buf_done(&response.body);
	headers[0] = "X-A: 1\r\nX-B: 2";
	headers[64] = NULL;
	ck_assert_int_eq(invoke("GET", "/", headers, NONE, &response), -EINVAL);
	buf_done(&response.body);
	ck_assert_int_eq(invoke("get", "/", NULL, NONE, &response), -EINVAL);
	buf_done(&response.body);
	ck_assert_uint_eq(fake.asked, 2);
}

START_TEST(headers_to_apps)
{
	on_fiber(header_fiber);
}
END_TEST

/* ---- connections that end ---- */

enum lost_call {
	LOST_GET,
	LOST_PUBLISH,
	LOST_PUT,
	LOST_DELETE,
	LOST_JOB,
	LOST_INVOKE_GET,
	LOST_INVOKE_PUT,
	/* from here on the first one may have been heeded, and a second one would be another */
	LOST_FIRST_WRITE,
	LOST_PUT_MATCHING,
	LOST_DELETE_MATCHING,
	LOST_INVOKE_POST,
	LOST_INVOKE_PATCH,
	N_LOST_CALLS
};

static FIBER int invoke_lost(const char *method)
{
	struct http_response response;
	int r = sidecar_invoke_wait(fake.client, "chat-api", method, STR("/api/a/tasks"), NULL,
				    STR("{}"), 1000, &response, &err);

	buf_done(&response.body);
	return r;
}

static FIBER int make_call(enum lost_call call)
{
	const struct str key = STR("u/a/k"), etag = STR("e"), value = STR("1");
	struct sidecar_state state;
	bool published[1];

	switch (call) {
	case LOST_GET:
		return sidecar_state_get_wait(fake.client, fake.arena, key, &state, &err);
	case LOST_PUBLISH:
		return sidecar_publish_wait(fake.client, STR("t"), entries, 1, published, &err);
	case LOST_PUT:
		return sidecar_state_put_wait(fake.client, key, value, NONE, false, 0, &err);
	case LOST_FIRST_WRITE:
		return sidecar_state_put_wait(fake.client, key, value, NONE, true, 0, &err);
	case LOST_PUT_MATCHING:
		return sidecar_state_put_wait(fake.client, key, value, etag, false, 0, &err);
	case LOST_DELETE:
		return sidecar_state_delete_wait(fake.client, key, NONE, &err);
	case LOST_DELETE_MATCHING:
		return sidecar_state_delete_wait(fake.client, key, etag, &err);
	case LOST_JOB:
		return sidecar_job_put_wait(fake.client, STR("j"), 1, value, 1, &err);
	case LOST_INVOKE_GET:
		return invoke_lost("GET");
	case LOST_INVOKE_PUT:
		return invoke_lost("PUT");
	case LOST_INVOKE_POST:
		return invoke_lost("POST");
	case LOST_INVOKE_PATCH:
		return invoke_lost("PATCH");
	case N_LOST_CALLS:
	default:
		return -ENOSYS;
	}
}

/* The sidecar has read the request and dies: a connection that was kept ends without an answer. */
static void lost_answers_fiber(void *arg)
{
	(void)arg;
	for (int call = 0; call < N_LOST_CALLS; call++) {
		fake_says(204, "");
		ck_assert_int_eq(make_call(LOST_GET), 0);
		fake_says(0, NULL);
		fake.after = CLOSE;
		fake.asked = 0;
		ck_assert_msg(make_call((enum lost_call)call) == -EAGAIN, "%d: %s", call, err.text);
		ck_assert_msg(fake.asked == (call < LOST_FIRST_WRITE ? 2 : 1), "%d: asked %u times",
			      call, fake.asked);
	}
}

START_TEST(lost_answers)
{
	on_fiber(lost_answers_fiber);
}
END_TEST

static void idle_fiber(void *arg)
{
	(void)arg;
	for (int call = 0; call < N_LOST_CALLS; call++) {
		fake_says(204, "");
		ck_assert_int_eq(make_call(LOST_GET), 0);
		for (size_t i = 0; i < LOOPBACK_CONNECTIONS_MAX; i++) {
			if (fake.server.open[i])
				loopback_drop(&fake.server, fake.server.open[i]);
		}
		fake.asked = 0;
		ck_assert_msg(make_call((enum lost_call)call) == 0, "%d: %s", call, err.text);
		ck_assert_uint_eq(fake.asked, 1);
	}
}

/* A sidecar that closes what nobody used for a while: nobody notices. */
START_TEST(connections_closed_while_idle)
{
	on_fiber(idle_fiber);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sidecar_calls");
	TCase *tc = tcase_create("sidecar_calls");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, fake_setup, fake_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, publish);
	tcase_add_test(tc, what_was_published);
	tcase_add_test(tc, publish_many);
	tcase_add_test(tc, state_keys);
	tcase_add_test(tc, keys_of_users);
	tcase_add_test(tc, state_get);
	tcase_add_test(tc, state_put);
	tcase_add_test(tc, state_conditions);
	tcase_add_test(tc, jobs);
	tcase_add_test(tc, secrets_);
	tcase_add_test(tc, invocation);
	tcase_add_test(tc, who_answers);
	tcase_add_test(tc, paths_to_apps);
	tcase_add_test(tc, headers_to_apps);
	tcase_add_test(tc, lost_answers);
	tcase_add_test(tc, connections_closed_while_idle);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
