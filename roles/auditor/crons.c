/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each minute, by one process: checkpoints, and the replay of dead letters whose time has come.
 * Each hour: what is too old goes.
 */
#include "auditor_private.h"

#include "base/log.h"
#include "dapr/cloudevent.h"
#include "store/dead_letters.h"
#include "store/lease.h"

#include <errno.h>

enum {
	LEASE_MS = 55 * 1000,
	CHECKPOINTS_MAX = 64, /* of one tick */
	REPLAY_PAGES_MAX = 50,
	BATCH_BYTES_MAX = 1024 * 1024,
	TICK_ARENA_BYTES = 512 * 1024 * 1024,
};

/* ---- checkpoints ---- */

/* The line is a copy outside the database of what a later verification must find. */
static void log_checkpoint(const struct audit_checkpoint *c)
{
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];

	if (audit_checkpoint_hash(c, hash) < 0)
		return;
	for (size_t i = 0; i < sizeof(hash); i++) {
		hex[2 * i] = "0123456789abcdef"[hash[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[hash[i] & 15];
	}
	hex[sizeof(hex) - 1] = '\0';
	log_info("audit.checkpoint", LOG_I64("seq", c->seq), LOG_I64("heads", (int64_t)c->n_heads),
		 LOG_CSTR("sha256", hex));
}

static FIBER int make_checkpoints(struct auditor *a, struct arena *arena, struct err *reterr)
{
	struct audit_checkpoint made;
	int r = 1;

	for (int i = 0; r == 1 && i < CHECKPOINTS_MAX; i++) {
		r = audit_checkpoint_wait(a->checkpointer, arena, &made, reterr);
		if (r >= 0 && made.n_heads > 0) {
			metric_add(a->checkpoints, 1);
			log_checkpoint(&made);
		}
		arena_reset(arena);
	}
	return r == -EEXIST ? 0 : r < 0 ? r : 0;
}

/* ---- replays ---- */

/* Marks in `taken` the next letters of one topic, at most one of each user, which a batch may hold;
 * `batch` gets their places in the page. */
static size_t next_batch(const struct dead_letters *page, bool *taken, size_t *batch)
{
	size_t n = 0, bytes = 0;

	for (size_t i = 0; i < page->n; i++) {
		const struct dead_letter *d = &page->list[i];
		bool fits = !taken[i] && (n == 0 || (str_eq(d->topic, page->list[batch[0]].topic) &&
						     bytes + d->body.n <= BATCH_BYTES_MAX));

		for (size_t j = 0; fits && j < n; j++)
			fits = !str_eq(d->user_id, page->list[batch[j]].user_id);
		if (!fits)
			continue;
		taken[i] = true;
		bytes += d->body.n;
		batch[n++] = i;
	}
	return n;
}

static void log_replayed(struct auditor *a, struct arena *arena, const struct dead_letter *d,
			 bool is_published)
{
	struct cloudevent_ids ids;

	metric_add(a->replayed, is_published);
	cloudevent_ids_read(arena, d->body, &ids);
	const struct log_context *before = log_context_swap(&ids.request);
	log_info("dead_letter.replayed", LOG_STR("topic", d->topic),
		 LOG_STR("event_id", d->event_id), LOG_I64("replays", d->replays),
		 LOG_BOOL("published", is_published));
	log_context_swap(before);
}

/* What the broker will never take has had its try all the same, or it would be first in line for
 * ever: it is marked in `tried` like what it took. */
static FIBER int publish_batch(struct auditor *a, struct arena *arena,
			       const struct dead_letters *page, const size_t *batch, size_t n,
			       bool *tried, struct err *reterr)
{
	struct sidecar_entry *entries = arena_alloc(arena, n * sizeof(*entries));
	bool *published = arena_calloc(arena, n, sizeof(*published));

	if (entries == NULL || published == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct dead_letter *d = &page->list[batch[i]];

		entries[i] = (struct sidecar_entry){ d->event_id, d->user_id, d->body };
	}
	int r = sidecar_publish_wait(a->sidecar, page->list[batch[0]].topic, entries, n, published,
				     reterr);
	bool is_refused = r < 0 && r != -EAGAIN && r != -ETIME && r != -ECANCELED && r != -ENOMEM;
	size_t n_tried = 0;

	if (is_refused)
		log_err(LOG_WARN, "dead_letter.refused", reterr);
	for (size_t i = 0; i < n; i++) {
		if (!published[i] && !is_refused)
			continue;
		tried[batch[i]] = true;
		n_tried++;
		log_replayed(a, arena, &page->list[batch[i]], published[i]);
	}
	if (r == 0 && n_tried < n)
		return err_unavailable(reterr, 1, "the broker did not take a whole batch");
	return is_refused ? 0 : r;
}

static FIBER void give_back(struct auditor *a, struct arena *arena, const struct dead_letters *page,
			    const bool *tried)
{
	struct uuid *ids = arena_alloc(arena, page->n * sizeof(*ids));
	struct err err = { .text = "" };
	size_t n = 0;

	for (size_t i = 0; ids != NULL && i < page->n; i++) {
		if (!tried[i])
			ids[n++] = page->list[i].id;
	}
	if (n > 0 && dead_letter_give_back_wait(a->db, arena, ids, n, a->replay_after_ms, &err) < 0)
		log_err(LOG_WARN, "dead_letter.try_lost", &err);
}

static FIBER int replay_page(struct auditor *a, struct arena *arena, size_t *ret_n,
			     struct err *reterr)
{
	bool taken[DEAD_LETTER_PAGE_MAX] = { false }, tried[DEAD_LETTER_PAGE_MAX] = { false };
	size_t batch[DEAD_LETTER_PAGE_MAX], n;
	struct dead_letters page = { .n = 0 };
	int r = dead_letter_claim_wait(a->db, arena, a->replay_after_ms, &page, reterr);

	*ret_n = page.n;
	while (r == 0 && (n = next_batch(&page, taken, batch)) > 0)
		r = publish_batch(a, arena, &page, batch, n, tried, reterr);
	give_back(a, arena, &page, tried);
	return r;
}

static FIBER int replay(struct auditor *a, struct arena *arena, struct err *reterr)
{
	size_t n = 1;
	int r = 0;

	for (int i = 0; r == 0 && n > 0 && i < REPLAY_PAGES_MAX; i++) {
		r = replay_page(a, arena, &n, reterr);
		arena_reset(arena);
	}
	return r;
}

/* ---- ticks ---- */

FIBER int auditor_checkpoint(struct app *app, struct err *reterr)
{
	struct auditor *a = auditor_of(app);
	struct arena *arena;
	bool is_mine = false;
	int r = lease_take_wait(a->db, STR("audit"), &a->id, LEASE_MS, &is_mine, reterr);

	if (r < 0 || !is_mine)
		return r;
	arena = arena_new(TICK_ARENA_BYTES);
	if (arena == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	r = make_checkpoints(a, arena, reterr);
	if (r == 0)
		r = replay(a, arena, reterr);
	arena_free(arena);
	return r;
}

FIBER int auditor_upkeep(struct app *app, struct err *reterr)
{
	struct auditor *a = auditor_of(app);
	int64_t n_removed = 0, n_open = 0;
	int r = dead_letter_upkeep_wait(a->db, &n_removed, &n_open, reterr);

	if (r < 0)
		return r;
	metric_set(a->open_letters, (double)n_open);
	if (n_removed > 0)
		log_info("dead_letter.expired", LOG_I64("n", n_removed));
	return 0;
}
