/* SPDX-License-Identifier: Apache-2.0 */
/* Query parameters: once, under either of two names, or several times. */
#include "app/request.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct http_request *http;
static struct request *rq;

static void set_up(void)
{
	http = calloc(1, sizeof(*http));
	rq = calloc(1, sizeof(*rq));
	ck_assert(http != NULL && rq != NULL);
	rq->http = http;
	rq->arena = arena_new(64 * 1024);
}

static void tear_down(void)
{
	arena_free(rq->arena);
	free(rq);
	free(http);
}

static void query(const char *text)
{
	http->head.query = str_from(text);
	rq->err = (struct err){ 0 };
}

/* What is refused, and of which parameter. */
static void refused(int r, const char *field)
{
	ck_assert_int_lt(r, 0);
	ck_assert_ptr_eq(rq->err.kind, &ERR_INVALID);
	ck_assert_str_eq(rq->err.field, field);
}

static const struct {
	const char *query, *value; /* NULL: absent; "!": refused */
} ONCE[] = {
	{ "", NULL },
	{ "a=1", "1" },
	{ "b=2&a=1&c", "1" },
	{ "a=", "" },
	{ "a", "" },
	{ "%61=1", "1" },
	{ "a=%C3%A9+x", "\xc3\xa9 x" },
	{ "A=1", NULL },
	{ "aa=1", NULL },
	{ "a=1=2", "1=2" },
	{ "&&a=1&", "1" },
	{ "a=1&a=1", "!" },
	{ "a=1&%61=2", "!" },
	{ "a=%", "!" },
	{ "a=%FF", "!" },
	{ "b=%FF&a=1", "1" },
	{ "%FF=7&a=1", "1" },
};

START_TEST(once)
{
	struct str value = STR("old");

	query(ONCE[_i].query);
	int r = request_query(rq, "a", &value);
	if (ONCE[_i].value != NULL && ONCE[_i].value[0] == '!') {
		refused(r, "query.a");
		ck_assert(str_eq(value, STR("old")));
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(value.p == NULL, ONCE[_i].value == NULL);
	ck_assert_msg(str_eq(value, str_from(ONCE[_i].value)), "%s", ONCE[_i].query);
}
END_TEST

START_TEST(either)
{
	struct str value = STR("old");

	query("sort=a&sort_by=b");
	ck_assert_int_eq(request_query_either(rq, "sort", "sort_by", &value), 0);
	ck_assert(str_eq(value, STR("a")));
	query("sort_by=b");
	ck_assert_int_eq(request_query_either(rq, "sort", "sort_by", &value), 0);
	ck_assert(str_eq(value, STR("b")));
	query("sort=&sort_by=b"); /* given, if empty */
	ck_assert_int_eq(request_query_either(rq, "sort", "sort_by", &value), 0);
	ck_assert(value.p != NULL && value.n == 0);
	query("x=1");
	ck_assert_int_eq(request_query_either(rq, "sort", "sort_by", &value), 0);
	ck_assert_ptr_null(value.p);
	query("sort_by=1&sort_by=2");
	value = STR("old");
	refused(request_query_either(rq, "sort", "sort_by", &value), "query.sort_by");
	ck_assert(str_eq(value, STR("old")));
}
END_TEST

static const struct {
	const char *query, *values; /* joined by '|'; "!": refused */
} ALL[] = {
	{ "", "" },
	{ "x=1", "" },
	{ "a=1", "1" },
	{ "a=1&a=2&x=9&a=3", "1|2|3" },
	{ "a=1,2,3", "1|2|3" },
	{ "a=1,2&a=3", "1|2|3" },
	{ "a=,1,,2,&a=&a", "1|2" },
	{ "a=+1+,%202%20", "1|2" },
	{ "a=1%2C2", "1|2" },
	{ "a=b%20c,%C3%A9", "b c|\xc3\xa9" },
	{ "a=1,1&a=1", "1|1|1" },
	{ "a=1,2,3,4", "!" },
	{ "a=1&a=2&a=3&a=4", "!" },
	{ "a=1,2,3,,,&a=", "1|2|3" },
	{ "a=1&a=%FF", "!" },
	{ "a=1&a=%zz", "!" },
};

START_TEST(all)
{
	struct str *values = NULL;
	size_t n = 42;
	struct str joined = STR("");

	query(ALL[_i].query);
	int r = request_query_all(rq, "a", 3, &values, &n);
	if (ALL[_i].values[0] == '!') {
		refused(r, "query.a");
		ck_assert_uint_eq(n, 42);
		return;
	}
	ck_assert_int_eq(r, 0);
	for (size_t i = 0; i < n; i++)
		joined = arena_printf(rq->arena, "%.*s%s%.*s", STR_ARGS(joined), i > 0 ? "|" : "",
				      STR_ARGS(values[i]));
	ck_assert_msg(str_eq(joined, str_from(ALL[_i].values)), "%s: %s", ALL[_i].query, joined.p);
}
END_TEST

START_TEST(little_memory)
{
	struct str *values = NULL, value;
	size_t n = 0;

	arena_free(rq->arena);
	rq->arena = arena_new(16);
	query("a=1");
	ck_assert_int_lt(request_query_all(rq, "a", 100, &values, &n), 0);
	ck_assert_ptr_eq(rq->err.kind, &ERR_UNAVAILABLE);
	query("a=0123456789012345678901234567890123456789");
	ck_assert_int_lt(request_query(rq, "a", &value), 0);
	ck_assert_ptr_eq(rq->err.kind, &ERR_UNAVAILABLE);
}
END_TEST

START_TEST(whole_numbers)
{
	int64_t v = 42;

	query("x=1");
	ck_assert_int_eq(request_query_i64(rq, "n", 1, 9, &v), 0);
	ck_assert_int_eq(v, 42);
	query("n=9");
	ck_assert_int_eq(request_query_i64(rq, "n", 1, 9, &v), 0);
	ck_assert_int_eq(v, 9);
	static const char *const BAD[] = { "n=0", "n=10", "n=", "n=1.0", "n=x", "n=1&n=1" };
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		query(BAD[i]);
		refused(request_query_i64(rq, "n", 1, 9, &v), "query.n");
		ck_assert_int_eq(v, 9);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("request");
	TCase *tc = tcase_create("request");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, once, 0, ARRAY_SIZE(ONCE));
	tcase_add_test(tc, either);
	tcase_add_loop_test(tc, all, 0, ARRAY_SIZE(ALL));
	tcase_add_test(tc, little_memory);
	tcase_add_test(tc, whole_numbers);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
