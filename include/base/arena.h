/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that lives as long as one request or event. Allocation is a pointer bump in blocks;
 * nothing is freed singly; arena_free runs the deferred functions, last first, and releases
 * everything. An arena has a hard maximum; past it, or when malloc fails, allocation gives NULL and
 * the caller answers 503. Not thread-safe.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/macro.h"
#include "base/str.h"

struct arena;

typedef void arena_defer_fn(void *arg);

/* max_bytes bounds the sum of all allocations. NULL when out of memory. */
struct arena *arena_new(size_t max_bytes);
/* Accepts NULL. */
void arena_free(struct arena *a);
/* Runs the deferred functions and empties the arena, keeping its first block for the next use. */
void arena_reset(struct arena *a);
/* n bytes aligned for any type, uninitialised; NULL past the maximum or out of memory. n may be 0.
 */
void *arena_alloc(struct arena *a, size_t n);
/* count * size bytes set to zero; NULL also on overflow. */
void *arena_calloc(struct arena *a, size_t count, size_t size);
/* A NUL-terminated copy (the view does not count the NUL); .p is NULL on failure. */
struct str arena_dup(struct arena *a, struct str s);
/* Formatted, NUL-terminated; .p is NULL on failure. */
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Calls fn(arg) at arena_free or arena_reset, in reverse order of registration.
 * -ENOMEM: nothing was registered and the caller still owns arg. */
int arena_defer(struct arena *a, arena_defer_fn *fn, void *arg) MUST_CHECK;
/* Bytes handed out since the start or the last reset, each piece rounded up to the alignment. */
size_t arena_used(const struct arena *a);

#endif
