/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which dates a rule gives, without zones: the examples of RFC 5545 section 3.8.5.3 and RFC 7529,
 * rules that never match, COUNT and UNTIL, starts the rule does not match, far jumps, and the mode
 * "completion".
 */
#include "domain/recurrence.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct civil civil_of(const char *text)
{
	struct civil c;
	int64_t us;
	bool has_offset;

	ck_assert_msg(time_parse_rfc3339(str_from(text), &us, &c, &has_offset) == 0, "%s", text);
	return c;
}

static int64_t us_of(const char *text)
{
	struct civil c;
	int64_t us;
	bool has_offset;

	ck_assert_msg(time_parse_rfc3339(str_from(text), &us, &c, &has_offset) == 0, "%s", text);
	return us;
}

static struct recurrence rule_of(const char *text)
{
	struct recurrence r;
	struct err err = { 0 };

	if (strchr(text, '=') == NULL)
		ck_assert_int_eq(recurrence_from_word(str_from(text), 1, "rule", &r, &err), 0);
	else
		ck_assert_msg(recurrence_parse(str_from(text), "rule", &r, &err) == 0, "%s: %s",
			      text, err.text);
	return r;
}

/* "1997-09-02 04 10-01": a token of two digits keeps year and month, one of five keeps the year. */
static bool next_date(const char **text, struct civil *c)
{
	int n = 0, a, b, y;

	if (sscanf(*text, " %4d-%2d-%2d%n", &y, &a, &b, &n) == 3) {
		c->year = y;
		c->month = a;
		c->day = b;
	} else if (sscanf(*text, " %2d-%2d%n", &a, &b, &n) == 2) {
		c->month = a;
		c->day = b;
	} else if (sscanf(*text, " %2d%n", &a, &n) == 1) {
		c->day = a;
	} else {
		return false;
	}
	*text += n;
	return true;
}

/* The rule gives these dates at dtstart's time; if it has COUNT or UNTIL, then nothing more. */
static void expect_dates(const char *text, const char *dtstart, const char *dates)
{
	struct recurrence r = rule_of(text);
	struct civil start = civil_of(dtstart), want = start;
	struct occurrence o;
	int64_t after = INT64_MIN;
	const char *rest = dates;
	int n = 0;

	while (next_date(&rest, &want)) {
		ck_assert_msg(recurrence_next(&r, &start, NULL, after, &o) == 0,
			      "%s ended after %d dates", text, n);
		n++;
		ck_assert_msg(o.local.year == want.year && o.local.month == want.month &&
				      o.local.day == want.day,
			      "%s: date %d is %04d-%02d-%02d, not %04d-%02d-%02d", text, n,
			      o.local.year, o.local.month, o.local.day, want.year, want.month,
			      want.day);
		ck_assert_int_eq(o.local.hour, start.hour);
		ck_assert_int_eq(o.local.minute, start.minute);
		ck_assert_int_eq(o.index, r.count == 0 ? 0 : n);
		after = o.at_us;
	}
	ck_assert_int_gt(n, 0);
	if (r.count != 0 || r.until_kind != RECURRENCE_NO_UNTIL)
		ck_assert_msg(recurrence_next(&r, &start, NULL, after, &o) == -ENOENT,
			      "%s: does not end", text);
}

struct example {
	const char *rule, *start, *dates;
};

static const struct example RFC5545[] = {
	{ "FREQ=DAILY;COUNT=10", "1997-09-02T09:00:00", "1997-09-02 03 04 05 06 07 08 09 10 11" },
	{ "FREQ=DAILY;INTERVAL=2", "1997-09-02T09:00:00",
	  "1997-09-02 04 06 08 10 12 14 16 18 20 22 24 26 28 30 10-02 04 06" },
	{ "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09-02T09:00:00", "1997-09-02 12 22 10-02 12" },
	{ "FREQ=WEEKLY;COUNT=10", "1997-09-02T09:00:00",
	  "1997-09-02 09 16 23 30 10-07 14 21 28 11-04" },
	{ "FREQ=WEEKLY;UNTIL=19971224T000000Z", "1997-09-02T09:00:00",
	  "1997-09-02 09 16 23 30 10-07 14 21 28 11-04 11 18 25 12-02 09 16 23" },
	{ "FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1997-09-02T09:00:00",
	  "1997-09-02 16 30 10-14 28 11-11 25 12-09 23 1998-01-06 20 02-03 17" },
	{ "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "1997-09-02T09:00:00",
	  "1997-09-02 04 09 11 16 18 23 25 30 10-02" },
	{ "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997-09-02T09:00:00",
	  "1997-09-02 04 09 11 16 18 23 25 30 10-02" },
	{ "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
	  "1997-09-01T09:00:00",
	  "1997-09-01 03 05 15 17 19 29 10-01 03 13 15 17 27 29 31 11-10 12 14 24 26 28 12-08 10 12 22" },
	{ "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997-09-02T09:00:00",
	  "1997-09-02 04 16 18 30 10-02 14 16" },
	{ "FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "1997-09-05T09:00:00",
	  "1997-09-05 10-03 11-07 12-05 1998-01-02 02-06 03-06 04-03 05-01 06-05" },
	{ "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "1997-09-05T09:00:00",
	  "1997-09-05 10-03 11-07 12-05" },
	{ "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", "1997-09-07T09:00:00",
	  "1997-09-07 28 11-02 30 1998-01-04 25 03-01 29 05-03 31" },
	{ "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997-09-22T09:00:00",
	  "1997-09-22 10-20 11-17 12-22 1998-01-19 02-16" },
	{ "FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09-28T09:00:00",
	  "1997-09-28 10-29 11-28 12-29 1998-01-29 02-26" },
	{ "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", "1997-09-02T09:00:00",
	  "1997-09-02 15 10-02 15 11-02 15 12-02 15 1998-01-02 15" },
	{ "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", "1997-09-30T09:00:00",
	  "1997-09-30 10-01 31 11-01 30 12-01 31 1998-01-01 31 02-01" },
	{ "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15", "1997-09-10T09:00:00",
	  "1997-09-10 11 12 13 14 15 1999-03-10 11 12 13" },
	{ "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "1997-09-02T09:00:00",
	  "1997-09-02 09 16 23 30 11-04 11 18 25 1998-01-06 13 20 27 03-03 10 17 24 31" },
	{ "FREQ=YEARLY;COUNT=10;BYMONTH=6,7", "1997-06-10T09:00:00",
	  "1997-06-10 07-10 1998-06-10 07-10 1999-06-10 07-10 2000-06-10 07-10 2001-06-10 07-10" },
	{ "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", "1997-03-10T09:00:00",
	  "1997-03-10 1999-01-10 02-10 03-10 2001-01-10 02-10 03-10 2003-01-10 02-10 03-10" },
	{ "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", "1997-01-01T09:00:00",
	  "1997-01-01 04-10 07-19 2000-01-01 04-09 07-18 2003-01-01 04-10 07-19 2006-01-01" },
	{ "FREQ=YEARLY;BYDAY=20MO", "1997-05-19T09:00:00", "1997-05-19 1998-05-18 1999-05-17" },
	{ "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12T09:00:00",
	  "1997-05-12 1998-05-11 1999-05-17" },
	{ "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "1997-03-13T09:00:00",
	  "1997-03-13 20 27 1998-03-05 12 19 26 1999-03-04 11 18 25" },
	{ "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", "1997-06-05T09:00:00",
	  "1997-06-05 12 19 26 07-03 10 17 24 31 08-07 14 21 28 1998-06-04 11 18 25 07-02" },
	{ "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
	  "1997-09-02T09:00:00", /* the RFC takes dtstart out by EXDATE */
	  "1997-09-02 1998-02-13 03-13 11-13 1999-08-13 2000-10-13" },
	{ "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "1997-09-13T09:00:00",
	  "1997-09-13 10-11 11-08 12-13 1998-01-10 02-07 03-07 04-11 05-09 06-13" },
	{ "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
	  "1996-11-05T09:00:00", "1996-11-05 2000-11-07 2004-11-02" },
	{ "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04T09:00:00",
	  "1997-09-04 10-07 11-06" },
	{ "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "1997-09-29T09:00:00",
	  "1997-09-29 10-30 11-27 12-30 1998-01-29 02-26 03-30" },
	{ "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05T09:00:00",
	  "1997-08-05 10 19 24" },
	{ "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05T09:00:00",
	  "1997-08-05 17 19 31" },
	{ "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01-15T09:00:00",
	  "2007-01-15 30 02-15 03-15 30" },
};

START_TEST(rfc5545_examples)
{
	expect_dates(RFC5545[_i].rule, RFC5545[_i].start, RFC5545[_i].dates);
}
END_TEST

static int count_to_end(const char *rule, const char *dtstart, struct occurrence *ret_last)
{
	struct recurrence r = rule_of(rule);
	struct civil start = civil_of(dtstart);
	int64_t after = INT64_MIN;
	int n = 0;

	while (n < 20000 && recurrence_next(&r, &start, NULL, after, ret_last) == 0) {
		after = ret_last->at_us;
		n++;
	}
	return n;
}

START_TEST(rfc5545_long_examples)
{
	struct occurrence last;

	ck_assert_int_eq(count_to_end("FREQ=DAILY;UNTIL=19971224T000000Z", "1997-09-02T09:00:00",
				      &last),
			 113);
	ck_assert(last.local.month == 12 && last.local.day == 23);
	ck_assert_int_eq(
		count_to_end(
			"FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
			"1998-01-01T09:00:00", &last),
		93);
	ck_assert_int_eq(count_to_end("FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
				      "1998-01-01T09:00:00", &last),
			 93);
	ck_assert(last.local.year == 2000 && last.local.month == 1 && last.local.day == 31);
}
END_TEST

static void expect_times(const char *rule, const char *dtstart, const char *const *want, int n)
{
	struct recurrence r = rule_of(rule);
	struct civil start = civil_of(dtstart);
	struct occurrence o;
	int64_t after = INT64_MIN;

	for (int i = 0; i < n; i++) {
		char text[TIME_RFC3339_SIZE];
		ck_assert_int_eq(recurrence_next(&r, &start, NULL, after, &o), 0);
		time_format_rfc3339(o.at_us, text);
		ck_assert_str_eq(text, want[i]);
		ck_assert_int_eq(time_civil_to_s(&o.local) * TIME_US_PER_S + o.local.microsecond,
				 o.at_us);
		after = o.at_us;
	}
}

START_TEST(several_times_a_day)
{
	static const char *const OFFICE[] = { "1997-09-02T09:00:00Z", "1997-09-02T09:20:00Z",
					      "1997-09-02T09:40:00Z", "1997-09-02T10:00:00Z" };
	static const char *const SUNDAYS[] = { "1997-01-05T08:30:00Z", "1997-01-05T09:30:00Z",
					       "1997-01-12T08:30:00Z" };
	static const char *const LAST[] = { "2026-01-30T20:00:07.500000Z",
					    "2026-02-27T20:00:07.500000Z" };
	struct occurrence last;

	expect_times("FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
		     "1997-09-02T09:00:00", OFFICE, 4);
	expect_times("FREQ=YEARLY;INTERVAL=2;BYMONTH=1;BYDAY=SU;BYHOUR=8,9;BYMINUTE=30",
		     "1997-01-05T08:30:00", SUNDAYS, 3);
	/* Seconds and microseconds are dtstart's. */
	expect_times("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8,20;BYSETPOS=-1",
		     "2026-01-30T20:00:07.5", LAST, 2);
	/* Times before dtstart on its own day don't count. */
	ck_assert_int_eq(
		count_to_end("FREQ=DAILY;BYHOUR=6,12,18;COUNT=5", "2026-01-01T12:00:00", &last), 5);
	ck_assert(last.local.day == 2 && last.local.hour == 18);
	ck_assert_int_eq(count_to_end("FREQ=DAILY;BYHOUR=6,12,18;BYSETPOS=1,-1;COUNT=4",
				      "2026-01-01T18:00:00", &last),
			 4);
	ck_assert(last.local.day == 3 && last.local.hour == 6);
	ck_assert_int_eq(
		count_to_end("FREQ=MONTHLY;BYMONTHDAY=1,2;BYHOUR=6,12;BYSETPOS=2,3;COUNT=5",
			     "2026-01-01T12:00:00", &last),
		5);
	ck_assert(last.local.month == 3 && last.local.day == 1 && last.local.hour == 12);
}
END_TEST

static const struct example SKIP[] = {
	/* RFC 7529 section 4.1 and 6 */
	{ "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=OMIT;COUNT=4", "2014-01-31T00:00:00",
	  "2014-01-31 03-31 05-31 07-31" },
	{ "FREQ=MONTHLY;COUNT=4", "2014-01-31T00:00:00", "2014-01-31 03-31 05-31 07-31" },
	{ "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD;COUNT=4", "2014-01-31T00:00:00",
	  "2014-01-31 02-28 03-31 04-30" },
	{ "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=BACKWARD;COUNT=6", "2016-02-29T00:00:00",
	  "2016-02-29 2017-02-28 2018-02-28 2019-02-28 2020-02-29 2021-02-28" },
	/* the simple words */
	{ "monthly", "2026-01-31T00:00:00", "2026-01-31 02-28 03-31 04-30 05-31 06-30 07-31" },
	{ "monthly", "2026-01-29T00:00:00", "2026-01-29 02-28 03-29" },
	{ "monthly", "2023-12-30T00:00:00", "2023-12-30 2024-01-30 02-29 03-30" },
	{ "yearly", "2024-02-29T00:00:00",
	  "2024-02-29 2025-02-28 2026-02-28 2027-02-28 2028-02-29" },
	{ "yearly", "2096-02-29T00:00:00",
	  "2096-02-29 2097-02-28 2098-02-28 2099-02-28 2100-02-28" },
	{ "FREQ=YEARLY", "2096-02-29T00:00:00", "2096-02-29 2104-02-29" },
	{ "daily", "2024-02-28T00:00:00", "2024-02-28 29 03-01" },
	{ "weekly", "2026-12-29T00:00:00", "2026-12-29 2027-01-05" },
	/* a set: 30 and 31 are one day in February; BYDAY and BYSETPOS see the moved day */
	{ "FREQ=MONTHLY;BYMONTHDAY=28,30,31;SKIP=BACKWARD", "2026-01-28T00:00:00",
	  "2026-01-28 30 31 02-28 03-28 30" },
	{ "FREQ=MONTHLY;BYMONTHDAY=31;BYDAY=SA;SKIP=BACKWARD", "2026-01-31T00:00:00",
	  "2026-01-31 02-28 10-31 2027-07-31" },
	{ "FREQ=MONTHLY;BYMONTHDAY=30,31;BYSETPOS=2;SKIP=BACKWARD", "2026-01-31T00:00:00",
	  "2026-01-31 03-31 05-31" },
	{ "FREQ=YEARLY;BYMONTH=2,3;SKIP=BACKWARD", "2026-01-31T00:00:00",
	  "2026-01-31 02-28 03-31 2027-02-28" },
	/* for DAILY, BYMONTHDAY only limits: no day to move */
	{ "FREQ=DAILY;BYMONTHDAY=31;SKIP=BACKWARD", "2026-01-31T00:00:00", "2026-01-31 03-31" },
	/* negative days are not moved */
	{ "FREQ=MONTHLY;BYMONTHDAY=-30;SKIP=BACKWARD", "2026-01-02T00:00:00",
	  "2026-01-02 03-02 04-01" },
};

START_TEST(skipped_and_moved_days)
{
	expect_dates(SKIP[_i].rule, SKIP[_i].start, SKIP[_i].dates);
}
END_TEST

static const struct example CORNERS[] = {
	/* dtstart is the first occurrence, whether the rule matches it or not */
	{ "FREQ=WEEKLY;BYDAY=MO;COUNT=3", "2026-11-18T08:00:00", "2026-11-18 23 30" },
	{ "FREQ=WEEKLY;BYDAY=MO;COUNT=1", "2026-11-18T08:00:00", "2026-11-18" },
	{ "FREQ=DAILY;BYHOUR=8;COUNT=2", "2026-11-18T08:00:00", "2026-11-18 19" },
	/* UNTIL: a whole local day, a reading, an instant */
	{ "FREQ=DAILY;UNTIL=20261120", "2026-11-18T23:59:59", "2026-11-18 19 20" },
	{ "FREQ=DAILY;UNTIL=20261120T080000", "2026-11-18T08:00:00", "2026-11-18 19 20" },
	{ "FREQ=DAILY;UNTIL=20261120T075959", "2026-11-18T08:00:00", "2026-11-18 19" },
	{ "FREQ=DAILY;UNTIL=20261120T080000Z", "2026-11-18T08:00:00", "2026-11-18 19 20" },
	/* the first week counts from its first day on, not from dtstart */
	{ "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2", "2026-11-18T08:00:00", "2026-11-18 25 12-02" },
	{ "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=-1", "2026-12-25T08:00:00",
	  "2026-12-25 2027-01-01 08" },
	{ "FREQ=WEEKLY;BYDAY=MO,SU;BYSETPOS=1;WKST=SU", "2026-12-27T08:00:00",
	  "2026-12-27 2027-01-03 10" },
	{ "FREQ=WEEKLY;BYMONTH=1;BYDAY=MO,FR;BYSETPOS=1", "2026-01-02T08:00:00",
	  "2026-01-02 05 12 19 26 2027-01-01 04" },
	/* weeks that begin in or before a leap year */
	{ "FREQ=WEEKLY;BYDAY=MO,TU,FR;BYSETPOS=2", "2024-12-24T08:00:00",
	  "2024-12-24 31 2025-01-07" },
	{ "FREQ=WEEKLY;BYDAY=FR,SA;BYSETPOS=1", "2027-12-24T08:00:00", "2027-12-24 31 2028-01-07" },
	/* plain and nth weekdays stand side by side */
	{ "FREQ=MONTHLY;BYDAY=MO,1TU", "2026-12-01T08:00:00",
	  "2026-12-01 07 14 21 28 2027-01-04 05 11" },
	{ "FREQ=YEARLY;BYDAY=53TH", "2026-12-31T08:00:00", "2026-12-31 2032-12-30 2037-12-31" },
	{ "FREQ=YEARLY;BYDAY=-53TH,-1SU", "2026-01-01T08:00:00", "2026-01-01 12-27 2027-12-26" },
	{ "FREQ=YEARLY;BYMONTH=1,2;BYDAY=-1MO", "2026-01-26T08:00:00",
	  "2026-01-26 02-23 2027-01-25 02-22" },
	/* weeks around New Year: ISO week 53 of 2026 ends on 3 January 2027 */
	{ "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO,SU", "2026-12-28T08:00:00",
	  "2026-12-28 2027-01-03 2032-12-27 2033-01-02" },
	{ "FREQ=YEARLY;BYWEEKNO=-1;BYDAY=FR", "2026-01-02T08:00:00",
	  "2026-01-02 2027-01-01 12-31 2028-12-29" },
	{ "FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", "2024-12-30T08:00:00",
	  "2024-12-30 2025-12-29 2027-01-04 2028-01-03" },
	{ "FREQ=YEARLY;BYWEEKNO=-53;BYDAY=TH", "2026-01-01T08:00:00",
	  "2026-01-01 2032-01-01 2037-01-01" },
	{ "FREQ=YEARLY;BYWEEKNO=-52;BYDAY=MO", "2024-12-30T08:00:00",
	  "2024-12-30 2026-01-05 2027-01-04" },
	{ "FREQ=YEARLY;BYWEEKNO=20", "2026-05-13T08:00:00", "2026-05-13 2027-05-19 2028-05-17" },
	{ "FREQ=YEARLY;BYYEARDAY=-1,366", "2026-12-31T08:00:00",
	  "2026-12-31 2027-12-31 2028-12-31" },
	{ "FREQ=YEARLY;BYYEARDAY=-366", "2028-01-01T08:00:00", "2028-01-01 2032-01-01" },
	{ "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1", "2026-01-01T08:00:00",
	  "2026-01-01 12-31 2027-01-01 12-31" },
	/* intervals keep their phase over years */
	{ "FREQ=WEEKLY;INTERVAL=3", "2026-12-20T08:00:00", "2026-12-20 2027-01-10 31" },
	{ "FREQ=DAILY;INTERVAL=1000", "2026-01-01T08:00:00", "2026-01-01 2028-09-27 2031-06-24" },
	{ "FREQ=MONTHLY;INTERVAL=1000;BYMONTHDAY=1", "2026-01-01T08:00:00",
	  "2026-01-01 2109-05-01 2192-09-01" },
	{ "FREQ=YEARLY;INTERVAL=1000", "2026-01-01T08:00:00", "2026-01-01 3026-01-01 4026-01-01" },
	/* 1 January 1 and 31 December 9999 */
	{ "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=1", "0001-01-01T00:00:00", "0001-01-01 08 15" },
	{ "FREQ=WEEKLY;BYDAY=MO,FR;BYSETPOS=-1;UNTIL=99991231", "9999-12-24T00:00:00",
	  "9999-12-24 31" },
};

START_TEST(corners)
{
	expect_dates(CORNERS[_i].rule, CORNERS[_i].start, CORNERS[_i].dates);
}
END_TEST

START_TEST(the_end_of_time)
{
	struct recurrence r = rule_of("FREQ=DAILY");
	struct civil start = civil_of("9999-12-30T12:00:00");
	struct occurrence o = { .index = 77 };

	ck_assert_int_eq(
		recurrence_next(&r, &start, NULL, us_of("9999-12-31T11:59:59.999999Z"), &o), 0);
	ck_assert_int_eq(o.at_us, us_of("9999-12-31T12:00:00Z"));
	o.index = 77;
	ck_assert_int_eq(recurrence_next(&r, &start, NULL, us_of("9999-12-31T12:00:00Z"), &o),
			 -ENOENT);
	ck_assert_int_eq(recurrence_next(&r, &start, NULL, INT64_MAX, &o), -ENOENT);
	ck_assert_int_eq(o.index, 77);
	ck_assert_int_eq(recurrence_next_after_done(&r, &start, NULL, INT64_MAX, 0, 1, &o),
			 -ENOENT);
	ck_assert_int_eq(recurrence_next_after_done(&r, &start, NULL, INT64_MIN, 0, 1, &o),
			 -ENOENT);
}
END_TEST

static const struct {
	const char *rule, *start;
	bool is_possible;
} POSSIBLE[] = {
	{ "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "2026-01-01T08:00:00", false },
	{ "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "2026-01-01T08:00:00", false },
	{ "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2", "2026-01-31T08:00:00", false },
	{ "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2;SKIP=BACKWARD", "2026-01-31T08:00:00", true },
	{ "FREQ=MONTHLY;BYDAY=6MO", "2026-01-31T08:00:00", false },
	{ "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", "2026-01-31T08:00:00", false },
	{ "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=5", "2026-01-31T08:00:00", true },
	{ "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=3", "2026-01-31T08:00:00", false },
	{ "FREQ=WEEKLY;BYDAY=MO,TU;BYHOUR=8,9;BYSETPOS=-4", "2026-01-31T08:00:00", true },
	{ "FREQ=DAILY;BYHOUR=8,9;BYSETPOS=3", "2026-01-31T08:00:00", false },
	{ "FREQ=DAILY;INTERVAL=14;BYDAY=MO", "2026-01-31T08:00:00", false },
	{ "FREQ=DAILY;INTERVAL=14;BYDAY=MO,SA", "2026-01-31T08:00:00", true },
	{ "FREQ=DAILY;INTERVAL=15;BYDAY=MO", "2026-01-31T08:00:00", true },
	{ "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29", "2025-01-31T08:00:00", false },
	{ "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29", "2026-01-31T08:00:00", true },
	{ "FREQ=MONTHLY;INTERVAL=12;BYMONTH=2", "2026-01-15T08:00:00", false },
	{ "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "2026-01-15T08:00:00", true }, /* 2044 */
	{ "FREQ=YEARLY;BYYEARDAY=60;BYMONTH=4", "2026-01-15T08:00:00", false },
	{ "FREQ=YEARLY;BYWEEKNO=20;BYMONTH=1", "2026-01-15T08:00:00", false },
	{ "FREQ=YEARLY;INTERVAL=400;BYYEARDAY=366", "2100-01-15T08:00:00", false },
	{ "FREQ=DAILY;UNTIL=20260114", "2026-01-15T08:00:00", false },
	{ "FREQ=DAILY;UNTIL=20260115", "2026-01-15T08:00:00", true },
	{ "FREQ=DAILY;UNTIL=20260115T075959", "2026-01-15T08:00:00", false },
};

START_TEST(rules_that_never_match)
{
	struct recurrence r = rule_of(POSSIBLE[_i].rule);
	struct civil start = civil_of(POSSIBLE[_i].start);
	struct occurrence o;
	struct err err = { 0 };
	int error = recurrence_check(&r, &start, NULL, "body.recurrence_rule", &err);

	if (POSSIBLE[_i].is_possible) {
		ck_assert_msg(error == 0, "%s: %s", POSSIBLE[_i].rule, err.text);
		return;
	}
	ck_assert_msg(error < 0, "%s", POSSIBLE[_i].rule);
	ck_assert_ptr_eq(err.kind, &ERR_INVALID);
	ck_assert_str_eq(err.field, "body.recurrence_rule");
	ck_assert_int_eq(recurrence_next(&r, &start, NULL, time_civil_to_s(&start) * TIME_US_PER_S,
					 &o),
			 -ENOENT);
}
END_TEST

/* From any instant the answer is the same as by walking there. */
START_TEST(jumps_equal_walks)
{
	static const char *const RULES[] = {
		"FREQ=DAILY;INTERVAL=3;COUNT=4000",
		"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU;COUNT=4000",
		"FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=31,-1",
		"FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO,SU;COUNT=300",
		"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8,20;BYSETPOS=1,-1;COUNT=1500",
		"FREQ=WEEKLY;BYDAY=MO,SU;BYHOUR=8,20;BYSETPOS=2,-1;INTERVAL=3;COUNT=1500",
		"FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30;BYSETPOS=2,-2;COUNT=4000",
		"FREQ=YEARLY;INTERVAL=3;BYMONTH=2;SKIP=BACKWARD;COUNT=100",
	};
	struct recurrence r = rule_of(RULES[_i]);
	struct civil start = civil_of("1970-01-31T08:00:00");
	struct occurrence walked, jumped;
	int64_t after = INT64_MIN, last = INT64_MIN;
	int n = 0;

	while (n < 5000 && recurrence_next(&r, &start, NULL, after, &walked) == 0) {
		n++;
		ck_assert_int_gt(walked.at_us, last);
		if (r.count != 0)
			ck_assert_int_eq(walked.index, n);
		if (last != INT64_MIN) {
			int64_t between = last + (walked.at_us - last) / 2;
			ck_assert_int_eq(recurrence_next(&r, &start, NULL, between, &jumped), 0);
			ck_assert_int_eq(jumped.at_us, walked.at_us);
			ck_assert_int_eq(jumped.index, walked.index);
			ck_assert_int_eq(
				recurrence_next(&r, &start, NULL, walked.at_us - 1, &jumped), 0);
			ck_assert_int_eq(jumped.at_us, walked.at_us);
		}
		last = after = walked.at_us;
	}
	ck_assert_int_eq(n, r.count != 0 ? r.count : 5000);
}
END_TEST

static const struct {
	const char *rule, *due, *done, *want; /* want NULL: that was the last */
	int occurrence;
	const char *now; /* NULL: long ago */
} DONE[] = {
	{ "FREQ=DAILY;INTERVAL=3", "2026-01-01T08:00:00", "2026-01-05T10:00:00Z",
	  "2026-01-08T08:00:00Z", 1, NULL },
	{ "FREQ=DAILY", "2026-01-01T08:00:00", "2026-01-05T10:00:00Z", "2026-01-06T08:00:00Z", 1,
	  NULL },
	/* done before the hour of that day: tomorrow, not today again */
	{ "FREQ=DAILY", "2026-01-01T08:00:00", "2026-01-05T07:00:00Z", "2026-01-06T08:00:00Z", 1,
	  NULL },
	{ "weekly", "2026-01-01T08:00:00", "2026-01-05T07:00:00Z", "2026-01-12T08:00:00Z", 1,
	  NULL },
	{ "monthly", "2026-01-15T08:00:00", "2026-01-31T07:00:00Z", "2026-02-28T08:00:00Z", 1,
	  NULL },
	{ "FREQ=WEEKLY;BYDAY=MO", "2026-01-01T08:00:00", "2026-01-07T07:00:00Z",
	  "2026-01-12T08:00:00Z", 1, NULL },
	{ "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", "2026-01-01T08:00:00", "2026-01-07T07:00:00Z",
	  "2026-01-19T08:00:00Z", 1, NULL },
	{ "FREQ=DAILY;COUNT=3", "2026-01-01T08:00:00", "2026-02-05T07:00:00Z",
	  "2026-02-06T08:00:00Z", 2, NULL },
	{ "FREQ=DAILY;COUNT=3", "2026-01-01T08:00:00", "2026-02-05T07:00:00Z", NULL, 3, NULL },
	{ "FREQ=DAILY;UNTIL=20260205", "2026-01-01T08:00:00", "2026-02-05T07:00:00Z", NULL, 1,
	  NULL },
	{ "FREQ=DAILY;UNTIL=20260206", "2026-01-01T08:00:00", "2026-02-05T07:00:00Z",
	  "2026-02-06T08:00:00Z", 1, NULL },
	/* several times a day: the next time of the same day */
	{ "FREQ=DAILY;BYHOUR=8,20", "2026-01-01T08:00:00", "2026-01-05T10:00:00Z",
	  "2026-01-05T20:00:00Z", 1, NULL },
	/* asked days later: reckoned from when it was done, and not past already */
	{ "FREQ=DAILY;INTERVAL=3", "2026-01-01T08:00:00", "2026-01-05T10:00:00Z",
	  "2026-01-14T08:00:00Z", 1, "2026-01-11T08:00:00Z" },
	{ "FREQ=DAILY;COUNT=3", "2026-01-01T08:00:00", "2026-01-05T10:00:00Z",
	  "2026-01-20T08:00:00Z", 2, "2026-01-20T07:59:59Z" },
	{ "FREQ=DAILY;UNTIL=20260206", "2026-01-01T08:00:00", "2026-02-05T07:00:00Z", NULL, 1,
	  "2026-02-06T08:00:00Z" },
};

START_TEST(next_after_done)
{
	struct recurrence r = rule_of(DONE[_i].rule);
	struct civil due = civil_of(DONE[_i].due);
	struct occurrence o = { .index = -1 };
	char text[TIME_RFC3339_SIZE];
	int64_t now_us = DONE[_i].now != NULL ? us_of(DONE[_i].now) : 0;
	int error = recurrence_next_after_done(&r, &due, NULL, us_of(DONE[_i].done), now_us,
					       DONE[_i].occurrence, &o);

	if (DONE[_i].want == NULL) {
		ck_assert_int_eq(error, -ENOENT);
		ck_assert_int_eq(o.index, -1);
		return;
	}
	ck_assert_int_eq(error, 0);
	time_format_rfc3339(o.at_us, text);
	ck_assert_str_eq(text, DONE[_i].want);
	ck_assert_int_eq(o.index, DONE[_i].occurrence + 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recurrence");
	TCase *tc = tcase_create("recurrence");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, rfc5545_examples, 0, (int)ARRAY_SIZE(RFC5545));
	tcase_add_test(tc, rfc5545_long_examples);
	tcase_add_test(tc, several_times_a_day);
	tcase_add_loop_test(tc, skipped_and_moved_days, 0, (int)ARRAY_SIZE(SKIP));
	tcase_add_loop_test(tc, corners, 0, (int)ARRAY_SIZE(CORNERS));
	tcase_add_test(tc, the_end_of_time);
	tcase_add_loop_test(tc, rules_that_never_match, 0, (int)ARRAY_SIZE(POSSIBLE));
	tcase_add_loop_test(tc, jumps_equal_walks, 0, 8);
	tcase_add_loop_test(tc, next_after_done, 0, (int)ARRAY_SIZE(DONE));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
