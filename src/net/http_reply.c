/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers. A complete one goes to the kernel at once, head and body in one writev; only what the
 * kernel does not take waits in the bufferevent's output, and only then epoll has to know. A
 * streamed one gathers in a cork that is written at the end of the turn, so that head, chunks and
 * end leave together when they come together.
 *
 * The server alone writes Content-Length, Transfer-Encoding, Connection and Date.
 */
#include "http_private.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
};

/* RFC 9112 section 4 allows an empty reason. */
static const char *reason_of(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

static struct http_exchange *exchange_of(struct http_request *rq)
{
	return CONTAINER_OF(rq, struct http_exchange, rq);
}

static bool is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	return true;
}

static void put_headers(struct buf *b, const struct http_header *headers, size_t n_headers)
{
	for (size_t i = 0; i < n_headers; i++) {
		assert(is_visible(headers[i].name) && is_visible(headers[i].value));
		buf_append_str(b, headers[i].name);
		buf_append_str(b, STR(": "));
		buf_append_str(b, headers[i].value);
		buf_append_str(b, STR("\r\n"));
	}
}

static bool status_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

/* Puts the head together in the server's buffer, all but how the length is told. */
static struct buf *begin_head(struct http_exchange *x, int status,
			      const struct http_header *headers, size_t n_headers)
{
	struct http_server *s = x->server;
	struct buf *b = &s->head;

	x->close_after |= s->is_draining;
	x->status = status;
	buf_clear(b);
	buf_append_str(b, STR("HTTP/1.1 "));
	buf_append_i64(b, status);
	buf_append_char(b, ' ');
	buf_append_str(b, str_from(reason_of(status)));
	buf_append_str(b, STR("\r\nDate: "));
	buf_append_str(b, http_server_date(s));
	buf_append_str(b, STR("\r\n"));
	put_headers(b, headers, n_headers);
	if (x->close_after)
		buf_append_str(b, STR("Connection: close\r\n"));
	else if (x->rq.head.minor_version == 0)
		buf_append_str(b, STR("Connection: keep-alive\r\n"));
	return b;
}

/* What the client's side acknowledged. Not what the kernel took: that comes in lumps of a third of
 * the socket's buffer, which to an honest slow reader may be minutes. */
static uint64_t taken_bytes(const struct http_conn *c)
{
	uint64_t given = c->queued_bytes - http_conn_unsent(c);
	int in_kernel = 0;

	if (ioctl(c->fd, SIOCOUTQ, &in_kernel) < 0 || in_kernel < 0 || (uint64_t)in_kernel > given)
		return given;
	return given - (uint64_t)in_kernel;
}

/* A client that does not take its bytes has the write deadline to change its mind. */
static void wait_for_client(struct http_conn *c)
{
	c->waiting_since_ms = loop_now_ms(c->server->config.loop);
	c->taken_before = c->taken_mark = taken_bytes(c);
	http_conn_set_deadline(c, c->server->config.write_timeout_ms);
}

bool http_reply_keeps_up(struct http_conn *c)
{
	int64_t timeout_ms = c->server->config.write_timeout_ms, left_ms;
	uint64_t taken = taken_bytes(c);

	left_ms = c->waiting_since_ms + timeout_ms - loop_now_ms(c->server->config.loop) +
		  (int64_t)((taken - c->taken_before) * 1000 / HTTP_BYTES_PER_S_MIN);
	if (http_conn_unsent(c) == 0 || taken == c->taken_mark || left_ms <= 0)
		return false;
	c->taken_mark = taken;
	http_conn_set_deadline(c, left_ms < timeout_ms ? left_ms : timeout_ms);
	return true;
}

/* All of the answer is known: it is over, or waits for the client to take the rest. */
static void complete(struct http_conn *c)
{
	c->exchange->is_answered = true;
	if (http_conn_unsent(c) == 0) {
		http_conn_finish(c);
		return;
	}
	http_conn_set_state(c, HTTP_CONN_FLUSHING);
	wait_for_client(c);
}

static void free_moved(const void *data, size_t n, void *arg)
{
	(void)data;
	(void)n;
	free(arg);
}

/* Appends body's bytes from offset on, moving long ones out of it. */
static int add_body(struct evbuffer *to, struct buf *body, size_t offset)
{
	size_t n = body->n;
	char *p;

	if (n - offset < HTTP_COPY_BELOW_BYTES)
		return evbuffer_add(to, body->p + offset, n - offset);
	p = buf_take(body, &n);
	if (!p)
		return -1;
	if (evbuffer_add_reference(to, p + offset, n - offset, free_moved, p) < 0) {
		free(p);
		return -1;
	}
	return 0;
}

/* What the kernel takes of both now; -1 when the connection is broken. */
static ssize_t write_now(struct http_conn *c, struct str head, struct str body)
{
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)head.p, head.n },
		{ (void *)(uintptr_t)body.p, body.n },
	};
	ssize_t n;

	if (http_conn_unsent(c) > 0)
		return 0;
	do
		n = writev(c->fd, iov, body.n > 0 ? 2 : 1);
	while (n < 0 && errno == EINTR);
	return n < 0 && errno == EAGAIN ? 0 : n;
}

/* Sends head and body (which may be empty) or queues what is left of them. 0, or -1: the connection
 * is to be cut. */
static int send_answer(struct http_conn *c, struct str head, struct buf *body)
{
	struct evbuffer *output = bufferevent_get_output(c->bev);
	ssize_t written = write_now(c, head, buf_str(body));
	size_t n = (size_t)written;

	if (written < 0)
		return -1;
	c->queued_bytes += head.n + body->n;
	c->exchange->queued_bytes += head.n + body->n;
	if (n < head.n && evbuffer_add(output, head.p + n, head.n - n) < 0)
		return -1;
	n = n > head.n ? n - head.n : 0;
	return n < body->n ? add_body(output, body, n) : 0;
}

/* An answer whose body could not be made: an empty 503 in its place. */
static int put_instead(struct http_exchange *x, struct buf *body)
{
	static const struct http_header retry = { { "Retry-After", 11 }, { "1", 1 } };

	buf_done(body);
	buf_append_str(begin_head(x, 503, &retry, 1), STR("Content-Length: 0\r\n\r\n"));
	return buf_status(&x->server->head);
}

void http_reply(struct http_request *rq, int status, const struct http_header *headers,
		size_t n_headers, struct buf *body)
{
	struct http_exchange *x = exchange_of(rq);
	struct http_conn *c = rq->conn;
	struct buf none, *head;
	int r = 0;

	buf_init(&none, 0);
	if (!body)
		body = &none;
	if (!c) {
		buf_done(body);
		return;
	}
	assert(!x->is_answered && x->status == 0);
	head = begin_head(x, status, headers, n_headers);
	if (status_has_body(status)) {
		buf_append_str(head, STR("Content-Length: "));
		buf_append_i64(head, (int64_t)body->n);
		buf_append_str(head, STR("\r\n"));
	}
	buf_append_str(head, STR("\r\n"));
	if (buf_status(head) < 0 || body->failed)
		r = put_instead(x, body);
	if (rq->head.method == HTTP_HEAD || !status_has_body(status))
		buf_done(body);
	x->is_answered = true;
	if (r < 0 || send_answer(c, buf_str(head), body) < 0)
		http_conn_kill(c);
	else
		complete(c);
	buf_done(body);
}

void http_reply_begin(struct http_request *rq, int status, const struct http_header *headers,
		      size_t n_headers)
{
	struct http_exchange *x = exchange_of(rq);
	struct http_conn *c = rq->conn;
	struct buf *head;

	if (!c)
		return;
	assert(!x->is_answered && x->status == 0);
	x->is_chunked_out = rq->head.minor_version == 1;
	x->close_after |= !x->is_chunked_out; /* the end of the connection is the end of the body */
	head = begin_head(x, status, headers, n_headers);
	if (x->is_chunked_out)
		buf_append_str(head, STR("Transfer-Encoding: chunked\r\n"));
	buf_append_str(head, STR("\r\n"));
	x->cork = evbuffer_new();
	if (buf_status(head) < 0 || !x->cork || evbuffer_add(x->cork, head->p, head->n) < 0) {
		http_conn_kill(c);
		return;
	}
	loop_defer(c->server->config.loop, &c->work);
}

bool http_reply_flush(struct http_conn *c)
{
	struct evbuffer *output = bufferevent_get_output(c->bev),
			*cork = c->exchange ? c->exchange->cork : NULL;
	size_t n = cork ? evbuffer_get_length(cork) : 0;
	bool was_clear = http_conn_unsent(c) == 0;

	if (n == 0)
		return true;
	c->queued_bytes += n;
	c->exchange->queued_bytes += n;
	if (was_clear && evbuffer_write(cork, c->fd) < 0 && errno != EAGAIN && errno != EINTR) {
		http_conn_kill(c);
		return false;
	}
	if (evbuffer_get_length(cork) == 0)
		return true;
	if (evbuffer_add_buffer(output, cork) < 0) {
		http_conn_kill(c);
		return false;
	}
	if (was_clear)
		wait_for_client(c);
	return c->state != HTTP_CONN_DEAD;
}

static int cork_chunk(struct http_exchange *x, struct buf *bytes)
{
	char line[24];
	int n = snprintf(line, sizeof(line), "%zx\r\n", bytes->n);

	if (!x->is_chunked_out)
		return add_body(x->cork, bytes, 0);
	if (evbuffer_add(x->cork, line, (size_t)n) < 0 || add_body(x->cork, bytes, 0) < 0)
		return -1;
	return evbuffer_add(x->cork, "\r\n", 2);
}

void http_reply_chunk(struct http_request *rq, struct buf *bytes)
{
	struct http_exchange *x = exchange_of(rq);
	struct http_conn *c = rq->conn;

	if (c) {
		assert(x->cork && !x->is_answered);
		if (bytes->failed ||
		    (bytes->n > 0 && rq->head.method != HTTP_HEAD && cork_chunk(x, bytes) < 0))
			http_conn_kill(c); /* with a hole in it the stream is worth nothing */
		else if (evbuffer_get_length(x->cork) >= HTTP_SEND_AHEAD_BYTES)
			http_reply_flush(c);
		else
			loop_defer(c->server->config.loop, &c->work);
	}
	buf_done(bytes);
}

void http_reply_end(struct http_request *rq)
{
	struct http_exchange *x = exchange_of(rq);
	struct http_conn *c = rq->conn;

	if (!c)
		return;
	assert(x->cork && !x->is_answered);
	if (x->is_chunked_out && rq->head.method != HTTP_HEAD &&
	    evbuffer_add(x->cork, "0\r\n\r\n", 5) < 0) {
		http_conn_kill(c);
		return;
	}
	x->is_answered = true;
	if (http_reply_flush(c))
		complete(c);
}

FIBER int http_reply_drain_wait(struct http_request *rq, int64_t timeout_ms)
{
	struct http_exchange *x = exchange_of(rq);
	struct fiber_wait w;
	int r;

	assert(fiber_self());
	if (!rq->conn || !http_reply_flush(rq->conn))
		return -EPIPE;
	if (http_conn_unsent(rq->conn) < HTTP_SEND_AHEAD_BYTES)
		return 0;
	/* Woken half-way down, so that the client does not run dry while the next chunk is made. */
	bufferevent_setwatermark(rq->conn->bev, EV_WRITE, HTTP_SEND_AHEAD_BYTES / 2, 0);
	fiber_wait_init(&w);
	http_conn_set_state(rq->conn, HTTP_CONN_STREAMING);
	x->drain = &w;
	r = fiber_wait(&w, "http.drain", timeout_ms);
	x->drain = NULL;
	if (rq->conn) {
		http_conn_set_state(rq->conn, HTTP_CONN_RUNNING);
		bufferevent_setwatermark(rq->conn->bev, EV_WRITE, 0, 0);
	}
	return r;
}

void http_reply_cut(struct http_request *rq)
{
	struct http_conn *c = rq->conn;

	if (!c)
		return;
	exchange_of(rq)->is_answered = true;
	http_conn_kill(c);
}

bool http_request_is_aborted(const struct http_request *rq)
{
	return !rq->conn;
}
