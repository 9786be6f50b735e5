/* SPDX-License-Identifier: Apache-2.0 */
/* The growable buffer: content, the hard maximum, sticky failure, and every allocation failing
 * once. */
#include "base/buf.h"
#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#ifdef __SANITIZE_ADDRESS__
/* A size nobody has is refused, as it is without the sanitizer. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}
#endif

static void is(const struct buf *b, const char *text)
{
	ck_assert_int_eq(buf_status(b), 0);
	ck_assert_msg(str_eq(buf_str(b), str_from(text)), "got \"%.*s\", want \"%s\"",
		      STR_ARGS(buf_str(b)), text);
}

START_TEST(appending)
{
	struct buf b;

	buf_init(&b, 1000);
	is(&b, "");
	buf_append(&b, NULL, 0);
	buf_append_str(&b, STR("ab"));
	buf_append_char(&b, 'c');
	buf_append_i64(&b, -5);
	buf_printf(&b, "<%s|%d>", "x", 7);
	is(&b, "abc-5<x|7>");
	buf_consume(&b, 3);
	is(&b, "-5<x|7>");
	buf_consume(&b, 7);
	is(&b, "");
	buf_consume(&b, 0);
	buf_done(&b);
	is(&b, "");
	ck_assert_uint_eq(b.max, 1000);
	buf_append_char(&b, 'x'); /* usable again */
	is(&b, "x");
	buf_done(&b);
}
END_TEST

START_TEST(integers_as_printf)
{
	struct buf b;
	char text[24];

	buf_init(&b, 64);
	for (int shift = 0; shift < 64; shift++)
		for (int near = -11; near <= 11; near++) {
			int64_t v = (int64_t)((UINT64_C(1) << shift) + (uint64_t)near);

			buf_clear(&b);
			buf_append_i64(&b, v);
			snprintf(text, sizeof(text), "%" PRId64, v);
			is(&b, text);
		}
	buf_done(&b);
}
END_TEST

/* Whatever the maximum and the piece: all that fits is taken, nothing over it, failure stays. */
START_TEST(maximum)
{
	char expected[600];

	memset(expected, 'x', sizeof(expected));
	for (size_t max = 0; max < sizeof(expected); max++)
		for (size_t piece = 1; piece < 300; piece += 37) {
			struct buf b;
			size_t n = 0;

			buf_init(&b, max);
			for (; n + piece <= max; n += piece) {
				buf_append(&b, expected, piece);
				ck_assert_int_eq(buf_status(&b), 0);
			}
			ck_assert_uint_eq(b.n, n);
			ck_assert_uint_le(b.cap, max);
			buf_append(&b, expected, piece);
			ck_assert_int_eq(buf_status(&b), -ENOBUFS);
			ck_assert_uint_eq(b.n, n);
			ck_assert_int_eq(buf_reserve(&b, 0), -ENOBUFS);
			buf_append(&b, "", 0);
			buf_append_char(&b, 'y');
			buf_append_i64(&b, 1);
			buf_printf(&b, "z");
			ck_assert_ptr_null(buf_take(&b, NULL));
			ck_assert_uint_eq(b.n, n);
			buf_clear(&b);
			ck_assert_int_eq(buf_status(&b), 0);
			buf_done(&b);
		}
}
END_TEST

START_TEST(huge_reserve)
{
	struct buf b;

	buf_init(&b, SIZE_MAX);
	buf_append_char(&b, 'x');
	ck_assert_int_eq(buf_reserve(&b, SIZE_MAX / 4), -ENOMEM);
	ck_assert_int_eq(buf_status(&b), -ENOBUFS);
	buf_clear(&b);
	buf_append_char(&b, 'x');
	ck_assert_int_eq(buf_reserve(&b, SIZE_MAX), -ENOBUFS); /* n + 1 would wrap */
	buf_done(&b);
}
END_TEST

/* printf into every amount of room that can be left, the NUL being one byte that never counts. */
START_TEST(printf_to_the_last_byte)
{
	for (size_t before = 0; before <= 300; before++)
		for (size_t n = 0; n <= 8; n++) {
			struct buf b;
			char want[320];

			buf_init(&b, before + n);
			for (size_t i = 0; i < before; i++)
				buf_append_char(&b, 'a');
			buf_printf(&b, "%.*s", (int)n, "12345678");
			memset(want, 'a', before);
			memcpy(want + before, "12345678", n);
			want[before + n] = '\0';
			is(&b, want);
			buf_printf(&b, "%d", 1);
			ck_assert_int_eq(buf_status(&b), -ENOBUFS);
			buf_done(&b);
		}
}
END_TEST

START_TEST(taking)
{
	struct buf b;
	size_t n = 99;
	char *p;

	buf_init(&b, 5);
	p = buf_take(&b, &n);
	ck_assert_str_eq(p, "");
	ck_assert_uint_eq(n, 0);
	free(p);
	buf_append_str(&b, STR("12345")); /* full: the NUL comes on top */
	p = buf_take(&b, NULL);
	ck_assert_str_eq(p, "12345");
	free(p);
	is(&b, "");
	ck_assert_uint_eq(b.cap, 0);
	ck_assert_uint_eq(b.max, 5);
}
END_TEST

START_TEST(allocations_fail)
{
	uint64_t nth = 1;

	if (!fail_alloc_works()) {
		puts("test_buf: left out: allocations cannot be made to fail here");
		return;
	}
	for (;; nth++) {
		struct buf b;
		char *p;

		buf_init(&b, 100000);
		fail_alloc_arm(nth);
		for (int i = 0; i < 200; i++)
			buf_printf(&b, "line %d of some text\n", i);
		p = buf_take(&b, NULL);
		if (!fail_alloc_disarm()) {
			ck_assert_ptr_nonnull(p);
			free(p);
			break;
		}
		ck_assert_ptr_null(p);
		ck_assert_int_eq(buf_status(&b), -ENOBUFS);
		buf_done(&b);
	}
	ck_assert_uint_gt(nth, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tc = tcase_create("buf");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, appending);
	tcase_add_test(tc, integers_as_printf);
	tcase_add_test(tc, maximum);
	tcase_add_test(tc, huge_reserve);
	tcase_add_test(tc, printf_to_the_last_byte);
	tcase_add_test(tc, taking);
	tcase_add_test(tc, allocations_fail);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
