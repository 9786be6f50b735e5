/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of tasks: CloudEvents 1.0 (JSON format, structured mode) whose data is complete, so that a
 * reader needs no other source. The order of keys is fixed: an event is stored and published as the
 * bytes written here.
 */
#include "domain/task_event.h"

#include "base/hash.h"
#include "base/time.h"

#include <stdio.h>

enum { EVENT_PARTITIONS = 16 };

static const struct str TYPES[_TASK_EVENT_KIND_MAX] = {
	[TASK_EVENT_CREATED] = STR_INIT("task.created"),
	[TASK_EVENT_UPDATED] = STR_INIT("task.updated"),
	[TASK_EVENT_COMPLETED] = STR_INIT("task.completed"),
	[TASK_EVENT_REOPENED] = STR_INIT("task.reopened"),
	[TASK_EVENT_DELETED] = STR_INIT("task.deleted"),
};

struct str task_event_type(enum task_event_kind k)
{
	return TYPES[k];
}

int task_event_partition(struct str user_id)
{
	return (int)(hash_stable64(user_id) % EVENT_PARTITIONS);
}

static void write_before_after(struct json_out *o, struct str field, struct str before,
			       struct str after)
{
	json_key(o, field);
	json_begin_object(o);
	json_key_str_or_null(o, STR("before"), before);
	json_key_str_or_null(o, STR("after"), after);
	json_end_object(o);
}

static bool same(struct str a, struct str b)
{
	return (a.p == NULL) == (b.p == NULL) && str_eq(a, b);
}

static struct str format_time(int64_t us, char out[TIME_RFC3339_SIZE])
{
	return (struct str){ out, time_format_rfc3339(us, out) };
}

/* Every field a client can change that differs; created has no before, so all that is set. */
static void write_changes(struct json_out *o, const struct task *before, const struct task *after)
{
	static const struct task NOTHING;
	char before_time[TIME_RFC3339_SIZE], after_time[TIME_RFC3339_SIZE];
	const struct task *b = before != NULL ? before : &NOTHING;
	const struct str none = { NULL, 0 };

	json_begin_object(o);
	if (!same(b->title, after->title))
		write_before_after(o, STR("title"), b->title, after->title);
	if (!same(b->description, after->description))
		write_before_after(o, STR("description"), b->description, after->description);
	if (before == NULL || b->priority != after->priority)
		write_before_after(o, STR("priority"),
				   before != NULL ? task_priority_name(b->priority) : none,
				   task_priority_name(after->priority));
	if (before == NULL || b->completed != after->completed) {
		json_key(o, STR("completed"));
		json_begin_object(o);
		json_key(o, STR("before"));
		if (before != NULL)
			json_bool(o, b->completed);
		else
			json_null(o);
		json_key_bool(o, STR("after"), after->completed);
		json_end_object(o);
	}
	if (b->completed_at_us != after->completed_at_us)
		write_before_after(
			o, STR("completed_at"),
			b->completed ? format_time(b->completed_at_us, before_time) : none,
			after->completed ? format_time(after->completed_at_us, after_time) : none);
	json_end_object(o);
}

static void write_payload(struct json_out *o, const struct task_event *e, struct str task_id)
{
	json_begin_object(o);
	json_key_str(o, STR("task_id"), task_id);
	json_key(o, STR("task"));
	task_write_json(o, e->after);
	json_key(o, STR("changes"));
	if (e->kind == TASK_EVENT_DELETED) {
		json_begin_object(o);
		json_end_object(o);
	} else {
		write_changes(o, e->before, e->after);
	}
	json_end_object(o);
}

static void write_data(struct json_out *o, const struct task_event *e, struct str event_id,
		       struct str task_id)
{
	json_begin_object(o);
	json_key_str(o, STR("event_id"), event_id);
	json_key_str(o, STR("event_type"), TYPES[e->kind]);
	json_key_str(o, STR("user_id"), e->after->user_id);
	json_key_str(o, STR("task_id"), task_id);
	json_key_time(o, STR("timestamp"), e->at_us);
	json_key_i64(o, STR("sequence"), e->after->version);
	json_key_str(o, STR("correlation_id"), e->correlation_id);
	json_key_str_or_null(o, STR("causation_id"), e->causation_id);
	json_key(o, STR("metadata"));
	json_begin_object(o);
	json_key_str(o, STR("source"), e->source);
	json_key_str(o, STR("version"), STR("v1"));
	json_end_object(o);
	json_key(o, STR("payload"));
	write_payload(o, e, task_id);
	json_end_object(o);
}

/* W3C trace-context; the span is the random tail of the event's id, so that each event is a span of
 * its own. */
static void write_trace(struct json_out *o, const struct task_event *e)
{
	char traceparent[] = "00-tttttttttttttttttttttttttttttttt-ssssssssssssssss-01";
	char id[UUID_HEX_SIZE];

	if (e->trace_id.n != 32)
		return;
	uuid_format_hex(&e->id, id);
	memcpy(traceparent + 3, e->trace_id.p, 32);
	memcpy(traceparent + 36, id + 16, 16);
	const struct str value = { traceparent, sizeof(traceparent) - 1 };
	json_key_str(o, STR("traceparent"), value);
	json_key_str(o, STR("traceid"), value);
}

void task_event_write(struct buf *out, const struct task_event *e)
{
	char event_id_text[UUID_TEXT_SIZE], task_id_text[24];
	struct json_out o;

	uuid_format(&e->id, event_id_text);
	int n = snprintf(task_id_text, sizeof(task_id_text), "%lld", (long long)e->after->id);
	struct str event_id = str_from(event_id_text), task_id = { task_id_text, (size_t)n };

	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("specversion"), STR("1.0"));
	json_key_str(&o, STR("id"), event_id);
	json_key_str(&o, STR("source"), e->source);
	json_key_str(&o, STR("type"), TYPES[e->kind]);
	json_key_str(&o, STR("subject"), task_id);
	json_key_time(&o, STR("time"), e->at_us);
	json_key_str(&o, STR("datacontenttype"), STR("application/json"));
	json_key_str(&o, STR("partitionkey"), e->after->user_id);
	write_trace(&o, e);
	json_key(&o, STR("data"));
	write_data(&o, e, event_id, task_id);
	json_end_object(&o);
}
