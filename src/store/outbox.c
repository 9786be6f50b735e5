/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases are rows that expire by the database's clock: no advisory locks, no state of a session, so
 * that a transaction pooler may stand between. That a lease is renewed, a free one taken and a
 * superfluous one given back is one statement; races between relays end at the row locks, where the
 * condition is looked at again.
 */
#include "store/outbox.h"
#include "results_private.h"

#include <assert.h>

/* $1 the relay, $2 milliseconds, $3 whether it stands in. */
static const struct db_statement LEASE = {
	"outbox_lease",
	"WITH gone AS (DELETE FROM todod.outbox_relays WHERE until < now() - interval '1 hour'), "
	"known AS (INSERT INTO todod.outbox_relays AS r (id, until, stands_in) "
	"VALUES ($1, now() + $2 * interval '1 millisecond', $3) "
	"ON CONFLICT (id) DO UPDATE SET until = excluded.until), "
	"others AS (SELECT count(*) AS n, count(*) FILTER (WHERE stands_in = $3) AS alike, "
	"coalesce(bool_or(NOT stands_in), false) AS has_main FROM todod.outbox_relays "
	"WHERE until > now() AND id <> $1), "
	"share AS (SELECT CASE WHEN $3 AND has_main THEN 0 ELSE (16 + alike) / (1 + alike) END AS n "
	"FROM others), "
	"kept AS (SELECT part FROM todod.outbox_leases WHERE owner = $1 AND until > now() "
	"ORDER BY part LIMIT (SELECT n FROM share)), "
	"free AS (SELECT part FROM todod.outbox_leases WHERE until <= now() ORDER BY part "
	"LIMIT (SELECT n FROM share) - (SELECT count(*) FROM kept) FOR UPDATE SKIP LOCKED), "
	"surplus AS (UPDATE todod.outbox_leases SET owner = NULL, until = '-infinity' "
	"WHERE owner = $1 AND until > now() AND part NOT IN (SELECT part FROM kept)), "
	"held AS (UPDATE todod.outbox_leases l SET owner = $1, "
	"until = now() + $2 * interval '1 millisecond' "
	"FROM (SELECT part FROM kept UNION ALL SELECT part FROM free) p "
	"WHERE l.part = p.part AND (l.owner = $1 OR l.until <= now()) RETURNING l.part) "
	"SELECT coalesce(sum(1 << held.part), 0)::integer, (SELECT n FROM others) > 0 FROM held",
	3,
};

static const struct db_statement RELEASE = {
	"outbox_release",
	"WITH gone AS (DELETE FROM todod.outbox_relays WHERE id = $1) "
	"UPDATE todod.outbox_leases SET owner = NULL, until = '-infinity' WHERE owner = $1",
	1,
};

/*
 * What was taken away stays in table and index until a vacuum, and statistics of a table that is
 * nearly always empty say that reading all of it is cheap. So an event by its place is looked up on
 * its own, by OFFSET 0, which a join could not be held to.
 */
#define BY_PLACE(columns, places)                                     \
	"CROSS JOIN LATERAL (SELECT " columns " FROM todod.outbox x " \
	"WHERE x.part = " places ".part AND x.id = " places ".id OFFSET 0) o"

static const struct db_statement REMOVE = {
	"outbox_remove",
	"DELETE FROM todod.outbox WHERE ctid = ANY(ARRAY(SELECT o.ctid "
	"FROM unnest($1, $2) AS d(part, id) " BY_PLACE("x.ctid", "d") "))",
	2,
};

/* A plain scan of the index marks what was taken away, and the next one steps over it; a bitmap or
 * a sequential scan visits it all. */
static const struct db_statement BY_INDEX = {
	"outbox_by_index",
	"SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true)",
	0,
};

/* $1 partitions, $2 topics and $3 topic/user that wait. Numbers are OUTBOX_WINDOW and
 * OUTBOX_TURN_MAX. No join decides what waits: the scan could not end after the first 512. What is
 * grouped is narrow; the events are fetched when it is known which. */
static const struct db_statement READ = {
	"outbox_read",
	"SELECT o.* FROM "
	"(SELECT min(w.part) AS part, min(w.id) AS id FROM unnest($1) AS p(part) CROSS JOIN LATERAL "
	"(SELECT x.part, x.id, x.topic, x.user_id FROM todod.outbox x WHERE x.part = p.part "
	"AND x.topic <> ALL ($2) AND x.topic || '/' || x.user_id <> ALL ($3) "
	"ORDER BY x.id LIMIT 512) w GROUP BY w.topic, w.user_id ORDER BY 2 LIMIT 500) c " BY_PLACE(
		"x.part, x.id, x.event_id, x.topic, x.user_id, x.event, x.created_at",
		"c") " ORDER BY o.id",
	3,
};

static const struct db_statement SIZE = {
	"outbox_size",
	"SELECT (SELECT count(*) FROM (SELECT FROM todod.outbox LIMIT 1000000) x), "
	"coalesce((extract(epoch FROM now() - min(f.created_at)) * 1000000)::bigint, 0) "
	"FROM generate_series(0, 15) AS p(part) CROSS JOIN LATERAL "
	"(SELECT o.created_at FROM todod.outbox o WHERE o.part = p.part ORDER BY o.id LIMIT 1) f",
	0,
};

int outbox_lease_wait(struct db *db, const struct outbox_relay *relay, int64_t lease_ms,
		      struct outbox_lease *ret, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_UUID(relay->id), DB_PARAM_I64(lease_ms),
					   DB_PARAM_BOOL(relay->stands_in) };
	const struct db_query query = { &LEASE, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(db, &segment, &result, NULL, reterr);

	if (r < 0)
		return r;
	ret->parts = (uint16_t)db_i64(result, 0, 0);
	ret->is_shared = db_bool(result, 0, 1);
	db_result_free(result);
	return 0;
}

int outbox_release_wait(struct db *db, const struct uuid *relay, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_UUID(*relay) };
	const struct db_query query = { &RELEASE, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(db, &segment, &result, NULL, reterr);

	if (r == 0)
		db_result_free(result);
	return r;
}

static int remove_params(struct arena *arena, const struct outbox_turn *t, struct db_param ret[2])
{
	int64_t *parts = arena_alloc(arena, 2 * t->n_done * sizeof(*parts)),
		*ids = parts != NULL ? parts + t->n_done : NULL;

	if (parts == NULL)
		return -1;
	for (size_t i = 0; i < t->n_done; i++) {
		parts[i] = t->done[i].part;
		ids[i] = t->done[i].id;
	}
	int r = db_param_i64s(arena, DB_I16, parts, t->n_done, &ret[0]);
	return r == 0 ? db_param_i64s(arena, DB_I64, ids, t->n_done, &ret[1]) : r;
}

static int read_params(struct arena *arena, const struct outbox_turn *t, struct db_param ret[3])
{
	int64_t parts[OUTBOX_PARTS];
	size_t n_parts = 0, n_topics = 0, n_users = 0;
	struct str *topics = arena_alloc(arena, 2 * t->n_holds * sizeof(*topics)),
		   *users = topics != NULL ? topics + t->n_holds : NULL;

	if (topics == NULL)
		return -1;
	for (int part = 0; part < OUTBOX_PARTS; part++) {
		if (t->parts & (1U << part))
			parts[n_parts++] = part;
	}
	for (size_t i = 0; i < t->n_holds; i++) {
		const struct outbox_hold *h = &t->holds[i];

		if (h->user_id.n == 0)
			topics[n_topics++] = h->topic;
		else
			users[n_users++] = arena_printf(arena, "%.*s/%.*s", STR_ARGS(h->topic),
							STR_ARGS(h->user_id));
		if (n_users > 0 && users[n_users - 1].p == NULL)
			return -1;
	}
	int r = db_param_i64s(arena, DB_I16, parts, n_parts, &ret[0]);
	if (r == 0)
		r = db_param_texts(arena, topics, n_topics, &ret[1]);
	return r == 0 ? db_param_texts(arena, users, n_users, &ret[2]) : r;
}

static int read_events(struct arena *arena, const struct db_result *result,
		       const struct outbox_event **ret, size_t *ret_n)
{
	size_t n = (size_t)db_rows(result);
	struct outbox_event *events = arena_alloc(arena, n * sizeof(*events));

	if (events == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int row = (int)i;

		events[i] = (struct outbox_event){
			.ref = { (int)db_i64(result, row, 0), db_i64(result, row, 1) },
			.event_id = db_uuid(result, row, 2),
			.topic = db_text(result, row, 3),
			.user_id = db_text(result, row, 4),
			.event = db_text(result, row, 5),
			.created_at_us = db_time(result, row, 6),
		};
	}
	*ret = events;
	*ret_n = n;
	return 0;
}

int outbox_turn_wait(struct db *db, struct arena *arena, const struct outbox_turn *t,
		     const struct outbox_event **ret, size_t *ret_n, struct err *reterr)
{
	struct db_param remove[2], read[3];
	struct db_query queries[3] = { { &BY_INDEX, NULL } };
	struct db_segment segment = { .queries = queries, .n_queries = 1 };
	struct db_result *results[3];
	bool reads = t->parts != 0;

	assert(t->n_done <= OUTBOX_TURN_MAX && (reads || t->n_done > 0));
	if (t->n_done > 0) {
		if (remove_params(arena, t, remove) < 0)
			return results_out_of_memory(reterr);
		queries[segment.n_queries++] = (struct db_query){ &REMOVE, remove };
	}
	if (reads) {
		if (read_params(arena, t, read) < 0)
			return results_out_of_memory(reterr);
		queries[segment.n_queries++] = (struct db_query){ &READ, read };
	}
	int r = db_run_wait(db, &segment, results, NULL, reterr);
	if (r == 0)
		r = results_keep(arena, results, segment.n_queries, reterr);
	if (r < 0)
		return r;
	*ret_n = 0;
	if (reads && read_events(arena, results[segment.n_queries - 1], ret, ret_n) < 0)
		return results_out_of_memory(reterr);
	return 0;
}

int outbox_size_wait(struct db *db, struct outbox_size *ret, struct err *reterr)
{
	const struct db_query query = { &SIZE, NULL };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int r = db_run_wait(db, &segment, &result, NULL, reterr);

	if (r < 0)
		return r;
	*ret = (struct outbox_size){ db_i64(result, 0, 0), db_i64(result, 0, 1) };
	db_result_free(result);
	return 0;
}
