/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64url without padding (RFC 4648 section 5), strict: canonical trailing bits, no white space.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"
#include "base/str.h"

/* Bytes that n encoded characters can decode to, at most. */
#define BASE64URL_DECODED_MAX(n) ((n) / 4 * 3 + 3)

void base64url_encode(struct str bytes, struct buf *out);
/* Decodes into out (size bytes); *ret_n says how many. 0, -EINVAL (alphabet, length, trailing
 * bits), -ENOSPC. */
int base64url_decode(struct str text, void *out, size_t size, size_t *ret_n) MUST_CHECK;

#endif
