/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting the parameters of a write together and running it. Failures gather in the parameters, so
 * that a statement of forty of them is checked once.
 */
#include "change_private.h"
#include "idempotency_private.h"
#include "results_private.h"

#include <assert.h>
#include <errno.h>

static void fail(struct change_params *p, int status)
{
	if (p->status == 0)
		p->status = results_out_of_memory(p->reterr);
	if (status != -ENOMEM)
		p->status =
			err_set(p->reterr, &ERR_INTERNAL, NULL, "a parameter that does not fit");
}

void change_add(struct change_params *p, struct db_param param)
{
	if (p->v == NULL)
		return;
	assert(p->n < CHANGE_PARAMS_MAX);
	p->v[p->n++] = param;
}

void change_add_text(struct change_params *p, struct str s)
{
	change_add(p, s.p != NULL ? (struct db_param)DB_PARAM_TEXT(s)
				  : (struct db_param)DB_PARAM_NULL(DB_TEXT));
}

void change_add_i32(struct change_params *p, int64_t v, int64_t none)
{
	change_add(p, v != none ? (struct db_param)DB_PARAM_I32(v)
				: (struct db_param)DB_PARAM_NULL(DB_I32));
}

void change_add_i64(struct change_params *p, int64_t v, int64_t none)
{
	change_add(p, v != none ? (struct db_param)DB_PARAM_I64(v)
				: (struct db_param)DB_PARAM_NULL(DB_I64));
}

void change_add_time(struct change_params *p, int64_t us, bool is_there)
{
	change_add(p, is_there ? (struct db_param)DB_PARAM_TIME(us)
			       : (struct db_param)DB_PARAM_NULL(DB_TIME));
}

void change_add_texts(struct change_params *p, const struct str *v, size_t n)
{
	struct db_param param = DB_PARAM_NULL_ARRAY(DB_TEXT);
	int r = db_param_texts(p->arena, v, n, &param);

	if (r < 0)
		fail(p, r);
	change_add(p, param);
}

void change_add_numbers(struct change_params *p, enum db_type element, const int64_t *v, size_t n)
{
	struct db_param param = DB_PARAM_NULL_ARRAY(element);
	int r = db_param_i64s(p->arena, element, v, n, &param);

	if (r < 0)
		fail(p, r);
	change_add(p, param);
}

void change_add_uuids(struct change_params *p, const struct uuid *v, size_t n)
{
	struct db_param param = DB_PARAM_NULL_ARRAY(DB_UUID);
	int r = db_param_uuids(p->arena, v, n, &param);

	if (r < 0)
		fail(p, r);
	change_add(p, param);
}

static void add_events(struct change_params *p, const struct event *events, size_t n)
{
	struct uuid *ids = arena_alloc(p->arena, n * sizeof(*ids));
	struct str *topics = arena_alloc(p->arena, n * sizeof(*topics));
	int64_t *sequences = arena_alloc(p->arena, n * sizeof(*sequences));
	struct str *texts = arena_alloc(p->arena, n * sizeof(*texts));

	if (ids == NULL || topics == NULL || sequences == NULL || texts == NULL) {
		fail(p, -ENOMEM);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		ids[i] = events[i].id;
		topics[i] = event_topic_name(events[i].topic);
		sequences[i] = events[i].sequence;
		texts[i] = events[i].json;
	}
	change_add_uuids(p, ids, n);
	change_add_texts(p, topics, n);
	change_add_numbers(p, DB_I64, sequences, n);
	change_add_texts(p, texts, n);
}

static void add_key(struct change_params *p, const struct store_change *c)
{
	static const struct db_param NO_KEY[IDEMPOTENCY_RECORD_PARAMS] = {
		DB_PARAM_NULL(DB_TEXT),	 DB_PARAM_NULL(DB_TEXT), DB_PARAM_NULL(DB_TEXT),
		DB_PARAM_NULL(DB_BYTES), DB_PARAM_NULL(DB_I16),	 DB_PARAM_NULL(DB_TEXT),
		DB_PARAM_NULL(DB_TEXT),	 DB_PARAM_NULL(DB_TEXT),
	};

	if (c->key != NULL)
		idempotency_record_params(c->key, c->answer, p->v + p->n);
	else
		memcpy(p->v + p->n, NO_KEY, sizeof(NO_KEY));
	p->n += IDEMPOTENCY_RECORD_PARAMS;
}

void change_params_init(struct change_params *p, struct arena *arena, const struct store_change *c,
			struct err *reterr)
{
	p->arena = arena;
	p->reterr = reterr;
	p->v = arena_alloc(arena, CHANGE_PARAMS_MAX * sizeof(*p->v));
	p->n = 0;
	p->status = 0;
	if (p->v == NULL) {
		fail(p, -ENOMEM);
		return;
	}
	change_add(p, (struct db_param)DB_PARAM_TEXT(c->user_id));
	add_events(p, c->events, c->n_events);
	if (p->status < 0)
		return;
	change_add(p, (struct db_param)DB_PARAM_I16(event_partition(c->user_id)));
	add_key(p, c);
	assert(p->n == CHANGE_PARAMS);
}

/* Which violations are the client's, or a race's; any other is ours to get right. */
static int judge(int r, const char *constraint, const struct change_violation *violations,
		 struct err *reterr)
{
	if (r == -EEXIST && str_eq(str_from(constraint), STR("idempotency_keys_pkey")))
		return r;
	for (; violations != NULL && violations->constraint != NULL; violations++) {
		if (str_eq(str_from(constraint), str_from(violations->constraint)))
			return violations->result;
	}
	err_set(reterr, &ERR_INTERNAL, NULL, "violation of %s", constraint);
	return -EIO;
}

int change_run_wait(struct db *db, const struct store_change *c, struct change_params *p,
		    const struct db_statement *statement, const struct change_violation *violations,
		    int64_t *ret_n)
{
	const struct db_query query = { statement, p->v };
	const struct db_segment segment = { .user_id = c->user_id,
					    .queries = &query,
					    .n_queries = 1 };
	struct db_result *result;
	char constraint[64] = "";

	if (p->status < 0)
		return p->status;
	assert(p->n == statement->n_params);
	int r = db_run_wait(db, &segment, &result, constraint, p->reterr);
	if (r == -EEXIST || r == -ENOENT || r == -EDOM)
		return judge(r, constraint, violations, p->reterr);
	if (r < 0)
		return r;
	*ret_n = db_affected(result);
	db_result_free(result);
	return 0;
}
