/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values to and from PostgreSQL: typed parameters of a statement and the cells of its result.
 */
#ifndef NET_DB_VALUE_H
#define NET_DB_VALUE_H

#include "base/arena.h"
#include "base/str.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

struct db_result;

enum db_type {
	DB_NULL,
	DB_TEXT,
	DB_I64,
	DB_I32,
	DB_I16,
	DB_BOOL,
	DB_TIME,
	DB_UUID,
	DB_BYTES,
	DB_ARRAY, /* made by db_param_texts and its sisters below */
};

/* A parameter with its type. Text must be UTF-8 without NUL, numbers within their type: -EINVAL
 * otherwise. A statement is always run with the same types: those of its first use are what it is
 * prepared with. */
struct db_param {
	enum db_type type;
	union {
		int64_t i64;	/* whole numbers, DB_BOOL, DB_TIME (microseconds since the epoch) */
		struct str str; /* DB_TEXT, DB_BYTES; DB_ARRAY: its encoded bytes */
		struct uuid uuid;
	} v;
	enum db_type null_of;  /* DB_NULL: the type it is null of */
	enum db_type array_of; /* DB_ARRAY, and DB_NULL of one: the type of its elements */
};
/* clang-format off */
#define DB_PARAM_TEXT(s) { .type = DB_TEXT, .v.str = (s) }
#define DB_PARAM_I64(n) { .type = DB_I64, .v.i64 = (n) }
#define DB_PARAM_I32(n) { .type = DB_I32, .v.i64 = (n) }
#define DB_PARAM_I16(n) { .type = DB_I16, .v.i64 = (n) }
#define DB_PARAM_BOOL(b) { .type = DB_BOOL, .v.i64 = (b) }
#define DB_PARAM_TIME(us) { .type = DB_TIME, .v.i64 = (us) }
#define DB_PARAM_UUID(u) { .type = DB_UUID, .v.uuid = (u) }
#define DB_PARAM_BYTES(s) { .type = DB_BYTES, .v.str = (s) }
#define DB_PARAM_NULL(t) { .type = DB_NULL, .null_of = (t) }
#define DB_PARAM_NULL_ARRAY(t) { .type = DB_NULL, .null_of = DB_ARRAY, .array_of = (t) }
/* clang-format on */

/* An element that is null. */
#define DB_NULL_ELEMENT INT64_MIN

/* A text, which must stay; .p NULL: null. */
struct db_param db_param_text_or_null(struct str s);
/*
 * Arrays of one dimension, encoded into the arena: what the parameter refers to lives there. n may
 * be 0. 0; -EINVAL: a text PostgreSQL would refuse, a number out of range, more elements or bytes
 * than it takes; -ENOMEM. *ret is untouched on failure. An element whose .p is NULL is null (an
 * empty one needs a pointer: STR("")).
 */
int db_param_texts(struct arena *arena, const struct str *v, size_t n,
		   struct db_param *ret) MUST_CHECK;
/* element: DB_I64, DB_I32, DB_I16, DB_BOOL or DB_TIME. DB_NULL_ELEMENT is null. */
int db_param_i64s(struct arena *arena, enum db_type element, const int64_t *v, size_t n,
		  struct db_param *ret) MUST_CHECK;
int db_param_uuids(struct arena *arena, const struct uuid *v, size_t n,
		   struct db_param *ret) MUST_CHECK;

int db_rows(const struct db_result *r);
/* Rows changed by INSERT, UPDATE, DELETE. */
int64_t db_affected(const struct db_result *r);
bool db_is_null(const struct db_result *r, int row, int column);
/* Asserted: row, column and the column's type fit. */
struct str db_text(const struct db_result *r, int row, int column);
int64_t db_i64(const struct db_result *r, int row, int column); /* int2, int4, int8 */
bool db_bool(const struct db_result *r, int row, int column);
int64_t db_time(const struct db_result *r, int row,
		int column); /* timestamptz, microseconds since the epoch */
struct uuid db_uuid(const struct db_result *r, int row, int column);
void db_result_free(struct db_result *r);

#endif
