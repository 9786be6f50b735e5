/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row that is not there yet has version 0: the first write inserts it, and loses to another first
 * write like any other that is out of date.
 */
#include "preferences_private.h"
#include "change_private.h"
#include "idempotency_private.h"
#include "results_private.h"
#include "store/preferences.h"

#include <errno.h>

const struct db_statement PREFERENCES_GET = {
	"preferences_get",
	"SELECT time_zone, email, email_confirmed, channels, default_reminder_offset_minutes, locale, "
	"version, updated_at FROM todod.preferences WHERE user_id = $1",
	1,
};

#define WRITE                                                                            \
	"WITH w AS (INSERT INTO todod.preferences AS p (user_id, time_zone, email, "     \
	"email_confirmed, channels, default_reminder_offset_minutes, locale, version, "  \
	"updated_at) VALUES ($1, $15, $16, $17, $18, $19, $20, $21, $22) "               \
	"ON CONFLICT (user_id) DO UPDATE SET time_zone = $15, email = $16, "             \
	"email_confirmed = $17, channels = $18, default_reminder_offset_minutes = $19, " \
	"locale = $20, version = $21, updated_at = $22 WHERE p.version = $21 - 1 RETURNING 1)"

enum { N_WRITE = CHANGE_PARAMS + 8 };

static const struct db_statement WRITE_PLAIN = { "preferences_write", WRITE CHANGE_OUTBOX("w"),
						 N_WRITE };
static const struct db_statement WRITE_KEYED = { "preferences_write_keyed",
						 WRITE CHANGE_KEY("w") CHANGE_OUTBOX("w"),
						 N_WRITE };

void preferences_read(const struct db_result *r, struct preferences *ret)
{
	if (db_rows(r) == 0)
		return;
	*ret = (struct preferences){
		.time_zone = db_text(r, 0, 0),
		.email = results_text(r, 0, 1),
		.email_confirmed = db_bool(r, 0, 2),
		.channels = (unsigned)db_i64(r, 0, 3),
		.default_reminder_offset_minutes = db_is_null(r, 0, 4) ? -1 : db_i64(r, 0, 4),
		.locale = results_text(r, 0, 5),
		.version = db_i64(r, 0, 6),
		.updated_at_us = db_time(r, 0, 7),
	};
}

int preferences_store_read_wait(struct db *db, struct arena *arena, struct str user_id,
				const struct idempotency_key *key, struct preferences *ret,
				bool *ret_answered, struct idempotency_answer *ret_answer,
				struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(user_id) };
	struct db_param key_params[IDEMPOTENCY_LOOKUP_PARAMS];
	const struct db_query queries[] = { { &PREFERENCES_GET, params },
					    { &IDEMPOTENCY_LOOKUP, key_params } };
	const struct db_segment segment = { .user_id = user_id,
					    .queries = queries,
					    .n_queries = key ? 2 : 1 };
	struct db_result *results[2];

	if (key)
		idempotency_lookup_params(key, key_params);
	int r = db_run_wait(db, &segment, results, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, results, segment.n_queries, reterr);
	if (r < 0)
		return r;
	*ret = PREFERENCES_DEFAULT;
	preferences_read(results[0], ret);
	*ret_answered = key && idempotency_read(results[1], key, ret_answer);
	return 0;
}

int preferences_store_write_wait(struct db *db, struct arena *arena,
				 const struct store_change *change, const struct preferences *after,
				 struct err *reterr)
{
	struct change_params p;
	int64_t n = 0;

	change_params_init(&p, arena, change, reterr);
	change_add_text(&p, after->time_zone);
	change_add_text(&p, after->email);
	change_add(&p, (struct db_param)DB_PARAM_BOOL(after->email_confirmed));
	change_add(&p, (struct db_param)DB_PARAM_I16(after->channels));
	change_add_i32(&p, after->default_reminder_offset_minutes, -1);
	change_add_text(&p, after->locale);
	change_add(&p, (struct db_param)DB_PARAM_I64(after->version));
	change_add(&p, (struct db_param)DB_PARAM_TIME(after->updated_at_us));
	int r = change_run_wait(db, change, &p, change->key ? &WRITE_KEYED : &WRITE_PLAIN, NULL,
				&n);
	if (r < 0 || n > 0)
		return r;
	err_set(reterr, &ERR_CONFLICT, NULL, "the preferences were changed meanwhile");
	return -ESTALE;
}
