/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64url without padding, and base64 by way of it. Decoding is strict: one text per byte string
 * and one byte string per text, so that a token cannot be spelled in two ways (RFC 4648
 * sections 3.5 and 12).
 */
#include "base/base64.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

/* 1 to 3 bytes as 2 to 4 characters. */
static void encode_group(const unsigned char *in, size_t n, char out[4])
{
	uint32_t bits = (uint32_t)in[0] << 16;

	if (n > 1)
		bits |= (uint32_t)in[1] << 8;
	if (n > 2)
		bits |= in[2];
	for (size_t i = 0; i <= n; i++)
		out[i] = alphabet[(bits >> (18 - 6 * i)) & 0x3F];
}

void base64url_encode(struct str bytes, struct buf *out)
{
	const unsigned char *in = (const unsigned char *)bytes.p;
	size_t rest = bytes.n % 3;
	size_t n = bytes.n / 3 * 4 + (rest ? rest + 1 : 0);

	if (n == 0 || buf_reserve(out, n) < 0)
		return;
	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t group = bytes.n - i < 3 ? bytes.n - i : 3;

		encode_group(in + i, group, out->p + out->n);
		out->n += group + 1;
	}
}

void base64_encode(struct str bytes, struct buf *out)
{
	static const struct str padding = STR_INIT("==");
	size_t from = out->n;

	base64url_encode(bytes, out);
	for (size_t i = from; i < out->n; i++) {
		if (out->p[i] == '-')
			out->p[i] = '+';
		else if (out->p[i] == '_')
			out->p[i] = '/';
	}
	buf_append(out, padding.p, (3 - bytes.n % 3) % 3);
}

/* 2 to 4 characters into 1 to 3 bytes; -EINVAL also when bits beyond the last byte are set. */
static int decode_group(const char *in, size_t n, unsigned char out[3])
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int v = i < n ? value_of(in[i]) : 0;

		if (v < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)v;
	}
	if (bits & (0xFFFFFFU >> (8 * (n - 1))))
		return -EINVAL;
	out[0] = (unsigned char)(bits >> 16);
	out[1] = (unsigned char)(bits >> 8);
	out[2] = (unsigned char)bits;
	return 0;
}

int base64url_decode(struct str text, void *out, size_t size, size_t *ret_n)
{
	size_t rest = text.n % 4;
	size_t n = text.n / 4 * 3 + (rest ? rest - 1 : 0);
	unsigned char *to = out;

	if (rest == 1)
		return -EINVAL;
	if (n > size)
		return -ENOSPC;
	for (size_t i = 0; i < text.n; i += 4) {
		size_t group = text.n - i < 4 ? text.n - i : 4;
		unsigned char bytes[3];

		if (decode_group(text.p + i, group, bytes) < 0)
			return -EINVAL;
		memcpy(to, bytes, group - 1);
		to += group - 1;
	}
	*ret_n = n;
	return 0;
}

/* The same bytes in the other alphabet, without padding. .n 0 for what is no base64. */
static struct str in_url_alphabet(char *out, struct str text)
{
	size_t n = text.n, padding = 0;

	while (padding < 2 && n > 0 && text.p[n - 1] == '=') {
		n--;
		padding++;
	}
	for (size_t i = 0; i < n; i++) {
		if (text.p[i] == '-' || text.p[i] == '_')
			return (struct str){ out, 0 };
		out[i] = text.p[i] == '+' ? '-' : text.p[i] == '/' ? '_' : text.p[i];
	}
	return (struct str){ out, n };
}

int base64_decode(struct arena *arena, struct str text, struct str *ret)
{
	char *copy, *bytes;
	struct str url;
	size_t n = 0;
	int r;

	if (text.n % 4 != 0)
		return -EINVAL;
	copy = arena_alloc(arena, text.n);
	bytes = arena_alloc(arena, BASE64URL_DECODED_MAX(text.n));
	if (copy == NULL || bytes == NULL)
		return -ENOMEM;
	url = in_url_alphabet(copy, text);
	if (url.n == 0 && text.n > 0)
		return -EINVAL;
	r = base64url_decode(url, bytes, BASE64URL_DECODED_MAX(text.n), &n);
	if (r == 0)
		*ret = (struct str){ bytes, n };
	return r < 0 ? -EINVAL : 0;
}
