/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox as the narrow role of the relay: which relay holds what and when it changes hands, the
 * order of what is read, what is held back, and that the role reaches nothing else.
 */
#include "test/unit/support/pg_fixture.h"

#include "store/outbox.h"
#include "store/schema.h"

#include <errno.h>
#include <unistd.h>

enum { LEASE_MS = 60000, ALL_PARTS = 0xffff };

static struct arena *arena;
static struct db *db;

static void setup(void)
{
	struct err err = { 0 };
	char sql[128];

	pg_setup();
	ck_assert_msg(schema_migrate(pg.url, NULL, NULL, &err) == 0, "%s", err.text);
	snprintf(sql, sizeof(sql), "GRANT todod_relay TO %s", pg.role);
	pg_sql(sql);
	arena = arena_new(64 * 1024 * 1024);
	ck_assert_ptr_nonnull(arena);
}

static void teardown(void)
{
	arena_free(arena);
	pg_teardown();
}

/* Runs fn(NULL) on a fiber with the pool of the relay's role open. */
static FIBER void with_db(void *arg)
{
	struct db_config config = pg_config(pg.app_url);

	db = pg_open(&config);
	(*(fiber_fn **)arg)(NULL);
	db_free(db);
}

static void run(fiber_fn *fn)
{
	pg_run(with_db, &fn);
}

static void put(const char *user, int part, const char *topic, const char *event)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) "
		 "VALUES (gen_random_uuid(), '%s', %d, '%s', 1, '%s')",
		 topic, part, user, event);
	pg_sql(sql);
}

static bool was_shared; /* of the last lease */

static uint16_t lease_of(const struct outbox_relay *relay, int64_t ms)
{
	struct outbox_lease lease = { .parts = 0 };
	struct err err = { 0 };

	ck_assert_msg(outbox_lease_wait(db, relay, ms, &lease, &err) == 0, "%s", err.text);
	was_shared = lease.is_shared;
	return lease.parts;
}

static uint16_t lease(const struct uuid *id, int64_t ms)
{
	const struct outbox_relay relay = { *id, false };

	return lease_of(&relay, ms);
}

static void release(const struct uuid *relay)
{
	struct err err = { 0 };

	ck_assert_msg(outbox_release_wait(db, relay, &err) == 0, "%s", err.text);
}

static const struct outbox_event *turn(const struct outbox_turn *t, size_t *n)
{
	const struct outbox_event *events = NULL;
	struct err err = { 0 };

	ck_assert_msg(outbox_turn_wait(db, arena, t, &events, n, &err) == 0, "%s", err.text);
	return events;
}

/* ---- leases ---- */

static FIBER void alone(void *arg)
{
	struct uuid a = uuid_v7();

	(void)arg;
	ck_assert_uint_eq(lease(&a, LEASE_MS), ALL_PARTS);
	ck_assert_uint_eq(lease(&a, LEASE_MS), ALL_PARTS);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox_relays"), 1);
	release(&a);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox_relays"), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox_leases WHERE until > now()"),
			 0);
}

START_TEST(one_relay_holds_all)
{
	run(alone);
}
END_TEST

static FIBER void share(void *arg)
{
	struct uuid relays[3] = { uuid_v7(), uuid_v7(), uuid_v7() };
	uint16_t parts[3] = { 0 };

	(void)arg;
	ck_assert_uint_eq(lease(&relays[0], LEASE_MS), ALL_PARTS);
	/* The others are known now, but everything is held. */
	ck_assert_uint_eq(lease(&relays[1], LEASE_MS), 0);
	ck_assert_uint_eq(lease(&relays[2], LEASE_MS), 0);
	ck_assert(was_shared);
	/* The first keeps its share, and gives the rest back. */
	parts[0] = lease(&relays[0], LEASE_MS);
	ck_assert_int_eq(__builtin_popcount(parts[0]), 6);
	parts[1] = lease(&relays[1], LEASE_MS);
	parts[2] = lease(&relays[2], LEASE_MS);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_ge(__builtin_popcount(parts[i]), 4);
		for (int j = 0; j < i; j++)
			ck_assert_uint_eq(parts[i] & parts[j], 0);
		ck_assert_uint_eq(lease(&relays[i], LEASE_MS), parts[i]);
	}
	ck_assert_uint_eq(parts[0] | parts[1] | parts[2], ALL_PARTS);
	/* What one gives back goes to the others. */
	release(&relays[0]);
	parts[1] = lease(&relays[1], LEASE_MS);
	parts[2] = lease(&relays[2], LEASE_MS);
	ck_assert_uint_eq(parts[1] | parts[2], ALL_PARTS);
	ck_assert_uint_eq(parts[1] & parts[2], 0);
}

START_TEST(partitions_are_shared_and_never_twice)
{
	run(share);
}
END_TEST

static FIBER void stand_in(void *arg)
{
	const struct outbox_relay self[2] = { { uuid_v7(), true }, { uuid_v7(), true } };
	struct uuid relay = uuid_v7();

	(void)arg;
	/* Alone it has all, with its like its share, beside another one nothing, at once. */
	ck_assert_uint_eq(lease_of(&self[0], LEASE_MS), ALL_PARTS);
	ck_assert(!was_shared);
	ck_assert_uint_eq(lease_of(&self[1], LEASE_MS), 0);
	ck_assert_int_eq(__builtin_popcount(lease_of(&self[0], LEASE_MS)), 8);
	ck_assert_int_eq(__builtin_popcount(lease_of(&self[1], LEASE_MS)), 8);
	ck_assert_uint_eq(lease(&relay, LEASE_MS), 0);
	ck_assert_uint_eq(lease_of(&self[0], LEASE_MS), 0);
	ck_assert_uint_eq(lease_of(&self[1], LEASE_MS), 0);
	ck_assert_uint_eq(lease(&relay, LEASE_MS), ALL_PARTS);
	ck_assert(was_shared);
	ck_assert_uint_eq(lease_of(&self[0], LEASE_MS), 0);
	/* The other one is gone. */
	release(&relay);
	ck_assert_int_eq(__builtin_popcount(lease_of(&self[0], LEASE_MS)), 8);
	ck_assert_int_eq(__builtin_popcount(lease_of(&self[1], LEASE_MS)), 8);
}

START_TEST(one_that_stands_in)
{
	run(stand_in);
}
END_TEST

static FIBER void takeover(void *arg)
{
	struct uuid dead = uuid_v7(), heir = uuid_v7();

	(void)arg;
	ck_assert_uint_eq(lease(&dead, 200), ALL_PARTS);
	ck_assert_uint_eq(lease(&heir, LEASE_MS), 0);
	for (int i = 0; i < 1000 && lease(&heir, LEASE_MS) != ALL_PARTS; i++)
		ck_assert_int_eq(fiber_sleep(10), 0);
	ck_assert_uint_eq(lease(&heir, LEASE_MS), ALL_PARTS);
	/* Back from the dead: what was its own is another's. */
	ck_assert_uint_eq(lease(&dead, LEASE_MS), 0);
}

START_TEST(what_a_dead_relay_held_is_taken_over)
{
	run(takeover);
}
END_TEST

struct contender {
	struct uuid id;
	uint16_t parts;
	bool is_done;
};

static FIBER void contend(void *arg)
{
	struct contender *c = arg;

	c->parts = lease(&c->id, LEASE_MS);
	c->is_done = true;
}

static FIBER void race(void *arg)
{
	struct contender all[4];
	uint16_t seen = 0;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		all[i] = (struct contender){ .id = uuid_v7() };
		ck_assert_int_eq(fiber_spawn(pg.loop, "relay", contend, &all[i], NULL, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		while (!all[i].is_done)
			ck_assert_int_eq(fiber_sleep(5), 0);
		ck_assert_uint_eq(seen & all[i].parts, 0);
		seen |= all[i].parts;
	}
	ck_assert_uint_ne(seen, 0);
}

START_TEST(relays_that_start_at_once)
{
	run(race);
}
END_TEST

/* ---- reading ---- */

static FIBER void order(void *arg)
{
	const struct outbox_turn all = { .parts = ALL_PARTS };
	struct outbox_ref done[2];
	size_t n = 0;

	(void)arg;
	put("alice", 3, "task-events", "a1");
	put("alice", 3, "task-updates", "u1");
	put("alice", 3, "task-events", "a2");
	put("bob", 9, "task-events", "b1");
	put("carol", 3, "task-events", "c1");

	const struct outbox_event *e = turn(&all, &n);
	ck_assert_uint_eq(n, 4);
	ck_assert(str_eq(e[0].event, STR("a1")) && str_eq(e[0].user_id, STR("alice")));
	ck_assert(str_eq(e[1].event, STR("u1")) && str_eq(e[1].topic, STR("task-updates")));
	ck_assert(str_eq(e[2].event, STR("b1")) && e[2].ref.part == 9);
	ck_assert(str_eq(e[3].event, STR("c1")));
	done[0] = e[0].ref;
	done[1] = e[2].ref;

	/* Partitions of others are not read; what is done is gone, also theirs. */
	const struct outbox_turn next = { .done = done, .n_done = 2, .parts = 1 << 3 };
	e = turn(&next, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert(str_eq(e[0].event, STR("u1")));
	ck_assert(str_eq(e[1].event, STR("a2")));
	ck_assert(str_eq(e[2].event, STR("c1")));
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox"), 3);

	/* A second time does no harm; nothing to read is nothing read. */
	const struct outbox_turn only = { .done = done, .n_done = 2 };
	turn(&only, &n);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox"), 3);
}

START_TEST(the_oldest_of_each_user_and_topic)
{
	run(order);
}
END_TEST

static FIBER void late(void *arg)
{
	PGconn *slow = pg_connect(pg.url);
	const struct outbox_turn all = { .parts = ALL_PARTS };
	struct outbox_ref done;
	size_t n = 0;

	(void)arg;
	pg_on(slow, "BEGIN");
	pg_on(slow, "INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) "
		    "VALUES (gen_random_uuid(), 'task-events', 1, 'slow', 1, 's1')");
	put("fast", 1, "task-events", "f1");
	const struct outbox_event *e = turn(&all, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert(str_eq(e[0].event, STR("f1")));
	done = e[0].ref;
	pg_on(slow, "COMMIT");
	PQfinish(slow);
	const struct outbox_turn next = { .done = &done, .n_done = 1, .parts = ALL_PARTS };
	e = turn(&next, &n);
	ck_assert_uint_eq(n, 1);
	ck_assert(str_eq(e[0].event, STR("s1")));
	ck_assert_int_lt(e[0].ref.id, done.id);
}

START_TEST(a_commit_that_comes_late_is_not_lost)
{
	run(late);
}
END_TEST

static FIBER void holds(void *arg)
{
	const struct outbox_hold held[] = { { STR("task-events"), STR("alice") },
					    { STR("reminders"), { NULL, 0 } } };
	const struct outbox_turn t = { .parts = ALL_PARTS, .holds = held, .n_holds = 2 };
	size_t n = 0;

	(void)arg;
	/* More than what is looked at in a partition: they must not hide the others. */
	pg_sql("INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) "
	       "SELECT gen_random_uuid(), 'task-events', 2, 'alice', n, 'a' FROM generate_series(1, 600) n");
	put("alice", 2, "task-updates", "u");
	put("bob", 2, "reminders", "r");
	put("bob", 2, "task-events", "b");
	const struct outbox_event *e = turn(&t, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert(str_eq(e[0].event, STR("u")) && str_eq(e[1].event, STR("b")));
}

START_TEST(what_is_held_back_lets_others_pass)
{
	run(holds);
}
END_TEST

static const char *analyzed_when; /* the statistics are of what is there, or of an empty table */

static FIBER void deep(void *arg)
{
	const struct outbox_turn all = { .parts = ALL_PARTS };
	struct outbox_ref done[100];
	size_t n = 0;

	(void)arg;
	pg_sql("ALTER TABLE todod.outbox SET (autovacuum_enabled = off)");
	if (strcmp(analyzed_when, "empty") == 0)
		pg_sql("ANALYZE todod.outbox");
	pg_sql("INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) "
	       "SELECT gen_random_uuid(), 'task-events', 2, 'u' || n % 100, n, 'e' FROM generate_series(1, 20000) n");
	if (strcmp(analyzed_when, "full") == 0)
		pg_sql("ANALYZE todod.outbox");
	const struct outbox_event *e = turn(&all, &n);
	ck_assert_uint_eq(n, 100);
	for (size_t i = 0; i < n; i++)
		done[i] = e[i].ref;
	turn(&(struct outbox_turn){ .done = done, .n_done = n }, &n);
}

/* Sessions tell the statistics what they read when they end. */
START_TEST(a_turn_costs_the_same_whatever_waits)
{
	long rows = 0;

	analyzed_when = _i == 0 ? "full" : "empty";
	run(deep);
	for (int i = 0; i < 1000 && rows == 0; i++) {
		usleep(10000);
		rows = pg_long(
			"SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables WHERE relname = 'outbox' "
			"AND idx_tup_fetch > 0");
	}
	ck_assert_int_ge(rows, 200);
	/* ANALYZE and the insert read none. */
	ck_assert_int_le(rows, OUTBOX_WINDOW + 2 * OUTBOX_TURN_MAX);
}
END_TEST

static FIBER void bound(void *arg)
{
	const struct outbox_turn all = { .parts = ALL_PARTS };
	struct outbox_size size;
	struct err err = { 0 };
	size_t n = 0;

	(void)arg;
	ck_assert_int_eq(outbox_size_wait(db, &size, &err), 0);
	ck_assert_int_eq(size.n, 0);
	ck_assert_int_eq(size.oldest_us, 0);
	pg_sql("INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event, created_at) "
	       "SELECT gen_random_uuid(), 'task-events', n % 16, 'u' || n, 1, 'e', now() - interval '1 h' "
	       "FROM generate_series(1, 1000) n");
	turn(&all, &n);
	ck_assert_uint_eq(n, OUTBOX_TURN_MAX);
	ck_assert_int_eq(outbox_size_wait(db, &size, &err), 0);
	ck_assert_int_eq(size.n, 1000);
	ck_assert_int_ge(size.oldest_us, INT64_C(3600) * 1000000);
}

START_TEST(bounds_and_size)
{
	run(bound);
}
END_TEST

/* ---- what the role may ---- */

START_TEST(the_role_of_the_relay_reaches_nothing_else)
{
	PGconn *conn = pg_connect(pg.app_url);
	static const char *const REFUSED[] = {
		"SELECT FROM todod.tasks",
		"SELECT FROM todod.preferences",
		"SELECT FROM todod.idempotency_keys",
		"SELECT FROM todod.reminders",
		"SELECT FROM todod.tags",
		"INSERT INTO todod.outbox SELECT FROM todod.outbox",
		"UPDATE todod.outbox SET event = 'x'",
		"TRUNCATE todod.outbox",
		"DELETE FROM todod.outbox_leases",
		"INSERT INTO todod.outbox_leases (part) VALUES (1)",
		"CREATE TABLE todod.x ()",
	};

	put("alice", 1, "task-events", "a");
	ck_assert_str_eq(pg_on(conn, "SELECT count(*) FROM todod.outbox"), "1");
	for (size_t i = 0; i < ARRAY_SIZE(REFUSED); i++) {
		PGresult *res = PQexec(conn, REFUSED[i]);
		const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

		ck_assert_msg(state != NULL && strcmp(state, "42501") == 0, "%s: %s", REFUSED[i],
			      PQresultErrorMessage(res));
		PQclear(res);
	}
	PQfinish(conn);
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM pg_class WHERE relowner = 'todod_relay'::regrole"),
		0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM pg_roles WHERE rolname = 'todod_relay' "
				 "AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)"),
			 0);
}
END_TEST

/* The role of the API still sees nobody's events. */
START_TEST(the_policy_is_of_the_relay_alone)
{
	PGconn *conn = pg_connect(pg.url);

	put("alice", 1, "task-events", "a");
	pg_on(conn, "GRANT SELECT, DELETE ON todod.outbox TO todod_api");
	pg_on(conn, "SET ROLE todod_api");
	ck_assert_str_eq(pg_on(conn, "SELECT count(*) FROM todod.outbox"), "0");
	pg_on(conn, "DELETE FROM todod.outbox");
	PQfinish(conn);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox"), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("outbox");
	TCase *t = tcase_create("outbox");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, one_relay_holds_all);
	tcase_add_test(t, partitions_are_shared_and_never_twice);
	tcase_add_test(t, one_that_stands_in);
	tcase_add_test(t, what_a_dead_relay_held_is_taken_over);
	tcase_add_test(t, relays_that_start_at_once);
	tcase_add_test(t, the_oldest_of_each_user_and_topic);
	tcase_add_test(t, a_commit_that_comes_late_is_not_lost);
	tcase_add_test(t, what_is_held_back_lets_others_pass);
	tcase_add_loop_test(t, a_turn_costs_the_same_whatever_waits, 0, 2);
	tcase_add_test(t, bounds_and_size);
	tcase_add_test(t, the_role_of_the_relay_reaches_nothing_else);
	tcase_add_test(t, the_policy_is_of_the_relay_alone);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
