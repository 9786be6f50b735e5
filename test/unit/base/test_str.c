/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views and UTF-8. UTF-8 is decided for every sequence there is: each code point goes through the
 * encoder and back, and of all byte strings of a length exactly as many may be valid as RFC 3629
 * has code points for.
 */
#include "base/str.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct str empty = { NULL, 0 };

START_TEST(equality)
{
	static const struct {
		const char *a, *b;
		bool same, same_nocase;
		int order;
	} cases[] = {
		{ "", "", true, true, 0 },	  { "a", "a", true, true, 0 },
		{ "a", "A", false, true, 1 },	  { "Host", "hOST", false, true, -1 },
		{ "ab", "a", false, false, 1 },	  { "", "a", false, false, -1 },
		{ "@", "`", false, false, -1 }, /* 0x20 apart, but no letters */
		{ "[", "{", false, false, -1 },	  { "\xC3\x84", "\xC3\xA4", false, false, -1 },
		{ "\xFF", "a", false, false, 1 }, /* bytes compare unsigned */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct str a = str_from(cases[i].a), b = str_from(cases[i].b);
		int order = str_cmp(a, b);

		ck_assert_msg(str_eq(a, b) == cases[i].same, "case %zu", i);
		ck_assert_msg(str_eq_nocase(a, b) == cases[i].same_nocase, "case %zu", i);
		ck_assert_msg((order > 0) - (order < 0) == cases[i].order, "case %zu", i);
		ck_assert_int_eq((str_cmp(b, a) > 0) - (str_cmp(b, a) < 0), -cases[i].order);
	}
	ck_assert(str_eq(str_from(NULL), STR("")));
	ck_assert(!str_eq(STR("a\0b"), STR("a\0c")));
}
END_TEST

START_TEST(ends_of_strings)
{
	ck_assert(str_starts(STR("abc"), STR("ab")));
	ck_assert(str_starts(STR("abc"), empty));
	ck_assert(!str_starts(STR("ab"), STR("abc")));
	ck_assert(!str_starts(empty, STR("a")));
	ck_assert(str_ends(STR("abc"), STR("bc")));
	ck_assert(str_ends(empty, empty));
	ck_assert(!str_ends(STR("abc"), STR("ab")));
	ck_assert(!str_ends(STR("c"), STR("bc")));
	ck_assert(str_eq(str_trim(STR(" \t\r\n a b \n")), STR("a b")));
	ck_assert_uint_eq(str_trim(STR(" \t ")).n, 0);
	ck_assert_uint_eq(str_trim(empty).n, 0);
	ck_assert(str_eq(str_trim(STR("\va\f")), STR("\va\f")));
	ck_assert_int_eq(str_find_char(STR("abca"), 'a', 0), 0);
	ck_assert_int_eq(str_find_char(STR("abca"), 'a', 1), 3);
	ck_assert_int_eq(str_find_char(STR("abca"), 'x', 0), -1);
	ck_assert_int_eq(str_find_char(STR("abca"), 'a', 4), -1);
	ck_assert_int_eq(str_find_char(STR("abca"), 'a', SIZE_MAX), -1);
	ck_assert_int_eq(str_find_char(empty, 'a', 0), -1);
}
END_TEST

START_TEST(splitting)
{
	static const struct {
		const char *text;
		size_t n;
		const char *parts[4];
	} cases[] = {
		{ "", 1, { "" } },
		{ "a", 1, { "a" } },
		{ ",", 2, { "", "" } },
		{ "a,", 2, { "a", "" } },
		{ "a,b,,c", 4, { "a", "b", "", "c" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct str rest = str_from(cases[i].text), part;
		size_t n = 0;

		while (str_split(&rest, ',', &part)) {
			ck_assert_msg(n < cases[i].n, "case %zu", i);
			ck_assert_msg(str_eq(part, str_from(cases[i].parts[n])),
				      "case %zu part %zu", i, n);
			n++;
		}
		ck_assert_msg(n == cases[i].n, "case %zu", i);
		ck_assert(!str_split(&rest, ',', &part));
	}
}
END_TEST

START_TEST(numbers)
{
	static const struct {
		const char *text;
		int result;
		int64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "-0", 0, 0 },
		{ "007", 0, 7 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "9223372036854775808", -ERANGE, 0 },
		{ "-9223372036854775809", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999999999999", -ERANGE, 0 },
		{ "99999999999999999999999999999999x", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "-", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "--1", -EINVAL, 0 },
		{ "1/", -EINVAL, 0 },
		{ "1:", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t v = 4711;

		ck_assert_msg(str_parse_i64(str_from(cases[i].text), &v) == cases[i].result, "%s",
			      cases[i].text);
		ck_assert_msg(v == (cases[i].result ? 4711 : cases[i].value), "%s", cases[i].text);
	}
}
END_TEST

/* The C library agrees on every number near a power of two or of ten. */
START_TEST(numbers_as_strtoll)
{
	for (int shift = 0; shift < 63; shift++)
		for (int64_t near = -12; near <= 12; near++)
			for (int sign = -1; sign <= 1; sign += 2) {
				int64_t v = sign * ((INT64_C(1) << shift) + near), got = 0;
				char text[24];

				snprintf(text, sizeof(text), "%" PRId64, v);
				ck_assert_int_eq(str_parse_i64(str_from(text), &got), 0);
				ck_assert_int_eq(got, strtoll(text, NULL, 10));
			}
}
END_TEST

START_TEST(copying)
{
	char dst[4] = "zzz";

	ck_assert_int_eq(str_copy(dst, sizeof(dst), STR("abcd")), -ENOSPC);
	ck_assert_int_eq(str_copy(dst, sizeof(dst), STR("a\0b")), -EINVAL);
	ck_assert_str_eq(dst, "zzz");
	ck_assert_int_eq(str_copy(dst, sizeof(dst), STR("abc")), 0);
	ck_assert_str_eq(dst, "abc");
	ck_assert_int_eq(str_copy(dst, sizeof(dst), empty), 0);
	ck_assert_str_eq(dst, "");
	ck_assert_int_eq(str_copy(dst, 0, empty), -ENOSPC);
}
END_TEST

START_TEST(utf8_every_code_point)
{
	for (uint32_t cp = 0; cp <= 0x110000; cp++) {
		char bytes[4];
		size_t n = utf8_encode(cp, bytes), pos = 0;
		struct str s = { bytes, n };

		if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF)) {
			ck_assert_uint_eq(n, 0);
			continue;
		}
		/* An if, because check makes a note of each assertion that holds, and these are
		 * millions. */
		if (n != (cp < 0x80	 ? 1
			  : cp < 0x800	 ? 2
			  : cp < 0x10000 ? 3
					 : 4) ||
		    utf8_next(s, &pos) != (int32_t)cp || pos != n || !utf8_valid(s) ||
		    utf8_count(s) != 1)
			ck_abort_msg("U+%04X", cp);
		for (s.n = 1; s.n < n;
		     s.n++) { /* a part of it is not valid, and nothing is consumed */
			pos = 0;
			if (utf8_next(s, &pos) != -1 || pos != 0)
				ck_abort_msg("U+%04X cut to %zu", cp, s.n);
		}
	}
	ck_assert_uint_eq(utf8_encode(UINT32_MAX, (char[4]){ 0 }), 0);
}
END_TEST

static bool is_one_character(const unsigned char *bytes, size_t n)
{
	size_t pos = 0;

	return utf8_next((struct str){ (const char *)bytes, n }, &pos) >= 0 && pos == n;
}

/* Counted: what the encoder above cannot make must not be valid either. */
START_TEST(utf8_nothing_else)
{
	unsigned two = 0, three = 0;
	unsigned long four = 0;

	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			unsigned char s[4] = { (unsigned char)a, (unsigned char)b, 0x80, 0xBF };

			two += is_one_character(s, 2);
			four += is_one_character(s, 4) ? 4096 : 0;
			for (unsigned c = 0; a >= 0xC0 && c < 256; c++) {
				s[2] = (unsigned char)c;
				three += is_one_character(s, 3);
				if ((c < 0x80 || c >= 0xC0) &&
				    (is_one_character(s, 3) || is_one_character(s, 4)))
					ck_abort_msg("%02X %02X %02X", a, b, c);
			}
		}
	ck_assert_uint_eq(two, 0x800 - 0x80);
	ck_assert_uint_eq(three, 0x10000 - 0x800 - 0x800);
	ck_assert_uint_eq(four, 0x110000 - 0x10000);
	for (unsigned d = 0; d < 256; d++) {
		unsigned char s[4] = { 0xF0, 0x9F, 0x98, (unsigned char)d };

		ck_assert(is_one_character(s, 4) == (d >= 0x80 && d < 0xC0));
	}
}
END_TEST

/* A bad byte is found wherever it stands among the eight-byte steps. */
START_TEST(utf8_in_long_text)
{
	char text[40];

	for (size_t n = 1; n <= sizeof(text); n++)
		for (size_t at = 0; at < n; at++) {
			memset(text, 'a', sizeof(text));
			ck_assert(utf8_valid((struct str){ text, n }));
			text[at] = '\xE9';
			ck_assert(!utf8_valid((struct str){ text, n }));
			if (at + 1 < n) {
				memcpy(text + at, "\xC3\xA9", 2);
				ck_assert(utf8_valid((struct str){ text, n }));
				ck_assert_uint_eq(utf8_count((struct str){ text, n }), n - 1);
			}
		}
	ck_assert(utf8_valid(empty));
	ck_assert_uint_eq(utf8_count(empty), 0);
}
END_TEST

/* Python's str.strip, less the separators U+001C to U+001F, which are no White_Space. */
START_TEST(utf8_trimming)
{
	static const struct {
		const char *text, *trimmed;
	} cases[] = {
		{ "", "" },
		{ " \t\n\v\f\r", "" },
		{ "a", "a" },
		{ " a ", "a" },
		{ "\xc2\x85\xc2\xa0"
		  "a\xc2\xa0"
		  "b\xe2\x80\x83",
		  "a\xc2\xa0"
		  "b" },
		{ "\xe1\x9a\x80\xe2\x80\x80\xe2\x80\x8a\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaf\xe2\x81\x9f\xe3\x80\x80",
		  "" },
		{ "\xe2\x80\x8b", "\xe2\x80\x8b" }, /* zero width space is none */
		{ "\x1c", "\x1c" },
		{ " \xf0\x9f\x8d\x8e ", "\xf0\x9f\x8d\x8e" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(str_eq(utf8_trim(str_from(cases[i].text)),
				     str_from(cases[i].trimmed)),
			      "case %zu", i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("str");
	TCase *tc = tcase_create("str");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, equality);
	tcase_add_test(tc, ends_of_strings);
	tcase_add_test(tc, splitting);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, numbers_as_strtoll);
	tcase_add_test(tc, copying);
	tcase_add_test(tc, utf8_every_code_point);
	tcase_add_test(tc, utf8_nothing_else);
	tcase_add_test(tc, utf8_in_long_text);
	tcase_add_test(tc, utf8_trimming);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
