/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4, after the paper "SipHash: a fast short-input PRF" (Aumasson, Bernstein, 2012),
 * section 2: two rounds for each 8-byte word, four at the end, the length in the top byte of the
 * last word.
 */
#include "src/base/siphash_private.h"

#include <endian.h>

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static void absorb(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

/* At most 8 bytes, little-endian, the missing ones zero. */
static uint64_t load(const char *p, size_t n)
{
	uint64_t word = 0;

	if (n)
		memcpy(&word, p, n);
	return le64toh(word);
}

uint64_t siphash24(const struct siphash_key *key, struct str s)
{
	uint64_t v[4] = {
		key->k0 ^ UINT64_C(0x736f6d6570736575),
		key->k1 ^ UINT64_C(0x646f72616e646f6d),
		key->k0 ^ UINT64_C(0x6c7967656e657261),
		key->k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t whole = s.n & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8)
		absorb(v, load(s.p + i, 8));
	absorb(v, (uint64_t)s.n << 56 | load(s.n > whole ? s.p + whole : NULL, s.n - whole));
	v[2] ^= 0xFF;
	for (unsigned i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
