/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs. What the Scheduler does when nobody says otherwise would lose reminders (three tries within
 * three seconds, then the job is gone), so each job says how it is to be tried again: for ever,
 * each time after as many seconds. Its intervals are protobuf's ("30s"), never Go's ("1m").
 */
#include "src/dapr/sidecar_private.h"

#include "base/json_out.h"
#include "base/time.h"

#include <errno.h>

enum { NAME_MAX_BYTES = 128, ANSWER_MAX = 64 * 1024 };

/* The Scheduler makes a path of the name as it is. */
static int check_name(const struct sidecar_op *op, struct str name, struct err *reterr)
{
	bool good = name.n > 0 && name.n <= NAME_MAX_BYTES;

	for (size_t i = 0; i < name.n && good; i++)
		good = (name.p[i] >= 'a' && name.p[i] <= 'z') ||
		       (name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '-';
	return good ? 0 : sidecar_refuse(op, reterr, "this cannot be the name of a job");
}

static struct str job_path(struct sidecar_op *op, struct str name)
{
	return arena_printf(op->arena, "/%s/jobs/%.*s", sidecar_api_name(op->s->jobs_api),
			    STR_ARGS(name));
}

/* Seconds as text: "30s". */
static struct str seconds_text(int64_t s, char out[24])
{
	struct buf b = { .p = out, .cap = 24, .max = 24 };

	buf_append_i64(&b, s);
	buf_append_char(&b, 's');
	return buf_str(&b);
}

struct job {
	struct str name, data;
	int64_t retry_s;
	bool is_relative;
	int64_t due_us;	 /* else: */
	int64_t delay_s; /* from when the sidecar gets it */
};

static void write_job(struct buf *out, const struct job *j)
{
	char text[24];
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	if (j->is_relative)
		json_key_str(&o, STR("dueTime"), seconds_text(j->delay_s, text));
	else
		json_key_time(&o, STR("dueTime"), j->due_us);
	json_key_raw(&o, STR("data"), j->data);
	json_key_bool(&o, STR("overwrite"), true);
	json_key(&o, STR("failurePolicy"));
	json_begin_object(&o);
	json_key(&o, STR("constant"));
	json_begin_object(&o);
	json_key_str(&o, STR("interval"), seconds_text(j->retry_s, text));
	json_end_object(&o);
	json_end_object(&o);
	json_end_object(&o);
}

static FIBER int put(struct sidecar_op *op, const struct job *j, struct err *reterr)
{
	struct sidecar_exchange x = { .method = "POST", .max_response_bytes = ANSWER_MAX };
	struct buf *body = arena_buf(op->arena, 2 * SIDECAR_BODY_MAX);
	int r = check_name(op, j->name, reterr);

	if (r < 0)
		return r;
	if (j->retry_s < 1 || j->delay_s < 0)
		return sidecar_refuse(
			op, reterr,
			"a job has its time from now on, and is tried again after a second or more");
	if (body)
		write_job(body, j);
	if (!body || buf_status(body) < 0)
		return sidecar_no_memory(reterr);
	x.body = buf_str(body);
	x.path = job_path(op, j->name);
	return sidecar_call_wait(op, &x, reterr);
}

static FIBER int put_wait(struct sidecar *s, const struct job *j, struct err *reterr)
{
	struct sidecar_op op;
	int r = sidecar_op_begin(&op, s, SIDECAR_JOB_PUT, reterr);

	if (r == 0)
		r = sidecar_decide_wait(s, reterr);
	if (r == 0)
		r = put(&op, j, reterr);
	return sidecar_op_end(&op, r);
}

int sidecar_job_put_wait(struct sidecar *s, struct str name, int64_t due_us, struct str data_json,
			 int64_t retry_s, struct err *reterr)
{
	const struct job j = {
		.name = name, .data = data_json, .retry_s = retry_s, .due_us = due_us
	};

	return put_wait(s, &j, reterr);
}

int sidecar_job_put_after_wait(struct sidecar *s, struct str name, int64_t delay_s,
			       struct str data_json, int64_t retry_s, struct err *reterr)
{
	const struct job j = { .name = name,
			       .data = data_json,
			       .retry_s = retry_s,
			       .is_relative = true,
			       .delay_s = delay_s };

	return put_wait(s, &j, reterr);
}

static FIBER int drop(struct sidecar_op *op, struct str name, struct err *reterr)
{
	struct sidecar_exchange x = { .method = "DELETE", .max_response_bytes = ANSWER_MAX };
	int r = check_name(op, name, reterr);

	if (r < 0)
		return r;
	x.path = job_path(op, name);
	return sidecar_call_wait(op, &x, reterr);
}

int sidecar_job_delete_wait(struct sidecar *s, struct str name, struct err *reterr)
{
	struct sidecar_op op;
	int r = sidecar_op_begin(&op, s, SIDECAR_JOB_DELETE, reterr);

	if (r == 0)
		r = sidecar_decide_wait(s, reterr);
	if (r == 0)
		r = drop(&op, name, reterr);
	return sidecar_op_end(&op, r);
}
