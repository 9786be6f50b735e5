/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mail on its way, and what follows from it. The delivery that it is from waits for it only a
 * moment, and not at all while others are slow: then it is acknowledged, and the mail goes on, on a
 * fiber of its own. So a slow server holds no partition up.
 */
#ifndef NOTIFIER_MAILING_PRIVATE_H
#define NOTIFIER_MAILING_PRIVATE_H

#include "domain/mail.h"
#include "domain/mail_text.h"
#include "notifier_private.h"

enum { MAILING_ID_MAX = 70 }; /* of a mailing's id, with the @ behind it */

/*
 * What follows from the result of smtp_send_wait. It may wait until until_ms for what is away; it
 * is called again from its start after -EAGAIN and -ETIME, and when the fiber that it ran on was
 * cancelled. 0; < 0: as delivery_fn.
 */
typedef FIBER int mailing_end_fn(struct mailing *m, int result, const struct err *why,
				 int64_t until_ms, struct err *reterr);

/* At the beginning of what its maker knows of it. Lives in in.arena, with everything else. */
struct mailing {
	struct notifier *n;
	struct incoming in;
	mailing_end_fn *end;
	const char *kind; /* for logs: "reminder" */
	struct str id; /* of this mail alone, however often it is sent; its Message-ID begins so */
	struct mailing *next; /* with a place */
	int64_t attempt;      /* that it has a place for */
	struct str message_id;
	struct smtp_sending *smtp;
	int64_t started_ms;
	bool must_come_again; /* nobody sweeps for it: a dead letter before it is acknowledged */
	bool is_buried;
	bool is_over;
	int result; /* of smtp_send_wait */
	struct err why;
};

/* A mailing of size bytes, set to zero but for its event, whose arena it takes, also on failure.
 * NULL: no memory. */
struct mailing *mailing_new(struct notifier *n, const struct incoming *in, size_t size,
			    struct err *reterr);
/* Accepts NULL. */
void mailing_free(struct mailing *m);
/*
 * A place among the mails that may be under way at a time, which mailing_free gives back. 0, also
 * if m has one; -EALREADY: another one has, for the same try of the same mail; -EBUSY: all are
 * taken.
 */
int mailing_take_place(struct mailing *m, int64_t attempt) MUST_CHECK;
/* Also if it has none. */
void mailing_leave_place(struct mailing *m);
/* After how many seconds to ask again for whoever found none: behind those who asked before. */
int64_t mailing_place_pause_s(struct notifier *n);
/* What all mails have in common, and room for the texts. 0; -ENOMEM. */
int mailing_compose(struct mailing *m, struct str to, struct mail *ret, struct mail_text *ret_text,
		    struct err *reterr) MUST_CHECK;
/* Sends it with these texts, from the place that m has, and takes m. 0: done, or in hands of its
 * own; < 0: as delivery_fn. */
FIBER int mailing_send_wait(struct mailing *m, struct mail *mail, const struct mail_text *text,
			    struct err *reterr);

/*
 * Counts one more of what a user may have only so many of a day. 0: it is within max; -EDQUOT: it
 * is not; or as sidecar_state_put_wait.
 */
FIBER int mailing_count_wait(struct notifier *n, struct arena *arena, struct str user_id,
			     const char *what, int64_t max, struct err *reterr) MUST_CHECK;

#endif
