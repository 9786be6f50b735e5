/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preferences in the store: defaults, every column, versions, the first write by many at once. As
 * the narrow role.
 *
 * Requirements: SE3.
 */
#include "test/unit/support/fail_alloc.h"
#include "test/unit/support/store_fixture.h"

#include "store/preferences.h"

static const struct idempotency_key KEY = {
	{ "anna", 4 }, { "PUT", 3 }, { "/preferences", 12 }, { "key-1", 5 }, { 1, 2, 3 },
};
static const struct idempotency_answer ANSWER = { .status = 200, .body = { "{}", 2 } };

static struct preferences stored(int64_t version)
{
	return (struct preferences){
		.time_zone = STR("Europe/Berlin"),
		.email = STR("anna@example.org"),
		.email_confirmed = true,
		.channels = CHANNELS_ALL,
		.default_reminder_offset_minutes = 0,
		.locale = STR("de-AT"),
		.version = version,
		.updated_at_us = INT64_C(1795262400000001) + version,
	};
}

static struct store_change change_for(const char *user, const struct preferences *p)
{
	const struct task subject = { .version = p->version };

	return (struct store_change){ .user_id = str_from(user),
				      .events = event_of(&subject, "{}"),
				      .n_events = 1 };
}

static int write_for(struct db *db, const char *user, const struct preferences *p, struct err *err)
{
	const struct store_change change = change_for(user, p);

	return preferences_store_write_wait(db, arena, &change, p, err);
}

static struct preferences read_for(struct db *db, const char *user)
{
	struct preferences p = { .version = -1 };
	bool answered = true;

	ck_assert_int_eq(preferences_store_read_wait(db, arena, str_from(user), NULL, &p, &answered,
						     NULL, NULL),
			 0);
	ck_assert(!answered);
	return p;
}

FIXTURE void assert_same_preferences(const struct preferences *a, const struct preferences *b)
{
	assert_same_str(a->time_zone, b->time_zone);
	assert_same_str(a->email, b->email);
	ck_assert_int_eq(a->email_confirmed, b->email_confirmed);
	ck_assert_uint_eq(a->channels, b->channels);
	ck_assert_int_eq(a->default_reminder_offset_minutes, b->default_reminder_offset_minutes);
	assert_same_str(a->locale, b->locale);
	ck_assert_int_eq(a->version, b->version);
	ck_assert_int_eq(a->updated_at_us, b->updated_at_us);
}

static void life_fiber(void *arg)
{
	const struct task_question q = { .user_id = STR("anna"), .wants_preferences = true };
	struct db *db = open_db();
	struct preferences p = read_for(db, "anna"), first = stored(1),
			   second = PREFERENCES_DEFAULT;
	struct task_lookup l;
	struct err err = { 0 };

	(void)arg;
	assert_same_preferences(&p, &PREFERENCES_DEFAULT);
	ck_assert_int_eq(task_store_read_wait(db, arena, &q, &l, NULL), 0);
	assert_same_preferences(&l.preferences, &PREFERENCES_DEFAULT);
	ck_assert_msg(write_for(db, "anna", &first, &err) == 0, "%s", err.text);
	p = read_for(db, "anna");
	assert_same_preferences(&p, &first);
	ck_assert_int_eq(task_store_read_wait(db, arena, &q, &l, NULL), 0);
	assert_same_preferences(&l.preferences, &first);
	/* Everything that can be null is, and the rest is another. */
	second.default_reminder_offset_minutes = -1;
	second.version = 2;
	second.updated_at_us = 5;
	ck_assert_int_eq(write_for(db, "anna", &second, NULL), 0);
	p = read_for(db, "anna");
	assert_same_preferences(&p, &second);
	/* Out of date, in either direction: nothing happens. */
	char *before = all_of_it();
	for (int64_t version = 1; version <= 4; version++) {
		if (version == 3)
			continue;
		struct preferences stale = stored(version);
		ck_assert_int_eq(write_for(db, "anna", &stale, &err), -ESTALE);
		ck_assert_ptr_eq(err.kind, &ERR_CONFLICT);
	}
	assert_unchanged(before);
	/* Nor are they anybody else's. */
	p = read_for(db, "bilal");
	assert_same_preferences(&p, &PREFERENCES_DEFAULT);
	ck_assert_int_eq(write_for(db, "bilal", &first, NULL), 0);
	p = read_for(db, "anna");
	assert_same_preferences(&p, &second);
	db_free(db);
}

START_TEST(test_every_column_and_version)
{
	pg_run(life_fiber, NULL);
	ck_assert_str_eq(
		pg_sql("SELECT string_agg(user_id || sequence, ' ' ORDER BY id) FROM todod.outbox"),
		"anna1 anna2 bilal1");
}
END_TEST

static void keyed_fiber(void *arg)
{
	struct db *db = open_db();
	struct preferences p = stored(1);
	struct store_change change = change_for("anna", &p);
	struct idempotency_answer answer = { .status = 0 };
	struct preferences found;
	struct err err = { 0 };
	bool answered = true;

	(void)arg;
	change.key = &KEY;
	change.answer = &ANSWER;
	ck_assert_int_eq(preferences_store_read_wait(db, arena, STR("anna"), &KEY, &found,
						     &answered, &answer, NULL),
			 0);
	ck_assert(!answered);
	ck_assert_int_eq(preferences_store_write_wait(db, arena, &change, &p, &err), 0);
	p.version = 2;
	change.events = event_of(&(const struct task){ .version = 2 }, "{}");
	char *before = all_of_it();
	ck_assert_int_eq(preferences_store_write_wait(db, arena, &change, &p, &err), -EEXIST);
	assert_unchanged(before);
	ck_assert_int_eq(preferences_store_read_wait(db, arena, STR("anna"), &KEY, &found,
						     &answered, &answer, NULL),
			 0);
	ck_assert(answered && answer.same_body);
	ck_assert_int_eq(found.version, 1);
	db_free(db);
}

START_TEST(test_a_repeated_key)
{
	pg_run(keyed_fiber, NULL);
}
END_TEST

static void first_write_fiber(void *arg)
{
	struct crowd *c = arg;
	struct preferences p = stored(1);
	int r = write_for(c->db, "anna", &p, NULL);

	c->ok += r == 0;
	c->exists += r == -ESTALE;
	c->left--;
}

static void crowd_fiber(void *arg)
{
	struct crowd c = { .db = open_db() };

	(void)arg;
	crowd_run(&c, first_write_fiber, 30);
	ck_assert_uint_eq(c.ok, 1);
	ck_assert_uint_eq(c.exists, 29);
	db_free(c.db);
}

START_TEST(test_thirty_first_writes)
{
	pg_run(crowd_fiber, NULL);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox"), 1);
}
END_TEST

static void torture_fiber(void *arg)
{
	struct db *db = open_db();
	int64_t version = 0;

	(void)arg;
	for (unsigned kind = 0; kind < 2; kind++) {
		for (uint64_t nth = 1;; nth++) {
			struct arena *own = arena_new(1024 * 1024);
			struct preferences p = stored(version + 1), found = { .version = 42 };
			const struct store_change change = change_for("anna", &p);
			struct err err = { 0 };
			bool answered;

			fail_alloc_arm(nth);
			int r = kind == 0 ? preferences_store_write_wait(db, own, &change, &p, &err)
					  : preferences_store_read_wait(db, own, STR("anna"), NULL,
									&found, &answered, NULL,
									&err);
			bool was_nth = fail_alloc_disarm();
			ck_assert(kind == 0 || r == 0 || found.version == 42); /* untouched */
			arena_free(own);
			ck_assert_msg(r == 0 || r == -EAGAIN || r == -ENOMEM, "%d of %u: %d %s",
				      (int)nth, kind, r, err.text);
			ck_assert(r == 0 || err.kind == &ERR_UNAVAILABLE);
			pg_await(db, true);
			version =
				pg_long("SELECT coalesce(max(version), 0) FROM todod.preferences");
			if (!was_nth)
				break;
			ck_assert_uint_lt(nth, 1000);
		}
	}
	db_free(db);
}

START_TEST(test_every_allocation_may_fail)
{
	ck_assert_msg(fail_alloc_works(), "allocations cannot be made to fail in this build");
	pg_run(torture_fiber, NULL);
	ck_assert_int_eq(
		pg_long("SELECT (SELECT version FROM todod.preferences) - (SELECT count(*) FROM todod.outbox)"),
		0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_every_column_and_version,
		test_a_repeated_key,
		test_thirty_first_writes,
		test_every_allocation_may_fail,
	};
	Suite *suite = suite_create("preferences_store");
	TCase *tc = tcase_create("preferences_store");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, store_setup, store_teardown);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
