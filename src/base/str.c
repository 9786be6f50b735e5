/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of bytes: comparing, cutting, numbers. Nothing here allocates, keeps a pointer, or needs a
 * NUL at the end of a view. A view with n == 0 may have a NULL pointer, so memcmp and memcpy are
 * never called with length 0. UTF-8 is in utf8.c.
 */
#include "base/str.h"

#include <errno.h>

struct str str_from(const char *nul_terminated)
{
	if (!nul_terminated)
		return (struct str){ NULL, 0 };
	return (struct str){ nul_terminated, strlen(nul_terminated) };
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static unsigned char fold(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (fold(a.p[i]) != fold(b.p[i]))
			return false;
	return true;
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0);
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? memcmp(a.p, b.p, n) : 0;

	if (r != 0)
		return r;
	return (a.n > b.n) - (a.n < b.n);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	while (s.n && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	return s;
}

ssize_t str_find_char(struct str s, char c, size_t from)
{
	const char *hit;

	if (from >= s.n)
		return -1;
	hit = memchr(s.p + from, c, s.n - from);
	return hit ? hit - s.p : -1;
}

bool str_split(struct str *rest, char sep, struct str *ret_part)
{
	static const char used_up;
	ssize_t at;

	/* A rest that was used up points here: an empty view alone could not be told from an empty
	 * last part. */
	if (rest->n == 0 && rest->p == &used_up)
		return false;
	at = str_find_char(*rest, sep, 0);
	if (at < 0) {
		*ret_part = *rest;
		*rest = (struct str){ &used_up, 0 };
		return true;
	}
	*ret_part = (struct str){ rest->p, (size_t)at };
	rest->p += at + 1;
	rest->n -= (size_t)at + 1;
	return true;
}

int str_parse_i64(struct str s, int64_t *ret)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	uint64_t limit = (uint64_t)INT64_MAX + negative;
	uint64_t v = 0;
	bool over = false;
	size_t i = negative;

	if (i == s.n)
		return -EINVAL;
	for (; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9)
			return -EINVAL;
		if (v > (limit - digit) / 10)
			over = true; /* go on: a later byte may still make it -EINVAL */
		else
			v = v * 10 + digit;
	}
	if (over)
		return -ERANGE;
	/* Negated as unsigned, so that INT64_MIN does not overflow on its way. */
	*ret = (int64_t)(negative ? 0 - v : v);
	return 0;
}

int str_copy(char *dst, size_t size, struct str s)
{
	if (s.n && memchr(s.p, '\0', s.n))
		return -EINVAL;
	if (s.n >= size)
		return -ENOSPC;
	if (s.n)
		memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
	return 0;
}
