/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of tasks with their reminders: the columns that statements select, and how they become
 * struct task. A task has a row for each of its reminders, one after the other, or one row.
 */
#ifndef STORE_TASK_ROW_PRIVATE_H
#define STORE_TASK_ROW_PRIVATE_H

#include "base/arena.h"
#include "domain/task.h"
#include "net/db.h"

#define TASK_COLUMNS                                                                           \
	"t.id, t.title, t.description, t.completed, t.completed_at, t.priority, t.version, "   \
	"t.created_at, t.updated_at, t.due_at, t.due_day, t.overdue_at, t.time_zone, t.tags, " \
	"t.recurrence_rule, t.recurrence_mode, t.recurrence_end_at, t.recurrence_end_day, "    \
	"t.series_id, t.series_start, t.occurrence, t.parent_task_id, " REMINDER_COLUMNS
/* Channels twice: the reminder's own, and those in force. */
#define REMINDER_COLUMNS                                                                    \
	"r.id, r.task_id, r.remind_at, r.offset_minutes, r.channels, coalesce(r.channels, " \
	"(SELECT p.channels FROM todod.preferences p WHERE p.user_id = $1), 6::smallint), " \
	"r.status, r.sent_at, r.retry_count, r.last_error, r.version"
/* OFFSET keeps the planner from reading all reminders of the user for a page of tasks. */
#define REMINDERS_OF_TASK                                                                          \
	" LEFT JOIN LATERAL (SELECT * FROM todod.reminders WHERE user_id = $1 AND task_id = t.id " \
	"OFFSET 0) r ON true"

enum {
	COL_ID,
	COL_TITLE,
	COL_DESCRIPTION,
	COL_COMPLETED,
	COL_COMPLETED_AT,
	COL_PRIORITY,
	COL_VERSION,
	COL_CREATED_AT,
	COL_UPDATED_AT,
	COL_DUE_AT,
	COL_DUE_DAY,
	COL_OVERDUE_AT,
	COL_TIME_ZONE,
	COL_TAGS,
	COL_RECURRENCE_RULE,
	COL_RECURRENCE_MODE,
	COL_RECURRENCE_END_AT,
	COL_RECURRENCE_END_DAY,
	COL_SERIES_ID,
	COL_SERIES_START,
	COL_OCCURRENCE,
	COL_PARENT_TASK_ID,
	COL_REMINDER, /* where REMINDER_COLUMNS begin */
	TASK_COLUMNS_END = COL_REMINDER + 11,
};

/* One task, with its reminders: $1 user, $2 id. */
extern const struct db_statement TASK_GET;

/*
 * All tasks of a result, reminders soonest first. user_id must outlive the arena. 0 or -ENOMEM
 * (reterr says 503).
 */
int task_rows_read(struct arena *arena, const struct db_result *r, struct str user_id,
		   const struct task **ret, size_t *ret_n, struct err *reterr) MUST_CHECK;
/* The names of a task's tags as its row has them, a line each; .p NULL when out of memory. */
struct str task_tag_lines(struct arena *arena, const struct task *t);
/* The reminder whose REMINDER_COLUMNS begin at this column. */
void reminder_row_read(const struct db_result *r, int row, int first_column, struct reminder *ret);

#endif
