/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored answers. The row is made by the writes of store/tasks; here it is found again. It lives
 * for 24 hours of the database's clock; an older one is invisible to every lookup, and the one that
 * follows a collision removes it, so that hot writes never pay for expiry.
 */
#include "idempotency_private.h"
#include "results_private.h"

#include <assert.h>
#include <errno.h>

#define LIVE "created_at >= now() - interval '24 hours'"

const struct db_statement IDEMPOTENCY_LOOKUP = {
	"idempotency_lookup",
	"SELECT body_sha256, status, etag, location, answer FROM todod.idempotency_keys "
	"WHERE user_id = $1 AND method = $2 AND path = $3 AND key = $4 AND " LIVE,
	IDEMPOTENCY_LOOKUP_PARAMS,
};

static const struct db_statement FORGET_EXPIRED = {
	"idempotency_forget_expired",
	"DELETE FROM todod.idempotency_keys "
	"WHERE user_id = $1 AND method = $2 AND path = $3 AND key = $4 AND NOT " LIVE,
	IDEMPOTENCY_LOOKUP_PARAMS,
};

static const struct db_statement RECORD = {
	"idempotency_record",
	"INSERT INTO todod.idempotency_keys "
	"(user_id, method, path, key, body_sha256, status, etag, location, answer) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	1 + IDEMPOTENCY_RECORD_PARAMS,
};

enum { COL_BODY_SHA256, COL_STATUS, COL_ETAG, COL_LOCATION, COL_ANSWER };

void idempotency_lookup_params(const struct idempotency_key *key,
			       struct db_param out[IDEMPOTENCY_LOOKUP_PARAMS])
{
	const struct db_param params[] = {
		DB_PARAM_TEXT(key->user_id),
		DB_PARAM_TEXT(key->method),
		DB_PARAM_TEXT(key->path),
		DB_PARAM_TEXT(key->key),
	};

	static_assert(ARRAY_SIZE(params) == IDEMPOTENCY_LOOKUP_PARAMS, "one per $");
	memcpy(out, params, sizeof(params));
}

bool idempotency_read(const struct db_result *r, const struct idempotency_key *key,
		      struct idempotency_answer *ret)
{
	struct str sha256 = { (const char *)key->body_sha256, SHA256_SIZE };

	if (db_rows(r) == 0)
		return false;
	*ret = (struct idempotency_answer){
		.status = (int)db_i64(r, 0, COL_STATUS),
		.etag = results_text(r, 0, COL_ETAG),
		.location = results_text(r, 0, COL_LOCATION),
		.body = db_text(r, 0, COL_ANSWER),
		.same_body = str_eq(db_text(r, 0, COL_BODY_SHA256), sha256),
	};
	return true;
}

void idempotency_record_params(const struct idempotency_key *key,
			       const struct idempotency_answer *answer,
			       struct db_param out[IDEMPOTENCY_RECORD_PARAMS])
{
	struct str sha256 = { (const char *)key->body_sha256, SHA256_SIZE };
	const struct db_param params[] = {
		DB_PARAM_TEXT(key->method),
		DB_PARAM_TEXT(key->path),
		DB_PARAM_TEXT(key->key),
		DB_PARAM_BYTES(sha256),
		DB_PARAM_I16(answer->status),
		db_param_text_or_null(answer->etag),
		db_param_text_or_null(answer->location),
		DB_PARAM_TEXT(answer->body),
	};

	static_assert(ARRAY_SIZE(params) == IDEMPOTENCY_RECORD_PARAMS, "one per column");
	memcpy(out, params, sizeof(params));
}

int idempotency_lookup_wait(struct db *db, struct arena *arena, const struct idempotency_key *key,
			    bool *ret_found, struct idempotency_answer *ret, struct err *reterr)
{
	struct db_param params[IDEMPOTENCY_LOOKUP_PARAMS];
	const struct db_query queries[] = { { &FORGET_EXPIRED, params },
					    { &IDEMPOTENCY_LOOKUP, params } };
	const struct db_segment segment = { .user_id = key->user_id,
					    .queries = queries,
					    .n_queries = 2 };
	struct db_result *results[2];
	int r;

	idempotency_lookup_params(key, params);
	r = db_run_wait(db, &segment, results, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, results, 2, reterr);
	if (r < 0)
		return r;
	*ret_found = idempotency_read(results[1], key, ret);
	return 0;
}

int idempotency_record_wait(struct db *db, const struct idempotency_key *key,
			    const struct idempotency_answer *answer, struct err *reterr)
{
	struct db_param params[1 + IDEMPOTENCY_RECORD_PARAMS] = { DB_PARAM_TEXT(key->user_id) };
	const struct db_query query = { &RECORD, params };
	const struct db_segment segment = { .user_id = key->user_id,
					    .queries = &query,
					    .n_queries = 1 };
	struct db_result *result;
	int r;

	idempotency_record_params(key, answer, params + 1);
	r = db_run_wait(db, &segment, &result, NULL, reterr);
	if (r == 0)
		db_result_free(result);
	return r;
}
