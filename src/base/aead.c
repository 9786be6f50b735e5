/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cipher, looked up once, and one context for every call. All that OpenSSL allocates it
 * allocates in aead_init, which seals once for that; what it says later is then about the bytes,
 * not about memory.
 */
#include "src/base/aead_private.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sys/random.h>

static EVP_CIPHER *cipher;
static EVP_CIPHER_CTX *ctx;

/* The number of bytes, or negative: they could not be had. */
static int random_bytes(void *out, size_t n)
{
	ssize_t got;

	do
		got = getrandom(out, n, 0);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)n ? 0 : -EIO;
}

static bool fits(struct str s)
{
	return s.n <= INT_MAX - AEAD_OVERHEAD;
}

static const uint8_t *bytes(struct str s)
{
	return (const uint8_t *)(s.n > 0 ? s.p : "");
}

static bool seal(const struct aead_key *key, struct str aad, struct str plain, uint8_t *out)
{
	uint8_t *text = out + AEAD_NONCE_SIZE;
	int n, end;

	return EVP_EncryptInit_ex2(ctx, cipher, key->bytes, out, NULL) &&
	       EVP_EncryptUpdate(ctx, NULL, &n, bytes(aad), (int)aad.n) &&
	       EVP_EncryptUpdate(ctx, text, &n, bytes(plain), (int)plain.n) &&
	       EVP_EncryptFinal_ex(ctx, text + n, &end) &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, AEAD_TAG_SIZE, text + plain.n);
}

/* Into out, which has room for the text; false: it is not what was sealed. */
static bool open_text(const struct aead_key *key, struct str aad, struct str sealed, uint8_t *out)
{
	const uint8_t *nonce = bytes(sealed), *text = nonce + AEAD_NONCE_SIZE;
	size_t n_text = sealed.n - AEAD_OVERHEAD;
	uint8_t tag[AEAD_TAG_SIZE];
	int n, end;

	memcpy(tag, text + n_text, sizeof(tag));
	return EVP_DecryptInit_ex2(ctx, cipher, key->bytes, nonce, NULL) &&
	       EVP_DecryptUpdate(ctx, NULL, &n, bytes(aad), (int)aad.n) &&
	       EVP_DecryptUpdate(ctx, out, &n, text, (int)n_text) &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, sizeof(tag), tag) &&
	       EVP_DecryptFinal_ex(ctx, out + n, &end);
}

static int warm_up(void)
{
	const struct aead_key key = { { 0 } };
	uint8_t sealed[AEAD_OVERHEAD + 1] = { 0 }, plain[1];

	if (!seal(&key, STR("a"), STR("p"), sealed) ||
	    !open_text(&key, STR("a"), (struct str){ (const char *)sealed, sizeof(sealed) }, plain))
		return -ENOMEM;
	return 0;
}

int aead_init(void)
{
	if (cipher != NULL && ctx != NULL)
		return 0;
	if (cipher == NULL)
		cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (ctx == NULL)
		ctx = EVP_CIPHER_CTX_new();
	if (cipher != NULL && ctx != NULL && warm_up() == 0)
		return 0;
	ERR_clear_error();
	aead_done();
	return -ENOMEM;
}

void aead_done(void)
{
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
	ctx = NULL;
	cipher = NULL;
}

int aead_key_new(struct aead_key *ret)
{
	return random_bytes(ret->bytes, sizeof(ret->bytes));
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int aead_key_parse(struct str hex, struct aead_key *ret)
{
	struct aead_key k;

	hex = str_trim(hex);
	if (hex.n != 2 * sizeof(k.bytes))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(k.bytes); i++) {
		int high = digit(hex.p[2 * i]), low = digit(hex.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		k.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret = k;
	aead_key_wipe(&k);
	return 0;
}

void aead_key_wipe(struct aead_key *k)
{
	OPENSSL_cleanse(k, sizeof(*k));
}

int aead_seal_in_place(const struct aead_key *key, struct str aad, struct str plain, uint8_t *out)
{
	if (!fits(aad) || !fits(plain) || aead_init() < 0)
		return -ENOMEM;
	if (seal(key, aad, plain, out))
		return 0;
	ERR_clear_error();
	return -ENOMEM;
}

int aead_seal(struct arena *arena, const struct aead_key *key, struct str aad, struct str plain,
	      struct str *ret)
{
	uint8_t *out = fits(plain) ? arena_alloc(arena, plain.n + AEAD_OVERHEAD) : NULL;
	int r;

	if (out == NULL)
		return -ENOMEM;
	r = random_bytes(out, AEAD_NONCE_SIZE);
	if (r == 0)
		r = aead_seal_in_place(key, aad, plain, out);
	if (r == 0)
		*ret = (struct str){ (const char *)out, plain.n + AEAD_OVERHEAD };
	return r;
}

int aead_open(struct arena *arena, const struct aead_key *key, struct str aad, struct str sealed,
	      struct str *ret)
{
	uint8_t *out;

	if (sealed.n < AEAD_OVERHEAD)
		return -EBADMSG;
	if (!fits(aad) || !fits(sealed) || aead_init() < 0)
		return -ENOMEM;
	out = arena_alloc(arena, sealed.n - AEAD_OVERHEAD + 1);
	if (out == NULL)
		return -ENOMEM;
	if (!open_text(key, aad, sealed, out)) {
		OPENSSL_cleanse(out, sealed.n - AEAD_OVERHEAD);
		ERR_clear_error();
		return -EBADMSG;
	}
	*ret = (struct str){ (const char *)out, sealed.n - AEAD_OVERHEAD };
	return 0;
}
