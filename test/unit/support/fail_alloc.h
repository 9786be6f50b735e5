/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a unit test that wants its nth allocation to fail: include this in its one source file, then
 *
 *	for (uint64_t nth = 1;; nth++) {
 *		fail_alloc_arm(nth);
 *		r = the_call();
 *		if (!fail_alloc_disarm())
 *			break;
 *		(r must be the clean error)
 *	}
 *
 * Ask fail_alloc_works() first, and say so if the test has to be left out.
 */
#ifndef TEST_UNIT_SUPPORT_FAIL_ALLOC_H
#define TEST_UNIT_SUPPORT_FAIL_ALLOC_H

#include "test/tools/fail_alloc.h"

#endif
