/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people read for a rule.
 */
#include "domain/recurrence.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define LEAP_DAY "2024-02-29T08:00:00"
#define END_OF_JANUARY "2026-01-31T08:00:00"

static const struct {
	const char *rule, *start, *phrase;
} PHRASES[] = {
	{ "daily", END_OF_JANUARY, "every day at 08:00" },
	{ "weekly", END_OF_JANUARY, "every Saturday at 08:00" },
	{ "monthly", END_OF_JANUARY,
	  "on the 31st of every month (the last day in shorter months) at 08:00" },
	{ "monthly", "2026-01-28T08:00:00", "on the 28th of every month at 08:00" },
	{ "FREQ=MONTHLY", END_OF_JANUARY,
	  "on the 31st of every month (left out in shorter months) at 08:00" },
	{ "yearly", LEAP_DAY, "every year on 29 February (28 February in other years) at 08:00" },
	{ "yearly", "2026-04-30T08:00:00", "every year on 30 April at 08:00" },
	{ "FREQ=YEARLY", LEAP_DAY, "every year on 29 February (in leap years only) at 08:00" },
	{ "FREQ=DAILY;INTERVAL=2", LEAP_DAY, "every second day at 08:00" },
	{ "FREQ=DAILY;INTERVAL=10", LEAP_DAY, "every 10 days at 08:00" },
	{ "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", LEAP_DAY, "every weekday at 08:00" },
	{ "FREQ=DAILY;BYDAY=MO,WE;INTERVAL=3", LEAP_DAY,
	  "every third day if it is a Monday or Wednesday at 08:00" },
	{ "FREQ=DAILY;BYMONTH=1,2,12", LEAP_DAY,
	  "every day in January, February and December at 08:00" },
	{ "FREQ=WEEKLY;BYDAY=SU;INTERVAL=2", LEAP_DAY, "every second Sunday at 08:00" },
	{ "FREQ=WEEKLY;BYDAY=SU;INTERVAL=6", LEAP_DAY, "every 6 weeks on Sunday at 08:00" },
	{ "FREQ=WEEKLY;BYDAY=MO,WE,FR", LEAP_DAY, "every Monday, Wednesday and Friday at 08:00" },
	{ "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU", LEAP_DAY, "every day at 08:00" },
	{ "FREQ=WEEKLY;BYDAY=MO,FR;INTERVAL=2", LEAP_DAY,
	  "every second week on Monday and Friday at 08:00" },
	{ "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;INTERVAL=2", LEAP_DAY,
	  "every second week on every weekday at 08:00" },
	{ "FREQ=WEEKLY;BYMONTH=12", LEAP_DAY, "every week in December on every Thursday at 08:00" },
	{ "FREQ=WEEKLY;BYDAY=MO,FR;BYSETPOS=1", LEAP_DAY,
	  "every week on every Monday and Friday at 08:00, only the first time of each week" },
	{ "FREQ=MONTHLY;BYMONTHDAY=1,2,3,11,12,13,21", LEAP_DAY,
	  "on the 1st, 2nd, 3rd, 11th, 12th, 13th and 21st of every month at 08:00" },
	{ "FREQ=MONTHLY;BYMONTHDAY=15,-1,-2", LEAP_DAY,
	  "on the 15th, second to last day and last day of every month at 08:00" },
	{ "FREQ=MONTHLY;BYDAY=1MO,-1FR;INTERVAL=3", LEAP_DAY,
	  "on the first Monday and last Friday of every third month at 08:00" },
	{ "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", LEAP_DAY,
	  "on the last weekday of every month at 08:00" },
	{ "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=1,3", LEAP_DAY,
	  "on the first and third Saturday or Sunday of every month at 08:00" },
	{ "FREQ=MONTHLY;BYDAY=SA;BYHOUR=8,20;BYSETPOS=-1", LEAP_DAY,
	  "every month on every Saturday at 08:00 and 20:00, only the last time of each month" },
	{ "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", LEAP_DAY,
	  "every month on the 13th if it is a Friday at 08:00" },
	{ "FREQ=MONTHLY;BYMONTH=3", LEAP_DAY, "every month in March on the 29th at 08:00" },
	{ "FREQ=MONTHLY;BYMONTHDAY=29,30,31;SKIP=BACKWARD", LEAP_DAY,
	  "on the 29th, 30th and 31st of every month (the last day in shorter months) at 08:00" },
	{ "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", LEAP_DAY,
	  "every year on the fourth Thursday of November at 08:00" },
	{ "FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=1", LEAP_DAY,
	  "every year on 1 January and 1 July at 08:00" },
	{ "FREQ=YEARLY;BYMONTH=1;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", LEAP_DAY,
	  "every year on the first weekday of January at 08:00" },
	{ "FREQ=YEARLY;BYDAY=20MO", LEAP_DAY,
	  "every year on the 20th Monday of the year at 08:00" },
	{ "FREQ=YEARLY;BYWEEKNO=20,-1", LEAP_DAY,
	  "every year in the 20th and last week of the year on every Thursday at 08:00" },
	{ "FREQ=YEARLY;BYYEARDAY=100,-1", LEAP_DAY,
	  "every year on the 100th and last day of the year at 08:00" },
	{ "FREQ=YEARLY;BYYEARDAY=1,2,3,4,5,6,7,8,9,10", LEAP_DAY,
	  "every year on the first, second, third, fourth, fifth, 6th, 7th, 8th and 2 more day of the year at 08:00" },
	{ "FREQ=DAILY;COUNT=10", LEAP_DAY, "every day at 08:00, 10 times" },
	{ "FREQ=DAILY;COUNT=1", LEAP_DAY, "every day at 08:00, once" },
	{ "FREQ=DAILY;UNTIL=20270503", LEAP_DAY, "every day at 08:00, until 3 May 2027" },
	{ "FREQ=DAILY;UNTIL=20270503T070000", LEAP_DAY,
	  "every day at 08:00, until 3 May 2027 at 07:00" },
	{ "FREQ=DAILY;UNTIL=20270503T070000Z", LEAP_DAY,
	  "every day at 08:00, until 3 May 2027 at 07:00 UTC" },
	{ "FREQ=DAILY;BYHOUR=8,20;BYMINUTE=30", LEAP_DAY, "every day at 08:30 and 20:30" },
	{ "FREQ=DAILY;BYHOUR=8,9,10;BYMINUTE=0,20,40", LEAP_DAY,
	  "every day at 08:00, 08:20, 08:40, 09:00, 09:20, 09:40, 10:00, 10:20 and 1 more" },
};

static void expect(const char *rule, const char *dtstart, bool all_day, const char *phrase)
{
	struct recurrence r;
	struct err err = { 0 };
	struct civil start;
	struct buf out;
	int64_t us;
	bool has_offset;
	int error = strchr(rule, '=') == NULL
			    ? recurrence_from_word(str_from(rule), 1, "rule", &r, &err)
			    : recurrence_parse(str_from(rule), "rule", &r, &err);

	ck_assert_msg(error == 0, "%s: %s", rule, err.text);
	ck_assert_int_eq(time_parse_rfc3339(str_from(dtstart), &us, &start, &has_offset), 0);
	buf_init(&out, 1024);
	recurrence_describe(&r, &start, all_day, &out);
	ck_assert_int_eq(buf_status(&out), 0);
	buf_append_char(&out, '\0');
	ck_assert_str_eq(out.p, phrase);
	buf_done(&out);
}

START_TEST(phrases)
{
	expect(PHRASES[_i].rule, PHRASES[_i].start, false, PHRASES[_i].phrase);
}
END_TEST

START_TEST(all_day_has_no_time)
{
	expect("daily", "2026-01-31T00:00:00", true, "every day");
	expect("FREQ=WEEKLY;BYDAY=SU;COUNT=2", "2026-01-31T00:00:00", true,
	       "every Sunday, 2 times");
	/* unless the rule itself names one */
	expect("FREQ=DAILY;BYHOUR=7", "2026-01-31T00:00:00", true, "every day at 07:00");
}
END_TEST

/* Everything at once stays within the promised length. */
START_TEST(longest_phrase)
{
	static char rule[RECURRENCE_TEXT_MAX + 1];
	struct recurrence r;
	struct err err = { 0 };
	struct civil start = { .year = 2026, .month = 9, .day = 30 };
	struct buf out;
	size_t n =
		(size_t)snprintf(rule, sizeof(rule),
				 "FREQ=YEARLY;INTERVAL=1000;COUNT=10000;BYMONTH=1,2,3,4,5,6,7,8,9,"
				 "10,11,12;BYMONTHDAY=-21,-22,-23,-24,-25,-26,-27,-28,-29,-31;"
				 "BYHOUR=1,2,3;BYMINUTE=1,2,3;BYDAY=-21WE,-22WE,-23WE,-24WE,-25WE,"
				 "-26WE,-27WE,-28WE,-29WE,-30WE");
	const char *const names[] = { "YEARDAY", "SETPOS" };

	for (int i = 0; i < 2; i++) {
		n += (size_t)snprintf(rule + n, sizeof(rule) - n, ";BY%s=-321", names[i]);
		for (int day = 322; day < 335; day++)
			n += (size_t)snprintf(rule + n, sizeof(rule) - n, ",-%d", day);
	}
	ck_assert_msg(recurrence_parse(str_from(rule), "rule", &r, &err) == 0, "%s", err.text);
	buf_init(&out, 1024);
	recurrence_describe(&r, &start, false, &out);
	ck_assert_int_eq(buf_status(&out), 0);
	ck_assert_uint_gt(out.n, 600);
	buf_done(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recurrence_describe");
	TCase *tc = tcase_create("recurrence_describe");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, phrases, 0, (int)ARRAY_SIZE(PHRASES));
	tcase_add_test(tc, all_day_has_no_time);
	tcase_add_test(tc, longest_phrase);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
