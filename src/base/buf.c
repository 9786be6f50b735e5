/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growable buffer. It doubles, starting at 256 bytes, so that n appends copy each byte about
 * once; the last step goes to the maximum exactly. Nothing is allocated before the first byte. What
 * a failed buffer already holds stays readable, and it is the caller who throws it away.
 */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

void buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf){ .max = max_bytes };
}

static void release(void *arg)
{
	buf_done(arg);
}

struct buf *arena_buf(struct arena *arena, size_t max_bytes)
{
	struct buf *b = arena_alloc(arena, sizeof(*b));

	if (b == NULL)
		return NULL;
	buf_init(b, max_bytes);
	return arena_defer(arena, release, b) < 0 ? NULL : b;
}

void buf_done(struct buf *b)
{
	free(b->p);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	b->failed = false;
}

static int fail(struct buf *b, int r)
{
	b->failed = true;
	return r;
}

/* need is more than there is and at most the maximum. */
static int grow_to(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : FIRST_CAPACITY;
	char *p;

	while (cap < need)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap > b->max)
		cap = b->max;
	p = realloc(b->p, cap);
	if (!p)
		return fail(b, -ENOMEM);
	b->p = p;
	b->cap = cap;
	return 0;
}

int buf_grow(struct buf *b, size_t n)
{
	assert(b->n <= b->cap);
	if (b->failed)
		return -ENOBUFS;
	if (n > b->max - b->n)
		return fail(b, -ENOBUFS);
	return grow_to(b, b->n + n);
}

void buf_append(struct buf *b, const void *bytes, size_t n)
{
	if (n == 0 || buf_reserve(b, n) < 0)
		return;
	memcpy(b->p + b->n, bytes, n);
	b->n += n;
}

void buf_append_str(struct buf *b, struct str s)
{
	buf_append(b, s.p, s.n);
}

void buf_append_char(struct buf *b, char c)
{
	if (buf_reserve(b, 1) == 0)
		b->p[b->n++] = c;
}

void buf_append_i64(struct buf *b, int64_t v)
{
	/* Negated as unsigned: INT64_MIN has no positive counterpart. */
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char text[20]; /* "-9223372036854775808" */
	char *p = text + sizeof(text);

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		*--p = '-';
	buf_append(b, p, (size_t)(text + sizeof(text) - p));
}

/* vsnprintf needs room for a NUL that does not count, which the last byte of a full buffer has not
 * got. */
static void append_formatted_copy(struct buf *b, size_t n, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void append_formatted_copy(struct buf *b, size_t n, const char *fmt, va_list ap)
{
	char *text = malloc(n + 1);

	if (!text) {
		b->failed = true;
		return;
	}
	vsnprintf(text, n + 1, fmt, ap);
	buf_append(b, text, n);
	free(text);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	size_t room = b->failed ? 0 : b->cap - b->n;
	int n;

	if (b->failed)
		return;
	va_start(ap, fmt);
	n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	if ((size_t)n < room) {
		b->n += (size_t)n;
		return;
	}
	if (buf_reserve(b, (size_t)n) < 0)
		return;
	va_start(ap, fmt);
	append_formatted_copy(b, (size_t)n, fmt, ap);
	va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->n);
	b->n -= n;
	if (n && b->n)
		memmove(b->p, b->p + n, b->n);
}

struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

char *buf_take(struct buf *b, size_t *ret_n)
{
	size_t n = b->n;
	char *p;

	if (b->failed)
		return NULL;
	p = realloc(b->p, n + 1);
	if (!p) {
		b->failed = true;
		return NULL;
	}
	p[n] = '\0';
	buf_init(b, b->max);
	if (ret_n)
		*ret_n = n;
	return p;
}

int buf_status(const struct buf *b)
{
	return b->failed ? -ENOBUFS : 0;
}
