/* SPDX-License-Identifier: Apache-2.0 */
/* The event of a change: a complete CloudEvent, byte for byte, for each kind of change. */
#include "domain/task_event.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct task before, after;
static struct event event;
static struct event_origin origin;
static enum task_event_kind kind;
static const struct task *was; /* NULL: none */

static void set_up(void)
{
	after = (struct task){
		.id = 5,
		.user_id = STR("alice"),
		.title = STR("Buy milk"),
		.description = { NULL, 0 },
		.priority = TASK_MEDIUM,
		.created_at_us = 1000000,
		.updated_at_us = 1000000,
		.version = 1,
	};
	before = after;
	event = (struct event){
		.id = { { 0x01, 0x93, 0, 0, 0, 0, 0x70, 0, 0x80, 1, 2, 3, 4, 5, 6, 7 } },
		.at_us = 1000000,
	};
	origin = (struct event_origin){
		.source = STR("chat-api"),
		.user_id = STR("alice"),
		.correlation_id = STR("abc"),
		.trace_id = STR("0af7651916cd43dd8448eb211c80319c"),
	};
	kind = TASK_EVENT_CREATED;
	was = NULL;
}

static const char *written(void)
{
	static struct buf b;

	buf_init(&b, 16 * 1024);
	task_event_write(&b, &origin, &event, kind, was, &after);
	buf_append_char(&b, '\0');
	ck_assert_int_eq(buf_status(&b), 0);
	return b.p;
}

static void has(const char *json, const char *part)
{
	ck_assert_msg(strstr(json, part) != NULL, "%s\nlacks %s", json, part);
}

START_TEST(created_is_complete)
{
	ck_assert_str_eq(
		written(),
		"{\"specversion\":\"1.0\",\"id\":\"01930000-0000-7000-8001-020304050607\",\"source\":\"chat-api\","
		"\"type\":\"task.created\",\"subject\":\"5\",\"time\":\"1970-01-01T00:00:01Z\","
		"\"datacontenttype\":\"application/json\",\"partitionkey\":\"alice\","
		"\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-8001020304050607-01\","
		"\"traceid\":\"00-0af7651916cd43dd8448eb211c80319c-8001020304050607-01\","
		"\"data\":{\"event_id\":\"01930000-0000-7000-8001-020304050607\",\"event_type\":\"task.created\","
		"\"user_id\":\"alice\",\"task_id\":\"5\",\"timestamp\":\"1970-01-01T00:00:01Z\",\"sequence\":1,"
		"\"correlation_id\":\"abc\",\"causation_id\":null,\"metadata\":{\"source\":\"chat-api\",\"version\":\"v1\"},"
		"\"payload\":{\"task_id\":\"5\",\"task\":{\"id\":5,\"user_id\":\"alice\",\"title\":\"Buy milk\","
		"\"description\":null,\"completed\":false,\"created_at\":\"1970-01-01T00:00:01Z\","
		"\"updated_at\":\"1970-01-01T00:00:01Z\",\"status\":\"pending\",\"completed_at\":null,"
		"\"priority\":\"medium\",\"tags\":[],\"due_date\":null,\"time_zone\":null,\"reminders\":[],"
		"\"recurrence\":null,\"recurrence_rule\":null,\"recurrence_mode\":null,"
		"\"recurrence_end_date\":null,\"series_id\":null,\"occurrence\":null,\"parent_task_id\":null,"
		"\"version\":1},\"changes\":{"
		"\"title\":{\"before\":null,\"after\":\"Buy milk\"},"
		"\"completed\":{\"before\":null,\"after\":false},"
		"\"priority\":{\"before\":null,\"after\":\"medium\"}}}}}");
	ck_assert_int_eq(event.topic, EVENT_TASK_EVENTS);
	ck_assert(str_eq(event.type, STR("task.created")));
	ck_assert_int_eq(event.task_id, 5);
	ck_assert_int_eq(event.sequence, 1);
}
END_TEST

START_TEST(completed_tells_what_changed)
{
	kind = TASK_EVENT_COMPLETED;
	was = &before;
	after.completed = true;
	after.completed_at_us = 2000000;
	after.version = 2;
	const char *json = written();
	has(json, "\"type\":\"task.completed\"");
	has(json, "\"sequence\":2");
	has(json, "\"changes\":{\"completed\":{\"before\":false,\"after\":true},"
		  "\"completed_at\":{\"before\":null,\"after\":\"1970-01-01T00:00:02Z\"}}");
}
END_TEST

START_TEST(reopened_tells_what_changed)
{
	kind = TASK_EVENT_REOPENED;
	was = &before;
	before.completed = true;
	before.completed_at_us = 2000000;
	const char *json = written();
	has(json, "\"type\":\"task.reopened\"");
	has(json, "\"changes\":{\"completed\":{\"before\":true,\"after\":false},"
		  "\"completed_at\":{\"before\":\"1970-01-01T00:00:02Z\",\"after\":null}}");
}
END_TEST

/* None and empty differ; what is the same is not told. */
START_TEST(updated_tells_what_changed)
{
	kind = TASK_EVENT_UPDATED;
	was = &before;
	after.description = STR("");
	after.priority = TASK_URGENT;
	const char *json = written();
	has(json, "\"type\":\"task.updated\"");
	has(json, "\"changes\":{\"description\":{\"before\":null,\"after\":\"\"},"
		  "\"priority\":{\"before\":\"medium\",\"after\":\"urgent\"}}");
}
END_TEST

START_TEST(deleted_keeps_the_last_task)
{
	kind = TASK_EVENT_DELETED;
	was = &before;
	after.version = 4;
	const char *json = written();
	has(json, "\"type\":\"task.deleted\"");
	has(json, "\"title\":\"Buy milk\"");
	has(json, "\"sequence\":4");
	has(json, "\"changes\":{}");
}
END_TEST

START_TEST(without_trace)
{
	origin.trace_id = (struct str){ NULL, 0 };
	ck_assert_ptr_null(strstr(written(), "trace"));
}
END_TEST

START_TEST(kinds)
{
	ck_assert_int_eq(task_event_kind_of(NULL, &after), TASK_EVENT_CREATED);
	ck_assert_int_eq(task_event_kind_of(&before, NULL), TASK_EVENT_DELETED);
	after.title = STR("b");
	ck_assert_int_eq(task_event_kind_of(&before, &after), TASK_EVENT_UPDATED);
	after.completed = true;
	ck_assert_int_eq(task_event_kind_of(&before, &after), TASK_EVENT_COMPLETED);
	ck_assert_int_eq(task_event_kind_of(&after, &before), TASK_EVENT_REOPENED);
	ck_assert(str_eq(task_event_type(TASK_EVENT_REOPENED), STR("task.reopened")));
}
END_TEST

static const char *text_of(struct buf *b)
{
	buf_append_char(b, '\0');
	ck_assert_int_eq(buf_status(b), 0);
	return b->p;
}

/* For screens: the same facts, and which kind of change it was. */
START_TEST(state_changed)
{
	struct buf b;

	buf_init(&b, 16 * 1024);
	after.title = STR("b");
	after.version = 2;
	task_update_write(&b, &origin, &event, TASK_EVENT_UPDATED, &before, &after);
	const char *json = text_of(&b);
	has(json, "\"type\":\"task.state_changed\",\"subject\":\"5\"");
	has(json, "\"sequence\":2");
	has(json, "\"payload\":{\"task_id\":\"5\",\"change\":\"updated\",\"task\":{\"id\":5,");
	has(json, "\"changes\":{\"title\":{\"before\":\"Buy milk\",\"after\":\"b\"}}}");
	ck_assert_int_eq(event.topic, EVENT_TASK_UPDATES);
	ck_assert_int_eq(event.sequence, 2);
	buf_done(&b);
}
END_TEST

static struct reminder a_reminder(void)
{
	return (struct reminder){
		.id = { { [15] = 9 } },
		.task_id = 5,
		.remind_at_us = 3000000,
		.offset_minutes = 5,
		.channels = CHANNEL_IN_APP | CHANNEL_EMAIL,
		.version = 4,
	};
}

START_TEST(reminder_events)
{
	struct reminder r = a_reminder();
	struct buf b;

	buf_init(&b, 16 * 1024);
	after.due = (struct task_date){ TASK_DATE_DAY, 0, 1 };
	after.time_zone = STR("UTC");
	reminder_event_write(&b, &origin, &event, true, &r, &after);
	const char *json = text_of(&b);
	has(json, "\"type\":\"reminder.scheduled\",\"subject\":\"5\"");
	has(json,
	    "\"sequence\":4,\"correlation_id\":\"abc\",\"causation_id\":null,\"metadata\":{\"source\":\"chat-api\","
	    "\"version\":\"v1\"},\"payload\":{\"reminder_id\":\"00000000-0000-0000-0000-000000000009\","
	    "\"task_id\":\"5\",\"title\":\"Buy milk\",\"remind_at\":\"1970-01-01T00:00:03Z\","
	    "\"due_date\":\"1970-01-02\",\"time_zone\":\"UTC\",\"channels\":null,\"version\":4}}}");
	ck_assert_int_eq(event.topic, EVENT_REMINDERS);
	ck_assert_int_eq(event.task_id, 5);
	ck_assert_int_eq(event.sequence, 4);

	buf_clear(&b);
	r.has_own_channels = true;
	after.due = (struct task_date){ .kind = TASK_DATE_NONE };
	after.time_zone = (struct str){ NULL, 0 };
	reminder_event_write(&b, &origin, &event, false, &r, &after);
	json = text_of(&b);
	has(json, "\"type\":\"reminder.cancelled\"");
	has(json, "\"due_date\":null,\"time_zone\":null,\"channels\":[\"email\",\"in_app\"]");
	buf_done(&b);
}
END_TEST

/* About no task: its subject is the user. */
START_TEST(a_trigger_says_how_late_it_is)
{
	struct reminder r = a_reminder();
	struct buf b;

	buf_init(&b, 16 * 1024);
	reminder_trigger_write(&b, &origin, &event, &r, &after, 3600);
	buf_append_char(&b, '\0');
	has(b.p, "\"type\":\"reminder.trigger\",\"subject\":\"5\"");
	has(b.p, "\"late_by\":3600}");
	ck_assert_int_eq(event.topic, EVENT_REMINDERS);
	ck_assert_int_eq(event.sequence, r.version);
	buf_done(&b);
}
END_TEST

/* All events of one change: of the task, then of its reminders. */
START_TEST(a_next_instance)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct reminder r = a_reminder();
	struct event events[TASK_EVENTS_MAX];
	struct str task;
	size_t n = 0;

	r.status = REMINDER_PENDING;
	after.reminders = &r;
	after.n_reminders = 1;
	origin.causation_id = STR("what-came-before");
	ck_assert_int_eq(task_events_render(arena, &origin, uuid_v7, TASK_EVENT_RECURRED, NULL,
					    &after, events, &n, &task),
			 0);
	ck_assert_uint_eq(n, 3);
	ck_assert(str_eq(events[0].type, STR("task.recurred")));
	has(events[0].json.p, "\"causation_id\":\"what-came-before\"");
	has(events[0].json.p, "\"changes\":{\"title\":{\"before\":null");
	ck_assert(str_eq(events[1].type, STR("task.state_changed")));
	has(events[1].json.p, "\"change\":\"created\"");
	ck_assert(str_eq(events[2].type, STR("reminder.scheduled")));
	arena_free(arena);
	/* no room */
	arena = arena_new(64);
	ck_assert_int_eq(task_events_render(arena, &origin, uuid_v7, TASK_EVENT_RECURRED, NULL,
					    &after, events, &n, &task),
			 -ENOMEM);
	arena_free(arena);
}
END_TEST

START_TEST(preferences_changed)
{
	struct preferences p = PREFERENCES_DEFAULT;
	struct buf b;

	buf_init(&b, 16 * 1024);
	event.task_id = 77;
	p.version = 3;
	p.email = STR("a@b.c");
	preferences_event_write(&b, &origin, &event, &p);
	const char *json = text_of(&b);
	has(json, "\"type\":\"preferences.changed\",\"subject\":\"alice\"");
	has(json, "\"task_id\":null");
	has(json, "\"sequence\":3");
	has(json, "\"email\":\"a@b.c\"");
	ck_assert_int_eq(event.topic, EVENT_TASK_EVENTS);
	ck_assert_int_eq(event.task_id, 0);
	buf_done(&b);
}
END_TEST

/* What does not fit into memory is no event, never half of one. */
START_TEST(too_little_room)
{
	for (size_t max = 0; max <= 1000; max += 100) {
		struct buf b;

		buf_init(&b, max);
		task_event_write(&b, &origin, &event, kind, was, &after);
		ck_assert_int_lt(buf_status(&b), 0);
		buf_done(&b);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("task_event");
	TCase *tc = tcase_create("task_event");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, created_is_complete);
	tcase_add_test(tc, completed_tells_what_changed);
	tcase_add_test(tc, reopened_tells_what_changed);
	tcase_add_test(tc, updated_tells_what_changed);
	tcase_add_test(tc, deleted_keeps_the_last_task);
	tcase_add_test(tc, without_trace);
	tcase_add_test(tc, kinds);
	tcase_add_test(tc, state_changed);
	tcase_add_test(tc, reminder_events);
	tcase_add_test(tc, a_trigger_says_how_late_it_is);
	tcase_add_test(tc, a_next_instance);
	tcase_add_test(tc, preferences_changed);
	tcase_add_test(tc, too_little_room);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
