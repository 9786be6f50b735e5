/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer: exact bytes, every code point and every bad sequence in every position of its
 * eight-byte steps, read back by our reader and, all at once, by Python; a buffer that ends
 * anywhere.
 */
#include "base/json.h"
#include "base/time.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void writes(struct str s, struct str want)
{
	struct json_out o;
	struct buf b;

	buf_init(&b, 1 << 16);
	json_out_init(&o, &b);
	json_str(&o, s);
	ck_assert_int_eq(buf_status(&b), 0);
	ck_assert_msg(str_eq(buf_str(&b), want), "%.*s, not %.*s", STR_ARGS(buf_str(&b)),
		      STR_ARGS(want));
	buf_done(&b);
}

START_TEST(strings)
{
	writes(STR(""), STR("\"\""));
	writes((struct str){ NULL, 0 }, STR("\"\""));
	writes(STR("plain text, longer than eight bytes"),
	       STR("\"plain text, longer than eight bytes\""));
	writes(STR("\"\\/"), STR("\"\\\"\\\\/\""));
	writes(STR("\b\f\n\r\t"), STR("\"\\u0008\\u000c\\n\\r\\t\""));
	writes(STR("\0\x1F\x7F"), STR("\"\\u0000\\u001f\\u007f\""));
	writes(STR("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
	       STR("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""));
	writes(STR("\xE2\x80\xA7\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAA"),
	       STR("\"\xE2\x80\xA7\\u2028\\u2029\xE2\x80\xAA\""));
	writes(STR("a\xFF"
		   "b\xC3"),
	       STR("\"a\xEF\xBF\xBD"
		   "b\xEF\xBF\xBD\""));
	writes(STR("\xED\xA0\x80"), STR("\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""));
	writes(STR("</script>"), STR("\"</script>\""));
}
END_TEST

START_TEST(structure)
{
	struct json_out o;
	struct buf b;

	buf_init(&b, 1000);
	json_out_init(&o, &b);
	json_begin_array(&o);
	json_begin_object(&o);
	json_end_object(&o);
	json_begin_object(&o);
	json_key_str(&o, STR("s"), STR("x"));
	json_key_i64(&o, STR("i"), INT64_MIN);
	json_key_bool(&o, STR("t"), true);
	json_key_bool(&o, STR("f"), false);
	json_key_null(&o, STR("z"));
	json_key_time(&o, STR("at"), 0);
	json_key_time(&o, STR("us"), 1);
	json_key_raw(&o, STR("r"), STR("[1,2]"));
	json_key_str_or_null(&o, STR("n1"), (struct str){ NULL, 0 });
	json_key_str_or_null(&o, STR("n2"), STR(""));
	json_key(&o, STR("k\"\n"));
	json_begin_array(&o);
	json_i64(&o, 1);
	json_bool(&o, true);
	json_null(&o);
	json_str(&o, STR("s"));
	json_raw(&o, STR("{}"));
	json_time(&o, TIME_US_PER_S);
	json_begin_array(&o);
	json_end_array(&o);
	json_i64(&o, 2);
	json_end_array(&o);
	json_end_object(&o);
	json_null(&o);
	json_end_array(&o);
	ck_assert_int_eq(buf_status(&b), 0);
	buf_append_char(&b, '\0');
	ck_assert_str_eq(
		b.p,
		"[{},{\"s\":\"x\",\"i\":-9223372036854775808,\"t\":true,\"f\":false,\"z\":null,"
		"\"at\":\"1970-01-01T00:00:00Z\",\"us\":\"1970-01-01T00:00:00.000001Z\",\"r\":[1,2],"
		"\"n1\":null,\"n2\":\"\",\"k\\\"\\n\":[1,true,null,\"s\",{},\"1970-01-01T00:00:01Z\",[],2]},null]");
	buf_done(&b);
}
END_TEST

START_TEST(deepest)
{
	struct json_out o;
	struct buf b;

	buf_init(&b, 1000);
	json_out_init(&o, &b);
	for (int i = 0; i < JSON_MAX_DEPTH; i++) {
		json_begin_array(&o);
		json_i64(&o, i);
	}
	for (int i = 0; i < JSON_MAX_DEPTH; i++) {
		json_end_array(&o);
		if (i + 1 < JSON_MAX_DEPTH)
			json_null(&o);
	}
	ck_assert_int_eq(buf_status(&b), 0);
	ck_assert(str_starts(buf_str(&b), STR("[0,[1,[2,")));
	ck_assert(str_ends(buf_str(&b), STR("],null],null]")));
	buf_done(&b);
}
END_TEST

struct read_back {
	struct json_str v;
};

static const struct json_field read_back_fields[] = {
	JSON_FIELD(struct read_back, v, "v", JSON_KIND_STR),
	JSON_FIELD_END,
};

/* Every code point but U+0000, which the reader refuses, at a moving offset. */
START_TEST(every_code_point_comes_back)
{
	struct arena *a = arena_new(1 << 20);
	struct buf b;

	buf_init(&b, 4096);
	for (uint32_t cp = 1; cp <= 0x10FFFF; cp += cp < 0x3000 ? 1 : 13) {
		char text[32] = "0123456789abcdef";
		size_t at = cp % 17, n = utf8_encode(cp, text + at);
		struct read_back t = { 0 };
		struct json_out o;

		if (n == 0)
			continue;
		memcpy(text + at + n, "tail of it", 10);
		buf_clear(&b);
		arena_reset(a);
		json_out_init(&o, &b);
		json_begin_object(&o);
		json_key_str(&o, STR("v"), (struct str){ text, at + n + 10 });
		json_end_object(&o);
		if (json_parse(a, buf_str(&b), "", read_back_fields, &t, NULL) < 0 ||
		    !str_eq(t.v.v, (struct str){ text, at + n + 10 }))
			ck_abort_msg("U+%04X at %zu: %.*s", cp, at, STR_ARGS(buf_str(&b)));
	}
	buf_done(&b);
	arena_free(a);
}
END_TEST

static void write_sample(struct buf *b, int n_strings, unsigned seed)
{
	struct json_out o;

	json_out_init(&o, b);
	json_begin_object(&o);
	json_key_i64(&o, STR("n"), n_strings);
	json_key(&o, STR("strings"));
	json_begin_array(&o);
	for (int i = 0; i < n_strings; i++) {
		char text[40];
		size_t n = (size_t)rand_r(&seed) % sizeof(text);

		for (size_t k = 0; k < n;
		     k++) /* mostly ASCII, some of it special, some bytes of anything */
			text[k] = (char)(rand_r(&seed) % 8 ? 'a' + rand_r(&seed) % 26
							   : rand_r(&seed));
		json_str(&o, (struct str){ text, n });
	}
	json_end_array(&o);
	json_key_time(&o, STR("at"), 1764000000123456);
	json_end_object(&o);
}

/* Whatever bytes a string has, Python reads what we wrote, in ASCII-safe lines, as it would decode
 * the bytes itself. */
START_TEST(python_reads_it)
{
	char path[] = "/tmp/test_json_write_XXXXXX", command[200];
	FILE *f = fdopen(mkstemp(path), "wb");
	struct buf b;

	buf_init(&b, 1 << 20);
	write_sample(&b, 3000, 1);
	ck_assert_int_eq(buf_status(&b), 0);
	ck_assert_uint_eq(fwrite(b.p, 1, b.n, f), b.n);
	ck_assert_int_eq(fclose(f), 0);
	snprintf(
		command, sizeof(command),
		"/usr/bin/python3 -c \"import json;v=json.loads(open('%s','rb').read().decode('utf-8'));"
		"assert len(v['strings'])==v['n']==3000 and v['at']=='2025-11-24T16:00:00.123456Z'\"",
		path);
	ck_assert_int_eq(system(command), 0);
	unlink(path);
	for (size_t i = 0; i < b.n; i++)
		if ((unsigned char)b.p[i] < 0x20 || b.p[i] == 0x7F)
			ck_abort_msg("a bare control byte at %zu", i);
	buf_done(&b);
}
END_TEST

/* A buffer of exactly the length takes it all; any shorter one fails and holds nothing but a
 * beginning of it. */
START_TEST(buffer_ends_anywhere)
{
	struct buf whole, b;

	buf_init(&whole, 1 << 20);
	write_sample(&whole, 20, 7);
	for (size_t max = 0; max <= whole.n; max++) {
		buf_init(&b, max);
		write_sample(&b, 20, 7);
		ck_assert_int_eq(buf_status(&b), max == whole.n ? 0 : -ENOBUFS);
		ck_assert_uint_le(b.n, max);
		ck_assert(str_starts(buf_str(&whole), buf_str(&b)));
		buf_done(&b);
	}
	buf_done(&whole);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_out");
	TCase *tc = tcase_create("json_out");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, strings);
	tcase_add_test(tc, structure);
	tcase_add_test(tc, deepest);
	tcase_add_test(tc, every_code_point_comes_back);
	tcase_add_test(tc, python_reads_it);
	tcase_add_test(tc, buffer_ends_anywhere);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
