/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending, and what becomes of it. The outcome is stored with the event that tells of it, then the
 * event is published, then the trigger is acknowledged; whoever dies in between leaves enough for
 * the next one to go on from.
 */
#include "notice_private.h"

#include "base/log.h"
#include "base/time.h"
#include "domain/channels.h"
#include "schedule_private.h"

#include <errno.h>

enum { SCRATCH_BYTES = 1024 * 1024 };

/* ---- screens and the log ---- */

static FIBER int notify(struct notice *t, int64_t until_ms, struct err *reterr)
{
	const struct incoming *in = &t->base.in;
	const struct event_origin origin = notifier_origin(in);
	struct event e = { .at_us = t->said.remind_at_us };
	struct buf *out = arena_buf(in->arena, EVENT_BYTES_MAX);
	struct str name = arena_printf(in->arena, "notification %s %lld", t->id_text,
				       (long long)t->said.version);
	char id[UUID_TEXT_SIZE];

	if (out == NULL || name.p == NULL || uuid_v7_named(e.at_us, name, &e.id) < 0)
		return notifier_no_memory(reterr);
	reminder_notice_write_notification(out, &origin, &e, &t->said);
	if (buf_status(out) < 0)
		return notifier_no_memory(reterr);
	uuid_format(&e.id, id);
	return notifier_publish_wait(t->base.n, EVENT_TASK_UPDATES, in->event.user_id, str_from(id),
				     buf_str(out), until_ms, reterr);
}

void notice_note_first_effect(const struct notice *t)
{
	int64_t late_us = time_now_us() - t->said.remind_at_us;

	metric_observe(t->base.n->late_s, late_us > 0 ? (double)late_us / 1e6 : 0);
}

FIBER void notice_tell_channels_wait(struct notice *t, unsigned channels, bool is_repeated)
{
	int64_t until_ms = time_monotonic_ms() + PATIENCE_INLINE_MS / 2;
	int64_t late_by_s = t->said.late_by_s != NOTICE_NOT_LATE ? t->said.late_by_s : 0;
	struct err err = { .text = "" };

	if ((channels & ~(unsigned)CHANNEL_EMAIL) != 0 && t->told == 0 && !is_repeated)
		notice_note_first_effect(t);
	if (channels & CHANNEL_LOG)
		log_info("reminder.fired", LOG_CSTR("reminder_id", t->id_text),
			 LOG_I64("version", t->said.version), LOG_I64("task_id", t->said.task_id),
			 LOG_STR("user_id", t->base.in.event.user_id),
			 LOG_I64("late_by", late_by_s), LOG_BOOL("repeated", is_repeated));
	if ((channels & CHANNEL_IN_APP) && notify(t, until_ms, &err) < 0)
		log_err(LOG_WARN, "notification.not_published", &err);
}

/* ---- outcomes ---- */

/* What follows from the result of this try, which is known since at_us. */
static struct reminder_outcome outcome_of(const struct notice *t, int result, const struct err *why,
					  int64_t at_us, enum reminder_stage *ret_stage)
{
	const struct notifier *n = t->base.n;
	struct reminder_outcome o = { .attempt = t->attempt, .via = t->via };

	*ret_stage = STAGE_SENT;
	if (result == 0)
		return o;
	o.error = str_from(why->text);
	*ret_stage = STAGE_FAILED;
	if (result != -EINVAL && t->attempt <= n->n_retries) {
		*ret_stage = STAGE_RETRYING;
		o.retry_at_us = at_us + n->retry_delays_s[t->attempt - 1] * TIME_US_PER_S;
	}
	return o;
}

int notice_next_state(struct notice *t, int result, const struct err *why,
		      struct reminder_state *ret, struct err *reterr)
{
	const struct incoming *in = &t->base.in;
	const struct event_origin origin = notifier_origin(in);
	struct event e = { .id = uuid_v7(), .at_us = time_now_us() };
	struct buf *out = arena_buf(in->arena, EVENT_BYTES_MAX);
	enum reminder_stage stage;
	const struct reminder_outcome o = outcome_of(t, result, why, e.at_us, &stage);
	char id[UUID_TEXT_SIZE];

	if (out != NULL)
		reminder_notice_write_outcome(out, &origin, &e, &t->said, &o);
	uuid_format(&e.id, id);
	*ret = (struct reminder_state){
		.stage = stage,
		.version = t->said.version,
		.attempt = t->attempt,
		.told = t->told | (t->via & ~(unsigned)CHANNEL_EMAIL),
		.cause = in->event.id,
		.retry_at_us = o.retry_at_us,
		.outcome_id = arena_dup(in->arena, str_from(id)),
		.etag = t->state.etag,
	};
	if (out == NULL || buf_status(out) < 0 || ret->outcome_id.p == NULL)
		return notifier_no_memory(reterr);
	ret->outcome = buf_str(out);
	return 0;
}

FIBER int notice_publish_outcome_wait(struct notice *t, const struct reminder_state *s,
				      int64_t until_ms, struct err *reterr)
{
	return notifier_publish_wait(t->base.n, EVENT_REMINDERS, t->base.in.event.user_id,
				     s->outcome_id, s->outcome, until_ms, reterr);
}

/* In memory of its own, or what is tried for a quarter of an hour would gather. */
static FIBER int store_once(struct notice *t, const struct reminder_state *s, struct err *reterr)
{
	struct arena *arena = arena_new(SCRATCH_BYTES);
	int r = -ENOMEM;

	if (arena != NULL)
		r = reminder_state_write_wait(t->base.n, arena, t->base.in.event.user_id,
					      &t->said.reminder_id, s, STATE_TTL_S, reterr);
	else
		notifier_no_memory(reterr);
	arena_free(arena);
	return r;
}

FIBER int notice_store_wait(struct notice *t, const struct reminder_state *s, int64_t until_ms,
			    struct err *reterr)
{
	int64_t pause_ms = 0;
	int r;

	do
		r = store_once(t, s, reterr);
	while (delivery_wait_again(r, until_ms, &pause_ms));
	return r;
}

/* ---- without a mail ---- */

FIBER int notice_tell_wait(struct notice *t, struct err *reterr)
{
	int64_t until_ms = time_monotonic_ms() + PATIENCE_INLINE_MS;
	struct reminder_state s;
	int r = notice_next_state(t, 0, NULL, &s, reterr);

	if (r == 0)
		r = notice_store_wait(t, &s, until_ms, reterr);
	if (r < 0)
		return r == -EEXIST ? -ESTALE : r;
	metric_add(t->base.n->sent, 1);
	notice_tell_channels_wait(t, t->via & ~t->told, false);
	return notice_publish_outcome_wait(t, &s, until_ms, reterr);
}

/* ---- no place for the mail ---- */

/* By the channels other than mail, which is remembered. 0; -ESTALE: others were faster. */
static FIBER int tell_before_mail(struct notice *t, struct err *reterr)
{
	int64_t until_ms = time_monotonic_ms() + PATIENCE_INLINE_MS;
	struct reminder_state s = {
		.stage = STAGE_SCHEDULED,
		.version = t->said.version,
		.told = t->via & ~(unsigned)CHANNEL_EMAIL,
		.etag = t->state.etag,
	};
	int r;

	if ((s.told & ~t->told) == 0)
		return 0;
	notice_tell_channels_wait(t, s.told & ~t->told, false);
	r = notice_store_wait(t, &s, until_ms, reterr);
	return r == -EEXIST ? -ESTALE : r;
}

FIBER int notice_put_off_wait(struct notice *t, struct err *reterr)
{
	struct notifier *n = t->base.n;
	int64_t pause_s = mailing_place_pause_s(n);
	int r = t->attempt == 1 ? tell_before_mail(t, reterr) : 0;

	if (r == 0)
		r = schedule_again_wait(n, &t->base.in, &t->said, t->attempt, pause_s, reterr);
	if (r == 0)
		log_info("reminder.no_place", LOG_CSTR("reminder_id", t->id_text),
			 LOG_I64("version", t->said.version), LOG_I64("attempt", t->attempt),
			 LOG_I64("again_in_s", pause_s));
	return r;
}

/* ---- another try ---- */

/* After the try that failed; the delays may have become fewer since. */
static int64_t pause_after_s(const struct notifier *n, int64_t attempt)
{
	int64_t i = attempt < n->n_retries ? attempt : n->n_retries;

	return i > 0 ? n->retry_delays_s[i - 1] : 1;
}

/*
 * The job of the next try, then the mark that it is not yet to be made. Who finds the mark finds
 * the job: it is not made again, or what is delivered twice would move it. The pause is counted by
 * the sidecar's clock and the store's.
 */
FIBER int notice_arrange_retry_wait(struct notice *t, const struct reminder_state *s,
				    struct err *reterr)
{
	struct notifier *n = t->base.n;
	const struct incoming *in = &t->base.in;
	int64_t pause_s = pause_after_s(n, s->attempt);
	bool is_arranged = false;
	int r = reminder_is_marked_wait(n, in->arena, in->event.user_id, &t->said.reminder_id,
					"pause", s->version, s->attempt, &is_arranged, reterr);

	if (r < 0 || is_arranged)
		return r;
	t->said.attempt = s->attempt + 1;
	r = schedule_try_wait(n, in, &t->said, s->retry_at_us, pause_s, reterr);
	if (r == 0)
		r = reminder_mark_wait(n, in->arena, in->event.user_id, &t->said.reminder_id,
				       "pause", s->version, s->attempt, pause_s, reterr);
	return r == -EEXIST ? 0 : r;
}

FIBER int notice_repeat_wait(struct notice *t, struct err *reterr)
{
	int64_t until_ms = time_monotonic_ms() + PATIENCE_INLINE_MS;
	int r = 0;

	/* The same event again: whoever had it may have died before it told. */
	if (t->state.stage == STAGE_SENT && str_eq(t->base.in.event.id, t->state.cause))
		notice_tell_channels_wait(t, t->state.told, true);
	if (t->state.stage == STAGE_RETRYING)
		r = notice_arrange_retry_wait(t, &t->state, reterr);
	return r == 0 ? notice_publish_outcome_wait(t, &t->state, until_ms, reterr) : r;
}
