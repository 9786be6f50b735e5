/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls against a server on the same loop: what goes onto the wire, what comes back, and every way
 * a call can end badly. Each test runs its calls on a fiber and ends when no fiber is left.
 */
#include "net/http_client.h"

#include "loop/fiber.h"
#include "loop/timer.h"
#include "limited_memory.h"
#include "loopback_server.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

static struct loop *loop;
static struct http_client *client;
static struct loopback server;
static struct timer watcher;
static char last_request[16384];
static char url_buffer[256];

static const char *url(const char *path)
{
	snprintf(url_buffer, sizeof(url_buffer), "http://127.0.0.1:%u%s", server.port, path);
	return url_buffer;
}

static bool path_is(const char *request, const char *path)
{
	const char *space = strchr(request, ' ');
	return space && strncmp(space + 1, path, strlen(path)) == 0;
}

static void add_filler(struct evbuffer *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		evbuffer_add(out, "x", 1);
}

static enum after_reply answer(void *arg, const char *request, size_t n, struct evbuffer *out)
{
	(void)arg;
	snprintf(last_request, sizeof(last_request), "%s", request);
	if (path_is(request, "/silent"))
		return SILENCE;
	if (path_is(request, "/close"))
		return CLOSE;
	if (path_is(request, "/garbage")) {
		evbuffer_add_printf(out, "SMTP ready\r\n\r\n");
		return CLOSE;
	}
	if (path_is(request, "/tagged")) {
		evbuffer_add_printf(
			out,
			"HTTP/1.1 200 OK\r\nX-ETag: no\r\neTaG: \t a \"b\" c \r\nLong: %0*d\r\n"
			"Full: %0*d\r\nEmpty:\r\nETagged: no\r\nContent-Length: 0\r\n\r\n",
			HTTP_KEPT_SIZE, 7, HTTP_KEPT_SIZE - 1, 7);
		return KEEP;
	}
	if (path_is(request, "/cut")) {
		evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
		return CLOSE;
	}
	if (path_is(request, "/redirect")) {
		evbuffer_add_printf(
			out,
			"HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 2\r\n\r\nno");
		return KEEP;
	}
	if (path_is(request, "/chunked")) {
		evbuffer_add_printf(
			out,
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
		return KEEP;
	}
	if (path_is(request, "/endless")) {
		evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		for (int i = 0; i < 64; i++) {
			evbuffer_add_printf(out, "1000\r\n");
			add_filler(out, 0x1000);
			evbuffer_add_printf(out, "\r\n");
		}
		return KEEP;
	}
	if (path_is(request, "/heads")) {
		evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\n");
		for (int i = 0; i < 2000; i++)
			evbuffer_add_printf(
				out, "X-Filler-%d: 0123456789012345678901234567890123456789\r\n",
				i);
		return KEEP;
	}
	if (path_is(request, "/status/"))
		return loopback_reply(out, (int)strtol(strchr(request, ' ') + 9, NULL, 10), "", 0);
	return loopback_reply(out, 200, request, n);
}

static void stop_when_idle(void *arg)
{
	(void)arg;
	if (fiber_count() == 0)
		loop_stop(loop);
	else
		ck_assert_int_eq(timer_start(&watcher, 1), 0);
}

static void setup(void)
{
	setenv("http_proxy", "http://127.0.0.1:1", 1); /* would fail every call if it were heeded */
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	client = http_client_new(loop, 8);
	ck_assert_ptr_nonnull(client);
	loopback_start(&server, loop, answer, NULL);
	timer_init(&watcher, loop, stop_when_idle, NULL);
}

static void teardown(void)
{
	timer_done(&watcher);
	http_client_free(client);
	loopback_stop(&server);
	fiber_done();
	loop_free(loop);
}

/* Runs fn on a fiber, and the loop until no fiber is left. */
static void on_fiber(fiber_fn *fn, void *arg)
{
	ck_assert_int_eq(fiber_spawn(loop, "test", fn, arg, NULL, NULL), 0);
	ck_assert_int_eq(timer_start(&watcher, 1), 0);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_uint_eq(fiber_count(), 0);
}

static FIBER int call_url(const char *where, int64_t timeout_ms, size_t max,
			  struct http_response *response, struct err *e)
{
	struct http_call call = {
		.method = "GET",
		.url = where,
		.timeout_ms = timeout_ms,
		.connect_timeout_ms = PATIENCE_MS,
		.max_response_bytes = max,
	};
	return http_client_wait(client, &call, response, e);
}

static void get_fiber(void *arg)
{
	struct http_response response;
	struct err e = { 0 };
	(void)arg;
	ck_assert_msg(call_url(url("/echo?a=1"), PATIENCE_MS, 65536, &response, &e) == 0, "%s",
		      e.text);
	ck_assert_int_eq(response.status, 200);
	ck_assert(str_starts(buf_str(&response.body), STR("GET /echo?a=1 HTTP/1.1\r\n")));
	ck_assert_ptr_null(strcasestr(last_request, "Expect:"));
	ck_assert_ptr_null(strcasestr(last_request, "Content-Type:"));
	ck_assert_ptr_null(strcasestr(last_request, "Proxy"));
	buf_done(&response.body);
}

START_TEST(test_get)
{
	on_fiber(get_fiber, NULL);
}
END_TEST

static const struct {
	const char *method, *body, *in_request, *not_in_request;
} methods[] = {
	{ "POST", "{\"a\":1}", "POST /echo HTTP/1.1\r\n", "urlencoded" },
	{ "POST", "{\"a\":1}", "\r\nContent-Length: 7\r\n", "Expect" },
	{ "POST", "{\"a\":1}", "\r\n\r\n{\"a\":1}", "Expect" },
	{ "POST", NULL, "\r\nContent-Length: 0\r\n", "Expect" },
	{ "PUT", "x", "PUT /echo HTTP/1.1\r\n", "Expect" },
	{ "PUT", NULL, "\r\nContent-Length: 0\r\n", "Transfer-Encoding" },
	{ "PATCH", "x", "PATCH /echo HTTP/1.1\r\n", "Expect" },
	{ "DELETE", NULL, "DELETE /echo HTTP/1.1\r\n", "Content-Length" },
	{ "GET", NULL, "GET /echo HTTP/1.1\r\n", "Content-Length" },
	{ "GET", NULL, "\r\nContent-Type: application/json\r\n", "Expect" },
	{ "GET", NULL, "\r\nAuthorization: Bearer a.b.c\r\n", "Expect" },
	{ "OPTIONS", NULL, "OPTIONS /echo HTTP/1.1\r\n", "Expect" },
};

static void method_fiber(void *arg)
{
	static const char *const headers[] = { "Content-Type: application/json",
					       "Authorization: Bearer a.b.c", NULL };
	size_t i = *(const size_t *)arg;
	struct http_response response;
	struct err e = { 0 };
	struct http_call call = {
		.method = methods[i].method,
		.url = url("/echo"),
		.headers = headers,
		.body = str_from(methods[i].body),
		.timeout_ms = PATIENCE_MS,
		.connect_timeout_ms = PATIENCE_MS,
		.max_response_bytes = 65536,
	};
	if (!methods[i].body)
		call.body.p = NULL;
	ck_assert_msg(http_client_wait(client, &call, &response, &e) == 0, "%s", e.text);
	ck_assert_msg(strstr(last_request, methods[i].in_request), "%s is not in %s",
		      methods[i].in_request, last_request);
	ck_assert_msg(!strstr(last_request, methods[i].not_in_request), "%s is in %s",
		      methods[i].not_in_request, last_request);
	buf_done(&response.body);
}

START_TEST(test_methods)
{
	size_t i = (size_t)_i;
	on_fiber(method_fiber, &i);
}
END_TEST

static void kept_fiber(void *arg)
{
	static const struct {
		const char *name, *value;
	} cases[] = {
		{ "ETag", "a \"b\" c" },   { "Long", "" }, { "Empty", "" }, { "Absent", "" },
		{ "Content-Length", "0" }, { NULL, "" },   { "", "" },
	};
	struct http_response response;
	struct http_call call = {
		.method = "GET",
		.timeout_ms = PATIENCE_MS,
		.connect_timeout_ms = PATIENCE_MS,
		.max_response_bytes = 16,
	};
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		call.url = url("/tagged");
		call.keep_header = cases[i].name;
		memset(&response, 'x', sizeof(response));
		ck_assert_int_eq(http_client_wait(client, &call, &response, NULL), 0);
		ck_assert_str_eq(response.kept, cases[i].value);
		buf_done(&response.body);
	}
	call.url = url("/tagged");
	call.keep_header = "Full";
	ck_assert_int_eq(http_client_wait(client, &call, &response, NULL), 0);
	ck_assert_uint_eq(strlen(response.kept), HTTP_KEPT_SIZE - 1);
	buf_done(&response.body);
}

START_TEST(test_kept_header)
{
	on_fiber(kept_fiber, NULL);
}
END_TEST

static void head_fiber(void *arg)
{
	struct http_response response;
	struct http_call call = {
		.method = "HEAD",
		.url = url("/status/204"),
		.timeout_ms = PATIENCE_MS,
		.connect_timeout_ms = PATIENCE_MS,
		.max_response_bytes = 16,
	};
	(void)arg;
	ck_assert_int_eq(http_client_wait(client, &call, &response, NULL), 0);
	ck_assert_int_eq(response.status, 204);
	ck_assert(strncmp(last_request, "HEAD ", 5) == 0);
	buf_done(&response.body);
}

START_TEST(test_head)
{
	on_fiber(head_fiber, NULL);
}
END_TEST

/* Outcomes of one GET each. */
static const struct outcome {
	const char *path;
	int64_t timeout_ms;
	size_t max;
	int result, status;
	const char *body, *reason;
} outcomes[] = {
	{ "/chunked", PATIENCE_MS, 7, 0, 200, "abcdefg", "" },
	{ "/chunked", PATIENCE_MS, 6, -EMSGSIZE, 0, NULL, "too long" },
	{ "/endless", PATIENCE_MS, 65536, -EMSGSIZE, 0, NULL, "too long" },
	{ "/heads", PATIENCE_MS, 65536, -EMSGSIZE, 0, NULL, "too long" },
	{ "/redirect", PATIENCE_MS, 100, 0, 302, "no", "" },
	{ "/status/404", PATIENCE_MS, 100, 0, 404, "", "" },
	{ "/status/500", PATIENCE_MS, 100, 0, 500, "", "" },
	{ "/silent", 50, 100, -ETIME, 0, NULL, "in time" },
	{ "/close", PATIENCE_MS, 100, -EPROTO, 0, NULL, "" },
	{ "/cut", PATIENCE_MS, 100, -EPROTO, 0, NULL, "" },
	{ "/garbage", PATIENCE_MS, 100, -EPROTO, 0, NULL, "" },
};

static void outcome_fiber(void *arg)
{
	const struct outcome *o = arg;
	struct http_response response;
	struct err e = { 0 };
	int r = call_url(url(o->path), o->timeout_ms, o->max, &response, &e);
	ck_assert_msg(r == o->result, "%s: %d (%s)", o->path, r, e.text);
	ck_assert_int_eq(response.status, o->status);
	if (r == 0) {
		ck_assert(str_eq(buf_str(&response.body), str_from(o->body)));
		ck_assert_ptr_null(e.kind);
	} else {
		ck_assert_ptr_eq(e.kind, &ERR_UNAVAILABLE);
		ck_assert_msg(e.text[0] != '\0' && strstr(e.text, o->reason), "%s: %s", o->path,
			      e.text);
	}
	buf_done(&response.body);
}

START_TEST(test_outcomes)
{
	struct outcome o = outcomes[_i];
	on_fiber(outcome_fiber, &o);
}
END_TEST

static void refused_fiber(void *arg)
{
	struct http_response response;
	struct err e = { 0 };
	(void)arg;
	/* Nobody listens on the port of a server that has gone. */
	const char *where = url("/");
	loopback_stop(&server);
	ck_assert_int_eq(call_url(where, PATIENCE_MS, 10, &response, &e), -ECONNREFUSED);
	ck_assert_ptr_eq(e.kind, &ERR_UNAVAILABLE);
	buf_done(&response.body);
	ck_assert_int_eq(call_url("http://name.invalid/", PATIENCE_MS, 10, &response, &e),
			 -ECONNREFUSED);
	buf_done(&response.body);
}

START_TEST(test_connection_refused)
{
	on_fiber(refused_fiber, NULL);
}
END_TEST

static const struct {
	const char *method, *url, *header, *field;
} bad_calls[] = {
	{ "GET", "ftp://127.0.0.1/", "A: b", "url" },
	{ "GET", "file:///etc/passwd", "A: b", "url" },
	{ "GET", "/relative", "A: b", "url" },
	{ "GET", "", "A: b", "url" },
	{ "GET", NULL, "A: b", "url" },
	{ "GET", "http://127.0.0.1/a b", "A: b", "url" },
	{ "GET", "http://127.0.0.1/\r\nX: y", "A: b", "url" },
	{ "GET", "http://127.0.0.1/\xc3\xa9", "A: b", "url" },
	{ "GET", "http://", "A: b", "" },
	{ "GET", "http://127.0.0.1:99999/", "A: b", "" },
	{ "get", "http://127.0.0.1/", "A: b", "method" },
	{ "", "http://127.0.0.1/", "A: b", "method" },
	{ NULL, "http://127.0.0.1/", "A: b", "method" },
	{ "GET / HTTP/1.1\r\nX:", "http://127.0.0.1/", "A: b", "method" },
	{ "GET", "http://127.0.0.1/", "A: b\r\nInjected: 1", "headers" },
	{ "GET", "http://127.0.0.1/", "A: b\nInjected: 1", "headers" },
	{ "GET", "http://127.0.0.1/", "A: b\r", "headers" },
	{ "GET", "http://127.0.0.1/", "A\n: b", "headers" },
	{ "GET", "http://127.0.0.1/", ": b", "headers" },
	{ "GET", "http://127.0.0.1/", "A : b", "headers" },
	{ "GET", "http://127.0.0.1/", "no colon", "headers" },
	{ "GET", "http://127.0.0.1/", "", "headers" },
	{ "GET", "http://127.0.0.1/", "A: \x7f", "headers" },
};

static void bad_call_fiber(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(bad_calls); i++) {
		const char *const headers[] = { "Fine: 1", bad_calls[i].header, NULL };
		struct http_response response;
		struct err e = { 0 };
		struct http_call call = {
			.method = bad_calls[i].method,
			.url = bad_calls[i].url,
			.headers = headers,
			.timeout_ms = PATIENCE_MS,
			.connect_timeout_ms = PATIENCE_MS,
			.max_response_bytes = 10,
		};
		int r = http_client_wait(client, &call, &response, &e);
		ck_assert_msg(r == -EINVAL, "case %zu: %d (%s)", i, r, e.text);
		ck_assert_str_eq(e.field, bad_calls[i].field);
		buf_done(&response.body);
	}
}

START_TEST(test_bad_calls)
{
	on_fiber(bad_call_fiber, NULL);
	ck_assert_uint_eq(server.requests, 0);
}
END_TEST

/* Connections are used again. */
static void many_fiber(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		struct http_response response;
		ck_assert_int_eq(call_url(url("/echo"), PATIENCE_MS, 65536, &response, NULL), 0);
		buf_done(&response.body);
	}
}

START_TEST(test_keep_alive)
{
	on_fiber(many_fiber, NULL);
	ck_assert_uint_eq(server.requests, 100);
	ck_assert_uint_eq(server.connections, 1);
}
END_TEST

static int results[9];

static void silent_fiber(void *arg)
{
	struct http_response response;
	char where[256];
	snprintf(where, sizeof(where), "%s", url("/silent"));
	*(int *)arg = call_url(where, PATIENCE_MS, 10, &response, NULL);
	buf_done(&response.body);
}

/* The ninth of eight calls is turned away at once; then everything else is cancelled. */
static void bound_fiber(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < 8; i++)
		ck_assert_int_eq(fiber_spawn(loop, "silent", silent_fiber, &results[i], NULL, NULL),
				 0);
	while (server.requests < 8)
		ck_assert_int_eq(fiber_sleep(1), 0);
	silent_fiber(&results[8]);
	fiber_cancel_all();
}

START_TEST(test_bounded_calls_and_cancel)
{
	on_fiber(bound_fiber, NULL);
	for (size_t i = 0; i < 8; i++)
		ck_assert_int_eq(results[i], -ECANCELED);
	ck_assert_int_eq(results[8], -EAGAIN);
}
END_TEST

/* The client goes while calls run: they end, and nothing touches it afterwards. */
static void free_fiber(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(fiber_spawn(loop, "silent", silent_fiber, &results[i], NULL, NULL),
				 0);
	while (server.requests < 4)
		ck_assert_int_eq(fiber_sleep(1), 0);
	http_client_free(client);
	client = NULL;
}

START_TEST(test_free_with_calls_running)
{
	on_fiber(free_fiber, NULL);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(results[i], -ECANCELED);
}
END_TEST

static unsigned finished;

static void mixed_fiber(void *arg)
{
	const struct outcome *o = arg;
	for (int i = 0; i < 20; i++)
		outcome_fiber((void *)(uintptr_t)o);
	finished++;
}

/* Good and bad calls side by side on the same connections pool do not disturb each other. */
static void side_by_side_fiber(void *arg)
{
	static const size_t which[] = { 0, 1, 4, 5, 8, 9, 0, 5 };
	static struct outcome copies[ARRAY_SIZE(which)];
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(which); i++) {
		copies[i] = outcomes[which[i]];
		ck_assert_int_eq(fiber_spawn(loop, "mixed", mixed_fiber, &copies[i], NULL, NULL),
				 0);
	}
}

START_TEST(test_side_by_side)
{
	on_fiber(side_by_side_fiber, NULL);
	ck_assert_uint_eq(finished, 8);
}
END_TEST

static void big_body_fiber(void *arg)
{
	static char body[3 * 512 * 1024]; /* from 1 MiB on libcurl would send Expect */
	struct http_response response;
	struct http_call call = {
		.method = "POST",
		.url = url("/status/201"),
		.body = { body, sizeof(body) },
		.timeout_ms = PATIENCE_MS,
		.connect_timeout_ms = PATIENCE_MS,
		.max_response_bytes = 10,
	};
	(void)arg;
	memset(body, 'b', sizeof(body));
	ck_assert_int_eq(http_client_wait(client, &call, &response, NULL), 0);
	ck_assert_int_eq(response.status, 201);
	ck_assert_ptr_nonnull(strstr(last_request, "\r\nContent-Length: 1572864\r\n"));
	ck_assert_ptr_null(strcasestr(last_request, "\r\nExpect:"));
	buf_done(&response.body);
}

START_TEST(test_big_request_body)
{
	on_fiber(big_body_fiber, NULL);
}
END_TEST

static unsigned failures;

/* The nth allocation fails, for every n until a call gets through without: a clean error each time.
 */
static void without_memory_fiber(void *arg)
{
	int r = -ENOMEM;
	(void)arg;
	for (unsigned n = 0; r != 0 && n < 2000; n++) {
		struct http_response response;
		struct err e = { 0 };
		allocations_left = n;
		r = call_url(url("/echo"), PATIENCE_MS, 65536, &response, &e);
		allocations_left = UINT_MAX;
		ck_assert((r == 0) == (e.kind == NULL));
		failures += r != 0;
		buf_done(&response.body);
	}
	ck_assert_int_eq(r, 0);
}

START_TEST(test_libcurl_without_memory)
{
	http_client_free(client);
	limit_memory_of_libcurl();
	client = http_client_new(loop, 8);
	ck_assert_ptr_nonnull(client);
	on_fiber(without_memory_fiber, NULL);

	ck_assert_uint_gt(failures, 20);
	printf("http_client: %u failed allocations inside libcurl\n", failures);
	http_client_free(client);
	client = NULL;
	curl_global_cleanup();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http_client");
	TCase *tc = tcase_create("calls");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_get);
	tcase_add_loop_test(tc, test_methods, 0, ARRAY_SIZE(methods));
	tcase_add_test(tc, test_kept_header);
	tcase_add_test(tc, test_head);
	tcase_add_loop_test(tc, test_outcomes, 0, ARRAY_SIZE(outcomes));
	tcase_add_test(tc, test_connection_refused);
	tcase_add_test(tc, test_bad_calls);
	tcase_add_test(tc, test_keep_alive);
	tcase_add_test(tc, test_bounded_calls_and_cancel);
	tcase_add_test(tc, test_free_with_calls_running);
	tcase_add_test(tc, test_side_by_side);
	tcase_add_test(tc, test_big_request_body);
	tcase_add_test(tc, test_libcurl_without_memory);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
