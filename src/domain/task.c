/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a task is shown. The table of fields is the only place that knows their names and order: the
 * JSON of the API, the changes that events tell, and whether a write changes anything come from it.
 */
#include "domain/task.h"

#include "base/buf.h"
#include "base/macro.h"
#include "domain/recurrence.h"

#include <errno.h>

const struct err_kind ERR_TASK_NOT_FOUND = { "task_not_found", 404, ENOENT, "Task not found" };
const struct err_kind ERR_TASK_QUOTA = { "task_quota", 422, EDQUOT, "Task quota reached" };

enum { FIELD_JSON_MAX = 32 * 1024 };

static const struct str PRIORITY_NAMES[_TASK_PRIORITY_MAX] = {
	[TASK_LOW] = STR_INIT("low"),
	[TASK_MEDIUM] = STR_INIT("medium"),
	[TASK_HIGH] = STR_INIT("high"),
	[TASK_URGENT] = STR_INIT("urgent"),
};

static const struct str MODE_NAMES[_TASK_RECUR_MAX] = {
	[TASK_RECUR_DUE] = STR_INIT("due"),
	[TASK_RECUR_COMPLETION] = STR_INIT("completion"),
};

struct str task_priority_name(enum task_priority p)
{
	return PRIORITY_NAMES[p];
}

struct str task_recurrence_mode_name(enum task_recurrence_mode m)
{
	return MODE_NAMES[m];
}

int task_priority_parse(struct str name, enum task_priority *ret)
{
	static const struct {
		struct str name;
		enum task_priority priority;
	} OLD_NAMES[] = { { STR_INIT("critical"), TASK_URGENT },
			  { STR_INIT("normal"), TASK_MEDIUM } };

	for (size_t i = 0; i < ARRAY_SIZE(PRIORITY_NAMES); i++) {
		if (str_eq(name, PRIORITY_NAMES[i])) {
			*ret = (enum task_priority)i;
			return 0;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(OLD_NAMES); i++) {
		if (str_eq(name, OLD_NAMES[i].name)) {
			*ret = OLD_NAMES[i].priority;
			return 0;
		}
	}
	return -EINVAL;
}

static struct str word_of_rule(struct str rule_text)
{
	static const struct str WORDS[] = { STR_INIT("daily"), STR_INIT("weekly"),
					    STR_INIT("monthly"), STR_INIT("yearly") };
	char text[RECURRENCE_FORMAT_SIZE];
	struct recurrence rule;

	for (size_t i = 0; i < ARRAY_SIZE(WORDS); i++) {
		if (recurrence_from_word(WORDS[i], 1, "", &rule, NULL) < 0)
			continue;
		if (str_eq((struct str){ text, recurrence_format(&rule, text) }, rule_text))
			return WORDS[i];
	}
	return (struct str){ NULL, 0 };
}

/* The large locals, which the compiler clears, are for tasks that have a rule. */
struct str task_recurrence_word(struct str rule_text)
{
	return rule_text.p != NULL ? word_of_rule(rule_text) : rule_text;
}

static void id_of(struct json_out *o, const struct task *t)
{
	json_i64(o, t->id);
}

static void user_id_of(struct json_out *o, const struct task *t)
{
	json_str(o, t->user_id);
}

static void str_or_null(struct json_out *o, struct str s)
{
	if (s.p != NULL)
		json_str(o, s);
	else
		json_null(o);
}

static void i64_or_null(struct json_out *o, int64_t v)
{
	if (v != 0)
		json_i64(o, v);
	else
		json_null(o);
}

static void title_of(struct json_out *o, const struct task *t)
{
	str_or_null(o, t->title);
}

static void description_of(struct json_out *o, const struct task *t)
{
	str_or_null(o, t->description);
}

static void completed_of(struct json_out *o, const struct task *t)
{
	json_bool(o, t->completed);
}

static void created_at_of(struct json_out *o, const struct task *t)
{
	json_time(o, t->created_at_us);
}

static void updated_at_of(struct json_out *o, const struct task *t)
{
	json_time(o, t->updated_at_us);
}

static void status_of(struct json_out *o, const struct task *t)
{
	json_str(o, t->completed ? STR("completed") : STR("pending"));
}

static void completed_at_of(struct json_out *o, const struct task *t)
{
	if (t->completed)
		json_time(o, t->completed_at_us);
	else
		json_null(o);
}

static void priority_of(struct json_out *o, const struct task *t)
{
	json_str(o, PRIORITY_NAMES[t->priority]);
}

static void tags_of(struct json_out *o, const struct task *t)
{
	json_begin_array(o);
	for (size_t i = 0; i < t->n_tags; i++)
		json_str(o, t->tags[i]);
	json_end_array(o);
}

static void due_date_of(struct json_out *o, const struct task *t)
{
	task_date_write_json(o, &t->due);
}

static void time_zone_of(struct json_out *o, const struct task *t)
{
	str_or_null(o, t->time_zone);
}

static void reminders_of(struct json_out *o, const struct task *t)
{
	json_begin_array(o);
	for (size_t i = 0; i < t->n_reminders; i++)
		reminder_write_json(o, &t->reminders[i]);
	json_end_array(o);
}

static void recurrence_of(struct json_out *o, const struct task *t)
{
	str_or_null(o, task_recurrence_word(t->recurrence_rule));
}

static void recurrence_rule_of(struct json_out *o, const struct task *t)
{
	str_or_null(o, t->recurrence_rule);
}

static void recurrence_mode_of(struct json_out *o, const struct task *t)
{
	if (t->recurrence_rule.p != NULL)
		json_str(o, MODE_NAMES[t->recurrence_mode]);
	else
		json_null(o);
}

static void recurrence_end_of(struct json_out *o, const struct task *t)
{
	task_date_write_json(o, &t->recurrence_end);
}

static void series_id_of(struct json_out *o, const struct task *t)
{
	char text[UUID_TEXT_SIZE];

	if (t->occurrence == 0) {
		json_null(o);
		return;
	}
	uuid_format(&t->series_id, text);
	json_str(o, str_from(text));
}

static void occurrence_of(struct json_out *o, const struct task *t)
{
	i64_or_null(o, t->occurrence);
}

static void parent_of(struct json_out *o, const struct task *t)
{
	i64_or_null(o, t->parent_task_id);
}

static void version_of(struct json_out *o, const struct task *t)
{
	json_i64(o, t->version);
}

/* The first seven are those of the API's first version, in its order. */
static const struct {
	struct str quoted; /* its name as a key */
	void (*write)(struct json_out *o, const struct task *t);
	bool is_content; /* a client can change it, directly or not: events tell */
} FIELDS[] = {
	{ JSON_QUOTED_KEY("id"), id_of, false },
	{ JSON_QUOTED_KEY("user_id"), user_id_of, false },
	{ JSON_QUOTED_KEY("title"), title_of, true },
	{ JSON_QUOTED_KEY("description"), description_of, true },
	{ JSON_QUOTED_KEY("completed"), completed_of, true },
	{ JSON_QUOTED_KEY("created_at"), created_at_of, false },
	{ JSON_QUOTED_KEY("updated_at"), updated_at_of, false },
	{ JSON_QUOTED_KEY("status"), status_of, false },
	{ JSON_QUOTED_KEY("completed_at"), completed_at_of, true },
	{ JSON_QUOTED_KEY("priority"), priority_of, true },
	{ JSON_QUOTED_KEY("tags"), tags_of, true },
	{ JSON_QUOTED_KEY("due_date"), due_date_of, true },
	{ JSON_QUOTED_KEY("time_zone"), time_zone_of, true },
	{ JSON_QUOTED_KEY("reminders"), reminders_of, true },
	{ JSON_QUOTED_KEY("recurrence"), recurrence_of, false },
	{ JSON_QUOTED_KEY("recurrence_rule"), recurrence_rule_of, true },
	{ JSON_QUOTED_KEY("recurrence_mode"), recurrence_mode_of, true },
	{ JSON_QUOTED_KEY("recurrence_end_date"), recurrence_end_of, true },
	{ JSON_QUOTED_KEY("series_id"), series_id_of, true },
	{ JSON_QUOTED_KEY("occurrence"), occurrence_of, true },
	{ JSON_QUOTED_KEY("parent_task_id"), parent_of, true },
	{ JSON_QUOTED_KEY("version"), version_of, false },
};

void task_write_fields(struct json_out *o, const struct task *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(FIELDS); i++) {
		json_quoted_key(o, FIELDS[i].quoted);
		FIELDS[i].write(o, t);
	}
}

void task_write_json(struct json_out *o, const struct task *t)
{
	json_begin_object(o);
	task_write_fields(o, t);
	json_end_object(o);
}

/* The field as JSON, in a buffer that is used again for each field. */
static struct str field_json(struct buf *b, size_t field, const struct task *t)
{
	struct json_out o;

	buf_clear(b);
	json_out_init(&o, b);
	if (t != NULL)
		FIELDS[field].write(&o, t);
	else
		json_null(&o);
	return buf_str(b);
}

/* Of a new task only what is there is news. */
static bool is_news(struct str before, struct str after, bool is_new)
{
	if (is_new)
		return !str_eq(after, STR("null")) && !str_eq(after, STR("[]"));
	return !str_eq(before, after);
}

int task_write_changes(struct json_out *o, const struct task *before, const struct task *after)
{
	struct buf was, is;
	int r = 0;

	buf_init(&was, FIELD_JSON_MAX);
	buf_init(&is, FIELD_JSON_MAX);
	json_begin_object(o);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(FIELDS); i++) {
		if (!FIELDS[i].is_content)
			continue;
		struct str a = field_json(&was, i, before), b = field_json(&is, i, after);
		if (buf_status(&was) < 0 || buf_status(&is) < 0)
			r = -ENOMEM;
		if (r < 0 || !is_news(a, b, before == NULL))
			continue;
		json_quoted_key(o, FIELDS[i].quoted);
		json_begin_object(o);
		json_key_raw(o, STR("before"), a);
		json_key_raw(o, STR("after"), b);
		json_end_object(o);
	}
	json_end_object(o);
	buf_done(&was);
	buf_done(&is);
	return r;
}

bool task_same_content(const struct task *a, const struct task *b)
{
	struct buf nothing;
	struct json_out o;

	buf_init(&nothing, FIELD_JSON_MAX * 4);
	json_out_init(&o, &nothing);
	bool is_same = task_write_changes(&o, a, b) == 0 && str_eq(buf_str(&nothing), STR("{}"));
	buf_done(&nothing);
	return is_same;
}
