/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters in the form that libpq takes, and results as it gives them.
 */
#ifndef NET_DB_VALUE_PRIVATE_H
#define NET_DB_VALUE_PRIVATE_H

#include "base/macro.h"
#include "net/db_value.h"

#include <libpq-fe.h>

enum { DB_PARAMS_MAX = 64, DB_INT_MAX_BYTES = 8 };

struct db_encoded {
	Oid types[DB_PARAMS_MAX];
	const char *values[DB_PARAMS_MAX];
	int lengths[DB_PARAMS_MAX], formats[DB_PARAMS_MAX];
	char room[DB_PARAMS_MAX][DB_INT_MAX_BYTES];
};
/* OID of a type that is neither DB_NULL nor DB_ARRAY, and of an array of such; 0 for those two. */
Oid db_type_oid(enum db_type type);
Oid db_array_oid(enum db_type element);
/* PostgreSQL takes it as a value of its type. */
bool db_param_fits(const struct db_param *p);
/* A whole number, bool or time as it goes on the wire; returns how many bytes. */
int db_encode_int(const struct db_param *p, char room[DB_INT_MAX_BYTES]);
/* 0, or -EINVAL: a text that PostgreSQL would refuse, too many parameters, a number out of its
 * type's range. */
int db_params_check(const struct db_param *params, int n) MUST_CHECK;
/* e refers to params. */
void db_params_encode(const struct db_param *params, int n, struct db_encoded *e);
struct db_result *db_result_wrap(PGresult *res);

#endif
