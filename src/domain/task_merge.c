/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body over a task: what is absent stays, null clears, the rest replaces. The result is a whole
 * task, so that whoever stores or shows it need not know what was sent.
 */
#include "task_merge_private.h"

#include <assert.h>
#include <errno.h>

int task_merge_out_of_memory(const struct merging *m)
{
	err_unavailable(m->reterr, 1, "out of memory");
	return -ENOMEM;
}

static int merge_texts(const struct merging *m)
{
	const struct task_input *in = m->in;

	if (in->title.state == JSON_SET)
		m->after->title = in->title.v;
	else if (m->before == NULL)
		return err_set(m->reterr, &ERR_INVALID, "body.title", "title is required");
	if (in->description.state == JSON_SET)
		m->after->description = in->description.v;
	else if (in->description.state == JSON_NULL)
		m->after->description = (struct str){ NULL, 0 };
	if (in->priority_state != JSON_ABSENT)
		m->after->priority = in->priority_state == JSON_SET ? in->priority : TASK_MEDIUM;
	return 0;
}

/* Where `completed` says something new, a status that says otherwise is the one that was shown. */
static int merge_completed(const struct merging *m)
{
	bool is_same =
		m->in->completed.state != JSON_SET || m->in->completed.v == m->after->completed;

	if (m->in->completed_dispute != NULL && (m->before == NULL || is_same))
		return task_input_dispute(m->in, m->reterr);
	if (is_same)
		return 0;
	m->after->completed = m->in->completed.v;
	m->after->completed_at_us = m->after->completed ? m->ctx->now_us : 0;
	return 0;
}

static const struct tag_name *find_tag(const struct tag_name *tags, size_t n, struct str key)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(tags[i].key, key))
			return &tags[i];
	}
	return NULL;
}

/* A tag the user has already is spelled as he has it. */
static int merge_tags(const struct merging *m, struct task_merge *ret)
{
	const struct task_input *in = m->in;

	if (in->tags_state == JSON_ABSENT)
		return 0;
	struct str *names = arena_alloc(m->arena, in->n_tags * sizeof(*names));
	struct tag_name *added = arena_alloc(m->arena, in->n_tags * sizeof(*added));
	if (names == NULL || added == NULL)
		return task_merge_out_of_memory(m);
	for (size_t i = 0; i < in->n_tags; i++) {
		const struct tag_name *known =
			find_tag(m->ctx->known_tags, m->ctx->n_known_tags, in->tags[i].key);
		names[i] = known != NULL ? known->name : in->tags[i].name;
		if (known == NULL)
			added[ret->n_new_tags++] = in->tags[i];
	}
	ret->new_tags = added;
	m->after->tags = names;
	m->after->n_tags = in->n_tags;
	return 0;
}

static int load_zone(const struct merging *m, const struct input_text *zone, const struct tz **ret)
{
	int r = tz_load(zone->v, ret);

	if (r == -ENOMEM)
		return task_merge_out_of_memory(m);
	if (r < 0)
		return err_set(m->reterr, &ERR_INVALID, zone->field,
			       "there is no such time zone; names are like Europe/Berlin");
	return 0;
}

/* The zone the task's dates are in: sent, or kept, or the user's. */
static int merge_zone(struct merging *m)
{
	const struct input_text *sent = &m->in->time_zone;

	if (sent->state == JSON_SET) {
		m->after->time_zone = sent->v;
		return load_zone(m, sent, &m->tz);
	}
	if (sent->state == JSON_NULL)
		m->after->time_zone = (struct str){ NULL, 0 };
	if (m->after->time_zone.p == NULL) {
		const struct task user = { .time_zone = m->ctx->preferences->time_zone };
		m->tz = task_tz(&user);
	} else {
		m->tz = task_tz(m->after);
	}
	return 0;
}

/* A day stays the same day in another zone, an instant the same instant. */
static int merge_due(const struct merging *m)
{
	const struct input_text *sent = &m->in->due;
	struct task *t = m->after;
	int r = 0;

	if (sent->state == JSON_SET)
		r = task_date_parse(sent->v, m->tz, sent->field, &t->due, m->reterr);
	else if (sent->state == JSON_NULL)
		t->due = (struct task_date){ .kind = TASK_DATE_NONE };
	else if (t->due.kind == TASK_DATE_DAY)
		task_date_set_day(&t->due, t->due.day, m->tz);
	return r;
}

/* A task with a date says in which zone it is meant. */
static void settle_dates(const struct merging *m)
{
	if (m->after->due.kind != TASK_DATE_NONE && m->after->time_zone.p == NULL)
		m->after->time_zone = tz_name(m->tz);
	m->after->overdue_at_us = task_date_overdue_us(&m->after->due, m->tz);
}

static int merge_steps(struct merging *m, struct task_merge *ret)
{
	int r = merge_texts(m);

	if (r == 0)
		r = merge_tags(m, ret);
	if (r == 0)
		r = merge_zone(m);
	if (r == 0)
		r = merge_due(m);
	if (r == 0)
		r = task_merge_recurrence(m);
	if (r < 0)
		return r;
	settle_dates(m);
	r = merge_completed(m);
	return r < 0 ? r : task_merge_reminders(m);
}

int task_merge(struct arena *arena, const struct task_input *in, const struct task *before,
	       const struct task_context *ctx, struct task_merge *ret, struct err *reterr)
{
	struct task_merge result = { .is_changed = true };
	struct merging m = { arena, in, before, ctx, NULL, &result.task, reterr };

	if (before != NULL)
		result.task = *before;
	else
		result.task = (struct task){ .id = ctx->new_task_id,
					     .user_id = ctx->user_id,
					     .priority = TASK_MEDIUM };
	int r = merge_steps(&m, &result);
	if (r < 0)
		return r;
	if (before != NULL) {
		result.is_changed = !task_same_content(before, &result.task);
		if (result.is_changed) {
			result.task.version = before->version + 1;
			result.task.updated_at_us = ctx->now_us;
		}
	}
	*ret = result;
	return 0;
}
