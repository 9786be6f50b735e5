/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values on the wire, in PostgreSQL's binary formats both ways: integers big-endian, timestamptz as
 * microseconds since 2000-01-01, text as its bytes with a length (so no terminating NUL is needed,
 * and one inside is refused before the server would). Arrays are encoded in db_array.c, before they
 * become a parameter. A struct db_result is libpq's PGresult under
 * another name: one allocation, no copy.
 */
#include "db_value_private.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>

/* pg_type.dat of PostgreSQL; they never change. */
enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_NAME = 19,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_BOOL_ARRAY = 1000,
	OID_BYTEA_ARRAY = 1001,
	OID_INT2_ARRAY = 1005,
	OID_INT4_ARRAY = 1007,
	OID_TEXT_ARRAY = 1009,
	OID_INT8_ARRAY = 1016,
	OID_VARCHAR = 1043,
	OID_TIMESTAMPTZ = 1184,
	OID_TIMESTAMPTZ_ARRAY = 1185,
	OID_UUID = 2950,
	OID_UUID_ARRAY = 2951,
};

/* 2000-01-01T00:00:00Z. */
static const int64_t PG_EPOCH_US = INT64_C(946684800000000);

static const struct {
	Oid one, array;
} oids[] = {
	[DB_NULL] = { 0, 0 },
	[DB_TEXT] = { OID_TEXT, OID_TEXT_ARRAY },
	[DB_I64] = { OID_INT8, OID_INT8_ARRAY },
	[DB_I32] = { OID_INT4, OID_INT4_ARRAY },
	[DB_I16] = { OID_INT2, OID_INT2_ARRAY },
	[DB_BOOL] = { OID_BOOL, OID_BOOL_ARRAY },
	[DB_TIME] = { OID_TIMESTAMPTZ, OID_TIMESTAMPTZ_ARRAY },
	[DB_UUID] = { OID_UUID, OID_UUID_ARRAY },
	[DB_BYTES] = { OID_BYTEA, OID_BYTEA_ARRAY },
	[DB_ARRAY] = { 0, 0 },
};

Oid db_type_oid(enum db_type type)
{
	return oids[type].one;
}

Oid db_array_oid(enum db_type element)
{
	return oids[element].array;
}

/* 0 when it is null of nothing, or an array of nothing. */
static Oid oid_of(const struct db_param *p)
{
	enum db_type type = p->type == DB_NULL ? p->null_of : p->type;

	return type == DB_ARRAY ? db_array_oid(p->array_of) : db_type_oid(type);
}

struct db_param db_param_text_or_null(struct str s)
{
	const struct db_param text = DB_PARAM_TEXT(s), null = DB_PARAM_NULL(DB_TEXT);

	return s.p != NULL ? text : null;
}

bool db_param_fits(const struct db_param *p)
{
	switch (p->type) {
	case DB_NULL:
		return oid_of(p) != 0;
	case DB_ARRAY:
		return oid_of(p) != 0 && p->v.str.p && p->v.str.n <= INT_MAX;
	case DB_TEXT:
		return p->v.str.n <= INT_MAX && utf8_valid(p->v.str) &&
		       (p->v.str.n == 0 || !memchr(p->v.str.p, 0, p->v.str.n));
	case DB_BYTES:
		return p->v.str.n <= INT_MAX;
	case DB_I16:
		return p->v.i64 >= INT16_MIN && p->v.i64 <= INT16_MAX;
	case DB_I32:
		return p->v.i64 >= INT32_MIN && p->v.i64 <= INT32_MAX;
	case DB_TIME:
		return p->v.i64 >= INT64_MIN + PG_EPOCH_US;
	case DB_I64:
	case DB_BOOL:
	case DB_UUID:
		return true;
	}
	return false;
}

int db_params_check(const struct db_param *params, int n)
{
	if (n < 0 || n > DB_PARAMS_MAX)
		return -EINVAL;
	for (int i = 0; i < n; i++)
		if (!db_param_fits(&params[i]))
			return -EINVAL;
	return 0;
}

int db_encode_int(const struct db_param *p, char room[DB_INT_MAX_BYTES])
{
	if (p->type == DB_BOOL) {
		room[0] = p->v.i64 != 0;
		return 1;
	}
	if (p->type == DB_I16) {
		uint16_t v = htobe16((uint16_t)p->v.i64);
		memcpy(room, &v, sizeof(v));
		return sizeof(v);
	}
	if (p->type == DB_I32) {
		uint32_t v = htobe32((uint32_t)p->v.i64);
		memcpy(room, &v, sizeof(v));
		return sizeof(v);
	}
	uint64_t v = htobe64((uint64_t)(p->type == DB_TIME ? p->v.i64 - PG_EPOCH_US : p->v.i64));
	memcpy(room, &v, sizeof(v));
	return sizeof(v);
}

static void encode_one(const struct db_param *p, struct db_encoded *e, int i)
{
	e->types[i] = oid_of(p);
	e->formats[i] = 1;
	switch (p->type) {
	case DB_NULL:
		e->values[i] = NULL;
		e->lengths[i] = 0;
		break;
	case DB_TEXT:
	case DB_BYTES:
	case DB_ARRAY:
		e->values[i] = p->v.str.n ? p->v.str.p : "";
		e->lengths[i] = (int)p->v.str.n;
		break;
	case DB_UUID:
		e->values[i] = (const char *)p->v.uuid.bytes;
		e->lengths[i] = sizeof(p->v.uuid.bytes);
		break;
	case DB_I64:
	case DB_I32:
	case DB_I16:
	case DB_BOOL:
	case DB_TIME:
		e->lengths[i] = db_encode_int(p, e->room[i]);
		e->values[i] = e->room[i];
		break;
	}
}

void db_params_encode(const struct db_param *params, int n, struct db_encoded *e)
{
	assert(n <= DB_PARAMS_MAX);
	for (int i = 0; i < n; i++)
		encode_one(&params[i], e, i);
}

struct db_result *db_result_wrap(PGresult *res)
{
	return (struct db_result *)(void *)res;
}

static const PGresult *unwrap(const struct db_result *r)
{
	return (const PGresult *)(const void *)r;
}

/* The bytes of a cell that is not null. */
static struct str cell(const struct db_result *r, int row, int column)
{
	const PGresult *res = unwrap(r);

	assert(row >= 0 && row < PQntuples(res) && column >= 0 && column < PQnfields(res));
	assert(!PQgetisnull(res, row, column));
	return (struct str){ PQgetvalue(res, row, column), (size_t)PQgetlength(res, row, column) };
}

int db_rows(const struct db_result *r)
{
	return PQntuples(unwrap(r));
}

int64_t db_affected(const struct db_result *r)
{
	/* libpq only reads it, but its prototype says otherwise. */
	PGresult *res = (PGresult *)(uintptr_t)unwrap(r);
	int64_t n = 0;

	return str_parse_i64(str_from(PQcmdTuples(res)), &n) == 0 ? n : 0;
}

bool db_is_null(const struct db_result *r, int row, int column)
{
	assert(row >= 0 && row < db_rows(r) && column >= 0 && column < PQnfields(unwrap(r)));
	return PQgetisnull(unwrap(r), row, column);
}

struct str db_text(const struct db_result *r, int row, int column)
{
	Oid type = PQftype(unwrap(r), column);

	assert(type == OID_TEXT || type == OID_VARCHAR || type == OID_NAME || type == OID_BYTEA);
	(void)type;
	return cell(r, row, column);
}

int64_t db_i64(const struct db_result *r, int row, int column)
{
	struct str s = cell(r, row, column);
	uint16_t v2;
	uint32_t v4;
	uint64_t v8;

	switch (s.n) {
	case sizeof(v2):
		assert(PQftype(unwrap(r), column) == OID_INT2);
		memcpy(&v2, s.p, sizeof(v2));
		return (int16_t)be16toh(v2);
	case sizeof(v4):
		assert(PQftype(unwrap(r), column) == OID_INT4);
		memcpy(&v4, s.p, sizeof(v4));
		return (int32_t)be32toh(v4);
	default:
		assert(s.n == sizeof(v8) && PQftype(unwrap(r), column) == OID_INT8);
		memcpy(&v8, s.p, sizeof(v8));
		return (int64_t)be64toh(v8);
	}
}

bool db_bool(const struct db_result *r, int row, int column)
{
	assert(PQftype(unwrap(r), column) == OID_BOOL);
	return cell(r, row, column).p[0] != 0;
}

int64_t db_time(const struct db_result *r, int row, int column)
{
	struct str s = cell(r, row, column);
	uint64_t v;
	int64_t us;

	assert(s.n == sizeof(v) && PQftype(unwrap(r), column) == OID_TIMESTAMPTZ);
	memcpy(&v, s.p, sizeof(v));
	us = (int64_t)be64toh(v);
	/* "infinity" has no place in our columns; it stays at the end of the scale instead of
	 * wrapping. */
	return us > INT64_MAX - PG_EPOCH_US ? INT64_MAX : us + PG_EPOCH_US;
}

struct uuid db_uuid(const struct db_result *r, int row, int column)
{
	struct str s = cell(r, row, column);
	struct uuid u;

	assert(s.n == sizeof(u.bytes) && PQftype(unwrap(r), column) == OID_UUID);
	memcpy(u.bytes, s.p, sizeof(u.bytes));
	return u;
}

void db_result_free(struct db_result *r)
{
	PQclear((PGresult *)(void *)r);
}
