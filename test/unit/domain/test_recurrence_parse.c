/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of rules: what is accepted and how it looks in canonical form, what is refused and with
 * which words.
 */
#include "domain/recurrence.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *text, *canonical;
} ACCEPTED[] = {
	{ "FREQ=DAILY", "FREQ=DAILY" },
	{ "rrule:freq=daily", "FREQ=DAILY" },
	{ "  RRULE:FREQ=Daily\r\n", "FREQ=DAILY" },
	{ "INTERVAL=1;FREQ=DAILY;WKST=MO", "FREQ=DAILY" },
	{ "INTERVAL=0002;FREQ=DAILY", "FREQ=DAILY;INTERVAL=2" },
	{ "INTERVAL=1000;FREQ=DAILY", "FREQ=DAILY;INTERVAL=1000" },
	{ "COUNT=10000;FREQ=DAILY", "FREQ=DAILY;COUNT=10000" },
	{ "UNTIL=20270503;FREQ=DAILY", "FREQ=DAILY;UNTIL=20270503" },
	{ "UNTIL=20270503t080001;FREQ=DAILY", "FREQ=DAILY;UNTIL=20270503T080001" },
	{ "UNTIL=20270503T080000z;FREQ=DAILY", "FREQ=DAILY;UNTIL=20270503T080000Z" },
	{ "UNTIL=20240229;FREQ=DAILY", "FREQ=DAILY;UNTIL=20240229" },
	{ "BYDAY=su,mo,MO,+1tu,-1TU;FREQ=MONTHLY", "FREQ=MONTHLY;BYDAY=MO,1TU,-1TU,SU" },
	{ "FREQ=MONTHLY;BYDAY=-1FR,-2FR,2FR,1FR,01FR", "FREQ=MONTHLY;BYDAY=1FR,2FR,-2FR,-1FR" },
	{ "FREQ=MONTHLY;BYDAY=MO,1MO,-3MO",
	  "FREQ=MONTHLY;BYDAY=MO" }, /* every Monday has the first in it */
	{ "FREQ=YEARLY;BYDAY=53MO,-53MO", "FREQ=YEARLY;BYDAY=53MO,-53MO" },
	{ "FREQ=MONTHLY;BYMONTHDAY=-1,15,+1,01,-31", "FREQ=MONTHLY;BYMONTHDAY=1,15,-31,-1" },
	{ "FREQ=YEARLY;BYYEARDAY=366,-366,1,64,65", "FREQ=YEARLY;BYYEARDAY=1,64,65,366,-366" },
	{ "FREQ=YEARLY;BYWEEKNO=53,-53,1", "FREQ=YEARLY;BYWEEKNO=1,53,-53" },
	{ "FREQ=YEARLY;BYMONTH=12,1,01", "FREQ=YEARLY;BYMONTH=1,12" },
	{ "FREQ=DAILY;BYHOUR=23,0;BYMINUTE=59,0", "FREQ=DAILY;BYHOUR=0,23;BYMINUTE=0,59" },
	{ "FREQ=DAILY;BYHOUR=1,2;BYSETPOS=-1,366,1", "FREQ=DAILY;BYHOUR=1,2;BYSETPOS=1,366,-1" },
	{ "WKST=SU;FREQ=WEEKLY;BYDAY=TU;INTERVAL=2", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;WKST=SU" },
	{ "BYSETPOS=1;BYMINUTE=1;BYHOUR=1;BYDAY=MO;BYMONTHDAY=1;BYYEARDAY=1;BYMONTH=1;COUNT=2;INTERVAL=2;FREQ=YEARLY",
	  "FREQ=YEARLY;INTERVAL=2;COUNT=2;BYMONTH=1;BYYEARDAY=1;BYMONTHDAY=1;BYDAY=MO;BYHOUR=1;BYMINUTE=1;BYSETPOS=1" },
	/* WKST goes where weeks do not matter */
	{ "WKST=SU;FREQ=WEEKLY;BYDAY=TU", "FREQ=WEEKLY;BYDAY=TU" },
	{ "WKST=SU;FREQ=WEEKLY;INTERVAL=2", "FREQ=WEEKLY;INTERVAL=2" },
	{ "WKST=SU;FREQ=MONTHLY;BYDAY=TU;INTERVAL=2", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU" },
	{ "WKST=SU;FREQ=WEEKLY;BYDAY=TU,WE;BYSETPOS=1",
	  "FREQ=WEEKLY;BYDAY=TU,WE;BYSETPOS=1;WKST=SU" },
	{ "WKST=SU;FREQ=YEARLY;BYWEEKNO=2", "FREQ=YEARLY;BYWEEKNO=2;WKST=SU" },
	/* SKIP goes where no day can be missing */
	{ "RSCALE=gregorian;FREQ=DAILY;SKIP=omit", "FREQ=DAILY" },
	{ "FREQ=MONTHLY;SKIP=BACKWARD", "FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=BACKWARD" },
	{ "FREQ=MONTHLY;SKIP=OMIT", "FREQ=MONTHLY" },
	{ "FREQ=YEARLY;SKIP=BACKWARD;RSCALE=GREGORIAN",
	  "FREQ=YEARLY;RSCALE=GREGORIAN;SKIP=BACKWARD" },
	{ "FREQ=DAILY;SKIP=BACKWARD", "FREQ=DAILY" },
	{ "FREQ=WEEKLY;SKIP=BACKWARD", "FREQ=WEEKLY" },
	{ "FREQ=MONTHLY;BYDAY=1MO;SKIP=BACKWARD", "FREQ=MONTHLY;BYDAY=1MO" },
	{ "FREQ=MONTHLY;BYMONTHDAY=28,-31;SKIP=BACKWARD", "FREQ=MONTHLY;BYMONTHDAY=28,-31" },
	{ "FREQ=MONTHLY;BYMONTHDAY=29;BYDAY=MO;SKIP=BACKWARD",
	  "FREQ=MONTHLY;BYMONTHDAY=29;BYDAY=MO;RSCALE=GREGORIAN;SKIP=BACKWARD" },
	{ "FREQ=YEARLY;BYYEARDAY=366;SKIP=BACKWARD", "FREQ=YEARLY;BYYEARDAY=366" },
};

START_TEST(canonical_text)
{
	struct recurrence r, again;
	struct err err = { 0 };
	static char text[RECURRENCE_FORMAT_SIZE], text_again[RECURRENCE_FORMAT_SIZE];

	int error = recurrence_parse(str_from(ACCEPTED[_i].text), "rule", &r, &err);
	ck_assert_msg(error == 0, "%s: %s", ACCEPTED[_i].text, err.text);
	ck_assert_uint_eq(recurrence_format(&r, text), strlen(text));
	ck_assert_str_eq(text, ACCEPTED[_i].canonical);
	ck_assert_int_eq(recurrence_parse(str_from(text), "rule", &again, &err), 0);
	recurrence_format(&again, text_again);
	ck_assert_str_eq(text_again, text);
}
END_TEST

static const struct {
	const char *text, *said; /* what the sentence must hold */
} REFUSED[] = {
	{ "", "NAME=value" },
	{ "RRULE:", "NAME=value" },
	{ "DAILY", "NAME=value" },
	{ "FREQ=DAILY;", "NAME=value" },
	{ ";FREQ=DAILY", "NAME=value" },
	{ "RRULE:RRULE:FREQ=DAILY", "the parts of a rule are" },
	{ "FREQ=DAILY;COLOR=RED", "the parts of a rule are" },
	{ "FREQ=DAILY;BYSECOND=0", "the parts of a rule are" },
	{ "FREQ=DAILY;BYEASTER=0", "the parts of a rule are" },
	{ "FREQ=DAILY;=1", "the parts of a rule are" },
	{ "FREQ=DAILY; INTERVAL=2", "the parts of a rule are" },
	{ "INTERVAL=2", "FREQ is required" },
	{ "FREQ=", "FREQ must be" },
	{ "FREQ=SECONDLY", "FREQ must be" },
	{ "FREQ=MINUTELY", "FREQ must be" },
	{ "FREQ=HOURLY", "FREQ must be" },
	{ "FREQ=DAILY ", NULL }, /* white space around the whole is taken off */
	{ "FREQ=DAILY;FREQ=DAILY", "FREQ may stand only once" },
	{ "FREQ=DAILY;byhour=1;BYHOUR=2", "BYHOUR may stand only once" },
	{ "FREQ=WEEKLY;BYDAY=MO;BYDAY=TU", "BYDAY may stand only once" },
	{ "FREQ=DAILY;INTERVAL=0", "from 1 to 1000" },
	{ "FREQ=DAILY;INTERVAL=1001", "from 1 to 1000" },
	{ "FREQ=DAILY;INTERVAL=-1", "from 1 to 1000" },
	{ "FREQ=DAILY;INTERVAL=+1", "from 1 to 1000" },
	{ "FREQ=DAILY;INTERVAL=1000000000", "from 1 to 1000" },
	{ "FREQ=DAILY;INTERVAL=99999999999999999999999", "from 1 to 1000" },
	{ "FREQ=DAILY;INTERVAL=", "from 1 to 1000" },
	{ "FREQ=DAILY;INTERVAL=1.5", "from 1 to 1000" },
	{ "FREQ=DAILY;COUNT=0", "from 1 to 10000" },
	{ "FREQ=DAILY;COUNT=10001", "from 1 to 10000" },
	{ "FREQ=DAILY;COUNT=-1", "from 1 to 10000" },
	{ "FREQ=DAILY;COUNT=2;UNTIL=20270101", "may not stand together" },
	{ "FREQ=DAILY;UNTIL=20260230", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=20250229", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=20260001", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=20261301", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=00000101", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=2026-01-01", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=20260101T", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=20260101T240000", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=20260101T236000", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=20260101T235960", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=20260101 235959", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=20260101T235959+", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=100000101", "UNTIL must be" },
	{ "FREQ=DAILY;UNTIL=", "UNTIL must be" },
	{ "FREQ=WEEKLY;WKST=1MO", "WKST must be" },
	{ "FREQ=WEEKLY;BYDAY=", "BYDAY takes weekdays" },
	{ "FREQ=WEEKLY;BYDAY=MO,", "BYDAY takes weekdays" },
	{ "FREQ=WEEKLY;BYDAY=M", "BYDAY takes weekdays" },
	{ "FREQ=WEEKLY;BYDAY=MON", "BYDAY takes weekdays" },
	{ "FREQ=WEEKLY;BYDAY=-MO", "BYDAY takes weekdays" },
	{ "FREQ=MONTHLY;BYDAY=0MO", "BYDAY takes weekdays" },
	{ "FREQ=MONTHLY;BYDAY=54MO", "BYDAY takes weekdays" },
	{ "FREQ=MONTHLY;BYDAY=--1MO", "BYDAY takes weekdays" },
	{ "FREQ=MONTHLY;BYDAY=001MO", "BYDAY takes weekdays" },
	{ "FREQ=MONTHLY;BYDAY=1 MO", "BYDAY takes weekdays" },
	{ "FREQ=YEARLY;BYMONTH=0", "BYMONTH takes whole numbers from 1 to 12," },
	{ "FREQ=YEARLY;BYMONTH=13", "from 1 to 12" },
	{ "FREQ=YEARLY;BYMONTH=-1", "from 1 to 12" },
	{ "FREQ=YEARLY;BYMONTH=5L", "from 1 to 12" },
	{ "FREQ=MONTHLY;BYMONTHDAY=0", "from 1 to 31 or, from the end, negative" },
	{ "FREQ=MONTHLY;BYMONTHDAY=32", "from 1 to 31" },
	{ "FREQ=MONTHLY;BYMONTHDAY=-32", "from 1 to 31" },
	{ "FREQ=MONTHLY;BYMONTHDAY=1,,2", "from 1 to 31" },
	{ "FREQ=MONTHLY;BYMONTHDAY=+-2", "from 1 to 31" },
	{ "FREQ=YEARLY;BYYEARDAY=0", "from 1 to 366" },
	{ "FREQ=YEARLY;BYYEARDAY=367", "from 1 to 366" },
	{ "FREQ=YEARLY;BYYEARDAY=1000", "from 1 to 366" },
	{ "FREQ=YEARLY;BYWEEKNO=54", "from 1 to 53" },
	{ "FREQ=YEARLY;BYWEEKNO=-0", "from 1 to 53" },
	{ "FREQ=DAILY;BYHOUR=24", "from 0 to 23" },
	{ "FREQ=DAILY;BYHOUR=-1", "from 0 to 23" },
	{ "FREQ=DAILY;BYMINUTE=60", "from 0 to 59" },
	{ "FREQ=DAILY;BYHOUR=1;BYSETPOS=0", "from 1 to 366" },
	{ "FREQ=DAILY;BYSETPOS=1", "needs another BY part" },
	{ "FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO is allowed only" },
	{ "FREQ=DAILY;BYYEARDAY=1", "BYYEARDAY is allowed only" },
	{ "FREQ=WEEKLY;BYYEARDAY=1", "BYYEARDAY is allowed only" },
	{ "FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY is allowed only" },
	{ "FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY is not allowed" },
	{ "FREQ=WEEKLY;BYDAY=1MO", "BYDAY takes ordinals" },
	{ "FREQ=DAILY;BYDAY=-1MO", "BYDAY takes ordinals" },
	{ "FREQ=YEARLY;BYDAY=1MO;BYWEEKNO=3", "beside BYWEEKNO" },
	{ "FREQ=MONTHLY;RSCALE=CHINESE", "RSCALE must be GREGORIAN" },
	{ "FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=FORWARD", "SKIP must be" },
	{ "FREQ=MONTHLY;SKIP=", "SKIP must be" },
};

START_TEST(refused_with_a_reason)
{
	struct recurrence r = { .interval = 77 };
	struct err err = { 0 };
	int error = recurrence_parse(str_from(REFUSED[_i].text), "body.recurrence_rule", &r, &err);

	if (REFUSED[_i].said == NULL) {
		ck_assert_int_eq(error, 0);
		return;
	}
	ck_assert_msg(error < 0, "%s was accepted", REFUSED[_i].text);
	ck_assert_ptr_eq(err.kind, &ERR_INVALID);
	ck_assert_int_eq(error, -ERR_INVALID.errnum);
	ck_assert_str_eq(err.field, "body.recurrence_rule");
	ck_assert_msg(strstr(err.text, REFUSED[_i].said) != NULL, "%s: %s", REFUSED[_i].text,
		      err.text);
	ck_assert_int_lt((int)strlen(err.text), (int)sizeof(err.text) - 1); /* not cut */
	ck_assert_int_eq(r.interval, 77);
}
END_TEST

START_TEST(long_and_odd_bytes)
{
	static char many[64 * 1024];
	struct recurrence r;
	struct err err = { 0 };
	size_t n = (size_t)snprintf(many, sizeof(many), "FREQ=WEEKLY;BYDAY=");

	for (; n + 3 < sizeof(many); n += 3)
		memcpy(many + n, "MO,", 3);
	ck_assert_int_lt(recurrence_parse((struct str){ many, n - 1 }, "rule", &r, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "at most 2000 bytes"));
	ck_assert_int_eq(recurrence_parse((struct str){ many, 18 + 3 * 600 - 1 }, "rule", &r, &err),
			 0);
	ck_assert_uint_eq(r.weekdays, 1);
	ck_assert_int_lt(recurrence_parse((struct str){ "FREQ=DAILY\0", 11 }, "rule", &r, &err), 0);
	ck_assert_int_lt(recurrence_parse((struct str){ NULL, 0 }, "rule", &r, &err), 0);
	ck_assert_int_lt(recurrence_parse(STR("FREQ=DAILY"
					      "\xEF\xBC\x9B"
					      "COUNT=2"),
					  "rule", &r, NULL),
			 0);
}
END_TEST

/* The longest lists of all parts at once still fit into the canonical text. */
START_TEST(longest_text)
{
	static char text[RECURRENCE_TEXT_MAX + 40];
	static char out[RECURRENCE_FORMAT_SIZE];
	struct recurrence r;
	struct err err = { 0 };
	size_t n = (size_t)snprintf(text, sizeof(text),
				    "SKIP=BACKWARD;FREQ=YEARLY;BYMONTHDAY=31;BYYEARDAY=-366");

	for (int day = -365; day < 367 && n + 5 <= RECURRENCE_TEXT_MAX; day++) {
		if (day != 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, ",%d", day);
	}
	ck_assert_int_gt((int)n, RECURRENCE_TEXT_MAX - 6);
	ck_assert_int_eq(recurrence_parse((struct str){ text, n }, "rule", &r, &err), 0);
	ck_assert_uint_gt(recurrence_format(&r, out), n);
}
END_TEST

static const struct {
	const char *word;
	int64_t interval;
	const char *canonical; /* NULL: refused */
} WORDS[] = {
	{ "daily", 1, "FREQ=DAILY" },
	{ "Weekly", 2, "FREQ=WEEKLY;INTERVAL=2" },
	{ "monthly", 1, "FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=BACKWARD" },
	{ "YEARLY", 1000, "FREQ=YEARLY;INTERVAL=1000;RSCALE=GREGORIAN;SKIP=BACKWARD" },
	{ "hourly", 1, NULL },
	{ "", 1, NULL },
	{ "dailyx", 1, NULL },
	{ "daily", 0, NULL },
	{ "daily", -1, NULL },
	{ "daily", 1001, NULL },
	{ "daily", INT64_MAX, NULL },
};

START_TEST(simple_words)
{
	struct recurrence r, again;
	struct err err = { 0 };
	static char text[RECURRENCE_FORMAT_SIZE];
	int error = recurrence_from_word(str_from(WORDS[_i].word), WORDS[_i].interval,
					 "body.recurrence", &r, &err);

	if (WORDS[_i].canonical == NULL) {
		ck_assert_int_lt(error, 0);
		ck_assert_ptr_eq(err.kind, &ERR_INVALID);
		ck_assert_str_eq(err.field, "body.recurrence");
		return;
	}
	ck_assert_int_eq(error, 0);
	recurrence_format(&r, text);
	ck_assert_str_eq(text, WORDS[_i].canonical);
	ck_assert_int_eq(recurrence_parse(str_from(text), "rule", &again, &err), 0);
	ck_assert_int_eq(again.skip_backward, r.skip_backward);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recurrence_parse");
	TCase *tc = tcase_create("recurrence_parse");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, canonical_text, 0, (int)ARRAY_SIZE(ACCEPTED));
	tcase_add_loop_test(tc, refused_with_a_reason, 0, (int)ARRAY_SIZE(REFUSED));
	tcase_add_test(tc, long_and_odd_bytes);
	tcase_add_test(tc, longest_text);
	tcase_add_loop_test(tc, simple_words, 0, (int)ARRAY_SIZE(WORDS));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
