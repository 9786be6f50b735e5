/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUID version 7 (RFC 9562 section 5.7): milliseconds, then a counter in rand_a that keeps ids of
 * one process in order within a millisecond, then random bits from getrandom, fetched in batches.
 * One thread only.
 */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/str.h"

#include <stdint.h>

struct uuid {
	uint8_t bytes[16];
};

enum { UUID_TEXT_SIZE = 37, UUID_HEX_SIZE = 33 };

/* Never fails: without entropy the process ends with a message (exit 70), as nothing safe can be
 * done. */
struct uuid uuid_v7(void);
/* The same for the same time and name, wherever and whenever it is made: for what must not get a
 * second id when it is made again. 0, or -ENOMEM. */
int uuid_v7_named(int64_t at_us, struct str name, struct uuid *ret) MUST_CHECK;
/* Lower case, NUL-terminated. */
void uuid_format(const struct uuid *u, char out[UUID_TEXT_SIZE]);
/* The 32 digits without dashes, NUL-terminated. */
void uuid_format_hex(const struct uuid *u, char out[UUID_HEX_SIZE]);
/* Any version, either case; 0 or -EINVAL. */
int uuid_parse(struct str s, struct uuid *ret) MUST_CHECK;

#endif
