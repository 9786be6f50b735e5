/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands as JSON, in the shape of `todod parse`.
 */
#include "rules_private.h"

#include "base/buf.h"

static const char *const INTENTS[] = {
	[RULES_UNKNOWN] = "unknown",
	[RULES_ADD] = "add",
	[RULES_LIST] = "list",
	[RULES_SEARCH] = "search",
	[RULES_COMPLETE] = "complete",
	[RULES_REOPEN] = "reopen",
	[RULES_DELETE] = "delete",
	[RULES_UPDATE] = "update",
	[RULES_RESCHEDULE] = "reschedule",
	[RULES_SET_PRIORITY] = "set_priority",
	[RULES_ADD_TAG] = "add_tag",
	[RULES_REMOVE_TAG] = "remove_tag",
	[RULES_REMIND] = "remind",
	[RULES_CANCEL_REMINDER] = "cancel_reminder",
	[RULES_HISTORY] = "history",
	[RULES_HELP] = "help",
	[RULES_GREET] = "greet",
	[RULES_CONFIRM] = "confirm",
	[RULES_DENY] = "deny",
	[RULES_UNDO] = "undo",
};

const char *rules_intent_name(enum rules_intent intent)
{
	return INTENTS[intent];
}

static void key_cstr(struct json_out *o, struct str key, const char *v)
{
	if (v)
		json_key_str(o, key, str_from(v));
}

static void key_text(struct json_out *o, struct str key, struct str v)
{
	if (v.n)
		json_key_str(o, key, v);
}

static void key_value(struct json_out *o, struct str key, const struct due_value *v,
		      const struct tz *tz)
{
	struct buf b;

	buf_init(&b, 64);
	due_append_value(&b, v, tz);
	json_key_str(o, key, buf_str(&b));
	buf_done(&b);
}

static void key_tags(struct json_out *o, const struct rules_tags *tags)
{
	if (!tags->n)
		return;
	json_key(o, STR("tags"));
	json_begin_array(o);
	for (size_t i = 0; i < tags->n; i++)
		json_str(o, tags->v[i]);
	json_end_array(o);
}

static void write_priorities(struct json_out *o, unsigned set)
{
	if (!set)
		return;
	json_key(o, STR("priority"));
	json_begin_array(o);
	for (unsigned p = 0; p < _TASK_PRIORITY_MAX; p++)
		if (set & 1u << p)
			json_str(o, task_priority_name((enum task_priority)p));
	json_end_array(o);
}

/* The window of completed tasks is about when they were done. */
static void write_window(struct json_out *o, const struct rules_filter *f, bool history,
			 const struct tz *tz)
{
	bool done = f->status == RULES_COMPLETED;

	if (f->has_after)
		key_value(o,
			  history ? STR("after")
			  : done  ? STR("completed_after")
				  : STR("due_after"),
			  &f->after, tz);
	if (f->has_before)
		key_value(o,
			  history ? STR("before")
			  : done  ? STR("completed_before")
				  : STR("due_before"),
			  &f->before, tz);
}

static bool is_empty(const struct rules_filter *f)
{
	return f->status == RULES_STATUS_UNSET && !f->overdue && !f->priorities && !f->tags.n &&
	       !f->has_after && !f->has_before && !f->search.n && !f->part;
}

static void write_filter(struct json_out *o, const struct rules_filter *f, bool history,
			 const struct tz *tz)
{
	static const char *const STATUS[] = { NULL, "pending", "completed", "all" };

	if (is_empty(f))
		return;
	json_key(o, STR("filter"));
	json_begin_object(o);
	key_cstr(o, STR("status"), STATUS[f->status]);
	if (f->overdue)
		json_key_bool(o, STR("overdue"), true);
	write_priorities(o, f->priorities);
	key_tags(o, &f->tags);
	write_window(o, f, history, tz);
	key_text(o, STR("search"), f->search);
	key_cstr(o, STR("part_of_day"), f->part);
	json_end_object(o);
}

static void write_ref(struct json_out *o, const struct rules_ref *ref, const struct tz *tz)
{
	if (ref->kind == RULES_REF_NONE)
		return;
	json_key(o, STR("task_ref"));
	json_begin_object(o);
	if (ref->kind == RULES_REF_ID)
		json_key_i64(o, STR("id"), ref->number);
	else if (ref->kind == RULES_REF_ORDINAL)
		json_key_i64(o, STR("ordinal"), ref->number);
	else if (ref->kind == RULES_REF_TITLE)
		json_key_str(o, STR("title"), ref->title);
	else
		write_filter(o, &ref->filter, false, tz);
	json_end_object(o);
}

static void write_due(struct json_out *o, const struct rules_command *c, const struct tz *tz)
{
	if (c->clear_due)
		json_key_null(o, STR("due"));
	if (!c->has_due)
		return;
	json_key(o, STR("due"));
	json_begin_object(o);
	key_value(o, STR("value"), &c->due, tz);
	json_key_bool(o, STR("all_day"), c->due.all_day);
	json_end_object(o);
}

static void write_times(struct json_out *o, const struct rules_command *c, const struct tz *tz)
{
	write_due(o, c, tz);
	key_text(o, STR("shift"), c->shift);
	if (c->has_remind)
		key_value(o, STR("remind_at"), &c->remind_at, tz);
	if (c->has_offset)
		json_key_i64(o, STR("offset_minutes"), c->offset_minutes);
	if (c->rrule.n) {
		json_key_str(o, STR("rrule"), c->rrule);
		json_key_str(o, STR("recurrence_mode"),
			     c->from_completion ? STR("completion") : STR("due"));
	}
}

static void write_spans(struct json_out *o, const struct rules_command *c)
{
	json_key(o, STR("spans"));
	json_begin_array(o);
	for (size_t i = 0; i < c->n_spans; i++) {
		json_begin_object(o);
		key_cstr(o, STR("kind"), c->spans[i].kind);
		json_key_i64(o, STR("start"), (int64_t)c->spans[i].start);
		json_key_i64(o, STR("end"), (int64_t)c->spans[i].end);
		json_end_object(o);
	}
	json_end_array(o);
}

static void write_command(struct json_out *o, const struct rules_command *c, const struct tz *tz)
{
	key_cstr(o, STR("intent"), INTENTS[c->intent]);
	key_text(o, STR("title"), c->title);
	key_text(o, STR("description"), c->description);
	write_ref(o, &c->ref, tz);
	if (c->has_priority)
		json_key_str(o, STR("priority"), task_priority_name(c->priority));
	key_tags(o, &c->tags);
	write_times(o, c, tz);
	write_filter(o, &c->filter, c->intent == RULES_HISTORY, tz);
	if (c->ask)
		json_key_bool(o, STR("ask"), true);
	key_cstr(o, STR("problem"), c->problem);
	write_spans(o, c);
}

void rules_write_json(struct json_out *o, struct str text, const struct rules_command *c,
		      struct str reply, const struct tz *tz)
{
	json_begin_object(o);
	json_key_str(o, STR("text"), text);
	write_command(o, c, tz);
	if (c->next) {
		json_key(o, STR("more"));
		json_begin_array(o);
		for (c = c->next; c; c = c->next) {
			json_begin_object(o);
			write_command(o, c, tz);
			json_end_object(o);
		}
		json_end_array(o);
	}
	key_text(o, STR("reply"), reply);
	json_end_object(o);
}
