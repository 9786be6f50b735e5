/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task and its reminders as parameters of a statement.
 */
#include "task_params_private.h"
#include "results_private.h"
#include "task_row_private.h"

#include "base/unicode.h"
#include "domain/search.h"

#include <assert.h>

static void add_date(struct change_params *p, const struct task_date *d)
{
	change_add_time(p, d->at_us, d->kind != TASK_DATE_NONE);
	change_add_i32(p, d->kind == TASK_DATE_DAY ? d->day : INT64_MIN, INT64_MIN);
}

static void add_tags(struct change_params *p, const struct task *t)
{
	struct str lines = task_tag_lines(p->arena, t);

	if (!lines.p)
		p->status = results_out_of_memory(p->reterr);
	change_add_text(p, lines);
}

static void add_series(struct change_params *p, const struct task *t)
{
	bool recurs = t->occurrence != 0;

	change_add_text(p, t->recurrence_rule);
	change_add(p, (struct db_param)DB_PARAM_I16(t->recurrence_mode));
	add_date(p, &t->recurrence_end);
	change_add(p, recurs ? (struct db_param)DB_PARAM_UUID(t->series_id)
			     : (struct db_param)DB_PARAM_NULL(DB_UUID));
	change_add(p, recurs ? (struct db_param)DB_PARAM_I64(t->series_start_s)
			     : (struct db_param)DB_PARAM_NULL(DB_I64));
	change_add_i32(p, t->occurrence, 0);
	change_add_i64(p, t->parent_task_id, 0);
}

static void add_search(struct change_params *p, const struct task *t)
{
	struct str key = STR(""), vector = STR("");

	if (search_sort_key(p->arena, t->title, &key) < 0 ||
	    search_vector(p->arena, t->title, t->description, &vector) < 0)
		p->status = results_out_of_memory(p->reterr);
	change_add_text(p, key);
	change_add_text(p, vector);
}

void task_params_add_row(struct change_params *p, const struct task *t)
{
	change_add(p, (struct db_param)DB_PARAM_I64(t->id));
	change_add(p, (struct db_param)DB_PARAM_I64(t->version));
	change_add_text(p, t->title);
	change_add_text(p, t->description);
	change_add(p, (struct db_param)DB_PARAM_BOOL(t->completed));
	change_add_time(p, t->completed_at_us, t->completed);
	change_add(p, (struct db_param)DB_PARAM_I16(t->priority));
	change_add(p, (struct db_param)DB_PARAM_TIME(t->updated_at_us));
	add_date(p, &t->due);
	change_add_time(p, t->overdue_at_us, t->due.kind != TASK_DATE_NONE);
	change_add_text(p, t->time_zone);
	add_tags(p, t);
	add_series(p, t);
	add_search(p, t);
}

void task_params_add_reminders(struct change_params *p, const struct reminder *const *list,
			       size_t n)
{
	struct uuid ids[REMINDERS_OF_TASK_MAX];
	struct str errors[REMINDERS_OF_TASK_MAX];
	int64_t v[7][REMINDERS_OF_TASK_MAX];

	assert(n <= REMINDERS_OF_TASK_MAX);
	for (size_t i = 0; i < n; i++) {
		const struct reminder *r = list[i];

		ids[i] = r->id;
		v[0][i] = r->remind_at_us;
		v[1][i] = r->offset_minutes == REMINDER_NO_OFFSET ? DB_NULL_ELEMENT
								  : r->offset_minutes;
		v[2][i] = r->has_own_channels ? (int64_t)r->channels : DB_NULL_ELEMENT;
		v[3][i] = r->status;
		v[4][i] = r->sent_at_us ? r->sent_at_us : DB_NULL_ELEMENT;
		v[5][i] = r->retry_count;
		v[6][i] = r->version;
		errors[i] = r->last_error;
	}
	change_add_uuids(p, ids, n);
	change_add_numbers(p, DB_TIME, v[0], n);
	change_add_numbers(p, DB_I32, v[1], n);
	change_add_numbers(p, DB_I16, v[2], n);
	change_add_numbers(p, DB_I16, v[3], n);
	change_add_numbers(p, DB_TIME, v[4], n);
	change_add_numbers(p, DB_I32, v[5], n);
	change_add_texts(p, errors, n);
	change_add_numbers(p, DB_I64, v[6], n);
}

int task_params_tag_keys(struct arena *arena, const struct task *t,
			 struct str ret[TAGS_OF_TASK_MAX])
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->n_tags; i++)
		r = unicode_fold_case(arena, t->tags[i], &ret[i]);
	return r;
}
