/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which heads changed is asked of the times rows were stored at, with a margin for clocks that
 * differ and transactions under way; what that brings twice is known from memory and left out.
 */
#include "audit_checkpoint_private.h"
#include "results_private.h"

#include "base/json_out.h"
#include "base/table.h"
#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { KNOWN_MAX = 100000, HEADS_JSON_MAX = 4 * 1024 * 1024 };
#define MARGIN_US (60 * TIME_US_PER_S)

struct audit_checkpointer {
	struct db *writer, *checker;
	audit_sign_fn *sign;
	void *arg;
	struct table *known; /* user -> the n that a checkpoint names, as a pointer */
};

static const struct db_statement LAST = {
	"audit_checkpoint_last",
	"SELECT " AUDIT_CHECKPOINT_COLUMNS
	" FROM todod.audit_checkpoints ORDER BY seq DESC LIMIT 1",
	0,
};

/* $1 from when on; $2 the user after whom. */
static const struct db_statement CHANGED = {
	"audit_heads",
	"SELECT u.user_id, l.n, l.h FROM (SELECT DISTINCT a.user_id FROM todod.audit a "
	"WHERE a.stored_at >= $1 AND a.user_id > $2 ORDER BY a.user_id LIMIT 2000) u "
	"CROSS JOIN LATERAL (SELECT x.n, x.h FROM todod.audit x WHERE x.user_id = u.user_id "
	"ORDER BY x.n DESC LIMIT 1) l ORDER BY u.user_id",
	2,
};

static const struct db_statement ADD = {
	"audit_checkpoint_add",
	"INSERT INTO todod.audit_checkpoints (" AUDIT_CHECKPOINT_COLUMNS ") "
	"VALUES ($1, $2, $3, $4, $5, $6)",
	6,
};

void audit_hex(struct str bytes, char *out)
{
	for (size_t i = 0; i < bytes.n; i++) {
		out[2 * i] = "0123456789abcdef"[(uint8_t)bytes.p[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[(uint8_t)bytes.p[i] & 15];
	}
	out[2 * bytes.n] = '\0';
}

int audit_checkpoint_hash(const struct audit_checkpoint *c, uint8_t ret[SHA256_SIZE])
{
	return hash_sha256(c->signature, ret);
}

struct str audit_checkpoint_claims(struct arena *arena, const struct audit_checkpoint *c)
{
	static const struct str NONE = { NULL, 0 };
	char prev[AUDIT_HEX_SIZE], heads[AUDIT_HEX_SIZE];
	uint8_t digest[SHA256_SIZE];
	struct buf *out = arena_buf(arena, 1024);
	struct json_out o;

	if (out == NULL || hash_sha256(c->heads, digest) < 0 || c->prev.n != SHA256_SIZE)
		return NONE;
	audit_hex(c->prev, prev);
	audit_hex((struct str){ (const char *)digest, sizeof(digest) }, heads);
	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_i64(&o, STR("seq"), c->seq);
	json_key_i64(&o, STR("at_us"), c->at_us);
	json_key_i64(&o, STR("covers_us"), c->covers_us);
	json_key_str(&o, STR("prev"), str_from(prev));
	json_key_str(&o, STR("heads_sha256"), str_from(heads));
	json_end_object(&o);
	return buf_status(out) < 0 ? NONE : buf_str(out);
}

/* Null-safe: a verification reads what somebody tampered with. */
void audit_checkpoint_read(const struct db_result *r, int row, struct audit_checkpoint *ret)
{
	*ret = (struct audit_checkpoint){
		.seq = db_i64(r, row, 0),
		.at_us = db_is_null(r, row, 1) ? 0 : db_time(r, row, 1),
		.covers_us = db_is_null(r, row, 2) ? 0 : db_time(r, row, 2),
		.heads = results_text(r, row, 3),
		.prev = results_text(r, row, 4),
		.signature = results_text(r, row, 5),
	};
}

struct audit_checkpointer *audit_checkpointer_new(struct db *writer, struct db *checker,
						  audit_sign_fn *sign, void *arg)
{
	struct audit_checkpointer *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	*c = (struct audit_checkpointer){
		.writer = writer,
		.checker = checker,
		.sign = sign,
		.arg = arg,
		.known = table_new(KNOWN_MAX, NULL),
	};
	if (c->known == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

void audit_checkpointer_free(struct audit_checkpointer *c)
{
	if (c == NULL)
		return;
	table_free(c->known);
	free(c);
}

static FIBER int query_one(struct db *db, struct arena *arena, const struct db_statement *statement,
			   const struct db_param *params, struct db_result **ret,
			   struct err *reterr)
{
	const struct db_query query = { statement, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1, .slow = true };
	int r = db_run_wait(db, &segment, ret, NULL, reterr);

	return r < 0 ? r : results_keep(arena, ret, 1, reterr);
}

static void *as_pointer(int64_t n)
{
	return (void *)(intptr_t)n;
}

static bool is_known(struct audit_checkpointer *c, struct str user_id, int64_t n)
{
	return table_get(c->known, user_id) == as_pointer(n);
}

/* The heads that no checkpoint names yet, as JSON; counted. */
static struct str write_heads(struct audit_checkpointer *c, struct arena *arena,
			      const struct db_result *r, size_t *ret_n)
{
	struct buf *out = arena_buf(arena, HEADS_JSON_MAX);
	char hex[AUDIT_HEX_SIZE];
	struct json_out o;

	if (out == NULL)
		return (struct str){ NULL, 0 };
	json_out_init(&o, out);
	json_begin_array(&o);
	for (int row = 0; row < db_rows(r); row++) {
		if (is_known(c, db_text(r, row, 0), db_i64(r, row, 1)))
			continue;
		audit_hex(db_text(r, row, 2), hex);
		json_begin_object(&o);
		json_key_str(&o, STR("user"), db_text(r, row, 0));
		json_key_i64(&o, STR("n"), db_i64(r, row, 1));
		json_key_str(&o, STR("h"), str_from(hex));
		json_end_object(&o);
		(*ret_n)++;
	}
	json_end_array(&o);
	return buf_status(out) < 0 ? (struct str){ NULL, 0 } : buf_str(out);
}

/* Forgetting one only means naming it again. */
static void know(struct audit_checkpointer *c, const struct db_result *r)
{
	for (int row = 0; row < db_rows(r); row++)
		(void)!table_put(c->known, db_text(r, row, 0), as_pointer(db_i64(r, row, 1)));
}

static FIBER int add(struct audit_checkpointer *c, const struct audit_checkpoint *made,
		     struct err *reterr)
{
	const struct db_param params[] = {
		DB_PARAM_I64(made->seq),	DB_PARAM_TIME(made->at_us),
		DB_PARAM_TIME(made->covers_us), DB_PARAM_TEXT(made->heads),
		DB_PARAM_BYTES(made->prev),	DB_PARAM_TEXT(made->signature),
	};
	const struct db_query query = { &ADD, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(c->writer, &segment, &result, NULL, reterr);

	if (r == 0)
		db_result_free(result);
	return r;
}

/* The one after last, which may be none (seq 0). */
static int compose(struct audit_checkpointer *c, struct arena *arena,
		   const struct audit_checkpoint *last, int64_t covers_us,
		   struct audit_checkpoint *made, struct err *reterr)
{
	uint8_t *prev = arena_calloc(arena, 1, SHA256_SIZE);

	if (prev == NULL || (last->seq > 0 && audit_checkpoint_hash(last, prev) < 0))
		return results_out_of_memory(reterr);
	made->seq = last->seq + 1;
	made->at_us = time_now_us();
	made->covers_us = covers_us;
	made->prev = (struct str){ (const char *)prev, SHA256_SIZE };
	struct str claims = audit_checkpoint_claims(arena, made);
	if (claims.p != NULL)
		made->signature = c->sign(arena, claims, c->arg);
	return made->signature.p != NULL ? 0 : results_out_of_memory(reterr);
}

/*
 * Reads the next users whose chain may have grown, from behind *after on. covers of a checkpoint
 * that is one of several stays that of the last: nothing is lost if the others are never made.
 */
static FIBER int read_changed(struct audit_checkpointer *c, struct arena *arena, int64_t since_us,
			      struct str after, struct db_result **ret, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TIME(since_us), DB_PARAM_TEXT(after) };

	return query_one(c->checker, arena, &CHANGED, params, ret, reterr);
}

static FIBER int checkpoint_page(struct audit_checkpointer *c, struct arena *arena,
				 const struct audit_checkpoint *last, int64_t started_us,
				 struct str *after, struct audit_checkpoint *made,
				 struct err *reterr)
{
	struct db_result *heads;
	int64_t since_us = last->seq > 0 ? last->covers_us - MARGIN_US : 0;
	int r = read_changed(c, arena, since_us, *after, &heads, reterr);

	if (r < 0)
		return r;
	int n = db_rows(heads);
	bool is_last = n < AUDIT_HEADS_MAX;
	*made = (struct audit_checkpoint){ .seq = 0 };
	made->heads = write_heads(c, arena, heads, &made->n_heads);
	if (made->heads.p == NULL)
		return results_out_of_memory(reterr);
	if (n > 0)
		*after = db_text(heads, n - 1, 0);
	if (made->n_heads == 0)
		return is_last ? 0 : 1;
	r = compose(c, arena, last, is_last ? started_us : last->covers_us, made, reterr);
	if (r == 0)
		r = add(c, made, reterr);
	if (r < 0)
		return r;
	know(c, heads);
	/* What changed since the start is the next tick's. */
	return is_last ? 0 : 1;
}

int audit_checkpoint_wait(struct audit_checkpointer *c, struct arena *arena,
			  struct audit_checkpoint *ret, struct err *reterr)
{
	struct audit_checkpoint last = { .seq = 0 };
	struct str after = STR("");
	int64_t started_us = time_now_us();
	struct db_result *result;
	int r = query_one(c->writer, arena, &LAST, NULL, &result, reterr);

	if (r < 0)
		return r;
	if (db_rows(result) > 0)
		audit_checkpoint_read(result, 0, &last);
	/* Pages of users that are all named already are passed over. */
	ret->n_heads = 0;
	for (r = 1; r == 1 && ret->n_heads == 0;)
		r = checkpoint_page(c, arena, &last, started_us, &after, ret, reterr);
	return r;
}
