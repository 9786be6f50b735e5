/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All reminders of a user, page by page, by state; with ties, and the channels in force. As the
 * narrow role.
 *
 * Requirements: SE3.
 */
#include "test/unit/support/fail_alloc.h"
#include "test/unit/support/store_fixture.h"

#include "store/reminders.h"

static void fill(void)
{
	pg_sql("SELECT setseed(0.5)");
	pg_sql("INSERT INTO todod.tasks (user_id, id, title, created_at, updated_at) SELECT CASE WHEN i % 3 = 0 THEN "
	       "'bilal' ELSE 'anna' END, i, 't', now(), now() FROM generate_series(1, 60) i");
	pg_sql("INSERT INTO todod.reminders (user_id, task_id, id, remind_at, status, channels, last_error, version) "
	       "SELECT user_id, t.id, gen_random_uuid(), '2026-01-01'::timestamptz + floor(random() * 9) * interval '1 min', "
	       "floor(random() * 6)::int, CASE WHEN random() < 0.5 THEN 4 END, CASE WHEN random() < 0.5 THEN 'down' END, t.id "
	       "FROM todod.tasks t, generate_series(1, 5)");
	pg_sql("INSERT INTO todod.preferences (user_id, time_zone, channels, updated_at) VALUES ('anna', 'UTC', 1, now())");
}

static void check_one(const struct reminder *r, const char *where)
{
	char sql[256], id[UUID_TEXT_SIZE];

	uuid_format(&r->id, id);
	snprintf(
		sql, sizeof(sql),
		"SELECT count(*) FROM todod.reminders WHERE user_id = 'anna' AND id = '%s' AND task_id = %lld "
		"AND version = task_id AND %s",
		id, (long long)r->task_id, where);
	ck_assert_int_eq(pg_long(sql), 1);
	ck_assert_int_eq(r->version, r->task_id);
	ck_assert_uint_eq(r->channels, r->has_own_channels ? CHANNEL_LOG : CHANNEL_EMAIL);
	ck_assert_int_eq(r->offset_minutes, REMINDER_NO_OFFSET);
	if (r->last_error.p != NULL)
		ck_assert(str_eq(r->last_error, STR("down")));
}

/* Walks over all pages; how many there were. */
static long walk(struct db *db, unsigned statuses, unsigned limit, const char *where)
{
	struct reminder_list_query q = { .user_id = STR("anna"),
					 .statuses = statuses,
					 .limit = limit };
	struct reminder_list list;
	long n = 0;

	do {
		ck_assert_int_eq(reminder_store_list_wait(db, arena, &q, &list, NULL), 0);
		ck_assert_uint_le(list.n, limit);
		for (size_t i = 0; i < list.n; i++) {
			const struct reminder *r = &list.reminders[i];
			int order = memcmp(&q.after_id, &r->id, sizeof(r->id));
			ck_assert(!q.after || q.after_us < r->remind_at_us ||
				  (q.after_us == r->remind_at_us && order < 0));
			check_one(r, where);
			q.after = true;
			q.after_us = r->remind_at_us;
			q.after_id = r->id;
			n++;
		}
		ck_assert(!list.has_more || list.n == limit);
	} while (list.has_more);
	return n;
}

static void list_fiber(void *arg)
{
	static const unsigned LIMITS[] = { 1, 7, 200, 1000 };
	struct db *db = open_db();
	struct reminder_list_query q = { .user_id = STR("carl"), .limit = 5 };
	struct reminder_list list = { .n = 42 };

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(LIMITS); i++) {
		ck_assert_int_eq(walk(db, 0, LIMITS[i], "true"), 200);
		ck_assert_int_eq(
			walk(db, 1 << REMINDER_PENDING | 1 << REMINDER_CANCELLED, LIMITS[i],
			     "status IN (0, 5)"),
			pg_long("SELECT count(*) FROM todod.reminders WHERE user_id = 'anna' AND status IN (0, 5)"));
	}
	ck_assert_int_eq(reminder_store_list_wait(db, arena, &q, &list, NULL), 0);
	ck_assert_uint_eq(list.n, 0);
	ck_assert(!list.has_more);
	db_free(db);
}

START_TEST(test_pages_of_reminders)
{
	fill();
	pg_run(list_fiber, NULL);
}
END_TEST

static void torture_fiber(void *arg)
{
	const struct reminder_list_query q = { .user_id = STR("anna"), .limit = 50 };
	struct db *db = open_db();

	(void)arg;
	for (uint64_t nth = 1;; nth++) {
		struct arena *own = arena_new(1024 * 1024);
		struct reminder_list list = { .n = 42 };
		struct err err = { 0 };

		fail_alloc_arm(nth);
		int r = reminder_store_list_wait(db, own, &q, &list, &err);
		bool was_nth = fail_alloc_disarm();
		ck_assert(r == 0 || ((r == -EAGAIN || r == -ENOMEM) && list.n == 42));
		ck_assert(r == 0 || err.kind == &ERR_UNAVAILABLE);
		arena_free(own);
		if (!was_nth)
			break;
		ck_assert_uint_lt(nth, 1000);
		pg_await(db, true);
	}
	db_free(db);
}

START_TEST(test_every_allocation_may_fail)
{
	ck_assert_msg(fail_alloc_works(), "allocations cannot be made to fail in this build");
	fill();
	pg_run(torture_fiber, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reminders_store");
	TCase *tc = tcase_create("reminders_store");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, store_setup, store_teardown);
	tcase_add_test(tc, test_pages_of_reminders);
	tcase_add_test(tc, test_every_allocation_may_fail);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
