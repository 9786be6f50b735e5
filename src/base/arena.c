/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena: blocks that double from 4 KiB to 256 KiB, the first one beside the struct itself, so
 * that a small request costs one malloc. A piece larger than the next block gets a block of its own
 * size. Deferred calls are records inside the arena, linked newest first.
 *
 * Built with AddressSanitizer, everything not handed out is poisoned and each piece is followed by
 * a red zone, so that an overrun from one piece into the next is found as it would be with malloc.
 */
#include "base/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { RED_ZONE = 0 };
#endif

enum { ALIGN = alignof(max_align_t), FIRST_BLOCK = 4096, LARGEST_BLOCK = 256 * 1024 };

struct block {
	struct block *next;
	size_t size; /* of the bytes, which follow the struct */
};

struct deferred {
	struct deferred *next;
	arena_defer_fn *fn;
	void *arg;
};

struct arena {
	size_t max;
	size_t used; /* bytes handed out, rounded up to the alignment */
	size_t next_block_size;
	struct block *blocks; /* newest first, without first; NULL while first is the one in use */
	size_t at;	      /* into the block in use */
	struct deferred *deferred;
	struct block first; /* its FIRST_BLOCK bytes follow the struct; must be last */
};

static_assert(sizeof(struct block) % ALIGN == 0 && sizeof(struct arena) % ALIGN == 0,
	      "what follows a block or an arena is aligned as they are");
static_assert(offsetof(struct arena, first) + sizeof(struct block) == sizeof(struct arena),
	      "nothing stands between the first block and its bytes");

static char *bytes_of(struct block *b)
{
	return (char *)(b + 1);
}

static void start(struct arena *a)
{
	a->used = 0;
	a->at = 0;
	a->blocks = NULL;
	a->next_block_size = (size_t)FIRST_BLOCK * 2;
	ASAN_POISON_MEMORY_REGION(bytes_of(&a->first), a->first.size);
}

struct arena *arena_new(size_t max_bytes)
{
	struct arena *a = malloc(sizeof(*a) + FIRST_BLOCK);

	if (!a)
		return NULL;
	/* Half of the largest object there can be, so that adding to a size never wraps. */
	a->max = max_bytes < PTRDIFF_MAX / 2 ? max_bytes : PTRDIFF_MAX / 2;
	a->deferred = NULL;
	a->first.next = NULL;
	a->first.size = FIRST_BLOCK;
	start(a);
	return a;
}

static void release(struct arena *a)
{
	struct deferred *d;

	/* Taken off the list before it is called: a deferred function may defer another. */
	while ((d = a->deferred)) {
		a->deferred = d->next;
		d->fn(d->arg);
	}
	while (a->blocks) {
		struct block *b = a->blocks;

		a->blocks = b->next;
		ASAN_UNPOISON_MEMORY_REGION(bytes_of(b), b->size);
		free(b);
	}
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	release(a);
	ASAN_UNPOISON_MEMORY_REGION(bytes_of(&a->first), a->first.size);
	free(a);
}

void arena_reset(struct arena *a)
{
	release(a);
	start(a);
}

/* A new block in front that holds at least n bytes; what was left of the old one stays unused. */
static struct block *add_block(struct arena *a, size_t n)
{
	size_t size = a->next_block_size > n ? a->next_block_size : n;
	struct block *b = malloc(sizeof(*b) + size);

	if (!b)
		return NULL;
	b->size = size;
	b->next = a->blocks;
	a->blocks = b;
	a->at = 0;
	if (a->next_block_size < LARGEST_BLOCK)
		a->next_block_size *= 2;
	ASAN_POISON_MEMORY_REGION(bytes_of(b), b->size);
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct block *b = a->blocks ? a->blocks : &a->first;
	size_t rounded;
	void *p;

	if (n > a->max - a->used)
		return NULL;
	/* Two empty pieces still have two addresses. */
	rounded = ((n ? n : 1) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (rounded > a->max - a->used)
		return NULL;
	if (rounded + RED_ZONE > b->size - a->at) {
		b = add_block(a, rounded + RED_ZONE);
		if (!b)
			return NULL;
	}
	p = bytes_of(b) + a->at;
	a->at += rounded + RED_ZONE;
	a->used += rounded;
	ASAN_UNPOISON_MEMORY_REGION(p, n);
	return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	size_t n;
	void *p;

	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	p = arena_alloc(a, n);
	if (p)
		memset(p, 0, n);
	return p;
}

struct str arena_dup(struct arena *a, struct str s)
{
	char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1) : NULL;

	if (!p)
		return (struct str){ NULL, 0 };
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return (struct str){ p, s.n };
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0)
		p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return (struct str){ NULL, 0 };
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return (struct str){ p, (size_t)n };
}

int arena_defer(struct arena *a, arena_defer_fn *fn, void *arg)
{
	struct deferred *d = arena_alloc(a, sizeof(*d));

	if (!d)
		return -ENOMEM;
	*d = (struct deferred){ a->deferred, fn, arg };
	a->deferred = d;
	return 0;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
