/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secret store: a file, read at start, with one object of strings for each secret.
 */
#include "api_private.h"

#include "base/json.h"
#include "slice_private.h"

enum { ANSWER_MAX_BYTES = 1024 * 1024 };

/* False: answered. */
static bool is_store(struct call *c)
{
	const struct settings *s = c->host->settings;
	size_t app = (size_t)(c->caller->settings - s->apps);

	if (str_eq(c->segments[0], s->secret_store) &&
	    settings_allow(s, app, STR("components"), s->secret_store))
		return true;
	call_error(c, 401, "ERR_SECRET_STORE_NOT_FOUND",
		   "failed finding secret store with key %.*s", STR_ARGS(c->segments[0]));
	return false;
}

static bool may(const struct call *c, struct str name)
{
	const struct settings *s = c->host->settings;

	return settings_allow(s, (size_t)(c->caller->settings - s->apps), STR("secrets"), name);
}

FIBER void secret_get(struct call *c)
{
	struct str name = c->segments[1];
	struct buf *body;

	if (!is_store(c))
		return;
	if (!may(c, name)) {
		call_error(c, 403, "ERR_PERMISSION_DENIED",
			   "access denied by policy to get %.*s from %.*s", STR_ARGS(name),
			   STR_ARGS(c->segments[0]));
		return;
	}
	struct str value = slice_get(c->host->settings->secrets, name);
	body = call_buf(c, ANSWER_MAX_BYTES);
	if (value.p == NULL || body == NULL) {
		call_error(c, 500, "ERR_SECRET_GET",
			   "failed getting secret with key %.*s from %.*s: %s", STR_ARGS(name),
			   STR_ARGS(c->segments[0]),
			   body == NULL ? "out of memory" : "secret not found");
		return;
	}
	buf_append_str(body, value);
	call_json(c, 200, body, NULL, 0);
}

FIBER void secret_bulk(struct call *c)
{
	struct buf *body = call_buf(c, ANSWER_MAX_BYTES);
	struct str key, value;
	struct json_out o;
	struct slice s;

	if (!is_store(c))
		return;
	if (body == NULL) {
		call_error(c, 500, "ERR_SECRET_GET", "out of memory");
		return;
	}
	json_out_init(&o, body);
	json_begin_object(&o);
	slice_open(&s, c->host->settings->secrets);
	while (slice_next(&s, &key, &value)) {
		if (may(c, key))
			json_key_raw(&o, key, value);
	}
	json_end_object(&o);
	call_json(c, 200, body, NULL, 0);
}
