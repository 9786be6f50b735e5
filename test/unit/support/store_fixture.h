/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of the store share: a migrated database and the narrow role the service has, samples
 * of what is written, and a digest of all that the store holds, to tell that a refusal left
 * nothing.
 */
#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H

#include "test/unit/support/pg_fixture.h"

#include "store/schema.h"
#include "store/tasks.h"

#include <errno.h>

/* Never inlined: with sanitizers, what is inlined adds up its variables on the stack. */
#define FIXTURE static __attribute__((noinline, unused))

static struct arena *arena;

FIXTURE void store_setup(void)
{
	struct err err = { 0 };
	char sql[128];

	pg_setup();
	ck_assert_msg(schema_migrate(pg.url, NULL, NULL, &err) == 0, "%s", err.text);
	snprintf(sql, sizeof(sql), "GRANT todod_api TO %s", pg.role);
	pg_sql(sql);
	arena = arena_new(64 * 1024 * 1024);
	ck_assert_ptr_nonnull(arena);
}

FIXTURE void store_teardown(void)
{
	arena_free(arena);
	pg_teardown();
}

FIXTURE struct db *open_db(void)
{
	struct db_config config = pg_config(pg.app_url);

	return pg_open(&config);
}

FIXTURE struct task sample(int64_t id, struct str user)
{
	return (struct task){
		.id = id,
		.user_id = user,
		.title = STR("Buy milk"),
		.description = STR("two litres"),
		.priority = TASK_MEDIUM,
		.created_at_us = INT64_C(1795262400000001) + id,
		.updated_at_us = INT64_C(1795262400000001) + id,
		.version = 1,
	};
}

/* A rendered event; the last 256 live. */
FIXTURE const struct event *event_of(const struct task *t, const char *json)
{
	static struct event ring[256];
	static unsigned n;
	struct event *e = &ring[n++ % ARRAY_SIZE(ring)];

	*e = (struct event){
		.id = uuid_v7(),
		.topic = EVENT_TASK_EVENTS,
		.type = STR("task.updated"),
		.task_id = t->id,
		.sequence = t->version,
		.at_us = t->updated_at_us,
		.json = str_from(json),
	};
	return e;
}

/* before NULL: a create. One event. */
FIXTURE struct task_change change_of(const struct task *before, const struct task *after)
{
	return (struct task_change){
		.common = { .user_id = after->user_id,
			    .events = event_of(after, "{\"specversion\":\"1.0\"}"),
			    .n_events = 1 },
		.before = before,
		.after = after,
	};
}

FIXTURE void create(struct db *db, const struct task *t)
{
	struct task_change c = change_of(NULL, t);
	struct err err = { 0 };

	ck_assert_msg(task_store_create_wait(db, arena, &c, &err) == 0, "%s", err.text);
}

FIXTURE struct task_lookup get(struct db *db, struct str user, int64_t id)
{
	const struct task_question q = { .user_id = user, .task_id = id };
	struct task_lookup l = { .found = false };
	struct err err = { 0 };

	ck_assert_msg(task_store_read_wait(db, arena, &q, &l, &err) == 0, "%s", err.text);
	return l;
}

FIXTURE void assert_same_str(struct str a, struct str b)
{
	ck_assert_int_eq(a.p == NULL, b.p == NULL);
	ck_assert_msg(str_eq(a, b), "\"%.*s\" is not \"%.*s\"", STR_ARGS(a), STR_ARGS(b));
}

FIXTURE void assert_same_reminder(const struct reminder *a, const struct reminder *b)
{
	ck_assert_mem_eq(&a->id, &b->id, sizeof(a->id));
	ck_assert_int_eq(a->task_id, b->task_id);
	ck_assert_int_eq(a->remind_at_us, b->remind_at_us);
	ck_assert_int_eq(a->offset_minutes, b->offset_minutes);
	ck_assert_uint_eq(a->channels, b->channels);
	ck_assert_int_eq(a->has_own_channels, b->has_own_channels);
	ck_assert_int_eq(a->status, b->status);
	ck_assert_int_eq(a->sent_at_us, b->sent_at_us);
	ck_assert_int_eq(a->retry_count, b->retry_count);
	assert_same_str(a->last_error, b->last_error);
	ck_assert_int_eq(a->version, b->version);
}

FIXTURE void assert_same_series(const struct task *a, const struct task *b)
{
	assert_same_str(a->recurrence_rule, b->recurrence_rule);
	ck_assert_int_eq(a->recurrence_mode, b->recurrence_mode);
	ck_assert(task_date_same(&a->recurrence_end, &b->recurrence_end));
	ck_assert_mem_eq(&a->series_id, &b->series_id, sizeof(a->series_id));
	ck_assert_int_eq(a->series_start_s, b->series_start_s);
	ck_assert_int_eq(a->occurrence, b->occurrence);
	ck_assert_int_eq(a->parent_task_id, b->parent_task_id);
}

/* In every field. */
FIXTURE void assert_same(const struct task *a, const struct task *b)
{
	ck_assert_int_eq(a->id, b->id);
	assert_same_str(a->user_id, b->user_id);
	assert_same_str(a->title, b->title);
	assert_same_str(a->description, b->description);
	ck_assert_int_eq(a->completed, b->completed);
	ck_assert_int_eq(a->completed_at_us, b->completed_at_us);
	ck_assert_int_eq(a->priority, b->priority);
	ck_assert_int_eq(a->version, b->version);
	ck_assert_int_eq(a->created_at_us, b->created_at_us);
	ck_assert_int_eq(a->updated_at_us, b->updated_at_us);
	ck_assert(task_date_same(&a->due, &b->due));
	ck_assert_int_eq(a->overdue_at_us, b->overdue_at_us);
	assert_same_str(a->time_zone, b->time_zone);
	assert_same_series(a, b);
	ck_assert_uint_eq(a->n_tags, b->n_tags);
	for (size_t i = 0; i < a->n_tags; i++)
		assert_same_str(a->tags[i], b->tags[i]);
	ck_assert_uint_eq(a->n_reminders, b->n_reminders);
	for (size_t i = 0; i < a->n_reminders; i++)
		assert_same_reminder(&a->reminders[i], &b->reminders[i]);
}

/* Everything the store holds; the caller frees it. */
FIXTURE char *all_of_it(void)
{
	return strdup(pg_sql(
		"SELECT md5(concat((SELECT string_agg(t::text, ',' ORDER BY t.user_id, t.id) FROM todod.tasks t), '/', "
		"(SELECT string_agg(o::text, ',' ORDER BY o.id) FROM todod.outbox o), '/', "
		"(SELECT string_agg(c::text, ',' ORDER BY c.user_id) FROM todod.user_counters c), '/', "
		"(SELECT string_agg(k::text, ',' ORDER BY k.user_id, k.key) FROM todod.idempotency_keys k), '/', "
		"(SELECT string_agg(g::text, ',' ORDER BY g.user_id, g.key) FROM todod.tags g), '/', "
		"(SELECT string_agg(x::text, ',' ORDER BY x.user_id, x.key, x.task_id) FROM todod.task_tags x), '/', "
		"(SELECT string_agg(r::text, ',' ORDER BY r.user_id, r.id) FROM todod.reminders r), '/', "
		"(SELECT string_agg(p::text, ',' ORDER BY p.user_id) FROM todod.preferences p), '/', "
		"(SELECT string_agg(d::text, ',' ORDER BY d.user_id, d.id) FROM todod.deleted_tasks d)))"));
}

/* Frees before. */
FIXTURE void assert_unchanged(char *before)
{
	char *now = all_of_it();

	ck_assert_str_eq(now, before);
	free(now);
	free(before);
}

/* Fibers that do the same at once. */
struct crowd {
	struct db *db;
	unsigned left, ok, refused, exists, other;
	int64_t next_id;
	unsigned rounds;
	struct task_ids ids;
	unsigned char *seen;
	size_t n_seen;
};

FIXTURE void crowd_run(struct crowd *c, fiber_fn *fn, unsigned n)
{
	c->left = n;
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(fiber_spawn(pg.loop, "crowd", fn, c, NULL, NULL), 0);
	for (int i = 0; i < 6000 && c->left > 0; i++)
		ck_assert_int_eq(fiber_sleep(10), 0);
	ck_assert_uint_eq(c->left, 0);
}

#endif
