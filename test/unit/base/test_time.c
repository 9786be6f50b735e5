/* SPDX-License-Identifier: Apache-2.0 */
/* The calendar against glibc's over all years, and RFC 3339 in and out by table and by round trip.
 */
#include "base/time.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_S INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define END_S INT64_C(253402300800)   /* 10000-01-01T00:00:00Z */

/* Every day of years 1 to 9999, both ways. */
START_TEST(days_as_libc)
{
	for (int64_t days = FIRST_S / 86400; days < END_S / 86400; days++) {
		time_t s = days * 86400;
		struct tm tm;
		int year, month, day;

		ck_assert_ptr_nonnull(gmtime_r(&s, &tm));
		time_civil_from_days(days, &year, &month, &day);
		if (year != tm.tm_year + 1900 || month != tm.tm_mon + 1 || day != tm.tm_mday ||
		    time_weekday(days) != (tm.tm_wday + 6) % 7 ||
		    time_days_from_civil(year, month, day) != days ||
		    day > time_days_in_month(year, month))
			ck_abort_msg("day %" PRId64 ": %d-%d-%d", days, year, month, day);
	}
}
END_TEST

START_TEST(seconds_as_libc)
{
	srand48(20261121);
	for (int i = 0; i < 500000; i++) {
		time_t s = FIRST_S + (int64_t)(drand48() * (double)(END_S - FIRST_S));
		struct civil c;
		struct tm tm;

		gmtime_r(&s, &tm);
		time_civil_from_s(s, &c);
		if (c.year != tm.tm_year + 1900 || c.month != tm.tm_mon + 1 ||
		    c.day != tm.tm_mday || c.hour != tm.tm_hour || c.minute != tm.tm_min ||
		    c.second != tm.tm_sec || c.microsecond != 0 ||
		    time_civil_to_s(&c) != timegm(&tm))
			ck_abort_msg("second %" PRId64, (int64_t)s);
	}
}
END_TEST

START_TEST(month_lengths)
{
	static const struct {
		int year, month, days;
	} cases[] = { { 2024, 2, 29 }, { 2023, 2, 28 }, { 1900, 2, 28 }, { 2000, 2, 29 },
		      { 4, 2, 29 },    { 2026, 1, 31 }, { 2026, 4, 30 }, { 9999, 12, 31 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_int_eq(time_days_in_month(cases[i].year, cases[i].month), cases[i].days);
}
END_TEST

START_TEST(good_texts)
{
	static const struct {
		const char *text, *in_utc;
		bool has_offset;
	} cases[] = {
		{ "2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z", true },
		{ "2026-11-21t12:00:00z", "2026-11-21T12:00:00Z", true },
		{ "2026-11-21 12:00:00", "2026-11-21T12:00:00Z", false },
		{ "2026-11-21T12:00:00+05:30", "2026-11-21T06:30:00Z", true },
		{ "2026-11-21T12:00:00-23:59", "2026-11-22T11:59:00Z", true },
		{ "2026-11-21T12:00:00-00:00", "2026-11-21T12:00:00Z", true },
		{ "2026-11-21T12:00:00.5Z", "2026-11-21T12:00:00.500000Z", true },
		{ "2026-11-21T12:00:00.000001+00:00", "2026-11-21T12:00:00.000001Z", true },
		{ "2026-11-21T12:00:00.123456789Z", "2026-11-21T12:00:00.123456Z", true },
		{ "2026-11-21T12:00:00.999999999", "2026-11-21T12:00:00.999999Z", false },
		{ "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z", true },
		{ "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", true },
		{ "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", true },
		{ "0001-01-01T05:00:00+05:00", "0001-01-01T00:00:00Z", true },
		{ "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char out[TIME_RFC3339_SIZE];
		struct civil c;
		bool has_offset;
		int64_t us;

		ck_assert_msg(time_parse_rfc3339(str_from(cases[i].text), &us, &c, &has_offset) ==
				      0,
			      "%s", cases[i].text);
		ck_assert_uint_eq(time_format_rfc3339(us, out), strlen(cases[i].in_utc));
		ck_assert_str_eq(out, cases[i].in_utc);
		ck_assert_int_eq(has_offset, cases[i].has_offset);
	}
}
END_TEST

START_TEST(reading_is_as_written)
{
	struct civil c;
	bool has_offset;
	int64_t us;

	ck_assert_int_eq(time_parse_rfc3339(STR("2026-01-02T03:04:05.000678+05:30"), &us, &c,
					    &has_offset),
			 0);
	ck_assert_int_eq(c.year, 2026);
	ck_assert_int_eq(c.month, 1);
	ck_assert_int_eq(c.day, 2);
	ck_assert_int_eq(c.hour, 3);
	ck_assert_int_eq(c.minute, 4);
	ck_assert_int_eq(c.second, 5);
	ck_assert_int_eq(c.microsecond, 678);
	ck_assert_int_eq(us, (time_civil_to_s(&c) - 19800) * TIME_US_PER_S + 678);
}
END_TEST

START_TEST(bad_texts)
{
	static const char *const cases[] = {
		"",
		"2026",
		"2026-11-21",
		"2026-11-21T",
		"2026-11-21T12:00",
		"2026-11-21T12:00Z",
		"2026-11-21T12:00:00 Z",
		"2026-11-21T12:00:00Zx",
		" 2026-11-21T12:00:00Z",
		"2026-11-21T24:00:00Z",
		"2026-11-21T12:60:00Z",
		"2026-11-21T12:00:60Z",
		"2026-06-30T23:59:60Z",
		"2026-02-29T12:00:00Z",
		"1900-02-29T12:00:00Z",
		"2026-00-21T12:00:00Z",
		"2026-13-21T12:00:00Z",
		"2026-11-00T12:00:00Z",
		"2026-11-31T12:00:00Z",
		"0000-01-01T00:00:00Z",
		"10000-01-01T00:00:00Z",
		"+2026-11-21T12:00:00Z",
		"-026-11-21T12:00:00Z",
		"2026-11-21T12:00:00.Z",
		"2026-11-21T12:00:00.1234567890Z",
		"2026-11-21T12:00:00,5Z",
		"2026-11-21T12:00:00+5:30",
		"2026-11-21T12:00:00+0530",
		"2026-11-21T12:00:00+05",
		"2026-11-21T12:00:00+24:00",
		"2026-11-21T12:00:00+05:60",
		"2026-11-21T12:00:00+05:30Z",
		"2026-11-21_12:00:00Z",
		"2026/11/21T12:00:00Z",
		"2026-1-21T12:00:00Z",
		"2026-11-21T 2:00:00Z",
		"2026-11-21T12:00:0xZ",
		"20261121T120000Z",
		"0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
		"\331\242026-11-21T12:00:00Z",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct civil c = { .year = -7 };
		bool has_offset = true;
		int64_t us = -7;

		ck_assert_msg(time_parse_rfc3339(str_from(cases[i]), &us, &c, &has_offset) ==
				      -EINVAL,
			      "\"%s\"", cases[i]);
		ck_assert(us == -7 && c.year == -7 && has_offset);
	}
	ck_assert_int_eq(time_parse_rfc3339((struct str){ "2026-11-21\0"
							  "12:00:00",
							  19 },
					    &(int64_t){ 0 }, &(struct civil){ 0 },
					    &(bool){ false }),
			 -EINVAL);
}
END_TEST

/* Every proper prefix of a full text is refused, except where a shorter form ends. */
START_TEST(prefixes)
{
	static const char text[] = "2026-11-21T12:00:00.123456+05:30";
	struct civil c;
	bool has_offset;
	int64_t us;

	for (size_t n = 0; n <= sizeof(text) - 1; n++) {
		bool ends_well = n == 19 || (n >= 21 && n <= 26) || n == 32;

		ck_assert_int_eq(time_parse_rfc3339((struct str){ text, n }, &us, &c, &has_offset),
				 ends_well ? 0 : -EINVAL);
	}
}
END_TEST

START_TEST(dates)
{
	static const char *const bad[] = { "",		 "2026-11",    "2026-11-2",   "2026-11-211",
					   "2026-02-29", "0000-01-01", "2026-11-21T", " 2026-11-21",
					   "2026-13-01", "2026-01-32", "2026 01 01" };
	int year = 0, month = 0, day = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(time_parse_date(str_from(bad[i]), &year, &month, &day) == -EINVAL,
			      "%s", bad[i]);
	ck_assert(year == 0 && month == 0 && day == 0);
	ck_assert_int_eq(time_parse_date(STR("2024-02-29"), &year, &month, &day), 0);
	ck_assert(year == 2024 && month == 2 && day == 29);
}
END_TEST

/* What is written reads back as itself, and sorts as text as it does in time where no fraction
 * interferes. */
START_TEST(round_trip)
{
	srand48(7);
	for (int i = 0; i < 200000; i++) {
		int64_t us = (FIRST_S + (int64_t)(drand48() * (double)(END_S - FIRST_S))) *
				     TIME_US_PER_S +
			     (i % 3 ? lrand48() % 1000000 : 0);
		char out[TIME_RFC3339_SIZE];
		size_t n = time_format_rfc3339(us, out);
		struct civil c;
		bool has_offset;
		int64_t back;

		if (n != (us % TIME_US_PER_S ? 27u : 20u) || out[n] != '\0' ||
		    time_parse_rfc3339((struct str){ out, n }, &back, &c, &has_offset) != 0 ||
		    back != us)
			ck_abort_msg("%" PRId64 " is %s", us, out);
	}
}
END_TEST

START_TEST(out_of_range)
{
	char out[TIME_RFC3339_SIZE];

	time_format_rfc3339(INT64_MIN, out);
	ck_assert_str_eq(out, "0001-01-01T00:00:00Z");
	time_format_rfc3339(INT64_MAX, out);
	ck_assert_str_eq(out, "9999-12-31T23:59:59.999999Z");
}
END_TEST

START_TEST(clocks)
{
	struct timespec before, after;
	int64_t us, ms = time_monotonic_ms();

	/* Not time(): it shows the last tick of the kernel, which lies behind this clock. */
	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &before), 0);
	us = time_now_us();
	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &after), 0);
	ck_assert_int_ge(us, before.tv_sec * TIME_US_PER_S + before.tv_nsec / 1000);
	ck_assert_int_le(us, after.tv_sec * TIME_US_PER_S + after.tv_nsec / 1000);
	ck_assert_int_ge(time_monotonic_ms(), ms);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("time");
	TCase *tc = tcase_create("time");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, days_as_libc);
	tcase_add_test(tc, seconds_as_libc);
	tcase_add_test(tc, month_lengths);
	tcase_add_test(tc, good_texts);
	tcase_add_test(tc, reading_is_as_written);
	tcase_add_test(tc, bad_texts);
	tcase_add_test(tc, prefixes);
	tcase_add_test(tc, dates);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, out_of_range);
	tcase_add_test(tc, clocks);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
