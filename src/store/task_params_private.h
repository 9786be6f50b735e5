/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of a task and its reminders as statements write them: columns, and the parameters in
 * their order.
 */
#ifndef STORE_TASK_PARAMS_PRIVATE_H
#define STORE_TASK_PARAMS_PRIVATE_H

#include "change_private.h"
#include "domain/tag.h"
#include "domain/task.h"

/* The row: $15 id, $16 version and so on. */
#define TASK_ROW_COLUMNS                                                                       \
	"version, title, description, completed, completed_at, priority, updated_at, due_at, " \
	"due_day, overdue_at, time_zone, tags, recurrence_rule, recurrence_mode, "             \
	"recurrence_end_at, recurrence_end_day, series_id, series_start, occurrence, "         \
	"parent_task_id, title_key, search"
#define TASK_ROW_VALUES                                                                    \
	"$16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, " \
	"$32, $33, $34, $35, $36, $37::tsvector"
enum { TASK_ROW_PARAMS_END = CHANGE_PARAMS + 23 }; /* the last of them */

/* Nine arrays. */
#define TASK_REMINDER_COLUMNS                                                                 \
	"id, remind_at, offset_minutes, channels, status, sent_at, retry_count, last_error, " \
	"version"

void task_params_add_row(struct change_params *p, const struct task *t);
/* n is at most REMINDERS_OF_TASK_MAX. */
void task_params_add_reminders(struct change_params *p, const struct reminder *const *list,
			       size_t n);

/* The keys of its tags. 0 or -ENOMEM. */
int task_params_tag_keys(struct arena *arena, const struct task *t,
			 struct str ret[TAGS_OF_TASK_MAX]) MUST_CHECK;

#endif
