/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64url without padding (RFC 4648 section 5), strict: canonical trailing bits, no white space.
 * And base64 with padding (section 4), as strict, for what others read or wrote.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* Bytes that n encoded characters can decode to, at most. */
#define BASE64URL_DECODED_MAX(n) ((n) / 4 * 3 + 3)

void base64url_encode(struct str bytes, struct buf *out);
/* Decodes into out (size bytes); *ret_n says how many. 0, -EINVAL (alphabet, length, trailing
 * bits), -ENOSPC. */
int base64url_decode(struct str text, void *out, size_t size, size_t *ret_n) MUST_CHECK;

void base64_encode(struct str bytes, struct buf *out);
/* The decoded bytes in the arena. 0; -EINVAL; -ENOMEM. */
int base64_decode(struct arena *arena, struct str text, struct str *ret) MUST_CHECK;

#endif
