/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partition with something to write lies in the host's list. One fiber takes the whole list,
 * writes it in one statement, rests a little, and ends when nothing has come meanwhile: an idle
 * group costs nothing, a lone record is written at once, busy ones share a statement.
 */
#include "progress_private.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

enum {
	BATCH_MAX = 128,
	BATCH_ARENA_BYTES = 1024 * 1024,
	UNWRITTEN_MAX = 4, /* records of one partition */
	GATHER_MS = 5,
	DB_PAUSE_MS = 1000,
	ROOM_TIMEOUT_MS = 60 * 1000,
};

/* What one statement writes. */
struct progress_batch {
	struct arena *arena;
	struct partition *parts[BATCH_MAX];
	int64_t numbers[BATCH_MAX], ends[BATCH_MAX];
	unsigned settled[BATCH_MAX]; /* records that this writes */
	size_t n;
};

static const struct db_statement NO_WAIT = {
	"sidecar_no_wait",
	"SELECT set_config('synchronous_commit', 'off', true)",
	0,
};
/* The table has a row for each partition that a group reads. */
static const struct db_statement SETTLE = {
	"sidecar_settle",
	"UPDATE sidecar.progress SET next_pos = n.pos "
	"FROM unnest($1::text[], $2::text[], $3::int2[], $4::int8[]) AS n (consumer_group, topic, part, pos) "
	"WHERE progress.consumer_group = n.consumer_group AND progress.topic = n.topic "
	"AND progress.part = n.part AND progress.next_pos <= n.pos",
	4,
};

static struct progress_batch *batch_new(void)
{
	struct progress_batch *b = calloc(1, sizeof(*b));

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
	if (h->progress_batch != NULL)
		arena_free(h->progress_batch->arena);
	free(h->progress_batch);
	h->progress_batch = NULL;
}

static void list(struct host *h, struct partition *p)
{
	if (p->is_listed)
		return;
	p->is_listed = true;
	p->next_unwritten = NULL;
	*(h->unwritten != NULL ? &h->unwritten_last->next_unwritten : &h->unwritten) = p;
	h->unwritten_last = p;
}

static void take(struct host *h, struct progress_batch *b)
{
	for (b->n = 0; h->unwritten != NULL && b->n < BATCH_MAX; b->n++) {
		struct partition *p = h->unwritten;

		h->unwritten = p->next_unwritten;
		p->is_listed = false;
		b->parts[b->n] = p;
		b->ends[b->n] = p->next;
		b->settled[b->n] = p->n_unwritten;
	}
}

static int encode(struct progress_batch *b, struct db_param params[4])
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
	}
	int r = db_param_texts(b->arena, names, b->n, &params[0]);
	if (r == 0)
		r = db_param_texts(b->arena, topics, b->n, &params[1]);
	if (r == 0)
		r = db_param_i64s(b->arena, DB_I16, b->numbers, b->n, &params[2]);
	return r == 0 ? db_param_i64s(b->arena, DB_I64, b->ends, b->n, &params[3]) : r;
}

static FIBER int write_wait(struct host *h, struct progress_batch *b, struct err *reterr)
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

static void finish(struct host *h, struct progress_batch *b, bool is_written)
{
	for (size_t i = 0; i < b->n; i++) {
		struct partition *p = b->parts[i];

		if (!is_written) {
			list(h, p);
			continue;
		}
		p->n_unwritten -= b->settled[i];
		if (p->room != NULL)
			fiber_wake(p->room, 0);
	}
	arena_reset(b->arena);
}

static FIBER void write_all(void *arg)
{
	struct host *h = arg;
	struct progress_batch *b = h->progress_batch;
	struct err err = { 0 };
	int r = 0;

	while (h->unwritten != NULL && r != -ECANCELED) {
		take(h, b);
		r = write_wait(h, b, &err);
		finish(h, b, r == 0);
		if (r < 0)
			log_err(LOG_WARN, "sidecar.progress_failed", &err);
		if (r < 0 && h->is_stopping)
			break;
		if (!h->is_stopping)
			r = fiber_sleep(r == 0 ? GATHER_MS : DB_PAUSE_MS);
	}
	h->is_writing_progress = false;
	/* What is left will not be written by this process. */
	for (struct partition *p = h->unwritten; p != NULL; p = p->next_unwritten) {
		if (p->room != NULL)
			fiber_wake(p->room, -ECANCELED);
	}
}

static int start_writer(struct host *h, struct err *reterr)
{
	if (h->is_writing_progress)
		return 0;
	if (h->progress_batch == NULL)
		h->progress_batch = batch_new();
	if (h->progress_batch == NULL) {
		err_unavailable(reterr, 1, "out of memory");
		return -ENOMEM;
	}
	if (fiber_spawn(h->loop, "sidecar.progress", write_all, h, NULL, NULL) < 0) {
		err_unavailable(reterr, 1, "too much is under way");
		return -EAGAIN;
	}
	h->is_writing_progress = true;
	return 0;
}

/* Until less is unwritten than may be. */
static FIBER int room_wait(struct partition *p, struct err *reterr)
{
	struct fiber_wait room;

	while (p->n_unwritten >= UNWRITTEN_MAX) {
		int r = start_writer(p->consumer->host, reterr);
		if (r < 0)
			return r;
		fiber_wait_init(&room);
		p->room = &room;
		r = fiber_wait(&room, "sidecar.progress", ROOM_TIMEOUT_MS);
		p->room = NULL;
		if (r < 0) {
			err_unavailable(reterr, 1, "progress was not written in time");
			return r;
		}
	}
	return 0;
}

int progress_settle_wait(struct partition *p, int64_t next, struct err *reterr)
{
	struct host *h = p->consumer->host;
	int r = room_wait(p, reterr);

	/* The last one may have ended meanwhile. */
	if (r == 0)
		r = start_writer(h, reterr);
	if (r < 0)
		return r;
	p->next = next;
	p->n_unwritten++;
	list(h, p);
	return 0;
}
