/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena: alignment, the maximum, deferred calls, reuse, every allocation failing, and, where
 * the sanitizer is built in, that it sees an overrun from one piece into the next and a use after
 * reset.
 */
#include "base/arena.h"
#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>

#ifdef __SANITIZE_ADDRESS__
/* A size nobody has is refused, as it is without the sanitizer. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}
#endif

START_TEST(pieces_are_apart)
{
	static const size_t sizes[] = { 0,   1,	   7,	 8,    15,   16,    17,
					100, 4095, 4096, 4097, 9000, 70000, 300000 };
	struct arena *a = arena_new(8 << 20);
	char *pieces[ARRAY_SIZE(sizes) * 8];
	size_t n = 0;

	for (size_t round = 0; round < 8; round++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			pieces[n] = arena_alloc(a, sizes[i]);
			ck_assert_ptr_nonnull(pieces[n]);
			ck_assert_uint_eq((uintptr_t)pieces[n] % _Alignof(max_align_t), 0);
			memset(pieces[n], (int)n, sizes[i]);
			n++;
		}
	for (size_t i = 0; i < n; i++) {
		size_t size = sizes[i % ARRAY_SIZE(sizes)];

		for (size_t k = 0; k < size; k++)
			if ((unsigned char)pieces[i][k] != i)
				ck_abort_msg("piece %zu was written by another", i);
		for (size_t k = i + 1; k < n; k++)
			ck_assert_ptr_ne(pieces[i], pieces[k]);
	}
	arena_free(a);
	arena_free(NULL);
}
END_TEST

START_TEST(maximum)
{
	for (size_t max = 0; max < 20000; max += 1 + max / 7) {
		struct arena *a = arena_new(max);
		size_t sum = 0;

		ck_assert_ptr_null(arena_alloc(a, max + 1));
		ck_assert_ptr_null(arena_alloc(a, SIZE_MAX));
		ck_assert_ptr_null(arena_alloc(a, SIZE_MAX - 8));
		while (arena_alloc(a, 48))
			sum += 48;
		ck_assert_uint_eq(sum, max / 48 * 48);
		ck_assert_uint_eq(arena_used(a), sum);
		arena_reset(a);
		ck_assert_uint_eq(arena_used(a), 0);
		ck_assert(max < 48 || arena_alloc(a, 48));
		arena_free(a);
	}
}
END_TEST

START_TEST(no_maximum_to_speak_of)
{
	struct arena *a = arena_new(SIZE_MAX);

	ck_assert_ptr_null(arena_alloc(a, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(a, SIZE_MAX - 15));
	ck_assert_ptr_null(arena_alloc(a, SIZE_MAX / 2));
	ck_assert_ptr_null(arena_dup(a, (struct str){ "", SIZE_MAX }).p);
	ck_assert_ptr_nonnull(arena_alloc(a, 16));
	arena_free(a);
}
END_TEST

START_TEST(calloc_and_copies)
{
	struct arena *a = arena_new(20000);
	struct str s;
	char *p;

	p = arena_alloc(a, 500);
	memset(p, 'x', 500);
	arena_reset(a);
	p = arena_calloc(a, 50, 10);
	for (size_t i = 0; i < 500; i++)
		ck_assert_int_eq(p[i], 0);
	ck_assert_ptr_null(arena_calloc(a, SIZE_MAX / 2, 3));
	ck_assert_ptr_null(arena_calloc(a, 3, SIZE_MAX / 2));
	ck_assert_ptr_nonnull(arena_calloc(a, 0, 3));

	s = arena_dup(a, STR("a\0b"));
	ck_assert(str_eq(s, STR("a\0b")) && s.p[3] == '\0');
	s = arena_dup(a, (struct str){ NULL, 0 });
	ck_assert_str_eq(s.p, "");
	s = arena_printf(a, "%s-%d", "x", 7);
	ck_assert_str_eq(s.p, "x-7");
	ck_assert_uint_eq(s.n, 3);
	ck_assert_ptr_null(arena_printf(a, "%30000d", 1).p);
	ck_assert_ptr_null(arena_dup(a, (struct str){ p, 30000 }).p);
	arena_free(a);
}
END_TEST

struct note {
	char *log;
	char letter;
};

static void write_letter(void *arg)
{
	struct note *note = arg;
	size_t n = strlen(note->log);

	note->log[n] = note->letter;
	note->log[n + 1] = '\0';
}

START_TEST(deferred)
{
	char log[16] = "";
	struct arena *a = arena_new(10000);

	for (int round = 0; round < 2; round++) {
		log[0] = '\0';
		for (char c = 'a'; c <= 'e'; c++) {
			/* In the arena itself: it must still be readable when the function runs. */
			struct note *note = arena_alloc(a, sizeof(*note));

			*note = (struct note){ log, c };
			ck_assert_int_eq(arena_defer(a, write_letter, note), 0);
			arena_alloc(a, 1500);
		}
		ck_assert_str_eq(log, "");
		if (round == 0)
			arena_reset(a);
		else
			arena_free(a);
		ck_assert_str_eq(log, "edcba");
	}
}
END_TEST

static struct arena *again_arena;
static int again_left;

static void defer_again(void *arg)
{
	if (again_left-- > 0)
		ck_assert_int_eq(arena_defer(again_arena, defer_again, arg), 0);
}

START_TEST(deferred_by_deferred)
{
	again_arena = arena_new(10000);
	again_left = 5;
	ck_assert_int_eq(arena_defer(again_arena, defer_again, NULL), 0);
	arena_free(again_arena);
	ck_assert_int_eq(again_left, -1);
}
END_TEST

START_TEST(defer_without_memory)
{
	char log[4] = "";
	struct note note = { log, 'x' };
	struct arena *a = arena_new(0);

	ck_assert_int_lt(arena_defer(a, write_letter, &note), 0);
	arena_free(a);
	ck_assert_str_eq(log, ""); /* still the caller's */
}
END_TEST

START_TEST(allocations_fail)
{
	uint64_t nth = 1;

	if (!fail_alloc_works()) {
		puts("test_arena: left out: allocations cannot be made to fail here");
		return;
	}
	for (;; nth++) {
		struct arena *a;
		size_t refused = 0;

		fail_alloc_arm(nth);
		a = arena_new(1 << 20);
		for (int i = 0; a && i < 100; i++)
			refused += !arena_alloc(a, 1000);
		if (!fail_alloc_disarm()) {
			ck_assert_uint_eq(refused, 0);
			arena_free(a);
			break;
		}
		/* One piece was refused; the next one found memory again. */
		ck_assert(nth == 1 ? !a : refused == 1);
		arena_free(a);
	}
	ck_assert_uint_gt(nth, 3);
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
static void end_quietly(void)
{
	freopen("/dev/null", "w", stderr);
}

START_TEST(overrun_is_seen)
{
	struct arena *a = arena_new(10000);
	volatile char *p = arena_alloc(a, 13);

	arena_alloc(a, 64);
	end_quietly();
	p[_i] = 1;
	/* Not reached: check expects the exit code of the sanitizer. */
	arena_free(a);
}
END_TEST

START_TEST(use_after_reset_is_seen)
{
	struct arena *a = arena_new(10000);
	volatile char *p = arena_alloc(a, 13);

	arena_reset(a);
	end_quietly();
	p[0] = 1;
	arena_free(a);
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("arena");
	TCase *tc = tcase_create("arena");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, pieces_are_apart);
	tcase_add_test(tc, maximum);
	tcase_add_test(tc, no_maximum_to_speak_of);
	tcase_add_test(tc, calloc_and_copies);
	tcase_add_test(tc, deferred);
	tcase_add_test(tc, deferred_by_deferred);
	tcase_add_test(tc, defer_without_memory);
	tcase_add_test(tc, allocations_fail);
#ifdef __SANITIZE_ADDRESS__
	tcase_add_loop_exit_test(tc, overrun_is_seen, 1, 13, 24);
	tcase_add_exit_test(tc, use_after_reset_is_seen, 1);
#endif
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
