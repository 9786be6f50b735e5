/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: one for each reminder that is to fire, at its exact time. An event is acknowledged when its
 * job is made; when the job fires, the event that it carries is published, and nothing else
 * happens. The event is the same however often it is made: its id and time come from the reminder
 * and from the event that it is made of.
 */
#include "schedule_private.h"

#include "base/json.h"
#include "base/time.h"

#include <errno.h>

enum { JOB_BYTES_MAX = 4 * EVENT_BYTES_MAX };

/* ---- jobs ---- */

static struct str job_name(struct arena *arena, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];

	uuid_format(id, text);
	return arena_printf(arena, "rem-%s", text);
}

/* Of a try that is not at the reminder's time. */
static struct str try_name(struct arena *arena, const struct reminder_notice *notice,
			   int64_t attempt)
{
	char text[UUID_TEXT_SIZE];

	uuid_format(&notice->reminder_id, text);
	return arena_printf(arena, "rem-%s-%lld-%lld", text, (long long)notice->version,
			    (long long)attempt);
}

/* The trigger of a try. .p NULL: no memory. */
static struct str render_trigger(const struct incoming *in, const struct reminder_notice *notice,
				 int64_t at_us, struct uuid *ret_id)
{
	const struct event_origin origin = notifier_origin(in);
	struct event e = { .at_us = at_us };
	char id[UUID_TEXT_SIZE];

	uuid_format(&notice->reminder_id, id);
	struct str name = arena_printf(in->arena, "trigger %s %lld %lld of %.*s", id,
				       (long long)notice->version, (long long)notice->attempt,
				       STR_ARGS(in->event.id));
	struct buf *out = arena_buf(in->arena, EVENT_BYTES_MAX);

	if (name.p == NULL || out == NULL || uuid_v7_named(at_us, name, &e.id) < 0)
		return (struct str){ NULL, 0 };
	*ret_id = e.id;
	reminder_notice_write_trigger(out, &origin, &e, notice);
	return buf_status(out) < 0 ? (struct str){ NULL, 0 } : buf_str(out);
}

/* {"user_id", "event_id", "event"}; the event as one string. .p NULL: no memory. */
static struct str render_job(const struct incoming *in, struct str event_id, struct str event)
{
	struct buf *out = arena_buf(in->arena, JOB_BYTES_MAX);
	struct json_out o;

	if (out == NULL)
		return (struct str){ NULL, 0 };
	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("user_id"), in->event.user_id);
	json_key_str(&o, STR("event_id"), event_id);
	json_key_str(&o, STR("event"), event);
	json_end_object(&o);
	return buf_status(out) < 0 ? (struct str){ NULL, 0 } : buf_str(out);
}

static struct str render_trigger_job(const struct incoming *in,
				     const struct reminder_notice *notice, int64_t at_us)
{
	char id_text[UUID_TEXT_SIZE];
	struct uuid id;
	struct str trigger = render_trigger(in, notice, at_us, &id);

	if (trigger.p == NULL)
		return trigger;
	uuid_format(&id, id_text);
	return render_job(in, str_from(id_text), trigger);
}

FIBER int schedule_try_wait(struct notifier *n, const struct incoming *in,
			    const struct reminder_notice *notice, int64_t at_us, int64_t delay_s,
			    struct err *reterr)
{
	bool is_delayed = delay_s != SCHEDULE_AT_TIME;
	struct reminder_notice when_due = *notice;
	struct str name = is_delayed ? try_name(in->arena, notice, notice->attempt)
				     : job_name(in->arena, &notice->reminder_id);

	when_due.late_by_s = NOTICE_NOT_LATE; /* how late it is, is seen when it fires */
	struct str data = render_trigger_job(in, &when_due, at_us);

	if (name.p == NULL || data.p == NULL)
		return notifier_no_memory(reterr);
	if (!is_delayed)
		return sidecar_job_put_wait(n->sidecar, name, at_us, data, JOB_RETRY_S, reterr);
	return sidecar_job_put_after_wait(n->sidecar, name, delay_s, data, JOB_RETRY_S, reterr);
}

FIBER int schedule_again_wait(struct notifier *n, const struct incoming *in,
			      const struct reminder_notice *notice, int64_t attempt,
			      int64_t delay_s, struct err *reterr)
{
	struct str name = try_name(in->arena, notice, attempt);
	struct str data = render_job(in, in->event.id, in->body);

	if (name.p == NULL || data.p == NULL)
		return notifier_no_memory(reterr);
	return sidecar_job_put_after_wait(n->sidecar, name, delay_s, data, JOB_RETRY_S, reterr);
}

/* ---- events ---- */

/* So that what comes late still finds what it must not undo. */
static int64_t ttl_until(int64_t us)
{
	enum { TTL_MAX_S = 60 * 365 * DAY_S };
	int64_t left_s = (us - time_now_us()) / TIME_US_PER_S;

	if (left_s < 0)
		left_s = 0;
	return left_s > TTL_MAX_S - STATE_TTL_S ? TTL_MAX_S : left_s + STATE_TTL_S;
}

/* 0: it is known now, as *before tells it was; 1: nothing is to be done: it is out of date; < 0. */
static FIBER int note_version(struct notifier *n, const struct incoming *in,
			      const struct reminder_notice *notice, enum reminder_stage stage,
			      struct err *reterr)
{
	struct str user = in->event.user_id;
	int r = -EEXIST;

	for (int tries = 0; r == -EEXIST && tries < STATE_TRIES_MAX; tries++) {
		struct reminder_state s;

		r = reminder_state_read_wait(n, in->arena, user, &notice->reminder_id, &s, reterr);
		if (r < 0)
			return r;
		if (notice->version < s.version)
			return 1;
		if (notice->version == s.version)
			return s.stage == stage ? 0 : 1;
		const struct reminder_state next = { .stage = stage,
						     .version = notice->version,
						     .etag = s.etag };
		r = reminder_state_write_wait(n, in->arena, user, &notice->reminder_id, &next,
					      ttl_until(notice->remind_at_us), reterr);
	}
	return r == -EEXIST ? err_unavailable(reterr, 1, "the reminder is being changed") : r;
}

FIBER int notifier_on_scheduled(struct notifier *n, struct incoming *in, struct err *reterr)
{
	struct reminder_notice notice;
	int r = reminder_notice_parse(in->arena, in->event.payload, &notice, reterr);

	if (r == 0)
		r = note_version(n, in, &notice, STAGE_SCHEDULED, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	notice.attempt = 1;
	r = schedule_try_wait(n, in, &notice, notice.remind_at_us, SCHEDULE_AT_TIME, reterr);
	if (r == 0)
		metric_add(n->scheduled, 1);
	return r;
}

FIBER int notifier_on_cancelled(struct notifier *n, struct incoming *in, struct err *reterr)
{
	struct reminder_notice notice;
	int r = reminder_notice_parse(in->arena, in->event.payload, &notice, reterr);

	if (r == 0)
		r = note_version(n, in, &notice, STAGE_CANCELLED, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	struct str name = job_name(in->arena, &notice.reminder_id);
	if (name.p == NULL)
		return notifier_no_memory(reterr);
	r = sidecar_job_delete_wait(n->sidecar, name, reterr);
	if (r == 0)
		metric_add(n->cancelled, 1);
	return r;
}

/* ---- firing ---- */

struct job_words {
	struct json_str user_id, event_id, event;
};

static const struct json_field JOB_WORDS[] = {
	JSON_FIELD(struct job_words, user_id, "user_id", JSON_KIND_STR),
	JSON_FIELD(struct job_words, event_id, "event_id", JSON_KIND_STR),
	JSON_FIELD(struct job_words, event, "event", JSON_KIND_STR),
	JSON_FIELD_END,
};

FIBER int notifier_on_job(struct app *app, struct str name, struct str data, struct arena *arena,
			  struct err *reterr)
{
	struct job_words w = { .user_id = { .state = JSON_ABSENT } };
	struct notifier *n = notifier_of(app);
	int r = json_parse(arena, data, "job", JOB_WORDS, &w, reterr);

	(void)name;
	if (r < 0)
		return r;
	if (w.user_id.state != JSON_SET || w.event_id.state != JSON_SET ||
	    w.event.state != JSON_SET)
		return err_set(reterr, &ERR_INVALID, "job", "carries no event");
	return notifier_publish_wait(n, EVENT_REMINDERS, w.user_id.v, w.event_id.v, w.event.v,
				     time_monotonic_ms() + PATIENCE_INLINE_MS, reterr);
}
