/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index reminders_live has the live ones by time: the walk begins at the oldest and ends at
 * now. A page is picked before anything is joined to it, and OFFSET and LIMIT keep the rest to one
 * row at a time by an index, so that the plan does not depend on what the server believes of the
 * tables. A second is left to the job that comes at the exact time.
 *
 * One that was triggered before is not triggered again while events of its user's reminders still
 * wait in the outbox: a broker that is away gets each once.
 */
#include "store/reminder_sweep.h"
#include "results_private.h"

#include <errno.h>

/* REMINDER_SWEEP_MAX and REMINDER_HOLD_S in SQL. */
#define PAGE "1000"
#define HOLD "'63 seconds'"
_Static_assert(REMINDER_SWEEP_MAX == 1000 && REMINDER_HOLD_S == 63, "PAGE and HOLD say so");

#define IS_DUE                                                                                  \
	"r.status <= 2 AND r.remind_at <= now() - interval '1 second' AND (r.retry_at IS NULL " \
	"OR r.retry_at <= now() - interval '1 second')"

static const struct db_statement DUE = {
	"reminder_due",
	"WITH due AS MATERIALIZED (SELECT r.user_id, r.task_id, r.id, r.remind_at, r.channels, "
	"r.version FROM todod.reminders r WHERE " IS_DUE " AND (r.triggers = 0 OR (SELECT true "
	"FROM todod.outbox o WHERE o.user_id = r.user_id AND o.topic = 'reminders' LIMIT 1) IS NULL) "
	"ORDER BY r.remind_at LIMIT " PAGE ") "
	"SELECT d.user_id, d.task_id, d.id, d.remind_at, d.channels, d.version, t.title, t.due_at, "
	"t.due_day, t.time_zone, now() FROM due d, LATERAL (SELECT t.title, t.due_at, t.due_day, "
	"t.time_zone FROM todod.tasks t WHERE t.user_id = d.user_id AND t.id = d.task_id OFFSET 0) t "
	"ORDER BY d.remind_at",
	0,
};
/* Arrays: $1 user, $2 task, $3 reminder, $4 its version, $5 event id, $6 partition, $7 event. */
static const struct db_statement TRIGGER = {
	"reminder_trigger",
	"WITH due AS (SELECT r.user_id, r.task_id, r.id, r.version, e.event_id, e.part, e.event, "
	"e.n FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY e(user_id, task_id, id, "
	"version, event_id, part, event, n) JOIN todod.reminders r ON r.user_id = e.user_id "
	"AND r.task_id = e.task_id AND r.id = e.id AND r.version = e.version WHERE " IS_DUE
	" FOR UPDATE OF r SKIP LOCKED), "
	"u AS (UPDATE todod.reminders r SET status = 1, triggers = least(r.triggers + 1, 100), "
	"retry_at = now() + interval " HOLD " * (1 << least(r.triggers, 4)) "
	"FROM due d WHERE r.user_id = d.user_id AND r.task_id = d.task_id AND r.id = d.id "
	"RETURNING r.user_id, r.task_id, r.id) "
	"INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) "
	"SELECT d.event_id, 'reminders', d.part, d.user_id, d.version, d.event FROM due d "
	"JOIN u ON u.user_id = d.user_id AND u.task_id = d.task_id AND u.id = d.id ORDER BY d.n",
	7,
};

enum {
	COL_USER,
	COL_TASK,
	COL_ID,
	COL_REMIND_AT,
	COL_CHANNELS,
	COL_VERSION,
	COL_TITLE,
	COL_DUE_AT,
	COL_DUE_DAY,
	COL_TIME_ZONE,
	COL_NOW,
};

static void read_due_date(const struct db_result *r, int row, struct task_date *ret)
{
	if (db_is_null(r, row, COL_DUE_AT))
		return;
	ret->kind = TASK_DATE_INSTANT;
	ret->at_us = db_time(r, row, COL_DUE_AT);
	if (db_is_null(r, row, COL_DUE_DAY))
		return;
	ret->kind = TASK_DATE_DAY;
	ret->day = db_i64(r, row, COL_DUE_DAY);
}

static void read_due(const struct db_result *r, int row, struct due_reminder *ret)
{
	bool has_channels = !db_is_null(r, row, COL_CHANNELS);

	*ret = (struct due_reminder){
		.reminder = { .id = db_uuid(r, row, COL_ID),
			      .task_id = db_i64(r, row, COL_TASK),
			      .remind_at_us = db_time(r, row, COL_REMIND_AT),
			      .has_own_channels = has_channels,
			      .channels = has_channels ? (unsigned)db_i64(r, row, COL_CHANNELS) : 0,
			      .version = db_i64(r, row, COL_VERSION) },
		.task = { .id = db_i64(r, row, COL_TASK),
			  .user_id = db_text(r, row, COL_USER),
			  .title = db_text(r, row, COL_TITLE),
			  .time_zone = results_text(r, row, COL_TIME_ZONE) },
	};
	read_due_date(r, row, &ret->task.due);
}

int reminder_due_wait(struct db *sweeper, struct arena *arena, struct due_reminders *ret,
		      struct err *reterr)
{
	const struct db_query query = { &DUE, NULL };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(sweeper, &segment, &result, NULL, reterr);

	if (r == 0)
		r = results_keep(arena, &result, 1, reterr);
	if (r < 0)
		return r;
	size_t n = (size_t)db_rows(result);
	struct due_reminder *list = arena_alloc(arena, n * sizeof(*list));
	if (list == NULL)
		return results_out_of_memory(reterr);
	for (size_t i = 0; i < n; i++)
		read_due(result, (int)i, &list[i]);
	ret->list = list;
	ret->n = n;
	ret->now_us = n > 0 ? db_time(result, 0, COL_NOW) : 0;
	return 0;
}

/* What the arrays of TRIGGER are made of. */
struct columns {
	struct str *users, *events;
	int64_t *tasks, *versions, *parts;
	struct uuid *ids, *event_ids;
};

static bool allocate(struct arena *arena, struct columns *c, size_t n)
{
	c->users = arena_alloc(arena, n * sizeof(*c->users));
	c->events = arena_alloc(arena, n * sizeof(*c->events));
	c->tasks = arena_alloc(arena, n * sizeof(*c->tasks));
	c->versions = arena_alloc(arena, n * sizeof(*c->versions));
	c->parts = arena_alloc(arena, n * sizeof(*c->parts));
	c->ids = arena_alloc(arena, n * sizeof(*c->ids));
	c->event_ids = arena_alloc(arena, n * sizeof(*c->event_ids));
	return c->users != NULL && c->events != NULL && c->tasks != NULL && c->versions != NULL &&
	       c->parts != NULL && c->ids != NULL && c->event_ids != NULL;
}

static int encode(struct arena *arena, const struct due_reminders *due, const struct event *events,
		  struct db_param ret[7])
{
	struct columns c;
	size_t n = due->n;

	if (!allocate(arena, &c, n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct due_reminder *d = &due->list[i];

		c.users[i] = d->task.user_id;
		c.tasks[i] = d->task.id;
		c.ids[i] = d->reminder.id;
		c.versions[i] = d->reminder.version;
		c.event_ids[i] = events[i].id;
		c.parts[i] = event_partition(d->task.user_id);
		c.events[i] = events[i].json;
	}
	int r = db_param_texts(arena, c.users, n, &ret[0]);
	if (r == 0)
		r = db_param_i64s(arena, DB_I64, c.tasks, n, &ret[1]);
	if (r == 0)
		r = db_param_uuids(arena, c.ids, n, &ret[2]);
	if (r == 0)
		r = db_param_i64s(arena, DB_I64, c.versions, n, &ret[3]);
	if (r == 0)
		r = db_param_uuids(arena, c.event_ids, n, &ret[4]);
	if (r == 0)
		r = db_param_i64s(arena, DB_I16, c.parts, n, &ret[5]);
	return r == 0 ? db_param_texts(arena, c.events, n, &ret[6]) : r;
}

int reminder_trigger_wait(struct db *sweeper, struct arena *arena, const struct due_reminders *due,
			  const struct event *events, size_t *ret_n, struct err *reterr)
{
	struct db_param params[7];
	const struct db_query query = { &TRIGGER, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = encode(arena, due, events, params);

	if (r < 0)
		return r == -ENOMEM ? results_out_of_memory(reterr)
				    : err_set(reterr, &ERR_INTERNAL, NULL,
					      "a trigger that does not fit");
	r = db_run_wait(sweeper, &segment, &result, NULL, reterr);
	if (r < 0)
		return r;
	*ret_n = (size_t)db_affected(result);
	db_result_free(result);
	return 0;
}
