/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reminders of a task that is being written. Those with an offset follow the due date; a
 * completed task has none that may still fire; one whose time or words change gets a new version,
 * so that whoever scheduled it schedules it again, and begins anew. One that is being sent keeps
 * the words that it is sent with.
 */
#include "task_merge_private.h"

enum { REMINDER_ROOM = 2 * REMINDERS_OF_TASK_MAX };

static int wrong(const struct merging *m, const struct reminder_input *in, const char *key,
		 const char *what)
{
	struct str field = arena_printf(m->arena, "%s.%s", in->where, key);

	return err_set(m->reterr, &ERR_INVALID, field.p, "%s", what);
}

static int set_own_time(const struct merging *m, const struct reminder_input *in,
			struct reminder *r)
{
	struct str field = arena_printf(m->arena, "%s.remind_at", in->where);
	struct task_date at;

	if (field.p == NULL)
		return task_merge_out_of_memory(m);
	int e = task_date_parse(in->remind_at, m->tz, field.p, &at, m->reterr);
	if (e < 0)
		return e;
	r->remind_at_us = at.kind == TASK_DATE_DAY ? task_date_before_us(&at, 0, m->tz) : at.at_us;
	r->offset_minutes = REMINDER_NO_OFFSET;
	return 0;
}

/* An offset that comes back as it was asks for nothing: it goes with the due date, and a time
 * beside it that is neither what it was nor what the offset makes of the due date is a new one. */
static int keep_offset(const struct merging *m, const struct reminder_input *in, struct reminder *r)
{
	const struct task_date *due = &m->after->due;
	struct reminder snoozed = *r;

	if (in->remind_at.p == NULL)
		return 0;
	int e = set_own_time(m, in, &snoozed);
	if (e < 0)
		return e;
	bool is_new = snoozed.remind_at_us != r->remind_at_us;
	if (is_new && due->kind != TASK_DATE_NONE)
		is_new = snoozed.remind_at_us != task_date_before_us(due, r->offset_minutes, m->tz);
	if (is_new)
		*r = snoozed;
	return 0;
}

static int set_time(const struct merging *m, const struct reminder_input *in, struct reminder *r)
{
	if (in->offset_minutes == REMINDER_NO_OFFSET)
		return in->remind_at.p != NULL ? set_own_time(m, in, r) : 0;
	if (in->offset_minutes == r->offset_minutes)
		return keep_offset(m, in, r);
	if (m->after->due.kind == TASK_DATE_NONE)
		return wrong(m, in, "offset_minutes", "needs a task with a due date");
	r->offset_minutes = in->offset_minutes;
	return 0;
}

static void set_channels(const struct merging *m, const struct reminder_input *in,
			 struct reminder *r)
{
	if (in->channels != 0 && in->channels != r->channels) {
		r->channels = in->channels;
		r->has_own_channels = true;
	} else if (r->channels == 0) {
		r->channels = m->ctx->preferences->channels;
	}
}

/* The reminder of the task before that this one is about; NULL: a new one. */
static const struct reminder *find_before(const struct merging *m, struct str id)
{
	struct uuid wanted;

	if (m->before == NULL || id.p == NULL || uuid_parse(id, &wanted) < 0)
		return NULL;
	for (size_t i = 0; i < m->before->n_reminders; i++) {
		if (memcmp(&m->before->reminders[i].id, &wanted, sizeof(wanted)) == 0)
			return &m->before->reminders[i];
	}
	return NULL;
}

static bool has_id(const struct reminder *list, size_t n, const struct uuid *id)
{
	for (size_t i = 0; i < n; i++) {
		if (memcmp(&list[i].id, id, sizeof(*id)) == 0)
			return true;
	}
	return false;
}

/* Whether one of those that were sent says that it is this one. */
static bool is_named(const struct merging *m, const struct reminder *before)
{
	for (size_t i = 0; i < m->in->n_reminders; i++) {
		if (find_before(m, m->in->reminders[i].id) == before)
			return true;
	}
	return false;
}

/* One that has no id, but stands at the same offset or time as one of before, is that one: unless
 * another one is it, which is in the list already or says so. */
static const struct reminder *find_alike(const struct merging *m, const struct reminder *r,
					 const struct reminder *list, size_t n)
{
	for (size_t i = 0; m->before != NULL && i < m->before->n_reminders; i++) {
		const struct reminder *b = &m->before->reminders[i];
		if (b->offset_minutes == r->offset_minutes &&
		    (b->offset_minutes != REMINDER_NO_OFFSET ||
		     b->remind_at_us == r->remind_at_us) &&
		    !has_id(list, n, &b->id) && !is_named(m, b))
			return b;
	}
	return NULL;
}

static int take_one(const struct merging *m, const struct reminder_input *in, struct reminder *list,
		    size_t n)
{
	const struct reminder *before = find_before(m, in->id);
	struct reminder r = { .offset_minutes = REMINDER_NO_OFFSET };

	if (before != NULL && has_id(list, n, &before->id))
		return err_set(m->reterr, &ERR_INVALID, in->where, "stands twice in the list");
	if (before != NULL)
		r = *before;
	int e = set_time(m, in, &r);
	if (e < 0)
		return e;
	if (before == NULL) {
		before = find_alike(m, &r, list, n);
		if (before != NULL) {
			r = *before;
		} else {
			r.id = m->ctx->new_id();
			r.version = 0; /* counted up to 1 below */
		}
	}
	set_channels(m, in, &r);
	list[n] = r;
	return 0;
}

/* A new due date without a word about reminders brings the one the user wants by default. */
static size_t add_default(const struct merging *m, struct reminder *list)
{
	const struct preferences *p = m->ctx->preferences;
	bool had_due = m->before != NULL && m->before->due.kind != TASK_DATE_NONE;

	if (had_due || m->after->due.kind == TASK_DATE_NONE || m->after->completed ||
	    p->default_reminder_offset_minutes < 0)
		return 0;
	int64_t at = task_date_before_us(&m->after->due, p->default_reminder_offset_minutes, m->tz);
	if (at <= m->ctx->now_us)
		return 0;
	list[0] = (struct reminder){ .id = m->ctx->new_id(),
				     .offset_minutes = p->default_reminder_offset_minutes,
				     .channels = p->channels };
	return 1;
}

static int list_reminders(const struct merging *m, struct reminder *list, size_t *ret_n)
{
	const struct task_input *in = m->in;
	size_t n = 0;

	if (in->reminders_state == JSON_ABSENT && m->after->n_reminders == 0) {
		*ret_n = add_default(m, list);
		return 0;
	}
	if (in->reminders_state == JSON_ABSENT) {
		n = m->after->n_reminders;
		memcpy(list, m->after->reminders, n * sizeof(*list));
	}
	if (in->reminders_state != JSON_ABSENT && in->n_reminders > REMINDERS_OF_TASK_MAX)
		return err_set(m->reterr, &ERR_INVALID, "body.reminders",
			       "a task has at most %d reminders", REMINDERS_OF_TASK_MAX);
	for (size_t i = 0; i < in->n_reminders; i++) {
		int e = take_one(m, &in->reminders[i], list, n);
		if (e < 0)
			return e;
		n++;
	}
	*ret_n = n;
	return 0;
}

/* Reminders before a due date that is gone are gone too. */
static size_t follow_due(const struct merging *m, struct reminder *list, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (list[i].offset_minutes != REMINDER_NO_OFFSET) {
			if (m->after->due.kind == TASK_DATE_NONE)
				continue;
			list[i].remind_at_us =
				task_date_before_us(&m->after->due, list[i].offset_minutes, m->tz);
		}
		list[kept++] = list[i];
	}
	return kept;
}

static const struct reminder *before_of(const struct task *before, const struct reminder *r)
{
	for (size_t i = 0; before != NULL && i < before->n_reminders; i++) {
		if (memcmp(&before->reminders[i].id, &r->id, sizeof(r->id)) == 0)
			return &before->reminders[i];
	}
	return NULL;
}

static void begin_anew(struct reminder *r)
{
	r->status = REMINDER_PENDING;
	r->sent_at_us = 0;
	r->retry_count = 0;
	r->last_error = (struct str){ NULL, 0 };
}

/* One that was sent, failed or cancelled waits again when it gets a later time, or its task is open
 * again before its time came. */
static void settle_status(const struct merging *m, const struct reminder *before,
			  struct reminder *r)
{
	bool is_reopened = m->before != NULL && m->before->completed && !m->after->completed;
	bool is_moved = before != NULL && before->remind_at_us != r->remind_at_us;

	if (m->after->completed) {
		if (reminder_is_live(r))
			r->status = REMINDER_CANCELLED;
	} else if (!reminder_is_live(r) && r->remind_at_us > m->ctx->now_us &&
		   (is_moved || (is_reopened && r->status == REMINDER_CANCELLED))) {
		begin_anew(r);
	}
}

/* What a scheduled reminder says beside its own fields. */
static bool says_other_words(const struct task *before, const struct task *after)
{
	return !str_eq(before->title, after->title) || !task_date_same(&before->due, &after->due) ||
	       !str_eq(before->time_zone, after->time_zone);
}

static bool same_reminder(const struct reminder *a, const struct reminder *b)
{
	return a->remind_at_us == b->remind_at_us && a->offset_minutes == b->offset_minutes &&
	       a->channels == b->channels && a->has_own_channels == b->has_own_channels &&
	       a->status == b->status;
}

static void settle(const struct merging *m, struct reminder *r)
{
	const struct reminder *before = before_of(m->before, r);

	settle_status(m, before, r);
	if (before != NULL && same_reminder(before, r) &&
	    (!reminder_is_live(r) || r->status == REMINDER_TRIGGERED ||
	     !says_other_words(m->before, m->after)))
		return;
	r->version = (before != NULL ? before->version : 0) + 1;
	if (reminder_is_live(r))
		begin_anew(r);
}

int task_merge_reminders(const struct merging *m)
{
	struct reminder *list = arena_calloc(m->arena, REMINDER_ROOM, sizeof(*list));
	size_t n = 0;

	if (list == NULL)
		return task_merge_out_of_memory(m);
	int e = list_reminders(m, list, &n);
	if (e < 0)
		return e;
	n = follow_due(m, list, n);
	for (size_t i = 0; i < n; i++) {
		list[i].task_id = m->after->id;
		settle(m, &list[i]);
	}
	reminders_sort(list, n);
	m->after->reminders = list;
	m->after->n_reminders = n;
	return 0;
}

static void add_change(struct reminder_change *list, size_t *n, bool is_scheduled,
		       const struct reminder *r)
{
	list[*n].is_scheduled = is_scheduled;
	list[(*n)++].reminder = *r;
}

size_t task_reminder_changes(const struct task *before, const struct task *after,
			     struct reminder_change ret[REMINDER_CHANGES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; before != NULL && i < before->n_reminders; i++) {
		struct reminder r = before->reminders[i];
		if (!reminder_is_live(&r) || before_of(after, &r) != NULL)
			continue;
		r.version++;
		r.status = REMINDER_CANCELLED;
		add_change(ret, &n, false, &r);
	}
	for (size_t i = 0; after != NULL && i < after->n_reminders; i++) {
		const struct reminder *r = &after->reminders[i], *was = before_of(before, r);
		if (reminder_is_live(r) && (was == NULL || was->version != r->version))
			add_change(ret, &n, true, r);
		else if (!reminder_is_live(r) && was != NULL && reminder_is_live(was))
			add_change(ret, &n, false, r);
	}
	return n;
}
