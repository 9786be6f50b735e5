/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface driven by the loop: libcurl says which sockets and which one timer it
 * wants watched, the loop calls back, and finished transfers are taken out of the multi handle's
 * queue. A call lives on the stack of the fiber that waits for it; whoever wakes first (end,
 * deadline, cancel, http_client_free) the call is detached from libcurl before its frame goes.
 * Fibers are never resumed inside a libcurl callback.
 */
#include "net/http_client.h"

#include "http_client_private.h"
#include "loop/timer.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

enum { HEAD_MAX_BYTES = 64 * 1024 };

struct http_client {
	struct loop *loop;
	CURLM *multi;
	struct timer timer;
	struct http_transfer calls; /* sentinel of a ring */
	unsigned running, max_calls;
	bool broken; /* multi failed within: it ends its calls and is replaced when they are gone */
};

struct watch { /* one socket of libcurl's */
	struct event event;
	struct http_client *client;
};

static void finish(struct http_transfer *call, int result)
{
	if (call->stream)
		http_stream_on_end(call->stream, result);
	fiber_wake(&call->wait, result);
}

static unsigned clients; /* curl_global_init and _cleanup pair around the first and the last */

/* Takes finished transfers off libcurl's queue and wakes their fibers. */
static void collect_finished(struct http_client *c)
{
	int left = 0;
	const CURLMsg *msg;
	while ((msg = curl_multi_info_read(c->multi, &left))) {
		char *private = NULL;
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		struct http_transfer *call = (struct http_transfer *)(void *)private;
		call->code = msg->data.result;
		finish(call, 0);
	}
}

/*
 * The multi handle ran out of memory within. libcurl 7.88 may divide by zero when such a handle is
 * used again, so its calls end and it is replaced.
 */
static void give_up(struct http_client *c)
{
	c->broken = true;
	for (struct http_transfer *call = c->calls.next; call != &c->calls; call = call->next)
		finish(call, -ENOMEM);
}

static void drive(struct http_client *c, curl_socket_t fd, int what)
{
	int running = 0;
	if (c->broken)
		return;
	CURLMcode code = curl_multi_socket_action(c->multi, fd, what, &running);
	collect_finished(c);
	if (code != CURLM_OK)
		give_up(c);
}

static void on_socket(evutil_socket_t fd, short events, void *arg)
{
	int what = (events & EV_READ ? CURL_CSELECT_IN : 0) |
		   (events & EV_WRITE ? CURL_CSELECT_OUT : 0);
	drive(((const struct watch *)arg)->client, fd, what);
}

static void on_timer(void *arg)
{
	drive(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int unwatch(struct http_client *c, curl_socket_t fd, struct watch *w)
{
	if (w)
		event_del(&w->event);
	free(w);
	curl_multi_assign(c->multi, fd, NULL);
	return 0;
}

/* CURLMOPT_SOCKETFUNCTION */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http_client *c = arg;
	struct watch *w = socket_arg;
	short events = EV_PERSIST;
	(void)easy;
	if (what == CURL_POLL_REMOVE)
		return unwatch(c, fd, w);
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
		w->client = c;
		curl_multi_assign(c->multi, fd, w);
	}
	if (event_assign(&w->event, loop_base(c->loop), fd, events, on_socket, w) < 0 ||
	    event_add(&w->event, NULL) < 0)
		return -1;
	return 0;
}

/* CURLMOPT_TIMERFUNCTION: one timer; 0 ms means the next turn, never from in here. */
static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_client *c = arg;
	(void)multi;
	if (timeout_ms >= 0)
		return timer_start(&c->timer, timeout_ms) < 0 ? -1 : 0;
	timer_stop(&c->timer);
	return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_transfer *call = arg;
	size_t n = size * count;
	if (call->stream)
		return http_stream_on_body(call->stream, (struct str){ bytes, n });
	buf_append(&call->response->body, bytes, n);
	if (!call->response->body.failed)
		return n;
	call->too_long = call->response->body.n + n > call->response->body.max;
	return 0;
}

/* line is one of the head, with its end. The last one of that name counts. */
static void keep_header(struct http_transfer *call, struct str line)
{
	struct str name = str_from(call->keep_header);

	if (name.n == 0 || line.n <= name.n || line.p[name.n] != ':' ||
	    !str_eq_nocase((struct str){ line.p, name.n }, name))
		return;
	call->response->kept[0] = '\0';
	line = str_trim((struct str){ line.p + name.n + 1, line.n - name.n - 1 });
	if (str_copy(call->response->kept, HTTP_KEPT_SIZE, line) < 0)
		call->response->kept[0] = '\0';
}

/* Little of the head is kept but for a stream; it is not endless. */
static size_t on_head(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_transfer *call = arg;
	size_t n = size * count;
	if (!call->stream)
		keep_header(call, (struct str){ bytes, n });
	call->head_bytes += n;
	call->too_long = call->head_bytes > HEAD_MAX_BYTES;
	if (call->stream && !call->too_long)
		return http_stream_on_head(call->stream, (struct str){ bytes, n });
	return call->too_long ? 0 : n;
}

/* A new multi handle; false and none when out of memory. */
static bool open_multi(struct http_client *c)
{
	c->broken = false;
	c->multi = curl_multi_init();
	if (c->multi &&
	    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
	    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) == CURLM_OK &&
	    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
	    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c) == CURLM_OK &&
	    curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->max_calls) ==
		    CURLM_OK &&
	    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->max_calls) == CURLM_OK)
		return true;
	curl_multi_cleanup(c->multi);
	c->multi = NULL;
	return false;
}

/* Whether calls can start; a broken handle is replaced once its last call is gone. */
static bool multi_is_ready(struct http_client *c)
{
	if (c->multi && !c->broken)
		return true;
	if (c->running > 0)
		return false;
	curl_multi_cleanup(c->multi);
	return open_multi(c);
}

struct http_client *http_client_new(struct loop *l, unsigned max_calls)
{
	struct http_client *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	if (clients == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(c);
		return NULL;
	}
	clients++;
	c->loop = l;
	c->max_calls = max_calls;
	c->calls.next = c->calls.prev = &c->calls;
	timer_init(&c->timer, l, on_timer, c);
	if (!open_multi(c)) {
		http_client_free(c);
		return NULL;
	}
	return c;
}

void http_transfer_detach(struct http_transfer *call)
{
	struct http_client *c = call->client;
	if (!c)
		return;
	CURLMcode code = curl_multi_remove_handle(c->multi, call->easy);
	call->prev->next = call->next;
	call->next->prev = call->prev;
	c->running--;
	call->client = NULL;
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	if (code != CURLM_OK)
		give_up(c);
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	while (c->calls.next != &c->calls) {
		struct http_transfer *call = c->calls.next;
		http_transfer_detach(call);
		finish(call, -ECANCELED);
	}
	if (c->multi)
		curl_multi_cleanup(c->multi);
	timer_done(&c->timer);
	free(c);
	if (--clients == 0)
		curl_global_cleanup();
}

/* A copy of the list with the headers that libcurl must not make up. False when out of memory. */
static bool set_headers(struct http_transfer *call, const struct http_call *req)
{
	/* "Name:" without a value takes a default of libcurl's away. A Content-Type given earlier
	 * in the list stays. */
	static const char *const defaults_off[] = { "Expect:", "Content-Type:", NULL };
	const char *const *lists[] = { req->headers, defaults_off };
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (const char *const *h = lists[i]; h && *h; h++) {
			struct curl_slist *longer = curl_slist_append(call->headers, *h);
			if (!longer)
				return false;
			call->headers = longer;
		}
	}
	return curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK;
}

/* Method and body. A method that usually has a body says Content-Length: 0 without one. */
static bool set_request(CURL *easy, const struct http_call *req)
{
	bool has_body = req->body.p != NULL || strcmp(req->method, "POST") == 0 ||
			strcmp(req->method, "PUT") == 0 || strcmp(req->method, "PATCH") == 0;
	if (strcmp(req->method, "HEAD") == 0)
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
	if (has_body && (curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
					  (curl_off_t)req->body.n) != CURLE_OK ||
			 curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
					  req->body.p ? req->body.p : "") != CURLE_OK))
		return false;
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method) == CURLE_OK;
}

/* The whole time is limited by the fiber's wait, which detaches the call. */
static bool set_limits(CURL *easy, const struct http_call *req)
{
	long once = req->once;

	return curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, once) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)HTTP_CLIENT_IDLE_MAX_S) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, once) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		       CURLE_OK &&
	       /* Giving a slow name server up must not stop the loop until its thread ends. */
	       curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)req->connect_timeout_ms) ==
		       CURLE_OK;
}

static bool set_callbacks(struct http_transfer *call)
{
	return curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->reason) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call) == CURLE_OK;
}

/* Hands the call to libcurl. On failure nothing is held. */
static int attach(struct http_client *c, struct http_transfer *call, const struct http_call *req)
{
	if (!multi_is_ready(c))
		return -ENOMEM;
	call->easy = curl_easy_init();
	if (call->easy && set_limits(call->easy, req) && set_callbacks(call) &&
	    set_request(call->easy, req) && set_headers(call, req) &&
	    curl_easy_setopt(call->easy, CURLOPT_URL, req->url) == CURLE_OK &&
	    curl_multi_add_handle(c->multi, call->easy) == CURLM_OK) {
		call->client = c;
		call->next = &c->calls;
		call->prev = c->calls.prev;
		call->prev->next = c->calls.prev = call;
		c->running++;
		return 0;
	}
	c->broken = c->broken || c->running == 0; /* it may have failed half-way: start afresh */
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	return -ENOMEM;
}

int http_transfer_errno(const struct http_transfer *call)
{
	if (call->too_long)
		return -EMSGSIZE;
	if (call->response->body.failed)
		return -ENOMEM;
	switch ((int)call->code) {
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

int http_transfer_explain(const struct http_transfer *call, int r, struct err *reterr)
{
	const char *reason =
		call->reason[0] != '\0' ? call->reason : curl_easy_strerror(call->code);
	if (r == -EMSGSIZE)
		reason = "the answer is too long";
	else if (r == -ETIME)
		reason = "no answer in time";
	else if (r == -ECANCELED)
		reason = "the call was given up";
	else if (r == -ENOMEM)
		reason = "out of memory";
	if (r == -EINVAL)
		err_set(reterr, &ERR_INTERNAL, NULL, "%s", reason);
	else
		err_unavailable(reterr, 1, "%s", reason);
	return r;
}

int http_transfer_start(struct http_client *c, struct http_transfer *t, const struct http_call *req,
			struct err *reterr)
{
	assert(req->timeout_ms > 0);
	int r = http_call_check(req, reterr);
	if (r < 0)
		return r;
	if (c->running >= c->max_calls) {
		err_unavailable(reterr, 1, "%u HTTP calls are already under way", c->running);
		return -EAGAIN;
	}
	fiber_wait_init(&t->wait);
	r = attach(c, t, req);
	return r < 0 ? http_transfer_explain(t, r, reterr) : 0;
}

int http_client_wait(struct http_client *c, const struct http_call *req, struct http_response *ret,
		     struct err *reterr)
{
	struct http_transfer call = { .response = ret, .keep_header = req->keep_header };
	ret->status = 0;
	ret->kept[0] = '\0';
	buf_init(&ret->body, req->max_response_bytes);
	int r = http_transfer_start(c, &call, req, reterr);
	if (r < 0)
		return r;
	r = fiber_wait(&call.wait, "http.client", req->timeout_ms);
	if (r == 0)
		r = http_transfer_errno(&call);
	if (r == 0) {
		long status = 0;
		curl_easy_getinfo(call.easy, CURLINFO_RESPONSE_CODE, &status);
		ret->status = (int)status;
	}
	http_transfer_detach(&call);
	return r < 0 ? http_transfer_explain(&call, r, reterr) : 0;
}
