/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value is checked first; what walks over it afterwards can trust its shape. Each object is
 * written in the order it stands in, and its members are put in order when it ends, if they are
 * not already. Strings come out as RFC 8785 and Python's json.dumps(ensure_ascii=False) have them,
 * so that anyone can make the same text with a line of script.
 */
#include "base/json_canonical.h"

#include "src/base/json_private.h"

#include <errno.h>
#include <stdlib.h>

enum {
	FIRST_MEMBERS = 16,
	RETRY_AFTER_S = 1,
	EXPONENT_LIMIT = 1000000000, /* past it only zero has a text that is short enough */
	DIGITS_MAX = 21,	     /* of a whole number; with more, its last zeros are counted */
};

/* A member of an object that is being written. */
struct member {
	struct str key;	 /* without escapes */
	size_t from, to; /* "key":value in out */
};

struct canonical {
	struct arena *arena;
	struct str in;
	size_t at;
	struct buf *out, *spare;
	struct member *members; /* of all open objects, outermost first */
	size_t n, cap;
};

static char peek(const struct canonical *c)
{
	return c->in.p[c->at];
}

static void skip_space(struct canonical *c)
{
	while (c->at < c->in.n && strchr(" \t\r\n", peek(c)))
		c->at++;
}

/* ---- strings ---- */

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 4 | (uint32_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return v;
}

/* at is behind a backslash; the character that the escape means. */
static uint32_t escape(struct canonical *c)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	char letter = c->in.p[c->at++];
	const char *known = strchr(from, letter);
	uint32_t unit;

	if (known)
		return (unsigned char)to[known - from];
	if (letter != 'u')
		return (unsigned char)letter;
	unit = hex4(c->in.p + c->at);
	c->at += 4;
	if (unit < 0xD800 || unit > 0xDBFF)
		return unit;
	unit = 0x10000 + ((unit - 0xD800) << 10) + (hex4(c->in.p + c->at + 2) - 0xDC00);
	c->at += 6;
	return unit;
}

static void put_ascii(struct buf *out, char ch)
{
	static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
	const char *known = strchr(from, ch);

	if (known) {
		buf_append_char(out, '\\');
		buf_append_char(out, to[known - from]);
	} else if ((unsigned char)ch < 0x20) {
		buf_printf(out, "\\u%04x", (unsigned)(unsigned char)ch);
	} else {
		buf_append_char(out, ch);
	}
}

/* at is at the opening quote. What it means is also appended to plain, unless that is NULL. */
static void string(struct canonical *c, struct buf *plain)
{
	buf_append_char(c->out, '"');
	c->at++;
	for (;;) {
		size_t start = c->at;
		char utf8[4];
		size_t n;

		while (peek(c) != '"' && peek(c) != '\\')
			c->at++;
		buf_append(c->out, c->in.p + start, c->at - start);
		if (plain)
			buf_append(plain, c->in.p + start, c->at - start);
		if (c->in.p[c->at++] == '"')
			break;
		n = utf8_encode(escape(c), utf8);
		if (n == 1)
			put_ascii(c->out, utf8[0]);
		else
			buf_append(c->out, utf8, n);
		if (plain)
			buf_append(plain, utf8, n);
	}
	buf_append_char(c->out, '"');
}

/* ---- numbers ---- */

/* The number is its digits, times ten to the power of scale. */
struct number {
	struct str whole, fraction; /* digits */
	int64_t scale;
};

static struct str digits(struct str s, size_t *at)
{
	size_t start = *at;

	while (*at < s.n && s.p[*at] >= '0' && s.p[*at] <= '9')
		(*at)++;
	return (struct str){ s.p + start, *at - start };
}

static int64_t exponent(struct str s, size_t at)
{
	bool negative = at < s.n && s.p[at] == '-';
	int64_t v = 0;

	for (; at < s.n; at++)
		if (s.p[at] >= '0' && s.p[at] <= '9' && v < EXPONENT_LIMIT)
			v = v * 10 + (s.p[at] - '0');
	return negative ? -v : v;
}

/* text has no sign. */
static struct number take_apart(struct str text)
{
	struct number n = { 0 };
	size_t at = 0;

	n.whole = digits(text, &at);
	if (at < text.n && text.p[at] == '.') {
		at++;
		n.fraction = digits(text, &at);
	}
	n.scale = exponent(text, at + 1) - (int64_t)n.fraction.n;
	return n;
}

static size_t trailing_zeros(struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[s.n - 1 - n] == '0')
		n++;
	return n;
}

static size_t leading_zeros(struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] == '0')
		n++;
	return n;
}

/* Zeros at either end go; those at the right count. */
static void strip(struct number *n)
{
	size_t zeros = trailing_zeros(n->fraction);

	n->fraction.n -= zeros;
	n->scale += (int64_t)zeros;
	if (n->fraction.n == 0) {
		zeros = trailing_zeros(n->whole);
		n->whole.n -= zeros;
		n->scale += (int64_t)zeros;
	}
	zeros = leading_zeros(n->whole);
	n->whole.p += zeros;
	n->whole.n -= zeros;
	if (n->whole.n == 0) {
		zeros = leading_zeros(n->fraction);
		n->fraction = (struct str){ n->fraction.p + zeros, n->fraction.n - zeros };
	}
}

/* The zeros at the end of a whole number, or how many: a few bytes must not become hundreds. */
static void put_zeros(struct buf *out, int64_t zeros, size_t digits_before)
{
	if (zeros > 0 && (int64_t)digits_before + zeros > DIGITS_MAX) {
		buf_append_char(out, 'e');
		buf_append_i64(out, zeros);
		return;
	}
	for (; zeros > 0; zeros--)
		buf_append_char(out, '0');
}

static void number(struct canonical *c)
{
	size_t start = c->at;
	struct str text;
	struct number n;
	bool negative = peek(c) == '-';

	while (c->at < c->in.n && strchr("+-.0123456789eE", peek(c)))
		c->at++;
	text = (struct str){ c->in.p + start + negative, c->at - start - negative };
	n = take_apart(text);
	strip(&n);
	if (n.whole.n + n.fraction.n == 0) {
		buf_append_char(c->out, '0');
		return;
	}
	if (negative)
		buf_append_char(c->out, '-');
	if (n.scale < 0) {
		buf_append_str(c->out, text);
		return;
	}
	buf_append_str(c->out, n.whole);
	buf_append_str(c->out, n.fraction);
	put_zeros(c->out, n.scale, n.whole.n + n.fraction.n);
}

/* ---- objects ---- */

static int by_key(const void *a, const void *b)
{
	return str_cmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static bool are_in_order(const struct member *m, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (by_key(&m[i - 1], &m[i]) > 0)
			return false;
	return true;
}

/* Writes the members again, by key. They are all that stands in out from the first one on. */
static void put_in_order(struct canonical *c, struct member *m, size_t n)
{
	size_t start;

	if (are_in_order(m, n) || c->out->failed)
		return;
	start = m[0].from;
	buf_clear(c->spare);
	buf_append(c->spare, c->out->p + start, c->out->n - start);
	if (buf_status(c->spare) < 0) {
		c->out->failed = true;
		return;
	}
	qsort(m, n, sizeof(*m), by_key);
	c->out->n = start;
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_append_char(c->out, ',');
		buf_append(c->out, c->spare->p + (m[i].from - start), m[i].to - m[i].from);
	}
}

/* One more member, on top; its index. SIZE_MAX: no memory. */
static size_t add_member(struct canonical *c)
{
	struct member *more;
	size_t cap = c->cap ? c->cap * 2 : FIRST_MEMBERS;

	if (c->n == c->cap) {
		more = arena_calloc(c->arena, cap, sizeof(*more));
		if (!more) {
			c->out->failed = true;
			return SIZE_MAX;
		}
		if (c->n)
			memcpy(more, c->members, c->n * sizeof(*more));
		c->members = more;
		c->cap = cap;
	}
	return c->n++;
}

/* The key at the opening quote, written and, as its reader sees it, returned. .p NULL: no memory.
 */
static struct str key(struct canonical *c)
{
	size_t start = c->at + 1, end = start;

	while (c->in.p[end] != '"' && c->in.p[end] != '\\')
		end++;
	if (c->in.p[end] == '"') {
		string(c, NULL);
		return (struct str){ c->in.p + start, end - start };
	}
	buf_clear(c->spare);
	string(c, c->spare);
	if (buf_status(c->spare) < 0)
		return (struct str){ NULL, 0 };
	return arena_dup(c->arena, buf_str(c->spare));
}

static void value(struct canonical *c);

static bool member(struct canonical *c)
{
	size_t i = add_member(c), from = c->out->n;
	struct str name;

	if (i == SIZE_MAX)
		return false;
	name = key(c);
	if (!name.p)
		c->out->failed = true;
	skip_space(c);
	c->at++; /* : */
	buf_append_char(c->out, ':');
	value(c);
	c->members[i] = (struct member){ name, from, c->out->n };
	return !c->out->failed;
}

/* at is behind the opening bracket or an item; whether another one follows. */
static bool more_items(struct canonical *c, bool *first)
{
	skip_space(c);
	if (peek(c) == ']' || peek(c) == '}') {
		c->at++;
		return false;
	}
	if (!*first) {
		c->at++; /* , */
		buf_append_char(c->out, ',');
		skip_space(c);
	}
	*first = false;
	return true;
}

static void object(struct canonical *c)
{
	size_t base = c->n;
	bool first = true;

	buf_append_char(c->out, '{');
	c->at++;
	while (more_items(c, &first))
		if (!member(c))
			return;
	if (c->n > base)
		put_in_order(c, c->members + base, c->n - base);
	c->n = base;
	buf_append_char(c->out, '}');
}

static void array(struct canonical *c)
{
	bool first = true;

	buf_append_char(c->out, '[');
	c->at++;
	while (more_items(c, &first)) {
		value(c);
		if (c->out->failed)
			return;
	}
	buf_append_char(c->out, ']');
}

static void literal(struct canonical *c)
{
	size_t start = c->at;

	while (c->at < c->in.n && peek(c) >= 'a' && peek(c) <= 'z')
		c->at++;
	buf_append(c->out, c->in.p + start, c->at - start);
}

/* As deep as the text, which is at most JSON_MAX_DEPTH. */
static void value(struct canonical *c)
{
	skip_space(c);
	if (peek(c) == '{')
		object(c);
	else if (peek(c) == '[')
		array(c);
	else if (peek(c) == '"')
		string(c, NULL);
	else if (peek(c) >= 'a' && peek(c) <= 'z')
		literal(c);
	else
		number(c);
}

int json_canonical(struct arena *arena, struct str json, struct buf *out, struct err *reterr)
{
	struct canonical c = { .arena = arena, .in = json, .out = out };
	int r = json_check(arena, json, "json", reterr);

	if (r < 0)
		return r;
	c.spare = arena_buf(arena, out->max);
	if (c.spare)
		value(&c);
	if (!c.spare || out->failed) {
		err_unavailable(reterr, RETRY_AFTER_S, "Not enough memory for this JSON.");
		return -ENOMEM;
	}
	return 0;
}
