/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net/db against a real PostgreSQL: values, transactions by segment, and what goes wrong:
 * violations inside pipelines, sessions killed, statements over time, limits of connections, a
 * server stopped and started. The server's own text output is the oracle of the binary formats.
 */
#include "src/net/db_private.h"
#include "test/unit/support/pg_fixture.h"

#include "base/time.h"
#include "base/uuid.h"
#include "net/db_session.h"

#include <errno.h>

/* DB_PARAM_TEXT for tables, whose initialisers must be constant. */
#define TEXT(literal)                                                       \
	{                                                                   \
		.type = DB_TEXT, .v.str = {(literal), sizeof(literal) - 1 } \
	}
#define BYTES(literal)                                                       \
	{                                                                    \
		.type = DB_BYTES, .v.str = {(literal), sizeof(literal) - 1 } \
	}

static const struct db_statement ONE = { "one", "SELECT 1", 0 };
static const struct db_statement ECHO = { "echo", "SELECT $1", 1 };
static const struct db_statement USER_IS = {
	"user_is", "SELECT coalesce(current_setting('app.user_id', true), '')", 0
};
static const struct db_statement SLEEP = { "sleep", "SELECT pg_sleep($1::bigint / 1000.0)::text",
					   1 };
static const struct db_statement INSERT = { "insert", "INSERT INTO t (k) VALUES ($1)", 1 };
static const struct db_statement COUNT = { "count", "SELECT count(*) FROM t", 0 };

/* One statement; *ret may be NULL. */
static int run1(struct db *db, const struct db_statement *s, const struct db_param *params,
		struct db_result **ret, char *constraint, struct err *err)
{
	const struct db_query query = { s, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result = NULL;
	int r = db_run_wait(db, &segment, &result, constraint, err);

	if (r == 0 && ret)
		*ret = result;
	else if (r == 0)
		db_result_free(result);
	return r;
}

static int64_t get_i64(struct db *db, const struct db_statement *s)
{
	struct db_result *result;
	struct err err = { 0 };
	int64_t v;

	ck_assert_msg(run1(db, s, NULL, &result, NULL, &err) == 0, "%s", err.text);
	v = db_i64(result, 0, 0);
	db_result_free(result);
	return v;
}

static int insert(struct db *db, int64_t k, char *constraint, struct err *err)
{
	const struct db_param p = DB_PARAM_I64(k);

	return run1(db, &INSERT, &p, NULL, constraint, err);
}

static int sleep_ms(struct db *db, int64_t ms, struct err *err)
{
	const struct db_param p = DB_PARAM_I64(ms);

	return run1(db, &SLEEP, &p, NULL, NULL, err);
}

static void make_table(void)
{
	pg_sql("CREATE TABLE t (k bigint CONSTRAINT t_k_once PRIMARY KEY)");
	pg_sql("GRANT ALL ON t TO PUBLIC");
}

/* ---- values ---- */

static const struct value_case {
	const char *sql; /* sent value as the server's text */
	struct db_param param;
	const char *text;
} value_cases[] = {
	{ "SELECT $1::text", DB_PARAM_I64(0), "0" },
	{ "SELECT $1::text", DB_PARAM_I64(INT64_MAX), "9223372036854775807" },
	{ "SELECT $1::text", DB_PARAM_I64(INT64_MIN), "-9223372036854775808" },
	{ "SELECT $1::text", DB_PARAM_I32(INT32_MIN), "-2147483648" },
	{ "SELECT $1::text", DB_PARAM_I32(-1), "-1" },
	{ "SELECT $1::text", DB_PARAM_I16(INT16_MAX), "32767" },
	{ "SELECT $1::text", DB_PARAM_I16(-32768), "-32768" },
	{ "SELECT $1::text", DB_PARAM_BOOL(true), "true" },
	{ "SELECT $1::text", DB_PARAM_BOOL(false), "false" },
	{ "SELECT $1", TEXT(""), "" },
	{ "SELECT $1", TEXT("na\xc3\xafve \xf0\x9f\x98\x80 'quoted' \\ $1"),
	  "na\xc3\xafve \xf0\x9f\x98\x80 'quoted' \\ $1" },
	{ "SELECT ($1 AT TIME ZONE 'UTC')::text", DB_PARAM_TIME(0), "1970-01-01 00:00:00" },
	{ "SELECT ($1 AT TIME ZONE 'UTC')::text", DB_PARAM_TIME(-1), "1969-12-31 23:59:59.999999" },
	{ "SELECT ($1 AT TIME ZONE 'UTC')::text", DB_PARAM_TIME(INT64_C(1795262400123456)),
	  "2026-11-21 12:00:00.123456" },
	{ "SELECT ($1 AT TIME ZONE 'UTC')::text", DB_PARAM_TIME(INT64_C(253402300799000000)),
	  "9999-12-31 23:59:59" },
	{ "SELECT encode($1, 'hex')", BYTES("\0\xff\x01"), "00ff01" },
	{ "SELECT $1::text",
	  { .type = DB_UUID,
	    .v.uuid.bytes = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xff } },
	  "01020304-0506-0708-090a-0b0c0d0e0fff" },
	{ "SELECT ($1 IS NULL)::text", DB_PARAM_NULL(DB_TEXT), "true" },
	{ "SELECT ($1 IS NULL)::text || pg_typeof($1)", DB_PARAM_NULL(DB_TIME),
	  "truetimestamp with time zone" },
	{ "SELECT pg_typeof($1)::text", DB_PARAM_I16(1), "smallint" },
};

static void values_fiber(void *arg)
{
	static struct db_statement
		statements[ARRAY_SIZE(value_cases)]; /* a statement is its address */
	static char names[ARRAY_SIZE(value_cases)][16];
	struct db_config config = pg_config(pg.app_url);
	struct db *db;

	config.prepare = *(bool *)arg;
	db = pg_open(&config);
	for (size_t i = 0; i < ARRAY_SIZE(value_cases); i++) {
		const struct value_case *c = &value_cases[i];
		struct db_result *r;
		struct err err = { 0 };

		snprintf(names[i], sizeof(names[i]), "value_%zu", i);
		statements[i] = (struct db_statement){ names[i], c->sql, 1 };
		ck_assert_msg(run1(db, &statements[i], &c->param, &r, NULL, &err) == 0, "%s: %s",
			      c->text, err.text);
		ck_assert_msg(str_eq(db_text(r, 0, 0), str_from(c->text)), "%zu: %.*s is not %s", i,
			      STR_ARGS(db_text(r, 0, 0)), c->text);
		db_result_free(r);
	}
	db_free(db);
}

START_TEST(test_values_reach_the_server)
{
	bool prepare = _i == 1;

	pg_run(values_fiber, &prepare);
}
END_TEST

static void echo_fiber(void *arg)
{
	static const struct db_statement all = {
		"all",
		"SELECT $1::int8, $2::int4, $3::int2, $4::bool, $5::timestamptz, $6::text, $7::bytea, NULL::text, "
		"'v'::varchar, 'n'::name",
		7,
	};
	const struct db_param p[] = {
		DB_PARAM_I64(INT64_MIN),
		DB_PARAM_I32(-70000),
		DB_PARAM_I16(-7),
		DB_PARAM_BOOL(true),
		DB_PARAM_TIME(-62135596800000000),
		DB_PARAM_TEXT(STR("\xe2\x82\xac")),
		DB_PARAM_BYTES(STR("a\0b")),
	};
	struct db_config config = pg_config(pg.app_url);
	struct db *db = pg_open(&config);
	struct err err = { 0 };
	struct db_result *r;

	(void)arg;
	for (int i = 0; i < 4; i++) { /* unprepared, prepared, on both connections */
		ck_assert_msg(run1(db, &all, p, &r, NULL, &err) == 0, "%s", err.text);
		ck_assert_int_eq(db_rows(r), 1);
		ck_assert(db_i64(r, 0, 0) == INT64_MIN);
		ck_assert_int_eq(db_i64(r, 0, 1), -70000);
		ck_assert_int_eq(db_i64(r, 0, 2), -7);
		ck_assert(db_bool(r, 0, 3));
		ck_assert_int_eq(db_time(r, 0, 4), -62135596800000000);
		ck_assert(str_eq(db_text(r, 0, 5), STR("\xe2\x82\xac")));
		ck_assert(str_eq(db_text(r, 0, 6), STR("a\0b")));
		ck_assert(db_is_null(r, 0, 7));
		ck_assert(!db_is_null(r, 0, 6));
		ck_assert(str_eq(db_text(r, 0, 8), STR("v")));
		ck_assert(str_eq(db_text(r, 0, 9), STR("n")));
		db_result_free(r);
	}
	db_free(db);
}

START_TEST(test_values_come_back)
{
	pg_run(echo_fiber, NULL);
}
END_TEST

static const struct db_param bad_params[] = {
	TEXT("a\0b"),
	TEXT("\xff"),
	TEXT("\xed\xa0\x80"),
	TEXT("\xc0\x80"),
	DB_PARAM_I16(32768),
	DB_PARAM_I16(-32769),
	DB_PARAM_I32(INT64_C(1) << 31),
	DB_PARAM_NULL(DB_NULL),
	DB_PARAM_TIME(INT64_MIN),
};

static void bad_params_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct db *db = pg_open(&config);
	const struct db_query query = { &ONE, NULL };
	const struct db_segment bad_user = { .user_id = STR("\xff"),
					     .queries = &query,
					     .n_queries = 1 };
	const struct db_segment empty = { .queries = &query, .n_queries = 0 };
	struct db_result *r = NULL;
	struct err err = { 0 };

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(bad_params); i++) {
		ck_assert_msg(run1(db, &ECHO, &bad_params[i], &r, NULL, &err) == -EINVAL, "%zu", i);
		ck_assert_ptr_null(r);
		ck_assert_ptr_eq(err.kind, &ERR_INTERNAL);
	}
	ck_assert_int_eq(db_run_wait(db, &bad_user, &r, NULL, &err), -EINVAL);
	ck_assert_int_eq(db_run_wait(db, &empty, &r, NULL, &err), -EINVAL);
	ck_assert_int_eq(get_i64(db, &ONE), 1);
	db_free(db);
}

START_TEST(test_bad_parameters_stay_here)
{
	pg_run(bad_params_fiber, NULL);
}
END_TEST

/* ---- segments ---- */

static void atomic_fiber(void *arg)
{
	const struct db_param one = DB_PARAM_I64(1), two = DB_PARAM_I64(2);
	const struct db_query failing[] = { { &INSERT, &one },
					    { &INSERT, &two },
					    { &INSERT, &one } };
	const struct db_query fine[] = { { &INSERT, &one }, { &INSERT, &two }, { &COUNT, NULL } };
	struct db_segment segment = { .queries = failing, .n_queries = 3 };
	struct db_config config = pg_config(pg.app_url);
	struct db *db = pg_open(&config);
	struct db_result *r[3] = { NULL, NULL, NULL };
	char constraint[64] = "untouched";
	struct err err = { 0 };

	(void)arg;
	ck_assert_int_eq(db_run_wait(db, &segment, r, constraint, &err), -EEXIST);
	ck_assert_str_eq(constraint, "t_k_once");
	ck_assert_ptr_null(r[0]);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM t"), 0);
	segment.queries = fine;
	ck_assert_msg(db_run_wait(db, &segment, r, constraint, &err) == 0, "%s", err.text);
	ck_assert_int_eq(db_affected(r[0]), 1);
	ck_assert_int_eq(db_i64(r[2], 0, 0), 2);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM t"), 2);
	for (int i = 0; i < 3; i++)
		db_result_free(r[i]);
	db_free(db);
}

START_TEST(test_a_segment_is_one_transaction)
{
	make_table();
	pg_run(atomic_fiber, NULL);
}
END_TEST

static void deferred_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct db *db = pg_open(&config);
	char constraint[64] = "";
	struct err err = { 0 };

	(void)arg;
	ck_assert_int_eq(insert(db, 1, constraint, &err), 0);
	/* The INSERT itself succeeds; only the Sync tells. */
	ck_assert_int_eq(insert(db, 1, constraint, &err), -EEXIST);
	ck_assert_str_eq(constraint, "t_k_later");
	ck_assert_int_eq(insert(db, 2, constraint, &err), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM t"), 2);
	db_free(db);
}

START_TEST(test_the_outcome_is_the_syncs)
{
	pg_sql("CREATE TABLE t (k bigint CONSTRAINT t_k_later UNIQUE DEFERRABLE INITIALLY DEFERRED)");
	pg_sql("GRANT ALL ON t TO PUBLIC");
	pg_run(deferred_fiber, NULL);
}
END_TEST

/* Each kind of violation tells what it is of, at the statement or, deferred, at the sync. */
static void constraints_fiber(void *arg)
{
	static const struct db_statement add = { "add", "INSERT INTO c (k, parent) VALUES ($1, $2)",
						 2 };
	static const struct {
		int64_t k, parent;
		int result;
		const char *constraint;
	} cases[] = {
		{ 1, 7, 0, "untouched" },	  { 1, 7, -EEXIST, "c_k_once" },
		{ 2, 8, -ENOENT, "c_parent_is" }, { -2, 7, -EDOM, "c_k_positive" },
		{ 3, 7, 0, "untouched" },
	};
	struct db_config config = pg_config(pg.app_url);
	struct db *db = pg_open(&config);

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct db_param p[] = { DB_PARAM_I64(cases[i].k),
					      DB_PARAM_I64(cases[i].parent) };
		char constraint[64] = "untouched";
		struct err err = { 0 };
		int r = run1(db, &add, p, NULL, constraint, &err);

		ck_assert_msg(r == cases[i].result, "%zu gave %d: %s", i, r, err.text);
		ck_assert_str_eq(constraint, cases[i].constraint);
		ck_assert_ptr_eq(err.kind, r == 0 ? NULL : &ERR_CONFLICT);
		/* Whoever does not ask for the name is told all the same. */
		if (r < 0)
			ck_assert_int_eq(run1(db, &add, p, NULL, NULL, NULL), r);
	}
	ck_assert_int_eq(pg_long("SELECT count(*) FROM c"), 2);
	db_free(db);
}

START_TEST(test_violations_by_kind)
{
	const char *deferred[] = { "", "DEFERRABLE INITIALLY DEFERRED" };
	char sql[512];

	pg_sql("CREATE TABLE p (k bigint PRIMARY KEY)");
	pg_sql("INSERT INTO p VALUES (7)");
	snprintf(sql, sizeof(sql),
		 "CREATE TABLE c (k bigint CONSTRAINT c_k_once UNIQUE "
		 "CONSTRAINT c_k_positive CHECK (k > 0), "
		 "parent bigint CONSTRAINT c_parent_is REFERENCES p %s)",
		 deferred[_i]);
	pg_sql(sql);
	pg_sql("GRANT ALL ON p, c TO PUBLIC");
	pg_run(constraints_fiber, NULL);
}
END_TEST

static void user_fiber(void *arg)
{
	static const struct str users[] = {
		{ "anna", 4 }, { "b'; DROP TABLE t --", 19 }, { NULL, 0 }, { "", 0 }
	};
	struct db_config config = pg_config(pg.app_url);
	const struct db_query query = { &USER_IS, NULL };
	struct db *db;

	config.prepare = *(bool *)arg;
	config.fast_connections = 1;
	db = pg_open(&config);
	/* One connection: what one segment set must not be seen by the next. */
	for (size_t i = 0; i < 12; i++) {
		const struct db_segment segment = { .user_id = users[i % 4],
						    .queries = &query,
						    .n_queries = 1 };
		struct db_result *r;

		ck_assert_int_eq(db_run_wait(db, &segment, &r, NULL, NULL), 0);
		ck_assert(str_eq(db_text(r, 0, 0), users[i % 4]));
		db_result_free(r);
	}
	db_free(db);
}

START_TEST(test_the_user_lives_as_long_as_the_segment)
{
	bool prepare = _i == 0;

	pg_run(user_fiber, &prepare);
}
END_TEST

/* ---- many at once ---- */

struct crowd {
	struct db *db;
	unsigned left, ok, exists, again, cancelled, other;
	unsigned rounds;
	int64_t next;
	unsigned most_queued;
};

static void count_outcome(struct crowd *c, int r)
{
	if (r == 0)
		c->ok++;
	else if (r == -EEXIST)
		c->exists++;
	else if (r == -EAGAIN)
		c->again++;
	else if (r == -ECANCELED)
		c->cancelled++;
	else
		c->other++;
}

static void insert_fiber(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < c->rounds; i++) {
		char constraint[64] = "";
		int64_t n = c->next++;
		int r = insert(c->db, n / 2, constraint,
			       NULL); /* every second one is there already */

		count_outcome(c, r);
		if (r == -EEXIST)
			ck_assert_str_eq(constraint, "t_k_once");
	}
	c->left--;
}

static void crowd_run(struct crowd *c, fiber_fn *fn, unsigned n)
{
	c->left = n;
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(fiber_spawn(pg.loop, "crowd", fn, c, NULL, NULL), 0);
	for (int i = 0; i < 6000 && c->left > 0; i++)
		ck_assert_int_eq(fiber_sleep(10), 0);
	ck_assert_uint_eq(c->left, 0);
}

static void violations_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct crowd c = { .rounds = 20 };

	config.prepare = *(bool *)arg;
	c.db = pg_open(&config);
	crowd_run(&c, insert_fiber, 50);
	ck_assert_uint_eq(c.ok, 500);
	ck_assert_uint_eq(c.exists, 500);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM t"), 500);
	ck_assert_int_eq(get_i64(c.db, &COUNT), 500);
	db_free(c.db);
}

START_TEST(test_violations_leave_their_neighbours_alone)
{
	bool prepare = _i == 0;

	make_table();
	pg_run(violations_fiber, &prepare);
}
END_TEST

static void short_sleep_fiber(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < c->rounds; i++)
		count_outcome(c, sleep_ms(c->db, 1, NULL));
	c->left--;
}

static void bounded_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct crowd c = { .rounds = 13 };

	(void)arg;
	config.fast_connections = 1;
	config.fast_depth = 4;
	config.queue_max = 30;
	c.db = pg_open(&config);
	/* 800 fibers come in one turn of the loop: 4 are sent, 30 wait, and all others are refused
	 * 13 times. */
	crowd_run(&c, short_sleep_fiber, 800);
	ck_assert_uint_eq(c.ok + c.again, 800 * 13);
	ck_assert_uint_ge(c.again, (800 - 34) * 13);
	ck_assert_uint_ge(c.ok, 34);
	ck_assert_uint_eq(c.other, 0);
	ck_assert_int_eq(get_i64(c.db, &ONE), 1);
	db_free(c.db);
}

START_TEST(test_the_queue_is_bounded)
{
	pg_run(bounded_fiber, NULL);
}
END_TEST

struct racer {
	struct db *db;
	bool slow, done;
	int result;
	int64_t ms;
	struct fiber *fiber;
};

static void racer_fiber(void *arg)
{
	struct racer *x = arg;
	const struct db_param p = DB_PARAM_I64(x->ms);
	const struct db_query query = { &SLEEP, &p };
	const struct db_segment segment = { .queries = &query, .n_queries = 1, .slow = x->slow };
	struct db_result *r = NULL;

	x->result = db_run_wait(x->db, &segment, &r, NULL, NULL);
	if (x->result == 0)
		db_result_free(r);
	x->done = true;
}

static void racer_start(struct racer *x)
{
	ck_assert_int_eq(fiber_spawn(pg.loop, "racer", racer_fiber, x, NULL, &x->fiber), 0);
}

static void racer_end(struct racer *x)
{
	for (int i = 0; i < 3000 && !x->done; i++)
		ck_assert_int_eq(fiber_sleep(10), 0);
	ck_assert(x->done);
}

static void await_slow(struct db *db, unsigned n)
{
	for (int i = 0; i < 1000 && db->n_slow_up != n; i++)
		ck_assert_int_eq(fiber_sleep(10), 0);
	ck_assert_uint_eq(db->n_slow_up, n);
}

static void slow_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct racer slow = { .slow = true, .ms = 2000 };

	(void)arg;
	config.fast_connections = 1;
	slow.db = pg_open(&config);
	await_slow(slow.db, 1);
	racer_start(&slow);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(get_i64(slow.db, &ONE), 1);
	/* The only fast connection answered 20 times while the long read ran. */
	ck_assert(!slow.done);
	racer_end(&slow);
	ck_assert_int_eq(slow.result, 0);
	db_free(slow.db);
}

START_TEST(test_long_reads_have_their_own_way)
{
	pg_run(slow_fiber, NULL);
}
END_TEST

static void slow_is_down_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct racer sent = { .slow = true, .ms = 3000 }, queued = { .slow = true, .ms = 1 };
	struct racer later = { .slow = true, .ms = 1 };
	struct db *db;

	(void)arg;
	config.fast_connections = 1;
	db = sent.db = queued.db = later.db = pg_open(&config);
	await_slow(db, 1);
	/* The slow connection will not come back. */
	pg_server_sql("ALTER ROLE", pg.role, "CONNECTION LIMIT 1");
	racer_start(&sent);
	racer_start(&queued);
	ck_assert_int_eq(fiber_sleep(20), 0);
	ck_assert_int_eq(
		pg_long("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
			"WHERE query LIKE '%pg_sleep%' AND state = 'active' "
			"AND application_name = 'todod-test' AND datname = current_database()"),
		1);
	racer_end(&sent);
	racer_end(&queued);
	ck_assert_int_eq(sent.result, -EAGAIN);
	ck_assert_int_eq(queued.result, 0);
	ck_assert_uint_eq(db->n_slow_up, 0);
	racer_start(&later);
	racer_end(&later);
	ck_assert_int_eq(later.result, 0);
	pg_server_sql("ALTER ROLE", pg.role, "CONNECTION LIMIT -1");
	await_slow(db, 1);
	db_free(db);
}

START_TEST(test_long_reads_go_on_without_their_connection)
{
	pg_run(slow_is_down_fiber, NULL);
}
END_TEST

/* ---- cancelling and stopping ---- */

static void cancel_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct racer sent = { .ms = 100 }, queued = { .ms = 1 }, kept = { .ms = 1 };
	struct db *db;

	(void)arg;
	config.fast_connections = 1;
	config.fast_depth = 1;
	db = sent.db = queued.db = kept.db = pg_open(&config);
	racer_start(&sent);
	racer_start(&queued);
	racer_start(&kept);
	ck_assert_int_eq(fiber_sleep(20), 0);
	fiber_cancel(queued.fiber);
	fiber_cancel(sent.fiber);
	racer_end(&sent);
	racer_end(&queued);
	racer_end(&kept);
	ck_assert_int_eq(sent.result, -ECANCELED);
	ck_assert_int_eq(queued.result, -ECANCELED);
	ck_assert_int_eq(kept.result, 0);
	ck_assert_int_eq(get_i64(db, &ONE), 1);
	db_free(db);
}

START_TEST(test_a_waiter_may_leave)
{
	pg_run(cancel_fiber, NULL);
}
END_TEST

static void free_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct racer sent = { .ms = 3000 }, queued = { .ms = 1 };
	struct db *db;

	(void)arg;
	config.fast_connections = 1;
	config.fast_depth = 1;
	db = sent.db = queued.db = pg_open(&config);
	racer_start(&sent);
	racer_start(&queued);
	ck_assert_int_eq(fiber_sleep(20), 0);
	db_free(db);
	racer_end(&sent);
	racer_end(&queued);
	ck_assert_int_eq(sent.result, -ECANCELED);
	ck_assert_int_eq(queued.result, -ECANCELED);
}

START_TEST(test_free_ends_what_is_under_way)
{
	pg_run(free_fiber, NULL);
}
END_TEST

/* ---- faults ---- */

static void timeout_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	bool prepare = *(bool *)arg;
	struct err err = { 0 };
	struct db *db;
	int r;

	config.statement_timeout_ms = 150;
	config.prepare = prepare;
	config.fast_connections = 1;
	db = pg_open(&config);
	r = sleep_ms(db, 4000, &err);
	/* By the server's timeout, or, without session settings, by the watchdog that cuts the
	 * connection. */
	ck_assert_int_eq(r, prepare ? -ETIME : -EAGAIN);
	ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
	ck_assert_uint_gt(err.retry_after_s, 0);
	pg_await(db, true);
	ck_assert_int_eq(get_i64(db, &ONE), 1);
	db_free(db);
}

START_TEST(test_a_statement_over_time)
{
	bool prepare = _i == 0;

	pg_run(timeout_fiber, &prepare);
}
END_TEST

static const char KILL_ALL[] =
	"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
	"WHERE application_name = 'todod-test' AND datname = current_database()";

#define SESSIONS                                                                           \
	"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'todod-test' AND " \
	"datname = current_database()"

/* A bound keeps a broken test from hanging. */
static void await_sessions(const char *sql, long wanted)
{
	for (int i = 0; i < 1000 && pg_long(sql) != wanted; i++)
		ck_assert_int_eq(fiber_sleep(10), 0);
	ck_assert_int_eq(pg_long(sql), wanted);
}

/* Kills sessions that nobody waits on, and waits until others stand in for all of them. */
static void kill_idle(const struct db_config *config)
{
	long all = (long)(config->fast_connections + config->slow_connections);
	char newer[256];

	await_sessions(SESSIONS, all);
	snprintf(newer, sizeof(newer), SESSIONS " AND backend_start > '%.64s'",
		 pg_sql("SELECT clock_timestamp()"));
	ck_assert_int_eq(pg_long(KILL_ALL), all);
	await_sessions(newer, all);
}

static void kill_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct racer x[6] = { 0 };
	struct db *db = pg_open(&config);

	(void)arg;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(x); i++) {
			x[i] = (struct racer){ .db = db, .ms = 2000 };
			racer_start(&x[i]);
		}
		ck_assert_int_eq(fiber_sleep(50), 0);
		ck_assert_int_ge(pg_long(KILL_ALL), 2);
		for (size_t i = 0; i < ARRAY_SIZE(x); i++) {
			racer_end(&x[i]);
			ck_assert_int_eq(x[i].result, -EAGAIN);
		}
		pg_await(db, true);
		ck_assert_int_eq(get_i64(db, &ONE), 1);
	}
	/* Idle connections notice too. */
	kill_idle(&config);
	pg_await(db, true);
	ck_assert_int_eq(get_i64(db, &ONE), 1);
	db_free(db);
}

START_TEST(test_killed_sessions_come_back)
{
	pg_run(kill_fiber, NULL);
}
END_TEST

/* 8 fibers use a broken statement at once, between healthy ones. */
static void broken_fiber(void *arg)
{
	static const struct db_statement broken = { "broken", "SELECT v FROM not_there", 0 };
	struct crowd *c = arg;

	for (unsigned i = 0; i < c->rounds; i++) {
		count_outcome(c, run1(c->db, &broken, NULL, NULL, NULL, NULL));
		ck_assert_int_eq(get_i64(c->db, &ONE), 1);
	}
	c->left--;
}

static void prepare_fails_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct crowd c = { .rounds = 5 };

	(void)arg;
	c.db = pg_open(&config);
	crowd_run(&c, broken_fiber, 8);
	ck_assert_uint_eq(c.other, 40);
	/* The same statement works once it can: nobody believes that it is prepared already. */
	pg_sql("CREATE TABLE not_there AS SELECT 7::bigint AS v");
	pg_sql("GRANT ALL ON not_there TO PUBLIC");
	c.ok = c.other = 0;
	crowd_run(&c, broken_fiber, 8);
	ck_assert_uint_eq(c.ok, 40);
	/* Its type changes below the prepared plan: one answer is 503 at most per connection, then
	 * it works again. */
	pg_sql("ALTER TABLE not_there ALTER v TYPE integer");
	c = (struct crowd){ .db = c.db, .rounds = 1 };
	crowd_run(&c, broken_fiber, 1);
	ck_assert_uint_eq(c.again, 1);
	db_free(c.db);
}

START_TEST(test_a_failed_preparation_is_not_believed)
{
	pg_run(prepare_fails_fiber, NULL);
}
END_TEST

static void reset_fiber(void *arg)
{
	static const struct db_statement forget = { "forget", "DEALLOCATE ALL", 0 };
	struct db_config config = pg_config(pg.app_url);
	struct err err = { 0 };
	struct db *db;

	(void)arg;
	config.fast_connections = 1;
	db = pg_open(&config);
	ck_assert_int_eq(get_i64(db, &ONE), 1);
	ck_assert_int_eq(run1(db, &forget, NULL, NULL, NULL, &err), 0);
	ck_assert_int_eq(run1(db, &ONE, NULL, NULL, NULL, &err), -EAGAIN);
	pg_await(db, true);
	ck_assert_int_eq(get_i64(db, &ONE), 1);
	db_free(db);
}

START_TEST(test_a_session_that_forgot_is_replaced)
{
	pg_run(reset_fiber, NULL);
}
END_TEST

/* SQLSTATEs as the server raises them. */
static const struct {
	const char *sqlstate;
	int result;
} raised[] = {
	{ "40001", -EAGAIN }, { "40P01", -EAGAIN }, { "53100", -EAGAIN }, { "53300", -EAGAIN },
	{ "57P03", -EAGAIN }, { "57014", -ETIME },  { "55P03", -ETIME },  { "23505", -EEXIST },
	{ "23503", -ENOENT }, { "23514", -EDOM },   { "23502", -EIO },	  { "42501", -EIO },
	{ "22021", -EIO },    { "P0001", -EIO },
};

static void sqlstate_fiber(void *arg)
{
	static const struct db_statement raise = { "raise", "SELECT raise_it($1)::text", 1 };
	struct db_config config = pg_config(pg.app_url);
	struct db *db = pg_open(&config);

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(raised); i++) {
		const struct db_param p = DB_PARAM_TEXT(str_from(raised[i].sqlstate));
		struct err err = { 0 };
		int r;

		pg_await(db, true);
		r = run1(db, &raise, &p, NULL, NULL, &err);
		ck_assert_msg(r == raised[i].result, "%s gave %d", raised[i].sqlstate, r);
		ck_assert_ptr_eq(err.kind, r == -EIO		? &ERR_INTERNAL
					   : db_is_violation(r) ? &ERR_CONFLICT
								: &ERR_UNAVAILABLE);
		if (r == -EAGAIN || r == -ETIME)
			ck_assert_uint_gt(err.retry_after_s, 0);
	}
	db_free(db);
}

START_TEST(test_sqlstates)
{
	pg_sql("CREATE FUNCTION raise_it(s text) RETURNS int LANGUAGE plpgsql AS "
	       "$$BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = s; END$$");
	pg_run(sqlstate_fiber, NULL);
}
END_TEST

START_TEST(test_what_libpq_says_is_not_for_clients)
{
	struct err err = { 0 };
	bool stale = false;

	ck_assert_int_eq(db_sqlstate_error("", "no memory at db.canary:/var/canary\n", &stale,
					   &err),
			 -EAGAIN);
	ck_assert(stale);
	ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
	ck_assert_ptr_null(strstr(err.text, "canary"));
}
END_TEST

static void full_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct db *db = NULL;
	struct err err = { 0 };
	PGconn *first = pg_connect(pg.app_url);

	(void)arg;
	/* One: the late refusal of another would be the last error again. */
	config.fast_connections = 1;
	config.slow_connections = 0;
	pg_server_sql("ALTER ROLE", pg.role, "CONNECTION LIMIT 1");
	ck_assert_int_eq(db_new(&config, &db, &err), 0);
	ck_assert_int_eq(run1(db, &ONE, NULL, NULL, NULL, &err), -EAGAIN);
	ck_assert_int_eq(fiber_sleep(200), 0);
	ck_assert(!db_is_up(db));
	ck_assert_ptr_nonnull(strstr(db_last_error(db), "too many connections"));
	ck_assert_ptr_null(strchr(db_last_error(db), '\n'));
	PQfinish(first);
	pg_server_sql("ALTER ROLE", pg.role, "CONNECTION LIMIT -1");
	pg_await(db, true);
	ck_assert_str_eq(db_last_error(db), "");
	ck_assert_int_eq(get_i64(db, &ONE), 1);
	db_free(db);
}

START_TEST(test_no_connection_left)
{
	pg_run(full_fiber, NULL);
}
END_TEST

/* ---- urls ---- */

static const struct {
	const char *url;
	int result;
	const char *says;
} urls[] = {
	{ "postgresql://u:canary@[::1/db", -EINVAL, "cannot be read" },
	{ "postgre://u:canary@host/db", -EINVAL, "cannot be read" },
	{ "postgresql://u:canary%zz@host/db", -EINVAL, "cannot be read" },
	{ "host=x password=canary y", -EINVAL, "cannot be read" },
	{ "postgresql://u:p@canary@host/db", -EINVAL, "write @ as %40" },
	{ "postgresql://u:p@@canary@host/db", -EINVAL, "write @ as %40" },
	{ "postgresql://u:p/canary@host/db", -EINVAL, "write @ as %40" },
	{ "postgres://u:p@canary:x@host/db", -EINVAL, "write @ as %40" },
	{ "postgresql://canary:p?@canary@host", -EINVAL, "write @ as %40" },
	{ "not a url", -EINVAL, "cannot be read" },
	{ "postgresql://host/db?no_such_option=1", -EINVAL, "cannot be read" },
	{ "host=no-such-host.invalid dbname=x", -EAGAIN, "no-such-host.invalid" },
	{ "postgresql:///db?host=/tmp/no-such-socket-directory", 0, "" },
	{ "postgresql://127.0.0.1:1/db", 0, "" },
	{ "postgresql://u:p%40%2F@127.0.0.1:1/db", 0, "" },
	{ "host=127.0.0.1 port=1 password=p@canary/", 0, "" },
	{ "postgresql://localhost:1,127.0.0.1:1/db", 0, "" },
};

static void url_fiber(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		struct db_config config = pg_config(urls[i].url);
		struct db *db = NULL;
		struct err err = { 0 };

		ck_assert_msg(db_new(&config, &db, &err) == urls[i].result, "%s: %s", urls[i].url,
			      err.text);
		if (urls[i].result < 0) {
			ck_assert_ptr_null(db);
			ck_assert_msg(strstr(err.text, urls[i].says) != NULL, "%s", err.text);
			ck_assert_msg(strstr(err.text, "canary") == NULL, "%s", err.text);
			continue;
		}
		ck_assert_int_eq(run1(db, &ONE, NULL, NULL, NULL, &err), -EAGAIN);
		ck_assert_int_eq(fiber_sleep(30), 0);
		ck_assert(!db_is_up(db));
		ck_assert_msg(*db_last_error(db), "%s", urls[i].url);
		db_free(db);
	}
}

START_TEST(test_urls)
{
	pg_run(url_fiber, NULL);
}
END_TEST

START_TEST(test_impossible_configurations)
{
	struct db_config config = pg_config(pg.app_url);
	struct db *db = NULL;

	config.fast_connections = 0;
	ck_assert_int_eq(db_new(&config, &db, NULL), -EINVAL);
	config.fast_connections = 1000;
	ck_assert_int_eq(db_new(&config, &db, NULL), -EINVAL);
	ck_assert_ptr_null(db);
}
END_TEST

/* ---- a server of its own, to stop and start ---- */

struct server {
	char dir[64], url[256];
	unsigned ups, downs;
};

/* command is shell, with the server's directory as $D. */
static void server_do(const struct server *s, const char *command)
{
	ck_assert_int_eq(setenv("D", s->dir, 1), 0);
	ck_assert_msg(system(command) == 0, "%s", command);
}

/* PostgreSQL refuses to run as root. */
#define AS_POSTGRES \
	"$( [ $(id -u) != 0 ] || echo runuser -u postgres -- ) /usr/lib/postgresql/15/bin/"
#define SERVER_START AS_POSTGRES "pg_ctl -s -w -D $D/data -l $D/log start >/dev/null"
#define SERVER_STOP(mode) AS_POSTGRES "pg_ctl -s -w -m " mode " -D $D/data stop >/dev/null"

static void server_new(struct server *s)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/todod-db-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(s->dir));
	server_do(s, "[ $(id -u) != 0 ] || chown postgres $D");
	server_do(s, AS_POSTGRES
		  "initdb -N -A trust -U postgres -E UTF8 --locale=C -D $D/data >/dev/null");
	server_do(
		s,
		"printf \"listen_addresses=''\nunix_socket_directories='$D'\nmax_connections=6\nfsync=off\n"
		"superuser_reserved_connections=1\nmax_wal_senders=0\n\" >> $D/data/postgresql.conf");
	server_do(s, SERVER_START);
	server_do(s, "psql -q -h $D -U postgres -d postgres -c 'CREATE ROLE app LOGIN' >/dev/null");
	snprintf(s->url, sizeof(s->url), "postgresql:///postgres?user=app&host=%s", s->dir);
}

static void on_state(bool up, void *arg)
{
	struct server *s = arg;

	s->ups += up;
	s->downs += !up;
}

static void restart_fiber(void *arg)
{
	struct server *s = arg;
	struct db_config config = pg_config(s->url);
	struct err err = { 0 };
	struct db *db;

	config.on_state = on_state;
	config.on_state_arg = s;
	db = pg_open(&config);
	for (int i = 0; i < 2; i++) {
		struct racer x = { .db = db, .ms = 4000 };
		int64_t back_ms;

		racer_start(&x);
		ck_assert_int_eq(fiber_sleep(50), 0);
		server_do(s, i == 0 ? SERVER_STOP("fast") : SERVER_STOP("immediate"));
		racer_end(&x);
		ck_assert_int_eq(x.result, -EAGAIN);
		pg_await(db, false);
		ck_assert_int_eq(run1(db, &ONE, NULL, NULL, NULL, &err), -EAGAIN);
		ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
		/* Long enough for the attempts to reach their widest spacing. */
		ck_assert_int_eq(fiber_sleep(1700), 0);
		server_do(s, SERVER_START);
		back_ms = time_monotonic_ms();
		pg_await(db, true);
		ck_assert_int_eq(get_i64(db, &ONE), 1);
		printf("back %lld ms after the server\n",
		       (long long)(time_monotonic_ms() - back_ms));
	}
	ck_assert_uint_eq(s->ups, 3);
	ck_assert_uint_eq(s->downs, 2);
	db_free(db);
}

static void crowded_fiber(void *arg)
{
	struct server *s = arg;
	struct db_config config = pg_config(s->url);
	PGconn *others[5];
	struct db *db = NULL;

	/* Everything the server has for common users. */
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		others[i] = pg_connect(s->url);
	ck_assert_int_eq(db_new(&config, &db, NULL), 0);
	ck_assert_int_eq(fiber_sleep(150), 0);
	ck_assert(!db_is_up(db));
	ck_assert_str_ne(db_last_error(db), "");
	ck_assert_int_eq(run1(db, &ONE, NULL, NULL, NULL, NULL), -EAGAIN);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		PQfinish(others[i]);
	pg_await(db, true);
	ck_assert_int_eq(get_i64(db, &ONE), 1);
	db_free(db);
}

START_TEST(test_a_server_that_stops_and_starts)
{
	struct server s = { .ups = 0 };

	server_new(&s);
	pg_run(restart_fiber, &s);
	pg_run(crowded_fiber, &s);
	server_do(&s, SERVER_STOP("immediate"));
	server_do(&s, "rm -rf $D");
}
END_TEST

/* ---- sessions ---- */

START_TEST(test_sessions)
{
	struct db_session *s = NULL;
	struct err err = { 0 };
	const char *v = NULL;

	ck_assert_int_eq(db_session_open("host=/tmp/no-such-socket-directory", "t", &s, &err),
			 -EIO);
	ck_assert_str_ne(err.text, "");
	ck_assert_int_eq(db_session_open(pg.url, "t", &s, &err), 0);
	ck_assert_int_eq(
		db_session_script(s, "CREATE TABLE a (v text); INSERT INTO a VALUES ('x'), ('y')",
				  &err),
		0);
	/* One transaction: the second statement undoes the first. */
	ck_assert_int_eq(db_session_script(s, "DELETE FROM a; SELECT 1/0", &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "division by zero"));
	ck_assert_int_eq(db_session_value(s, "SELECT string_agg(v, ',') FROM a", &v, &err), 0);
	ck_assert_str_eq(v, "x,y");
	ck_assert_int_eq(db_session_value(s, "SELECT v FROM a WHERE false", &v, &err), 0);
	ck_assert_str_eq(v, "");
	ck_assert_int_eq(db_session_value(s, "nonsense", &v, &err), -EIO);
	db_session_close(s);
	db_session_close(NULL);
}
END_TEST

int main(void)
{
	const struct {
		const TTest *test;
		int n;
	} tests[] = {
		{ test_values_reach_the_server, 2 },
		{ test_values_come_back, 1 },
		{ test_bad_parameters_stay_here, 1 },
		{ test_a_segment_is_one_transaction, 1 },
		{ test_the_outcome_is_the_syncs, 1 },
		{ test_violations_by_kind, 2 },
		{ test_the_user_lives_as_long_as_the_segment, 2 },
		{ test_violations_leave_their_neighbours_alone, 2 },
		{ test_the_queue_is_bounded, 1 },
		{ test_long_reads_have_their_own_way, 1 },
		{ test_long_reads_go_on_without_their_connection, 1 },
		{ test_a_waiter_may_leave, 1 },
		{ test_free_ends_what_is_under_way, 1 },
		{ test_a_statement_over_time, 2 },
		{ test_killed_sessions_come_back, 1 },
		{ test_a_failed_preparation_is_not_believed, 1 },
		{ test_a_session_that_forgot_is_replaced, 1 },
		{ test_sqlstates, 1 },
		{ test_what_libpq_says_is_not_for_clients, 1 },
		{ test_no_connection_left, 1 },
		{ test_urls, 1 },
		{ test_impossible_configurations, 1 },
		{ test_a_server_that_stops_and_starts, 1 },
		{ test_sessions, 1 },
	};
	Suite *suite = suite_create("db");
	TCase *tc = tcase_create("db");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, pg_setup, pg_teardown);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_loop_test(tc, tests[i].test, 0, tests[i].n);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
