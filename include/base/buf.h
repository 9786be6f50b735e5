/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer with a hard maximum. Failure is sticky: after an append that would pass
 * the maximum or a failed allocation, `failed` stays set and later appends do nothing, so that a
 * writer checks once at the end. Owned by whoever called buf_init; buf_done is always safe.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/arena.h"
#include "base/macro.h"
#include "base/str.h"

#include <stdbool.h>

struct buf {
	char *p;
	size_t n;   /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* never more than this */
	bool failed;
};

void buf_init(struct buf *b, size_t max_bytes);
/* An empty buffer that the arena releases. NULL when out of memory. */
struct buf *arena_buf(struct arena *arena, size_t max_bytes);
/* Frees the bytes; the buffer is empty, unfailed and keeps its maximum. */
void buf_done(struct buf *b);
/* Empties, clears `failed`, keeps the allocation. */
void buf_clear(struct buf *b);
/* What buf_reserve does when there is no room yet. */
int buf_grow(struct buf *b, size_t n);
/* Room for n more bytes without another allocation; 0, or -ENOBUFS / -ENOMEM (and sticky). */
static inline int buf_reserve(struct buf *b, size_t n)
{
	return !b->failed && n <= b->cap - b->n ? 0 : buf_grow(b, n);
}
void buf_append(struct buf *b, const void *bytes, size_t n);
void buf_append_str(struct buf *b, struct str s);
void buf_append_char(struct buf *b, char c);
void buf_append_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops the first n bytes (n <= b->n). */
void buf_consume(struct buf *b, size_t n);
/* A view of the content, valid until the next append. */
struct str buf_str(const struct buf *b);
/* The content, NUL-terminated and owned by the caller (free), leaving an empty buffer. NULL when
 * the buffer has failed or there is no memory; it then keeps its content and has failed. ret_n may
 * be NULL. */
char *buf_take(struct buf *b, size_t *ret_n);
/* 0, or -ENOBUFS when something did not fit or could not be allocated. */
int buf_status(const struct buf *b) MUST_CHECK;

#endif
