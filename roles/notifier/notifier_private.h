/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the notifier role share: its handles and settings, and the parts that more than
 * one of them calls. It has no database: what it must remember is in the sidecar's state store,
 * under keys of its users.
 */
#ifndef NOTIFIER_PRIVATE_H
#define NOTIFIER_PRIVATE_H

#include "app/app.h"
#include "app/delivery.h"
#include "app/email_link.h"
#include "base/metrics.h"
#include "dapr/callback.h"
#include "dapr/sidecar.h"
#include "domain/event.h"
#include "net/smtp.h"

enum {
	RETRIES_MAX = 8,
	STATE_TRIES_MAX = 5, /* how often a write reads again when others were faster */
	DAY_S = 86400,
	STATE_TTL_S = 45 * DAY_S, /* longer than any broker or dead letter keeps an event */
	EVENT_BYTES_MAX = 64 * 1024,
	JOB_RETRY_S = 2,	   /* the callback of a job did not get rid of its event */
	PATIENCE_INLINE_MS = 6000, /* of a delivery, for what is away; the sidecar's is 10 s */
};

struct mailing;

struct notifier {
	struct loop *loop;
	struct sidecar *sidecar;
	struct smtp *smtp; /* NULL: no mail server is configured */
	char *smtp_password;
	struct jwt_keys *link_keys; /* with smtp */
	const struct jwt_key *link_signer;
	/* Settings; strings are the configuration's. */
	struct str mail_from, mail_from_name, public_url;
	int64_t lease_s, patience_ms;
	int64_t mails_per_day, confirmations_per_day;
	int64_t retry_delays_s[RETRIES_MAX];
	int n_retries;
	unsigned n_alone; /* mails that no delivery waits for any more */
	/* Places of mails, from before their lease to the end of what follows from them. */
	struct mailing *placed;
	unsigned n_placed, places_max;
	int64_t mail_ms;      /* what one takes, of late */
	int64_t queue_end_ms; /* when those that found no place will have had one; monotonic */
	struct metric *scheduled, *cancelled, *sent, *put_off, *failed, *late_s;
	struct metric *mails_sent, *mails_put_off, *mails_refused, *mail_s, *confirmations;
};

extern const struct config_key NOTIFIER_OPTIONS[];

struct notifier *notifier_of(struct app *app);
/* Everything of *n that comes from the configuration. 0; -EINVAL with ERR_INVALID. */
int notifier_read_settings(struct notifier *n, const struct config *c,
			   struct err *reterr) MUST_CHECK;
int notifier_no_memory(struct err *reterr);

/* ---- events ---- */

/* One event that is being dealt with; everything in it lives in its arena. */
struct incoming {
	struct arena *arena;
	struct str topic, body; /* as delivered */
	struct delivered_event event;
	struct log_context log; /* of the request that it is from */
};

/* What the events that follow from it have in common. */
struct event_origin notifier_origin(const struct incoming *in);
/* Whether to try once more what is away: as delivery_wait_again. */
FIBER int notifier_publish_wait(struct notifier *n, enum event_topic topic, struct str user_id,
				struct str event_id, struct str json, int64_t until_ms,
				struct err *reterr) MUST_CHECK;
/* To the dead letters of its topic, as the sidecar does with what is refused. */
FIBER int notifier_bury_wait(struct notifier *n, const struct incoming *in,
			     struct err *reterr) MUST_CHECK;

/* 0: done or not for us; else as delivery_fn. */
FIBER int notifier_on_scheduled(struct notifier *n, struct incoming *in, struct err *reterr);
FIBER int notifier_on_cancelled(struct notifier *n, struct incoming *in, struct err *reterr);
/* These two take in->arena, also on failure. */
FIBER int notifier_on_trigger(struct notifier *n, const struct incoming *in, struct err *reterr);
FIBER int notifier_on_preferences(struct notifier *n, const struct incoming *in,
				  struct err *reterr);
job_fn notifier_on_job;
extern const struct subscription NOTIFIER_SUBSCRIPTIONS[];

#endif
