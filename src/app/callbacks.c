/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers are protocol: 200 done, 422 never, 503 again. A job that can never be done is answered
 * 200 too and told as an error: there are no dead letters of jobs, and 422 would be tried for ever.
 * A path that no table names is 500: were it 404, some sidecars would take the delivery for done.
 */
#include "callbacks_private.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	TICK_BODY_MAX = 64 * 1024,		    /* there is none, in any framing */
	RAW_BODY_MAX = CLOUDEVENT_BODY_MAX / 2 * 3, /* base64 */
	FIXED_ROUTES = 3,			    /* healthz, /dapr/..., /job/... */
	ROUTES_OF_CRON = 2,			    /* the tick, and whether there is one */
};

enum outcome { OUTCOME_DONE, OUTCOME_INVALID, OUTCOME_RETRY, N_OUTCOMES };

static const struct {
	const char *name;
	int status;
} OUTCOMES[N_OUTCOMES] = {
	[OUTCOME_DONE] = { "done", 200 },
	[OUTCOME_INVALID] = { "invalid", 422 },
	[OUTCOME_RETRY] = { "retry", 503 },
};

static const struct metric_family CONSUMED = {
	"todod_events_consumed_total",
	METRIC_COUNTER,
	"Events delivered by the sidecar, by what became of them.",
};
static const struct metric_family LAG = {
	"todod_event_lag_seconds",
	METRIC_HISTOGRAM,
	"Time from what an event tells of to its delivery.",
};
static const struct metric_family TICKS = {
	"todod_cron_ticks_total",
	METRIC_COUNTER,
	"Ticks of crons, by what became of them.",
};
static const struct metric_family JOBS = {
	"todod_jobs_total",
	METRIC_COUNTER,
	"Jobs that fired, by what became of them.",
};

/* What stands behind the route of the same index. */
struct callback {
	char path[129];
	const struct subscription *subscription;
	const struct cron *cron;
	struct metric *outcomes[N_OUTCOMES], *lag;
};

struct callbacks {
	const struct role *role;
	const char *pubsub;
	struct str app_token;
	struct route *routes; /* ends with a NULL pattern */
	struct callback *list;
	size_t n;
};

void role_subscriptions(const struct role *role, const char *pubsub, struct buf *out)
{
	static const struct subscription NONE[] = { { .topic = NULL } };

	subscriptions_write(out, pubsub, role->subscriptions != NULL ? role->subscriptions : NONE);
}

static const struct callback *callback_of(const struct request *rq)
{
	const struct callbacks *c = app_callbacks(rq->app);

	return &c->list[rq->route - c->routes];
}

/* ---- what the sidecar asks ---- */

static void get_healthz(struct request *rq)
{
	reply_empty(rq, 200);
}

/* The list of subscriptions is asked for once in a sidecar's life: no failure here but memory. */
static void get_document(struct request *rq)
{
	const struct callbacks *c = app_callbacks(rq->app);
	struct buf *body;

	if (str_eq(rq->params[0], STR("config"))) {
		reply_empty(rq, 404); /* what it expects of an app without actors */
		return;
	}
	if (!str_eq(rq->params[0], STR("subscribe"))) {
		err_set(&rq->err, &ERR_INTERNAL, NULL, "the sidecar asks for an unknown document");
		reply_problem(rq);
		return;
	}
	body = request_buf(rq, SUBSCRIPTIONS_JSON_MAX);
	if (body == NULL) {
		reply_problem(rq);
		return;
	}
	role_subscriptions(c->role, c->pubsub, body);
	reply_json(rq, 200, body);
}

static void answer_options(struct request *rq)
{
	reply_empty(rq, 200);
}

/* ---- deliveries ---- */

static enum outcome outcome_of(int result)
{
	if (result == 0)
		return OUTCOME_DONE;
	return result == -EINVAL ? OUTCOME_INVALID : OUTCOME_RETRY;
}

static void count(const struct callback *cb, enum outcome o)
{
	metric_add(cb->outcomes[o], 1);
}

struct data_words {
	struct json_str correlation_id;
};

static const struct json_field DATA_FIELDS[] = {
	JSON_FIELD(struct data_words, correlation_id, "correlation_id", JSON_KIND_STR),
	JSON_FIELD_END,
};

/* From here on the fiber logs under the ids of the request that the event is from. */
static void take_over_ids(struct request *rq, const struct cloudevent *e)
{
	struct data_words words = { .correlation_id = { .state = JSON_ABSENT } };
	struct err err;

	(void)log_context_set_trace(&rq->log, e->traceparent);
	if (e->data.p == NULL || e->data.n == 0 || e->data.p[0] != '{' ||
	    json_parse(rq->arena, e->data, "data", DATA_FIELDS, &words, &err) < 0)
		return;
	if (words.correlation_id.state == JSON_SET)
		(void)log_context_set_correlation_id(&rq->log, words.correlation_id.v);
}

static void observe_lag(const struct callback *cb, const struct cloudevent *e)
{
	struct civil civil;
	int64_t us, lag_us;
	bool has_offset;

	if (e->time.p == NULL || time_parse_rfc3339(e->time, &us, &civil, &has_offset) < 0)
		return;
	lag_us = time_now_us() - us;
	metric_observe(cb->lag, lag_us > 0 ? (double)lag_us / 1e6 : 0);
}

static void log_consumed(const struct delivery *d, enum outcome o, int64_t took_us,
			 const struct err *e)
{
	if (o == OUTCOME_DONE)
		log_info("event.consumed", LOG_STR("event_id", d->event.id),
			 LOG_STR("topic", d->topic), LOG_STR("type", d->event.type),
			 LOG_CSTR("result", OUTCOMES[o].name), LOG_I64("took_us", took_us),
			 LOG_STR("partition", d->partition), LOG_STR("offset", d->offset));
	else
		log_warn("event.consumed", LOG_STR("event_id", d->event.id),
			 LOG_STR("topic", d->topic), LOG_STR("type", d->event.type),
			 LOG_CSTR("result", OUTCOMES[o].name), LOG_I64("took_us", took_us),
			 LOG_STR("partition", d->partition), LOG_STR("offset", d->offset),
			 LOG_CSTR("reason", e->text), LOG_CSTR("field", e->field));
}

static FIBER int handle_event(struct request *rq, const struct callback *cb, struct delivery *d)
{
	if (!cb->subscription->raw) {
		int r = cloudevent_parse(rq->arena, d->body, &d->event, &rq->err);
		if (r < 0)
			return r;
		take_over_ids(rq, &d->event);
		observe_lag(cb, &d->event);
	}
	return cb->subscription->handler(rq->app, d, &rq->err);
}

static FIBER void post_event(struct request *rq)
{
	const struct callback *cb = callback_of(rq);
	struct delivery d = {
		.arena = rq->arena,
		.topic = str_from(cb->subscription->topic),
		.body = request_body(rq),
		.key = request_header(rq, "__key"),
		.partition = request_header(rq, "__partition"),
		.offset = request_header(rq, "__offset"),
	};
	enum outcome o = outcome_of(handle_event(rq, cb, &d));

	count(cb, o);
	log_consumed(&d, o, request_age_us(rq), &rq->err);
	reply_empty(rq, OUTCOMES[o].status);
}

static FIBER void post_tick(struct request *rq)
{
	const struct callback *cb = callback_of(rq);
	enum outcome o = cb->cron->handler(rq->app, &rq->err) == 0 ? OUTCOME_DONE : OUTCOME_RETRY;

	count(cb, o);
	if (o != OUTCOME_DONE)
		log_warn("cron.failed", LOG_CSTR("cron", cb->cron->name),
			 LOG_I64("took_us", request_age_us(rq)), LOG_CSTR("reason", rq->err.text));
	reply_empty(rq, OUTCOMES[o].status);
}

static FIBER void post_job(struct request *rq)
{
	const struct callback *cb = callback_of(rq);
	const struct role *role = app_callbacks(rq->app)->role;
	enum outcome o = outcome_of(
		role->job(rq->app, rq->params[0], request_body(rq), rq->arena, &rq->err));

	static const enum log_level LEVELS[N_OUTCOMES] = {
		[OUTCOME_DONE] = LOG_INFO,
		[OUTCOME_INVALID] = LOG_ERROR,
		[OUTCOME_RETRY] = LOG_WARN,
	};

	count(cb, o);
	log_write(LEVELS[o], "job.fired",
		  (const struct log_field[]){ LOG_STR("job", rq->params[0]),
					      LOG_CSTR("result", OUTCOMES[o].name),
					      LOG_I64("took_us", request_age_us(rq)),
					      LOG_CSTR("reason", rq->err.text),
					      { .type = LOG_FIELD_END } });
	reply_empty(rq, OUTCOMES[o == OUTCOME_INVALID ? OUTCOME_DONE : o].status);
}

/* ---- the table ---- */

static size_t count_callbacks(const struct role *role)
{
	size_t n = FIXED_ROUTES;

	for (const struct subscription *s = role->subscriptions; s != NULL && s->topic != NULL; s++)
		n++;
	for (const struct cron *c = role->crons; c != NULL && c->name != NULL; c++)
		n += ROUTES_OF_CRON;
	return n;
}

/* Fills in the next one; the path is in its callback already. */
static struct callback *add(struct callbacks *c, enum http_method method, unsigned flags,
			    size_t body_max, const char *summary, route_handler_fn *handler)
{
	struct callback *cb = &c->list[c->n];

	c->routes[c->n++] = (struct route){
		.method = method,
		.pattern = cb->path,
		.operation = cb->path + 1,
		.summary = summary,
		.flags = ROUTE_PUBLIC | flags,
		.body_max = body_max,
		.handler = handler,
	};
	return cb;
}

static void add_outcomes(struct callback *cb, const struct metric_family *family, const char *label,
			 const char *value)
{
	char labels[256];

	for (int o = 0; o < N_OUTCOMES; o++) {
		snprintf(labels, sizeof(labels), "%s%s%s%sresult=\"%s\"", label,
			 *label ? "=\"" : "", value, *label ? "\"," : "", OUTCOMES[o].name);
		cb->outcomes[o] = metric_get(family, labels);
	}
}

static void set_path(struct callbacks *c, const char *prefix, const char *name)
{
	snprintf(c->list[c->n].path, sizeof(c->list[c->n].path), "%s%s", prefix, name);
}

static void add_subscription(struct callbacks *c, const struct subscription *s)
{
	struct callback *cb = &c->list[c->n];
	char path[128], labels[160];

	(void)str_copy(cb->path, sizeof(cb->path), subscription_path(s, path));
	add(c, HTTP_POST, ROUTE_CALLBACK, s->raw ? RAW_BODY_MAX : CLOUDEVENT_BODY_MAX,
	    "An event was delivered", post_event);
	cb->subscription = s;
	add_outcomes(cb, &CONSUMED, "topic", s->topic);
	snprintf(labels, sizeof(labels), "topic=\"%s\"", s->topic);
	cb->lag = metric_get(&LAG, labels);
}

static void add_cron(struct callbacks *c, const struct cron *cron)
{
	struct callback *cb;

	set_path(c, "/", cron->name);
	cb = add(c, HTTP_POST, ROUTE_CALLBACK, TICK_BODY_MAX, "A cron ticks", post_tick);
	cb->cron = cron;
	add_outcomes(cb, &TICKS, "cron", cron->name);
	set_path(c, "/", cron->name);
	add(c, HTTP_OPTIONS, ROUTE_CALLBACK | ROUTE_INLINE, TICK_BODY_MAX,
	    "Whether this cron is wanted", answer_options);
}

static void fill(struct callbacks *c)
{
	set_path(c, CALLBACK_HEALTH_PATH, "");
	add(c, HTTP_GET, ROUTE_PROBE | ROUTE_INLINE, 0, "The app can be called", get_healthz);
	set_path(c, CALLBACK_DOCUMENT_PATH, "");
	add(c, HTTP_GET, ROUTE_CALLBACK | ROUTE_INLINE, 0, "What the app wants of the sidecar",
	    get_document);
	for (const struct subscription *s = c->role->subscriptions; s != NULL && s->topic != NULL;
	     s++)
		add_subscription(c, s);
	for (const struct cron *cron = c->role->crons; cron != NULL && cron->name != NULL; cron++)
		add_cron(c, cron);
	if (c->role->job == NULL)
		return;
	set_path(c, CALLBACK_JOB_PATH, "");
	add_outcomes(add(c, HTTP_POST, ROUTE_CALLBACK, CLOUDEVENT_BODY_MAX, "A job fires",
			 post_job),
		     &JOBS, "", "");
}

struct callbacks *callbacks_new(const struct role *role, const char *pubsub, struct str app_token)
{
	struct callbacks *c = calloc(1, sizeof(*c));
	size_t n = count_callbacks(role);

	if (c == NULL)
		return NULL;
	c->role = role;
	c->pubsub = pubsub;
	c->app_token = app_token;
	c->routes = calloc(n + 1, sizeof(*c->routes));
	c->list = calloc(n, sizeof(*c->list));
	if (c->routes == NULL || c->list == NULL) {
		callbacks_free(c);
		return NULL;
	}
	fill(c);
	return c;
}

void callbacks_free(struct callbacks *c)
{
	if (c == NULL)
		return;
	free(c->routes);
	free(c->list);
	free(c);
}

const struct route *callbacks_routes(const struct callbacks *c)
{
	return c->routes;
}

int callbacks_admit(const struct callbacks *c, const struct request *rq, struct err *reterr)
{
	bool has_caller = request_header(rq, "dapr-caller-app-id").p != NULL;
	struct str token = request_header(rq, "dapr-api-token");

	if (rq->route->flags & ROUTE_PROBE)
		return 0;
	if (c->app_token.n > 0 && !hash_equal_const_time(token, c->app_token))
		return err_set(reterr, &ERR_UNAUTHORIZED, "header.dapr-api-token",
			       "the sidecar's token is needed here");
	if ((rq->route->flags & ROUTE_CALLBACK) && has_caller)
		return err_set(reterr, &ERR_FORBIDDEN, "header.dapr-caller-app-id",
			       "only the sidecar itself may call this, no other app through it");
	if (!(rq->route->flags & ROUTE_CALLBACK) && !has_caller)
		return err_set(reterr, &ERR_FORBIDDEN, "header.dapr-caller-app-id",
			       "here the API is for apps that call through the sidecar");
	return 0;
}
