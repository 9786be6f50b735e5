/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes. An event that comes complete keeps its bytes; only topic and pubsubname are the
 * sidecar's, and what is required and missing is added. It never gets an id here, as its publisher
 * alone knows which event it is.
 */
#include "wrap_private.h"

#include "base/json.h"
#include "base/time.h"
#include "base/uuid.h"
#include "slice_private.h"

#include <errno.h>
#include <openssl/evp.h>

enum { TYPE_MAX_BYTES = 256, OWN_MAX_BYTES = 64 * 1024 };

static const struct str DEFAULT_TYPE = STR_INIT("com.dapr.event.sent");

/* The media type in lower case, without parameters. */
static size_t media_type(struct str content_type, char out[TYPE_MAX_BYTES])
{
	struct str rest = content_type, type;
	size_t n = 0;

	if (!str_split(&rest, ';', &type))
		return 0;
	type = str_trim(type);
	for (; n < type.n && n < TYPE_MAX_BYTES; n++)
		out[n] =
			type.p[n] >= 'A' && type.p[n] <= 'Z' ? (char)(type.p[n] | 0x20) : type.p[n];
	return n;
}

static bool is_type(struct str content_type, struct str wanted)
{
	char type[TYPE_MAX_BYTES];
	size_t n = media_type(content_type, type);

	return str_eq((struct str){ type, n }, wanted);
}

bool wrap_is_event(struct str content_type)
{
	return is_type(content_type, STR("application/cloudevents+json"));
}

static bool is_json(struct str content_type)
{
	char type[TYPE_MAX_BYTES];
	struct str s = { type, media_type(content_type, type) };

	return str_eq(s, STR("application/json")) || str_ends(s, STR("+json"));
}

/* Keys of an event, in the order in which they are added where they are missing. */
enum { KEY_SPECVERSION, KEY_TYPE, KEY_SOURCE, KEY_TIME, KEY_TRACEID, KEYS };

static const struct str KEY_NAMES[KEYS] = {
	[KEY_SPECVERSION] = STR_INIT("specversion"), [KEY_TYPE] = STR_INIT("type"),
	[KEY_SOURCE] = STR_INIT("source"),	     [KEY_TIME] = STR_INIT("time"),
	[KEY_TRACEID] = STR_INIT("traceid"),
};

/* A key without its escapes. */
static struct str plain_key(struct arena *arena, struct str key)
{
	struct str quoted = { key.p - 1, key.n + 2 }, plain;

	return slice_text(arena, quoted, &plain) == 0 ? plain : key;
}

static void find_keys(struct arena *arena, struct str event, bool has[KEYS])
{
	struct slice s;
	struct str key, value;

	slice_open(&s, event);
	while (slice_next(&s, &key, &value)) {
		struct str plain = plain_key(arena, key);
		for (size_t i = 0; i < KEYS; i++)
			has[i] = has[i] || str_eq(plain, KEY_NAMES[i]);
	}
}

/* All but the sidecar's own keys, as written, each with a comma behind it. */
static void copy_members(struct arena *arena, struct buf *out, struct str event, bool keep_trace)
{
	struct slice s;
	struct str key, value;

	slice_open(&s, event);
	while (slice_next(&s, &key, &value)) {
		struct str plain = plain_key(arena, key);
		if (str_eq(plain, STR("topic")) || str_eq(plain, STR("pubsubname")) ||
		    (!keep_trace && str_eq(plain, STR("traceparent"))))
			continue;
		buf_append_char(out, '"');
		buf_append_str(out, key);
		buf_append_str(out, STR("\":"));
		buf_append_str(out, value);
		buf_append_char(out, ',');
	}
}

static struct str or_default(struct str s, struct str other)
{
	return s.p != NULL ? s : other;
}

/* An object of what is missing and of what is the sidecar's. An event without a traceid is from no
 * trace but its request's, whatever else it says. */
static void put_own(struct buf *own, const struct wrap *w, const bool has[KEYS])
{
	struct json_out o;

	json_out_init(&o, own);
	json_begin_object(&o);
	if (!has[KEY_SPECVERSION])
		json_key_str(&o, STR("specversion"), STR("1.0"));
	if (!has[KEY_TYPE])
		json_key_str(&o, STR("type"), DEFAULT_TYPE);
	if (!has[KEY_SOURCE])
		json_key_str(&o, STR("source"), w->source);
	if (!has[KEY_TIME])
		json_key_time(&o, STR("time"), time_now_us() / TIME_US_PER_S * TIME_US_PER_S);
	if (!has[KEY_TRACEID]) {
		json_key_str(&o, STR("traceid"), or_default(w->traceparent, STR("")));
		json_key_str(&o, STR("traceparent"), or_default(w->traceparent, STR("")));
	}
	json_key_str(&o, STR("topic"), w->topic);
	json_key_str(&o, STR("pubsubname"), w->pubsub);
	json_end_object(&o);
}

static int complete_event(struct arena *arena, const struct wrap *w, struct str body,
			  struct buf *out, struct err *reterr)
{
	static const struct json_field NONE[] = { JSON_FIELD_END };
	enum json_state ignored = JSON_ABSENT;
	bool has[KEYS] = { false };

	bool is_object = w->is_checked && body.n > 0 && body.p[0] == '{';
	int r = is_object ? 0 : json_parse(arena, body, "body", NONE, &ignored, reterr);
	if (r < 0)
		return r;
	struct buf *own = arena_buf(arena, OWN_MAX_BYTES);
	if (own == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	buf_append_char(out, '{');
	find_keys(arena, body, has);
	copy_members(arena, out, body, has[KEY_TRACEID]);
	put_own(own, w, has);
	if (buf_status(own) < 0)
		return err_unavailable(reterr, 1, "out of memory");
	buf_append(out, own->p + 1, own->n - 1);
	return 0;
}

static int put_data(struct json_out *o, struct arena *arena, const struct wrap *w, struct str body)
{
	if (is_json(w->content_type) && slice_check(arena, body, NULL) == 0) {
		json_key_raw(o, STR("data"), str_trim(body));
		return 0;
	}
	if (!is_type(w->content_type, STR("application/octet-stream"))) {
		json_key_str(o, STR("data"), body);
		return 0;
	}
	struct str text = wrap_base64(arena, body);
	json_key_str(o, STR("data_base64"), text);
	return text.p != NULL ? 0 : -ENOMEM;
}

int wrap_body(struct arena *arena, const struct wrap *w, struct str body, struct buf *out,
	      struct err *reterr)
{
	char id[UUID_TEXT_SIZE];
	struct uuid uuid = uuid_v7();
	struct json_out o;

	if (wrap_is_event(w->content_type))
		return complete_event(arena, w, body, out, reterr);
	uuid_format(&uuid, id);
	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("id"), or_default(w->id, str_from(id)));
	json_key_str(&o, STR("specversion"), STR("1.0"));
	json_key_str(&o, STR("type"), or_default(w->type, DEFAULT_TYPE));
	json_key_str(&o, STR("source"), or_default(w->event_source, w->source));
	if (w->subject.p != NULL)
		json_key_str(&o, STR("subject"), w->subject);
	json_key_str(&o, STR("datacontenttype"), or_default(w->content_type, STR("text/plain")));
	json_key_time(&o, STR("time"), time_now_us() / TIME_US_PER_S * TIME_US_PER_S);
	json_key_str(&o, STR("topic"), w->topic);
	json_key_str(&o, STR("pubsubname"), w->pubsub);
	json_key_str(&o, STR("traceid"), or_default(w->traceparent, STR("")));
	json_key_str(&o, STR("traceparent"), or_default(w->traceparent, STR("")));
	json_key_str(&o, STR("tracestate"), or_default(w->tracestate, STR("")));
	int r = put_data(&o, arena, w, body);
	json_end_object(&o);
	return r == 0 ? 0 : err_unavailable(reterr, 1, "out of memory");
}

struct str wrap_raw(struct arena *arena, struct str bytes, struct str topic, struct str pubsub)
{
	struct str text = wrap_base64(arena, bytes);
	struct buf *out = text.p != NULL ? arena_buf(arena, text.n + 4096) : NULL;
	struct uuid uuid = uuid_v7();
	char id[UUID_TEXT_SIZE];
	struct json_out o;

	if (out == NULL)
		return (struct str){ NULL, 0 };
	uuid_format(&uuid, id);
	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("data_base64"), text);
	json_key_str(&o, STR("datacontenttype"), STR("application/octet-stream"));
	json_key_str(&o, STR("id"), str_from(id));
	json_key_str(&o, STR("pubsubname"), pubsub);
	json_key_str(&o, STR("source"), STR("Dapr"));
	json_key_str(&o, STR("specversion"), STR("1.0"));
	json_key_str(&o, STR("topic"), topic);
	json_key_str(&o, STR("type"), DEFAULT_TYPE);
	json_end_object(&o);
	return buf_status(out) == 0 ? buf_str(out) : (struct str){ NULL, 0 };
}

struct str wrap_base64(struct arena *arena, struct str bytes)
{
	unsigned char *out = arena_alloc(arena, (bytes.n + 2) / 3 * 4 + 1);

	if (out == NULL)
		return (struct str){ NULL, 0 };
	int n = EVP_EncodeBlock(out, (const unsigned char *)(bytes.p != NULL ? bytes.p : ""),
				(int)bytes.n);
	return (struct str){ (const char *)out, (size_t)n };
}

int wrap_base64_decode(struct arena *arena, struct str text, struct str *ret)
{
	unsigned char *out = arena_alloc(arena, text.n / 4 * 3 + 1);
	size_t padding = 0;

	if (out == NULL)
		return -ENOMEM;
	if (text.n % 4 != 0)
		return -EINVAL;
	while (padding < 2 && padding < text.n && text.p[text.n - 1 - padding] == '=')
		padding++;
	if (text.n > 0 && memchr(text.p, '=', text.n - padding) != NULL)
		return -EINVAL;
	int n = text.n > 0 ? EVP_DecodeBlock(out, (const unsigned char *)text.p, (int)text.n) : 0;
	if (n < 0)
		return -EINVAL;
	*ret = (struct str){ (const char *)out, (size_t)n - padding };
	return 0;
}
