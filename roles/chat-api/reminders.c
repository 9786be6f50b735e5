/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reminders by themselves. Each change is a change of the task they belong to: its list of
 * reminders is sent again with one more, one less or one other, so there is one place that decides
 * what a reminder may be and who hears of it.
 */
#include "chat_api_private.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/time.h"
#include "store/reminders.h"

#include <errno.h>
#include <stdio.h>

enum { LIST_DEFAULT = 1000, LIST_LIMIT_MAX = 200, CURSOR_MAX = 80 };

/* What the request does to the list. */
struct reminder_edit {
	enum { REMINDER_ADD, REMINDER_CHANGE, REMINDER_REMOVE } what;
	struct reminder_input input;
	struct uuid id; /* not of an added one */
};

static int not_found(struct request *rq)
{
	return err_set(&rq->err, &ERR_REMINDER_NOT_FOUND, NULL, "%s", ERR_REMINDER_NOT_FOUND.title);
}

static const struct reminder *find_reminder(const struct task *t, const struct uuid *id)
{
	for (size_t i = 0; i < t->n_reminders; i++) {
		if (memcmp(&t->reminders[i].id, id, sizeof(*id)) == 0)
			return &t->reminders[i];
	}
	return NULL;
}

/* One that stays as it is. */
static int keep(struct request *rq, const struct reminder *r, struct reminder_input *ret)
{
	char id[UUID_TEXT_SIZE];

	uuid_format(&r->id, id);
	*ret = (struct reminder_input){ .id = arena_dup(rq->arena, str_from(id)),
					.offset_minutes = REMINDER_NO_OFFSET,
					.where = "body" };
	return ret->id.p != NULL ? 0 : out_of_memory(rq);
}

static int adapt(struct request *rq, struct task_edit *edit, const struct task *before)
{
	const struct reminder_edit *e = edit->arg;
	struct reminder_input *list =
		arena_alloc(rq->arena, (before->n_reminders + 1) * sizeof(*list));
	size_t n = 0;

	if (list == NULL)
		return out_of_memory(rq);
	if (e->what != REMINDER_ADD && find_reminder(before, &e->id) == NULL)
		return not_found(rq);
	for (size_t i = 0; i < before->n_reminders; i++) {
		const struct reminder *r = &before->reminders[i];
		bool is_it = e->what != REMINDER_ADD && memcmp(&r->id, &e->id, sizeof(r->id)) == 0;

		if (is_it && e->what == REMINDER_REMOVE)
			continue;
		if (keep(rq, r, &list[n]) < 0)
			return -ENOMEM;
		if (is_it) {
			list[n].remind_at = e->input.remind_at;
			list[n].offset_minutes = e->input.offset_minutes;
			list[n].channels = e->input.channels;
		}
		n++;
	}
	if (e->what == REMINDER_ADD)
		list[n++] = e->input;
	edit->input.reminders_state = JSON_SET;
	edit->input.reminders = list;
	edit->input.n_reminders = n;
	return 0;
}

/* The one the request is about: by its id, or, if it was added, the one that was not there before;
 * where it stands at the time of another, that one. */
static const struct reminder *find_subject(const struct reminder_edit *e, const struct task *before,
					   const struct task *after)
{
	if (e->what != REMINDER_ADD)
		return find_reminder(after, &e->id);
	for (size_t i = 0; i < after->n_reminders; i++) {
		if (find_reminder(before, &after->reminders[i].id) == NULL)
			return &after->reminders[i];
	}
	return NULL;
}

static int answer(struct request *rq, const struct task_edit *edit, const struct task *before,
		  const struct task *after, struct draft *d)
{
	const struct reminder_edit *e = edit->arg;
	const struct reminder *subject = find_subject(e, before, after);
	struct str path = rq->http->head.path;
	char id[UUID_TEXT_SIZE];
	struct json_out o;

	d->answer.etag = version_etag(rq->arena, after->version);
	if (d->answer.etag.p == NULL)
		return out_of_memory(rq);
	d->answer.status = e->what == REMINDER_REMOVE ? 204 : e->what == REMINDER_ADD ? 201 : 200;
	if (subject == NULL)
		return 0;
	d->body = request_buf(rq, TASK_JSON_MAX);
	if (d->body == NULL)
		return -ENOMEM;
	json_out_init(&o, d->body);
	reminder_write_json(&o, subject);
	if (buf_status(d->body) < 0)
		return out_of_memory(rq);
	if (e->what != REMINDER_ADD)
		return 0;
	uuid_format(&subject->id, id);
	d->answer.location = arena_printf(rq->arena, "%.*s/%s", STR_ARGS(path), id);
	return d->answer.location.p != NULL ? 0 : out_of_memory(rq);
}

static FIBER void run(struct request *rq, struct reminder_edit *e)
{
	struct task_edit *edit = arena_calloc(rq->arena, 1, sizeof(*edit));

	if (edit == NULL) {
		out_of_memory(rq);
		reply_problem(rq);
		return;
	}
	edit->adapt = adapt;
	edit->answer = answer;
	edit->arg = e;
	task_edit_run(rq, edit);
}

FIBER void reminder_create(struct request *rq)
{
	struct reminder_edit e = { .what = REMINDER_ADD };

	if (reminder_input_parse(rq->arena, request_body(rq), true, &e.input, &rq->err) < 0)
		reply_problem(rq);
	else
		run(rq, &e);
}

static int read_path_reminder(struct request *rq, struct uuid *ret)
{
	return uuid_parse(rq->params[PARAM_REMINDER_ID], ret) < 0 ? not_found(rq) : 0;
}

FIBER void reminder_change(struct request *rq)
{
	struct reminder_edit e = { .what = REMINDER_CHANGE };

	if (read_path_reminder(rq, &e.id) < 0 ||
	    reminder_input_parse(rq->arena, request_body(rq), false, &e.input, &rq->err) < 0)
		reply_problem(rq);
	else
		run(rq, &e);
}

FIBER void reminder_delete(struct request *rq)
{
	struct reminder_edit e = { .what = REMINDER_REMOVE };

	if (read_path_reminder(rq, &e.id) < 0)
		reply_problem(rq);
	else
		run(rq, &e);
}

static int reply_list(struct request *rq, const struct reminder *reminders, size_t n)
{
	struct buf *body = request_buf(rq, LIST_JSON_MAX);
	struct json_out o;

	if (body == NULL)
		return -ENOMEM;
	json_out_init(&o, body);
	json_begin_array(&o);
	for (size_t i = 0; i < n; i++)
		reminder_write_json(&o, &reminders[i]);
	json_end_array(&o);
	reply_json(rq, 200, body);
	return 0;
}

FIBER void reminder_list_of_task(struct request *rq)
{
	struct task t;

	if (read_path_task(rq, &t) < 0 || reply_list(rq, t.reminders, t.n_reminders) < 0)
		reply_problem(rq);
}

static int parse_statuses(struct request *rq, unsigned *ret)
{
	enum reminder_status status;
	struct str *names;
	size_t n;

	int r = request_query_all(rq, "status", 2 * _REMINDER_STATUS_MAX, &names, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (str_eq(names[i], STR("all")))
			continue;
		if (reminder_status_parse(names[i], &status) < 0)
			return request_query_error(rq, "status",
						   "must be pending, triggered, retrying, sent, "
						   "failed, cancelled or all");
		*ret |= 1U << status;
	}
	return 0;
}

/* The place of the last reminder of a page: its time and id. */
static struct str cursor_encode(struct request *rq, const struct reminder *last)
{
	char id[UUID_TEXT_SIZE];
	struct buf *out = request_buf(rq, 4 * CURSOR_MAX);

	uuid_format(&last->id, id);
	struct str text = arena_printf(rq->arena, "%lld.%s", (long long)last->remind_at_us, id);
	if (out == NULL || text.p == NULL)
		return (struct str){ NULL, 0 };
	base64url_encode(text, out);
	return buf_status(out) < 0 ? (struct str){ NULL, 0 } : buf_str(out);
}

static int cursor_decode(struct request *rq, struct str cursor, struct reminder_list_query *q)
{
	char text[CURSOR_MAX];
	struct str rest, time;
	size_t n;

	if (base64url_decode(cursor, text, sizeof(text), &n) == 0) {
		rest = (struct str){ text, n };
		q->after = str_split(&rest, '.', &time) && str_parse_i64(time, &q->after_us) == 0 &&
			   q->after_us >= TIME_MIN_US && q->after_us <= TIME_MAX_US &&
			   uuid_parse(rest, &q->after_id) == 0;
	}
	return q->after ? 0 : request_query_error(rq, "cursor", "is damaged: start without one");
}

static int parse_list(struct request *rq, struct reminder_list_query *q)
{
	int64_t limit = LIST_DEFAULT;
	struct str cursor;

	q->user_id = rq->user;
	int r = parse_statuses(rq, &q->statuses);
	if (r == 0)
		r = request_query_i64(rq, "limit", 1, LIST_LIMIT_MAX, &limit);
	if (r == 0)
		r = request_query(rq, "cursor", &cursor);
	if (r < 0)
		return r;
	q->limit = (unsigned)limit;
	return cursor.p != NULL ? cursor_decode(rq, cursor, q) : 0;
}

static FIBER int list(struct request *rq)
{
	struct reminder_list_query query = { .limit = LIST_DEFAULT };
	struct reminder_list found;

	int r = parse_list(rq, &query);
	if (r == 0)
		r = reminder_store_list_wait(request_db(rq), rq->arena, &query, &found, &rq->err);
	if (r == 0 && found.has_more)
		r = add_next_link(rq, cursor_encode(rq, &found.reminders[found.n - 1]));
	return r < 0 ? r : reply_list(rq, found.reminders, found.n);
}

FIBER void reminder_list(struct request *rq)
{
	if (list(rq) < 0)
		reply_problem(rq);
}
