/* SPDX-License-Identifier: Apache-2.0 */
/* How a task is shown, and what of it counts as changed. */
#include "test/unit/support/task_fixture.h"

/* The first seven keys are the older API's, in its order. */
START_TEST(shown_as_json)
{
	struct task t = {
		.id = 5,
		.user_id = STR("al\"ice"),
		.title = STR("Buy \xf0\x9f\x8d\x8e"),
		.description = { NULL, 0 },
		.priority = TASK_HIGH,
		.created_at_us = 0,
		.updated_at_us = 1500000,
		.version = 3,
	};

	ck_assert_str_eq(
		task_json(&t),
		"{\"id\":5,\"user_id\":\"al\\\"ice\",\"title\":\"Buy \xf0\x9f\x8d\x8e\",\"description\":null,"
		"\"completed\":false,\"created_at\":\"1970-01-01T00:00:00Z\","
		"\"updated_at\":\"1970-01-01T00:00:01.500000Z\",\"status\":\"pending\",\"completed_at\":null,"
		"\"priority\":\"high\",\"tags\":[],\"due_date\":null,\"time_zone\":null,\"reminders\":[],"
		"\"recurrence\":null,\"recurrence_rule\":null,\"recurrence_mode\":null,"
		"\"recurrence_end_date\":null,\"series_id\":null,\"occurrence\":null,\"parent_task_id\":null,"
		"\"version\":3}");
	t.completed = true;
	t.completed_at_us = 2000000;
	t.description = STR("");
	json_has(&t, "\"status\":\"completed\",\"completed_at\":\"1970-01-01T00:00:02Z\"");
	json_has(&t, "\"description\":\"\"");
}
END_TEST

static const struct str TAGS[] = { STR_INIT("b"), STR_INIT("\xc3\x84") };

static const struct reminder REMINDERS[] = {
	{ .id = { { [15] = 1 } },
	  .task_id = 5,
	  .remind_at_us = 1000000,
	  .offset_minutes = 30,
	  .channels = CHANNEL_IN_APP | CHANNEL_LOG,
	  .version = 1 },
	{ .id = { { [15] = 2 } },
	  .task_id = 5,
	  .remind_at_us = 2000000,
	  .offset_minutes = REMINDER_NO_OFFSET,
	  .channels = CHANNEL_EMAIL,
	  .has_own_channels = true,
	  .status = REMINDER_FAILED,
	  .sent_at_us = 3000000,
	  .retry_count = 4,
	  .last_error = STR_INIT("no \"such\" host"),
	  .version = 9 },
};

/* With everything a task can have. */
static struct task full(void)
{
	return (struct task){
		.id = 5,
		.user_id = STR("anna"),
		.title = STR("Water"),
		.description = STR("both"),
		.completed = true,
		.priority = TASK_LOW,
		.tags = TAGS,
		.n_tags = ARRAY_SIZE(TAGS),
		.due = { TASK_DATE_DAY, 20512 * INT64_C(86400000000), 20512 },
		.overdue_at_us = 20513 * INT64_C(86400000000),
		.time_zone = STR("UTC"),
		.reminders = REMINDERS,
		.n_reminders = ARRAY_SIZE(REMINDERS),
		.recurrence_rule = STR("FREQ=WEEKLY"),
		.recurrence_mode = TASK_RECUR_COMPLETION,
		.recurrence_end = { TASK_DATE_INSTANT, 20600 * INT64_C(86400000000) + 1, 0 },
		.series_id = { { [15] = 3 } },
		.series_start_s = 20512 * INT64_C(86400),
		.occurrence = 4,
		.parent_task_id = 3,
		.completed_at_us = 4000000,
		.version = 6,
	};
}

START_TEST(all_fields_shown)
{
	const struct task t = full();

	json_has(&t, "\"priority\":\"low\",\"tags\":[\"b\",\"\xc3\x84\"],"
		     "\"due_date\":\"2026-02-28\",\"time_zone\":\"UTC\",\"reminders\":["
		     "{\"id\":\"00000000-0000-0000-0000-000000000001\",\"task_id\":5,"
		     "\"remind_at\":\"1970-01-01T00:00:01Z\",\"offset_minutes\":30,"
		     "\"channels\":[\"in_app\",\"log\"],\"status\":\"pending\",\"sent_at\":null,"
		     "\"retry_count\":0,\"last_error\":null,\"version\":1},"
		     "{\"id\":\"00000000-0000-0000-0000-000000000002\",\"task_id\":5,"
		     "\"remind_at\":\"1970-01-01T00:00:02Z\",\"offset_minutes\":null,"
		     "\"channels\":[\"email\"],\"status\":\"failed\","
		     "\"sent_at\":\"1970-01-01T00:00:03Z\",\"retry_count\":4,"
		     "\"last_error\":\"no \\\"such\\\" host\",\"version\":9}],"
		     "\"recurrence\":\"weekly\",\"recurrence_rule\":\"FREQ=WEEKLY\","
		     "\"recurrence_mode\":\"completion\","
		     "\"recurrence_end_date\":\"2026-05-27T00:00:00.000001Z\","
		     "\"series_id\":\"00000000-0000-0000-0000-000000000003\",\"occurrence\":4,"
		     "\"parent_task_id\":3,\"version\":6}");
}
END_TEST

static const char *changes(const struct task *before, const struct task *after)
{
	struct buf *b = arena_buf(arena, 64 * 1024);
	struct json_out o;

	json_out_init(&o, b);
	ck_assert_int_eq(task_write_changes(&o, before, after), 0);
	buf_append_char(b, '\0');
	ck_assert_int_eq(buf_status(b), 0);
	return b->p;
}

/* Of a new task only what is there is told; names of fields as the API has them. */
START_TEST(changes_of_a_new_task)
{
	const struct task bare = { .title = STR("a"), .priority = TASK_MEDIUM };
	const struct task t = full();

	ck_assert_str_eq(changes(NULL, &bare),
			 "{\"title\":{\"before\":null,\"after\":\"a\"},"
			 "\"completed\":{\"before\":null,\"after\":false},"
			 "\"priority\":{\"before\":null,\"after\":\"medium\"}}");
	const char *all = changes(NULL, &t);
	static const char *const NAMES[] = {
		"title",
		"description",
		"completed",
		"completed_at",
		"priority",
		"tags",
		"due_date",
		"time_zone",
		"reminders",
		"recurrence_rule",
		"series_id",
		"recurrence_mode",
		"recurrence_end_date",
		"occurrence",
		"parent_task_id",
	};
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		struct str part =
			arena_printf(arena, "\"%s\":{\"before\":null,\"after\":", NAMES[i]);
		ck_assert_msg(strstr(all, part.p) != NULL, "%s lacks %s", all, NAMES[i]);
	}
}
END_TEST

/* Each field by itself: told when it is another one, and then by its name only. */
static void title(struct task *t)
{
	t->title = STR("Wine");
}

static void no_description(struct task *t)
{
	t->description = (struct str){ NULL, 0 };
}

static void tag_order(struct task *t)
{
	static const struct str OTHER[] = { STR_INIT("\xc3\x84"), STR_INIT("b") };

	t->tags = OTHER;
}

static void no_tags(struct task *t)
{
	t->n_tags = 0;
}

static void due(struct task *t)
{
	t->due.kind = TASK_DATE_INSTANT; /* the same instant, no longer the whole day */
}

static void zone(struct task *t)
{
	t->time_zone = STR("Etc/UTC");
}

static void reminder(struct task *t)
{
	t->n_reminders = 1;
}

static void rule(struct task *t)
{
	t->recurrence_rule = STR("FREQ=DAILY");
}

static void mode(struct task *t)
{
	t->recurrence_mode = TASK_RECUR_DUE;
}

static void end(struct task *t)
{
	t->recurrence_end.at_us++;
}

static void series(struct task *t)
{
	t->series_id.bytes[0]++;
}

static void occurrence(struct task *t)
{
	t->occurrence++;
}

static void priority(struct task *t)
{
	t->priority = TASK_URGENT;
}

static void nothing(struct task *t)
{
	t->version++;
	t->updated_at_us++;
	t->overdue_at_us++;
	t->series_start_s++;
}

static const struct {
	void (*change)(struct task *t);
	const char *told;
} CHANGES[] = {
	{ title, "{\"title\":{\"before\":\"Water\",\"after\":\"Wine\"}}" },
	{ no_description, "{\"description\":{\"before\":\"both\",\"after\":null}}" },
	{ tag_order,
	  "{\"tags\":{\"before\":[\"b\",\"\xc3\x84\"],\"after\":[\"\xc3\x84\",\"b\"]}}" },
	{ no_tags, "{\"tags\":{\"before\":[\"b\",\"\xc3\x84\"],\"after\":[]}}" },
	{ due, "{\"due_date\":{\"before\":\"2026-02-28\",\"after\":\"2026-02-28T00:00:00Z\"}}" },
	{ zone, "{\"time_zone\":{\"before\":\"UTC\",\"after\":\"Etc/UTC\"}}" },
	{ reminder, NULL },
	{ rule, "{\"recurrence_rule\":{\"before\":\"FREQ=WEEKLY\",\"after\":\"FREQ=DAILY\"}}" },
	{ mode, "{\"recurrence_mode\":{\"before\":\"completion\",\"after\":\"due\"}}" },
	{ end, NULL },
	{ series, NULL },
	{ occurrence, "{\"occurrence\":{\"before\":4,\"after\":5}}" },
	{ priority, "{\"priority\":{\"before\":\"low\",\"after\":\"urgent\"}}" },
	{ nothing, "{}" },
};

START_TEST(each_field_is_told)
{
	const struct task before = full();
	struct task after = full();

	ck_assert(task_same_content(&before, &after));
	CHANGES[_i].change(&after);
	ck_assert_int_eq(task_same_content(&before, &after), CHANGES[_i].change == nothing);
	if (CHANGES[_i].told != NULL)
		ck_assert_str_eq(changes(&before, &after), CHANGES[_i].told);
}
END_TEST

START_TEST(names_of_priorities)
{
	static const struct {
		const char *name;
		enum task_priority priority;
	} NAMES[] = {
		{ "low", TASK_LOW },	   { "medium", TASK_MEDIUM },	{ "high", TASK_HIGH },
		{ "urgent", TASK_URGENT }, { "critical", TASK_URGENT }, { "normal", TASK_MEDIUM },
	};
	enum task_priority p;

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		ck_assert_int_eq(task_priority_parse(str_from(NAMES[i].name), &p), 0);
		ck_assert_int_eq(p, NAMES[i].priority);
	}
	ck_assert_int_eq(task_priority_parse(STR("Low"), &p), -EINVAL);
	ck_assert_int_eq(task_priority_parse(STR(""), &p), -EINVAL);
}
END_TEST

/* The words that old clients know stand for exactly what they would have made. */
START_TEST(words_of_rules)
{
	static const char *const WORDS[] = { "daily", "weekly", "monthly", "yearly" };

	for (size_t i = 0; i < ARRAY_SIZE(WORDS); i++) {
		struct str body =
			arena_printf(arena, "{\"title\":\"a\",\"recurrence\":\"%s\"}", WORDS[i]);
		struct task t = make(body.p);
		ck_assert(str_eq(task_recurrence_word(t.recurrence_rule), str_from(WORDS[i])));
	}
	static const char *const OTHERS[] = { "FREQ=DAILY;INTERVAL=2", "FREQ=WEEKLY;BYDAY=MO",
					      "FREQ=DAILY;COUNT=3" };
	for (size_t i = 0; i < ARRAY_SIZE(OTHERS); i++)
		ck_assert_ptr_null(task_recurrence_word(str_from(OTHERS[i])).p);
	ck_assert_ptr_null(task_recurrence_word((struct str){ NULL, 0 }).p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("task");
	TCase *tc = tcase_create("task");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, task_setup, task_teardown);
	tcase_add_test(tc, shown_as_json);
	tcase_add_test(tc, all_fields_shown);
	tcase_add_test(tc, changes_of_a_new_task);
	tcase_add_loop_test(tc, each_field_is_told, 0, ARRAY_SIZE(CHANGES));
	tcase_add_test(tc, names_of_priorities);
	tcase_add_test(tc, words_of_rules);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
