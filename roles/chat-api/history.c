/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened, asked of the auditor by invocation: the user's token goes along, and the auditor
 * checks it itself. Its answers pass through.
 */
#include "chat_api_private.h"
#include "app/app.h"
#include "dapr/sidecar.h"

#include <errno.h>

enum { HISTORY_MAX = 64 * 1024 * 1024, PATH_MAX_BYTES = 4 * HTTP_MAX_LINE_BYTES };

/* Written anew: the request may have come by another path to the same. */
static struct str path_of(struct request *rq, int64_t task_id)
{
	struct buf *out = request_buf(rq, PATH_MAX_BYTES);
	struct str query = rq->http->head.query, user = http_percent_encode(rq->arena, rq->user);

	if (out == NULL || user.p == NULL)
		return (struct str){ NULL, 0 };
	buf_printf(out, "/api/%s", user.p);
	if (task_id > 0)
		buf_printf(out, "/tasks/%lld/history", (long long)task_id);
	else
		buf_append_str(out, STR("/audit"));
	if (query.n > 0) {
		buf_append_char(out, '?');
		buf_append_str(out, query);
	}
	return buf_status(out) < 0 ? (struct str){ NULL, 0 } : buf_str(out);
}

/* What is the request's fault passes too; that the auditor does not know the caller is ours. */
static int pass_on(struct request *rq, struct http_response *answer)
{
	int status = answer->status;

	if (status == 200)
		reply_json(rq, 200, &answer->body);
	else if (status == 400 || status == 404 || status == 422)
		reply_body(rq, status, "application/problem+json", &answer->body);
	else
		return err_unavailable(&rq->err, 1, "the history cannot be read now");
	return 0;
}

static FIBER int ask(struct request *rq, int64_t task_id)
{
	struct sidecar *sidecar = app_sidecar(rq->app);
	struct str path = path_of(rq, task_id),
		   token = arena_printf(rq->arena, "Authorization: %.*s",
					STR_ARGS(request_header(rq, "Authorization"))),
		   id = arena_printf(rq->arena, "X-Request-Id: %s", rq->log.correlation_id);
	const char *const headers[] = { token.p, id.p, NULL };
	struct http_response answer = { .status = 0 };

	if (path.p == NULL || token.p == NULL || id.p == NULL)
		return out_of_memory(rq);
	if (sidecar == NULL)
		return err_unavailable(&rq->err, 30,
				       "the history is kept by another service, and "
				       "no sidecar is configured that leads to it");
	int r = sidecar_invoke_wait(sidecar, "auditor", "GET", path, headers,
				    (struct str){ NULL, 0 }, HISTORY_MAX, &answer, &rq->err);
	if (r < 0)
		return r;
	r = pass_on(rq, &answer);
	buf_done(&answer.body);
	return r;
}

/* Whatever stood in the way, it is no fault of the request. */
static void reply_failure(struct request *rq)
{
	if (rq->err.kind == NULL || rq->err.kind->http_status >= 500 ||
	    rq->err.kind == &ERR_FORBIDDEN)
		err_unavailable(&rq->err, 1, "the history cannot be read now");
	reply_problem(rq);
}

FIBER void task_history(struct request *rq)
{
	int64_t id = 0;

	if (request_path_id(rq, PARAM_TASK_ID, &ERR_TASK_NOT_FOUND, &id) < 0)
		reply_problem(rq);
	else if (ask(rq, id) < 0)
		reply_failure(rq);
}

FIBER void audit_list(struct request *rq)
{
	if (ask(rq, 0) < 0)
		reply_failure(rq);
}
