/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands from hostile text. What must hold: the same text gives the same answer; spans lie in the
 * text; what a task is called was said in the text, in this order; what deletes or
 * completes says which task; an answer is one JSON object on one line; the reply keeps its bound; a
 * plan names only tasks that there are, and so does the answer to a question.
 */
#include "assistant/rules_reply.h"

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
	rules_write_json(&o, text, c, (struct str){ NULL, 0 }, NULL);
	MUST(buf_status(out) == 0 && out->n > 2 && out->p[0] == '{' && out->p[out->n - 1] == '}');
	MUST(memchr(out->p, '\n', out->n) == NULL);
}

static const struct rules_task TASKS[] = {
	{ .id = 3, .title = STR_INIT("team meeting") },
	{ .id = 4, .title = STR_INIT("Meeting with Bob"), .completed = true },
	{ .id = 9,
	  .title = STR_INIT("buy milk"),
	  .has_due = true,
	  .due = { .at = { .year = 2026, .month = 3, .day = 18 }, .all_day = true } },
};

static bool is_task(int64_t id)
{
	return id == 3 || id == 4 || id == 9;
}

static void check_plan(const struct rules_command *c, const struct due_context *ctx,
		       struct buf *out)
{
	const struct rules_memory memory = { .shown = { 9, 3 }, .n_shown = 2, .it = 4 };
	struct rules_outcome o = { .tasks = TASKS, .is_known = true };

	rules_plan(c, &memory, TASKS, ARRAY_SIZE(TASKS), ctx, &o.plan);
	MUST(o.plan.n <= ARRAY_SIZE(TASKS) && o.plan.n <= o.plan.total);
	for (size_t i = 0; i < o.plan.n; i++)
		MUST(is_task(o.plan.ids[i]));
	MUST((o.plan.n == 0) ==
	     (o.plan.step == RULES_STEP_FREE || o.plan.step == RULES_STEP_MISSING));
	MUST(!c->ask || (o.plan.step != RULES_STEP_ACT && o.plan.step != RULES_STEP_FREE));
	o.n = o.plan.n;
	buf_clear(out);
	rules_reply(out, c, &o, ctx);
	MUST(buf_status(out) == 0 && out->n > 0);
}

/* The whole text as the answer to a question about all tasks. */
static void check_answer(struct arena *arena, struct str text, const struct due_context *ctx,
			 enum rules_step step)
{
	const struct rules_pending p = { .step = step, .ids = { 3, 4, 9 }, .n = 3 };
	int64_t ids[RULES_TARGETS_MAX];
	enum rules_answer answer;
	size_t n = 0;

	MUST(rules_answer(arena, &p, text, ctx, TASKS, &answer, ids, &n) == 0);
	MUST((answer == RULES_ANSWER_GO) == (n > 0) && n <= 3);
	for (size_t i = 0; i < n; i++)
		MUST(is_task(ids[i]));
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
		buf_init(&one, OUT_MAX);
		for (const struct rules_command *c = first; c; c = c->next)
			check_plan(c, &ctx, &one);
		buf_clear(&one);
		rules_reply_preview(&one, first, &ctx);
		MUST(buf_status(&one) == 0 && one.n > 0 && utf8_valid(buf_str(&one)));
		buf_done(&one);
		check_answer(b, text, &ctx, RULES_STEP_SURE);
		check_answer(b, text, &ctx, RULES_STEP_WHICH);
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
