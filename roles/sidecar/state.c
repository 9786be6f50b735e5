/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state store. Keys are kept behind the app's id, as APP||KEY; values keep their bytes. Answers
 * are those of Dapr's PostgreSQL store (v2): an ETag that does not match is 409, first-write on a
 * key that is there is 500.
 */
#include "api_private.h"

#include "base/json.h"
#include "base/time.h"
#include "slice_private.h"

#include <errno.h>

enum {
	ITEMS_MAX = 256,
	BULK_KEYS_MAX = 1000,
	KEY_MAX_BYTES = 2048,
	BULK_MAX_BYTES = 16 * 1024 * 1024,
	TTL_MAX_S = 2000000000,
};

static const struct db_statement GET = {
	"sidecar_state_get",
	"SELECT value, etag, expires_at FROM sidecar.state "
	"WHERE key = $1 AND (expires_at IS NULL OR expires_at > now())",
	1,
};
static const struct db_statement PUT = {
	"sidecar_state_put",
	"INSERT INTO sidecar.state (key, value, expires_at) VALUES ($1, $2, now() + $3::int8 * interval '1 s') "
	"ON CONFLICT (key) DO UPDATE SET value = excluded.value, etag = gen_random_uuid(), "
	"expires_at = excluded.expires_at",
	3,
};
static const struct db_statement PUT_FIRST = {
	"sidecar_state_put_first",
	"INSERT INTO sidecar.state AS s (key, value, expires_at) "
	"VALUES ($1, $2, now() + $3::int8 * interval '1 s') "
	"ON CONFLICT (key) DO UPDATE SET value = excluded.value, etag = gen_random_uuid(), "
	"expires_at = excluded.expires_at WHERE s.expires_at <= now()",
	3,
};
static const struct db_statement PUT_MATCHING = {
	"sidecar_state_put_matching",
	"UPDATE sidecar.state SET value = $2, etag = gen_random_uuid(), expires_at = now() + $3::int8 * interval '1 s' "
	"WHERE key = $1 AND etag = $4 AND (expires_at IS NULL OR expires_at > now())",
	4,
};
static const struct db_statement DELETE = {
	"sidecar_state_delete",
	"DELETE FROM sidecar.state WHERE key = $1",
	1,
};
static const struct db_statement DELETE_MATCHING = {
	"sidecar_state_delete_matching",
	"DELETE FROM sidecar.state WHERE key = $1 AND etag = $2 AND (expires_at IS NULL OR expires_at > now())",
	2,
};
static const struct db_statement GET_MANY = {
	"sidecar_state_get_many",
	"SELECT n.key, s.value, s.etag FROM unnest($1::text[]) WITH ORDINALITY AS n (key, i) "
	"LEFT JOIN sidecar.state s ON s.key = $2 || n.key AND (s.expires_at IS NULL OR s.expires_at > now()) ORDER BY n.i",
	2,
};

struct item {
	enum json_state state;
	struct json_str key, etag;
	struct {
		enum json_state state;
		struct json_str ttl;
	} metadata;
	struct {
		enum json_state state;
		struct json_str concurrency, consistency;
	} options;
};

struct items {
	struct json_objs list;
};

static const struct json_field METADATA_FIELDS[] = {
	{ .name = "ttlInSeconds",
	  .kind = JSON_KIND_STR,
	  .offset = offsetof(struct item, metadata.ttl) - offsetof(struct item, metadata) },
	JSON_FIELD_END,
};
static const struct json_field OPTIONS_FIELDS[] = {
	{ .name = "concurrency",
	  .kind = JSON_KIND_STR,
	  .offset = offsetof(struct item, options.concurrency) - offsetof(struct item, options) },
	{ .name = "consistency",
	  .kind = JSON_KIND_STR,
	  .offset = offsetof(struct item, options.consistency) - offsetof(struct item, options) },
	JSON_FIELD_END,
};
static const struct json_field ITEM_FIELDS[] = {
	JSON_FIELD(struct item, key, "key", JSON_KIND_STR),
	JSON_FIELD(struct item, etag, "etag", JSON_KIND_STR),
	{ .name = "metadata",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct item, metadata),
	  .nested = METADATA_FIELDS },
	{ .name = "options",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct item, options),
	  .nested = OPTIONS_FIELDS },
	JSON_FIELD_END,
};
static const struct json_field ITEMS_FIELDS[] = {
	{ .name = "v",
	  .kind = JSON_KIND_OBJS,
	  .offset = offsetof(struct items, list),
	  .nested = ITEM_FIELDS,
	  .elem_size = sizeof(struct item),
	  .max_items = ITEMS_MAX },
	JSON_FIELD_END,
};

struct keys {
	struct json_strs keys;
};

static const struct json_field KEYS_FIELDS[] = {
	{ .name = "keys",
	  .kind = JSON_KIND_STRS,
	  .offset = offsetof(struct keys, keys),
	  .max_items = BULK_KEYS_MAX },
	JSON_FIELD_END,
};

/* False: answered. */
static bool is_store(struct call *c)
{
	const struct settings *s = c->host->settings;
	size_t app = (size_t)(c->caller->settings - s->apps);

	if (!settings_allow(s, app, STR("components"), s->state_store)) {
		call_error(c, 500, "ERR_STATE_STORE_NOT_CONFIGURED",
			   "state store is not configured");
		return false;
	}
	if (str_eq(c->segments[0], s->state_store))
		return true;
	call_error(c, 400, "ERR_STATE_STORE_NOT_FOUND", "state store %.*s is not found",
		   STR_ARGS(c->segments[0]));
	return false;
}

static bool is_key(struct str key)
{
	for (size_t i = 0; i + 1 < key.n; i++) {
		if (key.p[i] == '|' && key.p[i + 1] == '|')
			return false;
	}
	return key.n > 0 && key.n <= KEY_MAX_BYTES && memchr(key.p, 0, key.n) == NULL;
}

/* What stands before the app's keys in the table; .p NULL: no memory. */
static struct str key_prefix(struct call *c)
{
	return arena_printf(c->arena, "%.*s||", STR_ARGS(c->caller->id));
}

/* As kept in the table; .p NULL: no memory. */
static struct str stored_key(struct call *c, struct str key)
{
	return arena_printf(c->arena, "%.*s||%.*s", STR_ARGS(c->caller->id), STR_ARGS(key));
}

/* The key of the path, as it is kept; false: answered. */
static bool read_key(struct call *c, struct str *ret)
{
	char *out = arena_alloc(c->arena, c->rest.n + 1);
	ssize_t n = out != NULL ? http_percent_decode(c->rest, false, out) : -ENOMEM;
	struct str key = { out, n > 0 ? (size_t)n : 0 };

	if (n > 0 && is_key(key)) {
		*ret = stored_key(c, key);
		if (ret->p != NULL)
			return true;
		call_error(c, 500, "ERR_STATE_GET", "out of memory");
		return false;
	}
	call_error(c, 400, "ERR_MALFORMED_REQUEST",
		   "the key must have 1 to %d bytes of UTF-8 without ||", KEY_MAX_BYTES);
	return false;
}

FIBER void state_get(struct call *c)
{
	struct http_header headers[2];
	struct db_result *result = NULL;
	char etag[UUID_TEXT_SIZE], expiry[TIME_RFC3339_SIZE];
	struct str key;
	size_t n = 0;

	if (!is_store(c) || !read_key(c, &key))
		return;
	const struct db_param params[] = { DB_PARAM_TEXT(key) };
	if (call_db_wait(c, &GET, params, &result) < 0) {
		call_failure(c, 500, "ERR_STATE_GET");
		return;
	}
	if (db_rows(result) == 0) {
		db_result_free(result);
		call_empty(c, 204);
		return;
	}
	struct uuid uuid = db_uuid(result, 0, 1);
	uuid_format(&uuid, etag);
	headers[n++] = (struct http_header){ STR("ETag"), str_from(etag) };
	if (!db_is_null(result, 0, 2)) {
		time_format_rfc3339(db_time(result, 0, 2), expiry);
		headers[n++] =
			(struct http_header){ STR("metadata.ttlExpireTime"), str_from(expiry) };
	}
	struct buf body;
	buf_init(&body, 2 * HOST_BODY_MAX);
	buf_append_str(&body, db_text(result, 0, 0));
	db_result_free(result);
	call_json(c, 200, &body, headers, n);
	buf_done(&body);
}

static int malformed(struct call *c, const char *what)
{
	call_error(c, 400, "ERR_MALFORMED_REQUEST", "failed deserializing HTTP body: %s", what);
	return -EINVAL;
}

/* ttlInSeconds: -1 and absent mean for ever, which is null to the database. */
static int read_ttl(const struct item *item, struct db_param *ret)
{
	int64_t ttl = -1;

	if (item->metadata.ttl.state == JSON_SET &&
	    (str_parse_i64(item->metadata.ttl.v, &ttl) < 0 || ttl < -1 || ttl > TTL_MAX_S))
		return -EINVAL;
	*ret = (struct db_param)DB_PARAM_I64(ttl);
	if (ttl <= 0)
		*ret = (struct db_param)DB_PARAM_NULL(DB_I64);
	return 0;
}

static int refuse_save(struct call *c, const struct item *item, bool is_match)
{
	if (is_match)
		call_error(
			c, 409, "ERR_STATE_SAVE",
			"failed saving state in state store %.*s: possible etag mismatch for key %.*s",
			STR_ARGS(c->segments[0]), STR_ARGS(item->key.v));
	else
		call_error(c, 500, "ERR_STATE_SAVE",
			   "failed saving state in state store %.*s: no item was updated",
			   STR_ARGS(c->segments[0]));
	return -EEXIST;
}

/* 0; < 0: answered. */
static FIBER int save_wait(struct call *c, const struct item *item, struct str value)
{
	struct str key = stored_key(c, item->key.v);
	struct db_param params[4] = { DB_PARAM_TEXT(key), DB_PARAM_TEXT(value) };
	const struct db_statement *statement = &PUT;
	struct uuid etag;

	if (!is_key(item->key.v) || read_ttl(item, &params[2]) < 0)
		return malformed(c, "a key or ttlInSeconds");
	if (key.p == NULL) {
		call_error(c, 500, "ERR_STATE_SAVE", "out of memory");
		return -ENOMEM;
	}
	if (item->etag.v.n > 0) {
		if (uuid_parse(item->etag.v, &etag) < 0)
			return refuse_save(c, item, true);
		params[3] = (struct db_param)DB_PARAM_UUID(etag);
		statement = &PUT_MATCHING;
	} else if (str_eq(item->options.concurrency.v, STR("first-write"))) {
		statement = &PUT_FIRST;
	}
	int64_t n = call_change_wait(c, statement, params);
	if (n < 0) {
		call_failure(c, 500, "ERR_STATE_SAVE");
		return (int)n;
	}
	return n > 0 ? 0 : refuse_save(c, item, statement == &PUT_MATCHING);
}

FIBER void state_save(struct call *c)
{
	struct str list, key, item, value;
	struct items items = { 0 };
	struct slice s;
	int r = 0;

	if (!is_store(c))
		return;
	if (slice_parse(c->arena, c->http->body, "body", ITEMS_FIELDS, &items, &list, &c->err) <
		    0 ||
	    items.list.state != JSON_SET) {
		(void)malformed(c, c->err.text);
		return;
	}
	slice_open(&s, list);
	for (size_t i = 0; r == 0 && i < items.list.n && slice_next(&s, &key, &item); i++) {
		value = slice_get(item, STR("value"));
		r = save_wait(c, (const struct item *)items.list.v + i,
			      value.p != NULL ? value : STR("null"));
	}
	if (r == 0)
		call_empty(c, 204);
}

FIBER void state_delete(struct call *c)
{
	struct str match = call_header(c, "If-Match"), key;
	struct uuid etag = { .bytes = { 0 } };
	int64_t n;

	if (!is_store(c) || !read_key(c, &key))
		return;
	const bool is_match = match.n > 0;
	bool is_etag = uuid_parse(match, &etag) == 0;
	const struct db_param params[] = { DB_PARAM_TEXT(key), DB_PARAM_UUID(etag) };
	n = is_match && !is_etag
		    ? 0
		    : call_change_wait(c, is_match ? &DELETE_MATCHING : &DELETE, params);
	if (n < 0)
		call_failure(c, 500, "ERR_STATE_DELETE");
	else if (n == 0 && is_match)
		call_error(c, 409, "ERR_STATE_DELETE",
			   "failed deleting state with key %.*s: possible etag mismatch",
			   STR_ARGS(key));
	else
		call_empty(c, 204);
}

static void put_rows(struct buf *body, const struct db_result *result)
{
	char etag[UUID_TEXT_SIZE];
	struct json_out o;

	json_out_init(&o, body);
	json_begin_array(&o);
	for (int row = 0; row < db_rows(result); row++) {
		json_begin_object(&o);
		json_key_str(&o, STR("key"), db_text(result, row, 0));
		if (!db_is_null(result, row, 1)) {
			struct uuid uuid = db_uuid(result, row, 2);
			uuid_format(&uuid, etag);
			json_key_raw(&o, STR("data"), db_text(result, row, 1));
			json_key_str(&o, STR("etag"), str_from(etag));
		}
		json_end_object(&o);
	}
	json_end_array(&o);
}

FIBER void state_bulk(struct call *c)
{
	struct db_result *result = NULL;
	struct keys keys = { 0 };
	struct str prefix = key_prefix(c);
	struct db_param params[2] = { [1] = DB_PARAM_TEXT(prefix) };
	struct buf body;

	if (!is_store(c))
		return;
	if (json_parse(c->arena, c->http->body, "body", KEYS_FIELDS, &keys, &c->err) < 0 ||
	    db_param_texts(c->arena, keys.keys.v, keys.keys.n, &params[0]) < 0) {
		(void)malformed(c, c->err.text);
		return;
	}
	if (prefix.p == NULL || call_db_wait(c, &GET_MANY, params, &result) < 0) {
		call_failure(c, 500, "ERR_STATE_BULK_GET");
		return;
	}
	buf_init(&body, BULK_MAX_BYTES);
	put_rows(&body, result);
	db_result_free(result);
	if (buf_status(&body) < 0)
		call_error(c, 500, "ERR_STATE_BULK_GET", "the answer has more than %d bytes",
			   BULK_MAX_BYTES);
	else
		call_json(c, 200, &body, NULL, 0);
	buf_done(&body);
}
