/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing, one by one and in bulk. An answer of success means that the record is on disk.
 */
#include "api_private.h"

#include "base/json.h"
#include "base/log.h"
#include "dapr/cloudevent.h"
#include "slice_private.h"
#include "topic_private.h"
#include "wrap_private.h"

#include <errno.h>

enum {
	ENTRIES_MAX = 1000,
	/* An envelope adds this at most, and bytes of no text grow by a third. */
	ENVELOPE_BYTES = 64 * 1024,
	OUT_MAX_BYTES = HOST_BODY_MAX / 3 * 4 + ENVELOPE_BYTES,
	FAILURES_MAX_BYTES = 1024 * 1024,
};

/* Whether the caller may publish there; false: answered. */
static bool may_publish(struct call *c)
{
	const struct settings *s = c->host->settings;
	struct str pubsub = c->segments[0], name = c->segments[1];
	size_t app = (size_t)(c->caller->settings - s->apps);

	if ((!str_eq(pubsub, s->pubsub) && !str_eq(pubsub, s->replica_pubsub)) ||
	    !settings_allow(s, app, STR("components"), pubsub)) {
		call_error(c, 404, "ERR_PUBSUB_NOT_FOUND", "pubsub %.*s is not found",
			   STR_ARGS(pubsub));
		return false;
	}
	if (!settings_allow(s, app, STR("publish"), name)) {
		call_error(c, 403, "ERR_PUBSUB_FORBIDDEN",
			   "topic %.*s is not allowed for app id %.*s", STR_ARGS(name),
			   STR_ARGS(c->caller->id));
		return false;
	}
	return true;
}

/* A line for each, under the ids of the request that the event is from. */
static void tell_published(struct call *c, const struct topic *topic, const struct record *records,
			   size_t n)
{
	for (size_t i = 0; i < n && log_enabled(LOG_DEBUG); i++) {
		struct cloudevent_ids ids;

		cloudevent_ids_read(c->arena, records[i].body, &ids);
		const struct log_context *before = log_context_swap(&ids.request);
		log_debug("sidecar.published", LOG_CSTR("topic", topic->name),
			  LOG_STR("event_id", ids.id), LOG_STR("key", records[i].key));
		log_context_swap(before);
	}
}

/* Answered when they are there; a failure is the caller's to tell. */
static FIBER int write_records(struct call *c, struct topic *topic, const struct record *records,
			       size_t n)
{
	int r = topic_publish_wait(topic, records, n, &c->err);

	if (r < 0)
		return r;
	tell_published(c, topic, records, n);
	call_empty(c, 204);
	return 0;
}

static bool is_true(struct str s)
{
	return str_eq_nocase(s, STR("true")) || str_eq(s, STR("1"));
}

static void fill_wrap(struct call *c, struct wrap *w)
{
	*w = (struct wrap){
		.topic = c->segments[1],
		.pubsub = c->segments[0],
		.source = c->caller->id,
		.content_type = call_header(c, "Content-Type"),
		.traceparent = call_header(c, "traceparent"),
		.tracestate = call_header(c, "tracestate"),
		.id = call_query(c, "metadata.cloudevent.id"),
		.type = call_query(c, "metadata.cloudevent.type"),
		.event_source = call_query(c, "metadata.cloudevent.source"),
		.subject = call_query(c, "metadata.cloudevent.subject"),
	};
}

static void refuse_event(struct call *c, int r)
{
	if (r == -EINVAL)
		call_failure(c, 400, "ERR_PUBSUB_CLOUD_EVENTS_SER");
	else
		call_failure(c, 500, "ERR_PUBSUB_PUBLISH_MESSAGE");
}

FIBER void publish_one(struct call *c)
{
	struct topic *topic;
	struct record record;
	struct wrap w;

	if (!may_publish(c))
		return;
	if (topic_get(c->host, c->segments[1], &topic, &c->err) < 0) {
		call_failure(c, 500, "ERR_PUBSUB_PUBLISH_MESSAGE");
		return;
	}
	record.key = call_query(c, "metadata.partitionKey");
	if (record.key.p == NULL)
		record.key = call_query(c, "metadata.__key");
	record.body = c->http->body;
	if (!is_true(call_query(c, "metadata.rawPayload"))) {
		struct buf *out = call_buf(c, OUT_MAX_BYTES);
		fill_wrap(c, &w);
		int r = out != NULL ? wrap_body(c->arena, &w, c->http->body, out, &c->err)
				    : -ENOMEM;
		if (r == 0 && buf_status(out) < 0)
			r = err_unavailable(&c->err, 1, "the event is too long");
		if (r < 0) {
			refuse_event(c, r);
			return;
		}
		record.body = buf_str(out);
	}
	if (write_records(c, topic, &record, 1) < 0)
		call_failure(c, 500, "ERR_PUBSUB_PUBLISH_MESSAGE");
}

/* ---- bulk ---- */

struct entry_metadata {
	enum json_state state;
	struct json_str partition_key, key, raw;
	struct json_str id, type, source, subject;
};

struct entry {
	enum json_state state;
	struct json_str id, content_type, event;
	struct entry_metadata metadata;
};

struct entries {
	struct json_objs list;
};

static const struct json_field METADATA_FIELDS[] = {
	JSON_FIELD(struct entry_metadata, partition_key, "partitionKey", JSON_KIND_STR),
	JSON_FIELD(struct entry_metadata, key, "__key", JSON_KIND_STR),
	JSON_FIELD(struct entry_metadata, raw, "rawPayload", JSON_KIND_STR),
	JSON_FIELD(struct entry_metadata, id, "cloudevent.id", JSON_KIND_STR),
	JSON_FIELD(struct entry_metadata, type, "cloudevent.type", JSON_KIND_STR),
	JSON_FIELD(struct entry_metadata, source, "cloudevent.source", JSON_KIND_STR),
	JSON_FIELD(struct entry_metadata, subject, "cloudevent.subject", JSON_KIND_STR),
	JSON_FIELD_END,
};
static const struct json_field ENTRY_FIELDS[] = {
	JSON_FIELD(struct entry, id, "entryId", JSON_KIND_STR),
	JSON_FIELD(struct entry, content_type, "contentType", JSON_KIND_STR),
	JSON_FIELD(struct entry, event, "event", JSON_KIND_RAW),
	{ .name = "metadata",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct entry, metadata),
	  .nested = METADATA_FIELDS },
	JSON_FIELD_END,
};
static const struct json_field ENTRIES_FIELDS[] = {
	{ .name = "v",
	  .kind = JSON_KIND_OBJS,
	  .offset = offsetof(struct entries, list),
	  .nested = ENTRY_FIELDS,
	  .elem_size = sizeof(struct entry),
	  .max_items = ENTRIES_MAX },
	JSON_FIELD_END,
};

static bool has_bad_ids(const struct entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (entries[i].id.v.n == 0)
			return true;
		for (size_t k = 0; k < i; k++) {
			if (str_eq(entries[i].id.v, entries[k].id.v))
				return true;
		}
	}
	return false;
}

/* What an entry's event stands for: JSON as it is; a string is text, or base64 of bytes. */
static int event_bytes(struct call *c, const struct entry *e, struct str *ret)
{
	struct str json = e->event.v, text, type = e->content_type.v;

	*ret = json;
	if (json.n == 0 || json.p[0] != '"' || str_ends(type, STR("json")))
		return json.n > 0 ? 0 : -EINVAL;
	int r = slice_text(c->arena, json, &text);
	if (r == 0 && str_eq_nocase(type, STR("application/octet-stream")))
		return wrap_base64_decode(c->arena, text, ret);
	if (r == 0)
		*ret = text;
	return r;
}

static int make_record(struct call *c, const struct wrap *common, const struct entry *e,
		       struct record *ret)
{
	struct wrap w = *common;
	struct str bytes;

	ret->key = e->metadata.partition_key.state == JSON_SET ? e->metadata.partition_key.v
							       : e->metadata.key.v;
	int r = event_bytes(c, e, &bytes);
	if (r < 0)
		return err_set(&c->err, &ERR_BAD_REQUEST, NULL,
			       "the event of entry %.*s is missing or not in its content type",
			       STR_ARGS(e->id.v));
	ret->body = bytes;
	if (is_true(e->metadata.raw.v))
		return 0;
	w.is_checked = bytes.p == e->event.v.p;
	w.content_type = e->content_type.v.n > 0 ? e->content_type.v : (struct str){ NULL, 0 };
	w.id = e->metadata.id.v;
	w.type = e->metadata.type.v;
	w.event_source = e->metadata.source.v;
	w.subject = e->metadata.subject.v;
	struct buf *out = call_buf(c, bytes.n / 3 * 4 + ENVELOPE_BYTES);
	r = out != NULL ? wrap_body(c->arena, &w, bytes, out, &c->err) : -ENOMEM;
	if (r == 0 && buf_status(out) < 0)
		r = err_unavailable(&c->err, 1, "out of memory");
	if (r == 0)
		ret->body = buf_str(out);
	return r;
}

/* Reads the entries; -EINVAL is answered with 400. */
static int read_entries(struct call *c, struct entries *ret)
{
	int r = slice_parse(c->arena, c->http->body, "body", ENTRIES_FIELDS, ret, NULL, &c->err);

	if (r < 0)
		return r;
	if (ret->list.state != JSON_SET || has_bad_ids(ret->list.v, ret->list.n))
		return err_set(&c->err, &ERR_BAD_REQUEST, NULL,
			       "entryId must be there and differ in all entries");
	return 0;
}

static int make_records(struct call *c, const struct entries *entries, struct record *records)
{
	const struct entry *list = entries->list.v;
	struct wrap w;
	int r = 0;

	fill_wrap(c, &w);
	for (size_t i = 0; r == 0 && i < entries->list.n; i++)
		r = make_record(c, &w, &list[i], &records[i]);
	return r;
}

static void answer_failed(struct call *c, const struct entries *entries)
{
	struct buf *body = call_buf(c, FAILURES_MAX_BYTES);
	struct json_out o;

	if (body == NULL) {
		call_error(c, 500, "ERR_PUBSUB_PUBLISH_MESSAGE", "out of memory");
		return;
	}
	json_out_init(&o, body);
	json_begin_object(&o);
	json_key(&o, STR("failedEntries"));
	json_begin_array(&o);
	for (size_t i = 0; i < entries->list.n; i++) {
		const struct entry *e = (const struct entry *)entries->list.v + i;
		json_begin_object(&o);
		json_key_str(&o, STR("entryId"), e->id.v);
		json_key_str(&o, STR("error"), str_from(c->err.text));
		json_end_object(&o);
	}
	json_end_array(&o);
	json_key_str(&o, STR("errorCode"), STR("ERR_PUBSUB_PUBLISH_MESSAGE"));
	json_key_str(&o, STR("message"), str_from(c->err.text));
	json_end_object(&o);
	call_json(c, 500, body, NULL, 0);
}

FIBER void publish_bulk(struct call *c)
{
	struct topic *topic;
	struct entries entries = { 0 };
	struct record *records = NULL;

	if (!may_publish(c))
		return;
	int r = read_entries(c, &entries);
	if (r == 0) {
		records = arena_calloc(c->arena, entries.list.n, sizeof(*records));
		r = records != NULL ? make_records(c, &entries, records)
				    : err_unavailable(&c->err, 1, "out of memory");
	}
	if (r != 0) {
		call_failure(c, r == -EINVAL ? 400 : 500,
			     r == -EINVAL ? "ERR_PUBSUB_EVENTS_SER" : "ERR_PUBSUB_PUBLISH_MESSAGE");
		return;
	}
	r = topic_get(c->host, c->segments[1], &topic, &c->err);
	if (r < 0 || write_records(c, topic, records, entries.list.n) < 0)
		answer_failed(c, &entries);
}
