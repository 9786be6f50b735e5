/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series, reminders that are due and the inbox in the database, as the narrow roles of the
 * recurrer: what is written is what comes back, what is out of date leaves nothing, and so does an
 * allocation that fails.
 */
#include "test/unit/support/fail_alloc.h"
#include "test/unit/support/store_fixture.h"

#include "store/inbox.h"
#include "store/recurring.h"
#include "store/reminder_outcome.h"
#include "store/reminder_sweep.h"

static const struct recurring_key KEY = { STR_INIT("anna"), 1, STR_INIT("event-1") };

static void setup(void)
{
	char sql[128];

	store_setup();
	snprintf(sql, sizeof(sql), "GRANT todod_recurrer, todod_sweeper TO %s", pg.role);
	pg_sql(sql);
}

/* Done, of a series, with a tag and a reminder: the database notes it by itself. */
static struct task done_task(void)
{
	static const struct str TAGS[] = { STR_INIT("Home") };
	static struct reminder reminder = {
		.id = { { [0] = 7 } },
		.task_id = 1,
		.remind_at_us = INT64_C(1800000000000000),
		.offset_minutes = 5,
		.channels = CHANNEL_IN_APP | CHANNEL_LOG,
		.status = REMINDER_CANCELLED,
		.version = 2,
	};
	struct task t = sample(1, STR("anna"));

	t.completed = true;
	t.completed_at_us = INT64_C(1799000000000000);
	t.tags = TAGS;
	t.n_tags = 1;
	t.reminders = &reminder;
	t.n_reminders = 1;
	t.due = (struct task_date){ TASK_DATE_DAY, INT64_C(1800000000000000), 20833 };
	t.overdue_at_us = INT64_C(1800086400000000);
	t.time_zone = STR("Europe/Berlin");
	t.recurrence_rule = STR("FREQ=DAILY");
	t.series_id = (struct uuid){ { [0] = 9 } };
	t.series_start_s = 20833 * INT64_C(86400);
	t.occurrence = 1;
	return t;
}

static void store_done(struct db *db)
{
	static const struct tag_name HOME = { .name = STR_INIT("Home"), .key = STR_INIT("home") };
	struct task t = done_task();
	struct task_change c = change_of(NULL, &t);
	struct err err = { 0 };

	c.new_tags = &HOME;
	c.n_new_tags = 1;
	ck_assert_msg(task_store_create_wait(db, arena, &c, &err) == 0, "%s", err.text);
}

static struct recurring_view view(struct db *db)
{
	struct recurring_view v;
	struct err err = { 0 };

	ck_assert_msg(recurring_read_wait(db, arena, &KEY, &v, &err) == 0, "%s", err.text);
	return v;
}

static struct task next_task(void)
{
	static struct reminder reminder;
	struct task t = done_task();

	reminder = t.reminders[0];
	reminder.id.bytes[0] = 8;
	reminder.task_id = 2;
	reminder.status = REMINDER_PENDING;
	reminder.version = 1;
	t.id = 2;
	t.completed = false;
	t.completed_at_us = 0;
	t.reminders = &reminder;
	t.occurrence = 2;
	t.parent_task_id = 1;
	return t;
}

static struct recurring_change change(int64_t version, const struct task *t)
{
	return (struct recurring_change){ .key = &KEY,
					  .version = version,
					  .events = event_of(t, "{\"specversion\":\"1.0\"}"),
					  .n_events = 1 };
}

static int make_next(struct db *db, int64_t version)
{
	struct task next = next_task();
	struct recurring_change c = change(version, &next);
	struct err err = { 0 };

	return recurring_make_wait(db, arena, &c, &next, &err);
}

static void make_fiber(void *arg)
{
	struct db *db = open_db();
	struct task done = done_task(), next = next_task(), made;
	struct recurring_view v;

	(void)arg;
	store_done(db);
	v = view(db);
	ck_assert(v.found && v.is_unsettled && !v.is_processed && !v.has_next && !v.has_surplus);
	ck_assert_int_eq(v.n_tasks, 1);
	assert_same(&v.task, &done);
	char *before = all_of_it();
	ck_assert_int_eq(make_next(db, 2), -ESTALE);
	assert_unchanged(before);
	ck_assert_int_eq(make_next(db, 1), 0);
	made = get(db, STR("anna"), 2).task;
	assert_same(&made, &next);
	v = view(db);
	ck_assert(!v.is_unsettled && v.is_processed && v.has_next && !v.has_surplus);
	ck_assert_int_eq(v.n_tasks, 2);
	before = all_of_it();
	ck_assert_int_eq(make_next(db, 1), -ESTALE);
	pg_sql("INSERT INTO todod.unsettled_tasks VALUES ('anna', 1)");
	ck_assert_int_eq(make_next(db, 1), -ESTALE); /* the event was dealt with */
	pg_sql("DELETE FROM todod.processed_events");
	ck_assert_int_eq(make_next(db, 1), -EIO); /* the id is taken, which is a bug */
	assert_unchanged(before);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.processed_events"), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.unsettled_tasks"), 1);
	db_free(db);
}

START_TEST(test_the_next_one_is_made_once)
{
	pg_run(make_fiber, NULL);
}
END_TEST

static int take_back(struct db *db, int64_t version, const struct task *surplus)
{
	struct task last = *surplus;
	struct err err = { 0 };

	last.version++;
	struct recurring_change c = change(version, &last);
	return recurring_take_back_wait(db, arena, &c, &last, &err);
}

static void take_back_fiber(void *arg)
{
	struct db *db = open_db();
	struct task next = next_task();
	struct recurring_view v;
	struct err err = { 0 };

	(void)arg;
	store_done(db);
	ck_assert_int_eq(make_next(db, 1), 0);
	pg_sql("DELETE FROM todod.processed_events");
	pg_sql("UPDATE todod.tasks SET completed = false, completed_at = NULL, version = 2 WHERE id = 1");
	v = view(db);
	ck_assert(v.is_unsettled && v.has_surplus && v.has_next);
	assert_same(&v.surplus, &next);
	char *before = all_of_it();
	ck_assert_int_eq(take_back(db, 1, &v.surplus), -ESTALE);
	v.surplus.version = 2;
	ck_assert_int_eq(take_back(db, 2, &v.surplus), -ESTALE);
	v.surplus.version = 1;
	assert_unchanged(before);
	ck_assert_int_eq(take_back(db, 2, &v.surplus), 0);
	ck_assert(!get(db, STR("anna"), 2).found);
	ck_assert_int_eq(pg_long("SELECT id FROM todod.deleted_tasks"), 2);
	ck_assert_int_eq(pg_long("SELECT tasks FROM todod.user_counters"), 1);
	v = view(db);
	ck_assert(v.is_unsettled && !v.has_surplus && !v.has_next);
	struct recurring_change c = { .key = &KEY, .version = 1 };
	ck_assert_int_eq(recurring_settle_wait(db, &c, &err), -ESTALE);
	ck_assert(view(db).is_unsettled);
	c.version = 2;
	ck_assert_int_eq(recurring_settle_wait(db, &c, &err), 0);
	v = view(db);
	ck_assert(!v.is_unsettled && v.is_processed);
	db_free(db);
}

START_TEST(test_an_untouched_one_is_taken_back)
{
	pg_run(take_back_fiber, NULL);
}
END_TEST

static size_t n_to_look_at(struct db *db)
{
	const struct recurring_key *keys;
	struct err err = { 0 };
	size_t n = 0;

	ck_assert_int_eq(recurring_unsettled_wait(db, arena, &keys, &n, &err), 0);
	ck_assert(n == 0 || (str_eq(keys[0].user_id, STR("anna")) && keys[0].task_id == 1 &&
			     keys[0].event_id.p == NULL));
	return n;
}

static void unsettled_fiber(void *arg)
{
	struct db *db = open_db();
	struct err err = { 0 };

	(void)arg;
	store_done(db);
	ck_assert_uint_eq(n_to_look_at(db), 0); /* events have their time */
	ck_assert_int_eq(recurring_postpone_wait(db, &KEY, 0, &err), 0);
	ck_assert_uint_eq(n_to_look_at(db), 1);
	ck_assert_int_eq(recurring_postpone_wait(db, &KEY, 60, &err), 0);
	ck_assert_uint_eq(n_to_look_at(db), 0);
	ck_assert_int_eq(inbox_note_wait(db, STR("x"), &err), 0);
	ck_assert_int_eq(inbox_note_wait(db, STR("x"), &err), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.processed_events"), 1);
	db_free(db);
}

START_TEST(test_what_is_not_settled_is_found)
{
	pg_run(unsettled_fiber, NULL);
}
END_TEST

/* ---- every allocation ---- */

static int sweep(struct db *db, size_t *ret_n)
{
	struct due_reminders due;
	struct event events[1];
	struct err err = { 0 };
	int r = reminder_due_wait(db, arena, &due, &err);

	if (r < 0)
		return r;
	ck_assert_uint_eq(due.n, 1);
	events[0] = (struct event){ .id = uuid_v7(), .json = STR("{\"specversion\":\"1.0\"}") };
	return reminder_trigger_wait(db, arena, &due, events, ret_n, &err);
}

static int tell_sent(struct db *db)
{
	static const struct reminder_key REMINDER = {
		STR_INIT("anna"), 2, { { [0] = 8 } }, 1, STR_INIT("event-2")
	};
	struct task before = next_task(), after = before;
	struct err err = { 0 };

	after.version = 2;
	const struct reminder_outcome o = { .key = &REMINDER,
					    .before = &before,
					    .after = &after,
					    .reminder = &after.reminders[0],
					    .events = event_of(&after, "{\"specversion\":\"1.0\"}"),
					    .n_events = 1 };
	return reminder_outcome_wait(db, arena, &o, &err);
}

/* Until it succeeds, or until what it was told failed has been done all the same. */
static void torture(struct db *db, const char *name, int (*call)(struct db *db))
{
	uint64_t nth = 0;
	int r = -1;

	while (r != 0 && r != -ESTALE) {
		fail_alloc_arm(++nth);
		r = call(db);
		bool was_nth = fail_alloc_disarm();
		ck_assert_msg(was_nth || r == 0 || r == -ESTALE, "%s: %d", name, r);
		ck_assert_uint_lt(nth, 1000);
		arena_reset(arena);
		pg_await(db, true);
	}
	printf("%s: %d allocations failed in turn\n", name, (int)nth - 1);
	ck_assert_uint_gt(nth, 1);
}

static int call_make(struct db *db)
{
	return make_next(db, 1);
}

static int call_sweep(struct db *db)
{
	size_t n = 0;
	int r = sweep(db, &n);

	return r < 0 ? r : n == 1 ? 0 : -ESTALE;
}

static void torture_fiber(void *arg)
{
	struct db *db = open_db();

	(void)arg;
	store_done(db);
	torture(db, "make", call_make);
	ck_assert(get(db, STR("anna"), 2).found);
	pg_sql("UPDATE todod.reminders SET remind_at = now() - interval '1 minute' WHERE task_id = 2");
	torture(db, "sweep", call_sweep);
	ck_assert_int_eq(pg_long("SELECT status FROM todod.reminders WHERE task_id = 2"), 1);
	torture(db, "outcome", tell_sent);
	ck_assert_int_eq(get(db, STR("anna"), 2).task.version, 2);
	/* Of the task, the instance, the trigger and the outcome. */
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox"), 4);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.processed_events"), 2);
	db_free(db);
}

START_TEST(test_every_allocation_may_fail)
{
	ck_assert_msg(fail_alloc_works(), "allocations cannot be made to fail in this build");
	pg_run(torture_fiber, NULL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_the_next_one_is_made_once,
		test_an_untouched_one_is_taken_back,
		test_what_is_not_settled_is_found,
		test_every_allocation_may_fail,
	};
	Suite *suite = suite_create("recurring");
	TCase *tc = tcase_create("recurring");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, store_teardown);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
