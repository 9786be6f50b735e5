/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators and clusters ask: alive, ready, metrics, fibers. Answered from memory and without
 * a fiber, so that they answer when nothing else does. The same tables as any route's.
 */
#include "app_life_private.h"

enum { METRICS_MAX = 16 * 1024 * 1024 };

static void get_livez(struct request *rq)
{
	struct buf *body = request_buf(rq, 64);

	if (body == NULL) {
		reply_problem(rq);
		return;
	}
	buf_append_str(body, STR("{\"status\":\"alive\"}"));
	reply_json(rq, 200, body);
}

static void reply_ready(struct request *rq, bool is_ready)
{
	struct buf *body = is_ready ? request_buf(rq, 64) : NULL;

	if (body == NULL) {
		reply_problem(rq);
		return;
	}
	buf_append_str(body, STR("{\"status\":\"ready\"}"));
	reply_json(rq, 200, body);
}

/* The role whose port this is. */
static void get_health(struct request *rq)
{
	reply_ready(rq, app_is_ready(rq->app, &rq->err));
}

static void get_readyz(struct request *rq)
{
	reply_ready(rq, process_is_ready(rq->app->process, &rq->err));
}

static void get_metrics(struct request *rq)
{
	struct buf *body = request_buf(rq, METRICS_MAX);

	if (body == NULL) {
		reply_problem(rq);
		return;
	}
	process_render_metrics(rq->app->process, body);
	reply_body(rq, 200, "text/plain; version=0.0.4; charset=utf-8", body);
}

static void get_fibers(struct request *rq)
{
	struct buf *body = request_buf(rq, 1024 * 1024);

	if (body == NULL) {
		reply_problem(rq);
		return;
	}
	process_dump_fibers(rq->app->process, body);
	reply_body(rq, 200, "text/plain; charset=utf-8", body);
}

#define HEALTH_SCHEMA \
	"{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{\"status\":{\"type\":\"string\"}}}"

static const struct route_answer HEALTH_ANSWERS[] = {
	{ 200, HEALTH_SCHEMA, "all is well", NULL },
	{ .status = 0 },
};
static const struct route_answer TEXT_ANSWERS[] = {
	{ 200, NULL, "plain text", NULL },
	{ .status = 0 },
};

const struct route HEALTH_ROUTES[] = {
	{
		.method = HTTP_GET,
		.pattern = "/health",
		.operation = "readHealth",
		.summary = "Whether the service is ready",
		.flags = ROUTE_PUBLIC | ROUTE_INLINE,
		.answers = HEALTH_ANSWERS,
		.handler = get_health,
	},
	{ .pattern = NULL },
};

const struct route OPS_ROUTES[] = {
	{
		.method = HTTP_GET,
		.pattern = "/livez",
		.operation = "livez",
		.summary = "The loop turns",
		.flags = ROUTE_PUBLIC | ROUTE_INLINE,
		.answers = HEALTH_ANSWERS,
		.handler = get_livez,
	},
	{
		.method = HTTP_GET,
		.pattern = "/readyz",
		.operation = "readyz",
		.summary = "Requests are taken: what is needed is up",
		.flags = ROUTE_PUBLIC | ROUTE_INLINE,
		.answers = HEALTH_ANSWERS,
		.handler = get_readyz,
	},
	{
		.method = HTTP_GET,
		.pattern = "/metrics",
		.operation = "metrics",
		.summary = "Prometheus text format",
		.flags = ROUTE_PUBLIC | ROUTE_INLINE,
		.answers = TEXT_ANSWERS,
		.handler = get_metrics,
	},
	{
		.method = HTTP_GET,
		.pattern = "/debug/fibers",
		.operation = "debugFibers",
		.summary = "Fibers: name, what they wait on, age",
		.flags = ROUTE_PUBLIC | ROUTE_INLINE,
		.answers = TEXT_ANSWERS,
		.handler = get_fibers,
	},
	{ .pattern = NULL },
};
