/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TZif files (RFC 8536), versions 1 to 4, from bytes to a struct tz.
 *
 * A file is a header and a block with 32-bit times; from version 2 on a second header and block
 * with 64-bit times follow, which alone count then, and a footer with a POSIX rule. All counts come
 * from the file, so nothing is read before it is known to lie inside, and what a table refers to is
 * checked while it is read. Names of local time types, leap seconds and the standard/UT indicators
 * are not kept; a file with leap seconds is refused, because our instants do not count them.
 */
#include "src/base/tz_private.h"

#include <errno.h>
#include <stdlib.h>

enum { HEADER_SIZE = 44, TYPE_SIZE = 6 };

struct counts {
	uint32_t is_ut, is_standard, leaps, times, types, chars;
};

struct block {
	struct counts n;
	size_t time_size; /* 4 or 8 */
	const unsigned char *times, *indexes, *types;
};

static uint64_t read_be(const unsigned char *p, size_t size)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v = v << 8 | p[i];
	return v;
}

static int64_t read_time(const struct block *b, size_t i)
{
	uint64_t v = read_be(b->times + i * b->time_size, b->time_size);

	return b->time_size == 4 ? (int32_t)(uint32_t)v : (int64_t)v;
}

/* The next n bytes of *rest; NULL when there are fewer. */
static const unsigned char *take(struct str *rest, uint64_t n)
{
	const char *p = rest->p;

	if (n > rest->n)
		return NULL;
	rest->p += n;
	rest->n -= n;
	return (const unsigned char *)p;
}

static bool take_header(struct str *rest, struct counts *ret, unsigned char *ret_version)
{
	const unsigned char *h = take(rest, HEADER_SIZE);
	uint32_t *const fields[] = { &ret->is_ut, &ret->is_standard, &ret->leaps,
				     &ret->times, &ret->types,	     &ret->chars };

	if (!h || memcmp(h, "TZif", 4) != 0)
		return false;
	*ret_version = h[4];
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		*fields[i] = (uint32_t)read_be(h + 20 + i * 4, 4);
	return true;
}

static bool counts_are_sound(const struct counts *n)
{
	return n->types >= 1 && n->types <= 256 && n->chars >= 1 &&
	       (n->is_ut == 0 || n->is_ut == n->types) &&
	       (n->is_standard == 0 || n->is_standard == n->types);
}

/* Counts have 32 bits and factors are small, so 64 bits hold every product. */
static bool take_block(struct str *rest, const struct counts *n, size_t time_size,
		       struct block *ret)
{
	ret->n = *n;
	ret->time_size = time_size;
	ret->times = take(rest, (uint64_t)n->times * time_size);
	ret->indexes = take(rest, n->times);
	ret->types = take(rest, (uint64_t)n->types * TYPE_SIZE);
	return ret->times && ret->indexes && ret->types && take(rest, n->chars) &&
	       take(rest, (uint64_t)n->leaps * (time_size + 4)) && take(rest, n->is_standard) &&
	       take(rest, n->is_ut);
}

static bool type_offset(const struct block *b, size_t type, int32_t *ret)
{
	const unsigned char *t;
	int32_t offset;

	if (type >= b->n.types)
		return false;
	t = b->types + type * TYPE_SIZE;
	offset = (int32_t)(uint32_t)read_be(t, 4);
	if (offset <= -TZ_OFFSET_END || offset >= TZ_OFFSET_END || t[4] > 1 || t[5] >= b->n.chars)
		return false;
	*ret = offset;
	return true;
}

static int copy_transitions(const struct block *b, struct tz *tz)
{
	for (size_t i = 0; i < b->n.times; i++) {
		tz->at[i] = read_time(b, i);
		if (i > 0 && tz->at[i] <= tz->at[i - 1])
			return -EBADMSG;
		if (!type_offset(b, b->indexes[i], &tz->offset[i]))
			return -EBADMSG;
	}
	tz->n_transitions = b->n.times;
	return 0;
}

/* Takes over nothing of *tz but what it sets; the caller frees on failure. */
static int fill(const struct block *b, struct tz *tz)
{
	if (b->n.leaps > 0 || !type_offset(b, 0, &tz->first_offset))
		return -EBADMSG;
	if (b->n.times == 0)
		return 0;
	tz->at = calloc(b->n.times, sizeof(*tz->at));
	tz->offset = calloc(b->n.times, sizeof(*tz->offset));
	if (!tz->at || !tz->offset)
		return -ENOMEM;
	return copy_transitions(b, tz);
}

/* "\n", the rule, "\n"; an empty rule means that there is none. */
static int parse_footer(struct str rest, struct tz_rule *ret_rule)
{
	struct str text;
	ssize_t end;

	if (rest.n == 0 || rest.p[0] != '\n')
		return -EBADMSG;
	end = str_find_char(rest, '\n', 1);
	if (end < 0)
		return -EBADMSG;
	text = (struct str){ rest.p + 1, (size_t)end - 1 };
	return text.n == 0 ? 0 : tz_rule_parse(text, ret_rule);
}

/* The block that counts, and in *rest what follows it. */
static bool find_block(struct str *rest, struct block *ret, bool *ret_has_footer)
{
	struct counts n;
	unsigned char version;

	if (!take_header(rest, &n, &version))
		return false;
	*ret_has_footer = version != 0;
	if (version == 0)
		return counts_are_sound(&n) && take_block(rest, &n, 4, ret);
	/* The first block of such a file may be a dummy, so only its size matters. */
	return version >= '2' && take_block(rest, &n, 4, ret) && take_header(rest, &n, &version) &&
	       counts_are_sound(&n) && take_block(rest, &n, 8, ret);
}

int tz_parse(struct str bytes, struct tz *ret_tz)
{
	struct str rest = bytes;
	struct block b;
	struct tz tz = { .n_transitions = 0 };
	bool has_footer;
	int r;

	if (!find_block(&rest, &b, &has_footer))
		return -EBADMSG;
	r = has_footer ? parse_footer(rest, &tz.rule) : 0;
	if (r == 0)
		r = fill(&b, &tz);
	if (r < 0) {
		tz_parse_done(&tz);
		return r;
	}
	*ret_tz = tz;
	return 0;
}

void tz_parse_done(struct tz *tz)
{
	free(tz->at);
	free(tz->offset);
	tz->at = NULL;
	tz->offset = NULL;
	tz->n_transitions = 0;
}
