/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP call whose answer is read as it comes: the head first, then its bytes. What has come and
 * was not read is bounded; past that the server is held back.
 */
#ifndef NET_HTTP_STREAM_H
#define NET_HTTP_STREAM_H

#include "net/http_client.h"
#include "net/http_parser.h"

struct http_stream;

/*
 * Sends the call and waits for the head of the answer, at most call->timeout_ms;
 * max_response_bytes counts for nothing. 0 with *ret, which is closed by the caller; otherwise as
 * http_client_wait, also when the answer broke off before anybody could read of it.
 */
FIBER int http_stream_open_wait(struct http_client *c, const struct http_call *call,
				struct http_stream **ret, struct err *reterr) MUST_CHECK;
int http_stream_status(const struct http_stream *s);
/* The headers of the answer, as many as fit; returns how many. Views that live as long as s. */
size_t http_stream_headers(const struct http_stream *s, struct http_header *headers, size_t max);
/* The whole answer is here: the next reads wait for nothing. */
bool http_stream_is_whole(const struct http_stream *s);
/* 1: *ret (initialised by this, buf_done by the caller) has the next bytes; 0: the answer is over;
 * < 0: as http_client_wait. */
FIBER int http_stream_read_wait(struct http_stream *s, struct buf *ret, int64_t timeout_ms,
				struct err *reterr) MUST_CHECK;
/* Gives up what has not come yet. Accepts NULL. */
void http_stream_close(struct http_stream *s);

#endif
