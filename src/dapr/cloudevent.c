/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON format of CloudEvents 1.0 in structured mode. What makes an event what it is, is kept
 * apart from what brokers and tracing put on it, so that its identity outlives both.
 */
#include "dapr/cloudevent.h"

#include "base/json.h"
#include "base/json_canonical.h"

#include <errno.h>

/* Canonical text is up to five times as long: 1e20 becomes 21 digits. */
enum { IDENTITY_MAX = 6 * CLOUDEVENT_BODY_MAX };

struct envelope {
	struct json_str specversion, id, type, source, subject, time, partition_key, traceparent,
		data;
};

/* traceparent may be of any type: one that is no string is nobody's mistake but a tracer's, and no
 * reason to refuse the event. */
static const struct json_field fields[] = {
	JSON_FIELD(struct envelope, specversion, "specversion", JSON_KIND_STR),
	JSON_FIELD(struct envelope, id, "id", JSON_KIND_STR),
	JSON_FIELD(struct envelope, type, "type", JSON_KIND_STR),
	JSON_FIELD(struct envelope, source, "source", JSON_KIND_STR),
	JSON_FIELD(struct envelope, subject, "subject", JSON_KIND_STR),
	JSON_FIELD(struct envelope, time, "time", JSON_KIND_STR),
	JSON_FIELD(struct envelope, partition_key, "partitionkey", JSON_KIND_STR),
	JSON_FIELD(struct envelope, traceparent, "traceparent", JSON_KIND_RAW),
	JSON_FIELD(struct envelope, data, "data", JSON_KIND_RAW),
	JSON_FIELD_END,
};

/* 1.0, and what may come after it without breaking it. */
static bool is_specversion(struct str s)
{
	if (!str_starts(s, STR("1.")) || s.n < 3)
		return false;
	for (size_t i = 2; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

static bool is_hex(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return true;
}

static bool is_zeros(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '0')
			return false;
	return true;
}

/* W3C trace-context, version 00: 00-<32 hex>-<16 hex>-<2 hex>. What is anything else, and the zeros
 * that a sidecar sends for no context, give none. json is a JSON value. */
static struct str traceparent(struct str json)
{
	struct str all = { json.p + 1, 55 }, trace, span, flags;

	if (json.n != all.n + 2 || json.p[0] != '"' || memcmp(all.p, "00-", 3) != 0 ||
	    all.p[35] != '-' || all.p[52] != '-')
		return (struct str){ NULL, 0 };
	trace = (struct str){ all.p + 3, 32 };
	span = (struct str){ all.p + 36, 16 };
	flags = (struct str){ all.p + 53, 2 };
	if (!is_hex(trace) || !is_hex(span) || !is_hex(flags) || is_zeros(trace) || is_zeros(span))
		return (struct str){ NULL, 0 };
	return all;
}

/* An attribute that must be there. */
static int require(const struct json_str *attribute, const char *field, struct err *reterr)
{
	if (attribute->state == JSON_SET && attribute->v.n > 0)
		return 0;
	return err_set(reterr, &ERR_INVALID, field, "must be there and not be empty");
}

/* An attribute that may be missing. */
static struct str optional(const struct json_str *attribute)
{
	if (attribute->state == JSON_SET && attribute->v.n > 0)
		return attribute->v;
	return (struct str){ NULL, 0 };
}

static int check(const struct envelope *e, struct err *reterr)
{
	int r = require(&e->specversion, "event.specversion", reterr);

	if (r == 0 && !is_specversion(e->specversion.v))
		r = err_set(reterr, &ERR_INVALID, "event.specversion", "must be 1.0");
	if (r == 0)
		r = require(&e->id, "event.id", reterr);
	if (r == 0)
		r = require(&e->type, "event.type", reterr);
	if (r == 0)
		r = require(&e->source, "event.source", reterr);
	return r;
}

int cloudevent_parse(struct arena *arena, struct str body, struct cloudevent *ret,
		     struct err *reterr)
{
	struct envelope e = { 0 };
	int r;

	if (body.n > CLOUDEVENT_BODY_MAX)
		return err_set(reterr, &ERR_INVALID, "event", "must have at most %d bytes",
			       CLOUDEVENT_BODY_MAX);
	r = json_parse(arena, body, "event", fields, &e, reterr);
	if (r == 0)
		r = check(&e, reterr);
	if (r < 0)
		return r;
	*ret = (struct cloudevent){
		.id = e.id.v,
		.type = e.type.v,
		.source = e.source.v,
		.time = optional(&e.time),
		.subject = optional(&e.subject),
		.data = optional(&e.data),
	};
	if (e.partition_key.state == JSON_SET)
		ret->partition_key = e.partition_key.v;
	if (e.traceparent.state == JSON_SET)
		ret->traceparent = traceparent(e.traceparent.v);
	return 0;
}

struct words {
	struct json_str id, type, traceparent;
	struct {
		enum json_state state;
		struct json_str correlation_id;
	} data;
};

static const struct json_field data_fields[] = {
	{ .name = "correlation_id",
	  .kind = JSON_KIND_STR,
	  .offset = offsetof(struct words, data.correlation_id) - offsetof(struct words, data) },
	JSON_FIELD_END,
};
static const struct json_field word_fields[] = {
	JSON_FIELD(struct words, id, "id", JSON_KIND_STR),
	JSON_FIELD(struct words, type, "type", JSON_KIND_STR),
	JSON_FIELD(struct words, traceparent, "traceparent", JSON_KIND_STR),
	{ .name = "data",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct words, data),
	  .nested = data_fields },
	JSON_FIELD_END,
};

void cloudevent_ids_read(struct arena *arena, struct str body, struct cloudevent_ids *ret)
{
	struct words w = { .id = { .state = JSON_ABSENT } };

	*ret = (struct cloudevent_ids){ .id = { NULL, 0 } };
	if (json_parse(arena, body, "event", word_fields, &w, NULL) < 0)
		return;
	ret->id = optional(&w.id);
	ret->type = optional(&w.type);
	(void)log_context_set_correlation_id(&ret->request, optional(&w.data.correlation_id));
	(void)log_context_set_trace(&ret->request, optional(&w.traceparent));
}

static void put(struct json_out *o, struct str s)
{
	if (s.p)
		json_str(o, s);
	else
		json_null(o);
}

/* [id, type, source, subject, time, data] in canonical form. data is made canonical by itself: what
 * is not one value cannot pass for more than one. */
static int write_identity(struct arena *arena, const struct cloudevent *e, struct buf *out)
{
	const struct str attributes[] = { e->id, e->type, e->source, e->subject, e->time };
	struct buf *text = arena_buf(arena, out->max);
	struct json_out o;
	int r;

	if (!text)
		return -ENOMEM;
	json_out_init(&o, text);
	json_begin_array(&o);
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
		put(&o, attributes[i]);
	json_end_array(&o);
	if (buf_status(text) < 0)
		return -ENOMEM;
	r = json_canonical(arena, buf_str(text), out, NULL);
	if (r < 0)
		return r;
	out->p[out->n - 1] = ','; /* it was the closing bracket */
	r = json_canonical(arena, e->data.p ? e->data : STR("null"), out, NULL);
	buf_append_char(out, ']');
	return r < 0 || buf_status(out) == 0 ? r : -ENOMEM;
}

int cloudevent_identity(struct arena *arena, const struct cloudevent *e, uint8_t ret[SHA256_SIZE])
{
	struct buf *out = arena_buf(arena, IDENTITY_MAX);
	int r;

	if (!out)
		return -ENOMEM;
	r = write_identity(arena, e, out);
	return r < 0 ? r : hash_sha256(buf_str(out), ret);
}
