/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body over a task: what is absent stays, null clears, the rest replaces; dates in their zones;
 * tags as the user spells them; and a task sent back as it was shown changes nothing.
 */
#include "test/unit/support/task_fixture.h"

#define FULL                                                                                \
	"{'title':'Water','description':'both','priority':'high','tags':['home','Plants']," \
	"'due_date':'2026-04-01T10:00:00Z','time_zone':'Europe/Berlin',"                    \
	"'reminders':[{'offset_minutes':30}],'recurrence_rule':'FREQ=WEEKLY;BYDAY=MO,WE',"  \
	"'recurrence_mode':'completion','recurrence_end_date':'2026-12-31'}"

/* Each field over a task that has all of them: {before}, change, what it shows then. "" for what
 * it showed before. */
static const struct {
	const char *change, *shows;
} OVER_FULL[] = {
	{ "{}", "" },
	{ "{'unknown':7,'id':9,'version':9,'user_id':'b','created_at':'x','series_id':'x'}", "" },
	{ "{'title':'Wine'}", "'title':'Wine','description':'both'" },
	{ "{'title':' Water '}", "" },
	{ "{'description':null}", "'description':null" },
	{ "{'description':''}", "'description':''" },
	{ "{'priority':null}", "'priority':'medium'" },
	{ "{'priority':'critical'}", "'priority':'urgent'" },
	{ "{'completed':null}", "" },
	{ "{'completed':false}", "" },
	{ "{'status':'pending'}", "" },
	{ "{'completed':true}",
	  "'completed':true,'created_at':'2026-03-01T10:00:00Z','updated_at':'2026-03-01T10:00:00Z',"
	  "'status':'completed','completed_at':'2026-03-01T10:00:00Z'" },
	{ "{'tags':null}", "'tags':[]" },
	{ "{'tags':[]}", "'tags':[]" },
	{ "{'tags':['Plants','home']}", "'tags':['Plants','home']" },
	{ "{'tags':['home','Plants']}", "" },
	{ "{'due_date':'2026-04-01T12:00:00'}", "" }, /* the same, read in Berlin */
	{ "{'due_date':'2026-04-01T12:00:00+02:00'}", "" },
	{ "{'due_date':'2026-04-02'}", "'due_date':'2026-04-02','time_zone':'Europe/Berlin'" },
	{ "{'time_zone':'Europe/Berlin'}", "" },
	{ "{'time_zone':'UTC'}", "'due_date':'2026-04-01T10:00:00Z','time_zone':'UTC'" },
	{ "{'time_zone':null}", "'due_date':'2026-04-01T10:00:00Z','time_zone':'UTC'" },
	{ "{'reminders':null}", "'reminders':[]" },
	{ "{'reminders':[]}", "'reminders':[]" },
	{ "{'reminders':[{'offset_minutes':30}]}", "" },
	{ "{'remind_at':'2026-03-02T10:00:00Z'}",
	  "'remind_at':'2026-03-02T10:00:00Z','offset_minutes':null" },
	{ "{'recurrence_mode':null}", "'recurrence_mode':'due'" },
	{ "{'recurrence_mode':'completion'}", "" },
	{ "{'recurrence_end_date':null}", "'recurrence_end_date':null" },
	{ "{'recurrence_end_date':'2026-12-31'}", "" },
	{ "{'recurrence_end_date':'2026-12-31T00:00:00+01:00'}",
	  "'recurrence_end_date':'2026-12-30T23:00:00Z'" },
	{ "{'recurrence':null}", "" }, /* as it is shown: no word says this rule */
	{ "{'recurrence_rule':null}",
	  "'recurrence':null,'recurrence_rule':null,'recurrence_mode':null,"
	  "'recurrence_end_date':null,'series_id':null,'occurrence':null,'parent_task_id':null" },
	{ "{'recurrence_rule':'freq=weekly;byday=WE,MO;interval=1'}", "" },
	{ "{'recurrence_rule':null,'due_date':null}",
	  "'due_date':null,'time_zone':'Europe/Berlin'" },
	{ "{'recurrence_rule':null,'due_date':null,'time_zone':null}",
	  "'due_date':null,'time_zone':null,'reminders':[]" },
	{ "{'recurrence':'daily'}", "'recurrence':'daily','recurrence_rule':'FREQ=DAILY'" },
	{ "{'recurrence':'daily','recurrence_rule':'FREQ=WEEKLY;BYDAY=MO,WE'}",
	  "'recurrence_rule':'FREQ=DAILY'" },
	{ "{'recurrence':null,'recurrence_rule':'FREQ=DAILY;COUNT=3'}",
	  "'recurrence_rule':'FREQ=DAILY;COUNT=3'" },
};

START_TEST(over_a_full_task)
{
	struct task before = make(FULL);
	const char *change = OVER_FULL[_i].change, *shows = OVER_FULL[_i].shows;
	struct task after = merge_ok(&before, change);

	ck_assert_msg(merged.is_changed == (*shows != '\0'), "%s: %s", change, task_json(&after));
	if (*shows == '\0') {
		ck_assert_str_eq(task_json(&before), task_json(&after));
		ck_assert_int_eq(after.version, 1);
		return;
	}
	json_has(&after, shows);
	ck_assert_int_eq(after.version, 2);
	ck_assert_int_eq(after.id, before.id);
	ck_assert_int_eq(after.created_at_us, before.created_at_us);
}
END_TEST

/* The same over a task that has nothing but a title. */
static const struct {
	const char *change, *shows;
} OVER_BARE[] = {
	{ "{'description':null,'priority':null,'completed':null,'tags':null,'due_date':null,"
	  "'time_zone':null,'reminders':null,'recurrence':null,'recurrence_rule':null,"
	  "'recurrence_mode':null,'recurrence_end_date':null,'remind_at':null}",
	  "" },
	{ "{'recurrence_mode':'completion'}", "" }, /* of no rule */
	{ "{'recurrence_interval':4}", "" },
	{ "{'description':''}", "'description':''" },
	{ "{'due_date':'2026-04-01'}", "'due_date':'2026-04-01','time_zone':'UTC'" },
	{ "{'time_zone':'Asia/Tokyo'}", "'due_date':null,'time_zone':'Asia/Tokyo'" },
	{ "{'due_date':'2026-04-01T10:00','time_zone':'Asia/Tokyo'}", NULL },
	{ "{'due_date':'2026-04-01T10:00:00','time_zone':'Asia/Tokyo'}",
	  "'due_date':'2026-04-01T01:00:00Z','time_zone':'Asia/Tokyo'" },
	{ "{'due_date':'2026-04-01t10:00:00.25z'}", "'due_date':'2026-04-01T10:00:00.250000Z'" },
	{ "{'recurrence':'monthly','recurrence_interval':2}",
	  "'recurrence':null,'recurrence_rule':'FREQ=MONTHLY;INTERVAL=2;RSCALE=GREGORIAN;SKIP=BACKWARD'" },
};

START_TEST(over_a_bare_task)
{
	struct task before = make("{'title':'a'}");
	const char *change = OVER_BARE[_i].change, *shows = OVER_BARE[_i].shows;

	if (shows == NULL) {
		merge_refused(&before, change, "body.due_date");
		return;
	}
	struct task after = merge_ok(&before, change);
	ck_assert_msg(merged.is_changed == (*shows != '\0'), "%s: %s", change, task_json(&after));
	json_has(&after, shows);
}
END_TEST

/* What is refused over a task that recurs leaves the result as it was. */
static const struct {
	const char *change, *field;
} REFUSED[] = {
	{ "{'title':null}", "body.title" },
	{ "{'due_date':null}", "body.due_date" },
	{ "{'due_at':null}", "body.due_at" },
	{ "{'due_date':null,'recurrence_rule':'FREQ=DAILY'}", "body.due_date" },
	{ "{'recurrence':'daily','recurrence_rule':'FREQ=MONTHLY'}", "body.recurrence_rule" },
	{ "{'recurrence_end_date':'2026-03-31'}", "body.recurrence_end_date" },
	{ "{'recurrence_end_date':'2026-04-01T09:59:59Z'}", "body.recurrence_end_date" },
	{ "{'recurrence_rule':null,'recurrence_end_date':'2027-01-01'}",
	  "body.recurrence_end_date" },
	{ "{'recurrence_rule':'FREQ=DAILY;UNTIL=20260301'}", "body.recurrence_rule" },
	{ "{'recurrence_rule':'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30'}", "body.recurrence_rule" },
	{ "{'time_zone':'Nowhere'}", "body.time_zone" },
};

START_TEST(refused_over_a_full_task)
{
	struct task before = make(FULL);

	merged = (struct task_merge){ .n_new_tags = 42 };
	merge_refused(&before, REFUSED[_i].change, REFUSED[_i].field);
	ck_assert_uint_eq(merged.n_new_tags, 42);
}
END_TEST

/* ---- echoes ---- */

static const char *const SHAPES[] = {
	"{'title':'a'}",
	FULL,
	"{'title':'\u00e9\U0001f34e','description':''}",
	"{'title':'a','completed':true,'tags':['x']}",
	"{'title':'a','due_date':'2026-04-01'}",
	"{'title':'a','due_date':'2026-03-29','time_zone':'Europe/Berlin','reminders':["
	"{'offset_minutes':0},{'offset_minutes':0},{'offset_minutes':1440,'channels':['email']}]}",
	"{'title':'a','due_date':'2026-03-29T02:30:00','time_zone':'Europe/Berlin'}",
	"{'title':'a','due_date':'2026-10-25T02:30:00','time_zone':'Europe/Berlin'}",
	"{'title':'a','due_date':'2026-10-25T01:30:00.000001Z','time_zone':'Europe/Berlin'}",
	"{'title':'a','due_date':'2026-04-24','time_zone':'Africa/Cairo','recurrence':'daily'}",
	"{'title':'a','due_date':'2026-04-01T10:00:00Z','reminders':[{'offset_minutes':5},"
	"{'offset_minutes':5,'channels':['log']},{'remind_at':'2026-03-15T08:00:00Z'},"
	"{'remind_at':'2026-01-01'},{'remind_at':'2026-03-15T08:00:00Z'}]}",
	"{'title':'a','recurrence':'daily'}",
	"{'title':'a','recurrence':'weekly','recurrence_mode':'completion'}",
	"{'title':'a','recurrence':'monthly','due_date':'2026-03-31'}",
	"{'title':'a','recurrence':'yearly','recurrence_end_date':'2036-02-29'}",
	"{'title':'a','recurrence':'daily','recurrence_interval':3}",
	"{'title':'a','recurrence_rule':'FREQ=MONTHLY;BYDAY=-1FR;COUNT=7'}",
	"{'title':'a','recurrence_rule':'FREQ=DAILY;UNTIL=20270101T000000Z','time_zone':'Asia/Tokyo'}",
	"{'title':'a','recurrence':'daily','completed':true,'time_zone':'America/New_York'}",
	"{'title':'a','time_zone':'Asia/Tokyo','remind_at':'2026-04-01T09:00:00'}",
};

/* Stored, fetched and sent back whole, as old clients save a form; whatever the user's zone. */
START_TEST(an_echo_changes_nothing)
{
	static const char *const ZONES[] = { "UTC", "Europe/Berlin", "Pacific/Kiritimati" };

	for (size_t z = 0; z < ARRAY_SIZE(ZONES); z++) {
		preferences.time_zone = str_from(ZONES[z]);
		preferences.default_reminder_offset_minutes = 15;
		struct task before = make(SHAPES[_i]);
		const char *shown = task_json(&before);
		preferences.time_zone = STR("America/St_Johns"); /* he moved */
		preferences.default_reminder_offset_minutes = 60;
		context.now_us += INT64_C(3600000000);
		struct task after = merge_ok(&before, shown);
		ck_assert_str_eq(task_json(&after), shown);
		ck_assert(!merged.is_changed);
		ck_assert_int_eq(after.due.at_us, before.due.at_us);
		ck_assert_int_eq(after.overdue_at_us, before.overdue_at_us);
		ck_assert_int_eq(after.series_start_s, before.series_start_s);
	}
}
END_TEST

/* The same body a second time, without any id in it: the same task. */
START_TEST(a_repeated_put_changes_nothing)
{
	struct task before = make(SHAPES[_i]);
	struct task after = merge_ok(&before, SHAPES[_i]);

	ck_assert_str_eq(task_json(&after), task_json(&before));
	ck_assert(!merged.is_changed);
}
END_TEST

/* ---- zones ---- */

static const struct {
	const char *user_zone, *body, *due, *overdue;
} DATES[] = {
	{ "UTC", "{'title':'a','due_date':'2026-04-01'}", "2026-04-01T00:00:00Z",
	  "2026-04-02T00:00:00Z" },
	{ "Asia/Tokyo", "{'title':'a','due_date':'2026-04-01'}", "2026-03-31T15:00:00Z",
	  "2026-04-01T15:00:00Z" },
	{ "Asia/Tokyo", "{'title':'a','due_date':'2026-04-01','time_zone':'UTC'}",
	  "2026-04-01T00:00:00Z", "2026-04-02T00:00:00Z" },
	{ "Asia/Tokyo", "{'title':'a','due_date':'2026-04-01T09:00:00'}", "2026-04-01T00:00:00Z",
	  "2026-04-01T00:00:00Z" },
	{ "Asia/Tokyo", "{'title':'a','due_date':'2026-04-01T09:00:00Z'}", "2026-04-01T09:00:00Z",
	  "2026-04-01T09:00:00Z" },
	/* days of 23 and of 25 hours */
	{ "Europe/Berlin", "{'title':'a','due_date':'2026-03-29'}", "2026-03-28T23:00:00Z",
	  "2026-03-29T22:00:00Z" },
	{ "Europe/Berlin", "{'title':'a','due_date':'2026-10-25'}", "2026-10-24T22:00:00Z",
	  "2026-10-25T23:00:00Z" },
	/* a reading that does not exist moves forward, one that comes twice is the first */
	{ "Europe/Berlin", "{'title':'a','due_date':'2026-03-29T02:30:00'}", "2026-03-29T01:30:00Z",
	  "2026-03-29T01:30:00Z" },
	{ "Europe/Berlin", "{'title':'a','due_date':'2026-10-25T02:30:00'}", "2026-10-25T00:30:00Z",
	  "2026-10-25T00:30:00Z" },
	/* midnight itself is in the gap: the day begins at 01:00, the one before ends then */
	{ "Africa/Cairo", "{'title':'a','due_date':'2026-04-24'}", "2026-04-23T22:00:00Z",
	  "2026-04-24T21:00:00Z" },
	{ "Africa/Cairo", "{'title':'a','due_date':'2026-04-23'}", "2026-04-22T22:00:00Z",
	  "2026-04-23T22:00:00Z" },
	{ "UTC", "{'title':'a','due_date':'0001-01-01'}", "0001-01-01T00:00:00Z",
	  "0001-01-02T00:00:00Z" },
	{ "UTC", "{'title':'a','due_date':'9999-12-29'}", "9999-12-29T00:00:00Z",
	  "9999-12-30T00:00:00Z" },
};

START_TEST(dates_in_zones)
{
	preferences.time_zone = str_from(DATES[_i].user_zone);
	struct task t = make(DATES[_i].body);

	ck_assert_int_eq(t.due.at_us, at(DATES[_i].due));
	ck_assert_int_eq(t.overdue_at_us, at(DATES[_i].overdue));
	ck_assert_ptr_nonnull(t.time_zone.p);
}
END_TEST

/* A day stays that day, an instant that instant. */
START_TEST(another_zone)
{
	struct task day = make("{'title':'a','due_date':'2026-04-01'}");
	struct task instant = make("{'title':'a','due_date':'2026-04-01T00:00:00Z'}");
	struct task t = merge_ok(&day, "{'time_zone':'Asia/Tokyo'}");

	ck_assert_int_eq(t.due.at_us, at("2026-03-31T15:00:00Z"));
	ck_assert_int_eq(t.overdue_at_us, at("2026-04-01T15:00:00Z"));
	json_has(&t, "'due_date':'2026-04-01','time_zone':'Asia/Tokyo'");
	t = merge_ok(&instant, "{'time_zone':'Asia/Tokyo'}");
	ck_assert_int_eq(t.due.at_us, instant.due.at_us);
	/* Null is the user's zone, as long as there is a date. */
	preferences.time_zone = STR("America/New_York");
	t = merge_ok(&day, "{'time_zone':null}");
	json_has(&t, "'due_date':'2026-04-01','time_zone':'America/New_York'");
	ck_assert_int_eq(t.due.at_us, at("2026-04-01T04:00:00Z"));
	t = merge_ok(&day, "{'time_zone':null,'due_date':null}");
	json_has(&t, "'due_date':null,'time_zone':null");
	ck_assert_int_eq(t.overdue_at_us, 0);
	/* The zone that is kept, not the user's, is the one of a new date. */
	t = merge_ok(&day, "{'due_date':'2026-04-02T00:00:00'}");
	ck_assert_int_eq(t.due.at_us, at("2026-04-02T00:00:00Z"));
}
END_TEST

/* ---- tags ---- */

START_TEST(tags_are_spelled_as_known)
{
	static const struct tag_name KNOWN[] = {
		{ STR_INIT("Home"), STR_INIT("home") },
		{ STR_INIT("Stra\xc3\x9f"
			   "e"),
		  STR_INIT("strasse") },
	};

	context.known_tags = KNOWN;
	context.n_known_tags = ARRAY_SIZE(KNOWN);
	struct task t = make("{'title':'a','tags':['new','HOME','STRASSE','New','Other']}");
	json_has(&t, "'tags':['new','Home','Stra\xc3\x9f"
		     "e','Other']");
	ck_assert_uint_eq(merged.n_new_tags, 2);
	ck_assert(str_eq(merged.new_tags[0].key, STR("new")));
	ck_assert(str_eq(merged.new_tags[1].name, STR("Other")));
	ck_assert(str_eq(merged.new_tags[1].key, STR("other")));
	merge_ok(&t, "{'title':'b'}");
	ck_assert_uint_eq(merged.n_new_tags, 0);
	t = merge_ok(&t, "{'tags':['home']}");
	ck_assert_uint_eq(merged.n_new_tags, 0);
	json_has(&t, "'tags':['Home']");
}
END_TEST

/* ---- completed ---- */

START_TEST(done_and_not)
{
	struct task open = make("{'title':'a'}"), done, later;

	context.now_us = at("2026-03-02T00:00:00Z");
	done = merge_ok(&open, "{'completed':true}");
	ck_assert_int_eq(done.completed_at_us, context.now_us);
	ck_assert_int_eq(done.updated_at_us, context.now_us);
	context.now_us = at("2026-03-03T00:00:00Z");
	later = merge_ok(&done, "{'completed':true,'title':'b'}");
	ck_assert_int_eq(later.completed_at_us, done.completed_at_us);
	ck_assert_int_eq(later.updated_at_us, context.now_us);
	ck_assert_int_eq(later.version, 3);
	later = merge_ok(&done, "{'status':'pending'}");
	ck_assert_int_eq(later.completed_at_us, 0);
	ck_assert(!later.completed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("task_merge");
	TCase *tc = tcase_create("task_merge");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, task_setup, task_teardown);
	tcase_add_loop_test(tc, over_a_full_task, 0, ARRAY_SIZE(OVER_FULL));
	tcase_add_loop_test(tc, over_a_bare_task, 0, ARRAY_SIZE(OVER_BARE));
	tcase_add_loop_test(tc, refused_over_a_full_task, 0, ARRAY_SIZE(REFUSED));
	tcase_add_loop_test(tc, an_echo_changes_nothing, 0, ARRAY_SIZE(SHAPES));
	tcase_add_loop_test(tc, a_repeated_put_changes_nothing, 0, ARRAY_SIZE(SHAPES));
	tcase_add_loop_test(tc, dates_in_zones, 0, ARRAY_SIZE(DATES));
	tcase_add_test(tc, another_zone);
	tcase_add_test(tc, tags_are_spelled_as_known);
	tcase_add_test(tc, done_and_not);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
