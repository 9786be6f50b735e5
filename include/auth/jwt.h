/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Tokens, compact JWS only (RFC 7515, 7519, 8725), on OpenSSL EVP. The algorithm is
 * decided by the key, never by the token; `none`, `crit` and embedded or referenced keys are
 * refused.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { JWT_MAX_BYTES = 6 * 1024 };

enum jwt_alg { JWT_EDDSA, JWT_ES256, JWT_RS256, JWT_HS256, _JWT_ALG_MAX };

struct jwt_key; /* one key and the one algorithm it may be used with */

/* Secret of at least 32 bytes; HS256. NULL when shorter or out of memory. */
struct jwt_key *jwt_key_from_secret(struct str secret);
/* The same from a file, white space at its ends left out. NULL with the reason. */
struct jwt_key *jwt_key_from_secret_file(const char *path, struct err *reterr);
/* PEM private key (Ed25519, not encrypted), for signing and verifying. NULL with the reason. */
struct jwt_key *jwt_key_from_pem_file(const char *path, struct err *reterr);
void jwt_key_free(struct jwt_key *k);
/* kid; for a local private key the RFC 7638 thumbprint; "" when there is none, as for a secret. */
struct str jwt_key_id(const struct jwt_key *k);

/*
 * A set of keys, as a JWKS document gives it (RFC 7517): Ed25519, P-256 and RSA from 2048 bits, at
 * most 64 keys in 64 KiB. Skipped: other types, private and symmetric keys, use other than sig, an
 * alg that contradicts the type, a key id that an earlier key has.
 */
struct jwt_keys;
/* Takes k, also on failure. NULL when out of memory. */
struct jwt_keys *jwt_keys_new_single(struct jwt_key *k);
/* 0, also when no key is usable: count them; -EINVAL: not such a document; -ENOMEM. */
int jwt_keys_parse(struct str jwks_json, struct jwt_keys **ret, struct err *reterr) MUST_CHECK;
size_t jwt_keys_count(const struct jwt_keys *ks);
void jwt_keys_free(struct jwt_keys *ks);

/* What a user id must be: 1 to 128 bytes of UTF-8 without control characters. */
bool jwt_subject_is_valid(struct str subject);

struct jwt_policy {
	struct str issuer;   /* empty: not checked */
	struct str audience; /* empty: not checked */
	int64_t leeway_s;    /* 30 */
};

struct jwt_claims {
	struct str subject; /* sub, or id; in the arena; 1 to 128 bytes without controls */
	int64_t expires_s;  /* Unix seconds */
};

/*
 * Checks form, signature and claims of token at now_s. 0; -EACCES with ERR_UNAUTHORIZED and a
 * reason that a client may read; -ENOKEY (same err): the token names a key id that is not in the
 * set: worth a refetch; -ENOMEM.
 */
int jwt_verify(struct arena *arena, const struct jwt_keys *keys, const struct jwt_policy *policy,
	       struct str token, int64_t now_s, struct jwt_claims *ret,
	       struct err *reterr) MUST_CHECK;

/*
 * A token for subject, signed with a secret or private key. issuer and audience may be empty. .p is
 * NULL when out of memory and for what jwt_verify would refuse: a bad subject, a token over
 * JWT_MAX_BYTES.
 */
struct str jwt_sign(struct arena *arena, const struct jwt_key *key, struct str subject,
		    struct str issuer, struct str audience, int64_t now_s, int64_t ttl_s);

#endif
