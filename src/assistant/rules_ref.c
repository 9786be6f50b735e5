/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which task is meant: a number, a place in the list last shown, "it", several by a filter, or
 * words of the title. Several numbers become several commands.
 */
#include "rules_private.h"

static const char *const ORDINALS[] = {
	"first|1st|top", "second|2nd",	"third|3rd",  "fourth|4th", "fifth|5th",
	"sixth|6th",	 "seventh|7th", "eighth|8th", "ninth|9th",  "tenth|10th",
};

static const char LABEL[] = "T|number|no|nr|num|id|nos|numbers|ids|#";

static void set(struct rules_command *c, enum rules_ref_kind kind, int64_t number)
{
	c->ref.kind = kind;
	c->ref.number = number;
}

static int64_t ordinal(const struct rules_text *t, size_t i)
{
	for (size_t k = 0; k < sizeof(ORDINALS) / sizeof(ORDINALS[0]); k++)
		if (rules_is(t, i, ORDINALS[k]))
			return (int64_t)k + 1;
	return rules_is(t, i, "last|latest|final|bottom|newest") ? -1 : 0;
}

/* "the second one", "last", "second to last task". */
static bool read_ordinal(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	size_t i = at.from;
	int64_t n;

	while (i < at.to && rules_is(t, i, "the|my|that|this"))
		i++;
	if (i == at.to)
		return false;
	n = ordinal(t, i++);
	if (!n)
		return false;
	if (i + 1 < at.to && rules_is(t, i, "to") && rules_is(t, i + 1, "last")) {
		n = -n;
		i += 2;
	}
	i += i < at.to && rules_is(t, i, "T|one|thing");
	while (i < at.to && rules_is(t, i, "on|in|of|from|the|my|L|that|i|you|added|just|showed"))
		i++;
	if (i != at.to)
		return false;
	set(c, RULES_REF_ORDINAL, n);
	return true;
}

static bool read_it(const struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	size_t n = at.to - at.from;

	if (!(n == 1 && rules_is(t, at.from, "it|that|this")) &&
	    !(n == 2 && rules_is(t, at.from, "that|this|the") &&
	      rules_is(t, at.from + 1, "one|task|item|todo")) &&
	    !(n == 3 && rules_is(t, at.from, "the") && rules_is(t, at.from + 1, "same|current") &&
	      rules_is(t, at.from + 2, "one|task|item|todo")))
		return false;
	set(c, RULES_REF_ORDINAL, 0);
	return true;
}

/* Not "-1", and no mark that turns the direction of text before it. */
static bool stands_free(const struct rules_text *t, size_t i)
{
	size_t start = t->words[i].start;
	char before = start ? t->text.p[start - 1] : ' ';

	return before == ' ' || before == '#' || before == ',' || before == '\t';
}

static void each_number(struct rules_text *t, struct rules_command *c, enum rules_ref_kind kind,
			const int64_t *ids, size_t n)
{
	set(c, kind, ids[0]);
	for (size_t k = 1; k < n; k++) {
		struct rules_command *more = rules_more(t, c);
		if (!more)
			break;
		const struct rules_command *next = more->next;
		*more = *c;
		more->next = next;
		set(more, kind, ids[k]);
	}
}

/* "the first two": places in the list, each a command like c. */
static bool read_first_few(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	int64_t n, places[RULES_COMMANDS_MAX];
	size_t i = at.from;

	i += i < at.to && rules_is(t, i, "the|my");
	if (i + 2 > at.to || !rules_is(t, i, "first|top") ||
	    !rules_number(t->words[i + 1].folded, &n) || n < 2 || n > RULES_COMMANDS_MAX)
		return false;
	i += 2;
	while (i < at.to && rules_is(t, i, "T|ones|on|in|of|the|my|L|items|things"))
		i++;
	if (i != at.to)
		return false;
	for (int64_t k = 0; k < n; k++)
		places[k] = k + 1;
	each_number(t, c, RULES_REF_ORDINAL, places, (size_t)n);
	return true;
}

static bool one_number(const struct rules_text *t, size_t i, bool label, int64_t *ret)
{
	struct str w = t->words[i].folded;
	bool digits = w.n && strchr("#0123456789", *w.p);

	if (digits ? !stands_free(t, i) : !label)
		return false;
	return rules_number(w, ret) && *ret >= 1;
}

/* "3", "#3", "task 3", "tasks 3, 5 and 7": each number is a command like c. */
static bool read_numbers(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	int64_t ids[RULES_COMMANDS_MAX];
	size_t n = 0, i = at.from;
	bool label = false;

	while (i < at.to && rules_is(t, i, "the|my|A|with") && !rules_is(t, i, "one"))
		i++;
	for (; i < at.to && rules_is(t, i, LABEL); i++)
		label = true;
	for (; i < at.to; i++) {
		if (n && rules_is(t, i, "and|or|T|number|also"))
			continue;
		if (n == RULES_COMMANDS_MAX || !one_number(t, i, label, &ids[n]))
			return false;
		n++;
	}
	if (n)
		each_number(t, c, RULES_REF_ID, ids, n);
	return n > 0;
}

static bool several(const struct rules_text *t, size_t i)
{
	return rules_is(
		t, i,
		"all|every|everything|each|tasks|todos|items|chores|ones|them|list|both|these|those|"
		"taks|things");
}

static bool narrowed(const struct rules_filter *f)
{
	return f->status != RULES_STATUS_UNSET || f->overdue || f->priorities || f->tags.n ||
	       f->has_after || f->has_before || f->part;
}

/* "my morning meetings": the part of the day, and a plural for the title. */
static bool read_part(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	struct rules_filter f = { .part = NULL };
	size_t i = at.from;
	bool tasks;

	while (i < at.to && rules_is(t, i, "my|the|all|of|todays"))
		i++;
	if (i + 2 != at.to || !rules_is(t, i, "morning|afternoon|evening"))
		return false;
	struct str last = t->words[i + 1].folded;
	if (last.n < 4 || last.p[last.n - 1] != 's')
		return false;
	rules_read_filter(t, (struct rules_range){ i, i + 1 }, &f, &tasks);
	f.has_after = f.has_before = false;
	if (!f.part)
		f.part = rules_is(t, i, "morning")   ? "morning"
			 : rules_is(t, i, "evening") ? "evening"
						     : "afternoon";
	if (!several(t, i + 1))
		f.search = rules_slice(t, (struct rules_range){ i + 1, i + 2 });
	c->ref = (struct rules_ref){ .kind = RULES_REF_FILTER, .filter = f };
	return true;
}

static bool read_filter(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	struct rules_filter f = { .part = NULL };
	bool any = false, tasks;

	for (size_t i = at.from; i < at.to; i++)
		any |= several(t, i);
	if (!any || !rules_read_filter(t, at, &f, &tasks) || f.search.n)
		return false;
	if (!narrowed(&f)) {
		if (!rules_is(t, at.from, "all|every|everything|each|them|both|these|those|my|the"))
			return false;
		f.status = RULES_ALL;
	}
	c->ref = (struct rules_ref){ .kind = RULES_REF_FILTER, .filter = f };
	return true;
}

/* A number that is no task's. */
static bool only_digits(struct str w)
{
	for (size_t i = 0; i < w.n; i++)
		if (!strchr("#0123456789", w.p[i]))
			return false;
	return w.n > 0;
}

static bool speaks_of_task(const struct rules_text *t, struct rules_range at)
{
	for (size_t i = at.from; i < at.to; i++)
		if (t->words[i].quoted.p || rules_is(t, i, "T"))
			return true;
	return false;
}

/* "the report", "report task", "'report'": the speaker means one of his. */
static bool is_own(const struct rules_text *t, struct rules_range at)
{
	return rules_is(t, at.from, "the|my") || speaks_of_task(t, at);
}

static struct rules_range bare_title(const struct rules_text *t, struct rules_range at,
				     enum rules_intent intent)
{
	const char *last = intent == RULES_CANCEL_REMINDER ? "T|one|reminder" : "T|one";

	while (at.from + 1 < at.to &&
	       rules_is(t, at.from, "the|my|that|this|our|a|an|T|called|named|titled|about|to|for"))
		at.from++;
	while (at.from + 1 < at.to && rules_is(t, at.to - 1, last))
		at.to--;
	return at;
}

/* No end of a sentence inside, no pronoun and no number alone. */
static bool is_title(const struct rules_text *t, struct rules_range at)
{
	if (at.to - at.from > 16)
		return false;
	if (rules_is(
		    t, at.from,
		    "T|A|it|me|you|i|us|him|her|not|to|by|and|delete|deadline|due|what|how|why|if|is|one|them"))
		return false;
	if (at.to - at.from == 1 && only_digits(t->words[at.from].folded))
		return false;
	for (size_t i = at.from; i + 1 < at.to; i++)
		if (t->words[i].punct && strchr(".;?!\n", t->words[i].punct))
			return false;
	return true;
}

static bool read_title(struct rules_text *t, struct rules_range at, unsigned flags,
		       struct rules_command *c)
{
	if ((flags & RULES_OWN && !is_own(t, at)) ||
	    (flags & RULES_STRICT && !speaks_of_task(t, at)))
		return false;
	/* not for us: "drop table tasks" */
	if (flags & RULES_STRICT && rules_is(t, at.from, "table|tables|database|schema"))
		return false;
	at = bare_title(t, at, c->intent);
	if (!is_title(t, at))
		return false;
	c->ref = (struct rules_ref){ .kind = RULES_REF_TITLE, .title = rules_slice(t, at) };
	rules_span(t, c, "task", at);
	return c->ref.title.n > 0;
}

static bool read_exact(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	return read_it(t, at, c) || read_numbers(t, at, c) || read_first_few(t, at, c) ||
	       read_ordinal(t, at, c) || read_part(t, at, c) || read_filter(t, at, c);
}

static bool is_year(struct str w)
{
	int64_t n;

	return w.n == 4 && str_parse_i64(w, &n) == 0 && n > 1900 && n < 2100;
}

/* "high school in 1999": a story, no task. */
static bool is_past(const struct rules_text *t, struct rules_range at)
{
	for (size_t i = at.from; i < at.to; i++)
		if ((t->words[i].due && t->words[i].due->flags & DUE_PAST) ||
		    is_year(t->words[i].folded))
			return true;
	return false;
}

bool rules_read_ref(struct rules_text *t, struct rules_range at, unsigned flags,
		    struct rules_command *c)
{
	while (at.from < at.to && at.to - at.from > 1 &&
	       rules_is(t, at.from, "with|of|just|also|whole"))
		at.from++;
	if (at.from == at.to) {
		set(c, RULES_REF_ORDINAL, 0);
		return true;
	}
	if (at.to - at.from <= RULES_REACH && read_exact(t, at, c)) {
		rules_span(t, c, "task", at);
		return true;
	}
	if (!(flags & RULES_SAFE) && rules_foreign(t, at))
		return false;
	if (flags & RULES_OWN && is_past(t, at))
		return false;
	return read_title(t, at, flags, c);
}

bool rules_read_choice(struct arena *arena, struct str text, const struct due_context *ctx,
		       struct rules_ref *ret)
{
	struct rules_text t = { .arena = arena, .text = text, .ctx = ctx };
	struct rules_command c = { .intent = RULES_CONFIRM };
	struct rules_range at;

	if (!text.n || text.n > RULES_READ_MAX || !rules_lex(&t) || !t.n || t.n > RULES_REACH)
		return false;
	at = (struct rules_range){ 0, t.n };
	while (at.from < at.to &&
	       rules_is(&t, at.from, "please|just|only|ok|yes|well|i|mean|meant|want|its|delete"))
		at.from++;
	while (at.from < at.to && rules_is(&t, at.to - 1, "please|thanks|only|of|them"))
		at.to--;
	if (at.from < at.to && at.to - at.from <= 2 &&
	    rules_is(&t, at.from, "all|both|everything|every"))
		c.ref = (struct rules_ref){ .kind = RULES_REF_FILTER };
	else if (at.from == at.to || !read_exact(&t, at, &c))
		return false;
	*ret = c.ref;
	return !c.next;
}
