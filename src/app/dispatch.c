/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request head to its handler. Everything that can be refused on the head is refused there,
 * before a body byte is taken: path, method, token, whose tasks they are, media type. The handler
 * then runs on a fiber of its own, which a client that goes away cancels. Each request ends in one
 * log line and in the counters of its route.
 */
#include "app_private.h"
#include "auth/verifier.h"
#include "base/metrics.h"
#include "base/time.h"
#include "base/uuid.h"
#include "loop/fiber.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FIRST_STATUS_CLASS = 2, STATUS_CLASSES = 6, RETRY_AFTER_OVERLOAD_S = 1 };

static const struct metric_family REQUESTS = {
	"todod_http_requests_total",
	METRIC_COUNTER,
	"Answered requests by route and class of status.",
};
static const struct metric_family SECONDS = {
	"todod_http_request_seconds",
	METRIC_HISTOGRAM,
	"Time from the request head to the last byte of the answer.",
};

struct dispatch_entry {
	const struct route *route;
	struct metric *requests[STATUS_CLASSES]; /* by first digit of the status */
	struct metric *seconds;
};

struct dispatcher {
	struct app *app;
	const struct listener_rules *rules;
	struct dispatch_entry unmatched; /* no route: bad heads, 404, 405 */
	size_t n;
	struct dispatch_entry entries[];
};

static int64_t monotonic_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * TIME_US_PER_S + ts.tv_nsec / 1000;
}

static void entry_init(struct dispatch_entry *e, const char *listener, const struct route *route)
{
	const char *operation = route != NULL ? route->operation : "none";
	char labels[160];

	e->route = route;
	for (int class = FIRST_STATUS_CLASS; class < STATUS_CLASSES; class ++) {
		snprintf(labels, sizeof(labels), "listener=\"%s\",route=\"%s\",status=\"%dxx\"",
			 listener, operation, class);
		e->requests[class] = metric_get(&REQUESTS, labels);
	}
	snprintf(labels, sizeof(labels), "listener=\"%s\",route=\"%s\"", listener, operation);
	e->seconds = metric_get(&SECONDS, labels);
}

struct dispatcher *dispatcher_new(struct app *app, const struct listener_rules *rules,
				  const struct route *const *tables, size_t n_tables)
{
	size_t n = 0;

	for (size_t i = 0; i < n_tables; i++) {
		for (const struct route *r = tables[i]; r->pattern != NULL; r++)
			n++;
	}
	struct dispatcher *d = calloc(1, sizeof(*d) + n * sizeof(d->entries[0]));
	if (d == NULL)
		return NULL;
	d->app = app;
	d->rules = rules;
	entry_init(&d->unmatched, rules->name, NULL);
	for (size_t i = 0; i < n_tables; i++) {
		for (const struct route *r = tables[i]; r->pattern != NULL; r++)
			entry_init(&d->entries[d->n++], rules->name, r);
	}
	return d;
}

void dispatcher_free(struct dispatcher *d)
{
	free(d);
}

int64_t request_age_us(const struct request *rq)
{
	return monotonic_us() - rq->started_us;
}

/* What the client calls the request, if it is fit for logs and headers; else an id of our own. */
static void set_correlation_id(struct request *rq)
{
	if (!log_context_set_correlation_id(&rq->log, request_header(rq, "X-Request-Id"))) {
		struct uuid id = uuid_v7();
		uuid_format(&id, rq->log.correlation_id);
	}
}

static void set_trace_id(struct request *rq)
{
	if (log_context_set_trace(&rq->log, request_header(rq, "traceparent")))
		return;
	struct uuid id = uuid_v7();
	uuid_format_hex(&id, rq->log.trace_id);
}

static struct request *request_new(struct dispatcher *d, struct http_request *http)
{
	struct request *rq = arena_calloc(http->arena, 1, sizeof(*rq));

	if (rq == NULL)
		return NULL;
	rq->app = d->app;
	rq->http = http;
	rq->arena = http->arena;
	rq->started_us = monotonic_us();
	set_correlation_id(rq);
	set_trace_id(rq);
	http->user = rq;
	return rq;
}

static int refuse_method(struct dispatcher *d, struct request *rq, const struct route_path *path,
			 struct err *reterr)
{
	struct str params[REQUEST_MAX_PARAMS];
	struct str allow = { NULL, 0 };

	if (d->rules->unknown_is_bug) {
		log_error("http.unknown_route", LOG_CSTR("listener", d->rules->name),
			  LOG_CSTR("method", http_method_name(rq->http->head.method)),
			  LOG_STR("path", rq->http->head.path));
		return err_set(reterr, &ERR_INTERNAL, NULL, "there is no route for this");
	}
	for (size_t i = 0; i < d->n; i++) {
		const struct route *r = d->entries[i].route;
		if (!route_matches(r, path, rq->arena, params))
			continue;
		allow = arena_printf(rq->arena, "%.*s%s%s%s", STR_ARGS(allow),
				     allow.n > 0 ? ", " : "", http_method_name(r->method),
				     r->method == HTTP_GET ? ", HEAD" : "");
	}
	if (allow.n == 0)
		return err_set(reterr, &ERR_NOT_FOUND, NULL, "there is nothing at this path");
	request_add_header(rq, "Allow", allow);
	return err_set(reterr, &ERR_METHOD_NOT_ALLOWED, NULL,
		       "this path does not take %s; it takes %.*s",
		       http_method_name(rq->http->head.method), STR_ARGS(allow));
}

static int find_route(struct dispatcher *d, struct request *rq, struct err *reterr)
{
	enum http_method method = rq->http->head.method;
	struct route_path path;

	if (method == HTTP_HEAD)
		method = HTTP_GET;
	route_path_split(rq->http->head.path, &path);
	for (size_t i = 0; i < d->n; i++) {
		if (d->entries[i].route->method == method &&
		    route_matches(d->entries[i].route, &path, rq->arena, rq->params)) {
			rq->entry = &d->entries[i];
			rq->route = d->entries[i].route;
			return 0;
		}
	}
	return refuse_method(d, rq, &path, reterr);
}

/* What stands in paths where a user does: nobody can be called so. */
static bool is_reserved(struct str user)
{
	static const struct str RESERVED[] = {
		STR_INIT("auth"),	 STR_INIT("tasks"), STR_INIT("tags"),
		STR_INIT("reminders"),	 STR_INIT("chat"),  STR_INIT("conversations"),
		STR_INIT("preferences"), STR_INIT("audit"), STR_INIT("email"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(RESERVED); i++) {
		if (str_eq(user, RESERVED[i]))
			return true;
	}
	return false;
}

/* A {user_id} in the path must be the caller, and is, where it may be left out. */
static int check_user(struct request *rq, struct err *reterr)
{
	int index = route_param_index(rq->route, "user_id");

	if (index < 0)
		return 0;
	if (is_reserved(rq->user))
		return err_set(reterr, &ERR_FORBIDDEN, "path.user_id",
			       "a user of this name cannot use the API: it is a part of its paths");
	if (rq->params[index].p == NULL)
		rq->params[index] = rq->user;
	if (str_eq(rq->params[index], rq->user))
		return 0;
	return err_set(reterr, &ERR_FORBIDDEN, "path.user_id", "the token belongs to another user");
}

static int check_caller(struct dispatcher *d, struct request *rq, struct err *reterr)
{
	if (rq->route->flags & ROUTE_PUBLIC)
		return 0;
	if (http_head_count(&rq->http->head, STR("Authorization")) > 1)
		return err_set(reterr, &ERR_BAD_REQUEST, "header.Authorization",
			       "Authorization must be sent once");
	int r = auth_verify(app_auth(d->app), rq->arena, request_header(rq, "Authorization"),
			    &rq->user, reterr);
	if (r == -EAGAIN) {
		rq->auth_pending = true;
		return 0;
	}
	if (r < 0)
		return r;
	return check_user(rq, reterr);
}

static int check_content(const struct request *rq, struct err *reterr)
{
	const struct http_head *head = &rq->http->head;

	if (rq->route->body_max == 0 || (rq->route->flags & ROUTE_CALLBACK))
		return 0;
	if (!head->chunked && !head->has_content_length &&
	    !(rq->route->flags & ROUTE_OPTIONAL_BODY))
		return err_set(reterr, &ERR_LENGTH_REQUIRED, "header.Content-Length",
			       "a body with its Content-Length is needed here");
	if (!head->chunked && head->content_length == 0)
		return 0;
	struct str rest = http_head_get(head, STR("Content-Type")), type;
	if (str_split(&rest, ';', &type) && str_eq_nocase(str_trim(type), STR("application/json")))
		return 0;
	return err_set(reterr, &ERR_UNSUPPORTED_MEDIA_TYPE, "header.Content-Type",
		       "the body must be application/json");
}

static int64_t on_head(struct http_request *http, void *arg, struct err *reterr)
{
	struct dispatcher *d = arg;
	struct request *rq = request_new(d, http);

	if (rq == NULL)
		return err_unavailable(reterr, RETRY_AFTER_OVERLOAD_S, "out of memory");
	int r = find_route(d, rq, reterr);
	if (r < 0)
		return r;
	if (d->rules->admit != NULL && d->rules->admit(d->app, rq, reterr) < 0)
		return -EACCES;
	if (!(rq->route->flags & ROUTE_INLINE) &&
	    fiber_count_of(app_loop(d->app)) >= d->rules->fibers_max)
		return err_unavailable(reterr, RETRY_AFTER_OVERLOAD_S,
				       "too many requests are under way");
	r = check_caller(d, rq, reterr);
	if (r < 0)
		return r;
	r = check_content(rq, reterr);
	if (r < 0)
		return r;
	return (int64_t)rq->route->body_max;
}

static FIBER int finish_auth(struct request *rq)
{
	int r = auth_verify_wait(app_auth(rq->app), rq->arena, request_header(rq, "Authorization"),
				 &rq->user, &rq->err);

	return r < 0 ? r : check_user(rq, &rq->err);
}

static FIBER void run_handler(void *arg)
{
	struct request *rq = arg;

	if (rq->auth_pending && finish_auth(rq) < 0)
		reply_problem(rq);
	else
		rq->route->handler(rq);
	assert(rq->is_answered);
	rq->fiber = NULL;
	http_request_release(rq->http);
}

static void on_request(struct http_request *http, void *arg)
{
	struct request *rq = http->user;

	(void)arg;
	if (rq->route->flags & ROUTE_INLINE) {
		const struct log_context *before = log_context_swap(&rq->log);
		rq->route->handler(rq);
		log_context_swap(before);
		assert(rq->is_answered);
		http_request_release(http);
		return;
	}
	int r = fiber_spawn(app_loop(rq->app), rq->route->operation, run_handler, rq, &rq->log,
			    &rq->fiber);
	if (r < 0) {
		err_unavailable(&rq->err, RETRY_AFTER_OVERLOAD_S,
				"too many requests are under way");
		reply_problem(rq);
		http_request_release(http);
	}
}

static void on_abort(struct http_request *http, void *arg)
{
	struct request *rq = http->user;

	(void)arg;
	if (rq->fiber != NULL)
		fiber_cancel(rq->fiber);
}

static size_t on_problem(struct http_request *http, const struct err *e, struct buf *out,
			 struct http_header *headers, size_t max_headers, void *arg)
{
	(void)arg;
	return problem_write(http->user, e, out, headers, max_headers);
}

static void on_done(struct http_request *http, int status, uint64_t bytes_sent, void *arg)
{
	struct dispatcher *d = arg;
	struct request *rq = http->user;
	const struct dispatch_entry *e =
		rq != NULL && rq->entry != NULL ? rq->entry : &d->unmatched;
	int64_t took_us = rq != NULL ? monotonic_us() - rq->started_us : 0;
	struct str user = { NULL, 0 };
	/* Callbacks have a line of their own. */
	enum log_level level = e->route != NULL &&
					       (e->route->flags & (ROUTE_CALLBACK | ROUTE_PROBE)) &&
					       status < 400
				       ? LOG_DEBUG
				       : LOG_INFO;

	if (rq != NULL)
		user = rq->user;

	if (status >= 100 * FIRST_STATUS_CLASS && status < 100 * STATUS_CLASSES)
		metric_add(e->requests[status / 100], 1);
	metric_observe(e->seconds, (double)took_us / 1e6);
	const struct log_context *before = log_context_swap(rq != NULL ? &rq->log : NULL);
	LOG_AT(level, "http.request", LOG_CSTR("method", http_method_name(http->head.method)),
	       LOG_CSTR("route", e->route != NULL ? e->route->operation : "none"),
	       LOG_I64("status", status), LOG_I64("took_us", took_us),
	       LOG_I64("bytes", (int64_t)bytes_sent), LOG_STR("user_id", user),
	       LOG_STR("peer", http->peer));
	log_context_swap(before);
}

void dispatcher_bind(struct dispatcher *d, struct http_server_config *config)
{
	config->on_head = on_head;
	config->on_request = on_request;
	config->on_abort = on_abort;
	config->on_problem = on_problem;
	config->on_done = on_done;
	config->arg = d;
}
