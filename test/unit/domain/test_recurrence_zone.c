/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recurrence on the wall clock of zones: gaps go forward, folds take the first, and no series
 * drifts afterwards.
 */
#include "domain/recurrence.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static const struct tz *zone_of(const char *name)
{
	const struct tz *tz;

	ck_assert_msg(tz_load(str_from(name), &tz) == 0, "%s", name);
	return tz;
}

static int64_t us_of(const char *text, struct civil *ret_civil)
{
	int64_t us;
	bool has_offset;

	ck_assert_msg(time_parse_rfc3339(str_from(text), &us, ret_civil, &has_offset) == 0, "%s",
		      text);
	return us;
}

static struct recurrence rule_of(const char *text)
{
	struct recurrence r;
	struct err err = { 0 };

	ck_assert_msg(recurrence_parse(str_from(text), "rule", &r, &err) == 0, "%s: %s", text,
		      err.text);
	return r;
}

static const struct {
	const char *rule, *start, *zone, *after; /* after NULL: from before the start */
	const char *want[6];			 /* the last one NULL; "" for "no more" */
} SERIES[] = {
	/* gap 02:00-03:00 on 29 March 2026: 03:30 summer time is 01:30Z, and 02:30 comes back the
	   day after */
	{ "FREQ=DAILY",
	  "2026-03-28T02:30:00",
	  "Europe/Berlin",
	  NULL,
	  { "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z",
	    "2026-03-31T00:30:00Z" } },
	/* fold 02:00-03:00 on 25 October 2026: the first 02:30 is summer time */
	{ "FREQ=DAILY",
	  "2026-10-24T02:30:00",
	  "Europe/Berlin",
	  NULL,
	  { "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" } },
	/* after an instant in the second pass of the fold the first pass is over */
	{ "FREQ=DAILY;BYMINUTE=10,50",
	  "2026-10-24T02:10:00",
	  "Europe/Berlin",
	  "2026-10-25T01:20:00Z",
	  { "2026-10-26T01:10:00Z", "2026-10-26T01:50:00Z" } },
	/* 02:30 moves to 03:30: behind 03:00, and on top of 03:30 */
	{ "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30",
	  "2026-03-29T00:00:00",
	  "Europe/Berlin",
	  "2026-03-29T00:59:59Z",
	  { "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z" } },
	{ "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,45",
	  "2026-03-29T00:00:00",
	  "Europe/Berlin",
	  "2026-03-29T01:00:00Z",
	  { "2026-03-29T01:45:00Z", "2026-03-30T00:00:00Z" } },
	/* only 02:30 and 03:00 of each day: on the day of the gap the second comes first */
	{ "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30;BYSETPOS=2,3",
	  "2026-03-28T02:30:00",
	  "Europe/Berlin",
	  "2026-03-28T12:00:00Z",
	  { "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z" } },
	{ "FREQ=DAILY;BYHOUR=2;BYMINUTE=15,30",
	  "2026-10-03T02:15:00",
	  "Australia/Lord_Howe",
	  "2026-10-03T03:00:00Z",
	  { "2026-10-03T15:30:00Z", "2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z" } },
	/* a gap of two hours, asked from within: some readings are over, some are moved, some are
	   to come */
	{ "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=10,15",
	  "2032-03-27T03:30:00",
	  "Antarctica/Troll",
	  "2032-03-28T00:00:00Z",
	  { "2032-03-28T01:10:00Z", "2032-03-28T01:15:00Z", "2032-03-28T02:10:00Z",
	    "2032-03-28T02:15:00Z", "2032-03-29T00:10:00Z" } },
	/* asked from within the hour after the gap, a moved reading is still ahead */
	{ "FREQ=DAILY",
	  "2026-03-01T02:45:00",
	  "Europe/Berlin",
	  "2026-03-29T01:30:00Z",
	  { "2026-03-29T01:45:00Z", "2026-03-30T00:45:00Z" } },
	/* two readings on one instant are one occurrence but two of COUNT */
	{ "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=30;COUNT=5",
	  "2026-03-28T02:30:00",
	  "Europe/Berlin",
	  NULL,
	  { "2026-03-28T01:30:00Z", "2026-03-28T02:30:00Z", "2026-03-29T01:30:00Z",
	    "2026-03-30T00:30:00Z", "" } },
	/* UNTIL as a local day and as an instant */
	{ "FREQ=DAILY;UNTIL=20260329",
	  "2026-03-28T23:30:00",
	  "America/New_York",
	  NULL,
	  { "2026-03-29T03:30:00Z", "2026-03-30T03:30:00Z", "" } },
	{ "FREQ=DAILY;UNTIL=20260329T235959Z",
	  "2026-03-28T23:30:00",
	  "America/New_York",
	  NULL,
	  { "2026-03-29T03:30:00Z", "" } },
	{ "FREQ=DAILY;UNTIL=20260329T012959Z",
	  "2026-03-27T02:30:00",
	  "Europe/Berlin",
	  NULL,
	  { "2026-03-27T01:30:00Z", "2026-03-28T01:30:00Z", "" } },
	{ "FREQ=DAILY;UNTIL=20260329T013000Z",
	  "2026-03-28T02:30:00",
	  "Europe/Berlin",
	  NULL,
	  { "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "" } },
	/* an all-day series where midnight falls into the gap: the day begins at 01:00 */
	{ "FREQ=DAILY",
	  "2018-11-03T00:00:00",
	  "America/Sao_Paulo",
	  NULL,
	  { "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z" } },
	/* a whole day left out: 30 December 2011 is 31 December in Apia */
	{ "FREQ=DAILY",
	  "2011-12-29T08:00:00",
	  "Pacific/Apia",
	  NULL,
	  { "2011-12-29T18:00:00Z", "2011-12-30T18:00:00Z", "2011-12-31T18:00:00Z" } },
	/* half an hour in Lord Howe */
	{ "FREQ=DAILY",
	  "2026-10-03T02:15:00",
	  "Australia/Lord_Howe",
	  NULL,
	  { "2026-10-02T15:45:00Z", "2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z" } },
	/* far beyond the table of transitions the rule of the zone holds */
	{ "FREQ=YEARLY",
	  "2026-07-01T12:00:00",
	  "Europe/Berlin",
	  "2399-12-31T00:00:00Z",
	  { "2400-07-01T10:00:00Z" } },
	{ "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
	  "1997-09-30T09:00:00",
	  "America/New_York",
	  NULL,
	  { "1997-09-30T13:00:00Z", "1997-10-31T14:00:00Z", "1997-11-28T14:00:00Z" } },
};

START_TEST(series)
{
	struct recurrence r = rule_of(SERIES[_i].rule);
	const struct tz *tz = zone_of(SERIES[_i].zone);
	struct civil start, unused;
	struct occurrence o;
	char text[TIME_RFC3339_SIZE];

	us_of(SERIES[_i].start, &start);
	int64_t after = SERIES[_i].after == NULL ? INT64_MIN : us_of(SERIES[_i].after, &unused);
	for (int i = 0; SERIES[_i].want[i] != NULL; i++) {
		int error = recurrence_next(&r, &start, tz, after, &o);
		if (SERIES[_i].want[i][0] == '\0') {
			ck_assert_int_eq(error, -ENOENT);
			return;
		}
		ck_assert_int_eq(error, 0);
		time_format_rfc3339(o.at_us, text);
		ck_assert_str_eq(text, SERIES[_i].want[i]);
		after = o.at_us;
	}
}
END_TEST

/* local is the rule's reading, also where the clock never shows it. */
START_TEST(local_reading_in_a_gap)
{
	struct recurrence r = rule_of("FREQ=DAILY");
	struct civil start, shown;
	struct occurrence o;

	us_of("2026-03-28T02:30:00.25", &start);
	ck_assert_int_eq(recurrence_next(&r, &start, zone_of("Europe/Berlin"),
					 us_of("2026-03-29T00:00:00Z", &shown), &o),
			 0);
	ck_assert(o.local.day == 29 && o.local.hour == 2 && o.local.minute == 30 &&
		  o.local.microsecond == 250000);
	tz_to_local(zone_of("Europe/Berlin"), o.at_us / TIME_US_PER_S, &shown);
	ck_assert(shown.day == 29 && shown.hour == 3 && shown.minute == 30);
}
END_TEST

/* Every minute of the days around a gap and a fold: strictly increasing, and never less than what
 * lies ahead. */
START_TEST(every_minute)
{
	static const struct {
		const char *zone, *start;
		int distinct; /* instants of the three days: a gap takes an hour's worth away, a
				 fold has no second pass */
	} DAYS[] = {
		{ "Europe/Berlin", "2026-03-28T00:00:00", 3 * 1440 - 60 },
		{ "Europe/Berlin", "2026-10-24T00:00:00", 3 * 1440 },
		{ "Australia/Lord_Howe", "2026-10-03T00:00:00", 3 * 1440 - 30 },
		{ "America/Sao_Paulo", "2018-11-03T00:00:00", 3 * 1440 - 60 },
	};
	struct recurrence r = { .interval = 1,
				.freq = RECURRENCE_DAILY,
				.until_kind = RECURRENCE_UNTIL_DATE };
	struct civil start;
	struct occurrence o;
	int64_t after = INT64_MIN;
	int n = 0;

	us_of(DAYS[_i].start, &start);
	r.until = start;
	r.until.day += 2;
	r.hours.fwd[0] = (1u << 24) - 1;
	r.minutes.fwd[0] = (UINT64_C(1) << 60) - 1;
	while (recurrence_next(&r, &start, zone_of(DAYS[_i].zone), after, &o) == 0) {
		ck_assert_int_gt(o.at_us, after);
		ck_assert(n == 0 || o.at_us - after <= (int64_t)3660 * TIME_US_PER_S);
		after = o.at_us;
		n++;
	}
	ck_assert_int_eq(n, DAYS[_i].distinct);
}
END_TEST

START_TEST(completion_in_a_zone)
{
	struct recurrence r = rule_of("FREQ=DAILY");
	struct civil due, unused;
	struct occurrence o;
	char text[TIME_RFC3339_SIZE];

	us_of("2026-01-01T08:00:00", &due);
	/* done at 23:30Z, which is the 6th in Tokyo: the next is the 7th there */
	ck_assert_int_eq(recurrence_next_after_done(&r, &due, zone_of("Asia/Tokyo"),
						    us_of("2026-01-05T23:30:00Z", &unused), 0, 4,
						    &o),
			 0);
	time_format_rfc3339(o.at_us, text);
	ck_assert_str_eq(text, "2026-01-06T23:00:00Z");
	ck_assert_int_eq(o.index, 5);
	/* across the beginning of summer time the hour stays */
	ck_assert_int_eq(recurrence_next_after_done(&r, &due, zone_of("Europe/Berlin"),
						    us_of("2026-03-28T12:00:00Z", &unused), 0, 4,
						    &o),
			 0);
	time_format_rfc3339(o.at_us, text);
	ck_assert_str_eq(text, "2026-03-29T06:00:00Z");
}
END_TEST

START_TEST(until_against_the_start)
{
	struct recurrence r = rule_of("FREQ=DAILY;UNTIL=20260328T223000Z");
	struct civil start;
	struct err err = { 0 };

	us_of("2026-03-28T23:30:00", &start); /* 22:30Z in Berlin */
	ck_assert_int_eq(recurrence_check(&r, &start, zone_of("Europe/Berlin"), "f", &err), 0);
	ck_assert_int_lt(recurrence_check(&r, &start, NULL, "f", &err), 0);
	ck_assert_str_eq(err.field, "f");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recurrence_zone");
	TCase *tc = tcase_create("recurrence_zone");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, NULL, tz_done);
	tcase_add_loop_test(tc, series, 0, (int)ARRAY_SIZE(SERIES));
	tcase_add_test(tc, local_reading_in_a_gap);
	tcase_add_loop_test(tc, every_minute, 0, 4);
	tcase_add_test(tc, completion_in_a_zone);
	tcase_add_test(tc, until_against_the_start);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
