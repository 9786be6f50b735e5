/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may send as a task, field by field, and how a task is shown. */
#include "domain/task.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new(1024 * 1024);
	ck_assert_ptr_nonnull(arena);
}

static void tear_down(void)
{
	arena_free(arena);
}

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
	struct err err = { 0 };
	struct task t;

	ck_assert_msg(task_parse_create(arena, str_from(c->body), &t, &err) == 0, "%s: %s", c->body,
		      err.text);
	ck_assert_msg(str_eq(t.title, str_from(c->title)), "%s", c->body);
	ck_assert_int_eq(t.description.p == NULL, c->description == NULL);
	ck_assert(str_eq(t.description, str_from(c->description)));
	ck_assert_int_eq(t.priority, c->priority);
	ck_assert_int_eq(t.completed, c->completed);
	ck_assert_int_eq(t.id, 0);
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
};

START_TEST(create_refuses)
{
	const struct refused *c = &REFUSED[_i];
	struct task t = { .id = 42 };
	struct err err = { 0 };

	ck_assert_msg(task_parse_create(arena, str_from(c->body), &t, &err) < 0, "%s", c->body);
	ck_assert_msg(err.kind->http_status == c->status, "%s: %d", c->body, err.kind->http_status);
	ck_assert_msg(str_starts(str_from(err.field), str_from(c->field)), "%s: %s", c->body,
		      err.field);
	ck_assert_int_eq(t.id, 42); /* untouched */
}
END_TEST

/* n times the character, as the title or description of a body. */
static struct str body_of(const char *field, const char *character, int n)
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
	return copy;
}

/* Lengths are code points, whatever they take in UTF-8 or UTF-16. */
START_TEST(lengths_are_code_points)
{
	static const char *const CHARACTERS[] = {
		"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8d\x8e", "\\u00e9", "\\ud83c\\udf4e"
	};
	struct task t;

	for (size_t i = 0; i < ARRAY_SIZE(CHARACTERS); i++) {
		const char *c = CHARACTERS[i];
		struct err err = { 0 };
		ck_assert_int_eq(
			task_parse_create(arena, body_of("title", c, TASK_TITLE_MAX), &t, &err), 0);
		ck_assert_int_lt(task_parse_create(arena, body_of("title", c, TASK_TITLE_MAX + 1),
						   &t, &err),
				 0);
		ck_assert_str_eq(err.field, "body.title");
		ck_assert_int_eq(task_parse_create(arena,
						   body_of("description", c, TASK_DESCRIPTION_MAX),
						   &t, &err),
				 0);
		ck_assert_int_lt(task_parse_create(
					 arena, body_of("description", c, TASK_DESCRIPTION_MAX + 1),
					 &t, &err),
				 0);
		ck_assert_str_eq(err.field, "body.description");
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
	bool set = false, completed = false;
	struct err err = { 0 };

	int r = task_parse_complete(arena, str_from(COMPLETE[_i].body), &set, &completed, &err);
	ck_assert_msg(r == 0 ? COMPLETE[_i].result == 0
			     : err.kind->http_status == COMPLETE[_i].result,
		      "%s", COMPLETE[_i].body);
	ck_assert_int_eq(set, COMPLETE[_i].set);
	ck_assert_int_eq(completed, COMPLETE[_i].completed);
}
END_TEST

/* The first seven keys are the older API's, in its order. */
START_TEST(shown_as_json)
{
	struct task t = {
		.id = 5,
		.user_id = STR("al\"ice"),
		.title = STR("Buy \xf0\x9f\x8d\x8e"),
		.description = { NULL, 0 },
		.priority = TASK_HIGH,
		.created_at_us = 0,
		.updated_at_us = 1500000,
		.version = 3,
	};
	struct json_out o;
	struct buf b;

	buf_init(&b, 4096);
	json_out_init(&o, &b);
	task_write_json(&o, &t);
	buf_append_char(&b, '\0');
	ck_assert_str_eq(
		b.p,
		"{\"id\":5,\"user_id\":\"al\\\"ice\",\"title\":\"Buy \xf0\x9f\x8d\x8e\",\"description\":null,"
		"\"completed\":false,\"created_at\":\"1970-01-01T00:00:00Z\","
		"\"updated_at\":\"1970-01-01T00:00:01.500000Z\",\"status\":\"pending\",\"completed_at\":null,"
		"\"priority\":\"high\",\"version\":3}");
	buf_clear(&b);
	t.completed = true;
	t.completed_at_us = 2000000;
	t.description = STR("");
	json_out_init(&o, &b);
	task_write_json(&o, &t);
	buf_append_char(&b, '\0');
	ck_assert_ptr_nonnull(
		strstr(b.p, "\"status\":\"completed\",\"completed_at\":\"1970-01-01T00:00:02Z\""));
	ck_assert_ptr_nonnull(strstr(b.p, "\"description\":\"\""));
	buf_done(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("task");
	TCase *tc = tcase_create("task");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, create_accepts, 0, ARRAY_SIZE(ACCEPTED));
	tcase_add_loop_test(tc, create_refuses, 0, ARRAY_SIZE(REFUSED));
	tcase_add_test(tc, lengths_are_code_points);
	tcase_add_loop_test(tc, complete_bodies, 0, ARRAY_SIZE(COMPLETE));
	tcase_add_test(tc, shown_as_json);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
