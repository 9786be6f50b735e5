/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which task words mean, when it is asked back, and what the answers do. What must never happen: a
 * task that nobody named is changed, or a question is taken for answered.
 */
#include "assistant/rules_dialogue.h"

#include <check.h>
#include <stdlib.h>

static struct arena *arena;
static struct due_context ctx;
static struct rules_memory memory;

static const struct rules_tags WORK = { .v = { STR_INIT("work") }, .n = 1 };
static const struct rules_task TASKS[] = {
	{ .id = 11, .title = STR_INIT("Call mom"), .priority = TASK_HIGH },
	{ .id = 12, .title = STR_INIT("Team meeting"), .tags = &WORK },
	{ .id = 13, .title = STR_INIT("Meeting with Bob") },
	{ .id = 14,
	  .title = STR_INIT("Buy groceries"),
	  .has_due = true,
	  .due = { .at = { .year = 2026, .month = 3, .day = 17 }, .all_day = true } },
	{ .id = 15,
	  .title = STR_INIT("Renew passport"),
	  .has_due = true,
	  .due = { .at = { .year = 2026, .month = 3, .day = 18, .hour = 9 } } },
	{ .id = 16,
	  .title = STR_INIT("Dentist"),
	  .has_due = true,
	  .due = { .at = { .year = 2026, .month = 3, .day = 18 }, .all_day = true } },
	{ .id = 17, .title = STR_INIT("Old bill"), .completed = true },
	{ .id = 3, .title = STR_INIT("Water the plants") },
};
enum { N_TASKS = ARRAY_SIZE(TASKS) };

static void setup(void)
{
	arena = arena_new(16 * 1024 * 1024);
	ck_assert_ptr_nonnull(arena);
	/* Wednesday, 18 March 2026, 10:00 UTC */
	ctx = (struct due_context){ .now_us = INT64_C(1773828000) * TIME_US_PER_S };
	memory = (struct rules_memory){ .shown = { 14, 11, 12 }, .n_shown = 3, .it = 16 };
}

static void teardown(void)
{
	arena_free(arena);
}

static struct rules_plan plan(const char *text)
{
	const struct rules_command *c;
	struct rules_plan p;

	ck_assert_int_eq(rules_parse(arena, str_from(text), &ctx, &c), 0);
	rules_plan(c, &memory, TASKS, N_TASKS, &ctx, &p);
	return p;
}

static void expect(const char *text, enum rules_step step, size_t n, int64_t first)
{
	struct rules_plan p = plan(text);

	ck_assert_msg(p.step == step && p.n == n && (n == 0 || p.ids[0] == first),
		      "%s: step %d, %zu tasks, first %lld", text, (int)p.step, p.n,
		      (long long)(p.n ? p.ids[0] : 0));
}

START_TEST(words_find_the_best_title)
{
	static const struct {
		const char *words;
		enum rules_fit fit;
		size_t n;
		int64_t id;
	} ROWS[] = {
		{ "call mom", RULES_FIT_EXACT, 1, 11 },
		{ "the Call Mom!", RULES_FIT_EXACT, 1, 11 },
		{ "mom", RULES_FIT_WORDS, 1, 11 },
		{ "meeting", RULES_FIT_WORDS, 2, 12 },
		{ "bob meeting", RULES_FIT_WORDS, 1, 13 },
		{ "groc", RULES_FIT_WORDS, 1, 14 },
		{ "grocery", RULES_FIT_WORDS, 1, 14 },
		{ "passprot", RULES_FIT_TYPO, 1, 15 },
		{ "dentsit", RULES_FIT_TYPO, 1, 16 },
		{ "plant", RULES_FIT_WORDS, 1, 3 },
		{ "dentist visit", RULES_FIT_PART, 1, 16 },
		{ "laundry", RULES_FIT_NONE, 0, 0 },
		{ "mop", RULES_FIT_NONE, 0, 0 },
		{ "", RULES_FIT_NONE, 0, 0 },
		{ "?!", RULES_FIT_NONE, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++) {
		enum rules_fit fit;
		size_t at[RULES_CHOICES_MAX];
		size_t n = rules_pick(str_from(ROWS[i].words), TASKS, N_TASKS, &fit, at);
		ck_assert_msg(n == ROWS[i].n && fit == ROWS[i].fit &&
				      (n == 0 || TASKS[at[0]].id == ROWS[i].id),
			      "%s: %zu tasks, fit %d", ROWS[i].words, n, (int)fit);
	}
}
END_TEST

START_TEST(titles_of_any_bytes_are_compared)
{
	static const char LONG[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	const struct rules_task tasks[] = { { .id = 1, .title = STR("\xff\xfe\x00 b") },
					    { .id = 2, .title = { LONG, sizeof(LONG) - 1 } },
					    { .id = 3, .title = STR("caf\xc3\xa9") },
					    { .id = 4, .title = { NULL, 0 } } };
	enum rules_fit fit;
	size_t at[RULES_CHOICES_MAX];

	ck_assert_uint_eq(rules_pick(STR("caf\xc3\xa9"), tasks, 4, &fit, at), 1);
	ck_assert_int_eq(fit, RULES_FIT_EXACT);
	ck_assert_uint_eq(rules_pick(str_from(LONG), tasks, 4, &fit, at), 1);
	ck_assert_uint_eq(rules_pick(STR("\xff"), tasks, 4, &fit, at), 0);
	ck_assert_uint_eq(rules_pick(STR("a b c d e f g h i j k l m n o p"), tasks, 4, &fit, at),
			  0);
}
END_TEST

START_TEST(a_number_is_an_id_else_a_place_in_the_list)
{
	expect("complete task 3", RULES_STEP_ACT, 1, 3);
	expect("complete task 2", RULES_STEP_ACT, 1, 11);
	expect("complete task 99", RULES_STEP_MISSING, 0, 0);
	expect("delete the second one", RULES_STEP_ACT, 1, 11);
	expect("delete the last one", RULES_STEP_ACT, 1, 12);
	expect("delete the seventh one", RULES_STEP_MISSING, 0, 0);
	memory.n_shown = 0;
	expect("delete the last one", RULES_STEP_MISSING, 0, 0);
}
END_TEST

START_TEST(it_is_what_was_last_spoken_of)
{
	expect("mark it as done", RULES_STEP_ACT, 1, 16);
	expect("this is done", RULES_STEP_SURE, 1, 16);
	expect("it is important", RULES_STEP_SURE, 1, 16);
	memory.it = 0;
	expect("mark it as done", RULES_STEP_MISSING, 0, 0);
	expect("this is done", RULES_STEP_MISSING, 0, 0);
	memory.it = 4711;
	expect("delete it", RULES_STEP_MISSING, 0, 0);
}
END_TEST

START_TEST(several_and_unsure_ones_are_asked_back)
{
	expect("delete the call mom task", RULES_STEP_ACT, 1, 11);
	expect("delete the meeting task", RULES_STEP_WHICH, 2, 12);
	expect("complete the meeting task", RULES_STEP_WHICH, 2, 12);
	expect("delete the dentsit task", RULES_STEP_SURE, 1, 16);
	expect("complete the dentsit task", RULES_STEP_ACT, 1, 16);
	expect("complete the dentist visit task", RULES_STEP_SURE, 1, 16);
	expect("delete the laundry task", RULES_STEP_MISSING, 0, 0);
	expect("delete all completed tasks", RULES_STEP_SURE, 1, 17);
	expect("complete all overdue tasks", RULES_STEP_SURE, 2, 14);
	expect("delete all tasks", RULES_STEP_SURE, N_TASKS, 11);
	expect("delete tasks 11 and 12", RULES_STEP_SURE, 1, 11);
	expect("complete tasks 11 and 12", RULES_STEP_ACT, 1, 11);
	expect("show all tasks", RULES_STEP_FREE, 0, 0);
	expect("add a task to buy milk", RULES_STEP_FREE, 0, 0);
	expect("only the first one", RULES_STEP_FREE, 0, 0);
}
END_TEST

START_TEST(filters_are_judged)
{
	struct rules_filter f = { .status = RULES_PENDING, .tags = WORK };

	ck_assert(rules_fits(&f, &TASKS[1], &ctx));
	ck_assert(!rules_fits(&f, &TASKS[0], &ctx));
	f = (struct rules_filter){ .priorities = 1U << TASK_HIGH };
	ck_assert(rules_fits(&f, &TASKS[0], &ctx));
	ck_assert(!rules_fits(&f, &TASKS[1], &ctx));
	f = (struct rules_filter){ .overdue = true };
	ck_assert(rules_fits(&f, &TASKS[3], &ctx));
	ck_assert(rules_fits(&f, &TASKS[4], &ctx));
	ck_assert_msg(!rules_fits(&f, &TASKS[5], &ctx), "today is not late");
	ck_assert(!rules_fits(&f, &TASKS[0], &ctx));
	f = (struct rules_filter){ .part = "morning" };
	ck_assert(rules_fits(&f, &TASKS[4], &ctx));
	ck_assert(!rules_fits(&f, &TASKS[5], &ctx));
	f = (struct rules_filter){ .has_before = true, .before = TASKS[5].due };
	ck_assert(rules_fits(&f, &TASKS[3], &ctx));
	ck_assert(!rules_fits(&f, &TASKS[4], &ctx));
	ck_assert(!rules_fits(&f, &TASKS[0], &ctx));
	f = (struct rules_filter){ .status = RULES_COMPLETED, .has_after = true };
	ck_assert(rules_fits(&f, &TASKS[6], &ctx));
	f = (struct rules_filter){ .search = STR("meeting") };
	ck_assert(rules_fits(&f, &TASKS[2], &ctx));
	ck_assert(!rules_fits(&f, &TASKS[0], &ctx));
}
END_TEST

START_TEST(too_many_are_cut_and_told)
{
	static struct rules_task many[RULES_TARGETS_MAX + 50];
	const struct rules_command *c;
	struct rules_plan p;

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct rules_task){ .id = (int64_t)i + 1, .title = STR("a meeting") };
	ck_assert_int_eq(rules_parse(arena, STR("delete all tasks"), &ctx, &c), 0);
	rules_plan(c, &memory, many, ARRAY_SIZE(many), &ctx, &p);
	ck_assert_uint_eq(p.n, RULES_TARGETS_MAX);
	ck_assert_uint_eq(p.total, ARRAY_SIZE(many));
	ck_assert_int_eq(rules_parse(arena, STR("delete the meeting task"), &ctx, &c), 0);
	rules_plan(c, &memory, many, ARRAY_SIZE(many), &ctx, &p);
	ck_assert_int_eq(p.step, RULES_STEP_WHICH);
	ck_assert_uint_eq(p.n, RULES_CHOICES_MAX);
	ck_assert_uint_eq(p.total, ARRAY_SIZE(many));
}
END_TEST

/* ---- answers ---- */

static struct rules_pending question(enum rules_step step)
{
	return (struct rules_pending){ .step = step, .ids = { 12, 13, 14 }, .n = 3 };
}

static void expect_answer(enum rules_step step, const char *text, enum rules_answer want, size_t n,
			  int64_t first)
{
	struct rules_pending p = question(step);
	enum rules_answer got;
	int64_t ids[RULES_TARGETS_MAX];
	size_t count = 0;

	ck_assert_int_eq(
		rules_answer(arena, &p, str_from(text), &ctx, TASKS + 1, &got, ids, &count), 0);
	ck_assert_msg(got == want && count == n && (n == 0 || ids[0] == first),
		      "%s: answer %d, %zu tasks", text, (int)got, count);
}

START_TEST(yes_no_and_only_the_first)
{
	expect_answer(RULES_STEP_SURE, "yes", RULES_ANSWER_GO, 3, 12);
	expect_answer(RULES_STEP_SURE, "yes please", RULES_ANSWER_GO, 3, 12);
	expect_answer(RULES_STEP_SURE, "all of them", RULES_ANSWER_GO, 3, 12);
	expect_answer(RULES_STEP_SURE, "only the first", RULES_ANSWER_GO, 1, 12);
	expect_answer(RULES_STEP_SURE, "just the last one", RULES_ANSWER_GO, 1, 14);
	expect_answer(RULES_STEP_SURE, "no", RULES_ANSWER_STOP, 0, 0);
	expect_answer(RULES_STEP_SURE, "never mind", RULES_ANSWER_STOP, 0, 0);
	expect_answer(RULES_STEP_SURE, "hm, purple", RULES_ANSWER_AGAIN, 0, 0);
	expect_answer(RULES_STEP_SURE, "show my tasks", RULES_ANSWER_OTHER, 0, 0);
	expect_answer(RULES_STEP_SURE, "add a task to buy milk", RULES_ANSWER_OTHER, 0, 0);
	expect_answer(RULES_STEP_FREE, "yes", RULES_ANSWER_OTHER, 0, 0);
}
END_TEST

START_TEST(a_choice_is_a_number_a_place_or_a_title)
{
	expect_answer(RULES_STEP_WHICH, "2", RULES_ANSWER_GO, 1, 13);
	expect_answer(RULES_STEP_WHICH, "#3", RULES_ANSWER_GO, 1, 14);
	expect_answer(RULES_STEP_WHICH, "number 1 please", RULES_ANSWER_GO, 1, 12);
	expect_answer(RULES_STEP_WHICH, "13", RULES_ANSWER_GO, 1, 13);
	expect_answer(RULES_STEP_WHICH, "the second one", RULES_ANSWER_GO, 1, 13);
	expect_answer(RULES_STEP_WHICH, "both", RULES_ANSWER_GO, 3, 12);
	expect_answer(RULES_STEP_WHICH, "with bob", RULES_ANSWER_GO, 1, 13);
	expect_answer(RULES_STEP_WHICH, "9", RULES_ANSWER_AGAIN, 0, 0);
	expect_answer(RULES_STEP_WHICH, "0", RULES_ANSWER_AGAIN, 0, 0);
	expect_answer(RULES_STEP_WHICH, "yes", RULES_ANSWER_AGAIN, 0, 0);
	expect_answer(RULES_STEP_WHICH, "meeting", RULES_ANSWER_AGAIN, 0, 0);
	expect_answer(RULES_STEP_WHICH, "no", RULES_ANSWER_STOP, 0, 0);
}
END_TEST

START_TEST(an_answer_that_cannot_be_read_changes_nothing)
{
	static char huge[RULES_TEXT_MAX + 1];
	struct rules_pending p = question(RULES_STEP_SURE);
	enum rules_answer got;
	int64_t ids[RULES_TARGETS_MAX];
	size_t n = 0;

	memset(huge, 'y', sizeof(huge));
	ck_assert_int_lt(rules_answer(arena, &p, (struct str){ huge, sizeof(huge) }, &ctx, NULL,
				      &got, ids, &n),
			 0);
	ck_assert_int_eq(
		rules_answer(arena, &p, (struct str){ huge, 60000 }, &ctx, NULL, &got, ids, &n), 0);
	ck_assert_int_eq(got, RULES_ANSWER_AGAIN);
	ck_assert_int_eq(
		rules_answer(arena, &p, (struct str){ NULL, 0 }, &ctx, NULL, &got, ids, &n), 0);
	ck_assert_int_eq(got, RULES_ANSWER_AGAIN);
	ck_assert_uint_eq(n, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("assistant/rules_dialogue");
	TCase *tc = tcase_create("dialogue");
	SRunner *sr;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, words_find_the_best_title);
	tcase_add_test(tc, titles_of_any_bytes_are_compared);
	tcase_add_test(tc, a_number_is_an_id_else_a_place_in_the_list);
	tcase_add_test(tc, it_is_what_was_last_spoken_of);
	tcase_add_test(tc, several_and_unsure_ones_are_asked_back);
	tcase_add_test(tc, filters_are_judged);
	tcase_add_test(tc, too_many_are_cut_and_told);
	tcase_add_test(tc, yes_no_and_only_the_first);
	tcase_add_test(tc, a_choice_is_a_number_a_place_or_a_title);
	tcase_add_test(tc, an_answer_that_cannot_be_read_changes_nothing);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
