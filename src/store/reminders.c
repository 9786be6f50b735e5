/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One statement: a place to go on after that is null does not filter.
 */
#include "store/reminders.h"
#include "results_private.h"
#include "task_row_private.h"

#include <assert.h>
#include <errno.h>

static const struct db_statement LIST = {
	"reminder_list",
	"SELECT " REMINDER_COLUMNS " FROM todod.reminders r WHERE r.user_id = $1 "
	"AND (1 << r.status) & $2 <> 0 AND ($3 IS NULL OR (r.remind_at, r.id) > ($3, $4)) "
	"ORDER BY r.remind_at, r.id LIMIT $5",
	5,
};

enum { ALL_STATUSES = (1 << _REMINDER_STATUS_MAX) - 1 };

int reminder_store_list_wait(struct db *db, struct arena *arena,
			     const struct reminder_list_query *q, struct reminder_list *ret,
			     struct err *reterr)
{
	const struct db_param after_us = DB_PARAM_TIME(q->after_us), none = DB_PARAM_NULL(DB_TIME);
	const struct db_param params[] = { DB_PARAM_TEXT(q->user_id),
					   DB_PARAM_I32(q->statuses ? q->statuses : ALL_STATUSES),
					   q->after ? after_us : none, DB_PARAM_UUID(q->after_id),
					   DB_PARAM_I64((int64_t)q->limit + 1) };
	const struct db_query query = { &LIST, params };
	const struct db_segment segment = { .user_id = q->user_id,
					    .queries = &query,
					    .n_queries = 1 };
	struct db_result *result;

	assert(q->limit >= 1 && q->limit <= REMINDER_LIST_MAX);
	int r = db_run_wait(db, &segment, &result, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, &result, 1, reterr);
	if (r < 0)
		return r;
	size_t n = (size_t)db_rows(result);
	struct reminder *list = arena_alloc(arena, n * sizeof(*list));
	if (!list)
		return results_out_of_memory(reterr);
	for (size_t i = 0; i < n; i++)
		reminder_row_read(result, (int)i, 0, &list[i]);
	ret->has_more = n > q->limit;
	ret->n = ret->has_more ? q->limit : n;
	ret->reminders = list;
	return 0;
}
