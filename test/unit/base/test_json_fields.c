/* SPDX-License-Identifier: Apache-2.0 */
/* From JSON into structs: every kind of field, absent, null and set, and where an error says that
 * it is. */
#include "base/json.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct inner {
	enum json_state state;
	struct json_str name;
	struct json_i64 n;
};

struct element {
	struct json_str title;
	struct json_strs tags;
	struct inner inner;
};

struct all {
	struct json_str s;
	struct json_i64 i;
	struct json_i64 number;
	struct json_bool b;
	struct json_strs list;
	struct json_strs aud;
	struct inner obj;
	struct json_objs objs;
	struct json_objs mixed;
	struct json_str raw;
};

static const struct json_field inner_fields[] = {
	JSON_FIELD(struct inner, name, "name", JSON_KIND_STR),
	JSON_FIELD(struct inner, n, "n", JSON_KIND_I64),
	JSON_FIELD_END,
};

/* What a string in a list of either stands for. */
static const struct json_field mixed_fields[] = {
	JSON_FIELD(struct inner, name, "name", JSON_KIND_STR),
	JSON_FIELD(struct inner, n, "n", JSON_KIND_I64),
	JSON_FIELD_END,
};

static const struct json_field element_fields[] = {
	JSON_FIELD(struct element, title, "title", JSON_KIND_STR),
	JSON_FIELD(struct element, tags, "tags", JSON_KIND_STRS),
	{ .name = "inner",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct element, inner),
	  .nested = inner_fields },
	JSON_FIELD_END,
};

static const struct json_field all_fields[] = {
	JSON_FIELD(struct all, s, "s", JSON_KIND_STR),
	JSON_FIELD(struct all, i, "i", JSON_KIND_I64),
	JSON_FIELD(struct all, number, "number", JSON_KIND_NUMBER),
	JSON_FIELD(struct all, b, "b", JSON_KIND_BOOL),
	{ .name = "list",
	  .kind = JSON_KIND_STRS,
	  .offset = offsetof(struct all, list),
	  .max_items = 20 },
	JSON_FIELD(struct all, aud, "aud", JSON_KIND_STR_OR_STRS),
	{ .name = "obj",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct all, obj),
	  .nested = inner_fields },
	{ .name = "objs",
	  .kind = JSON_KIND_OBJS,
	  .offset = offsetof(struct all, objs),
	  .nested = element_fields,
	  .elem_size = sizeof(struct element),
	  .max_items = 40 },
	{ .name = "mixed",
	  .kind = JSON_KIND_STRS_OR_OBJS,
	  .offset = offsetof(struct all, mixed),
	  .nested = mixed_fields,
	  .elem_size = sizeof(struct inner),
	  .max_items = 20 },
	JSON_FIELD(struct all, raw, "raw", JSON_KIND_RAW),
	JSON_FIELD_END,
};

static struct arena *arena;
static struct all all;
static struct err err;

static void setup(void)
{
	arena = arena_new(4 << 20);
}

static void teardown(void)
{
	arena_free(arena);
}

static int parse(const char *text)
{
	all = (struct all){ 0 };
	err = (struct err){ 0 };
	return json_parse(arena, str_from(text), "body", all_fields, &all, &err);
}

START_TEST(absent_null_set)
{
	static const enum json_state expected[] = { JSON_ABSENT, JSON_NULL, JSON_SET };
	static const char *const texts[] = {
		"{}",
		"{\"s\":null,\"i\":null,\"number\":null,\"b\":null,\"list\":null,\"aud\":null,\"obj\":null,\"objs\":null,\"mixed\":null}",
		"{\"s\":\"\",\"i\":0,\"number\":0,\"b\":false,\"list\":[],\"aud\":[],\"obj\":{},\"objs\":[],\"mixed\":[]}",
	};

	for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
		ck_assert_int_eq(parse(texts[k]), 0);
		ck_assert_int_eq(all.s.state, expected[k]);
		ck_assert_int_eq(all.i.state, expected[k]);
		ck_assert_int_eq(all.number.state, expected[k]);
		ck_assert_int_eq(all.b.state, expected[k]);
		ck_assert_int_eq(all.list.state, expected[k]);
		ck_assert_int_eq(all.aud.state, expected[k]);
		ck_assert_int_eq(all.obj.state, expected[k]);
		ck_assert_int_eq(all.objs.state, expected[k]);
		ck_assert_int_eq(all.mixed.state, expected[k]);
		ck_assert_uint_eq(all.list.n + all.aud.n + all.objs.n + all.mixed.n, 0);
	}
	ck_assert_str_eq(all.s.v.p, "");
}
END_TEST

START_TEST(values)
{
	const struct element *e;

	ck_assert_int_eq(
		parse("{\"s\":\"a\\u00e9\\n\\ud83d\\ude00\\/\",\"i\":-7,\"number\":1e3,\"b\":true,"
		      "\"list\":[\"x\",\"\",\"\\\"\"],\"aud\":\"me\",\"obj\":{\"n\":5,\"name\":\"nn\",\"more\":[{}]},"
		      "\"objs\":[{},{\"title\":\"t1\",\"tags\":[\"p\",\"q\"],\"inner\":{\"n\":9}},{\"inner\":null}],"
		      "\"unknown\":{\"s\":1,\"i\":\"x\",\"list\":{}}}"),
		0);
	ck_assert(str_eq(all.s.v, STR("a\xC3\xA9\n\xF0\x9F\x98\x80/")));
	ck_assert_int_eq(all.s.v.p[all.s.v.n], '\0');
	ck_assert_int_eq(all.i.v, -7);
	ck_assert_int_eq(all.number.v, 1000);
	ck_assert(all.b.v);
	ck_assert_uint_eq(all.list.n, 3);
	ck_assert_str_eq(all.list.v[0].p, "x");
	ck_assert_str_eq(all.list.v[1].p, "");
	ck_assert_str_eq(all.list.v[2].p, "\"");
	ck_assert_uint_eq(all.aud.n, 1);
	ck_assert_str_eq(all.aud.v[0].p, "me");
	ck_assert_int_eq(all.obj.state, JSON_SET);
	ck_assert_int_eq(all.obj.n.v, 5);
	ck_assert_str_eq(all.obj.name.v.p, "nn");
	ck_assert_uint_eq(all.objs.n, 3);
	e = all.objs.v;
	ck_assert_int_eq(e[0].title.state, JSON_ABSENT);
	ck_assert_str_eq(e[1].title.v.p, "t1");
	ck_assert_uint_eq(e[1].tags.n, 2);
	ck_assert_str_eq(e[1].tags.v[1].p, "q");
	ck_assert_int_eq(e[1].inner.state, JSON_SET);
	ck_assert_int_eq(e[1].inner.n.v, 9);
	ck_assert_int_eq(e[2].inner.state, JSON_NULL);
}
END_TEST

/* Lists grow by moving; what was read before must move along. */
START_TEST(long_lists)
{
	const struct element *e;
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_append_str(&b, STR("{\"objs\":["));
	for (int i = 0; i < 40; i++)
		buf_printf(&b, "%s{\"title\":\"t%d\",\"tags\":[\"%d\",\"b\"],\"inner\":{\"n\":%d}}",
			   i ? "," : "", i, i, i);
	buf_append_str(&b, STR("]}"));
	buf_append_char(&b, '\0');
	ck_assert_int_eq(parse(b.p), 0);
	ck_assert_uint_eq(all.objs.n, 40);
	e = all.objs.v;
	for (int i = 0; i < 40; i++) {
		char text[16];

		snprintf(text, sizeof(text), "t%d", i);
		ck_assert_str_eq(e[i].title.v.p, text);
		ck_assert_str_eq(e[i].tags.v[0].p, text + 1);
		ck_assert_int_eq(e[i].inner.n.v, i);
	}
	buf_done(&b);
}
END_TEST

/* A string stands for an object that has only the first field. */
START_TEST(strings_or_objects)
{
	const struct inner *e;

	ck_assert_int_eq(
		parse("{\"mixed\":[\"a\",{\"n\":3,\"name\":\"b\",\"more\":[\"x\"]},\"\",{},"
		      "{\"name\":null},\"\\u00e9\"],\"s\":\"after\"}"),
		0);
	ck_assert_uint_eq(all.mixed.n, 6);
	e = all.mixed.v;
	ck_assert_str_eq(e[0].name.v.p, "a");
	ck_assert_int_eq(e[0].name.state, JSON_SET);
	ck_assert_int_eq(e[0].n.state, JSON_ABSENT);
	ck_assert_str_eq(e[1].name.v.p, "b");
	ck_assert_int_eq(e[1].n.v, 3);
	ck_assert_int_eq(e[2].name.state, JSON_SET);
	ck_assert_uint_eq(e[2].name.v.n, 0);
	ck_assert_int_eq(e[3].name.state, JSON_ABSENT);
	ck_assert_int_eq(e[4].name.state, JSON_NULL);
	ck_assert_str_eq(e[5].name.v.p, "\xC3\xA9");
	ck_assert_str_eq(all.s.v.p, "after");
}
END_TEST

START_TEST(numbers)
{
	static const struct {
		const char *text;
		bool whole_ok; /* for JSON_KIND_I64 */
		bool number_ok;
		int64_t value;
	} cases[] = {
		{ "0", true, true, 0 },
		{ "-0", true, true, 0 },
		{ "9223372036854775807", true, true, INT64_MAX },
		{ "-9223372036854775808", true, true, INT64_MIN },
		{ "9223372036854775808", false, false, 0 },
		{ "-9223372036854775809", false, false, 0 },
		{ "100000000000000000000000000000", false, false, 0 },
		{ "1.0", false, true, 1 },
		{ "1e3", false, true, 1000 },
		{ "1.999", false, true, 1 },
		{ "-1.999", false, true, -1 },
		{ "1732190400.123", false, true, 1732190400 },
		{ "1e-400", false, true, 0 },
		{ "9.3e18", false, false, 0 },
		{ "-9.3e18", false, false, 0 },
		{ "9223372036854775807.5", false, false, 0 }, /* the next double is 2^63 */
		{ "1e308", false, false, 0 },
	};
	char text[100];

	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		snprintf(text, sizeof(text), "{\"i\":%s}", cases[k].text);
		ck_assert_msg((parse(text) == 0) == cases[k].whole_ok, "%s", cases[k].text);
		ck_assert_int_eq(cases[k].whole_ok ? all.i.v : err.kind->http_status,
				 cases[k].whole_ok ? cases[k].value : 422);
		snprintf(text, sizeof(text), "{\"number\":%s}", cases[k].text);
		ck_assert_msg((parse(text) == 0) == cases[k].number_ok, "%s", cases[k].text);
		ck_assert_int_eq(cases[k].number_ok ? all.number.v : err.kind->http_status,
				 cases[k].number_ok ? cases[k].value : 422);
	}
}
END_TEST

/* Each kind of field given each kind of value: what fits, fits, and what does not is a 422 in its
 * place. */
START_TEST(types)
{
	static const char *const given[] = { "null", "true",	"7",  "1.5", "\"x\"",
					     "[]",   "[\"x\"]", "{}", "[{}]" };
	static const struct {
		const char *field;
		const char *fits; /* '+' for each of given */
	} cases[] = {
		{ "s", "+...+...." },	{ "i", "+.+......" },	 { "number", "+.++....." },
		{ "b", "++......." },	{ "list", "+....++.." }, { "aud", "+...+++.." },
		{ "obj", "+......+." }, { "objs", "+....+..+" }, { "mixed", "+....++.+" },
	};
	char text[64], path[16];

	for (size_t k = 0; k < ARRAY_SIZE(cases); k++)
		for (size_t g = 0; g < ARRAY_SIZE(given); g++) {
			int want = cases[k].fits[g] == '+' ? 0 : -EINVAL;

			snprintf(text, sizeof(text), "{\"%s\":%s}", cases[k].field, given[g]);
			ck_assert_msg(parse(text) == want, "%s", text);
			if (want == 0)
				continue;
			ck_assert_int_eq(err.kind->http_status, 422);
			snprintf(path, sizeof(path), "body.%s", cases[k].field);
			ck_assert_int_eq(strncmp(err.field, path, strlen(path)), 0);
			ck_assert_int_eq(strncmp(err.text, "must ", 5), 0);
		}
}
END_TEST

/* The bytes of a value of any kind, and what stands around them is read all the same. */
START_TEST(raw_values)
{
	static const char *const given[] = {
		"true", "false",
		"7",	"-1.50e+2",
		"\"\"", "\"a\\u003cb\\\"}\"",
		"[]",	"[ 1 , [ ] , {\"a\":\"]\"} ]",
		"{}",	"{ \"raw\" : { \"s\" : 1 }, \"list\":0 }",
	};
	static const struct {
		const char *before, *after;
	} around[] = {
		{ "{\"raw\":", ",\"s\":\"x\",\"i\":3}" },
		{ " { \"s\" : \"x\" , \"r\\u0061w\"\t:\r\n ", "\n}\n" },
		{ "{\"u\":[{\"raw\":0}],\"raw\":", " }" },
	};
	char text[256];

	for (size_t g = 0; g < ARRAY_SIZE(given); g++)
		for (size_t k = 0; k < ARRAY_SIZE(around); k++) {
			snprintf(text, sizeof(text), "%s%s%s", around[k].before, given[g],
				 around[k].after);
			ck_assert_msg(parse(text) == 0, "%s", text);
			ck_assert_int_eq(all.raw.state, JSON_SET);
			ck_assert_msg(str_eq(all.raw.v, str_from(given[g])), "%.*s",
				      STR_ARGS(all.raw.v));
			ck_assert(all.raw.v.p >= text && all.raw.v.p < text + sizeof(text));
			ck_assert_int_eq(all.s.state, k < 2 ? JSON_SET : JSON_ABSENT);
		}
	ck_assert_int_eq(parse("{\"raw\": null }"), 0);
	ck_assert_int_eq(all.raw.state, JSON_NULL);
	ck_assert(str_eq(all.raw.v, STR("null")));
	ck_assert_int_eq(parse("{}"), 0);
	ck_assert_int_eq(all.raw.state, JSON_ABSENT);
}
END_TEST

/* Unknown inside, but not unchecked. */
START_TEST(raw_values_are_checked)
{
	static const struct {
		const char *text, *field;
	} cases[] = {
		{ "{\"raw\":{\"a\":1,\"a\":2}}", "body.raw.a" },
		{ "{\"raw\":[0,{\"a\":1e999}]}", "body.raw.1.a" },
		{ "{\"raw\":1e999}", "body.raw" },
		{ "{\"raw\":\"\\ud800\"}", "body" },
		{ "{\"raw\":}", "body" },
		{ "{\"raw\":1 2}", "body" },
		{ "{\"raw\":[}", "body" },
		{ "{\"raw\":1,\"raw\":1}", "body.raw" },
	};

	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		ck_assert_msg(parse(cases[k].text) == -EINVAL, "%s", cases[k].text);
		ck_assert_int_eq(err.kind->http_status, 400);
		ck_assert_str_eq(err.field, cases[k].field);
	}
}
END_TEST

START_TEST(where_it_is)
{
	static const struct {
		const char *text, *field;
		int status;
		const char *says;
	} cases[] = {
		{ "{\"s\":1}", "body.s", 422, "must be a string" },
		{ "{\"i\":\"1\"}", "body.i", 422, "must be a whole number" },
		{ "{\"i\":1.0}", "body.i", 422, "must be a whole number" },
		{ "{\"i\":9223372036854775808}", "body.i", 422, "must fit into 64 bits" },
		{ "{\"b\":0}", "body.b", 422, "must be true or false" },
		{ "{\"list\":\"x\"}", "body.list", 422, "must be a list of strings" },
		{ "{\"list\":[\"a\",\"b\",3]}", "body.list.2", 422, "must be a string" },
		{ "{\"list\":[null]}", "body.list.0", 422, "must be a string" },
		{ "{\"list\":[\"a\",[\"b\"]]}", "body.list.1", 422, "must be a string" },
		{ "{\"aud\":{}}", "body.aud", 422, "must be a string or a list of strings" },
		{ "{\"obj\":{\"n\":true}}", "body.obj.n", 422, "must be a whole number" },
		{ "{\"obj\":[]}", "body.obj", 422, "must be an object" },
		{ "{\"objs\":[{},{\"tags\":[\"x\",7]}]}", "body.objs.1.tags.1", 422,
		  "must be a string" },
		{ "{\"objs\":[{},{\"inner\":{\"n\":\"\"}}]}", "body.objs.1.inner.n", 422,
		  "must be a whole number" },
		{ "{\"objs\":[{},3]}", "body.objs.1", 422, "must be an object" },
		{ "{\"objs\":[\"x\"]}", "body.objs.0", 422, "must be an object" },
		{ "{\"objs\":{}}", "body.objs", 422, "must be a list of objects" },
		{ "{\"mixed\":\"x\"}", "body.mixed", 422, "must be a list of strings or objects" },
		{ "{\"mixed\":{}}", "body.mixed", 422, "must be a list of strings or objects" },
		{ "{\"mixed\":[\"a\",7]}", "body.mixed.1", 422, "must be a string or an object" },
		{ "{\"mixed\":[{},null]}", "body.mixed.1", 422, "must be a string or an object" },
		{ "{\"mixed\":[[]]}", "body.mixed.0", 422, "must be a string or an object" },
		{ "{\"mixed\":[\"a\",{\"name\":7}]}", "body.mixed.1.name", 422,
		  "must be a string" },
		{ "{\"mixed\":[{\"n\":\"7\"}]}", "body.mixed.0.n", 422, "must be a whole number" },
		{ "{\"mixed\":[{\"name\":\"a\",\"name\":\"a\"}]}", "body.mixed.0.name", 400,
		  "The key stands twice in one object." },
		{ "{\"mixed\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",{},{},{},{},{},{},{},{},{},{},\"\"]}",
		  "body.mixed", 422, "must have at most 20 items" },
		{ "{\"list\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}",
		  "body.list", 422, "must have at most 20 items" },
		/* the first of two is told */
		{ "{\"u\":1,\"s\":1,\"i\":\"x\"}", "body.s", 422, "must be a string" },
		/* malformed outranks wrong, whichever comes first */
		{ "{\"s\":1,\"i\":1,}", "body", 400, NULL },
		{ "{\"s\":1,\"x\":1e999}", "body.x", 400, "The number is too large." },
		{ "{\"s\":1,\"x\":{\"y\":[0,{\"z\":1,\"z\":2}]}}", "body.x.y.1.z", 400,
		  "The key stands twice in one object." },
		{ "{\"s\":\"1\",\"s\":\"1\"}", "body.s", 400,
		  "The key stands twice in one object." },
		{ "{\"s\":\"\\ud800\"}", "body", 400,
		  "Not valid JSON at byte 12: a high surrogate stands alone." },
		{ "[]", "body", 400, "Expected one JSON object and nothing else." },
		{ "", "body", 400, "Expected a JSON object, got nothing." },
	};

	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		ck_assert_msg(parse(cases[k].text) == -EINVAL, "%s", cases[k].text);
		ck_assert_msg(err.kind->http_status == cases[k].status, "%s: %d", cases[k].text,
			      err.kind->http_status);
		ck_assert_str_eq(err.field, cases[k].field);
		if (cases[k].says)
			ck_assert_str_eq(err.text, cases[k].says);
	}
}
END_TEST

/* No key of a client can make the path overflow or end in half a character. */
START_TEST(long_paths)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (size_t n = 2; n < 400; n += 3) {
		buf_clear(&b);
		buf_append_str(&b, STR("{\"u\":"));
		for (int level = 0; level < 20; level++) {
			buf_append_str(&b, STR("{\""));
			for (size_t i = 0; i < n; i++)
				buf_append_str(&b, STR("\xE2\x82\xAC"));
			buf_append_str(&b, STR("\":"));
		}
		buf_append_str(&b, STR("1e999"));
		for (int level = 0; level < 20; level++)
			buf_append_char(&b, '}');
		buf_append_char(&b, '}');
		buf_append_char(&b, '\0');
		ck_assert_int_eq(parse(b.p), -EINVAL);
		ck_assert_int_eq(err.kind->http_status, 400);
		ck_assert_uint_gt(strlen(err.field), sizeof(err.field) - 4);
		ck_assert(utf8_valid(str_from(err.field)));
		arena_reset(arena);
	}
	buf_done(&b);
}
END_TEST

/* Nobody has to want the reason, and a key need only begin like a field to be another one. */
START_TEST(small_things)
{
	all = (struct all){ 0 };
	ck_assert_int_eq(json_parse(arena, STR("{\"s\":1}"), "body", all_fields, &all, NULL),
			 -EINVAL);
	ck_assert_int_eq(json_parse(arena, STR("{"), "body", all_fields, &all, NULL), -EINVAL);
	ck_assert_int_eq(parse("{\"\":1,\"S\":1,\"ss\":1,\"lis\":1,\"list2\":1}"), 0);
	ck_assert_int_eq(all.s.state, JSON_ABSENT);
	ck_assert_int_eq(all.list.state, JSON_ABSENT);
	ck_assert_int_eq(parse("{\"\\u0073\":\"by escape\"}"), 0);
	ck_assert_str_eq(all.s.v.p, "by escape");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_fields");
	TCase *tc = tcase_create("json_fields");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, absent_null_set);
	tcase_add_test(tc, values);
	tcase_add_test(tc, long_lists);
	tcase_add_test(tc, strings_or_objects);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, types);
	tcase_add_test(tc, raw_values);
	tcase_add_test(tc, raw_values_are_checked);
	tcase_add_test(tc, where_it_is);
	tcase_add_test(tc, long_paths);
	tcase_add_test(tc, small_things);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
