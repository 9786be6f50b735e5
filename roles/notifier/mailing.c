/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending, waiting, and handing over. What a fiber of its own could not bring to an end becomes a
 * dead letter, as if the delivery had been refused. What became of a mail is kept until it can be
 * written: whoever else would send it needs the same store first, and a place, which m has until
 * then. If the process dies, a reminder's lease runs out and the sweep comes back to it.
 */
#include "mailing_private.h"

#include "base/log.h"
#include "base/time.h"
#include "domain/email.h"
#include "loop/fiber.h"

#include <errno.h>

enum {
	PATIENCE_ALONE_MS = 15 * 60 * 1000, /* for what is away; without it nobody sends it again */
	ROUND_PAUSE_MS = 5 * 1000,
	WHOLE_TIME_MS = 3600 * 1000, /* smtp.timeout ends it before */
	TEXT_MAX = 16 * 1024,
};

struct mailing *mailing_new(struct notifier *n, const struct incoming *in, size_t size,
			    struct err *reterr)
{
	struct mailing *m = arena_calloc(in->arena, 1, size);

	if (m == NULL) {
		notifier_no_memory(reterr);
		arena_free(in->arena);
		return NULL;
	}
	m->n = n;
	m->in = *in;
	return m;
}

void mailing_free(struct mailing *m)
{
	if (m == NULL)
		return;
	mailing_leave_place(m);
	smtp_send_free(m->smtp);
	arena_free(m->in.arena);
}

/* ---- the end ---- */

static void note_result(struct mailing *m)
{
	struct notifier *n = m->n;
	int64_t took_ms = time_monotonic_ms() - m->started_ms;
	struct metric *counter = m->result == 0		? n->mails_sent
				 : m->result == -EINVAL ? n->mails_refused
							: n->mails_put_off;

	metric_add(counter, 1);
	metric_observe(n->mail_s, (double)took_ms / 1000);
	n->mail_ms += (took_ms - n->mail_ms) / 8;
	if (m->result == 0)
		log_info("mail.sent", LOG_CSTR("kind", m->kind),
			 LOG_STR("message_id", m->message_id),
			 LOG_STR("user_id", m->in.event.user_id), LOG_I64("took_ms", took_ms));
	else
		log_warn("mail.failed", LOG_CSTR("kind", m->kind),
			 LOG_STR("message_id", m->message_id),
			 LOG_STR("user_id", m->in.event.user_id), LOG_I64("took_ms", took_ms),
			 LOG_BOOL("for_good", m->result == -EINVAL),
			 LOG_CSTR("reason", m->why.text));
}

/* Each round costs memory of its event, so they are few. */
static FIBER int finish(struct mailing *m, int64_t patience_ms, struct err *reterr)
{
	int64_t until_ms = time_monotonic_ms() + patience_ms;
	int r;

	do
		r = m->end(m, m->result, &m->why, until_ms, reterr);
	while ((r == -EAGAIN || r == -ETIME) && time_monotonic_ms() + ROUND_PAUSE_MS < until_ms &&
	       fiber_sleep(ROUND_PAUSE_MS) == 0);
	return r;
}

/* Waits; true when it is over. */
static FIBER bool wait_for_end(struct mailing *m, int64_t wait_ms)
{
	struct err why = { .text = "" };
	int r;

	if (m->is_over)
		return true;
	r = smtp_send_wait(m->smtp, wait_ms, &why);
	if (r == -EINPROGRESS || (r == -ECANCELED && fiber_is_cancelled(fiber_self())))
		return false;
	m->is_over = true;
	m->result = r;
	m->why = why;
	note_result(m);
	return true;
}

static FIBER int bury(struct mailing *m, struct err *reterr)
{
	int r = m->is_buried ? 0 : notifier_bury_wait(m->n, &m->in, reterr);

	m->is_buried = r == 0;
	return r;
}

static FIBER void go_on(void *arg)
{
	struct mailing *m = arg;
	struct notifier *n = m->n;
	struct err err = { .text = "the mail was given up" };
	int r = -ECANCELED;

	if (wait_for_end(m, WHOLE_TIME_MS))
		r = finish(m, PATIENCE_ALONE_MS, &err);
	if (r < 0 && r != -ECANCELED) {
		log_err(LOG_WARN, "mail.not_settled", &err);
		r = bury(m, &err);
	}
	if (r < 0)
		log_err(LOG_WARN, "mail.abandoned", &err);
	n->n_alone--;
	mailing_free(m);
}

/* -EAGAIN, -ENOMEM: there is no fiber, and m is still the caller's. */
static int hand_over(struct mailing *m)
{
	int r = fiber_spawn(m->n->loop, "mail", go_on, m, &m->in.log, NULL);

	if (r == 0)
		m->n->n_alone++;
	return r;
}

/* Whether its delivery may be acknowledged before it is over: if the process dies then, a sweep
 * comes back to it, or the replay of a dead letter. */
static FIBER bool may_be_acknowledged(struct mailing *m)
{
	struct err err = { .text = "" };
	int r = m->must_come_again ? bury(m, &err) : 0;

	if (r < 0)
		log_err(LOG_WARN, "mail.not_buried", &err);
	return r == 0;
}

int mailing_compose(struct mailing *m, struct str to, struct mail *ret, struct mail_text *ret_text,
		    struct err *reterr)
{
	struct notifier *n = m->n;
	struct arena *arena = m->in.arena;

	m->message_id = arena_printf(arena, "%.*s@%.*s", STR_ARGS(m->id),
				     STR_ARGS(email_domain(n->mail_from)));
	*ret = (struct mail){
		.from_name = n->mail_from_name,
		.from = n->mail_from,
		.to = to,
		.message_id = m->message_id,
		.correlation_id = str_from(m->in.log.correlation_id),
		.date_us = time_now_us(),
	};
	*ret_text = (struct mail_text){ arena_buf(arena, TEXT_MAX), arena_buf(arena, TEXT_MAX),
					arena_buf(arena, TEXT_MAX) };
	if (m->message_id.p == NULL || ret_text->subject == NULL || ret_text->text == NULL ||
	    ret_text->html == NULL)
		return notifier_no_memory(reterr);
	return 0;
}

/* 0: it is on its way, or over already; < 0: it cannot even be written. */
static int start(struct mailing *m, const struct mail *mail, struct err *reterr)
{
	struct notifier *n = m->n;
	struct buf *data = arena_buf(m->in.arena, MAIL_BYTES_MAX);
	int r = data != NULL ? mail_write(mail, data, reterr) : notifier_no_memory(reterr);

	if (r < 0)
		return r;
	m->started_ms = time_monotonic_ms();
	r = smtp_send_start(n->smtp, mail->from, mail->to, buf_str(data), &m->smtp, &m->why);
	if (r < 0) {
		m->is_over = true;
		m->result = r;
		note_result(m);
	}
	return 0;
}

/* The sidecar waits no longer, or what has happened could not be told; but it must be. */
static FIBER int end_alone(struct mailing *m, int r)
{
	bool is_safe = may_be_acknowledged(m);

	if (hand_over(m) == 0)
		return is_safe ? 0 : r;
	mailing_free(m);
	return r;
}

FIBER int mailing_send_wait(struct mailing *m, struct mail *mail, const struct mail_text *text,
			    struct err *reterr)
{
	struct notifier *n = m->n;

	mail->subject = buf_str(text->subject);
	mail->text = buf_str(text->text);
	mail->html = buf_str(text->html);
	int r = start(m, mail, reterr);
	if (r < 0) {
		mailing_free(m);
		return r;
	}
	bool is_over = wait_for_end(m, n->n_alone > 0 ? 1 : n->patience_ms);
	if (!is_over && may_be_acknowledged(m) && hand_over(m) == 0)
		return 0;
	is_over = is_over || wait_for_end(m, WHOLE_TIME_MS);
	r = is_over ? finish(m, PATIENCE_INLINE_MS, reterr) : -ECANCELED;
	if (r == 0 || r == -EINVAL) {
		mailing_free(m);
		return r;
	}
	return end_alone(m, r);
}
