/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4 for tables and validators, SHA-256 for identities. The SipHash key is drawn once
 * per process, so a client cannot choose colliding keys; hash_stable64 uses a fixed key and may be
 * stored or shown.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

#include <stdint.h>

enum { SHA256_SIZE = 32 };

uint64_t hash_random64(struct str s); /* differs from process to process */
uint64_t hash_stable64(struct str s); /* the same everywhere, forever */
/* Sets OpenSSL's digest up; call once at start, because OpenSSL 3.0 itself crashes when memory
 * fails inside its first use. 0, or -ENOMEM. */
int hash_init(void) MUST_CHECK;
/* FIPS 180-4, by OpenSSL. 0, or -ENOMEM. Calls hash_init if nobody did. */
int hash_sha256(struct str s, uint8_t out[SHA256_SIZE]) MUST_CHECK;
/* Equal length and bytes, in time that depends on the length only. */
bool hash_equal_const_time(struct str a, struct str b);

#endif
