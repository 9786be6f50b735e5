/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the chat-api role share.
 */
#ifndef CHAT_API_PRIVATE_H
#define CHAT_API_PRIVATE_H

#include "app/request.h"
#include "domain/task.h"
#include "domain/task_event.h"
#include "domain/task_input.h"
#include "net/db.h"
#include "store/idempotency.h"
#include "store/tasks.h"

enum {
	TASK_BODY_MAX = 128 * 1024, /* bytes of a request body */
	TASK_JSON_MAX = 64 * 1024,  /* bytes of one task or event as JSON */
	LIST_JSON_MAX = 16 * 1024 * 1024,
	STREAM_PAGE = 200, /* tasks of a whole list that are read at a time */
	/* A stream holds a fiber and a page of memory for as long as its reader likes. */
	STREAMS_MAX = 64,
	STREAMS_OF_USER_MAX = 8,
	OUT_OF_DATE_TRIES_MAX = 5, /* how often a write reads again when others were faster */
};

struct jwt_keys;

struct chat_api {
	struct db *db;
	struct task_ids ids;
	struct jwt_keys *link_keys;    /* of links in mails; NULL: not read yet */
	uint64_t streams[STREAMS_MAX]; /* lists being streamed: hashes of their users */
	unsigned n_streams;
};

extern const struct err_kind ERR_LINK_GONE; /* 410 */

extern const struct route CHAT_API_ROUTES[];
extern const struct named_schema CHAT_API_SCHEMAS[];

/* Positions of the patterns' names. */
enum { PARAM_USER_ID, PARAM_TASK_ID, PARAM_REMINDER_ID, PARAM_TAG_NAME = 1 };

route_handler_fn task_list, task_create, task_read, task_update, task_delete, task_complete;
route_handler_fn reminder_list_of_task, reminder_create, reminder_change, reminder_delete,
	reminder_list;
route_handler_fn tag_list, tag_create, tag_change, tag_delete;
route_handler_fn preferences_get, preferences_put;
route_handler_fn task_history, audit_list;
route_handler_fn email_confirm, email_unsubscribe;

/* rq->err says 503. */
int out_of_memory(struct request *rq);
/* The request's connections to the database. */
struct db *request_db(const struct request *rq);

/* ---- events and answers ---- */

/* A write being prepared: what the statement stores and what the client gets. */
struct draft {
	struct store_change change;
	struct event events[TASK_EVENTS_MAX];
	struct idempotency_answer answer;
	struct buf *body; /* NULL: none */
	struct str task;  /* as its events show it, once they are rendered; .p NULL: not yet */
};

/* What the events of this request have in common. */
struct event_origin request_origin(const struct request *rq);
/*
 * The two events of a changed task, with what happened to its reminders, rendered into the arena
 * and ret[0..*ret_n). before NULL: created; kind TASK_EVENT_DELETED: after is the task as it was
 * last; *ret_task is that task as JSON. 0 or -ENOMEM.
 */
int render_task_events(struct request *rq, struct arena *arena, enum task_event_kind kind,
		       const struct task *before, const struct task *after,
		       struct event ret[TASK_EVENTS_MAX], size_t *ret_n, struct str *ret_task);
int draft_task_events(struct request *rq, struct draft *d, enum task_event_kind kind,
		      const struct task *before, const struct task *after);
/* The same for what a user prefers now. */
int draft_preferences_event(struct request *rq, struct draft *d, const struct preferences *after);
/* d->body becomes the answer, under the key if there is one. */
void draft_answer(struct draft *d, int status, const struct idempotency_key *key);
void reply_draft(struct request *rq, struct draft *d);
/* What the result of a write means: 0: answered, as now or, by its key, as the first time; 1:
 * others were faster, read again; < 0: rq->err. */
FIBER int settle_draft(struct request *rq, struct draft *d, int written);
/* The answer of a GET: 200, or 304 when the client has this version already. */
void reply_read(struct request *rq, struct draft *d);

/* ---- changes of one task ---- */

/* What a request does to a task: an input that is merged over it, and an answer. */
struct task_edit {
	struct task_input input;
	bool is_toggle; /* completed becomes what it is not */
	/* Fits the input to the task as it is. 0; < 0: rq->err. NULL: nothing to fit. */
	int (*adapt)(struct request *rq, struct task_edit *edit, const struct task *before);
	/* Fills body, status, etag and location of the answer. 0 or -ENOMEM. NULL: 200, the task.
	 */
	int (*answer)(struct request *rq, const struct task_edit *edit, const struct task *before,
		      const struct task *after, struct draft *d);
	void *arg;
};

/* Reads the task of the path, merges, writes, answers; again when others were faster. */
FIBER void task_edit_run(struct request *rq, struct task_edit *edit);
/* The task, of which d has the events if any, as an answer; is_done: with next_occurrence, if it
 * recurs. 0 or -ENOMEM. */
int answer_task(struct request *rq, const struct task *t, bool is_done, struct draft *d);
/* The task of the path. 0; -ENOENT (404); or as db_run_wait. */
FIBER int read_path_task(struct request *rq, struct task *ret);

/* ---- conditions, keys, links ---- */

/* The query of the request without its cursor, and a new one: what rel="next" leads to. */
int add_next_link(struct request *rq, struct str cursor);
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

/* One round of a write: read, decide, write. 0: answered; 1: others were faster; < 0: rq->err. */
typedef FIBER int write_round_fn(struct request *rq, const struct idempotency_key *key);
/* Rounds until the request is answered; after OUT_OF_DATE_TRIES_MAX a 503 that says `busy`. */
FIBER void run_write(struct request *rq, write_round_fn *round, const char *busy);

/* "3" in quotes: the entity tag of a task is its version. .p NULL when out of memory. */
struct str version_etag(struct arena *arena, int64_t version);
/* If-Match (RFC 9110 section 13.1.1): 0 when absent or met, -ESTALE (412), -EINVAL (400). */
int check_if_match(struct request *rq, struct str etag);
/* If-None-Match of a GET: whether the client has this one already (weak comparison). */
bool has_if_none_match(const struct request *rq, struct str etag);

#endif
