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
#include "domain/email.h"
#include "domain/mail_text.h"
#include "schedule_private.h"

#include <errno.h>

enum { TEXT_MAX = 16 * 1024, LINK_DAYS = 90 };

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

/* By the channels other than mail, if they have not been used yet. A screen that missed it reads it
 * later; that does not hold the rest up. */
static FIBER void tell(struct notice *t, unsigned channels, bool is_repeated)
{
	int64_t until_ms = time_monotonic_ms() + PATIENCE_INLINE_MS / 2;
	int64_t late_by_s = t->said.late_by_s != NOTICE_NOT_LATE ? t->said.late_by_s : 0;
	struct err err = { .text = "" };

	if (channels & CHANNEL_LOG)
		log_info("reminder.fired", LOG_CSTR("reminder_id", t->id_text),
			 LOG_I64("version", t->said.version), LOG_I64("task_id", t->said.task_id),
			 LOG_STR("user_id", t->base.in.event.user_id),
			 LOG_I64("late_by", late_by_s), LOG_BOOL("repeated", is_repeated));
	if ((channels & CHANNEL_IN_APP) && notify(t, until_ms, &err) < 0)
		log_err(LOG_WARN, "notification.not_published", &err);
}

/* ---- outcomes ---- */

/* What follows from the result of this try. */
static struct reminder_outcome outcome_of(const struct notice *t, int result, const struct err *why,
					  enum reminder_stage *ret_stage)
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
		o.retry_at_us = time_now_us() + n->retry_delays_s[t->attempt - 1] * TIME_US_PER_S;
	}
	return o;
}

/* The state after this try; its outcome's event is rendered once, with an id of its own. */
static int next_state(struct notice *t, int result, const struct err *why,
		      struct reminder_state *ret, struct err *reterr)
{
	const struct incoming *in = &t->base.in;
	const struct event_origin origin = notifier_origin(in);
	struct event e = { .id = uuid_v7(), .at_us = time_now_us() };
	struct buf *out = arena_buf(in->arena, EVENT_BYTES_MAX);
	enum reminder_stage stage;
	const struct reminder_outcome o = outcome_of(t, result, why, &stage);
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

static FIBER int publish_outcome(struct notice *t, const struct reminder_state *s, int64_t until_ms,
				 struct err *reterr)
{
	return notifier_publish_wait(t->base.n, EVENT_REMINDERS, t->base.in.event.user_id,
				     s->outcome_id, s->outcome, until_ms, reterr);
}

/* 0; -EEXIST: it has changed since it was read; else as sidecar_state_put_wait. */
static FIBER int store(struct notice *t, const struct reminder_state *s, int64_t until_ms,
		       struct err *reterr)
{
	const struct incoming *in = &t->base.in;
	int64_t pause_ms = 0;
	int r;

	do
		r = reminder_state_write_wait(t->base.n, in->arena, in->event.user_id,
					      &t->said.reminder_id, s, STATE_TTL_S, reterr);
	while (delivery_wait_again(r, until_ms, &pause_ms));
	return r;
}

/* ---- without a mail ---- */

FIBER int notice_tell_wait(struct notice *t, struct err *reterr)
{
	int64_t until_ms = time_monotonic_ms() + PATIENCE_INLINE_MS;
	struct reminder_state s;
	int r = next_state(t, 0, NULL, &s, reterr);

	if (r == 0)
		r = store(t, &s, until_ms, reterr);
	if (r < 0)
		return r == -EEXIST ? -ESTALE : r;
	metric_add(t->base.n->sent, 1);
	tell(t, t->via & ~t->told, false);
	return publish_outcome(t, &s, until_ms, reterr);
}

/* ---- another try ---- */

/* After the try that failed; the delays may have become fewer since. */
static int64_t pause_after_s(const struct notifier *n, int64_t attempt)
{
	int64_t i = attempt < n->n_retries ? attempt : n->n_retries;

	return i > 0 ? n->retry_delays_s[i - 1] : 1;
}

/*
 * The job of the next try, then the mark that it is not yet to be made. Who finds the mark finds the
 * job: it is not made again, or what is delivered twice would move it. The pause is counted by the
 * sidecar's clock and the store's.
 */
static FIBER int arrange_retry(struct notice *t, const struct reminder_state *s, struct err *reterr)
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
		tell(t, t->state.told, true);
	if (t->state.stage == STAGE_RETRYING)
		r = arrange_retry(t, &t->state, reterr);
	return r == 0 ? publish_outcome(t, &t->state, until_ms, reterr) : r;
}

/* ---- with a mail ---- */

static FIBER int conclude(struct notice *t, const struct reminder_state *s, int64_t until_ms,
			  struct err *reterr)
{
	struct notifier *n = t->base.n;
	int r = s->stage == STAGE_RETRYING ? arrange_retry(t, s, reterr) : 0;

	if (r == 0)
		r = publish_outcome(t, s, until_ms, reterr);
	if (r < 0)
		return r;
	metric_add(s->stage == STAGE_SENT	? n->sent
		   : s->stage == STAGE_RETRYING ? n->put_off
						: n->failed,
		   1);
	if (s->stage != STAGE_FAILED)
		return 0;
	/* And to the dead letters, from where it may be tried again. */
	return err_set(reterr, &ERR_INVALID, NULL, "not sent: %s", t->base.why.text);
}

/*
 * The state changed while the mail was on its way. 0: it can be written after all; 1: it was, by
 * this very try; 2: it no longer counts; < 0.
 */
static FIBER int look_again(struct notice *t, struct err *reterr)
{
	const struct incoming *in = &t->base.in;
	int r = reminder_state_read_wait(t->base.n, in->arena, in->event.user_id,
					 &t->said.reminder_id, &t->state, reterr);

	if (r < 0)
		return r;
	if (t->state.version > t->said.version || t->state.stage == STAGE_CANCELLED)
		return 2;
	return t->state.version == t->said.version && t->state.attempt >= t->attempt;
}

static FIBER int end(struct mailing *m, int result, const struct err *why, int64_t until_ms,
		     struct err *reterr)
{
	struct notice *t = (struct notice *)m;
	struct reminder_state s;
	int r = -EEXIST, seen = 0;

	for (int tries = 0; r == -EEXIST && seen == 0 && tries < STATE_TRIES_MAX; tries++) {
		r = next_state(t, result, why, &s, reterr);
		if (r == 0)
			r = store(t, &s, until_ms, reterr);
		if (r == -EEXIST)
			seen = look_again(t, reterr);
	}
	if (r == 0)
		return conclude(t, &s, until_ms, reterr);
	if (r != -EEXIST || seen < 0)
		return r != -EEXIST ? r : seen;
	if (seen == 1)
		return conclude(t, &t->state, until_ms, reterr);
	/* It went out, though it was changed or cancelled meanwhile; that it did is told. */
	return seen == 2 && result == 0 ? publish_outcome(t, &s, until_ms, reterr) : 0;
}

/* .p NULL: no memory. */
static struct str unsubscribe_url(struct notice *t)
{
	struct arena *arena = t->base.in.arena;
	struct email_link link = {
		.purpose = EMAIL_LINK_UNSUBSCRIBE,
		.user_id = t->base.in.event.user_id,
		.expires_s = time_now_us() / TIME_US_PER_S + LINK_DAYS * DAY_S,
	};

	if (email_link_hash(t->contact.email, link.address_hash) < 0)
		return (struct str){ NULL, 0 };
	struct str token = email_link_sign(arena, t->base.n->link_signer, &link);
	if (token.p == NULL)
		return token;
	return arena_printf(arena, "%.*s/api/email/unsubscribe?t=%.*s",
			    STR_ARGS(t->base.n->public_url), STR_ARGS(token));
}

static int compose(struct notice *t, struct mail *ret, struct err *reterr)
{
	struct notifier *n = t->base.n;
	struct arena *arena = t->base.in.arena;
	const struct mail_text text = { arena_buf(arena, TEXT_MAX), arena_buf(arena, TEXT_MAX),
					arena_buf(arena, TEXT_MAX) };
	const struct tz *tz;
	struct str settings = arena_printf(arena, "%.*s/", STR_ARGS(n->public_url));
	struct mail mail = {
		.from_name = n->mail_from_name,
		.from = n->mail_from,
		.to = t->contact.email,
		.message_id =
			arena_printf(arena, "%s.%lld@%.*s", t->id_text, (long long)t->said.version,
				     STR_ARGS(email_domain(n->mail_from))),
		.correlation_id = str_from(t->base.in.log.correlation_id),
		.unsubscribe_url = unsubscribe_url(t),
		.date_us = time_now_us(),
	};

	if (mail.message_id.p == NULL || mail.unsubscribe_url.p == NULL || settings.p == NULL ||
	    text.subject == NULL || text.text == NULL || text.html == NULL)
		return notifier_no_memory(reterr);
	if (tz_load(t->contact.time_zone, &tz) < 0 && tz_load(STR("UTC"), &tz) < 0)
		return notifier_no_memory(reterr);
	mail_text_reminder(&text, &t->said, tz, settings);
	mail.subject = buf_str(text.subject);
	mail.text = buf_str(text.text);
	mail.html = buf_str(text.html);
	*ret = mail;
	return 0;
}

FIBER int notice_mail_wait(struct notice *t, struct err *reterr)
{
	struct mail mail;
	int r = compose(t, &mail, reterr);

	if (r < 0) {
		mailing_free(&t->base);
		return r;
	}
	t->base.end = end;
	t->base.kind = "reminder";
	tell(t, t->via & ~t->told, false);
	return mailing_send_wait(&t->base, &mail, reterr);
}
