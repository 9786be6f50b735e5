/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists. One statement for each order, with and without a place to go on after; what does not
 * filter is null. It passes once over the rows of the user, at most TASK_QUOTA, and keeps ids and
 * sort keys of those that match, which it counts, sorts, and reads the page of. The list that
 * clients ask for most, everything by age, has statements that walk an index and read the counter.
 */
#include "results_private.h"
#include "store/tasks.h"
#include "task_row_private.h"

#include <assert.h>
#include <errno.h>

/* $1 user, $2 limit, $3 and $4 the place to go on after, then the filter, and what stands in for a
 * due date that is not there. */
enum { P_DUE_NONE = 14, N_PARAMS = P_DUE_NONE };

/* What is no column is computed once, in a subselect of its own. To ask for one tag, or any of
 * some, needs no grouping. */
#define FILTER                                                                                   \
	" AND ($5 IS NULL OR t.completed = $5)"                                                  \
	" AND ($6 IS NULL OR (1 << t.priority) & $6 <> 0)"                                       \
	" AND ($7 IS NULL OR t.due_at < $7)"                                                     \
	" AND ($8 IS NULL OR t.due_at >= $8)"                                                    \
	" AND ($9 IS NULL OR (NOT t.completed AND coalesce(t.overdue_at <= now(), false)) = $9)" \
	" AND ($10 IS NULL OR t.updated_at >= $10)"                                              \
	" AND ($11 IS NULL OR $12 > 1 OR t.id IN (SELECT x.task_id FROM todod.task_tags x "      \
	"WHERE x.user_id = $1 AND x.key = ANY($11)))"                                            \
	" AND ($11 IS NULL OR $12 <= 1 OR t.id IN (SELECT x.task_id FROM todod.task_tags x "     \
	"WHERE x.user_id = $1 AND x.key = ANY($11) GROUP BY x.task_id HAVING count(*) >= $12))"  \
	" AND ($13 IS NULL OR t.search @@ " SEARCHED ")"
#define SEARCHED "(SELECT $13::tsquery)"

#define LIST(key, after, dir)                                                           \
	"SELECT " TASK_COLUMNS ", page.sort_key, page.total FROM "                      \
	"(WITH m AS MATERIALIZED (SELECT t.id, " key " AS sort_key FROM todod.tasks t " \
	"WHERE t.user_id = $1" FILTER ") "                                              \
	"SELECT m.id, m.sort_key, (SELECT count(*) FROM m) AS total FROM m" after       \
	" ORDER BY m.sort_key " dir ", m.id " dir " LIMIT $2) page "                    \
	"JOIN todod.tasks t ON t.user_id = $1 AND t.id = page.id" REMINDERS_OF_TASK     \
	" ORDER BY page.sort_key " dir ", page.id " dir

#define AFTER(compare) " WHERE (m.sort_key, m.id) " compare " ($3, $4)"

#define LISTS(name, key)                                                                          \
	{                                                                                         \
		{ { "list_" name "_desc", LIST(key, "", "DESC"), N_PARAMS },                      \
		  { "list_" name "_desc_after", LIST(key, AFTER("<"), "DESC"), N_PARAMS } },      \
		{                                                                                 \
			{ "list_" name "_asc", LIST(key, "", "ASC"), N_PARAMS },                  \
			{                                                                         \
				"list_" name "_asc_after", LIST(key, AFTER(">"), "ASC"), N_PARAMS \
			}                                                                         \
		}                                                                                 \
	}

enum key_kind { KEY_TIME, KEY_NUMBER, KEY_TEXT };

static const struct {
	enum key_kind kind;
	struct db_statement lists[2][2]; /* [ascending][after] */
} SORTS[_TASK_SORT_MAX] = {
	[TASK_SORT_CREATED] = { KEY_TIME, LISTS("created", "t.created_at") },
	[TASK_SORT_UPDATED] = { KEY_TIME, LISTS("updated", "t.updated_at") },
	[TASK_SORT_DUE_DATE] = { KEY_TIME, LISTS("due_date", "coalesce(t.due_at, $14)") },
	[TASK_SORT_PRIORITY] = { KEY_NUMBER, LISTS("priority", "t.priority::bigint") },
	[TASK_SORT_TITLE] = { KEY_TEXT, LISTS("title", "t.title_key") },
	[TASK_SORT_COMPLETED] = { KEY_NUMBER, LISTS("completed", "t.completed::integer::bigint") },
	[TASK_SORT_RANK] = { KEY_NUMBER,
			     LISTS("rank", "(ts_rank(t.search, " SEARCHED ") * 1e6)::bigint") },
};

#define NEWEST_LIST(after)                                                         \
	"SELECT " TASK_COLUMNS ", t.created_at FROM (SELECT * FROM todod.tasks t " \
	"WHERE t.user_id = $1" after                                               \
	" ORDER BY t.created_at DESC, t.id DESC LIMIT $2) t" REMINDERS_OF_TASK     \
	" ORDER BY t.created_at DESC, t.id DESC"

static const struct db_statement NEWEST[2] = {
	{ "list_newest", NEWEST_LIST(""), 2 },
	{ "list_newest_after", NEWEST_LIST(" AND (t.created_at, t.id) < ($3, $4)"), 4 },
};

static const struct db_statement COUNT = {
	"list_count",
	"SELECT tasks FROM todod.user_counters WHERE user_id = $1",
	1,
};
/* For a page that came out empty, which cannot carry the total. */
static const struct db_statement COUNT_FILTERED = {
	"list_count_filtered",
	"SELECT count(*) FROM todod.tasks t WHERE t.user_id = $1" FILTER,
	N_PARAMS,
};

static const struct db_statement DELETED = {
	"list_deleted",
	"SELECT id, deleted_at FROM (SELECT id, deleted_at FROM todod.deleted_tasks WHERE user_id = $1 "
	"AND deleted_at >= greatest($2, now() - make_interval(days => $3)) "
	"ORDER BY deleted_at DESC, id DESC LIMIT $4) d ORDER BY deleted_at, id",
	4,
};

/* Before and behind every due date there can be: years 0 and 10000. */
static const int64_t DUE_NONE_FIRST_US = INT64_C(-62167219200000000);
static const int64_t DUE_NONE_LAST_US = INT64_C(253402300800000000);

static bool is_unfiltered(const struct task_filter *f)
{
	return !f->has_completed && f->priorities == 0 && f->n_tag_keys == 0 &&
	       !f->has_due_before && !f->has_due_after && !f->has_overdue &&
	       !f->has_updated_since && f->search.p == NULL;
}

/* Walked by index, counted by the user's counter. */
static bool is_newest(const struct task_list_query *q)
{
	return q->order.by == TASK_SORT_CREATED && !q->order.ascending && is_unfiltered(&q->filter);
}

static struct db_param time_or_null(bool is_there, int64_t us)
{
	return is_there ? (struct db_param)DB_PARAM_TIME(us)
			: (struct db_param)DB_PARAM_NULL(DB_TIME);
}

static struct db_param bool_or_null(bool is_there, bool v)
{
	return is_there ? (struct db_param)DB_PARAM_BOOL(v)
			: (struct db_param)DB_PARAM_NULL(DB_BOOL);
}

static struct db_param position_param(const struct task_list_query *q)
{
	switch (SORTS[q->order.by].kind) {
	case KEY_TIME:
		return (struct db_param)DB_PARAM_TIME(q->position.number);
	case KEY_NUMBER:
		return (struct db_param)DB_PARAM_I64(q->position.number);
	case KEY_TEXT:
		break;
	}
	return (struct db_param)DB_PARAM_TEXT(q->position.text);
}

static int list_params(struct arena *arena, const struct task_list_query *q,
		       struct db_param p[N_PARAMS])
{
	const struct task_filter *f = &q->filter;
	int r = 0;

	p[0] = (struct db_param)DB_PARAM_TEXT(q->user_id);
	p[1] = (struct db_param)DB_PARAM_I64((int64_t)q->limit + 1);
	p[2] = position_param(q);
	p[3] = (struct db_param)DB_PARAM_I64(q->position.id);
	p[4] = bool_or_null(f->has_completed, f->completed);
	p[5] = f->priorities ? (struct db_param)DB_PARAM_I32(f->priorities)
			     : (struct db_param)DB_PARAM_NULL(DB_I32);
	p[6] = time_or_null(f->has_due_before, f->due_before_us);
	p[7] = time_or_null(f->has_due_after, f->due_after_us);
	p[8] = bool_or_null(f->has_overdue, f->overdue);
	p[9] = time_or_null(f->has_updated_since, f->updated_since_us);
	p[10] = (struct db_param)DB_PARAM_NULL_ARRAY(DB_TEXT);
	if (f->n_tag_keys > 0)
		r = db_param_texts(arena, f->tag_keys, f->n_tag_keys, &p[10]);
	p[11] = (struct db_param)DB_PARAM_I64(f->any_tag ? 1 : (int64_t)f->n_tag_keys);
	p[12] = f->search.p ? (struct db_param)DB_PARAM_TEXT(f->search)
			    : (struct db_param)DB_PARAM_NULL(DB_TEXT);
	p[13] = (struct db_param)DB_PARAM_TIME(q->order.ascending ? DUE_NONE_LAST_US
								  : DUE_NONE_FIRST_US);
	return r;
}

static struct task_position position_of(const struct db_result *rows, int row, enum key_kind kind)
{
	struct task_position p = { .id = db_i64(rows, row, COL_ID) };

	if (kind == KEY_TIME)
		p.number = db_time(rows, row, TASK_COLUMNS_END);
	else if (kind == KEY_NUMBER)
		p.number = db_i64(rows, row, TASK_COLUMNS_END);
	else
		p.text = db_text(rows, row, TASK_COLUMNS_END);
	return p;
}

/* A row of the task of this id. */
static int row_of(const struct db_result *rows, int64_t id)
{
	int row = 0;

	while (db_i64(rows, row, COL_ID) != id)
		row++;
	return row;
}

static int read_list(struct arena *arena, const struct task_list_query *q,
		     const struct db_result *rows, struct task_list *ret, struct err *reterr)
{
	int r = task_rows_read(arena, rows, q->user_id, &ret->tasks, &ret->n, reterr);

	if (r < 0)
		return r;
	ret->has_more = ret->n > q->limit;
	if (ret->has_more)
		ret->n = q->limit;
	if (ret->n > 0)
		ret->last = position_of(rows, row_of(rows, ret->tasks[ret->n - 1].id),
					SORTS[q->order.by].kind);
	return 0;
}

static FIBER int list_newest(struct db *db, struct arena *arena, const struct task_list_query *q,
			     const struct db_param *params, struct task_list *ret,
			     struct err *reterr)
{
	const struct db_query queries[] = { { &NEWEST[q->after], params }, { &COUNT, params } };
	const struct db_segment segment = {
		.user_id = q->user_id, .queries = queries, .n_queries = 2, .slow = q->slow
	};
	struct db_result *results[2];

	int r = db_run_wait(db, &segment, results, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, results, 2, reterr);
	if (r == 0)
		r = read_list(arena, q, results[0], ret, reterr);
	/* Who never had a task has no counter. */
	if (r == 0)
		ret->total = db_rows(results[1]) == 1 ? db_i64(results[1], 0, 0) : 0;
	return r;
}

static FIBER int run_one(struct db *db, struct arena *arena, const struct task_list_query *q,
			 const struct db_statement *statement, const struct db_param *params,
			 struct db_result **ret, struct err *reterr)
{
	const struct db_query query = { statement, params };
	const struct db_segment segment = {
		.user_id = q->user_id, .queries = &query, .n_queries = 1, .slow = q->slow
	};

	int r = db_run_wait(db, &segment, ret, NULL, reterr);
	return r < 0 ? r : results_keep(arena, ret, 1, reterr);
}

static FIBER int list_matches(struct db *db, struct arena *arena, const struct task_list_query *q,
			      const struct db_param *params, struct task_list *ret,
			      struct err *reterr)
{
	struct db_result *rows;

	int r = run_one(db, arena, q, &SORTS[q->order.by].lists[q->order.ascending][q->after],
			params, &rows, reterr);
	if (r == 0)
		r = read_list(arena, q, rows, ret, reterr);
	if (r < 0)
		return r;
	if (ret->n > 0) {
		ret->total = db_i64(rows, 0, TASK_COLUMNS_END + 1);
	} else if (q->after) {
		/* One prepared statement for all orders; the place's type is the order's. */
		struct db_param unplaced[N_PARAMS];
		memcpy(unplaced, params, sizeof(unplaced));
		unplaced[2] = (struct db_param)DB_PARAM_NULL(DB_I64);
		r = run_one(db, arena, q, &COUNT_FILTERED, unplaced, &rows, reterr);
		if (r == 0)
			ret->total = db_i64(rows, 0, 0);
	}
	return r;
}

int task_store_list_wait(struct db *db, struct arena *arena, const struct task_list_query *query,
			 struct task_list *ret, struct err *reterr)
{
	struct db_param params[N_PARAMS];
	struct task_list list = { .n = 0 };

	assert(query->limit >= 1 && query->limit <= TASK_LIST_MAX);
	assert(query->order.by != TASK_SORT_RANK || query->filter.search.p);
	int r = list_params(arena, query, params);
	if (r < 0)
		return results_out_of_memory(reterr);
	if (is_newest(query))
		r = list_newest(db, arena, query, params, &list, reterr);
	else
		r = list_matches(db, arena, query, params, &list, reterr);
	if (r == 0)
		*ret = list;
	return r;
}

int task_store_deleted_wait(struct db *db, struct arena *arena, struct str user_id,
			    int64_t since_us, const struct deleted_task **ret, size_t *ret_n,
			    struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(user_id), DB_PARAM_TIME(since_us),
					   DB_PARAM_I32(DELETED_TASKS_DAYS),
					   DB_PARAM_I64(DELETED_TASKS_MAX) };
	const struct db_query query = { &DELETED, params };
	const struct db_segment segment = { .user_id = user_id, .queries = &query, .n_queries = 1 };
	struct db_result *result;
	struct deleted_task *list;

	int r = db_run_wait(db, &segment, &result, NULL, reterr);
	if (r < 0)
		return r;
	size_t n = (size_t)db_rows(result);
	list = arena_alloc(arena, n * sizeof(*list));
	for (size_t i = 0; list && i < n; i++)
		list[i] = (struct deleted_task){ db_i64(result, (int)i, 0),
						 db_time(result, (int)i, 1) };
	db_result_free(result);
	if (!list)
		return results_out_of_memory(reterr);
	*ret = list;
	*ret_n = n;
	return 0;
}
