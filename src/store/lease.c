/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One statement: the row lock of an upsert decides between those who come at once.
 */
#include "store/lease.h"

static const struct db_statement TAKE = {
	"lease_take",
	"INSERT INTO todod.leases AS l (name, owner, until) "
	"VALUES ($1, $2, now() + $3 * interval '1 millisecond') ON CONFLICT (name) DO UPDATE "
	"SET owner = excluded.owner, until = excluded.until "
	"WHERE l.owner = excluded.owner OR l.until <= now()",
	3,
};

int lease_take_wait(struct db *db, struct str name, const struct uuid *owner, int64_t ms, bool *ret,
		    struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(name), DB_PARAM_UUID(*owner),
					   DB_PARAM_I64(ms) };
	const struct db_query query = { &TAKE, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(db, &segment, &result, NULL, reterr);

	if (r < 0)
		return r;
	*ret = db_affected(result) > 0;
	db_result_free(result);
	return 0;
}
