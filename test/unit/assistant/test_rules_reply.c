/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: every detail that was understood is in them, dates are the user's, and no title breaks
 * out of its place. More answers, before anything is executed, stand in docs/language.md.
 */
#include "assistant/rules_reply.h"

#include <check.h>
#include <stdlib.h>

static struct arena *arena;
static struct due_context ctx;
static struct buf out;

static const struct rules_task TASKS[] = {
	{ .id = 1, .title = STR_INIT("team meeting") },
	{ .id = 2,
	  .title = STR_INIT("Meeting with Bob"),
	  .has_due = true,
	  .due = { .at = { .year = 2026, .month = 3, .day = 19, .hour = 9 } } },
	{ .id = 3, .title = STR_INIT("old bill"), .completed = true },
	{ .id = 4, .title = STR_INIT("fourth") },
};

static void setup(void)
{
	struct civil c = { 2026, 3, 18, 10, 0, 0, 0 };
	int64_t s;

	arena = arena_new(16 * 1024 * 1024);
	ck_assert_ptr_nonnull(arena);
	ck_assert_int_eq(tz_load(STR("America/New_York"), &ctx.tz), 0);
	tz_from_local(ctx.tz, &c, &s);
	ctx.now_us = s * TIME_US_PER_S;
	buf_init(&out, RULES_REPLY_MAX);
}

static void teardown(void)
{
	buf_done(&out);
	arena_free(arena);
	tz_done();
}

static void expect_out(const char *text, const char *want)
{
	ck_assert_int_eq(buf_status(&out), 0);
	ck_assert_msg(str_eq(buf_str(&out), str_from(want)), "%s\n got: %.*s\nwant: %s", text,
		      (int)out.n, out.p, want);
}

static const struct rules_command *parse(struct str text)
{
	const struct rules_command *c;

	ck_assert_int_eq(rules_parse(arena, text, &ctx, &c), 0);
	return c;
}

static void expect(const char *text, const char *want)
{
	buf_clear(&out);
	rules_reply_preview(&out, parse(str_from(text)), &ctx);
	expect_out(text, want);
}

static void expect_outcome(const char *text, enum rules_step step, size_t n, size_t total,
			   const char *want)
{
	struct rules_outcome o = { .plan = { .step = step, .n = n, .total = total },
				   .tasks = TASKS,
				   .n = n,
				   .is_known = true };

	buf_clear(&out);
	rules_reply(&out, parse(str_from(text)), &o, &ctx);
	expect_out(text, want);
}

START_TEST(it_names_every_detail)
{
	expect("water the plants every other Sunday at 8",
	       "Added **Water the plants**, every other Sunday at 08:00, first on 22 Mar.");
	expect("buy milk tomorrow #shopping #home p1",
	       "Added **Buy milk**, due tomorrow, urgent priority, tagged #shopping and #home.");
	expect("add a task to call Ann on may 3 2027 at 17:30 with description about the house",
	       "Added **Call Ann**, due Mon 3 May 2027 at 17:30, with the note \"about the house\".");
	expect("take vitamins every! 2 days",
	       "Added **Take vitamins**, every other day after it is done, first on 18 Mar.");
	expect("postpone task 3 by 2 days", "Postponed task 3 by 2 days.");
	expect("bring task 3 forward a week", "Brought task 3 forward by 1 week.");
	expect("remove the due date from task 3", "Took the due date of task 3 away.");
	expect("remind me about task 3 90 minutes before",
	       "I will remind you about task 3 90 minutes before it is due.");
	expect("add a note to task 3: bring receipts",
	       "Added a note to task 3: \"bring receipts\".");
	expect("what's due tomorrow", "Here are all your tasks due tomorrow.");
}
END_TEST

START_TEST(dates_are_near_or_whole)
{
	expect("pay rent tomorrow", "Added **Pay rent**, due tomorrow.");
	expect("pay rent today", "Added **Pay rent**, due today.");
	expect("pay rent on friday", "Added **Pay rent**, due Fri 20 Mar.");
	expect("pay rent on jan 2", "Added **Pay rent**, due Sat 2 Jan.");
	expect("pay rent on 2027-03-20", "Added **Pay rent**, due Sat 20 Mar 2027.");
}
END_TEST

START_TEST(a_title_cannot_break_out)
{
	expect("add a task called '**bold** [x](http://y) <b>'",
	       "Added **\\*\\*bold\\*\\* \\[x\\](http://y) \\<b\\>**.");
	expect("add a task called 'a\xe2\x80\xae"
	       "evil\xe2\x81\xa6x'",
	       "Added **aevilx**.");
	expect("add a task called 'iPhone case'", "Added **iPhone case**.");
	expect("add a task called '9/11 report'", "Added **9/11 report**.");
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
	expect("call the bank on feb 30",
	       "Added **Call the bank on feb 30**. I left the date open: there is no such date.");
	expect("add a task to stretch every 2 hours",
	       "Added **Stretch**, repeating, first on 18 Mar. I could not take all of the repetition: "
	       "a task cannot recur more often than daily.");
	expect("colourless green ideas",
	       "I did not understand that, so I changed nothing. Say *help* for what I can do.");
}
END_TEST

START_TEST(questions_offer_what_can_be_answered)
{
	expect("delete all completed tasks",
	       "Shall I delete all completed tasks? Say *yes*, *only the first*, or *no*.");
	expect("delete tasks 1, 2 and 3",
	       "Shall I delete task 1, task 2 and task 3? Say *yes*, *only the first*, or *no*.");
	expect("this is done", "Which task shall I mark as complete?");
	expect_outcome(
		"delete the meeting task", RULES_STEP_WHICH, 2, 2,
		"Which one shall I delete?\n1. **Team meeting**\n2. **Meeting with Bob**, due "
		"tomorrow at 09:00\nSay its number, or *no*.");
	expect_outcome(
		"delete all tasks", RULES_STEP_SURE, 2, 9,
		"Shall I delete **Team meeting** and **Meeting with Bob**?\n1. **Team meeting**\n"
		"2. **Meeting with Bob**, due tomorrow at 09:00\nThese are the first 2 of 9.\n"
		"Say *yes*, *only the first*, or *no*.");
	expect_outcome("delete the meetign task", RULES_STEP_SURE, 1, 1,
		       "Shall I delete **Team meeting**? Say *yes* or *no*.");
}
END_TEST

START_TEST(known_tasks_are_called_by_name)
{
	expect_outcome("complete task 1", RULES_STEP_ACT, 1, 1,
		       "Marked **Team meeting** as complete.");
	expect_outcome("complete all tasks", RULES_STEP_ACT, 4, 4, "Marked 4 tasks as complete.");
	expect_outcome("complete the laundry task", RULES_STEP_MISSING, 0, 0,
		       "I found no task for **Laundry**, so I changed nothing.");
	expect_outcome("mark it as done", RULES_STEP_MISSING, 0, 0,
		       "I do not know which task you mean. Say its number or its name.");
	expect_outcome("delete all overdue tasks", RULES_STEP_MISSING, 0, 0,
		       "You have no overdue tasks, so I changed nothing.");
	expect_outcome(
		"show all tasks", RULES_STEP_FREE, 3, 3,
		"Here are all your tasks:\n1. **Team meeting**\n2. **Meeting with Bob**, due "
		"tomorrow at 09:00\n3. **Old bill** (done)");
	expect_outcome("anything overdue?", RULES_STEP_FREE, 0, 0, "You have no overdue tasks.");
}
END_TEST

START_TEST(titles_get_a_capital_but_keep_their_own)
{
	static const char *const ROWS[][2] = {
		{ "buy milk", "Buy milk" },
		{ "Buy milk", "Buy milk" },
		{ "iPhone", "iPhone" },
		{ "9/11 report", "9/11 report" },
		{ "a", "A" },
		{ "", "" },
		{ "http://x.org", "http://x.org" },
		{ "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++) {
		buf_clear(&out);
		rules_append_title(&out, str_from(ROWS[i][0]));
		expect_out(ROWS[i][0], ROWS[i][1]);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("assistant/rules_reply");
	TCase *tc = tcase_create("reply");
	SRunner *sr;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_names_every_detail);
	tcase_add_test(tc, dates_are_near_or_whole);
	tcase_add_test(tc, a_title_cannot_break_out);
	tcase_add_test(tc, what_is_wrong_is_told);
	tcase_add_test(tc, questions_offer_what_can_be_answered);
	tcase_add_test(tc, known_tasks_are_called_by_name);
	tcase_add_test(tc, titles_get_a_capital_but_keep_their_own);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
