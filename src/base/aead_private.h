/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing with a nonce that is given, for published vectors. Two pieces under one key and nonce
 * would give both away.
 */
#ifndef AEAD_PRIVATE_H
#define AEAD_PRIVATE_H

#include "base/aead.h"

/* out: plain.n + AEAD_OVERHEAD bytes, which begin with the nonce already. 0 or -ENOMEM. */
int aead_seal_in_place(const struct aead_key *key, struct str aad, struct str plain,
		       uint8_t *out) MUST_CHECK;

#endif
