/* SPDX-License-Identifier: Apache-2.0 */
/* What a trigger meets: the state machine of docs/reminders.md as a table. */
#include "roles/notifier/reminder_state_private.h"

#include <check.h>
#include <stdlib.h>

#define CAUSE STR_INIT("cause")
#define OTHER STR_INIT("other")

static const struct {
	const char *name;
	struct reminder_state state;
	int64_t version, attempt;
	struct str id;
	enum trigger_verdict verdict;
	int64_t next; /* with due and may be due */
} CASES[] = {
	{ "never heard of", { .stage = STAGE_UNKNOWN }, 1, 1, OTHER, TRIGGER_IS_DUE, 1 },
	{ "never heard of, swept", { .stage = STAGE_UNKNOWN }, 4, 0, OTHER, TRIGGER_IS_DUE, 1 },
	{ "never heard of, second try",
	  { .stage = STAGE_UNKNOWN },
	  1,
	  2,
	  OTHER,
	  TRIGGER_IS_DUE,
	  2 },
	{ "scheduled", { STAGE_SCHEDULED, .version = 2 }, 2, 1, OTHER, TRIGGER_IS_DUE, 1 },
	{ "scheduled, swept", { STAGE_SCHEDULED, .version = 2 }, 2, 0, OTHER, TRIGGER_IS_DUE, 1 },
	{ "of an older version",
	  { STAGE_SCHEDULED, .version = 2 },
	  1,
	  1,
	  OTHER,
	  TRIGGER_IS_OLD,
	  0 },
	{ "of a newer version",
	  { STAGE_SENT, .version = 2, .attempt = 3 },
	  3,
	  1,
	  OTHER,
	  TRIGGER_IS_DUE,
	  1 },
	{ "cancelled", { STAGE_CANCELLED, .version = 2 }, 2, 1, OTHER, TRIGGER_IS_OLD, 0 },
	{ "cancelled since", { STAGE_CANCELLED, .version = 3 }, 2, 1, OTHER, TRIGGER_IS_OLD, 0 },
	{ "revived", { STAGE_CANCELLED, .version = 3 }, 4, 1, OTHER, TRIGGER_IS_DUE, 1 },
	{ "sent",
	  { STAGE_SENT, .version = 1, .attempt = 1, .cause = CAUSE },
	  1,
	  1,
	  CAUSE,
	  TRIGGER_IS_REPEATED,
	  0 },
	{ "sent, by another",
	  { STAGE_SENT, .version = 1, .attempt = 1, .cause = CAUSE },
	  1,
	  0,
	  OTHER,
	  TRIGGER_IS_REPEATED,
	  0 },
	{ "sent, later try",
	  { STAGE_SENT, .version = 1, .attempt = 1, .cause = CAUSE },
	  1,
	  2,
	  OTHER,
	  TRIGGER_IS_REPEATED,
	  0 },
	{ "retrying, the job of the next try",
	  { STAGE_RETRYING, .version = 1, .attempt = 1, .cause = CAUSE },
	  1,
	  2,
	  OTHER,
	  TRIGGER_IS_DUE,
	  2 },
	{ "retrying, the job of this try again",
	  { STAGE_RETRYING, .version = 1, .attempt = 2, .cause = CAUSE },
	  1,
	  2,
	  CAUSE,
	  TRIGGER_IS_REPEATED,
	  0 },
	{ "retrying, the job of an earlier try",
	  { STAGE_RETRYING, .version = 1, .attempt = 2, .cause = CAUSE },
	  1,
	  1,
	  OTHER,
	  TRIGGER_IS_REPEATED,
	  0 },
	{ "retrying, swept",
	  { STAGE_RETRYING, .version = 1, .attempt = 1, .cause = CAUSE },
	  1,
	  0,
	  OTHER,
	  TRIGGER_MAY_BE_DUE,
	  2 },
	{ "retrying, the sweep that led here again",
	  { STAGE_RETRYING, .version = 1, .attempt = 1, .cause = CAUSE },
	  1,
	  0,
	  CAUSE,
	  TRIGGER_IS_REPEATED,
	  0 },
	{ "failed, replayed",
	  { STAGE_FAILED, .version = 1, .attempt = 4, .cause = CAUSE },
	  1,
	  4,
	  CAUSE,
	  TRIGGER_IS_DUE,
	  5 },
	{ "failed, another",
	  { STAGE_FAILED, .version = 1, .attempt = 4, .cause = CAUSE },
	  1,
	  1,
	  OTHER,
	  TRIGGER_IS_REPEATED,
	  0 },
};

START_TEST(judge)
{
	int64_t next = 0;
	enum trigger_verdict got = reminder_state_judge(&CASES[_i].state, CASES[_i].version,
							CASES[_i].attempt, CASES[_i].id, &next);

	ck_assert_msg(got == CASES[_i].verdict, "%s: %d", CASES[_i].name, (int)got);
	if (got == TRIGGER_IS_DUE || got == TRIGGER_MAY_BE_DUE)
		ck_assert_int_eq(next, CASES[_i].next);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reminder_state");
	TCase *tc = tcase_create("reminder_state");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, judge, 0, ARRAY_SIZE(CASES));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
