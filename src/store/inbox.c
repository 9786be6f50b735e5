/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows lie in the order they came; the index by time is a small one that only says in which pages.
 */
#include "store/inbox.h"
#include "inbox_private.h"

static const struct db_statement NOTE = {
	"inbox_note",
	"INSERT INTO todod.processed_events (consumer, event_id) VALUES (" INBOX_CONSUMER
	", $1) ON CONFLICT DO NOTHING",
	1,
};
static const struct db_statement EXPIRE = {
	"inbox_expire",
	"DELETE FROM todod.processed_events WHERE ctid = ANY(ARRAY(SELECT ctid "
	"FROM todod.processed_events WHERE processed_at < now() - $1 * interval '1 day' "
	"LIMIT 10000))",
	1,
};

static FIBER int run(struct db *db, const struct db_statement *statement,
		     const struct db_param *params, int64_t *ret_n, struct err *reterr)
{
	const struct db_query query = { statement, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(db, &segment, &result, NULL, reterr);

	if (r < 0)
		return r;
	*ret_n = db_affected(result);
	db_result_free(result);
	return 0;
}

int inbox_note_wait(struct db *db, struct str event_id, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(event_id) };
	int64_t unused;

	return run(db, &NOTE, params, &unused, reterr);
}

int inbox_expire_wait(struct db *db, int64_t *ret_n, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_I32(INBOX_DAYS) };

	return run(db, &EXPIRE, params, ret_n, reterr);
}
