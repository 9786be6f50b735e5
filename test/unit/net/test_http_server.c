/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server from the inside: when callbacks come, who owns a request, drain, tear-down, and every
 * allocation of a request failing once. The client is a bare socket of this process: it writes, the
 * loop runs a while, it reads. What the wire shows is tested in test/flow/test_http_table.py and
 * test_http_slow.py.
 */
#include "net/http_server.h"

#include "base/metrics.h"
#include "loop/fiber.h"
#include "loop/timer.h"
#include "test/unit/support/fail_alloc.h"

#include <arpa/inet.h>
#include <assert.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *l;
static struct http_server *server;
static struct http_request *held; /* given to on_request and not answered yet */
static bool hold;		  /* on_request keeps the request */
static unsigned n_heads, n_requests, n_aborts, n_done, n_problems;
static int last_status;
static char answer[8192];

/* check allocates for its assertions; the callbacks also run while allocations fail, so theirs are
 * plain. */
static int64_t on_head(struct http_request *rq, void *arg, struct err *reterr)
{
	assert(arg == &server && !http_request_is_aborted(rq));
	n_heads++;
	if (str_eq(rq->head.path, STR("/no")))
		return err_set(reterr, &ERR_FORBIDDEN, NULL, "no");
	return 100;
}

static void reply(struct http_request *rq)
{
	static const struct http_header x = { { "X-Test", 6 }, { "1", 1 } };
	struct buf body;

	buf_init(&body, 100);
	buf_append_str(&body, rq->body);
	http_reply(rq, 200, &x, 1, &body);
	http_request_release(rq);
}

static void on_request(struct http_request *rq, void *arg)
{
	(void)arg;
	n_requests++;
	assert(!held);
	if (hold)
		held = rq;
	else
		reply(rq);
}

static void on_abort(struct http_request *rq, void *arg)
{
	(void)arg;
	n_aborts++;
	assert(rq == held && http_request_is_aborted(rq));
}

static size_t on_problem(struct http_request *rq, const struct err *e, struct buf *out,
			 struct http_header *headers, size_t max_headers, void *arg)
{
	(void)rq;
	(void)headers;
	(void)max_headers;
	(void)arg;
	n_problems++;
	buf_printf(out, "%d", e->kind->http_status);
	return 0;
}

static void on_done(struct http_request *rq, int status, uint64_t bytes_sent, void *arg)
{
	(void)arg;
	(void)bytes_sent;
	assert(rq->arena);
	n_done++;
	last_status = status;
}

static struct http_server_config config = {
	.address = "127.0.0.1",
	.max_connections = 10,
	.head_timeout_ms = 5000,
	.body_timeout_ms = 5000,
	.idle_timeout_ms = 5000,
	.write_timeout_ms = 5000,
	.arena_bytes = 64 * 1024,
	.on_head = on_head,
	.on_request = on_request,
	.on_abort = on_abort,
	.on_problem = on_problem,
	.on_done = on_done,
	.metrics_label = "test",
	.arg = &server,
};

static void setup(void)
{
	struct err e = { 0 };

	l = config.loop = loop_new();
	ck_assert_ptr_nonnull(l);
	ck_assert_int_eq(http_server_new(&config, &server, &e), 0);
	ck_assert_uint_ne(http_server_port(server), 0);
}

static void teardown(void)
{
	http_server_free(server);
	fiber_done();
	loop_free(l);
	metrics_done();
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(l);
}

/* Some turns of the loop: enough for all that is on the way over loopback. */
static void run(int64_t ms)
{
	struct timer t;

	timer_init(&t, l, stop, NULL);
	ck_assert_int_eq(timer_start(&t, ms), 0);
	ck_assert_int_eq(loop_run(l), 0);
	timer_done(&t);
}

static int client(const char *request)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(http_server_port(server)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	return fd;
}

/* What has come; the number of bytes, 0 at the end, -1 for a reset or nothing. */
static ssize_t receive(int fd)
{
	ssize_t n = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);

	answer[n > 0 ? n : 0] = '\0';
	return n;
}

static const char good[] = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

START_TEST(one_request)
{
	int fd = client(good);

	run(20);
	ck_assert_int_gt(receive(fd), 0);
	ck_assert_ptr_eq(strstr(answer, "HTTP/1.1 200 OK\r\nDate: "), answer);
	ck_assert_ptr_nonnull(strstr(answer, "\r\nX-Test: 1\r\nContent-Length: 3\r\n\r\nabc"));
	ck_assert_uint_eq(n_heads, 1);
	ck_assert_uint_eq(n_requests, 1);
	ck_assert_uint_eq(n_done, 1);
	ck_assert_uint_eq(n_aborts, 0);
	ck_assert_uint_eq(http_server_connections(server), 1);
	close(fd);
	run(20);
	ck_assert_uint_eq(http_server_connections(server), 0);
}
END_TEST

START_TEST(refused_on_the_head)
{
	int fd = client("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");

	run(20);
	ck_assert_int_gt(receive(fd), 0);
	ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 403 "));
	ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
	ck_assert_int_eq(receive(fd), 0);
	ck_assert_uint_eq(n_requests, 0);
	ck_assert_uint_eq(n_problems, 1);
	ck_assert_int_eq(last_status, 403);
	close(fd);
}
END_TEST

START_TEST(a_refused_head_never_gets_to_on_head)
{
	int fd = client("GET / HTTP/1.1\r\n\r\n");

	run(20);
	ck_assert_int_gt(receive(fd), 0);
	ck_assert_uint_eq(n_heads, 0);
	ck_assert_int_eq(last_status, 400);
	close(fd);
}
END_TEST

START_TEST(a_client_that_left_aborts_its_request)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd;

	hold = true;
	fd = client(good);
	run(20);
	ck_assert_ptr_nonnull(held);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	run(20);
	ck_assert_uint_eq(n_aborts, 1);
	ck_assert_uint_eq(n_done, 1);
	ck_assert_int_eq(last_status, 0);
	ck_assert(str_eq(held->body, STR("abc")));
	ck_assert(str_eq(held->peer, STR("127.0.0.1")));
	reply(held); /* does nothing but release */
}
END_TEST

START_TEST(drain_answers_what_is_under_way)
{
	int idle = client(good), busy;

	run(20);
	ck_assert_int_gt(receive(idle), 0);
	hold = true;
	busy = client(good);
	run(20);
	http_server_drain(server);
	run(20);
	ck_assert_int_eq(receive(idle), 0);
	ck_assert_uint_eq(http_server_connections(server), 1);
	reply(held);
	run(20);
	ck_assert_int_gt(receive(busy), 0);
	ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
	ck_assert_int_eq(receive(busy), 0);
	close(idle);
	close(busy);
}
END_TEST

START_TEST(a_request_outlives_its_server)
{
	int fd;
	struct err e = { 0 };

	hold = true;
	fd = client(good);
	run(20);
	ck_assert_ptr_nonnull(held);
	http_server_free(server);
	ck_assert_uint_eq(n_aborts, 1);
	ck_assert(http_request_is_aborted(held));
	ck_assert(str_eq(held->head.path, STR("/x")));
	reply(held);
	close(fd);
	ck_assert_int_eq(http_server_new(&config, &server, &e), 0);
}
END_TEST

START_TEST(addresses_that_do_not_work)
{
	struct http_server_config c = config;
	struct http_server *other = NULL;
	struct err e = { 0 };

	c.address = "localhost";
	ck_assert_int_eq(http_server_new(&c, &other, &e), -EADDRNOTAVAIL);
	c.address = "127.0.0.1";
	c.port = http_server_port(server);
	ck_assert_int_eq(http_server_new(&c, &other, &e), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(e.text, "cannot listen on 127.0.0.1 port"));
	ck_assert_ptr_null(other);
	c.address = "::1";
	c.port = 0;
	if (http_server_new(&c, &other, &e) == 0)
		http_server_free(other);
}
END_TEST

static void ask_with_failing_allocation(uint64_t nth, uint64_t *ret_failed)
{
	static const char text[] =
		"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET";
	int fd = client(text), r;
	struct timer t;

	timer_init(&t, l, stop, NULL);
	ck_assert_int_eq(timer_start(&t, 5), 0);
	fail_alloc_arm(nth);
	r = loop_run(l);
	*ret_failed = fail_alloc_disarm();
	ck_assert_int_eq(r, 0);
	timer_done(&t);
	close(fd);
	run(3);
}

START_TEST(every_allocation_may_fail)
{
	uint64_t failed = 1, nth;

	if (!fail_alloc_works()) {
		printf("allocations cannot be made to fail in this build: left out\n");
		return;
	}
	for (nth = 1; failed > 0; nth++) {
		int fd;

		ck_assert_uint_lt(nth, 1000);
		ask_with_failing_allocation(nth, &failed);
		fd = client(good);
		run(5);
		ck_assert_int_gt(receive(fd), 0);
		ck_assert_ptr_eq(strstr(answer, "HTTP/1.1 200 OK\r\n"), answer);
		close(fd);
		run(3);
	}
	ck_assert_uint_gt(nth, 5);
	ck_assert_uint_eq(http_server_connections(server), 0);
}
END_TEST

static Suite *server_suite(void)
{
	Suite *s = suite_create("http_server");
	TCase *t = tcase_create("server");

	tcase_set_timeout(t, 20);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, one_request);
	tcase_add_test(t, refused_on_the_head);
	tcase_add_test(t, a_refused_head_never_gets_to_on_head);
	tcase_add_test(t, a_client_that_left_aborts_its_request);
	tcase_add_test(t, drain_answers_what_is_under_way);
	tcase_add_test(t, a_request_outlives_its_server);
	tcase_add_test(t, addresses_that_do_not_work);
	tcase_add_test(t, every_allocation_may_fail);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(server_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
