/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tasks a list or a bulk command means: every word must be understood, so that "show me the
 * weather" is no list.
 */
#include "rules_private.h"

static const char NOISE[] =
	"me|us|all|my|the|of|are|is|do|i|have|to|that|which|with|for|in|on|at|we|our|there|and|or|any|"
	"thats|just|only|up|out|still|currently|got|been|be|so|far|need|still|must|should|right|now|here|these|those|"
	"please|else|can|been|were|was|did|as|again|ones|one|yet|by|from|list|lists|everything|anything|thing|"
	"things|stuff|whole|entire|current|existing|full|coming|upcoming|due|marked|status|priority|get|"
	"something|next|has|not|available|planned|scheduled|set|hey|them|many|task|todo|date|tagged|"
	"tag|label|labeled|labelled|level|it|every|each|both|set|how|what|whats|already|today's|ive|his|various";

struct reading {
	struct rules_text *t;
	struct rules_range at;
	struct rules_filter *f;
	bool tasks;
	const struct due *date;
};

static bool status_word(struct reading *r, size_t i)
{
	if (rules_is(r->t, i, "overdue|late|missed|delayed|lapsed"))
		r->f->overdue = true;
	else if (i + 1 < r->at.to && rules_is(r->t, i, "past") && rules_is(r->t, i + 1, "due"))
		r->f->overdue = true;
	else if (rules_is(r->t, i, "not|un|incomplete") && i + 1 < r->at.to &&
		 rules_is(r->t, i + 1, "D"))
		r->f->status = RULES_PENDING;
	else if (rules_is(r->t, i,
			  "pending|open|incomplete|undone|unfinished|active|outstanding|remaining|"
			  "uncompleted|left|unchecked"))
		r->f->status = RULES_PENDING;
	else if (rules_is(r->t, i, "done|completed|finished|complete|checked|closed|accomplished"))
		r->f->status = r->f->status == RULES_PENDING && i > r->at.from &&
					       rules_is(r->t, i - 1, "not")
				       ? RULES_PENDING
				       : RULES_COMPLETED;
	else
		return false;
	r->tasks = true;
	return true;
}

static bool task_word(struct reading *r, size_t i)
{
	bool plural =
		rules_is(r->t, i, "tasks|todos|items|chores|taks|reminders|todo|things|agenda");

	if (rules_is(r->t, i, "everything|anything|due|deadline|deadlines"))
		plural = true;
	if (rules_is(r->t, i, "all") && r->at.to - r->at.from == 1)
		plural = true;
	if (rules_is(r->t, i, "list|lists"))
		plural = i == r->at.from || !rules_is(r->t, i - 1, "a|an|to");
	if (rules_is(r->t, i, "task|item") && i > r->at.from &&
	    rules_is(r->t, i - 1, "my|next|each|every|any|last"))
		plural = true;
	r->tasks |= plural;
	if (rules_is(r->t, i, "everything|all") && r->f->status == RULES_STATUS_UNSET)
		r->f->status = RULES_ALL;
	return plural;
}

/* "my shopping list" holds what was tagged so. */
static bool names_list(struct reading *r, size_t i)
{
	bool is_list = rules_is(r->t, i, "shopping|grocery|packing|reading") && i + 1 < r->at.to &&
		       rules_is(r->t, i + 1, "list");

	r->tasks |= is_list;
	return is_list;
}

/* How many words the tag phrase at i has. */
static size_t tag_words(struct reading *r, size_t i)
{
	struct rules_text *t = r->t;
	struct str w = t->words[i].folded;
	size_t j = i + 1;

	if (w.n > 1 && strchr("#@+", *w.p)) {
		r->tasks |= *w.p == '#';
		return rules_tag_add(&r->f->tags, rules_slice(t, (struct rules_range){ i, i + 1 }))
			       ? 1
			       : 0;
	}
	if (names_list(r, i))
		return rules_tag_add(&r->f->tags, rules_slice(t, (struct rules_range){ i, j }));
	if (!rules_is(t, i, "tagged|labeled|labelled|tag|tags|label"))
		return 0;
	if (j < r->at.to && rules_is(t, j, "as|with|under|called|of"))
		j++;
	if (j >= r->at.to || t->words[j].due)
		return 0;
	while (j < r->at.to && !t->words[j].due && !rules_is(t, j, "due|that|which|for|in")) {
		if (!rules_is(t, j, "and|or") &&
		    !rules_tag_add(&r->f->tags, rules_slice(t, (struct rules_range){ j, j + 1 })))
			return 0;
		j++;
	}
	r->tasks = true;
	return j - i;
}

static bool names_tasks(const struct rules_text *t, size_t i)
{
	return rules_is(t, i, "tasks|todos|items|chores|stuff|things|todo");
}

static bool part_of_day(struct reading *r, size_t i)
{
	static const char *const PARTS[] = { "morning", "afternoon", "evening" };

	for (size_t k = 0; k < 3; k++)
		if (rules_is(r->t, i, PARTS[k])) {
			r->f->part = PARTS[k];
			return true;
		}
	return false;
}

/* "due Friday" is that day, "due by Friday" any day up to it. */
static bool is_deadline(const struct reading *r, const struct due *d)
{
	for (size_t i = r->at.from; i < r->at.to; i++)
		if (r->t->words[i].due == d && r->t->words[i].start < d->start &&
		    rules_is(r->t, i, "by|before|until|till|til|through|deadline|within"))
			return true;
	return false;
}

static bool one_date(struct reading *r, const struct due *d)
{
	if (r->date && r->date != d)
		return false;
	r->date = d;
	rules_window(d, is_deadline(r, d), r->f);
	return true;
}

/* "work tasks": a word that is none of ours before them is a tag. */
static bool tag_before_tasks(struct reading *r, size_t i)
{
	struct rules_text *t = r->t;
	struct rules_range at = { i, i + 1 };

	if (at.to >= r->at.to || !names_tasks(t, at.to) || rules_is(t, i, NOISE) ||
	    rules_is(t, i, "T|A") || rules_foreign(t, at))
		return false;
	r->tasks = true;
	return rules_tag_add(&r->f->tags, rules_slice(t, at));
}

static size_t priority_or_tag(struct reading *r, size_t i)
{
	enum task_priority priority;
	size_t n = rules_priority(r->t, (struct rules_range){ i, r->at.to }, &priority);

	if (!n)
		return tag_words(r, i);
	r->f->priorities |= 1u << priority;
	r->tasks |= n > 1 || priority >= TASK_HIGH;
	return n;
}

/* How many words are understood at i; 0 for none. */
static size_t read_one(struct reading *r, size_t i)
{
	struct rules_text *t = r->t;
	const struct due *d = t->words[i].due;
	size_t n;

	if (d && d->start <= t->words[i].start && (d->has_value || d->has_end))
		return one_date(r, d) ? 1 : 0;
	if (status_word(r, i))
		return 1;
	n = priority_or_tag(r, i);
	if (n)
		return n;
	if (rules_is(t, i, "about|regarding|mentioning|containing|named|called") &&
	    i + 1 < r->at.to) {
		r->f->search = rules_slice(t, (struct rules_range){ i + 1, r->at.to });
		return r->at.to - i;
	}
	if (task_word(r, i) || part_of_day(r, i) || d)
		return 1;
	if (tag_before_tasks(r, i))
		return 1;
	return rules_is(t, i, NOISE) ? 1 : 0;
}

bool rules_read_filter(struct rules_text *t, struct rules_range at, struct rules_filter *ret,
		       bool *ret_tasks)
{
	struct rules_filter f = *ret;
	struct reading r = { .t = t, .at = at, .f = &f };
	bool all = false;

	if (at.to - at.from > RULES_REACH)
		return false;
	for (size_t i = at.from; i < at.to;) {
		size_t n = read_one(&r, i);
		if (!n)
			return false;
		all |= rules_is(t, i, "all|everything|every");
		i += n;
	}
	if (all && f.status == RULES_STATUS_UNSET && !f.overdue && !f.priorities && !f.tags.n &&
	    !f.has_before && !f.has_after)
		f.status = RULES_ALL;
	*ret = f;
	*ret_tasks = r.tasks;
	return true;
}
