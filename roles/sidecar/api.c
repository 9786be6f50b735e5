/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listeners of the API, one per app, and the way of a request to its handler: token, route,
 * bound of the body, then a fiber of its own. The paths are Dapr's, stable and alpha alike.
 */
#include "api_private.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "net/http_client.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum {
	CONNECTIONS_MAX = 1024,
	/* Of a body, its copies on the way to the database, and what they are read with. */
	ARENA_BYTES = 64 * 1024 * 1024,
	HEAD_TIMEOUT_MS = 10 * 1000,
	BODY_TIMEOUT_MS = 30 * 1000,
	IDLE_TIMEOUT_MS = 300 * 1000,
	WRITE_TIMEOUT_MS = 60 * 1000,
};

static_assert(IDLE_TIMEOUT_MS > HTTP_CLIENT_IDLE_MAX_S * 1000,
	      "the API would close connections that an app still uses");

static void health(struct call *c);
static void health_outbound(struct call *c);

static const struct api_route ROUTES[] = {
	{ .method = HTTP_GET, .pattern = "healthz", .handler = health, .no_token = true },
	{ .method = HTTP_GET,
	  .pattern = "healthz/outbound",
	  .handler = health_outbound,
	  .no_token = true },
	{ .method = HTTP_GET, .pattern = "metadata", .handler = metadata_get },
	{ .method = HTTP_POST, .pattern = "publish/bulk/{}/{}", .handler = publish_bulk },
	{ .method = HTTP_POST, .pattern = "publish/{}/{}", .handler = publish_one },
	{ .method = HTTP_PUT, .pattern = "publish/{}/{}", .handler = publish_one },
	{ .method = HTTP_POST, .pattern = "state/{}/bulk", .handler = state_bulk },
	{ .method = HTTP_PUT, .pattern = "state/{}/bulk", .handler = state_bulk },
	{ .method = HTTP_POST, .pattern = "state/{}", .handler = state_save },
	{ .method = HTTP_PUT, .pattern = "state/{}", .handler = state_save },
	{ .method = HTTP_GET, .pattern = "state/{}/*", .handler = state_get },
	{ .method = HTTP_DELETE, .pattern = "state/{}/*", .handler = state_delete },
	{ .method = HTTP_POST, .pattern = "jobs/{}", .handler = job_put },
	{ .method = HTTP_PUT, .pattern = "jobs/{}", .handler = job_put },
	{ .method = HTTP_GET, .pattern = "jobs/{}", .handler = job_get },
	{ .method = HTTP_DELETE, .pattern = "jobs/{}", .handler = job_delete },
	{ .pattern = "invoke/{}/method/*", .handler = invoke_any, .any_method = true },
	{ .method = HTTP_GET, .pattern = "secrets/{}/bulk", .handler = secret_bulk },
	{ .method = HTTP_GET, .pattern = "secrets/{}/{}", .handler = secret_get },
};

static const struct metric_family REQUESTS = {
	"todod_sidecar_requests_total",
	METRIC_COUNTER,
	"Answered calls of the sidecar's API, by route and status.",
};

/* A body over the bound is no 413 to Dapr. */
static const struct err_kind TOO_LONG = { "body_too_long", 500, EMSGSIZE, "The body is too long" };

static bool decode(struct call *c, struct str segment, struct str *ret)
{
	char *out = arena_alloc(c->arena, segment.n + 1);
	ssize_t n = out != NULL ? http_percent_decode(segment, false, out) : -ENOMEM;

	if (n <= 0)
		return false;
	*ret = (struct str){ out, (size_t)n };
	return true;
}

static bool matches(struct call *c, const struct api_route *route, struct str path)
{
	struct str pattern = str_from(route->pattern), part, segment;
	size_t n = 0;

	while (str_split(&pattern, '/', &part)) {
		if (str_eq(part, STR("*"))) {
			c->rest = path;
			return path.n > 0;
		}
		if (!str_split(&path, '/', &segment))
			return false;
		if (str_eq(part, STR("{}"))) {
			if (!decode(c, segment, &c->segments[n++]))
				return false;
		} else if (!str_eq(part, segment)) {
			return false;
		}
	}
	return path.n == 0;
}

static const struct api_route *find_route(struct call *c)
{
	static const struct str PREFIXES[] = { STR_INIT("/v1.0/"), STR_INIT("/v1.0-alpha1/") };
	const struct http_head *head = &c->http->head;
	enum http_method method = head->method == HTTP_HEAD ? HTTP_GET : head->method;

	for (size_t p = 0; p < ARRAY_SIZE(PREFIXES); p++) {
		if (!str_starts(head->path, PREFIXES[p]))
			continue;
		struct str path = { head->path.p + PREFIXES[p].n, head->path.n - PREFIXES[p].n };
		for (size_t i = 0; i < ARRAY_SIZE(ROUTES); i++) {
			const struct api_route *route = &ROUTES[i];
			if ((route->any_method || route->method == method) &&
			    matches(c, route, path))
				return route;
		}
	}
	return NULL;
}

static bool token_is_right(const struct call *c)
{
	struct str wanted = c->caller->settings->api_token;
	struct str given = call_header(c, "dapr-api-token");

	if (wanted.n == 0 || (c->route != NULL && c->route->no_token))
		return true;
	return http_head_count(&c->http->head, STR("dapr-api-token")) == 1 &&
	       hash_equal_const_time(given, wanted);
}

static int64_t on_head(struct http_request *http, void *arg, struct err *reterr)
{
	struct door *door = arg;
	struct call *c = arena_calloc(http->arena, 1, sizeof(*c));

	if (c == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	c->host = door->host;
	c->caller = door->owner;
	c->door = door;
	c->http = http;
	c->arena = http->arena;
	http->user = c;
	c->route = find_route(c);
	if (!token_is_right(c))
		return err_set(reterr, &ERR_UNAUTHORIZED, NULL, "invalid api token");
	if (fiber_count_of(c->host->loop) >= FIBER_MAX)
		return err_unavailable(reterr, 1, "too many requests are under way");
	if (http->head.content_length > HOST_BODY_MAX)
		return err_set(reterr, &TOO_LONG, NULL, "the body has more than %d bytes",
			       HOST_BODY_MAX);
	return HOST_BODY_MAX;
}

static FIBER void run(void *arg)
{
	struct call *c = arg;

	c->route->handler(c);
	assert(c->is_answered);
	c->fiber = NULL;
	http_request_release(c->http);
}

static void on_request(struct http_request *http, void *arg)
{
	struct call *c = http->user;

	(void)arg;
	if (c->route == NULL) {
		call_error(c, 404, "ERR_NOT_FOUND", "the embedded sidecar has nothing at %s %.*s",
			   http_method_name(http->head.method), STR_ARGS(http->head.path));
	} else if (fiber_spawn(c->host->loop, "sidecar.call", run, c, NULL, &c->fiber) == 0) {
		return;
	} else {
		call_error(c, 503, "ERR_BUSY", "too much is under way");
	}
	http_request_release(http);
}

static void on_abort(struct http_request *http, void *arg)
{
	struct call *c = http->user;

	(void)arg;
	if (c->fiber != NULL)
		fiber_cancel(c->fiber);
}

static void write_error(struct buf *out, const char *code, struct str message)
{
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("errorCode"), str_from(code));
	json_key_str(&o, STR("message"), message);
	json_end_object(&o);
}

static size_t on_problem(struct http_request *http, const struct err *e, struct buf *out,
			 struct http_header *headers, size_t max_headers, void *arg)
{
	bool is_token = e->kind == &ERR_UNAUTHORIZED;

	(void)http;
	(void)arg;
	assert(max_headers >= 1);
	if (is_token)
		buf_append_str(out, str_from(e->text));
	else
		write_error(out, e->kind == &TOO_LONG ? "ERR_BODY_TOO_LARGE" : "ERR_BAD_REQUEST",
			    str_from(e->text));
	headers[0] = (struct http_header){ STR("Content-Type"),
					   is_token ? STR("text/plain") : STR("application/json") };
	return 1;
}

static void on_done(struct http_request *http, int status, uint64_t bytes_sent, void *arg)
{
	const struct call *c = http->user;
	char labels[96];

	(void)bytes_sent;
	(void)arg;
	snprintf(labels, sizeof(labels), "route=\"%s\",status=\"%d\"",
		 c != NULL && c->route != NULL ? c->route->pattern : "none", status);
	metric_add(metric_get(&REQUESTS, labels), 1);
}

struct str call_header(const struct call *c, const char *name)
{
	return http_head_get(&c->http->head, str_from(name));
}

struct str call_query(struct call *c, const char *name)
{
	struct str rest = c->http->head.query, pair, key;

	while (rest.n > 0 && str_split(&rest, '&', &pair)) {
		str_split(&pair, '=', &key);
		char *out = arena_alloc(c->arena, key.n + pair.n + 1);
		ssize_t n = out != NULL ? http_percent_decode(key, true, out) : -ENOMEM;
		if (n < 0 || !str_eq((struct str){ out, (size_t)n }, str_from(name)))
			continue;
		n = http_percent_decode(pair, true, out);
		return n >= 0 ? (struct str){ out, (size_t)n } : (struct str){ NULL, 0 };
	}
	return (struct str){ NULL, 0 };
}

struct buf *call_buf(struct call *c, size_t max_bytes)
{
	return arena_buf(c->arena, max_bytes);
}

void call_empty(struct call *c, int status)
{
	c->is_answered = true;
	http_reply(c->http, status, NULL, 0, NULL);
}

void call_json(struct call *c, int status, struct buf *body, const struct http_header *headers,
	       size_t n_headers)
{
	struct http_header all[8] = { { STR("Content-Type"), STR("application/json") } };

	assert(n_headers < ARRAY_SIZE(all));
	if (n_headers > 0)
		memcpy(&all[1], headers, n_headers * sizeof(*headers));
	c->is_answered = true;
	http_reply(c->http, status, all, n_headers + 1, body);
}

void call_error(struct call *c, int status, const char *code, const char *fmt, ...)
{
	struct buf body;
	va_list args;
	char message[512];

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	buf_init(&body, 4096);
	write_error(&body, code, str_from(message));
	call_json(c, status, &body, NULL, 0);
	buf_done(&body);
}

void call_failure(struct call *c, int status, const char *code)
{
	call_error(c, status, code, "%s", c->err.text);
}

int call_db_wait(struct call *c, const struct db_statement *statement,
		 const struct db_param *params, struct db_result **ret)
{
	const struct db_query query = { statement, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };

	return db_run_wait(c->host->db, &segment, ret, NULL, &c->err);
}

int64_t call_change_wait(struct call *c, const struct db_statement *statement,
			 const struct db_param *params)
{
	struct db_result *result = NULL;
	int64_t r = call_db_wait(c, statement, params, &result);

	if (r < 0)
		return r;
	r = db_affected(result);
	db_result_free(result);
	return r;
}

static void health(struct call *c)
{
	bool is_up = false;

	for (size_t i = 0; i < c->host->n_instances; i++) {
		const struct instance *n = &c->host->instances[i];
		is_up = is_up || (n->is_healthy && n->door == c->door);
	}
	if (is_up && db_is_up(c->host->db))
		call_empty(c, 204);
	else
		call_error(c, 500, "ERR_HEALTH_NOT_READY", "dapr is not ready: %s",
			   is_up ? "the database is unreachable" : "the app is not healthy");
}

static void health_outbound(struct call *c)
{
	if (db_is_up(c->host->db))
		call_empty(c, 204);
	else
		call_error(c, 500, "ERR_OUTBOUND_HEALTH_NOT_READY",
			   "dapr outbound is not ready: the database is unreachable");
}

/* The port of an instance; it may have been opened for another one of its app. */
static int open_door(struct host *h, struct instance *instance, struct err *reterr)
{
	struct hosted *owner = instance->owner;
	uint16_t port = instance->settings->api_port;
	struct door *door = &h->doors[h->n_doors];
	const struct http_server_config config = {
		.loop = h->loop,
		.address = "127.0.0.1",
		.port = port,
		.max_connections = CONNECTIONS_MAX,
		.head_timeout_ms = HEAD_TIMEOUT_MS,
		.body_timeout_ms = BODY_TIMEOUT_MS,
		.idle_timeout_ms = IDLE_TIMEOUT_MS,
		.write_timeout_ms = WRITE_TIMEOUT_MS,
		.arena_bytes = ARENA_BYTES,
		.on_head = on_head,
		.on_request = on_request,
		.on_abort = on_abort,
		.on_problem = on_problem,
		.on_done = on_done,
		.metrics_label = "sidecar",
		.arg = door,
	};

	for (size_t i = 0; i < h->n_doors; i++) {
		if (h->doors[i].port != port || port == 0)
			continue;
		instance->door = &h->doors[i];
		if (h->doors[i].owner == owner)
			return 0;
		return err_set(reterr, &ERR_INVALID, NULL, "sidecar.apps: two apps share port %u",
			       port);
	}
	*door = (struct door){ .host = h, .owner = owner, .port = port };
	int r = http_server_new(&config, &door->server, reterr);
	if (r < 0)
		return r;
	h->n_doors++;
	instance->door = door;
	log_info("http.listening", LOG_CSTR("listener", "sidecar"), LOG_STR("app_id", owner->id),
		 LOG_I64("port", http_server_port(door->server)));
	return 0;
}

int api_open(struct host *h, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < h->n_instances; i++)
		r = open_door(h, &h->instances[i], reterr);
	return r;
}

void api_drain(struct host *h)
{
	for (size_t i = 0; i < h->n_doors; i++)
		http_server_drain(h->doors[i].server);
}

void api_close(struct host *h)
{
	for (size_t i = 0; i < h->n_doors; i++)
		http_server_free(h->doors[i].server);
	h->n_doors = 0;
}
