/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partition that is waiting lies in the host's list, then in the batch that is being written. It
 * outlives its fiber, so a fiber that leaves early takes it out of either.
 */
#include "progress_private.h"

#include <errno.h>
#include <stdlib.h>

enum {
	BATCH_MAX = 128,
	BATCH_ARENA_BYTES = 1024 * 1024,
	SETTLE_TIMEOUT_MS = 60 * 1000,
};

/* What one statement writes. */
struct settling_batch {
	struct arena *arena;
	struct partition *parts[BATCH_MAX]; /* settlement.slot points here; NULL: it left */
	int64_t numbers[BATCH_MAX], ends[BATCH_MAX];
	size_t n;
};

static const struct db_statement NO_WAIT = {
	"sidecar_no_wait",
	"SELECT set_config('synchronous_commit', 'off', true)",
	0,
};
/* As many look-ups by the primary key: a join could read the whole table, with its dead rows. */
static const struct db_statement SETTLE = {
	"sidecar_settle",
	"UPDATE sidecar.progress SET next_pos = n.pos "
	"FROM unnest($1::text[], $2::text[], $3::int2[], $4::int8[]) AS n (consumer_group, topic, part, pos) "
	"WHERE progress.consumer_group = n.consumer_group AND progress.topic = n.topic "
	"AND progress.part = n.part AND progress.next_pos <= n.pos",
	4,
};

static struct settling_batch *batch_new(void)
{
	struct settling_batch *b = calloc(1, sizeof(*b));

	if (b != NULL)
		b->arena = arena_new(BATCH_ARENA_BYTES);
	if (b != NULL && b->arena == NULL) {
		free(b);
		b = NULL;
	}
	return b;
}

void progress_close(struct host *h)
{
	if (h->settling_batch != NULL)
		arena_free(h->settling_batch->arena);
	free(h->settling_batch);
	h->settling_batch = NULL;
}

static void list_add(struct host *h, struct partition *p)
{
	p->settlement.next = NULL;
	*(h->settling_last != NULL ? &h->settling_last->settlement.next : &h->settling_first) = p;
	h->settling_last = p;
}

static void list_remove(struct host *h, struct partition *p)
{
	struct partition *before = NULL, *at = h->settling_first;

	for (; at != NULL && at != p; at = at->settlement.next)
		before = at;
	if (at == NULL)
		return;
	*(before != NULL ? &before->settlement.next : &h->settling_first) = p->settlement.next;
	if (h->settling_last == p)
		h->settling_last = before;
}

static void take(struct host *h, struct settling_batch *b)
{
	for (b->n = 0; h->settling_first != NULL && b->n < BATCH_MAX; b->n++) {
		struct partition *p = h->settling_first;

		list_remove(h, p);
		p->settlement.slot = &b->parts[b->n];
		b->parts[b->n] = p;
	}
}

static int encode(struct settling_batch *b, struct db_param params[4])
{
	struct str *names = arena_alloc(b->arena, 2 * b->n * sizeof(*names)),
		   *topics = names != NULL ? names + b->n : NULL;

	if (names == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->n; i++) {
		const struct partition *p = b->parts[i];

		names[i] = str_from(p->consumer->group);
		topics[i] = str_from(p->consumer->topic->name);
		b->numbers[i] = p->number;
		b->ends[i] = p->settlement.end;
	}
	int r = db_param_texts(b->arena, names, b->n, &params[0]);
	if (r == 0)
		r = db_param_texts(b->arena, topics, b->n, &params[1]);
	if (r == 0)
		r = db_param_i64s(b->arena, DB_I16, b->numbers, b->n, &params[2]);
	return r == 0 ? db_param_i64s(b->arena, DB_I64, b->ends, b->n, &params[3]) : r;
}

static FIBER int write_wait(struct host *h, struct settling_batch *b, struct err *reterr)
{
	struct db_param params[4];
	const struct db_query queries[] = { { &NO_WAIT, NULL }, { &SETTLE, params } };
	const struct db_segment segment = { .queries = queries, .n_queries = 2 };
	struct db_result *results[2];

	if (encode(b, params) < 0) {
		err_unavailable(reterr, 1, "out of memory");
		return -ENOMEM;
	}
	int r = db_run_wait(h->db, &segment, results, NULL, reterr);
	for (int i = 0; r == 0 && i < 2; i++)
		db_result_free(results[i]);
	return r;
}

static void finish(struct settling_batch *b, int result, const struct err *err)
{
	for (size_t i = 0; i < b->n; i++) {
		struct partition *p = b->parts[i];

		if (p == NULL)
			continue;
		p->settlement.slot = NULL;
		p->settlement.err = *err;
		fiber_wake(&p->settlement.wait, result);
	}
	arena_reset(b->arena);
}

static FIBER void write_all(void *arg)
{
	struct host *h = arg;
	struct settling_batch *b = h->settling_batch;
	struct err err = { 0 };

	while (h->settling_first != NULL) {
		take(h, b);
		int r = write_wait(h, b, &err);
		finish(b, r, &err);
	}
	h->is_settling = false;
}

static int start_writer(struct host *h, struct err *reterr)
{
	if (h->is_settling)
		return 0;
	if (h->settling_batch == NULL)
		h->settling_batch = batch_new();
	if (h->settling_batch == NULL) {
		err_unavailable(reterr, 1, "out of memory");
		return -ENOMEM;
	}
	if (fiber_spawn(h->loop, "sidecar.settle", write_all, h, NULL, NULL) < 0) {
		err_unavailable(reterr, 1, "too much is under way");
		return -EAGAIN;
	}
	h->is_settling = true;
	return 0;
}

int progress_settle_wait(struct partition *p, int64_t next, struct err *reterr)
{
	struct host *h = p->consumer->host;
	struct settlement *s = &p->settlement;

	*s = (struct settlement){ .end = next };
	fiber_wait_init(&s->wait);
	list_add(h, p);
	int r = start_writer(h, reterr);
	if (r == 0)
		r = fiber_wait(&s->wait, "sidecar.settle", SETTLE_TIMEOUT_MS);
	if (s->slot != NULL)
		*s->slot = NULL;
	s->slot = NULL;
	list_remove(h, p);
	if (r < 0 && s->err.kind != NULL)
		*reterr = s->err;
	else if (r < 0)
		err_unavailable(reterr, 1, "progress was not written in time");
	return r;
}
