/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The date language beyond the page of examples (test_due_doc): flags, places, zones, locales,
 * clocks at the edges of the calendar, bytes that are no text, bounds.
 */
#include "domain/due.h"
#include "src/domain/due_match_private.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

enum { ARENA_MAX = 8 * 1024 * 1024 };

/* Wednesday, 18 March 2026, 10:00 UTC */
static const int64_t NOW_S = 1773828000;

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new(ARENA_MAX);
}

static void tear_down(void)
{
	arena_free(arena);
	tz_done();
}

static struct due_list find_at(const char *text, int64_t now_s, const char *zone, bool day_first,
			       bool sunday_first)
{
	struct due_context ctx = { .now_us = now_s * TIME_US_PER_S,
				   .day_first = day_first,
				   .sunday_first = sunday_first };
	struct due_list list = { 0 };

	if (zone != NULL)
		ck_assert_int_eq(tz_load(str_from(zone), &ctx.tz), 0);
	ck_assert_int_eq(due_find(arena, str_from(text), &ctx, &list), 0);
	return list;
}

static void check_value(const char *text, const struct due_value *v, const char *zone,
			const char *want)
{
	const struct tz *tz = NULL;
	struct buf b;

	if (zone != NULL)
		ck_assert_int_eq(tz_load(str_from(zone), &tz), 0);
	buf_init(&b, 64);
	due_append_value(&b, v, tz);
	if (!str_eq(buf_str(&b), str_from(want)))
		ck_abort_msg("%s: %.*s, not %s", text, STR_ARGS(buf_str(&b)), want);
	buf_done(&b);
}

START_TEST(the_words_are_in_order)
{
	ck_assert(word_table_is_sorted());
	ck_assert(holiday_table_is_sorted());
}
END_TEST

static const struct {
	const char *text;
	enum due_kind kind;
	enum due_grain grain;
	unsigned flags;
	size_t lead, start;
} TOLD[] = {
	{ "finish by friday", DUE_DATE, DUE_GRAIN_DAY, DUE_DEADLINE, 7, 10 },
	{ "finish before friday", DUE_DATE, DUE_GRAIN_DAY, DUE_DEADLINE | DUE_BEFORE, 7, 14 },
	{ "tasks due by the end of the month", DUE_DATE, DUE_GRAIN_DAY, DUE_DEADLINE, 6, 13 },
	{ "pay due:friday", DUE_DATE, DUE_GRAIN_DAY, DUE_DEADLINE, 4, 8 },
	{ "after next week", DUE_DATE, DUE_GRAIN_WEEK, DUE_AFTER, 0, 6 },
	{ "since yesterday", DUE_DATE, DUE_GRAIN_DAY, DUE_AFTER | DUE_PAST, 0, 6 },
	{ "meet on monday", DUE_DATE, DUE_GRAIN_DAY, 0, 5, 8 },
	{ "call at 5", DUE_DATETIME, DUE_GRAIN_HOUR, DUE_NO_DAY | DUE_TENTATIVE, 5, 5 },
	{ "call at 5pm", DUE_DATETIME, DUE_GRAIN_HOUR, DUE_NO_DAY, 5, 5 },
	{ "call at 5:15pm today", DUE_DATETIME, DUE_GRAIN_MINUTE, 0, 5, 5 },
	{ "tomorrow morning", DUE_DATETIME, DUE_GRAIN_PART, 0, 0, 0 },
	{ "in 2 hours", DUE_DATETIME, DUE_GRAIN_HOUR, DUE_OFFSET, 0, 0 },
	{ "2 days ago", DUE_DATE, DUE_GRAIN_DAY, DUE_OFFSET | DUE_PAST, 0, 0 },
	{ "in 15", DUE_DATETIME, DUE_GRAIN_MINUTE, DUE_OFFSET | DUE_TENTATIVE, 0, 0 },
	{ "due 3/4", DUE_DATE, DUE_GRAIN_DAY, DUE_DEADLINE | DUE_TENTATIVE, 0, 4 },
	{ "next month", DUE_DATE, DUE_GRAIN_MONTH, 0, 0, 0 },
	{ "q3", DUE_DATE, DUE_GRAIN_QUARTER, 0, 0, 0 },
	{ "next weekend", DUE_DATE, DUE_GRAIN_WEEKEND, 0, 0, 0 },
	{ "pay on feb 30", DUE_DATE, DUE_GRAIN_DAY, DUE_IMPOSSIBLE, 4, 7 },
	{ "every 4 hours", DUE_SET, DUE_GRAIN_DAY, DUE_UNSUPPORTED, 0, 0 },
	{ "three times a week", DUE_SET, DUE_GRAIN_DAY, DUE_UNSUPPORTED, 0, 0 },
	{ "for 2 hours", DUE_DURATION, DUE_GRAIN_HOUR, 0, 0, 4 },
};

START_TEST(kinds_flags_and_places)
{
	struct due_list list = find_at(TOLD[_i].text, NOW_S, NULL, false, false);

	ck_assert_msg(list.n == 1, "%s: %zu found", TOLD[_i].text, list.n);
	ck_assert_msg(list.v[0].kind == TOLD[_i].kind, "%s: kind %d", TOLD[_i].text,
		      (int)list.v[0].kind);
	ck_assert_msg(list.v[0].grain == TOLD[_i].grain, "%s: grain %d", TOLD[_i].text,
		      (int)list.v[0].grain);
	ck_assert_msg(list.v[0].flags == TOLD[_i].flags, "%s: flags %u", TOLD[_i].text,
		      list.v[0].flags);
	ck_assert_msg(list.v[0].lead == TOLD[_i].lead && list.v[0].start == TOLD[_i].start,
		      "%s: %zu %zu", TOLD[_i].text, list.v[0].lead, list.v[0].start);
}
END_TEST

static const struct {
	const char *text;
	int64_t now_s;
	const char *zone;
	bool day_first, sunday_first;
	const char *value;
} VALUES[] = {
	/* 18 March 23:30 in New York is the 19th in UTC */
	{ "tomorrow", 1773891000, "America/New_York", false, false, "2026-03-19" },
	{ "tomorrow", 1773891000, NULL, false, false, "2026-03-20" },
	/* the clock goes forward on 8 March 2026: there is no 02:30 */
	{ "march 8 2026 at 2:30am", NOW_S, "America/New_York", false, false,
	  "2026-03-08T03:30:00-04:00" },
	/* two hours are two hours across it */
	{ "in 2 hours", 1772951400, "America/New_York", false, false, "2026-03-08T04:30:00-04:00" },
	{ "3/4/2027", NOW_S, NULL, true, false, "2027-04-03" },
	{ "3/4/2027", NOW_S, NULL, false, false, "2027-03-04" },
	{ "on 3/4", NOW_S, NULL, true, false, "2026-04-03" },
	{ "3/14/2027", NOW_S, NULL, true, false, "2027-03-14" },
	/* Sunday, 22 March: of this week or of the next one */
	{ "sunday next week", NOW_S, NULL, false, true, "2026-03-22" },
	{ "sunday next week", NOW_S, NULL, false, false, "2026-03-29" },
	{ "this week", NOW_S, NULL, false, true, "2026-03-15" },
	/* 29 February */
	{ "feb 29", NOW_S, NULL, false, false, "2028-02-29" },
	{ "in a year", 1709164800, NULL, false, false, "2025-02-28" },
	{ "end of the month", 1709164800, NULL, false, false, "2024-02-29" },
	/* what has passed today comes tomorrow */
	{ "9:59 am", NOW_S, NULL, false, false, "2026-03-19T09:59:00Z" },
	{ "10:01 am", NOW_S, NULL, false, false, "2026-03-18T10:01:00Z" },
	/* the end of the year */
	{ "tomorrow", 1798761599, NULL, false, false, "2027-01-01" },
	/* other zones than one's own */
	{ "5pm GMT", NOW_S, "America/New_York", false, false, "2026-03-18T13:00:00-04:00" },
	{ "2026-12-24T18:30:00+0900", NOW_S, NULL, false, false, "2026-12-24T09:30:00Z" },
	/* what word processors do */
	{ "3\xe2\x80\x93"
	  "5pm",
	  NOW_S, NULL, false, false, "2026-03-18T15:00:00Z" },
	{ "new year\xe2\x80\x99s eve", NOW_S, NULL, false, false, "2026-12-31" },
	{ "tomorrow\xc2\xa0"
	  "at\xc2\xa0"
	  "5pm",
	  NOW_S, NULL, false, false, "2026-03-19T17:00:00Z" },
};

START_TEST(values)
{
	struct due_list list = find_at(VALUES[_i].text, VALUES[_i].now_s, VALUES[_i].zone,
				       VALUES[_i].day_first, VALUES[_i].sunday_first);

	ck_assert_msg(list.n == 1 && list.v[0].has_value, "%s: %zu found", VALUES[_i].text, list.n);
	check_value(VALUES[_i].text, &list.v[0].value, VALUES[_i].zone, VALUES[_i].value);
}
END_TEST

static const char *const NOTHING[] = {
	"",
	" ",
	"\xff\xfe",
	"\xe2\x80",
	"12",
	"3 30",
	"three twenty",
	"1-2",
	"4-5-6",
	"20-30-12",
	"8/32",
	"2014/13/22",
	"4/13/1",
	"24:10",
	"am ago",
	"+am",
	"in days",
	"may",
	"mar",
	"jan",
	"9/11 report",
	"IP 192.168.1.1",
	"pi is 3.14",
	"$5",
	"#5",
	"a@b.com",
	"win 50/50",
	"5 m",
	"by 3 people",
	"room 1130",
	"every person",
	"each other",
	"the 2nd task",
	"look at the sun",
	"99999999999999",
};

START_TEST(nothing)
{
	struct due_list list = find_at(NOTHING[_i], NOW_S, NULL, false, false);

	ck_assert_msg(list.n == 0, "\"%s\": %zu found", NOTHING[_i], list.n);
}
END_TEST

START_TEST(several_in_one_text)
{
	struct due_list list =
		find_at("gym on monday, dentist tomorrow at 3pm and rent every month on the 1st",
			NOW_S, NULL, false, false);

	ck_assert_uint_eq(list.n, 3);
	check_value("first", &list.v[0].value, NULL, "2026-03-23");
	check_value("second", &list.v[1].value, NULL, "2026-03-19T15:00:00Z");
	check_value("third", &list.v[2].value, NULL, "2026-04-01");
	ck_assert(str_eq(list.v[2].rrule, STR("FREQ=MONTHLY;BYMONTHDAY=1")));
}
END_TEST

START_TEST(after_the_last_year)
{
	/* 31 December 9999 */
	struct due_list list = find_at("next week", 253402300000, NULL, false, false);

	ck_assert_uint_eq(list.n, 1);
	ck_assert_uint_ne(list.v[0].flags & DUE_IMPOSSIBLE, 0);
	ck_assert(!list.v[0].has_value);
	ck_assert_ptr_nonnull(list.v[0].problem);
}
END_TEST

START_TEST(bounds)
{
	static char text[DUE_TEXT_MAX + 1];
	const struct due_context ctx = { .now_us = NOW_S * TIME_US_PER_S };
	struct due_list list = { 0 };

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "today "[i % 6];
	ck_assert_int_eq(due_find(arena, (struct str){ text, sizeof(text) }, &ctx, &list), -E2BIG);
	ck_assert_int_eq(due_find(arena, (struct str){ text, DUE_TEXT_MAX }, &ctx, &list), 0);
	ck_assert_uint_eq(list.n, DUE_FOUND_MAX);
}
END_TEST

START_TEST(no_memory)
{
	const struct due_context ctx = { .now_us = NOW_S * TIME_US_PER_S };
	struct due_list list = { 0 };
	struct arena *small = arena_new(256);

	ck_assert_int_eq(due_find(small, STR("every day until christmas for 3 hours"), &ctx, &list),
			 -ENOMEM);
	ck_assert_ptr_null(list.v);
	arena_free(small);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("due");
	TCase *tc = tcase_create("language");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, the_words_are_in_order);
	tcase_add_loop_test(tc, kinds_flags_and_places, 0, ARRAY_SIZE(TOLD));
	tcase_add_loop_test(tc, values, 0, ARRAY_SIZE(VALUES));
	tcase_add_loop_test(tc, nothing, 0, ARRAY_SIZE(NOTHING));
	tcase_add_test(tc, several_in_one_text);
	tcase_add_test(tc, after_the_last_year);
	tcase_add_test(tc, bounds);
	tcase_add_test(tc, no_memory);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
