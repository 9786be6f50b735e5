/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row for a record however often it comes back: its count of replays is what ends them.
 */
#include "store/dead_letters.h"
#include "results_private.h"

#include <errno.h>

#define META                                                                                   \
	"id, topic, record, event_id, claimed_user_id, reason, received_at, replays::bigint, " \
	"next_replay_at, resolved_at"

static const struct db_statement STORE = {
	"dead_letter_store",
	"INSERT INTO todod.dead_letters AS d (id, topic, body, record, event_id, claimed_user_id, reason, "
	"next_replay_at) VALUES ($1, $2, $3, $4, $5, $6, $7, now() + $8 * interval '1 millisecond') "
	"ON CONFLICT ON CONSTRAINT dead_letters_record DO UPDATE SET resolved_at = NULL "
	"WHERE d.resolved_at IS NOT NULL",
	8,
};

static const struct db_statement RESOLVE = {
	"dead_letter_resolve",
	"UPDATE todod.dead_letters SET resolved_at = now() WHERE event_id = $1 AND record = $2 "
	"AND replays > 0 AND resolved_at IS NULL",
	2,
};

/* Claiming counts as the replay: ticks may come twice at once, and the event may be consumed before
 * its publisher hears that it was taken. $1 milliseconds until the first replay, 10 and 60 times as
 * long until the others, each after the one before; then never by itself. */
static const struct db_statement CLAIM = {
	"dead_letter_claim",
	"WITH due AS (SELECT id FROM todod.dead_letters WHERE resolved_at IS NULL AND next_replay_at <= now() "
	"AND claimed_user_id IS NOT NULL ORDER BY received_at, id LIMIT 100 FOR UPDATE SKIP LOCKED), "
	"claimed AS (UPDATE todod.dead_letters d SET replays = d.replays + 1, next_replay_at = now() + "
	"CASE d.replays + 1 WHEN 1 THEN 10 WHEN 2 THEN 60 END * $1 * interval '1 millisecond' "
	"FROM due WHERE d.id = due.id RETURNING d.*) "
	"SELECT " META ", body FROM claimed ORDER BY received_at, id",
	1,
};

/* One that came in nevertheless is done with. */
static const struct db_statement GIVE_BACK = {
	"dead_letter_give_back",
	"UPDATE todod.dead_letters SET replays = replays - 1, next_replay_at = now() + $2 * interval '1 millisecond' "
	"WHERE id = ANY ($1) AND replays > 0 AND resolved_at IS NULL",
	2,
};

static const struct db_statement UPKEEP = {
	"dead_letter_upkeep",
	"WITH gone AS (DELETE FROM todod.dead_letters WHERE received_at < now() - interval '30 days' "
	"RETURNING 1) SELECT (SELECT count(*) FROM gone), "
	"(SELECT count(*) FROM todod.dead_letters WHERE resolved_at IS NULL)",
	0,
};

static const struct db_statement LIST = {
	"dead_letter_list",
	"SELECT " META " FROM todod.dead_letters WHERE resolved_at IS NULL "
	"AND ($1 IS NULL OR (received_at, id) > ($1, $2)) ORDER BY received_at, id LIMIT 100",
	2,
};

static const struct db_statement GET = {
	"dead_letter_get",
	"SELECT " META ", body, received_at < now() - interval '30 days' FROM todod.dead_letters "
	"WHERE id = $1",
	1,
};

static const struct db_statement REPLAY = {
	"dead_letter_replay",
	"UPDATE todod.dead_letters SET next_replay_at = now(), resolved_at = NULL WHERE id = $1",
	1,
};

static const struct db_statement DROP = {
	"dead_letter_drop",
	"DELETE FROM todod.dead_letters WHERE id = $1",
	1,
};

static const struct db_statement DROP_USER = {
	"dead_letter_drop_user",
	"DELETE FROM todod.dead_letters WHERE claimed_user_id = $1",
	1,
};

enum { META_COLUMNS = 10 };

static FIBER int run(struct db *db, const struct db_statement *statement,
		     const struct db_param *params, struct db_result **ret, struct err *reterr)
{
	const struct db_query query = { statement, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };

	return db_run_wait(db, &segment, ret, NULL, reterr);
}

/* ret_n (may be NULL): rows changed. */
static FIBER int change(struct db *db, const struct db_statement *statement,
			const struct db_param *params, int64_t *ret_n, struct err *reterr)
{
	struct db_result *result;
	int r = run(db, statement, params, &result, reterr);

	if (r < 0)
		return r;
	if (ret_n != NULL)
		*ret_n = db_affected(result);
	db_result_free(result);
	return 0;
}

static int not_found(struct err *reterr)
{
	err_set(reterr, &ERR_NOT_FOUND, NULL, "there is no such dead letter; see todod dlq list");
	return -ENOENT;
}

int dead_letter_store_wait(struct db *db, const struct dead_letter *d, int64_t replay_after_ms,
			   struct err *reterr)
{
	const struct db_param after = DB_PARAM_I64(replay_after_ms), never = DB_PARAM_NULL(DB_I64);
	const struct db_param params[] = {
		DB_PARAM_UUID(d->id),
		DB_PARAM_TEXT(d->topic),
		DB_PARAM_BYTES(d->body),
		DB_PARAM_BYTES(d->record),
		db_param_text_or_null(d->event_id),
		db_param_text_or_null(d->user_id),
		DB_PARAM_TEXT(d->reason),
		replay_after_ms > 0 ? after : never,
	};

	return change(db, &STORE, params, NULL, reterr);
}

int dead_letter_resolve_wait(struct db *db, struct str event_id,
			     const uint8_t identity[SHA256_SIZE], struct err *reterr)
{
	const struct str record = { (const char *)identity, SHA256_SIZE };
	const struct db_param params[] = { DB_PARAM_TEXT(event_id), DB_PARAM_BYTES(record) };

	return change(db, &RESOLVE, params, NULL, reterr);
}

static int64_t time_or_never(const struct db_result *r, int row, int column)
{
	return db_is_null(r, row, column) ? DEAD_LETTER_NEVER : db_time(r, row, column);
}

static void read_meta(const struct db_result *r, int row, struct dead_letter *ret)
{
	*ret = (struct dead_letter){
		.id = db_uuid(r, row, 0),
		.topic = db_text(r, row, 1),
		.record = db_text(r, row, 2),
		.event_id = results_text(r, row, 3),
		.user_id = results_text(r, row, 4),
		.reason = db_text(r, row, 5),
		.received_at_us = db_time(r, row, 6),
		.replays = db_i64(r, row, 7),
		.next_replay_at_us = time_or_never(r, row, 8),
		.resolved_at_us = time_or_never(r, row, 9),
	};
}

static FIBER int read_list(struct db *db, struct arena *arena, const struct db_statement *statement,
			   const struct db_param *params, bool has_body, struct dead_letters *ret,
			   struct err *reterr)
{
	struct db_result *result;
	int r = run(db, statement, params, &result, reterr);

	if (r == 0)
		r = results_keep(arena, &result, 1, reterr);
	if (r < 0)
		return r;
	size_t n = (size_t)db_rows(result);
	struct dead_letter *list = arena_alloc(arena, n * sizeof(*list));
	if (list == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	for (size_t i = 0; i < n; i++) {
		read_meta(result, (int)i, &list[i]);
		if (has_body)
			list[i].body = db_text(result, (int)i, META_COLUMNS);
	}
	*ret = (struct dead_letters){ list, n };
	return 0;
}

int dead_letter_claim_wait(struct db *db, struct arena *arena, int64_t replay_after_ms,
			   struct dead_letters *ret, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_I64(replay_after_ms) };

	return read_list(db, arena, &CLAIM, params, true, ret, reterr);
}

int dead_letter_give_back_wait(struct db *db, struct arena *arena, const struct uuid *ids, size_t n,
			       int64_t replay_after_ms, struct err *reterr)
{
	struct db_param params[] = { DB_PARAM_NULL(DB_BYTES), DB_PARAM_I64(replay_after_ms) };

	if (db_param_uuids(arena, ids, n, &params[0]) < 0)
		return err_unavailable(reterr, 1, "out of memory");
	return change(db, &GIVE_BACK, params, NULL, reterr);
}

int dead_letter_upkeep_wait(struct db *db, int64_t *ret_removed, int64_t *ret_open,
			    struct err *reterr)
{
	struct db_result *result;
	int r = run(db, &UPKEEP, NULL, &result, reterr);

	if (r < 0)
		return r;
	*ret_removed = db_i64(result, 0, 0);
	*ret_open = db_i64(result, 0, 1);
	db_result_free(result);
	return 0;
}

int dead_letter_list_wait(struct db *db, struct arena *arena, const struct dead_letter *after,
			  struct dead_letters *ret, struct err *reterr)
{
	const struct uuid nil = { { 0 } };
	const struct db_param none = DB_PARAM_NULL(DB_TIME),
			      at = DB_PARAM_TIME(after != NULL ? after->received_at_us : 0);
	const struct db_param params[] = { after != NULL ? at : none,
					   DB_PARAM_UUID(after != NULL ? after->id : nil) };

	return read_list(db, arena, &LIST, params, false, ret, reterr);
}

/* *ret_is_old: consumers may have forgotten that they know it. */
static FIBER int get(struct db *db, struct arena *arena, const struct uuid *id,
		     struct dead_letter *ret, bool *ret_is_old, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_UUID(*id) };
	struct db_result *result;
	int r = run(db, &GET, params, &result, reterr);

	if (r == 0)
		r = results_keep(arena, &result, 1, reterr);
	if (r < 0)
		return r;
	if (db_rows(result) == 0)
		return not_found(reterr);
	read_meta(result, 0, ret);
	ret->body = db_text(result, 0, META_COLUMNS);
	*ret_is_old = db_bool(result, 0, META_COLUMNS + 1);
	return 0;
}

int dead_letter_get_wait(struct db *db, struct arena *arena, const struct uuid *id,
			 struct dead_letter *ret, struct err *reterr)
{
	bool is_old;

	return get(db, arena, id, ret, &is_old, reterr);
}

int dead_letter_replay_wait(struct db *db, struct arena *arena, const struct uuid *id,
			    struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_UUID(*id) };
	struct dead_letter d;
	bool is_old = false;
	int r = get(db, arena, id, &d, &is_old, reterr);

	if (r < 0)
		return r;
	if (d.user_id.p == NULL)
		err_set(reterr, &ERR_INVALID, NULL,
			"it cannot be replayed, because it is no event: %.*s",
			(int)(d.reason.n > 120 ? 120 : d.reason.n), d.reason.p);
	else if (str_eq(d.topic, STR("task-updates")))
		err_set(reterr, &ERR_INVALID, NULL,
			"it is an update for screens, which have read what is newer since");
	else if (is_old)
		err_set(reterr, &ERR_INVALID, NULL,
			"it is older than %d days: consumers may have forgotten that they know it",
			DEAD_LETTER_DAYS);
	else
		return change(db, &REPLAY, params, NULL, reterr);
	return -EINVAL;
}

int dead_letter_drop_wait(struct db *db, const struct uuid *id, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_UUID(*id) };
	int64_t n = 0;
	int r = change(db, &DROP, params, &n, reterr);

	return r < 0 || n > 0 ? r : not_found(reterr);
}

int dead_letter_drop_user_wait(struct db *db, struct str user_id, int64_t *ret, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(user_id) };

	return change(db, &DROP_USER, params, ret, reterr);
}
