/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags in the store: made, changed, listed with counts; renamed and removed over many tasks in
 * steps, also when others write meanwhile or the walk is cut short. As the narrow role.
 *
 * Requirements: SE3.
 */
#include "test/unit/support/fail_alloc.h"
#include "test/unit/support/store_fixture.h"

#include "store/tags.h"

static const struct idempotency_answer ANSWER = { .status = 200, .body = { "{}", 2 } };

static struct store_change no_events(const char *user)
{
	return (struct store_change){ .user_id = str_from(user) };
}

static struct tag tag_of(const char *key, const char *name, const char *color)
{
	return (struct tag){ .name = { .name = str_from(name), .key = str_from(key) },
			     .color = str_from(color) };
}

static int create_tag(struct db *db, const char *user, const char *key, const char *name)
{
	const struct store_change change = no_events(user);
	const struct tag tag = tag_of(key, name, "#0a0b0c");

	return tag_store_create_wait(db, arena, &change, &tag, NULL);
}

static struct tag_lookup read_tag(struct db *db, const char *user, const char *key)
{
	struct tag_lookup l = { .found = false };
	struct err err = { 0 };

	ck_assert_msg(tag_store_read_wait(db, arena, str_from(user), str_from(key), NULL, &l,
					  &err) == 0,
		      "%s", err.text);
	return l;
}

/* n tasks of anna with the tags lines, of ids from first on. */
static void tagged_tasks(int first, int n, const char *lines)
{
	char sql[1024];

	snprintf(
		sql, sizeof(sql),
		"WITH t AS (INSERT INTO todod.tasks (user_id, id, title, created_at, updated_at, tags, completed, "
		"completed_at) SELECT 'anna', i, 't', now(), now(), E'%s', i %% 3 = 0, CASE WHEN i %% 3 = 0 THEN now() END "
		"FROM generate_series(%d, %d) i RETURNING *) SELECT count(*) FROM t",
		lines, first, first + n - 1);
	pg_sql(sql);
	snprintf(
		sql, sizeof(sql),
		"INSERT INTO todod.task_tags SELECT 'anna', lower(k), i FROM generate_series(%d, %d) i, "
		"unnest(string_to_array(E'%s', E'\\n')) k",
		first, first + n - 1, lines);
	pg_sql(sql);
}

/* ---- one tag ---- */

static void life_fiber(void *arg)
{
	const struct idempotency_key key = {
		STR("anna"), STR("POST"), STR("/tags"), STR("k"), { 1 }
	};
	struct db *db = open_db();
	struct store_change change = no_events("anna");
	struct tag tag = tag_of("home", "Home", "#aabbcc");
	struct tag_lookup l;
	struct tag_list list;
	struct err err = { 0 };

	(void)arg;
	ck_assert(!read_tag(db, "anna", "home").found);
	change.key = &key;
	change.answer = &ANSWER;
	ck_assert_int_eq(tag_store_create_wait(db, arena, &change, &tag, &err), 0);
	ck_assert_int_eq(tag_store_create_wait(db, arena, &change, &tag, &err), -EEXIST);
	ck_assert_int_eq(tag_store_read_wait(db, arena, STR("anna"), STR("home"), &key, &l, NULL),
			 0);
	ck_assert(l.found && l.answered && l.answer.same_body);
	assert_same_str(l.tag.name.name, STR("Home"));
	assert_same_str(l.tag.color, STR("#aabbcc"));
	ck_assert_ptr_null(l.renaming_to.p);
	change.key = NULL;
	ck_assert_int_eq(tag_store_create_wait(db, arena, &change, &tag, &err), -EALREADY);
	ck_assert_ptr_eq(err.kind, &ERR_TAG_EXISTS);
	/* Another spelling of the same, another colour. */
	tag = tag_of("home", "HOME", "#000000");
	ck_assert_int_eq(tag_store_update_wait(db, arena, &change, &tag, &err), 0);
	assert_same_str(read_tag(db, "anna", "home").tag.name.name, STR("HOME"));
	tag.name.key = STR("other");
	ck_assert_int_eq(tag_store_update_wait(db, arena, &change, &tag, &err), -ESTALE);
	/* By key, with the open tasks counted. */
	ck_assert_int_eq(create_tag(db, "anna", "a", "A"), 0);
	ck_assert_int_eq(create_tag(db, "bilal", "home", "home"), 0);
	tagged_tasks(1, 9, "Home");
	ck_assert_int_eq(tag_store_list_wait(db, arena, STR("anna"), &list, NULL), 0);
	ck_assert_uint_eq(list.n, 2);
	assert_same_str(list.tags[0].name.key, STR("a"));
	ck_assert_int_eq(list.tags[0].open_tasks, 0);
	ck_assert_int_eq(list.tags[1].open_tasks, 6);
	ck_assert_int_eq(read_tag(db, "anna", "home").tag.open_tasks, 6);
	ck_assert_int_eq(read_tag(db, "bilal", "home").tag.open_tasks, 0);
	/* Tasks have it: it stays. */
	char *before = all_of_it();
	ck_assert_int_eq(tag_store_remove_wait(db, arena, &change, STR("home"), &err), -ESTALE);
	ck_assert_ptr_eq(err.kind, &ERR_CONFLICT);
	ck_assert_int_eq(tag_store_remove_wait(db, arena, &change, STR("none"), &err), -ESTALE);
	assert_unchanged(before);
	ck_assert_int_eq(tag_store_remove_wait(db, arena, &change, STR("a"), &err), 0);
	ck_assert_int_eq(pg_long("SELECT tags FROM todod.user_counters WHERE user_id = 'anna'"), 1);
	db_free(db);
}

START_TEST(test_a_tag_from_birth_to_end)
{
	pg_run(life_fiber, NULL);
}
END_TEST

static void quota_fiber(void *arg)
{
	struct db *db = open_db();
	const struct store_change change = no_events("anna");
	const struct tag tag = tag_of("new", "new", "#000000");
	struct err err = { 0 };

	(void)arg;
	pg_sql("INSERT INTO todod.user_counters (user_id, tasks, tags) VALUES ('anna', 0, 499)");
	ck_assert_int_eq(create_tag(db, "anna", "a", "a"), 0);
	char *before = all_of_it();
	ck_assert_int_eq(tag_store_create_wait(db, arena, &change, &tag, &err), -EDQUOT);
	ck_assert_ptr_eq(err.kind, &ERR_TAG_QUOTA);
	assert_unchanged(before);
	/* A rename needs no room. */
	ck_assert_int_eq(tag_store_begin_rename_wait(db, arena, &change, STR("a"), &tag, &err), 0);
	ck_assert_int_eq(tag_store_remove_wait(db, arena, &change, STR("a"), &err), 0);
	ck_assert_int_eq(pg_long("SELECT tags FROM todod.user_counters"), 500);
	db_free(db);
}

START_TEST(test_the_quota)
{
	pg_run(quota_fiber, NULL);
}
END_TEST

/* ---- over many tasks ---- */

static bool is_key(struct str name, struct str key)
{
	return name.n == key.n && strncasecmp(name.p, key.p, name.n) == 0;
}

/* The tasks as they are with another tag (to.p NULL: none) in its place; two events for each. */
static struct task *changed(const struct task *tasks, size_t n, struct str from, struct str to,
			    struct store_change *change)
{
	struct task *after = arena_alloc(arena, n * sizeof(*after));
	struct event *events = arena_alloc(arena, n * 2 * sizeof(*events));

	for (size_t i = 0; i < n; i++) {
		struct str *tags = arena_alloc(arena, (tasks[i].n_tags + 1) * sizeof(*tags));
		after[i] = tasks[i];
		after[i].version++;
		after[i].updated_at_us = INT64_C(1795262400000001);
		after[i].tags = tags;
		after[i].n_tags = 0;
		for (size_t k = 0; k < tasks[i].n_tags; k++) {
			if (!is_key(tasks[i].tags[k], from))
				tags[after[i].n_tags++] = tasks[i].tags[k];
			else if (to.p != NULL)
				tags[after[i].n_tags++] = to;
		}
		events[2 * i] = *event_of(&after[i], "{\"n\":1}");
		events[2 * i + 1] = *event_of(&after[i], "{\"n\":2}");
	}
	change->events = events;
	change->n_events = n * 2;
	return after;
}

/* Walks over all tasks of a tag; how many steps it took. */
static unsigned walk(struct db *db, struct str from, struct str to, struct str to_key, unsigned max)
{
	int64_t after_id = 0;
	unsigned steps = 0;

	for (; steps < max; steps++) {
		struct store_change change = no_events("anna");
		const struct task *tasks;
		struct err err = { 0 };
		size_t n = 0;
		bool all = false;

		ck_assert_int_eq(tag_store_tasks_wait(db, arena, STR("anna"), from, after_id,
						      &tasks, &n, NULL),
				 0);
		if (n == 0)
			break;
		ck_assert_uint_le(n, TAG_STEP);
		const struct task *after = changed(tasks, n, from, to, &change);
		int r = tag_store_step_wait(db, arena, &change, after, n, from, to_key, &all, &err);
		ck_assert_msg(r == 0, "%s", err.text);
		ck_assert(all);
		after_id = tasks[n - 1].id;
	}
	return steps;
}

static void rename_fiber(void *arg)
{
	struct db *db = open_db();
	const struct store_change change = no_events("anna");
	const struct tag to = tag_of("new", "New", "#0a0b0c"), third = tag_of("z", "z", "#000000");
	struct tag_lookup l;
	struct err err = { 0 };

	(void)arg;
	ck_assert_int_eq(create_tag(db, "anna", "old", "Old"), 0);
	ck_assert_int_eq(create_tag(db, "anna", "x", "x"), 0);
	ck_assert_int_eq(create_tag(db, "bilal", "old", "Old"), 0);
	tagged_tasks(1, 250, "x\\nOld");
	tagged_tasks(251, 20, "x");
	ck_assert_int_eq(tag_store_begin_rename_wait(db, arena, &change, STR("old"), &to, &err), 0);
	l = read_tag(db, "anna", "old");
	assert_same_str(l.renaming_to, STR("new"));
	/* Cut short after one step, and begun again: it is known how it goes on. */
	ck_assert_uint_eq(walk(db, STR("old"), STR("New"), STR("new"), 1), 1);
	char *before = all_of_it();
	ck_assert_int_eq(tag_store_begin_rename_wait(db, arena, &change, STR("old"), &to, &err),
			 -ESTALE);
	ck_assert_int_eq(tag_store_begin_rename_wait(db, arena, &change, STR("old"), &third, &err),
			 -ESTALE);
	ck_assert_int_eq(tag_store_begin_rename_wait(db, arena, &change, STR("none"), &third, &err),
			 -ESTALE);
	ck_assert_int_eq(tag_store_remove_wait(db, arena, &change, STR("old"), &err), -ESTALE);
	assert_unchanged(before);
	ck_assert_uint_eq(walk(db, STR("old"), STR("New"), STR("new"), 100), 2);
	ck_assert_int_eq(tag_store_remove_wait(db, arena, &change, STR("old"), &err), 0);
	ck_assert(!read_tag(db, "anna", "old").found);
	ck_assert_int_eq(read_tag(db, "anna", "new").tag.open_tasks, 167);
	ck_assert(read_tag(db, "bilal", "old").found);
	db_free(db);
}

START_TEST(test_a_rename_in_steps)
{
	pg_run(rename_fiber, NULL);
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM todod.tasks WHERE tags = E'x\\nNew' AND version = 2"),
		250);
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM todod.tasks WHERE tags = 'x' AND version = 1"), 20);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.task_tags WHERE key = 'new'"), 250);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.task_tags WHERE key = 'old'"), 0);
	/* Two events for each, one behind the other. */
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox"), 500);
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM (SELECT event, row_number() OVER (ORDER BY id) AS n "
			"FROM todod.outbox) o WHERE (convert_from(event::text::bytea, 'UTF8') LIKE '%1%') <> (n % 2 = 1)"),
		0);
	ck_assert_int_eq(pg_long("SELECT tags FROM todod.user_counters WHERE user_id = 'anna'"), 2);
}
END_TEST

/* Only the spelling changes; and then it leaves altogether. */
static void respell_fiber(void *arg)
{
	struct db *db = open_db();
	const struct store_change change = no_events("anna");
	struct err err = { 0 };

	(void)arg;
	ck_assert_int_eq(create_tag(db, "anna", "old", "Old"), 0);
	tagged_tasks(1, 120, "Old");
	ck_assert_uint_eq(walk(db, STR("old"), STR("OLD"), STR("old"), 100), 2);
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM todod.tasks WHERE tags = 'OLD' AND version = 2"),
		120);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.task_tags WHERE key = 'old'"), 120);
	ck_assert_uint_eq(
		walk(db, STR("old"), (struct str){ NULL, 0 }, (struct str){ NULL, 0 }, 100), 2);
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM todod.tasks WHERE tags = '' AND version = 3"), 120);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.task_tags"), 0);
	ck_assert_int_eq(tag_store_remove_wait(db, arena, &change, STR("old"), &err), 0);
	ck_assert_int_eq(pg_long("SELECT tags FROM todod.user_counters"), 0);
	db_free(db);
}

START_TEST(test_respelled_and_removed)
{
	pg_run(respell_fiber, NULL);
}
END_TEST

/* A task that changed meanwhile is left out, with its events; one that has the new tag already has
 * it once. */
static void race_fiber(void *arg)
{
	struct db *db = open_db();
	struct store_change change = no_events("anna");
	const struct task *tasks;
	struct err err = { 0 };
	size_t n;
	bool all = true;

	(void)arg;
	ck_assert_int_eq(create_tag(db, "anna", "old", "Old"), 0);
	ck_assert_int_eq(create_tag(db, "anna", "new", "New"), 0);
	tagged_tasks(1, 5, "Old\\nNew");
	ck_assert_int_eq(
		tag_store_tasks_wait(db, arena, STR("anna"), STR("old"), 0, &tasks, &n, NULL), 0);
	ck_assert_uint_eq(n, 5);
	pg_sql("UPDATE todod.tasks SET version = 2, title = 'mine' WHERE id = 3");
	pg_sql("DELETE FROM todod.tasks WHERE id = 5");
	struct task *after = changed(tasks, n, STR("old"), (struct str){ NULL, 0 }, &change);
	ck_assert_int_eq(tag_store_step_wait(db, arena, &change, after, n, STR("old"), STR("new"),
					     &all, &err),
			 0);
	ck_assert(!all);
	ck_assert_str_eq(
		pg_sql("SELECT string_agg(id || ':' || version || ':' || replace(tags, E'\\n', '+'), ' ' ORDER BY id) "
		       "FROM todod.tasks"),
		"1:2:New 2:2:New 3:2:Old+New 4:2:New");
	ck_assert_str_eq(
		pg_sql("SELECT string_agg(task_id || key, ' ' ORDER BY task_id, key) FROM todod.task_tags"),
		"1new 2new 3new 3old 4new");
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox"), 6);
	/* The tag that comes is gone: nothing happens. */
	char *before = all_of_it();
	change = no_events("anna");
	after = changed(tasks + 2, 1, STR("old"), STR("gone"), &change);
	after[0].version = 3;
	ck_assert_int_eq(tag_store_step_wait(db, arena, &change, after, 1, STR("old"), STR("gone"),
					     &all, &err),
			 -ESTALE);
	/* Nor for somebody else. */
	change.user_id = STR("bilal");
	ck_assert_int_eq(tag_store_step_wait(db, arena, &change, after, 1, STR("old"), STR("new"),
					     &all, &err),
			 0);
	ck_assert(!all);
	const struct store_change other = no_events("bilal");
	const struct tag tag = tag_of("new", "mine", "#000000");
	ck_assert_int_eq(tag_store_update_wait(db, arena, &other, &tag, &err), -ESTALE);
	ck_assert_int_eq(tag_store_remove_wait(db, arena, &other, STR("new"), &err), -ESTALE);
	ck_assert_int_eq(tag_store_begin_rename_wait(db, arena, &other, STR("old"), &tag, &err),
			 -ESTALE);
	ck_assert_int_eq(
		tag_store_tasks_wait(db, arena, STR("bilal"), STR("old"), 0, &tasks, &n, NULL), 0);
	ck_assert_uint_eq(n, 0);
	struct tag_list list;
	ck_assert_int_eq(tag_store_list_wait(db, arena, STR("bilal"), &list, NULL), 0);
	ck_assert_uint_eq(list.n, 0);
	assert_unchanged(before);
	db_free(db);
}

START_TEST(test_a_step_loses_a_race)
{
	pg_run(race_fiber, NULL);
}
END_TEST

/* ---- memory ---- */

static int torture_call(struct db *db, struct arena *own, unsigned kind, uint64_t nth,
			struct err *err)
{
	struct store_change change = no_events("anna");
	const struct tag tag = tag_of(arena_printf(arena, "t%d", (int)nth).p, "T", "#000000");
	const struct task *tasks;
	struct tag_list list;
	struct tag_lookup l;
	size_t n;
	bool all;

	if (kind == 0)
		return tag_store_list_wait(db, own, STR("anna"), &list, err);
	if (kind == 1)
		return tag_store_read_wait(db, own, STR("anna"), STR("old"), NULL, &l, err);
	if (kind == 2)
		return tag_store_create_wait(db, own, &change, &tag, err);
	if (kind == 3)
		return tag_store_tasks_wait(db, own, STR("anna"), STR("old"), 0, &tasks, &n, err);
	fail_alloc_disarm(); /* reading the tasks is not what is tested here */
	ck_assert_int_eq(
		tag_store_tasks_wait(db, arena, STR("anna"), STR("old"), 0, &tasks, &n, NULL), 0);
	const struct task *after = changed(tasks, n, STR("old"), STR("old"), &change);
	fail_alloc_arm(nth);
	return tag_store_step_wait(db, own, &change, after, n, STR("old"), STR("old"), &all, err);
}

static void torture_fiber(void *arg)
{
	struct db *db = open_db();

	(void)arg;
	ck_assert_int_eq(create_tag(db, "anna", "old", "Old"), 0);
	tagged_tasks(1, 30, "Old");
	for (unsigned kind = 0; kind < 5; kind++) {
		for (uint64_t nth = 1;; nth++) {
			struct arena *own = arena_new(1024 * 1024);
			struct err err = { 0 };

			fail_alloc_arm(nth);
			int r = torture_call(db, own, kind, nth, &err);
			bool was_nth = fail_alloc_disarm();
			arena_free(own);
			ck_assert_msg(r == 0 || r == -EAGAIN || r == -ENOMEM,
				      "allocation %d of %u: %d %s", (int)nth, kind, r, err.text);
			ck_assert(r == 0 || err.kind == &ERR_UNAVAILABLE);
			if (!was_nth)
				break;
			ck_assert_uint_lt(nth, 1000);
			pg_await(db, true);
		}
	}
	db_free(db);
}

START_TEST(test_every_allocation_may_fail)
{
	ck_assert_msg(fail_alloc_works(), "allocations cannot be made to fail in this build");
	pg_run(torture_fiber, NULL);
	ck_assert_int_eq(
		pg_long("SELECT (SELECT count(*) FROM todod.tags) - (SELECT sum(tags) FROM todod.user_counters)"),
		0);
	ck_assert_int_eq(
		pg_long("SELECT (SELECT sum(version - 1) FROM todod.tasks) * 2 - (SELECT count(*) FROM todod.outbox)"),
		0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_tag_from_birth_to_end, test_the_quota,
		test_a_rename_in_steps,	      test_respelled_and_removed,
		test_a_step_loses_a_race,     test_every_allocation_may_fail,
	};
	Suite *suite = suite_create("tags");
	TCase *tc = tcase_create("tags");
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
