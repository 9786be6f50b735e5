/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of POST /jobs/{name} (docs.dapr.io, jobs API), as protojson reads it: camelCase or
 * snake_case. Pure.
 */
#include "jobs_private.h"

#include "base/json.h"
#include "base/time.h"
#include "slice_private.h"

#include <errno.h>

enum {
	NAME_MAX_BYTES = 500,
	DEFAULT_RETRY_MS = 1000,
	DEFAULT_RETRIES = 3,
	RETRY_MIN_MS = 100,
	COUNT_MAX = 1000000000,
};

struct constant_text {
	enum json_state state;
	struct json_str interval;
	struct json_i64 max, max_snake;
};

struct policy_text {
	enum json_state state;
	struct constant_text constant;
	enum json_state drop;
};

struct job_text {
	struct json_str name, schedule, due, due_snake, ttl;
	struct json_i64 repeats;
	struct json_bool overwrite;
	struct policy_text policy, policy_snake;
};

static const struct json_field NO_FIELDS[] = { JSON_FIELD_END };
static const struct json_field CONSTANT_FIELDS[] = {
	JSON_FIELD(struct constant_text, interval, "interval", JSON_KIND_STR),
	JSON_FIELD(struct constant_text, max, "maxRetries", JSON_KIND_I64),
	JSON_FIELD(struct constant_text, max_snake, "max_retries", JSON_KIND_I64),
	JSON_FIELD_END,
};
static const struct json_field POLICY_FIELDS[] = {
	{ .name = "constant",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct policy_text, constant),
	  .nested = CONSTANT_FIELDS },
	{ .name = "drop",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct policy_text, drop),
	  .nested = NO_FIELDS },
	JSON_FIELD_END,
};
static const struct json_field JOB_FIELDS[] = {
	JSON_FIELD(struct job_text, name, "name", JSON_KIND_STR),
	JSON_FIELD(struct job_text, schedule, "schedule", JSON_KIND_STR),
	JSON_FIELD(struct job_text, due, "dueTime", JSON_KIND_STR),
	JSON_FIELD(struct job_text, due_snake, "due_time", JSON_KIND_STR),
	JSON_FIELD(struct job_text, ttl, "ttl", JSON_KIND_STR),
	JSON_FIELD(struct job_text, repeats, "repeats", JSON_KIND_I64),
	JSON_FIELD(struct job_text, overwrite, "overwrite", JSON_KIND_BOOL),
	{ .name = "failurePolicy",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct job_text, policy),
	  .nested = POLICY_FIELDS },
	{ .name = "failure_policy",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct job_text, policy_snake),
	  .nested = POLICY_FIELDS },
	JSON_FIELD_END,
};

static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || strchr("/\\#?", s.p[i]) != NULL)
			return false;
	}
	return s.n > 0 && s.n <= NAME_MAX_BYTES;
}

/* Protobuf's duration: "30s", "1.5s", nothing else. */
static int parse_interval(struct str s, int64_t *ret_ms)
{
	int64_t us;

	if (s.n < 2 || s.p[s.n - 1] != 's' || (s.p[s.n - 2] < '0' || s.p[s.n - 2] > '9') ||
	    schedule_parse_duration(s, &us) < 0)
		return -EINVAL;
	*ret_ms = us / 1000;
	return 0;
}

static int read_policy(const struct policy_text *p, struct job *ret)
{
	const struct json_i64 *max =
		p->constant.max.state == JSON_SET ? &p->constant.max : &p->constant.max_snake;

	ret->retry_ms = DEFAULT_RETRY_MS;
	ret->max_retries = DEFAULT_RETRIES;
	if (p->drop == JSON_SET)
		ret->max_retries = 0;
	if (p->constant.state != JSON_SET)
		return 0;
	ret->max_retries = max->state == JSON_SET ? max->v : -1;
	ret->retry_ms = 0;
	if (max->state == JSON_SET && (max->v < 0 || max->v > COUNT_MAX))
		return -EINVAL;
	if (p->constant.interval.state == JSON_SET &&
	    parse_interval(p->constant.interval.v, &ret->retry_ms) < 0)
		return -EINVAL;
	if (ret->retry_ms < RETRY_MIN_MS)
		ret->retry_ms = RETRY_MIN_MS;
	return 0;
}

static int refuse(int r, const char **ret_code, const char *code, struct err *reterr,
		  const char *text)
{
	*ret_code = code;
	err_set(reterr, &ERR_BAD_REQUEST, NULL, "%s", text);
	return r;
}

/* When it fires first, how often, until when. */
static int read_times(const struct job_text *text, int64_t now_us, struct job *ret,
		      const char **ret_code, struct err *reterr)
{
	struct str due = text->due.state == JSON_SET ? text->due.v : text->due_snake.v;
	struct schedule schedule = { 0 };

	if (text->schedule.v.n > 0) {
		if (schedule_parse(text->schedule.v, &schedule, reterr) < 0) {
			*ret_code = "DAPR_SCHEDULER_SCHEDULE_JOB";
			return -EBADMSG;
		}
		ret->schedule = text->schedule.v;
		ret->due_us = schedule_next(&schedule, now_us);
	} else if (due.n == 0) {
		return refuse(-EINVAL, ret_code, "DAPR_SCHEDULER_SCHEDULE_EMPTY", reterr,
			      "schedule and dueTime are both empty");
	} else if (text->ttl.v.n > 0 || text->repeats.v > 1) {
		return refuse(-EBADMSG, ret_code, "DAPR_SCHEDULER_SCHEDULE_JOB", reterr,
			      "ttl and repeats need a schedule");
	}
	if (due.n > 0 && schedule_parse_instant(due, now_us, &ret->due_us) < 0)
		return refuse(-EBADMSG, ret_code, "DAPR_SCHEDULER_SCHEDULE_JOB", reterr,
			      "dueTime is neither RFC 3339 nor a duration");
	if (text->ttl.v.n > 0 && schedule_parse_instant(text->ttl.v, now_us, &ret->expires_us) < 0)
		return refuse(-EBADMSG, ret_code, "DAPR_SCHEDULER_SCHEDULE_JOB", reterr,
			      "ttl is neither RFC 3339 nor a duration");
	if (ret->due_us == INT64_MAX)
		return refuse(-EBADMSG, ret_code, "DAPR_SCHEDULER_SCHEDULE_JOB", reterr,
			      "the schedule never comes");
	return 0;
}

int job_parse(struct arena *arena, struct str name, struct str body, int64_t now_us,
	      struct job *ret, const char **ret_code, struct err *reterr)
{
	struct job_text text = { 0 };
	int r = json_parse(arena, body, "body", JOB_FIELDS, &text, reterr);

	*ret = (struct job){ .name = name, .expires_us = INT64_MAX };
	*ret_code = "ERR_MALFORMED_REQUEST";
	if (r < 0)
		return r;
	if (text.name.state == JSON_SET || !is_name(name))
		return refuse(-EINVAL, ret_code, "DAPR_SCHEDULER_JOB_NAME", reterr,
			      "the name stands in the path alone, without / \\ # ? and controls");
	if (text.repeats.v < 0 || text.repeats.v > COUNT_MAX ||
	    read_policy(text.policy.state == JSON_SET ? &text.policy : &text.policy_snake, ret) < 0)
		return refuse(-EINVAL, ret_code, "ERR_MALFORMED_REQUEST", reterr,
			      "repeats or failurePolicy cannot be understood");
	ret->ticks = text.repeats.v;
	ret->overwrite = text.overwrite.v;
	ret->data = slice_get(body, STR("data"));
	if (str_eq(ret->data, STR("null")))
		ret->data = (struct str){ NULL, 0 };
	return read_times(&text, now_us, ret, ret_code, reterr);
}
