/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 as RFC 3629 section 4 spells it out, with one decoder for everything: what utf8_next
 * refuses is malformed everywhere. Runs of ASCII, which most text is, go eight bytes at a time.
 */
#include "base/str.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

static bool is_tail(const unsigned char *p)
{
	return (*p & 0xC0) == 0x80;
}

/* The length of the sequence that starts with this byte, by the byte alone; 0 if none can. */
static size_t sequence_length(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xC2) /* tails, and C0 and C1, which could only be overlong */
		return 0;
	if (lead < 0xE0)
		return 2;
	if (lead < 0xF0)
		return 3;
	return lead < 0xF5 ? 4 : 0;
}

/* The second byte is where overlong forms, surrogates and values above U+10FFFF show. */
static bool second_byte_fits(unsigned char lead, unsigned char second)
{
	switch (lead) {
	case 0xE0:
		return second >= 0xA0;
	case 0xED:
		return second < 0xA0;
	case 0xF0:
		return second >= 0x90;
	case 0xF4:
		return second < 0x90;
	default:
		return true;
	}
}

int32_t utf8_next(struct str s, size_t *pos)
{
	const unsigned char *p;
	size_t n;
	int32_t cp;

	if (*pos >= s.n)
		return -1;
	p = (const unsigned char *)s.p + *pos;
	n = sequence_length(p[0]);
	if (n == 0 || n > s.n - *pos)
		return -1;
	if (n == 1) {
		(*pos)++;
		return p[0];
	}
	if (!second_byte_fits(p[0], p[1]))
		return -1;
	cp = p[0] & (0x7F >> n);
	for (size_t i = 1; i < n; i++) {
		if (!is_tail(p + i))
			return -1;
		cp = (cp << 6) | (p[i] & 0x3F);
	}
	*pos += n;
	return cp;
}

static size_t skip_ascii(struct str s, size_t pos)
{
	uint64_t word;

	while (s.n - pos >= sizeof(word)) {
		memcpy(&word, s.p + pos, sizeof(word));
		if (word & HIGH_BITS)
			break;
		pos += sizeof(word);
	}
	while (pos < s.n && (unsigned char)s.p[pos] < 0x80)
		pos++;
	return pos;
}

bool utf8_valid(struct str s)
{
	size_t pos = 0;

	while ((pos = skip_ascii(s, pos)) < s.n)
		if (utf8_next(s, &pos) < 0)
			return false;
	return true;
}

size_t utf8_count(struct str s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.n; i++)
		count += !is_tail((const unsigned char *)s.p + i);
	return count;
}

size_t utf8_encode(uint32_t code_point, char out[4])
{
	if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000))
		return 0;
	if (code_point < 0x80) {
		out[0] = (char)code_point;
		return 1;
	}
	if (code_point < 0x800) {
		out[0] = (char)(0xC0 | (code_point >> 6));
		out[1] = (char)(0x80 | (code_point & 0x3F));
		return 2;
	}
	if (code_point < 0x10000) {
		out[0] = (char)(0xE0 | (code_point >> 12));
		out[1] = (char)(0x80 | ((code_point >> 6) & 0x3F));
		out[2] = (char)(0x80 | (code_point & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | (code_point >> 18));
	out[1] = (char)(0x80 | ((code_point >> 12) & 0x3F));
	out[2] = (char)(0x80 | ((code_point >> 6) & 0x3F));
	out[3] = (char)(0x80 | (code_point & 0x3F));
	return 4;
}

/* Unicode Character Database, PropList.txt: White_Space, which never grows. */
static bool is_white_space(int32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

struct str utf8_trim(struct str s)
{
	size_t start = 0, end = 0, pos = 0;
	bool inside = false;

	while (pos < s.n) {
		size_t at = pos;
		int32_t c = utf8_next(s, &pos);

		if (c < 0)
			break;
		if (is_white_space(c))
			continue;
		if (!inside)
			start = at;
		inside = true;
		end = pos;
	}
	return (struct str){ s.p + start, end - start };
}
