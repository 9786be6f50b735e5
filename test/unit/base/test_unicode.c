/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unicode as others have it: unicode_oracle.py says what Python and Perl make of each character and
 * of thousands of texts, and all of it must come out the same here. Then the properties that
 * callers rely on, and what happens without memory.
 */
#include "base/unicode.h"

#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

enum {
	ARENA_BYTES = 1 << 20,
	LINE_BYTES = 4096,
	TEXT_BYTES = 1024,
	TEXTS_MIN = 100000,
	SHOWN_MAX = 20
};

typedef int transform_fn(struct arena *arena, struct str s, struct str *ret);

static struct arena *arena;

static void setup(void)
{
	arena = arena_new(ARENA_BYTES);
	ck_assert_ptr_nonnull(arena);
}

static void teardown(void)
{
	arena_free(arena);
}

static struct str apply(transform_fn *fn, struct str s)
{
	struct str out = { NULL, 0 };

	if (fn(arena, s, &out) != 0 || !out.p || out.p[out.n] != '\0' || !utf8_valid(out))
		ck_abort_msg("%.*s", STR_ARGS(s));
	return out;
}

/* ---- the oracle ---- */

struct tally {
	unsigned texts, ranges, wrong;
	uint32_t next; /* code point that the ranges have not reached */
};

static struct str from_hex(struct str hex, char *room)
{
	if (hex.n / 2 > TEXT_BYTES)
		ck_abort_msg("a text of %zu bytes", hex.n / 2);
	for (size_t i = 0; i < hex.n / 2; i++) {
		const char pair[3] = { hex.p[2 * i], hex.p[2 * i + 1], '\0' };

		room[i] = (char)strtoul(pair, NULL, 16);
	}
	return (struct str){ room, hex.n / 2 };
}

static void compare(struct tally *t, const char *what, transform_fn *fn, struct str text,
		    struct str hex)
{
	char room[TEXT_BYTES];
	struct str expected = from_hex(hex, room), got = apply(fn, text);

	if (str_eq(expected, got))
		return;
	if (t->wrong++ < SHOWN_MAX)
		fprintf(stderr, "%s of '%.*s' is '%.*s', not '%.*s'\n", what, STR_ARGS(text),
			STR_ARGS(got), STR_ARGS(expected));
}

static void check_text(struct tally *t, const struct str *column)
{
	char room[TEXT_BYTES];
	struct str text = from_hex(column[1], room);

	t->texts++;
	compare(t, "nfc", unicode_nfc, text, column[2]);
	compare(t, "fold_case", unicode_fold_case, text, column[3]);
	compare(t, "fold_accents", unicode_fold_accents, text, column[4]);
	arena_reset(arena);
}

static const struct {
	bool (*is)(uint32_t code_point);
	char name;
} classes[] = {
	{ unicode_is_letter, 'L' },	 { unicode_is_mark, 'M' },	{ unicode_is_digit, 'D' },
	{ unicode_is_word_letter, 'W' }, { unicode_is_invisible, 'I' },
};

static void check_range(struct tally *t, const struct str *column)
{
	int64_t first, last;

	t->ranges++;
	ck_assert_int_eq(str_parse_i64(column[1], &first), 0);
	ck_assert_int_eq(str_parse_i64(column[2], &last), 0);
	ck_assert_int_eq(first, t->next);
	for (uint32_t c = (uint32_t)first; c <= (uint32_t)last; c++) {
		char got[8], *at = got;

		for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
			if (classes[i].is(c))
				*at++ = classes[i].name;
		*at = '\0';
		if (!str_eq(str_from(got), column[3]) && t->wrong++ < SHOWN_MAX)
			fprintf(stderr, "U+%04X is '%s', not '%.*s'\n", c, got,
				STR_ARGS(column[3]));
	}
	t->next = (uint32_t)last + 1;
}

START_TEST(as_python_and_perl)
{
	static char line[LINE_BYTES];
	FILE *f = popen("/usr/bin/python3 test/unit/base/unicode_oracle.py", "r");
	struct tally t = { 0 };

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		struct str rest = { line, strlen(line) - 1 }, column[5] = { { NULL, 0 } };

		ck_assert_int_eq(line[rest.n], '\n');
		for (size_t i = 0; i < ARRAY_SIZE(column) && str_split(&rest, '\t', &column[i]);
		     i++)
			;
		if (str_eq(column[0], STR("T")))
			check_text(&t, column);
		else
			check_range(&t, column);
	}
	ck_assert_int_eq(pclose(f), 0);
	printf("unicode oracle: %u texts, %u ranges, %u differences\n", t.texts, t.ranges, t.wrong);
	ck_assert_uint_ge(t.texts, TEXTS_MIN);
	ck_assert_uint_eq(t.next, 0x110000);
	ck_assert_uint_eq(t.wrong, 0);
}
END_TEST

/* ---- what people expect ---- */

START_TEST(examples)
{
	static const struct {
		const char *text, *nfc, *fold_case, *fold_accents;
	} cases[] = {
		{ "", "", "", "" },
		{ "Buy MILK [now]`{@Z", "Buy MILK [now]`{@Z", "buy milk [now]`{@z",
		  "buy milk [now]`{@z" },
		{ "A\xcc\x88rger", "\xc3\x84rger", "\xc3\xa4rger", "arger" },
		{ "\xef\xbc\xa1\xef\xbc\xb2", "\xef\xbc\xa1\xef\xbc\xb2",
		  "\xef\xbd\x81\xef\xbd\x92", "ar" }, /* full width */
		{ "STRA\xc3\x9f"
		  "E",
		  "STRA\xc3\x9f"
		  "E",
		  "strasse", "strasse" },
		{ "\xc4\xb0", "\xc4\xb0", "i\xcc\x87", "i" },	    /* dotted capital I */
		{ "\xc4\xb1", "\xc4\xb1", "\xc4\xb1", "\xc4\xb1" }, /* dotless small i */
		{ "\xce\xa3\xcf\x82\xcf\x83", "\xce\xa3\xcf\x82\xcf\x83",
		  "\xcf\x83\xcf\x83\xcf\x83", "\xcf\x83\xcf\x83\xcf\x83" }, /* three sigmas */
		{ "\xe2\x84\xa1\xc2\xb2", "\xe2\x84\xa1\xc2\xb2", "\xe2\x84\xa1\xc2\xb2",
		  "tel2" }, /* TEL sign, superscript 2 */
		{ "\xcc\x81\xcc\x88", "\xcc\x81\xcc\x88", "\xcc\x81\xcc\x88", "" },
		{ "\xe1\x84\x80\xe1\x85\xa1", "\xea\xb0\x80", "\xea\xb0\x80",
		  "\xe1\x84\x80\xe1\x85\xa1" }, /* Hangul GA */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct str s = str_from(cases[i].text);

		ck_assert_str_eq(apply(unicode_nfc, s).p, cases[i].nfc);
		ck_assert_str_eq(apply(unicode_fold_case, s).p, cases[i].fold_case);
		ck_assert_str_eq(apply(unicode_fold_accents, s).p, cases[i].fold_accents);
	}
	ck_assert_str_eq(apply(unicode_fold_case, (struct str){ NULL, 0 }).p, "");
	ck_assert(!unicode_is_letter(UINT32_MAX) && !unicode_is_mark(UINT32_MAX));
	ck_assert(!unicode_is_digit(0x110000) && !unicode_is_word_letter(0x110000));
	ck_assert(!unicode_is_invisible(0x110000));
}
END_TEST

static transform_fn *const transforms[] = { unicode_nfc, unicode_fold_case, unicode_fold_accents };

/* Text keeps its form when it has it already, whatever follows whatever. */
START_TEST(twice_is_once)
{
	for (uint32_t c = 1; c <= 0x10FFFF; c++) {
		char room[12] = "I\xcc\x81";
		size_t n = 3 + utf8_encode(c, room + 3);

		memcpy(room + n, "\xcd\x85", 2);
		for (size_t i = 0; n > 3 && i < ARRAY_SIZE(transforms); i++) {
			struct str once = apply(transforms[i], (struct str){ room, n + 2 });

			if (!str_eq(apply(transforms[i], once), once))
				ck_abort_msg("transform %zu of U+%04X", i, c);
		}
		arena_reset(arena);
		if (c == 0x32000)
			c = 0xDFFFF; /* nothing there yet */
	}
}
END_TEST

START_TEST(equivalent_texts_fold_alike)
{
	char room[4];

	for (uint32_t c = 0x80; c < 0x20000; c++) {
		struct str s = { room, utf8_encode(c, room) }, nfc;

		if (s.n == 0)
			continue;
		nfc = apply(unicode_nfc, s);
		for (size_t i = 1; i < ARRAY_SIZE(transforms); i++)
			if (!str_eq(apply(transforms[i], nfc), apply(transforms[i], s)))
				ck_abort_msg("transform %zu of U+%04X", i, c);
		arena_reset(arena);
	}
}
END_TEST

/* ---- memory ---- */

START_TEST(ascii_takes_no_malloc)
{
	if (!fail_alloc_works()) {
		puts("test_unicode: left out: allocations cannot be made to fail here");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(transforms); i++) {
		fail_alloc_arm(1);
		apply(transforms[i], STR("Buy 2 litres of milk, and eggs"));
		ck_assert_uint_eq(fail_alloc_disarm(), 0);
	}
}
END_TEST

START_TEST(allocations_fail)
{
	static char long_text[3000];
	const struct str texts[] = { STR("\xc3\x84rger"), { long_text, sizeof(long_text) } };
	unsigned failed = 0;

	for (size_t i = 0; i < sizeof(long_text); i += 2)
		memcpy(long_text + i, i % 50 ? "\xc3\x84" : "\xcc\x81", 2);
	if (!fail_alloc_works()) {
		puts("test_unicode: left out: allocations cannot be made to fail here");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(transforms) * ARRAY_SIZE(texts); i++) {
		transform_fn *fn = transforms[i / ARRAY_SIZE(texts)];
		struct str text = texts[i % ARRAY_SIZE(texts)], out = { NULL, 4711 };

		for (uint64_t nth = 1;; nth++) {
			struct arena *a = arena_new(ARENA_BYTES);
			int r;

			fail_alloc_arm(nth);
			r = fn(a, text, &out);
			if (!fail_alloc_disarm()) {
				ck_assert_int_eq(r, 0);
				arena_free(a);
				break;
			}
			/* libunistring goes on where it only wanted to give memory back. */
			if (r == 0)
				ck_assert(str_eq(out, apply(fn, text)));
			else
				ck_assert(r == -ENOMEM && !out.p && out.n == 4711);
			failed += r < 0;
			out = (struct str){ NULL, 4711 };
			arena_free(a);
		}
	}
	printf("unicode: %u allocations failed in turn\n", failed);
	ck_assert_uint_ge(failed, 10);
}
END_TEST

START_TEST(full_arena)
{
	struct str out = { NULL, 4711 };
	struct arena *a = arena_new(16);

	for (size_t i = 0; i < ARRAY_SIZE(transforms); i++) {
		ck_assert_int_eq(transforms[i](a, STR("sixteen and more"), &out), -ENOMEM);
		ck_assert_int_eq(transforms[i](a, STR("sixteen \xc3\x9f\xc3\x9f more"), &out),
				 -ENOMEM);
	}
	ck_assert(!out.p && out.n == 4711);
	arena_free(a);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unicode");
	TCase *tc = tcase_create("unicode");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, as_python_and_perl);
	tcase_add_test(tc, examples);
	tcase_add_test(tc, twice_is_once);
	tcase_add_test(tc, equivalent_texts_fold_alike);
	tcase_add_test(tc, ascii_takes_no_malloc);
	tcase_add_test(tc, allocations_fail);
	tcase_add_test(tc, full_arena);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
