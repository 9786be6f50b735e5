/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership of query results in the store: a result goes to the arena of the request, whole, and
 * everything read from it stays a view.
 */
#include "results_private.h"

#include <errno.h>

static void free_result(void *arg)
{
	db_result_free(arg);
}

int results_keep(struct arena *arena, struct db_result **results, size_t n, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = arena_defer(arena, free_result, results[i]);
		if (r < 0)
			db_result_free(results[i]);
	}
	if (r < 0)
		results_out_of_memory(reterr);
	return r;
}

int results_out_of_memory(struct err *reterr)
{
	err_unavailable(reterr, 1, "out of memory");
	return -ENOMEM;
}

struct str results_text(const struct db_result *r, int row, int column)
{
	return db_is_null(r, row, column) ? (struct str){ NULL, 0 } : db_text(r, row, column);
}

int results_number_wait(struct db *db, const struct db_statement *statement, int64_t *ret,
			struct err *reterr)
{
	const struct db_query query = { statement, NULL };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(db, &segment, &result, NULL, reterr);

	if (r < 0)
		return r;
	*ret = db_i64(result, 0, 0);
	db_result_free(result);
	return 0;
}
