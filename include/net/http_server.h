/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server on libevent: evconnlistener, bufferevent, http_parser. Pipelined requests are
 * answered in order, one at a time, and at most 64 KiB of them are read ahead; early rejection on
 * the head, absolute deadlines however slowly a client sends, streaming with back-pressure, drain.
 * The server owns connections and requests; a request stays valid from on_head until it was
 * answered completely and http_request_release was called (or on_abort + release).
 *
 * Life of a request: on_head decides (accept the body up to a cap, or refuse) -> body -> on_request
 * -> http_reply or http_reply_begin/chunk/end, at any later time -> released by the user with
 * http_request_release. A request that never came to on_request is the server's own and is not
 * released by the user.
 */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"
#include "net/http_parser.h"

#include <stdbool.h>
#include <stdint.h>

struct http_server;
struct http_conn;

struct http_request {
	struct http_head head;	/* views into the arena */
	struct arena *arena;	/* of this request; freed with it */
	struct str body;	/* complete when on_request is called */
	struct str peer;	/* address of the client, for logs */
	int64_t received_ms;	/* loop time at which the head was complete */
	void *user;		/* the caller's, set in on_head */
	struct http_conn *conn; /* the server's */
};

/* Called when the head is complete, before any body byte is accepted.
 * >= 0: accept, with a body of at most that many bytes (0: no body allowed; a longer one is 413
 * before it is read). < 0: refused; *reterr says why; the server answers through on_problem and
 * closes. */
typedef int64_t http_head_fn(struct http_request *rq, void *arg, struct err *reterr);
/* The body is complete. The callee answers now or later. */
typedef void http_request_fn(struct http_request *rq, void *arg);
/* The client is gone (reset, deadline, or it stopped sending and got no answer for 2 s: it may have
 * shut down one direction only) or the server is torn down, after on_request and before the answer
 * was complete. Replies from now on do nothing. May be called from within http_reply_*. The callee
 * still releases. */
typedef void http_abort_fn(struct http_request *rq, void *arg);
/*
 * Writes the body of an error answer (problem+json) into out and its headers (Content-Type, Allow,
 * WWW-Authenticate, Retry-After, X-Request-Id ...) into headers, at most max_headers; returns how
 * many. Their values live as long as the request. Called for what on_head refused and for what the
 * server finds itself (bad head, body too long, deadlines, too many connections); rq->user is NULL
 * where on_head was never called.
 */
typedef size_t http_problem_fn(struct http_request *rq, const struct err *e, struct buf *out,
			       struct http_header *headers, size_t max_headers, void *arg);
/* After the last byte of an answer was handed to the kernel or the connection broke: for access
 * logs and metrics. Once for every request that got to on_head or on_problem; status 0: there was
 * no answer. */
typedef void http_done_fn(struct http_request *rq, int status, uint64_t bytes_sent, void *arg);

struct http_server_config {
	struct loop *loop;
	const char *address;	  /* numeric */
	uint16_t port;		  /* 0: any */
	unsigned max_connections; /* past it the one idle longest gives way, then one whose client
				     is slow to send or take, then new ones get 503 */
	int64_t head_timeout_ms;  /* from the first byte (or accept) to the complete head */
	int64_t body_timeout_ms;  /* plus body size / 4 KiB/s */
	int64_t idle_timeout_ms;  /* keep-alive */
	int64_t write_timeout_ms; /* without a byte taken; past it at least 4 KiB/s on the whole */
	size_t arena_bytes;	  /* bound of one request's arena; the body lies outside, bounded by
				     on_head */
	http_head_fn *on_head;
	http_request_fn *on_request;
	http_abort_fn *on_abort;
	http_problem_fn *on_problem;
	http_done_fn *on_done;
	const char *metrics_label; /* "public", "ops": label of the server's own metrics */
	void *arg;
};

/* 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -ENOMEM with the reason. TCP_NODELAY is on. */
int http_server_new(const struct http_server_config *config, struct http_server **ret,
		    struct err *reterr) MUST_CHECK;
uint16_t http_server_port(const struct http_server *s);
/* Stops accepting; answers what is under way with Connection: close; closes idle connections. */
void http_server_drain(struct http_server *s);
/* Connections still open. */
unsigned http_server_connections(const struct http_server *s);
/* Aborts what is left and frees; not from within a callback of the server. Requests that were not
 * released yet stay valid until they are. */
void http_server_free(struct http_server *s);

/*
 * Answers. headers are copied; Content-Length, Date, Connection and Keep-Alive are the server's.
 * Bytes outside visible ASCII and space in names or values are a bug (asserted). body may be NULL;
 * its bytes are moved, buf is left empty.
 */
void http_reply(struct http_request *rq, int status, const struct http_header *headers,
		size_t n_headers, struct buf *body);
/* A streamed answer: chunked (HTTP/1.1) or until close (1.0). Bytes leave at the end of the loop's
 * turn. */
void http_reply_begin(struct http_request *rq, int status, const struct http_header *headers,
		      size_t n_headers);
void http_reply_chunk(struct http_request *rq, struct buf *bytes);
/* Back-pressure: waits until less than 64 KiB wait to be sent. 0; -ETIME; -ECANCELED; -EPIPE when
 * the client is gone. */
FIBER int http_reply_drain_wait(struct http_request *rq, int64_t timeout_ms);
void http_reply_end(struct http_request *rq);
/* A streamed answer cannot be finished: cuts the connection, so that the client sees it is
 * incomplete. */
void http_reply_cut(struct http_request *rq);
bool http_request_is_aborted(const struct http_request *rq);
/* The user is done with rq: exactly once, after the answer or after on_abort. */
void http_request_release(struct http_request *rq);

#endif
