/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State. An unmet condition is 409 by the API, but state.postgresql v2 answers 500 "no item was
 * updated" where first-write meets a key that is there. A condition that was met once is not met a
 * second time, so such a call is not repeated when its answer got lost. Transactions are not used:
 * theirs is 500 too, with nothing to tell it by. Whole numbers past 2^53 in a value lose digits on
 * the way.
 */
#include "src/dapr/sidecar_private.h"

#include "base/json_out.h"
#include "net/http_parser.h"

#include <errno.h>
#include <string.h>

enum { KEY_MAX = 512, ANSWER_MAX = 64 * 1024 };

/* "||" parts the app from the key in the store; "." and ".." would be cut out of the path. */
static int check_key(const struct sidecar_op *op, struct str key, struct err *reterr)
{
	if (key.n == 0 || key.n > KEY_MAX || !utf8_valid(key) || memmem(key.p, key.n, "||", 2) ||
	    str_eq(key, STR(".")) || str_eq(key, STR("..")))
		return sidecar_refuse(op, reterr, "this cannot be the key of a state");
	for (size_t i = 0; i < key.n; i++)
		if ((unsigned char)key.p[i] < 0x20 || key.p[i] == 0x7f)
			return sidecar_refuse(op, reterr, "the key of a state has a control");
	return 0;
}

struct str sidecar_user_key(struct arena *arena, struct str user_id, struct str what)
{
	struct str user = http_percent_encode(arena, user_id);

	return user.p ? arena_printf(arena, "u/%s/%.*s", user.p, STR_ARGS(what)) : user;
}

/* /v1.0/state/<store>/<key> and query; .p NULL: no memory. */
static struct str key_path(struct sidecar_op *op, struct str key, const char *query)
{
	struct str name = http_percent_encode(op->arena, key);

	if (!name.p)
		return name;
	return arena_printf(op->arena, "/v1.0/state/%s/%s%s", op->s->config.state_store, name.p,
			    query);
}

/* ---- get ---- */

static FIBER int get(struct sidecar_op *op, struct arena *arena, struct str key,
		     struct sidecar_state *ret, struct err *reterr)
{
	struct sidecar_exchange x = {
		.method = "GET",
		.max_response_bytes = SIDECAR_BODY_MAX,
		.keep_header = "ETag",
	};
	struct sidecar_state state = { .found = true };
	const struct http_response *answer = &op->response;
	int r = check_key(op, key, reterr);

	if (r < 0)
		return r;
	x.path = key_path(op, key, "?consistency=strong");
	r = sidecar_call_wait(op, &x, reterr);
	if (r < 0)
		return r;
	if (answer->status == 204 || answer->body.n == 0) {
		*ret = (struct sidecar_state){ .found = false };
		return 0;
	}
	state.value = arena_dup(arena, buf_str(&answer->body));
	if (answer->kept[0])
		state.etag = arena_dup(arena, str_from(answer->kept));
	if (!state.value.p || (answer->kept[0] && !state.etag.p))
		return sidecar_no_memory(reterr);
	*ret = state;
	return 0;
}

int sidecar_state_get_wait(struct sidecar *s, struct arena *arena, struct str key,
			   struct sidecar_state *ret, struct err *reterr)
{
	struct sidecar_op op;
	int r = sidecar_op_begin(&op, s, SIDECAR_STATE_GET, reterr);

	if (r == 0)
		r = get(&op, arena, key, ret, reterr);
	return sidecar_op_end(&op, r);
}

/* ---- put and delete ---- */

struct put {
	struct str key, value, etag;
	bool first_write;
	int64_t ttl_s;
};

static void write_options(struct json_out *o, bool first_write)
{
	json_key(o, STR("options"));
	json_begin_object(o);
	json_key_str(o, STR("concurrency"), first_write ? STR("first-write") : STR("last-write"));
	json_key_str(o, STR("consistency"), STR("strong"));
	json_end_object(o);
}

static void write_ttl(struct json_out *o, int64_t ttl_s)
{
	char text[24];
	struct buf b = { .p = text, .cap = sizeof(text), .max = sizeof(text) };

	buf_append_i64(&b, ttl_s);
	json_key(o, STR("metadata"));
	json_begin_object(o);
	json_key_str(o, STR("ttlInSeconds"), buf_str(&b));
	json_end_object(o);
}

/* Stores differ in what an etag without first-write means, so that is always said. */
static void write_put(struct buf *out, const struct put *p)
{
	struct json_out o;

	json_out_init(&o, out);
	json_begin_array(&o);
	json_begin_object(&o);
	json_key_str(&o, STR("key"), p->key);
	json_key_raw(&o, STR("value"), p->value);
	if (p->etag.p)
		json_key_str(&o, STR("etag"), p->etag);
	if (p->ttl_s > 0)
		write_ttl(&o, p->ttl_s);
	write_options(&o, p->first_write || p->etag.p);
	json_end_object(&o);
	json_end_array(&o);
}

/* A call under a condition, whose answers need a second look. */
static FIBER int change(struct sidecar_op *op, struct sidecar_exchange *x, bool conditional,
			struct err *reterr)
{
	static const char unmet[] = "no item was updated";
	int r;

	x->once = conditional;
	r = sidecar_exchange_wait(op, x, reterr);
	const struct buf *body = &op->response.body;

	if (r < 0)
		return r;
	if (conditional && op->response.status == 500 && body->n > 0 &&
	    memmem(body->p, body->n, unmet, sizeof(unmet) - 1))
		return err_set(reterr, &ERR_CONFLICT, NULL, "The state has changed.");
	return sidecar_check_status(op, reterr);
}

static FIBER int put(struct sidecar_op *op, const struct put *p, struct err *reterr)
{
	struct sidecar_exchange x = { .method = "POST", .max_response_bytes = ANSWER_MAX };
	struct buf *body = arena_buf(op->arena, 2 * SIDECAR_BODY_MAX);
	int r = check_key(op, p->key, reterr);

	if (r < 0)
		return r;
	if (body)
		write_put(body, p);
	if (!body || buf_status(body) < 0)
		return sidecar_no_memory(reterr);
	x.body = buf_str(body);
	x.path = arena_printf(op->arena, "/v1.0/state/%s", op->s->config.state_store);
	return change(op, &x, p->first_write || p->etag.p, reterr);
}

int sidecar_state_put_wait(struct sidecar *s, struct str key, struct str value_json,
			   struct str etag, bool first_write, int64_t ttl_s, struct err *reterr)
{
	const struct put p = { key, value_json, etag, first_write, ttl_s };
	struct sidecar_op op;
	int r = sidecar_op_begin(&op, s, SIDECAR_STATE_PUT, reterr);

	if (r == 0)
		r = put(&op, &p, reterr);
	return sidecar_op_end(&op, r);
}

static FIBER int drop(struct sidecar_op *op, struct str key, struct str etag, struct err *reterr)
{
	struct sidecar_exchange x = { .method = "DELETE", .max_response_bytes = ANSWER_MAX };
	const char *headers[] = { NULL, NULL };
	int r = check_key(op, key, reterr);

	if (r < 0)
		return r;
	if (etag.p) {
		headers[0] = arena_printf(op->arena, "If-Match: %.*s", STR_ARGS(etag)).p;
		if (!headers[0])
			return sidecar_no_memory(reterr);
	}
	x.headers = headers;
	x.path = key_path(op, key, etag.p ? "?concurrency=first-write&consistency=strong" : "");
	return change(op, &x, etag.p != NULL, reterr);
}

int sidecar_state_delete_wait(struct sidecar *s, struct str key, struct str etag,
			      struct err *reterr)
{
	struct sidecar_op op;
	int r = sidecar_op_begin(&op, s, SIDECAR_STATE_DELETE, reterr);

	if (r == 0)
		r = drop(&op, key, etag, reterr);
	return sidecar_op_end(&op, r);
}
