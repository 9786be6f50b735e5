/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the server share: http_server.c (listener, limits, life of the server),
 * http_conn.c (the state of a connection), http_receive.c (what its client sends), http_reply.c.
 *
 * A connection is in the list of its state: waiting for a client that is idle or sends a head,
 * waiting for a slow client inside a request (these two may be evicted), or waiting for our own
 * handler. Only http_conn_set_state moves it. Dead ones stay in memory until the end of the turn,
 * because callers up the stack still look at them.
 *
 * An exchange is one request with its answer. Two hold it: the connection, until the answer is out
 * or the connection broke (then rq.conn is NULL), and the user, until http_request_release.
 */
#ifndef NET_HTTP_PRIVATE_H
#define NET_HTTP_PRIVATE_H

#include "loop/fiber.h"
#include "loop/timer.h"
#include "net/http_server.h"

#include <event2/event.h>

struct bufferevent;
struct evbuffer;
struct evconnlistener;
struct metric;

enum {
	HTTP_READ_AHEAD_BYTES = 64 * 1024, /* pipelined requests wait in here, unparsed */
	HTTP_SEND_AHEAD_BYTES = 64 * 1024,
	HTTP_SINGLE_WRITE_BYTES = 256 * 1024,
	HTTP_COPY_BELOW_BYTES = 4096, /* shorter runs that have to wait are copied, others moved */
	HTTP_LINGER_MS = 2000,
	HTTP_LINGER_BYTES = 1024 * 1024,
	HTTP_BYTES_PER_S_MIN = 4096, /* of a body, and of an answer the client is slow to take */
	HTTP_IDLE_ARENAS_MAX = 64,
};

enum http_conn_state {
	HTTP_CONN_IDLE,	     /* between requests; nothing has come */
	HTTP_CONN_HEAD,	     /* just accepted, or part of a head has come */
	HTTP_CONN_LINGER,    /* answered for the last time; what still comes is thrown away */
	HTTP_CONN_BODY,	     /* head accepted, body not complete */
	HTTP_CONN_FLUSHING,  /* answer complete, the client has not taken it yet */
	HTTP_CONN_STREAMING, /* the user waits for the client to take bytes of the answer */
	HTTP_CONN_RUNNING,   /* the user is at work */
	HTTP_CONN_DEAD,	     /* socket closed; freed at the end of the turn */
};

struct http_exchange {
	struct http_request rq;
	struct http_server *server;
	struct buf body;
	struct http_chunked chunked;
	uint64_t body_max;
	struct evbuffer *cork;	  /* of a streamed answer: gathers a turn's chunks for one write */
	struct fiber_wait *drain; /* who waits for the client to take bytes */
	uint64_t queued_bytes;	  /* of the answer, so far */
	int status;		  /* 0: no answer yet */
	bool is_given;		  /* on_request was called */
	bool is_answered;	  /* all of the answer is known */
	bool is_released, is_detached;
	bool is_chunked_out; /* the answer */
	bool close_after;
	char peer[48]; /* rq.peer; outlives the connection */
};

struct http_conn {
	struct http_conn *next, *prev; /* in the list of its state */
	struct http_server *server;
	struct bufferevent *bev;
	struct http_exchange *exchange;
	struct timer timer;
	struct loop_task work; /* goes on with what has been read, sends what has been corked */
	int64_t deadline_ms;   /* loop time; INT64_MAX: none */
	int64_t armed_ms; /* when the timer goes off, never later than deadline_ms; moved lazily */
	int64_t accepted_ms;
	size_t scanned;	       /* http_parse_head's */
	uint64_t queued_bytes; /* ever */
	/* While the client has to take bytes: since when, and what it had taken by then and when
	 * the deadline was last set. */
	int64_t waiting_since_ms;
	uint64_t taken_before, taken_mark;
	size_t lingered_bytes;
	int fd;
	enum http_conn_state state;
	bool is_processing;  /* in http_conn_process, up the stack */
	bool is_half_closed; /* the client sends no more */
	bool is_paused;	     /* enough is read ahead */
	char peer[48];
};

struct http_conn_list {
	struct http_conn *first, *last;
	unsigned n;
};

struct http_server {
	struct http_server_config config;
	struct evconnlistener *listener;
	struct http_conn_list idle, slow, busy, dead;
	struct loop_task reap;
	struct timer accept_again;
	struct arena *arenas[HTTP_IDLE_ARENAS_MAX]; /* empty ones, kept for the next request */
	unsigned n_arenas;
	unsigned n_exchanges;
	int reserve_fd; /* given up to tell a client 503 when descriptors have run out */
	uint16_t port;
	bool is_draining, is_freed;
	struct buf head; /* where the head of an answer is put together */
	int64_t date_s;
	char date[32]; /* IMF-fixdate of date_s */
	struct metric *connections, *accepted, *evicted, *turned_away, *refused, *timeouts;
};

/* http_server.c */
struct http_exchange *http_exchange_new(struct http_conn *c);
/* The connection needs it no longer; freed once the user has released it too. */
void http_exchange_detach(struct http_exchange *x);
struct str http_server_date(struct http_server *s);

/* http_conn.c */
/* Takes fd. -ENOMEM: it is still the caller's. */
int http_conn_new(struct http_server *s, int fd, const struct sockaddr *address);
void http_conn_set_state(struct http_conn *c, enum http_conn_state state);
void http_conn_set_deadline(struct http_conn *c, int64_t delay_ms);
void http_conn_clear_deadline(struct http_conn *c);
/* Closes the socket at once, aborts what was under way. */
void http_conn_kill(struct http_conn *c);
/* The answer is complete and in the kernel: the next request, or the end. */
void http_conn_finish(struct http_conn *c);
/* Answers by on_problem and closes. The exchange is the server's own from here on. */
void http_conn_refuse(struct http_conn *c, const struct err *e);
size_t http_conn_unsent(const struct http_conn *c);

/* http_receive.c */
/* The head's bytes go into the arena, as the input is reused; its views follow. 0, -ENOMEM. */
int http_exchange_own_head(struct http_exchange *x, struct str bytes);
/* A body whose length was said. 1: complete; 0: not yet; -ENOMEM. */
int http_exchange_read_sized(struct http_exchange *x, struct evbuffer *input);
/* The same; also -EMSGSIZE: over the route's bound; -EPROTO, *ret_status: bad framing. */
int http_exchange_read_chunked(struct http_exchange *x, struct evbuffer *input, int *ret_status);

/* http_reply.c */
/* Moves what was corked to the kernel or the output; false: the connection broke. */
bool http_reply_flush(struct http_conn *c);
/* At the write deadline: true when the client takes the answer fast enough to get another one. */
bool http_reply_keeps_up(struct http_conn *c);

#endif
