/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the nth allocation fail, to see that every one is checked. The functions are malloc,
 * calloc, realloc, reallocarray, aligned_alloc and posix_memalign of the program that includes this
 * file (in one source only) and of every shared library it loads; they pass on to the next malloc,
 * be it the C library's or AddressSanitizer's. Counting is off until armed. free is left alone.
 *
 * Not for clang's AddressSanitizer, which is linked into the program itself. valgrind needs
 * --soname-synonyms=somalloc=nouserintercepts, or it puts its own malloc in front.
 * fail_alloc_works() tells.
 */
#ifndef TEST_TOOLS_FAIL_ALLOC_H
#define TEST_TOOLS_FAIL_ALLOC_H

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* What a test sets and reads; all little 64-bit words, so that a script can write them into a file.
 */
struct fail_alloc {
	uint64_t nth;	 /* the allocation to fail, from 1; 0: off. Back to 0 once it failed, unless
			    sticky */
	uint64_t seen;	 /* allocations counted since it was last set to 0 */
	uint64_t failed; /* how many were made to fail */
	uint64_t sticky; /* not 0: fail the nth and all after it */
};

static struct fail_alloc fail_alloc_own;
static struct fail_alloc *fail_alloc_control = &fail_alloc_own;

#if defined(__clang__) && defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FAIL_ALLOC_WORKS 0
#endif
#endif
#ifndef FAIL_ALLOC_WORKS
#define FAIL_ALLOC_WORKS 1
#endif

/* The nth allocation from here on fails, counted from 1. */
static inline void fail_alloc_arm(uint64_t nth)
{
	fail_alloc_control->seen = 0;
	fail_alloc_control->failed = 0;
	fail_alloc_control->sticky = 0;
	__atomic_store_n(&fail_alloc_control->nth, nth, __ATOMIC_SEQ_CST);
}

/* Off. Returns how many allocations failed: 0 says that there were fewer than nth. */
static inline uint64_t fail_alloc_disarm(void)
{
	__atomic_store_n(&fail_alloc_control->nth, 0, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&fail_alloc_control->failed, __ATOMIC_SEQ_CST);
}

/* Whether an armed allocation really fails here. */
static inline int fail_alloc_works(void)
{
	void *volatile p;

	fail_alloc_arm(1);
	p = malloc(1);
	free(p);
	return fail_alloc_disarm() == 1;
}

#if FAIL_ALLOC_WORKS

/* Runs before AddressSanitizer has set itself up, and so must not be instrumented. */
#define FAIL_ALLOC_RAW __attribute__((no_sanitize("address"), no_sanitize("undefined")))
#define FAIL_ALLOC_EXPORT __attribute__((visibility("default"))) FAIL_ALLOC_RAW

static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
} fail_alloc_next;

/* POSIX lets a data pointer from dlsym be a function; C does not, hence the cast of the place. */
FAIL_ALLOC_RAW static void fail_alloc_find(void *ret_function, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		abort();
	*(void **)ret_function = found;
}

FAIL_ALLOC_RAW static int fail_alloc_now(void)
{
	struct fail_alloc *c = fail_alloc_control;
	uint64_t nth = __atomic_load_n(&c->nth, __ATOMIC_SEQ_CST);
	uint64_t seen;

	if (nth == 0)
		return 0;
	seen = __atomic_add_fetch(&c->seen, 1, __ATOMIC_SEQ_CST);
	if (seen < nth || (seen > nth && !c->sticky))
		return 0;
	if (!c->sticky)
		__atomic_store_n(&c->nth, 0, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&c->failed, 1, __ATOMIC_SEQ_CST);
	errno = ENOMEM;
	return 1;
}

/* dlsym itself may allocate while the functions are being looked up: from here, and never freed. */
FAIL_ALLOC_RAW static void *fail_alloc_early(size_t n)
{
	static _Alignas(16) char bytes[4096];
	static size_t used;
	void *p = bytes + used;

	n = (n + 15) & ~(size_t)15;
	if (n > sizeof(bytes) - used)
		abort();
	used += n;
	return p;
}

/* True when the next functions are known; false inside the lookup. */
FAIL_ALLOC_RAW static int fail_alloc_ready(void)
{
	static int state;

	if (state == 2)
		return 1;
	if (state == 1)
		return 0;
	state = 1;
	fail_alloc_find(&fail_alloc_next.malloc, "malloc");
	fail_alloc_find(&fail_alloc_next.calloc, "calloc");
	fail_alloc_find(&fail_alloc_next.realloc, "realloc");
	fail_alloc_find(&fail_alloc_next.aligned_alloc, "aligned_alloc");
	fail_alloc_find(&fail_alloc_next.posix_memalign, "posix_memalign");
	state = 2;
	return 1;
}

FAIL_ALLOC_EXPORT void *malloc(size_t n)
{
	if (!fail_alloc_ready())
		return fail_alloc_early(n);
	return fail_alloc_now() ? NULL : fail_alloc_next.malloc(n);
}

FAIL_ALLOC_EXPORT void *calloc(size_t count, size_t size)
{
	if (!fail_alloc_ready())
		return fail_alloc_early(count * size);
	return fail_alloc_now() ? NULL : fail_alloc_next.calloc(count, size);
}

FAIL_ALLOC_EXPORT void *realloc(void *p, size_t n)
{
	if (!fail_alloc_ready())
		return fail_alloc_early(n);
	return fail_alloc_now() ? NULL : fail_alloc_next.realloc(p, n);
}

FAIL_ALLOC_EXPORT void *reallocarray(void *p, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, n);
}

FAIL_ALLOC_EXPORT void *aligned_alloc(size_t align, size_t n)
{
	if (!fail_alloc_ready() || fail_alloc_now())
		return NULL;
	return fail_alloc_next.aligned_alloc(align, n);
}

FAIL_ALLOC_EXPORT int posix_memalign(void **ret, size_t align, size_t n)
{
	if (!fail_alloc_ready() || fail_alloc_now())
		return ENOMEM;
	return fail_alloc_next.posix_memalign(ret, align, n);
}

#endif

#endif
