/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A minimal server on net/http_server, for tests of the wire: prints its port and serves until
 * SIGTERM.
 *
 *   /slow?MS      answers after MS milliseconds
 *   /stream?N     N chunks of 16 KiB, streamed with back-pressure
 *   /big?N        a body of N bytes
 *   /refuse       refused with 403 on its head
 *   /stats        what the server saw: {"aborts", "done", "unanswered", "connections"}
 *   anything else {"method", "target", "body_bytes", "body_sum"}; bodies up to 64 KiB
 *
 * Options: --head-ms --body-ms --idle-ms --write-ms --max-connections, each followed by a number.
 */
#include "base/log.h"
#include "loop/fiber.h"
#include "net/http_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BODY_MAX = 64 * 1024,
	CHUNK = 16 * 1024,
	ANSWER_MAX = 16 * 1024 * 1024,
	FIBER_WAIT_MS = 30000
};

static struct loop *loop;
static struct http_server *server;
static int64_t n_aborts, n_done, n_unanswered;

static const struct http_header json_type = { { "Content-Type", 12 }, { "application/json", 16 } };

static int64_t number_in_query(const struct http_request *rq)
{
	int64_t n = 0;

	return str_parse_i64(rq->head.query, &n) < 0 ? 0 : n;
}

static int64_t on_head(struct http_request *rq, void *arg, struct err *reterr)
{
	(void)arg;
	if (str_eq(rq->head.path, STR("/refuse")))
		return err_set(reterr, &ERR_FORBIDDEN, NULL, "refused on the head");
	return BODY_MAX;
}

static void reply_and_release(struct http_request *rq, int status, struct buf *body)
{
	http_reply(rq, status, &json_type, 1, body);
	buf_done(body);
	http_request_release(rq);
}

static FIBER void reply_slow(void *arg)
{
	struct http_request *rq = arg;
	int64_t ms = number_in_query(rq);
	struct buf body;

	buf_init(&body, 64);
	if (fiber_sleep(ms) == 0)
		buf_append_str(&body, STR("{\"slow\":true}"));
	reply_and_release(rq, 200, &body);
}

static FIBER void reply_stream(void *arg)
{
	struct http_request *rq = arg;
	int64_t n = number_in_query(rq);

	http_reply_begin(rq, 200, &json_type, 1);
	for (int64_t i = 0; i < n && !http_request_is_aborted(rq); i++) {
		struct buf b;

		buf_init(&b, CHUNK);
		if (buf_reserve(&b, CHUNK) == 0) {
			memset(b.p, 'a' + (int)(i % 26), CHUNK);
			b.n = CHUNK;
		}
		http_reply_chunk(rq, &b);
		if (http_reply_drain_wait(rq, FIBER_WAIT_MS) < 0) {
			http_reply_cut(rq);
			break;
		}
	}
	if (!http_request_is_aborted(rq))
		http_reply_end(rq);
	http_request_release(rq);
}

static void reply_big(struct http_request *rq)
{
	int64_t n = number_in_query(rq);
	struct buf body;

	buf_init(&body, ANSWER_MAX);
	if (n > 0 && buf_reserve(&body, (size_t)n) == 0) {
		memset(body.p, 'x', (size_t)n);
		body.n = (size_t)n;
	}
	reply_and_release(rq, 200, &body);
}

static void reply_stats(struct http_request *rq)
{
	struct buf body;

	buf_init(&body, 256);
	buf_printf(&body, "{\"aborts\":%lld,\"done\":%lld,\"unanswered\":%lld,\"connections\":%u}",
		   (long long)n_aborts, (long long)n_done, (long long)n_unanswered,
		   http_server_connections(server));
	reply_and_release(rq, 200, &body);
}

static void reply_echo(struct http_request *rq)
{
	struct buf body;
	unsigned sum = 0;

	for (size_t i = 0; i < rq->body.n; i++)
		sum += (unsigned char)rq->body.p[i];
	buf_init(&body, BODY_MAX);
	buf_printf(&body, "{\"method\":\"%.*s\",\"target\":\"", STR_ARGS(rq->head.method_text));
	buf_append_str(&body, rq->head.target);
	buf_printf(&body, "\",\"body_bytes\":%zu,\"body_sum\":%u}", rq->body.n, sum);
	reply_and_release(rq, 200, &body);
}

static void on_request(struct http_request *rq, void *arg)
{
	bool is_slow = str_eq(rq->head.path, STR("/slow"));
	struct fiber *f;
	struct buf none;

	(void)arg;
	if (is_slow || str_eq(rq->head.path, STR("/stream"))) {
		if (fiber_spawn(loop, "echo", is_slow ? reply_slow : reply_stream, rq, NULL, &f) ==
		    0) {
			rq->user = f;
		} else {
			buf_init(&none, 0);
			reply_and_release(rq, 503, &none);
		}
	} else if (str_eq(rq->head.path, STR("/big"))) {
		reply_big(rq);
	} else if (str_eq(rq->head.path, STR("/stats"))) {
		reply_stats(rq);
	} else {
		reply_echo(rq);
	}
}

static void on_abort(struct http_request *rq, void *arg)
{
	(void)arg;
	n_aborts++;
	fiber_cancel(rq->user);
}

static size_t on_problem(struct http_request *rq, const struct err *e, struct buf *out,
			 struct http_header *headers, size_t max_headers, void *arg)
{
	(void)rq;
	(void)arg;
	buf_printf(out, "{\"status\":%d,\"detail\":\"%s\"}", e->kind->http_status, e->text);
	if (max_headers == 0)
		return 0;
	headers[0] = json_type;
	return 1;
}

static void on_done(struct http_request *rq, int status, uint64_t bytes_sent, void *arg)
{
	(void)rq;
	(void)bytes_sent;
	(void)arg;
	n_done++;
	n_unanswered += status == 0;
}

static void on_term(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void read_options(int argc, char **argv, struct http_server_config *c)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		struct str name = str_from(argv[i]);
		int64_t v = 0;

		if (str_parse_i64(str_from(argv[i + 1]), &v) < 0)
			exit(64);
		if (str_eq(name, STR("--head-ms")))
			c->head_timeout_ms = v;
		else if (str_eq(name, STR("--body-ms")))
			c->body_timeout_ms = v;
		else if (str_eq(name, STR("--idle-ms")))
			c->idle_timeout_ms = v;
		else if (str_eq(name, STR("--write-ms")))
			c->write_timeout_ms = v;
		else if (str_eq(name, STR("--max-connections")))
			c->max_connections = (unsigned)v;
		else
			exit(64);
	}
}

int main(int argc, char **argv)
{
	struct http_server_config c = {
		.address = "127.0.0.1",
		.max_connections = 10000,
		.head_timeout_ms = 10000,
		.body_timeout_ms = 10000,
		.idle_timeout_ms = 60000,
		.write_timeout_ms = 30000,
		.arena_bytes = 64 * 1024,
		.on_head = on_head,
		.on_request = on_request,
		.on_abort = on_abort,
		.on_problem = on_problem,
		.on_done = on_done,
		.metrics_label = "echo",
	};
	struct err e = { 0 };

	read_options(argc, argv, &c);
	log_init(LOG_WARN, "echo", 2);
	loop = c.loop = loop_new();
	if (!loop || loop_on_signal(loop, SIGTERM, on_term, NULL) < 0 ||
	    http_server_new(&c, &server, &e) < 0) {
		fprintf(stderr, "http_echo: %s\n", e.text);
		return 70;
	}
	printf("%u\n", http_server_port(server));
	fflush(stdout);
	if (loop_run(loop) < 0)
		return 70;
	http_server_free(server);
	fiber_cancel_all();
	while (fiber_count() > 0) {
		struct loop_task stop;

		loop_task_init(&stop, on_term, NULL);
		loop_defer(loop, &stop);
		if (loop_run(loop) < 0)
			return 70;
	}
	fiber_done();
	loop_free(loop);
	return 0;
}
