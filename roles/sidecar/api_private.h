/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of the API, and the ways to answer it in Dapr's shapes.
 */
#ifndef SIDECAR_API_PRIVATE_H
#define SIDECAR_API_PRIVATE_H

#include "host_private.h"

enum { CALL_SEGMENTS_MAX = 5 };

struct call {
	struct host *host;
	struct hosted *caller; /* the app whose port it came in by */
	struct door *door;
	struct http_request *http;
	struct arena *arena;
	struct fiber *fiber;
	const struct api_route *route;
	/* Decoded, in the order of the route's names; the last may hold slashes where the route
	 * says so. */
	struct str segments[CALL_SEGMENTS_MAX];
	struct str rest; /* where a route ends in an open path: as sent */
	bool is_answered;
	struct err err;
};

typedef void call_fn(struct call *c);

/* "GET /state/{}/{}": a {} takes a segment; a final * takes what is left, as sent. */
struct api_route {
	enum http_method method;
	const char *pattern;
	call_fn *handler;
	bool any_method, no_token;
};

struct str call_header(const struct call *c, const char *name); /* .p NULL: absent */
/* A query parameter, decoded; .p NULL: absent or not decodable. */
struct str call_query(struct call *c, const char *name);
struct buf *call_buf(struct call *c, size_t max_bytes); /* NULL when out of memory */

void call_empty(struct call *c, int status);
void call_json(struct call *c, int status, struct buf *body, const struct http_header *headers,
	       size_t n_headers);
/* {"errorCode": ..., "message": ...} */
void call_error(struct call *c, int status, const char *code, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* The same with c->err's words; 500 and code, or 503 where trying again makes sense. */
void call_failure(struct call *c, int status, const char *code);

/* ---- handlers ---- */

call_fn publish_one, publish_bulk;
call_fn metadata_get;
call_fn state_get, state_save, state_delete, state_bulk;
call_fn job_put, job_get, job_delete;
call_fn secret_get, secret_bulk;
call_fn invoke_any;

/* ---- database, for handlers ---- */

/* One statement. 0 with *ret, the caller's; < 0: c->err says why. */
FIBER int call_db_wait(struct call *c, const struct db_statement *statement,
		       const struct db_param *params, struct db_result **ret) MUST_CHECK;
/* One statement that changes rows: how many, or < 0. */
FIBER int64_t call_change_wait(struct call *c, const struct db_statement *statement,
			       const struct db_param *params) MUST_CHECK;

#endif
