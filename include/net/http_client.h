/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests by libcurl's multi interface on the loop. http and https only, no redirects, no
 * proxy from the environment, no Expect, bounded answers. Header values with CR, LF or NUL are
 * refused before libcurl sees them.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct http_client;

struct http_call {
	const char *method;	    /* "GET", "POST" ... */
	const char *url;	    /* absolute */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	struct str body;	    /* .p NULL: none */
	int64_t timeout_ms;	    /* whole call */
	int64_t connect_timeout_ms;
	size_t max_response_bytes;
	const char *keep_header; /* name of the one header of the answer to keep; NULL: none */
	bool once; /* by a connection of its own, so that libcurl never sends it a second time */
};

enum {
	HTTP_KEPT_SIZE = 128,
	/* A connection nobody used for longer is not used again: it may be closed just now. */
	HTTP_CLIENT_IDLE_MAX_S = 100,
};

struct http_response {
	int status;
	char kept[HTTP_KEPT_SIZE]; /* what keep_header asked for; "": not there, or longer */
	struct buf body;	   /* init by the callee, buf_done by the caller, also on failure */
};

/* At most max_calls at a time (more: -EAGAIN). NULL when out of memory. */
struct http_client *http_client_new(struct loop *l, unsigned max_calls);
/* Calls still running end with -ECANCELED, on their fibers, which may run after this. */
void http_client_free(struct http_client *c);

/*
 * 0 for any HTTP status. -EINVAL (bad url or header), -ECONNREFUSED, -ETIME, -EMSGSIZE (answer too
 * long), -EPROTO, -EAGAIN, -ECANCELED, -ENOMEM, each with its reason. Nothing is retried here, but
 * libcurl sends a request a second time when a kept connection turns out to be closed before the
 * first byte of the answer. What call points at must live until this returns.
 */
FIBER int http_client_wait(struct http_client *c, const struct http_call *call,
			   struct http_response *ret, struct err *reterr) MUST_CHECK;

#endif
