/* SPDX-License-Identifier: Apache-2.0 */
/* Dates as they are read and shown, and the date of the instance that follows one that is done. */
#include "test/unit/support/task_fixture.h"

static const struct tz *zone(const char *name)
{
	const struct tz *tz = NULL;

	ck_assert_int_eq(tz_load(str_from(name), &tz), 0);
	return tz;
}

static const struct {
	const char *zone, *text, *shown; /* shown NULL: refused */
	const char *at;
} DATES[] = {
	{ "UTC", "2026-12-24", "2026-12-24", "2026-12-24T00:00:00Z" },
	{ "Asia/Tokyo", "2026-12-24", "2026-12-24", "2026-12-23T15:00:00Z" },
	{ "UTC", "2024-02-29", "2024-02-29", "2024-02-29T00:00:00Z" },
	{ "Africa/Cairo", "2026-04-24", "2026-04-24", "2026-04-23T22:00:00Z" },
	{ "Asia/Tokyo", "2026-12-24T18:30:00", "2026-12-24T09:30:00Z", "2026-12-24T09:30:00Z" },
	{ "Asia/Tokyo", "2026-12-24T18:30:00Z", "2026-12-24T18:30:00Z", "2026-12-24T18:30:00Z" },
	{ "UTC", "2026-12-24T18:30:00.123456789-05:30", "2026-12-25T00:00:00.123456Z",
	  "2026-12-25T00:00:00.123456Z" },
	{ "UTC", "0001-01-01", "0001-01-01", "0001-01-01T00:00:00Z" },
	{ "UTC", "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z",
	  "1969-12-31T23:59:59.999999Z" },
	{ "Asia/Tokyo", "0001-01-01", NULL, NULL }, /* before year 1 as an instant */
	{ "UTC", "9999-12-31", "9999-12-31", "9999-12-31T00:00:00Z" },
	{ "Etc/GMT+12", "9999-12-31", "9999-12-31", "9999-12-31T12:00:00Z" },
	{ "UTC", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z",
	  "9999-12-31T23:59:59.999999Z" },
	{ "Etc/GMT+12", "9999-12-31T12:00:00", NULL, NULL }, /* after year 9999 as an instant */
	{ "UTC", "2026-02-29", NULL, NULL },
	{ "UTC", "2026-12-24 ", NULL, NULL },
	{ "UTC", "2026-12-24T25:00:00Z", NULL, NULL },
	{ "UTC", "2026-12-24T18:30:60Z", NULL, NULL },
	{ "UTC", "20261224", NULL, NULL },
	{ "UTC", "", NULL, NULL },
	{ "UTC", "2026-12-24T18:30:00+25:00", NULL, NULL },
};

START_TEST(dates)
{
	struct task_date d = { .day = 42 };

	err = (struct err){ 0 };
	int r = task_date_parse(str_from(DATES[_i].text), zone(DATES[_i].zone), "f", &d, &err);
	if (DATES[_i].shown == NULL) {
		ck_assert_msg(r < 0, "%s", DATES[_i].text);
		ck_assert_ptr_eq(err.kind, &ERR_INVALID);
		ck_assert_str_eq(err.field, "f");
		ck_assert_int_eq(d.day, 42); /* untouched */
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(date_json(&d), arena_printf(arena, "\"%s\"", DATES[_i].shown).p);
	ck_assert_int_eq(d.at_us, at(DATES[_i].at));
	ck_assert(task_date_same(&d, &d));
}
END_TEST

START_TEST(zones_of_tasks)
{
	const struct task none = { .title = STR("a") };
	const struct task gone = { .time_zone = STR("Mars/Phobos") };
	const struct task_date no_date = { .kind = TASK_DATE_NONE };

	ck_assert(str_eq(tz_name(task_tz(&none)), STR("UTC")));
	ck_assert(str_eq(tz_name(task_tz(&gone)), STR("UTC")));
	ck_assert_str_eq(date_json(&no_date), "null");
}
END_TEST

/*
 * {task}, occurrence, its due date when not that of the body, done; then the next one's, as shown.
 * NULL: that was the last.
 */
static const struct next_case {
	const char *body;
	int64_t occurrence;
	const char *due; /* NULL: the body's */
	const char *done, *next;
} NEXT[] = {
	/* of the schedule: in time, late, early */
	{ "'due_date':'2026-04-01T10:00:00Z','recurrence':'daily'", 1, NULL, "2026-04-01T09:00:00Z",
	  "2026-04-02T10:00:00Z" },
	{ "'due_date':'2026-04-01T10:00:00Z','recurrence':'daily'", 1, NULL, "2026-04-01T10:00:00Z",
	  "2026-04-02T10:00:00Z" },
	{ "'due_date':'2026-04-01T10:00:00Z','recurrence':'daily'", 1, NULL, "2026-04-02T10:00:00Z",
	  "2026-04-03T10:00:00Z" },
	{ "'due_date':'2026-04-01T10:00:00Z','recurrence':'daily'", 1, NULL, "2026-04-09T10:00:01Z",
	  "2026-04-10T10:00:00Z" },
	{ "'due_date':'2026-04-01T10:00:00Z','recurrence':'weekly'", 1, NULL,
	  "2026-03-02T10:00:00Z", "2026-04-08T10:00:00Z" },
	{ "'due_date':'2026-04-01','recurrence':'daily'", 1, NULL, "2026-04-01T12:00:00Z",
	  "2026-04-02" },
	{ "'due_date':'2026-04-01','recurrence':'daily'", 1, NULL, "2026-04-05T12:00:00Z",
	  "2026-04-06" },
	{ "'due_date':'2026-04-01','recurrence':'daily','time_zone':'Asia/Tokyo'", 1, NULL,
	  "2026-04-05T15:00:00Z", "2026-04-07" }, /* there it is the 6th, 00:00 */
	{ "'due_date':'2026-04-01','recurrence_rule':'FREQ=WEEKLY;BYDAY=MO,WE'", 1, NULL,
	  "2026-04-01T12:00:00Z", "2026-04-06" },
	/* this instance was moved, the schedule stays */
	{ "'due_date':'2026-04-01','recurrence':'weekly'", 3, "2026-04-17", "2026-04-15T12:00:00Z",
	  "2026-04-22" },
	/* month ends keep their anchor */
	{ "'due_date':'2026-01-31','recurrence':'monthly'", 1, NULL, "2026-01-31T12:00:00Z",
	  "2026-02-28" },
	{ "'due_date':'2026-01-31','recurrence':'monthly'", 2, "2026-02-28", "2026-02-28T12:00:00Z",
	  "2026-03-31" },
	{ "'due_date':'2026-01-31','recurrence':'monthly'", 3, "2026-03-31", "2026-03-31T12:00:00Z",
	  "2026-04-30" },
	{ "'due_date':'2026-01-31','recurrence_rule':'FREQ=MONTHLY'", 1, NULL,
	  "2026-01-31T12:00:00Z", "2026-03-31" },
	{ "'due_date':'2024-02-29','recurrence':'yearly'", 1, NULL, "2024-02-29T12:00:00Z",
	  "2025-02-28" },
	{ "'due_date':'2024-02-29','recurrence':'yearly'", 4, "2027-02-28", "2027-02-28T12:00:00Z",
	  "2028-02-29" },
	/* the clock's reading is kept over DST */
	{ "'due_date':'2026-03-28T02:30:00','time_zone':'Europe/Berlin','recurrence':'daily'", 1,
	  NULL, "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z" }, /* the gap: 03:30 */
	{ "'due_date':'2026-03-28T02:30:00','time_zone':'Europe/Berlin','recurrence':'daily'", 2,
	  "2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z" },
	{ "'due_date':'2026-10-24T02:30:00','time_zone':'Europe/Berlin','recurrence':'daily'", 1,
	  NULL, "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z" }, /* the first of two */
	{ "'due_date':'2026-10-24T02:30:00','time_zone':'Europe/Berlin','recurrence':'daily'", 2,
	  "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" },
	{ "'due_date':'2026-04-23','time_zone':'Africa/Cairo','recurrence':'daily'", 1, NULL,
	  "2026-04-23T12:00:00Z", "2026-04-24" },
	{ "'due_date':'2026-04-23','time_zone':'Africa/Cairo','recurrence':'daily'", 2,
	  "2026-04-24", "2026-04-24T12:00:00Z", "2026-04-25" },
	/* COUNT and UNTIL */
	{ "'due_date':'2026-04-01','recurrence_rule':'FREQ=DAILY;COUNT=3'", 2, "2026-04-02",
	  "2026-04-02T12:00:00Z", "2026-04-03" },
	{ "'due_date':'2026-04-01','recurrence_rule':'FREQ=DAILY;COUNT=3'", 3, "2026-04-03",
	  "2026-04-03T12:00:00Z", NULL },
	{ "'due_date':'2026-04-01','recurrence_rule':'FREQ=DAILY;COUNT=3'", 1, NULL,
	  "2026-04-03T12:00:00Z", NULL }, /* the dates between have passed */
	{ "'due_date':'2026-04-01','recurrence_rule':'FREQ=DAILY;UNTIL=20260402'", 1, NULL,
	  "2026-04-01T12:00:00Z", "2026-04-02" },
	{ "'due_date':'2026-04-01','recurrence_rule':'FREQ=DAILY;UNTIL=20260402'", 2, "2026-04-02",
	  "2026-04-02T12:00:00Z", NULL },
	/* the end: a day with all its hours, or an instant with itself */
	{ "'due_date':'2026-04-01','recurrence':'daily','recurrence_end_date':'2026-04-02'", 1,
	  NULL, "2026-04-01T12:00:00Z", "2026-04-02" },
	{ "'due_date':'2026-04-01','recurrence':'daily','recurrence_end_date':'2026-04-02'", 2,
	  "2026-04-02", "2026-04-02T12:00:00Z", NULL },
	{ "'due_date':'2026-04-01T23:59:00Z','recurrence':'daily','recurrence_end_date':'2026-04-02'",
	  1, NULL, "2026-04-01T12:00:00Z", "2026-04-02T23:59:00Z" },
	{ "'due_date':'2026-04-01T10:00:00Z','recurrence':'daily',"
	  "'recurrence_end_date':'2026-04-02T10:00:00Z'",
	  1, NULL, "2026-04-01T12:00:00Z", "2026-04-02T10:00:00Z" },
	{ "'due_date':'2026-04-01T10:00:00Z','recurrence':'daily',"
	  "'recurrence_end_date':'2026-04-02T09:59:59Z'",
	  1, NULL, "2026-04-01T12:00:00Z", NULL },
	{ "'due_date':'2026-04-01T23:00:00','time_zone':'America/New_York','recurrence':'daily',"
	  "'recurrence_end_date':'2026-04-02'",
	  1, NULL, "2026-04-01T12:00:00Z", "2026-04-03T03:00:00Z" },
	/* a day has no hours, nor has an instance that was made one */
	{ "'due_date':'2026-04-01','recurrence_rule':'FREQ=DAILY;BYHOUR=8,20'", 1, NULL,
	  "2026-03-30T12:00:00Z", "2026-04-02" },
	{ "'due_date':'2026-04-01T10:00:00Z','recurrence':'daily'", 2, "2026-04-05",
	  "2026-03-30T12:00:00Z", "2026-04-06" },
	{ "'due_date':'2026-04-01','recurrence_rule':'FREQ=DAILY;BYHOUR=23',"
	  "'recurrence_mode':'completion'",
	  1, NULL, "2026-04-03T12:00:00Z", "2026-04-04" },
	/* from when it was done */
	{ "'due_date':'2026-04-01','recurrence':'weekly','recurrence_mode':'completion'", 1, NULL,
	  "2026-04-03T12:00:00Z", "2026-04-10" },
	{ "'due_date':'2026-04-01','recurrence':'weekly','recurrence_mode':'completion'", 1, NULL,
	  "2026-03-20T12:00:00Z", "2026-03-27" },
	{ "'due_date':'2026-04-01T10:00:00Z','recurrence':'daily','recurrence_mode':'completion'",
	  1, NULL, "2026-04-05T08:00:00Z", "2026-04-06T10:00:00Z" },
	{ "'due_date':'2026-04-01T10:00:00Z','recurrence':'daily','recurrence_mode':'completion'",
	  1, NULL, "2026-04-05T12:00:00Z", "2026-04-06T10:00:00Z" },
	{ "'due_date':'2026-01-31','recurrence':'monthly','recurrence_mode':'completion'", 1, NULL,
	  "2026-02-03T12:00:00Z", "2026-03-03" },
	{ "'due_date':'2026-04-01','recurrence':'daily','recurrence_mode':'completion',"
	  "'time_zone':'Asia/Tokyo'",
	  1, NULL, "2026-04-05T15:30:00Z", "2026-04-07" },
	{ "'due_date':'2026-04-01','recurrence_rule':'FREQ=DAILY;COUNT=3',"
	  "'recurrence_mode':'completion'",
	  2, NULL, "2026-06-01T12:00:00Z", "2026-06-02" },
	{ "'due_date':'2026-04-01','recurrence_rule':'FREQ=DAILY;COUNT=3',"
	  "'recurrence_mode':'completion'",
	  3, NULL, "2026-04-01T12:00:00Z", NULL },
	{ "'due_date':'2026-04-01','recurrence':'weekly','recurrence_mode':'completion',"
	  "'recurrence_end_date':'2026-04-09'",
	  1, NULL, "2026-04-03T12:00:00Z", NULL },
	{ "'due_date':'2026-03-27T02:30:00','time_zone':'Europe/Berlin','recurrence':'daily',"
	  "'recurrence_mode':'completion'",
	  1, NULL, "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z" },
	/* no rule, no next; nor after the last year */
	{ "'due_date':'2026-04-01'", 0, NULL, "2026-04-01T12:00:00Z", NULL },
	{ "'due_date':'9998-06-01','recurrence':'yearly'", 2, "9999-06-01", "2026-04-01T12:00:00Z",
	  NULL },
};

START_TEST(next_due)
{
	const struct next_case *c = &NEXT[_i];
	struct task t = make(arena_printf(arena, "{'title':'a',%s}", c->body).p);
	struct task_date next = { .day = 42 };

	t.occurrence = c->occurrence;
	if (c->due != NULL)
		ck_assert_int_eq(task_date_parse(str_from(c->due), task_tz(&t), "f", &t.due, NULL),
				 0);
	ck_assert_msg(task_next_due(&t, at(c->done), at(c->done), &next) == (c->next != NULL), "%s",
		      c->body);
	if (c->next == NULL)
		ck_assert_int_eq(next.day, 42); /* untouched */
	else
		ck_assert_msg(str_eq(str_from(date_json(&next)),
				     str_from(arena_printf(arena, "\"%s\"", c->next).p)),
			      "%s done %s: %s, not %s", c->body, c->done, date_json(&next),
			      c->next);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("task_date");
	TCase *tc = tcase_create("task_date");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, task_setup, task_teardown);
	tcase_add_loop_test(tc, dates, 0, ARRAY_SIZE(DATES));
	tcase_add_test(tc, zones_of_tasks);
	tcase_add_loop_test(tc, next_due, 0, ARRAY_SIZE(NEXT));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
