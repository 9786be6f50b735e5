/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task store, as the narrow role the service has: each write with all it leaves, each refusal
 * with nothing; repeated keys; lists against the server's own ORDER BY; races; and rows of others,
 * also for statements that name no user.
 *
 * Requirements: SE3, SE10.
 */
#include "test/unit/support/fail_alloc.h"
#include "test/unit/support/store_fixture.h"

/* ---- one write and all it leaves ---- */

static void life_fiber(void *arg)
{
	struct db *db = open_db();
	struct task t = sample(7, STR("anna")), later, gone;
	struct task_change c;
	struct task_lookup l;

	(void)arg;
	create(db, &t);
	l = get(db, STR("anna"), 7);
	ck_assert(l.found && !l.answered);
	assert_same(&l.task, &t);
	ck_assert(!get(db, STR("bilal"), 7).found);
	ck_assert(!get(db, STR("anna"), 8).found);

	later = t;
	later.version = 2;
	later.title = STR("na\xc3\xafve");
	later.description = (struct str){ NULL, 0 };
	later.completed = true;
	later.completed_at_us = later.updated_at_us = t.updated_at_us + 5;
	later.priority = TASK_URGENT;
	c = change_of(&t, &later);
	c.common.events = event_of(&later, "second");
	ck_assert_int_eq(task_store_update_wait(db, arena, &c, NULL), 0);
	l = get(db, STR("anna"), 7);
	assert_same(&l.task, &later);

	gone = later;
	gone.version = 3;
	c = change_of(&later, &gone);
	c.common.events = event_of(&gone, "third");
	ck_assert_int_eq(task_store_delete_wait(db, arena, &c, NULL), 0);
	ck_assert(!get(db, STR("anna"), 7).found);
	db_free(db);
}

START_TEST(test_a_task_from_birth_to_end)
{
	pg_run(life_fiber, NULL);
	ck_assert_str_eq(
		pg_sql("SELECT string_agg(concat_ws('|', topic, user_id, sequence, event), ' ' ORDER BY id) "
		       "FROM todod.outbox"),
		"task-events|anna|1|{\"specversion\":\"1.0\"} task-events|anna|2|second task-events|anna|3|third");
	ck_assert_int_eq(
		pg_long("SELECT count(DISTINCT part) FROM todod.outbox WHERE part BETWEEN 0 AND 15"),
		1);
	ck_assert_int_eq(pg_long("SELECT tasks FROM todod.user_counters WHERE user_id = 'anna'"),
			 0);
}
END_TEST

FIXTURE void assert_stale(struct db *db, const struct task_change *c)
{
	struct err err = { 0 };

	ck_assert_int_eq(task_store_update_wait(db, arena, c, &err), -ESTALE);
	ck_assert_ptr_eq(err.kind, &ERR_CONFLICT);
	err = (struct err){ 0 };
	ck_assert_int_eq(task_store_delete_wait(db, arena, c, &err), -ESTALE);
	ck_assert_ptr_eq(err.kind, &ERR_CONFLICT);
}

static void stale_fiber(void *arg)
{
	struct db *db = open_db();
	struct task t = sample(1, STR("anna")), was = t, other = sample(1, STR("bilal"));
	const struct idempotency_key key = {
		STR("anna"), STR("PUT"), STR("/t/1"), STR("k"), { 1 }
	};
	const struct idempotency_answer answer = { .status = 200, .body = STR("{}") };
	struct task_change c = change_of(&was, &t);
	struct err err = { 0 };
	char *before;

	(void)arg;
	create(db, &t);
	before = all_of_it();
	was.version = 8;
	t.version = 9;
	c.common.key = &key;
	c.common.answer = &answer;
	assert_stale(db, &c);
	c.is_state_only = true;
	ck_assert_int_eq(task_store_update_wait(db, arena, &c, &err), -ESTALE);
	c.is_state_only = false;
	was.version = 1;
	t.id = was.id = 2;
	assert_stale(db, &c);
	/* Someone else's task is not there. */
	c = change_of(&other, &other);
	assert_stale(db, &c);
	assert_unchanged(before);
	db_free(db);
}

START_TEST(test_a_stale_version_leaves_nothing)
{
	pg_run(stale_fiber, NULL);
}
END_TEST

/* Ours to get right: an event id or a task id used twice is a bug, and undoes the write. */
static void duplicate_fiber(void *arg)
{
	struct db *db = open_db();
	struct task t = sample(1, STR("anna"));
	struct task_change c = change_of(NULL, &t);
	struct err err = { 0 };
	char *before;

	(void)arg;
	ck_assert_int_eq(task_store_create_wait(db, arena, &c, NULL), 0);
	before = all_of_it();
	t.id = 2;
	ck_assert_int_eq(task_store_create_wait(db, arena, &c, &err), -EIO);
	ck_assert_ptr_eq(err.kind, &ERR_INTERNAL);
	t.id = 1;
	c = change_of(NULL, &t);
	ck_assert_int_eq(task_store_create_wait(db, arena, &c, &err), -EIO);
	assert_unchanged(before);
	db_free(db);
}

START_TEST(test_ids_used_twice_are_a_bug)
{
	pg_run(duplicate_fiber, NULL);
}
END_TEST

/* ---- quota ---- */

static void create_one_fiber(void *arg)
{
	struct crowd *c = arg;
	struct task t = sample(c->next_id++, STR("anna"));
	struct task_change change = change_of(NULL, &t);
	struct err err = { 0 };
	int r = task_store_create_wait(c->db, arena, &change, &err);

	if (r == 0) {
		c->ok++;
	} else if (r == -EDQUOT) {
		c->refused++;
		ck_assert_ptr_eq(err.kind, &ERR_TASK_QUOTA);
	} else {
		c->other++;
	}
	c->left--;
}

static void quota_fiber(void *arg)
{
	struct crowd c = { .db = open_db(), .next_id = 1 };
	struct task t = sample(1000, STR("anna")), other = sample(1001, STR("bilal")), gone;
	struct task_change change;

	(void)arg;
	pg_sql("INSERT INTO todod.user_counters VALUES ('anna', 9990)");
	crowd_run(&c, create_one_fiber, 60);
	ck_assert_uint_eq(c.ok, 10);
	ck_assert_uint_eq(c.refused, 50);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tasks"), 10);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox"), 10);
	create(c.db, &other);
	/* One gone, one more fits. */
	t.id = pg_long("SELECT min(id) FROM todod.tasks");
	gone = t;
	gone.version = 2;
	change = change_of(&t, &gone);
	ck_assert_int_eq(task_store_delete_wait(c.db, arena, &change, NULL), 0);
	crowd_run(&c, create_one_fiber, 5);
	ck_assert_uint_eq(c.ok, 11);
	ck_assert_uint_eq(c.other, 0);
	ck_assert_int_eq(pg_long("SELECT tasks FROM todod.user_counters WHERE user_id = 'anna'"),
			 10000);
	db_free(c.db);
}

START_TEST(test_the_quota_is_exact)
{
	pg_run(quota_fiber, NULL);
}
END_TEST

/* ---- idempotency ---- */

static const struct idempotency_key KEY = {
	{ "anna", 4 }, { "POST", 4 }, { "/api/anna/tasks", 15 }, { "key-1", 5 }, { 1, 2, 3 },
};
static const struct idempotency_answer ANSWER = {
	.status = 201,
	.etag = { "\"1\"", 3 },
	.location = { NULL, 0 },
	.body = { "{\"id\":1}", 8 },
};

static int keyed(struct db *db, int64_t id, const struct idempotency_key *key, struct err *err)
{
	struct task t = sample(id, key->user_id);
	struct task_change c = change_of(NULL, &t);

	c.common.key = key;
	c.common.answer = &ANSWER;
	return task_store_create_wait(db, arena, &c, err);
}

static void keys_fiber(void *arg)
{
	struct db *db = open_db();
	struct idempotency_key other_body = KEY, other = KEY;
	const struct task_question question = { STR("anna"), .task_id = 1, .key = &KEY };
	struct idempotency_answer a = { .status = 0 };
	struct task_lookup l;
	struct err err = { 0 };
	bool found = true;
	char *before;

	(void)arg;
	ck_assert_int_eq(idempotency_lookup_wait(db, arena, &KEY, &found, &a, &err), 0);
	ck_assert(!found);
	ck_assert_msg(keyed(db, 1, &KEY, &err) == 0, "%s", err.text);
	before = all_of_it();
	ck_assert_int_eq(keyed(db, 2, &KEY, &err), -EEXIST);
	other_body.body_sha256[0] ^= 1;
	ck_assert_int_eq(keyed(db, 2, &other_body, &err), -EEXIST);
	assert_unchanged(before);

	ck_assert_int_eq(idempotency_lookup_wait(db, arena, &KEY, &found, &a, &err), 0);
	ck_assert(found && a.same_body);
	ck_assert_int_eq(a.status, 201);
	ck_assert(str_eq(a.etag, ANSWER.etag));
	ck_assert_ptr_null(a.location.p);
	ck_assert(str_eq(a.body, ANSWER.body));
	ck_assert_int_eq(idempotency_lookup_wait(db, arena, &other_body, &found, &a, &err), 0);
	ck_assert(found && !a.same_body);
	ck_assert_int_eq(task_store_read_wait(db, arena, &question, &l, &err), 0);
	ck_assert(l.found && l.answered && l.answer.same_body);

	/* Another user, method, path or key is another answer. */
	other = KEY;
	other.user_id = STR("bilal");
	ck_assert_int_eq(keyed(db, 3, &other, &err), 0);
	other = KEY;
	other.method = STR("PUT");
	ck_assert_int_eq(keyed(db, 4, &other, &err), 0);
	other = KEY;
	other.path = STR("/api/anna/tasks/");
	ck_assert_int_eq(keyed(db, 5, &other, &err), 0);
	other = KEY;
	other.key = STR("KEY-1");
	ck_assert_int_eq(keyed(db, 6, &other, &err), 0);
	db_free(db);
}

START_TEST(test_a_repeated_key_writes_once)
{
	pg_run(keys_fiber, NULL);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tasks"), 5);
}
END_TEST

static void expiry_fiber(void *arg)
{
	struct db *db = open_db();
	const struct task_question question = { STR("anna"), .task_id = 1, .key = &KEY };
	struct idempotency_answer a;
	struct task_lookup l;
	struct err err = { 0 };
	bool found = false;

	(void)arg;
	ck_assert_int_eq(keyed(db, 1, &KEY, &err), 0);
	pg_sql("UPDATE todod.idempotency_keys SET created_at = now() - interval '23 hours 59 minutes'");
	ck_assert_int_eq(idempotency_lookup_wait(db, arena, &KEY, &found, &a, &err), 0);
	ck_assert(found);
	pg_sql("UPDATE todod.idempotency_keys SET created_at = now() - interval '24 hours 1 second'");
	ck_assert_int_eq(task_store_read_wait(db, arena, &question, &l, &err), 0);
	ck_assert(l.found && !l.answered);
	/* The way a write goes on: a collision, a look that clears what is too old, and again. */
	ck_assert_int_eq(keyed(db, 2, &KEY, &err), -EEXIST);
	ck_assert_int_eq(idempotency_lookup_wait(db, arena, &KEY, &found, &a, &err), 0);
	ck_assert(!found);
	ck_assert_int_eq(keyed(db, 2, &KEY, &err), 0);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.idempotency_keys"), 1);
	db_free(db);
}

START_TEST(test_answers_live_for_a_day)
{
	pg_run(expiry_fiber, NULL);
}
END_TEST

static void same_key_fiber(void *arg)
{
	struct crowd *c = arg;
	int r = keyed(c->db, c->next_id++, &KEY, NULL);

	c->ok += r == 0;
	c->exists += r == -EEXIST;
	c->left--;
}

static void race_keys_fiber(void *arg)
{
	struct crowd c = { .db = open_db(), .next_id = 1 };

	(void)arg;
	crowd_run(&c, same_key_fiber, 40);
	ck_assert_uint_eq(c.ok, 1);
	ck_assert_uint_eq(c.exists, 39);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.tasks"), 1);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox"), 1);
	ck_assert_int_eq(pg_long("SELECT tasks FROM todod.user_counters"), 1);
	db_free(c.db);
}

START_TEST(test_forty_writes_with_one_key)
{
	pg_run(race_keys_fiber, NULL);
}
END_TEST

/* The keyed forms of update and delete. */
static void keyed_changes_fiber(void *arg)
{
	struct db *db = open_db();
	struct task t = sample(1, STR("anna")), was = t;
	struct idempotency_key put = KEY, del = KEY;
	struct task_change c;
	struct err err = { 0 };

	(void)arg;
	create(db, &t);
	put.method = STR("PUT");
	del.method = STR("DELETE");
	t.version = 2;
	c = change_of(&was, &t);
	c.common.key = &put;
	c.common.answer = &ANSWER;
	ck_assert_msg(task_store_update_wait(db, arena, &c, &err) == 0, "%s", err.text);
	was = t;
	t.version = 3;
	c.common.events = event_of(&t, "{}");
	ck_assert_int_eq(task_store_update_wait(db, arena, &c, &err), -EEXIST);
	c.is_state_only = true;
	ck_assert_int_eq(task_store_update_wait(db, arena, &c, &err), -EEXIST);
	ck_assert_int_eq(get(db, STR("anna"), 1).task.version, 2);
	c.common.key = &del;
	ck_assert_msg(task_store_delete_wait(db, arena, &c, &err) == 0, "%s", err.text);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.idempotency_keys"), 2);
	db_free(db);
}

START_TEST(test_keys_of_changes)
{
	pg_run(keyed_changes_fiber, NULL);
}
END_TEST

/* ---- lists ---- */

static void list_fiber(void *arg)
{
	static const unsigned limits[] = { 1, 7, 50, 1000 };
	struct db *db = open_db();

	(void)arg;
	while (pg_long("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'todod-test' AND datname = "
		       "current_database()") < 3)
		ck_assert_int_eq(fiber_sleep(5), 0); /* the slow connection too */
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct task_list_query q = { .user_id = STR("anna"),
					     .limit = limits[i],
					     .slow = i % 2 == 1 };
		struct task_list list = { .n = 0 };
		long place = 0;

		do {
			char sql[256];

			ck_assert_int_eq(task_store_list_wait(db, arena, &q, &list, NULL), 0);
			ck_assert_int_eq(list.total, 120);
			for (size_t k = 0; k < list.n; k++, place++) {
				snprintf(
					sql, sizeof(sql),
					"SELECT id FROM todod.tasks WHERE user_id = 'anna' ORDER BY created_at DESC, id DESC "
					"OFFSET %ld LIMIT 1",
					place);
				ck_assert_int_eq(list.tasks[k].id, pg_long(sql));
				ck_assert(str_eq(list.tasks[k].user_id, STR("anna")));
			}
			if (list.n > 0) {
				q.after = true;
				q.position = list.last;
			}
		} while (list.has_more);
		ck_assert_int_eq(place, 120);
	}
	db_free(db);
}

START_TEST(test_lists_follow_the_order)
{
	/* Many tasks share a second, so that the id decides; others' tasks lie between. */
	pg_sql("INSERT INTO todod.tasks (user_id, id, title, created_at, updated_at) SELECT CASE WHEN i % 3 = 0 THEN 'bilal' "
	       "ELSE 'anna' END, i, 'task ' || i, '2026-01-01'::timestamptz + ((i * 7919) % 20) * interval '1 s', now() "
	       "FROM generate_series(1, 180) i");
	pg_sql("INSERT INTO todod.user_counters SELECT user_id, count(*) FROM todod.tasks GROUP BY 1");
	pg_run(list_fiber, NULL);
}
END_TEST

static void empty_fiber(void *arg)
{
	struct db *db = open_db();
	struct task_list_query q = { .user_id = STR("nobody"), .limit = 50 };
	struct task_list list = { .n = 7 };

	(void)arg;
	ck_assert_int_eq(task_store_list_wait(db, arena, &q, &list, NULL), 0);
	ck_assert_uint_eq(list.n, 0);
	ck_assert_int_eq(list.total, 0);
	db_free(db);
}

START_TEST(test_a_user_without_tasks)
{
	pg_run(empty_fiber, NULL);
}
END_TEST

static void small_arena_fiber(void *arg)
{
	struct db *db = open_db();
	struct arena *small = arena_new(64);
	struct task_list_query q = { .user_id = STR("anna"), .limit = 50 };
	struct task_list list = { .n = 7 };
	struct err err = { 0 };

	(void)arg;
	ck_assert_ptr_nonnull(small);
	for (int64_t id = 1; id <= 10; id++) {
		struct task t = sample(id, STR("anna"));

		create(db, &t);
	}
	ck_assert_int_eq(task_store_list_wait(db, small, &q, &list, &err), -ENOMEM);
	ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
	ck_assert_uint_eq(list.n, 7);
	arena_free(small);
	db_free(db);
}

START_TEST(test_an_arena_that_is_full)
{
	pg_run(small_arena_fiber, NULL);
}
END_TEST

/* ---- races ---- */

static void toggle_fiber(void *arg)
{
	const struct task_question question = { STR("anna"), .task_id = 1 };
	struct crowd *c = arg;
	struct arena *own = arena_new(1024 * 1024);

	for (unsigned done = 0; done < c->rounds;) {
		struct task_lookup l;
		struct task next;
		struct task_change change;
		int r;

		ck_assert_int_eq(task_store_read_wait(c->db, own, &question, &l, NULL), 0);
		next = l.task;
		next.completed = !next.completed;
		next.completed_at_us = next.completed ? next.updated_at_us : 0;
		next.version++;
		change = change_of(&l.task, &next);
		change.is_state_only = done % 2 == 0;
		r = task_store_update_wait(c->db, own, &change, NULL);
		ck_assert(r == 0 || r == -ESTALE);
		done += r == 0;
		c->ok += r == 0;
		c->exists += r == -ESTALE;
		arena_reset(own);
	}
	arena_free(own);
	c->left--;
}

static void toggles_fiber(void *arg)
{
	struct crowd c = { .db = open_db(), .rounds = 5 };
	struct task t = sample(1, STR("anna"));

	(void)arg;
	create(c.db, &t);
	crowd_run(&c, toggle_fiber, 12);
	ck_assert_uint_eq(c.ok, 60);
	ck_assert_uint_gt(c.exists, 0); /* they did meet */
	t = get(c.db, STR("anna"), 1).task;
	ck_assert_int_eq(t.version, 61);
	ck_assert(!t.completed);
	db_free(c.db);
}

START_TEST(test_no_change_is_lost_and_none_is_told_twice)
{
	pg_run(toggles_fiber, NULL);
	ck_assert_int_eq(pg_long("SELECT count(*) FROM todod.outbox"), 61);
	ck_assert_int_eq(
		pg_long("SELECT count(DISTINCT sequence) FROM todod.outbox WHERE sequence BETWEEN 1 AND 61"),
		61);
	/* The order of the outbox is the order of the versions. */
	ck_assert_int_eq(
		pg_long("SELECT count(*) FROM (SELECT sequence - row_number() OVER (ORDER BY id) AS d "
			"FROM todod.outbox) s WHERE d <> 0"),
		0);
}
END_TEST

static void take_ids_fiber(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < c->rounds; i++) {
		int64_t id = 0;

		ck_assert_int_eq(task_ids_next_wait(&c->ids, c->db, &id, NULL), 0);
		ck_assert(id >= 1 && (size_t)id < c->n_seen);
		ck_assert_msg(!c->seen[id], "%lld came twice", (long long)id);
		c->seen[id] = 1;
		c->ok++;
		if (i % 8 == 0)
			ck_assert_int_eq(fiber_sleep(1), 0);
	}
	c->left--;
}

static void ids_fiber(void *arg)
{
	struct crowd c = { .db = open_db(), .rounds = 40, .n_seen = 100000 };

	(void)arg;
	c.seen = calloc(c.n_seen, 1);
	ck_assert_ptr_nonnull(c.seen);
	crowd_run(&c, take_ids_fiber, 50);
	memset(&c.ids, 0, sizeof(c.ids)); /* another process */
	crowd_run(&c, take_ids_fiber, 50);
	ck_assert_uint_eq(c.ok, 4000);
	ck_assert(c.seen[1]);
	free(c.seen);
	db_free(c.db);
}

START_TEST(test_ids_come_once)
{
	pg_run(ids_fiber, NULL);
}
END_TEST

/* One request after the other: numbers without gaps, and the server asked once for 64. */
static void thrift_fiber(void *arg)
{
	struct db *db = open_db();
	struct task_ids ids = { .n_blocks = 0 };
	int64_t id = 0;

	(void)arg;
	for (int64_t i = 1; i <= 640; i++) {
		ck_assert_int_eq(task_ids_next_wait(&ids, db, &id, NULL), 0);
		ck_assert_int_eq(id, i);
	}
	ck_assert_int_le(pg_long("SELECT last_value FROM todod.task_id_blocks"), 64 * 13);
	db_free(db);
}

START_TEST(test_ids_are_not_wasted)
{
	pg_run(thrift_fiber, NULL);
}
END_TEST

/* Cancelled while it fetches the next block for the others: a reason comes back, no 500. */
static void cancelled_ids_fiber(void *arg)
{
	struct db *db = open_db();
	struct task_ids ids = { .n_blocks = 0 };
	struct err err = { 0 };
	int64_t id = 0;

	(void)arg;
	ck_assert_int_eq(task_ids_next_wait(&ids, db, &id, &err), 0);
	fiber_cancel(fiber_self());
	ck_assert_int_eq(task_ids_next_wait(&ids, db, &id, &err), -ECANCELED);
	ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
	db_free(db);
}

START_TEST(test_ids_of_a_cancelled_request)
{
	pg_run(cancelled_ids_fiber, NULL);
}
END_TEST

/* ---- memory ---- */

/* One call of each kind, with the nth allocation failing; true once there was no nth. */
static bool with_failing_allocation(struct db *db, unsigned kind, uint64_t nth)
{
	struct task t = sample((int64_t)(1000 + nth), STR("anna"));
	struct task_change c = change_of(NULL, &t);
	struct idempotency_key key = KEY;
	const struct task_question question = { STR("anna"), .task_id = 1, .key = &key };
	struct task_list_query q = { .user_id = STR("anna"), .limit = 50 };
	struct task_list list;
	struct task_lookup l;
	struct err err = { 0 };
	char text[32];
	int r;

	snprintf(text, sizeof(text), "%u-%d", kind, (int)nth);
	key.key = str_from(text);
	c.common.key = &key;
	c.common.answer = &ANSWER;
	fail_alloc_arm(nth);
	if (kind == 0)
		r = task_store_create_wait(db, arena, &c, &err);
	else if (kind == 1)
		r = task_store_read_wait(db, arena, &question, &l, &err);
	else
		r = task_store_list_wait(db, arena, &q, &list, &err);
	if (!fail_alloc_disarm()) {
		ck_assert_int_eq(r, 0);
		return true;
	}
	ck_assert_msg(r == 0 || r == -EAGAIN || r == -ENOMEM, "allocation %d of %u: %d %s",
		      (int)nth, kind, r, err.text);
	if (r < 0)
		ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
	arena_reset(arena);
	pg_await(db, true);
	return false;
}

static void torture_fiber(void *arg)
{
	struct db *db = open_db();
	struct task t = sample(1, STR("anna"));

	(void)arg;
	create(db, &t);
	for (unsigned kind = 0; kind < 3; kind++) {
		uint64_t nth = 1;

		while (!with_failing_allocation(db, kind, nth))
			ck_assert_uint_lt(++nth, 1000);
		printf("call %u: %d allocations failed in turn\n", kind, (int)nth - 1);
		ck_assert_uint_gt(nth, 1);
	}
	db_free(db);
}

/* Whether the client heard of it or not: all of a create is there, or nothing. */
START_TEST(test_every_allocation_may_fail)
{
	ck_assert_msg(fail_alloc_works(), "allocations cannot be made to fail in this build");
	pg_run(torture_fiber, NULL);
	ck_assert_int_eq(
		pg_long("SELECT (SELECT count(*) FROM todod.tasks) - (SELECT count(*) FROM todod.outbox)"),
		0);
	ck_assert_int_eq(
		pg_long("SELECT (SELECT count(*) FROM todod.tasks) - (SELECT sum(tasks) FROM todod.user_counters)"),
		0);
	ck_assert_int_eq(
		pg_long("SELECT (SELECT count(*) FROM todod.tasks) - 1 - (SELECT count(*) FROM "
			"todod.idempotency_keys)"),
		0);
}
END_TEST

/* ---- rows of others ---- */

static PGconn *as_app(const char *user)
{
	PGconn *conn = pg_connect(pg.app_url);
	char sql[128];

	if (user) {
		snprintf(sql, sizeof(sql), "SET app.user_id = '%s'", user);
		pg_on(conn, sql);
	}
	return conn;
}

static const char *sqlstate_of(PGconn *conn, const char *sql)
{
	static char state[8];
	PGresult *res = PQexec(conn, sql);
	const char *s = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	snprintf(state, sizeof(state), "%.7s", s ? s : "00000");
	PQclear(res);
	return state;
}

/* Statements that forgot their WHERE, and the rows they may touch as a user that has one task. */
static const struct {
	const char *sql;
	int own;
} careless[] = {
	{ "WITH x AS (SELECT FROM todod.tasks) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (SELECT FROM todod.tasks WHERE id > 0 OR user_id = 'bilal') SELECT count(*) FROM x",
	  1 },
	{ "WITH x AS (UPDATE todod.tasks SET title = 'mine' RETURNING 1) SELECT count(*) FROM x",
	  1 },
	{ "WITH x AS (DELETE FROM todod.tasks WHERE id = 2 RETURNING 1) SELECT count(*) FROM x",
	  0 },
	{ "WITH x AS (SELECT FROM todod.user_counters) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (UPDATE todod.user_counters SET tasks = 0 RETURNING 1) SELECT count(*) FROM x",
	  1 },
	{ "WITH x AS (SELECT FROM todod.idempotency_keys) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (DELETE FROM todod.idempotency_keys RETURNING 1) SELECT count(*) FROM x", 0 },
	{ "WITH x AS (SELECT FROM todod.tags) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (UPDATE todod.tags SET name = 'mine' RETURNING 1) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (SELECT FROM todod.task_tags) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (DELETE FROM todod.task_tags RETURNING 1) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (DELETE FROM todod.tags RETURNING 1) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (SELECT FROM todod.reminders WHERE task_id > 0 OR true) SELECT count(*) FROM x",
	  1 },
	{ "WITH x AS (UPDATE todod.reminders SET status = 5 RETURNING 1) SELECT count(*) FROM x",
	  1 },
	{ "WITH x AS (DELETE FROM todod.reminders RETURNING 1) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (SELECT FROM todod.preferences) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (UPDATE todod.preferences SET email = 'a@b.c' RETURNING 1) SELECT count(*) FROM x",
	  1 },
	{ "WITH x AS (SELECT FROM todod.deleted_tasks) SELECT count(*) FROM x", 1 },
	{ "WITH x AS (DELETE FROM todod.tasks RETURNING 1) SELECT count(*) FROM x", 1 },
};

static const char *const forbidden[] = {
	"INSERT INTO todod.tasks (user_id, id, title, created_at, updated_at) VALUES ('bilal', 99, 'x', now(), now())",
	"INSERT INTO todod.user_counters VALUES ('carl', 1)",
	"INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) VALUES "
	"('00000000-0000-7000-8000-000000000000', 'task-events', 0, 'bilal', 1, '{}')",
	"INSERT INTO todod.idempotency_keys (user_id, method, path, key, body_sha256, status, answer) "
	"VALUES ('bilal', 'POST', '/', 'x', decode(repeat('00', 32), 'hex'), 200, '')",
	"UPDATE todod.tasks SET user_id = 'bilal'",
	"SELECT * FROM todod.outbox",
	"DELETE FROM todod.outbox",
	"DELETE FROM todod.user_counters",
	"UPDATE todod.idempotency_keys SET answer = ''",
	"INSERT INTO todod.tags VALUES ('bilal', 'x', 'x', '#000000')",
	"UPDATE todod.tags SET user_id = 'bilal'",
	"INSERT INTO todod.task_tags VALUES ('bilal', 'k', 2)",
	"UPDATE todod.task_tags SET task_id = 2",
	"INSERT INTO todod.reminders (user_id, task_id, id, remind_at) VALUES "
	"('bilal', 2, '00000000-0000-7000-8000-000000000000', now())",
	"INSERT INTO todod.preferences VALUES ('carl', 'UTC', NULL, false, 1, NULL, NULL, 1, now())",
	"UPDATE todod.preferences SET user_id = 'carl'",
	"DELETE FROM todod.preferences",
	"INSERT INTO todod.deleted_tasks VALUES ('bilal', now(), 3)",
	"UPDATE todod.deleted_tasks SET id = 4",
	"DELETE FROM todod.deleted_tasks",
	"TRUNCATE todod.tasks",
	"ALTER TABLE todod.tasks DISABLE ROW LEVEL SECURITY",
	"DROP POLICY own_rows ON todod.tasks",
	"DELETE FROM todod.migrations",
	"CREATE TABLE todod.mine ()",
	"SET ROLE postgres",
};

static void two_users_fiber(void *arg)
{
	struct db *db = open_db();
	struct idempotency_key key = KEY;

	(void)arg;
	ck_assert_int_eq(keyed(db, 1, &key, NULL), 0);
	key.user_id = STR("bilal");
	ck_assert_int_eq(keyed(db, 2, &key, NULL), 0);
	db_free(db);
}

/* A row in each table beside the tasks. */
static void details(const char *user, int task_id)
{
	char sql[1024];

	snprintf(
		sql, sizeof(sql),
		"WITH u AS (SELECT '%s' AS u, %d AS t), "
		"g AS (INSERT INTO todod.tags SELECT u, 'k', 'K', '#000000' FROM u), "
		"x AS (INSERT INTO todod.task_tags SELECT u, 'k', t FROM u), "
		"r AS (INSERT INTO todod.reminders (user_id, task_id, id, remind_at) "
		"SELECT u, t, gen_random_uuid(), now() FROM u), "
		"d AS (INSERT INTO todod.deleted_tasks SELECT u, now(), 99 FROM u) "
		"INSERT INTO todod.preferences SELECT u, 'UTC', NULL, false, 1, NULL, NULL, 1, now() FROM u",
		user, task_id);
	pg_sql(sql);
}

#define ROWS_OF_BILAL                                                                                          \
	"SELECT concat(t, c, k, g, x, r, p, d) FROM todod.tasks t JOIN todod.user_counters c USING (user_id) " \
	"JOIN todod.idempotency_keys k USING (user_id) JOIN todod.tags g USING (user_id) "                     \
	"JOIN todod.task_tags x USING (user_id) JOIN todod.reminders r USING (user_id) "                       \
	"JOIN todod.preferences p USING (user_id) JOIN todod.deleted_tasks d USING (user_id) "                 \
	"WHERE user_id = 'bilal'"

START_TEST(test_a_statement_without_its_user_sees_no_one_else)
{
	PGconn *anna, *nobody, *empty;
	char *bilals;

	pg_run(two_users_fiber, NULL);
	anna = as_app("anna");
	nobody = as_app(NULL);
	empty = as_app("");
	details("anna", 1);
	details("bilal", 2);
	bilals = strdup(pg_sql(ROWS_OF_BILAL));
	ck_assert_str_ne(bilals, "");
	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
		ck_assert_msg(strcmp(sqlstate_of(anna, forbidden[i]), "42501") == 0, "%s: %s",
			      forbidden[i], sqlstate_of(anna, forbidden[i]));
	for (size_t i = 0; i < ARRAY_SIZE(careless); i++) {
		ck_assert_int_eq(strtol(pg_on(nobody, careless[i].sql), NULL, 10), 0);
		ck_assert_int_eq(strtol(pg_on(empty, careless[i].sql), NULL, 10), 0);
		ck_assert_msg(strtol(pg_on(anna, careless[i].sql), NULL, 10) == careless[i].own,
			      "%s", careless[i].sql);
	}
	ck_assert_str_eq(pg_sql(ROWS_OF_BILAL), bilals);
	free(bilals);
	PQfinish(anna);
	PQfinish(nobody);
	PQfinish(empty);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_a_task_from_birth_to_end,
		test_a_stale_version_leaves_nothing,
		test_ids_used_twice_are_a_bug,
		test_the_quota_is_exact,
		test_a_repeated_key_writes_once,
		test_answers_live_for_a_day,
		test_forty_writes_with_one_key,
		test_keys_of_changes,
		test_lists_follow_the_order,
		test_a_user_without_tasks,
		test_an_arena_that_is_full,
		test_no_change_is_lost_and_none_is_told_twice,
		test_ids_come_once,
		test_ids_are_not_wasted,
		test_ids_of_a_cancelled_request,
		test_every_allocation_may_fail,
		test_a_statement_without_its_user_sees_no_one_else,
	};
	Suite *suite = suite_create("tasks");
	TCase *tc = tcase_create("tasks");
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
