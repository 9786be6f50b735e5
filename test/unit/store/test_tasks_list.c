/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of tasks: every order and filter, alone and together, page by page, against what plain SQL
 * says; as the narrow role the service has.
 */
#include "test/unit/support/fail_alloc.h"
#include "test/unit/support/store_fixture.h"

enum { ROWS = 300, COMBINATIONS = 14 };

/* A few hundred tasks with ties everywhere, no due date for some, reminders for some; those of
 * another user between them. Tags stand in their order of luck. */
static void fill(void)
{
	pg_sql("SELECT setseed(0.25)");
	pg_sql("INSERT INTO todod.tags SELECT u, k, upper(k), '#000000' FROM unnest(ARRAY['anna', 'bilal']) u, "
	       "unnest(ARRAY['a', 'b', 'c']) k");
	pg_sql("INSERT INTO todod.tasks (user_id, id, title, description, completed, completed_at, priority, version, "
	       "created_at, updated_at, due_at, overdue_at, time_zone, tags) "
	       "SELECT CASE WHEN i % 4 = 0 THEN 'bilal' ELSE 'anna' END, i, "
	       "(ARRAY['Milk', 'milk', '\u00c4rger', 'arger', 'Zebra', 'buy milk', '\u00e9clair'])[1 + floor(random() * 7)], "
	       "CASE WHEN random() < 0.3 THEN 'about milk and zebras' END, c, CASE WHEN c THEN now() END, "
	       "floor(random() * 4)::int, 1, '2026-01-01'::timestamptz + floor(random() * 20) * interval '1 s', "
	       "'2026-01-01'::timestamptz + floor(random() * 20) * interval '1 h', d, d + interval '1 h', "
	       "CASE WHEN d IS NOT NULL THEN 'UTC' END, array_to_string(ARRAY(SELECT upper(k) FROM "
	       "unnest(ARRAY['a', 'b', 'c']) k WHERE random() < 0.4 + 0 * i ORDER BY random()), E'\\n') "
	       "FROM (SELECT i, random() < 0.4 AS c, CASE WHEN random() < 0.6 THEN date_trunc('hour', now()) + "
	       "floor(random() * 20 - 10) * interval '1 h' END AS d FROM generate_series(1, 400) i) s");
	pg_sql("INSERT INTO todod.task_tags SELECT user_id, lower(k), id FROM todod.tasks, "
	       "unnest(string_to_array(tags, E'\\n')) k WHERE k <> ''");
	pg_sql("INSERT INTO todod.reminders (user_id, task_id, id, remind_at) SELECT user_id, id, gen_random_uuid(), "
	       "now() + random() * interval '1 day' FROM todod.tasks, generate_series(0, (id % 5)::int) n WHERE n > 0");
	pg_sql("INSERT INTO todod.user_counters (user_id, tasks) SELECT user_id, count(*) FROM todod.tasks GROUP BY 1");
	pg_sql("ANALYZE");
}

/* ---- filters, and the SQL that means the same ---- */

static const struct str KEYS[] = { STR_INIT("a"), STR_INIT("c") };
static int64_t now_us;

static void open_only(struct task_filter *f)
{
	f->has_completed = true;
}

static void done_only(struct task_filter *f)
{
	f->has_completed = f->completed = true;
}

static void two_priorities(struct task_filter *f)
{
	f->priorities = 1 << TASK_LOW | 1 << TASK_URGENT;
}

static void all_tags(struct task_filter *f)
{
	f->tag_keys = KEYS;
	f->n_tag_keys = 2;
}

static void any_tag(struct task_filter *f)
{
	all_tags(f);
	f->any_tag = true;
}

static void due_before(struct task_filter *f)
{
	f->has_due_before = true;
	f->due_before_us = now_us;
}

static void due_after(struct task_filter *f)
{
	f->has_due_after = true;
	f->due_after_us = now_us;
}

static void overdue(struct task_filter *f)
{
	f->has_overdue = f->overdue = true;
}

static void not_overdue(struct task_filter *f)
{
	f->has_overdue = true;
}

static void updated_since(struct task_filter *f)
{
	f->has_updated_since = true;
	f->updated_since_us = INT64_C(1767225600000000) + 10 * INT64_C(3600000000);
}

static void search(struct task_filter *f)
{
	f->search = STR("'mil':*");
}

static void search_words(struct task_filter *f)
{
	f->search = STR("'milk' & 'zeb':*");
}

static const struct {
	void (*set)(struct task_filter *f);
	const char *sql;
} FILTERS[] = {
	{ open_only, "NOT completed" },
	{ done_only, "completed" },
	{ two_priorities, "priority IN (0, 3)" },
	{ all_tags,
	  "'A' = ANY(string_to_array(tags, E'\\n')) AND 'C' = ANY(string_to_array(tags, E'\\n'))" },
	{ any_tag, "(tags LIKE '%A%' OR tags LIKE '%C%')" },
	{ due_before, "(due_at IS NOT NULL AND due_at < date_trunc('hour', now()))" },
	{ due_after, "(due_at IS NOT NULL AND due_at >= date_trunc('hour', now()))" },
	{ overdue, "(NOT completed AND due_at IS NOT NULL AND overdue_at <= now())" },
	{ not_overdue, "(completed OR due_at IS NULL OR overdue_at > now())" },
	{ updated_since, "updated_at >= '2026-01-01 10:00+00'" },
	{ search, "(title ILIKE '%milk%' OR description IS NOT NULL)" },
	{ search_words, "(title || ' ' || coalesce(description, '') ILIKE '%milk%' AND "
			"title || ' ' || coalesce(description, '') ILIKE '%zebra%')" },
};

static const char *const ORDERS[_TASK_SORT_MAX] = {
	[TASK_SORT_CREATED] = "created_at %s, id %s",
	[TASK_SORT_UPDATED] = "updated_at %s, id %s",
	[TASK_SORT_DUE_DATE] = "due_at %s NULLS LAST, id %s",
	[TASK_SORT_PRIORITY] = "priority %s, id %s",
	[TASK_SORT_TITLE] = "title_key COLLATE \"C\" %s, id %s",
	[TASK_SORT_COMPLETED] = "completed %s, id %s",
	[TASK_SORT_RANK] = "round((ts_rank(search, '''mil'':*') * 1e6)::numeric) %s, id %s",
};

/* The ids as SQL has them, with spaces between. */
static const char *wanted(const struct task_order *order, const char *where)
{
	const char *dir = order->ascending ? "ASC" : "DESC";
	struct buf *b = arena_buf(arena, 16 * 1024);

	buf_append_str(b, STR("SELECT string_agg(id::text, ' ' ORDER BY "));
	for (const char *p = ORDERS[order->by]; *p != '\0'; p++) {
		if (*p == '%' && p[1] == 's') {
			buf_append_str(b, str_from(dir));
			p++;
		} else {
			buf_append_char(b, *p);
		}
	}
	buf_printf(b, ") FROM todod.tasks WHERE user_id = 'anna'%s", where);
	buf_append_char(b, '\0');
	return arena_dup(arena, str_from(pg_sql(b->p))).p;
}

FIXTURE void check_task(const struct task *t)
{
	ck_assert(str_eq(t->user_id, STR("anna")));
	ck_assert_uint_eq(t->n_reminders, (size_t)(t->id % 5));
	for (size_t i = 0; i < t->n_reminders; i++) {
		ck_assert_int_eq(t->reminders[i].task_id, t->id);
		ck_assert(i == 0 ||
			  t->reminders[i - 1].remind_at_us <= t->reminders[i].remind_at_us);
	}
}

/* The ids as pages have them. */
static const char *listed(struct db *db, struct task_list_query *q, int64_t *ret_total)
{
	struct buf *b = arena_buf(arena, 16 * 1024);
	struct task_list list = { .n = 0 };

	do {
		struct err err = { 0 };

		ck_assert_msg(task_store_list_wait(db, arena, q, &list, &err) == 0, "%s", err.text);
		ck_assert_uint_le(list.n, q->limit);
		ck_assert(!list.has_more || list.n == q->limit);
		for (size_t i = 0; i < list.n; i++) {
			check_task(&list.tasks[i]);
			buf_printf(b, "%s%lld", b->n > 0 ? " " : "", (long long)list.tasks[i].id);
		}
		q->after = true;
		q->position = list.last;
	} while (list.has_more);
	*ret_total = list.total;
	buf_append_char(b, '\0');
	return b->p;
}

static size_t words_in(const char *text)
{
	size_t n = *text != '\0';

	for (; *text != '\0'; text++)
		n += *text == ' ';
	return n;
}

/* One order with the filters of this set. */
static void check(struct db *db, struct task_order order, unsigned filters)
{
	struct task_list_query q = { .user_id = STR("anna"),
				     .order = order,
				     .limit = filters == 0 ? 7 : 41 };
	struct str where = STR("");
	int64_t total = -1;

	for (unsigned i = 0; i < ARRAY_SIZE(FILTERS); i++) {
		if (!(filters & 1U << i))
			continue;
		FILTERS[i].set(&q.filter);
		where = arena_printf(arena, "%s AND %s", where.p, FILTERS[i].sql);
	}
	if (order.by == TASK_SORT_RANK)
		search(&q.filter);
	if (order.by == TASK_SORT_RANK)
		where = arena_printf(arena,
				     "%s AND (title ILIKE '%%milk%%' OR description IS NOT NULL)",
				     where.p);
	const char *want = wanted(&order, where.p), *have = listed(db, &q, &total);
	ck_assert_msg(str_eq(str_from(want), str_from(have)), "order %u %d, %s:\n%s\nnot\n%s",
		      order.by, order.ascending, where.p, have, want);
	ck_assert_int_eq(total, (int64_t)words_in(want));
	arena_reset(arena);
}

/* Filters that can stand together: of each pair on the same field at most one. */
static unsigned combination(unsigned n)
{
	static const unsigned EXCLUSIVE[] = { 1U << 0 | 1U << 1, 1U << 3 | 1U << 4,
					      1U << 7 | 1U << 8, 1U << 10 | 1U << 11 };
	unsigned set = n * 2654435761U >> 7 & n * 40503U & 0xfff;

	for (size_t i = 0; i < ARRAY_SIZE(EXCLUSIVE); i++) {
		if ((set & EXCLUSIVE[i]) == EXCLUSIVE[i])
			set &= ~EXCLUSIVE[i] | (EXCLUSIVE[i] & (EXCLUSIVE[i] - 1));
	}
	return set;
}

static void orders_fiber(void *arg)
{
	struct db *db = open_db();

	(void)arg;
	now_us = pg_long("SELECT extract(epoch FROM date_trunc('hour', now()))::bigint * 1000000");
	for (int by = 0; by < _TASK_SORT_MAX; by++) {
		for (unsigned ascending = 0; ascending < 2; ascending++) {
			const struct task_order order = { (enum task_sort)by, ascending };

			check(db, order, 0);
			for (unsigned i = 0; i < ARRAY_SIZE(FILTERS); i++)
				if (by != TASK_SORT_RANK || i < 10)
					check(db, order, 1U << i);
			for (unsigned n = 1; n <= COMBINATIONS; n++)
				if (by != TASK_SORT_RANK)
					check(db, order, combination(n + 100U * (unsigned)by));
		}
	}
	db_free(db);
}

START_TEST(test_every_order_and_filter)
{
	fill();
	pg_run(orders_fiber, NULL);
}
END_TEST

/* Each filter finds something and leaves something out: else the test above proves little. */
START_TEST(test_the_rows_are_worth_it)
{
	fill();
	for (size_t i = 0; i < ARRAY_SIZE(FILTERS); i++) {
		char sql[512];

		snprintf(sql, sizeof(sql),
			 "SELECT count(*) FROM todod.tasks WHERE user_id = 'anna' AND %s",
			 FILTERS[i].sql);
		long n = pg_long(sql);
		ck_assert_msg(n > 5 && n < ROWS - 5, "%s: %ld", FILTERS[i].sql, n);
	}
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tasks WHERE user_id = 'anna'"), ROWS);
	ck_assert_int_gt(pg_long("SELECT count(*) FROM todod.tasks WHERE due_at IS NULL"), 50);
}
END_TEST

/* What the service writes is what it searches and sorts by. */
static void written_fiber(void *arg)
{
	static const char *const TITLES[] = { "\xc3\x84rger", "apfel", "Zoo", "\xc3\xa9t\xc3\xa9" };
	struct db *db = open_db();
	struct task_list_query q = { .user_id = STR("anna"),
				     .limit = 10,
				     .order = { TASK_SORT_TITLE, true },
				     .filter = { .search = STR("'arg':*") } };
	struct task_list list;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(TITLES); i++) {
		struct task t = sample((int64_t)i + 1, STR("anna"));

		t.title = str_from(TITLES[i]);
		create(db, &t);
	}
	ck_assert_int_eq(task_store_list_wait(db, arena, &q, &list, NULL), 0);
	ck_assert_uint_eq(list.n, 1);
	ck_assert_int_eq(list.tasks[0].id, 1);
	q.filter.search = (struct str){ NULL, 0 };
	ck_assert_int_eq(task_store_list_wait(db, arena, &q, &list, NULL), 0);
	static const int64_t ORDER[] = { 2, 1, 4, 3 };
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(list.tasks[i].id, ORDER[i]);
	assert_same_str(list.last.text, STR("zoo"));
	/* Title and description, weighed; the better one first. */
	q.filter.search = STR("'two' & 'zo':*");
	q.order = (struct task_order){ TASK_SORT_RANK, false };
	ck_assert_int_eq(task_store_list_wait(db, arena, &q, &list, NULL), 0);
	ck_assert_uint_eq(list.n, 1);
	ck_assert_int_eq(list.tasks[0].id, 3);
	db_free(db);
}

START_TEST(test_written_and_found)
{
	pg_run(written_fiber, NULL);
}
END_TEST

/* ---- memory ---- */

static void torture_fiber(void *arg)
{
	struct db *db = open_db();
	uint64_t nth = 1;

	(void)arg;
	for (;; nth++) {
		struct task_list_query q = { .user_id = STR("anna"), .limit = 100 };
		struct arena *own = arena_new(4 * 1024 * 1024);
		struct task_list list = { .n = 42 };
		struct err err = { 0 };

		any_tag(&q.filter);
		search(&q.filter);
		q.order = (struct task_order){ TASK_SORT_RANK, false };
		fail_alloc_arm(nth);
		int r = task_store_list_wait(db, own, &q, &list, &err);
		bool was_nth = fail_alloc_disarm();
		ck_assert_msg(r == 0 || r == -EAGAIN || r == -ENOMEM, "allocation %d: %d %s",
			      (int)nth, r, err.text);
		if (r < 0) {
			ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
			ck_assert_uint_eq(list.n, 42); /* untouched */
		} else {
			for (size_t i = 0; i < list.n; i++)
				check_task(&list.tasks[i]);
		}
		arena_free(own);
		if (!was_nth)
			break;
		ck_assert_uint_lt(nth, 1000);
		pg_await(db, true);
	}
	printf("list: %d allocations failed in turn\n", (int)nth - 1);
	ck_assert_uint_gt(nth, 5);
	/* Arenas of every size. */
	unsigned failed = 0;
	for (size_t bytes = 0, r = 1; r != 0; bytes += 256) {
		struct task_list_query q = { .user_id = STR("anna"), .limit = 20 };
		struct arena *own = arena_new(bytes);
		struct task_list list = { .n = 42 };
		struct err err = { 0 };

		any_tag(&q.filter);
		int e = task_store_list_wait(db, own, &q, &list, &err);
		ck_assert(e == 0 || e == -ENOMEM);
		ck_assert(e == 0 || list.n == 42);
		failed += e < 0;
		r = e < 0;
		arena_free(own);
	}
	ck_assert_uint_gt(failed, 5);
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
	const TTest *const tests[] = {
		test_every_order_and_filter,
		test_the_rows_are_worth_it,
		test_written_and_found,
		test_every_allocation_may_fail,
	};
	Suite *suite = suite_create("tasks_list");
	TCase *tc = tcase_create("tasks_list");
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
