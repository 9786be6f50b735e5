/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: its listener, how many connections it lets in, and its life.
 *
 * At max_connections the connection that has been idle longest gives way, so that any number of
 * idle or slow clients leaves room for one that has something to say. When the process has no
 * descriptors left the same happens; with nobody idle, one descriptor held in reserve is used to
 * accept, say 503 and close. The server is freed when http_server_free was called and the last
 * request was released.
 */
#include "http_private.h"

#include "base/metrics.h"
#include "base/time.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKLOG = 1024, ACCEPT_PAUSE_MS = 100, ANSWER_HEAD_MAX = 64 * 1024 };

static const struct metric_family connections_family = {
	"todod_http_connections",
	METRIC_GAUGE,
	"Open connections.",
};
static const struct metric_family accepted_family = {
	"todod_http_accepted_total",
	METRIC_COUNTER,
	"Connections accepted.",
};
static const struct metric_family evicted_family = {
	"todod_http_evicted_total",
	METRIC_COUNTER,
	"Idle or slow connections closed to make room.",
};
static const struct metric_family turned_away_family = {
	"todod_http_turned_away_total",
	METRIC_COUNTER,
	"New connections answered 503 because nobody was idle.",
};
static const struct metric_family refused_family = {
	"todod_http_refused_total",
	METRIC_COUNTER,
	"Requests refused on their head or framing.",
};
static const struct metric_family timeouts_family = {
	"todod_http_timeouts_total",
	METRIC_COUNTER,
	"Connections that met a deadline in the middle of a request.",
};

static const char busy_answer[] =
	"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
	"Connection: close\r\n\r\n";

/* Just accepted: what it has sent was not read yet, so it is not idle whatever its state says. */
static bool is_fresh(const struct http_conn *c)
{
	return c->state == HTTP_CONN_HEAD && c->scanned == 0 &&
	       c->accepted_ms == loop_now_ms(c->server->config.loop);
}

static bool evict_oldest(struct http_server *s)
{
	struct http_conn *c = s->idle.first;

	if (!c || is_fresh(c))
		c = s->slow.first;
	if (!c)
		return false;
	metric_add(s->evicted, 1);
	http_conn_kill(c);
	return true;
}

static void turn_away(struct http_server *s, int fd)
{
	metric_add(s->turned_away, 1);
	/* A fresh socket's buffer takes this; if not, the client sees the close alone. */
	if (send(fd, busy_answer, sizeof(busy_answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		shutdown(fd, SHUT_WR);
	close(fd);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *arg)
{
	struct http_server *s = arg;
	LOOP_ENTER(s->config.loop);

	(void)listener;
	(void)length;
	if (http_server_connections(s) >= s->config.max_connections && !evict_oldest(s)) {
		turn_away(s, fd);
		return;
	}
	if (http_conn_new(s, fd, address) < 0)
		turn_away(s, fd);
	else
		metric_add(s->accepted, 1);
}

static void accept_again(void *arg)
{
	struct http_server *s = arg;

	if (s->listener)
		evconnlistener_enable(s->listener);
}

/* Accepts with the descriptor in reserve. False: not even that worked. */
static bool accept_with_reserve(struct http_server *s, int listen_fd)
{
	int fd;

	if (s->reserve_fd < 0)
		return false;
	close(s->reserve_fd);
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		turn_away(s, fd);
	s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct http_server *s = arg;
	struct pollfd p = { .fd = evconnlistener_get_fd(listener), .events = POLLIN };
	LOOP_ENTER(s->config.loop);

	/* Linux looks for a descriptor before it looks for a connection: maybe nobody is waiting.
	 */
	if (poll(&p, 1, 0) == 0)
		return;
	/* The listener is still readable: who is not answered now comes back in the next turn. */
	if (evict_oldest(s) || s->idle.first || accept_with_reserve(s, p.fd))
		return;
	if (timer_start(&s->accept_again, ACCEPT_PAUSE_MS) == 0)
		evconnlistener_disable(listener);
}

static void list_free(struct http_conn_list *list)
{
	while (list->first)
		http_conn_kill(list->first);
}

static void reap(void *arg)
{
	struct http_server *s = arg;
	struct http_conn *c = s->dead.first, *next;

	for (; c; c = next) {
		next = c->next;
		free(c);
	}
	s->dead = (struct http_conn_list){ NULL, NULL, 0 };
}

static void set_connections(void *arg)
{
	struct http_server *s = arg;

	metric_set(s->connections, http_server_connections(s));
}

static void metrics_init(struct http_server *s)
{
	char labels[64];

	snprintf(labels, sizeof(labels), "listener=\"%s\"", s->config.metrics_label);
	s->connections = metric_get(&connections_family, labels);
	s->accepted = metric_get(&accepted_family, labels);
	s->evicted = metric_get(&evicted_family, labels);
	s->turned_away = metric_get(&turned_away_family, labels);
	s->refused = metric_get(&refused_family, labels);
	s->timeouts = metric_get(&timeouts_family, labels);
	/* Past the bound of collectors the gauge stays 0; nothing depends on it. */
	(void)metric_on_collect(set_connections, s);
}

/* The bound address, v4 or v6, or 0 for a text that is none. */
static socklen_t parse_address(const struct http_server_config *config,
			       struct sockaddr_storage *ret)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(config->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(config->port) };

	if (inet_pton(AF_INET, config->address, &v4.sin_addr) == 1) {
		memcpy(ret, &v4, sizeof(v4));
		return sizeof(v4);
	}
	if (inet_pton(AF_INET6, config->address, &v6.sin6_addr) == 1) {
		memcpy(ret, &v6, sizeof(v6));
		return sizeof(v6);
	}
	return 0;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage a;
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	socklen_t n = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return 0;
	if (a.ss_family == AF_INET6) {
		memcpy(&v6, &a, sizeof(v6));
		return ntohs(v6.sin6_port);
	}
	memcpy(&v4, &a, sizeof(v4));
	return ntohs(v4.sin_port);
}

static int listen_error(const struct http_server_config *config, int errnum, struct err *reterr)
{
	err_set(reterr, &ERR_UNAVAILABLE, NULL, "cannot listen on %s port %u: %s", config->address,
		config->port, strerror(errnum));
	return -errnum;
}

static int start_listening(struct http_server *s, struct err *reterr)
{
	unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
	struct sockaddr_storage address;
	socklen_t n = parse_address(&s->config, &address);
	int fd, on = 1;

	if (n == 0)
		return listen_error(&s->config, EADDRNOTAVAIL, reterr);
	errno = 0;
	s->listener = evconnlistener_new_bind(loop_base(s->config.loop), on_accept, s, flags,
					      BACKLOG, (struct sockaddr *)&address, (int)n);
	if (!s->listener)
		return listen_error(&s->config, errno ? errno : ENOMEM, reterr);
	fd = evconnlistener_get_fd(s->listener);
	/* Sockets inherit it. Without it an answer over 16 kB waits 40 ms for a delayed ACK. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return listen_error(&s->config, errno, reterr);
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	s->port = bound_port(fd);
	return 0;
}

int http_server_new(const struct http_server_config *config, struct http_server **ret,
		    struct err *reterr)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_unavailable(reterr, 1, "out of memory");
	s->config = *config;
	loop_task_init(&s->reap, reap, s);
	timer_init(&s->accept_again, config->loop, accept_again, s);
	buf_init(&s->head, ANSWER_HEAD_MAX);
	s->date_s = -1;
	s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	metrics_init(s);
	r = start_listening(s, reterr);
	if (r < 0) {
		http_server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

unsigned http_server_connections(const struct http_server *s)
{
	return s->idle.n + s->slow.n + s->busy.n;
}

static void stop_listening(struct http_server *s)
{
	timer_stop(&s->accept_again);
	if (s->listener)
		evconnlistener_free(s->listener);
	s->listener = NULL;
}

void http_server_drain(struct http_server *s)
{
	struct http_conn *c = s->idle.first, *next;

	s->is_draining = true;
	stop_listening(s);
	for (; c; c = next) {
		next = c->next;
		if (c->state == HTTP_CONN_IDLE || (c->state == HTTP_CONN_HEAD && c->scanned == 0))
			http_conn_kill(c);
	}
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	stop_listening(s);
	metric_off_collect(set_connections, s);
	list_free(&s->idle);
	list_free(&s->slow);
	list_free(&s->busy);
	loop_undefer(s->config.loop, &s->reap);
	reap(s);
	timer_done(&s->accept_again);
	if (s->reserve_fd >= 0)
		close(s->reserve_fd);
	buf_done(&s->head);
	while (s->n_arenas > 0)
		arena_free(s->arenas[--s->n_arenas]);
	s->is_freed = true;
	if (s->n_exchanges == 0)
		free(s);
}

struct http_exchange *http_exchange_new(struct http_conn *c)
{
	struct http_server *s = c->server;
	struct arena *a =
		s->n_arenas > 0 ? s->arenas[--s->n_arenas] : arena_new(s->config.arena_bytes);
	struct http_exchange *x = a ? arena_alloc(a, sizeof(*x)) : NULL;

	if (!x) {
		arena_free(a);
		return NULL;
	}
	/* All but the table of headers, which the parser fills as far as it is used. */
	memset((char *)x + offsetof(struct http_request, arena), 0,
	       sizeof(*x) - offsetof(struct http_request, arena));
	x->rq.arena = a;
	x->rq.conn = c;
	memcpy(x->peer, c->peer, sizeof(x->peer));
	x->rq.peer = str_from(x->peer);
	x->server = s;
	s->n_exchanges++;
	return x;
}

static void exchange_free(struct http_exchange *x)
{
	struct http_server *s = x->server;
	struct arena *a = x->rq.arena;

	buf_done(&x->body);
	arena_reset(a); /* the exchange is gone with it */
	s->n_exchanges--;
	if (s->is_freed || s->n_arenas == HTTP_IDLE_ARENAS_MAX)
		arena_free(a);
	else
		s->arenas[s->n_arenas++] = a;
	if (s->is_freed && s->n_exchanges == 0)
		free(s);
}

void http_exchange_detach(struct http_exchange *x)
{
	x->rq.conn = NULL;
	x->is_detached = true;
	if (x->is_released)
		exchange_free(x);
}

void http_request_release(struct http_request *rq)
{
	struct http_exchange *x = CONTAINER_OF(rq, struct http_exchange, rq);

	assert(!x->is_released && (x->is_answered || !rq->conn));
	x->is_released = true;
	if (x->is_detached)
		exchange_free(x);
}

struct str http_server_date(struct http_server *s)
{
	static const char days[7][4] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t now_s = time_now_us() / TIME_US_PER_S;
	struct civil c;

	if (now_s != s->date_s) {
		s->date_s = now_s;
		time_civil_from_s(now_s, &c);
		snprintf(s->date, sizeof(s->date), "%s, %02u %s %04u %02u:%02u:%02u GMT",
			 days[time_weekday(now_s / TIME_S_PER_DAY)], (unsigned)c.day % 100,
			 months[c.month - 1], (unsigned)c.year % 10000, (unsigned)c.hour % 100,
			 (unsigned)c.minute % 100, (unsigned)c.second % 100);
	}
	return str_from(s->date);
}
