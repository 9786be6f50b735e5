/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in memory: which are found, how many there are at most, and that a reader keeps his.
 */
#include "roles/sidecar/tail_private.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct tail tail;

static void set_up(void)
{
	memset(&tail, 0, sizeof(tail));
}

static void tear_down(void)
{
	tail_forget(&tail, INT64_MAX);
}

static void add(int64_t pos, struct str body)
{
	struct kept *k = kept_new(STR("key"), body, pos);

	ck_assert_ptr_nonnull(k);
	tail_add(&tail, k);
}

static bool has(int64_t pos)
{
	struct kept *k = tail_get(&tail, pos);
	bool found = k != NULL;

	if (found)
		ck_assert_int_eq(k->pos, pos);
	kept_release(k);
	return found;
}

START_TEST(the_newest_are_there)
{
	const int64_t first = 1000, last = first + 2 * TAIL_RECORDS_MAX;

	for (int64_t pos = first; pos <= last; pos++)
		add(pos, STR("body"));
	ck_assert(!has(last - TAIL_RECORDS_MAX));
	ck_assert(has(last - TAIL_RECORDS_MAX + 1));
	ck_assert(has(last));
	ck_assert(!has(last + 1));
	tail_forget(&tail, last);
	ck_assert(!has(last - 1));
	ck_assert(has(last));
}
END_TEST

/* After a write whose end is unknown: nothing may be found at a place it is not from. */
START_TEST(a_hole_ends_what_was_before)
{
	add(5, STR("five"));
	add(9, STR("nine"));
	ck_assert(!has(5));
	ck_assert(!has(8));
	ck_assert(has(9));
	add(9, STR("another"));
	ck_assert(!has(10));
	struct kept *k = tail_get(&tail, 9);
	ck_assert(str_eq(k->body, STR("another")));
	kept_release(k);
}
END_TEST

START_TEST(a_reader_keeps_his)
{
	add(0, STR("first"));
	struct kept *k = tail_get(&tail, 0);

	for (int64_t pos = 1; pos <= TAIL_RECORDS_MAX; pos++)
		add(pos, STR("later"));
	ck_assert(!has(0));
	ck_assert(str_eq(k->body, STR("first")));
	ck_assert(str_eq(k->key, STR("key")));
	kept_release(k);
}
END_TEST

START_TEST(keys_may_be_missing)
{
	tail_add(&tail, kept_new((struct str){ NULL, 0 }, STR(""), 0));
	struct kept *k = tail_get(&tail, 0);

	ck_assert_ptr_null(k->key.p);
	ck_assert_uint_eq(k->body.n, 0);
	kept_release(k);
}
END_TEST

START_TEST(bytes_are_bounded)
{
	enum { BODY_BYTES = TAIL_BYTES_MAX / 4 };
	char *bytes = calloc(1, BODY_BYTES);
	struct tail other = { .begin = 0 };

	ck_assert_ptr_nonnull(bytes);
	for (int64_t pos = 0; pos < 10; pos++)
		add(pos, (struct str){ bytes, BODY_BYTES });
	ck_assert(has(9));
	ck_assert(!has(6));
	/* Another partition has nothing of its own to give. */
	tail_add(&other, kept_new(STR(""), (struct str){ bytes, BODY_BYTES }, 0));
	ck_assert_ptr_null(tail_get(&other, 0));
	tail_forget(&tail, 10);
	tail_add(&other, kept_new(STR(""), (struct str){ bytes, BODY_BYTES }, 0));
	ck_assert_int_eq(other.end - other.begin, 1);
	tail_forget(&other, 1);
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sidecar/tail");
	TCase *tc = tcase_create("all");
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, the_newest_are_there);
	tcase_add_test(tc, a_hole_ends_what_was_before);
	tcase_add_test(tc, a_reader_keeps_his);
	tcase_add_test(tc, keys_may_be_missing);
	tcase_add_test(tc, bytes_are_bounded);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
