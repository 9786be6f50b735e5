/* SPDX-License-Identifier: Apache-2.0 */
/* The keyed function under hash.h, by itself so that a test can hold it against the published
 * vectors. */
#ifndef BASE_SIPHASH_PRIVATE_H
#define BASE_SIPHASH_PRIVATE_H

#include "base/str.h"

#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1; /* the 16 key bytes as two little-endian words */
};

/* SipHash-2-4 with a 64-bit result (Aumasson and Bernstein, 2012). */
uint64_t siphash24(const struct siphash_key *key, struct str s);

#endif
