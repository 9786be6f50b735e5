/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of keys, and the JWKS document (RFC 7517, 7518, 8037) that a remote issuer publishes. The
 * document is not trusted to be sensible: sizes are bounded, the algorithm follows from the type of
 * the key, and a key that is not a public signature key of a kind used here is passed over. The set
 * owns its keys.
 */
#include "jwt_private.h"

#include "base/base64.h"
#include "base/json.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <stdlib.h>

enum {
	JWKS_MAX_BYTES = 64 * 1024,
	JWKS_ARENA_BYTES = 1024 * 1024,
	P256_BYTES = 32,
	ED25519_BYTES = 32,
	RSA_E_MAX_BYTES = 5
};

struct jwk {
	struct json_str kty, crv, alg, use, kid, x, y, n, e, d;
	struct json_strs key_ops;
};

static const struct json_field jwk_fields[] = {
	JSON_FIELD(struct jwk, kty, "kty", JSON_KIND_STR),
	JSON_FIELD(struct jwk, crv, "crv", JSON_KIND_STR),
	JSON_FIELD(struct jwk, alg, "alg", JSON_KIND_STR),
	JSON_FIELD(struct jwk, use, "use", JSON_KIND_STR),
	JSON_FIELD(struct jwk, kid, "kid", JSON_KIND_STR),
	JSON_FIELD(struct jwk, x, "x", JSON_KIND_STR),
	JSON_FIELD(struct jwk, y, "y", JSON_KIND_STR),
	JSON_FIELD(struct jwk, n, "n", JSON_KIND_STR),
	JSON_FIELD(struct jwk, e, "e", JSON_KIND_STR),
	JSON_FIELD(struct jwk, d, "d", JSON_KIND_STR),
	JSON_FIELD(struct jwk, key_ops, "key_ops", JSON_KIND_STRS),
	JSON_FIELD_END,
};

struct jwks_document {
	struct json_objs keys;
};

static const struct json_field document_fields[] = {
	{
		.name = "keys",
		.kind = JSON_KIND_OBJS,
		.offset = offsetof(struct jwks_document, keys),
		.nested = jwk_fields,
		.elem_size = sizeof(struct jwk),
		.max_items = JWT_KEYS_MAX,
	},
	JSON_FIELD_END,
};

/* A public key of this type; NULL with OpenSSL's reason in its queue. */
static EVP_PKEY *public_key(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* Decodes exactly size bytes. */
static bool decode_exact(struct str text, uint8_t *out, size_t size)
{
	size_t n = 0;
	return base64url_decode(text, out, size, &n) == 0 && n == size;
}

static EVP_PKEY *ed25519_public(const struct jwk *j)
{
	uint8_t x[ED25519_BYTES];
	if (!decode_exact(j->x.v, x, sizeof(x)))
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof(x));
}

/* OpenSSL refuses a point that is not on the curve. */
static EVP_PKEY *p256_public(const struct jwk *j)
{
	uint8_t point[1 + 2 * P256_BYTES] = { 4 /* uncompressed, SEC 1 section 2.3.3 */ };
	char group[] = "prime256v1";
	if (!decode_exact(j->x.v, point + 1, P256_BYTES) ||
	    !decode_exact(j->y.v, point + 1 + P256_BYTES, P256_BYTES))
		return NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_construct_end(),
	};
	return public_key("EC", params);
}

/* The exponent is bounded too: checking a signature costs time in proportion to its length. */
static bool rsa_is_acceptable(const BIGNUM *n, const BIGNUM *e)
{
	int bits = BN_num_bits(n);
	return bits >= JWT_RSA_MIN_BITS && bits <= JWT_RSA_MAX_BITS && BN_is_odd(n) &&
	       BN_is_odd(e) && !BN_is_one(e);
}

static EVP_PKEY *rsa_public_from_numbers(const BIGNUM *n, const BIGNUM *e)
{
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM *params = NULL;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	if (bld && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params)
		pkey = public_key("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

static EVP_PKEY *rsa_public(const struct jwk *j)
{
	uint8_t n_bytes[JWT_RSA_MAX_BITS / 8], e_bytes[RSA_E_MAX_BYTES];
	size_t n_len = 0, e_len = 0;
	if (base64url_decode(j->n.v, n_bytes, sizeof(n_bytes), &n_len) < 0 ||
	    base64url_decode(j->e.v, e_bytes, sizeof(e_bytes), &e_len) < 0)
		return NULL;
	BIGNUM *n = BN_bin2bn(n_bytes, (int)n_len, NULL);
	BIGNUM *e = BN_bin2bn(e_bytes, (int)e_len, NULL);
	EVP_PKEY *pkey = n && e && rsa_is_acceptable(n, e) ? rsa_public_from_numbers(n, e) : NULL;
	BN_free(n);
	BN_free(e);
	return pkey;
}

/* A public key for checking signatures, as far as its own words go (RFC 7517 sections 4.2 and 4.3).
 */
static bool is_for_signatures(const struct jwk *j)
{
	if (j->d.state != JSON_ABSENT)
		return false;
	if (j->use.state != JSON_ABSENT && !str_eq(j->use.v, STR("sig")))
		return false;
	bool verify = j->key_ops.state == JSON_ABSENT;
	for (size_t i = 0; !verify && i < j->key_ops.n; i++)
		verify = str_eq(j->key_ops.v[i], STR("verify"));
	return verify;
}

/* The one algorithm that a key of this type is used with; false for other types. */
static bool alg_of(const struct jwk *j, enum jwt_alg *ret)
{
	if (str_eq(j->kty.v, STR("OKP")) && str_eq(j->crv.v, STR("Ed25519")))
		*ret = JWT_EDDSA;
	else if (str_eq(j->kty.v, STR("EC")) && str_eq(j->crv.v, STR("P-256")))
		*ret = JWT_ES256;
	else if (str_eq(j->kty.v, STR("RSA")))
		*ret = JWT_RS256;
	else
		return false;
	return j->alg.state == JSON_ABSENT || str_eq(j->alg.v, str_from(jwt_alg_name(*ret)));
}

static bool has_kid(const struct jwt_keys *ks, struct str kid)
{
	for (size_t i = 0; i < ks->n; i++) {
		if (str_eq(ks->v[i]->kid, kid))
			return true;
	}
	return false;
}

/* Adds the key if it is usable. 0, also when it was passed over; -ENOMEM. */
static int add_jwk(struct jwt_keys *ks, const struct jwk *j)
{
	enum jwt_alg alg;
	EVP_PKEY *pkey;
	if (!is_for_signatures(j) || !alg_of(j, &alg) || (j->kid.v.n > 0 && has_kid(ks, j->kid.v)))
		return 0;
	ERR_clear_error();
	if (alg == JWT_EDDSA)
		pkey = ed25519_public(j);
	else
		pkey = alg == JWT_ES256 ? p256_public(j) : rsa_public(j);
	if (!pkey)
		return jwt_openssl_errno(0);
	struct jwt_key *k = jwt_key_new(alg, pkey, j->kid.v);
	if (!k)
		return -ENOMEM;
	ks->v[ks->n++] = k;
	return 0;
}

static int parse_document(struct arena *arena, struct str json, struct jwt_keys *ks,
			  struct err *reterr)
{
	struct jwks_document doc = { 0 };
	int r = json_parse(arena, json, "jwks", document_fields, &doc, reterr);
	if (r < 0)
		return r;
	if (doc.keys.state != JSON_SET) {
		err_set(reterr, &ERR_INVALID, "jwks.keys", "the key set has no array \"keys\"");
		return -EINVAL;
	}
	const struct jwk *jwk = doc.keys.v;
	for (size_t i = 0; r == 0 && i < doc.keys.n; i++)
		r = add_jwk(ks, &jwk[i]);
	if (r < 0)
		err_unavailable(reterr, 1, "out of memory reading the key set");
	return r;
}

int jwt_keys_parse(struct str jwks_json, struct jwt_keys **ret, struct err *reterr)
{
	if (jwks_json.n > JWKS_MAX_BYTES) {
		err_set(reterr, &ERR_INVALID, "jwks", "the key set is longer than %d bytes",
			JWKS_MAX_BYTES);
		return -EINVAL;
	}
	struct arena *arena = arena_new(JWKS_ARENA_BYTES);
	struct jwt_keys *ks = calloc(1, sizeof(*ks));
	int r;
	if (arena && ks) {
		r = parse_document(arena, jwks_json, ks, reterr);
	} else {
		err_unavailable(reterr, 1, "out of memory reading the key set");
		r = -ENOMEM;
	}
	arena_free(arena);
	if (r < 0) {
		jwt_keys_free(ks);
		return r;
	}
	*ret = ks;
	return 0;
}

struct jwt_keys *jwt_keys_new_single(struct jwt_key *k)
{
	struct jwt_keys *ks = calloc(1, sizeof(*ks));
	if (!ks) {
		jwt_key_free(k);
		return NULL;
	}
	ks->v[ks->n++] = k;
	return ks;
}

size_t jwt_keys_count(const struct jwt_keys *ks)
{
	return ks->n;
}

void jwt_keys_free(struct jwt_keys *ks)
{
	if (!ks)
		return;
	for (size_t i = 0; i < ks->n; i++)
		jwt_key_free(ks->v[i]);
	free(ks);
}
