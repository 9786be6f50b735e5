/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authenticated encryption: AES-256-GCM (NIST SP 800-38D) by OpenSSL. What is sealed is nonce,
 * ciphertext and tag in one piece; the nonce is random, so one key may seal 2^32 pieces. The
 * additional data is not kept, only bound: whoever opens must name the same. One thread only.
 */
#ifndef BASE_AEAD_H
#define BASE_AEAD_H

#include "base/arena.h"
#include "base/str.h"

#include <stdint.h>

enum {
	AEAD_KEY_SIZE = 32,
	AEAD_NONCE_SIZE = 12,
	AEAD_TAG_SIZE = 16,
	AEAD_OVERHEAD = AEAD_NONCE_SIZE + AEAD_TAG_SIZE,
};

struct aead_key {
	uint8_t bytes[AEAD_KEY_SIZE];
};

/* Sets OpenSSL's cipher up; call once at start, because OpenSSL 3.0 itself crashes when memory
 * fails inside its first use. 0, or -ENOMEM. */
int aead_init(void) MUST_CHECK;
/* For leak checkers at exit; also forgets the key that was used last. */
void aead_done(void);
/* A key that nobody can guess. 0, or -EIO when the kernel has no randomness. */
int aead_key_new(struct aead_key *ret) MUST_CHECK;
/* 64 hexadecimal digits, white space around them left out. 0 or -EINVAL. */
int aead_key_parse(struct str hex, struct aead_key *ret) MUST_CHECK;
void aead_key_wipe(struct aead_key *k);

/* *ret is plain.n + AEAD_OVERHEAD bytes in the arena. 0; -EIO as above; -ENOMEM. */
int aead_seal(struct arena *arena, const struct aead_key *key, struct str aad, struct str plain,
	      struct str *ret) MUST_CHECK;
/* 0; -EBADMSG: another key, other additional data, or not what was sealed; -ENOMEM. *ret is
 * untouched on failure. */
int aead_open(struct arena *arena, const struct aead_key *key, struct str aad, struct str sealed,
	      struct str *ret) MUST_CHECK;

#endif
