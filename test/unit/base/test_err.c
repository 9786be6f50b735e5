/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: what err_set fills and returns, cutting at characters, and the kinds against the registry
 * of HTTP. */
#include "base/err.h"
#include "base/str.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

START_TEST(filling)
{
	struct err e = { .retry_after_s = 9 };

	ck_assert_int_eq(err_set(&e, &ERR_INVALID, "body.title", "has %d characters", 201),
			 -EINVAL);
	ck_assert_ptr_eq(e.kind, &ERR_INVALID);
	ck_assert_str_eq(e.field, "body.title");
	ck_assert_str_eq(e.text, "has 201 characters");
	ck_assert_uint_eq(e.retry_after_s, 0);
	ck_assert_int_eq(err_set(&e, &ERR_NOT_FOUND, NULL, "x"), -ENOENT);
	ck_assert_str_eq(e.field, "");
	ck_assert_int_eq(err_set(NULL, &ERR_NOT_FOUND, NULL, "x"), -ENOENT);
	ck_assert_int_eq(err_unavailable(&e, 7, "down: %s", "db"), -ERR_UNAVAILABLE.errnum);
	ck_assert_ptr_eq(e.kind, &ERR_UNAVAILABLE);
	ck_assert_uint_eq(e.retry_after_s, 7);
	ck_assert_str_eq(e.text, "down: db");
	ck_assert_int_lt(err_unavailable(NULL, 7, "x"), 0);
}
END_TEST

/* The new text may be made of the old one. */
START_TEST(refilling_from_itself)
{
	struct err e;

	err_set(&e, &ERR_INVALID, "body.a", "inner");
	err_set(&e, &ERR_BAD_REQUEST, e.field, "outer: %s", e.text);
	ck_assert_str_eq(e.field, "body.a");
	ck_assert_str_eq(e.text, "outer: inner");
}
END_TEST

/* Characters of 1 to 4 bytes at every offset to the cut: whole ones stay, and as many as fit. */
START_TEST(cut_at_characters)
{
	static const char *const characters[] = { "a", "\xC3\xA9", "\xE2\x82\xAC",
						  "\xF0\x9F\x98\x80" };

	for (size_t c = 0; c < ARRAY_SIZE(characters); c++)
		for (size_t shift = 0; shift < 5; shift++) {
			size_t width = strlen(characters[c]), n = shift;
			char text[400];
			struct err e;

			memset(text, 'x', shift);
			for (; n + width < sizeof(text); n += width)
				memcpy(text + n, characters[c], width);
			text[n] = '\0';
			err_set(&e, &ERR_INVALID, text, "%s", text);
			ck_assert_uint_eq(strlen(e.text),
					  shift + (sizeof(e.text) - 1 - shift) / width * width);
			ck_assert_uint_eq(strlen(e.field),
					  shift + (sizeof(e.field) - 1 - shift) / width * width);
			ck_assert(utf8_valid(str_from(e.text)) && utf8_valid(str_from(e.field)));
			ck_assert_int_eq(strncmp(e.text, text, strlen(e.text)), 0);
		}
}
END_TEST

/* What just fits is not cut, and bytes that were no UTF-8 to begin with do not cost more than
 * themselves. */
START_TEST(exact_fit)
{
	char text[240];
	struct err e;

	memset(text, 'x', sizeof(text) - 1);
	memcpy(text + sizeof(text) - 4, "\xE2\x82\xAC", 4);
	err_set(&e, &ERR_INVALID, NULL, "%s", text);
	ck_assert_str_eq(e.text, text);
	text[95] = '\0';
	err_set(&e, &ERR_INVALID, text, "x");
	ck_assert_str_eq(e.field, text);
}
END_TEST

START_TEST(kinds)
{
	/* From the IANA registry of HTTP status codes. */
	static const struct {
		const struct err_kind *kind;
		int status;
		const char *title;
	} cases[] = {
		{ &ERR_BAD_REQUEST, 400, "Bad Request" },
		{ &ERR_UNAUTHORIZED, 401, "Unauthorized" },
		{ &ERR_FORBIDDEN, 403, "Forbidden" },
		{ &ERR_NOT_FOUND, 404, "Not Found" },
		{ &ERR_METHOD_NOT_ALLOWED, 405, "Method Not Allowed" },
		{ &ERR_TIMEOUT, 408, "Request Timeout" },
		{ &ERR_CONFLICT, 409, "Conflict" },
		{ &ERR_LENGTH_REQUIRED, 411, "Length Required" },
		{ &ERR_PRECONDITION_FAILED, 412, "Precondition Failed" },
		{ &ERR_CONTENT_TOO_LARGE, 413, "Content Too Large" },
		{ &ERR_URI_TOO_LONG, 414, "URI Too Long" },
		{ &ERR_UNSUPPORTED_MEDIA_TYPE, 415, "Unsupported Media Type" },
		{ &ERR_EXPECTATION_FAILED, 417, "Expectation Failed" },
		{ &ERR_INVALID, 422, "Unprocessable Content" },
		{ &ERR_RATE_LIMITED, 429, "Too Many Requests" },
		{ &ERR_HEADERS_TOO_LARGE, 431, "Request Header Fields Too Large" },
		{ &ERR_INTERNAL, 500, "Internal Server Error" },
		{ &ERR_NOT_IMPLEMENTED, 501, "Not Implemented" },
		{ &ERR_UNAVAILABLE, 503, "Service Unavailable" },
		{ &ERR_VERSION_NOT_SUPPORTED, 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_int_eq(cases[i].kind->http_status, cases[i].status);
		ck_assert_str_eq(cases[i].kind->title, cases[i].title);
		ck_assert_ptr_eq(err_kind_for_status(cases[i].status), cases[i].kind);
		ck_assert_int_gt(cases[i].kind->errnum, 0);
		for (const char *p = cases[i].kind->code; *p; p++)
			ck_assert((*p >= 'a' && *p <= 'z') || *p == '_');
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(cases[i].kind->code, cases[k].kind->code);
	}
	ck_assert_ptr_eq(err_kind_for_status(418), &ERR_INTERNAL);
	ck_assert_ptr_eq(err_kind_for_status(0), &ERR_INTERNAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("err");
	TCase *tc = tcase_create("err");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, filling);
	tcase_add_test(tc, refilling_from_itself);
	tcase_add_test(tc, cut_at_characters);
	tcase_add_test(tc, exact_fit);
	tcase_add_test(tc, kinds);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
