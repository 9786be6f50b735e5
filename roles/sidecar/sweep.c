/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep deletes from the old end of each partition in small transactions, and leaves the newest
 * record: the next position follows from it.
 */
#include "sweep_private.h"

#include "base/log.h"
#include "base/time.h"
#include "topic_private.h"

enum { EVERY_MS = 3600 * 1000, AGAIN_MS = 60 * 1000 };

static const struct db_statement SWEEP = {
	"sidecar_sweep",
	"DELETE FROM sidecar.records r USING (SELECT pos FROM sidecar.records WHERE topic = $1 AND part = $2 AND pos < $3 "
	"ORDER BY pos LIMIT 500) old WHERE r.topic = $1 AND r.part = $2 AND r.pos = old.pos AND r.created_at < $4",
	4,
};
static const struct db_statement SWEEP_STATE = {
	"sidecar_sweep_state",
	"DELETE FROM sidecar.state WHERE key IN "
	"(SELECT key FROM sidecar.state WHERE expires_at < $1 ORDER BY expires_at LIMIT 500)",
	1,
};
static const struct db_statement TOPICS = {
	"sidecar_topics",
	"WITH RECURSIVE t AS ((SELECT topic FROM sidecar.records ORDER BY topic LIMIT 1) UNION ALL "
	"SELECT (SELECT r.topic FROM sidecar.records r WHERE r.topic > t.topic ORDER BY r.topic LIMIT 1) "
	"FROM t WHERE t.topic IS NOT NULL) SELECT topic FROM t WHERE topic IS NOT NULL",
	0,
};

/* Until a round deletes nothing. < 0: as db_run_wait. */
static FIBER int repeat_wait(struct host *h, const struct db_statement *statement,
			     const struct db_param *params, int64_t *deleted, struct err *reterr)
{
	const struct db_query query = { statement, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1, .slow = true };
	int64_t n = 1;

	while (n > 0 && !h->is_stopping) {
		struct db_result *result = NULL;
		int r = db_run_wait(h->db, &segment, &result, NULL, reterr);
		if (r < 0)
			return r;
		n = db_affected(result);
		*deleted += n;
		db_result_free(result);
	}
	return 0;
}

static FIBER int sweep_topic_wait(struct topic *t, int64_t *deleted, struct err *reterr)
{
	const struct settings *s = t->host->settings;
	int64_t keep_ms = topic_is_dead_letters(t) ? s->dead_retention_ms : s->retention_ms;
	int64_t before_us = time_now_us() - keep_ms * 1000;
	int r = topic_load_wait(t, reterr);

	for (unsigned part = 0; r == 0 && part < t->n_parts; part++) {
		const struct db_param params[] = { DB_PARAM_TEXT(str_from(t->name)),
						   DB_PARAM_I16(part),
						   DB_PARAM_I64(t->end[part] - 1),
						   DB_PARAM_TIME(before_us) };
		if (t->end[part] > 1)
			r = repeat_wait(t->host, &SWEEP, params, deleted, reterr);
	}
	return r;
}

/* Those that nobody has named since the start are in the table all the same. */
static FIBER int know_topics_wait(struct host *h, struct err *reterr)
{
	const struct db_query query = { &TOPICS, NULL };
	const struct db_segment segment = { .queries = &query, .n_queries = 1, .slow = true };
	struct db_result *result = NULL;
	struct topic *ignored;

	int r = db_run_wait(h->db, &segment, &result, NULL, reterr);
	if (r < 0)
		return r;
	for (int row = 0; r == 0 && row < db_rows(result); row++)
		r = topic_get(h, db_text(result, row, 0), &ignored, reterr);
	db_result_free(result);
	return r;
}

static FIBER void sweep(void *arg)
{
	struct host *h = arg;
	const struct db_param now[] = { DB_PARAM_TIME(time_now_us()) };
	int64_t records = 0, states = 0;
	struct err err = { 0 };

	int r = know_topics_wait(h, &err);
	for (struct topic *t = h->topics; r == 0 && t != NULL; t = t->next)
		r = sweep_topic_wait(t, &records, &err);
	if (r == 0)
		r = repeat_wait(h, &SWEEP_STATE, now, &states, &err);
	if (r < 0)
		log_err(LOG_WARN, "sidecar.sweep_failed", &err);
	else if (records > 0 || states > 0)
		log_info("sidecar.swept", LOG_I64("records", records), LOG_I64("states", states));
	if (!h->is_stopping)
		sweep_plan(h, r < 0 ? AGAIN_MS : EVERY_MS);
}

static void on_timer(void *arg)
{
	struct host *h = arg;

	if (fiber_spawn(h->loop, "sidecar.sweep", sweep, h, NULL, NULL) < 0)
		sweep_plan(h, AGAIN_MS);
}

void sweep_plan(struct host *h, int64_t delay_ms)
{
	if (!timer_is_running(&h->sweep_timer))
		timer_init(&h->sweep_timer, h->loop, on_timer, h);
	if (timer_start(&h->sweep_timer, delay_ms) < 0)
		log_error("sidecar.no_timer", LOG_CSTR("timer", "sweep"));
}
