/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: what its client sends, the deadlines it has to meet, its end.
 *
 * One request runs at a time; what is pipelined behind it waits unparsed in the input, which is no
 * longer filled past HTTP_READ_AHEAD_BYTES. Deadlines are absolute points in time, so a client that
 * sends a byte now and then gains nothing; the timer is armed for the earliest that may matter and
 * looks again when it fires, so a keep-alive request costs no timer operation.
 *
 * After an answer that closes, the socket is shut for writing and read for a while (linger):
 * closing at once would reset the connection under the answer when the client is still sending.
 *
 * A client that shut down its sending side may still wait for its answer. It gets it if that takes
 * less than HALF_CLOSED_MS; past that it counts as gone.
 */
#include "http_private.h"

#include "base/metrics.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HALF_CLOSED_MS = 2000 };

static struct http_conn_list *list_of(struct http_conn *c)
{
	switch (c->state) {
	case HTTP_CONN_IDLE:
	case HTTP_CONN_HEAD:
	case HTTP_CONN_LINGER:
		return &c->server->idle;
	case HTTP_CONN_BODY:
	case HTTP_CONN_FLUSHING:
	case HTTP_CONN_STREAMING:
		return &c->server->slow;
	case HTTP_CONN_RUNNING:
		return &c->server->busy;
	case HTTP_CONN_DEAD:
	default:
		return &c->server->dead;
	}
}

static void list_add(struct http_conn *c)
{
	struct http_conn_list *list = list_of(c);

	c->next = NULL;
	c->prev = list->last;
	*(list->last ? &list->last->next : &list->first) = c;
	list->last = c;
	list->n++;
}

static void list_remove(struct http_conn *c)
{
	struct http_conn_list *list = list_of(c);

	*(c->prev ? &c->prev->next : &list->first) = c->next;
	*(c->next ? &c->next->prev : &list->last) = c->prev;
	list->n--;
}

void http_conn_set_state(struct http_conn *c, enum http_conn_state state)
{
	assert(c->state != HTTP_CONN_DEAD);
	/* Starting a head keeps its place in the queue of the idle: else one byte a second would
	 * make it young for ever. */
	if (c->state == HTTP_CONN_IDLE && state == HTTP_CONN_HEAD) {
		c->state = state;
		return;
	}
	list_remove(c);
	c->state = state;
	list_add(c);
}

void http_conn_set_deadline(struct http_conn *c, int64_t delay_ms)
{
	if (c->state == HTTP_CONN_DEAD)
		return;
	c->deadline_ms = loop_now_ms(c->server->config.loop) + delay_ms;
	if (c->armed_ms <= c->deadline_ms)
		return;
	c->armed_ms = c->deadline_ms;
	/* Without a timer the connection could stay for ever. */
	if (timer_start(&c->timer, delay_ms) < 0)
		http_conn_kill(c);
}

void http_conn_clear_deadline(struct http_conn *c)
{
	c->deadline_ms = INT64_MAX;
}

size_t http_conn_unsent(const struct http_conn *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static size_t unread(const struct http_conn *c)
{
	return evbuffer_get_length(bufferevent_get_input(c->bev));
}

/* Tells the user what became of its request, as far as it has to know, and lets go of it. */
static void end_exchange(struct http_conn *c, bool is_broken)
{
	struct http_exchange *x = c->exchange;
	const struct http_server_config *config = &c->server->config;
	uint64_t unsent = http_conn_unsent(c);

	c->exchange = NULL;
	x->rq.conn = NULL;
	if (x->drain)
		fiber_wake(x->drain, -EPIPE);
	if (x->cork) {
		unsent += evbuffer_get_length(x->cork);
		evbuffer_free(x->cork);
		x->cork = NULL;
	}
	if (is_broken && x->is_given && !x->is_answered)
		config->on_abort(&x->rq, config->arg);
	config->on_done(&x->rq, x->status, x->queued_bytes > unsent ? x->queued_bytes - unsent : 0,
			config->arg);
	if (!x->is_given)
		x->is_released = true;
	http_exchange_detach(x);
}

void http_conn_kill(struct http_conn *c)
{
	struct http_server *s = c->server;
	struct bufferevent *bev = c->bev;
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (c->state == HTTP_CONN_DEAD)
		return;
	http_conn_set_state(c, HTTP_CONN_DEAD);
	/* A reset, because in HTTP/1.0 a plain close would mean that the body is complete. */
	if (c->exchange && c->exchange->status != 0)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (c->exchange)
		end_exchange(c, true);
	timer_done(&c->timer);
	loop_undefer(s->config.loop, &c->work);
	/* libevent would close the descriptor a turn later; a new connection may need it now. */
	bufferevent_setfd(bev, -1);
	close(c->fd);
	c->bev = NULL;
	bufferevent_free(bev);
	loop_defer(s->config.loop, &s->reap);
}

static bool is_answering(const struct http_conn *c)
{
	return c->state == HTTP_CONN_RUNNING || c->state == HTTP_CONN_STREAMING ||
	       c->state == HTTP_CONN_FLUSHING;
}

/*
 * Stops reading while a request is under way and enough waits behind it. By hand, because
 * libevent's read watermark allocates when it is set and crashes if that fails.
 */
static void pause_or_resume(struct http_conn *c)
{
	bool pause = is_answering(c) && unread(c) >= HTTP_READ_AHEAD_BYTES;

	if (pause == c->is_paused || c->is_half_closed)
		return;
	c->is_paused = pause;
	if ((pause ? bufferevent_disable(c->bev, EV_READ) : bufferevent_enable(c->bev, EV_READ)) <
	    0)
		http_conn_kill(c);
}

static void linger(struct http_conn *c)
{
	struct evbuffer *input = bufferevent_get_input(c->bev);

	if (c->is_half_closed || shutdown(c->fd, SHUT_WR) < 0) {
		http_conn_kill(c);
		return;
	}
	c->lingered_bytes = unread(c);
	evbuffer_drain(input, c->lingered_bytes);
	http_conn_set_state(c, HTTP_CONN_LINGER);
	pause_or_resume(c);
	http_conn_set_deadline(c, HTTP_LINGER_MS);
}

void http_conn_finish(struct http_conn *c)
{
	bool client_asked = !c->exchange->rq.head.keep_alive, is_given = c->exchange->is_given;
	bool close_after = c->exchange->close_after;

	end_exchange(c, false);
	if (c->state == HTTP_CONN_DEAD)
		return;
	if (close_after && client_asked && is_given && unread(c) == 0) {
		http_conn_kill(c);
	} else if (close_after) {
		linger(c);
	} else {
		http_conn_set_state(c, HTTP_CONN_IDLE);
		http_conn_set_deadline(c, c->server->config.idle_timeout_ms);
		if (!c->is_processing && c->state != HTTP_CONN_DEAD &&
		    (unread(c) > 0 || c->is_half_closed))
			loop_defer(c->server->config.loop, &c->work);
	}
}

void http_conn_refuse(struct http_conn *c, const struct err *e)
{
	const struct http_server_config *config = &c->server->config;
	struct http_exchange *x = c->exchange;
	struct http_header headers[16];
	struct buf body;
	size_t n;

	metric_add(c->server->refused, 1);
	http_conn_set_state(c, HTTP_CONN_RUNNING);
	http_conn_clear_deadline(c);
	x->close_after = true;
	buf_init(&body, HTTP_SEND_AHEAD_BYTES);
	n = config->on_problem(&x->rq, e, &body, headers, ARRAY_SIZE(headers), config->arg);
	http_reply(&x->rq, e->kind->http_status, headers, n, &body);
}

/* For a status the parser gave. The head it left is not to be shown to anybody; only that an answer
 * to HEAD has no body still has to be known. */
static void refuse_head(struct http_conn *c, int status)
{
	const char *start = (const char *)evbuffer_pullup(bufferevent_get_input(c->bev), 5);
	static const char *const texts[] = { "the request head is malformed",
					     "the request head or one of its lines is too long" };
	struct http_head *h = &c->exchange->rq.head;
	struct err e = { 0 };

	memset(h, 0, sizeof(*h));
	h->method = start && memcmp(start, "HEAD ", 5) == 0 ? HTTP_HEAD : HTTP_UNKNOWN_METHOD;
	h->minor_version = 1;
	h->method_text = h->target = h->path = h->query = STR("");
	err_set(&e, err_kind_for_status(status), NULL, "%s", texts[status == 414 || status == 431]);
	if (status == 417)
		err_set(&e, err_kind_for_status(status), "header.Expect",
			"only 100-continue is understood");
	else if (status == 408)
		err_set(&e, err_kind_for_status(status), NULL,
			"the request head did not arrive in time");
	else if (status == 501)
		err_set(&e, err_kind_for_status(status), NULL, "this method is not known here");
	else if (status == 505)
		err_set(&e, err_kind_for_status(status), NULL,
			"only HTTP/1.1 and HTTP/1.0 are spoken here");
	http_conn_refuse(c, &e);
}

static void refuse_body(struct http_conn *c, int status, const char *text)
{
	struct err e = { 0 };

	err_set(&e, err_kind_for_status(status), "body", "%s", text);
	e.retry_after_s = status == 503;
	http_conn_refuse(c, &e);
}

static void run(struct http_conn *c)
{
	const struct http_server_config *config = &c->server->config;
	struct http_exchange *x = c->exchange;

	http_conn_set_state(c, HTTP_CONN_RUNNING);
	http_conn_clear_deadline(c);
	if (c->is_half_closed)
		http_conn_set_deadline(c, HALF_CLOSED_MS);
	if (c->state == HTTP_CONN_DEAD)
		return; /* no timer for it, so no request either */
	x->rq.body = x->body.n > 0 ? buf_str(&x->body) : STR("");
	x->is_given = true;
	config->on_request(&x->rq, config->arg);
}

static void ask_for_body(struct http_conn *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (bufferevent_write(c->bev, go_on, sizeof(go_on) - 1) < 0)
		http_conn_kill(c);
	else
		c->queued_bytes += sizeof(go_on) - 1;
}

/* The head has been understood: is the request wanted, and does a body follow? */
static void begin(struct http_conn *c)
{
	const struct http_server_config *config = &c->server->config;
	struct http_exchange *x = c->exchange;
	struct http_head *h = &x->rq.head;
	struct err e = { 0 };
	int64_t max;

	x->rq.received_ms = loop_now_ms(config->loop);
	x->close_after = !h->keep_alive;
	max = config->on_head(&x->rq, config->arg, &e);
	if (max < 0) {
		http_conn_refuse(c, &e);
		return;
	}
	if (h->content_length > (uint64_t)max) {
		refuse_body(c, 413, "the body is longer than this route takes");
		return;
	}
	if (h->content_length == 0 && !h->chunked) {
		run(c);
		return;
	}
	x->body_max = h->chunked ? (uint64_t)max : h->content_length;
	buf_init(&x->body, (size_t)x->body_max);
	http_conn_set_state(c, HTTP_CONN_BODY);
	http_conn_clear_deadline(c);
	if (h->expect_continue && unread(c) == 0)
		ask_for_body(c);
}

/* False: more bytes have to come first. */
static bool step_head(struct http_conn *c)
{
	struct evbuffer *input = bufferevent_get_input(c->bev);
	size_t n = unread(c);
	struct str bytes = { NULL, n <= HTTP_MAX_HEAD_BYTES ? n : HTTP_MAX_HEAD_BYTES + 1 };
	ssize_t r;

	if (n == 0) {
		if (c->is_half_closed)
			http_conn_kill(c);
		return false;
	}
	bytes.p = (const char *)evbuffer_pullup(input, (ssize_t)bytes.n);
	c->exchange = bytes.p ? http_exchange_new(c) : NULL;
	if (!c->exchange) {
		http_conn_kill(c);
		return false;
	}
	r = http_parse_head(bytes, &c->scanned, &c->exchange->rq.head);
	if (r == 0) {
		c->exchange->is_released = true;
		http_exchange_detach(c->exchange);
		c->exchange = NULL;
		if (c->is_half_closed) {
			http_conn_kill(c);
		} else if (c->state == HTTP_CONN_IDLE) {
			http_conn_set_state(c, HTTP_CONN_HEAD);
			http_conn_set_deadline(c, c->server->config.head_timeout_ms);
		}
		return false;
	}
	c->scanned = 0;
	if (r < 0) {
		refuse_head(c, (int)-r);
		return true;
	}
	bytes.n = (size_t)r;
	if (http_exchange_own_head(c->exchange, bytes) < 0) {
		http_conn_kill(c);
		return false;
	}
	evbuffer_drain(input, bytes.n);
	begin(c);
	return true;
}

static void arm_body_deadline(struct http_conn *c)
{
	uint64_t extra_ms = c->exchange->body_max * 1000 / HTTP_BYTES_PER_S_MIN;

	if (c->deadline_ms == INT64_MAX)
		http_conn_set_deadline(c, c->server->config.body_timeout_ms + (int64_t)extra_ms);
}

static bool step_body(struct http_conn *c)
{
	struct http_exchange *x = c->exchange;
	struct evbuffer *input = bufferevent_get_input(c->bev);
	int status = 400;
	int r = x->rq.head.chunked ? http_exchange_read_chunked(x, input, &status)
				   : http_exchange_read_sized(x, input);

	if (r == 0) {
		if (c->is_half_closed)
			http_conn_kill(c); /* the rest will never come */
		else
			arm_body_deadline(c);
		return false;
	}
	if (r == 1)
		run(c);
	else if (r == -EMSGSIZE)
		refuse_body(c, 413, "the body is longer than this route takes");
	else if (r == -EPROTO)
		refuse_body(c, status, "the chunked body is malformed");
	else
		refuse_body(c, 503, "no memory for the body");
	return true;
}

static void throw_away(struct http_conn *c)
{
	size_t n = unread(c);

	c->lingered_bytes += n;
	evbuffer_drain(bufferevent_get_input(c->bev), n);
	if (c->lingered_bytes > HTTP_LINGER_BYTES)
		http_conn_kill(c);
}

/* True: there may be more to do. */
static bool step(struct http_conn *c)
{
	switch (c->state) {
	case HTTP_CONN_IDLE:
	case HTTP_CONN_HEAD:
		return step_head(c);
	case HTTP_CONN_BODY:
		return step_body(c);
	case HTTP_CONN_LINGER:
		throw_away(c);
		return false;
	case HTTP_CONN_FLUSHING:
	case HTTP_CONN_STREAMING:
	case HTTP_CONN_RUNNING:
	case HTTP_CONN_DEAD:
	default:
		return false;
	}
}

/* on_request may answer at once, which ends in http_conn_finish: the loop here then takes the next
 * request. */
static void process(struct http_conn *c)
{
	if (c->is_processing)
		return;
	c->is_processing = true;
	while (step(c))
		;
	c->is_processing = false;
	if (c->state != HTTP_CONN_DEAD)
		pause_or_resume(c);
}

static void on_work(void *arg)
{
	struct http_conn *c = arg;

	if (http_reply_flush(c))
		process(c);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct http_conn *c = arg;
	LOOP_ENTER(c->server->config.loop);

	(void)bev;
	process(c);
}

/* Bytes waited for the client, and it has taken enough of them. */
static void on_write(struct bufferevent *bev, void *arg)
{
	struct http_conn *c = arg;
	LOOP_ENTER(c->server->config.loop);

	(void)bev;
	if (c->state == HTTP_CONN_FLUSHING && http_conn_unsent(c) == 0) {
		http_conn_finish(c);
		return;
	}
	if (!is_answering(c) || !c->exchange)
		return;
	if (c->exchange->drain)
		fiber_wake(c->exchange->drain, 0);
	if (http_conn_unsent(c) == 0) {
		http_conn_clear_deadline(c);
		if (c->is_half_closed)
			http_conn_set_deadline(c, HALF_CLOSED_MS);
	}
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct http_conn *c = arg;
	LOOP_ENTER(c->server->config.loop);

	(void)bev;
	if (!(what & BEV_EVENT_EOF) || !is_answering(c)) {
		http_conn_kill(c);
		return;
	}
	c->is_half_closed = true;
	if (c->deadline_ms == INT64_MAX)
		http_conn_set_deadline(c, HALF_CLOSED_MS);
}

static void expire(struct http_conn *c)
{
	switch (c->state) {
	case HTTP_CONN_HEAD:
		if (unread(c) == 0)
			break;
		metric_add(c->server->timeouts, 1);
		c->exchange = http_exchange_new(c);
		if (!c->exchange)
			break;
		refuse_head(c, 408);
		return;
	case HTTP_CONN_BODY:
		metric_add(c->server->timeouts, 1);
		refuse_body(c, 408, "the body did not arrive in time");
		return;
	case HTTP_CONN_RUNNING:
	case HTTP_CONN_STREAMING:
	case HTTP_CONN_FLUSHING:
		if (http_reply_keeps_up(c))
			return;
		metric_add(c->server->timeouts, 1);
		break;
	case HTTP_CONN_IDLE:
	case HTTP_CONN_LINGER:
	case HTTP_CONN_DEAD:
	default:
		break;
	}
	http_conn_kill(c);
}

static void on_timer(void *arg)
{
	struct http_conn *c = arg;
	int64_t left_ms = c->deadline_ms - loop_now_ms(c->server->config.loop);

	c->armed_ms = INT64_MAX;
	if (c->deadline_ms == INT64_MAX)
		return;
	if (left_ms > 0)
		http_conn_set_deadline(c, left_ms);
	else
		expire(c);
}

static void set_peer(struct http_conn *c, const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		inet_ntop(AF_INET, &v4.sin_addr, c->peer, sizeof(c->peer));
	} else if (address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		inet_ntop(AF_INET6, &v6.sin6_addr, c->peer, sizeof(c->peer));
	}
}

int http_conn_new(struct http_server *s, int fd, const struct sockaddr *address)
{
	struct http_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->bev = bufferevent_socket_new(loop_base(s->config.loop), fd, 0);
	if (!c->bev) {
		free(c);
		return -ENOMEM;
	}
	c->server = s;
	c->fd = fd;
	c->accepted_ms = loop_now_ms(s->config.loop);
	c->deadline_ms = c->armed_ms = INT64_MAX;
	set_peer(c, address);
	timer_init(&c->timer, s->config.loop, on_timer, c);
	loop_task_init(&c->work, on_work, c);
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_set_max_single_write(c->bev, HTTP_SINGLE_WRITE_BYTES);
	c->state = HTTP_CONN_HEAD;
	list_add(c);
	http_conn_set_deadline(c, s->config.head_timeout_ms);
	if (c->state != HTTP_CONN_DEAD && bufferevent_enable(c->bev, EV_READ) < 0)
		http_conn_kill(c);
	return 0;
}
