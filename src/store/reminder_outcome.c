/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As in store/recurring: the row that decides is locked first, the inbox comes next, everything
 * else selects from it.
 */
#include "store/reminder_outcome.h"
#include "change_private.h"
#include "inbox_private.h"
#include "store/reminder_sweep.h"

#include <errno.h>

/* $1 user, $2 task, $3 reminder, $4 its version, $5 event, $6 seconds. */
#define EVENT_OF_TRIGGERED INBOX_TAKE("p", "$5")
static const struct db_statement TRIGGERED = {
	"reminder_triggered",
	"WITH p AS (SELECT 1), " EVENT_OF_TRIGGERED " UPDATE todod.reminders r "
	"SET status = 1, triggers = 1, retry_at = now() + $6 * interval '1 second' FROM i "
	"WHERE r.user_id = $1 AND r.task_id = $2 AND r.id = $3 AND r.version = $4 "
	"AND r.status IN (0, 2)",
	6,
};
/* $15 task, $16 its new version, $17 the one before, $18 when, $19 reminder, $20 its version,
 * $21 status, $22 sent_at, $23 tries that failed, $24 error, $25 retry_at, $26 event. */
#define EVENT_OF_OUTCOME INBOX_TAKE("p", "$26")
static const struct db_statement OUTCOME = {
	"reminder_outcome",
	"WITH p AS (SELECT d.user_id FROM todod.tasks d WHERE d.user_id = $1 AND d.id = $15 "
	"AND d.version = $17 FOR UPDATE), " EVENT_OF_OUTCOME ", "
	"t AS (UPDATE todod.tasks d SET version = $16, updated_at = $18 FROM i "
	"WHERE d.user_id = $1 AND d.id = $15 RETURNING d.user_id, d.id), "
	"r AS (UPDATE todod.reminders r SET status = $21, sent_at = $22, retry_count = $23, "
	"last_error = $24, retry_at = $25, triggers = 0 FROM t WHERE r.user_id = t.user_id "
	"AND r.user_id = $1 AND r.task_id = t.id AND r.id = $19 "
	"AND r.version = $20)" CHANGE_OUTBOX("t"),
	CHANGE_PARAMS + 12,
};

int reminder_triggered_wait(struct db *db, const struct reminder_key *key, struct err *reterr)
{
	const struct db_param params[] = {
		DB_PARAM_TEXT(key->user_id),  DB_PARAM_I64(key->task_id),
		DB_PARAM_UUID(key->id),	      DB_PARAM_I64(key->version),
		DB_PARAM_TEXT(key->event_id), DB_PARAM_I32(REMINDER_HOLD_S)
	};
	const struct db_query query = { &TRIGGERED, params };
	const struct db_segment segment = { .user_id = key->user_id,
					    .queries = &query,
					    .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(db, &segment, &result, NULL, reterr);

	if (r == 0)
		db_result_free(result);
	return r;
}

static void add_outcome(struct change_params *p, const struct reminder_outcome *o)
{
	const struct reminder *r = o->reminder;

	change_add(p, (struct db_param)DB_PARAM_I64(o->after->id));
	change_add(p, (struct db_param)DB_PARAM_I64(o->after->version));
	change_add(p, (struct db_param)DB_PARAM_I64(o->before->version));
	change_add(p, (struct db_param)DB_PARAM_TIME(o->after->updated_at_us));
	change_add(p, (struct db_param)DB_PARAM_UUID(r->id));
	change_add(p, (struct db_param)DB_PARAM_I64(r->version));
	change_add(p, (struct db_param)DB_PARAM_I16(r->status));
	change_add_time(p, r->sent_at_us, r->sent_at_us != 0);
	change_add_i32(p, r->retry_count, INT64_MIN);
	change_add_text(p, r->last_error);
	change_add_time(p, o->retry_at_us, o->retry_at_us != 0);
	change_add_text(p, o->key->event_id);
}

int reminder_outcome_wait(struct db *db, struct arena *arena, const struct reminder_outcome *o,
			  struct err *reterr)
{
	const struct store_change common = { .user_id = o->key->user_id,
					     .events = o->events,
					     .n_events = o->n_events };
	struct change_params p;
	int64_t n = 0;

	change_params_init(&p, arena, &common, reterr);
	add_outcome(&p, o);
	int r = change_run_wait(db, &common, &p, &OUTCOME, NULL, &n);
	if (r < 0 || n > 0)
		return r;
	err_set(reterr, &ERR_CONFLICT, NULL, "the task was changed meanwhile; read it again");
	return -ESTALE;
}
