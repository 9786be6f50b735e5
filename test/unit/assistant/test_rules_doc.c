/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The printed run of `todod parse` in docs/language.md: every line of its output is what the
 * command says today, for the sentences above it.
 */
#include "app/command_parse.h"
#include "base/buf.h"
#include "base/json.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { DOCUMENT_MAX = 256 * 1024, LINES_MIN = 38 };

static const char DOCUMENT[] = "docs/language.md", SENTENCES[] = "<!-- sentences -->";

/* From the marker to the end of the page. */
static char *read_part(void)
{
	static char page[DOCUMENT_MAX];
	FILE *f = fopen(DOCUMENT, "r");

	ck_assert_msg(f != NULL, "%s: run in the root of the tree", DOCUMENT);
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	fclose(f);
	char *part = strstr(page, SENTENCES);
	ck_assert_ptr_nonnull(part);
	return part;
}

/* The next string in double quotes of the printf, or NULL. */
static char *next_sentence(char **at, const char *end)
{
	char *from = strchr(*at, '"');

	if (from == NULL || from >= end)
		return NULL;
	char *to = strchr(from + 1, '"');
	ck_assert_ptr_nonnull(to);
	*to = '\0';
	*at = to + 1;
	return from + 1;
}

static void run(struct buf *in, struct buf *out)
{
	const struct command_parse options = { .is_plain = true,
					       .now = STR("2026-03-18T10:00:00"),
					       .tz = STR("America/New_York") };
	FILE *from = fmemopen(in->p, in->n, "r"), *to;
	char *text = NULL;
	size_t n = 0;

	to = open_memstream(&text, &n);
	ck_assert(from != NULL && to != NULL);
	ck_assert_int_eq(command_parse(&options, from, to), 0);
	fclose(from);
	fclose(to);
	buf_append(out, text, n);
	free(text);
}

START_TEST(the_printed_run_is_true)
{
	char *at = read_part(), *end = strstr(at, "```json\n"), *sentence;
	struct buf in, out;
	struct str printed, got, want;
	int lines = 0;

	ck_assert_ptr_nonnull(end);
	buf_init(&in, DOCUMENT_MAX);
	buf_init(&out, DOCUMENT_MAX);
	while ((sentence = next_sentence(&at, end)) != NULL)
		buf_printf(&in, "%s\n", sentence);
	run(&in, &out);
	printed = str_from(end + strlen("```json\n"));
	struct str rest = buf_str(&out);
	while (str_split(&rest, '\n', &got) && got.n > 0) {
		ck_assert(str_split(&printed, '\n', &want));
		ck_assert_msg(str_eq(got, want), "\n  is: %.*s\npage: %.*s", STR_ARGS(got),
			      STR_ARGS(want));
		lines++;
	}
	ck_assert_int_ge(lines, LINES_MIN);
	ck_assert(str_split(&printed, '\n', &want) && str_eq(want, STR("```")));
	buf_done(&in);
	buf_done(&out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("assistant/rules_doc");
	TCase *tc = tcase_create("doc");
	SRunner *sr;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_printed_run_is_true);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
