/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few compiler words every module uses. Nothing here allocates or calls anything.
 */
#ifndef BASE_MACRO_H
#define BASE_MACRO_H

#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Runs fn(&variable) when the variable leaves its scope. Never beside goto (-Wjump-misses-init). */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* The result is an error code or an owned pointer; dropping it is a bug. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* fmt_index and first_index count from 1. */
#define PRINTF_LIKE(fmt_index, first_index) __attribute__((format(printf, fmt_index, first_index)))

/* The struct of the given type whose member lives at ptr. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/*
 * Marks a function that may suspend the calling fiber. It may only be called on a fiber (fiber_wait
 * asserts it) and everything it is handed must stay valid across other fibers running.
 */
#define FIBER

#endif
