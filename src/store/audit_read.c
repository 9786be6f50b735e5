/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a chain's payloads, and destroying the keys that open them.
 */
#include "audit_private.h"
#include "results_private.h"

#include "base/time.h"
#include "base/uuid.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

static const struct db_statement AFTER = {
	"audit_after",
	"SELECT n FROM todod.audit WHERE user_id = $1 AND event_id = $2",
	2,
};

/* Whose event $3 is not there, gets nothing. */
static const struct db_statement LIST = {
	"audit_list",
	"SELECT " AUDIT_COLUMNS
	" FROM todod.audit WHERE user_id = $1 AND ($2 IS NULL OR task_id = $2) "
	"AND ($3 IS NULL OR n > (SELECT a.n FROM todod.audit a WHERE a.user_id = $1 "
	"AND a.event_id = $3)) ORDER BY n LIMIT $4",
	4,
};

static const struct db_statement ERASE = {
	"audit_erase",
	"DELETE FROM todod.audit_keys WHERE user_id = $1",
	1,
};

/* Whether something is still to be said of a user whose keys are gone. */
static const struct db_statement IS_ERASED = {
	"audit_is_erased",
	"SELECT coalesce((SELECT max(n) FROM todod.audit WHERE user_id = $1 AND topic <> $2), 0) "
	"<= coalesce((SELECT max(n) FROM todod.audit WHERE user_id = $1 AND topic = $2), 0)",
	2,
};

/* 0, *ret is the data, .p NULL without its key; -EBADMSG; -ENOMEM. */
static int open_payload(const struct audit *a, struct arena *arena, const struct db_result *keys,
			const struct audit_row *row, struct str *ret)
{
	struct aead_key key;
	int r = 0;

	if (row->key_version == AUDIT_KEK_VERSION)
		return audit_payload_open(arena, &a->kek, row, ret);
	*ret = (struct str){ NULL, 0 };
	for (int i = 0; i < db_rows(keys); i++) {
		if (db_i64(keys, i, 0) != row->key_version)
			continue;
		r = audit_key_unwrap(arena, &a->kek, row->user_id, row->key_version,
				     db_text(keys, i, 1), &key);
		if (r == 0)
			r = audit_payload_open(arena, &key, row, ret);
		aead_key_wipe(&key);
		break;
	}
	return r;
}

static int read_entries(const struct audit *a, struct arena *arena, struct str user_id,
			const struct db_result *rows, const struct db_result *keys,
			struct audit_entry *entries, size_t n, struct err *reterr)
{
	for (size_t i = 0; i < n; i++) {
		struct audit_row row;

		audit_row_read(rows, (int)i, user_id, &row);
		entries[i] = (struct audit_entry){
			.n = row.n,
			.event_id = row.event_id,
			.topic = row.topic,
			.type = row.type,
			.task_id = row.task_id,
			.sequence = row.sequence,
			.at_us = row.at_us,
			.identity = row.identity,
			.payload = row.payload,
			.h = row.h,
			.key_version = row.key_version,
			.stored_at_us = row.stored_at_us,
		};
		int r = open_payload(a, arena, keys, &row, &entries[i].data);
		if (r == -ENOMEM)
			return results_out_of_memory(reterr);
		if (r < 0) {
			err_set(reterr, &ERR_INTERNAL, NULL,
				"audit row %lld is not what was stored; run todod audit verify",
				(long long)row.n);
			return -EBADMSG;
		}
	}
	return 0;
}

int audit_read_wait(struct audit *a, struct arena *arena, const struct audit_query *q,
		    struct audit_page *ret, struct err *reterr)
{
	const struct db_param after = DB_PARAM_TEXT(q->after), none = DB_PARAM_NULL(DB_TEXT),
			      task = DB_PARAM_I64(q->task_id), all = DB_PARAM_NULL(DB_I64),
			      user = DB_PARAM_TEXT(q->user_id);
	const struct db_param list[] = { user, q->task_id == AUDIT_NONE ? all : task,
					 q->after.p != NULL ? after : none,
					 DB_PARAM_I64((int64_t)q->limit + 1) };
	const struct db_param place[] = { user, q->after.p != NULL ? after : none };
	const struct db_query queries[] = { { &LIST, list },
					    { &AUDIT_KEYS, &user },
					    { &AFTER, place } };
	const struct db_segment segment = { .user_id = q->user_id,
					    .queries = queries,
					    .n_queries = ARRAY_SIZE(queries) };
	struct db_result *results[ARRAY_SIZE(queries)];

	assert(q->limit >= 1 && q->limit <= AUDIT_PAGE_MAX);
	int r = db_run_wait(a->db, &segment, results, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, results, segment.n_queries, reterr);
	if (r < 0)
		return r;
	if (q->after.p != NULL && db_rows(results[2]) == 0) {
		err_set(reterr, &ERR_INVALID, "query.after", "must be the id of an event of yours");
		return -ENOENT;
	}
	size_t rows = (size_t)db_rows(results[0]), n = rows > q->limit ? q->limit : rows;
	struct audit_entry *entries = arena_alloc(arena, n * sizeof(*entries));
	if (entries == NULL)
		return results_out_of_memory(reterr);
	r = read_entries(a, arena, q->user_id, results[0], results[1], entries, n, reterr);
	if (r == 0)
		*ret = (struct audit_page){ entries, n, rows > n };
	return r;
}

static void write_task_id(struct json_out *o, int64_t task_id)
{
	char text[24];

	json_key(o, STR("task_id"));
	if (task_id == AUDIT_NONE) {
		json_null(o);
		return;
	}
	snprintf(text, sizeof(text), "%lld", (long long)task_id);
	json_str(o, str_from(text));
}

void audit_entry_write(struct json_out *o, struct str user_id, const struct audit_entry *e)
{
	if (e->data.p != NULL) {
		json_raw(o, e->data);
		return;
	}
	json_begin_object(o);
	json_key_str(o, STR("event_id"), e->event_id);
	json_key_str(o, STR("event_type"), e->type);
	json_key_str(o, STR("user_id"), user_id);
	write_task_id(o, e->task_id);
	json_key_time(o, STR("timestamp"), e->at_us);
	json_key(o, STR("sequence"));
	if (e->sequence == AUDIT_NONE)
		json_null(o);
	else
		json_i64(o, e->sequence);
	json_key_bool(o, STR("erased"), true);
	json_key_null(o, STR("payload"));
	json_end_object(o);
}

/* ---- erasure ---- */

static FIBER int destroy_keys(struct db *db, struct str user_id, int64_t *ret, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(user_id) };
	const struct db_query query = { &ERASE, params };
	const struct db_segment segment = { .user_id = user_id, .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(db, &segment, &result, NULL, reterr);

	if (r < 0)
		return r;
	*ret = db_affected(result);
	db_result_free(result);
	return 0;
}

static FIBER int is_erased(struct db *db, struct str user_id, bool *ret, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(user_id),
					   DB_PARAM_TEXT(STR(AUDIT_OWN_TOPIC)) };
	const struct db_query query = { &IS_ERASED, params };
	const struct db_segment segment = { .user_id = user_id, .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(db, &segment, &result, NULL, reterr);

	if (r < 0)
		return r;
	*ret = db_bool(result, 0, 0);
	db_result_free(result);
	return 0;
}

static struct str erasure_data(struct arena *arena, struct str user_id, const char *id,
			       int64_t at_us)
{
	struct buf *out = arena_buf(arena, 4096);
	struct json_out o;

	if (out == NULL)
		return (struct str){ NULL, 0 };
	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("event_id"), str_from(id));
	json_key_str(&o, STR("event_type"), STR(AUDIT_ERASED));
	json_key_str(&o, STR("user_id"), user_id);
	json_key_null(&o, STR("task_id"));
	json_key_time(&o, STR("timestamp"), at_us);
	json_end_object(&o);
	return buf_status(out) < 0 ? (struct str){ NULL, 0 } : buf_str(out);
}

static FIBER int say_erased(struct audit *a, struct arena *arena, struct str user_id,
			    struct err *reterr)
{
	const struct uuid id = uuid_v7();
	char text[UUID_TEXT_SIZE];
	struct audit_event e = {
		.user_id = user_id,
		.topic = STR(AUDIT_OWN_TOPIC),
		.type = STR(AUDIT_ERASED),
		.task_id = AUDIT_NONE,
		.sequence = AUDIT_NONE,
		.at_us = time_now_us(),
	};
	struct audit_appended appended;

	uuid_format(&id, text);
	e.event_id = str_from(text);
	e.data = erasure_data(arena, user_id, text, e.at_us);
	if (e.data.p == NULL || hash_sha256(e.data, e.identity) < 0)
		return results_out_of_memory(reterr);
	return audit_append_wait(a, arena, &e, &appended, reterr);
}

/* The keys first: dying in between leaves a chain that does not say it yet, and a second call does.
 */
int audit_erase_wait(struct audit *a, struct db *keys, struct arena *arena, struct str user_id,
		     int64_t *ret_keys, struct err *reterr)
{
	int64_t n = 0;
	bool is_said = false;
	int r = destroy_keys(keys, user_id, &n, reterr);

	audit_forget(a, user_id);
	if (r == 0)
		r = is_erased(a->db, user_id, &is_said, reterr);
	if (r == 0 && !is_said)
		r = say_erased(a, arena, user_id, reterr);
	if (r == 0)
		*ret_keys = n;
	return r;
}
