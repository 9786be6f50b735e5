/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands from hostile text. What must hold: the same text gives the same answer; spans lie in the
 * text; what a task is called was said in the text, in this order; what deletes or
 * completes says which task; an answer is one JSON object on one line.
 */
#include "assistant/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                         \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			abort();                                                \
		}                                                               \
	} while (0)

enum { ARENA_MAX = 16 * 1024 * 1024, OUT_MAX = 4 * 1024 * 1024 };

/* Every byte of the title but spaces stands in the text, in order. */
static void check_title(struct str title, struct str text)
{
	size_t at = 0;

	for (size_t i = 0; i < title.n; i++) {
		if (title.p[i] == ' ')
			continue;
		while (at < text.n && text.p[at] != title.p[i])
			at++;
		MUST(at < text.n);
		at++;
	}
}

static void check_command(const struct rules_command *c, struct str text)
{
	MUST(c->intent < _RULES_INTENT_MAX && c->n_spans <= RULES_SPANS_MAX);
	MUST(c->tags.n <= RULES_TAGS_MAX && c->filter.tags.n <= RULES_TAGS_MAX);
	for (size_t i = 0; i < c->n_spans; i++)
		MUST(c->spans[i].start < c->spans[i].end && c->spans[i].end <= text.n);
	check_title(c->title, text);
	if (c->intent == RULES_ADD)
		MUST(c->title.n > 0);
	if (c->intent == RULES_DELETE || c->intent == RULES_COMPLETE)
		MUST(c->ref.kind != RULES_REF_NONE);
}

static void write_all(struct buf *out, struct str text, const struct rules_command *c)
{
	struct json_out o;

	buf_init(out, OUT_MAX);
	json_out_init(&o, out);
	rules_write_json(&o, text, c, NULL);
	MUST(buf_status(out) == 0 && out->n > 2 && out->p[0] == '{' && out->p[out->n - 1] == '}');
	MUST(memchr(out->p, '\n', out->n) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct due_context ctx = { .now_us = INT64_C(1773842400) * 1000000 };
	const struct rules_command *first, *again;
	struct arena *a = arena_new(ARENA_MAX), *b = arena_new(ARENA_MAX);
	struct buf one, two;
	size_t n = 0;

	MUST(a && b);
	if (size > RULES_TEXT_MAX) {
		MUST(rules_parse(a, text, &ctx, &first) < 0);
	} else {
		MUST(rules_parse(a, text, &ctx, &first) == 0);
		MUST(rules_parse(b, text, &ctx, &again) == 0);
		for (const struct rules_command *c = first; c; c = c->next, n++)
			check_command(c, text);
		MUST(n <= RULES_COMMANDS_MAX);
		write_all(&one, text, first);
		write_all(&two, text, again);
		MUST(one.n == two.n && !memcmp(one.p, two.p, one.n));
		buf_done(&one);
		buf_done(&two);
	}
	arena_free(a);
	arena_free(b);
	return 0;
}
