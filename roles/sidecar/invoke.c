/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calling another app: the request goes to a healthy instance of it with the caller's name, the
 * answer comes back as it comes. Request bodies are read whole, at most 4 MiB; answers are streamed
 * and have no bound. Nothing is tried twice.
 */
#include "api_private.h"

#include "net/http_stream.h"

#include <errno.h>

enum {
	HEADERS_EXTRA = 6,
	CONNECT_TIMEOUT_MS = 1000,
	HEAD_TIMEOUT_MS = 60 * 1000,
	PIECE_TIMEOUT_MS = 15 * 60 * 1000, /* between two pieces of an answer */
	DRAIN_TIMEOUT_MS = 60 * 1000,
};

/* Of one hop only (RFC 9110 section 7.6.1), made anew by each side, or the sidecar's own. */
static bool is_own_header(struct str name)
{
	static const struct str OWN[] = {
		STR_INIT("connection"),
		STR_INIT("keep-alive"),
		STR_INIT("proxy-authenticate"),
		STR_INIT("proxy-authorization"),
		STR_INIT("proxy-connection"),
		STR_INIT("te"),
		STR_INIT("trailer"),
		STR_INIT("transfer-encoding"),
		STR_INIT("upgrade"),
		STR_INIT("host"),
		STR_INIT("content-length"),
		STR_INIT("date"),
		STR_INIT("expect"),
		STR_INIT("dapr-api-token"),
		STR_INIT("dapr-app-id"),
		STR_INIT("dapr-caller-app-id"),
		STR_INIT("dapr-callee-app-id"),
		STR_INIT("dapr-caller-namespace"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(OWN); i++) {
		if (str_eq_nocase(name, OWN[i]))
			return true;
	}
	return false;
}

/* Whether Connection names this header as one of the hop. */
static bool is_named(struct str connection, struct str name)
{
	struct str part;

	while (connection.n > 0 && str_split(&connection, ',', &part)) {
		if (str_eq_nocase(str_trim(part), name))
			return true;
	}
	return false;
}

static bool is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	}
	return true;
}

static const char *format_header(struct arena *arena, struct str name, struct str value)
{
	return arena_printf(arena, "%.*s: %.*s", STR_ARGS(name), STR_ARGS(value)).p;
}

/* NULL when out of memory. */
static const char **make_headers(struct call *c, const struct hosted *callee)
{
	const struct http_head *head = &c->http->head;
	const char **list = arena_calloc(c->arena, head->n_headers + HEADERS_EXTRA, sizeof(*list));
	struct str connection = call_header(c, "Connection");
	size_t n = 0;

	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < head->n_headers; i++) {
		const struct http_header *h = &head->headers[i];
		if (!is_own_header(h->name) && !is_named(connection, h->name) && h->value.n > 0)
			list[n++] = format_header(c->arena, h->name, h->value);
	}
	list[n++] = format_header(c->arena, STR("dapr-caller-app-id"), c->caller->id);
	list[n++] = format_header(c->arena, STR("dapr-callee-app-id"), callee->id);
	list[n++] = "dapr-caller-namespace: default";
	if (callee->settings->app_header != NULL)
		list[n++] = callee->settings->app_header;
	for (size_t i = 0; i < n; i++) {
		if (list[i] == NULL)
			return NULL;
	}
	return list;
}

/* A path that leads elsewhere than it seems, also one whose slashes are encoded. */
static bool has_dots(struct arena *arena, struct str path)
{
	char *text = arena_alloc(arena, path.n + 1);
	ssize_t n = text != NULL ? http_percent_decode(path, false, text) : -ENOMEM;
	struct str plain = { text, n > 0 ? (size_t)n : 0 }, segment;

	if (n < 0)
		return true;
	while (str_split(&plain, '/', &segment)) {
		if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
			return true;
	}
	return false;
}

/* Some instance of the app; NULL: answered. */
static struct instance *find_callee(struct call *c)
{
	struct str id = c->segments[0];
	const struct settings *s = c->host->settings;
	const struct hosted *app = host_app(c->host, id);
	struct instance *i = app != NULL ? host_pick(c->host, app) : NULL;

	if (has_dots(c->arena, c->rest)) {
		call_error(c, 400, "ERR_DIRECT_INVOKE",
			   "the method path holds . or .., or cannot be decoded");
		return NULL;
	}
	if (!settings_allow(s, (size_t)(c->caller->settings - s->apps), STR("invoke"), id)) {
		call_error(c, 403, "ERR_DIRECT_INVOKE",
			   "access control policy: %.*s may not call %.*s", STR_ARGS(c->caller->id),
			   STR_ARGS(id));
		return NULL;
	}
	if (i == NULL)
		call_error(c, 500, "ERR_DIRECT_INVOKE", "failed to invoke, id: %.*s, err: %s",
			   STR_ARGS(id),
			   app == NULL ? "there is no such app" : "no instance of it is healthy");
	return i;
}

/* What the caller is to see of them; *ret is in the arena. -ENOMEM. */
static int answer_headers(const struct call *c, const struct http_stream *s,
			  struct http_header **ret, size_t *ret_n)
{
	struct http_header *all = arena_calloc(c->arena, HTTP_MAX_HEADERS, sizeof(*all));
	struct str connection = { NULL, 0 };
	size_t n = all != NULL ? http_stream_headers(s, all, HTTP_MAX_HEADERS) : 0, kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (str_eq_nocase(all[i].name, STR("connection")))
			connection = all[i].value;
	}
	for (size_t i = 0; i < n; i++) {
		if (!is_own_header(all[i].name) && !is_named(connection, all[i].name) &&
		    is_visible(all[i].name) && is_visible(all[i].value))
			all[kept++] = all[i];
	}
	*ret = all;
	*ret_n = kept;
	return all != NULL ? 0 : -ENOMEM;
}

/* Piece by piece, no faster than the caller takes it. An answer that breaks off is cut off. */
static FIBER void pass_on(struct call *c, struct http_stream *s)
{
	struct buf piece;
	int r;

	while ((r = http_stream_read_wait(s, &piece, PIECE_TIMEOUT_MS, &c->err)) > 0) {
		http_reply_chunk(c->http, &piece);
		r = http_reply_drain_wait(c->http, DRAIN_TIMEOUT_MS);
		if (r < 0)
			break;
	}
	if (r == 0)
		http_reply_end(c->http);
	else
		http_reply_cut(c->http);
}

static FIBER void answer(struct call *c, struct http_stream *s)
{
	struct http_header *headers;
	struct buf body;
	size_t n;

	if (answer_headers(c, s, &headers, &n) < 0) {
		call_error(c, 500, "ERR_DIRECT_INVOKE", "out of memory");
		return;
	}
	c->is_answered = true;
	if (!http_stream_is_whole(s)) {
		http_reply_begin(c->http, http_stream_status(s), headers, n);
		pass_on(c, s);
		return;
	}
	/* All of it came with its head: no need for chunks. */
	if (http_stream_read_wait(s, &body, PIECE_TIMEOUT_MS, &c->err) < 0)
		buf_done(&body);
	http_reply(c->http, http_stream_status(s), headers, n, &body);
	buf_done(&body);
}

FIBER void invoke_any(struct call *c)
{
	struct instance *i = find_callee(c);
	const struct http_head *head = &c->http->head;
	struct http_stream *stream = NULL;

	if (i == NULL)
		return;
	const char **headers = make_headers(c, i->owner);
	struct str method = arena_dup(c->arena, head->method_text);
	struct str url = arena_printf(c->arena, "http://%.*s/%.*s%s%.*s",
				      STR_ARGS(i->settings->address), STR_ARGS(c->rest),
				      head->query.n > 0 ? "?" : "", STR_ARGS(head->query));
	if (headers == NULL || url.p == NULL || method.p == NULL) {
		call_error(c, 500, "ERR_DIRECT_INVOKE", "out of memory");
		return;
	}
	const struct http_call call = {
		.method = method.p,
		.url = url.p,
		.headers = headers,
		.body = c->http->body.n > 0 ? c->http->body : (struct str){ NULL, 0 },
		.timeout_ms = HEAD_TIMEOUT_MS,
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
		/* Repeating it would do its work twice. */
		.once = head->method == HTTP_POST || head->method == HTTP_PATCH,
	};
	int r = http_stream_open_wait(i->client, &call, &stream, &c->err);
	if (r < 0) {
		if (r != -ECANCELED && r != -EINVAL)
			instance_suspect(i);
		call_error(c, 500, "ERR_DIRECT_INVOKE", "failed to invoke, id: %.*s, err: %s",
			   STR_ARGS(c->segments[0]), c->err.text);
		return;
	}
	answer(c, stream);
	http_stream_close(stream);
}
