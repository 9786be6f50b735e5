/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task as it was read stands first in each statement, locked and of the same version: still
 * completed, still recurring, not deleted. Then the event's row in the inbox, then the row that
 * says that it is unsettled; everything else selects from those, so that 0 events mean that nothing
 * happened. Locks are taken in the order task, counter, tags, as everywhere.
 */
#include "store/recurring.h"
#include "change_private.h"
#include "inbox_private.h"
#include "results_private.h"
#include "task_params_private.h"
#include "task_row_private.h"

#include <errno.h>

/* $1 user, $2 task, $3 event. */
static const struct db_statement FACTS = {
	"recurring_facts",
	"SELECT now(), EXISTS (SELECT FROM todod.processed_events WHERE consumer = " INBOX_CONSUMER
	" AND event_id = $3), EXISTS (SELECT FROM todod.unsettled_tasks WHERE user_id = $1 "
	"AND task_id = $2), coalesce((SELECT c.tasks FROM todod.user_counters c "
	"WHERE c.user_id = $1), 0), EXISTS (SELECT FROM todod.tasks d "
	"JOIN todod.tasks n ON n.user_id = d.user_id AND n.series_id = d.series_id "
	"AND n.occurrence = d.occurrence + 1 WHERE d.user_id = $1 AND d.id = $2)",
	3,
};
/* Each word of what became of a reminder is a version of its task. */
#define OUTCOMES_OF_X                                                                           \
	"(SELECT coalesce(sum(r.retry_count + (r.status = 3)::int), 0) FROM todod.reminders r " \
	"WHERE r.user_id = x.user_id AND r.task_id = x.id) "

/* Nobody but recurrer wrote it, and the task does not stand for it any more. */
static const struct db_statement SURPLUS = {
	"recurring_surplus",
	"SELECT " TASK_COLUMNS " FROM (SELECT x.* FROM todod.tasks x JOIN todod.tasks d "
	"ON d.user_id = x.user_id AND d.id = x.parent_task_id WHERE x.user_id = $1 "
	"AND x.parent_task_id = $2 AND NOT x.completed "
	"AND x.version = 1 + " OUTCOMES_OF_X
	"AND NOT coalesce(d.completed AND d.series_id = x.series_id, false) "
	"ORDER BY x.id DESC LIMIT 1) t" REMINDERS_OF_TASK,
	2,
};

enum { AT_FACTS, AT_TASK, AT_SURPLUS, N_READ };

static int read_surplus(struct arena *arena, const struct db_result *r, struct str user_id,
			struct recurring_view *v, struct err *reterr)
{
	const struct task *tasks;
	size_t n;
	int e = task_rows_read(arena, r, user_id, &tasks, &n, reterr);

	if (e == 0 && n > 0) {
		v->has_surplus = true;
		v->surplus = tasks[0];
	}
	return e;
}

static int read_view(struct arena *arena, struct db_result *const r[N_READ], struct str user_id,
		     struct recurring_view *v, struct err *reterr)
{
	const struct task *tasks;
	size_t n;

	v->now_us = db_time(r[AT_FACTS], 0, 0);
	v->is_processed = db_bool(r[AT_FACTS], 0, 1);
	v->is_unsettled = db_bool(r[AT_FACTS], 0, 2);
	v->n_tasks = db_i64(r[AT_FACTS], 0, 3);
	v->has_next = db_bool(r[AT_FACTS], 0, 4);
	int e = task_rows_read(arena, r[AT_TASK], user_id, &tasks, &n, reterr);
	if (e == 0 && n > 0) {
		v->found = true;
		v->task = tasks[0];
	}
	return e < 0 ? e : read_surplus(arena, r[AT_SURPLUS], user_id, v, reterr);
}

int recurring_read_wait(struct db *db, struct arena *arena, const struct recurring_key *key,
			struct recurring_view *ret, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(key->user_id), DB_PARAM_I64(key->task_id),
					   db_param_text_or_null(key->event_id) };
	const struct db_query queries[N_READ] = { { &FACTS, params },
						  { &TASK_GET, params },
						  { &SURPLUS, params } };
	const struct db_segment segment = { .user_id = key->user_id,
					    .queries = queries,
					    .n_queries = N_READ };
	struct recurring_view v = { .found = false };
	struct db_result *results[N_READ];
	int r = db_run_wait(db, &segment, results, NULL, reterr);

	if (r == 0)
		r = results_keep(arena, results, N_READ, reterr);
	if (r == 0)
		r = read_view(arena, results, key->user_id, &v, reterr);
	if (r == 0)
		*ret = v;
	return r;
}

/* ---- writes ---- */

/* $15 to $37 the row, $38 created_at, $39 quota, $40 the task before, $41 its version, $42 event,
 * $43 keys of tags, $44 to $52 reminders. */
#define EVENT_OF_MAKE INBOX_TAKE("q", "$42")
static const struct db_statement MAKE = {
	"recurring_make",
	"WITH p AS (SELECT d.user_id FROM todod.tasks d WHERE d.user_id = $1 AND d.id = $40 "
	"AND d.version = $41 AND d.completed FOR UPDATE), "
	"q AS (SELECT c.user_id FROM todod.user_counters c JOIN p ON p.user_id = c.user_id "
	"WHERE c.user_id = $1 AND c.tasks < $39 FOR UPDATE OF c), " EVENT_OF_MAKE ", "
	"s AS (DELETE FROM todod.unsettled_tasks u USING q WHERE u.user_id = $1 "
	"AND u.task_id = $40 AND ($42 IS NULL OR EXISTS (SELECT FROM i)) RETURNING u.user_id), "
	"w AS (UPDATE todod.user_counters c SET tasks = c.tasks + 1 FROM s "
	"WHERE c.user_id = s.user_id AND c.user_id = $1 RETURNING c.user_id), "
	"t AS (INSERT INTO todod.tasks (user_id, id, created_at, " TASK_ROW_COLUMNS ") "
	"SELECT w.user_id, $15, $38, " TASK_ROW_VALUES " FROM w RETURNING user_id, id), "
	"it AS (INSERT INTO todod.task_tags (user_id, key, task_id) SELECT t.user_id, k, t.id "
	"FROM t, unnest($43) k), "
	"ir AS (INSERT INTO todod.reminders (user_id, task_id, " TASK_REMINDER_COLUMNS ") "
	"SELECT t.user_id, t.id, n.* FROM t, "
	"unnest($44, $45, $46, $47, $48, $49, $50, $51, $52) n)" CHANGE_OUTBOX("t"),
	TASK_ROW_PARAMS_END + 15,
};
/* $15 id, $16 its version, $17 when, $18 the task before, $19 its version. */
static const struct db_statement TAKE_BACK = {
	"recurring_take_back",
	"WITH p AS (SELECT d.user_id FROM todod.tasks d WHERE d.user_id = $1 AND d.id = $18 "
	"AND d.version = $19 FOR UPDATE), "
	"t AS (DELETE FROM todod.tasks x USING p WHERE x.user_id = p.user_id AND x.user_id = $1 "
	"AND x.id = $15 AND x.version = $16 RETURNING x.user_id), "
	"g AS (INSERT INTO todod.deleted_tasks (user_id, deleted_at, id) "
	"SELECT user_id, $17, $15 FROM t), "
	"w AS (UPDATE todod.user_counters c SET tasks = c.tasks - 1 FROM t "
	"WHERE c.user_id = t.user_id AND c.user_id = $1)" CHANGE_OUTBOX("t"),
	CHANGE_PARAMS + 5,
};
/* $1 user, $2 task, $3 its version, $4 event. */
#define EVENT_OF_SETTLE INBOX_TAKE("p", "$4")
static const struct db_statement SETTLE = {
	"recurring_settle",
	"WITH p AS (SELECT d.user_id FROM todod.tasks d WHERE d.user_id = $1 AND d.id = $2 "
	"AND d.version = $3 FOR UPDATE), " EVENT_OF_SETTLE ", "
	"s AS (DELETE FROM todod.unsettled_tasks u USING p WHERE u.user_id = $1 "
	"AND u.task_id = $2) SELECT count(*) FROM p",
	4,
};
static const struct db_statement POSTPONE = {
	"recurring_postpone",
	"UPDATE todod.unsettled_tasks SET look_at = now() + $3 * interval '1 second' "
	"WHERE user_id = $1 AND task_id = $2",
	3,
};

static const struct change_violation VIOLATIONS[] = {
	{ "tasks_by_series", -ESTALE }, /* somebody else made it */
	{ "task_tags_tag", -ESTALE },	/* a tag was removed */
	{ .constraint = NULL },
};

static int stale(struct err *reterr)
{
	err_set(reterr, &ERR_CONFLICT, NULL, "the task was changed meanwhile; read it again");
	return -ESTALE;
}

static struct store_change common_of(const struct recurring_change *c)
{
	return (struct store_change){ .user_id = c->key->user_id,
				      .events = c->events,
				      .n_events = c->n_events };
}

static void add_details(struct change_params *p, const struct task *t)
{
	const struct reminder *reminders[REMINDERS_OF_TASK_MAX];
	struct str keys[TAGS_OF_TASK_MAX];

	if (task_params_tag_keys(p->arena, t, keys) < 0) {
		p->status = results_out_of_memory(p->reterr);
		return;
	}
	for (size_t i = 0; i < t->n_reminders; i++)
		reminders[i] = &t->reminders[i];
	change_add_texts(p, keys, t->n_tags);
	task_params_add_reminders(p, reminders, t->n_reminders);
}

int recurring_make_wait(struct db *db, struct arena *arena, const struct recurring_change *c,
			const struct task *next, struct err *reterr)
{
	const struct store_change common = common_of(c);
	struct change_params p;
	int64_t n = 0;

	change_params_init(&p, arena, &common, reterr);
	task_params_add_row(&p, next);
	change_add(&p, (struct db_param)DB_PARAM_TIME(next->created_at_us));
	change_add(&p, (struct db_param)DB_PARAM_I32(TASK_QUOTA));
	change_add(&p, (struct db_param)DB_PARAM_I64(c->key->task_id));
	change_add(&p, (struct db_param)DB_PARAM_I64(c->version));
	change_add_text(&p, c->key->event_id);
	add_details(&p, next);
	int r = change_run_wait(db, &common, &p, &MAKE, VIOLATIONS, &n);
	return r < 0 || n > 0 ? r : stale(reterr);
}

int recurring_take_back_wait(struct db *db, struct arena *arena, const struct recurring_change *c,
			     const struct task *last, struct err *reterr)
{
	const struct store_change common = common_of(c);
	struct change_params p;
	int64_t n = 0;

	change_params_init(&p, arena, &common, reterr);
	change_add(&p, (struct db_param)DB_PARAM_I64(last->id));
	change_add(&p, (struct db_param)DB_PARAM_I64(last->version - 1));
	change_add(&p, (struct db_param)DB_PARAM_TIME(last->updated_at_us));
	change_add(&p, (struct db_param)DB_PARAM_I64(c->key->task_id));
	change_add(&p, (struct db_param)DB_PARAM_I64(c->version));
	int r = change_run_wait(db, &common, &p, &TAKE_BACK, NULL, &n);
	return r < 0 || n > 0 ? r : stale(reterr);
}

static FIBER int run_one(struct db *db, struct str user_id, const struct db_statement *statement,
			 const struct db_param *params, struct db_result **ret, struct err *reterr)
{
	const struct db_query query = { statement, params };
	const struct db_segment segment = { .user_id = user_id, .queries = &query, .n_queries = 1 };

	return db_run_wait(db, &segment, ret, NULL, reterr);
}

int recurring_settle_wait(struct db *db, const struct recurring_change *c, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(c->key->user_id),
					   DB_PARAM_I64(c->key->task_id), DB_PARAM_I64(c->version),
					   db_param_text_or_null(c->key->event_id) };
	struct db_result *result;
	int r = run_one(db, c->key->user_id, &SETTLE, params, &result, reterr);

	if (r < 0)
		return r;
	bool is_done = db_i64(result, 0, 0) > 0;
	db_result_free(result);
	return is_done ? 0 : stale(reterr);
}

int recurring_postpone_wait(struct db *db, const struct recurring_key *key, int64_t delay_s,
			    struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(key->user_id), DB_PARAM_I64(key->task_id),
					   DB_PARAM_I64(delay_s) };
	struct db_result *result;
	int r = run_one(db, key->user_id, &POSTPONE, params, &result, reterr);

	if (r == 0)
		db_result_free(result);
	return r;
}

/* ---- of anybody ---- */

static const struct db_statement UNSETTLED = {
	"recurring_unsettled",
	"SELECT user_id, task_id FROM todod.unsettled_tasks WHERE look_at <= now() "
	"ORDER BY look_at LIMIT $1",
	1,
};

int recurring_unsettled_wait(struct db *sweeper, struct arena *arena,
			     const struct recurring_key **ret, size_t *ret_n, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_I64(RECURRING_PAGE_MAX) };
	struct db_result *result;
	int r = run_one(sweeper, (struct str){ NULL, 0 }, &UNSETTLED, params, &result, reterr);

	if (r == 0)
		r = results_keep(arena, &result, 1, reterr);
	if (r < 0)
		return r;
	size_t n = (size_t)db_rows(result);
	struct recurring_key *keys = arena_calloc(arena, n, sizeof(*keys));
	if (keys == NULL)
		return results_out_of_memory(reterr);
	for (size_t i = 0; i < n; i++) {
		keys[i].user_id = db_text(result, (int)i, 0);
		keys[i].task_id = db_i64(result, (int)i, 1);
	}
	*ret = keys;
	*ret_n = n;
	return 0;
}
