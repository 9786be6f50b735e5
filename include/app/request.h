/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as handlers see it: who calls, the values of the pattern's names, the query, and the
 * ways to answer. Lives in the arena of its HTTP request; a handler answers exactly once.
 */
#ifndef APP_REQUEST_H
#define APP_REQUEST_H

#include "app/app.h"
#include "app/role.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "loop/fiber.h"
#include "net/http_server.h"

struct dispatch_entry;

enum { REQUEST_MAX_PARAMS = 4, REQUEST_MAX_HEADERS = 8 };

struct request {
	struct app *app;
	struct http_request *http;
	const struct route *route;
	const struct dispatch_entry *entry; /* the route's counters, the dispatcher's */
	struct arena *arena;
	struct str user;		       /* from the token; .p NULL on public routes */
	struct str params[REQUEST_MAX_PARAMS]; /* values of {name}s in order, decoded */
	struct log_context log;		       /* correlation_id is X-Request-Id, or made */
	struct err err;			       /* for handlers: fill it, then reply_problem(rq) */
	struct fiber *fiber;		       /* that runs the handler; NULL before and after */
	int64_t started_us;		       /* monotonic */
	bool auth_pending;		       /* the token's key is still being fetched */
	bool is_answered;
	struct http_header headers[REQUEST_MAX_HEADERS]; /* of the answer; request_add_header */
	size_t n_headers;
};

struct str request_header(const struct request *rq, const char *name); /* .p NULL when absent */
/* The decoded value of a query parameter; .p NULL when absent. 0; -EINVAL (422) for bad encoding or
 * one that is given twice. */
int request_query(struct request *rq, const char *name, struct str *ret);
/*
 * Every value of a parameter that may be given several times, or once as a list with commas; empty
 * ones are left out. *ret is in the arena. -EINVAL (422) for bad encoding and more than max.
 */
int request_query_all(struct request *rq, const char *name, size_t max, struct str **ret,
		      size_t *ret_n);
/* The first of two names of a parameter that is given. */
int request_query_either(struct request *rq, const char *name, const char *older_name,
			 struct str *ret);
/* 422 for a query parameter: "limit must be ...". */
int request_query_error(struct request *rq, const char *name, const char *what);
/* An integer query parameter; *ret keeps its value when absent. -EINVAL (422) names the bounds. */
int request_query_i64(struct request *rq, const char *name, int64_t min, int64_t max, int64_t *ret);
/* A path parameter that is a positive integer; -ENOENT (404 of kind) otherwise. */
int request_path_id(struct request *rq, size_t index, const struct err_kind *kind, int64_t *ret);
struct str request_body(const struct request *rq);
/* name is static; value lives as long as the request. */
void request_add_header(struct request *rq, const char *name, struct str value);

/* An empty buffer of the request, released with it. NULL (and rq->err says 503) when out of memory.
 */
struct buf *request_buf(struct request *rq, size_t max_bytes);

/* The body is moved. Past what can be allocated it becomes a 503. */
void reply_body(struct request *rq, int status, const char *content_type, struct buf *body);
void reply_json(struct request *rq, int status, struct buf *body);
void reply_empty(struct request *rq, int status);
/* rq->err as problem+json. */
void reply_problem(struct request *rq);
/* Standing headers of every answer (X-Request-Id ...) in front of a streamed one. */
void reply_stream_begin(struct request *rq, int status);

#endif
