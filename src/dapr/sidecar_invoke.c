/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets, and calls to other apps. A call to another app carries this app's token and a path that
 * may come from a user: dots in it could lead to another API of the sidecar (libcurl removes them)
 * or around the access control of the other app, so they are refused in every spelling.
 */
#include "src/dapr/sidecar_private.h"

#include "base/json.h"
#include "net/http_parser.h"

#include <errno.h>
#include <string.h>

enum { SECRET_MAX = 256 * 1024, KEY_MAX = 256 };

/* ---- secrets ---- */

struct secret {
	struct json_str value;
};

static int missing(struct err *reterr, struct str name, struct str key)
{
	return err_set(reterr, &ERR_NOT_FOUND, NULL, "The secret %.*s has no value for %.*s.",
		       STR_ARGS(name), STR_ARGS(key));
}

/* The answer is an object of strings; key may be any of its keys. */
static int read_secret(struct sidecar_op *op, struct arena *arena, struct str name, struct str key,
		       struct str *ret, struct err *reterr)
{
	char key_text[KEY_MAX];
	const struct json_field fields[] = {
		JSON_FIELD(struct secret, value, key_text, JSON_KIND_STR),
		JSON_FIELD_END,
	};
	struct secret secret = { 0 };
	int r;

	if (op->response.status == 204)
		return missing(reterr, name, key);
	if (str_copy(key_text, sizeof(key_text), key) < 0)
		return sidecar_refuse(op, reterr, "this cannot be the key of a secret");
	r = json_parse(arena, buf_str(&op->response.body), "", fields, &secret, NULL);
	if (r == -ENOMEM)
		return sidecar_no_memory(reterr);
	if (r < 0)
		return sidecar_garbage(op, reterr);
	/* local.env answers "" for a variable that is not set. */
	if (secret.value.state != JSON_SET || secret.value.v.n == 0)
		return missing(reterr, name, key);
	*ret = secret.value.v;
	return 0;
}

static FIBER int get_secret(struct sidecar_op *op, struct arena *arena, struct str name,
			    struct str key, struct str *ret, struct err *reterr)
{
	struct sidecar_exchange x = { .method = "GET", .max_response_bytes = SECRET_MAX };
	struct str encoded = http_percent_encode(op->arena, name);
	int r;

	if (name.n == 0 || str_eq(name, STR(".")) || str_eq(name, STR("..")))
		return sidecar_refuse(op, reterr, "this cannot be the name of a secret");
	if (encoded.p)
		x.path = arena_printf(op->arena, "/v1.0/secrets/%s/%s", op->s->config.secret_store,
				      encoded.p);
	r = sidecar_call_wait(op, &x, reterr);
	return r < 0 ? r : read_secret(op, arena, name, key, ret, reterr);
}

int sidecar_secret_wait(struct sidecar *s, struct arena *arena, struct str name, struct str key,
			struct str *ret, struct err *reterr)
{
	struct sidecar_op op;
	int r = sidecar_op_begin(&op, s, SIDECAR_SECRET, reterr);

	if (r == 0)
		r = get_secret(&op, arena, name, key, ret, reterr);
	return sidecar_op_end(&op, r);
}

/* ---- invocation ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character at *i, without its %-encoding; *i moves behind it. */
static char decoded(struct str s, size_t *i)
{
	char c = s.p[(*i)++];

	if (c != '%' || s.n - *i < 2 || hex_digit(s.p[*i]) < 0 || hex_digit(s.p[*i + 1]) < 0)
		return c;
	c = (char)(hex_digit(s.p[*i]) << 4 | hex_digit(s.p[*i + 1]));
	*i += 2;
	return c;
}

/* Whether a segment is "." or "..", however it is written. */
static bool has_dot_segment(struct str path)
{
	size_t dots = 0, others = 0;

	for (size_t i = 0; i < path.n;) {
		char c = decoded(path, &i);

		if (c == '.') {
			dots++;
		} else if (c != '/' && c != '\\') {
			others++;
		} else if (others == 0 && (dots == 1 || dots == 2)) {
			return true;
		} else {
			dots = others = 0;
		}
	}
	return others == 0 && (dots == 1 || dots == 2);
}

static bool is_app_id(const char *id)
{
	return *id && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(id);
}

static int check_path(struct str path, struct err *reterr)
{
	const char *query = path.n ? memchr(path.p, '?', path.n) : NULL;
	struct str segments = { path.p, query ? (size_t)(query - path.p) : path.n };
	bool good = path.n > 0 && path.p[0] == '/' && !has_dot_segment(segments);

	for (size_t i = 0; i < path.n && good; i++)
		good = path.p[i] > ' ' && path.p[i] <= '~' && path.p[i] != '#' && path.p[i] != '\\';
	if (good)
		return 0;
	return err_set(reterr, &ERR_BAD_REQUEST, "path", "The path cannot be passed on.");
}

/* What the sidecar itself answers in place of the app: it says so by its code. An app's own 403 or
 * 500 passes through. */
static int check_answer(struct sidecar_op *op, struct err *reterr)
{
	int status = op->response.status;

	if (status == 401 && str_eq(buf_str(&op->response.body), STR("invalid api token")))
		return sidecar_check_status(op, reterr);
	if (status < 400 || !sidecar_has_error_code(op, STR("ERR_DIRECT_INVOKE")))
		return 0;
	if (status == 403)
		return sidecar_check_status(op, reterr);
	op->response.status = 503; /* whatever it was: the app may be there again soon */
	return sidecar_check_status(op, reterr);
}

struct invocation {
	const char *app_id;
	struct str path;
};

static FIBER int invoke(struct sidecar_op *op, const struct invocation *i,
			struct sidecar_exchange *x, struct http_response *ret, struct err *reterr)
{
	int r = check_path(i->path, reterr);

	if (r < 0)
		return r;
	if (!is_app_id(i->app_id))
		return sidecar_refuse(op, reterr, "this cannot be the id of an app");
	x->path =
		arena_printf(op->arena, "/v1.0/invoke/%s/method%.*s", i->app_id, STR_ARGS(i->path));
	r = sidecar_exchange_wait(op, x, reterr);
	if (r == 0)
		r = check_answer(op, reterr);
	if (r < 0)
		return r;
	*ret = op->response;
	buf_init(&op->response.body, 0); /* it is the caller's now */
	return 0;
}

int sidecar_invoke_wait(struct sidecar *s, const char *app_id, const char *method, struct str path,
			const char *const *headers, struct str body, size_t max_response_bytes,
			struct http_response *ret, struct err *reterr)
{
	static const char *const none[] = { NULL };
	const struct invocation i = { app_id, path };
	struct sidecar_exchange x = {
		.method = method,
		.headers = headers ? headers : none,
		.body = body,
		.max_response_bytes = max_response_bytes,
		.once = strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0,
	};
	struct sidecar_op op;
	int r;

	ret->status = 0;
	ret->kept[0] = '\0';
	buf_init(&ret->body, 0);
	r = sidecar_op_begin(&op, s, SIDECAR_INVOKE, reterr);
	if (r == 0)
		r = invoke(&op, &i, &x, ret, reterr);
	return sidecar_op_end(&op, r);
}
