/* SPDX-License-Identifier: Apache-2.0 */
/* Which path fits which pattern, and what the names in it become. */
#include "src/app/app_private.h"

#include <check.h>
#include <stdlib.h>

struct match_case {
	const char *pattern, *path;
	const char *params[REQUEST_MAX_PARAMS]; /* params[0] NULL and no name in the pattern: fits
						   without values */
	bool fits;
};

static const struct match_case CASES[] = {
	{ "/health", "/health", { NULL }, true },
	{ "/health", "/health/", { NULL }, false },
	{ "/health", "/Health", { NULL }, false },
	{ "/health", "//health", { NULL }, false },
	{ "/health", "/", { NULL }, false },
	{ "/health", "/%68ealth", { NULL }, false },
	{ "/health", "/./health", { NULL }, false },
	{ "/api/{user_id}/tasks", "/api/alice/tasks", { "alice" }, true },
	{ "/api/{user_id}/tasks", "/api//tasks", { NULL }, false },
	{ "/api/{user_id}/tasks", "/api/tasks", { NULL }, false },
	{ "/api/{user_id}/tasks", "/api/alice/tasks/", { NULL }, false },
	{ "/api/{user_id}/tasks", "/api/a%20b/tasks", { "a b" }, true },
	{ "/api/{user_id}/tasks", "/api/a+b/tasks", { "a+b" }, true },
	{ "/api/{user_id}/tasks", "/api/a%2Fb/tasks", { "a/b" }, true },
	{ "/api/{user_id}/tasks", "/api/%C3%A9/tasks", { "\xc3\xa9" }, true },
	{ "/api/{user_id}/tasks", "/api/%FF/tasks", { NULL }, false },
	{ "/api/{user_id}/tasks/{id}", "/api/alice/tasks/7", { "alice", "7" }, true },
	{ "/api/{user_id}/tasks/{id}", "/api/alice/tasks/", { NULL }, false },
	{ "/api/{user_id}/tasks/{id}/complete",
	  "/api/alice/tasks/7/complete",
	  { "alice", "7" },
	  true },
	{ "/api/{user_id}/tasks/{id}/complete", "/api/alice/tasks/7", { NULL }, false },
	{ "/a", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o", { NULL }, false },
};

START_TEST(matching)
{
	const struct match_case *c = &CASES[_i];
	const struct route route = { .pattern = c->pattern };
	struct str params[REQUEST_MAX_PARAMS] = { { NULL, 0 } };
	struct arena *arena = arena_new(64 * 1024);
	struct route_path path;

	route_path_split(str_from(c->path), &path);
	ck_assert_msg(route_matches(&route, &path, arena, params) == c->fits, "%s on %s", c->path,
		      c->pattern);
	for (size_t i = 0; c->fits && i < REQUEST_MAX_PARAMS && c->params[i] != NULL; i++)
		ck_assert_msg(str_eq(params[i], str_from(c->params[i])), "%s: %.*s", c->path,
			      STR_ARGS(params[i]));
	arena_free(arena);
}
END_TEST

/* Other paths to the same route; params[0], the user, is NULL where the path leaves it out. */
static const struct match_case ALIASES[] = {
	{ NULL, "/api/anna/tasks/7/complete", { "anna", "7" }, true },
	{ NULL, "/api/anna/tasks/7/toggle", { "anna", "7" }, true },
	{ NULL, "/api/tasks/7/complete", { NULL, "7" }, true },
	{ NULL, "/api/tasks/7/toggle", { NULL, "7" }, true },
	{ NULL, "/api/tasks/a%20b/toggle", { NULL, "a b" }, true },
	{ NULL, "/api/a%20b/tasks/%37/toggle", { "a b", "7" }, true },
	{ NULL, "/api/tasks/7", { NULL }, false },
	{ NULL, "/api/tasks//toggle", { NULL }, false },
	{ NULL, "/api/tasks/7/toggle/", { NULL }, false },
	{ NULL, "/api/tasks/%FF/toggle", { NULL }, false },
	{ NULL, "/api/tasks/tasks/7/toggle", { "tasks", "7" }, true },
	{ NULL, "/api/tasks/7/Toggle", { NULL }, false },
};

START_TEST(aliases)
{
	static const char *const PATTERNS[] = { "/api/{user_id}/tasks/{id}/toggle",
						"/api/tasks/{id}/complete",
						"/api/tasks/{id}/toggle", NULL };
	const struct route route = { .pattern = "/api/{user_id}/tasks/{id}/complete",
				     .aliases = PATTERNS };
	const struct match_case *c = &ALIASES[_i];
	struct str params[REQUEST_MAX_PARAMS] = { STR("old"), STR("old") };
	struct arena *arena = arena_new(64 * 1024);
	struct route_path path;

	route_path_split(str_from(c->path), &path);
	ck_assert_msg(route_matches(&route, &path, arena, params) == c->fits, "%s", c->path);
	for (size_t i = 0; c->fits && i < 2; i++) {
		ck_assert_int_eq(params[i].p == NULL, c->params[i] == NULL);
		ck_assert(str_eq(params[i], str_from(c->params[i])));
	}
	arena_free(arena);
}
END_TEST

START_TEST(names_have_places)
{
	const struct route route = { .pattern = "/api/{user_id}/tasks/{id}/complete" };

	ck_assert_int_eq(route_param_index(&route, "user_id"), 0);
	ck_assert_int_eq(route_param_index(&route, "id"), 1);
	ck_assert_int_eq(route_param_index(&route, "tasks"), -1);
	ck_assert_int_eq(route_param_index(&route, "user"), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("router");
	TCase *tc = tcase_create("router");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, matching, 0, ARRAY_SIZE(CASES));
	tcase_add_loop_test(tc, aliases, 0, ARRAY_SIZE(ALIASES));
	tcase_add_test(tc, names_have_places);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
