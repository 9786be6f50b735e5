/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL by libpq in pipeline mode. One segment is one implicit transaction: set_config('app.user_id', $1, true), then the
 * statements, then Sync; no BEGIN or COMMIT (an error inside an explicit transaction would leave the session
 * broken). The caller is answered at the sync, when the outcome is certain. Prepared statements per connection, binary parameters and results.
 *
 * A few connections with deep pipelines (fast), and one or two with depth 1 for long reads (slow). Lost connections come back by themselves; while
 * none is up, segments fail at once with 503. Every queue is bounded.
 */
#ifndef NET_DB_H
#define NET_DB_H

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct db;
struct db_result;

struct db_config {
	struct loop *loop;
	const char *url;              /* postgresql://... or key=value; host names are resolved before libpq sees them */
	unsigned fast_connections;    /* 4 */
	unsigned fast_depth;          /* segments under way per connection, 16 */
	unsigned slow_connections;    /* 1 */
	unsigned queue_max;           /* segments waiting for a connection; past it -EAGAIN */
	int64_t statement_timeout_ms; /* in the server; a client watchdog at twice that cuts the connection */
	int64_t connect_timeout_ms;
	bool prepare;                 /* false for transaction poolers: PQsendQueryParams, no session state */
	const char *application_name;
	/* Told when the first connection comes up and when the last one is lost. May be NULL. */
	void (*on_state)(bool up, void *arg);
	void *on_state_arg;
};

/* One SQL statement, const and static: its address identifies it, its name is its prepared name. */
struct db_statement {
	const char *name;
	const char *sql;
	int n_params;
};

enum db_type { DB_NULL, DB_TEXT, DB_I64, DB_I32, DB_I16, DB_BOOL, DB_TIME, DB_UUID, DB_BYTES };

/* A parameter with its type; text must be UTF-8 without NUL (asserted in debug, -EINVAL otherwise). */
struct db_param {
	enum db_type type;
	union {
		int64_t i64;   /* DB_I64, DB_I32, DB_I16, DB_TIME (microseconds since the epoch), DB_BOOL */
		struct str str; /* DB_TEXT, DB_BYTES */
		struct uuid uuid;
	} v;
	enum db_type null_of; /* DB_NULL: the type it is null of */
};
#define DB_PARAM_TEXT(s) { .type = DB_TEXT, .v.str = (s) }
#define DB_PARAM_I64(n) { .type = DB_I64, .v.i64 = (n) }
#define DB_PARAM_I16(n) { .type = DB_I16, .v.i64 = (n) }
#define DB_PARAM_I32(n) { .type = DB_I32, .v.i64 = (n) }
#define DB_PARAM_BOOL(b) { .type = DB_BOOL, .v.i64 = (b) }
#define DB_PARAM_TIME(us) { .type = DB_TIME, .v.i64 = (us) }
#define DB_PARAM_UUID(u) { .type = DB_UUID, .v.uuid = (u) }
#define DB_PARAM_BYTES(s) { .type = DB_BYTES, .v.str = (s) }
#define DB_PARAM_NULL(t) { .type = DB_NULL, .null_of = (t) }

enum { DB_SEGMENT_MAX = 4 };

struct db_query {
	const struct db_statement *statement;
	const struct db_param *params; /* statement->n_params */
};

struct db_segment {
	struct str user_id; /* for row-level security; .p NULL: no set_config (statements that touch no user's rows) */
	const struct db_query *queries;
	size_t n_queries; /* 1..DB_SEGMENT_MAX */
	bool slow;        /* long read: the slow connections */
};

/* SQLSTATE classes a caller acts on. */
enum db_failure { DB_OK, DB_UNIQUE_VIOLATION, DB_OTHER_FAILURE };

/*
 * Runs the segment and waits. On success ret[i] is the result of query i, each owned by the caller
 * (db_result_free, or arena_defer it). On failure nothing was written, ret[] is untouched.
 * 0; -EEXIST: unique violation, *ret_constraint (may be NULL; 64 bytes) names it; -EAGAIN: 503, no connection, queue full, server out of connections, deadlock
 * or serialisation failure; -ETIME: 503, statement timeout; -ECANCELED; -EINVAL: a bad parameter; -EIO: a bug in SQL, 500.
 * After -EAGAIN or -ETIME of a write whose Sync had been sent the outcome may be unknown: err says 503 and the client retries with its key.
 */
FIBER int db_run_wait(struct db *db, const struct db_segment *segment, struct db_result **ret,
		      char *ret_constraint, struct err *reterr) MUST_CHECK;

/* Starts connecting; does not wait. -EINVAL with the reason when the url cannot be parsed, -ENOMEM. */
int db_new(const struct db_config *config, struct db **ret, struct err *reterr) MUST_CHECK;
/* Segments under way end with -ECANCELED. */
void db_free(struct db *db);
bool db_is_up(const struct db *db);
/* Why the last connection attempt failed, for messages at start. "" when it did not. */
const char *db_last_error(const struct db *db);

int db_rows(const struct db_result *r);
/* Rows changed by INSERT, UPDATE, DELETE. */
int64_t db_affected(const struct db_result *r);
bool db_is_null(const struct db_result *r, int row, int column);
/* Asserted: row, column and the column's type fit. */
struct str db_text(const struct db_result *r, int row, int column);
int64_t db_i64(const struct db_result *r, int row, int column); /* int2, int4, int8 */
bool db_bool(const struct db_result *r, int row, int column);
int64_t db_time(const struct db_result *r, int row, int column); /* timestamptz, microseconds since the epoch */
void db_result_free(struct db_result *r);

/* Synchronous, outside the loop, for `todod migrate` only: runs a script of several statements in one transaction of its own.
 * 0 or -EIO with the server's words. */
struct db_session;
int db_session_open(const char *url, const char *application_name, struct db_session **ret, struct err *reterr) MUST_CHECK;
int db_session_script(struct db_session *s, const char *sql, struct err *reterr) MUST_CHECK;
/* First column of the first row as text; "" when there is none. Valid until the next call. */
int db_session_value(struct db_session *s, const char *sql, const char **ret, struct err *reterr) MUST_CHECK;
void db_session_close(struct db_session *s);

#endif
