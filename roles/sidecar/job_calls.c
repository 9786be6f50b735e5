/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jobs API: make, look at, delete.
 */
#include "api_private.h"

#include "base/json.h"
#include "base/time.h"
#include "jobs_private.h"

#include <errno.h>
#include <stdio.h>

enum { ANSWER_MAX_BYTES = HOST_BODY_MAX + 64 * 1024 };

static const struct db_statement PUT = {
	"sidecar_job_put",
	"INSERT INTO sidecar.jobs (app_id, name, tick_at, due_at, schedule, ticks_left, expires_at, data, retry_ms, "
	"max_retries) VALUES ($1, $2, $3, $3, $4, nullif($5::int4, 0), $6, $7, $8, $9) "
	"ON CONFLICT (app_id, name) DO UPDATE SET version = gen_random_uuid(), tick_at = excluded.tick_at, "
	"due_at = excluded.due_at, schedule = excluded.schedule, ticks_left = excluded.ticks_left, "
	"expires_at = excluded.expires_at, data = excluded.data, retry_ms = excluded.retry_ms, "
	"max_retries = excluded.max_retries, retries = 0 WHERE $10",
	10,
};
static const struct db_statement GET = {
	"sidecar_job_get",
	"SELECT due_at, schedule, coalesce(ticks_left, 0), expires_at, data, retry_ms, coalesce(max_retries, -1) "
	"FROM sidecar.jobs WHERE app_id = $1 AND name = $2",
	2,
};
static const struct db_statement DELETE = {
	"sidecar_job_delete",
	"DELETE FROM sidecar.jobs WHERE app_id = $1 AND name = $2",
	2,
};

FIBER void job_put(struct call *c)
{
	const char *code = "";
	struct job job;

	int r = job_parse(c->arena, c->segments[0], c->http->body, time_now_us(), &job, &code,
			  &c->err);
	if (r < 0) {
		call_failure(c, r == -EINVAL ? 400 : 500, code);
		return;
	}
	struct db_param expires = DB_PARAM_TIME(job.expires_us),
			max = DB_PARAM_I32(job.max_retries);
	if (job.expires_us == INT64_MAX)
		expires = (struct db_param)DB_PARAM_NULL(DB_TIME);
	if (job.max_retries < 0)
		max = (struct db_param)DB_PARAM_NULL(DB_I32);
	const struct db_param params[] = { DB_PARAM_TEXT(c->caller->id),
					   DB_PARAM_TEXT(job.name),
					   DB_PARAM_TIME(job.due_us),
					   db_param_text_or_null(job.schedule),
					   DB_PARAM_I32(job.ticks),
					   expires,
					   db_param_text_or_null(job.data),
					   DB_PARAM_I64(job.retry_ms),
					   max,
					   DB_PARAM_BOOL(job.overwrite) };
	int64_t n = call_change_wait(c, &PUT, params);
	/* Below 0 it may be there all the same. */
	if (n != 0)
		jobs_put(c->caller, job.name, job.due_us);
	if (n < 0) {
		call_failure(c, 500, "DAPR_SCHEDULER_SCHEDULE_JOB");
	} else if (n == 0) {
		call_error(c, 409, "DAPR_SCHEDULER_SCHEDULE_JOB", "job %.*s already exists",
			   STR_ARGS(job.name));
	} else {
		call_empty(c, 204);
	}
}

static void put_policy(struct json_out *o, const struct db_result *row)
{
	char interval[32];
	int64_t ms = db_i64(row, 0, 5), max = db_i64(row, 0, 6);

	json_key(o, STR("failurePolicy"));
	json_begin_object(o);
	json_key(o, max == 0 ? STR("drop") : STR("constant"));
	json_begin_object(o);
	if (max != 0) {
		snprintf(interval, sizeof(interval), "%lld.%03llds", (long long)(ms / 1000),
			 (long long)(ms % 1000));
		json_key_str(o, STR("interval"), str_from(interval));
	}
	if (max > 0)
		json_key_i64(o, STR("maxRetries"), max);
	json_end_object(o);
	json_end_object(o);
}

static void put_job(struct buf *body, struct str name, const struct db_result *row)
{
	struct json_out o;

	json_out_init(&o, body);
	json_begin_object(&o);
	json_key_str(&o, STR("name"), name);
	json_key_time(&o, STR("dueTime"), db_time(row, 0, 0));
	if (!db_is_null(row, 0, 1))
		json_key_str(&o, STR("schedule"), db_text(row, 0, 1));
	if (db_i64(row, 0, 2) > 0)
		json_key_i64(&o, STR("repeats"), db_i64(row, 0, 2));
	if (!db_is_null(row, 0, 3))
		json_key_time(&o, STR("ttl"), db_time(row, 0, 3));
	if (!db_is_null(row, 0, 4)) {
		json_key(&o, STR("data"));
		json_begin_object(&o);
		json_key_str(&o, STR("@type"), STR("type.googleapis.com/google.protobuf.Value"));
		json_key_raw(&o, STR("value"), db_text(row, 0, 4));
		json_end_object(&o);
	}
	put_policy(&o, row);
	json_end_object(&o);
}

FIBER void job_get(struct call *c)
{
	const struct db_param params[] = { DB_PARAM_TEXT(c->caller->id),
					   DB_PARAM_TEXT(c->segments[0]) };
	struct db_result *row = NULL;

	if (call_db_wait(c, &GET, params, &row) < 0) {
		call_failure(c, 500, "DAPR_SCHEDULER_GET_JOB");
		return;
	}
	struct buf *body = call_buf(c, ANSWER_MAX_BYTES);
	if (db_rows(row) == 0 || body == NULL) {
		db_result_free(row);
		call_error(c, 500, "DAPR_SCHEDULER_GET_JOB", "job %.*s: %s",
			   STR_ARGS(c->segments[0]), body == NULL ? "out of memory" : "not found");
		return;
	}
	put_job(body, c->segments[0], row);
	db_result_free(row);
	call_json(c, 200, body, NULL, 0);
}

FIBER void job_delete(struct call *c)
{
	const struct db_param params[] = { DB_PARAM_TEXT(c->caller->id),
					   DB_PARAM_TEXT(c->segments[0]) };

	if (call_change_wait(c, &DELETE, params) < 0)
		call_failure(c, 500, "DAPR_SCHEDULER_DELETE_JOB");
	else
		call_empty(c, 204);
}
