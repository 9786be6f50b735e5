/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints: each follows the one before, is what was signed, and every head it names is still in
 * its place with the same hash. The heads are looked up many at a time, by who may see of a row
 * nothing but its user, place and hash.
 */
#include "audit_checkpoint_private.h"
#include "audit_private.h"
#include "results_private.h"
#include "audit_verify_private.h"

#include "base/json.h"

#include <errno.h>

enum { CHECKPOINT_ARENA_BYTES = 512 * 1024 * 1024, HEADS_JSON_ITEMS_MAX = 100000 };

static const struct db_statement NEXT = {
	"audit_verify_checkpoints",
	"SELECT " AUDIT_CHECKPOINT_COLUMNS " FROM todod.audit_checkpoints "
	"WHERE seq > $1 ORDER BY seq LIMIT 1",
	1,
};

/* Of the heads given those that are not there like that: whether there is another hash in their
 * place. */
static const struct db_statement COMPARE = {
	"audit_verify_heads",
	"SELECT g.user_id, g.n, a.h IS NOT NULL FROM unnest($1, $2, $3) AS g(user_id, n, h) "
	"LEFT JOIN todod.audit a ON a.user_id = g.user_id AND a.n = g.n "
	"WHERE a.h IS NULL OR encode(a.h, 'hex') <> g.h ORDER BY 1, 2",
	3,
};

struct head {
	enum json_state state;
	struct json_str user, h;
	struct json_i64 n;
};

struct heads {
	struct json_objs list;
};

static const struct json_field HEAD_FIELDS[] = {
	JSON_FIELD(struct head, user, "user", JSON_KIND_STR),
	JSON_FIELD(struct head, n, "n", JSON_KIND_I64),
	JSON_FIELD(struct head, h, "h", JSON_KIND_STR),
	JSON_FIELD_END,
};

static const struct json_field HEADS_FIELDS[] = {
	{ .name = "heads",
	  .kind = JSON_KIND_OBJS,
	  .offset = offsetof(struct heads, list),
	  .nested = HEAD_FIELDS,
	  .elem_size = sizeof(struct head),
	  .max_items = HEADS_JSON_ITEMS_MAX },
	JSON_FIELD_END,
};

/* The array of a checkpoint. -EINVAL: it is none; -ENOMEM. */
static int parse_heads(struct arena *arena, struct str json, struct json_objs *ret)
{
	struct heads heads = { .list = { .state = JSON_ABSENT } };
	struct buf *text = arena_buf(arena, CHECKPOINT_ARENA_BYTES);
	int r;

	if (text == NULL)
		return -ENOMEM;
	buf_append_str(text, STR("{\"heads\":"));
	buf_append_str(text, json);
	buf_append_char(text, '}');
	if (buf_status(text) < 0)
		return -ENOMEM;
	r = json_parse(arena, buf_str(text), "checkpoint", HEADS_FIELDS, &heads, NULL);
	if (r == 0)
		*ret = heads.list;
	return r;
}

/* The heads as three arrays; those of user_id, when it is given. */
static int head_params(struct arena *arena, const struct json_objs *list, struct str user_id,
		       struct db_param params[3], size_t *ret_n)
{
	const struct head *heads = list->v;
	struct str *users = arena_alloc(arena, 2 * list->n * sizeof(*users)),
		   *hashes = users != NULL ? users + list->n : NULL;
	int64_t *ns = arena_alloc(arena, list->n * sizeof(*ns));
	size_t n = 0;

	if (users == NULL || ns == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i++) {
		const struct head *h = &heads[i];

		if (h->user.state != JSON_SET || h->n.state != JSON_SET || h->h.state != JSON_SET)
			return -EINVAL;
		if (user_id.p != NULL && !str_eq(user_id, h->user.v))
			continue;
		users[n] = h->user.v;
		hashes[n] = h->h.v;
		ns[n++] = h->n.v;
	}
	*ret_n = n;
	int r = db_param_texts(arena, users, n, &params[0]);
	if (r == 0)
		r = db_param_i64s(arena, DB_I64, ns, n, &params[1]);
	return r == 0 ? db_param_texts(arena, hashes, n, &params[2]) : r;
}

static FIBER int compare_heads(struct audit_verification *v, struct arena *arena,
			       const struct audit_checkpoint *c, struct str user_id,
			       struct err *reterr)
{
	struct json_objs list = { .state = JSON_ABSENT };
	struct db_param params[3];
	struct db_result *result;
	size_t n = 0;
	int r = parse_heads(arena, c->heads, &list);

	if (r == 0)
		r = head_params(arena, &list, user_id, params, &n);
	if (r == -ENOMEM)
		return results_out_of_memory(reterr);
	if (r < 0) {
		audit_found(v, (struct str){ NULL, 0 }, c->seq, AUDIT_FAULT_CHECKPOINT);
		return 0;
	}
	v->n_heads += (int64_t)n;
	if (n == 0)
		return 0;
	/* Who reads one user's rows may have to be that user to the database. */
	r = audit_query_wait(v->heads, arena, user_id, &COMPARE, params, &result, reterr);
	for (int i = 0; r == 0 && i < db_rows(result); i++)
		audit_found(v, db_text(result, i, 0), db_i64(result, i, 1),
			    db_bool(result, i, 2) ? AUDIT_FAULT_REWRITTEN : AUDIT_FAULT_TRUNCATED);
	return r;
}

/* 0 and whether it is what was signed; -ENOMEM. */
static int check_signature(const struct audit_verification *v, struct arena *arena,
			   const struct audit_checkpoint *c, bool *ret)
{
	struct str claims, signed_claims;
	int r;

	*ret = false;
	if (c->prev.n != SHA256_SIZE || c->signature.p == NULL || c->heads.p == NULL)
		return 0;
	claims = audit_checkpoint_claims(arena, c);
	if (claims.p == NULL)
		return -ENOMEM;
	r = v->is_signed(arena, c->signature, &signed_claims, v->is_signed_arg);
	if (r == 0)
		*ret = str_eq(claims, signed_claims);
	return r == -ENOMEM ? r : 0;
}

static FIBER int check_one(struct audit_verification *v, struct arena *arena,
			   const struct audit_checkpoint *c, int64_t seq, struct str user_id,
			   struct err *reterr)
{
	const struct str prev = { (const char *)v->last_checkpoint, SHA256_SIZE };
	bool is_good = c->seq == seq && str_eq(c->prev, prev), is_signed = true;

	if (v->is_signed != NULL && check_signature(v, arena, c, &is_signed) < 0)
		return results_out_of_memory(reterr);
	if (!is_good || !is_signed)
		audit_found(v, (struct str){ NULL, 0 }, c->seq, AUDIT_FAULT_CHECKPOINT);
	v->n_checkpoints++;
	if (audit_checkpoint_hash(c, v->last_checkpoint) < 0)
		return results_out_of_memory(reterr);
	return compare_heads(v, arena, c, user_id, reterr);
}

int audit_verify_checkpoints_wait(struct audit_verification *v, struct str user_id,
				  struct err *reterr)
{
	struct arena *arena = arena_new(CHECKPOINT_ARENA_BYTES);
	int64_t seq = INT64_MIN, expected = 1;
	int n = 1, r = arena != NULL ? 0 : results_out_of_memory(reterr);

	while (r == 0 && n > 0) {
		const struct db_param after = DB_PARAM_I64(seq);
		struct audit_checkpoint c;
		struct db_result *result;

		r = audit_query_wait(v->heads, arena, (struct str){ NULL, 0 }, &NEXT, &after,
				     &result, reterr);
		n = r == 0 ? db_rows(result) : 0;
		if (n > 0) {
			audit_checkpoint_read(result, 0, &c);
			r = check_one(v, arena, &c, expected, user_id, reterr);
			seq = c.seq;
			expected = seq < INT64_MAX ? seq + 1 : seq;
		}
		if (arena != NULL)
			arena_reset(arena);
	}
	arena_free(arena);
	return r;
}
