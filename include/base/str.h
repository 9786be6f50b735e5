/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of bytes, and UTF-8. A struct str never owns what it points at and need not end in NUL;
 * its bytes live as long as the buffer or arena they were taken from.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/macro.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

struct str {
	const char *p; /* may be NULL only when n is 0 */
	size_t n;      /* bytes */
};

/* A string literal, or a char array that ends in NUL, as a view. */
#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
/* The same, where C wants a constant: initialisers of static objects. */
#define STR_INIT(literal)                      \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}
/* For printf: "%.*s", STR_ARGS(s). */
#define STR_ARGS(s) (int)(s).n, (s).p

struct str str_from(const char *nul_terminated); /* NULL gives the empty view */
bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII letters only */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
int str_cmp(struct str a, struct str b); /* bytewise, shorter first */
/* Without leading and trailing ASCII white space (space, \t, \r, \n). */
struct str str_trim(struct str s);
/* Index of the first c at or after from; -1 if there is none. */
ssize_t str_find_char(struct str s, char c, size_t from);
/* Cuts the part of *rest before the next sep off and returns it; *rest moves past the sep.
 * False when *rest was already used up. An empty *rest gives one empty part. */
bool str_split(struct str *rest, char sep, struct str *ret_part);
/* Decimal digits with an optional '-', nothing else, no leading '+', no white space.
 * 0; -EINVAL for other bytes or none; -ERANGE past int64. */
int str_parse_i64(struct str s, int64_t *ret);
/* Copies into a NUL-terminated array of size bytes; -ENOSPC (dst untouched) if it does not fit,
 * -EINVAL if s holds a NUL. */
int str_copy(char *dst, size_t size, struct str s);

/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
bool utf8_valid(struct str s);
/* Code points of a valid string. */
size_t utf8_count(struct str s);
/* A valid string without the White_Space characters of Unicode at its ends. */
struct str utf8_trim(struct str s);
/* Decodes the code point at s[*pos] and advances *pos; -1 at the end or on a malformed sequence. */
int32_t utf8_next(struct str s, size_t *pos);
/* Writes 1 to 4 bytes, returns how many; 0 for a surrogate or a value above U+10FFFF. */
size_t utf8_encode(uint32_t code_point, char out[4]);

#endif
