/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adding to a chain. Where a user's chain ends and the key it is under are remembered, so that the
 * usual event costs one statement (audit_insert.c). That statement holds only while the row before
 * is the one that was hashed and the key is there; anything else (another writer, an erasure, a
 * database from a backup) makes no row, and the next try reads first. Two rows for one place end at
 * the primary key.
 */
#include "audit_private.h"
#include "results_private.h"

#include "base/macro.h"
#include "base/table.h"
#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { HEADS_MAX = 10000, TRIES_MAX = 16 };

/* The end of a user's chain, and the key for what comes next. */
struct audit_head {
	int64_t n; /* 0: no row yet */
	uint8_t h[SHA256_SIZE];
	int64_t key_version;
	struct aead_key key;
	bool has_key; /* in the database; else it is to be made with the next row */
};

static const struct db_statement HEAD = {
	"audit_head",
	"SELECT n, h, (SELECT max(key_version) FROM todod.audit k WHERE k.user_id = $1 "
	"AND NOT EXISTS (SELECT FROM todod.audit_keys w WHERE w.user_id = $1)) "
	"FROM todod.audit WHERE user_id = $1 ORDER BY n DESC LIMIT 1",
	1,
};

static const struct db_statement KNOWN = {
	"audit_known",
	"SELECT identity FROM todod.audit WHERE user_id = $1 AND event_id = $2",
	2,
};

static void free_head(void *arg)
{
	explicit_bzero(arg, sizeof(struct audit_head));
	free(arg);
}

struct audit *audit_new(struct db *db, const struct aead_key *kek)
{
	struct audit *a = calloc(1, sizeof(*a));

	if (a == NULL || aead_init() < 0) {
		free(a);
		return NULL;
	}
	a->heads = table_new(HEADS_MAX, free_head);
	if (a->heads == NULL) {
		free(a);
		return NULL;
	}
	a->db = db;
	a->kek = *kek;
	return a;
}

void audit_free(struct audit *a)
{
	if (a == NULL)
		return;
	table_free(a->heads);
	aead_key_wipe(&a->kek);
	free(a);
}

void audit_forget(struct audit *a, struct str user_id)
{
	table_remove(a->heads, user_id);
}

/* Not remembering costs a query and nothing else. */
static void remember(struct audit *a, struct str user_id, const struct audit_head *head)
{
	const struct audit_head *known = table_get(a->heads, user_id);
	struct audit_head *copy;

	if (known != NULL && known->n > head->n)
		return;
	copy = malloc(sizeof(*copy));
	if (copy == NULL)
		return;
	*copy = *head;
	if (table_put(a->heads, user_id, copy) < 0)
		free_head(copy);
}

/* ---- reading where a chain ends ---- */

static int refuse(const struct audit_event *e, struct err *reterr)
{
	return err_set(reterr, &ERR_CONFLICT, "event.id",
		       "%.*s is known, of another event: other content, or another user",
		       (int)(e->event_id.n > 64 ? 64 : e->event_id.n), e->event_id.p);
}

/* 1: the event is there, the same; 0: it is not there; -EEXIST: another one has its id. */
static int judge_known(const struct db_result *r, const struct audit_event *e, struct err *reterr)
{
	const struct str identity = { (const char *)e->identity, sizeof(e->identity) };

	if (db_rows(r) == 0)
		return 0;
	if (str_eq(db_text(r, 0, 0), identity))
		return 1;
	refuse(e, reterr);
	return -EEXIST;
}

static int make_key(struct audit_head *head, int64_t version, struct err *reterr)
{
	head->key_version = version;
	head->has_key = false;
	if (aead_key_new(&head->key) == 0)
		return 0;
	return err_unavailable(reterr, 1, "the kernel gives no random bytes");
}

/* Keys that were destroyed are not made again: the next one has the next number. */
static int read_key(struct audit *a, struct arena *arena, struct str user_id,
		    const struct db_result *head_row, const struct db_result *keys,
		    struct audit_head *head, struct err *reterr)
{
	bool had_keys = db_rows(head_row) > 0 && !db_is_null(head_row, 0, 2);

	if (db_rows(keys) == 0)
		return make_key(head, had_keys ? db_i64(head_row, 0, 2) + 1 : 1, reterr);
	head->key_version = db_i64(keys, 0, 0);
	head->has_key = true;
	int r = audit_key_unwrap(arena, &a->kek, user_id, head->key_version, db_text(keys, 0, 1),
				 &head->key);
	if (r == -ENOMEM)
		return results_out_of_memory(reterr);
	if (r < 0)
		err_set(reterr, &ERR_INTERNAL, NULL,
			"the key of a user cannot be unwrapped: another key-encryption key than "
			"audit/kek made it, or it was changed");
	return r < 0 ? -EIO : 0;
}

/* 0, and *ret is the end of the chain; 1: the event is there already; < 0. */
static FIBER int load(struct audit *a, struct arena *arena, const struct audit_event *e,
		      struct audit_head *ret, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(e->user_id), DB_PARAM_TEXT(e->event_id) };
	const struct db_query queries[] = { { &HEAD, params },
					    { &KNOWN, params },
					    { &AUDIT_KEYS, params } };
	const struct db_segment segment = { .user_id = e->user_id,
					    .queries = queries,
					    .n_queries = ARRAY_SIZE(queries) };
	struct db_result *results[ARRAY_SIZE(queries)];
	struct audit_head head = { .n = 0 };
	int r = db_run_wait(a->db, &segment, results, NULL, reterr);

	if (r == 0)
		r = results_keep(arena, results, segment.n_queries, reterr);
	if (r == 0)
		r = judge_known(results[1], e, reterr);
	if (r != 0)
		return r;
	if (db_rows(results[0]) > 0) {
		head.n = db_i64(results[0], 0, 0);
		memcpy(head.h, db_text(results[0], 0, 1).p, sizeof(head.h));
	}
	r = read_key(a, arena, e->user_id, results[0], results[2], &head, reterr);
	if (r == 0)
		*ret = head;
	return r;
}

/* ---- adding ---- */

/* The row after head, sealed and hashed; *ret_h is its h, *ret_wrapped its new key or null. */
static int make_row(struct audit *a, struct arena *arena, const struct audit_event *e,
		    const struct audit_head *head, struct audit_row *ret, uint8_t *ret_h,
		    struct str *ret_wrapped)
{
	bool is_erasure = str_eq(e->topic, STR(AUDIT_OWN_TOPIC));
	struct audit_row row = {
		.user_id = e->user_id,
		.n = head->n + 1,
		.event_id = e->event_id,
		.topic = e->topic,
		.type = e->type,
		.task_id = e->task_id,
		.sequence = e->sequence,
		.at_us = e->at_us,
		.identity = { (const char *)e->identity, sizeof(e->identity) },
		.key_version = is_erasure ? AUDIT_KEK_VERSION : head->key_version,
		.stored_at_us = time_now_us(),
	};
	int r = audit_payload_seal(arena, is_erasure ? &a->kek : &head->key, &row, e->data,
				   &row.payload);

	*ret_wrapped = (struct str){ NULL, 0 };
	if (r == 0 && !is_erasure && !head->has_key)
		r = audit_key_wrap(arena, &a->kek, e->user_id, head->key_version, &head->key,
				   ret_wrapped);
	if (r == 0)
		r = audit_row_hash(head->h, &row, ret_h);
	row.h = (struct str){ (const char *)ret_h, SHA256_SIZE };
	*ret = row;
	return r;
}

/* One try after head. 1: added; 0: another was faster, or the event's id is known; < 0. */
static FIBER int add_after(struct audit *a, struct arena *arena, const struct audit_event *e,
			   struct audit_head *head, struct audit_appended *ret, struct err *reterr)
{
	struct audit_insertion in = { .prev = head->h };
	uint8_t h[SHA256_SIZE];

	if (make_row(a, arena, e, head, &in.row, h, &in.wrapped) < 0)
		return results_out_of_memory(reterr);
	int r = audit_insert_wait(a, arena, &in, reterr);
	if (r == -EEXIST || (r == 0 && !in.is_added)) {
		audit_forget(a, e->user_id);
		return str_eq(str_from(in.constraint), STR("audit_event_id")) ? -EEXIST : 0;
	}
	if (r < 0) { /* whether it is there is not known */
		audit_forget(a, e->user_id);
		return r;
	}
	ret->sequence = in.sequence;
	head->n = ret->n = in.row.n;
	memcpy(head->h, h, sizeof(h));
	head->has_key |= in.wrapped.p != NULL;
	remember(a, e->user_id, head);
	return 1;
}

/* 1: done; 0: try again; < 0. */
static FIBER int try(struct audit *a, struct arena *arena, const struct audit_event *e,
		     struct audit_appended *ret, struct err *reterr)
{
	const struct audit_head *known = table_get(a->heads, e->user_id);
	struct audit_head head = { .n = 0 };
	bool is_read = known == NULL;
	int r = 0;

	if (known != NULL)
		head = *known;
	else
		r = load(a, arena, e, &head, reterr);
	if (r == 0) {
		r = add_after(a, arena, e, &head, ret, reterr);
		/* The id is taken: the next try reads whose it is. After reading it was not this
		   user's, unless somebody added it in between. */
		if (r == -EEXIST && !is_read)
			r = 0;
	} else if (r == 1) {
		ret->is_known = true;
	}
	explicit_bzero(&head, sizeof(head));
	return r;
}

/* A taken id that this user did not have when it was looked for: his by now, or another's. */
static FIBER int judge_taken(struct audit *a, struct arena *arena, const struct audit_event *e,
			     struct audit_appended *ret, struct err *reterr)
{
	struct audit_head head = { .n = 0 };
	int r = load(a, arena, e, &head, reterr);

	explicit_bzero(&head, sizeof(head));
	if (r == 1)
		ret->is_known = true;
	if (r == 0) {
		refuse(e, reterr);
		r = -EEXIST;
	}
	return r;
}

int audit_append_wait(struct audit *a, struct arena *arena, const struct audit_event *e,
		      struct audit_appended *ret, struct err *reterr)
{
	struct audit_appended appended = { .sequence = AUDIT_NONE };
	int r = 0;

	if (e->event_id.n == 0 || e->event_id.n > AUDIT_TEXT_MAX || e->type.n > AUDIT_TEXT_MAX ||
	    e->data.n > AUDIT_DATA_MAX) {
		err_set(reterr, &ERR_INVALID, "event", "an attribute or the data is too long");
		return -EDOM;
	}
	for (int i = 0; r == 0 && i < TRIES_MAX; i++)
		r = try(a, arena, e, &appended, reterr);
	if (r == -EEXIST)
		r = judge_taken(a, arena, e, &appended, reterr);
	if (r == 1) {
		*ret = appended;
		return 0;
	}
	if (r < 0)
		return r;
	err_unavailable(reterr, 1, "other events of this user were always faster");
	return -ESTALE;
}
