/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags by themselves, and what a rename or removal does to the tasks that have them. Locks are
 * taken in the order task, counter, tags, like everywhere.
 */
#include "store/tags.h"
#include "change_private.h"
#include "idempotency_private.h"
#include "results_private.h"
#include "task_row_private.h"

#include <assert.h>
#include <errno.h>

static const struct db_statement LIST = {
	"tag_list",
	"SELECT g.key, g.name, g.color, coalesce(o.n, 0) FROM todod.tags g LEFT JOIN "
	"(SELECT x.key, count(*) AS n FROM todod.task_tags x "
	"JOIN todod.tasks t ON t.user_id = $1 AND t.id = x.task_id "
	"WHERE x.user_id = $1 AND NOT t.completed GROUP BY x.key) o ON o.key = g.key "
	"WHERE g.user_id = $1 ORDER BY g.key",
	1,
};
static const struct db_statement READ = {
	"tag_read",
	"SELECT g.key, g.name, g.color, (SELECT count(*) FROM todod.task_tags x "
	"JOIN todod.tasks t ON t.user_id = $1 AND t.id = x.task_id "
	"WHERE x.user_id = $1 AND x.key = $2 AND NOT t.completed), g.renaming_to "
	"FROM todod.tags g WHERE g.user_id = $1 AND g.key = $2",
	2,
};
static const struct db_statement TASKS = {
	"tag_tasks",
	"SELECT " TASK_COLUMNS " FROM (SELECT t.* FROM todod.tasks t WHERE t.user_id = $1 "
	"AND t.id > $3 AND EXISTS (SELECT FROM todod.task_tags x WHERE x.user_id = $1 "
	"AND x.key = $2 AND x.task_id = t.id) ORDER BY t.id LIMIT $4) t" REMINDERS_OF_TASK
	" ORDER BY t.id",
	4,
};

/* $15 key, $16 name, $17 colour. */
#define CREATE                                                                    \
	"WITH w AS (INSERT INTO todod.user_counters AS c (user_id, tasks, tags) " \
	"VALUES ($1, 0, 1) ON CONFLICT (user_id) DO UPDATE SET tags = c.tags + 1 RETURNING 1)"
#define INSERT_TAG(source)                                     \
	" INSERT INTO todod.tags (user_id, key, name, color) " \
	"SELECT $1, $15, $16, $17 FROM " source
enum { N_TAG = CHANGE_PARAMS + 3 };

static const struct db_statement CREATE_ONE[2] = {
	{ "tag_create", CREATE INSERT_TAG("w"), N_TAG },
	/* The key first: a request that is repeated finds its answer, not its own tag. */
	{ "tag_create_keyed", CREATE CHANGE_KEY("w") INSERT_TAG("k"), N_TAG },
};

#define UPDATE                                                      \
	"WITH w AS (UPDATE todod.tags SET name = $16, color = $17 " \
	"WHERE user_id = $1 AND key = $15 RETURNING 1)"
/* How many rows a statement found, for one whose last part would write none. */
#define COUNT(source) " SELECT FROM " source

static const struct db_statement UPDATE_ONE[2] = {
	{ "tag_update", UPDATE COUNT("w"), N_TAG },
	{ "tag_update_keyed", UPDATE CHANGE_KEY("w") COUNT("w"), N_TAG },
};

/* $18 the key of the tag that is renamed. */
static const struct db_statement BEGIN_RENAME = {
	"tag_begin_rename",
	"WITH w AS (UPDATE todod.tags SET renaming_to = $15 WHERE user_id = $1 AND key = $18 "
	"AND renaming_to IS NULL RETURNING 1)" INSERT_TAG("w"),
	N_TAG + 1,
};

/* $15 key. The counter is locked first. A tag that is being renamed does not count: its successor
 * does. Whether it is, is what the row says when it goes, not what was read before. And a tag whose
 * rename to this one was cut short is a tag of its own again, and counts. */
#define REMOVE                                                                         \
	"WITH l AS (SELECT c.user_id FROM todod.user_counters c WHERE c.user_id = $1 " \
	"FOR UPDATE), "                                                                \
	"w AS (DELETE FROM todod.tags g USING l WHERE g.user_id = $1 AND g.key = $15 " \
	"RETURNING g.renaming_to IS NULL AS counts), "                                 \
	"o AS (UPDATE todod.tags o SET renaming_to = NULL FROM w "                     \
	"WHERE o.user_id = $1 AND o.renaming_to = $15 RETURNING 1), "                  \
	"c AS (UPDATE todod.user_counters c SET tags = c.tags - w.counts::integer "    \
	"+ (SELECT count(*) FROM o)::integer FROM w WHERE c.user_id = $1)"
enum { N_REMOVE = CHANGE_PARAMS + 1 };

static const struct db_statement REMOVE_ONE[2] = {
	{ "tag_remove", REMOVE COUNT("w"), N_REMOVE },
	{ "tag_remove_keyed", REMOVE CHANGE_KEY("w") COUNT("w"), N_REMOVE },
};

/* $15 ids, $16 versions, $17 tags as lines, $18 when, $19 key that leaves, $20 key that comes. The
 * events of a task follow its version. */
static const struct db_statement STEP = {
	"tag_step",
	"WITH i AS (SELECT * FROM unnest($15, $16, $17) WITH ORDINALITY i(id, version, tags, n)), "
	"t AS (UPDATE todod.tasks t SET version = i.version, tags = i.tags, updated_at = $18 "
	"FROM i WHERE t.user_id = $1 AND t.id = i.id AND t.version = i.version - 1 "
	"RETURNING t.id, i.n), "
	"d AS (DELETE FROM todod.task_tags x USING t WHERE x.user_id = $1 AND x.key = $19 "
	"AND x.task_id = t.id AND $19 IS DISTINCT FROM $20), "
	"a AS (INSERT INTO todod.task_tags (user_id, key, task_id) SELECT $1, $20, t.id FROM t "
	"WHERE $20 IS NOT NULL AND $19 <> $20 ON CONFLICT DO NOTHING) "
	"INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) "
	"SELECT e.id, e.topic, $6, $1, e.sequence, e.event FROM unnest($2, $3, $4, $5) "
	"WITH ORDINALITY AS e(id, topic, sequence, event, n) JOIN t ON t.n = (e.n + 1) / 2 "
	"ORDER BY e.n",
	CHANGE_PARAMS + 6,
};

enum { EVENTS_OF_TASK = 2 };

static const struct change_violation TAG_VIOLATIONS[] = {
	{ "tags_pkey", -EALREADY },
	{ "user_counters_tag_quota", -EDQUOT },
	{ "task_tags_tag", -ESTALE },
	{ .constraint = NULL },
};

static struct tag read_tag(const struct db_result *r, int row)
{
	return (struct tag){
		.name = { .key = db_text(r, row, 0), .name = db_text(r, row, 1) },
		.color = db_text(r, row, 2),
		.open_tasks = db_i64(r, row, 3),
	};
}

int tag_store_list_wait(struct db *db, struct arena *arena, struct str user_id,
			struct tag_list *ret, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(user_id) };
	const struct db_query query = { &LIST, params };
	const struct db_segment segment = {
		.user_id = user_id, .queries = &query, .n_queries = 1, .slow = true
	};
	struct db_result *result;

	int r = db_run_wait(db, &segment, &result, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, &result, 1, reterr);
	if (r < 0)
		return r;
	size_t n = (size_t)db_rows(result);
	struct tag *tags = arena_alloc(arena, n * sizeof(*tags));
	if (!tags)
		return results_out_of_memory(reterr);
	for (size_t i = 0; i < n; i++)
		tags[i] = read_tag(result, (int)i);
	*ret = (struct tag_list){ tags, n };
	return 0;
}

int tag_store_read_wait(struct db *db, struct arena *arena, struct str user_id, struct str tag_key,
			const struct idempotency_key *key, struct tag_lookup *ret,
			struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(user_id), DB_PARAM_TEXT(tag_key) };
	struct db_param key_params[IDEMPOTENCY_LOOKUP_PARAMS];
	const struct db_query queries[] = { { &READ, params },
					    { &IDEMPOTENCY_LOOKUP, key_params } };
	const struct db_segment segment = { .user_id = user_id,
					    .queries = queries,
					    .n_queries = key ? 2 : 1 };
	struct db_result *results[2];
	struct tag_lookup found = { .found = false };

	if (key)
		idempotency_lookup_params(key, key_params);
	int r = db_run_wait(db, &segment, results, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, results, segment.n_queries, reterr);
	if (r < 0)
		return r;
	if (db_rows(results[0]) == 1) {
		found.found = true;
		found.tag = read_tag(results[0], 0);
		found.renaming_to = results_text(results[0], 0, 4);
	}
	found.answered = key && idempotency_read(results[1], key, &found.answer);
	*ret = found;
	return 0;
}

/* What the result of a write means to its caller. */
static int conclude(int r, int64_t n, struct err *reterr)
{
	if (r == -EALREADY)
		err_set(reterr, &ERR_TAG_EXISTS, "body.name",
			"there is a tag of this name already");
	else if (r == -EDQUOT)
		err_set(reterr, &ERR_TAG_QUOTA, "body", "a user has at most %d tags",
			TAGS_OF_USER_MAX);
	else if (r == -ESTALE || (r == 0 && n == 0))
		err_set(reterr, &ERR_CONFLICT, NULL, "the tag was changed meanwhile; try again");
	return r == 0 && n == 0 ? -ESTALE : r;
}

static void add_tag(struct change_params *p, const struct tag *tag)
{
	change_add_text(p, tag->name.key);
	change_add_text(p, tag->name.name);
	change_add_text(p, tag->color);
}

static FIBER int write_tag(struct db *db, struct arena *arena, const struct store_change *change,
			   const struct tag *tag, const struct db_statement statements[2],
			   struct err *reterr)
{
	struct change_params p;
	int64_t n = 0;

	change_params_init(&p, arena, change, reterr);
	add_tag(&p, tag);
	int r = change_run_wait(db, change, &p, &statements[change->key != NULL], TAG_VIOLATIONS,
				&n);
	return conclude(r, n, reterr);
}

int tag_store_create_wait(struct db *db, struct arena *arena, const struct store_change *change,
			  const struct tag *tag, struct err *reterr)
{
	return write_tag(db, arena, change, tag, CREATE_ONE, reterr);
}

int tag_store_update_wait(struct db *db, struct arena *arena, const struct store_change *change,
			  const struct tag *tag, struct err *reterr)
{
	return write_tag(db, arena, change, tag, UPDATE_ONE, reterr);
}

int tag_store_begin_rename_wait(struct db *db, struct arena *arena,
				const struct store_change *change, struct str from,
				const struct tag *to, struct err *reterr)
{
	struct change_params p;
	int64_t n = 0;

	assert(!change->key);
	change_params_init(&p, arena, change, reterr);
	add_tag(&p, to);
	change_add_text(&p, from);
	int r = change_run_wait(db, change, &p, &BEGIN_RENAME, TAG_VIOLATIONS, &n);
	return conclude(r, n, reterr);
}

int tag_store_remove_wait(struct db *db, struct arena *arena, const struct store_change *change,
			  struct str tag_key, struct err *reterr)
{
	struct change_params p;
	int64_t n = 0;

	change_params_init(&p, arena, change, reterr);
	change_add_text(&p, tag_key);
	int r = change_run_wait(db, change, &p, &REMOVE_ONE[change->key != NULL], TAG_VIOLATIONS,
				&n);
	return conclude(r, n, reterr);
}

int tag_store_tasks_wait(struct db *db, struct arena *arena, struct str user_id, struct str tag_key,
			 int64_t after_id, const struct task **ret, size_t *ret_n,
			 struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(user_id), DB_PARAM_TEXT(tag_key),
					   DB_PARAM_I64(after_id), DB_PARAM_I64(TAG_STEP) };
	const struct db_query query = { &TASKS, params };
	const struct db_segment segment = { .user_id = user_id, .queries = &query, .n_queries = 1 };
	struct db_result *result;

	int r = db_run_wait(db, &segment, &result, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, &result, 1, reterr);
	return r < 0 ? r : task_rows_read(arena, result, user_id, ret, ret_n, reterr);
}

static void add_step(struct change_params *p, const struct task *after, size_t n)
{
	int64_t *ids = arena_alloc(p->arena, n * sizeof(*ids));
	int64_t *versions = arena_alloc(p->arena, n * sizeof(*versions));
	struct str *lines = arena_alloc(p->arena, n * sizeof(*lines));

	if (!ids || !versions || !lines) {
		p->status = results_out_of_memory(p->reterr);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		ids[i] = after[i].id;
		versions[i] = after[i].version;
		lines[i] = task_tag_lines(p->arena, &after[i]);
		if (!lines[i].p)
			p->status = results_out_of_memory(p->reterr);
	}
	change_add_numbers(p, DB_I64, ids, n);
	change_add_numbers(p, DB_I64, versions, n);
	change_add_texts(p, lines, n);
	change_add(p, (struct db_param)DB_PARAM_TIME(after[0].updated_at_us));
}

int tag_store_step_wait(struct db *db, struct arena *arena, const struct store_change *change,
			const struct task *after, size_t n, struct str from_key, struct str to_key,
			bool *ret_all, struct err *reterr)
{
	struct change_params p;
	int64_t n_events = 0;

	assert(n >= 1 && n <= TAG_STEP && change->n_events == n * EVENTS_OF_TASK && !change->key);
	change_params_init(&p, arena, change, reterr);
	add_step(&p, after, n);
	change_add_text(&p, from_key);
	change_add_text(&p, to_key);
	int r = change_run_wait(db, change, &p, &STEP, TAG_VIOLATIONS, &n_events);
	if (r < 0)
		return conclude(r, 1, reterr);
	*ret_all = n_events == (int64_t)change->n_events;
	return 0;
}
