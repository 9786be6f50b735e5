/* SPDX-License-Identifier: Apache-2.0 */
/* The list of subscriptions, to the byte, and the paths it leads to. */
#include "dapr/callback.h"

#include <check.h>
#include <stdlib.h>

static const struct subscription table[] = {
	{ .topic = "task-events", .dead_letter = "dlq.task-events" },
	{ .topic = "task-updates" },
	{ .topic = "dlq.task-events", .raw = true },
	{ .topic = NULL },
};

static void check_list(const struct subscription *list, const char *expected)
{
	struct buf b;

	buf_init(&b, 4096);
	subscriptions_write(&b, "kafka-pubsub", list);
	ck_assert_int_eq(buf_status(&b), 0);
	ck_assert_msg(str_eq(buf_str(&b), str_from(expected)), "%.*s", STR_ARGS(buf_str(&b)));
	buf_done(&b);
}

START_TEST(list)
{
	check_list(
		table,
		"[{\"pubsubname\":\"kafka-pubsub\",\"topic\":\"task-events\",\"routes\":{\"default\":\"/events/task-events\"},"
		"\"deadLetterTopic\":\"dlq.task-events\"},"
		"{\"pubsubname\":\"kafka-pubsub\",\"topic\":\"task-updates\",\"routes\":{\"default\":\"/events/task-updates\"}},"
		"{\"pubsubname\":\"kafka-pubsub\",\"topic\":\"dlq.task-events\","
		"\"routes\":{\"default\":\"/events/dlq.task-events\"},\"metadata\":{\"rawPayload\":\"true\"}}]");
	/* None is a list too: other answers than 200 and 404 are only logged by the sidecar. */
	check_list(table + 3, "[]");
	check_list(NULL, "[]");
}
END_TEST

START_TEST(paths)
{
	char path[128];

	ck_assert(str_eq(subscription_path(&table[0], path), STR("/events/task-events")));
	ck_assert_str_eq(path, "/events/task-events");
	ck_assert(str_eq(subscription_path(&table[2], path), STR("/events/dlq.task-events")));
}
END_TEST

START_TEST(little_room)
{
	for (size_t max = 0; max < 100; max++) {
		struct buf b;

		buf_init(&b, max);
		subscriptions_write(&b, "kafka-pubsub", table);
		ck_assert_int_lt(buf_status(&b), 0);
		buf_done(&b);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("callback");
	TCase *tc = tcase_create("callback");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, list);
	tcase_add_test(tc, paths);
	tcase_add_test(tc, little_room);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
