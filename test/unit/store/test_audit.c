/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit trail as the narrow roles: each event once, chains without a hole however many write,
 * what the roles may not do, reading, erasing, checkpoints. RL8, RL9, RL10, AR11.
 */
#include "audit_fixture.h"

static const char CHAIN_IS_GOOD[] =
	"SELECT count(*) FILTER (WHERE h <> want), count(*) FROM (SELECT a.h, "
	"row_h(coalesce(lag(a.h) OVER (PARTITION BY user_id ORDER BY n), decode(repeat('00', 32), 'hex')), "
	"a::todod.audit) AS want FROM todod.audit a) x";

/* ---- adding ---- */

static FIBER void once(void *arg)
{
	struct audit_event e = audit_event_of("alice", "e1", 7, 1, "{\"title\":\"a\"}"), other = e;
	struct audit_appended appended;

	(void)arg;
	ck_assert_int_eq(audit_put(fx.audit, &e, &appended), 0);
	ck_assert(!appended.is_known && appended.n == 1 && appended.sequence == AUDIT_NONE);
	ck_assert_int_eq(audit_put(fx.audit, &e, &appended), 0);
	ck_assert(appended.is_known);
	/* Whoever remembers nothing, too. */
	struct audit *fresh = audit_new(fx.writer, &fx.kek);
	ck_assert_int_eq(audit_put(fresh, &e, &appended), 0);
	ck_assert(appended.is_known);

	other.identity[31] ^= 1;
	ck_assert_int_eq(audit_put(fx.audit, &other, &appended), -EEXIST);
	ck_assert_int_eq(audit_put(fresh, &other, &appended), -EEXIST);
	other = e;
	other.user_id = STR("mallory");
	ck_assert_int_eq(audit_put(fx.audit, &other, &appended), -EEXIST);
	ck_assert_int_eq(audit_put(fresh, &other, &appended), -EEXIST);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.audit"), 1);

	audit_free(fresh);
}

static FIBER void after(void *arg)
{
	struct audit_event e;
	struct audit_appended appended;
	struct audit *fresh = audit_new(fx.writer, &fx.kek);

	once(arg);
	e = audit_event_of("alice", "e2", 7, 4, "{\"title\":\"b\"}");
	ck_assert_int_eq(audit_put(fresh, &e, &appended), 0);
	ck_assert(appended.n == 2 && appended.sequence == 1);
	e = audit_event_of("alice", "e3", 8, AUDIT_NONE, "{}");
	ck_assert_int_eq(audit_put(fx.audit, &e, &appended), 0);
	ck_assert(appended.n == 3 && appended.sequence == AUDIT_NONE);
	e = audit_event_of("alice", "e4", AUDIT_NONE, 1, "{}");
	ck_assert_int_eq(audit_put(fx.audit, &e, &appended), 0);
	audit_free(fresh);
	ck_assert_str_eq(pg_sql(CHAIN_IS_GOOD), "0");
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.audit_keys"), 1);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.audit WHERE payload::text LIKE "
				 "'%' || encode('title', 'hex') || '%'"),
			 0);
	ck_assert_int_eq(audit_check(NULL, true), 0);
}

START_TEST(each_event_once)
{
	audit_run(after);
}
END_TEST

static FIBER void too_long(void *arg)
{
	static char text[AUDIT_DATA_MAX + 2];
	struct audit_event e = audit_event_of("alice", "e", 1, 1, "{}");
	struct audit_appended appended;

	(void)arg;
	memset(text, 'x', sizeof(text) - 1);
	e.data = str_from(text);
	ck_assert_int_eq(audit_put(fx.audit, &e, &appended), -EDOM);
	e.data = (struct str){ text, AUDIT_DATA_MAX };
	ck_assert_int_eq(audit_put(fx.audit, &e, &appended), 0);
	e.event_id = (struct str){ text, AUDIT_TEXT_MAX + 1 };
	ck_assert_int_eq(audit_put(fx.audit, &e, &appended), -EDOM);
	ck_assert_int_eq(audit_check(NULL, true), 0);
}

START_TEST(bounds)
{
	audit_run(too_long);
}
END_TEST

enum { WRITERS = 8, EACH = 25 };

struct writer {
	int id;
	struct audit *audit;
	bool is_done;
};

static FIBER void write_events(void *arg)
{
	struct writer *w = arg;

	for (int i = 0; i < EACH; i++) {
		char id[32];
		struct audit_appended appended;
		int r;

		/* Half of them are another writer's too. */
		snprintf(id, sizeof(id), "e-%d-%d", i % 2 ? w->id : 0, i);
		const struct audit_event e = audit_event_of("busy", id, 1, i + 1, "{\"x\":1}");
		do
			r = audit_put(w->audit, &e, &appended);
		while (r == -ESTALE);
		ck_assert_int_eq(r, 0);
	}
	w->is_done = true;
}

static FIBER void race(void *arg)
{
	struct writer writers[WRITERS];
	struct audit *audits[2] = { fx.audit, audit_new(fx.writer, &fx.kek) };

	(void)arg;
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .id = i, .audit = audits[i % 2] };
		ck_assert_int_eq(
			fiber_spawn(pg.loop, "writer", write_events, &writers[i], NULL, NULL), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		while (!writers[i].is_done)
			ck_assert_int_eq(fiber_sleep(5), 0);
	}
	audit_free(audits[1]);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.audit"),
			 (EACH + 1) / 2 + WRITERS * (EACH / 2));
	ck_assert_int_eq(pg_long("SELECT max(n) FROM todod.audit"),
			 (EACH + 1) / 2 + WRITERS * (EACH / 2));
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.audit_keys"), 1);
	ck_assert_str_eq(pg_sql(CHAIN_IS_GOOD), "0");
	ck_assert_int_eq(audit_check("busy", true), 0);
}

START_TEST(writers_at_once_make_one_chain)
{
	audit_run(race);
}
END_TEST

/* The database went back to a backup under a process that remembers more. */
static FIBER void restored(void *arg)
{
	struct audit_appended appended;

	(void)arg;
	audit_fill("alice", 5);
	pg_sql("ALTER TABLE todod.audit DISABLE TRIGGER ALL; DELETE FROM todod.audit WHERE n > 3");
	const struct audit_event e = audit_event_of("alice", "after", 1, 9, "{}");
	ck_assert_int_eq(audit_put(fx.audit, &e, &appended), 0);
	ck_assert_int_eq(appended.n, 4);
	ck_assert_int_eq(audit_check(NULL, true), 0);
}

START_TEST(what_is_remembered_is_checked)
{
	audit_run(restored);
}
END_TEST

/* ---- what the roles may do ---- */

static void refused(PGconn *conn, const char *sql, const char *state)
{
	PGresult *res = PQexec(conn, sql);
	const char *got = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	ck_assert_msg(got != NULL && strcmp(got, state) == 0, "%s: %s %s", sql, got ? got : "done",
		      PQresultErrorMessage(res));
	PQclear(res);
}

static void nobody_changes(void)
{
	static const char *const CHANGES[] = {
		"UPDATE todod.audit SET topic = 'x'",
		"UPDATE todod.audit SET topic = 'x' WHERE false",
		"DELETE FROM todod.audit",
		"TRUNCATE todod.audit",
		"UPDATE todod.audit_checkpoints SET heads = 'x'",
		"DELETE FROM todod.audit_checkpoints",
		"TRUNCATE todod.audit_checkpoints",
		("INSERT INTO todod.audit SELECT * FROM todod.audit ON CONFLICT (event_id) "
		 "DO UPDATE SET topic = 'x'"),
	};
	static const char *const OTHERS[] = {
		"UPDATE todod.audit_keys SET wrapped = ''",
		"DELETE FROM todod.audit_keys",
		"SELECT FROM todod.tasks",
		"SELECT FROM todod.outbox",
		"CREATE TABLE todod.x ()",
		"SET session_replication_role = replica",
		"ALTER TABLE todod.audit DISABLE TRIGGER ALL",
		"DROP TRIGGER append_only ON todod.audit",
		"SET ROLE postgres",
	};

	for (size_t role = 0; role < 3; role++) {
		PGconn *conn = pg_connect(audit_urls[role]);

		pg_on(conn, "SELECT set_config('app.user_id', 'alice', false)");
		for (size_t i = 0; i < ARRAY_SIZE(CHANGES); i++)
			refused(conn, CHANGES[i], "42501");
		for (size_t i = 0; i < ARRAY_SIZE(OTHERS); i++) {
			if (role != 2 || i != 1) /* the eraser may */
				refused(conn, OTHERS[i], "42501");
		}
		PQfinish(conn);
	}
	/* The triggers hold even for the superuser, and as a replica. */
	PGconn *super = pg_connect(pg.url);
	for (int replica = 0; replica < 2; replica++) {
		for (size_t i = 0; i < ARRAY_SIZE(CHANGES); i++)
			refused(super, CHANGES[i], "23001");
		pg_on(super, "SET session_replication_role = replica");
	}
	PQfinish(super);
}

static void nobody_sees_others(void)
{
	PGconn *writer = pg_connect(audit_urls[0]), *checker = pg_connect(audit_urls[1]),
	       *eraser = pg_connect(audit_urls[2]);

	ck_assert_str_eq(pg_on(writer, "SELECT count(*) FROM todod.audit"), "0");
	ck_assert_str_eq(pg_on(writer, "SELECT count(*) FROM todod.audit_keys"), "0");
	pg_on(writer, "SELECT set_config('app.user_id', 'bob', false)");
	ck_assert_str_eq(pg_on(writer, "SELECT count(*) || max(user_id) FROM todod.audit"), "2bob");
	ck_assert_str_eq(pg_on(writer, "SELECT count(*) || max(user_id) FROM todod.audit_keys"),
			 "1bob");
	refused(writer, "INSERT INTO todod.audit_keys VALUES ('alice', 2, '')", "42501");
	refused(writer,
		"INSERT INTO todod.audit SELECT 'alice', 9, 'x', topic, type, task_id, sequence, at, identity, "
		"key_version, payload, h, stored_at FROM todod.audit LIMIT 1",
		"42501");
	ck_assert_str_eq(pg_on(checker, "SELECT count(DISTINCT user_id) FROM todod.audit"), "2");
	refused(checker, "SELECT payload FROM todod.audit", "42501");
	refused(checker, "SELECT event_id FROM todod.audit", "42501");
	refused(checker, "SELECT FROM todod.audit_keys WHERE wrapped = ''", "42501");
	refused(eraser, "SELECT n FROM todod.audit", "42501");
	refused(eraser, "SELECT wrapped FROM todod.audit_keys", "42501");
	pg_on(eraser, "DELETE FROM todod.audit_keys");
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.audit_keys"), 2);
	PQfinish(writer);
	PQfinish(checker);
	PQfinish(eraser);
}

static FIBER void roles(void *arg)
{
	struct audit_checkpointer *c =
		audit_checkpointer_new(fx.writer, fx.checker, audit_test_sign, NULL);

	(void)arg;
	audit_fill("alice", 3);
	audit_fill("bob", 2);
	ck_assert_int_eq(audit_checkpoints(c), 1);
	audit_checkpointer_free(c);
	nobody_changes();
	nobody_sees_others();
	ck_assert_int_eq(audit_check(NULL, true), 0);
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'todod_audit_%' AND "
			"(rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin)"),
		0);
}

START_TEST(rl9_rl10_nobody_changes_or_sees_others)
{
	audit_run(roles);
}
END_TEST

/* ---- reading ---- */

static FIBER struct audit_page read_page(const char *user, int64_t task_id, const char *after,
					 size_t limit)
{
	const struct audit_query q = { str_from(user), task_id, str_from(after), limit };
	struct audit_page page = { .n = 0 };
	struct err err = { 0 };
	int r = audit_read_wait(fx.audit, fx.arena, &q, &page, &err);

	ck_assert_msg(r == 0, "%s", err.text);
	return page;
}

static FIBER void reading(void *arg)
{
	const struct audit_query q = { STR("bob"), AUDIT_NONE, STR("of nobody"), 10 };
	struct audit_page page;
	struct err err = { 0 };

	(void)arg;
	audit_fill("alice", 10);
	audit_fill("bob", 3);
	page = read_page("alice", AUDIT_NONE, NULL, 4);
	ck_assert(page.n == 4 && page.has_more);
	ck_assert(page.entries[0].n == 1 && page.entries[3].n == 4);
	ck_assert(str_starts(page.entries[1].data, STR("{\"event_id\":\"event-")));
	ck_assert(str_ends(page.entries[1].data, STR("{\"i\":1}}")));
	page = read_page("alice", AUDIT_NONE, page.entries[3].event_id.p, 6);
	ck_assert(page.n == 6 && !page.has_more && page.entries[0].n == 5);
	page = read_page("alice", AUDIT_NONE, page.entries[5].event_id.p, 6);
	ck_assert(page.n == 0 && !page.has_more);
	page = read_page("alice", 2, NULL, AUDIT_PAGE_MAX);
	ck_assert(page.n == 3 && page.entries[0].n == 2 && page.entries[2].n == 8);
	page = read_page("bob", AUDIT_NONE, NULL, AUDIT_PAGE_MAX);
	ck_assert(page.n == 3);
	page = read_page("nobody", AUDIT_NONE, NULL, 1);
	ck_assert(page.n == 0);
	ck_assert_int_eq(audit_read_wait(fx.audit, fx.arena, &q, &page, &err), -ENOENT);
	pg_sql("ALTER TABLE todod.audit DISABLE TRIGGER ALL; "
	       "UPDATE todod.audit SET payload = set_byte(payload, 20, 0) || '\\x00' WHERE user_id = 'bob'");
	const struct audit_query bob = { STR("bob"), AUDIT_NONE, { NULL, 0 }, 10 };
	ck_assert_int_eq(audit_read_wait(fx.audit, fx.arena, &bob, &page, &err), -EBADMSG);
}

START_TEST(history)
{
	audit_run(reading);
}
END_TEST

/* ---- erasing ---- */

static FIBER int64_t erase(const char *user)
{
	struct err err = { 0 };
	int64_t n = -1;
	int r = audit_erase_wait(fx.audit, fx.eraser, fx.arena, str_from(user), &n, &err);

	ck_assert_msg(r == 0, "%s", err.text);
	return n;
}

static FIBER void erasing(void *arg)
{
	struct buf out;
	struct json_out o;
	struct audit_page page;
	struct audit *other = audit_new(fx.writer, &fx.kek);
	struct audit_appended appended;
	struct audit_event e = audit_event_of("alice", "mine", 1, 9, "{\"a\":1}");

	(void)arg;
	audit_fill("alice", 4);
	audit_fill("bob", 2);
	ck_assert_int_eq(audit_put(other, &e, &appended), 0); /* it remembers the key */
	ck_assert_int_eq(erase("alice"), 1);
	ck_assert_int_eq(audit_check(NULL, true), 0);
	ck_assert_int_eq(audit_check(NULL, false), 0);
	page = read_page("alice", AUDIT_NONE, NULL, 10);
	ck_assert_uint_eq(page.n, 6);
	for (size_t i = 0; i < 5; i++)
		ck_assert_ptr_null(page.entries[i].data.p);
	ck_assert(str_eq(page.entries[5].type, STR("erased")));
	ck_assert_ptr_nonnull(page.entries[5].data.p);
	buf_init(&out, 4096);
	json_out_init(&o, &out);
	audit_entry_write(&o, STR("alice"), &page.entries[0]);
	ck_assert(buf_status(&out) == 0);
	ck_assert_ptr_nonnull(memmem(out.p, out.n, "\"erased\":true", 13));
	buf_done(&out);
	page = read_page("bob", AUDIT_NONE, NULL, 10);
	ck_assert(page.n == 2 && page.entries[0].data.p != NULL);

	/* Once said is enough; who has no row gets none. */
	ck_assert_int_eq(erase("alice"), 0);
	ck_assert_int_eq(erase("nobody"), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.audit WHERE type = 'erased'"), 1);

	audit_free(other);
}

/* What comes later gets a new key, also from who remembers the old one. */
static FIBER void erasing_again(void *arg)
{
	struct audit *other = audit_new(fx.writer, &fx.kek);
	struct audit_event e = audit_event_of("alice", "before", 1, 9, "{}");
	struct audit_appended appended;
	struct audit_page page;

	(void)arg;
	audit_fill("alice", 4);
	ck_assert_int_eq(audit_put(other, &e, &appended), 0);
	ck_assert_int_eq(erase("alice"), 1);
	e.event_id = STR("later");
	ck_assert_int_eq(audit_put(other, &e, &appended), 0);
	ck_assert_int_eq(pg_long("SELECT key_version FROM todod.audit WHERE event_id = 'later'"),
			 2);
	page = read_page("alice", AUDIT_NONE, NULL, 10);
	ck_assert(page.n == 7 && page.entries[6].data.p != NULL && page.entries[0].data.p == NULL);
	ck_assert_int_eq(erase("alice"), 1);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.audit_keys"), 0);
	ck_assert_int_eq(audit_check(NULL, true), 0);
	audit_free(other);
}

START_TEST(erased_is_unreadable_and_still_verifies)
{
	audit_run(erasing);
}
END_TEST

START_TEST(erased_and_written_again)
{
	audit_run(erasing_again);
}
END_TEST

/* ---- checkpoints ---- */

static FIBER void checkpoints(void *arg)
{
	struct audit_checkpointer *a = audit_checkpointer_new(fx.writer, fx.checker,
							      audit_test_sign, NULL),
				  *b = audit_checkpointer_new(fx.writer, fx.checker,
							      audit_test_sign, NULL);

	(void)arg;
	ck_assert_int_eq(audit_checkpoints(a), 0);
	audit_fill("alice", 2);
	audit_fill("bob \"quoted\"", 1);
	ck_assert_int_eq(audit_checkpoints(a), 1);
	ck_assert_int_eq(audit_checkpoints(a), 0);
	audit_fill("alice", 1);
	ck_assert_int_eq(audit_checkpoints(a), 1);
	ck_assert_int_eq(
		pg_long("SELECT json_array_length(heads::json) FROM todod.audit_checkpoints "
			"WHERE seq = 2"),
		1);
	/* Who remembers nothing names them again, once. */
	ck_assert_int_eq(audit_checkpoints(b), 1);
	ck_assert_int_eq(audit_checkpoints(b), 0);
	ck_assert_int_eq(audit_check(NULL, true), 0);

	audit_checkpointer_free(a);
	audit_checkpointer_free(b);
}

/* More users than one checkpoint names. */
static FIBER void many(void *arg)
{
	struct audit_checkpointer *a =
		audit_checkpointer_new(fx.writer, fx.checker, audit_test_sign, NULL);

	(void)arg;
	audit_fill("alice", 2);
	ck_assert_int_eq(audit_checkpoints(a), 1);
	pg_sql("INSERT INTO todod.audit SELECT 'u' || i, 1, 'x' || i, 't', 't', NULL, NULL, now(), "
	       "sha256(''), 1, '', sha256(int4send(i)), now() FROM generate_series(1, 4100) i");
	ck_assert_int_eq(audit_checkpoints(a), 3);
	ck_assert_int_eq(audit_checkpoints(a), 0);
	ck_assert_int_eq(pg_long("SELECT sum(json_array_length(heads::json)) FROM "
				 "todod.audit_checkpoints WHERE seq > 1"),
			 4100);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.audit_checkpoints WHERE covers = "
				 "(SELECT covers FROM todod.audit_checkpoints WHERE seq = 1)"),
			 3);
	audit_checkpointer_free(a);
}

START_TEST(many_users_make_several_checkpoints)
{
	audit_run(many);
}
END_TEST

START_TEST(checkpoints_name_what_changed)
{
	audit_run(checkpoints);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("audit");
	TCase *t = tcase_create("audit");

	tcase_add_checked_fixture(t, audit_setup, audit_teardown);
	tcase_add_test(t, each_event_once);
	tcase_add_test(t, bounds);
	tcase_add_test(t, writers_at_once_make_one_chain);
	tcase_add_test(t, what_is_remembered_is_checked);
	tcase_add_test(t, rl9_rl10_nobody_changes_or_sees_others);
	tcase_add_test(t, history);
	tcase_add_test(t, erased_is_unreadable_and_still_verifies);
	tcase_add_test(t, erased_and_written_again);
	tcase_add_test(t, many_users_make_several_checkpoints);
	tcase_add_test(t, checkpoints_name_what_changed);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
