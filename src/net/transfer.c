/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface driven by the loop: libcurl says which sockets and which one timer it
 * wants watched, the loop calls back, and finished transfers are taken out of the multi handle's
 * queue. Whoever wakes first (end, deadline, cancel, transfer_pool_free), a transfer is detached
 * from libcurl before its memory goes. Fibers are never resumed inside a libcurl callback.
 */
#include "transfer_private.h"

#include "loop/timer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

struct transfer_pool {
	struct loop *loop;
	CURLM *multi;
	struct timer timer;
	struct transfer all; /* sentinel of a ring */
	unsigned running, max;
	bool broken; /* multi failed within: it ends its transfers and is replaced when they are
			gone */
};

struct watch { /* one socket of libcurl's */
	struct event event;
	struct transfer_pool *pool;
};

static unsigned pools; /* curl_global_init and _cleanup pair around the first and the last */

static void finish(struct transfer *t, int result)
{
	if (t->on_end)
		t->on_end(t, result);
	fiber_wake(&t->wait, result);
}

/* Takes finished transfers off libcurl's queue and wakes their fibers. */
static void collect_finished(struct transfer_pool *p)
{
	int left = 0;
	const CURLMsg *msg;
	while ((msg = curl_multi_info_read(p->multi, &left))) {
		char *private = NULL;
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		struct transfer *t = (struct transfer *)(void *)private;
		t->code = msg->data.result;
		finish(t, 0);
	}
}

/*
 * The multi handle ran out of memory within. libcurl 7.88 may divide by zero when such a handle is
 * used again, so its transfers end and it is replaced.
 */
static void give_up(struct transfer_pool *p)
{
	p->broken = true;
	for (struct transfer *t = p->all.next; t != &p->all; t = t->next)
		finish(t, -ENOMEM);
}

static void drive(struct transfer_pool *p, curl_socket_t fd, int what)
{
	int running = 0;
	if (p->broken)
		return;
	CURLMcode code = curl_multi_socket_action(p->multi, fd, what, &running);
	collect_finished(p);
	if (code != CURLM_OK)
		give_up(p);
}

static void on_socket(evutil_socket_t fd, short events, void *arg)
{
	struct transfer_pool *p = ((const struct watch *)arg)->pool;
	int what = (events & EV_READ ? CURL_CSELECT_IN : 0) |
		   (events & EV_WRITE ? CURL_CSELECT_OUT : 0);
	LOOP_ENTER(p->loop);

	drive(p, fd, what);
}

static void on_timer(void *arg)
{
	drive(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int unwatch(struct transfer_pool *p, curl_socket_t fd, struct watch *w)
{
	if (w)
		event_del(&w->event);
	free(w);
	curl_multi_assign(p->multi, fd, NULL);
	return 0;
}

/* CURLMOPT_SOCKETFUNCTION */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct transfer_pool *p = arg;
	struct watch *w = socket_arg;
	short events = EV_PERSIST;
	(void)easy;
	if (what == CURL_POLL_REMOVE)
		return unwatch(p, fd, w);
	if (what != CURL_POLL_OUT)
		events |= EV_READ;
	if (what != CURL_POLL_IN)
		events |= EV_WRITE;
	if (w) {
		event_del(&w->event);
	} else {
		w = calloc(1, sizeof(*w));
		if (!w)
			return -1;
		w->pool = p;
		curl_multi_assign(p->multi, fd, w);
	}
	if (event_assign(&w->event, loop_base(p->loop), fd, events, on_socket, w) < 0 ||
	    event_add(&w->event, NULL) < 0)
		return -1;
	return 0;
}

/* CURLMOPT_TIMERFUNCTION: one timer; 0 ms means the next turn, never from in here. */
static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct transfer_pool *p = arg;
	(void)multi;
	if (timeout_ms >= 0)
		return timer_start(&p->timer, timeout_ms) < 0 ? -1 : 0;
	timer_stop(&p->timer);
	return 0;
}

/* A new multi handle; false and none when out of memory. */
static bool open_multi(struct transfer_pool *p)
{
	p->broken = false;
	p->multi = curl_multi_init();
	if (p->multi &&
	    curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
	    curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p) == CURLM_OK &&
	    curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
	    curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p) == CURLM_OK &&
	    curl_multi_setopt(p->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)p->max) == CURLM_OK &&
	    curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)p->max) == CURLM_OK)
		return true;
	curl_multi_cleanup(p->multi);
	p->multi = NULL;
	return false;
}

/* Whether transfers can start; a broken handle is replaced once its last one is gone. */
static bool multi_is_ready(struct transfer_pool *p)
{
	if (p->multi && !p->broken)
		return true;
	if (p->running > 0)
		return false;
	curl_multi_cleanup(p->multi);
	return open_multi(p);
}

struct transfer_pool *transfer_pool_new(struct loop *l, unsigned max)
{
	struct transfer_pool *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	if (pools == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(p);
		return NULL;
	}
	pools++;
	p->loop = l;
	p->max = max;
	p->all.next = p->all.prev = &p->all;
	timer_init(&p->timer, l, on_timer, p);
	if (!open_multi(p)) {
		transfer_pool_free(p);
		return NULL;
	}
	return p;
}

void transfer_pool_free(struct transfer_pool *p)
{
	if (!p)
		return;
	while (p->all.next != &p->all) {
		struct transfer *t = p->all.next;
		transfer_detach(t);
		finish(t, -ECANCELED);
	}
	if (p->multi)
		curl_multi_cleanup(p->multi);
	timer_done(&p->timer);
	free(p);
	if (--pools == 0)
		curl_global_cleanup();
}

void transfer_drop(struct transfer *t)
{
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->list);
	t->easy = NULL;
	t->list = NULL;
}

/* The whole time is limited by the fiber's wait, which detaches the transfer. */
static bool set_common(struct transfer *t, const char *protocols, int64_t connect_timeout_ms)
{
	CURL *easy = t->easy;

	return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
	       /* Giving a slow name server up must not stop the loop until its thread ends. */
	       curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_timeout_ms) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->reason) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PRIVATE, t) == CURLE_OK;
}

int transfer_prepare(struct transfer_pool *p, struct transfer *t, const char *protocols,
		     int64_t connect_timeout_ms)
{
	if (p->running >= p->max)
		return -EAGAIN;
	fiber_wait_init(&t->wait);
	if (!multi_is_ready(p))
		return -ENOMEM;
	t->easy = curl_easy_init();
	if (t->easy && set_common(t, protocols, connect_timeout_ms))
		return 0;
	transfer_drop(t);
	return -ENOMEM;
}

int transfer_start(struct transfer_pool *p, struct transfer *t)
{
	if (curl_multi_add_handle(p->multi, t->easy) != CURLM_OK) {
		/* It may have failed half-way: start afresh. */
		p->broken = p->broken || p->running == 0;
		transfer_drop(t);
		return -ENOMEM;
	}
	t->pool = p;
	t->next = &p->all;
	t->prev = p->all.prev;
	t->prev->next = p->all.prev = t;
	p->running++;
	return 0;
}

void transfer_detach(struct transfer *t)
{
	struct transfer_pool *p = t->pool;
	if (!p)
		return;
	CURLMcode code = curl_multi_remove_handle(p->multi, t->easy);
	t->prev->next = t->next;
	t->next->prev = t->prev;
	p->running--;
	t->pool = NULL;
	transfer_drop(t);
	if (code != CURLM_OK)
		give_up(p);
}

bool transfer_add_line(struct transfer *t, const char *line)
{
	struct curl_slist *longer = curl_slist_append(t->list, line);

	if (longer)
		t->list = longer;
	return longer != NULL;
}

int transfer_errno(const struct transfer *t)
{
	switch ((int)t->code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIME;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return -ECONNREFUSED;
	case CURLE_URL_MALFORMAT:
		return -EINVAL;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

const char *transfer_reason(const struct transfer *t, int r)
{
	if (r == -ETIME)
		return "no answer in time";
	if (r == -ECANCELED)
		return "the call was given up";
	if (r == -ENOMEM)
		return "out of memory";
	return t->reason[0] != '\0' ? t->reason : curl_easy_strerror(t->code);
}
