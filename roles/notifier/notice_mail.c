/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reminder by mail, and what follows from what the mail server made of it.
 */
#include "notice_private.h"

#include "base/time.h"
#include "domain/channels.h"

#include <errno.h>

enum { LINK_DAYS = 90 };

static FIBER int conclude(struct notice *t, const struct reminder_state *s, int64_t until_ms,
			  struct err *reterr)
{
	struct notifier *n = t->base.n;
	int r = s->stage == STAGE_RETRYING ? notice_arrange_retry_wait(t, s, reterr) : 0;

	if (r == 0)
		r = notice_publish_outcome_wait(t, s, until_ms, reterr);
	if (r < 0)
		return r;
	if (s->stage == STAGE_SENT && t->via == CHANNEL_EMAIL && t->told == 0)
		notice_note_first_effect(t);
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
		r = notice_next_state(t, result, why, &s, reterr);
		if (r == 0)
			r = notice_store_wait(t, &s, until_ms, reterr);
		if (r == -EEXIST)
			seen = look_again(t, reterr);
	}
	if (r == 0)
		return conclude(t, &s, until_ms, reterr);
	if (r != -EEXIST || seen < 0)
		return r != -EEXIST ? r : seen;
	if (seen == 1)
		return conclude(t, &t->state, until_ms, reterr);
	if (seen == 0)
		return err_unavailable(reterr, 1, "the reminder is being changed");
	/* It went out, though it was changed or cancelled meanwhile; that it did is told. */
	return result == 0 ? notice_publish_outcome_wait(t, &s, until_ms, reterr) : 0;
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

static int compose(struct notice *t, struct mail *ret, struct mail_text *text, struct err *reterr)
{
	struct arena *arena = t->base.in.arena;
	struct str settings = arena_printf(arena, "%.*s/", STR_ARGS(t->base.n->public_url));
	struct str unsubscribe = unsubscribe_url(t);
	const struct tz *tz;
	int r = mailing_compose(&t->base, t->contact.email, ret, text, reterr);

	if (r < 0)
		return r;
	if (settings.p == NULL || unsubscribe.p == NULL ||
	    (tz_load(t->contact.time_zone, &tz) < 0 && tz_load(STR("UTC"), &tz) < 0))
		return notifier_no_memory(reterr);
	ret->unsubscribe_url = unsubscribe;
	mail_text_reminder(text, &t->said, tz, settings);
	return 0;
}

FIBER int notice_mail_wait(struct notice *t, struct err *reterr)
{
	struct mail_text text;
	struct mail mail;
	int r = compose(t, &mail, &text, reterr);

	if (r < 0) {
		mailing_free(&t->base);
		return r;
	}
	t->base.end = end;
	t->base.kind = "reminder";
	notice_tell_channels_wait(t, t->via & ~t->told, false);
	return mailing_send_wait(&t->base, &mail, &text, reterr);
}
