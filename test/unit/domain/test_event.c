/* SPDX-License-Identifier: Apache-2.0 */
/* The envelope of all events, byte for byte, and where an event goes. */
#include "domain/event.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static void payload(struct json_out *o, const void *arg)
{
	json_str(o, *(const struct str *)arg);
}

static const char *written(struct buf *b, const struct event_origin *origin, const struct event *e)
{
	const struct str text = STR("p");

	buf_clear(b);
	event_write(b, origin, e, payload, &text);
	buf_append_char(b, '\0');
	ck_assert_int_eq(buf_status(b), 0);
	return b->p;
}

START_TEST(whole)
{
	struct event_origin origin = {
		.source = STR("chat-api"),
		.user_id = STR("an\"na"),
		.correlation_id = STR("c\n"),
		.causation_id = STR("cause"),
		.trace_id = STR("0af7651916cd43dd8448eb211c80319c"),
	};
	struct event e = {
		.id = { { 0x01, 0x93, 0, 0, 0, 0, 0x70, 0, 0x80, 1, 2, 3, 4, 5, 6, 7 } },
		.type = STR("task.created"),
		.task_id = INT64_MAX,
		.sequence = INT64_MAX,
		.at_us = 1500000,
	};
	struct buf b;

	buf_init(&b, 4096);
	ck_assert_str_eq(
		written(&b, &origin, &e),
		"{\"specversion\":\"1.0\",\"id\":\"01930000-0000-7000-8001-020304050607\",\"source\":\"chat-api\","
		"\"type\":\"task.created\",\"subject\":\"9223372036854775807\",\"time\":\"1970-01-01T00:00:01.500000Z\","
		"\"datacontenttype\":\"application/json\",\"partitionkey\":\"an\\\"na\","
		"\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-8001020304050607-01\","
		"\"traceid\":\"00-0af7651916cd43dd8448eb211c80319c-8001020304050607-01\","
		"\"data\":{\"event_id\":\"01930000-0000-7000-8001-020304050607\",\"event_type\":\"task.created\","
		"\"user_id\":\"an\\\"na\",\"task_id\":\"9223372036854775807\",\"timestamp\":\"1970-01-01T00:00:01.500000Z\","
		"\"sequence\":9223372036854775807,\"correlation_id\":\"c\\n\",\"causation_id\":\"cause\","
		"\"metadata\":{\"source\":\"chat-api\",\"version\":\"v1\"},\"payload\":\"p\"}}");
	/* About no task; a trace id of another length is none. */
	e.task_id = 0;
	origin.trace_id = STR("0af7651916cd43dd8448eb211c80319");
	origin.causation_id = (struct str){ NULL, 0 };
	const char *json = written(&b, &origin, &e);
	ck_assert_ptr_nonnull(strstr(json, "\"subject\":\"an\\\"na\","));
	ck_assert_ptr_nonnull(strstr(json, "\"task_id\":null,"));
	ck_assert_ptr_nonnull(strstr(json, "\"causation_id\":null,"));
	ck_assert_ptr_null(strstr(json, "trace"));
	buf_done(&b);
}
END_TEST

START_TEST(topics)
{
	static const char *const NAMES[] = { "task-events", "reminders", "task-updates" };

	for (int t = 0; t < _EVENT_TOPIC_MAX; t++)
		ck_assert(str_eq(event_topic_name((enum event_topic)t), str_from(NAMES[t])));
}
END_TEST

/* Stored rows depend on it: it may never change. */
START_TEST(partitions_are_stable)
{
	static const struct {
		const char *user;
		int partition;
	} KNOWN[] = { { "anna", 6 }, { "bilal", 0 }, { "", 7 }, { "\xc3\xa9", 15 } };
	int seen[16] = { 0 };
	char user[16];

	for (size_t i = 0; i < ARRAY_SIZE(KNOWN); i++)
		ck_assert_int_eq(event_partition(str_from(KNOWN[i].user)), KNOWN[i].partition);
	for (int i = 0; i < 1600; i++) {
		int n = snprintf(user, sizeof(user), "user-%d", i);
		int part = event_partition((struct str){ user, (size_t)n });
		ck_assert_int_ge(part, 0);
		ck_assert_int_lt(part, 16);
		seen[part]++;
	}
	for (int i = 0; i < 16; i++)
		ck_assert_int_gt(seen[i], 50);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("event");
	TCase *tc = tcase_create("event");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, whole);
	tcase_add_test(tc, topics);
	tcase_add_test(tc, partitions_are_stable);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
