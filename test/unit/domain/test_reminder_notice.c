/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of reminder events in and out: what the domain's own events say is read back, and what
 * is written says it again. */
#include "domain/reminder_notice.h"

#include "base/json.h"
#include "domain/task_event.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct arena *arena;
static const struct event_origin ORIGIN = {
	.source = STR_INIT("test"),
	.user_id = STR_INIT("u"),
	.correlation_id = STR_INIT("c"),
	.trace_id = STR_INIT("0af7651916cd43dd8448eb211c80319c"),
};

static void setup(void)
{
	arena = arena_new(1 << 20);
}

static void teardown(void)
{
	arena_free(arena);
}

struct outer {
	struct json_str data, payload, type;
};

static const struct json_field OUTER[] = {
	JSON_FIELD(struct outer, data, "data", JSON_KIND_RAW),
	JSON_FIELD(struct outer, payload, "payload", JSON_KIND_RAW),
	JSON_FIELD(struct outer, type, "type", JSON_KIND_STR),
	JSON_FIELD_END,
};

static struct str payload_of(struct str event)
{
	struct outer a = { .data = { .state = JSON_ABSENT } }, b = a;

	ck_assert_int_eq(json_parse(arena, event, "e", OUTER, &a, NULL), 0);
	ck_assert_int_eq(json_parse(arena, a.data.v, "d", OUTER, &b, NULL), 0);
	return b.payload.v;
}

static void ck_same(const struct reminder_notice *a, const struct reminder_notice *b)
{
	ck_assert_mem_eq(&a->reminder_id, &b->reminder_id, sizeof(a->reminder_id));
	ck_assert_int_eq(a->task_id, b->task_id);
	ck_assert(str_eq(a->title, b->title));
	ck_assert_int_eq(a->remind_at_us, b->remind_at_us);
	ck_assert(str_eq(a->due_date, b->due_date) && str_eq(a->time_zone, b->time_zone));
	ck_assert_int_eq(a->has_own_channels, b->has_own_channels);
	ck_assert_uint_eq(a->channels, b->channels);
	ck_assert_int_eq(a->version, b->version);
	ck_assert_int_eq(a->late_by_s, b->late_by_s);
}

/* What chat-api writes from the task is what is read here. */
START_TEST(reads_what_chat_api_writes)
{
	const struct reminder reminder = {
		.id = uuid_v7(),
		.remind_at_us = INT64_C(1795262400123456),
		.channels = CHANNEL_EMAIL | CHANNEL_LOG,
		.has_own_channels = true,
		.version = 3,
	};
	const struct task task = { .id = 42,
				   .title = STR("K\xC3\xA4se \"\n"),
				   .due = { TASK_DATE_DAY, INT64_C(1795219200000000), 20778 },
				   .time_zone = STR("Europe/Berlin") };
	struct event e = { .id = uuid_v7() };
	struct buf *out = arena_buf(arena, 1 << 16);
	struct reminder_notice n, again;
	struct err err = { .text = "" };

	reminder_event_write(out, &ORIGIN, &e, true, &reminder, &task);
	ck_assert_msg(reminder_notice_parse(arena, payload_of(buf_str(out)), &n, &err) == 0, "%s",
		      err.text);
	const struct reminder_notice wanted = {
		.reminder_id = reminder.id,
		.task_id = 42,
		.title = task.title,
		.remind_at_us = reminder.remind_at_us,
		.due_date = STR("2026-11-21"),
		.time_zone = task.time_zone,
		.has_own_channels = true,
		.channels = CHANNEL_EMAIL | CHANNEL_LOG,
		.version = 3,
		.late_by_s = NOTICE_NOT_LATE,
	};
	ck_same(&n, &wanted);

	n.attempt = 2;
	n.late_by_s = 7;
	buf_clear(out);
	reminder_notice_write_trigger(out, &ORIGIN, &e, &n);
	ck_assert(str_eq(e.type, STR("reminder.trigger")) && e.topic == EVENT_REMINDERS);
	ck_assert(e.task_id == 42 && e.sequence == 3);
	ck_assert_int_eq(reminder_notice_parse(arena, payload_of(buf_str(out)), &again, &err), 0);
	ck_same(&again, &n);
	ck_assert_int_eq(again.attempt, 2);
}
END_TEST

static const struct reminder_notice PLAIN = { .task_id = 1,
					      .title = STR_INIT("t"),
					      .remind_at_us = INT64_C(1795262400000000),
					      .version = 1,
					      .late_by_s = NOTICE_NOT_LATE };
#define PLAIN_START                                                                             \
	"\"reminder_id\":\"00000000-0000-0000-0000-000000000000\",\"task_id\":\"1\",\"title\":" \
	"\"t\",\"remind_at\":\"2026-11-21T12:00:00Z\",\"due_date\":null,\"time_zone\":null,"

static void ck_payload(const struct buf *out, const char *wanted)
{
	struct str got = payload_of(buf_str(out));

	ck_assert_msg(str_eq(got, str_from(wanted)), "%.*s\nis not\n%s", STR_ARGS(got), wanted);
}

START_TEST(outcomes)
{
	const struct reminder_outcome sent = { .attempt = 1, .via = CHANNEL_IN_APP },
				      later = { .attempt = 2,
						.error = STR("why"),
						.retry_at_us = INT64_C(1795262460000000) },
				      never = { .attempt = 4, .error = STR("") };
	struct buf *out = arena_buf(arena, 1 << 16);
	struct event e = { .id = uuid_v7() };

	reminder_notice_write_outcome(out, &ORIGIN, &e, &PLAIN, &sent);
	ck_assert(str_eq(e.type, STR("reminder.sent")));
	ck_payload(out, "{" PLAIN_START
			"\"channels\":null,\"version\":1,\"attempt\":1,\"via\":[\"in_app\"]}");
	buf_clear(out);
	reminder_notice_write_outcome(out, &ORIGIN, &e, &PLAIN, &later);
	ck_assert(str_eq(e.type, STR("reminder.failed")));
	ck_payload(out, "{" PLAIN_START "\"channels\":null,\"version\":1,\"attempt\":2,"
			"\"retry_at\":\"2026-11-21T12:01:00Z\",\"error\":\"why\"}");
	buf_clear(out);
	reminder_notice_write_outcome(out, &ORIGIN, &e, &PLAIN, &never);
	ck_payload(out, "{" PLAIN_START "\"channels\":null,\"version\":1,\"attempt\":4,"
			"\"retry_at\":null,\"error\":\"\"}");
}
END_TEST

START_TEST(notifications)
{
	struct buf *out = arena_buf(arena, 1 << 16);
	struct event e = { .id = uuid_v7() };
	struct reminder_notice late = PLAIN;

	reminder_notice_write_notification(out, &ORIGIN, &e, &PLAIN);
	ck_assert(e.topic == EVENT_TASK_UPDATES && str_eq(e.type, STR("notification")));
	ck_payload(out, "{\"kind\":\"reminder\"," PLAIN_START "\"version\":1,\"late_by\":null}");
	buf_clear(out);
	late.late_by_s = 90;
	reminder_notice_write_notification(out, &ORIGIN, &e, &late);
	ck_payload(out, "{\"kind\":\"reminder\"," PLAIN_START "\"version\":1,\"late_by\":90}");
}
END_TEST

START_TEST(refused)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"null",
		"{\"reminder_id\":1}",
		"{\"reminder_id\":\"x\",\"task_id\":\"1\",\"title\":\"t\",\"remind_at\":"
		"\"2026-11-21T12:00:00Z\",\"version\":1}",
		"{" PLAIN_START "\"version\":0}",
		"{" PLAIN_START "\"version\":\"1\"}",
		"{" PLAIN_START "\"version\":1,\"late_by\":-2}",
		"{" PLAIN_START "\"version\":1,\"attempt\":-1}",
		"{" PLAIN_START "\"version\":1,\"channels\":\"log\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct reminder_notice n = { .version = 77 };
		struct err err = { .text = "" };

		ck_assert_msg(reminder_notice_parse(arena, str_from(bad[i]), &n, &err) == -EINVAL,
			      "%s", bad[i]);
		ck_assert(n.version == 77 && err.kind != NULL);
	}
}
END_TEST

START_TEST(channels_of_others)
{
	static const struct {
		const char *channels;
		unsigned set;
	} cases[] = {
		{ "null", 0 },
		{ "[]", 0 },
		{ "[\"pigeon\"]", 0 },
		{ "[\"pigeon\",\"log\"]", CHANNEL_LOG },
		{ "[\"log\",\"log\",\"email\"]", CHANNEL_LOG | CHANNEL_EMAIL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct reminder_notice n;
		struct str json = arena_printf(arena, "{%s\"version\":1,\"channels\":%s}",
					       PLAIN_START, cases[i].channels);

		ck_assert_int_eq(reminder_notice_parse(arena, json, &n, NULL), 0);
		ck_assert_uint_eq(n.channels, cases[i].set);
		ck_assert_int_eq(n.has_own_channels, cases[i].set != 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reminder_notice");
	TCase *tc = tcase_create("reminder_notice");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, reads_what_chat_api_writes);
	tcase_add_test(tc, outcomes);
	tcase_add_test(tc, notifications);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, channels_of_others);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
