/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks with all they can have: every column, their tags and reminders, what a deletion leaves, and
 * races for tags. As the narrow role the service has.
 *
 * Requirements: SE3.
 */
#include "test/unit/support/fail_alloc.h"
#include "test/unit/support/store_fixture.h"

static const struct str TAGS[] = { STR_INIT("Plants"), STR_INIT("\xc3\x89t\xc3\xa9"),
				   STR_INIT("home") };

static const struct idempotency_answer ANSWER = { .status = 200, .body = { "{}", 2 } };

static struct uuid uuid_of(int n)
{
	return (struct uuid){ { [0] = (uint8_t)n, [15] = 1 } };
}

static struct reminder reminder_of(int n, int64_t task_id)
{
	return (struct reminder){
		.id = uuid_of(n),
		.task_id = task_id,
		.remind_at_us = INT64_C(1800000000000000) + n,
		.offset_minutes = REMINDER_NO_OFFSET,
		.channels = CHANNEL_IN_APP | CHANNEL_LOG,
		.version = 1,
	};
}

/* Everything a task can have. */
static struct task full(int64_t id)
{
	static struct reminder reminders[3];
	struct task t = sample(id, STR("anna"));

	reminders[0] = reminder_of(1, id);
	reminders[1] = reminder_of(2, id);
	reminders[1].offset_minutes = 0;
	reminders[1].channels = CHANNEL_EMAIL;
	reminders[1].has_own_channels = true;
	reminders[2] = reminder_of(3, id);
	reminders[2].offset_minutes = 527040;
	reminders[2].status = REMINDER_FAILED;
	reminders[2].sent_at_us = INT64_C(1790000000000001);
	reminders[2].retry_count = 5;
	reminders[2].last_error = STR("no \"route\"\nto host");
	reminders[2].version = INT64_C(1) << 40;
	t.tags = TAGS;
	t.n_tags = ARRAY_SIZE(TAGS);
	t.due = (struct task_date){ TASK_DATE_DAY, INT64_C(1796083200000000), 20788 };
	t.overdue_at_us = INT64_C(1796169600000000);
	t.time_zone = STR("Europe/Berlin");
	t.reminders = reminders;
	t.n_reminders = ARRAY_SIZE(reminders);
	t.recurrence_rule = STR("FREQ=WEEKLY;BYDAY=MO,WE");
	t.recurrence_mode = TASK_RECUR_COMPLETION;
	t.recurrence_end = (struct task_date){ TASK_DATE_DAY, INT64_C(1827619200000000), 21153 };
	t.series_id = uuid_of(9);
	t.series_start_s = 20788 * INT64_C(86400) + 5;
	t.occurrence = 4;
	t.parent_task_id = 77;
	return t;
}

/* All tags of t as new ones, in the arena. */
static void all_new(struct task_change *c, const struct task *t)
{
	struct tag_name *names = arena_alloc(arena, t->n_tags * sizeof(*names));

	for (size_t i = 0; i < t->n_tags; i++)
		ck_assert_int_eq(tag_name_parse(arena, t->tags[i], "f", &names[i], NULL), 0);
	c->new_tags = names;
	c->n_new_tags = t->n_tags;
}

static void create_full(struct db *db, const struct task *t)
{
	struct task_change c = change_of(NULL, t);
	struct err err = { 0 };

	all_new(&c, t);
	ck_assert_msg(task_store_create_wait(db, arena, &c, &err) == 0, "%s", err.text);
}

static void update(struct db *db, const struct task *before, const struct task *after)
{
	struct task_change c = change_of(before, after);
	struct err err = { 0 };

	ck_assert_msg(task_store_update_wait(db, arena, &c, &err) == 0, "%s", err.text);
}

/* ---- every column ---- */

static void columns_fiber(void *arg)
{
	struct db *db = open_db();
	struct task t = full(1), bare = sample(1, STR("anna")), t2;
	struct task_lookup l;

	(void)arg;
	create_full(db, &t);
	l = get(db, STR("anna"), 1);
	assert_same(&l.task, &t);
	/* Each date in its other form, negative and far numbers. */
	t2 = t;
	t2.version = 2;
	t2.due = (struct task_date){ TASK_DATE_INSTANT, -1, 0 };
	t2.overdue_at_us = -1;
	t2.recurrence_end = (struct task_date){ TASK_DATE_INSTANT, INT64_C(253402214400000000), 0 };
	t2.series_start_s = INT64_C(-62135596800);
	t2.recurrence_mode = TASK_RECUR_DUE;
	t2.occurrence = INT32_MAX;
	t2.parent_task_id = INT64_MAX;
	t2.priority = TASK_LOW;
	update(db, &t, &t2);
	l = get(db, STR("anna"), 1);
	assert_same(&l.task, &t2);
	/* And nothing of it any more. */
	bare.version = 3;
	update(db, &t2, &bare);
	l = get(db, STR("anna"), 1);
	assert_same(&l.task, &bare);
	db_free(db);
}

START_TEST(test_every_column_comes_back)
{
	pg_run(columns_fiber, NULL);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.reminders"), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.task_tags"), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tags"), 3); /* tags outlive tasks */
	ck_assert_int_eq(pg_long("SELECT tags FROM todod.user_counters"), 3);
	ck_assert_str_eq(pg_sql("SELECT title_key FROM todod.tasks"), "buy milk");
}
END_TEST

static void deletion_fiber(void *arg)
{
	struct db *db = open_db();
	struct task t = full(1), gone;
	struct task_change c;
	const struct deleted_task *deleted = NULL;
	size_t n = 0;

	(void)arg;
	create_full(db, &t);
	gone = t;
	gone.version = 2;
	gone.updated_at_us = time_now_us();
	c = change_of(&t, &gone);
	ck_assert_int_eq(task_store_delete_wait(db, arena, &c, NULL), 0);
	ck_assert(!get(db, STR("anna"), 1).found);
	ck_assert_int_eq(
		task_store_deleted_wait(db, arena, STR("anna"), INT64_C(0), &deleted, &n, NULL), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(deleted[0].id, 1);
	ck_assert_int_eq(deleted[0].deleted_at_us, gone.updated_at_us);
	ck_assert_int_eq(task_store_deleted_wait(db, arena, STR("anna"), gone.updated_at_us + 1,
						 &deleted, &n, NULL),
			 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(task_store_deleted_wait(db, arena, STR("bilal"), INT64_C(0), &deleted, &n,
						 NULL),
			 0);
	ck_assert_uint_eq(n, 0);
	db_free(db);
}

START_TEST(test_a_deletion_leaves_its_id)
{
	pg_run(deletion_fiber, NULL);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tasks"), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.reminders"), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.task_tags"), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tags"), 3);
	ck_assert_int_eq(pg_long("SELECT tasks FROM todod.user_counters"), 0);
}
END_TEST

/* Oldest first, the last 10,000 of the last 30 days. */
static void tombstones_fiber(void *arg)
{
	struct db *db = open_db();
	const struct deleted_task *d = NULL;
	size_t n = 0;

	(void)arg;
	pg_sql("INSERT INTO todod.deleted_tasks SELECT 'anna', date_trunc('second', now()) - i * interval '1 s', i "
	       "FROM generate_series(1, 10010) i");
	pg_sql("INSERT INTO todod.deleted_tasks VALUES ('anna', now() - interval '31 days', 20000)");
	ck_assert_int_eq(task_store_deleted_wait(db, arena, STR("anna"), 0, &d, &n, NULL), 0);
	ck_assert_uint_eq(n, DELETED_TASKS_MAX);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(d[i].id, (int64_t)(DELETED_TASKS_MAX - i));
	pg_sql("DELETE FROM todod.deleted_tasks WHERE id BETWEEN 2 AND 10010");
	ck_assert_int_eq(task_store_deleted_wait(db, arena, STR("anna"), 0, &d, &n, NULL), 0);
	ck_assert_uint_eq(n, 1);
	db_free(db);
}

START_TEST(test_tombstones_are_bounded)
{
	pg_run(tombstones_fiber, NULL);
}
END_TEST

/* ---- reminders ---- */

static void reminders_fiber(void *arg)
{
	struct db *db = open_db();
	struct task t = full(1), t2, t3;
	struct reminder list[3], later[2];
	struct task_lookup l;

	(void)arg;
	create_full(db, &t);
	/* One stays, one changes, one goes, one is new; what keeps its version is not written. */
	memcpy(list, t.reminders, sizeof(list));
	list[1].version = 2;
	list[1].remind_at_us += 50;
	list[1].has_own_channels = false;
	list[1].channels = CHANNEL_IN_APP | CHANNEL_LOG;
	list[1].offset_minutes = REMINDER_NO_OFFSET;
	list[2] = reminder_of(4, 1);
	list[2].remind_at_us += 1000;
	t2 = t;
	t2.version = 2;
	t2.reminders = list;
	pg_sql("UPDATE todod.reminders SET retry_count = 9 WHERE version = 1 AND offset_minutes IS NULL");
	update(db, &t, &t2);
	l = get(db, STR("anna"), 1);
	ck_assert_int_eq(l.task.reminders[0].retry_count, 9);
	list[0].retry_count = 9;
	assert_same(&l.task, &t2);
	/* Those without channels of their own follow the preferences. */
	pg_sql("INSERT INTO todod.preferences (user_id, time_zone, channels, updated_at) VALUES "
	       "('anna', 'UTC', 1, now()), ('bilal', 'UTC', 4, now())");
	l = get(db, STR("anna"), 1);
	ck_assert_uint_eq(l.task.reminders[0].channels, CHANNEL_EMAIL);
	/* State and reminders at once: completed, all of them cancelled. */
	memcpy(later, list, sizeof(later));
	for (size_t i = 0; i < 2; i++) {
		later[i].version += 10;
		later[i].status = REMINDER_CANCELLED;
		later[i].channels = CHANNEL_EMAIL;
	}
	t3 = t2;
	t3.version = 3;
	t3.completed = true;
	t3.completed_at_us = 5;
	t3.reminders = later;
	t3.n_reminders = 2;
	struct task_change c = change_of(&t2, &t3);
	c.is_state_only = true;
	ck_assert_int_eq(task_store_update_wait(db, arena, &c, NULL), 0);
	l = get(db, STR("anna"), 1);
	assert_same(&l.task, &t3);
	db_free(db);
}

START_TEST(test_reminders_are_written_by_version)
{
	pg_run(reminders_fiber, NULL);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.reminders"), 2);
}
END_TEST

/* ---- tags ---- */

static void tags_fiber(void *arg)
{
	static const struct str SOME[] = { STR_INIT("home"), STR_INIT("Plants") };
	static const struct str MORE[] = { STR_INIT("new"), STR_INIT("home") };
	struct db *db = open_db();
	struct task t = full(1), t2, t3, other;
	struct task_change c;
	const struct tag_name asked[] = { { STR(""), STR("plants") },
					  { STR(""), STR("unknown") },
					  { STR(""), STR("\xc3\xa9t\xc3\xa9") } };
	const struct task_question q = { .user_id = STR("anna"), .tags = asked, .n_tags = 3 };
	struct task_lookup l;

	(void)arg;
	create_full(db, &t);
	ck_assert_int_eq(task_store_read_wait(db, arena, &q, &l, NULL), 0);
	ck_assert_uint_eq(l.n_known_tags, 2);
	for (size_t i = 0; i < 2; i++)
		assert_same_str(l.known_tags[i].name,
				l.known_tags[i].key.n == 6 ? STR("Plants") : TAGS[1]);
	/* Another order, one fewer; nothing new. */
	t2 = t;
	t2.version = 2;
	t2.tags = SOME;
	t2.n_tags = 2;
	update(db, &t, &t2);
	l = get(db, STR("anna"), 1);
	assert_same(&l.task, &t2);
	ck_assert_str_eq(pg_sql("SELECT string_agg(key, ',' ORDER BY key) FROM todod.task_tags"),
			 "home,plants");
	/* One new, one gone. */
	t3 = t2;
	t3.version = 3;
	t3.tags = MORE;
	c = change_of(&t2, &t3);
	const struct tag_name made = { STR("new"), STR("new") };
	c.new_tags = &made;
	c.n_new_tags = 1;
	ck_assert_int_eq(task_store_update_wait(db, arena, &c, NULL), 0);
	ck_assert_str_eq(pg_sql("SELECT string_agg(key, ',' ORDER BY key) FROM todod.task_tags"),
			 "home,new");
	ck_assert_str_eq(pg_sql("SELECT color FROM todod.tags WHERE key = 'new'"), "#808080");
	/* Known by now: another task takes it as it is. */
	other = sample(2, STR("anna"));
	other.tags = MORE;
	other.n_tags = 2;
	create(db, &other);
	ck_assert_int_eq(pg_long("SELECT tags FROM todod.user_counters"), 4);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tags"), 4);
	db_free(db);
}

START_TEST(test_tags_come_and_go)
{
	pg_run(tags_fiber, NULL);
}
END_TEST

/* A change that must fail, and leave nothing. */
static void refused(struct db *db, const struct task_change *c, int result,
		    const struct err_kind *kind)
{
	char *before = all_of_it();
	struct err err = { 0 };
	int r = c->before ? task_store_update_wait(db, arena, c, &err)
			  : task_store_create_wait(db, arena, c, &err);

	ck_assert_int_eq(r, result);
	ck_assert_ptr_eq(err.kind, kind);
	assert_unchanged(before);
}

static void races_fiber(void *arg)
{
	static const struct str MORE[] = { STR_INIT("new"), STR_INIT("home") };
	const struct idempotency_key key = {
		STR("anna"), STR("PUT"), STR("/t/1"), STR("k"), { 1 }
	};
	const struct tag_name made = { STR("new"), STR("new") };
	struct db *db = open_db();
	struct task t = full(1), t2, t3 = sample(3, STR("anna"));
	struct task_change c;

	(void)arg;
	create_full(db, &t);
	t2 = t;
	t2.version = 2;
	t2.tags = MORE;
	t2.n_tags = 2;
	c = change_of(&t, &t2);
	c.common.key = &key;
	c.common.answer = &ANSWER;
	/* Removed meanwhile: this writer thinks that it is there. */
	refused(db, &c, -ESTALE, &ERR_CONFLICT);
	t3.tags = MORE;
	t3.n_tags = 2;
	c.before = NULL;
	c.after = &t3;
	refused(db, &c, -ESTALE, &ERR_CONFLICT);
	/* Made meanwhile: this writer thinks that it is not. */
	pg_sql("INSERT INTO todod.tags VALUES ('anna', 'new', 'NEW', '#000000')");
	c = change_of(&t, &t2);
	c.common.key = &key;
	c.common.answer = &ANSWER;
	c.new_tags = &made;
	c.n_new_tags = 1;
	refused(db, &c, -ESTALE, &ERR_CONFLICT);
	c.before = NULL;
	c.after = &t3;
	refused(db, &c, -ESTALE, &ERR_CONFLICT);
	/* A stale version makes no tag either. */
	pg_sql("DELETE FROM todod.tags WHERE key = 'new'");
	t.version = 5;
	t2.version = 6;
	c.before = &t;
	c.after = &t2;
	refused(db, &c, -ESTALE, &ERR_CONFLICT);
	db_free(db);
}

START_TEST(test_a_lost_race_for_a_tag_leaves_nothing)
{
	pg_run(races_fiber, NULL);
}
END_TEST

static void quota_fiber(void *arg)
{
	static const struct str MORE[] = { STR_INIT("new"), STR_INIT("home") };
	const struct tag_name made[] = { { STR("new"), STR("new") }, { STR("home"), STR("home") } };
	struct db *db = open_db();
	struct task t = sample(1, STR("anna")), t2 = t, t3 = sample(3, STR("anna"));
	struct task_change c;

	(void)arg;
	create(db, &t);
	pg_sql("UPDATE todod.user_counters SET tags = 499");
	t2.version = 2;
	t2.tags = t3.tags = MORE;
	t2.n_tags = t3.n_tags = 2;
	c = change_of(&t, &t2);
	c.new_tags = made;
	c.n_new_tags = 2;
	refused(db, &c, -EDQUOT, &ERR_TAG_QUOTA);
	c = change_of(NULL, &t3);
	c.new_tags = made;
	c.n_new_tags = 2;
	refused(db, &c, -EDQUOT, &ERR_TAG_QUOTA);
	t2.n_tags = 1;
	c = change_of(&t, &t2);
	c.new_tags = made;
	c.n_new_tags = 1;
	ck_assert_int_eq(task_store_update_wait(db, arena, &c, NULL), 0);
	ck_assert_int_eq(pg_long("SELECT tags FROM todod.user_counters"), 500);
	db_free(db);
}

START_TEST(test_the_quota_of_tags)
{
	pg_run(quota_fiber, NULL);
}
END_TEST

/* ---- one statement for one user ---- */

static void others_fiber(void *arg)
{
	struct db *db = open_db();
	struct task t = full(1), t2;
	struct task_change c;
	struct err err = { 0 };
	char *before;

	(void)arg;
	create_full(db, &t);
	before = all_of_it();
	/* Anna's task, asked for and changed as Bilal, in each way there is. */
	ck_assert(!get(db, STR("bilal"), 1).found);
	t.user_id = STR("bilal");
	t2 = t;
	t2.version = 2;
	t2.n_reminders = 0;
	t2.n_tags = 0;
	c = change_of(&t, &t2);
	ck_assert_int_eq(task_store_update_wait(db, arena, &c, &err), -ESTALE);
	c = change_of(&t, &t2);
	ck_assert_int_eq(task_store_delete_wait(db, arena, &c, &err), -ESTALE);
	t2 = t;
	t2.version = 2;
	c = change_of(&t, &t2);
	c.is_state_only = true;
	ck_assert_int_eq(task_store_update_wait(db, arena, &c, &err), -ESTALE);
	assert_unchanged(before);
	db_free(db);
}

START_TEST(test_tasks_of_others)
{
	pg_run(others_fiber, NULL);
}
END_TEST

/* ---- memory ---- */

/* One call of each kind, with the nth allocation failing; true once there was no nth. */
static bool with_failing_allocation(struct db *db, unsigned kind, uint64_t nth, int64_t *version)
{
	const struct task_question q = { .user_id = STR("anna"),
					 .task_id = 1,
					 .wants_preferences = true,
					 .tags = (const struct tag_name[]){ { STR("home"),
									      STR("home") } },
					 .n_tags = 1 };
	struct arena *own = arena_new(1024 * 1024);
	struct task before = full(1), after = full(1), fresh = full((int64_t)(1000 + nth));
	const struct deleted_task *deleted;
	struct reminder list[3];
	struct task_change c;
	struct task_lookup l;
	struct err err = { 0 };
	size_t n;
	int r;

	memcpy(list, after.reminders, sizeof(list));
	for (size_t i = 0; i < 3; i++) {
		list[i].id = uuid_of((int)(10 + nth));
		list[i].id.bytes[1] = (uint8_t)(kind * 4 + i);
		list[i].task_id = fresh.id;
	}
	before.version = *version;
	after.version = *version + 1;
	after.n_tags = (size_t)(*version % 2);
	before.n_tags = 1 - after.n_tags;
	after.n_reminders = 0;
	before.n_reminders = 0;
	fresh.reminders = list;
	fresh.occurrence = (int64_t)(1000 + nth);
	c = kind == 0 ? change_of(NULL, &fresh) : change_of(&before, &after);
	fail_alloc_arm(nth);
	if (kind == 0)
		r = task_store_create_wait(db, own, &c, &err);
	else if (kind == 1)
		r = task_store_update_wait(db, own, &c, &err);
	else if (kind == 2)
		r = task_store_read_wait(db, own, &q, &l, &err);
	else
		r = task_store_deleted_wait(db, own, STR("anna"), 0, &deleted, &n, &err);
	bool was_nth = fail_alloc_disarm();
	arena_free(own);
	ck_assert_msg(r == 0 || (was_nth && (r == -EAGAIN || r == -ENOMEM)),
		      "allocation %d of %u: %d %s", (int)nth, kind, r, err.text);
	if (r < 0)
		ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
	pg_await(db, true);
	*version = pg_long("SELECT version FROM todod.tasks WHERE id = 1");
	return !was_nth;
}

static void torture_fiber(void *arg)
{
	struct db *db = open_db();
	struct task t = full(1), t2;
	int64_t version = 2;

	(void)arg;
	create_full(db, &t);
	t2 = t;
	t2.version = 2;
	t2.n_tags = 1;
	t2.n_reminders = 0;
	update(db, &t, &t2);
	for (unsigned kind = 0; kind < 4; kind++) {
		uint64_t nth = 1;

		while (!with_failing_allocation(db, kind, nth, &version))
			ck_assert_uint_lt(++nth, 1000);
		printf("call %u: %d allocations failed in turn\n", kind, (int)nth - 1);
		ck_assert_uint_gt(nth, 1);
	}
	db_free(db);
}

/* Whether the client heard of it or not: all of a write is there, or nothing. */
START_TEST(test_every_allocation_may_fail)
{
	ck_assert_msg(fail_alloc_works(), "allocations cannot be made to fail in this build");
	pg_run(torture_fiber, NULL);
	ck_assert_int_eq(
		pg_long("SELECT (SELECT sum(version) FROM todod.tasks) - (SELECT count(*) FROM todod.outbox)"),
		0);
	ck_assert_int_eq(
		pg_long("SELECT (SELECT count(*) FROM todod.tasks) - (SELECT sum(tasks) FROM todod.user_counters)"),
		0);
	ck_assert_int_eq(
		pg_long("SELECT (SELECT count(*) - 1 FROM todod.tasks) * 3 - (SELECT count(*) FROM todod.reminders)"),
		0);
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM todod.tasks t WHERE cardinality(array_remove(string_to_array(t.tags, "
			"E'\\n'), '')) <> (SELECT count(*) FROM todod.task_tags x WHERE x.task_id = t.id)"),
		0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_every_column_comes_back,	test_a_deletion_leaves_its_id,
		test_tombstones_are_bounded,	test_reminders_are_written_by_version,
		test_tags_come_and_go,		test_a_lost_race_for_a_tag_leaves_nothing,
		test_the_quota_of_tags,		test_tasks_of_others,
		test_every_allocation_may_fail,
	};
	Suite *suite = suite_create("tasks_details");
	TCase *tc = tcase_create("tasks_details");
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
