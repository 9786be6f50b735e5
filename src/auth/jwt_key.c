/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One key and what it can do: check and make signatures with OpenSSL EVP. The caller owns the key.
 * A key is bound to one algorithm when it is made and there is no way to use it with another: HS256
 * exists only for keys made from a secret, so a public key can never serve as an HMAC key. Secrets
 * live inside OpenSSL's contexts, which wipe them. Contexts are begun once per key and copied per
 * token: an OpenSSL that runs out of memory while it looks an algorithm up never finds it again, so
 * nothing is looked up while requests run.
 */
#include "jwt_private.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <stdlib.h>

enum {
	HS256_BYTES = 32,
	ES256_HALF = 32,
	ES256_BYTES = 2 * ES256_HALF,
	ES256_DER_MAX = 80,
	SECRET_MIN_BYTES = 32
};

static const char *const alg_names[_JWT_ALG_MAX] = {
	[JWT_EDDSA] = "EdDSA",
	[JWT_ES256] = "ES256",
	[JWT_RS256] = "RS256",
	[JWT_HS256] = "HS256",
};

const char *jwt_alg_name(enum jwt_alg alg)
{
	return alg_names[alg];
}

int jwt_alg_parse(struct str name, enum jwt_alg *ret)
{
	for (unsigned i = 0; i < _JWT_ALG_MAX; i++) {
		if (str_eq(name, str_from(alg_names[i]))) {
			*ret = (enum jwt_alg)i;
			return 0;
		}
	}
	return -EINVAL;
}

int jwt_openssl_errno(int otherwise)
{
	bool no_memory = ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE ||
			 ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
	ERR_clear_error();
	return no_memory ? -ENOMEM : otherwise;
}

/* What EVP_DigestVerify needs, or NULL. */
static EVP_MD_CTX *begin_verifying(enum jwt_alg alg, EVP_PKEY *pkey)
{
	const EVP_MD *md = alg == JWT_EDDSA ? NULL : EVP_sha256();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, pkey) == 1)
		return ctx;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return NULL;
}

static struct jwt_key *key_new(enum jwt_alg alg, struct str kid)
{
	struct jwt_key *k = calloc(1, sizeof(*k));
	char *copy = malloc(kid.n + 1);
	if (!k || !copy) {
		free(k);
		free(copy);
		return NULL;
	}
	if (kid.n > 0)
		memcpy(copy, kid.p, kid.n);
	copy[kid.n] = '\0';
	k->alg = alg;
	k->kid = (struct str){ copy, kid.n };
	return k;
}

struct jwt_key *jwt_key_new(enum jwt_alg alg, EVP_PKEY *pkey, struct str kid)
{
	struct jwt_key *k = key_new(alg, kid);
	if (!k) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	k->pkey = pkey;
	k->verifying = begin_verifying(alg, pkey);
	if (!k->verifying) {
		jwt_key_free(k);
		return NULL;
	}
	return k;
}

void jwt_key_free(struct jwt_key *k)
{
	if (!k)
		return;
	EVP_MD_CTX_free(k->verifying);
	EVP_PKEY_free(k->pkey);
	EVP_MAC_CTX_free(k->mac);
	free((void *)(uintptr_t)k->kid.p);
	free(k);
}

struct str jwt_key_id(const struct jwt_key *k)
{
	return k->kid;
}

/* HMAC-SHA-256 keyed with secret, or NULL. */
static EVP_MAC_CTX *hmac_new(struct str secret)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (ctx && EVP_MAC_init(ctx, (const unsigned char *)secret.p, secret.n, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	ERR_clear_error();
	return ctx;
}

struct jwt_key *jwt_key_from_secret(struct str secret)
{
	if (secret.n < SECRET_MIN_BYTES)
		return NULL;
	/* No key id: the hash of a secret has no business in a token. */
	struct jwt_key *k = key_new(JWT_HS256, (struct str){ NULL, 0 });
	if (!k)
		return NULL;
	k->mac = hmac_new(secret);
	if (!k->mac) {
		jwt_key_free(k);
		return NULL;
	}
	k->can_sign = true;
	return k;
}

static int hmac_sign(const struct jwt_key *k, struct str input, uint8_t out[HS256_BYTES])
{
	size_t n = 0;
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(k->mac);
	bool ok = ctx && EVP_MAC_update(ctx, (const unsigned char *)input.p, input.n) == 1 &&
		  EVP_MAC_final(ctx, out, &n, HS256_BYTES) == 1 && n == HS256_BYTES;
	EVP_MAC_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -ENOMEM;
}

static int hmac_verify(const struct jwt_key *k, struct str input, struct str signature)
{
	uint8_t mac[HS256_BYTES];
	int r = hmac_sign(k, input, mac);
	if (r < 0)
		return r;
	return hash_equal_const_time(signature, (struct str){ (const char *)mac, sizeof(mac) })
		       ? 0
		       : -EACCES;
}

/* r || s of RFC 7518 section 3.4 as the DER that OpenSSL wants. The length, or negative. */
static int es256_to_der(struct str signature, uint8_t out[ES256_DER_MAX])
{
	if (signature.n != ES256_BYTES)
		return -EACCES;
	const uint8_t *raw = (const uint8_t *)signature.p;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, ES256_HALF, NULL);
	BIGNUM *s = BN_bin2bn(raw + ES256_HALF, ES256_HALF, NULL);
	int n = -ENOMEM;
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL; /* now of sig */
		uint8_t *p = out;
		n = i2d_ECDSA_SIG(sig, NULL) <= ES256_DER_MAX ? i2d_ECDSA_SIG(sig, &p) : -EACCES;
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	ERR_clear_error();
	return n < 0 && n != -EACCES ? -ENOMEM : n;
}

static int pkey_verify(const struct jwt_key *k, struct str input, struct str signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int r = -ENOMEM;
	ERR_clear_error();
	if (ctx && EVP_MD_CTX_copy_ex(ctx, k->verifying) == 1) {
		int valid = EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
					     (const unsigned char *)input.p, input.n);
		r = valid == 1 ? 0 : jwt_openssl_errno(-EACCES);
	}
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

int jwt_key_verify(const struct jwt_key *k, struct str input, struct str signature)
{
	if (k->alg == JWT_HS256)
		return hmac_verify(k, input, signature);
	if (k->alg == JWT_ES256) {
		uint8_t der[ES256_DER_MAX];
		int n = es256_to_der(signature, der);
		return n < 0 ? n
			     : pkey_verify(k, input, (struct str){ (const char *)der, (size_t)n });
	}
	return pkey_verify(k, input, signature);
}

int jwt_key_sign(const struct jwt_key *k, struct str input, uint8_t out[JWT_SIGNATURE_MAX],
		 size_t *ret_n)
{
	if (!k->can_sign)
		return -EACCES;
	if (k->alg == JWT_HS256) {
		int r = hmac_sign(k, input, out);
		if (r == 0)
			*ret_n = HS256_BYTES;
		return r;
	}
	assert(k->alg == JWT_EDDSA); /* jwt_key_from_pem_file makes no other kind */
	size_t n = JWT_SIGNATURE_MAX;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
		  EVP_DigestSign(ctx, out, &n, (const unsigned char *)input.p, input.n) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	if (!ok)
		return -ENOMEM;
	*ret_n = n;
	return 0;
}
