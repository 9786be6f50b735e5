/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment as protocol messages, and results as an outcome. Preparations come first, so that
 * nothing of the segment can abort them, then set_config, then the statements, then Sync. A
 * statement counts as prepared on a connection only once the server said so; while that answer is
 * under way other segments send the statement unprepared, so the bookkeeping cannot go wrong when a
 * preparation fails.
 */
#include "db_private.h"

#include <assert.h>
#include <errno.h>

/* FROM instead of a column: nothing comes back. Local to the transaction that the Sync ends. */
static const struct db_statement SET_USER = {
	"db_set_user",
	"SELECT FROM set_config('app.user_id', $1, true)",
	1,
};

static bool is_ready(const struct db_conn *c, int slot)
{
	return slot >= 0 && c->ready[slot];
}

static void add_step(struct db_op *op, enum db_step_kind kind, size_t query, int slot)
{
	assert(op->n_steps < DB_STEPS_MAX);
	op->steps[op->n_steps++] =
		(struct db_step){ .kind = kind, .query = (uint8_t)query, .slot = (int16_t)slot };
}

static int write_prepare(struct db_conn *c, struct db_op *op, const struct db_statement *s,
			 const struct db_param *params)
{
	int slot = c->db->config.prepare ? db_statement_slot(c->db, s) : -1;
	struct db_encoded e;

	if (slot < 0 || c->ready[slot] || c->preparing[slot])
		return 0;
	db_params_encode(params, s->n_params, &e);
	if (!PQsendPrepare(c->pg, s->name, s->sql, s->n_params, e.types))
		return -EIO;
	c->preparing[slot] = true;
	add_step(op, DB_STEP_PREPARE, 0, slot);
	return 0;
}

/* Prepared by this very segment is good enough: its Parse stands before the Bind. */
static bool prepared_here(const struct db_op *op, int slot)
{
	for (int i = 0; i < op->n_steps; i++)
		if (op->steps[i].kind == DB_STEP_PREPARE && op->steps[i].slot == slot)
			return true;
	return false;
}

static int write_run(struct db_conn *c, struct db_op *op, const struct db_query *q,
		     enum db_step_kind kind, size_t index)
{
	const struct db_statement *s = q->statement;
	int slot = c->db->config.prepare ? db_statement_slot(c->db, s) : -1;
	struct db_encoded e;
	int ok;

	db_params_encode(q->params, s->n_params, &e);
	if (is_ready(c, slot) || (slot >= 0 && prepared_here(op, slot)))
		ok = PQsendQueryPrepared(c->pg, s->name, s->n_params, e.values, e.lengths,
					 e.formats, 1);
	else
		ok = PQsendQueryParams(c->pg, s->sql, s->n_params, e.types, e.values, e.lengths,
				       e.formats, 1);
	if (!ok)
		return -EIO;
	add_step(op, kind, index, slot);
	return 0;
}

int db_pipeline_write(struct db_conn *c, struct db_op *op)
{
	const struct db_segment *seg = op->segment;
	const struct db_param user = DB_PARAM_TEXT(seg->user_id);
	const struct db_query set_user = { &SET_USER, &user };
	bool has_user = seg->user_id.p != NULL;
	int r = has_user ? write_prepare(c, op, &SET_USER, &user) : 0;

	for (size_t i = 0; r == 0 && i < seg->n_queries; i++)
		r = write_prepare(c, op, seg->queries[i].statement, seg->queries[i].params);
	if (r == 0 && has_user)
		r = write_run(c, op, &set_user, DB_STEP_SET_USER, 0);
	for (size_t i = 0; r == 0 && i < seg->n_queries; i++)
		r = write_run(c, op, &seg->queries[i], DB_STEP_QUERY, i);
	if (r == 0 && !PQpipelineSync(c->pg))
		r = -EIO;
	op->segment = NULL;
	return r;
}

/* SQLSTATEs a caller can act on; classes by prefix. Anything else is a mistake in our SQL or
 * schema. */
static const struct {
	const char *prefix;
	int result;
	bool stale;
	const char *text;
} sqlstates[] = {
	{ "23505", -EEXIST, false, "the row exists already" },
	{ "23503", -ENOENT, false, "what the row refers to is not there" },
	{ "23514", -EDOM, false, "a bound of the table refuses the row" },
	{ "57014", -ETIME, false, "the database took too long" },
	{ "55P03", -ETIME, false, "the database waited too long for a lock" },
	{ "40001", -EAGAIN, false, "two changes met; try again" },
	{ "40P01", -EAGAIN, false, "two changes met; try again" },
	{ "53", -EAGAIN, false, "the database is short of connections, memory or space" },
	{ "57P0", -EAGAIN, true, "the database is stopping or starting" },
	{ "25006", -EAGAIN, true, "the database is read-only at the moment" },
	{ "25P03", -EAGAIN, true, "the database closed an idle transaction" },
	{ "08", -EAGAIN, true, "the connection to the database was lost" },
	/* The session and we disagree about what is prepared, or a migration changed a type below
	   it. */
	{ "26000", -EAGAIN, true, "the database session was reset" },
	{ "42P05", -EAGAIN, true, "the database session was reset" },
	{ "0A000", -EAGAIN, true, "the database session is out of date" },
};

bool db_is_violation(int result)
{
	return result == -EEXIST || result == -ENOENT || result == -EDOM;
}

int db_sqlstate_error(const char *sqlstate, const char *message, bool *ret_stale,
		      struct err *reterr)
{
	struct str text = str_trim(str_from(message));

	*ret_stale = false;
	for (size_t i = 0; i < ARRAY_SIZE(sqlstates); i++) {
		if (!str_starts(str_from(sqlstate), str_from(sqlstates[i].prefix)))
			continue;
		*ret_stale = sqlstates[i].stale;
		if (db_is_violation(sqlstates[i].result))
			err_set(reterr, &ERR_CONFLICT, NULL, "%s", sqlstates[i].text);
		else
			err_unavailable(reterr, 1, "%s", sqlstates[i].text);
		return sqlstates[i].result;
	}
	if (*sqlstate == '\0') {
		/* libpq ran out of memory or lost its way: what the server did is unknown here. */
		*ret_stale = true;
		err_unavailable(reterr, 1, "the connection to the database failed");
		return -EAGAIN;
	}
	/* For the log: an ERR_INTERNAL's text is not for clients. */
	err_set(reterr, &ERR_INTERNAL, NULL, "SQLSTATE %s: %.*s", sqlstate, STR_ARGS(text));
	return -EIO;
}

static void take_error(struct db_op *op, const PGresult *res)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	struct err err = { 0 };
	bool stale;
	int r;

	if (!message)
		message = PQresultErrorMessage(res);
	r = db_sqlstate_error(sqlstate ? sqlstate : "", message, &stale, &err);
	/* Why the connection is going to be cut. */
	if (stale)
		db_remember_error(op->conn->db, message);
	if (op->waiter && op->result == 0 && constraint && db_is_violation(r)) {
		struct str name = str_from(constraint);

		name.n = name.n < DB_CONSTRAINT_SIZE ? name.n : DB_CONSTRAINT_SIZE - 1;
		if (str_copy(op->waiter->constraint, DB_CONSTRAINT_SIZE, name) < 0)
			op->waiter->constraint[0] = '\0';
	}
	op->stale_session |= stale;
	db_op_fail(op, r, &err);
}

static void take_rows(struct db_op *op, const struct db_step *step, PGresult *res)
{
	struct db_waiter *w = op->waiter;

	if (step && step->kind == DB_STEP_QUERY && w && !w->results[step->query])
		w->results[step->query] = db_result_wrap(res);
	else
		PQclear(res);
}

void db_pipeline_result(struct db_conn *c, struct db_op *op, PGresult *res)
{
	/* Past the last command the commit itself failed: a deferred constraint, a serialisation
	 * failure. */
	const struct db_step *step = op->step < op->n_steps ? &op->steps[op->step] : NULL;
	ExecStatusType status = PQresultStatus(res);
	bool fine = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;

	if (step && step->kind == DB_STEP_PREPARE) {
		c->ready[step->slot] = fine;
		c->preparing[step->slot] = false;
	}
	if (fine) {
		take_rows(op, step, res);
		return;
	}
	/* What follows an error until the sync is only PGRES_PIPELINE_ABORTED. */
	if (status != PGRES_PIPELINE_ABORTED)
		take_error(op, res);
	PQclear(res);
}
