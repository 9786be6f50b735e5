/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RL9: whatever a superuser changes, who switches off triggers and constraints and can compute
 * hashes (but has neither the key-encryption key nor the key of the checkpoints), is found: 10,000
 * changes at random, one at a time, each taken back before the next.
 */
#include "audit_fixture.h"

#include <stdarg.h>

enum { CHANGES = 10000, ROWS = 9, NAMED = 7 }; /* of each user; the first NAMED in a checkpoint */

static uint64_t state = 0x9e3779b97f4a7c15;

static unsigned pick(unsigned n)
{
	state = state * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)(state >> 33) % n;
}

static const char *const USERS[] = { "alice", "bob" };

static const char SETUP[] =
	"SET synchronous_commit = off;"
	"ALTER TABLE todod.audit DISABLE TRIGGER ALL;"
	"ALTER TABLE todod.audit_checkpoints DISABLE TRIGGER ALL;"
	"ALTER TABLE todod.audit DROP CONSTRAINT audit_event_id, DROP CONSTRAINT audit_pkey;"
	"ALTER TABLE todod.audit_checkpoints DROP CONSTRAINT audit_checkpoints_pkey;"
	"CREATE INDEX ON todod.audit (user_id, n);"
	"DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint "
	"WHERE contype = 'c' AND conrelid::regclass::text LIKE 'todod.audit%' LOOP "
	"EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); END LOOP; "
	"FOR c IN SELECT attrelid::regclass AS t, attname FROM pg_attribute WHERE attnotnull AND attnum > 0 "
	"AND attrelid IN ('todod.audit'::regclass) AND attname NOT IN ('user_id', 'n') LOOP "
	"EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', c.t, c.attname); END LOOP; END $$;"
	"CREATE TABLE kept AS SELECT * FROM todod.audit;"
	"CREATE TABLE kept_keys AS SELECT * FROM todod.audit_keys;"
	"CREATE TABLE kept_checkpoints AS SELECT * FROM todod.audit_checkpoints;"
	/* What a superuser who knows the format does after a change. */
	"CREATE FUNCTION rehash(u text) RETURNS void LANGUAGE plpgsql AS $$ DECLARE a todod.audit; "
	"p bytea := decode(repeat('00', 32), 'hex'); BEGIN "
	"FOR a IN SELECT * FROM todod.audit WHERE user_id = u ORDER BY n LOOP "
	"p := row_h(p, a); UPDATE todod.audit SET h = p WHERE user_id = u AND n = a.n; END LOOP; END $$;"
	"CREATE FUNCTION flip(bytea, int) RETURNS bytea LANGUAGE sql AS $$ SELECT set_bit($1, "
	"$2 % (8 * octet_length($1)), 1 - get_bit($1, $2 % (8 * octet_length($1)))) $$";

static const char RESTORE[] =
	"DELETE FROM todod.audit; INSERT INTO todod.audit SELECT * FROM kept;"
	"DELETE FROM todod.audit_keys; INSERT INTO todod.audit_keys SELECT * FROM kept_keys;"
	"DELETE FROM todod.audit_checkpoints;"
	"INSERT INTO todod.audit_checkpoints SELECT * FROM kept_checkpoints";

/* Each SET of a row; %u is a random number. */
static const char *const COLUMNS[] = {
	"user_id = user_id || %u",
	"user_id = (ARRAY['dave', 'erin'])[1 + %u %% 2]",
	"n = n + 100 + %u",
	"n = -%u - 1",
	"n = 0 * %u",
	"event_id = event_id || %u",
	"event_id = NULLIF('', %u::text || event_id)",
	"topic = topic || %u",
	"topic = NULL || %u::text",
	"type = 'task.' || %u",
	"task_id = coalesce(task_id, 0) + 1 + %u",
	"task_id = NULL + %u",
	"sequence = sequence + 1 + %u",
	"sequence = NULL + %u",
	"at = at + interval '1 microsecond' * (1 + %u)",
	"at = NULL::timestamptz + interval '1 s' * %u",
	"identity = flip(identity, %u)",
	"identity = substr(identity, 1 + 1 + %u %% 31)",
	"key_version = key_version + 1 + %u %% 100",
	"key_version = 0 * %u",
	"payload = flip(payload, %u)",
	"payload = payload || set_byte('\\x00', 0, %u %% 256)",
	"payload = substr(payload, 1, %u %% octet_length(payload))",
	"payload = NULL || int4send(%u)",
	"h = flip(h, %u)",
	"h = NULL || int4send(%u)",
	"h = sha256(int4send(%u))",
	"stored_at = stored_at - interval '1 microsecond' * (1 + %u)",
	"topic = substr(topic, 1, 3), type = substr(topic, 4) || type || left(%u::text, 0)",
};

static const char *const CHECKPOINT_COLUMNS[] = {
	"seq = seq + 10 + %u",
	"seq = -%u",
	"at = at + interval '1 microsecond' * (1 + %u)",
	"covers = covers + interval '1 microsecond' * (1 + %u)",
	"heads = replace(heads, 'alice', 'dave%u')",
	"heads = '[]' || left(%u::text, 0)",
	"heads = 'no json %u'",
	"prev = flip(prev, %u)",
	"prev = '\\x' || substr(int4send(%u), 5)",
	("signature = overlay(signature placing CASE substr(signature, 40 + %u %% 300, 1) WHEN 'A' "
	 "THEN 'B' ELSE 'A' END FROM 40 + %u %% 300)"),
	"signature = left(%u::text, 0)",
};

static char sql[4096];

static void change(const char *format, ...) PRINTF_LIKE(1, 2);

static void change(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	pg_sql(sql);
}

static void change_column(const char *user, unsigned n)
{
	const char *column = COLUMNS[pick(ARRAY_SIZE(COLUMNS))];
	unsigned number = pick(1000000);
	char set[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(set, sizeof(set), column, number, number);
#pragma GCC diagnostic pop
	change("UPDATE todod.audit SET %s WHERE user_id = '%s' AND n = %u", set, user, n);
}

static void change_checkpoint(const char *user, unsigned n)
{
	const char *column = CHECKPOINT_COLUMNS[pick(ARRAY_SIZE(CHECKPOINT_COLUMNS))];
	unsigned number = pick(1000000);
	char set[512];

	(void)user;
	(void)n;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(set, sizeof(set), column, number, number);
#pragma GCC diagnostic pop
	/* alice is in each of them */
	change("UPDATE todod.audit_checkpoints SET %s WHERE seq = %u", set, 1 + pick(3));
}

/* Not the last rows, which no checkpoint names yet. */
static void delete_row(const char *user, unsigned n)
{
	change("DELETE FROM todod.audit WHERE user_id = '%s' AND n = %u", user,
	       n == ROWS ? ROWS - 1 : n);
}

static void delete_renumbered(const char *user, unsigned n)
{
	n = n == ROWS ? ROWS - 1 : n;
	change("DELETE FROM todod.audit WHERE user_id = '%s' AND n = %u; "
	       "UPDATE todod.audit SET n = n - 1 WHERE user_id = '%s' AND n > %u; SELECT rehash('%s')",
	       user, n, user, n, user);
}

static void delete_user(const char *user, unsigned n)
{
	(void)n;
	change("DELETE FROM todod.audit WHERE user_id = '%s'; DELETE FROM todod.audit_keys "
	       "WHERE user_id = '%s'",
	       user, user);
}

static void swap_rows(const char *user, unsigned n)
{
	unsigned m = 1 + (n + pick(ROWS - 1)) % ROWS;

	change("UPDATE todod.audit SET n = CASE n WHEN %u THEN %u ELSE %u END WHERE user_id = '%s' "
	       "AND n IN (%u, %u)",
	       n, m, n, user, n, m);
}

static void swap_rehashed(const char *user, unsigned n)
{
	swap_rows(user, n);
	change("SELECT rehash('%s')", user);
}

static void swap_users(const char *user, unsigned n)
{
	const char *other = USERS[user[0] == 'a'];

	change("UPDATE todod.audit SET user_id = CASE user_id WHEN '%s' THEN '%s' ELSE '%s' END "
	       "WHERE n = %u AND user_id IN ('%s', '%s')",
	       user, other, user, n, user, other);
}

/* A copy of a row in the middle, or at the end, with the hashes that belong there or without. */
static void insert_row(const char *user, unsigned n)
{
	unsigned place = 1 + pick(ROWS + 1);

	change("UPDATE todod.audit SET n = n + 1 WHERE user_id = '%s' AND n >= %u;"
	       "INSERT INTO todod.audit SELECT user_id, %u, event_id || 'x', topic, type, task_id, sequence, at, "
	       "identity, key_version, payload, h, stored_at FROM kept WHERE user_id = '%s' AND n = %u",
	       user, place, place, user, n);
	if (pick(2))
		change("SELECT rehash('%s')", user);
}

static void truncate_tail(const char *user, unsigned n)
{
	change("DELETE FROM todod.audit WHERE user_id = '%s' AND n >= %u", user,
	       n > NAMED ? NAMED : n);
}

/* A change with every hash made anew. */
static void rewrite(const char *user, unsigned n)
{
	static const char *const SETS[] = { "type = 'task.deleted'", "task_id = 77",
					    "sequence = 99",	     "at = at - interval '1 day'",
					    "topic = 'x'",	     "identity = sha256('x')",
					    "event_id = 'x'" };

	change("UPDATE todod.audit SET %s WHERE user_id = '%s' AND n = %u; SELECT rehash('%s')",
	       SETS[pick(ARRAY_SIZE(SETS))], user, n > NAMED ? NAMED : n, user);
}

static void delete_checkpoint(const char *user, unsigned n)
{
	(void)user;
	(void)n;
	change("DELETE FROM todod.audit_checkpoints WHERE seq = %u", 1 + pick(2));
}

static void swap_checkpoints(const char *user, unsigned n)
{
	unsigned i = 1 + pick(3), j = 1 + (i + pick(2)) % 3;

	(void)user;
	(void)n;
	change("UPDATE todod.audit_checkpoints SET seq = CASE seq WHEN %u THEN %u ELSE %u END "
	       "WHERE seq IN (%u, %u)",
	       i, j, i, i, j);
}

static void change_key(const char *user, unsigned n)
{
	static const char *const CHANGED[] = {
		"DELETE FROM todod.audit_keys WHERE user_id = '%s' AND %u > 0",
		"UPDATE todod.audit_keys SET wrapped = flip(wrapped, %2$u) WHERE user_id = '%1$s'",
		"UPDATE todod.audit_keys SET version = version + %2$u WHERE user_id = '%1$s'",
		"UPDATE todod.audit_keys SET user_id = user_id || %2$u WHERE user_id = '%1$s'",
		("UPDATE todod.audit_keys k SET wrapped = o.wrapped FROM kept_keys o WHERE "
		 "o.user_id <> k.user_id AND k.user_id = '%s' AND %u > 0"),
	};

	(void)n;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	change(CHANGED[pick(ARRAY_SIZE(CHANGED))], user, 1 + pick(100000));
#pragma GCC diagnostic pop
}

static void (*const KINDS[])(const char *, unsigned) = {
	change_column,	   change_column,     change_column, change_column,	delete_row,
	swap_rows,	   delete_renumbered, delete_user,   swap_rehashed,	swap_users,
	insert_row,	   truncate_tail,     rewrite,	     delete_checkpoint, swap_checkpoints,
	change_checkpoint, change_key,
};

static FIBER void fill(void)
{
	struct audit_checkpointer *c =
		audit_checkpointer_new(fx.writer, fx.checker, audit_test_sign, NULL);

	for (int round = 0; round < 3; round++) {
		for (size_t u = 0; u < ARRAY_SIZE(USERS); u++)
			audit_fill(USERS[u], round == 2 ? NAMED - 6 : 3);
		ck_assert_int_eq(audit_checkpoints(c), 1);
	}
	for (size_t u = 0; u < ARRAY_SIZE(USERS); u++)
		audit_fill(USERS[u], ROWS - NAMED);
	audit_checkpointer_free(c);
	pg_sql(SETUP);
	ck_assert_int_eq(audit_check(NULL, true), 0);
}

static FIBER void tamper(void *arg)
{
	int found[_AUDIT_FAULT_MAX] = { 0 };

	(void)arg;
	fill();
	for (int i = 0; i < CHANGES; i++) {
		const char *user = USERS[pick(2)];

		KINDS[pick(ARRAY_SIZE(KINDS))](user, 1 + pick(ROWS));
		ck_assert_msg(audit_check(NULL, true) > 0, "change %d was not found: %s", i, sql);
		for (int f = 0; f < _AUDIT_FAULT_MAX; f++)
			found[f] += audit_last.of[f] > 0;
		pg_sql(RESTORE);
		if (i % 500 == 0) {
			pg_sql("VACUUM todod.audit");
			pg_sql("VACUUM todod.audit_checkpoints");
			pg_sql("VACUUM todod.audit_keys");
			arena_reset(fx.arena);
		}
	}
	ck_assert_int_eq(audit_check(NULL, true), 0);
	for (int f = 0; f < _AUDIT_FAULT_MAX; f++) {
		printf("%s: %d\n", audit_fault_name((enum audit_fault)f), found[f]);
		ck_assert_int_gt(found[f], 0);
	}
}

START_TEST(rl9_ten_thousand_changes_are_found)
{
	audit_run(tamper);
}
END_TEST

/* What is reported is where it happened. */
static FIBER void places(void *arg)
{
	static const struct {
		const char *sql;
		enum audit_fault fault;
		int64_t n;
	} CASES[] = {
		{ "UPDATE todod.audit SET type = 'x' WHERE user_id = 'bob' AND n = 4",
		  AUDIT_FAULT_CHANGED, 4 },
		{ "DELETE FROM todod.audit WHERE user_id = 'bob' AND n IN (4, 5)",
		  AUDIT_FAULT_MISSING, 4 },
		{ "DELETE FROM todod.audit WHERE user_id = 'bob' AND n > 5", AUDIT_FAULT_TRUNCATED,
		  6 },
		{ "UPDATE todod.audit SET type = 'x' WHERE user_id = 'bob' AND n = 2; "
		  "SELECT rehash('bob')",
		  AUDIT_FAULT_REWRITTEN, 3 },
		{ "DELETE FROM todod.audit_keys WHERE user_id = 'bob'", AUDIT_FAULT_KEY, 9 },
		{ "INSERT INTO todod.audit SELECT user_id, 10, 'forged', topic, type, task_id, sequence, at, identity, "
		  "key_version, payload, h, stored_at FROM kept WHERE user_id = 'bob' AND n = 9; "
		  "SELECT rehash('bob')",
		  AUDIT_FAULT_PAYLOAD, 10 },
	};

	(void)arg;
	fill();
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		pg_sql(CASES[i].sql);
		ck_assert_msg(audit_check("bob", true) > 0, "%s", CASES[i].sql);
		ck_assert_int_eq(audit_last.first, CASES[i].fault);
		ck_assert_int_eq(audit_last.first_n, CASES[i].n);
		ck_assert_str_eq(audit_last.first_user, "bob");
		ck_assert_int_eq(audit_check("alice", true), 0);
		pg_sql(RESTORE);
	}
}

START_TEST(findings_name_the_place)
{
	audit_run(places);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("audit tamper");
	TCase *t = tcase_create("audit tamper");

	tcase_add_checked_fixture(t, audit_setup, audit_teardown);
	tcase_set_timeout(t, 280);
	tcase_add_test(t, findings_name_the_place);
	tcase_add_test(t, rl9_ten_thousand_changes_are_found);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
