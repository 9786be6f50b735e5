/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a user is reached: what preferences.changed told last, in state under u/<user>/contact.
 */
#ifndef NOTIFIER_CONTACT_PRIVATE_H
#define NOTIFIER_CONTACT_PRIVATE_H

#include "notifier_private.h"

struct contact {
	bool is_known; /* else everything is as if nothing had been preferred */
	int64_t version;
	struct str email; /* email_is_valid; .p NULL: none */
	bool is_confirmed;
	struct str time_zone;
	unsigned channels; /* not 0 */
	struct str etag;
};

/* Strings live in the arena. */
FIBER int contact_read_wait(struct notifier *n, struct arena *arena, struct str user_id,
			    struct contact *ret, struct err *reterr) MUST_CHECK;
/* Sends the one mail that asks the owner of an address, if that is due. Takes in->arena, also on
 * failure. */
FIBER int confirmation_send_wait(struct notifier *n, const struct incoming *in,
				 const struct contact *c, struct err *reterr);

#endif
