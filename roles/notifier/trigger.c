/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time of a reminder has come: what is known of it decides whether it is sent, told of again,
 * or left alone. What has an effect is done by whoever wins: the lease, where there is a mail, and
 * the change of the state, where there is none.
 */
#include "notice_private.h"

#include "base/log.h"
#include "base/time.h"
#include "domain/channels.h"

#include <errno.h>

enum { LATE_FROM_S = 60 }; /* what a job may take is not called late */

/* ---- what it meets ---- */

static FIBER int judge(struct notice *t, enum trigger_verdict *ret, struct err *reterr)
{
	struct notifier *n = t->base.n;
	const struct incoming *in = &t->base.in;
	const struct uuid *id = &t->said.reminder_id;
	bool is_paused = false;
	int r = reminder_state_read_wait(n, in->arena, in->event.user_id, id, &t->state, reterr);

	if (r < 0)
		return r;
	*ret = reminder_state_judge(&t->state, t->said.version, t->said.attempt, in->event.id,
				    &t->attempt);
	if (*ret == TRIGGER_MAY_BE_DUE) {
		r = reminder_is_marked_wait(n, in->arena, in->event.user_id, id, "pause",
					    t->state.version, t->state.attempt, &is_paused, reterr);
		*ret = is_paused ? TRIGGER_IS_REPEATED : TRIGGER_IS_DUE;
	}
	t->told = t->said.version == t->state.version ? t->state.told : 0;
	return r;
}

static void leave_mail_out(struct notice *t, const char *why)
{
	log_info("reminder.without_mail", LOG_CSTR("reminder_id", t->id_text),
		 LOG_CSTR("reason", why));
	t->via &= ~(unsigned)CHANNEL_EMAIL;
	if (t->via == 0)
		t->via = CHANNEL_IN_APP | CHANNEL_LOG;
}

/* Its own channels, else the user's; those by which nothing would go out are left out. */
static FIBER int choose_channels(struct notice *t, struct err *reterr)
{
	struct notifier *n = t->base.n;
	const struct incoming *in = &t->base.in;
	const char *why = NULL;
	int r;

	t->via = t->said.channels;
	if (t->said.has_own_channels && !(t->via & CHANNEL_EMAIL))
		return 0;
	r = contact_read_wait(n, in->arena, in->event.user_id, &t->contact, reterr);
	if (r < 0)
		return r;
	if (!t->said.has_own_channels)
		t->via = t->contact.channels;
	if (n->smtp == NULL)
		why = "no mail server";
	else if (t->contact.email.p == NULL)
		why = "no address";
	else if (!t->contact.is_confirmed)
		why = "an address that is not confirmed";
	if (why != NULL && (t->via & CHANNEL_EMAIL))
		leave_mail_out(t, why);
	return 0;
}

static void say_how_late(struct notice *t)
{
	int64_t late_us = time_now_us() - t->said.remind_at_us;

	if (t->said.late_by_s == NOTICE_NOT_LATE && late_us >= LATE_FROM_S * TIME_US_PER_S)
		t->said.late_by_s = late_us / TIME_US_PER_S;
}

/* ---- what it does ---- */

static int is_under_way(struct notice *t)
{
	log_info("reminder.under_way", LOG_CSTR("reminder_id", t->id_text),
		 LOG_I64("version", t->said.version), LOG_I64("attempt", t->attempt));
	return 1;
}

/* The lease: one process tries, once. 0: this one; 1: another one does, or did and died; then its
 * lease runs out, and the sweep comes back to it. */
static FIBER int take_lease(struct notice *t, struct err *reterr)
{
	struct notifier *n = t->base.n;
	const struct incoming *in = &t->base.in;
	int r;

	if (t->leased == t->attempt)
		return 0;
	r = reminder_mark_wait(n, in->arena, in->event.user_id, &t->said.reminder_id, "lease",
			       t->said.version, t->attempt, n->lease_s, reterr);
	if (r == 0)
		t->leased = t->attempt;
	return r == -EEXIST ? is_under_way(t) : r;
}

/* Nothing was sent: the delivery that comes again need not wait for its end. */
static FIBER void give_lease_back(struct notice *t)
{
	struct notifier *n = t->base.n;
	const struct incoming *in = &t->base.in;
	struct err err = { .text = "" };

	if (reminder_unmark_wait(n, in->arena, in->event.user_id, &t->said.reminder_id, "lease",
				 t->said.version, t->attempt, &err) < 0)
		log_err(LOG_WARN, "reminder.lease_left", &err);
}

/* 0: the mail is this process's to send, unless it is one too many; 1: it is not, or not now; else
 * as delivery_fn. */
static FIBER int admit_mail(struct notice *t, struct err *reterr)
{
	struct notifier *n = t->base.n;
	const struct incoming *in = &t->base.in;
	int r = mailing_take_place(&t->base, t->attempt);

	if (r == -EALREADY)
		return is_under_way(t);
	if (r == -EBUSY) {
		r = notice_put_off_wait(t, reterr);
		return r < 0 ? r : 1;
	}
	r = take_lease(t, reterr);
	if (r != 0 || t->attempt > 1) /* a mail counts once, however often it is tried */
		return r;
	r = mailing_count_wait(n, in->arena, in->event.user_id, "mails", n->mails_per_day, reterr);
	if (r == -EDQUOT) {
		leave_mail_out(t, "as many mails as a day has");
		return 0;
	}
	if (r < 0)
		give_lease_back(t);
	return r;
}

/* 0: done, or handed over (t is gone); -ESTALE: others were faster, read again; else as
 * delivery_fn. *ret_is_gone: t is. */
static FIBER int run_due(struct notice *t, bool *ret_is_gone, struct err *reterr)
{
	int r = choose_channels(t, reterr);

	if (r == 0 && (t->via & CHANNEL_EMAIL))
		r = admit_mail(t, reterr);
	if (r != 0)
		return r < 0 ? r : 0;
	say_how_late(t);
	if (!(t->via & CHANNEL_EMAIL))
		return notice_tell_wait(t, reterr);
	*ret_is_gone = true;
	return notice_mail_wait(t, reterr);
}

static FIBER int run(struct notice *t, bool *ret_is_gone, struct err *reterr)
{
	enum trigger_verdict verdict = TRIGGER_IS_OLD;
	int r = -ESTALE;

	for (int tries = 0; r == -ESTALE && tries < STATE_TRIES_MAX; tries++) {
		r = judge(t, &verdict, reterr);
		if (r < 0)
			return r;
		if (verdict == TRIGGER_IS_DUE)
			r = run_due(t, ret_is_gone, reterr);
		else if (verdict == TRIGGER_IS_REPEATED)
			return notice_repeat_wait(t, reterr);
		else
			log_info("reminder.passed_over", LOG_CSTR("reminder_id", t->id_text),
				 LOG_I64("version", t->said.version),
				 LOG_I64("known", t->state.version));
	}
	return r == -ESTALE ? err_unavailable(reterr, 1, "the reminder is being changed") : r;
}

FIBER int notifier_on_trigger(struct notifier *n, const struct incoming *in, struct err *reterr)
{
	struct notice *t = (struct notice *)mailing_new(n, in, sizeof(struct notice), reterr);
	bool is_gone = false;
	int r;

	if (t == NULL)
		return -ENOMEM;
	r = reminder_notice_parse(in->arena, in->event.payload, &t->said, reterr);
	if (r == 0) {
		uuid_format(&t->said.reminder_id, t->id_text);
		t->base.id =
			arena_printf(in->arena, "%s.%lld", t->id_text, (long long)t->said.version);
		if (t->base.id.p == NULL)
			r = notifier_no_memory(reterr);
	}
	if (r == 0)
		r = run(t, &is_gone, reterr);
	if (!is_gone)
		mailing_free(&t->base);
	return r;
}
