/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDv7: the bits of RFC 9562, order within a process, the clock in the id, forks, text in and
 * out. */
#include "base/uuid.h"
#include "base/time.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t ms_of(const struct uuid *u)
{
	int64_t ms = 0;

	for (size_t i = 0; i < 6; i++)
		ms = ms << 8 | u->bytes[i];
	return ms;
}

/* EV9: each of a million is after the one before, so no two are alike; enough in a row that the
 * counter of a millisecond runs over. */
START_TEST(bits_and_order)
{
	struct uuid before = { { 0 } };
	int64_t start_ms = time_now_us() / 1000;
	unsigned ones[16] = { 0 };
	enum { COUNT = 1000000 };

	for (int i = 0; i < COUNT; i++) {
		struct uuid u = uuid_v7();

		if (u.bytes[6] >> 4 != 7 || u.bytes[8] >> 6 != 2)
			ck_abort_msg("version or variant of number %d", i);
		if (memcmp(&u, &before, sizeof(u)) <= 0)
			ck_abort_msg("number %d is not after the one before", i);
		for (size_t k = 8; k < 16; k++)
			ones[k] += (unsigned)__builtin_popcount(u.bytes[k]);
		before = u;
	}
	/* The counter may have pushed the clock ahead, at most by as many milliseconds as it ran
	 * over. */
	ck_assert_int_ge(ms_of(&before), start_ms);
	ck_assert_int_le(ms_of(&before), time_now_us() / 1000 + COUNT / 0x800);
	for (size_t k = 9; k < 16; k++) { /* 20 standard deviations around one half */
		ck_assert_uint_gt(ones[k], COUNT * 4 - 29000);
		ck_assert_uint_lt(ones[k], COUNT * 4 + 29000);
	}
}
END_TEST

START_TEST(children_differ)
{
	struct uuid mine, theirs;
	int ends[2];
	pid_t pid;

	(void)uuid_v7();
	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		mine = uuid_v7();
		_exit(write(ends[1], &mine, sizeof(mine)) != (ssize_t)sizeof(mine));
	}
	mine = uuid_v7();
	ck_assert_int_eq(read(ends[0], &theirs, sizeof(theirs)), sizeof(theirs));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_ne(memcmp(mine.bytes + 8, theirs.bytes + 8, 8), 0);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

static struct uuid named(int64_t at_us, struct str name)
{
	struct uuid u;

	ck_assert_int_eq(uuid_v7_named(at_us, name, &u), 0);
	ck_assert_int_eq(u.bytes[6] >> 4, 7);
	ck_assert_int_eq(u.bytes[8] >> 6, 2);
	return u;
}

/* The same for the same, another for anything else; its time is the one it was given. */
START_TEST(names)
{
	const int64_t at_us = INT64_C(1795262400123456);
	struct uuid a = named(at_us, STR("a")), again = named(at_us, STR("a")),
		    b = named(at_us, STR("b")), later = named(at_us + 1000, STR("a"));

	ck_assert_mem_eq(&a, &again, sizeof(a));
	ck_assert_int_eq(ms_of(&a), at_us / 1000);
	ck_assert_int_ne(memcmp(&a, &b, sizeof(a)), 0);
	ck_assert_int_eq(memcmp(a.bytes + 8, later.bytes + 8, 8), 0);
	ck_assert_int_eq(ms_of(&later), at_us / 1000 + 1);
	b = named(-1, STR("before the epoch"));
	ck_assert_int_eq(ms_of(&b), 0);
}
END_TEST

START_TEST(text)
{
	/* RFC 9562 appendix A.6 */
	static const struct uuid example = { { 0x01, 0x7F, 0x22, 0xE2, 0x79, 0xB0, 0x7C, 0xC3, 0x98,
					       0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39, 0x8F } };
	char out[UUID_TEXT_SIZE];
	struct uuid u;

	uuid_format(&example, out);
	ck_assert_str_eq(out, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
	uuid_format_hex(&example, out);
	ck_assert_str_eq(out, "017f22e279b07cc398c4dc0c0c07398f");
	ck_assert_int_eq(
		ms_of(&example),
		INT64_C(1645557742000)); /* Tuesday, February 22, 2022 2:22:22.00 PM GMT-05:00 */
	ck_assert_int_eq(uuid_parse(STR("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &u), 0);
	ck_assert_mem_eq(&u, &example, sizeof(u));
	for (int i = 0; i < 100; i++) {
		struct uuid made = uuid_v7();

		uuid_format(&made, out);
		ck_assert_int_eq(uuid_parse(str_from(out), &u), 0);
		ck_assert_mem_eq(&u, &made, sizeof(u));
	}
}
END_TEST

/* Each byte of a good text replaced by each other byte: only digits for digits are taken. */
START_TEST(bad_text)
{
	static const char good[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
	struct uuid untouched, u;

	memset(&u, 0x5A, sizeof(u));
	untouched = u;
	for (size_t at = 0; at < sizeof(good) - 1; at++)
		for (int c = 0; c < 256; c++) {
			char s[sizeof(good)];
			bool dash = good[at] == '-',
			     digit = c < 128 && strchr("0123456789abcdefABCDEF", c) && c;
			struct uuid got;

			memcpy(s, good, sizeof(s));
			s[at] = (char)c;
			if ((uuid_parse((struct str){ s, sizeof(good) - 1 }, &got) == 0) !=
			    (dash ? c == '-' : digit))
				ck_abort_msg("byte %d at %zu", c, at);
		}
	for (size_t n = 0; n < sizeof(good) - 1; n++)
		ck_assert_int_eq(uuid_parse((struct str){ good, n }, &u), -EINVAL);
	ck_assert_int_eq(uuid_parse(STR("017f22e2-79b0-7cc3-98c4-dc0c0c07398f0"), &u), -EINVAL);
	ck_assert_int_eq(uuid_parse(STR("{17f22e2-79b0-7cc3-98c4-dc0c0c07398}"), &u), -EINVAL);
	ck_assert_mem_eq(&u, &untouched, sizeof(u));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("uuid");
	TCase *tc = tcase_create("uuid");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, bits_and_order);
	tcase_add_test(tc, children_differ);
	tcase_add_test(tc, names);
	tcase_add_test(tc, text);
	tcase_add_test(tc, bad_text);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
