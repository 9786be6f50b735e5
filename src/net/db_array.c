/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters that are arrays, in the binary format of PostgreSQL's array_recv: number of
 * dimensions, whether a null is among them, type of the elements; for the one dimension its length
 * and lower bound; then each element with its length, -1 for null. No element, no dimension. Each
 * array is walked twice: once to check and measure, once to write.
 */
#include "db_value_private.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>

enum {
	LOWER_BOUND = 1,
	INT_SIZE = 4,
	EMPTY_SIZE = 3 * INT_SIZE,
	HEAD_SIZE = 5 * INT_SIZE,
	ELEMENTS_MAX = 134217727,	    /* MaxArraySize of PostgreSQL */
	BYTES_MAX = 0x3fffffff - HEAD_SIZE, /* its MaxAllocSize */
};

/* What measuring found. */
struct extent {
	size_t n;
	size_t bytes; /* of the elements, with their lengths */
	bool has_null;
};

static void put_int(char **at, int32_t v)
{
	uint32_t wire = htobe32((uint32_t)v);

	memcpy(*at, &wire, sizeof(wire));
	*at += sizeof(wire);
}

static void put_element(char **at, struct str bytes)
{
	put_int(at, bytes.p ? (int32_t)bytes.n : -1);
	if (bytes.n)
		memcpy(*at, bytes.p, bytes.n);
	*at += bytes.n;
}

/* Counts an element in; -EINVAL past what fits into one message. */
static int measure(struct extent *x, struct str bytes)
{
	if (x->n == ELEMENTS_MAX || bytes.n > BYTES_MAX ||
	    x->bytes + INT_SIZE + bytes.n > BYTES_MAX)
		return -EINVAL;
	x->n++;
	x->bytes += INT_SIZE + bytes.n;
	x->has_null |= !bytes.p;
	return 0;
}

/* Takes the memory and writes the head; *ret_at is where the elements go. */
static int start(struct arena *arena, enum db_type element, const struct extent *x,
		 struct db_param *ret, char **ret_at)
{
	size_t size = x->n ? HEAD_SIZE + x->bytes : EMPTY_SIZE;
	char *p = arena_alloc(arena, size);

	if (!p)
		return -ENOMEM;
	*ret = (struct db_param){ .type = DB_ARRAY, .v.str = { p, size }, .array_of = element };
	put_int(&p, x->n > 0);
	put_int(&p, x->has_null);
	put_int(&p, (int32_t)db_type_oid(element));
	if (x->n) {
		put_int(&p, (int32_t)x->n);
		put_int(&p, LOWER_BOUND);
	}
	*ret_at = p;
	return 0;
}

int db_param_texts(struct arena *arena, const struct str *v, size_t n, struct db_param *ret)
{
	struct extent x = { 0 };
	char *at;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct db_param p = DB_PARAM_TEXT(v[i]);

		r = db_param_fits(&p) ? measure(&x, v[i]) : -EINVAL;
	}
	if (r == 0)
		r = start(arena, DB_TEXT, &x, ret, &at);
	for (size_t i = 0; r == 0 && i < n; i++)
		put_element(&at, v[i]);
	return r;
}

/* The number as it goes on the wire, in room; null has no bytes. */
static struct str encode(enum db_type element, int64_t v, char room[DB_INT_MAX_BYTES])
{
	const struct db_param p = { .type = element, .v.i64 = v };

	if (v == DB_NULL_ELEMENT)
		return (struct str){ NULL, 0 };
	return (struct str){ room, (size_t)db_encode_int(&p, room) };
}

static bool number_fits(enum db_type element, int64_t v)
{
	const struct db_param p = { .type = element, .v.i64 = v };

	return v == DB_NULL_ELEMENT || db_param_fits(&p);
}

int db_param_i64s(struct arena *arena, enum db_type element, const int64_t *v, size_t n,
		  struct db_param *ret)
{
	char room[DB_INT_MAX_BYTES], *at;
	struct extent x = { 0 };
	int r = 0;

	assert(element == DB_I64 || element == DB_I32 || element == DB_I16 || element == DB_BOOL ||
	       element == DB_TIME);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = number_fits(element, v[i]) ? measure(&x, encode(element, v[i], room)) : -EINVAL;
	if (r == 0)
		r = start(arena, element, &x, ret, &at);
	for (size_t i = 0; r == 0 && i < n; i++)
		put_element(&at, encode(element, v[i], room));
	return r;
}

int db_param_uuids(struct arena *arena, const struct uuid *v, size_t n, struct db_param *ret)
{
	struct extent x = { 0 };
	char *at;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = measure(&x, (struct str){ (const char *)v[i].bytes, sizeof(v[i].bytes) });
	if (r == 0)
		r = start(arena, DB_UUID, &x, ret, &at);
	for (size_t i = 0; r == 0 && i < n; i++)
		put_element(&at, (struct str){ (const char *)v[i].bytes, sizeof(v[i].bytes) });
	return r;
}
