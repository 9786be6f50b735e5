/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tag may be called, when two names are one tag, and what is said about the rest.
 */
#include "domain/tag.h"

#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new(1024 * 1024);
	ck_assert_ptr_nonnull(arena);
}

static void tear_down(void)
{
	arena_free(arena);
}

/* Bodies are JSON, so that names can be written as their code points. */
static const struct {
	const char *body, *name, *key, *color;
} ACCEPTED[] = {
	{ "{\"name\":\"Work\"}", "Work", "work", "#808080" },
	{ "{\"name\":\"Work\",\"color\":null}", "Work", "work", "#808080" },
	{ "{\"name\":\"w\",\"color\":\"#A0b1Cf\"}", "w", "w", "#a0b1cf" },
	{ "{\"name\":\"  a  b\\t\\u3000\"}", "a  b", "a  b", "#808080" },
	{ "{\"name\":\"A_b-c.9\"}", "A_b-c.9", "a_b-c.9", "#808080" },
	{ "{\"name\":\"A\\u0308rger\"}", "\xc3\x84rger", "\xc3\xa4rger", "#808080" },
	{ "{\"name\":\"\\u00c4rger\"}", "\xc3\x84rger", "\xc3\xa4rger", "#808080" },
	{ "{\"name\":\"Stra\\u00dfe\"}",
	  "Stra\xc3\x9f"
	  "e",
	  "strasse", "#808080" },
	{ "{\"name\":\"\\u65e5\\u672c\\u8a9e\"}", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	  "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "#808080" },
	{ "{\"name\":\"\\u0e07\\u0e32\\u0e19\"}", "\xe0\xb8\x87\xe0\xb8\xb2\xe0\xb8\x99",
	  "\xe0\xb8\x87\xe0\xb8\xb2\xe0\xb8\x99", "#808080" },
	{ "{\"name\":\"\\u05e2\\u05d1\\u05d5\\u05d3\\u05d4\"}",
	  "\xd7\xa2\xd7\x91\xd7\x95\xd7\x93\xd7\x94", "\xd7\xa2\xd7\x91\xd7\x95\xd7\x93\xd7\x94",
	  "#808080" },
	{ "{\"name\":\"\\u0663\"}", "\xd9\xa3", "\xd9\xa3", "#808080" }, /* a digit, Nd */
	{ "{\"name\":\"\\ud801\\udc00\"}", "\xf0\x90\x90\x80", "\xf0\x90\x90\xa8", "#808080" },
	{ "{\"name\":\"-\",\"open_tasks\":7,\"user_id\":[1],\"color\":\"#000000\"}", "-", "-",
	  "#000000" },
};

START_TEST(create_accepts)
{
	struct err err = { 0 };
	struct tag t;

	ck_assert_msg(tag_parse_create(arena, str_from(ACCEPTED[_i].body), &t, &err) == 0, "%s: %s",
		      ACCEPTED[_i].body, err.text);
	ck_assert_str_eq(t.name.name.p, ACCEPTED[_i].name);
	ck_assert_str_eq(t.name.key.p, ACCEPTED[_i].key);
	ck_assert_str_eq(t.color.p, ACCEPTED[_i].color);
	ck_assert_uint_eq(t.color.n, 7);
	ck_assert_int_eq(t.open_tasks, 0);
}
END_TEST

static const struct {
	const char *body;
	int status;
	const char *field;
} REFUSED[] = {
	{ "", 400, "body" },
	{ "[]", 400, "body" },
	{ "{}", 422, "body.name" },
	{ "{\"name\":null}", 422, "body.name" },
	{ "{\"name\":7}", 422, "body.name" },
	{ "{\"name\":\"\"}", 422, "body.name" },
	{ "{\"name\":\" \\u00a0\\u2003\\n \"}", 422, "body.name" },
	{ "{\"name\":\"\\u3164\\u115f \\u034f\"}", 422, "body.name" }, /* letters nobody sees */
	{ "{\"name\":\"a\\u0000b\"}", 400, "body" },
	{ "{\"name\":\"a\\u0007\"}", 422, "body.name" },
	{ "{\"name\":\"a\\tb\"}", 422, "body.name" },
	{ "{\"name\":\"a\\nb\"}", 422, "body.name" },
	{ "{\"name\":\"a\\u00a0b\"}", 422, "body.name" }, /* spaces that are not U+0020 */
	{ "{\"name\":\"a\\u3000b\"}", 422, "body.name" },
	{ "{\"name\":\"a\\u200bb\"}", 422, "body.name" },
	{ "{\"name\":\"a\\u200db\"}", 422, "body.name" },
	{ "{\"name\":\"a\\u202eb\"}", 422, "body.name" }, /* bidi */
	{ "{\"name\":\"\\u2066a\\u2069\"}", 422, "body.name" },
	{ "{\"name\":\"\\u200fa\"}", 422, "body.name" },
	{ "{\"name\":\"\\ufeffa\"}", 422, "body.name" },
	{ "{\"name\":\"a,b\"}", 422, "body.name" },
	{ "{\"name\":\"a/b\"}", 422, "body.name" },
	{ "{\"name\":\"#a\"}", 422, "body.name" },
	{ "{\"name\":\"a'b\"}", 422, "body.name" },
	{ "{\"name\":\"a\\\\b\"}", 422, "body.name" },
	{ "{\"name\":\"\\u00b2\"}", 422, "body.name" }, /* No, not Nd */
	{ "{\"name\":\"\\u2160\"}", 422, "body.name" }, /* Nl */
	{ "{\"name\":\"\\ud83c\\udf4e\"}", 422, "body.name" },
	{ "{\"name\":\"\\u2764\\ufe0f\"}", 422, "body.name" },
	{ "{\"name\":\"\\ue000\"}", 422, "body.name" }, /* private use */
	{ "{\"name\":\"\\u0378\"}", 422, "body.name" }, /* unassigned */
	{ "{\"name\":\"a\",\"color\":\"red\"}", 422, "body.color" },
	{ "{\"name\":\"a\",\"color\":\"\"}", 422, "body.color" },
	{ "{\"name\":\"a\",\"color\":\"#fff\"}", 422, "body.color" },
	{ "{\"name\":\"a\",\"color\":\"#ggffff\"}", 422, "body.color" },
	{ "{\"name\":\"a\",\"color\":\"#@fffff\"}", 422, "body.color" },
	{ "{\"name\":\"a\",\"color\":\"#ffffff0\"}", 422, "body.color" },
	{ "{\"name\":\"a\",\"color\":\"ffffff#\"}", 422, "body.color" },
	{ "{\"name\":\"a\",\"color\":\"#fffff\\u00e4\"}", 422, "body.color" },
	{ "{\"name\":\"a\",\"color\":7}", 422, "body.color" },
};

START_TEST(refuses)
{
	struct str body = str_from(REFUSED[_i].body);
	struct tag t = { .open_tasks = 42 }, changed = t;
	struct err err = { 0 };

	ck_assert_msg(tag_parse_create(arena, body, &t, &err) == -EINVAL, "%s", body.p);
	ck_assert_msg(err.kind->http_status == REFUSED[_i].status, "%s: %d", body.p,
		      err.kind->http_status);
	ck_assert_msg(str_starts(str_from(err.field), str_from(REFUSED[_i].field)), "%s: %s",
		      body.p, err.field);
	ck_assert(t.open_tasks == 42 && !t.name.name.p && !t.color.p); /* untouched */
	if (str_eq(body, STR("{}")))
		return; /* changes nothing, and may */
	ck_assert_int_eq(tag_parse_change(arena, body, &changed, &err), -EINVAL);
	ck_assert(changed.open_tasks == 42 && !changed.name.name.p && !changed.color.p);
}
END_TEST

START_TEST(refusals_say_what_is_allowed)
{
	struct tag_name t;
	struct err err = { 0 };

	ck_assert_int_eq(tag_name_parse(arena, STR("a,b"), "body.tags.2", &t, &err), -EINVAL);
	ck_assert_str_eq(err.field, "body.tags.2");
	ck_assert_ptr_eq(err.kind, &ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "letters, marks and digits"));
}
END_TEST

/* Counted after NFC: what joins is one. */
START_TEST(lengths_are_code_points)
{
	static const struct {
		const char *character;
		unsigned n; /* code points in NFC */
	} cases[] = {
		{ "x", 1 },
		{ "\xc3\xa4", 1 },
		{ "a\xcc\x88", 1 },
		{ "\xce\xb1\xcc\x93\xcc\x80\xcd\x85", 1 },     /* four that join */
		{ "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", 1 }, /* a syllable of three */
		{ "q\xcc\x88", 2 },			       /* nothing to join to */
		{ "\xf0\x90\x90\x80", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct str c = str_from(cases[i].character);
		size_t most = TAG_NAME_MAX / cases[i].n;
		struct err err = { 0 };
		struct tag_name t;
		struct buf b;

		buf_init(&b, 4096);
		for (size_t k = 0; k < most; k++)
			buf_append_str(&b, c);
		ck_assert_msg(tag_name_parse(arena, buf_str(&b), "f", &t, &err) == 0,
			      "case %zu: %s", i, err.text);
		ck_assert_uint_eq(utf8_count(t.name), TAG_NAME_MAX);
		buf_append_str(&b, c);
		ck_assert_int_eq(tag_name_parse(arena, buf_str(&b), "f", &t, &err), -EINVAL);
		ck_assert_ptr_nonnull(strstr(err.text, "at most 50"));
		buf_done(&b);
	}
}
END_TEST

START_TEST(huge_names_cost_nothing)
{
	static char huge[1 << 16];
	struct tag_name t;
	struct err err = { 0 };
	size_t used = arena_used(arena);

	for (size_t i = 0; i < sizeof(huge); i += 2)
		memcpy(huge + i, "\xcc\x81", 2);
	ck_assert_int_eq(tag_name_parse(arena, (struct str){ huge, sizeof(huge) }, "f", &t, &err),
			 -EINVAL);
	ck_assert_uint_eq(arena_used(arena), used);
}
END_TEST

START_TEST(changes_keep_what_is_absent)
{
	struct tag t = { .open_tasks = 3 };
	struct err err = { 0 };

	ck_assert_int_eq(tag_parse_create(arena, STR("{\"name\":\"A\",\"color\":\"#112233\"}"), &t,
					  &err),
			 0);
	t.open_tasks = 3;
	ck_assert_int_eq(tag_parse_change(arena, STR("{}"), &t, &err), 0);
	ck_assert_str_eq(t.name.name.p, "A");
	ck_assert_str_eq(t.color.p, "#112233");
	ck_assert_int_eq(tag_parse_change(arena, STR("{\"name\":\" B \"}"), &t, &err), 0);
	ck_assert_str_eq(t.name.name.p, "B");
	ck_assert_str_eq(t.name.key.p, "b");
	ck_assert_str_eq(t.color.p, "#112233");
	ck_assert_int_eq(tag_parse_change(arena, STR("{\"color\":\"#ABCDEF\",\"open_tasks\":9}"),
					  &t, &err),
			 0);
	ck_assert_str_eq(t.color.p, "#abcdef");
	ck_assert_int_eq(tag_parse_change(arena, STR("{\"color\":null}"), &t, &err), 0);
	ck_assert_str_eq(t.color.p, "#808080");
	ck_assert_str_eq(t.name.name.p, "B");
	ck_assert_int_eq(t.open_tasks, 3);
}
END_TEST

START_TEST(shown_as_json)
{
	struct tag t = { { STR("\xc3\x84 b"), STR("\xc3\xa4 b") }, STR("#010203"), 12 };
	struct json_out o;
	struct buf b;

	buf_init(&b, 4096);
	json_out_init(&o, &b);
	tag_write_json(&o, &t);
	ck_assert(str_eq(buf_str(&b), STR("{\"name\":\"\xc3\x84 b\",\"color\":\"#010203\","
					  "\"open_tasks\":12}")));
	buf_done(&b);
}
END_TEST

START_TEST(kinds)
{
	ck_assert_int_eq(ERR_TAG_NOT_FOUND.http_status, 404);
	ck_assert_int_eq(ERR_TAG_EXISTS.http_status, 409);
	ck_assert_int_eq(ERR_TAG_QUOTA.http_status, 422);
}
END_TEST

START_TEST(allocations_fail)
{
	static const char BODY[] = "{\"name\":\"\\u00c4rger A\\u0308\",\"color\":\"#ABCDEF\"}";
	unsigned failed = 0;

	if (!fail_alloc_works()) {
		puts("test_tag: left out: allocations cannot be made to fail here");
		return;
	}
	for (uint64_t nth = 1;; nth++) {
		struct arena *a = arena_new(1 << 20);
		struct tag t = { .open_tasks = 42 };
		struct err err = { 0 };
		int r;

		arena_alloc(a, 4000); /* nearly used up, so that what comes needs malloc */
		fail_alloc_arm(nth);
		r = tag_parse_create(a, STR(BODY), &t, &err);
		if (!fail_alloc_disarm()) {
			ck_assert_int_eq(r, 0);
			arena_free(a);
			break;
		}
		ck_assert(r == 0 || (r == -ENOMEM && err.kind == &ERR_UNAVAILABLE &&
				     err.retry_after_s > 0 && t.open_tasks == 42 && !t.color.p));
		failed += r < 0;
		arena_free(a);
	}
	ck_assert_uint_ge(failed, 3); /* the arena, the normal form, the folding */
}
END_TEST

/* An arena of each size up to the one that is enough. */
START_TEST(arenas_run_out)
{
	for (size_t size = 0;; size += 16) {
		struct arena *a = arena_new(size);
		struct tag t = { .open_tasks = 42 };
		struct err err = { 0 };
		int r = tag_parse_create(a, STR("{\"name\":\"\\u00c4\",\"color\":\"#ABCDEF\"}"), &t,
					 &err);

		arena_free(a);
		if (r == 0)
			break;
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_ptr_eq(err.kind, &ERR_UNAVAILABLE);
		ck_assert_int_eq(t.open_tasks, 42);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tag");
	TCase *tc = tcase_create("tag");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, create_accepts, 0, ARRAY_SIZE(ACCEPTED));
	tcase_add_loop_test(tc, refuses, 0, ARRAY_SIZE(REFUSED));
	tcase_add_test(tc, refusals_say_what_is_allowed);
	tcase_add_test(tc, lengths_are_code_points);
	tcase_add_test(tc, huge_names_cost_nothing);
	tcase_add_test(tc, changes_keep_what_is_absent);
	tcase_add_test(tc, shown_as_json);
	tcase_add_test(tc, kinds);
	tcase_add_test(tc, allocations_fail);
	tcase_add_test(tc, arenas_run_out);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
