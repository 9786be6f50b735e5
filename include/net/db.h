/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL by libpq in pipeline mode. One segment is one implicit transaction:
 * set_config('app.user_id', $1, true), then the statements, then Sync; no BEGIN or COMMIT (an error
 * inside an explicit transaction would leave the session broken). The caller is answered at the
 * sync, when the outcome is certain. Prepared statements per connection, binary parameters and
 * results.
 *
 * A few connections with deep pipelines (fast), and one or two with depth 1 for long reads (slow).
 * Lost connections come back by themselves; while none is up, segments fail at once with 503. Every
 * queue is bounded.
 */
#ifndef NET_DB_H
#define NET_DB_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "loop/loop.h"
#include "net/db_value.h"

#include <stdbool.h>
#include <stdint.h>

struct db;

struct db_config {
	struct loop *loop;
	/* postgresql://... or key=value. Host names are resolved once, in db_new (getaddrinfo, so
	 * before the loop runs); a name that later leads elsewhere needs a restart. */
	const char *url;
	unsigned fast_connections;    /* 4 */
	unsigned fast_depth;	      /* segments under way per connection, 16 */
	unsigned slow_connections;    /* 1 */
	unsigned queue_max;	      /* segments waiting for a connection; past it -EAGAIN */
	int64_t statement_timeout_ms; /* in the server; a client watchdog at twice that cuts the
					 connection */
	int64_t connect_timeout_ms;
	bool prepare; /* false for transaction poolers: PQsendQueryParams, no session state */
	const char *application_name;
	const char *metrics_labels; /* of this pool, where there are several; NULL: none */
	/* Told when the first fast connection comes up and when the last one is lost;
	 * db_last_error then has the reason. May be NULL. */
	void (*on_state)(bool up, void *arg);
	void *on_state_arg;
};

/* One SQL statement, const and static: its address identifies it, its name is its prepared name. */
struct db_statement {
	const char *name;
	const char *sql;
	int n_params;
};

enum { DB_SEGMENT_MAX = 16 };

struct db_query {
	const struct db_statement *statement;
	const struct db_param *params; /* statement->n_params */
};

struct db_segment {
	struct str user_id; /* for row-level security; .p NULL: no set_config (statements that touch
			       no user's rows) */
	const struct db_query *queries;
	size_t n_queries; /* 1..DB_SEGMENT_MAX */
	bool slow;	  /* long read: the slow connections, while there is one */
};

/*
 * Runs the segment and waits. On success ret[i] is the result of query i, each owned by the caller
 * (db_result_free, or arena_defer it). On failure nothing was written, ret[] is untouched.
 * 0; -EEXIST: unique violation (23505); -ENOENT: foreign key violation (23503); -EDOM: check
 * violation (23514); these three are ERR_CONFLICT, and ret_constraint (may be NULL; 64 bytes) names
 * what was violated. -EAGAIN: 503, no connection, queue full, server out of connections, deadlock
 * or serialisation failure; -ETIME: 503, statement timeout; -ECANCELED; -EINVAL: a bad parameter;
 * -EIO: a bug in SQL, 500. After -EAGAIN, -ETIME or -ECANCELED of a write its outcome may be
 * unknown: the client retries with its key.
 */
FIBER int db_run_wait(struct db *db, const struct db_segment *segment, struct db_result **ret,
		      char *ret_constraint, struct err *reterr) MUST_CHECK;

/* Appends the url with another user, as key=value. -EINVAL with a reason that repeats nothing of
 * it; -ENOMEM. */
int db_url_as(const char *url, const char *user, struct buf *out, struct err *reterr) MUST_CHECK;
/*
 * Starts connecting; waits for nothing but the resolving of host names. -EINVAL with the reason
 * when the url cannot be parsed, -EAGAIN when a host name does not resolve, -ENOMEM.
 */
int db_new(const struct db_config *config, struct db **ret, struct err *reterr) MUST_CHECK;
/* Segments under way end with -ECANCELED. */
void db_free(struct db *db);
bool db_is_up(const struct db *db);
/* Why the last attempt to connect failed or a connection was lost, for the log; "" after one came
 * up. Not for clients: it may name hosts and paths. */
const char *db_last_error(const struct db *db);

#endif
