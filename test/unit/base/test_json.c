/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What JSON is and is not: a table of texts decided one by one from RFC 8259 (and, where it leaves
 * the choice to us, from json.h), a corpus in the file naming of JSONTestSuite if JSON_SUITE_DIR
 * names one, and memory that runs out at every point.
 */
#include "base/json.h"
#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct target {
	struct json_str s;
	struct json_strs list;
};

static const struct json_field fields[] = {
	JSON_FIELD(struct target, s, "s", JSON_KIND_STR),
	JSON_FIELD(struct target, list, "list", JSON_KIND_STRS),
	JSON_FIELD_END,
};

/* 0, or the HTTP status. */
static int verdict(struct str doc)
{
	struct arena *a = arena_new(16 << 20);
	struct target t = { 0 };
	struct err e = { 0 };
	int r = json_parse(a, doc, "body", fields, &t, &e);

	arena_free(a);
	if (r == 0) {
		ck_assert_ptr_null(e.kind);
		return 0;
	}
	ck_assert_int_eq(r, -EINVAL);
	ck_assert_int_eq(strncmp(e.field, "body", 4), 0);
	ck_assert_uint_gt(strlen(e.text), 0);
	return e.kind->http_status;
}

#define Y(text)                                  \
	{                                        \
		true,                            \
		{                                \
			(text), sizeof(text) - 1 \
		}                                \
	}
#define N(text)                                  \
	{                                        \
		false,                           \
		{                                \
			(text), sizeof(text) - 1 \
		}                                \
	}

struct sample {
	bool good;
	struct str text;
};

/* Values: tried as {"v":...}, ["...] in a list and behind white space. */
/* clang-format off */
static const struct sample values[] = {
	/* literals */
	Y("true"), Y("false"), Y("null"), Y(" true "), N("True"), N("tru"), N("truee"), N("nul"),
	N("NULL"), N("fals"), N("undefined"), N("NaN"), N("-NaN"), N("nan"), N("Infinity"),
	N("-Infinity"), N("+Infinity"), N("inf"), N("a"), N("trueX"), N("true1"), N("true\"\""),
	N("*"), N("'a'"), N("`a`"), N(""), N(" "), N("\\u0041"),
	/* numbers: RFC 8259 section 6 */
	Y("0"), Y("-0"), Y("1"), Y("-1"), Y("10"), Y("1234567890"), Y("-9223372036854775808"),
	Y("9223372036854775808"), Y("123456789012345678901234567890"), Y("0.0"), Y("-0.0"),
	Y("0.1"), Y("1.5"), Y("1e0"), Y("1E0"), Y("1e+2"), Y("1e-2"), Y("1E+02"), Y("1e00"),
	Y("0e1"), Y("0e+1"), Y("0.5e-10"), Y("123.456e78"), Y("1.7976931348623157e308"),
	Y("4.9e-324"), Y("1e-400"), Y("0e400"), Y("-1e-9999"),
	Y("0.000000000000000000000000000000000001"), N("00"), N("01"), N("-01"), N("-00"),
	N("012"), N("1."), N("-1."), N(".5"), N("-.5"), N("0."), N("1.e1"), N("1.5."), N("1e"),
	N("1e+"), N("1e-"), N("1E"), N("1ee1"), N("1e1.5"), N("1e1e1"), N("+1"), N("++1"),
	N("+0"), N("-"), N("--1"), N("- 1"), N("1 2"), N("1 000"), N("1,000"), N("1_000"),
	N("0x1"), N("0X1F"), N("0b1"), N("0o7"), N("1f"), N("1L"), N("1a"), N("-a"), N("1e400"),
	N("-1e400"), N("1E999999"), N("1.8e308"), N("123e10000"), N("\xEF\xBC\x91"),
	N("1\xC2\xA0"), N("$1"),
	/* strings: section 7 */
	Y("\"\""), Y("\" \""), Y("\"a\""), Y("\"\\\"\""), Y("\"\\\\\""), Y("\"\\/\""), Y("\"/\""),
	Y("\"\\b\\f\\n\\r\\t\""), Y("\"\x7F\""), Y("\"\\u0041\""), Y("\"\\u00e9\""),
	Y("\"\\u00E9\""), Y("\"\\uFFFF\""), Y("\"\\ufdd0\""), Y("\"\\u2028\""), Y("\"\\u0001\""),
	Y("\"\\ud83d\\ude00\""), Y("\"\\uD83D\\uDE00\""), Y("\"\\ud800\\udc00\""),
	Y("\"\\udbff\\udfff\""), Y("\"\\ud83d\\ude00x\""), Y("\"\\ue000\""), Y("\"\\ud7ff\""),
	Y("\"\\\\u0000\""), Y("\"\\\\ud800\""), Y("\"a/*b*/c\""), Y("\"//\""), Y("\"\xC3\xA9\""),
	Y("\"\xE2\x82\xAC\""), Y("\"\xF0\x9F\x98\x80\""), Y("\"\xE2\x80\xA8\""),
	Y("\"\xEF\xBB\xBF\""), Y("\"\xF4\x8F\xBF\xBF\""), Y("\"\xED\x9F\xBF\""),
	Y("\"\xEE\x80\x80\""), Y("\"\xEF\xBF\xBF\""), Y("\"\xC2\x80\""), Y("\"[{\""), Y("\"}]\""),
	Y("\",:\""), N("\""), N("\"a"), N("a\""), N("\"\\\""), N("\"\\"), N("\"\\a\""),
	N("\"\\v\""), N("\"\\0\""), N("\"\\x41\""), N("\"\\'\""), N("\"\\U0041\""), N("\"\\u\""),
	N("\"\\u0\""), N("\"\\u00\""), N("\"\\u004\""), N("\"\\u004g\""), N("\"\\u 041\""),
	N("\"\\u+041\""), N("\"\\u-041\""), N("\"\\u00"), N("\"\\u0000\""), N("\"a\\u0000b\""),
	N("\"\\ud800\""), N("\"\\ud800x\""), N("\"\\ud800\\n\""), N("\"\\ud800\\u0041\""),
	N("\"\\ud800\\ud800\""), N("\"\\udc00\""), N("\"\\udc00\\ud800\""), N("\"\\udc00\\udc00\""), N("\"\\udfff\""),
	N("\"\\ud83d\\ude0\""), N("\"\\ud83d\\\""), N("\"\\ud83d\\u\""), N("\"\\ud83dude00\""),
	N("\"\\udbff\\ue000\""), N("\"\\uD83D \\uDE00\""), N("\"\n\""), N("\"\t\""), N("\"\r\""),
	N("\"\0\""), N("\"\x01\""), N("\"\x1F\""), N("\"a\nb\""), N("\"\x80\""), N("\"\xBF\""),
	N("\"\xC0\x80\""), N("\"\xC1\xBF\""), N("\"\xC3\""), N("\"\xC3(\""),
	N("\"\xE0\x80\x80\""), N("\"\xE0\x9F\xBF\""), N("\"\xE2\x82\""), N("\"\xED\xA0\x80\""),
	N("\"\xED\xBF\xBF\""), N("\"\xED\xA0\xBD\xED\xB8\x80\""), N("\"\xF0\x80\x80\x80\""),
	N("\"\xF0\x8F\xBF\xBF\""), N("\"\xF4\x90\x80\x80\""), N("\"\xF5\x80\x80\x80\""),
	N("\"\xF8\x88\x80\x80\x80\""), N("\"\xFC\x84\x80\x80\x80\x80\""), N("\"\xFE\""),
	N("\"\xFF\""), N("\xC3\xA9"), N("\"\xE9t\xE9\""), N("\xFF"),
	/* arrays: section 5 */
	Y("[]"), Y("[ ]"), Y("[\n]"), Y("[1]"), Y("[1,2]"), Y("[ 1 , 2 ]"), Y("[[]]"),
	Y("[null,true,\"\",0,{},[]]"), Y("[[[[[]]]]]"), Y("[\"a\",\"a\"]"), N("["), N("]"),
	N("[1"), N("[1,"), N("[,"), N("[,]"), N("[1,]"), N("[,1]"), N("[1,,2]"), N("[1 2]"),
	N("[1;2]"), N("[1:2]"), N("[\"a\":1]"), N("[1}"), N("[1]]"), N("[[]"), N("[a]"),
	N("[\"a\""), N("[1,\n1\n,1"), N("[*]"), N("[-]"), N("[1]x"), N("[]\"\""),
	N("[\"a\" \"b\"]"), N("(1)"), N("<1>"),
	/* objects: section 4 */
	Y("{}"), Y("{ }"), Y("{\"a\":1}"), Y("{ \"a\" : 1 }"), Y("{\"a\":1,\"b\":2}"),
	Y("{\"\":0}"), Y("{\"a\":{\"a\":{\"a\":1}}}"), Y("{\"a\":1,\"A\":2}"),
	Y("{\"\\u0061b\":1}"), N("{"), N("}"), N("{\"a\"}"), N("{\"a\":}"), N("{:1}"),
	N("{\"a\":1,}"), N("{,\"a\":1}"), N("{\"a\":1,,\"b\":2}"), N("{\"a\" 1}"),
	N("{\"a\"::1}"), N("{a:1}"), N("{'a':1}"), N("{1:1}"), N("{null:1}"),
	N("{\"a\":1 \"b\":2}"), N("{\"a\":1;\"b\":2}"), N("{\"a\",1}"), N("{\"a\"=1}"),
	N("{\"a\":1"), N("{\"a\":1]"), N("{\"a\":1}}"), N("{\"a\""), N("{\"a\":"), N("{[]:1}"),
	N("{\"a\":1}#"), N("{\"\\u0000\":1}"), N("{\"a\":1,\"a\":1}"),
	N("{\"a\":1,\"b\":2,\"a\":3}"), N("{\"a\":1,\"\\u0061\":1}"), N("{\"\":1,\"\":2}"),
	N("{\"x\":{\"a\":1,\"a\":2}}"), N("[{\"a\":1,\"a\":2}]"),
	N("{\"\xC3\xA9\":1,\"\\u00e9\":1}"),
	/* white space: section 2, and what is none */
	Y("\t1"), Y("\n1"), Y("\r1"), Y(" \t\r\n1\n\r\t "), N("\v1"), N("\f1"), N("1\f"),
	N("1\v"), N("\xC2\xA0"
	  "1"), N("\xE2\x80\x83"
	  "1"), N("\xE2\x81\xA0"
	  "1"),
	N("\0"
	  "1"), N("1\0"), N("\x08"
	  "1"), N("\x1E"
	  "1"), N("\x7F"
	  "1"),
	/* comments and other inventions */
	N("/**/1"), N("1/**/"), N("//\n1"), N("#\n1"), N("1/"), N("/"), N("--"), N("<!-- -->1"),
	N("1;"), N("=1"), N("@"), N("\\"), N("\\n1"), N("\xEF\xBB\xBF"
	  "1"),
};
/* clang-format on */

START_TEST(values_one_by_one)
{
	static const char *const around[][2] = {
		{ "{\"v\":", "}" },
		{ "\r\n{ \"s\":\"x\", \"v\" : ", "\t}\n" },
		{ "{\"v\":[[", "]]}" },
		{ "{\"u\":{\"v\":[{\"w\":[null,", ",true]}]},\"list\":[]}" },
	};

	ck_assert_uint_ge(ARRAY_SIZE(values), 150);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		for (size_t k = 0; k < ARRAY_SIZE(around); k++) {
			struct buf b;
			int got;

			if (k == 2 && str_trim(values[i].text).n == 0)
				continue; /* nothing, inside a list, is an empty list */
			buf_init(&b, 1 << 16);
			buf_append_str(&b, str_from(around[k][0]));
			buf_append_str(&b, values[i].text);
			buf_append_str(&b, str_from(around[k][1]));
			got = verdict(buf_str(&b));
			ck_assert_msg(got == (values[i].good ? 0 : 400),
				      "value %zu around %zu: %d for %.*s", i, k, got,
				      STR_ARGS(buf_str(&b)));
			buf_done(&b);
		}
}
END_TEST

/* clang-format off */
static const struct sample documents[] = {
	Y("{}"), Y(" {} "), Y("\t\r\n{}\n"), N(""), N(" "), N("\n\t\r "), N("\xEF\xBB\xBF{}"),
	N("\xFE\xFF\0{\0}"), N("{\0}\0"), N("{}\0"), N("\0{}"), N("[]"), N("[{}]"), N("1"),
	N("\"a\""), N("null"), N("true"), N("{}{}"), N("{} {}"), N("{},"), N("{},{}"), N("{}[]"),
	N("{}1"), N("{}x"), N("x{}"), N("{}}"), N("{{}"), N("{{}}"), N("{} //"), N("/**/{}"),
	N("{}\f"), N("\f{}"), N("{}\xC2\xA0"), N("{}\"}"), N("{}]"), N("({})"), N("a={}"),
	N("cb({})"), N("{\"a\":\"}"), N("{\"a}"), N("{\"s\":\"\\\"}"), N("["), N("{"),
	N("%7B%7D"), N("<x/>"), N("title=a"), N("{}\x1A"), N("{}{"), N("1}"), N("\"}"),
};
/* clang-format on */

START_TEST(documents_one_by_one)
{
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		int got = verdict(documents[i].text);

		ck_assert_msg(got == (documents[i].good ? 0 : 400), "document %zu: %d for %.*s", i,
			      got, STR_ARGS(documents[i].text));
	}
}
END_TEST

/* Every prefix of a good document is bad, without exception. */
START_TEST(every_prefix)
{
	static const char doc[] =
		"{\"s\":\"a\\u00e9\\ud83d\\ude00\xE2\x82\xAC\",\"list\":[\"x\",\"\\n\"],\"n\":-1.5e+3,"
		"\"o\":{\"t\":true,\"f\":false,\"z\":null,\"e\":{}},\"a\":[[],[0,1]]}";

	ck_assert_int_eq(verdict((struct str){ doc, sizeof(doc) - 1 }), 0);
	for (size_t n = 0; n < sizeof(doc) - 1; n++) {
		/* A copy of its own size, so that a sanitizer sees a read past it. */
		char *copy = malloc(n ? n : 1);

		memcpy(copy, doc, n);
		ck_assert_int_eq(verdict((struct str){ copy, n }), 400);
		free(copy);
	}
}
END_TEST

static void nested(struct buf *b, size_t depth, const char *open, const char *middle,
		   const char *close)
{
	buf_clear(b);
	buf_append_str(b, STR("{\"v\":"));
	for (size_t i = 1; i < depth; i++)
		buf_append_str(b, str_from(open));
	buf_append_str(b, str_from(middle));
	for (size_t i = 1; i < depth; i++)
		buf_append_str(b, str_from(close));
	buf_append_char(b, '}');
}

START_TEST(depth)
{
	static const size_t too_deep[] = {
		JSON_MAX_DEPTH + 1, JSON_MAX_DEPTH + 2, 127, 128, 129, 1000, 100000, 1000000
	};
	struct buf b;

	buf_init(&b, 16 << 20);
	nested(&b, JSON_MAX_DEPTH, "[", "1", "]");
	ck_assert_int_eq(verdict(buf_str(&b)), 0);
	nested(&b, JSON_MAX_DEPTH, "{\"k\":", "1", "}");
	ck_assert_int_eq(verdict(buf_str(&b)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(too_deep); i++) {
		nested(&b, too_deep[i], "[", "1", "]");
		ck_assert_int_eq(verdict(buf_str(&b)), 400);
		nested(&b, too_deep[i], "{\"k\":", "1", "}");
		ck_assert_int_eq(verdict(buf_str(&b)), 400);
		nested(&b, too_deep[i], "[", "", "");
		ck_assert_int_eq(verdict(buf_str(&b)), 400);
	}
	/* Brackets inside a string are no depth. */
	nested(&b, 2, "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "\\\"[", "\"");
	ck_assert_int_eq(verdict(buf_str(&b)), 0);
	buf_done(&b);
}
END_TEST

static int verdict_of_keys(unsigned n, unsigned twice)
{
	struct buf b;
	int got;

	buf_init(&b, 1 << 20);
	buf_append_str(&b, STR("{\"u\":[{"));
	for (unsigned i = 0; i < n; i++)
		buf_printf(&b, "%s\"key%u\":%u", i ? "," : "", i, i);
	if (twice < n)
		buf_printf(&b, ",\"k\\u0065y%u\":0", twice);
	buf_append_str(&b, STR("}]}"));
	got = verdict(buf_str(&b));
	buf_done(&b);
	return got;
}

START_TEST(many_keys)
{
	ck_assert_int_eq(verdict_of_keys(JSON_MAX_KEYS, UINT32_MAX), 0);
	ck_assert_int_eq(verdict_of_keys(JSON_MAX_KEYS + 1, UINT32_MAX), 400);
	ck_assert_int_eq(verdict_of_keys(5000, UINT32_MAX), 400);
	for (unsigned n = 1; n < JSON_MAX_KEYS; n += 17)
		for (unsigned twice = 0; twice < n; twice += 5)
			ck_assert_int_eq(verdict_of_keys(n, twice), 400);
}
END_TEST

/* yajl copies a string with escapes into a buffer of its own, which grows in steps: at each length
 * it must find room. */
START_TEST(long_escaped_strings)
{
	static char text[70000];
	struct buf b;

	memset(text, 'x', sizeof(text));
	buf_init(&b, 1 << 20);
	for (size_t n = 0; n < sizeof(text); n += n < 9000 ? 1 + n / 97 : 1021) {
		struct arena *a = arena_new(4 << 20);
		struct target t = { 0 };

		buf_clear(&b);
		buf_append_str(&b,
			       STR("{\"a\":\"\\t\",\"k\\u0065y\":1,\"list\":[\"\\n\"],\"s\":\""));
		buf_append(&b, text, n);
		buf_append_str(&b, STR("\\u00e9"));
		buf_append(&b, text, n / 3);
		buf_append_str(&b, STR("\\\\\"}"));
		ck_assert_int_eq(json_parse(a, buf_str(&b), "body", fields, &t, NULL), 0);
		ck_assert_uint_eq(t.s.v.n, n + 2 + n / 3 + 1);
		ck_assert_int_eq(t.s.v.p[t.s.v.n - 1], '\\');
		ck_assert_int_eq(t.s.v.p[t.s.v.n], '\0');
		arena_free(a);
	}
	buf_done(&b);
}
END_TEST

static const char memory_doc[] =
	"{\"s\":\"a \\u00e9 title\",\"list\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\"],\"k\\u0065\":{\"a\":1,"
	"\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":10,\"k\":11,\"l\":12,\"m\":13,\"n\":14,\"o\":15,"
	"\"p\":16,\"q\":17,\"r\":18}}";

/* Without assertions, which allocate: memory may be armed to fail. */
static int parse_memory_doc(struct arena *a, struct target *t, struct err *e)
{
	*t = (struct target){ 0 };
	*e = (struct err){ 0 };
	return json_parse(a, (struct str){ memory_doc, sizeof(memory_doc) - 1 }, "body", fields, t,
			  e);
}

static void check_memory_doc(int r, const struct target *t, const struct err *e)
{
	if (r == 0) {
		ck_assert_uint_eq(t->list.n, 10);
		ck_assert(str_eq(t->list.v[9], STR("10")));
		ck_assert(str_eq(t->s.v, STR("a \xC3\xA9 title")));
	} else {
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_int_eq(e->kind->http_status, 503);
		ck_assert_uint_gt(e->retry_after_s, 0);
	}
}

/* An arena of every size that is too small, and of the first that is not. */
START_TEST(arena_ends_anywhere)
{
	size_t max = 0;
	struct target t;
	struct err e;
	int r;

	do {
		struct arena *a = arena_new(max);

		r = parse_memory_doc(a, &t, &e);
		check_memory_doc(r, &t, &e);
		ck_assert(r < 0 || max > sizeof(memory_doc));
		arena_free(a);
		max += 16;
	} while (r < 0);
	ck_assert_uint_lt(max, 20000);
}
END_TEST

START_TEST(allocations_fail)
{
	uint64_t nth = 1;
	struct target t;
	struct err e;

	if (!fail_alloc_works()) {
		puts("test_json: left out: allocations cannot be made to fail here");
		return;
	}
	for (;; nth++) {
		struct arena *a = arena_new(1 << 20);
		int r;

		arena_alloc(a, 4000); /* nearly used up, so that what comes needs malloc */
		fail_alloc_arm(nth);
		r = parse_memory_doc(a, &t, &e);
		if (!fail_alloc_disarm()) {
			ck_assert_int_eq(r, 0);
			arena_free(a);
			break;
		}
		ck_assert_int_eq(r, -ENOMEM);
		check_memory_doc(r, &t, &e);
		arena_free(a);
	}
	ck_assert_uint_gt(nth, 1);
}
END_TEST

/* y_*: accepted, n_*: refused, i_*: either, but decided. Their texts are values, so they go into an
 * object; a file whose fault is at an end of the text may become good there, and is also tried
 * bare. */
static void try_file(const char *dir, const char *name)
{
	char path[1024], *text;
	struct buf b;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	text = malloc(1 << 20);
	ck_assert(f && text);
	n = fread(text, 1, 1 << 20, f);
	fclose(f);
	buf_init(&b, 2 << 20);
	buf_append_str(&b, STR("{\"v\":"));
	buf_append(&b, text, n);
	buf_append_char(&b, '}');
	if (name[0] == 'y' && !strstr(name, "duplicated_key") && !strstr(name, "null_escape") &&
	    !strstr(name, "u+0000"))
		ck_assert_msg(verdict(buf_str(&b)) == 0, "%s", name);
	else if (name[0] == 'n')
		ck_assert_msg(verdict(buf_str(&b)) == 400 &&
				      verdict((struct str){ text, n }) == 400,
			      "%s", name);
	else
		verdict(buf_str(&b));
	buf_done(&b);
	free(text);
}

START_TEST(suite_of_files)
{
	const char *path = getenv("JSON_SUITE_DIR");
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	if (!path) {
		puts("test_json: JSON_SUITE_DIR is not set: no corpus of files read");
		return;
	}
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		if (strstr(entry->d_name, ".json")) {
			try_file(path, entry->d_name);
			n++;
		}
	closedir(dir);
	printf("test_json: %u files of %s\n", n, path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *tc = tcase_create("json");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, values_one_by_one);
	tcase_add_test(tc, documents_one_by_one);
	tcase_add_test(tc, every_prefix);
	tcase_add_test(tc, depth);
	tcase_add_test(tc, many_keys);
	tcase_add_test(tc, long_escaped_strings);
	tcase_add_test(tc, arena_ends_anywhere);
	tcase_add_test(tc, allocations_fail);
	tcase_add_test(tc, suite_of_files);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
