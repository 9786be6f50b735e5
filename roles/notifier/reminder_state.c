/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading, judging and writing what is known of a reminder. Marks are keys of their own with a time
 * to live, so that only the store's clock says when a lease or a pause is over, however wrong the
 * clocks of processes are.
 */
#include "reminder_state_private.h"

#include "base/json.h"
#include "base/log.h"
#include "base/time.h"

#include <errno.h>

enum { STATE_BYTES_MAX = 2 * EVENT_BYTES_MAX };

static const struct str STAGES[_REMINDER_STAGE_MAX] = {
	[STAGE_UNKNOWN] = STR_INIT("unknown"),	   [STAGE_SCHEDULED] = STR_INIT("scheduled"),
	[STAGE_CANCELLED] = STR_INIT("cancelled"), [STAGE_RETRYING] = STR_INIT("retrying"),
	[STAGE_SENT] = STR_INIT("sent"),	   [STAGE_FAILED] = STR_INIT("failed"),
};

/* ---- judging ---- */

/* A trigger by a job says for which try it is; one by the sweep is for whichever is next. */
static enum trigger_verdict judge_retrying(const struct reminder_state *s, int64_t attempt,
					   struct str id)
{
	if (attempt > 0)
		return attempt > s->attempt ? TRIGGER_IS_DUE : TRIGGER_IS_REPEATED;
	return str_eq(id, s->cause) ? TRIGGER_IS_REPEATED : TRIGGER_MAY_BE_DUE;
}

enum trigger_verdict reminder_state_judge(const struct reminder_state *s, int64_t version,
					  int64_t attempt, struct str id, int64_t *ret_attempt)
{
	*ret_attempt = s->attempt + 1;
	if (version < s->version)
		return TRIGGER_IS_OLD;
	if (version > s->version || s->stage == STAGE_UNKNOWN || s->stage == STAGE_SCHEDULED) {
		*ret_attempt = attempt > 0 ? attempt : 1;
		return TRIGGER_IS_DUE;
	}
	switch (s->stage) {
	case STAGE_RETRYING:
		return judge_retrying(s, attempt, id);
	case STAGE_FAILED:
		/* The trigger that became the dead letter comes again: it is replayed. */
		return str_eq(id, s->cause) ? TRIGGER_IS_DUE : TRIGGER_IS_REPEATED;
	case STAGE_SENT:
		return TRIGGER_IS_REPEATED;
	case STAGE_CANCELLED:
	case STAGE_UNKNOWN:
	case STAGE_SCHEDULED:
	case _REMINDER_STAGE_MAX:
		break;
	}
	return TRIGGER_IS_OLD;
}

/* ---- reading ---- */

struct words {
	struct json_str stage, cause, retry_at, outcome_id, outcome;
	struct json_i64 version, attempt, told;
};

static const struct json_field WORDS[] = {
	JSON_FIELD(struct words, stage, "stage", JSON_KIND_STR),
	JSON_FIELD(struct words, version, "version", JSON_KIND_I64),
	JSON_FIELD(struct words, attempt, "attempt", JSON_KIND_I64),
	JSON_FIELD(struct words, told, "told", JSON_KIND_I64),
	JSON_FIELD(struct words, cause, "cause", JSON_KIND_STR),
	JSON_FIELD(struct words, retry_at, "retry_at", JSON_KIND_STR),
	JSON_FIELD(struct words, outcome_id, "outcome_id", JSON_KIND_STR),
	JSON_FIELD(struct words, outcome, "outcome", JSON_KIND_STR),
	JSON_FIELD_END,
};

static struct str text_of(const struct json_str *v)
{
	return v->state == JSON_SET ? v->v : (struct str){ NULL, 0 };
}

static int64_t time_of(const struct json_str *v)
{
	struct civil civil;
	bool has_offset;
	int64_t us = 0;

	if (v->state != JSON_SET || time_parse_rfc3339(v->v, &us, &civil, &has_offset) < 0)
		return 0;
	return us;
}

static struct reminder_state state_of(const struct words *w)
{
	struct reminder_state s = {
		.version = w->version.v,
		.attempt = w->attempt.v,
		.told = (unsigned)w->told.v,
		.cause = text_of(&w->cause),
		.retry_at_us = time_of(&w->retry_at),
		.outcome_id = text_of(&w->outcome_id),
		.outcome = text_of(&w->outcome),
	};

	for (int i = 0; i < _REMINDER_STAGE_MAX; i++) {
		if (w->stage.state == JSON_SET && str_eq(w->stage.v, STAGES[i]))
			s.stage = (enum reminder_stage)i;
	}
	return s;
}

static struct str key_of(struct arena *arena, struct str user_id, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];

	uuid_format(id, text);
	struct str what = arena_printf(arena, "rem/%s", text);
	return what.p != NULL ? sidecar_user_key(arena, user_id, what) : what;
}

FIBER int reminder_state_read_wait(struct notifier *n, struct arena *arena, struct str user_id,
				   const struct uuid *id, struct reminder_state *ret,
				   struct err *reterr)
{
	struct words w = { .stage = { .state = JSON_ABSENT } };
	struct str key = key_of(arena, user_id, id);
	struct sidecar_state stored;
	struct err why = { .text = "" };
	int r;

	if (key.p == NULL)
		return notifier_no_memory(reterr);
	r = sidecar_state_get_wait(n->sidecar, arena, key, &stored, reterr);
	if (r < 0)
		return r;
	*ret = (struct reminder_state){ .stage = STAGE_UNKNOWN };
	if (!stored.found)
		return 0;
	r = json_parse(arena, stored.value, "state", WORDS, &w, &why);
	if (r == -ENOMEM)
		return notifier_no_memory(reterr);
	if (r == 0)
		*ret = state_of(&w);
	else
		log_err(LOG_WARN, "reminder.state_unreadable", &why);
	ret->etag = stored.etag;
	return 0;
}

/* ---- writing ---- */

static void write_state(struct buf *out, const struct reminder_state *s)
{
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("stage"), STAGES[s->stage]);
	json_key_i64(&o, STR("version"), s->version);
	if (s->attempt > 0)
		json_key_i64(&o, STR("attempt"), s->attempt);
	if (s->told != 0)
		json_key_i64(&o, STR("told"), s->told);
	if (s->cause.p != NULL)
		json_key_str(&o, STR("cause"), s->cause);
	if (s->retry_at_us != 0)
		json_key_time(&o, STR("retry_at"), s->retry_at_us);
	if (s->outcome.p != NULL) {
		json_key_str(&o, STR("outcome_id"), s->outcome_id);
		json_key_str(&o, STR("outcome"), s->outcome);
	}
	json_end_object(&o);
}

FIBER int reminder_state_write_wait(struct notifier *n, struct arena *arena, struct str user_id,
				    const struct uuid *id, const struct reminder_state *s,
				    int64_t ttl_s, struct err *reterr)
{
	struct buf *value = arena_buf(arena, STATE_BYTES_MAX);
	struct str key = key_of(arena, user_id, id);

	if (value != NULL)
		write_state(value, s);
	if (key.p == NULL || value == NULL || buf_status(value) < 0)
		return notifier_no_memory(reterr);
	return sidecar_state_put_wait(n->sidecar, key, buf_str(value), s->etag, s->etag.p == NULL,
				      ttl_s, reterr);
}

/* ---- marks ---- */

static struct str mark_key(struct arena *arena, struct str user_id, const struct uuid *id,
			   const char *what, int64_t version, int64_t attempt)
{
	char text[UUID_TEXT_SIZE];

	uuid_format(id, text);
	struct str name = arena_printf(arena, "rem/%s/%s/%lld.%lld", text, what, (long long)version,
				       (long long)attempt);
	return name.p != NULL ? sidecar_user_key(arena, user_id, name) : name;
}

FIBER int reminder_mark_wait(struct notifier *n, struct arena *arena, struct str user_id,
			     const struct uuid *id, const char *what, int64_t version,
			     int64_t attempt, int64_t ttl_s, struct err *reterr)
{
	struct str key = mark_key(arena, user_id, id, what, version, attempt);

	if (key.p == NULL)
		return notifier_no_memory(reterr);
	return sidecar_state_put_wait(n->sidecar, key, STR("true"), (struct str){ NULL, 0 }, true,
				      ttl_s, reterr);
}

FIBER int reminder_is_marked_wait(struct notifier *n, struct arena *arena, struct str user_id,
				  const struct uuid *id, const char *what, int64_t version,
				  int64_t attempt, bool *ret, struct err *reterr)
{
	struct str key = mark_key(arena, user_id, id, what, version, attempt);
	struct sidecar_state stored;
	int r;

	if (key.p == NULL)
		return notifier_no_memory(reterr);
	r = sidecar_state_get_wait(n->sidecar, arena, key, &stored, reterr);
	if (r == 0)
		*ret = stored.found;
	return r;
}

FIBER int reminder_unmark_wait(struct notifier *n, struct arena *arena, struct str user_id,
			       const struct uuid *id, const char *what, int64_t version,
			       int64_t attempt, struct err *reterr)
{
	struct str key = mark_key(arena, user_id, id, what, version, attempt);

	if (key.p == NULL)
		return notifier_no_memory(reterr);
	return sidecar_state_delete_wait(n->sidecar, key, (struct str){ NULL, 0 }, reterr);
}
