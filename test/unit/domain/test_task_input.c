/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may send as a task, field by field, in every spelling. */
#include "test/unit/support/task_fixture.h"

struct accepted {
	const char *body, *title, *description; /* description NULL: none */
	enum task_priority priority;
	bool completed;
};

static const struct accepted ACCEPTED[] = {
	{ "{\"title\":\"a\"}", "a", NULL, TASK_MEDIUM, false },
	{ "{\"title\":\"\\f\\u00a0a\\u2003b\\u3000\\u0085\"}",
	  "a\xe2\x80\x83"
	  "b",
	  NULL, TASK_MEDIUM, false },
	{ "{\"title\":\"  a b \\n\"}", "a b", NULL, TASK_MEDIUM, false },
	{ "{\"title\":\"a\",\"description\":null,\"priority\":null,\"completed\":null}", "a", NULL,
	  TASK_MEDIUM, false },
	{ "{\"title\":\"a\",\"description\":\"\"}", "a", "", TASK_MEDIUM, false },
	{ "{\"title\":\"a\",\"description\":\" kept \"}", "a", " kept ", TASK_MEDIUM, false },
	{ "{\"title\":\"a\",\"priority\":\"low\"}", "a", NULL, TASK_LOW, false },
	{ "{\"title\":\"a\",\"priority\":\"high\"}", "a", NULL, TASK_HIGH, false },
	{ "{\"title\":\"a\",\"priority\":\"urgent\"}", "a", NULL, TASK_URGENT, false },
	{ "{\"title\":\"a\",\"priority\":\"critical\"}", "a", NULL, TASK_URGENT, false },
	{ "{\"title\":\"a\",\"priority\":\"normal\"}", "a", NULL, TASK_MEDIUM, false },
	{ "{\"title\":\"a\",\"completed\":true}", "a", NULL, TASK_MEDIUM, true },
	{ "{\"title\":\"a\",\"is_completed\":true}", "a", NULL, TASK_MEDIUM, true },
	{ "{\"title\":\"a\",\"status\":\"completed\"}", "a", NULL, TASK_MEDIUM, true },
	{ "{\"title\":\"a\",\"status\":\"pending\",\"completed\":false}", "a", NULL, TASK_MEDIUM,
	  false },
	{ "{\"title\":\"a\",\"id\":7,\"version\":9,\"user_id\":\"b\",\"color\":\"red\"}", "a", NULL,
	  TASK_MEDIUM, false },
};

START_TEST(create_accepts)
{
	const struct accepted *c = &ACCEPTED[_i];
	struct task t = merge_ok(NULL, c->body);

	ck_assert_msg(str_eq(t.title, str_from(c->title)), "%s", c->body);
	ck_assert_int_eq(t.description.p == NULL, c->description == NULL);
	ck_assert(str_eq(t.description, str_from(c->description)));
	ck_assert_int_eq(t.priority, c->priority);
	ck_assert_int_eq(t.completed, c->completed);
	ck_assert_int_eq(t.id, 7);
	ck_assert(str_eq(t.user_id, STR("anna")));
	ck_assert_int_eq(t.version, 0);
}
END_TEST

struct refused {
	const char *body;
	int status;
	const char *field;
};

static const struct refused REFUSED[] = {
	{ "", 400, "body" },
	{ "[]", 400, "body" },
	{ "{\"title\":\"a\"", 400, "body" },
	{ "{}", 422, "body.title" },
	{ "{\"title\":null}", 422, "body.title" },
	{ "{\"title\":\"\"}", 422, "body.title" },
	{ "{\"title\":\"\\f\\u000b\\u00a0\\u2028\"}", 422, "body.title" },
	{ "{\"title\":\" \\t\\r\\n \"}", 422, "body.title" },
	{ "{\"title\":7}", 422, "body.title" },
	{ "{\"title\":[\"a\"]}", 422, "body.title" },
	{ "{\"title\":\"a\",\"description\":7}", 422, "body.description" },
	{ "{\"title\":\"a\",\"priority\":\"Low\"}", 422, "body.priority" },
	{ "{\"title\":\"a\",\"priority\":\"\"}", 422, "body.priority" },
	{ "{\"title\":\"a\",\"priority\":2}", 422, "body.priority" },
	{ "{\"title\":\"a\",\"completed\":\"true\"}", 422, "body.completed" },
	{ "{\"title\":\"a\",\"completed\":1}", 422, "body.completed" },
	{ "{\"title\":\"a\",\"status\":\"done\"}", 422, "body.status" },
	{ "{\"title\":\"a\",\"completed\":true,\"is_completed\":false}", 422, "body.is_completed" },
	{ "{\"title\":\"a\",\"completed\":true,\"status\":\"pending\"}", 422, "body.status" },
	{ "{\"title\":\"a\",\"tags\":\"a\"}", 422, "body.tags" },
	{ "{\"title\":\"a\",\"tags\":[7]}", 422, "body.tags.0" },
	{ "{\"title\":\"a\",\"tags\":[\"a\",\"\"]}", 422, "body.tags.1" },
	{ "{\"title\":\"a\",\"tags\":[\"a\",\"b\\nc\"]}", 422, "body.tags.1" },
	{ "{\"title\":\"a\",\"tags\":[\"a\\u202eb\"]}", 422, "body.tags.0" },
	{ "{\"title\":\"a\",\"tags\":[{}]}", 422, "body.tags.0" },
	{ "{\"title\":\"a\",\"tags\":[{\"name\":null}]}", 422, "body.tags.0" },
	{ "{\"title\":\"a\",\"tags\":[{\"name\":7}]}", 422, "body.tags.0.name" },
	{ "{\"title\":\"a\",\"tags\":[\"a\",null]}", 422, "body.tags.1" },
	{ "{\"title\":\"a\",\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\",\"18\",\"19\",\"20\",\"21\"]}",
	  422, "body.tags" },
	{ "{\"title\":\"a\",\"due_date\":7}", 422, "body.due_date" },
	{ "{\"title\":\"a\",\"due_date\":\"\"}", 422, "body.due_date" },
	{ "{\"title\":\"a\",\"due_date\":\"tomorrow\"}", 422, "body.due_date" },
	{ "{\"title\":\"a\",\"due_date\":\"2026-02-30\"}", 422, "body.due_date" },
	{ "{\"title\":\"a\",\"due_date\":\"2026-02-29T10:00:00Z\"}", 422, "body.due_date" },
	{ "{\"title\":\"a\",\"due_date\":\"2026-3-1\"}", 422, "body.due_date" },
	{ "{\"title\":\"a\",\"due_date\":\"10000-01-01\"}", 422, "body.due_date" },
	{ "{\"title\":\"a\",\"due_date\":\"0000-12-31\"}", 422, "body.due_date" },
	{ "{\"title\":\"a\",\"due_date\":\"9999-12-31T23:00:00-05:00\"}", 422, "body.due_date" },
	{ "{\"title\":\"a\",\"due_date\":\"2026-03-01T24:00:00Z\"}", 422, "body.due_date" },
	{ "{\"title\":\"a\",\"due_at\":\"never\"}", 422, "body.due_at" },
	{ "{\"title\":\"a\",\"time_zone\":7}", 422, "body.time_zone" },
	{ "{\"title\":\"a\",\"time_zone\":\"\"}", 422, "body.time_zone" },
	{ "{\"title\":\"a\",\"time_zone\":\"Mars/Phobos\"}", 422, "body.time_zone" },
	{ "{\"title\":\"a\",\"time_zone\":\"../../etc/passwd\"}", 422, "body.time_zone" },
	{ "{\"title\":\"a\",\"time_zone\":\"+02:00\"}", 422, "body.time_zone" },
	{ "{\"title\":\"a\",\"reminders\":{}}", 422, "body.reminders" },
	{ "{\"title\":\"a\",\"reminders\":[\"2026-03-02T10:00:00Z\"]}", 422, "body.reminders.0" },
	{ "{\"title\":\"a\",\"reminders\":[{}]}", 422, "body.reminders.0" },
	{ "{\"title\":\"a\",\"due_date\":\"2026-04-01\",\"reminders\":[{\"offset_minutes\":5},{\"offset_minutes\":-1}]}",
	  422, "body.reminders.1.offset_minutes" },
	{ "{\"title\":\"a\",\"due_date\":\"2026-04-01\",\"reminders\":[{\"offset_minutes\":527041}]}",
	  422, "body.reminders.0.offset_minutes" },
	{ "{\"title\":\"a\",\"due_date\":\"2026-04-01\",\"reminders\":[{\"offset_minutes\":1.5}]}",
	  422, "body.reminders.0.offset_minutes" },
	{ "{\"title\":\"a\",\"reminders\":[{\"offset_minutes\":5}]}", 422,
	  "body.reminders.0.offset_minutes" },
	{ "{\"title\":\"a\",\"reminders\":[{\"remind_at\":\"soon\"}]}", 422,
	  "body.reminders.0.remind_at" },
	{ "{\"title\":\"a\",\"remind_at\":\"soon\"}", 422, "body.remind_at" },
	{ "{\"title\":\"a\",\"reminders\":[{\"remind_at\":\"2026-04-01\",\"channels\":[]}]}", 422,
	  "body.reminders.0.channels" },
	{ "{\"title\":\"a\",\"reminders\":[{\"remind_at\":\"2026-04-01\",\"channels\":[\"sms\"]}]}",
	  422, "body.reminders.0.channels" },
	{ "{\"title\":\"a\",\"reminders\":[{\"remind_at\":\"2026-04-01\",\"channels\":\"log\"}]}",
	  422, "body.reminders.0.channels" },
	{ "{\"title\":\"a\",\"recurrence\":\"hourly\"}", 422, "body.recurrence" },
	{ "{\"title\":\"a\",\"recurrence\":\"dayly\"}", 422, "body.recurrence" },
	{ "{\"title\":\"a\",\"recurrence\":7}", 422, "body.recurrence" },
	{ "{\"title\":\"a\",\"recurrence_type\":\"hourly\"}", 422, "body.recurrence_type" },
	{ "{\"title\":\"a\",\"recurrence_pattern\":\"hourly\"}", 422, "body.recurrence_pattern" },
	{ "{\"title\":\"a\",\"recurrence_pattern\":\"FREQ=HOURLY\"}", 422,
	  "body.recurrence_pattern" },
	{ "{\"title\":\"a\",\"recurrence\":\"daily\",\"recurrence_interval\":0}", 422,
	  "body.recurrence_interval" },
	{ "{\"title\":\"a\",\"recurrence\":\"daily\",\"recurrence_interval\":1001}", 422,
	  "body.recurrence_interval" },
	{ "{\"title\":\"a\",\"recurrence\":\"daily\",\"recurrence_interval\":\"2\"}", 422,
	  "body.recurrence_interval" },
	{ "{\"title\":\"a\",\"recurrence_rule\":\"\"}", 422, "body.recurrence_rule" },
	{ "{\"title\":\"a\",\"recurrence_rule\":\"FREQ=SECONDLY\"}", 422, "body.recurrence_rule" },
	{ "{\"title\":\"a\",\"recurrence_rule\":\"FREQ=DAILY;INTERVAL=1000000000\"}", 422,
	  "body.recurrence_rule" },
	{ "{\"title\":\"a\",\"recurrence_rule\":\"FREQ=DAILY;COUNT=2;UNTIL=20270101\"}", 422,
	  "body.recurrence_rule" },
	{ "{\"title\":\"a\",\"recurrence_rule\":\"FREQ=YEARLY;BYMONTHDAY=31;BYMONTH=2\"}", 422,
	  "body.recurrence_rule" },
	{ "{\"title\":\"a\",\"recurrence_rule\":\"FREQ=DAILY\",\"recurrence_mode\":\"sometimes\"}",
	  422, "body.recurrence_mode" },
	{ "{\"title\":\"a\",\"recurrence_mode\":1}", 422, "body.recurrence_mode" },
	{ "{\"title\":\"a\",\"recurrence_end_date\":\"2027-01-01\"}", 422,
	  "body.recurrence_end_date" },
	{ "{\"title\":\"a\",\"recurrence\":\"daily\",\"recurrence_end_date\":\"2027-02-29\"}", 422,
	  "body.recurrence_end_date" },
	{ "{\"title\":\"a\",\"recurrence\":\"daily\",\"recurrence_end\":\"x\"}", 422,
	  "body.recurrence_end" },
};

START_TEST(create_refuses)
{
	const struct refused *c = &REFUSED[_i];
	int status;

	merged.task.id = 42;
	status = merge(NULL, c->body);
	ck_assert_msg(status == c->status, "%s: %d", c->body, status);
	ck_assert_msg(str_starts(str_from(err.field), str_from(c->field)), "%s: %s", c->body,
		      err.field);
	ck_assert_msg(status == 400 || str_eq(str_from(err.field), str_from(c->field)), "%s: %s",
		      c->body, err.field);
	ck_assert_int_eq(merged.task.id, 42); /* untouched */
}
END_TEST

/* n times the character, as the title or description of a body. */
static const char *body_of(const char *field, const char *character, int n)
{
	struct buf b;

	buf_init(&b, 64 * 1024);
	buf_printf(&b, "{\"title\":\"t\",\"%s\":\"", field);
	if (str_eq(str_from(field), STR("title"))) {
		buf_clear(&b);
		buf_append_str(&b, STR("{\"title\":\""));
	}
	for (int i = 0; i < n; i++)
		buf_append_str(&b, str_from(character));
	buf_append_str(&b, STR("\"}"));
	struct str copy = arena_dup(arena, buf_str(&b));
	buf_done(&b);
	return copy.p;
}

/* Lengths are code points, whatever they take in UTF-8 or UTF-16. */
START_TEST(lengths_are_code_points)
{
	static const char *const CHARACTERS[] = {
		"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8d\x8e", "\\u00e9", "\\ud83c\\udf4e"
	};

	for (size_t i = 0; i < ARRAY_SIZE(CHARACTERS); i++) {
		const char *c = CHARACTERS[i];
		merge_ok(NULL, body_of("title", c, TASK_TITLE_MAX));
		merge_refused(NULL, body_of("title", c, TASK_TITLE_MAX + 1), "body.title");
		merge_ok(NULL, body_of("description", c, TASK_DESCRIPTION_MAX));
		merge_refused(NULL, body_of("description", c, TASK_DESCRIPTION_MAX + 1),
			      "body.description");
	}
}
END_TEST

static const struct {
	const char *body;
	int result; /* 0, or the status */
	bool set, completed;
} COMPLETE[] = {
	{ "", 0, false, false },
	{ " \r\n", 0, false, false },
	{ "{}", 0, false, false },
	{ "{\"completed\":null}", 0, false, false },
	{ "{\"completed\":true}", 0, true, true },
	{ "{\"completed\":false}", 0, true, false },
	{ "{\"is_completed\":true}", 0, true, true },
	{ "{\"status\":\"pending\"}", 0, true, false },
	{ "{\"completed\":\"yes\"}", 422, false, false },
	{ "[true]", 400, false, false },
	{ "true", 400, false, false },
};

START_TEST(complete_bodies)
{
	struct task_input in;

	err = (struct err){ 0 };
	int r = task_input_parse_complete(arena, str_from(COMPLETE[_i].body), &in, &err);
	ck_assert_msg(r == 0 ? COMPLETE[_i].result == 0
			     : err.kind->http_status == COMPLETE[_i].result,
		      "%s", COMPLETE[_i].body);
	if (r < 0)
		return;
	ck_assert_int_eq(in.completed.state == JSON_SET, COMPLETE[_i].set);
	ck_assert_int_eq(in.completed.v, COMPLETE[_i].completed);
}
END_TEST

/* Older spellings, and the newer one that says the same; a key outranks its older spelling. */
static const struct {
	const char *old_body, *new_body;
} SPELLINGS[] = {
	{ "{'title':'a','due_at':'2026-04-01T10:00:00Z'}",
	  "{'title':'a','due_date':'2026-04-01T10:00:00Z'}" },
	{ "{'title':'a','due_date':'2026-04-01','due_at':'never'}",
	  "{'title':'a','due_date':'2026-04-01'}" },
	{ "{'title':'a','due_date':null,'due_at':'2026-04-01'}", "{'title':'a'}" },
	{ "{'title':'a','recurrence_type':'weekly'}", "{'title':'a','recurrence':'weekly'}" },
	{ "{'title':'a','recurrence_pattern':'weekly'}", "{'title':'a','recurrence':'weekly'}" },
	{ "{'title':'a','recurrence_pattern':'FREQ=WEEKLY;BYDAY=MO,TU'}",
	  "{'title':'a','recurrence_rule':'FREQ=WEEKLY;BYDAY=MO,TU'}" },
	{ "{'title':'a','recurrence_type':'none'}", "{'title':'a'}" },
	{ "{'title':'a','recurrence':'none'}", "{'title':'a','recurrence':null}" },
	{ "{'title':'a','recurrence':'daily','recurrence_type':'hourly','recurrence_pattern':'x'}",
	  "{'title':'a','recurrence':'daily'}" },
	{ "{'title':'a','recurrence_type':'daily','recurrence_interval':3}",
	  "{'title':'a','recurrence_rule':'FREQ=DAILY;INTERVAL=3'}" },
	{ "{'title':'a','recurrence_interval':3}", "{'title':'a'}" },
	{ "{'title':'a','recurrence':'daily','recurrence_end':'2027-01-01'}",
	  "{'title':'a','recurrence':'daily','recurrence_end_date':'2027-01-01'}" },
	{ "{'title':'a','recurrence_rule':'rrule:byday=TU,MO;freq=weekly;interval=1'}",
	  "{'title':'a','recurrence_rule':'FREQ=WEEKLY;BYDAY=MO,TU'}" },
	{ "{'title':'a','tags':[{'name':'x'},{'name':' Y ','color':'red'}]}",
	  "{'title':'a','tags':['x','Y']}" },
	{ "{'title':'a','tags':['x','X','x ','\\u0058']}", "{'title':'a','tags':['x']}" },
	{ "{'title':'a','tags':['e\\u0301']}", "{'title':'a','tags':['\\u00e9']}" },
	{ "{'title':'a','tags':null}", "{'title':'a','tags':[]}" },
	{ "{'title':'a','remind_at':'2026-04-01T10:00:00Z'}",
	  "{'title':'a','reminders':[{'remind_at':'2026-04-01T10:00:00Z'}]}" },
	{ "{'title':'a','reminders':[],'remind_at':'2026-04-01T10:00:00Z'}", "{'title':'a'}" },
	{ "{'title':'a','remind_at':null}", "{'title':'a'}" },
	{ "{'title':'a','due_date':'2026-04-01','reminders':[{'offset_minutes':5,'remind_at':'x'}]}",
	  "{'title':'a','due_date':'2026-04-01','reminders':[{'offset_minutes':5}]}" },
};

static struct uuid same_uuid(void)
{
	return (struct uuid){ { 1 } };
}

START_TEST(older_spellings)
{
	context.new_id = same_uuid;
	struct task a = merge_ok(NULL, json(SPELLINGS[_i].old_body));
	struct task b = merge_ok(NULL, json(SPELLINGS[_i].new_body));

	ck_assert_str_eq(task_json(&a), task_json(&b));
}
END_TEST

static const struct {
	const char *body;
	bool wants;
} WANTS[] = {
	{ "{'title':'a','completed':true,'tags':['x'],'priority':'low'}", false },
	{ "{'due_date':null}", true },
	{ "{'due_date':'2026-04-01'}", true },
	{ "{'time_zone':null}", true },
	{ "{'reminders':null}", false },
	{ "{'reminders':[]}", true },
	{ "{'recurrence':'daily'}", true },
	{ "{'recurrence':null}", false },
	{ "{'recurrence_rule':'FREQ=DAILY'}", true },
	{ "{'recurrence_end_date':'2027-01-01'}", true },
};

/* Only what needs them costs the reading of preferences. */
START_TEST(wants_preferences)
{
	struct task_input in;

	for (size_t i = 0; i < ARRAY_SIZE(WANTS); i++) {
		ck_assert_int_eq(task_input_parse(arena, str_from(json(WANTS[i].body)), &in, NULL),
				 0);
		ck_assert_msg(task_input_wants_preferences(&in) == WANTS[i].wants, "%s",
			      WANTS[i].body);
	}
}
END_TEST

static const struct {
	const char *body;
	bool needs_time;
	const char *field; /* NULL: accepted */
} LONE[] = {
	{ "{'remind_at':'2026-04-01'}", true, NULL },
	{ "{'offset_minutes':0,'channels':['log','email']}", true, NULL },
	{ "{'offset_minutes':527040}", true, NULL },
	{ "{'channels':['log']}", false, NULL },
	{ "{}", false, NULL },
	{ "{}", true, "body" },
	{ "{'remind_at':null,'offset_minutes':null}", true, "body" },
	{ "{'remind_at':7}", true, "body.remind_at" },
	{ "{'offset_minutes':-1}", false, "body.offset_minutes" },
	{ "{'offset_minutes':0,'channels':['sms']}", true, "body.channels" },
	{ "[]", true, "body" },
	{ "", false, "body" },
};

START_TEST(lone_reminders)
{
	for (size_t i = 0; i < ARRAY_SIZE(LONE); i++) {
		struct reminder_input in = { .offset_minutes = 42 };

		err = (struct err){ 0 };
		int r = reminder_input_parse(arena, str_from(json(LONE[i].body)),
					     LONE[i].needs_time, &in, &err);
		ck_assert_msg((r == 0) == (LONE[i].field == NULL), "%s", LONE[i].body);
		ck_assert_ptr_null(in.id.p);
		if (r == 0)
			continue;
		ck_assert_msg(str_starts(str_from(err.field), str_from(LONE[i].field)), "%s: %s",
			      LONE[i].body, err.field);
		ck_assert_int_eq(in.offset_minutes, 42); /* untouched */
	}
}
END_TEST

/* Refused bodies leave what was there. */
START_TEST(failures_leave_the_result)
{
	struct task_input in = { .n_tags = 42 };

	ck_assert_int_lt(task_input_parse(arena, str_from(json("{'title':'a','tags':['b','']}")),
					  &in, NULL),
			 0);
	ck_assert_uint_eq(in.n_tags, 42);
	ck_assert_int_lt(
		task_input_parse_complete(arena, str_from(json("{'completed':7}")), &in, NULL), 0);
	ck_assert_uint_eq(in.n_tags, 42);
}
END_TEST

/* Every amount of memory: read, or 503; with enough of it, read. */
START_TEST(little_memory)
{
	const char *body = json(
		"{'title':'a','due_date':'2026-04-01','tags':['b','c'],'reminders':[{'offset_minutes':5},"
		"{'remind_at':'2026-04-01T10:00:00Z'}],'recurrence_rule':'FREQ=WEEKLY;BYDAY=MO'}");
	unsigned failed = 0;
	int r = -1;

	for (size_t bytes = 0; r < 0; bytes += 16) {
		struct arena *small = arena_new(bytes);
		struct task_input in;

		ck_assert_uint_lt(bytes, 64 * 1024);
		err = (struct err){ 0 };
		r = task_input_parse(small, str_from(body), &in, &err);
		if (r == 0)
			r = task_merge(small, &in, NULL, &context, &merged, &err);
		if (r < 0) {
			ck_assert_int_eq(r, -ENOMEM);
			ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
			failed++;
		}
		arena_free(small);
	}
	ck_assert_uint_gt(failed, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("task_input");
	TCase *tc = tcase_create("task_input");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, task_setup, task_teardown);
	tcase_add_loop_test(tc, create_accepts, 0, ARRAY_SIZE(ACCEPTED));
	tcase_add_loop_test(tc, create_refuses, 0, ARRAY_SIZE(REFUSED));
	tcase_add_test(tc, lengths_are_code_points);
	tcase_add_loop_test(tc, complete_bodies, 0, ARRAY_SIZE(COMPLETE));
	tcase_add_loop_test(tc, older_spellings, 0, ARRAY_SIZE(SPELLINGS));
	tcase_add_test(tc, wants_preferences);
	tcase_add_test(tc, lone_reminders);
	tcase_add_test(tc, failures_leave_the_result);
	tcase_add_test(tc, little_memory);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
