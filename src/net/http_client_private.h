/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside net/http_client: a transfer is one call in libcurl's hands, gathered (http_client.c) or
 * streamed (http_stream.c). http_call_check.c says what a call must look like before libcurl sees
 * it: libcurl passes CR, LF and NUL in headers and methods to the wire.
 */
#ifndef NET_HTTP_CLIENT_PRIVATE_H
#define NET_HTTP_CLIENT_PRIVATE_H

#include "net/http_client.h"
#include "transfer_private.h"

struct http_stream;

struct http_transfer {
	struct transfer base;
	struct http_response *response;
	struct http_stream *stream; /* NULL: the answer is gathered in response */
	const char *keep_header;    /* as in struct http_call */
	size_t head_bytes;
	bool too_long;
};

/* Checks the call and hands it to libcurl. < 0: nothing is held, and *reterr says why. */
int http_transfer_start(struct http_client *c, struct http_transfer *t,
			const struct http_call *call, struct err *reterr) MUST_CHECK;
/* What libcurl's result means. */
int http_transfer_errno(const struct http_transfer *t);
/* Fills *reterr for this result, which is returned. */
int http_transfer_explain(const struct http_transfer *t, int r, struct err *reterr);

/* http_stream.c, called from libcurl's callbacks. As those of libcurl: how much was taken. */
size_t http_stream_on_head(struct http_stream *s, struct str line);
size_t http_stream_on_body(struct http_stream *s, struct str bytes);
/* No more callbacks follow. result as for fiber_wake. */
void http_stream_on_end(struct http_stream *s, int result);

/* 0; -EINVAL with what is wrong. */
int http_call_check(const struct http_call *call, struct err *reterr) MUST_CHECK;

#endif
