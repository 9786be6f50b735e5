/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Migrations: from nothing, twice, edited afterwards, over the older product's tables; and what the
 * catalogue must say about every table with user data.
 *
 * Requirements: FT17, SE5.
 */
#include "test/unit/support/pg_fixture.h"

#include "store/schema.h"

#include <errno.h>
#include <sys/wait.h>

static unsigned n_applied;

static void on_applied(const char *name, void *arg)
{
	ck_assert_ptr_eq(arg, &n_applied);
	ck_assert_str_ne(name, "");
	n_applied++;
}

static void migrate(void)
{
	struct err err = { 0 };

	ck_assert_msg(schema_migrate(pg.url, on_applied, &n_applied, &err) == 0, "%s", err.text);
}

/* What a migration makes, as one text: tables, columns, constraints, policies, grants. */
static const char CATALOGUE[] =
	"SELECT md5(string_agg(x, E'\\n' ORDER BY x)) FROM ("
	"SELECT c.relname || a.attname || a.atttypid::regtype || a.attnotnull AS x FROM pg_class c "
	"JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = 'todod'::regnamespace AND a.attnum > 0 "
	"UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'todod'::regnamespace "
	"UNION ALL SELECT tablename || policyname || coalesce(qual, '') || coalesce(with_check, '') FROM pg_policies "
	"UNION ALL SELECT relname || coalesce(relacl::text, '') || relrowsecurity || relforcerowsecurity FROM pg_class "
	"WHERE relnamespace = 'todod'::regnamespace "
	"UNION ALL SELECT version || name || sha256 || applied_at FROM todod.migrations) s";

START_TEST(test_from_nothing_and_twice)
{
	char *first;

	migrate();
	ck_assert_uint_eq(n_applied, (unsigned)schema_version());
	ck_assert_int_eq(pg_long("SELECT max(version) FROM todod.migrations"), schema_version());
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.migrations"), schema_version());
	first = strdup(pg_sql(CATALOGUE));
	n_applied = 0;
	migrate();
	ck_assert_uint_eq(n_applied, 0);
	ck_assert_str_eq(pg_sql(CATALOGUE), first);
	free(first);
	ck_assert_int_eq(pg_long("SELECT nextval('todod.task_id_blocks')"), 1);
	ck_assert_int_eq(pg_long("SELECT nextval('todod.task_id_blocks')"), 65);
}
END_TEST

START_TEST(test_hashes_are_those_of_the_files)
{
	PGresult *res;

	migrate();
	res = PQexec(pg.admin, "SELECT name, sha256 FROM todod.migrations ORDER BY version");
	for (int i = 0; i < PQntuples(res); i++) {
		char command[256], line[128] = "";
		FILE *f;

		snprintf(command, sizeof(command), "sha256sum src/store/migrations/%s.sql",
			 PQgetvalue(res, i, 0));
		f = popen(command, "r");
		ck_assert_ptr_nonnull(f);
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
		ck_assert_int_eq(pclose(f), 0);
		ck_assert_int_eq(strncmp(line, PQgetvalue(res, i, 1), 64), 0);
	}
	PQclear(res);
}
END_TEST

START_TEST(test_an_edited_migration_is_named)
{
	struct err err = { 0 };

	migrate();
	pg_sql("UPDATE todod.migrations SET sha256 = repeat('0', 64) WHERE version = 1");
	ck_assert_int_eq(schema_migrate(pg.url, NULL, NULL, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "0001_tasks"));
}
END_TEST

START_TEST(test_a_failing_migration_leaves_nothing)
{
	struct err err = { 0 };

	pg_sql("CREATE SCHEMA todod; CREATE TABLE todod.outbox (mine int)");
	ck_assert_int_eq(schema_migrate(pg.url, on_applied, &n_applied, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "0001_tasks"));
	ck_assert_ptr_nonnull(strstr(err.text, "outbox"));
	ck_assert_uint_eq(n_applied, 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.migrations"), 0);
	ck_assert_str_eq(pg_sql("SELECT coalesce(to_regclass('todod.tasks')::text, 'none')"),
			 "none");
	pg_sql("DROP TABLE todod.outbox");
	migrate();
	ck_assert_uint_eq(n_applied, (unsigned)schema_version());
}
END_TEST

START_TEST(test_an_unreachable_server)
{
	struct err err = { 0 };

	ck_assert_int_eq(schema_migrate("host=/tmp/no-such-socket-directory", NULL, NULL, &err),
			 -EIO);
	ck_assert_str_ne(err.text, "");
	ck_assert_int_eq(schema_migrate("host=/tmp/no-such-socket-directory", NULL, NULL, NULL),
			 -EIO);
}
END_TEST

/* What cannot be read as a url may hold a password all the same. */
START_TEST(test_a_url_that_is_none)
{
	static const char *const urls[] = { "postgre://u:canary@host/db",
					    "postgresql://u:canary%zz@host/db",
					    "postgresql://u:canary@[::1/db" };

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		struct err err = { 0 };

		ck_assert_int_eq(schema_migrate(urls[i], NULL, NULL, &err), -EINVAL);
		ck_assert_ptr_eq(err.kind, &ERR_INVALID);
		ck_assert_msg(strstr(err.text, "canary") == NULL, "%s", err.text);
	}
}
END_TEST

/* A newer binary was here: its versions are none of ours. */
START_TEST(test_a_newer_schema_is_fine)
{
	migrate();
	pg_sql("INSERT INTO todod.migrations (version, name, sha256) VALUES (999, '0999_later', 'x')");
	n_applied = 0;
	migrate();
	ck_assert_uint_eq(n_applied, 0);
}
END_TEST

/* ---- the older product's tables ---- */

static const struct old_case {
	const char *table, *user_type, *time_type;
} old_cases[] = {
	{ "tasks", "varchar(255)", "timestamp" },
	{ "task", "text", "timestamp" },
	{ "tasks", "text", "timestamptz" },
};

static void make_old(const struct old_case *c)
{
	char sql[1024];

	/* Sessions of that product lived in UTC; the server need not. */
	snprintf(sql, sizeof(sql), "ALTER DATABASE %s SET TimeZone = 'Asia/Karachi'", pg.name);
	pg_sql(sql);
	snprintf(
		sql, sizeof(sql),
		"SET TimeZone = 'UTC'; CREATE TABLE public.%s (id serial PRIMARY KEY, user_id %s NOT NULL, title varchar(200) "
		"NOT NULL, description text, completed boolean NOT NULL DEFAULT false, created_at %s NOT NULL, updated_at "
		"%s NOT NULL)",
		c->table, c->user_type, c->time_type, c->time_type);
	pg_sql(sql);
	snprintf(
		sql, sizeof(sql),
		"INSERT INTO public.%s (id, user_id, title, description, completed, created_at, updated_at) VALUES "
		"(1, 'anna', 'Buy groceries', 'milk', false, '2025-12-01 10:00:00.5', '2025-12-01 10:00:00.5'), "
		"(2, 'anna', 'Pay bills', NULL, true, '2025-12-02 10:00', '2025-12-03 11:30'), "
		"(130, 'bilal', 'na\xc3\xafve', '', false, '2025-12-04 23:59:59', '2025-12-05 00:00')",
		c->table);
	pg_sql(sql);
}

START_TEST(test_the_older_products_tasks_come_along)
{
	const struct old_case *c = &old_cases[_i];
	char sql[256], *before;

	make_old(c);
	snprintf(sql, sizeof(sql),
		 "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM public.%s t", c->table);
	before = strdup(pg_sql(sql));
	migrate();
	ck_assert_str_eq(pg_sql(sql), before);
	free(before);
	ck_assert_str_eq(
		pg_sql("SELECT string_agg(concat_ws('|', id, user_id, title, description, completed, priority, version, "
		       "created_at AT TIME ZONE 'UTC', updated_at AT TIME ZONE 'UTC', completed_at AT TIME ZONE 'UTC'), "
		       "E'\\n' ORDER BY id) FROM todod.tasks"),
		"1|anna|Buy groceries|milk|f|1|1|2025-12-01 10:00:00.5|2025-12-01 10:00:00.5\n"
		"2|anna|Pay bills|t|1|1|2025-12-02 10:00:00|2025-12-03 11:30:00|2025-12-03 11:30:00\n"
		"130|bilal|na\xc3\xafve|f|1|1|2025-12-04 23:59:59|2025-12-05 00:00:00");
	ck_assert_str_eq(
		pg_sql("SELECT string_agg(user_id || tasks, ',' ORDER BY user_id) FROM todod.user_counters"),
		"anna2,bilal1");
	/* The next block begins behind the highest id. */
	ck_assert_int_eq(pg_long("SELECT nextval('todod.task_id_blocks')"), 193);
	n_applied = 0;
	migrate();
	ck_assert_uint_eq(n_applied, 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tasks"), 3);
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM pg_class WHERE relnamespace = 'todod'::regnamespace "
			"AND relname IN ('tasks', 'user_counters') AND NOT relforcerowsecurity"),
		0);
}
END_TEST

START_TEST(test_two_old_tables_that_clash)
{
	struct err err = { 0 };

	make_old(&old_cases[0]);
	make_old(&old_cases[1]);
	ck_assert_int_eq(schema_migrate(pg.url, NULL, NULL, &err), -EIO);
	ck_assert_msg(strstr(err.text, "rename") != NULL, "%s", err.text);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tasks"), 0);
	pg_sql("ALTER TABLE public.task RENAME TO task_of_before");
	migrate();
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tasks"), 3);
}
END_TEST

START_TEST(test_another_table_named_tasks_is_left_alone)
{
	pg_sql("CREATE TABLE public.tasks (id text, what text); INSERT INTO public.tasks VALUES ('x', 'y')");
	migrate();
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tasks"), 0);
	ck_assert_int_eq(pg_long("SELECT nextval('todod.task_id_blocks')"), 1);
}
END_TEST

/* The owner is no superuser on a managed server, and FORCE binds owners too. */
START_TEST(test_an_owner_without_superpowers)
{
	struct err err = { 0 };
	char sql[256];

	make_old(&old_cases[0]);
	snprintf(sql, sizeof(sql), "ALTER ROLE %s CREATEROLE", pg.role);
	pg_sql(sql);
	snprintf(sql, sizeof(sql), "GRANT CREATE ON DATABASE %s TO %s", pg.name, pg.role);
	pg_sql(sql);
	pg_sql("GRANT SELECT ON public.tasks TO PUBLIC");
	ck_assert_msg(schema_migrate(pg.app_url, NULL, NULL, &err) == 0, "%s", err.text);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tasks"), 3);
	snprintf(sql, sizeof(sql), "DROP OWNED BY %s", pg.role);
	pg_sql(sql);
}
END_TEST

/* ---- what must hold for every table ---- */

/* Tables of schema todod with a user_id column, and what they lack. */
START_TEST(test_every_user_table_is_fenced)
{
	static const char *const lacking[] = {
		"NOT (c.relrowsecurity AND c.relforcerowsecurity)",
		"NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)",
		"NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indpred IS NULL)",
		"NOT a.attnotnull",
		/* The setting reads '' after its transaction: no row may match that. */
		("NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND pg_get_constraintdef(k.oid) "
		 "LIKE '%(user_id <> ''''::text)%')"),
	};
	char sql[512];

	migrate();
	ck_assert_int_ge(
		pg_long("SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = "
			"'user_id' WHERE c.relnamespace = 'todod'::regnamespace AND c.relkind = 'r'"),
		4);
	for (size_t i = 0; i < ARRAY_SIZE(lacking); i++) {
		snprintf(
			sql, sizeof(sql),
			"SELECT string_agg(c.relname, ',') FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND "
			"a.attname = 'user_id' WHERE c.relnamespace = 'todod'::regnamespace AND c.relkind = 'r' AND %s",
			lacking[i]);
		ck_assert_str_eq(pg_sql(sql), "");
	}
}
END_TEST

START_TEST(test_the_api_role_is_narrow)
{
	migrate();
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM pg_roles WHERE rolname = 'todod_api' AND NOT rolbypassrls AND NOT "
			"rolsuper AND NOT rolcanlogin AND NOT rolcreaterole AND NOT rolcreatedb"),
		1);
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM pg_class WHERE relowner = 'todod_api'::regrole"), 0);
	ck_assert_str_eq(
		pg_sql("SELECT string_agg(table_name || ':' || privilege_type, ' ' ORDER BY table_name, privilege_type) "
		       "FROM information_schema.role_table_grants WHERE grantee = 'todod_api'"),
		"deleted_tasks:INSERT deleted_tasks:SELECT "
		"idempotency_keys:DELETE idempotency_keys:INSERT idempotency_keys:SELECT migrations:SELECT "
		"outbox:INSERT preferences:INSERT preferences:SELECT preferences:UPDATE "
		"reminders:DELETE reminders:INSERT reminders:SELECT reminders:UPDATE "
		"tags:DELETE tags:INSERT tags:SELECT tags:UPDATE "
		"task_tags:DELETE task_tags:INSERT task_tags:SELECT tasks:DELETE tasks:INSERT tasks:SELECT tasks:UPDATE "
		"user_counters:INSERT user_counters:SELECT user_counters:UPDATE");
}
END_TEST

static void check_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct db *db = pg_open(&config);
	struct err err = { 0 };
	char sql[128];

	(void)arg;
	ck_assert_int_eq(schema_check_wait(db, &err), -EAGAIN);
	ck_assert_ptr_nonnull(strstr(err.text, "todod migrate"));
	migrate();
	snprintf(sql, sizeof(sql), "GRANT todod_api TO %s", pg.role);
	pg_sql(sql);
	ck_assert_msg(schema_check_wait(db, &err) == 0, "%s", err.text);
	pg_sql("DELETE FROM todod.migrations WHERE version > 1");
	ck_assert_int_eq(schema_check_wait(db, &err), -EAGAIN);
	pg_sql("INSERT INTO todod.migrations (version, name, sha256) VALUES (999, '0999_later', 'x')");
	ck_assert_int_eq(schema_check_wait(db, &err), 0);
	db_free(db);
}

START_TEST(test_readiness_knows_the_version)
{
	pg_run(check_fiber, NULL);
}
END_TEST

/* Two at once: one applies, the other waits for it and finds nothing to do. */
START_TEST(test_two_at_once)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(schema_migrate(pg.url, NULL, NULL, NULL) == 0 ? 0 : 1);
	migrate();
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.migrations"), schema_version());
}
END_TEST

int main(void)
{
	const struct {
		const TTest *test;
		int n;
	} tests[] = {
		{ test_from_nothing_and_twice, 1 },
		{ test_hashes_are_those_of_the_files, 1 },
		{ test_an_edited_migration_is_named, 1 },
		{ test_a_failing_migration_leaves_nothing, 1 },
		{ test_an_unreachable_server, 1 },
		{ test_a_url_that_is_none, 1 },
		{ test_a_newer_schema_is_fine, 1 },
		{ test_the_older_products_tasks_come_along, ARRAY_SIZE(old_cases) },
		{ test_two_old_tables_that_clash, 1 },
		{ test_another_table_named_tasks_is_left_alone, 1 },
		{ test_an_owner_without_superpowers, 1 },
		{ test_every_user_table_is_fenced, 1 },
		{ test_the_api_role_is_narrow, 1 },
		{ test_readiness_knows_the_version, 1 },
		{ test_two_at_once, 1 },
	};
	Suite *suite = suite_create("schema");
	TCase *tc = tcase_create("schema");
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
