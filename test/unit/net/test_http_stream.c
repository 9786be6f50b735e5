/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are read as they come, from a server on the same loop: the head before the body,
 * pieces when they are sent, a server that is held back, and every way it can break off. The
 * server's output is at hand, so that a test decides when a piece leaves.
 */
#include "net/http_stream.h"

#include "loop/fiber.h"
#include "loop/timer.h"
#include "limited_memory.h"
#include "loopback_server.h"
#include "test/unit/support/fail_alloc.h"

#include <errno.h>

enum {
	PATIENCE_MS = 10000,
	BIG_BYTES = 8 * 1024 * 1024,
	PIECE_MAX = 64 * 1024 + 16 * 1024, /* what is read ahead, and one more piece of libcurl's */
};

static struct loop *loop;
static struct http_client *client;
static struct loopback server;
static struct timer watcher;

static char pattern(size_t i)
{
	return (char)('a' + i % 23);
}

static void add_big_body(struct evbuffer *out)
{
	char *bytes = malloc(BIG_BYTES);

	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < BIG_BYTES; i++)
		bytes[i] = pattern(i);
	evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BIG_BYTES);
	evbuffer_add(out, bytes, BIG_BYTES);
	free(bytes);
}

static const struct {
	const char *path, *answer;
	enum after_reply after;
} ANSWERS[] = {
	{ "/whole",
	  "HTTP/1.1 201 Made\r\nContent-Length: 5\r\nX-One:  a: b \r\nX-Two:\r\n\r\nhello", KEEP },
	{ "/head", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", KEEP },
	{ "/trailer",
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n",
	  KEEP },
	{ "/early",
	  "HTTP/1.1 103 Early Hints\r\nLink: early\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
	  KEEP },
	{ "/empty", "HTTP/1.1 204 No Content\r\nX-One: 1\r\n\r\n", KEEP },
	{ "/cut-head", "HTTP/1.1 200 OK\r\nContent-Len", CLOSE },
	{ "/garbage", "SMTP ready\r\n\r\n", CLOSE },
	{ "/close", "", CLOSE },
	{ "/stall", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", KEEP },
	{ "/silent", "", SILENCE },
};

static enum after_reply answer(void *arg, const char *request, size_t n, struct evbuffer *out)
{
	const char *path = strchr(request, ' ') + 1;
	size_t length = strcspn(path, " ");

	(void)arg;
	(void)n;
	for (size_t i = 0; i < ARRAY_SIZE(ANSWERS); i++) {
		if (strlen(ANSWERS[i].path) == length &&
		    strncmp(path, ANSWERS[i].path, length) == 0) {
			evbuffer_add(out, ANSWERS[i].answer, strlen(ANSWERS[i].answer));
			return ANSWERS[i].after;
		}
	}
	if (strncmp(path, "/big", length) == 0) {
		add_big_body(out);
		return KEEP;
	}
	ck_assert(strncmp(path, "/heads", length) == 0);
	evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 2000; i++)
		evbuffer_add_printf(out,
				    "X-Filler-%d: 0123456789012345678901234567890123456789\r\n", i);
	return KEEP;
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
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	client = http_client_new(loop, 4);
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

static FIBER int open_path(const char *method, const char *path, int64_t timeout_ms,
			   struct http_stream **ret, struct err *e)
{
	char url[256];
	struct http_call call = {
		.method = method,
		.url = url,
		.timeout_ms = timeout_ms,
		.connect_timeout_ms = PATIENCE_MS,
	};

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port, path);
	return http_stream_open_wait(client, &call, ret, e);
}

static FIBER struct http_stream *open_ok(const char *path)
{
	struct http_stream *s = NULL;
	struct err e = { 0 };

	ck_assert_msg(open_path("GET", path, PATIENCE_MS, &s, &e) == 0, "%s: %s", path, e.text);
	ck_assert_ptr_nonnull(s);
	return s;
}

/* The next piece is exactly this. */
static FIBER void read_text(struct http_stream *s, const char *wanted)
{
	struct err e = { 0 };
	struct buf piece;

	ck_assert_msg(http_stream_read_wait(s, &piece, PATIENCE_MS, &e) == 1, "%s", e.text);
	ck_assert_msg(str_eq(buf_str(&piece), str_from(wanted)), "\"%.*s\" is not \"%s\"",
		      STR_ARGS(buf_str(&piece)), wanted);
	buf_done(&piece);
}

/* What a read comes to that brings no bytes. */
static FIBER int read_nothing(struct http_stream *s, int64_t timeout_ms, struct err *e)
{
	struct buf piece;
	int r = http_stream_read_wait(s, &piece, timeout_ms, e);

	ck_assert_int_le(r, 0);
	ck_assert_uint_eq(piece.n, 0);
	buf_done(&piece);
	return r;
}

/* The server sends this now, on its only connection. */
static void send_now(const char *text)
{
	ck_assert_ptr_nonnull(server.open[0]);
	ck_assert_int_eq(bufferevent_write(server.open[0], text, strlen(text)), 0);
}

/* Until the end is known here too; a bound keeps a broken test from hanging. */
static FIBER void until_whole(struct http_stream *s)
{
	for (int i = 0; i < PATIENCE_MS && !http_stream_is_whole(s); i++)
		ck_assert_int_eq(fiber_sleep(1), 0);
	ck_assert(http_stream_is_whole(s));
}

static void whole_fiber(void *arg)
{
	struct http_stream *s = open_ok("/whole");
	struct http_header headers[8];

	(void)arg;
	ck_assert_int_eq(http_stream_status(s), 201);
	ck_assert_uint_eq(http_stream_headers(s, headers, 8), 3);
	ck_assert(str_eq(headers[1].name, STR("X-One")));
	ck_assert(str_eq(headers[1].value, STR("a: b")));
	ck_assert(str_eq(headers[2].name, STR("X-Two")));
	ck_assert_uint_eq(headers[2].value.n, 0);
	ck_assert_uint_eq(http_stream_headers(s, headers, 2), 2);
	until_whole(s);
	read_text(s, "hello");
	ck_assert_int_eq(read_nothing(s, PATIENCE_MS, NULL), 0);
	ck_assert_int_eq(read_nothing(s, PATIENCE_MS, NULL), 0);
	http_stream_close(s);
}

START_TEST(test_a_whole_answer)
{
	on_fiber(whole_fiber, NULL);
}
END_TEST

/* The head is told before there is a body; each piece when it comes. */
static void pieces_fiber(void *arg)
{
	struct http_stream *s = open_ok("/head");

	(void)arg;
	ck_assert_int_eq(http_stream_status(s), 200);
	ck_assert(!http_stream_is_whole(s));
	send_now("3\r\none\r\n");
	read_text(s, "one");
	ck_assert(!http_stream_is_whole(s));
	send_now("5\r\nthree\r\n");
	read_text(s, "three");
	send_now("0\r\n\r\n");
	ck_assert_int_eq(read_nothing(s, PATIENCE_MS, NULL), 0);
	ck_assert(http_stream_is_whole(s));
	http_stream_close(s);
}

START_TEST(test_pieces_as_they_come)
{
	on_fiber(pieces_fiber, NULL);
}
END_TEST

/* What stands before the head or behind the body is not of the head. */
static void other_heads_fiber(void *arg)
{
	struct http_header headers[8];
	struct http_stream *s = open_ok("/early");

	(void)arg;
	ck_assert_int_eq(http_stream_status(s), 404);
	ck_assert_uint_eq(http_stream_headers(s, headers, 8), 1);
	ck_assert(str_eq(headers[0].name, STR("Content-Length")));
	read_text(s, "no");
	http_stream_close(s);

	s = open_ok("/trailer");
	until_whole(s);
	ck_assert_uint_eq(http_stream_headers(s, headers, 8), 1);
	ck_assert(str_eq(headers[0].name, STR("Transfer-Encoding")));
	read_text(s, "abc");
	ck_assert_int_eq(read_nothing(s, PATIENCE_MS, NULL), 0);
	http_stream_close(s);
}

START_TEST(test_informational_heads_and_trailers)
{
	on_fiber(other_heads_fiber, NULL);
}
END_TEST

static void empty_fiber(void *arg)
{
	struct http_stream *s = open_ok("/empty");

	(void)arg;
	ck_assert_int_eq(http_stream_status(s), 204);
	ck_assert_int_eq(read_nothing(s, PATIENCE_MS, NULL), 0);
	http_stream_close(s);
	ck_assert_int_eq(open_path("HEAD", "/whole", PATIENCE_MS, &s, NULL), 0);
	ck_assert_int_eq(http_stream_status(s), 201);
	ck_assert_int_eq(read_nothing(s, PATIENCE_MS, NULL), 0);
	http_stream_close(s);
}

START_TEST(test_no_body)
{
	on_fiber(empty_fiber, NULL);
}
END_TEST

/* A reader that rests lets the server wait: nothing is lost, and no more is held than is allowed.
 */
static void big_fiber(void *arg)
{
	struct http_stream *s = open_ok("/big");
	size_t n = 0;
	struct buf piece;
	struct err e = { 0 };
	int r;

	(void)arg;
	while ((r = http_stream_read_wait(s, &piece, PATIENCE_MS, &e)) == 1) {
		ck_assert_uint_le(piece.n, PIECE_MAX);
		for (size_t i = 0; i < piece.n; i++)
			ck_assert_msg(piece.p[i] == pattern(n + i), "byte %zu", n + i);
		n += piece.n;
		buf_done(&piece);
		ck_assert_int_eq(fiber_sleep(1), 0);
	}
	ck_assert_msg(r == 0, "%s", e.text);
	ck_assert_uint_eq(n, BIG_BYTES);
	http_stream_close(s);
}

START_TEST(test_a_slow_reader_holds_the_server_back)
{
	on_fiber(big_fiber, NULL);
}
END_TEST

/* What came is read first; only then the reason why no more does. */
static void cut_fiber(void *arg)
{
	struct err e = { 0 };
	struct http_stream *s = open_ok("/stall");

	(void)arg;
	read_text(s, "short");
	send_now("and more");
	loopback_close_when_sent(&server, server.open[0]);
	read_text(s, "and more");
	ck_assert_int_eq(read_nothing(s, PATIENCE_MS, &e), -EPROTO);
	ck_assert_ptr_eq(e.kind, &ERR_UNAVAILABLE);
	ck_assert(e.text[0] != '\0');
	ck_assert(!http_stream_is_whole(s));
	ck_assert_int_eq(read_nothing(s, PATIENCE_MS, NULL), -EPROTO);
	http_stream_close(s);

	s = open_ok("/stall");
	read_text(s, "short");
	ck_assert_int_eq(read_nothing(s, 20, &e), -ETIME);
	ck_assert_ptr_nonnull(strstr(e.text, "in time"));
	http_stream_close(s);
}

START_TEST(test_bodies_that_break_off)
{
	on_fiber(cut_fiber, NULL);
}
END_TEST

static const struct refusal {
	const char *path;
	int64_t timeout_ms;
	int result;
} REFUSALS[] = {
	{ "/close", PATIENCE_MS, -EPROTO },    { "/garbage", PATIENCE_MS, -EPROTO },
	{ "/cut-head", PATIENCE_MS, -EPROTO }, { "/silent", 20, -ETIME },
	{ "/heads", PATIENCE_MS, -EMSGSIZE },  { "/a b", PATIENCE_MS, -EINVAL },
};

static void refusal_fiber(void *arg)
{
	const struct refusal *c = arg;
	struct http_stream *s = NULL;
	struct err e = { 0 };
	int r = open_path("GET", c->path, c->timeout_ms, &s, &e);

	ck_assert_msg(r == c->result, "%s: %d (%s)", c->path, r, e.text);
	ck_assert_ptr_null(s);
	ck_assert_ptr_nonnull(e.kind);
	ck_assert(e.text[0] != '\0');
}

START_TEST(test_answers_without_a_head)
{
	struct refusal c = REFUSALS[_i];

	on_fiber(refusal_fiber, &c);
}
END_TEST

static void gone_fiber(void *arg)
{
	struct http_stream *s = NULL;
	unsigned port = server.port;

	(void)arg;
	loopback_stop(&server);
	server.port = port;
	ck_assert_int_eq(open_path("GET", "/whole", PATIENCE_MS, &s, NULL), -ECONNREFUSED);
	ck_assert_ptr_null(s);
}

START_TEST(test_nobody_listens)
{
	on_fiber(gone_fiber, NULL);
}
END_TEST

/* A stream that is closed in the middle is one call less, and disturbs none after it. */
static void early_fiber(void *arg)
{
	struct http_stream *s[5] = { NULL };

	(void)arg;
	http_stream_close(NULL);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 4; i++)
			s[i] = open_ok(i % 2 ? "/big" : "/head");
		ck_assert_int_eq(open_path("GET", "/whole", PATIENCE_MS, &s[4], NULL), -EAGAIN);
		for (size_t i = 0; i < 4; i++)
			http_stream_close(s[i]);
	}
	s[0] = open_ok("/whole");
	read_text(s[0], "hello");
	http_stream_close(s[0]);
}

START_TEST(test_closed_early)
{
	on_fiber(early_fiber, NULL);
}
END_TEST

static int waiting[2];

static void open_waiting_fiber(void *arg)
{
	struct http_stream *s = NULL;

	(void)arg;
	waiting[0] = open_path("GET", "/silent", PATIENCE_MS, &s, NULL);
}

static void read_waiting_fiber(void *arg)
{
	struct http_stream *s = open_ok("/head");

	(void)arg;
	waiting[1] = 1;
	waiting[1] = read_nothing(s, PATIENCE_MS, NULL);
	http_stream_close(s);
}

static FIBER void start_two_that_wait(void)
{
	ck_assert_int_eq(fiber_spawn(loop, "open", open_waiting_fiber, NULL, NULL, NULL), 0);
	ck_assert_int_eq(fiber_spawn(loop, "read", read_waiting_fiber, NULL, NULL, NULL), 0);
	for (int i = 0; i < PATIENCE_MS && (server.requests < 2 || waiting[1] != 1); i++)
		ck_assert_int_eq(fiber_sleep(1), 0);
}

static void cancel_fiber(void *arg)
{
	(void)arg;
	start_two_that_wait();
	fiber_cancel_all();
}

START_TEST(test_cancelled)
{
	on_fiber(cancel_fiber, NULL);
	ck_assert_int_eq(waiting[0], -ECANCELED);
	ck_assert_int_eq(waiting[1], -ECANCELED);
}
END_TEST

static void free_fiber(void *arg)
{
	(void)arg;
	start_two_that_wait();
	http_client_free(client);
	client = NULL;
}

START_TEST(test_the_client_goes_first)
{
	on_fiber(free_fiber, NULL);
	ck_assert_int_eq(waiting[0], -ECANCELED);
	ck_assert_int_eq(waiting[1], -ECANCELED);
}
END_TEST

/* A stream outlives its client: what came can be read, and closed. */
static void outlive_fiber(void *arg)
{
	struct http_stream *s = open_ok("/big");
	struct buf piece;

	(void)arg;
	ck_assert_int_eq(fiber_sleep(5), 0);
	http_client_free(client);
	client = NULL;
	ck_assert_int_eq(http_stream_read_wait(s, &piece, PATIENCE_MS, NULL), 1);
	ck_assert_uint_gt(piece.n, 0);
	buf_done(&piece);
	ck_assert_int_eq(read_nothing(s, PATIENCE_MS, NULL), -ECANCELED);
	http_stream_close(s);
}

START_TEST(test_a_stream_outlives_its_client)
{
	on_fiber(outlive_fiber, NULL);
}
END_TEST

/* Opens, reads to the end and closes; 0, or the first error. */
static FIBER int read_all(struct err *e)
{
	struct http_stream *s = NULL;
	struct buf piece;
	int r = open_path("GET", "/whole", PATIENCE_MS, &s, e);

	while (r >= 0 && (r = http_stream_read_wait(s, &piece, PATIENCE_MS, e)) != 0)
		buf_done(&piece);
	http_stream_close(s);
	return r;
}

static unsigned failures;

/* The nth allocation of libcurl fails, for every n until an answer gets through without: a clean
 * error each time. */
static void without_memory_fiber(void *arg)
{
	int r = -ENOMEM;

	(void)arg;
	for (unsigned n = 0; r != 0 && n < 2000; n++) {
		struct err e = { 0 };
		allocations_left = n;
		r = read_all(&e);
		allocations_left = UINT_MAX;
		ck_assert((r == 0) == (e.kind == NULL));
		failures += r != 0;
	}
	ck_assert_int_eq(r, 0);
}

START_TEST(test_libcurl_without_memory)
{
	http_client_free(client);
	limit_memory_of_libcurl();
	client = http_client_new(loop, 4);
	ck_assert_ptr_nonnull(client);
	on_fiber(without_memory_fiber, NULL);

	ck_assert_uint_gt(failures, 20);
	printf("http_stream: %u failed allocations inside libcurl\n", failures);
	http_client_free(client);
	client = NULL;
	curl_global_cleanup();
}
END_TEST

static void no_stream_fiber(void *arg)
{
	struct http_stream *s = NULL;
	struct err e = { 0 };

	(void)arg;
	fail_alloc_arm(1);
	int r = open_path("GET", "/whole", PATIENCE_MS, &s, &e);
	ck_assert_uint_eq(fail_alloc_disarm(), 1);
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_ptr_null(s);
	ck_assert_uint_eq(server.requests, 0);
}

START_TEST(test_no_memory_for_a_stream)
{
	if (fail_alloc_works())
		on_fiber(no_stream_fiber, NULL);
	else
		printf("http_stream: no allocation can be made to fail here\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http_stream");
	TCase *tc = tcase_create("streams");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_a_whole_answer);
	tcase_add_test(tc, test_pieces_as_they_come);
	tcase_add_test(tc, test_informational_heads_and_trailers);
	tcase_add_test(tc, test_no_body);
	tcase_add_test(tc, test_a_slow_reader_holds_the_server_back);
	tcase_add_test(tc, test_bodies_that_break_off);
	tcase_add_loop_test(tc, test_answers_without_a_head, 0, ARRAY_SIZE(REFUSALS));
	tcase_add_test(tc, test_nobody_listens);
	tcase_add_test(tc, test_closed_early);
	tcase_add_test(tc, test_cancelled);
	tcase_add_test(tc, test_the_client_goes_first);
	tcase_add_test(tc, test_a_stream_outlives_its_client);
	tcase_add_test(tc, test_libcurl_without_memory);
	tcase_add_test(tc, test_no_memory_for_a_stream);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
