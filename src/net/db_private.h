/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside net/db. db.c owns the pool, the queue and the waiting fibers; db_conn.c owns one
 * connection, what is under way on it and when it is cut; db_pipeline.c turns a segment into
 * protocol messages and results back into an outcome; db_value.c is binary parameters and results,
 * db_array.c parameters that are arrays; db_conninfo.c the url.
 *
 * An op is one segment. It is in the queue, or in the list of the connection that carries it, never
 * both; it dies at its sync or with its connection. Its waiter may leave earlier: then op->waiter
 * is NULL.
 */
#ifndef NET_DB_PRIVATE_H
#define NET_DB_PRIVATE_H

#include "db_conninfo_private.h"
#include "db_value_private.h"

#include "base/metrics.h"
#include "loop/fiber.h"
#include "loop/timer.h"
#include "net/db.h"

#include <event2/event_struct.h>
#include <libpq-fe.h>

enum {
	DB_STATEMENTS_MAX = 128, /* past it statements work, unprepared */
	DB_CONSTRAINT_SIZE = 64,
	/* Prepare and run for each statement and for set_config. */
	DB_STEPS_MAX = 2 * (DB_SEGMENT_MAX + 1),
	DB_CONNECTIONS_MAX = 64,
};

enum db_step_kind { DB_STEP_PREPARE, DB_STEP_SET_USER, DB_STEP_QUERY };

/* One command of a segment, and so one round of results. */
struct db_step {
	enum db_step_kind kind;
	uint8_t query; /* DB_STEP_QUERY: which */
	int16_t slot;  /* DB_STEP_PREPARE: of which statement */
};

/* What the waiting fiber gets; on its stack. */
struct db_waiter {
	struct fiber_wait wait;
	struct db_op *op; /* NULL once the outcome is here */
	struct db_result *results[DB_SEGMENT_MAX];
	char constraint[DB_CONSTRAINT_SIZE];
	struct err err;
	int result;
};

struct db_op {
	struct db_op *next, *prev;
	struct db_conn *conn;		  /* NULL: queued */
	struct db_waiter *waiter;	  /* NULL: left */
	const struct db_segment *segment; /* the waiter's; NULL once sent */
	int64_t started_ms;
	bool slow;
	bool stale_session; /* the session no longer fits: the connection is cut at the sync */
	uint8_t n_steps, step;
	int result; /* first failure */
	struct db_step steps[DB_STEPS_MAX];
};

struct db_op_list {
	struct db_op *head, *tail;
	unsigned n;
};

enum db_conn_state { DB_CONN_DOWN, DB_CONN_CONNECTING, DB_CONN_UP };

struct db_conn {
	struct db *db;
	enum db_conn_state state;
	bool slow;
	PGconn *pg;	    /* NULL while down */
	struct event event; /* on pg's socket; initialised when has_event */
	bool has_event;
	short event_mask;
	struct timer timer;	/* down: next attempt; connecting: limit; up: watchdog */
	struct loop_task retry; /* down, when even the timer could not start */
	int64_t backoff_ms;
	int64_t head_since_ms; /* when the oldest op became the oldest */
	struct db_op_list under_way;
	bool ready[DB_STATEMENTS_MAX]; /* prepared on this connection, confirmed by the server */
	bool preparing[DB_STATEMENTS_MAX]; /* asked for, not yet confirmed */
};

struct db_metrics {
	struct metric *up, *under_way, *queued, *connects, *losses, *failures, *seconds;
};

struct db {
	struct db_config config;
	struct db_conninfo *conninfo;
	struct db_conn *conns;
	unsigned n_conns, n_fast_up, n_slow_up;
	struct db_op_list queue_fast, queue_slow;
	const struct db_statement *statements[DB_STATEMENTS_MAX];
	unsigned n_statements;
	struct db_metrics metrics;
	char last_error[240];
};

/* db.c */
void db_op_list_push(struct db_op_list *l, struct db_op *op);
void db_op_list_remove(struct db_op_list *l, struct db_op *op);
/* The end of an op that is in no list: tells the waiter, frees the op. */
void db_op_finish(struct db_op *op);
/* The first failure stays. */
void db_op_fail(struct db_op *op, int result, const struct err *err);
/* Free places on the connection, or its coming and going: the queue moves. */
void db_dispatch(struct db *db);
void db_conn_went_up(struct db_conn *c);
void db_conn_went_down(struct db_conn *c, bool was_up);
/* The index of the statement, -1 when the table is full. */
int db_statement_slot(struct db *db, const struct db_statement *s);

/* db_conn.c */
void db_conn_init(struct db_conn *c, struct db *db, bool slow);
void db_conn_start(struct db_conn *c);
/* Sends the segment; the op is under way, or finished with an error. */
void db_conn_send(struct db_conn *c, struct db_op *op);
/* For db_last_error, on one line. */
void db_remember_error(struct db *db, const char *message);
/* Closes; ops under way fail; the next attempt is scheduled. NULL: the reason is remembered. */
void db_conn_cut(struct db_conn *c, const char *reason);
/* Closes for good; ops under way end with -ECANCELED. */
void db_conn_done(struct db_conn *c);

/* db_pipeline.c */
/* Writes the op's commands and its Sync into libpq; -EIO: libpq refused, the connection is of no
 * more use. */
int db_pipeline_write(struct db_conn *c, struct db_op *op);
/* Takes one result (not NULL, not a sync) for the op's current step. Owns res. */
void db_pipeline_result(struct db_conn *c, struct db_op *op, PGresult *res);
/* A row that a constraint refused: the results that come with the constraint's name. */
bool db_is_violation(int result);
/* What a caller is told for a SQLSTATE (five characters, or "" when libpq itself gave up). libpq's
 * own words, which may name hosts and paths, are not in it.
 * *ret_stale: this session cannot do better, another one may. */
int db_sqlstate_error(const char *sqlstate, const char *message, bool *ret_stale,
		      struct err *reterr);

#endif
