/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key set from a hostile issuer. What must hold: bounded and repeatable; every key is a public
 * one for one of three algorithms; no two keys share an id; and no token verifies with such keys:
 * not an unsigned one, nor one whose HMAC is keyed with the document itself.
 */
#include "src/auth/jwt_private.h"

#include <errno.h>
#include <stdlib.h>

#define UNSIGNED "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1IiwiZXhwIjo0MDAwMDAwMDAwfQ."

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_keys(const struct jwt_keys *ks)
{
	require(jwt_keys_count(ks) <= JWT_KEYS_MAX);
	for (size_t i = 0; i < ks->n; i++) {
		const struct jwt_key *k = ks->v[i];
		require(!k->can_sign && k->pkey && !k->mac && k->alg != JWT_HS256);
		require(k->alg != JWT_RS256 || EVP_PKEY_get_bits(k->pkey) >= JWT_RSA_MIN_BITS);
		for (size_t j = 0; j < i; j++)
			require(k->kid.n == 0 || !str_eq(k->kid, ks->v[j]->kid));
	}
}

static void check_forgeries(struct arena *arena, const struct jwt_keys *ks, struct str document)
{
	struct str payload;
	require(jws_verify(arena, ks, STR(UNSIGNED), &payload, NULL) != 0);
	struct jwt_key *forger = jwt_key_from_secret(document);
	if (!forger)
		return;
	struct str token =
		jwt_sign(arena, forger, STR("u"), STR(""), STR(""), 0, INT64_C(4000000000));
	if (token.p)
		require(jws_verify(arena, ks, token, &payload, NULL) != 0);
	jwt_key_free(forger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str document = { (const char *)data, size };
	struct jwt_keys *ks = NULL, *again = NULL;
	struct err e = { 0 };
	int r = jwt_keys_parse(document, &ks, &e);
	require(r == 0 || ((r == -EINVAL || r == -ENOMEM) && !ks && e.kind && e.text[0] != '\0'));
	require(jwt_keys_parse(document, &again, NULL) == r || r == -ENOMEM);
	if (r == 0 && again) {
		struct arena *arena = arena_new(256 * 1024);
		require(arena && ks->n == again->n);
		check_keys(ks);
		check_forgeries(arena, ks, document);
		arena_free(arena);
	}
	jwt_keys_free(ks);
	jwt_keys_free(again);
	return 0;
}
