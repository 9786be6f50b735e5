/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reminders of a task that is written: when they fire, which state they are in, when they get a new
 * version, and what others hear of it.
 */
#include "test/unit/support/task_fixture.h"

enum { LIVE_MAX = REMINDER_CHANGES_MAX };

/* What others hear, as "scheduled 1@v2 cancelled 2@v3": by the last byte of the id. */
static const char *told(const struct task *before, const struct task *after)
{
	struct reminder_change changes[LIVE_MAX];
	size_t n = task_reminder_changes(before, after, changes);
	struct str text = STR("");

	for (size_t i = 0; i < n; i++) {
		const struct reminder *r = &changes[i].reminder;
		text = arena_printf(arena, "%s%s%s %d@v%lld", text.p, i > 0 ? " " : "",
				    changes[i].is_scheduled ? "scheduled" : "cancelled",
				    r->id.bytes[15], (long long)r->version);
		ck_assert_int_eq(changes[i].is_scheduled, reminder_is_live(r));
	}
	return text.p;
}

/* Its reminders, soonest first, as "1:pending:v1". */
static const char *states(const struct task *t)
{
	struct str text = STR("");

	for (size_t i = 0; i < t->n_reminders; i++) {
		const struct reminder *r = &t->reminders[i];
		text = arena_printf(arena, "%s%s%d:%s:v%lld", text.p, i > 0 ? " " : "",
				    r->id.bytes[15], reminder_status_name(r->status).p,
				    (long long)r->version);
		ck_assert_int_eq(r->task_id, t->id);
		ck_assert(i == 0 || t->reminders[i - 1].remind_at_us <= r->remind_at_us);
	}
	return text.p;
}

/* The reminders of t, to be changed as if time had passed. */
static struct reminder *own(struct task *t)
{
	struct reminder *list = arena_alloc(arena, t->n_reminders * sizeof(*list));

	memcpy(list, t->reminders, t->n_reminders * sizeof(*list));
	t->reminders = list;
	return list;
}

/* ---- when ---- */

static const struct {
	const char *zone, *due, *reminder, *at;
} TIMES[] = {
	{ "UTC", "2026-04-01T10:00:00Z", "'offset_minutes':0", "2026-04-01T10:00:00Z" },
	{ "UTC", "2026-04-01T10:00:00Z", "'offset_minutes':90", "2026-04-01T08:30:00Z" },
	{ "UTC", "2026-04-01T10:00:00.5Z", "'offset_minutes':1", "2026-04-01T09:59:00.5Z" },
	/* all day: 09:00 on the clock of the zone, and so many minutes before on that clock */
	{ "UTC", "2026-04-01", "'offset_minutes':0", "2026-04-01T09:00:00Z" },
	{ "Asia/Tokyo", "2026-04-01", "'offset_minutes':0", "2026-04-01T00:00:00Z" },
	{ "Europe/Berlin", "2026-03-30", "'offset_minutes':0", "2026-03-30T07:00:00Z" },
	{ "Europe/Berlin", "2026-03-30", "'offset_minutes':1440", "2026-03-29T07:00:00Z" },
	{ "Europe/Berlin", "2026-03-30", "'offset_minutes':2880", "2026-03-28T08:00:00Z" },
	{ "Europe/Berlin", "2026-10-26", "'offset_minutes':1440", "2026-10-25T08:00:00Z" },
	{ "Europe/Berlin", "2026-10-26", "'offset_minutes':2880", "2026-10-24T07:00:00Z" },
	/* 02:30 does not exist, or twice */
	{ "Europe/Berlin", "2026-03-29", "'offset_minutes':390", "2026-03-29T01:30:00Z" },
	{ "Europe/Berlin", "2026-10-25", "'offset_minutes':390", "2026-10-25T00:30:00Z" },
	/* an instant: by the hour, whatever the clock */
	{ "Europe/Berlin", "2026-03-30T09:00:00", "'offset_minutes':2880", "2026-03-28T07:00:00Z" },
	/* times of their own */
	{ "Europe/Berlin", "2026-04-01", "'remind_at':'2026-03-30'", "2026-03-30T07:00:00Z" },
	{ "Europe/Berlin", "2026-04-01", "'remind_at':'2026-03-30T12:00:00'",
	  "2026-03-30T10:00:00Z" },
	{ "Europe/Berlin", "2026-04-01", "'remind_at':'2026-03-30T12:00:00Z'",
	  "2026-03-30T12:00:00Z" },
	{ "UTC", "2026-04-01", "'remind_at':'2020-01-01'", "2020-01-01T09:00:00Z" },
};

START_TEST(times)
{
	struct str body =
		arena_printf(arena,
			     "{'title':'a','time_zone':'%s','due_date':'%s','reminders':[{%s}]}",
			     TIMES[_i].zone, TIMES[_i].due, TIMES[_i].reminder);
	struct task t = make(body.p);

	ck_assert_uint_eq(t.n_reminders, 1);
	ck_assert_msg(t.reminders[0].remind_at_us == at(TIMES[_i].at), "%s: %s", body.p,
		      task_json(&t));
	ck_assert_int_eq(t.reminders[0].status, REMINDER_PENDING);
	ck_assert_int_eq(t.reminders[0].version, 1);
}
END_TEST

/* ---- the default ---- */

static const struct {
	int64_t preferred; /* minutes; -1: none */
	const char *body;
	const char *at; /* NULL: no reminder */
} DEFAULTS[] = {
	{ 30, "{'title':'a','due_date':'2026-04-01T10:00:00Z'}", "2026-04-01T09:30:00Z" },
	{ 0, "{'title':'a','due_date':'2026-04-01'}", "2026-04-01T09:00:00Z" },
	{ -1, "{'title':'a','due_date':'2026-04-01'}", NULL },
	{ 30, "{'title':'a'}", NULL },
	{ 30, "{'title':'a','due_date':'2026-04-01','reminders':[]}", NULL },
	{ 30, "{'title':'a','due_date':'2026-04-01','reminders':null}", NULL },
	{ 30, "{'title':'a','due_date':'2026-04-01','completed':true}", NULL },
	/* its time has passed */
	{ 30, "{'title':'a','due_date':'2026-03-01T10:30:00Z'}", NULL },
	{ 30, "{'title':'a','due_date':'2026-03-01T10:30:00.000001Z'}",
	  "2026-03-01T10:00:00.000001Z" },
	{ 0, "{'title':'a','due_date':'2026-03-01'}", NULL },
	{ 0, "{'title':'a','due_date':'2026-03-01','time_zone':'America/New_York'}",
	  "2026-03-01T14:00:00Z" },
	{ 0, "{'title':'a','recurrence_rule':'FREQ=WEEKLY;BYDAY=MO'}", "2026-03-02T09:00:00Z" },
};

START_TEST(the_default)
{
	preferences.default_reminder_offset_minutes = DEFAULTS[_i].preferred;
	preferences.channels = CHANNEL_EMAIL;
	struct task t = make(DEFAULTS[_i].body);

	ck_assert_msg(t.n_reminders == (DEFAULTS[_i].at != NULL), "%s: %s", DEFAULTS[_i].body,
		      task_json(&t));
	if (t.n_reminders == 0)
		return;
	ck_assert_int_eq(t.reminders[0].remind_at_us, at(DEFAULTS[_i].at));
	ck_assert_int_eq(t.reminders[0].offset_minutes, DEFAULTS[_i].preferred);
	ck_assert_uint_eq(t.reminders[0].channels, CHANNEL_EMAIL);
	ck_assert(!t.reminders[0].has_own_channels);
}
END_TEST

/* Only a task that gets its first due date, and has no reminder, gets the default. */
START_TEST(the_default_comes_once)
{
	preferences.default_reminder_offset_minutes = 0;
	struct task plain = make("{'title':'a'}");
	struct task t = merge_ok(&plain, "{'due_date':'2026-04-01'}");

	ck_assert_uint_eq(t.n_reminders, 1);
	t = merge_ok(&t, "{'reminders':[]}");
	ck_assert_uint_eq(t.n_reminders, 0);
	t = merge_ok(&t, "{'due_date':'2026-04-02'}");
	ck_assert_uint_eq(t.n_reminders, 0);
	t = make("{'title':'a','remind_at':'2026-03-05'}");
	t = merge_ok(&t, "{'due_date':'2026-04-01'}");
	ck_assert_uint_eq(t.n_reminders, 1);
	ck_assert_int_eq(t.reminders[0].offset_minutes, REMINDER_NO_OFFSET);
}
END_TEST

/* ---- through a task's life ---- */

#define THREE                                                                                \
	"{'title':'a','due_date':'2026-04-01T10:00:00Z','reminders':[{'offset_minutes':60}," \
	"{'offset_minutes':0,'channels':['email']},{'remind_at':'2026-05-01T10:00:00Z'}]}"

/* A task whose reminders have the ids 1, 2 and 3, in the order of time. */
static struct task three(void)
{
	struct task t = make(THREE);
	struct reminder *list = own(&t);

	ck_assert_uint_eq(t.n_reminders, 3);
	for (size_t i = 0; i < 3; i++)
		list[i].id.bytes[15] = (uint8_t)(i + 1);
	return t;
}

#define ID(n) "'id':'00000000-0000-7000-8000-00000000000" n "'"

static const struct {
	const char *change, *states, *told;
} LIFE[] = {
	{ "{}", "1:pending:v1 2:pending:v1 3:pending:v1", "" },
	{ "{'description':'x','priority':'low','tags':['x']}",
	  "1:pending:v1 2:pending:v1 3:pending:v1", "" },
	/* what a reminder says changes */
	{ "{'title':'b'}", "1:pending:v2 2:pending:v2 3:pending:v2",
	  "scheduled 1@v2 scheduled 2@v2 scheduled 3@v2" },
	{ "{'time_zone':'Asia/Tokyo'}", "1:pending:v2 2:pending:v2 3:pending:v2",
	  "scheduled 1@v2 scheduled 2@v2 scheduled 3@v2" },
	{ "{'due_date':'2026-06-01T10:00:00Z'}", "3:pending:v2 1:pending:v2 2:pending:v2",
	  "scheduled 3@v2 scheduled 1@v2 scheduled 2@v2" },
	{ "{'due_date':'2026-02-01T10:00:00Z'}", "1:pending:v2 2:pending:v2 3:pending:v2",
	  "scheduled 1@v2 scheduled 2@v2 scheduled 3@v2" },
	{ "{'due_date':null}", "3:pending:v2", "cancelled 1@v2 cancelled 2@v2 scheduled 3@v2" },
	{ "{'completed':true}", "1:cancelled:v2 2:cancelled:v2 3:cancelled:v2",
	  "cancelled 1@v2 cancelled 2@v2 cancelled 3@v2" },
	{ "{'reminders':[]}", "", "cancelled 1@v2 cancelled 2@v2 cancelled 3@v2" },
	{ "{'reminders':null}", "", "cancelled 1@v2 cancelled 2@v2 cancelled 3@v2" },
	/* by id: one stays, one moves, one goes */
	{ "{'reminders':[{" ID("1") ",'offset_minutes':60},{" ID("3") ",'offset_minutes':5}]}",
	  "1:pending:v1 3:pending:v2", "cancelled 2@v2 scheduled 3@v2" },
	{ "{'reminders':[{" ID("1") ",'remind_at':'2026-03-05T10:00:00Z'}]}", "1:pending:v2",
	  "cancelled 2@v2 cancelled 3@v2 scheduled 1@v2" },
	{ "{'reminders':[{" ID("2") ",'offset_minutes':0,'channels':['log']}]}", "2:pending:v2",
	  "cancelled 1@v2 cancelled 3@v2 scheduled 2@v2" },
	{ "{'reminders':[{" ID("2") ",'offset_minutes':0,'channels':['email']}]}", "2:pending:v1",
	  "cancelled 1@v2 cancelled 3@v2" },
	/* without ids: by where they stand */
	{ "{'reminders':[{'remind_at':'2026-05-01T12:00:00+02:00'},{'offset_minutes':60},"
	  "{'offset_minutes':0}]}",
	  "1:pending:v1 2:pending:v1 3:pending:v1", "" },
	/* one says that it is the one which another looks like */
	{ "{'reminders':[{'offset_minutes':60},{" ID(
		  "1") ",'offset_minutes':60},"
		       "{" ID("2") ",'offset_minutes':0},{" ID(
			       "3") ",'remind_at':'2026-05-01T10:00:00Z'}]}",
	  NULL, "scheduled 4@v1" },
};

START_TEST(through_life)
{
	struct task before = three();
	/* The next id is 4. */
	struct task after = merge_ok(&before, LIFE[_i].change);

	if (LIFE[_i].states != NULL)
		ck_assert_msg(str_eq(str_from(states(&after)), str_from(LIFE[_i].states)),
			      "%s: %s, not %s", LIFE[_i].change, states(&after), LIFE[_i].states);
	ck_assert_msg(str_eq(str_from(told(&before, &after)), str_from(LIFE[_i].told)),
		      "%s: %s, not %s", LIFE[_i].change, told(&before, &after), LIFE[_i].told);
}
END_TEST

START_TEST(born_and_gone)
{
	struct task t = three(), done;

	ck_assert_str_eq(told(NULL, &t), "scheduled 1@v1 scheduled 2@v1 scheduled 3@v1");
	ck_assert_str_eq(told(&t, NULL), "cancelled 1@v2 cancelled 2@v2 cancelled 3@v2");
	ck_assert_str_eq(told(&t, &t), "");
	done = merge_ok(&t, "{'completed':true}");
	ck_assert_str_eq(told(&done, NULL), "");
	done = make("{'title':'a','completed':true,'remind_at':'2026-05-01'}");
	ck_assert_uint_eq(done.n_reminders, 1);
	ck_assert_int_eq(done.reminders[0].status, REMINDER_CANCELLED);
	ck_assert_str_eq(told(NULL, &done), "");
}
END_TEST

/* Open again: those whose time is still to come wait again. */
START_TEST(reopened)
{
	struct task open = three(), done, again;

	done = merge_ok(&open, "{'completed':true}");
	context.now_us = at("2026-04-01T09:00:00Z"); /* of 1: now is not in the future */
	again = merge_ok(&done, "{'completed':false}");
	ck_assert_str_eq(states(&again), "1:cancelled:v2 2:pending:v3 3:pending:v3");
	ck_assert_str_eq(told(&done, &again), "scheduled 2@v3 scheduled 3@v3");
	/* Sent while it was open: not again. */
	done = merge_ok(&open, "{'completed':true}");
	own(&done)[2].status = REMINDER_SENT;
	again = merge_ok(&done, "{'completed':false}");
	ck_assert_str_eq(states(&again), "1:cancelled:v2 2:pending:v3 3:sent:v2");
	/* Changed while it is done: nothing to hear of. */
	again = merge_ok(&done, "{'title':'b','due_date':'2026-07-01'}");
	ck_assert_str_eq(told(&done, &again), "");
}
END_TEST

/* What has been sent, failed or cancelled waits again when it gets a time to come. */
START_TEST(moved)
{
	static const enum reminder_status STATUSES[] = { REMINDER_SENT, REMINDER_FAILED,
							 REMINDER_CANCELLED };
	struct task t = three(), later, earlier;

	for (size_t i = 0; i < 3; i++) {
		struct reminder *r = &own(&t)[i];
		r->status = STATUSES[i];
		r->sent_at_us = 5;
		r->retry_count = 3;
		r->last_error = STR("down");
	}
	context.now_us = at("2026-05-02T00:00:00Z");
	later = merge_ok(&t, "{'due_date':'2026-07-01T10:00:00Z'}");
	ck_assert_str_eq(states(&later), "3:cancelled:v1 1:pending:v2 2:pending:v2");
	for (size_t i = 1; i < 3; i++) {
		ck_assert_int_eq(later.reminders[i].sent_at_us, 0);
		ck_assert_int_eq(later.reminders[i].retry_count, 0);
		ck_assert_ptr_null(later.reminders[i].last_error.p);
	}
	ck_assert_str_eq(told(&t, &later), "scheduled 1@v2 scheduled 2@v2");
	/* Moved, but to what has passed as well. */
	earlier = merge_ok(&t, "{'due_date':'2026-03-01T10:00:00Z'}");
	ck_assert_str_eq(states(&earlier), "1:sent:v2 2:failed:v2 3:cancelled:v1");
	ck_assert_str_eq(told(&t, &earlier), "");
}
END_TEST

/* One that waits for another try begins anew with other words; one that is being sent keeps those
 * it is sent with, and begins anew at another time. */
START_TEST(on_its_way)
{
	struct task t = three(), changed;
	struct reminder *r = own(&t);

	r[0].status = REMINDER_RETRYING;
	r[0].retry_count = 2;
	r[0].last_error = STR("down");
	r[1].status = REMINDER_TRIGGERED;
	changed = merge_ok(&t, "{'title':'b'}");
	ck_assert_str_eq(states(&changed), "1:pending:v2 2:triggered:v1 3:pending:v2");
	ck_assert_int_eq(changed.reminders[0].retry_count, 0);
	ck_assert_ptr_null(changed.reminders[0].last_error.p);
	ck_assert_str_eq(told(&t, &changed), "scheduled 1@v2 scheduled 3@v2");
	changed = merge_ok(&t, "{'due_date':'2026-07-01T10:00:00Z'}");
	ck_assert_str_eq(states(&changed), "3:pending:v2 1:pending:v2 2:pending:v2");
}
END_TEST

/* ---- which one is meant ---- */

START_TEST(ids_of_others)
{
	struct task t = three();
	struct task after = merge_ok(
		&t,
		"{'reminders':[{'id':'00000000-0000-7000-8000-0000000000ff','offset_minutes':7},"
		"{'id':'nonsense','offset_minutes':8},{'id':'','offset_minutes':60}]}");

	ck_assert_uint_eq(after.n_reminders, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_ne(after.reminders[i].id.bytes[15], 0xff);
	ck_assert_str_eq(states(&after), "1:pending:v1 5:pending:v1 4:pending:v1");
	/* An id means nothing where there is no task yet. */
	after = make("{'title':'a','reminders':[{" ID("1") ",'remind_at':'2026-05-01'}]}");
	ck_assert_int_ne(after.reminders[0].id.bytes[15], 1);
}
END_TEST

START_TEST(the_same_twice)
{
	struct task t = three();

	merge_refused(
		&t,
		"{'reminders':[{" ID("1") ",'offset_minutes':5},{" ID("1") ",'offset_minutes':6}]}",
		"body.reminders.1");
	/* Two at one time are two. */
	t = make(
		"{'title':'a','reminders':[{'remind_at':'2026-05-01'},{'remind_at':'2026-05-01'}]}");
	ck_assert_uint_eq(t.n_reminders, 2);
	ck_assert_mem_ne(&t.reminders[0].id, &t.reminders[1].id, sizeof(struct uuid));
}
END_TEST

/* Ten fit, whoever puts them together. */
START_TEST(at_most_ten)
{
	struct reminder_input many[REMINDERS_OF_TASK_MAX + 1];
	struct task_input in = { .reminders_state = JSON_SET, .reminders = many };
	struct task t = make("{'title':'a','due_date':'2026-04-01'}");

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct reminder_input){ .offset_minutes = (int64_t)i, .where = "body" };
	in.n_reminders = REMINDERS_OF_TASK_MAX;
	ck_assert_int_eq(task_merge(arena, &in, &t, &context, &merged, &err), 0);
	ck_assert_uint_eq(merged.task.n_reminders, REMINDERS_OF_TASK_MAX);
	in.n_reminders++;
	ck_assert_int_lt(task_merge(arena, &in, &t, &context, &merged, &err), 0);
	ck_assert_ptr_eq(err.kind, &ERR_INVALID);
	ck_assert_str_eq(err.field, "body.reminders");
	/* All of them replaced: as many changes as there can be. */
	t = merged.task;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i].offset_minutes += 100;
	in.n_reminders--;
	ck_assert_int_eq(task_merge(arena, &in, &t, &context, &merged, &err), 0);
	struct reminder_change changes[LIVE_MAX];
	ck_assert_uint_eq(task_reminder_changes(&t, &merged.task, changes), LIVE_MAX);
}
END_TEST

START_TEST(channels)
{
	preferences.channels = CHANNEL_IN_APP;
	struct task t = make("{'title':'a','reminders':[{'remind_at':'2026-05-01'},"
			     "{'remind_at':'2026-05-02','channels':['log','email']}]}");

	ck_assert_uint_eq(t.reminders[0].channels, CHANNEL_IN_APP);
	ck_assert(!t.reminders[0].has_own_channels);
	ck_assert_uint_eq(t.reminders[1].channels, CHANNEL_EMAIL | CHANNEL_LOG);
	ck_assert(t.reminders[1].has_own_channels);
	/* Those it has anyway do not become its own. */
	t = merge_ok(&t, "{'reminders':[{'remind_at':'2026-05-01','channels':['in_app']}]}");
	ck_assert(!t.reminders[0].has_own_channels);
	ck_assert_int_eq(t.reminders[0].version, 1);
	t = merge_ok(&t, "{'reminders':[{'remind_at':'2026-05-01','channels':['email']}]}");
	ck_assert(t.reminders[0].has_own_channels);
	ck_assert_int_eq(t.reminders[0].version, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("task_merge_reminders");
	TCase *tc = tcase_create("task_merge_reminders");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, task_setup, task_teardown);
	tcase_add_loop_test(tc, times, 0, ARRAY_SIZE(TIMES));
	tcase_add_loop_test(tc, the_default, 0, ARRAY_SIZE(DEFAULTS));
	tcase_add_test(tc, the_default_comes_once);
	tcase_add_loop_test(tc, through_life, 0, ARRAY_SIZE(LIFE));
	tcase_add_test(tc, born_and_gone);
	tcase_add_test(tc, reopened);
	tcase_add_test(tc, moved);
	tcase_add_test(tc, on_its_way);
	tcase_add_test(tc, ids_of_others);
	tcase_add_test(tc, the_same_twice);
	tcase_add_test(tc, at_most_ten);
	tcase_add_test(tc, channels);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
