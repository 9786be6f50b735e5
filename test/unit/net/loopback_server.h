/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A little HTTP server on the loop under test, for tests of clients: reads one request after the
 * other (head, then Content-Length bytes) and asks a function what to send. It counts requests and
 * connections.
 */
#ifndef TEST_LOOPBACK_SERVER_H
#define TEST_LOOPBACK_SERVER_H

#include "loop/loop.h"

#include <arpa/inet.h>
#include <check.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum after_reply { KEEP, CLOSE, SILENCE };

/* request ends in NUL. What is put into out is sent. */
typedef enum after_reply loopback_fn(void *arg, const char *request, size_t n,
				     struct evbuffer *out);

enum { LOOPBACK_CONNECTIONS_MAX = 64 };

struct loopback {
	struct evconnlistener *listener;
	struct bufferevent *open[LOOPBACK_CONNECTIONS_MAX];
	unsigned port, requests, connections;
	loopback_fn *fn;
	void *arg;
};

static void loopback_drop(struct loopback *s, struct bufferevent *bev)
{
	for (size_t i = 0; i < LOOPBACK_CONNECTIONS_MAX; i++) {
		if (s->open[i] == bev)
			s->open[i] = NULL;
	}
	bufferevent_free(bev);
}

static void loopback_on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		loopback_drop(arg, bev);
}

static void loopback_on_sent(struct bufferevent *bev, void *arg)
{
	loopback_drop(arg, bev);
}

static inline void loopback_close_when_sent(struct loopback *s, struct bufferevent *bev)
{
	if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		loopback_drop(s, bev);
	else
		bufferevent_setcb(bev, NULL, loopback_on_sent, loopback_on_event, s);
}

/* Bytes of the first whole request in in, 0 when there is none yet. */
static size_t loopback_request_size(struct evbuffer *in)
{
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	if (end.pos < 0)
		return 0;
	char *head = malloc((size_t)end.pos + 1);
	ck_assert_ptr_nonnull(head);
	evbuffer_copyout(in, head, (size_t)end.pos);
	head[end.pos] = '\0';
	const char *length = strcasestr(head, "\r\nContent-Length:");
	size_t size = (size_t)end.pos + 4 + (length ? strtoul(length + 17, NULL, 10) : 0);
	free(head);
	return evbuffer_get_length(in) >= size ? size : 0;
}

static void loopback_on_read(struct bufferevent *bev, void *arg)
{
	struct loopback *s = arg;
	size_t n;
	while ((n = loopback_request_size(bufferevent_get_input(bev))) > 0) {
		char *request = malloc(n + 1);
		ck_assert_ptr_nonnull(request);
		evbuffer_remove(bufferevent_get_input(bev), request, n);
		request[n] = '\0';
		s->requests++;
		enum after_reply after = s->fn(s->arg, request, n, bufferevent_get_output(bev));
		free(request);
		if (after != CLOSE)
			continue;
		loopback_close_when_sent(s, bev);
		return;
	}
}

static void loopback_on_accept(struct evconnlistener *listener, evutil_socket_t fd,
			       struct sockaddr *peer, int peer_len, void *arg)
{
	struct loopback *s = arg;
	size_t i = 0;
	(void)peer;
	(void)peer_len;
	while (i < LOOPBACK_CONNECTIONS_MAX && s->open[i])
		i++;
	ck_assert_uint_lt(i, LOOPBACK_CONNECTIONS_MAX);
	s->open[i] = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
					    BEV_OPT_CLOSE_ON_FREE);
	ck_assert_ptr_nonnull(s->open[i]);
	s->connections++;
	bufferevent_setcb(s->open[i], loopback_on_read, NULL, loopback_on_event, s);
	bufferevent_enable(s->open[i], EV_READ | EV_WRITE);
}

static void loopback_start(struct loopback *s, struct loop *l, loopback_fn *fn, void *arg)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	*s = (struct loopback){ .fn = fn, .arg = arg };
	s->listener =
		evconnlistener_new_bind(loop_base(l), loopback_on_accept, s, LEV_OPT_CLOSE_ON_FREE,
					-1, (struct sockaddr *)&sa, sizeof(sa));
	ck_assert_ptr_nonnull(s->listener);
	ck_assert_int_eq(
		getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&sa, &len), 0);
	s->port = ntohs(sa.sin_port);
}

static void loopback_stop(struct loopback *s)
{
	for (size_t i = 0; i < LOOPBACK_CONNECTIONS_MAX; i++) {
		if (s->open[i])
			bufferevent_free(s->open[i]);
	}
	if (s->listener)
		evconnlistener_free(s->listener);
	*s = (struct loopback){ .fn = NULL };
}

/* A whole answer with this body. */
static inline enum after_reply loopback_reply(struct evbuffer *out, int status, const void *body,
					      size_t n)
{
	evbuffer_add_printf(out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status, n);
	evbuffer_add(out, body, n);
	return KEEP;
}

#endif
