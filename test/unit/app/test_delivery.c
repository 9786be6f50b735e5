/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of an event that was delivered: ours, older ones, and those that nobody may send. */
#include "app/delivery.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct arena *arena;
static struct err err;

static void setup(void)
{
	arena = arena_new(1024 * 1024);
	err = (struct err){ 0 };
}

static void teardown(void)
{
	arena_free(arena);
}

/* JSON with ' for ". */
static struct str json(const char *text)
{
	struct str s = arena_dup(arena, str_from(text));

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\'')
			((char *)(uintptr_t)s.p)[i] = '"';
	return s;
}

/* key: the envelope's; NULL: none. */
static int read(const char *type, const char *key, const char *data, struct delivered_event *ret)
{
	const struct cloudevent ce = { .id = STR("e1"),
				       .type = str_from(type),
				       .source = STR("s"),
				       .time = STR("2026-03-01T10:00:00Z"),
				       .partition_key = key != NULL ? str_from(key)
								    : (struct str){ NULL, 0 },
				       .data = json(data) };

	return delivery_read(arena, &ce, ret, &err);
}

static const struct {
	const char *type, *data;
	const char *user, *read_type, *task; /* task NULL: none */
	int64_t task_id, sequence;
} READ[] = {
	{ "task.completed",
	  "{'event_id':'e1','user_id':'anna','task_id':'5','sequence':3,'metadata':{'version':'v1'},"
	  "'payload':{'task_id':'5','task':{'id':5}}}",
	  "anna", "task.completed", "{\"id\":5}", 5, 3 },
	{ "completed", "{'user_id':'anna','task_id':5,'sequence':'3'}", "anna", "completed", NULL,
	  5, 3 },
	{ "com.dapr.event.sent", "{'event_type':'created','task_data':{'id':7,'user_id':'anna'}}",
	  "anna", "created", "{\"id\":7,\"user_id\":\"anna\"}", 7, DELIVERY_NONE },
	{ "com.dapr.event.sent", "{'event_type':5,'payload':{'user_id':'anna','task_id':'8'}}",
	  "anna", "com.dapr.event.sent", NULL, 8, DELIVERY_NONE },
	{ "x",
	  "{'user_id':'anna','task_id':'abc','payload':[1],'task_data':'none','metadata':null}",
	  "anna", "x", NULL, DELIVERY_NONE, DELIVERY_NONE },
	{ "x", "{'user_id':'anna','task_id':-5,'metadata':{'version':1}}", "anna", "x", NULL,
	  DELIVERY_NONE, DELIVERY_NONE },
};

START_TEST(is_read)
{
	struct delivered_event e;
	struct str task;

	ck_assert_msg(read(READ[_i].type, NULL, READ[_i].data, &e) == 0, "%s", err.text);
	ck_assert(str_eq(e.id, STR("e1")));
	ck_assert(str_eq(e.user_id, str_from(READ[_i].user)));
	ck_assert_msg(str_eq(e.type, str_from(READ[_i].read_type)), "%.*s", STR_ARGS(e.type));
	ck_assert_int_eq(e.task_id, READ[_i].task_id);
	ck_assert_int_eq(e.sequence, READ[_i].sequence);
	ck_assert_int_eq(e.at_us, INT64_C(1772359200000000));
	ck_assert_int_eq(delivery_task(arena, &e, &task, &err), 0);
	if (READ[_i].task == NULL)
		ck_assert_ptr_null(task.p);
	else
		ck_assert_msg(str_eq(task, str_from(READ[_i].task)), "%.*s", STR_ARGS(task));
}
END_TEST

static const struct {
	const char *key, *data, *field;
} REFUSED[] = {
	{ NULL, "[]", "event.data" },
	{ NULL, "{'user_id':5}", "event.data.user_id" },
	{ NULL, "{}", "event.data.user_id" },
	{ NULL, "{'user_id':''}", "event.data.user_id" },
	{ NULL, "{'user_id':'a\\u0007'}", "event.data.user_id" },
	{ NULL, "{'user_id':'anna','sequence':'many'}", "event.data.sequence" },
	{ NULL, "{'user_id':'anna','metadata':{'version':'v2'}}", "event.data.metadata.version" },
	{ NULL, "{'user_id':'anna','event_id':'e2'}", "event.data.event_id" },
	{ "bert", "{'user_id':'anna'}", "event.data.user_id" },
};

START_TEST(is_refused)
{
	struct delivered_event e = { .task_id = 42 };

	ck_assert_int_eq(read("x", REFUSED[_i].key, REFUSED[_i].data, &e), -EINVAL);
	ck_assert_str_eq(err.field, REFUSED[_i].field);
	ck_assert_int_eq(e.task_id, 42); /* untouched */
}
END_TEST

static const struct {
	const char *type, *noun, *verb;
	bool is_it;
} TYPES[] = {
	{ "task.completed", "task", "completed", true },
	{ "TASK_COMPLETED", "task", "completed", true },
	{ "completed", "task", "completed", true },
	{ "task.completed", "reminder", "completed", false },
	{ "task.completed", "task", "created", false },
	{ "tasks.completed", "task", "completed", false },
	{ "taskcompleted", "task", "completed", false },
	{ "task.", "task", "completed", false },
	{ "", "task", "completed", false },
	{ "reminder.sent", "reminder", "sent", true },
};

START_TEST(types)
{
	const struct delivered_event e = { .type = str_from(TYPES[_i].type) };

	ck_assert_int_eq(delivery_is(&e, TYPES[_i].noun, TYPES[_i].verb), TYPES[_i].is_it);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("delivery");
	TCase *tc = tcase_create("delivery");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, is_read, 0, ARRAY_SIZE(READ));
	tcase_add_loop_test(tc, is_refused, 0, ARRAY_SIZE(REFUSED));
	tcase_add_loop_test(tc, types, 0, ARRAY_SIZE(TYPES));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
