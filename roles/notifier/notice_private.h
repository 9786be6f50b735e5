/* SPDX-License-Identifier: Apache-2.0 */
/* One trigger that is being dealt with. */
#ifndef NOTIFIER_NOTICE_PRIVATE_H
#define NOTIFIER_NOTICE_PRIVATE_H

#include "contact_private.h"
#include "domain/reminder_notice.h"
#include "mailing_private.h"
#include "reminder_state_private.h"

struct notice {
	struct mailing base;
	struct reminder_notice said; /* what the trigger says */
	char id_text[UUID_TEXT_SIZE];
	struct reminder_state state; /* as it was read */
	struct contact contact;	     /* if mail may be sent */
	int64_t attempt;	     /* this one's number */
	int64_t leased;		     /* the attempt whose lease this process has; 0: none */
	unsigned via, told;	     /* channels: by which it goes out; by which it did before */
};

/* Without a mail. 0: done; -ESTALE: others were faster; else as delivery_fn. */
FIBER int notice_tell_wait(struct notice *t, struct err *reterr);
/* There is no place for its mail: the trigger comes again, and what needs none is told now. 0;
 * -ESTALE; else as delivery_fn. */
FIBER int notice_put_off_wait(struct notice *t, struct err *reterr);
/* With a mail, under the lease. Takes t. As delivery_fn. */
FIBER int notice_mail_wait(struct notice *t, struct err *reterr);
/* It was dealt with: what became of it is told again, for those who may have missed it. */
FIBER int notice_repeat_wait(struct notice *t, struct err *reterr);

/* ---- parts of these ---- */

/* By the channels other than mail. A screen that missed it reads it later; that does not hold the
 * rest up. */
FIBER void notice_tell_channels_wait(struct notice *t, unsigned channels, bool is_repeated);
/* From now on its user may know of it. */
void notice_note_first_effect(const struct notice *t);
/* The state after this try; its outcome's event is rendered once, with an id of its own. 0;
 * -ENOMEM.
 */
int notice_next_state(struct notice *t, int result, const struct err *why,
		      struct reminder_state *ret, struct err *reterr) MUST_CHECK;
/* 0; -EEXIST: it has changed since it was read; else as sidecar_state_put_wait. */
FIBER int notice_store_wait(struct notice *t, const struct reminder_state *s, int64_t until_ms,
			    struct err *reterr) MUST_CHECK;
FIBER int notice_publish_outcome_wait(struct notice *t, const struct reminder_state *s,
				      int64_t until_ms, struct err *reterr) MUST_CHECK;
/* The next try, if that has not been arranged. */
FIBER int notice_arrange_retry_wait(struct notice *t, const struct reminder_state *s,
				    struct err *reterr) MUST_CHECK;

#endif
