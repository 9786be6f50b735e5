/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures alone (compact JWS, RFC 7515), over any text: for what is signed and is no token of a
 * user. The rules about algorithms and headers are those of tokens (auth/jwt).
 */
#ifndef AUTH_JWS_H
#define AUTH_JWS_H

#include "auth/jwt.h"

/* payload signed by key, in the arena. .p is NULL when out of memory, for a key that cannot sign,
 * and past JWT_MAX_BYTES. */
struct str jws_sign(struct arena *arena, const struct jwt_key *key, struct str payload);
/*
 * The signature alone: form, header, key and signature of a compact JWS. The payload, decoded, in
 * the arena. Results as jwt_verify.
 */
int jws_verify(struct arena *arena, const struct jwt_keys *keys, struct str token,
	       struct str *ret_payload, struct err *reterr) MUST_CHECK;

/* An Ed25519 key as PEM: a private key, or a public one, which only verifies. source is what errors
 * call it. NULL with the reason. */
struct jwt_key *jws_key_from_pem(struct str pem, const char *source, struct err *reterr);

#endif
