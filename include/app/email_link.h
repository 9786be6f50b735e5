/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signed links in mails: what whoever reads the mail may do without a login. notifier makes
 * them, chat-api follows them; both have the key from the secret email/link-key. A link names the
 * user, and the address by a hash, so that it does nothing once the address is another one.
 */
#ifndef APP_EMAIL_LINK_H
#define APP_EMAIL_LINK_H

#include "auth/jwt.h"
#include "base/arena.h"
#include "base/err.h"
#include "dapr/sidecar.h"

#include <stdint.h>

enum email_link_purpose {
	EMAIL_LINK_CONFIRM,	/* the address is his who asks for mail to it */
	EMAIL_LINK_UNSUBSCRIBE, /* no more mail */
	_EMAIL_LINK_PURPOSE_MAX,
};

enum { EMAIL_LINK_HASH_SIZE = 23 }; /* with its NUL */

struct email_link {
	enum email_link_purpose purpose;
	struct str user_id;
	char address_hash[EMAIL_LINK_HASH_SIZE];
	int64_t expires_s; /* Unix seconds */
};

/* What a link says of an address: base64url. 0 or -ENOMEM. */
int email_link_hash(struct str address, char ret[EMAIL_LINK_HASH_SIZE]) MUST_CHECK;
/* The key from the secret store. NULL with the reason. The caller's. */
FIBER struct jwt_keys *email_link_key_wait(struct sidecar *s, const struct jwt_key **ret_signer,
					   struct err *reterr);
/* The value of ?t=. .p NULL: no memory. */
struct str email_link_sign(struct arena *arena, const struct jwt_key *key,
			   const struct email_link *link);
/* 0; -EINVAL: no link of ours, or its time is over; -ENOMEM. Strings live in the arena. */
int email_link_verify(struct arena *arena, const struct jwt_keys *keys, struct str token,
		      int64_t now_s, struct email_link *ret) MUST_CHECK;

#endif
