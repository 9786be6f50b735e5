/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes libcurl's nth allocation and all after it fail, and nobody else's.
 */
#ifndef TEST_LIMITED_MEMORY_H
#define TEST_LIMITED_MEMORY_H

#include <check.h>
#include <curl/curl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Allocations of libcurl that may still succeed. */
static unsigned allocations_left = UINT_MAX;

static inline bool may_allocate(void)
{
	if (allocations_left == 0)
		return false;
	if (allocations_left != UINT_MAX)
		allocations_left--;
	return true;
}

static inline void *limited_malloc(size_t n)
{
	return may_allocate() ? malloc(n) : NULL;
}

static inline void *limited_realloc(void *p, size_t n)
{
	return may_allocate() ? realloc(p, n) : NULL;
}

static inline char *limited_strdup(const char *s)
{
	return may_allocate() ? strdup(s) : NULL;
}

static inline void *limited_calloc(size_t n, size_t size)
{
	return may_allocate() ? calloc(n, size) : NULL;
}

/* Before the first client, as libcurl's memory functions are those of its first initialisation; the
 * test ends with curl_global_cleanup(). */
static inline void limit_memory_of_libcurl(void)
{
	ck_assert_int_eq((int)curl_global_init_mem(CURL_GLOBAL_DEFAULT, limited_malloc, free,
						   limited_realloc, limited_strdup, limited_calloc),
			 (int)CURLE_OK);
}

#endif
