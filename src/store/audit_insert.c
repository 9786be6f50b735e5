/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of several users in one transaction: what has come while others were being written shares
 * their commit. Each row is still written in the name of its user. Whoever comes when less than
 * WRITERS write takes those who wait along, and hands over to the next of them when he is done.
 *
 * When a transaction fails at one row, all of it is undone, and each row is written by itself.
 */
#include "audit_private.h"
#include "results_private.h"

#include <errno.h>
#include <stdlib.h>

enum {
	WRITERS = 2,
	ROWS_MAX = DB_SEGMENT_MAX / 2, /* each with its user */
	PARAMS = 15,
	SHARED_BYTES_MAX = 16 * 1024, /* longer payloads go by themselves */
	TURN_TIMEOUT_MS = 60 * 1000,
	TURN = 1, /* who is woken by this writes next */
};

/* $14 the h before; $15 a key that is made with the row, wrapped, or null. */
static const struct db_statement APPEND = {
	"audit_append",
	"WITH k AS (INSERT INTO todod.audit_keys (user_id, version, wrapped) "
	"SELECT $1, $10, $15 WHERE $15 IS NOT NULL) "
	"INSERT INTO todod.audit (user_id, " AUDIT_COLUMNS ") "
	"SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 "
	"WHERE ($2 = 1 OR EXISTS (SELECT FROM todod.audit p WHERE p.user_id = $1 "
	"AND p.n = $2 - 1 AND p.h = $14)) "
	"AND ($10 = 0 OR $15 IS NOT NULL OR EXISTS (SELECT FROM todod.audit_keys w "
	"WHERE w.user_id = $1 AND w.version = $10)) "
	"RETURNING (SELECT max(s.sequence) FROM todod.audit s WHERE s.user_id = $1 "
	"AND s.task_id = $6 AND s.topic = $4)",
	15,
};

/* As net/db does it for a segment of one user. */
static const struct db_statement SET_USER = {
	"audit_set_user",
	"SELECT FROM set_config('app.user_id', $1, true)",
	1,
};

struct batch {
	struct audit_insertion *members[ROWS_MAX]; /* NULL: it left */
	struct audit_insertion copies[ROWS_MAX];   /* of their rows, which they may take along */
	struct db_param users[ROWS_MAX], params[ROWS_MAX][PARAMS];
	struct db_query queries[2 * ROWS_MAX];
	size_t n;
};

static struct db_param i64_or_null(int64_t v)
{
	const struct db_param number = DB_PARAM_I64(v), null = DB_PARAM_NULL(DB_I64);

	return v == AUDIT_NONE ? null : number;
}

static void fill_params(const struct audit_insertion *in, struct db_param ret[PARAMS])
{
	const struct audit_row *row = &in->row;
	const struct str prev_h = { (const char *)in->prev, SHA256_SIZE };
	const struct db_param key = DB_PARAM_BYTES(in->wrapped), no_key = DB_PARAM_NULL(DB_BYTES);
	const struct db_param params[PARAMS] = {
		DB_PARAM_TEXT(row->user_id),
		DB_PARAM_I64(row->n),
		DB_PARAM_TEXT(row->event_id),
		DB_PARAM_TEXT(row->topic),
		DB_PARAM_TEXT(row->type),
		i64_or_null(row->task_id),
		i64_or_null(row->sequence),
		DB_PARAM_TIME(row->at_us),
		DB_PARAM_BYTES(row->identity),
		DB_PARAM_I32(row->key_version),
		DB_PARAM_BYTES(row->payload),
		DB_PARAM_BYTES(row->h),
		DB_PARAM_TIME(row->stored_at_us),
		DB_PARAM_BYTES(prev_h),
		in->wrapped.p != NULL ? key : no_key,
	};

	memcpy(ret, params, sizeof(params));
}

static void read_result(const struct db_result *r, struct audit_insertion *in)
{
	in->is_added = db_rows(r) > 0;
	in->sequence = !in->is_added || db_is_null(r, 0, 0) ? AUDIT_NONE : db_i64(r, 0, 0);
}

/* By itself. */
static FIBER int insert_one(struct db *db, struct audit_insertion *in, struct err *reterr)
{
	struct db_param params[PARAMS];
	const struct db_query query = { &APPEND, params };
	const struct db_segment segment = { .user_id = in->row.user_id,
					    .queries = &query,
					    .n_queries = 1 };
	struct db_result *result;

	fill_params(in, params);
	int r = db_run_wait(db, &segment, &result, in->constraint, reterr);
	if (r < 0)
		return r;
	read_result(result, in);
	db_result_free(result);
	return 0;
}

/* ---- those who wait ---- */

static void list_add(struct audit *a, struct audit_insertion *in)
{
	*(a->waiting_last != NULL ? &a->waiting_last->next : &a->waiting) = in;
	a->waiting_last = in;
}

static void list_remove(struct audit *a, struct audit_insertion *in)
{
	struct audit_insertion *before = NULL, *at = a->waiting;

	for (; at != NULL && at != in; at = at->next)
		before = at;
	if (at == NULL)
		return;
	*(before != NULL ? &before->next : &a->waiting) = in->next;
	if (a->waiting_last == in)
		a->waiting_last = before;
	in->next = NULL;
}

/* Two rows of one user would be for the same place. */
static bool has_user(const struct batch *b, struct str user_id)
{
	for (size_t i = 0; i < b->n; i++) {
		if (str_eq(b->members[i]->row.user_id, user_id))
			return true;
	}
	return false;
}

static void take_along(struct audit *a, struct batch *b)
{
	struct audit_insertion *next;

	for (struct audit_insertion *in = a->waiting; in != NULL && b->n < ROWS_MAX; in = next) {
		next = in->next;
		if (has_user(b, in->row.user_id))
			continue;
		list_remove(a, in);
		b->members[b->n++] = in;
	}
}

static int by_user(const void *x, const void *y)
{
	const struct audit_insertion *const *a = x, *const *b = y;

	return str_cmp((*a)->row.user_id, (*b)->row.user_id);
}

static bool copy(struct arena *arena, struct str *s)
{
	*s = arena_dup(arena, *s);
	return s->p != NULL;
}

static bool copy_row(struct arena *arena, struct audit_insertion *in)
{
	struct audit_row *row = &in->row;
	struct str prev = { (const char *)in->prev, SHA256_SIZE };
	bool ok = copy(arena, &row->user_id) && copy(arena, &row->event_id) &&
		  copy(arena, &row->topic) && copy(arena, &row->type) &&
		  copy(arena, &row->identity) && copy(arena, &row->payload) &&
		  copy(arena, &row->h) && copy(arena, &prev);

	in->prev = (const uint8_t *)prev.p;
	return ok;
}

/* In one order for everybody: two transactions that met at the rows of two users would stand still.
 */
static bool prepare(struct arena *arena, struct batch *b)
{
	qsort(b->members, b->n, sizeof(struct audit_insertion *), by_user);
	for (size_t i = 0; i < b->n; i++) {
		struct audit_insertion *in = b->members[i], *c = &b->copies[i];

		in->slot = &b->members[i];
		*c = (struct audit_insertion){ .row = in->row, .prev = in->prev };
		if (!copy_row(arena, c))
			return false;
		b->users[i] = (struct db_param)DB_PARAM_TEXT(c->row.user_id);
		fill_params(c, b->params[i]);
		b->queries[2 * i] = (struct db_query){ &SET_USER, &b->users[i] };
		b->queries[2 * i + 1] = (struct db_query){ &APPEND, b->params[i] };
	}
	return true;
}

/* ---- writing ---- */

static void tell(struct batch *b, size_t i, int result, const struct err *err)
{
	struct audit_insertion *in = b->members[i];

	if (in == NULL)
		return;
	in->slot = NULL;
	in->is_added = b->copies[i].is_added;
	in->sequence = b->copies[i].sequence;
	memcpy(in->constraint, b->copies[i].constraint, sizeof(in->constraint));
	in->err = *err;
	/* Who writes was cancelled; they were not. */
	fiber_wake(&in->wait, result == -ECANCELED ? -EAGAIN : result);
}

static FIBER int insert_all(struct db *db, struct batch *b, struct err *reterr)
{
	const struct db_segment segment = { .queries = b->queries, .n_queries = 2 * b->n };
	struct db_result *results[2 * ROWS_MAX];
	int r = db_run_wait(db, &segment, results, NULL, reterr);

	for (size_t i = 0; r == 0 && i < b->n; i++) {
		read_result(results[2 * i + 1], &b->copies[i]);
		db_result_free(results[2 * i]);
		db_result_free(results[2 * i + 1]);
	}
	return r;
}

static bool is_one_rows(int r)
{
	return r == -EEXIST || r == -ENOENT || r == -EDOM;
}

static FIBER void write_batch(struct audit *a, struct arena *arena, struct batch *b)
{
	struct err err = { .text = "" };
	bool is_ready = prepare(arena, b);
	int r = is_ready && b->n > 1 ? insert_all(a->db, b, &err) : 0;
	bool apart = is_ready && (b->n == 1 || is_one_rows(r));

	if (!is_ready)
		r = results_out_of_memory(&err);
	for (size_t i = 0; i < b->n; i++) {
		if (apart)
			r = insert_one(a->db, &b->copies[i], &err);
		tell(b, i, r, &err);
	}
}

static void hand_over(struct audit *a)
{
	struct audit_insertion *in = a->waiting;

	if (in == NULL) {
		a->n_writers--;
		return;
	}
	list_remove(a, in);
	in->is_writer = true;
	fiber_wake(&in->wait, TURN);
}

/* Its own row and those of others. What it tells itself is there when it waits. */
static FIBER void write_mine(struct audit *a, struct arena *arena, struct audit_insertion *in)
{
	struct batch *b = arena_calloc(arena, 1, sizeof(*b));
	struct err err = { .text = "" };

	fiber_wait_init(&in->wait);
	if (b != NULL) {
		b->members[b->n++] = in;
		take_along(a, b);
		write_batch(a, arena, b);
	} else {
		int r = results_out_of_memory(&err);
		in->err = err;
		fiber_wake(&in->wait, r);
	}
	hand_over(a);
}

int audit_insert_wait(struct audit *a, struct arena *arena, struct audit_insertion *in,
		      struct err *reterr)
{
	int r = TURN;

	if (in->wrapped.p != NULL || in->row.payload.n > SHARED_BYTES_MAX)
		return insert_one(a->db, in, reterr);
	fiber_wait_init(&in->wait);
	if (a->n_writers < WRITERS) {
		a->n_writers++;
	} else {
		list_add(a, in);
		r = fiber_wait(&in->wait, "audit.turn", TURN_TIMEOUT_MS);
	}
	list_remove(a, in);
	if (r == TURN) {
		write_mine(a, arena, in);
		r = fiber_wait(&in->wait, "audit.written", TURN_TIMEOUT_MS);
	} else if (in->is_writer) {
		hand_over(a); /* it is cancelled and cannot */
	}
	if (in->slot != NULL)
		*in->slot = NULL;
	if (r < 0 && in->err.kind != NULL)
		*reterr = in->err;
	else if (r < 0)
		err_unavailable(reterr, 1, "the row was not written in time");
	return r;
}
