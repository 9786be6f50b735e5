/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user may prefer, field by field: bounds, what null and absence mean, and how it is shown.
 */
#include "domain/preferences.h"

#include "base/tz.h"
#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L64 A63 "b"

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new(1024 * 1024);
	ck_assert_ptr_nonnull(arena);
}

static void tear_down(void)
{
	arena_free(arena);
	tz_done();
}

/* Like nothing that is default. */
static const struct preferences BEFORE = {
	.time_zone = STR_INIT("Asia/Tokyo"),
	.email = STR_INIT("a@example.org"),
	.email_confirmed = true,
	.channels = CHANNEL_EMAIL,
	.default_reminder_offset_minutes = 30,
	.locale = STR_INIT("ja"),
	.version = 4,
	.updated_at_us = 77,
};

static const char *shown(const struct preferences *p)
{
	struct json_out o;
	struct buf b;
	struct str text;

	buf_init(&b, 4096);
	json_out_init(&o, &b);
	preferences_write_json(&o, p);
	text = arena_dup(arena, buf_str(&b));
	buf_done(&b);
	return text.p;
}

static const struct {
	const char *body, *shown;
} ACCEPTED[] = {
	{ "{}",
	  "{\"time_zone\":\"Asia/Tokyo\",\"email\":\"a@example.org\",\"email_confirmed\":true,"
	  "\"channels\":[\"email\"],\"default_reminder_offset_minutes\":30,\"locale\":\"ja\","
	  "\"version\":4}" },
	{ "{\"time_zone\":null,\"email\":null,\"channels\":null,"
	  "\"default_reminder_offset_minutes\":null,\"locale\":null}",
	  "{\"time_zone\":\"UTC\",\"email\":null,\"email_confirmed\":false,"
	  "\"channels\":[\"in_app\",\"log\"],\"default_reminder_offset_minutes\":null,"
	  "\"locale\":null,\"version\":4}" },
	{ "{\"time_zone\":\"Europe/Berlin\",\"email\":\"b@example.org\","
	  "\"channels\":[\"log\",\"email\",\"in_app\"],\"default_reminder_offset_minutes\":0,"
	  "\"locale\":\"en-GB\"}",
	  "{\"time_zone\":\"Europe/Berlin\",\"email\":\"b@example.org\",\"email_confirmed\":false,"
	  "\"channels\":[\"email\",\"in_app\",\"log\"],\"default_reminder_offset_minutes\":0,"
	  "\"locale\":\"en-GB\",\"version\":4}" },
	/* What is read-only, and what nobody knows, is ignored. */
	{ "{\"email_confirmed\":false,\"version\":9,\"updated_at\":\"x\",\"user_id\":7,\"x\":[]}",
	  "{\"time_zone\":\"Asia/Tokyo\",\"email\":\"a@example.org\",\"email_confirmed\":true,"
	  "\"channels\":[\"email\"],\"default_reminder_offset_minutes\":30,\"locale\":\"ja\","
	  "\"version\":4}" },
	/* The same address again stays confirmed. */
	{ "{\"email\":\"a@example.org\",\"default_reminder_offset_minutes\":527040}",
	  "{\"time_zone\":\"Asia/Tokyo\",\"email\":\"a@example.org\",\"email_confirmed\":true,"
	  "\"channels\":[\"email\"],\"default_reminder_offset_minutes\":527040,\"locale\":\"ja\","
	  "\"version\":4}" },
};

START_TEST(accepts)
{
	struct err err = { 0 };
	struct preferences p;

	ck_assert_msg(preferences_parse(arena, str_from(ACCEPTED[_i].body), &BEFORE, &p, &err) == 0,
		      "%s: %s", ACCEPTED[_i].body, err.text);
	ck_assert_str_eq(shown(&p), ACCEPTED[_i].shown);
	ck_assert_int_eq(p.updated_at_us, 77);
}
END_TEST

static const struct {
	const char *body;
	int status;
	const char *field;
} REFUSED[] = {
	{ "", 400, "body" },
	{ "null", 400, "body" },
	{ "{\"time_zone\":\"Mars/Olympus\"}", 422, "body.time_zone" },
	{ "{\"time_zone\":\"\"}", 422, "body.time_zone" },
	{ "{\"time_zone\":\"../../etc/passwd\"}", 422, "body.time_zone" },
	{ "{\"time_zone\":\"right/UTC\"}", 422, "body.time_zone" },
	{ "{\"time_zone\":\"Europe\"}", 422, "body.time_zone" },
	{ "{\"time_zone\":\"+02:00\"}", 422, "body.time_zone" },
	{ "{\"time_zone\":2}", 422, "body.time_zone" },
	{ "{\"email\":\"\"}", 422, "body.email" },
	{ "{\"email\":[\"a@b.c\"]}", 422, "body.email" },
	{ "{\"channels\":[]}", 422, "body.channels" },
	{ "{\"channels\":\"log\"}", 422, "body.channels" },
	{ "{\"channels\":[\"log\",\"sms\"]}", 422, "body.channels" },
	{ "{\"channels\":[\"log\",\"log\"]}", 422, "body.channels" },
	{ "{\"channels\":[\"Log\"]}", 422, "body.channels" },
	{ "{\"channels\":[\"\"]}", 422, "body.channels" },
	{ "{\"channels\":[null]}", 422, "body.channels" },
	{ "{\"default_reminder_offset_minutes\":-1}", 422, "body.default_reminder_offset_minutes" },
	{ "{\"default_reminder_offset_minutes\":527041}", 422,
	  "body.default_reminder_offset_minutes" },
	{ "{\"default_reminder_offset_minutes\":9223372036854775808}", 422,
	  "body.default_reminder_offset_minutes" },
	{ "{\"default_reminder_offset_minutes\":1.5}", 422,
	  "body.default_reminder_offset_minutes" },
	{ "{\"default_reminder_offset_minutes\":\"5\"}", 422,
	  "body.default_reminder_offset_minutes" },
	{ "{\"locale\":\"\"}", 422, "body.locale" },
	{ "{\"locale\":7}", 422, "body.locale" },
};

START_TEST(refuses)
{
	struct preferences p = { .version = 42 };
	struct err err = { 0 };

	ck_assert_msg(preferences_parse(arena, str_from(REFUSED[_i].body), &BEFORE, &p, &err) ==
			      -EINVAL,
		      "%s", REFUSED[_i].body);
	ck_assert_msg(err.kind->http_status == REFUSED[_i].status, "%s: %d", REFUSED[_i].body,
		      err.kind->http_status);
	ck_assert_msg(str_starts(str_from(err.field), str_from(REFUSED[_i].field)), "%s: %s",
		      REFUSED[_i].body, err.field);
	ck_assert_int_eq(p.version, 42); /* untouched */
}
END_TEST

/* One field with this string. */
static bool takes(const char *field, const char *value)
{
	struct preferences p;
	struct err err = { 0 };
	struct json_out o;
	struct buf b;
	int r;

	buf_init(&b, 4096);
	json_out_init(&o, &b);
	json_begin_object(&o);
	json_key_str(&o, str_from(field), str_from(value));
	json_end_object(&o);
	r = preferences_parse(arena, buf_str(&b), &PREFERENCES_DEFAULT, &p, &err);
	ck_assert(r == 0 || (r == -EINVAL && err.kind == &ERR_INVALID));
	if (r < 0)
		ck_assert(str_ends(str_from(err.field), str_from(field)));
	buf_done(&b);
	return r == 0;
}

START_TEST(addresses)
{
	static const char *const good[] = {
		"a@b.c",
		"first.last+tag@sub.example.org",
		"!#$%&'*+-/=?^_`{|}~@example.org",
		"0@1.example",
		"a@xn--bcher-kva.example",
		"a@a-b.c-d.e",
		L64 "@example.org",
		"a@" A63 ".org",
		L64 "@" A63 "." A63
		    ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	static const char *const bad[] = {
		"a",
		"@",
		"a@",
		"@b.c",
		"a@b",
		"a@b.",
		"a@.b",
		"a@b..c",
		"a@@b.c",
		"a@b@c.d",
		".a@b.c",
		"a.@b.c",
		"a..b@c.d",
		"a b@c.d",
		" a@b.c",
		"a@b.c ",
		"a@b.c\n",
		"a@b.c\r\nBcc: x@y.z",
		"a\r\n@b.c",
		"a@b\n.c",
		"\"a b\"@c.d",
		"a@[127.0.0.1]",
		"a@-b.c",
		"a@b-.c",
		"a@b_c.d",
		"a,b@c.d",
		"a;b@c.d",
		"<a@b.c>",
		"A <a@b.c>",
		"a(c)@b.c",
		"a:b@c.d",
		"a\\b@c.d",
		"a@b.c,d@e.f",
		"a\x7f@b.c",
		"\xc3\xa4@b.c",
		"a@b\xc3\xbc"
		"cher.example",
		"a" L64 "@example.org",
		"a@a" A63 ".org",
		L64 "@" A63 "." A63
		    ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(takes("email", good[i]), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!takes("email", bad[i]), "%s", bad[i]);
	ck_assert_uint_eq(strlen(good[ARRAY_SIZE(good) - 1]), 254);
	ck_assert_uint_eq(strlen(bad[ARRAY_SIZE(bad) - 1]), 255);
}
END_TEST

/* Of single bytes, exactly those of RFC 5322's atext, and the dot between two of them. */
START_TEST(bytes_of_a_local_part)
{
	static const char ATEXT[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "!#$%&'*+-/=?^_`{|}~";
	char address[] = "aXa@example.org";

	for (int c = 1; c < 0x80; c++) {
		address[1] = (char)c;
		ck_assert_msg(takes("email", address) == (c == '.' || strchr(ATEXT, c) != NULL),
			      "0x%02x", (unsigned)c);
	}
}
END_TEST

START_TEST(locales)
{
	static const char *const good[] = { "en",
					    "ger",
					    "en-GB",
					    "zh-Hant-TW",
					    "de-CH-1996",
					    "sl-rozaj-biske",
					    "en-a-bb-x-a-ccccc",
					    "EN-gb",
					    "en-12345678-12345678-12345678-12345" };
	static const char *const bad[] = { "e",
					   "engl",
					   "en_GB",
					   "en-",
					   "-en",
					   "en--GB",
					   "e1",
					   "12",
					   "en-GB ",
					   "en-G\xc3\xa4",
					   "en-123456789",
					   "en-GB-",
					   "en\n",
					   "x-private-use",
					   "en-12345678-12345678-12345678-123456" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(takes("locale", good[i]), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!takes("locale", bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(defaults)
{
	ck_assert_str_eq(shown(&PREFERENCES_DEFAULT),
			 "{\"time_zone\":\"UTC\",\"email\":null,\"email_confirmed\":false,"
			 "\"channels\":[\"in_app\",\"log\"],\"default_reminder_offset_minutes\":0,"
			 "\"locale\":null,\"version\":0}");
}
END_TEST

START_TEST(payload)
{
	struct json_out o;
	struct buf b;

	buf_init(&b, 4096);
	json_out_init(&o, &b);
	preferences_write_payload(&o, &BEFORE);
	ck_assert(str_eq(
		buf_str(&b),
		STR("{\"email\":\"a@example.org\",\"time_zone\":\"Asia/Tokyo\","
		    "\"channels\":[\"email\"],\"locale\":\"ja\",\"email_confirmed\":true}")));
	buf_done(&b);
}
END_TEST

START_TEST(sameness)
{
	struct preferences p = BEFORE;

	/* What the store adds makes no difference; each field does. */
	p.version = 5;
	p.updated_at_us = 78;
	ck_assert(preferences_same(&BEFORE, &p));
	for (int i = 0; i < 6; i++) {
		p = BEFORE;
		switch (i) {
		case 0:
			p.time_zone = STR("UTC");
			break;
		case 1:
			p.email = (struct str){ NULL, 0 };
			break;
		case 2:
			p.email_confirmed = false;
			break;
		case 3:
			p.channels = CHANNELS_ALL;
			break;
		case 4:
			p.default_reminder_offset_minutes = -1;
			break;
		default:
			p.locale = (struct str){ NULL, 0 };
		}
		ck_assert_msg(!preferences_same(&BEFORE, &p), "%d", i);
		ck_assert_msg(!preferences_same(&p, &BEFORE), "%d", i);
	}
}
END_TEST

START_TEST(allocations_fail)
{
	static const char BODY[] =
		"{\"time_zone\":\"America/New_York\",\"email\":\"a@b.c\",\"channels\":[\"log\"]}";
	unsigned failed = 0;

	if (!fail_alloc_works()) {
		puts("test_preferences: left out: allocations cannot be made to fail here");
		return;
	}
	for (uint64_t nth = 1;; nth++) {
		struct arena *a = arena_new(1 << 20);
		struct preferences p = { .version = 42 };
		struct err err = { 0 };
		int r;

		tz_done();	      /* so that the zone is read each time */
		arena_alloc(a, 4000); /* nearly used up, so that what comes needs malloc */
		fail_alloc_arm(nth);
		r = preferences_parse(a, STR(BODY), &PREFERENCES_DEFAULT, &p, &err);
		if (!fail_alloc_disarm()) {
			ck_assert_int_eq(r, 0);
			arena_free(a);
			break;
		}
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
		ck_assert_uint_gt(err.retry_after_s, 0);
		ck_assert_int_eq(p.version, 42);
		failed++;
		arena_free(a);
	}
	ck_assert_uint_ge(failed, 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preferences");
	TCase *tc = tcase_create("preferences");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, accepts, 0, ARRAY_SIZE(ACCEPTED));
	tcase_add_loop_test(tc, refuses, 0, ARRAY_SIZE(REFUSED));
	tcase_add_test(tc, addresses);
	tcase_add_test(tc, bytes_of_a_local_part);
	tcase_add_test(tc, locales);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, payload);
	tcase_add_test(tc, sameness);
	tcase_add_test(tc, allocations_fail);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
