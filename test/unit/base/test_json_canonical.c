/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One text for each value: a table of spellings, documents made at random and spelled in many ways,
 * Python's json module as a judge, and what is no JSON.
 */
#include "base/json_canonical.h"

#include "base/json_out.h"
#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct arena *arena;
static struct buf out;
static struct err err;

static void setup(void)
{
	arena = arena_new(64 << 20);
	buf_init(&out, 16 << 20);
}

static void teardown(void)
{
	buf_done(&out);
	arena_free(arena);
}

static int canonical(struct str text)
{
	buf_clear(&out);
	arena_reset(arena);
	err = (struct err){ 0 };
	return json_canonical(arena, text, &out, &err);
}

static const struct {
	const char *text, *same;
} spellings[] = {
	{ "null", "null" },
	{ " true\n", "true" },
	{ "false", "false" },
	{ "\"\"", "\"\"" },
	{ "[]", "[]" },
	{ "{}", "{}" },
	{ " [ ] ", "[]" },
	{ "\t{ }\r\n", "{}" },
	{ "[1, 2,[3 ] ,{} ]", "[1,2,[3],{}]" },
	/* keys by their bytes, whatever their spelling */
	{ "{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}" },
	{ "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}" },
	{ "{\"aa\":1,\"a\":2,\"\":3,\"B\":4}", "{\"\":3,\"B\":4,\"a\":2,\"aa\":1}" },
	{ "{\"\\u0062\":1,\"a\\u0000x\":0}", NULL },
	{ "{\"\\u0062\":1,\"\\u0061\":2}", "{\"a\":2,\"b\":1}" },
	{ "{\"\\n\":1,\" \":2,\"\\t\":3}", "{\"\\t\":3,\"\\n\":1,\" \":2}" },
	{ "{\"\\ud83d\\ude00\":1,\"\\uff00\":2}", "{\"\xEF\xBC\x80\":2,\"\xF0\x9F\x98\x80\":1}" },
	{ "{\"z\":{\"b\":[{\"y\":1,\"x\":2}],\"a\":0},\"y\":[]}",
	  "{\"y\":[],\"z\":{\"a\":0,\"b\":[{\"x\":2,\"y\":1}]}}" },
	{ "{\"c\":{\"f\":1,\"e\":2},\"b\":{\"d\":1},\"a\":{\"i\":1,\"h\":2,\"g\":3}}",
	  "{\"a\":{\"g\":3,\"h\":2,\"i\":1},\"b\":{\"d\":1},\"c\":{\"e\":2,\"f\":1}}" },
	/* strings: as Go escapes them, as PHP does, as nobody does */
	{ "\"\\u003cb\\u003e \\u0026 \\u2028\"", "\"<b> & \xE2\x80\xA8\"" },
	{ "\"\\/\\u002f\"", "\"//\"" },
	{ "\"\\u0022\\u005C\\b\\f\\n\\r\\t\"", "\"\\\"\\\\\\b\\f\\n\\r\\t\"" },
	{ "\"\\u0008\\u000C\\u000a\\u000d\\u0009\\u001F\\u007f\"",
	  "\"\\b\\f\\n\\r\\t\\u001f\x7F\"" },
	{ "\"\\uD83D\\uDE00\\u00e9\\u20AC\"", "\"\xF0\x9F\x98\x80\xC3\xA9\xE2\x82\xAC\"" },
	{ "\"{\\\"a\\\":[1 , 2]}\"", "\"{\\\"a\\\":[1 , 2]}\"" },
	/* numbers */
	{ "0", "0" },
	{ "-0", "0" },
	{ "0.0", "0" },
	{ "-0.000e-5", "0" },
	{ "0e99999999999999999999", "0" },
	{ "1.0", "1" },
	{ "-12.00", "-12" },
	{ "1e3", "1000" },
	{ "1E+3", "1000" },
	{ "1.5e1", "15" },
	{ "0.05e2", "5" },
	{ "0.000012e6", "12" },
	{ "1200e-2", "12" },
	{ "100", "100" },
	{ "1010", "1010" },
	{ "9223372036854775807", "9223372036854775807" },
	{ "123456789012345678901234567891", "123456789012345678901234567891" },
	{ "123456789012345678901234567890", "12345678901234567890123456789e1" },
	{ "1e20", "100000000000000000000" },
	{ "1e+21", "1e21" },
	{ "1000000000000000000000", "1e21" },
	{ "1.25e308", "125e306" },
	{ "[1e20,1e0]", "[100000000000000000000,1]" },
	/* what is not whole keeps its text */
	{ "1.50", "1.50" },
	{ "-0.1", "-0.1" },
	{ "15e-1", "15e-1" },
	{ "1e-400", "1e-400" },
	{ "1e-99999999999999999999", "1e-99999999999999999999" },
	/* no JSON value, or more than one */
	{ "", NULL },
	{ " ", NULL },
	{ "1 2", NULL },
	{ "1,2", NULL },
	{ "1],[2", NULL },
	{ "]", NULL },
	{ "[", NULL },
	{ "1]", NULL },
	{ "{}{}", NULL },
	{ "{\"a\":1", NULL },
	{ "{\"a\":1,}", NULL },
	{ "{\"a\":1,\"a\":1}", NULL },
	{ "{\"a\":1,\"\\u0061\":1}", NULL },
	{ "[01]", NULL },
	{ "1e999", NULL },
	{ "nul", NULL },
	{ "nulll", NULL },
	{ "tru e", NULL },
	{ "'a'", NULL },
	{ "\"a", NULL },
	{ "\"\\ud800\"", NULL },
	{ "\"\\u0000\"", NULL },
	{ "\"\xFF\"", NULL },
	{ "/**/1", NULL },
};

START_TEST(spelling)
{
	const char *text = spellings[_i].text, *same = spellings[_i].same;
	int r = canonical(str_from(text));

	if (!same) {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_ptr_eq(err.kind, &ERR_BAD_REQUEST);
		ck_assert_uint_eq(out.n, 0);
		ck_assert_int_eq(strncmp(err.field, "json", 4), 0);
		return;
	}
	ck_assert_msg(r == 0, "%s: %s", text, err.text);
	ck_assert_msg(str_eq(buf_str(&out), str_from(same)), "%s: %.*s", text,
		      STR_ARGS(buf_str(&out)));
}
END_TEST

START_TEST(appends)
{
	ck_assert_int_eq(canonical(STR("{\"b\":1,\"a\":2}")), 0);
	ck_assert_int_eq(json_canonical(arena, STR("{\"d\":1,\"c\":2}"), &out, &err), 0);
	ck_assert(str_eq(buf_str(&out), STR("{\"a\":2,\"b\":1}{\"c\":2,\"d\":1}")));
}
END_TEST

/* Where a mistake is, told as of the text that was given. */
START_TEST(where_it_is)
{
	ck_assert_int_eq(canonical(STR("[1,{\"a\":[1e999]}]")), -EINVAL);
	ck_assert_str_eq(err.field, "json.1.a.0");
	ck_assert_int_eq(canonical(STR("1e999")), -EINVAL);
	ck_assert_str_eq(err.field, "json");
	ck_assert_int_eq(canonical(STR("\"\x01\"")), -EINVAL);
	ck_assert_str_eq(err.text,
			 "Not valid JSON at byte 1: a control character must be escaped.");
	ck_assert_int_eq(json_canonical(arena, STR("["), &out, NULL), -EINVAL);
}
END_TEST

START_TEST(depth)
{
	for (size_t n = 30; n < 36; n++) {
		char text[80];

		memset(text, '[', n);
		memset(text + n, ']', n);
		ck_assert_int_eq(canonical((struct str){ text, 2 * n }),
				 n <= JSON_MAX_DEPTH ? 0 : -EINVAL);
	}
}
END_TEST

/* ---- the same value in many spellings ---- */

static void put_char(struct buf *b, char c, unsigned *seed)
{
	if (rand_r(seed) % 3 == 0)
		buf_printf(b, rand_r(seed) % 2 ? "\\u%04x" : "\\u%04X", (unsigned)(unsigned char)c);
	else if (c == '"' || c == '\\')
		buf_printf(b, "\\%c", c);
	else if (c == '\n')
		buf_append_str(b, STR("\\n"));
	else
		buf_append_char(b, c);
}

static void put_text(struct buf *b, unsigned what, unsigned *spell)
{
	static const char alphabet[] = "ab\"\\\n/<&{}[],:~";

	buf_append_char(b, '"');
	for (unsigned i = 0; i < what % 5; i++)
		put_char(b, alphabet[(what / 7 + i * (what % 11)) % (sizeof(alphabet) - 1)], spell);
	if (what % 4 == 0)
		buf_append_str(b,
			       rand_r(spell) % 2 ? STR("\xF0\x9F\x98\x80") : STR("\\ud83d\\uDE00"));
	buf_append_char(b, '"');
}

static void space(struct buf *b, unsigned *spell)
{
	static const char blanks[] = " \n\t\r";

	while (rand_r(spell) % 4 == 0)
		buf_append_char(b, blanks[rand_r(spell) % 4]);
}

/* What it is comes from `what` alone, how it is spelled from *spell. */
static void put_value(struct buf *b, unsigned what, unsigned level, unsigned *spell)
{
	unsigned n = what % 6, at = n ? (unsigned)rand_r(spell) % n : 0;

	space(b, spell);
	if (level == 0 || what % 3 == 0) {
		if (what % 2)
			put_text(b, what, spell);
		else if (rand_r(spell) % 2)
			buf_printf(b, "%u", what);
		else
			buf_printf(b, rand_r(spell) % 2 ? "%u.0" : "%u0e-1", what);
	} else {
		bool list = what % 3 == 1;

		buf_append_char(b, list ? '[' : '{');
		for (unsigned i = 0; i < n; i++) {
			/* Members begin anywhere; items stay where they are. */
			unsigned k = list ? i : (i + at) % n;

			buf_append_str(b, i ? STR(",") : STR(""));
			space(b, spell);
			if (!list) {
				buf_append_char(b, '"');
				put_char(b, (char)('a' + k), spell);
				buf_append_char(b, '"');
				space(b, spell);
				buf_append_char(b, ':');
			}
			put_value(b, what * 31 + k * 1237 + 7, level - 1, spell);
		}
		buf_append_char(b, list ? ']' : '}');
	}
	space(b, spell);
}

START_TEST(one_text_for_all_spellings)
{
	struct buf text, first;
	unsigned spell = 4711;

	buf_init(&text, 4 << 20);
	buf_init(&first, 4 << 20);
	for (unsigned what = 1; what < 120; what++)
		for (int again = 0; again < 5; again++) {
			buf_clear(&text);
			put_value(&text, what, 5, &spell);
			ck_assert_int_eq(buf_status(&text), 0);
			ck_assert_msg(canonical(buf_str(&text)) == 0, "%.*s: %s",
				      STR_ARGS(buf_str(&text)), err.text);
			if (again == 0) {
				buf_clear(&first);
				buf_append_str(&first, buf_str(&out));
			}
			ck_assert(str_eq(buf_str(&out), buf_str(&first)));
			/* Once more changes nothing. */
			ck_assert_int_eq(canonical(buf_str(&first)), 0);
			ck_assert(str_eq(buf_str(&out), buf_str(&first)));
		}
	buf_done(&text);
	buf_done(&first);
}
END_TEST

/* Fractions, exponents and integers of more digits than an event has; and what is not one line. */
static bool is_beyond_python(const char *text)
{
	return strpbrk(text, ".eE\n\r-") || strspn(text, "0123456789") > 20;
}

/* Anyone can check an identity with what is at hand. */
START_TEST(as_python_writes_it)
{
	static const char script[] =
		"import json,sys\n"
		"for line in sys.stdin:\n"
		"    print(json.dumps(json.loads(line), sort_keys=True, ensure_ascii=False, separators=(',', ':')))\n";
	char path[] = "/tmp/test_canonical_XXXXXX", answers[] = "/tmp/test_canonical_out_XXXXXX";
	char program[] = "/tmp/test_canonical_py_XXXXXX", command[256];
	FILE *in = fdopen(mkstemp(path), "w"), *py = fdopen(mkstemp(program), "w"), *answer;
	size_t n = 0, cap = 0;
	char *line = NULL;

	close(mkstemp(answers));
	fputs(script, py);
	fclose(py);
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++)
		if (spellings[i].same && !is_beyond_python(spellings[i].text))
			n += fprintf(in, "%s\n", spellings[i].text) > 0;
	fclose(in);
	ck_assert_uint_ge(n, 20);
	snprintf(command, sizeof(command), "LC_ALL=C.UTF-8 /usr/bin/python3 %s <%s >%s", program,
		 path, answers);
	ck_assert_int_eq(system(command), 0);
	answer = fopen(answers, "r");
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		ssize_t length;

		if (!spellings[i].same || is_beyond_python(spellings[i].text))
			continue;
		length = getline(&line, &cap, answer);
		ck_assert_int_gt(length, 0);
		line[length - 1] = '\0';
		ck_assert_str_eq(line, spellings[i].same);
	}
	free(line);
	fclose(answer);
	unlink(path);
	unlink(program);
	unlink(answers);
}
END_TEST

/* ---- little memory ---- */

/* Small pieces make the most of it: what the header promises of the arena. */
START_TEST(arena_use)
{
	static const char *const pieces[] = { "{\"b\":{},\"a\":{\"x\":1}}", "[]", "0",
					      "\"\\u0041\"", "{\"\\u0061\":1}" };
	struct buf text;

	buf_init(&text, 4 << 20);
	for (size_t p = 0; p < ARRAY_SIZE(pieces); p++)
		for (unsigned n = 0; n < 200; n += 19) {
			buf_clear(&text);
			buf_append_char(&text, '{');
			for (unsigned i = 0; i < n; i++) {
				buf_printf(&text, "%s\"%x\":", i ? "," : "", i);
				buf_append_str(&text, str_from(pieces[p]));
			}
			buf_append_char(&text, '}');
			ck_assert_int_eq(canonical(buf_str(&text)), 0);
			ck_assert_uint_le(arena_used(arena), 4096 + 64 * text.n);
		}
	buf_done(&text);
}
END_TEST

START_TEST(memory_ends_anywhere)
{
	static const char text[] =
		"{\"z\":\"\\u0041\",\"\\u0062\":[1,{\"y\":0,\"x\":[]}],\"a\":1e30,\"c\":{\"e\":1,\"d\":2}}";
	int r = -ENOMEM;

	for (size_t max = 0; r < 0 && max < 100000; max += 64) {
		struct arena *small = arena_new(max);
		struct err e = { 0 };

		buf_clear(&out);
		r = json_canonical(small, STR(text), &out, &e);
		ck_assert(r == 0 || (r == -ENOMEM && e.kind == &ERR_UNAVAILABLE));
		arena_free(small);
	}
	ck_assert_int_eq(r, 0);
	r = -ENOMEM;
	for (size_t max = 0; r < 0 && max < 1000; max++) {
		struct buf small;

		buf_init(&small, max);
		r = json_canonical(arena, STR(text), &small, &err);
		ck_assert(r == 0 || (r == -ENOMEM && err.kind == &ERR_UNAVAILABLE));
		ck_assert(r < 0 || str_eq(buf_str(&small), buf_str(&out)));
		buf_done(&small);
	}
	ck_assert_int_eq(r, 0);
}
END_TEST

START_TEST(allocations_fail)
{
	static const char text[] = "{\"z\":\"\\u0041\",\"\\u0062\":[1,{\"y\":0,\"x\":[]}],\"a\":1}";
	unsigned failed = 0;

	if (!fail_alloc_works()) {
		printf("json_canonical: left out, allocations cannot be made to fail here\n");
		return;
	}
	for (uint64_t nth = 1;; nth++) {
		struct arena *a = arena_new(1 << 20);
		struct buf b;
		int r;

		buf_init(&b, 1 << 20);
		fail_alloc_arm(nth);
		r = json_canonical(a, STR(text), &b, NULL);
		if (!fail_alloc_disarm()) {
			ck_assert_int_eq(r, 0);
			buf_done(&b);
			arena_free(a);
			break;
		}
		failed++;
		ck_assert_int_eq(r, -ENOMEM);
		buf_done(&b);
		arena_free(a);
	}
	ck_assert_uint_gt(failed, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_canonical");
	TCase *tc = tcase_create("json_canonical");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, spelling, 0, (int)ARRAY_SIZE(spellings));
	tcase_add_test(tc, appends);
	tcase_add_test(tc, where_it_is);
	tcase_add_test(tc, depth);
	tcase_add_test(tc, one_text_for_all_spellings);
	tcase_add_test(tc, as_python_writes_it);
	tcase_add_test(tc, arena_use);
	tcase_add_test(tc, memory_ends_anywhere);
	tcase_add_test(tc, allocations_fail);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
