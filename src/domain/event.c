/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CloudEvents 1.0 (JSON format, structured mode). The order of keys is fixed: an event is stored
 * and published as the bytes written here. Ids are strings, so that no reader loses digits.
 */
#include "domain/event.h"

#include "base/hash.h"
#include "base/macro.h"

#include <stdio.h>

enum { EVENT_PARTITIONS = 16 };

static const struct str TOPICS[_EVENT_TOPIC_MAX] = {
	[EVENT_TASK_EVENTS] = STR_INIT("task-events"),
	[EVENT_REMINDERS] = STR_INIT("reminders"),
	[EVENT_TASK_UPDATES] = STR_INIT("task-updates"),
};

struct str event_topic_name(enum event_topic t)
{
	return TOPICS[t];
}

int event_partition(struct str user_id)
{
	return (int)(hash_stable64(user_id) % EVENT_PARTITIONS);
}

/* What the strings of an event are views of. */
struct event_texts {
	char id[UUID_TEXT_SIZE], task_id[24];
};

static struct str task_id_text(const struct event *e, const struct event_texts *texts)
{
	return e->task_id == 0 ? (struct str){ NULL, 0 } : str_from(texts->task_id);
}

static void write_data(struct json_out *o, const struct event_origin *origin, const struct event *e,
		       const struct event_texts *texts, event_payload_fn *payload, const void *arg)
{
	json_begin_object(o);
	json_key_str(o, STR("event_id"), str_from(texts->id));
	json_key_str(o, STR("event_type"), e->type);
	json_key_str(o, STR("user_id"), origin->user_id);
	json_key_str_or_null(o, STR("task_id"), task_id_text(e, texts));
	json_key_time(o, STR("timestamp"), e->at_us);
	json_key_i64(o, STR("sequence"), e->sequence);
	json_key_str(o, STR("correlation_id"), origin->correlation_id);
	json_key_str_or_null(o, STR("causation_id"), origin->causation_id);
	json_key(o, STR("metadata"));
	json_begin_object(o);
	json_key_str(o, STR("source"), origin->source);
	json_key_str(o, STR("version"), STR("v1"));
	json_end_object(o);
	json_key(o, STR("payload"));
	payload(o, arg);
	json_end_object(o);
}

/* W3C trace-context; the span is the random tail of the event's id, so that each event is a span of
 * its own. */
static void write_trace(struct json_out *o, const struct event_origin *origin,
			const struct event *e)
{
	char traceparent[] = "00-tttttttttttttttttttttttttttttttt-ssssssssssssssss-01";
	char id[UUID_HEX_SIZE];

	if (origin->trace_id.n != 32)
		return;
	uuid_format_hex(&e->id, id);
	memcpy(traceparent + 3, origin->trace_id.p, 32);
	memcpy(traceparent + 36, id + 16, 16);
	const struct str value = { traceparent, sizeof(traceparent) - 1 };
	json_key_str(o, STR("traceparent"), value);
	json_key_str(o, STR("traceid"), value);
}

void event_write(struct buf *out, const struct event_origin *origin, const struct event *e,
		 event_payload_fn *payload, const void *arg)
{
	struct event_texts texts;
	struct json_out o;

	uuid_format(&e->id, texts.id);
	snprintf(texts.task_id, sizeof(texts.task_id), "%lld", (long long)e->task_id);

	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("specversion"), STR("1.0"));
	json_key_str(&o, STR("id"), str_from(texts.id));
	json_key_str(&o, STR("source"), origin->source);
	json_key_str(&o, STR("type"), e->type);
	json_key_str(&o, STR("subject"),
		     e->task_id == 0 ? origin->user_id : task_id_text(e, &texts));
	json_key_time(&o, STR("time"), e->at_us);
	json_key_str(&o, STR("datacontenttype"), STR("application/json"));
	json_key_str(&o, STR("partitionkey"), origin->user_id);
	write_trace(&o, origin, e);
	json_key(&o, STR("data"));
	write_data(&o, origin, e, &texts, payload, arg);
	json_end_object(&o);
}
