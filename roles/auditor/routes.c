/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What peers read by invocation, for the user whose token they pass on: what happened to a task,
 * and to everything of his.
 */
#include "auditor_private.h"

#include "base/json_out.h"

#include <errno.h>

enum { PAGE_DEFAULT = 50, ANSWER_MAX = 64 * 1024 * 1024 };

static const struct err_kind ERR_TASK = { "not_found", 404, ENOENT, "There is no such task" };

static int read_query(struct request *rq, struct audit_query *q)
{
	int64_t limit = PAGE_DEFAULT;
	int r = request_query_i64(rq, "limit", 1, AUDIT_PAGE_MAX, &limit);

	if (r == 0)
		r = request_query(rq, "after", &q->after);
	q->user_id = rq->user;
	q->limit = (size_t)limit;
	return r;
}

static FIBER int answer(struct request *rq, const struct audit_query *q)
{
	struct auditor *a = auditor_of(rq->app);
	struct buf *body = request_buf(rq, ANSWER_MAX);
	struct audit_page page;
	struct json_out o;
	int r = body != NULL ? audit_read_wait(a->audit, rq->arena, q, &page, &rq->err) : -ENOMEM;

	if (r < 0)
		return r;
	json_out_init(&o, body);
	json_begin_array(&o);
	for (size_t i = 0; i < page.n; i++)
		audit_entry_write(&o, rq->user, &page.entries[i]);
	json_end_array(&o);
	reply_json(rq, 200, body);
	return 0;
}

FIBER void auditor_history(struct request *rq)
{
	struct audit_query q = { .task_id = AUDIT_NONE };

	if (read_query(rq, &q) < 0 || answer(rq, &q) < 0)
		reply_problem(rq);
}

FIBER void auditor_task_history(struct request *rq)
{
	struct audit_query q = { .task_id = AUDIT_NONE };

	if (request_path_id(rq, 1, &ERR_TASK, &q.task_id) < 0 || read_query(rq, &q) < 0 ||
	    answer(rq, &q) < 0)
		reply_problem(rq);
}

static const struct route_param PAGE_PARAMS[] = {
	{ "after", PARAM_QUERY, "{\"type\":\"string\"}", "the event_id seen last" },
	{ "limit", PARAM_QUERY,
	  "{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":50}", "events at most" },
	{ .name = NULL },
};

static const struct route_answer ANSWERS[] = {
	{ 200, "{\"type\":\"array\",\"items\":{\"type\":\"object\"}}",
	  "what events told, oldest first", NULL },
	{ .status = 0 },
};

const struct route AUDITOR_ROUTES[] = {
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/tasks/{id}/history",
		.operation = "taskHistory",
		.summary = "What happened to a task",
		.params = PAGE_PARAMS,
		.answers = ANSWERS,
		.handler = auditor_task_history,
	},
	{
		.method = HTTP_GET,
		.pattern = "/api/{user_id}/audit",
		.operation = "audit",
		.summary = "What happened to everything of a user",
		.params = PAGE_PARAMS,
		.answers = ANSWERS,
		.handler = auditor_history,
	},
	{ .pattern = NULL },
};
