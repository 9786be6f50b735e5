/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes for tables (keyed, so that nobody outside can aim for collisions), for validators (a fixed
 * key, so that they survive a restart) and for identities (SHA-256). OpenSSL's digest is looked up
 * once and one context serves every call: fetching and allocating would cost more than hashing a
 * short text. One thread only.
 */
#include "base/hash.h"
#include "src/base/siphash_private.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sysexits.h>

/* "todod" and a version; changing it changes every stored or shown value. */
static const struct siphash_key stable_key = { UINT64_C(0x31762d646f646f74),
					       UINT64_C(0x656c626174732d68) };

static void draw_key(struct siphash_key *key)
{
	ssize_t n;

	do
		n = getrandom(key, sizeof(*key), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*key)) {
		perror("todod: getrandom");
		exit(EX_SOFTWARE);
	}
}

uint64_t hash_random64(struct str s)
{
	static struct siphash_key key;
	static bool drawn;

	if (!drawn) {
		draw_key(&key);
		drawn = true;
	}
	return siphash24(&key, s);
}

uint64_t hash_stable64(struct str s)
{
	return siphash24(&stable_key, s);
}

static EVP_MD *sha256;
static EVP_MD_CTX *sha256_ctx;

int hash_init(void)
{
	if (!sha256)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256_ctx)
		sha256_ctx = EVP_MD_CTX_new();
	return sha256 && sha256_ctx ? 0 : -ENOMEM;
}

int hash_sha256(struct str s, uint8_t out[SHA256_SIZE])
{
	unsigned n;

	if (hash_init() < 0 || !EVP_DigestInit_ex2(sha256_ctx, sha256, NULL) ||
	    !EVP_DigestUpdate(sha256_ctx, s.p, s.n) || !EVP_DigestFinal_ex(sha256_ctx, out, &n))
		return -ENOMEM;
	return 0;
}

bool hash_equal_const_time(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}
