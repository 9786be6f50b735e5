/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zones against Python's zoneinfo (tz_oracle.py), names that are none, rules, and damaged files:
 * every prefix and every changed byte of a real file must give a zone or -EBADMSG.
 */
#include "base/tz.h"
#include "src/base/tz_private.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *const kind_names[] = { "unique", "gap", "fold" };

static const struct tz *load(const char *name)
{
	const struct tz *tz = NULL;

	ck_assert_msg(tz_load(str_from(name), &tz) == 0, "%s does not load", name);
	return tz;
}

static void check_instant(const char *line)
{
	char name[80];
	int64_t s;
	int offset;

	ck_assert_msg(sscanf(line, "A %79s %" SCNd64 " %d", name, &s, &offset) == 3, "%s", line);
	ck_assert_msg(tz_offset_at(load(name), s) == offset, "ours is %d: %s",
		      tz_offset_at(load(name), s), line);
}

static void check_local(const char *line)
{
	char name[80], kind[16];
	struct civil c = { 0 }, back;
	int64_t expected, s = 0;
	enum tz_local_kind ours;

	ck_assert_msg(sscanf(line, "L %79s %d %d %d %d %d %d %15s %" SCNd64, name, &c.year,
			     &c.month, &c.day, &c.hour, &c.minute, &c.second, kind, &expected) == 9,
		      "%s", line);
	ours = tz_from_local(load(name), &c, &s);
	ck_assert_msg(s == expected && strcmp(kind_names[ours], kind) == 0,
		      "ours is %s %" PRId64 ": %s", kind_names[ours], s, line);
	tz_to_local(load(name), s, &back);
	ck_assert_msg((time_civil_to_s(&back) == time_civil_to_s(&c)) == (ours != TZ_GAP), "%s",
		      line);
}

/* Runs the oracle and checks each of its lines; at least so many must have come. */
static void check_oracle(const char *command, int at_least)
{
	FILE *oracle = popen(command, "r");
	char line[256];
	int n = 0;

	ck_assert_ptr_nonnull(oracle);
	for (; fgets(line, sizeof(line), oracle); n++)
		if (line[0] == 'A')
			check_instant(line);
		else
			check_local(line);
	ck_assert_int_eq(pclose(oracle), 0);
	ck_assert_int_ge(n, at_least);
	tz_done();
}

START_TEST(system_zones)
{
	check_oracle("/usr/bin/python3 test/unit/base/tz_oracle.py", 20000);
}
END_TEST

START_TEST(made_zones)
{
	char dir[] = "/tmp/test_tz.XXXXXX", command[128];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(command, sizeof(command), "/usr/bin/python3 test/unit/base/tz_oracle.py %s", dir);
	setenv("TZDIR", dir, 1);
	check_oracle(command, 2000);
	unsetenv("TZDIR");
	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(names)
{
	static const char *const bad[] = {
		"",
		"Europe",
		"Europe/",
		"/Europe/Berlin",
		"Europe//Berlin",
		"../etc/passwd",
		"Europe/../UTC",
		"zone.tab",
		"leapseconds",
		"europe/berlin",
		"No/Such",
		"right/UTC",
		"posix/UTC",
		"localtime",
		"posixrules",
		"Europe/Berlin ",
		"Europe/B\xc3\xa9rlin",
		"A2345678901234567890123456789012345678901234567890123456789012345",
	};
	const struct tz *tz = NULL, *again = NULL;
	struct str with_nul = { "UTC\0x", 5 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(tz_load(str_from(bad[i]), &tz) == -ENOENT, "\"%s\"", bad[i]);
	ck_assert_int_eq(tz_load(with_nul, &tz), -ENOENT);
	ck_assert_ptr_null(tz);
	ck_assert_int_eq(tz_load(STR("Etc/GMT+5"), &tz), 0);
	ck_assert_int_eq(tz_load(STR("Etc/GMT+5"), &again), 0);
	ck_assert_ptr_eq(tz, again);
	ck_assert(str_eq(tz_name(tz), STR("Etc/GMT+5")));
	ck_assert_int_eq(tz_offset_at(tz, 0), -5 * 3600);
	tz_done();
}
END_TEST

START_TEST(utc_needs_no_file)
{
	const struct tz *tz = NULL;
	struct civil c = { 2026, 11, 21, 13, 30, 5, 0 };
	int64_t s;

	setenv("TZDIR", "/nonexistent", 1);
	ck_assert_int_eq(tz_load(STR("UTC"), &tz), 0);
	ck_assert_int_eq(tz_load(STR("Europe/Berlin"), &tz), -ENOENT);
	ck_assert_int_eq(tz_from_local(tz, &c, &s), TZ_UNIQUE);
	ck_assert_int_eq(s, time_civil_to_s(&c));
	ck_assert_int_eq(tz_offset_at(tz, INT64_MAX), 0);
	ck_assert_int_eq(tz_offset_at(tz, INT64_MIN), 0);
	unsetenv("TZDIR");
}
END_TEST

/* The first and the last years that a civil date has, in zones on both sides. */
START_TEST(ends_of_time)
{
	static const char *const zones[] = { "Europe/Berlin", "America/New_York", "Pacific/Apia",
					     "UTC" };
	static const struct civil ends[] = { { 1, 1, 1, 0, 0, 0, 0 },
					     { 9999, 12, 31, 23, 59, 59, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
		for (size_t j = 0; j < ARRAY_SIZE(ends); j++) {
			struct civil back;
			int64_t s;

			ck_assert_int_eq(tz_from_local(load(zones[i]), &ends[j], &s), TZ_UNIQUE);
			tz_to_local(load(zones[i]), s, &back);
			ck_assert_int_eq(time_civil_to_s(&back), time_civil_to_s(&ends[j]));
		}
	tz_done();
}
END_TEST

START_TEST(rules)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{ "UTC0", 0 },
		{ "<+03>-3", 0 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 0 },
		{ "A1B1<x>-167,J1/-167,365/167:59:59", -EBADMSG },
		{ "AAA1BBB,J1/-167,365/167:59:59", 0 },
		{ "AAA1BBB2,J365,0", 0 },
		{ "", -EBADMSG },
		{ "UTC", -EBADMSG },
		{ "UT0", -EBADMSG },
		{ "<+3>-3", -EBADMSG },
		{ "<+03-3", -EBADMSG },
		{ "CET-1CEST", -EBADMSG },
		{ "CET-1CEST,M3.5.0", -EBADMSG },
		{ "CET-1CEST,M3.5.0,M10.5.0/3 ", -EBADMSG },
		{ "CET-1CEST,M0.5.0,M10.5.0", -EBADMSG },
		{ "CET-1CEST,M13.5.0,M10.5.0", -EBADMSG },
		{ "CET-1CEST,M3.6.0,M10.5.0", -EBADMSG },
		{ "CET-1CEST,M3.0.0,M10.5.0", -EBADMSG },
		{ "CET-1CEST,M3.5.7,M10.5.0", -EBADMSG },
		{ "CET-1CEST,J0,M10.5.0", -EBADMSG },
		{ "CET-1CEST,J366,M10.5.0", -EBADMSG },
		{ "CET-1CEST,366,M10.5.0", -EBADMSG },
		{ "CET-1CEST,M3.5.0/168,M10.5.0", -EBADMSG },
		{ "CET-1CEST,M3.5.0/1:60,M10.5.0", -EBADMSG },
		{ "CET-1CEST,M3.5.0/1:00:60,M10.5.0", -EBADMSG },
		{ "CET-25", -EBADMSG },
		{ "CET-1:", -EBADMSG },
		{ "CET99999999999999999999", -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tz_rule rule = { 0 };

		ck_assert_msg(tz_rule_parse(str_from(cases[i].text), &rule) == cases[i].result,
			      "%s", cases[i].text);
		ck_assert_int_eq(rule.present, cases[i].result == 0);
	}
}
END_TEST

/* Rules against libc, hour by hour through two common years and a leap year. */
START_TEST(rules_as_libc)
{
	static const char *const texts[] = {
		"EST5EDT,59/2,300/2",		"EST5EDT,J59/2,J300/2",
		"EST5EDT,J60/2,J300/2",		"AAA-3BBB,10/0,J365/23",
		"CET-1CEST,M3.5.0,M10.5.0/3",	"IST-1GMT0,M10.5.0,M3.5.0/1",
		"AAA5BBB,M3.4.4/50,M10.4.4/50", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct tz_rule rule;

		ck_assert_int_eq(tz_rule_parse(str_from(texts[i]), &rule), 0);
		setenv("TZ", texts[i], 1);
		tzset();
		for (time_t s = 1672531200; s < 1672531200 + INT64_C(3) * 366 * 86400; s += 1800) {
			struct tm tm;

			ck_assert_ptr_nonnull(localtime_r(&s, &tm));
			ck_assert_msg(tz_rule_offset_at(&rule, s) == tm.tm_gmtoff,
				      "%s at %" PRId64 ": libc %ld, ours %d", texts[i], (int64_t)s,
				      tm.tm_gmtoff, tz_rule_offset_at(&rule, s));
		}
	}
	unsetenv("TZ");
}
END_TEST

/* Rules that zoneinfo cannot read: a change days away from its day, and one a week before the year
 * starts. */
START_TEST(far_changes)
{
	struct tz_rule rule;
	struct civil start = { 2026, 3, 8, 0, 0, 0, 0 }, end = { 2026, 10, 26, 23, 0, 0, 0 };
	struct civil early = { 2025, 12, 25, 1, 0, 0, 0 };

	/* 1 March and 167 hours is 7 March 23:00; 2 November 2026 less 145 h of daylight time is 26
	 * October 23:00. */
	ck_assert_int_eq(tz_rule_parse(STR("AAA0BBB,J60/168"), &rule), -EBADMSG);
	ck_assert_int_eq(tz_rule_parse(STR("AAA0BBB,J60/167,J306/-145"), &rule), 0);
	ck_assert_int_eq(tz_rule_offset_at(&rule, time_civil_to_s(&start) - 3601), 0);
	ck_assert_int_eq(tz_rule_offset_at(&rule, time_civil_to_s(&start) - 3600), 3600);
	ck_assert_int_eq(tz_rule_offset_at(&rule, time_civil_to_s(&end) - 3600 - 1), 3600);
	ck_assert_int_eq(tz_rule_offset_at(&rule, time_civil_to_s(&end) - 3600), 0);
	/* Daylight saving all the year, RFC 8536 section 3.3.1. */
	ck_assert_int_eq(tz_rule_parse(STR("XXX3EDT4,0/0,J365/23"), &rule), 0);
	for (int64_t s = 1672531200; s < 1672531200 + INT64_C(3) * 366 * 86400; s += 1800)
		ck_assert_int_eq(tz_rule_offset_at(&rule, s), -4 * 3600);
	/* 1 January less 167 hours is 25 December 01:00 of the year before. */
	ck_assert_int_eq(tz_rule_parse(STR("AAA0BBB,J1/-167,J100/0"), &rule), 0);
	ck_assert_int_eq(tz_rule_offset_at(&rule, time_civil_to_s(&early) - 1), 0);
	ck_assert_int_eq(tz_rule_offset_at(&rule, time_civil_to_s(&early)), 3600);
}
END_TEST

static size_t read_file(const char *path, char *bytes, size_t size)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(bytes, 1, size, f);
	fclose(f);
	return n;
}

/* The copy has exactly n bytes, so that ASan sees the first one too many that is read. */
static int parse_copy(const char *bytes, size_t n, struct tz *tz)
{
	char *copy = malloc(n ? n : 1);
	int r;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, n);
	r = tz_parse((struct str){ copy, n }, tz);
	free(copy);
	return r;
}

START_TEST(cut_files)
{
	static char bytes[8192];
	size_t n = read_file("/usr/share/zoneinfo/Europe/Berlin", bytes, sizeof(bytes));
	struct tz tz;

	ck_assert_int_eq(parse_copy(bytes, n, &tz), 0);
	tz_parse_done(&tz);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(parse_copy(bytes, i, &tz) == -EBADMSG, "the first %zu bytes", i);
}
END_TEST

START_TEST(changed_files)
{
	static const unsigned char values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	static char bytes[8192];
	size_t n = read_file("/usr/share/zoneinfo/Africa/Casablanca", bytes, sizeof(bytes)),
	       refused = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
			char before = bytes[i];
			struct tz tz;
			int r;

			bytes[i] = (char)values[j];
			r = parse_copy(bytes, n, &tz);
			bytes[i] = before;
			ck_assert(r == 0 || r == -EBADMSG);
			refused += r < 0;
			if (r == 0)
				tz_parse_done(&tz);
		}
	ck_assert_uint_gt(refused, 500);
}
END_TEST

/* A damaged file under a zone's name is told as such, and a file that is none is no zone. */
START_TEST(damaged_on_disk)
{
	char dir[] = "/tmp/test_tz.XXXXXX", path[64];
	static char bytes[8192];
	size_t n = read_file("/usr/share/zoneinfo/Europe/Berlin", bytes, sizeof(bytes));
	const struct tz *tz = NULL;
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/Broken", dir);
	f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, n - 10, f), n - 10);
	fclose(f);
	setenv("TZDIR", dir, 1);
	ck_assert_int_eq(tz_load(STR("Broken"), &tz), -EBADMSG);
	ck_assert_int_eq(truncate(path, 3), 0);
	ck_assert_int_eq(tz_load(STR("Broken"), &tz), -ENOENT);
	ck_assert_ptr_null(tz);
	unsetenv("TZDIR");
	unlink(path);
	rmdir(dir);
	tz_done();
}
END_TEST

/* A version 1 file, which ends with its first block and has no rule. */
START_TEST(version_one)
{
	static const char file[] = "TZif\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\4"
				   "\x80\0\0\0"
				   "\1"
				   "\0\0\x0e\x10\0\0"
				   "\xff\xff\xf1\xf0\0\0"
				   "ABC";
	struct tz tz;

	ck_assert_int_eq(parse_copy(file, sizeof(file), &tz), 0);
	ck_assert_int_eq(tz_offset_at(&tz, INT32_MIN - INT64_C(1)), 3600);
	ck_assert_int_eq(tz_offset_at(&tz, INT32_MIN), -3600);
	ck_assert_int_eq(tz_offset_at(&tz, INT64_MAX), -3600);
	tz_parse_done(&tz);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base/tz");
	SRunner *runner = srunner_create(s);
	TCase *t = tcase_create("tz");
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, system_zones);
	tcase_add_test(t, made_zones);
	tcase_add_test(t, names);
	tcase_add_test(t, utc_needs_no_file);
	tcase_add_test(t, ends_of_time);
	tcase_add_test(t, rules);
	tcase_add_test(t, rules_as_libc);
	tcase_add_test(t, far_changes);
	tcase_add_test(t, cut_files);
	tcase_add_test(t, changed_files);
	tcase_add_test(t, damaged_on_disk);
	tcase_add_test(t, version_one);
	suite_add_tcase(s, t);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
