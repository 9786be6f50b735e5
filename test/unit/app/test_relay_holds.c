/* SPDX-License-Identifier: Apache-2.0 */
/* What waits after a failure, for how long, and what happens when too much of it does. */
#include "src/app/relay_holds_private.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct relay_holds holds;
static struct outbox_hold list[RELAY_HOLDS_MAX];

static void setup(void)
{
	memset(&holds, 0, sizeof(holds));
}

START_TEST(pauses_double_up_to_a_bound)
{
	static const int64_t EXPECTED[] = { 100, 100, 200, 400, 800, 1000, 1000 };

	for (unsigned n = 0; n < ARRAY_SIZE(EXPECTED); n++)
		ck_assert_int_eq(relay_backoff_ms(n, 1000), EXPECTED[n]);
	ck_assert_int_eq(relay_backoff_ms(4000000000U, RELAY_HOLD_KEY_MAX_MS),
			 RELAY_HOLD_KEY_MAX_MS);
}
END_TEST

START_TEST(a_hold_ends_and_is_remembered)
{
	ck_assert_uint_eq(relay_holds_add(&holds, STR("t"), STR("alice"), 1000), 1);
	ck_assert_uint_eq(relay_holds_list(&holds, 1099, list), 1);
	ck_assert(str_eq(list[0].topic, STR("t")) && str_eq(list[0].user_id, STR("alice")));
	ck_assert_uint_eq(relay_holds_list(&holds, 1100, list), 0);
	ck_assert_uint_eq(relay_holds_add(&holds, STR("t"), STR("alice"), 1100), 2);
	ck_assert_uint_eq(relay_holds_list(&holds, 1299, list), 1);
	ck_assert_uint_eq(relay_holds_list(&holds, 1300, list), 0);
	relay_holds_clear(&holds, STR("t"), STR("alice"));
	ck_assert_uint_eq(relay_holds_add(&holds, STR("t"), STR("alice"), 1400), 1);
}
END_TEST

START_TEST(keys_and_topics_are_apart)
{
	relay_holds_add(&holds, STR("t"), STR("alice"), 0);
	relay_holds_add(&holds, STR("u"), STR("alice"), 0);
	relay_holds_add(&holds, STR("t"), STR(""), 0);
	ck_assert_uint_eq(relay_holds_list(&holds, 1, list), 3);
	relay_holds_clear(&holds, STR("t"), STR(""));
	relay_holds_clear(&holds, STR("t"), STR("bob"));
	ck_assert_uint_eq(relay_holds_list(&holds, 1, list), 2);
	/* A topic is tried again sooner than a key. */
	for (int i = 0; i < 20; i++) {
		relay_holds_add(&holds, STR("t"), STR("alice"), 0);
		relay_holds_add(&holds, STR("t"), STR(""), 0);
	}
	ck_assert_uint_eq(relay_holds_list(&holds, RELAY_HOLD_TOPIC_MAX_MS, list), 1);
	ck_assert(str_eq(list[0].user_id, STR("alice")));
	ck_assert_uint_eq(relay_holds_list(&holds, RELAY_HOLD_KEY_MAX_MS, list), 0);
}
END_TEST

START_TEST(batches_shrink_and_grow)
{
	ck_assert_uint_eq(relay_holds_batch_max(&holds, STR("t"), 500), 500);
	ck_assert(relay_holds_narrow(&holds, STR("t"), 9, 0));
	ck_assert_uint_eq(relay_holds_batch_max(&holds, STR("t"), 500), 4);
	ck_assert_uint_eq(relay_holds_batch_max(&holds, STR("u"), 500), 500);
	ck_assert(!relay_holds_topic_fails(&holds, STR("t")));
	relay_holds_add(&holds, STR("t"), STR(""), 0);
	ck_assert(relay_holds_topic_fails(&holds, STR("t")));
	ck_assert(relay_holds_narrow(&holds, STR("t"), 1, 0));
	ck_assert_uint_eq(relay_holds_batch_max(&holds, STR("t"), 500), 1);
	for (size_t n = 2; n < 500; n *= 2) {
		relay_holds_widen(&holds, STR("t"), 500);
		ck_assert(!relay_holds_topic_fails(&holds, STR("t")));
		ck_assert_uint_eq(relay_holds_batch_max(&holds, STR("t"), 500), n);
		ck_assert_uint_eq(relay_holds_list(&holds, 1, list), 0);
	}
	relay_holds_widen(&holds, STR("t"), 500);
	ck_assert_uint_eq(holds.n, 0);
	relay_holds_widen(&holds, STR("t"), 500);
}
END_TEST

static unsigned add_numbered(int n, int64_t now_ms)
{
	char user[32];

	snprintf(user, sizeof(user), "user-%d", n);
	return relay_holds_add(&holds, STR("t"), str_from(user), now_ms);
}

START_TEST(a_full_table)
{
	char user[200];

	for (int i = 0; i < RELAY_HOLDS_MAX; i++)
		ck_assert_uint_eq(add_numbered(i, 0), 1);
	ck_assert_uint_eq(add_numbered(RELAY_HOLDS_MAX, 0), 0);
	ck_assert_uint_eq(add_numbered(3, 0), 2);
	/* The topic finds room, and covers who was left out. */
	ck_assert_uint_eq(relay_holds_add(&holds, STR("t"), STR(""), 0), 1);
	ck_assert_uint_eq(relay_holds_list(&holds, 1, list), RELAY_HOLDS_MAX);
	/* What nobody has spoken of for long gives way. */
	ck_assert_uint_eq(add_numbered(RELAY_HOLDS_MAX, RELAY_HOLD_FORGET_MS + 1000), 1);
	memset(user, 'x', sizeof(user));
	ck_assert_uint_eq(relay_holds_add(&holds, STR("t"), (struct str){ user, 129 }, 0), 0);
	ck_assert_uint_eq(relay_holds_add(&holds, STR("t"), (struct str){ user, 128 }, 0), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("relay_holds");
	TCase *t = tcase_create("relay_holds");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, pauses_double_up_to_a_bound);
	tcase_add_test(t, a_hold_ends_and_is_remembered);
	tcase_add_test(t, keys_and_topics_are_apart);
	tcase_add_test(t, batches_shrink_and_grow);
	tcase_add_test(t, a_full_table);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
