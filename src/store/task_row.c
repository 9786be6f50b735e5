/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rows to tasks without copying: strings are views into the result.
 */
#include "task_row_private.h"
#include "results_private.h"

#include "base/macro.h"

#include <errno.h>

static int64_t number_or(const struct db_result *r, int row, int column, int64_t none)
{
	return db_is_null(r, row, column) ? none : db_i64(r, row, column);
}

static int64_t time_or_0(const struct db_result *r, int row, int column)
{
	return db_is_null(r, row, column) ? 0 : db_time(r, row, column);
}

static struct task_date read_date(const struct db_result *r, int row, int at, int day)
{
	struct task_date d = { .kind = TASK_DATE_NONE };

	if (db_is_null(r, row, at))
		return d;
	d.kind = db_is_null(r, row, day) ? TASK_DATE_INSTANT : TASK_DATE_DAY;
	d.at_us = db_time(r, row, at);
	d.day = number_or(r, row, day, 0);
	return d;
}

/* A line each. */
static int read_tags(struct arena *arena, struct str lines, struct task *t)
{
	struct str *tags;
	size_t n = 1;

	if (lines.n == 0)
		return 0;
	for (size_t i = 0; i < lines.n; i++)
		n += lines.p[i] == '\n';
	tags = arena_alloc(arena, n * sizeof(*tags));
	if (!tags)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		str_split(&lines, '\n', &tags[i]);
	t->tags = tags;
	t->n_tags = n;
	return 0;
}

struct str task_tag_lines(struct arena *arena, const struct task *t)
{
	size_t n = 0;
	char *p;

	for (size_t i = 0; i < t->n_tags; i++)
		n += t->tags[i].n + 1;
	p = arena_alloc(arena, n + 1);
	if (!p)
		return (struct str){ NULL, 0 };
	n = 0;
	for (size_t i = 0; i < t->n_tags; i++) {
		if (i > 0)
			p[n++] = '\n';
		memcpy(p + n, t->tags[i].p, t->tags[i].n);
		n += t->tags[i].n;
	}
	return (struct str){ p, n };
}

static void read_recurrence(const struct db_result *r, int row, struct task *t)
{
	t->recurrence_rule = results_text(r, row, COL_RECURRENCE_RULE);
	t->recurrence_mode = (enum task_recurrence_mode)db_i64(r, row, COL_RECURRENCE_MODE);
	t->recurrence_end = read_date(r, row, COL_RECURRENCE_END_AT, COL_RECURRENCE_END_DAY);
	if (!db_is_null(r, row, COL_SERIES_ID))
		t->series_id = db_uuid(r, row, COL_SERIES_ID);
	t->series_start_s = number_or(r, row, COL_SERIES_START, 0);
	t->occurrence = number_or(r, row, COL_OCCURRENCE, 0);
	t->parent_task_id = number_or(r, row, COL_PARENT_TASK_ID, 0);
}

static int read_task(struct arena *arena, const struct db_result *r, int row, struct str user_id,
		     struct task *ret)
{
	*ret = (struct task){
		.id = db_i64(r, row, COL_ID),
		.user_id = user_id,
		.title = db_text(r, row, COL_TITLE),
		.description = results_text(r, row, COL_DESCRIPTION),
		.completed = db_bool(r, row, COL_COMPLETED),
		.completed_at_us = time_or_0(r, row, COL_COMPLETED_AT),
		.priority = (enum task_priority)db_i64(r, row, COL_PRIORITY),
		.version = db_i64(r, row, COL_VERSION),
		.created_at_us = db_time(r, row, COL_CREATED_AT),
		.updated_at_us = db_time(r, row, COL_UPDATED_AT),
		.due = read_date(r, row, COL_DUE_AT, COL_DUE_DAY),
		.overdue_at_us = time_or_0(r, row, COL_OVERDUE_AT),
		.time_zone = results_text(r, row, COL_TIME_ZONE),
	};
	read_recurrence(r, row, ret);
	return read_tags(arena, db_text(r, row, COL_TAGS), ret);
}

void reminder_row_read(const struct db_result *r, int row, int c, struct reminder *ret)
{
	*ret = (struct reminder){
		.id = db_uuid(r, row, c),
		.task_id = db_i64(r, row, c + 1),
		.remind_at_us = db_time(r, row, c + 2),
		.offset_minutes = number_or(r, row, c + 3, REMINDER_NO_OFFSET),
		.has_own_channels = !db_is_null(r, row, c + 4),
		.channels = (unsigned)db_i64(r, row, c + 5),
		.status = (enum reminder_status)db_i64(r, row, c + 6),
		.sent_at_us = time_or_0(r, row, c + 7),
		.retry_count = db_i64(r, row, c + 8),
		.last_error = results_text(r, row, c + 9),
		.version = db_i64(r, row, c + 10),
	};
}

/* The reminders of the n rows from this one on. */
static int read_reminders(struct arena *arena, const struct db_result *r, int row, int n,
			  struct task *t)
{
	struct reminder *list;

	if (db_is_null(r, row, COL_REMINDER))
		return 0;
	list = arena_alloc(arena, (size_t)n * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (int i = 0; i < n; i++)
		reminder_row_read(r, row + i, COL_REMINDER, &list[i]);
	reminders_sort(list, (size_t)n);
	t->reminders = list;
	t->n_reminders = (size_t)n;
	return 0;
}

/* How many rows from this one on are of the same task. */
static int rows_of_task(const struct db_result *r, int row)
{
	int64_t id = db_i64(r, row, COL_ID);
	int n = 1;

	while (row + n < db_rows(r) && db_i64(r, row + n, COL_ID) == id)
		n++;
	return n;
}

int task_rows_read(struct arena *arena, const struct db_result *r, struct str user_id,
		   const struct task **ret, size_t *ret_n, struct err *reterr)
{
	struct task *tasks = arena_alloc(arena, (size_t)db_rows(r) * sizeof(*tasks));
	size_t n = 0;
	int e = tasks ? 0 : -ENOMEM;

	for (int row = 0; e == 0 && row < db_rows(r);) {
		int n_rows = rows_of_task(r, row);

		e = read_task(arena, r, row, user_id, &tasks[n]);
		if (e == 0)
			e = read_reminders(arena, r, row, n_rows, &tasks[n]);
		n++;
		row += n_rows;
	}
	if (e < 0)
		return results_out_of_memory(reterr);
	*ret = tasks;
	*ret_n = n;
	return 0;
}
