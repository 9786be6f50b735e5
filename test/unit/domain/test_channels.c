/* SPDX-License-Identifier: Apache-2.0 */
/* Names of channels to a set and back. */
#include "domain/channels.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

/* Every set, named in this order and in the other, comes back in the order of the bits. */
START_TEST(each_set)
{
	static const char *const shown[] = {
		"[]",
		"[\"email\"]",
		"[\"in_app\"]",
		"[\"email\",\"in_app\"]",
		"[\"log\"]",
		"[\"email\",\"log\"]",
		"[\"in_app\",\"log\"]",
		"[\"email\",\"in_app\",\"log\"]",
	};
	static const struct str names[] = { STR_INIT("email"), STR_INIT("in_app"),
					    STR_INIT("log") };

	for (unsigned set = 1; set <= CHANNELS_ALL; set++) {
		struct str v[2][3];
		size_t n = 0;

		for (size_t bit = 0; bit < 3; bit++)
			if (set & 1U << bit)
				v[0][n++] = names[bit];
		for (size_t i = 0; i < n; i++)
			v[1][i] = v[0][n - 1 - i];
		for (size_t order = 0; order < 2; order++) {
			const struct json_strs in = { JSON_SET, v[order], n };
			struct err err = { 0 };
			struct json_out o;
			unsigned got = 0;
			struct buf b;

			ck_assert_int_eq(channels_parse(&in, "f", &got, &err), 0);
			ck_assert_uint_eq(got, set);
			buf_init(&b, 100);
			json_out_init(&o, &b);
			channels_write_json(&o, got);
			ck_assert(str_eq(buf_str(&b), str_from(shown[set])));
			buf_done(&b);
		}
	}
}
END_TEST

START_TEST(refuses)
{
	static const struct {
		size_t n;
		struct str v[4];
	} cases[] = {
		{ 0, { STR_INIT("") } },
		{ 1, { STR_INIT("") } },
		{ 1, { STR_INIT("Email") } },
		{ 1, { STR_INIT("log\0") } },
		{ 1, { STR_INIT("in-app") } },
		{ 2, { STR_INIT("log"), STR_INIT("sms") } },
		{ 2, { STR_INIT("log"), STR_INIT("log") } },
		{ 4,
		  { STR_INIT("email"), STR_INIT("in_app"), STR_INIT("log"), STR_INIT("email") } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct str v[4];
		const struct json_strs in = { JSON_SET, v, cases[i].n };
		struct err err = { 0 };
		unsigned set = 42;

		memcpy(v, cases[i].v, sizeof(v));
		ck_assert_msg(channels_parse(&in, "body.x", &set, &err) == -EINVAL, "case %zu", i);
		ck_assert_uint_eq(set, 42);
		ck_assert_ptr_eq(err.kind, &ERR_INVALID);
		ck_assert_str_eq(err.field, "body.x");
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("channels");
	TCase *tc = tcase_create("channels");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, each_set);
	tcase_add_test(tc, refuses);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
