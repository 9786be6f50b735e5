/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the chat-api role share.
 */
#ifndef CHAT_API_PRIVATE_H
#define CHAT_API_PRIVATE_H

#include "app/request.h"
#include "domain/task.h"
#include "net/db.h"
#include "store/idempotency.h"
#include "store/tasks.h"

enum {
	TASK_BODY_MAX = 64 * 1024, /* bytes of a request body */
	TASK_JSON_MAX = 64 * 1024, /* bytes of one task or event as JSON */
	LIST_JSON_MAX = 16 * 1024 * 1024,
	STREAM_PAGE = 200, /* tasks of a whole list that are read at a time */
	/* A stream holds a fiber and a page of memory for as long as its reader likes. */
	STREAMS_MAX = 64,
	STREAMS_OF_USER_MAX = 8,
	OUT_OF_DATE_TRIES_MAX = 5, /* how often a write reads again when others were faster */
};

struct chat_api {
	struct db *db;
	struct task_ids ids;
	uint64_t streams[STREAMS_MAX]; /* lists being streamed: hashes of their users */
	unsigned n_streams;
};

/* Positions of the pattern's names. */
enum { PARAM_USER_ID, PARAM_TASK_ID };

route_handler_fn task_list, task_create, task_read, task_delete, task_complete;

struct list_request {
	struct task_list_query query;
	int64_t limit; /* 0: absent */
	int64_t envelope;
};

/*
 * Streams the whole list, whose first page is given and full. arena holds its rows and is reset for
 * each page. 0: answered, if only in part; -EAGAIN: refused, rq->err says why (429, 503).
 */
FIBER int list_stream(struct request *rq, struct list_request *in, const struct task_list *first,
		      struct arena *arena);

/*
 * The request's Idempotency-Key. *ret is NULL without one. 0; -EINVAL (400) when it is malformed;
 * -ENOMEM.
 */
int write_key_read(struct request *rq, struct idempotency_key **ret);
/* Answers as the first time, or 422 when the key was used with another body. */
void write_key_replay(struct request *rq, const struct idempotency_answer *answer);
/*
 * For a write that ended in -EEXIST: replays what the key was first answered with and returns 1; 0
 * when that answer has expired meanwhile and the write may be tried again; < 0: rq->err.
 */
FIBER int write_key_resolve_wait(struct request *rq, const struct idempotency_key *key);

/* "3" in quotes: the entity tag of a task is its version. .p NULL when out of memory. */
struct str task_etag(struct arena *arena, int64_t version);
/* If-Match (RFC 9110 section 13.1.1): 0 when absent or met, -ESTALE (412), -EINVAL (400). */
int check_if_match(struct request *rq, struct str etag);
/* If-None-Match of a GET: whether the client has this one already (weak comparison). */
bool has_if_none_match(const struct request *rq, struct str etag);

#endif
