/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instance is asked for GET /healthz: often until it answers, now and then once it does. When it
 * becomes healthy it is asked what it subscribes to, and its share of the partitions comes to it;
 * when it stops answering, the share goes to the others. A refused connection means at once that
 * nobody is there; slow or bad answers must come three times in a row.
 */
#include "host_private.h"

#include "base/json.h"
#include "base/log.h"
#include "consumer_private.h"
#include "jobs_private.h"
#include "slice_private.h"

#include <assert.h>
#include <errno.h>

enum {
	ABSENT_PROBE_MS = 500,
	PROBE_TIMEOUT_MS = 2000,
	ASK_TIMEOUT_MS = 5000,
	CONNECT_TIMEOUT_MS = 500,
	FAILURES_MAX = 3,
	CALLS_MAX = 512,
	ANSWER_MAX_BYTES = 256 * 1024,
	WISHES_ARENA_BYTES = 2 * 1024 * 1024,
	WISHES_MAX = 64,
	CALL_HEADERS_MAX = 15,
	CALL_ARENA_BYTES = 16 * 1024,
};

struct wish_routes {
	enum json_state state;
	struct json_str fallback;
	struct json_objs rules;
};

struct wish_text {
	enum json_state state;
	struct json_str pubsub, topic, route, dead_letter;
	struct wish_routes routes;
	struct {
		enum json_state state;
		struct json_str raw;
	} metadata;
};

struct wishes_text {
	struct json_objs wishes;
};

static const struct json_field NO_FIELDS[] = { JSON_FIELD_END };
static const struct json_field ROUTES_FIELDS[] = {
	JSON_FIELD(struct wish_routes, fallback, "default", JSON_KIND_STR),
	{ .name = "rules",
	  .kind = JSON_KIND_OBJS,
	  .offset = offsetof(struct wish_routes, rules),
	  .nested = NO_FIELDS,
	  .elem_size = sizeof(enum json_state) },
	JSON_FIELD_END,
};
static const struct json_field METADATA_FIELDS[] = {
	{ .name = "rawPayload",
	  .kind = JSON_KIND_STR,
	  .offset =
		  offsetof(struct wish_text, metadata.raw) - offsetof(struct wish_text, metadata) },
	JSON_FIELD_END,
};
static const struct json_field WISH_FIELDS[] = {
	JSON_FIELD(struct wish_text, pubsub, "pubsubname", JSON_KIND_STR),
	JSON_FIELD(struct wish_text, topic, "topic", JSON_KIND_STR),
	JSON_FIELD(struct wish_text, route, "route", JSON_KIND_STR),
	JSON_FIELD(struct wish_text, dead_letter, "deadLetterTopic", JSON_KIND_STR),
	{ .name = "routes",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct wish_text, routes),
	  .nested = ROUTES_FIELDS },
	{ .name = "metadata",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct wish_text, metadata),
	  .nested = METADATA_FIELDS },
	JSON_FIELD_END,
};
static const struct json_field WISHES_FIELDS[] = {
	{ .name = "v",
	  .kind = JSON_KIND_OBJS,
	  .offset = offsetof(struct wishes_text, wishes),
	  .nested = WISH_FIELDS,
	  .elem_size = sizeof(struct wish_text),
	  .max_items = WISHES_MAX },
	JSON_FIELD_END,
};

static void refuse_wish(const struct instance *i, const struct wish_text *text, const char *reason)
{
	log_warn("sidecar.subscription_refused", LOG_STR("app_id", i->owner->id),
		 LOG_STR("topic", text->topic.v), LOG_CSTR("reason", reason));
}

/* Where events are posted: route, or the default of routes. */
static struct str path_of(struct instance *i, const struct wish_text *text)
{
	struct str path = text->route.v.n > 0 ? text->route.v : text->routes.fallback.v;

	if (path.n > 0 && path.p[0] != '/')
		path = arena_printf(i->arena, "/%.*s", STR_ARGS(path));
	for (size_t n = 0; n < path.n; n++) {
		if (path.p[n] <= ' ' || path.p[n] > '~')
			return (struct str){ NULL, 0 };
	}
	return path;
}

/* False: not one that can be served; why is in the log. */
static bool read_wish(struct instance *i, const struct wish_text *text, struct wish *wish)
{
	const struct settings *s = i->host->settings;
	struct err err = { 0 };

	wish->is_replica = str_eq(text->pubsub.v, s->replica_pubsub);
	wish->is_raw = str_eq_nocase(text->metadata.raw.v, STR("true"));
	wish->dead_letter = text->dead_letter.v;
	wish->path = path_of(i, text);
	if ((!wish->is_replica && !str_eq(text->pubsub.v, s->pubsub)) ||
	    !settings_allow(s, i->settings->app, STR("components"), text->pubsub.v))
		refuse_wish(i, text, "there is no such pub/sub component");
	else if (!settings_allow(s, i->settings->app, STR("subscribe"), text->topic.v))
		refuse_wish(i, text, "the app may not subscribe to this topic");
	else if (wish->path.n == 0)
		refuse_wish(i, text, "it has no route");
	else if (topic_get(i->host, text->topic.v, &wish->topic, &err) < 0 ||
		 (wish->dead_letter.n > 0 &&
		  topic_get(i->host, wish->dead_letter, &(struct topic *){ NULL }, &err) < 0))
		refuse_wish(i, text, err.text);
	else
		return true;
	return false;
}

static FIBER int open_wishes(struct instance *i, const struct wishes_text *texts,
			     struct err *reterr)
{
	int r = 0;

	i->wishes = arena_calloc(i->arena, texts->wishes.n, sizeof(*i->wishes));
	if (i->wishes == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	for (size_t n = 0; r == 0 && n < texts->wishes.n; n++) {
		const struct wish_text *text = (const struct wish_text *)texts->wishes.v + n;
		struct wish *wish = &i->wishes[i->n_wishes];
		if (text->routes.rules.n > 0)
			refuse_wish(i, text,
				    "rules are not evaluated here: all goes to the default");
		if (!read_wish(i, text, wish))
			continue;
		i->n_wishes++;
		r = consumer_open_wait(i->host, i, wish, reterr);
	}
	return r;
}

static FIBER int read_wishes(struct instance *i, struct str body, struct err *reterr)
{
	struct wishes_text texts = { 0 };

	if (str_trim(body).n == 0)
		return 0;
	int r = slice_parse(i->arena, body, "subscriptions", WISHES_FIELDS, &texts, NULL, reterr);
	return r < 0 ? r : open_wishes(i, &texts, reterr);
}

int instance_call_wait(struct instance *i, struct arena *arena, const struct http_call *call,
		       struct http_response *ret, struct err *reterr)
{
	const char *headers[CALL_HEADERS_MAX + 1] = { i->owner->settings->app_header };
	struct http_call mine = *call;
	size_t n = headers[0] != NULL;

	buf_init(&ret->body, 0);
	for (const char *const *h = call->headers; h != NULL && *h != NULL; h++) {
		assert(n < CALL_HEADERS_MAX);
		headers[n++] = *h;
	}
	mine.headers = headers;
	mine.url =
		arena_printf(arena, "http://%.*s%s", STR_ARGS(i->settings->address), call->url).p;
	mine.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	if (mine.url == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	int r = http_client_wait(i->client, &mine, ret, reterr);
	if (r < 0 && r != -ECANCELED)
		instance_suspect(i);
	return r;
}

static FIBER int get_wait(struct instance *i, const char *path, int64_t timeout_ms,
			  struct http_response *response, struct err *reterr)
{
	const struct http_call call = {
		.method = "GET",
		.url = path,
		.timeout_ms = timeout_ms,
		.max_response_bytes = ANSWER_MAX_BYTES,
	};
	struct arena *arena = arena_new(CALL_ARENA_BYTES);

	if (arena == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	int r = instance_call_wait(i, arena, &call, response, reterr);
	arena_free(arena);
	return r;
}

/* What it subscribes to. 404 is nothing; other answers mean that it is not ready. */
static FIBER int subscribe_wait(struct instance *i, struct err *reterr)
{
	struct http_response response = { 0 };
	struct arena *arena = arena_new(WISHES_ARENA_BYTES);

	if (arena == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	arena_free(i->arena);
	i->arena = arena;
	i->wishes = NULL;
	i->n_wishes = 0;
	int r = get_wait(i, "/dapr/subscribe", ASK_TIMEOUT_MS, &response, reterr);
	if (r == 0 && response.status == 200)
		r = read_wishes(i, buf_str(&response.body), reterr);
	else if (r == 0 && response.status != 404)
		r = err_unavailable(reterr, 1, "GET /dapr/subscribe was answered %d",
				    response.status);
	buf_done(&response.body);
	return r;
}

static FIBER int healthz_wait(struct instance *i, struct err *reterr)
{
	struct http_response response = { 0 };

	int r = get_wait(i, "/healthz", PROBE_TIMEOUT_MS, &response, reterr);
	if (r == 0 && (response.status < 200 || response.status > 299))
		r = err_unavailable(reterr, 1, "GET /healthz was answered %d", response.status);
	buf_done(&response.body);
	return r;
}

static void went_up(struct instance *i)
{
	log_info("sidecar.app_up", LOG_STR("app_id", i->owner->id),
		 LOG_STR("address", i->settings->address),
		 LOG_I64("subscriptions", (int64_t)i->n_wishes));
	i->is_healthy = true;
	consumers_assign(i->host);
	jobs_look(i->owner);
}

static void went_down(struct instance *i, const struct err *err)
{
	log_warn("sidecar.app_down", LOG_STR("app_id", i->owner->id),
		 LOG_STR("address", i->settings->address), LOG_CSTR("reason", err->text));
	i->is_healthy = false;
	consumers_assign(i->host);
	jobs_arm(i->host);
}

static void plan_probe(struct instance *i, int64_t delay_ms)
{
	if (!i->host->is_stopping && timer_start(&i->probe_timer, delay_ms) < 0)
		log_warn("sidecar.no_timer", LOG_STR("app_id", i->owner->id));
}

/* Becomes of the instance what the probe found. */
static void judge(struct instance *i, int r, const struct err *err)
{
	i->failures = r == 0 ? 0 : i->failures + 1;
	if (r == 0 && !i->is_healthy)
		went_up(i);
	else if (r < 0 && i->is_healthy && (r == -ECONNREFUSED || i->failures >= FAILURES_MAX))
		went_down(i, err);
	else if (r < 0 && !i->is_healthy && r != -ECONNREFUSED)
		log_err(LOG_DEBUG, "sidecar.app_not_ready", err);
}

static FIBER void probe(void *arg)
{
	struct instance *i = arg;
	struct err err = { 0 };

	int r = healthz_wait(i, &err);
	if (r == 0 && !i->is_healthy)
		r = subscribe_wait(i, &err);
	i->is_probing = false;
	if (i->host->is_stopping)
		return;
	judge(i, r, &err);
	plan_probe(i, i->is_healthy && r == 0 ? i->host->settings->probe_ms : ABSENT_PROBE_MS);
}

static void on_probe_timer(void *arg)
{
	struct instance *i = arg;

	if (i->is_probing)
		return;
	i->is_probing = true;
	if (fiber_spawn(i->host->loop, "sidecar.probe", probe, i, NULL, NULL) < 0) {
		i->is_probing = false;
		plan_probe(i, ABSENT_PROBE_MS);
	}
}

void instance_suspect(struct instance *i)
{
	if (!i->is_probing)
		plan_probe(i, 0);
}

const struct wish *instance_wish(const struct instance *i, const struct topic *t, bool is_replica)
{
	for (size_t n = 0; n < i->n_wishes; n++) {
		if (i->wishes[n].topic == t && i->wishes[n].is_replica == is_replica)
			return &i->wishes[n];
	}
	return NULL;
}

int instance_open(struct instance *i)
{
	timer_init(&i->probe_timer, i->host->loop, on_probe_timer, i);
	i->client = http_client_new(i->host->loop, CALLS_MAX);
	return i->client != NULL ? timer_start(&i->probe_timer, 0) : -ENOMEM;
}

void instance_close(struct instance *i)
{
	if (i->host == NULL)
		return;
	timer_done(&i->probe_timer);
	http_client_free(i->client);
	arena_free(i->arena);
}
