/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a command to the tasks it means, and from an answer to the tasks it allows. What is unsure,
 * destroys or touches several tasks becomes a question; a task is never guessed.
 */
#include "assistant/rules_dialogue.h"
#include "rules_private.h"

/* ---- filters ---- */

static bool has_tags(const struct rules_task *task, const struct rules_tags *wanted)
{
	for (size_t i = 0; i < wanted->n; i++) {
		bool found = false;
		for (size_t k = 0; task->tags && k < task->tags->n && !found; k++)
			found = str_eq_nocase(task->tags->v[k], wanted->v[i]);
		if (!found)
			return false;
	}
	return true;
}

static bool is_part_of_day(const struct rules_task *task, const char *part)
{
	int hour = task->due.at.hour;

	if (!task->has_due || task->due.all_day)
		return false;
	if (*part == 'm')
		return hour < 12;
	return *part == 'a' ? hour >= 12 && hour < 18 : hour >= 17;
}

/* A day that is due today is not late before it is over. */
static bool is_overdue(const struct rules_task *task, const struct due_context *ctx)
{
	int64_t due = due_instant_us(&task->due, ctx->tz);

	if (!task->has_due || task->completed)
		return false;
	return (task->due.all_day ? due + TIME_S_PER_DAY * TIME_US_PER_S : due) <= ctx->now_us;
}

static bool in_window(const struct rules_filter *f, const struct rules_task *task,
		      const struct due_context *ctx)
{
	int64_t due;

	if (f->status == RULES_COMPLETED || (!f->has_after && !f->has_before))
		return true;
	if (!task->has_due)
		return false;
	due = due_instant_us(&task->due, ctx->tz);
	return (!f->has_after || due >= due_instant_us(&f->after, ctx->tz)) &&
	       (!f->has_before || due < due_instant_us(&f->before, ctx->tz));
}

static bool is_about(const struct rules_task *task, struct str words)
{
	enum rules_fit fit;
	size_t at[RULES_CHOICES_MAX];

	return !words.n || (rules_pick(words, task, 1, &fit, at) && fit >= RULES_FIT_TYPO);
}

bool rules_fits(const struct rules_filter *f, const struct rules_task *task,
		const struct due_context *ctx)
{
	if (f->status == RULES_PENDING && task->completed)
		return false;
	if (f->status == RULES_COMPLETED && !task->completed)
		return false;
	return (!f->overdue || is_overdue(task, ctx)) &&
	       (!f->priorities || f->priorities & 1u << task->priority) &&
	       has_tags(task, &f->tags) && (!f->part || is_part_of_day(task, f->part)) &&
	       in_window(f, task, ctx) && is_about(task, f->search);
}

/* ---- plans ---- */

static void add(struct rules_plan *p, int64_t id)
{
	if (p->n < RULES_TARGETS_MAX)
		p->ids[p->n++] = id;
	p->total++;
}

static bool exists(const struct rules_task *tasks, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (tasks[i].id == id)
			return true;
	return false;
}

/* The k-th of the list last shown, from its end when k is negative; 0: there is none. */
static int64_t shown(const struct rules_memory *m, int64_t k)
{
	int64_t n = (int64_t)m->n_shown;

	k = k < 0 ? n + k + 1 : k;
	return k >= 1 && k <= n ? m->shown[k - 1] : 0;
}

static int64_t by_number(const struct rules_command *c, const struct rules_memory *m,
			 const struct rules_task *tasks, size_t n)
{
	int64_t k = c->ref.number;

	if (c->ref.kind == RULES_REF_ID)
		return exists(tasks, n, k) ? k : shown(m, k);
	return k == 0 ? m->it : shown(m, k);
}

static void plan_title(const struct rules_command *c, const struct rules_task *tasks, size_t n,
		       struct rules_plan *p)
{
	size_t at[RULES_CHOICES_MAX];
	size_t count = rules_pick(c->ref.title, tasks, n, &p->fit, at);

	for (size_t i = 0; i < count && i < RULES_CHOICES_MAX; i++)
		add(p, tasks[at[i]].id);
	p->total = count;
	if (count > 1)
		p->step = RULES_STEP_WHICH;
	else if (p->fit == RULES_FIT_PART ||
		 (p->fit == RULES_FIT_TYPO && c->intent == RULES_DELETE))
		p->step = RULES_STEP_SURE;
}

static bool needs_task(const struct rules_command *c)
{
	return c->ref.kind != RULES_REF_NONE && c->intent != RULES_CONFIRM;
}

void rules_plan(const struct rules_command *c, const struct rules_memory *memory,
		const struct rules_task *tasks, size_t n, const struct due_context *ctx,
		struct rules_plan *ret)
{
	*ret = (struct rules_plan){ .step = RULES_STEP_FREE };
	if (!needs_task(c))
		return;
	ret->step = RULES_STEP_ACT;
	if (c->ref.kind == RULES_REF_TITLE) {
		plan_title(c, tasks, n, ret);
	} else if (c->ref.kind == RULES_REF_FILTER) {
		for (size_t i = 0; i < n; i++)
			if (rules_fits(&c->ref.filter, &tasks[i], ctx))
				add(ret, tasks[i].id);
	} else {
		int64_t id = by_number(c, memory, tasks, n);
		if (id && exists(tasks, n, id))
			add(ret, id);
	}
	if (!ret->n)
		ret->step = RULES_STEP_MISSING;
	else if (c->ask && ret->step == RULES_STEP_ACT)
		ret->step = RULES_STEP_SURE;
}

/* ---- answers ---- */

static size_t choose(const struct rules_pending *p, int64_t k, int64_t *ret_ids)
{
	int64_t n = (int64_t)p->n;

	k = k < 0 ? n + k + 1 : k;
	if (k < 1 || k > n)
		return 0;
	ret_ids[0] = p->ids[k - 1];
	return 1;
}

static size_t choose_all(const struct rules_pending *p, int64_t *ret_ids)
{
	for (size_t i = 0; i < p->n; i++)
		ret_ids[i] = p->ids[i];
	return p->n;
}

/* "2", "the second one", "both". A number is a place in the list, else the id of a task in it. */
static size_t choose_ref(const struct rules_pending *p, const struct rules_ref *ref,
			 int64_t *ret_ids)
{
	if (ref->kind == RULES_REF_FILTER)
		return choose_all(p, ret_ids);
	if (ref->kind == RULES_REF_ORDINAL && ref->number == 0)
		return p->n == 1 ? choose_all(p, ret_ids) : 0;
	if (ref->kind != RULES_REF_ID && ref->kind != RULES_REF_ORDINAL)
		return 0;
	size_t n = choose(p, ref->number, ret_ids);
	for (size_t i = 0; !n && i < p->n && ref->kind == RULES_REF_ID; i++)
		if (p->ids[i] == ref->number)
			n = choose(p, (int64_t)i + 1, ret_ids);
	return n;
}

static size_t choose_title(const struct rules_pending *p, struct str text,
			   const struct rules_task *offered, int64_t *ret_ids)
{
	enum rules_fit fit;
	size_t at[RULES_CHOICES_MAX];

	if (!offered || rules_pick(text, offered, p->n, &fit, at) != 1 || fit == RULES_FIT_PART)
		return 0;
	return choose(p, (int64_t)at[0] + 1, ret_ids);
}

/* The tasks that an answer names: by "yes", by place, number or title. */
static size_t read_choice(struct arena *arena, const struct rules_pending *p, struct str text,
			  const struct due_context *ctx, const struct rules_task *offered,
			  const struct rules_command *c, int64_t *ret_ids)
{
	bool is_yes = c->intent == RULES_CONFIRM && c->ref.kind == RULES_REF_NONE;
	struct rules_ref ref;
	size_t n = 0;

	if (is_yes)
		n = p->step == RULES_STEP_SURE || p->n == 1 ? choose_all(p, ret_ids) : 0;
	else if (c->intent == RULES_CONFIRM)
		n = choose_ref(p, &c->ref, ret_ids);
	if (!n && rules_read_choice(arena, text, ctx, &ref))
		n = choose_ref(p, &ref, ret_ids);
	return !n && c->intent == RULES_UNKNOWN ? choose_title(p, text, offered, ret_ids) : n;
}

int rules_answer(struct arena *arena, const struct rules_pending *p, struct str text,
		 const struct due_context *ctx, const struct rules_task *offered,
		 enum rules_answer *ret, int64_t ret_ids[RULES_TARGETS_MAX], size_t *ret_n)
{
	const struct rules_command *c;

	int r = rules_parse(arena, text, ctx, &c);
	if (r < 0)
		return r;
	*ret = RULES_ANSWER_OTHER;
	if (p->step == RULES_STEP_FREE)
		return 0;
	if (c->intent == RULES_DENY)
		*ret = RULES_ANSWER_STOP;
	if (c->intent != RULES_UNKNOWN && c->intent != RULES_CONFIRM)
		return 0;
	*ret_n = read_choice(arena, p, text, ctx, offered, c, ret_ids);
	*ret = *ret_n ? RULES_ANSWER_GO : RULES_ANSWER_AGAIN;
	return 0;
}
