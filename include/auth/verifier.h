/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is calling: the configured mode (jwks, secret, builtin), its keys, and a cache of verified
 * tokens (SHA-256 of the token -> user, until the token expires, at most 60 s, at most 10,000
 * tokens).
 */
#ifndef AUTH_VERIFIER_H
#define AUTH_VERIFIER_H

#include "auth/jwks.h"
#include "auth/jwt.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct auth_verifier;

/* Exactly one of jwks and keys. Takes keys, also on failure; jwks stays the caller's; policy is
 * copied. NULL when out of memory. */
struct auth_verifier *auth_verifier_new(struct jwks *jwks, struct jwt_keys *keys,
					const struct jwt_policy *policy);
void auth_verifier_free(struct auth_verifier *v);

/*
 * The user of an Authorization header value ("Bearer ..."; .p NULL: absent), copied into the arena.
 * Does not wait. 0; -EACCES ERR_UNAUTHORIZED; -EAGAIN (503): the key is not known yet and is being
 * fetched: auth_verify_wait; -ENOMEM (503).
 */
int auth_verify(struct auth_verifier *v, struct arena *arena, struct str authorization,
		struct str *ret_user, struct err *reterr) MUST_CHECK;
/*
 * The same, waiting for the fetch of keys when one is under way (at most 5 s). -EACCES; -EAGAIN,
 * -ENOMEM, -ECANCELED with ERR_UNAVAILABLE (503): no keys could be fetched yet, the issuer is slow,
 * or the fiber was cancelled.
 */
FIBER int auth_verify_wait(struct auth_verifier *v, struct arena *arena, struct str authorization,
			   struct str *ret_user, struct err *reterr) MUST_CHECK;

#endif
