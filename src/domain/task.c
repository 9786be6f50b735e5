/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of a task: what clients may send, in which bounds, and how the API shows it. The table
 * below is the only place that knows the names of a create's body; old spellings (is_completed,
 * critical, normal) are accepted here and nowhere else.
 */
#include "domain/task.h"

#include "base/time.h"

#include <errno.h>

const struct err_kind ERR_TASK_NOT_FOUND = { "task_not_found", 404, ENOENT, "Task not found" };
const struct err_kind ERR_TASK_QUOTA = { "task_quota", 422, EDQUOT, "Task quota reached" };

static const struct str PRIORITY_NAMES[_TASK_PRIORITY_MAX] = {
	[TASK_LOW] = STR_INIT("low"),
	[TASK_MEDIUM] = STR_INIT("medium"),
	[TASK_HIGH] = STR_INIT("high"),
	[TASK_URGENT] = STR_INIT("urgent"),
};

struct str task_priority_name(enum task_priority p)
{
	return PRIORITY_NAMES[p];
}

struct create_input {
	struct json_str title, description, priority, status;
	struct json_bool completed, is_completed;
};

#define CREATE_FIELD(member, kind) JSON_FIELD(struct create_input, member, #member, kind)

static const struct json_field CREATE_FIELDS[] = {
	CREATE_FIELD(title, JSON_KIND_STR),
	CREATE_FIELD(description, JSON_KIND_STR),
	CREATE_FIELD(priority, JSON_KIND_STR),
	CREATE_FIELD(status, JSON_KIND_STR),
	CREATE_FIELD(completed, JSON_KIND_BOOL),
	CREATE_FIELD(is_completed, JSON_KIND_BOOL),
	JSON_FIELD_END,
};

static int parse_title(const struct json_str *in, struct str *ret_title, struct err *reterr)
{
	if (in->state == JSON_ABSENT)
		return err_set(reterr, &ERR_INVALID, "body.title", "title is required");
	if (in->state == JSON_NULL)
		return err_set(reterr, &ERR_INVALID, "body.title",
			       "title must be a string, not null");
	struct str title = utf8_trim(in->v);
	if (title.n == 0)
		return err_set(reterr, &ERR_INVALID, "body.title", "title must not be blank");
	if (utf8_count(title) > TASK_TITLE_MAX)
		return err_set(reterr, &ERR_INVALID, "body.title",
			       "title must have at most %d characters", TASK_TITLE_MAX);
	*ret_title = title;
	return 0;
}

static int parse_description(const struct json_str *in, struct str *ret_description,
			     struct err *reterr)
{
	if (in->state != JSON_SET) {
		*ret_description = (struct str){ NULL, 0 };
		return 0;
	}
	if (utf8_count(in->v) > TASK_DESCRIPTION_MAX)
		return err_set(reterr, &ERR_INVALID, "body.description",
			       "description must have at most %d characters", TASK_DESCRIPTION_MAX);
	*ret_description = in->v;
	return 0;
}

static int parse_priority(const struct json_str *in, enum task_priority *ret_priority,
			  struct err *reterr)
{
	static const struct {
		struct str name;
		enum task_priority priority;
	} OLD_NAMES[] = { { STR_INIT("critical"), TASK_URGENT },
			  { STR_INIT("normal"), TASK_MEDIUM } };

	if (in->state != JSON_SET) {
		*ret_priority = TASK_MEDIUM;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(PRIORITY_NAMES); i++) {
		if (str_eq(in->v, PRIORITY_NAMES[i])) {
			*ret_priority = (enum task_priority)i;
			return 0;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(OLD_NAMES); i++) {
		if (str_eq(in->v, OLD_NAMES[i].name)) {
			*ret_priority = OLD_NAMES[i].priority;
			return 0;
		}
	}
	return err_set(reterr, &ERR_INVALID, "body.priority",
		       "priority must be low, medium, high or urgent");
}

/* The three spellings of "is it done"; when several are sent they must agree. */
static int parse_completed(const struct json_bool *completed, const struct json_bool *is_completed,
			   const struct json_str *status, bool *ret_set, bool *ret_completed,
			   struct err *reterr)
{
	bool set = completed->state == JSON_SET, value = set && completed->v;

	if (is_completed->state == JSON_SET) {
		if (set && is_completed->v != value)
			return err_set(reterr, &ERR_INVALID, "body.is_completed",
				       "is_completed contradicts completed");
		set = true;
		value = is_completed->v;
	}
	if (status->state == JSON_SET) {
		bool is_done = str_eq(status->v, STR("completed"));
		if (!is_done && !str_eq(status->v, STR("pending")))
			return err_set(reterr, &ERR_INVALID, "body.status",
				       "status must be pending or completed");
		if (set && is_done != value)
			return err_set(reterr, &ERR_INVALID, "body.status",
				       "status contradicts completed");
		set = true;
		value = is_done;
	}
	*ret_set = set;
	*ret_completed = value;
	return 0;
}

int task_parse_create(struct arena *arena, struct str body, struct task *ret, struct err *reterr)
{
	struct create_input in = { 0 };
	struct task t = { 0 };
	bool is_set;

	int r = json_parse(arena, body, "body", CREATE_FIELDS, &in, reterr);
	if (r < 0)
		return r;
	r = parse_title(&in.title, &t.title, reterr);
	if (r < 0)
		return r;
	r = parse_description(&in.description, &t.description, reterr);
	if (r < 0)
		return r;
	r = parse_priority(&in.priority, &t.priority, reterr);
	if (r < 0)
		return r;
	r = parse_completed(&in.completed, &in.is_completed, &in.status, &is_set, &t.completed,
			    reterr);
	if (r < 0)
		return r;
	*ret = t;
	return 0;
}

int task_parse_complete(struct arena *arena, struct str body, bool *ret_set, bool *ret_completed,
			struct err *reterr)
{
	struct create_input in = { 0 };

	if (str_trim(body).n == 0) {
		*ret_set = false;
		return 0;
	}
	int r = json_parse(arena, body, "body", CREATE_FIELDS, &in, reterr);
	if (r < 0)
		return r;
	return parse_completed(&in.completed, &in.is_completed, &in.status, ret_set, ret_completed,
			       reterr);
}

void task_write_json(struct json_out *o, const struct task *t)
{
	json_begin_object(o);
	json_key_i64(o, STR("id"), t->id);
	json_key_str(o, STR("user_id"), t->user_id);
	json_key_str(o, STR("title"), t->title);
	json_key_str_or_null(o, STR("description"), t->description);
	json_key_bool(o, STR("completed"), t->completed);
	json_key_time(o, STR("created_at"), t->created_at_us);
	json_key_time(o, STR("updated_at"), t->updated_at_us);
	json_key_str(o, STR("status"), t->completed ? STR("completed") : STR("pending"));
	if (t->completed)
		json_key_time(o, STR("completed_at"), t->completed_at_us);
	else
		json_key_null(o, STR("completed_at"));
	json_key_str(o, STR("priority"), PRIORITY_NAMES[t->priority]);
	json_key_i64(o, STR("version"), t->version);
	json_end_object(o);
}
