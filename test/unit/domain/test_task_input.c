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
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
