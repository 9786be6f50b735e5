/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table against a model so simple that it needs no proof: an array of (key, value) in order of
 * use, searched from end to end. Both do the same random things; they must agree on everything
 * after each.
 */
#include "base/table.h"
#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

enum { MODEL_MAX = 64 };

static struct {
	char keys[MODEL_MAX][8];
	int *values[MODEL_MAX];
	size_t n, max;
} model; /* oldest first */

static int live; /* values not yet freed */

static int *value_new(int v)
{
	int *p = malloc(sizeof(*p));

	*p = v;
	live++;
	return p;
}

static void value_free(void *p)
{
	live--;
	free(p);
}

static size_t model_find(const char *key)
{
	size_t i = 0;

	while (i < model.n && strcmp(model.keys[i], key) != 0)
		i++;
	return i;
}

static void model_remove(size_t at)
{
	for (size_t i = at; i + 1 < model.n; i++) {
		memcpy(model.keys[i], model.keys[i + 1], sizeof(model.keys[i]));
		model.values[i] = model.values[i + 1];
	}
	model.n--;
}

static void model_put(const char *key, int *value)
{
	size_t at = model_find(key);

	if (at < model.n)
		model_remove(at);
	else if (model.n == model.max)
		model_remove(0);
	snprintf(model.keys[model.n], sizeof(model.keys[0]), "%s", key);
	model.values[model.n++] = value;
}

static void do_something(struct table *t, unsigned *seed)
{
	char key[8];
	int what = rand_r(seed) % 10;
	size_t at;

	snprintf(key, sizeof(key), "%d", rand_r(seed) % 90);
	at = model_find(key);
	if (what < 5) {
		int *value = value_new(rand_r(seed));

		model_put(key, value);
		ck_assert_int_eq(table_put(t, str_from(key), value), 0);
	} else if (what < 9) {
		int *value = at < model.n ? model.values[at] : NULL;

		ck_assert_ptr_eq(table_get(t, str_from(key)), value);
		if (value)
			model_put(key, value);
	} else {
		ck_assert_int_eq(table_remove(t, str_from(key)), at < model.n);
		if (at < model.n)
			model_remove(at);
	}
	ck_assert_uint_eq(table_count(t), model.n);
	ck_assert_int_eq(live, (int)model.n);
}

START_TEST(as_the_model)
{
	static const size_t sizes[] = { 1, 2, 3, 16, 17, 64 };
	unsigned seed = 20261121;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct table *t = table_new(sizes[i], value_free);

		model.max = sizes[i];
		model.n = 0;
		live = 0;
		for (int step = 0; step < 3000; step++)
			do_something(t, &seed);
		table_free(t);
		ck_assert_int_eq(live, 0);
	}
	table_free(NULL);
}
END_TEST

START_TEST(keys_are_bytes)
{
	struct table *t = table_new(10, NULL);
	char key[] = "abc";
	int one, two, three;

	ck_assert_int_eq(table_put(t, (struct str){ key, 3 }, &one), 0);
	key[0] = 'x'; /* it was copied */
	ck_assert_ptr_eq(table_get(t, STR("abc")), &one);
	ck_assert_ptr_null(table_get(t, STR("xbc")));
	ck_assert_int_eq(table_put(t, STR("a\0b"), &two), 0);
	ck_assert_int_eq(table_put(t, STR("a\0c"), &three), 0);
	ck_assert_int_eq(table_put(t, (struct str){ NULL, 0 }, &one), 0);
	ck_assert_ptr_eq(table_get(t, STR("a\0b")), &two);
	ck_assert_ptr_eq(table_get(t, STR("a\0c")), &three);
	ck_assert_ptr_null(table_get(t, STR("a")));
	ck_assert_ptr_eq(table_get(t, STR("")), &one);
	ck_assert(!table_remove(t, STR("a")));
	table_free(t);
}
END_TEST

/* Putting the value that is there already does not free it. */
START_TEST(same_value_again)
{
	struct table *t = table_new(2, value_free);
	int *value;

	live = 0;
	value = value_new(1);
	ck_assert_int_eq(table_put(t, STR("k"), value), 0);
	ck_assert_int_eq(table_put(t, STR("k"), value), 0);
	ck_assert_int_eq(live, 1);
	ck_assert_int_eq(*(int *)table_get(t, STR("k")), 1);
	table_free(t);
	ck_assert_int_eq(live, 0);
}
END_TEST

/* A put that fails changes nothing and leaves the value with the caller; buckets that cannot grow
 * do no harm. */
START_TEST(allocations_fail)
{
	if (!fail_alloc_works()) {
		puts("test_table: left out: allocations cannot be made to fail here");
		return;
	}
	for (uint64_t nth = 1;; nth++) {
		struct table *t;
		size_t refused = 0;
		static int value;

		fail_alloc_arm(nth);
		t = table_new(100, NULL);
		for (int i = 0; t && i < 100; i++)
			refused += table_put(t, (struct str){ (char *)&i, sizeof(i) }, &value) ==
				   -ENOMEM;
		if (!fail_alloc_disarm()) {
			table_free(t);
			ck_assert_uint_gt(nth, 100);
			break;
		}
		ck_assert(nth > 2 ? t && refused <= 1 : !t);
		for (int i = 0; t && i < 100; i++)
			refused += table_get(t, (struct str){ (char *)&i, sizeof(i) }) == &value;
		ck_assert_uint_eq(refused, t ? 100 : 0);
		table_free(t);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("table");
	TCase *tc = tcase_create("table");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, as_the_model);
	tcase_add_test(tc, keys_are_bytes);
	tcase_add_test(tc, same_value_again);
	tcase_add_test(tc, allocations_fail);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
