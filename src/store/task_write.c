/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writes of tasks, each one statement: the first part takes the row lock that decides (the
 * counter for a create, the task at its expected version else), and every other part selects from
 * it. So 0 rows mean that nothing at all happened, and a violation (a repeated key, a quota, a tag
 * that came or went meanwhile) undoes the whole. Locks are taken in the order task, counter, tags,
 * so writes cannot deadlock. A write that leaves tags and reminders alone has a statement without
 * them.
 */
#include "change_private.h"
#include "results_private.h"
#include "task_params_private.h"
#include "store/tasks.h"

#include <errno.h>

/* Behind the row: $38 created_at or the expected version, $39 quota of tasks (of a create), $40 how
 * many new tags. */
enum { N_LEAN = TASK_ROW_PARAMS_END + 3 };

#define CREATE                                                                           \
	"WITH w AS (INSERT INTO todod.user_counters AS c (user_id, tasks, tags) "        \
	"VALUES ($1, 1, $40) ON CONFLICT (user_id) DO UPDATE SET tasks = c.tasks + 1, "  \
	"tags = c.tags + $40 WHERE c.tasks < $39 RETURNING user_id), "                   \
	"t AS (INSERT INTO todod.tasks (user_id, id, created_at, " TASK_ROW_COLUMNS ") " \
	"SELECT user_id, $15, $38, " TASK_ROW_VALUES " FROM w RETURNING user_id, id)"

#define UPDATE                                                                              \
	"WITH t AS (UPDATE todod.tasks SET (" TASK_ROW_COLUMNS ") = (" TASK_ROW_VALUES ") " \
	"WHERE user_id = $1 AND id = $15 AND version = $38 RETURNING user_id, id), "        \
	"w AS (UPDATE todod.user_counters c SET tags = c.tags + $40 FROM t "                \
	"WHERE c.user_id = $1 AND $40 > 0 RETURNING c.user_id)"

/* $41 to $43 new tags, $44 keys of tags the task gets, $45 of those it loses, $46 to $54 reminders
 * that are new or other, $55 those that are gone. */
#define DETAILS                                                                                    \
	", nt AS (INSERT INTO todod.tags (user_id, key, name, color) SELECT w.user_id, n.* "       \
	"FROM w, unnest($41, $42, $43) n(key, name, color)), "                                     \
	"it AS (INSERT INTO todod.task_tags (user_id, key, task_id) SELECT t.user_id, k, t.id "    \
	"FROM t, unnest($44) k), "                                                                 \
	"dt AS (DELETE FROM todod.task_tags x USING t WHERE x.user_id = $1 AND x.task_id = t.id "  \
	"AND x.key = ANY($45)), "                                                                  \
	"ir AS (INSERT INTO todod.reminders AS r (user_id, task_id, " TASK_REMINDER_COLUMNS ") "   \
	"SELECT t.user_id, t.id, n.* FROM t, unnest($46, $47, $48, $49, $50, $51, $52, $53, "      \
	"$54) n ON CONFLICT (user_id, task_id, id) DO UPDATE SET remind_at = excluded.remind_at, " \
	"offset_minutes = excluded.offset_minutes, channels = excluded.channels, "                 \
	"status = excluded.status, sent_at = excluded.sent_at, "                                   \
	"retry_count = excluded.retry_count, last_error = excluded.last_error, "                   \
	"version = excluded.version, retry_at = NULL, triggers = 0), "                             \
	"dr AS (DELETE FROM todod.reminders r USING t WHERE r.user_id = $1 AND r.task_id = t.id "  \
	"AND r.id = ANY($55))"
enum { N_FULL = N_LEAN + 15 };

/* $15 id, $16 version, $17 completed, $18 completed_at, $19 updated_at, $20 expected version. */
#define STATE                                                                \
	"WITH t AS (UPDATE todod.tasks SET version = $16, completed = $17, " \
	"completed_at = $18, updated_at = $19 "                              \
	"WHERE user_id = $1 AND id = $15 AND version = $20 RETURNING user_id)"
enum { N_STATE = CHANGE_PARAMS + 6 };

/* $15 id, $16 expected version, $17 when. Tags and reminders of the task go with it. */
#define DELETE                                                                                  \
	"WITH t AS (DELETE FROM todod.tasks WHERE user_id = $1 AND id = $15 AND version = $16 " \
	"RETURNING user_id), "                                                                  \
	"d AS (INSERT INTO todod.deleted_tasks (user_id, deleted_at, id) "                      \
	"SELECT user_id, $17, $15 FROM t), "                                                    \
	"w AS (UPDATE todod.user_counters c SET tasks = c.tasks - 1 FROM t "                    \
	"WHERE c.user_id = t.user_id AND c.user_id = $1)"
enum { N_DELETE = CHANGE_PARAMS + 3 };

/* [with a key] */
#define BOTH(name, sql, n)                                                       \
	{                                                                        \
		{ name, sql CHANGE_OUTBOX("t"), n },                             \
		{                                                                \
			name "_keyed", sql CHANGE_KEY("t") CHANGE_OUTBOX("t"), n \
		}                                                                \
	}

static const struct db_statement CREATE_LEAN[2] = BOTH("task_create", CREATE, N_LEAN);
static const struct db_statement CREATE_FULL[2] = BOTH("task_create_full", CREATE DETAILS, N_FULL);
static const struct db_statement UPDATE_LEAN[2] = BOTH("task_update", UPDATE, N_LEAN);
static const struct db_statement UPDATE_FULL[2] = BOTH("task_update_full", UPDATE DETAILS, N_FULL);
static const struct db_statement UPDATE_STATE[2] = BOTH("task_state", STATE, N_STATE);
static const struct db_statement DELETE_ONE[2] = BOTH("task_delete", DELETE, N_DELETE);

static const struct change_violation VIOLATIONS[] = {
	{ "user_counters_tag_quota", -EDQUOT },
	{ "tags_pkey", -ESTALE },     /* somebody else made the tag meanwhile */
	{ "task_tags_tag", -ESTALE }, /* or removed it */
	{ "task_tags_pkey", -ESTALE },
	{ .constraint = NULL },
};

/* What changes in the tables beside the task's row. */
struct details {
	const struct reminder *reminders[REMINDERS_OF_TASK_MAX]; /* new or other */
	struct uuid gone[REMINDERS_OF_TASK_MAX];
	struct str added[TAGS_OF_TASK_MAX], removed[TAGS_OF_TASK_MAX]; /* keys */
	size_t n_reminders, n_gone, n_added, n_removed;
};

static const struct reminder *find_reminder(const struct task *t, const struct uuid *id)
{
	for (size_t i = 0; t && i < t->n_reminders; i++)
		if (memcmp(&t->reminders[i].id, id, sizeof(*id)) == 0)
			return &t->reminders[i];
	return NULL;
}

static void compare_reminders(const struct task_change *c, struct details *d)
{
	for (size_t i = 0; i < c->after->n_reminders; i++) {
		const struct reminder *r = &c->after->reminders[i];
		const struct reminder *was = find_reminder(c->before, &r->id);

		if (!was || was->version != r->version)
			d->reminders[d->n_reminders++] = r;
	}
	for (size_t i = 0; c->before && i < c->before->n_reminders; i++)
		if (!find_reminder(c->after, &c->before->reminders[i].id))
			d->gone[d->n_gone++] = c->before->reminders[i].id;
}

static bool has_key(const struct str *keys, size_t n, struct str key)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(keys[i], key))
			return true;
	return false;
}

static int compare_tags(struct arena *arena, const struct task_change *c, struct details *d)
{
	struct str was[TAGS_OF_TASK_MAX], is[TAGS_OF_TASK_MAX];
	size_t n_was = c->before ? c->before->n_tags : 0, n_is = c->after->n_tags;
	int r = c->before ? task_params_tag_keys(arena, c->before, was) : 0;

	if (r == 0)
		r = task_params_tag_keys(arena, c->after, is);
	for (size_t i = 0; r == 0 && i < n_is; i++)
		if (!has_key(was, n_was, is[i]))
			d->added[d->n_added++] = is[i];
	for (size_t i = 0; r == 0 && i < n_was; i++)
		if (!has_key(is, n_is, was[i]))
			d->removed[d->n_removed++] = was[i];
	return r;
}

static void add_new_tags(struct change_params *p, const struct task_change *c)
{
	struct str keys[TAGS_OF_TASK_MAX], names[TAGS_OF_TASK_MAX], colors[TAGS_OF_TASK_MAX];

	for (size_t i = 0; i < c->n_new_tags; i++) {
		keys[i] = c->new_tags[i].key;
		names[i] = c->new_tags[i].name;
		colors[i] = TAG_COLOR_DEFAULT;
	}
	change_add_texts(p, keys, c->n_new_tags);
	change_add_texts(p, names, c->n_new_tags);
	change_add_texts(p, colors, c->n_new_tags);
}

/* Whether there is more to write than the row. */
static bool has_details(const struct task_change *c, const struct details *d)
{
	return c->n_new_tags + d->n_added + d->n_removed + d->n_reminders + d->n_gone > 0;
}

static int stale(struct err *reterr)
{
	err_set(reterr, &ERR_CONFLICT, NULL, "the task was changed meanwhile; read it again");
	return -ESTALE;
}

/* What the result of a write means to its caller. */
static int conclude(int r, struct err *reterr)
{
	if (r == -EDQUOT)
		err_set(reterr, &ERR_TAG_QUOTA, "body.tags", "a user has at most %d tags",
			TAGS_OF_USER_MAX);
	return r == -ESTALE ? stale(reterr) : r;
}

static FIBER int write_whole(struct db *db, struct arena *arena, const struct task_change *c,
			     const struct details *d, int64_t *ret_n, struct err *reterr)
{
	const struct db_statement *lean = c->before ? UPDATE_LEAN : CREATE_LEAN;
	const struct db_statement *full = c->before ? UPDATE_FULL : CREATE_FULL;
	bool is_full = has_details(c, d);
	struct change_params p;

	change_params_init(&p, arena, &c->common, reterr);
	task_params_add_row(&p, c->after);
	change_add(&p, c->before ? (struct db_param)DB_PARAM_I64(c->before->version)
				 : (struct db_param)DB_PARAM_TIME(c->after->created_at_us));
	change_add(&p, (struct db_param)DB_PARAM_I32(TASK_QUOTA));
	change_add(&p, (struct db_param)DB_PARAM_I32((int64_t)c->n_new_tags));
	if (is_full) {
		add_new_tags(&p, c);
		change_add_texts(&p, d->added, d->n_added);
		change_add_texts(&p, d->removed, d->n_removed);
		task_params_add_reminders(&p, d->reminders, d->n_reminders);
		change_add_uuids(&p, d->gone, d->n_gone);
	}
	return conclude(change_run_wait(db, &c->common, &p,
					&(is_full ? full : lean)[c->common.key != NULL], VIOLATIONS,
					ret_n),
			reterr);
}

int task_store_create_wait(struct db *db, struct arena *arena, const struct task_change *change,
			   struct err *reterr)
{
	struct details d = { .n_added = 0 };
	int64_t n = 0;

	compare_reminders(change, &d);
	if (compare_tags(arena, change, &d) < 0)
		return results_out_of_memory(reterr);
	int r = write_whole(db, arena, change, &d, &n, reterr);
	if (r < 0 || n > 0)
		return r;
	err_set(reterr, &ERR_TASK_QUOTA, "body", "a user holds at most %d tasks", TASK_QUOTA);
	return -EDQUOT;
}

static FIBER int write_state(struct db *db, struct arena *arena, const struct task_change *c,
			     int64_t *ret_n, struct err *reterr)
{
	const struct task *t = c->after;
	struct change_params p;

	change_params_init(&p, arena, &c->common, reterr);
	change_add(&p, (struct db_param)DB_PARAM_I64(t->id));
	change_add(&p, (struct db_param)DB_PARAM_I64(t->version));
	change_add(&p, (struct db_param)DB_PARAM_BOOL(t->completed));
	change_add_time(&p, t->completed_at_us, t->completed);
	change_add(&p, (struct db_param)DB_PARAM_TIME(t->updated_at_us));
	change_add(&p, (struct db_param)DB_PARAM_I64(c->before->version));
	return change_run_wait(db, &c->common, &p, &UPDATE_STATE[c->common.key != NULL], NULL,
			       ret_n);
}

int task_store_update_wait(struct db *db, struct arena *arena, const struct task_change *change,
			   struct err *reterr)
{
	struct details d = { .n_added = 0 };
	int64_t n = 0;
	int r;

	compare_reminders(change, &d);
	if (compare_tags(arena, change, &d) < 0)
		return results_out_of_memory(reterr);
	if (change->is_state_only && !has_details(change, &d))
		r = write_state(db, arena, change, &n, reterr);
	else
		r = write_whole(db, arena, change, &d, &n, reterr);
	return r < 0 || n > 0 ? r : stale(reterr);
}

int task_store_delete_wait(struct db *db, struct arena *arena, const struct task_change *change,
			   struct err *reterr)
{
	struct change_params p;
	int64_t n = 0;

	change_params_init(&p, arena, &change->common, reterr);
	change_add(&p, (struct db_param)DB_PARAM_I64(change->after->id));
	change_add(&p, (struct db_param)DB_PARAM_I64(change->before->version));
	change_add(&p, (struct db_param)DB_PARAM_TIME(change->after->updated_at_us));
	int r = change_run_wait(db, &change->common, &p, &DELETE_ONE[change->common.key != NULL],
				NULL, &n);
	return r < 0 || n > 0 ? r : stale(reterr);
}
