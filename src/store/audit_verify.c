/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking chains. After a fault the walk goes on from what is stored, so that one change is one
 * finding and not one for each row that follows.
 */
#include "audit_verify_private.h"
#include "audit_private.h"
#include "results_private.h"

#include <errno.h>

enum { PAGE_ARENA_BYTES = 256 * 1024 * 1024 };

static const char *const NAMES[_AUDIT_FAULT_MAX] = {
	[AUDIT_FAULT_MISSING] = "missing",
	[AUDIT_FAULT_CHANGED] = "changed",
	[AUDIT_FAULT_INSERTED] = "inserted",
	[AUDIT_FAULT_PAYLOAD] = "payload",
	[AUDIT_FAULT_KEY] = "key",
	[AUDIT_FAULT_TRUNCATED] = "truncated",
	[AUDIT_FAULT_REWRITTEN] = "rewritten",
	[AUDIT_FAULT_CHECKPOINT] = "checkpoint",
};

static const struct db_statement USERS = {
	"audit_verify_users",
	"SELECT DISTINCT user_id FROM todod.audit WHERE user_id > $1 ORDER BY user_id LIMIT 500",
	1,
};

/* A chain begins with 1; what somebody put before it is read too. */
static const struct db_statement ROWS = {
	"audit_verify_rows",
	"SELECT " AUDIT_COLUMNS
	" FROM todod.audit WHERE user_id = $1 AND n > $2 ORDER BY n LIMIT 100",
	2,
};

enum { ROWS_PAGE = 100, USERS_PAGE = 500 };

/* Where a walk is. */
struct walk {
	struct audit_verification *v;
	struct str user_id;
	const struct db_result *keys;
	int64_t n;		   /* of the row before */
	uint8_t prev[SHA256_SIZE]; /* its h as stored */
	bool is_prev_known;
	int64_t last_sealed_n; /* the last row whose key is gone */
	int64_t last_erasure_n;
	int64_t opened_version; /* key is that of this version; 0: none yet */
	struct aead_key key;
	bool is_key_good;
};

const char *audit_fault_name(enum audit_fault f)
{
	return NAMES[f];
}

void audit_found(struct audit_verification *v, struct str user_id, int64_t n, enum audit_fault f)
{
	const struct audit_finding finding = { user_id, n, f };

	v->n_findings++;
	v->found(&finding, v->found_arg);
}

int audit_query_wait(struct db *db, struct arena *arena, struct str user_id,
		     const struct db_statement *statement, const struct db_param *params,
		     struct db_result **ret, struct err *reterr)
{
	const struct db_query query = { statement, params };
	const struct db_segment segment = {
		.user_id = user_id, .queries = &query, .n_queries = 1, .slow = true
	};
	int r = db_run_wait(db, &segment, ret, NULL, reterr);

	return r < 0 ? r : results_keep(arena, ret, 1, reterr);
}

static void found(struct walk *w, int64_t n, enum audit_fault f)
{
	audit_found(w->v, w->user_id, n, f);
}

/* The row of this version among the user's keys; -1: it is gone. */
static int key_row(const struct walk *w, int64_t version)
{
	for (int i = 0; i < db_rows(w->keys); i++) {
		if (db_i64(w->keys, i, 0) == version)
			return i;
	}
	return -1;
}

/* The key that a row is sealed with; NULL: it is not what was wrapped. -ENOMEM. */
static int find_key(struct walk *w, struct arena *arena, const struct audit_row *row, int at,
		    const struct aead_key **ret)
{
	*ret = NULL;
	if (row->key_version == AUDIT_KEK_VERSION) {
		*ret = w->v->kek;
		return 0;
	}
	if (w->opened_version != row->key_version) {
		int r = audit_key_unwrap(arena, w->v->kek, w->user_id, row->key_version,
					 results_text(w->keys, at, 1), &w->key);
		if (r == -ENOMEM)
			return r;
		w->opened_version = row->key_version;
		w->is_key_good = r == 0;
	}
	if (w->is_key_good)
		*ret = &w->key;
	return 0;
}

/* 0; -ENOMEM. */
static int check_payload(struct walk *w, struct arena *arena, const struct audit_row *row)
{
	bool is_own = row->key_version == AUDIT_KEK_VERSION;
	int at = is_own ? 0 : key_row(w, row->key_version);
	const struct aead_key *key;
	struct str data;

	if (at < 0) {
		w->last_sealed_n = row->n;
		return 0;
	}
	if (w->v->kek == NULL)
		return 0;
	int r = find_key(w, arena, row, at, &key);
	if (r < 0)
		return r;
	if (key == NULL) {
		found(w, row->n, AUDIT_FAULT_KEY);
		return 0;
	}
	r = audit_payload_open(arena, key, row, &data);
	if (r == -EBADMSG)
		found(w, row->n, AUDIT_FAULT_PAYLOAD);
	return r == -EBADMSG ? 0 : r;
}

static bool is_erasure(const struct audit_row *row)
{
	return str_eq(row->topic, STR(AUDIT_OWN_TOPIC)) && str_eq(row->type, STR(AUDIT_ERASED)) &&
	       row->key_version == AUDIT_KEK_VERSION;
}

/* Whether the row is what its hash says: true also where that cannot be known. 0 or -ENOMEM. */
static int check_hash(const struct walk *w, const struct audit_row *row, bool *ret)
{
	uint8_t h[SHA256_SIZE];
	int r = w->is_prev_known ? audit_row_hash(w->prev, row, h) : 0;

	*ret = !w->is_prev_known || str_eq(row->h, (struct str){ (const char *)h, sizeof(h) });
	return r;
}

static int check_row(struct walk *w, struct arena *arena, const struct audit_row *row)
{
	bool is_whole;

	w->v->n_rows++;
	if (row->n < 1) {
		found(w, row->n, AUDIT_FAULT_INSERTED);
		return 0;
	}
	if (row->n > w->n + 1) {
		found(w, w->n + 1, AUDIT_FAULT_MISSING); /* once for a whole gap */
		w->is_prev_known = false;
	}
	int r = check_hash(w, row, &is_whole);
	if (r == 0 && !is_whole)
		found(w, row->n, AUDIT_FAULT_CHANGED);
	else if (r == 0)
		r = check_payload(w, arena, row);
	if (is_erasure(row))
		w->last_erasure_n = row->n;
	w->n = row->n;
	w->is_prev_known = row->h.n == SHA256_SIZE;
	if (w->is_prev_known)
		memcpy(w->prev, row->h.p, SHA256_SIZE);
	return r;
}

static FIBER int walk_page(struct walk *w, struct arena *arena, int64_t *n_read, bool *ret_is_last,
			   struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(w->user_id), DB_PARAM_I64(*n_read) };
	struct db_result *rows;
	int r = audit_query_wait(w->v->rows, arena, w->user_id, &ROWS, params, &rows, reterr);

	for (int i = 0; r == 0 && i < db_rows(rows); i++) {
		struct audit_row row;

		audit_row_read(rows, i, w->user_id, &row);
		*n_read = row.n;
		r = check_row(w, arena, &row);
		if (r < 0)
			results_out_of_memory(reterr);
	}
	if (r == 0)
		*ret_is_last = db_rows(rows) < ROWS_PAGE;
	return r;
}

static FIBER int walk_chain(struct audit_verification *v, struct arena *arena,
			    struct arena *page_arena, struct str user_id, struct err *reterr)
{
	const struct db_param user = DB_PARAM_TEXT(user_id);
	struct walk w = { .v = v, .user_id = user_id, .is_prev_known = true };
	int64_t n_read = INT64_MIN;
	struct db_result *keys;
	bool is_last = false;
	int r = audit_query_wait(v->rows, arena, user_id, &AUDIT_KEYS, &user, &keys, reterr);

	w.keys = r == 0 ? keys : NULL;
	while (r == 0 && !is_last) {
		r = walk_page(&w, page_arena, &n_read, &is_last, reterr);
		arena_reset(page_arena);
	}
	if (r == 0 && w.last_sealed_n > w.last_erasure_n)
		found(&w, w.last_sealed_n, AUDIT_FAULT_KEY);
	aead_key_wipe(&w.key);
	v->n_users++;
	return r;
}

/* Everybody, some at a time. */
static FIBER int walk_all(struct audit_verification *v, struct arena *arena, struct arena *page,
			  struct err *reterr)
{
	char after[1024] = "";
	int r = 0;

	for (int n = USERS_PAGE; r == 0 && n == USERS_PAGE;) {
		const struct db_param param = DB_PARAM_TEXT(str_from(after));
		struct db_result *users;

		r = audit_query_wait(v->heads, arena, (struct str){ NULL, 0 }, &USERS, &param,
				     &users, reterr);
		n = r == 0 ? db_rows(users) : 0;
		for (int i = 0; r == 0 && i < n; i++)
			r = walk_chain(v, arena, page, db_text(users, i, 0), reterr);
		if (n > 0 && str_copy(after, sizeof(after), db_text(users, n - 1, 0)) < 0)
			return err_set(reterr, &ERR_INTERNAL, NULL, "a user id is too long");
		arena_reset(arena);
	}
	return r;
}

int audit_verify_wait(struct audit_verification *v, struct str user_id, struct err *reterr)
{
	struct arena *arena = arena_new(PAGE_ARENA_BYTES), *page = arena_new(PAGE_ARENA_BYTES);
	int r = 0;

	if (arena == NULL || page == NULL)
		r = results_out_of_memory(reterr);
	else
		r = user_id.p != NULL ? walk_chain(v, arena, page, user_id, reterr)
				      : walk_all(v, arena, page, reterr);
	arena_free(page);
	arena_free(arena);
	return r < 0 ? r : audit_verify_checkpoints_wait(v, user_id, reterr);
}
