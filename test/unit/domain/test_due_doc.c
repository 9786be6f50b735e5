/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/language.md is the specification of the date language: every row of its tables is run. The
 * columns are what is said, the words found, and their values.
 */
#include "domain/due.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_SIZE = 1024, ROWS_MIN = 150 };

static const char DOCUMENT[] = "docs/language.md";

static void put_value(struct buf *out, const struct due *d)
{
	if (d->kind == DUE_SET)
		buf_printf(out, "%.*s from ", STR_ARGS(d->rrule));
	if (d->kind == DUE_DURATION)
		buf_append_str(out, d->iso);
	else
		due_append_value(out, &d->value, NULL);
	if (out->n > 0 && out->p[out->n - 1] == 'Z')
		out->n--;
	if (d->kind == DUE_RANGE) {
		buf_printf(out, " to ");
		due_append_value(out, &d->end_value, NULL);
		if (out->p[out->n - 1] == 'Z')
			out->n--;
	}
	if (d->problem != NULL)
		buf_printf(out, " (%s)", d->problem);
}

/* The row as the page must have it. */
static void render(struct str said, struct buf *out)
{
	/* Wednesday, 18 March 2026, 10:00 UTC */
	const struct due_context ctx = { .now_us = INT64_C(1773828000) * TIME_US_PER_S };
	struct arena *arena = arena_new(1024 * 1024);
	struct due_list list;
	struct buf values;
	bool is_first = true;

	ck_assert_int_eq(due_find(arena, said, &ctx, &list), 0);
	buf_init(&values, LINE_SIZE);
	buf_printf(out, "| `%.*s` | ", STR_ARGS(said));
	for (size_t i = 0; i < list.n; i++) {
		const struct due *d = &list.v[i];
		if ((d->flags & DUE_IMPOSSIBLE) != 0)
			continue;
		buf_printf(out, "%s`%.*s`", is_first ? "" : " ; ", (int)(d->end - d->start),
			   said.p + d->start);
		buf_printf(&values, "%s`", is_first ? "" : " ; ");
		put_value(&values, d);
		buf_append_char(&values, '`');
		is_first = false;
	}
	if (is_first)
		buf_printf(out, "| |");
	else
		buf_printf(out, " | %.*s |", STR_ARGS(buf_str(&values)));
	buf_done(&values);
	arena_free(arena);
}

static int check_line(const char *line)
{
	struct str row = str_trim(str_from(line));
	struct buf out;

	if (!str_starts(row, STR("| `")))
		return 0;
	ssize_t end = str_find_char(row, '`', 3);
	ck_assert_int_gt(end, 3);
	buf_init(&out, (size_t)4 * LINE_SIZE);
	render((struct str){ row.p + 3, (size_t)end - 3 }, &out);
	if (!str_eq(buf_str(&out), row))
		ck_abort_msg("the page says\n%.*s\nthe engine\n%.*s", STR_ARGS(row),
			     STR_ARGS(buf_str(&out)));
	buf_done(&out);
	return 1;
}

START_TEST(every_row_of_the_page)
{
	char line[LINE_SIZE];
	int rows = 0;
	bool is_inside = false;
	FILE *f = fopen(DOCUMENT, "r");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (str_starts(str_from(line), STR("<!-- dates")))
			is_inside = true;
		else if (str_starts(str_from(line), STR("<!-- /dates")))
			is_inside = false;
		else if (is_inside)
			rows += check_line(line);
	}
	fclose(f);
	ck_assert_int_ge(rows, ROWS_MIN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("due_doc");
	TCase *tc = tcase_create("page");
	tcase_add_test(tc, every_row_of_the_page);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
