/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the jwt module share: a key, a set of keys, and signatures over bytes. A key
 * knows its one algorithm; nothing here reads an algorithm from a token.
 */
#ifndef AUTH_JWT_PRIVATE_H
#define AUTH_JWT_PRIVATE_H

#include "auth/jws.h"
#include "auth/jwt.h"

#include <openssl/evp.h>
#include <stdbool.h>

enum {
	JWT_KEYS_MAX = 64,
	JWT_RSA_MIN_BITS = 2048,
	JWT_RSA_MAX_BITS = 8192,
	JWT_SIGNATURE_MAX = JWT_RSA_MAX_BITS / 8
};

struct jwt_key {
	enum jwt_alg alg;
	bool can_sign;
	EVP_PKEY *pkey;	       /* NULL for HS256 */
	EVP_MD_CTX *verifying; /* begun with pkey; only ever copied. NULL for HS256 */
	EVP_MAC_CTX *mac;      /* HS256: holds the secret; only ever copied */
	struct str kid;	       /* own copy, freed with the key */
};

struct jwt_keys {
	size_t n;
	struct jwt_key *v[JWT_KEYS_MAX];
};

/* Takes pkey, also on failure; copies kid. NULL when out of memory. */
struct jwt_key *jwt_key_new(enum jwt_alg alg, EVP_PKEY *pkey, struct str kid);
/* 0; -EACCES: not a signature of input by this key; -ENOMEM. */
int jwt_key_verify(const struct jwt_key *k, struct str input, struct str signature) MUST_CHECK;
/* 0 and *ret_n bytes in out; -EACCES: the key cannot sign; -ENOMEM. */
int jwt_key_sign(const struct jwt_key *k, struct str input, uint8_t out[JWT_SIGNATURE_MAX],
		 size_t *ret_n) MUST_CHECK;
const char *jwt_alg_name(enum jwt_alg alg);
/* Exact spelling (RFC 7518 section 3.1, RFC 8037). 0 or -EINVAL. */
int jwt_alg_parse(struct str name, enum jwt_alg *ret) MUST_CHECK;
/* Why an OpenSSL call failed: -ENOMEM, or otherwise. Empties OpenSSL's error queue. */
int jwt_openssl_errno(int otherwise);

#endif
