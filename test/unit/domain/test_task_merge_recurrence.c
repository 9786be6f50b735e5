/* SPDX-License-Identifier: Apache-2.0 */
/* When a task begins to recur, when its series is a new one, and where a series begins. */
#include "test/unit/support/task_fixture.h"

/* A rule without a date begins today, or on the first day from today on that it names. */
static const struct {
	const char *now, *zone, *recurrence, *due;
} FIRST[] = {
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence':'daily'", "2026-03-01" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence':'monthly'", "2026-03-01" },
	{ "2026-03-01T10:00:00Z", "Pacific/Kiritimati", "'recurrence':'daily'", "2026-03-02" },
	{ "2026-03-01T10:00:00Z", "Pacific/Pago_Pago", "'recurrence':'daily'", "2026-02-28" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=WEEKLY;BYDAY=SU'", "2026-03-01" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=WEEKLY;BYDAY=MO,TU'",
	  "2026-03-02" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=WEEKLY;BYDAY=SA'", "2026-03-07" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=WEEKLY;INTERVAL=5;BYDAY=SA'",
	  "2026-03-07" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=WEEKLY;BYDAY=SA;COUNT=1'",
	  "2026-03-07" },
	/* yesterday's morning is not ahead */
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=WEEKLY;BYDAY=SA;BYHOUR=8'",
	  "2026-03-07" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=WEEKLY;BYDAY=SU;BYHOUR=8'",
	  "2026-03-01" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=MONTHLY;BYMONTHDAY=-1'",
	  "2026-03-31" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=MONTHLY;BYDAY=1MO'",
	  "2026-03-02" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29'",
	  "2028-02-29" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=YEARLY;BYYEARDAY=59'",
	  "2027-02-28" },
	{ "2026-03-01T10:00:00Z", "UTC", "'recurrence_rule':'FREQ=YEARLY;BYWEEKNO=10;BYDAY=MO'",
	  "2026-03-02" },
	/* today begins at 01:00 */
	{ "2026-04-24T10:00:00Z", "Africa/Cairo", "'recurrence_rule':'FREQ=WEEKLY;BYDAY=FR'",
	  "2026-04-24" },
};

START_TEST(begins_by_itself)
{
	context.now_us = at(FIRST[_i].now);
	preferences.time_zone = str_from(FIRST[_i].zone);
	struct str body = arena_printf(arena, "{'title':'a',%s}", FIRST[_i].recurrence);
	struct task t = make(body.p);

	ck_assert_msg(str_eq(str_from(date_json(&t.due)),
			     str_from(arena_printf(arena, "\"%s\"", FIRST[_i].due).p)),
		      "%s: %s", FIRST[_i].recurrence, date_json(&t.due));
	ck_assert_int_eq(t.series_start_s, t.due.day * TIME_S_PER_DAY);
	ck_assert_int_eq(t.occurrence, 1);
	ck_assert(str_eq(t.time_zone, str_from(FIRST[_i].zone)));
}
END_TEST

/* The start is a reading of the task's clock. */
START_TEST(starts_at_the_due_date)
{
	struct task t = make(
		"{'title':'a','due_date':'2026-04-01T10:00:00Z','time_zone':'Asia/Tokyo','recurrence':'daily'}");

	ck_assert_int_eq(t.series_start_s, at("2026-04-01T19:00:00Z") / TIME_US_PER_S);
	ck_assert_int_eq(t.occurrence, 1);
	ck_assert_int_ne(t.series_id.bytes[6], 0);
	/* A task becomes one that recurs: at the date it has. */
	struct task plain = make("{'title':'a','due_date':'2026-04-03','time_zone':'Asia/Tokyo'}");
	ck_assert_int_eq(plain.occurrence, 0);
	t = merge_ok(&plain, "{'recurrence':'weekly'}");
	json_has(&t, "'due_date':'2026-04-03'");
	ck_assert_int_eq(t.series_start_s, at("2026-04-03T00:00:00Z") / TIME_US_PER_S);
	ck_assert_int_eq(t.occurrence, 1);
}
END_TEST

#define SERIES                                                                        \
	"{'title':'a','due_date':'2026-04-01T10:00:00Z','time_zone':'Europe/Berlin'," \
	"'recurrence_rule':'FREQ=WEEKLY;BYDAY=WE','recurrence_end_date':'2026-12-31'}"

/* Over a later instance of a series: is it a new series, and where does it begin? */
static const struct {
	const char *change;
	bool is_new;
	const char *start; /* NULL: as before */
} LATER[] = {
	{ "{'title':'b'}", false, NULL },
	{ "{'completed':true}", false, NULL },
	{ "{'recurrence_rule':'FREQ=WEEKLY;BYDAY=WE'}", false, NULL },
	{ "{'recurrence_rule':'byday=WE;freq=weekly'}", false, NULL },
	{ "{'recurrence_end_date':'2027-12-31'}", false, NULL },
	{ "{'recurrence_end_date':null}", false, NULL },
	{ "{'due_date':'2026-05-07T10:00:00Z'}", false, NULL }, /* this instance only */
	{ "{'due_date':'2026-05-07'}", false, NULL },
	{ "{'recurrence_rule':'FREQ=WEEKLY;BYDAY=TH'}", true, "2026-05-06T12:00:00Z" },
	{ "{'recurrence':'weekly'}", true, "2026-05-06T12:00:00Z" },
	{ "{'recurrence_mode':'completion'}", true, "2026-05-06T12:00:00Z" },
	{ "{'recurrence_mode':'due'}", false, NULL },
	{ "{'time_zone':'Asia/Tokyo'}", true, "2026-05-06T19:00:00Z" },
	{ "{'time_zone':'Europe/Berlin'}", false, NULL },
	{ "{'time_zone':null}", false, NULL }, /* the user's is the same */
	{ "{'recurrence_rule':'FREQ=DAILY','due_date':'2026-06-01'}", true,
	  "2026-06-01T00:00:00Z" },
};

START_TEST(new_series_or_the_same)
{
	preferences.time_zone = STR("Europe/Berlin");
	struct task before = make(SERIES);

	before.occurrence = 6;
	before.parent_task_id = 3;
	before.due.at_us = before.overdue_at_us = at("2026-05-06T10:00:00Z");
	struct task after = merge_ok(&before, LATER[_i].change);
	bool same_id = memcmp(&before.series_id, &after.series_id, sizeof(after.series_id)) == 0;
	ck_assert_msg(same_id != LATER[_i].is_new, "%s", LATER[_i].change);
	ck_assert_int_eq(after.occurrence, LATER[_i].is_new ? 1 : 6);
	ck_assert_int_eq(after.series_start_s, LATER[_i].start != NULL
						       ? at(LATER[_i].start) / TIME_US_PER_S
						       : before.series_start_s);
}
END_TEST

/* The first instance takes its series along. */
START_TEST(a_series_moves_with_its_first)
{
	struct task first = make(SERIES);
	struct task t = merge_ok(&first, "{'due_date':'2026-04-02T08:00:00Z'}");

	ck_assert_mem_eq(&t.series_id, &first.series_id, sizeof(t.series_id));
	ck_assert_int_eq(t.series_start_s, at("2026-04-02T10:00:00Z") / TIME_US_PER_S);
	t = merge_ok(&first, "{'due_date':'2026-04-02'}");
	ck_assert_int_eq(t.series_start_s, at("2026-04-02T00:00:00Z") / TIME_US_PER_S);
	ck_assert_int_eq(t.occurrence, 1);
	t = merge_ok(&first, "{'title':'b'}");
	ck_assert_int_eq(t.series_start_s, first.series_start_s);
	/* Another zone: the instant stays, its reading does not. */
	t = merge_ok(&first, "{'time_zone':'UTC'}");
	ck_assert_int_eq(t.series_start_s, at("2026-04-01T10:00:00Z") / TIME_US_PER_S);
	ck_assert_int_eq(t.due.at_us, first.due.at_us);
}
END_TEST

START_TEST(recurs_no_more)
{
	struct task before = make(SERIES), t;

	before.occurrence = 2;
	before.parent_task_id = 3;
	t = merge_ok(&before, "{'recurrence_rule':null}");
	json_has(&t, "'due_date':'2026-04-01T10:00:00Z'");
	json_has(
		&t,
		"'recurrence_end_date':null,'series_id':null,'occurrence':null,'parent_task_id':3");
	ck_assert_int_eq(t.series_start_s, 0);
	/* Null for the word is null for the rule only where the word was shown. */
	before = make("{'title':'a','recurrence':'weekly'}");
	t = merge_ok(&before, "{'recurrence':null}");
	ck_assert_ptr_null(t.recurrence_rule.p);
	t = merge_ok(&before, "{'recurrence':'none'}");
	ck_assert_ptr_null(t.recurrence_rule.p);
	t = merge_ok(&before, "{'recurrence':null,'recurrence_rule':'FREQ=WEEKLY'}");
	ck_assert_ptr_null(t.recurrence_rule.p); /* the rule is as it came, the word is not */
	t = merge_ok(&before, "{'recurrence':'weekly','recurrence_rule':null}");
	ck_assert_ptr_null(t.recurrence_rule.p);
	/* Again, later: another series. */
	struct task again = merge_ok(&t, "{'recurrence':'weekly'}");
	ck_assert_mem_ne(&again.series_id, &before.series_id, sizeof(again.series_id));
}
END_TEST

/* Which of two ways to say it counts. */
static const struct {
	const char *body, *rule; /* NULL: refused */
} BOTH[] = {
	{ "'recurrence':'daily','recurrence_rule':'FREQ=DAILY'", "FREQ=DAILY" },
	{ "'recurrence':'daily','recurrence_rule':'FREQ=WEEKLY'", NULL },
	{ "'recurrence':'daily','recurrence_rule':null", "FREQ=DAILY" },
	{ "'recurrence':null,'recurrence_rule':'FREQ=WEEKLY'", "FREQ=WEEKLY" },
	{ "'recurrence':'none','recurrence_rule':'FREQ=WEEKLY'", "FREQ=WEEKLY" },
	{ "'recurrence_type':'daily','recurrence_pattern':'FREQ=WEEKLY'", NULL },
	{ "'recurrence':'daily','recurrence_interval':2,'recurrence_rule':'FREQ=DAILY;INTERVAL=2'",
	  "FREQ=DAILY;INTERVAL=2" },
	{ "'recurrence':'daily','recurrence_interval':2,'recurrence_rule':'FREQ=DAILY'", NULL },
};

START_TEST(word_and_rule)
{
	const char *body = arena_printf(arena, "{'title':'a',%s}", BOTH[_i].body).p;

	if (BOTH[_i].rule == NULL) {
		ck_assert_msg(merge(NULL, body) == 422, "%s", body);
		ck_assert_str_eq(err.text, "contradicts recurrence");
		return;
	}
	struct task t = make(body);
	ck_assert_msg(str_eq(t.recurrence_rule, str_from(BOTH[_i].rule)), "%s: %.*s", body,
		      STR_ARGS(t.recurrence_rule));
}
END_TEST

/* The end against the due date; of a day, all of it counts, also its 25th hour. */
static const struct {
	const char *due, *end;
	bool fits;
} ENDS[] = {
	{ "2026-04-01", "2026-04-01", true },
	{ "2026-04-01", "2026-03-31", false },
	{ "2026-04-01", "2026-04-01T00:00:00", true },
	{ "2026-04-01", "2026-03-31T23:59:59", false },
	{ "2026-04-01T23:59:59", "2026-04-01", true },
	{ "2026-04-01T10:00:00", "2026-04-01T10:00:00", true },
	{ "2026-04-01T10:00:00", "2026-04-01T09:59:59", false },
	{ "2026-10-25T23:30:00", "2026-10-25", true },
	{ "2026-10-26T00:00:00", "2026-10-25", false },
	{ "2026-03-30T00:00:00", "2026-03-29", false }, /* a day of 23 hours */
};

START_TEST(ends)
{
	preferences.time_zone = STR("Europe/Berlin");
	const char *body =
		arena_printf(
			arena,
			"{'title':'a','recurrence':'daily','due_date':'%s','recurrence_end_date':'%s'}",
			ENDS[_i].due, ENDS[_i].end)
			.p;

	if (ENDS[_i].fits)
		merge_ok(NULL, body);
	else
		merge_refused(NULL, body, "body.recurrence_end_date");
}
END_TEST

/* Of what is not sent the due date is to blame, if anything. */
START_TEST(the_field_to_blame)
{
	struct task t = make(
		"{'title':'a','due_date':'2026-04-01','recurrence_rule':'FREQ=DAILY;UNTIL=20260501'}");

	merge_refused(&t, "{'due_date':'2026-05-02'}", "body.due_date");
	t.occurrence = 2;
	merge_ok(&t, "{'due_date':'2026-05-02'}");
	merge_refused(
		NULL,
		"{'title':'a','due_date':'2026-04-01','recurrence_pattern':'FREQ=DAILY;UNTIL=20260301'}",
		"body.recurrence_pattern");
	merge_refused(NULL, "{'title':'a','due_date':'9999-12-20','recurrence':'fortnightly'}",
		      "body.recurrence");
}
END_TEST

/* An end that is a day is one in the task's zone, wherever that is. */
START_TEST(the_end_in_another_zone)
{
	struct task t = make(SERIES), moved;

	ck_assert_int_eq(t.recurrence_end.at_us, at("2026-12-30T23:00:00Z"));
	moved = merge_ok(&t, "{'time_zone':'Asia/Tokyo'}");
	json_has(&moved, "'recurrence_end_date':'2026-12-31'");
	ck_assert_int_eq(moved.recurrence_end.at_us, at("2026-12-30T15:00:00Z"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("task_merge_recurrence");
	TCase *tc = tcase_create("task_merge_recurrence");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, task_setup, task_teardown);
	tcase_add_loop_test(tc, begins_by_itself, 0, ARRAY_SIZE(FIRST));
	tcase_add_test(tc, starts_at_the_due_date);
	tcase_add_loop_test(tc, new_series_or_the_same, 0, ARRAY_SIZE(LATER));
	tcase_add_test(tc, a_series_moves_with_its_first);
	tcase_add_test(tc, recurs_no_more);
	tcase_add_loop_test(tc, word_and_rule, 0, ARRAY_SIZE(BOTH));
	tcase_add_loop_test(tc, ends, 0, ARRAY_SIZE(ENDS));
	tcase_add_test(tc, the_field_to_blame);
	tcase_add_test(tc, the_end_in_another_zone);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
