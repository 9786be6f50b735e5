/* SPDX-License-Identifier: Apache-2.0 */
/* The instance after the one that is done: what comes along, and where its reminders stand. */
#include "domain/task_next.h"
#include "test/unit/support/task_fixture.h"

/* The task of this body (quotes as for json), done and asked for at these times. */
static struct task done_task(const char *body, const char *done)
{
	struct task t = make(body);

	t.completed = true;
	t.completed_at_us = at(done);
	t.version = 5;
	return t;
}

static int next_of(const struct task *t, const char *now, struct task *ret)
{
	const struct task_next n = { .done = t, .now_us = at(now), .id = 99, .new_id = next_uuid };

	return task_next_make(arena, &n, ret);
}

/* "2026-03-30T07:00:00Z pending 2026-03-31T10:00:00Z cancelled": its reminders. */
static const char *reminders_of(const struct task *t)
{
	struct str text = STR("");

	for (size_t i = 0; i < t->n_reminders; i++) {
		char time[TIME_RFC3339_SIZE];
		const struct reminder *r = &t->reminders[i];

		time_format_rfc3339(r->remind_at_us, time);
		text = arena_printf(arena, "%s%s%s %s", text.p, i > 0 ? " " : "", time,
				    reminder_status_name(r->status).p);
		ck_assert_int_eq(r->task_id, t->id);
		ck_assert_int_eq(r->version, 1);
		ck_assert_int_eq(r->retry_count + r->sent_at_us, 0);
		ck_assert_ptr_null(r->last_error.p);
	}
	return text.p;
}

START_TEST(what_comes_along)
{
	struct task t = done_task(
		"{'title':'Water','description':'both','priority':'high','tags':['a','B'],"
		"'due_date':'2026-03-02T08:00:00','time_zone':'Europe/Berlin','recurrence':'weekly',"
		"'recurrence_end_date':'2027-01-01',"
		"'reminders':[{'offset_minutes':30,'channels':['email']}]}",
		"2026-03-02T12:00:00Z");
	struct task next;

	t.description = STR("both");
	ck_assert_int_eq(next_of(&t, "2026-03-02T12:00:01Z", &next), 1);
	ck_assert_str_eq(date_json(&next.due), "\"2026-03-09T07:00:00Z\"");
	ck_assert_int_eq(next.overdue_at_us, at("2026-03-09T07:00:00Z"));
	ck_assert_int_eq(next.id, 99);
	ck_assert_int_eq(next.parent_task_id, t.id);
	ck_assert_int_eq(next.occurrence, 2);
	ck_assert_int_eq(next.version, 1);
	ck_assert_int_eq(next.created_at_us, at("2026-03-02T12:00:01Z"));
	ck_assert_int_eq(next.updated_at_us, next.created_at_us);
	ck_assert(!next.completed && next.completed_at_us == 0);
	ck_assert(str_eq(next.title, t.title) && str_eq(next.description, t.description));
	ck_assert(next.priority == TASK_HIGH && next.n_tags == 2 && str_eq(next.tags[1], STR("B")));
	ck_assert(str_eq(next.time_zone, STR("Europe/Berlin")));
	ck_assert(str_eq(next.recurrence_rule, t.recurrence_rule));
	ck_assert(task_date_same(&next.recurrence_end, &t.recurrence_end));
	ck_assert_mem_eq(&next.series_id, &t.series_id, sizeof(t.series_id));
	ck_assert_int_eq(next.series_start_s, t.series_start_s);
	ck_assert_uint_eq(next.n_reminders, 1);
	ck_assert(next.reminders[0].has_own_channels &&
		  next.reminders[0].channels == t.reminders[0].channels);
	ck_assert_mem_ne(&next.reminders[0].id, &t.reminders[0].id, sizeof(t.reminders[0].id));
	/* Done once more: the third. */
	next.completed = true;
	next.completed_at_us = at("2026-03-09T12:00:00Z");
	ck_assert_int_eq(next_of(&next, "2026-03-09T12:00:00Z", &next), 1);
	ck_assert_int_eq(next.occurrence, 3);
}
END_TEST

static const struct {
	const char *body, *done, *now, *due, *reminders;
} SHIFTED[] = {
	/* before the due date by minutes; the clock changes on 29 March */
	{ "'due_date':'2026-03-28T08:00:00','time_zone':'Europe/Berlin','recurrence':'daily',"
	  "'reminders':[{'offset_minutes':60}]",
	  "2026-03-28T07:30:00Z", "2026-03-28T07:30:00Z", "2026-03-29T06:00:00Z",
	  "2026-03-29T05:00:00Z pending" },
	/* all day: 09:00, and 20:00 of the evening before, on that clock */
	{ "'due_date':'2026-03-29','time_zone':'Europe/Berlin','recurrence':'daily',"
	  "'reminders':[{'offset_minutes':0},{'offset_minutes':780}]",
	  "2026-03-29T07:30:00Z", "2026-03-29T07:30:00Z", "2026-03-30",
	  "2026-03-29T18:00:00Z pending 2026-03-30T07:00:00Z pending" },
	/* a time of its own: 20:00 of the evening before, before and after the change of the clock
	 */
	{ "'due_date':'2026-03-28T08:00:00','time_zone':'Europe/Berlin','recurrence':'weekly',"
	  "'reminders':[{'remind_at':'2026-03-27T20:00:00.5'}]",
	  "2026-03-28T07:30:00Z", "2026-03-28T07:30:00Z", "2026-04-04T06:00:00Z",
	  "2026-04-03T18:00:00.500000Z pending" },
	/* behind the due date, from the end of a long month to that of a short one */
	{ "'due_date':'2026-01-31','recurrence':'monthly','reminders':[{'remind_at':"
	  "'2026-02-01T10:00:00Z'}]",
	  "2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z", "2026-02-28",
	  "2026-03-01T10:00:00Z pending" },
	/* asked for so late that a reminder of the next date has passed */
	{ "'due_date':'2026-03-02T08:00:00Z','recurrence':'daily',"
	  "'reminders':[{'offset_minutes':60},{'offset_minutes':1440}]",
	  "2026-03-02T08:00:00Z", "2026-03-02T10:00:00Z", "2026-03-03T08:00:00Z",
	  "2026-03-02T08:00:00Z cancelled 2026-03-03T07:00:00Z pending" },
	/* the date is after now, not only after it was done */
	{ "'due_date':'2026-03-02T08:00:00Z','recurrence':'daily'", "2026-03-02T08:00:00Z",
	  "2026-03-07T09:00:00Z", "2026-03-08T08:00:00Z", "" },
	{ "'due_date':'2026-03-02T08:00:00Z','recurrence_rule':'FREQ=DAILY;INTERVAL=3',"
	  "'recurrence_mode':'completion'",
	  "2026-03-03T08:00:00Z", "2026-03-07T09:00:00Z", "2026-03-09T08:00:00Z", "" },
	/* done long before it was due: the next may be sooner than this one was */
	{ "'due_date':'2030-03-02T08:00:00Z','recurrence':'daily','recurrence_mode':'completion',"
	  "'reminders':[{'remind_at':'2026-03-10T08:00:00Z'}]",
	  "2026-03-03T09:00:00Z", "2026-03-03T09:00:00Z", "2026-03-04T08:00:00Z",
	  "2022-03-12T08:00:00Z cancelled" },
	/* within the years there are */
	{ "'due_date':'2026-03-02T08:00:00Z','recurrence':'yearly',"
	  "'reminders':[{'remind_at':'0001-06-01T00:00:00Z'},{'remind_at':'9999-06-01T00:00:00Z'}]",
	  "2026-03-03T09:00:00Z", "2026-03-03T09:00:00Z", "2027-03-02T08:00:00Z",
	  "0002-06-01T00:00:00Z cancelled 9999-12-30T23:59:59Z pending" },
};

START_TEST(shifted)
{
	struct task t = done_task(arena_printf(arena, "{'title':'a',%s}", SHIFTED[_i].body).p,
				  SHIFTED[_i].done);
	struct task next;

	ck_assert_int_eq(next_of(&t, SHIFTED[_i].now, &next), 1);
	ck_assert_str_eq(date_json(&next.due), arena_printf(arena, "\"%s\"", SHIFTED[_i].due).p);
	ck_assert_str_eq(reminders_of(&next), SHIFTED[_i].reminders);
}
END_TEST

/* What happened to the reminders of the instance that is done says nothing of the next. */
START_TEST(whatever_became_of_them)
{
	struct task t = done_task("{'title':'a','due_date':'2026-03-02T08:00:00Z',"
				  "'recurrence':'daily','reminders':[{'offset_minutes':60}]}",
				  "2026-03-02T08:00:00Z");
	struct reminder r = t.reminders[0];
	struct task next;

	t.reminders = &r;
	for (int s = 0; s < _REMINDER_STATUS_MAX; s++) {
		r.status = (enum reminder_status)s;
		r.sent_at_us = 5;
		r.retry_count = 3;
		r.last_error = STR("down");
		r.version = 7;
		ck_assert_int_eq(next_of(&t, "2026-03-02T08:00:00Z", &next), 1);
		ck_assert_str_eq(reminders_of(&next), "2026-03-03T07:00:00Z pending");
	}
}
END_TEST

START_TEST(no_more)
{
	struct task t = done_task("{'title':'a','due_date':'2026-03-02T08:00:00Z',"
				  "'recurrence_rule':'FREQ=DAILY;COUNT=2'}",
				  "2026-03-02T09:00:00Z");
	struct task next = { .id = 42 };

	ck_assert_int_eq(next_of(&t, "2026-03-03T09:00:00Z", &next), 0);
	ck_assert_int_eq(next.id, 42);
	t.completed = false;
	ck_assert_int_eq(next_of(&t, "2026-03-02T09:00:00Z", &next), 0);
	t = done_task("{'title':'a','due_date':'2026-03-02T08:00:00Z'}", "2026-03-02T09:00:00Z");
	ck_assert_int_eq(next_of(&t, "2026-03-02T09:00:00Z", &next), 0);
	ck_assert_int_eq(next.id, 42);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("task_next");
	TCase *tc = tcase_create("task_next");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, task_setup, task_teardown);
	tcase_add_test(tc, what_comes_along);
	tcase_add_loop_test(tc, shifted, 0, ARRAY_SIZE(SHIFTED));
	tcase_add_test(tc, whatever_became_of_them);
	tcase_add_test(tc, no_more);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
