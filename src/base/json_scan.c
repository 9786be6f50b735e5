/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look over raw JSON that comes before yajl. yajl 2.1 decodes a lone \ud800 to '?', takes \v
 * and \f for white space, checks UTF-8 loosely, and nests without bound. All of that shows in the
 * raw bytes, because outside of strings JSON is ASCII and a string ends at the first quote without
 * a backslash. So one pass here decides it, and what yajl hands on afterwards is good text.
 */
#include "src/base/json_private.h"

#include <string.h>

struct scanner {
	struct str in;
	size_t pos;
	struct json_scan *out;
};

static bool mistake(struct scanner *s, const char *text)
{
	s->out->mistake = text;
	s->out->at = s->pos;
	return false;
}

/* The four hex digits at pos; -1 if they are not four hex digits. */
static int32_t hex4(struct scanner *s, size_t pos)
{
	int32_t v = 0;

	if (s->in.n - pos < 4)
		return -1;
	for (size_t i = pos; i < pos + 4; i++) {
		char c = s->in.p[i];
		int digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (c | 0x20) - 'a' + 10;
		else
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

static bool is_low_surrogate(int32_t unit)
{
	return unit >= 0xDC00 && unit < 0xE000;
}

/* pos is at the u of \uXXXX; moves past it, and past its second half. */
static bool unicode_escape(struct scanner *s)
{
	int32_t unit = hex4(s, s->pos + 1);

	if (unit < 0)
		return mistake(s, "\\u needs four hexadecimal digits");
	if (unit == 0)
		return mistake(s, "the character U+0000 is not allowed");
	if (is_low_surrogate(unit))
		return mistake(s, "a low surrogate stands alone");
	s->pos += 5;
	if (unit < 0xD800 || unit > 0xDFFF)
		return true;
	if (s->in.n - s->pos < 6 || s->in.p[s->pos] != '\\' || s->in.p[s->pos + 1] != 'u' ||
	    !is_low_surrogate(hex4(s, s->pos + 2)))
		return mistake(s, "a high surrogate stands alone");
	s->pos += 6;
	return true;
}

/* pos is behind the opening quote; moves behind the closing one. */
static bool string(struct scanner *s)
{
	size_t start = s->pos;
	bool escaped = false;

	while (s->pos < s->in.n) {
		unsigned char c = (unsigned char)s->in.p[s->pos++];

		if (c == '"') {
			if (escaped && s->pos - start > s->out->longest_escaped)
				s->out->longest_escaped = s->pos - start;
			return true;
		}
		if (c < 0x20) {
			s->pos--;
			return mistake(s, "a control character must be escaped");
		}
		if (c != '\\')
			continue;
		escaped = true;
		if (s->pos < s->in.n && s->in.p[s->pos] != 'u')
			s->pos++;
		else if (s->pos < s->in.n && !unicode_escape(s))
			return false;
	}
	return mistake(s, "a string does not end");
}

static bool tokens(struct scanner *s)
{
	size_t depth = 0;

	for (; s->pos < s->in.n; s->pos++) {
		unsigned char c = (unsigned char)s->in.p[s->pos];

		if (c == '"') {
			s->pos++;
			if (!string(s))
				return false;
			s->pos--;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_MAX_DEPTH)
				return mistake(s, "nested too deeply");
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
		} else if (c > 0x7E || (c < 0x20 && c != '\t' && c != '\n' && c != '\r')) {
			return mistake(s, "a character that JSON does not know");
		}
	}
	return true;
}

static size_t first_malformed(struct str s)
{
	size_t pos = 0;

	while (utf8_next(s, &pos) >= 0)
		;
	return pos;
}

void json_scan(struct str bytes, struct json_scan *ret)
{
	struct scanner s = { .in = bytes, .out = ret };

	*ret = (struct json_scan){ 0 };
	if (!utf8_valid(bytes)) {
		s.pos = first_malformed(bytes);
		mistake(&s, "not valid UTF-8");
		return;
	}
	tokens(&s);
}
