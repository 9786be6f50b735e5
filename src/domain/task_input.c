/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a write. The table of keys is the only place that knows them; older spellings
 * (is_completed, due_at, recurrence_pattern ...) are accepted here and nowhere else. When a key and
 * its older spelling are both sent, the key counts.
 */
#include "domain/task_input.h"

#include <errno.h>
#include <stdio.h>

struct tag_body {
	struct json_str name;
};

struct reminder_body {
	struct json_str id, remind_at;
	struct json_i64 offset_minutes;
	struct json_strs channels;
};

struct task_body {
	struct json_str title, description, priority, status;
	struct json_bool completed, is_completed;
	struct json_objs tags, reminders;
	struct json_str due_date, due_at, time_zone, remind_at;
	struct json_str recurrence, recurrence_type, recurrence_pattern, recurrence_rule;
	struct json_str recurrence_mode, recurrence_end_date, recurrence_end;
	struct json_i64 recurrence_interval;
};

#define BODY_FIELD(member, kind) JSON_FIELD(struct task_body, member, #member, kind)
#define REMINDER_FIELD(member, kind) JSON_FIELD(struct reminder_body, member, #member, kind)

static const struct json_field TAG_FIELDS[] = {
	JSON_FIELD(struct tag_body, name, "name", JSON_KIND_STR),
	JSON_FIELD_END,
};

static const struct json_field REMINDER_FIELDS[] = {
	REMINDER_FIELD(id, JSON_KIND_STR),
	REMINDER_FIELD(remind_at, JSON_KIND_STR),
	REMINDER_FIELD(offset_minutes, JSON_KIND_I64),
	REMINDER_FIELD(channels, JSON_KIND_STRS),
	JSON_FIELD_END,
};

static const struct json_field FIELDS[] = {
	BODY_FIELD(title, JSON_KIND_STR),
	BODY_FIELD(description, JSON_KIND_STR),
	BODY_FIELD(priority, JSON_KIND_STR),
	BODY_FIELD(status, JSON_KIND_STR),
	BODY_FIELD(completed, JSON_KIND_BOOL),
	BODY_FIELD(is_completed, JSON_KIND_BOOL),
	{ .name = "tags",
	  .kind = JSON_KIND_STRS_OR_OBJS,
	  .offset = offsetof(struct task_body, tags),
	  .nested = TAG_FIELDS,
	  .elem_size = sizeof(struct tag_body),
	  .max_items = TAGS_OF_TASK_MAX },
	{ .name = "reminders",
	  .kind = JSON_KIND_OBJS,
	  .offset = offsetof(struct task_body, reminders),
	  .nested = REMINDER_FIELDS,
	  .elem_size = sizeof(struct reminder_body),
	  .max_items = REMINDERS_OF_TASK_MAX },
	BODY_FIELD(due_date, JSON_KIND_STR),
	BODY_FIELD(due_at, JSON_KIND_STR),
	BODY_FIELD(time_zone, JSON_KIND_STR),
	BODY_FIELD(remind_at, JSON_KIND_STR),
	BODY_FIELD(recurrence, JSON_KIND_STR),
	BODY_FIELD(recurrence_type, JSON_KIND_STR),
	BODY_FIELD(recurrence_pattern, JSON_KIND_STR),
	BODY_FIELD(recurrence_rule, JSON_KIND_STR),
	BODY_FIELD(recurrence_mode, JSON_KIND_STR),
	BODY_FIELD(recurrence_end_date, JSON_KIND_STR),
	BODY_FIELD(recurrence_end, JSON_KIND_STR),
	BODY_FIELD(recurrence_interval, JSON_KIND_I64),
	JSON_FIELD_END,
};

static int out_of_memory(struct err *reterr)
{
	err_unavailable(reterr, 1, "out of memory");
	return -ENOMEM;
}

static struct input_text text_of(const struct json_str *s, const char *field)
{
	return (struct input_text){ s->state, s->v, field };
}

/* The first of them that was sent. */
static struct input_text first_of(struct input_text a, struct input_text b)
{
	return a.state != JSON_ABSENT ? a : b;
}

static int parse_title(struct input_text *title, struct err *reterr)
{
	if (title->state == JSON_ABSENT)
		return 0;
	if (title->state == JSON_NULL)
		return err_set(reterr, &ERR_INVALID, title->field,
			       "title must be a string, not null");
	title->v = utf8_trim(title->v);
	if (title->v.n == 0)
		return err_set(reterr, &ERR_INVALID, title->field, "title must not be blank");
	if (utf8_count(title->v) > TASK_TITLE_MAX)
		return err_set(reterr, &ERR_INVALID, title->field,
			       "title must have at most %d characters", TASK_TITLE_MAX);
	return 0;
}

static int check_description(const struct input_text *description, struct err *reterr)
{
	if (description->state == JSON_SET && utf8_count(description->v) > TASK_DESCRIPTION_MAX)
		return err_set(reterr, &ERR_INVALID, description->field,
			       "description must have at most %d characters", TASK_DESCRIPTION_MAX);
	return 0;
}

static int parse_priority(const struct json_str *in, struct task_input *ret, struct err *reterr)
{
	ret->priority_state = in->state;
	if (in->state == JSON_SET && task_priority_parse(in->v, &ret->priority) < 0)
		return err_set(reterr, &ERR_INVALID, "body.priority",
			       "priority must be low, medium, high or urgent");
	return 0;
}

static int parse_mode(const struct json_str *in, struct task_input *ret, struct err *reterr)
{
	ret->recurrence_mode_state = in->state;
	if (in->state != JSON_SET)
		return 0;
	for (int m = 0; m < _TASK_RECUR_MAX; m++) {
		ret->recurrence_mode = (enum task_recurrence_mode)m;
		if (str_eq(in->v, task_recurrence_mode_name(ret->recurrence_mode)))
			return 0;
	}
	return err_set(reterr, &ERR_INVALID, "body.recurrence_mode",
		       "recurrence_mode must be due or completion");
}

/* One of the spellings of "is it done", later ones for those that were not sent. */
static void add_completed(struct task_input *ret, bool value, const char *field)
{
	if (ret->completed.state == JSON_SET && ret->completed.v != value)
		ret->completed_dispute = field;
	if (ret->completed.state != JSON_SET)
		ret->completed = (struct json_bool){ JSON_SET, value };
}

/* That they differ is for the merge to judge, unless none of them is `completed`. */
static int parse_completed(const struct task_body *in, struct task_input *ret, struct err *reterr)
{
	if (in->completed.state == JSON_SET)
		add_completed(ret, in->completed.v, "body.completed");
	if (in->is_completed.state == JSON_SET)
		add_completed(ret, in->is_completed.v, "body.is_completed");
	if (in->status.state == JSON_SET) {
		bool is_done = str_eq(in->status.v, STR("completed"));
		if (!is_done && !str_eq(in->status.v, STR("pending")))
			return err_set(reterr, &ERR_INVALID, "body.status",
				       "status must be pending or completed");
		add_completed(ret, is_done, "body.status");
	}
	return ret->completed_dispute != NULL && in->completed.state != JSON_SET
		       ? task_input_dispute(ret, reterr)
		       : 0;
}

int task_input_dispute(const struct task_input *in, struct err *reterr)
{
	return err_set(reterr, &ERR_INVALID, in->completed_dispute, "contradicts completed");
}

static bool has_tag(const struct tag_name *tags, size_t n, struct str key)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(tags[i].key, key))
			return true;
	}
	return false;
}

/* A name that is sent twice counts once. */
static int parse_tags(struct arena *arena, const struct json_objs *in, struct task_input *ret,
		      struct err *reterr)
{
	const struct tag_body *sent = in->v;
	struct tag_name *tags = arena_alloc(arena, in->n * sizeof(*tags));
	char field[32];
	size_t n = 0;

	if (tags == NULL)
		return out_of_memory(reterr);
	for (size_t i = 0; i < in->n; i++) {
		snprintf(field, sizeof(field), "body.tags.%zu", i);
		if (sent[i].name.state != JSON_SET)
			return err_set(reterr, &ERR_INVALID, field, "a tag needs a name");
		int r = tag_name_parse(arena, sent[i].name.v, field, &tags[n], reterr);
		if (r < 0)
			return r;
		if (!has_tag(tags, n, tags[n].key))
			n++;
	}
	ret->tags_state = in->state;
	ret->tags = tags;
	ret->n_tags = n;
	return 0;
}

static int wrong_in_reminder(const char *where, const char *key, const char *what,
			     struct err *reterr)
{
	char field[sizeof(reterr->field)];

	snprintf(field, sizeof(field), "%s.%s", where, key);
	return err_set(reterr, &ERR_INVALID, field, "%s", what);
}

static int read_reminder(const struct reminder_body *in, const char *where,
			 struct reminder_input *ret, struct err *reterr)
{
	char field[sizeof(reterr->field)];

	*ret = (struct reminder_input){ .offset_minutes = REMINDER_NO_OFFSET, .where = where };
	if (in->id.state == JSON_SET)
		ret->id = in->id.v;
	if (in->remind_at.state == JSON_SET)
		ret->remind_at = in->remind_at.v;
	if (in->offset_minutes.state == JSON_SET)
		ret->offset_minutes = in->offset_minutes.v;
	if (in->offset_minutes.state == JSON_SET &&
	    (ret->offset_minutes < 0 || ret->offset_minutes > REMINDER_OFFSET_MAX_MINUTES))
		return wrong_in_reminder(where, "offset_minutes",
					 "must be the minutes before the due date, 0 to 527040",
					 reterr);
	snprintf(field, sizeof(field), "%s.channels", where);
	return in->channels.state == JSON_SET
		       ? channels_parse(&in->channels, field, &ret->channels, reterr)
		       : 0;
}

static bool has_time(const struct reminder_input *r)
{
	return r->remind_at.p != NULL || r->offset_minutes != REMINDER_NO_OFFSET;
}

static int parse_reminders(struct arena *arena, const struct json_objs *in, struct task_input *ret,
			   struct err *reterr)
{
	const struct reminder_body *sent = in->v;
	struct reminder_input *reminders = arena_alloc(arena, in->n * sizeof(*reminders));

	if (reminders == NULL)
		return out_of_memory(reterr);
	for (size_t i = 0; i < in->n; i++) {
		struct str where = arena_printf(arena, "body.reminders.%zu", i);
		if (where.p == NULL)
			return out_of_memory(reterr);
		int r = read_reminder(&sent[i], where.p, &reminders[i], reterr);
		if (r < 0)
			return r;
		if (!has_time(&reminders[i]))
			return err_set(reterr, &ERR_INVALID, where.p,
				       "a reminder needs remind_at or offset_minutes");
	}
	ret->reminders_state = in->state;
	ret->reminders = reminders;
	ret->n_reminders = in->n;
	return 0;
}

/* The older spelling of one reminder: a time beside the task's fields. */
static int parse_lone_reminder(struct arena *arena, const struct json_str *in,
			       struct task_input *ret, struct err *reterr)
{
	if (ret->reminders_state != JSON_ABSENT || in->state != JSON_SET)
		return 0;
	struct reminder_input *reminder = arena_alloc(arena, sizeof(*reminder));
	if (reminder == NULL)
		return out_of_memory(reterr);
	*reminder = (struct reminder_input){ .remind_at = in->v,
					     .offset_minutes = REMINDER_NO_OFFSET,
					     .where = "body" };
	ret->reminders_state = JSON_SET;
	ret->reminders = reminder;
	ret->n_reminders = 1;
	return 0;
}

/* The older keys of a rule: `recurrence_type` is a word, `recurrence_pattern` a word or a rule. */
static void take_recurrence(const struct task_body *in, struct task_input *ret)
{
	struct input_text pattern = text_of(&in->recurrence_pattern, "body.recurrence_pattern");
	struct input_text word = text_of(&in->recurrence, "body.recurrence");
	bool is_rule = pattern.state == JSON_SET && str_find_char(pattern.v, '=', 0) >= 0;
	const struct input_text none = { .state = JSON_ABSENT };

	ret->recurrence_rule = first_of(text_of(&in->recurrence_rule, "body.recurrence_rule"),
					is_rule ? pattern : none);
	word = first_of(word, text_of(&in->recurrence_type, "body.recurrence_type"));
	ret->recurrence_word = first_of(word, is_rule ? none : pattern);
	if (ret->recurrence_word.state == JSON_SET && str_eq(ret->recurrence_word.v, STR("none")))
		ret->recurrence_word.state = JSON_NULL;
	ret->recurrence_interval = in->recurrence_interval;
	ret->recurrence_end =
		first_of(text_of(&in->recurrence_end_date, "body.recurrence_end_date"),
			 text_of(&in->recurrence_end, "body.recurrence_end"));
}

static int read_body(struct arena *arena, const struct task_body *in, struct task_input *ret,
		     struct err *reterr)
{
	ret->title = text_of(&in->title, "body.title");
	ret->description = text_of(&in->description, "body.description");
	ret->time_zone = text_of(&in->time_zone, "body.time_zone");
	ret->due = first_of(text_of(&in->due_date, "body.due_date"),
			    text_of(&in->due_at, "body.due_at"));
	take_recurrence(in, ret);
	int r = parse_title(&ret->title, reterr);
	if (r == 0)
		r = check_description(&ret->description, reterr);
	if (r == 0)
		r = parse_priority(&in->priority, ret, reterr);
	if (r == 0)
		r = parse_completed(in, ret, reterr);
	if (r == 0)
		r = parse_mode(&in->recurrence_mode, ret, reterr);
	if (r == 0)
		r = parse_tags(arena, &in->tags, ret, reterr);
	if (r == 0)
		r = parse_reminders(arena, &in->reminders, ret, reterr);
	return r < 0 ? r : parse_lone_reminder(arena, &in->remind_at, ret, reterr);
}

int task_input_parse(struct arena *arena, struct str body, struct task_input *ret,
		     struct err *reterr)
{
	struct task_input result = { .priority = TASK_MEDIUM };
	struct task_body in = { 0 };

	int r = json_parse(arena, body, "body", FIELDS, &in, reterr);
	if (r == 0)
		r = read_body(arena, &in, &result, reterr);
	if (r == 0)
		*ret = result;
	return r;
}

int task_input_parse_complete(struct arena *arena, struct str body, struct task_input *ret,
			      struct err *reterr)
{
	struct task_input result = { .priority = TASK_MEDIUM };
	struct task_body in = { 0 };
	int r = 0;

	if (str_trim(body).n > 0)
		r = json_parse(arena, body, "body", FIELDS, &in, reterr);
	if (r == 0)
		r = parse_completed(&in, &result, reterr);
	if (r == 0 && result.completed_dispute != NULL)
		r = task_input_dispute(&result, reterr);
	if (r == 0)
		*ret = result;
	return r;
}

int reminder_input_parse(struct arena *arena, struct str body, bool needs_time,
			 struct reminder_input *ret, struct err *reterr)
{
	struct reminder_body in = { 0 };
	struct reminder_input result;

	int r = json_parse(arena, body, "body", REMINDER_FIELDS, &in, reterr);
	if (r == 0)
		r = read_reminder(&in, "body", &result, reterr);
	if (r < 0)
		return r;
	if (needs_time && !has_time(&result))
		return err_set(reterr, &ERR_INVALID, "body",
			       "a reminder needs remind_at or offset_minutes");
	result.id = (struct str){ NULL, 0 };
	*ret = result;
	return 0;
}

bool task_input_wants_preferences(const struct task_input *in)
{
	return in->due.state != JSON_ABSENT || in->time_zone.state != JSON_ABSENT ||
	       in->reminders_state == JSON_SET || in->recurrence_word.state == JSON_SET ||
	       in->recurrence_rule.state == JSON_SET || in->recurrence_end.state == JSON_SET;
}
