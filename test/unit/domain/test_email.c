/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: which are taken, and every byte at every place of one. */
#include "domain/email.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(taken)
{
	static const char *const good[] = { "a@b.org",
					    "first.last@sub.example.co",
					    "!#$%&'*+-/=?^_`{|}~@example.org",
					    "0@0.0",
					    "a@1-2.org",
					    "A@B.C" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(email_is_valid(str_from(good[i])), "%s", good[i]);
	ck_assert(str_eq(email_domain(STR("a@b.org")), STR("b.org")));
}
END_TEST

START_TEST(refused)
{
	static const char *const bad[] = { "",	       "a",	   "@b.org",	"a@",
					   "a@b",      "a@@b.org", ".a@b.org",	"a.@b.org",
					   "a..b@c.d", "a@.b.org", "a@b.org.",	"a@b..org",
					   "a@-b.org", "a@b-.org", "a@b_c.org", "\"a\"@b.org" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!email_is_valid(str_from(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(lengths)
{
	char s[400];

	for (int local = 63; local <= 66; local++) {
		int n = snprintf(s, sizeof(s), "%0*d@b.org", local, 0);
		ck_assert(email_is_valid((struct str){ s, (size_t)n }) == (local <= 64));
	}
	for (int label = 62; label <= 65; label++) {
		int n = snprintf(s, sizeof(s), "a@%0*d.org", label, 0);
		ck_assert(email_is_valid((struct str){ s, (size_t)n }) == (label <= 63));
	}
	for (int more = 0; more < 4; more++) {
		int n = snprintf(s, sizeof(s), "a@%060d.%060d.%060d.%0*d", 0, 0, 0, 67 + more - 9,
				 0);
		n += snprintf(s + n, sizeof(s) - (size_t)n, ".%08d", 0);
		ck_assert_msg(email_is_valid((struct str){ s, (size_t)n }) == (n <= EMAIL_MAX),
			      "%d", n);
	}
}
END_TEST

/* Nothing that could end a header, a command or a pair of brackets, wherever it stands. */
START_TEST(each_byte_at_each_place)
{
	static const char good[] = "ab.c@de.org";

	for (size_t at = 0; at < sizeof(good) - 1; at++) {
		for (int c = 0; c < 256; c++) {
			char s[sizeof(good)];

			memcpy(s, good, sizeof(s));
			s[at] = (char)c;
			if (!email_is_valid((struct str){ s, sizeof(good) - 1 }))
				continue;
			ck_assert_msg(c > ' ' && c < 0x7f && !strchr("<>()[]\\\",;:", c),
				      "byte %d at %zu", c, at);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("email");
	TCase *tc = tcase_create("email");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, taken);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, lengths);
	tcase_add_test(tc, each_byte_at_each_place);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
