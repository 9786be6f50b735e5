/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a message to its commands: dates are found, words cut, lines and clauses told apart, and
 * each clause is tried against the phrases: as it is, then without filler words, then with
 * misspelt command words corrected. What fits nothing is RULES_UNKNOWN.
 */
#include "rules_private.h"

#include <errno.h>

struct parser {
	struct rules_text *t;
	struct rules_command *first;
	bool bulleted; /* lines with bullets are tasks */
	bool strange;  /* something before was not understood: nothing is deleted after it */
	bool any;
};

static bool phrase_fits(struct rules_text *t, struct rules_range at, const struct rules_phrase *ph,
			struct rules_command *c)
{
	struct rules_match m;
	struct rules_range rest = { at.from + 1, at.to };

	if (!rules_match(t, rest, ph->rest, &m))
		return false;
	if (!rules_read_slots(t, &m, at, ph, c)) {
		c->next = NULL;
		return false;
	}
	rules_span(t, c, "intent", (struct rules_range){ at.from, at.from + 1 });
	return true;
}

static bool try_phrases(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	const char *head = NULL;
	bool fits = false;

	if (at.from >= at.to)
		return false;
	for (const struct rules_phrase *ph = RULES_PHRASES; ph->head; ph++) {
		if (ph->head != head) {
			head = ph->head;
			fits = rules_is(t, at.from, head);
		}
		if (fits && phrase_fits(t, at, ph, c))
			return true;
	}
	return false;
}

static bool strip_front(const struct rules_text *t, struct rules_range *at)
{
	for (const char *const *f = RULES_FILLERS; *f; f++) {
		size_t n = rules_match_prefix(t, *at, *f);
		if (n && n < at->to - at->from) {
			at->from += n;
			return true;
		}
	}
	return false;
}

static bool strip_back(const struct rules_text *t, struct rules_range *at)
{
	size_t low = at->to - at->from > 5 ? at->to - 5 : at->from + 1;
	struct rules_match m;

	for (size_t i = low; i < at->to; i++)
		for (const char *const *f = RULES_TRAILERS; *f; f++)
			if (rules_match(t, (struct rules_range){ i, at->to }, *f, &m)) {
				at->to = i;
				return true;
			}
	return false;
}

static bool try_stripped(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	enum { STRIPS = 8 };
	struct rules_range back = at;

	while (strip_back(t, &back))
		;
	if (back.to != at.to && try_phrases(t, back, c))
		return true;
	if (try_phrases(t, at, c))
		return true;
	at = back;
	for (int i = 0; i < STRIPS && strip_front(t, &at); i++)
		if (try_phrases(t, at, c))
			return true;
	return false;
}

/* Command words with one slip of the finger, among the first words; true: something changed. */
static bool correct(struct rules_text *t, struct rules_range at)
{
	bool changed = false;

	for (size_t i = at.from; i < at.to && i < at.from + 8; i++) {
		struct str w = rules_correct(t->words[i].folded);
		changed |= !str_eq(w, t->words[i].folded);
		t->words[i].folded = w;
	}
	return changed;
}

static void understand(struct parser *p, struct rules_range at, struct rules_command *c)
{
	struct rules_text *t = p->t;

	if (try_stripped(t, at, c))
		return;
	if (rules_read_bare(t, at, c))
		return;
	c->next = NULL;
	if (correct(t, at) && try_stripped(t, at, c))
		return;
	*c = (struct rules_command){ .intent = RULES_UNKNOWN };
}

static void bulleted(struct parser *p, struct rules_range at, struct rules_command *c)
{
	*c = (struct rules_command){ .intent = RULES_ADD };
	if (!rules_read_title(p->t, at, 0, c))
		*c = (struct rules_command){ .intent = RULES_UNKNOWN };
}

static void clause(struct parser *p, struct rules_range at, bool is_task)
{
	struct rules_command read = { .intent = RULES_UNKNOWN }, *c = p->first;

	if (at.from >= at.to)
		return;
	if (is_task)
		bulleted(p, at, &read);
	else
		understand(p, at, &read);
	if (read.intent == RULES_UNKNOWN || (read.intent == RULES_DELETE && p->strange)) {
		p->strange |= read.intent == RULES_UNKNOWN;
		return;
	}
	if (p->any && read.intent == RULES_GREET)
		return;
	if (p->any && p->first->intent != RULES_GREET)
		c = rules_more(p->t, p->first);
	if (!c)
		return;
	*c = read;
	p->any = true;
}

static const char COMMANDS[] =
	"add|create|remind|delete|remove|mark|complete|show|list|rename|reschedule|tag|move|push|postpone|"
	"reopen|set|change|make|snooze|undo|cancel|finish|untag";

/* Does a command of its own begin at i? After "and" it must speak of a task. */
static bool begins_command(const struct rules_text *t, size_t i, size_t to, bool sentence)
{
	if (i >= to)
		return false;
	i += rules_is(t, i, "also|then|please") && i + 1 < to;
	if (sentence && rules_is(t, i, "i|whats|what|dont|done|need"))
		return true;
	if (!rules_is(t, i, COMMANDS))
		return false;
	if (i + 1 == to)
		return sentence;
	return rules_is(t, i, "add") || (rules_is(t, i, "remind") && rules_is(t, i + 1, "me")) ||
	       rules_is(t, i + 1, "T|it|that|all|me|number|my|the") ||
	       (t->words[i + 1].folded.n && strchr("#0123456789", *t->words[i + 1].folded.p)) ||
	       (sentence && rules_is(t, i + 1, "a|an"));
}

static size_t clause_end(const struct rules_text *t, size_t from, size_t to)
{
	for (size_t i = from + 1; i < to; i++) {
		char before = t->words[i - 1].punct;
		bool sentence = before && strchr(".;!?", before);
		if (t->words[i].quoted.p || t->words[i].due)
			continue;
		if (sentence && begins_command(t, i, to, true))
			return i;
		if (before == ',' && begins_command(t, i, to, false))
			return i;
		if (rules_is(t, i, "and|then") && begins_command(t, i + 1, to, false))
			return i;
	}
	return to;
}

static void line(struct parser *p, size_t from, size_t to)
{
	bool task = p->bulleted && p->t->words[from].bullet;

	while (from < to) {
		size_t end = task ? to : clause_end(p->t, from, to);
		clause(p, (struct rules_range){ from, end }, task);
		from = end;
		if (from < to && rules_is(p->t, from, "and|then"))
			from++;
	}
}

/* "add these tasks:", before bullets or lines. */
static bool is_header(const struct rules_text *t, struct rules_range at)
{
	struct rules_match m;

	return t->words[at.to - 1].punct == '\n' &&
	       rules_match(
		       t, at,
		       "please? can? you? add|create|todo|todos|tasks|new|my|make|i|here|need me? the|these|to|a|are|need? "
		       "these|following|few|new|my|do|to? following|things|new|do|list? T|things|list|do? to|for? my|the|do|today? L|list? please?",
		       &m);
}

static void lines(struct parser *p)
{
	const struct rules_text *t = p->t;
	bool header = false;

	for (size_t i = 0; i < t->n; i++)
		p->bulleted |= t->words[i].bullet;
	for (size_t from = 0, to; from < t->n; from = to) {
		for (to = from + 1; to < t->n && t->words[to - 1].punct != '\n';)
			to++;
		if (to < t->n && is_header(t, (struct rules_range){ from, to })) {
			header = true;
			continue;
		}
		if (header)
			clause(p, (struct rules_range){ from, to }, true);
		else
			line(p, from, to);
	}
}

/* "every!" hides its mark from the date language, and keeps it in the words. */
static struct str without_marks(struct arena *arena, struct str text)
{
	char *copy = NULL;

	for (size_t i = 5; i < text.n; i++) {
		if (text.p[i] != '!' ||
		    !str_eq_nocase((struct str){ text.p + i - 5, 5 }, STR("every")))
			continue;
		if (!copy) {
			copy = arena_alloc(arena, text.n);
			if (!copy)
				return (struct str){ NULL, 0 };
			memcpy(copy, text.p, text.n);
		}
		memmove(copy + i - 4, copy + i - 5, 5);
		copy[i - 5] = ' ';
	}
	return copy ? (struct str){ copy, text.n } : text;
}

static bool is_digits(struct str w)
{
	return w.n && w.n < 10 && *w.p >= '0' && *w.p <= '9';
}

/* The number of a task is no date: "move task 3 to 5 pm". It is hidden from the date language. */
static bool numbers_task(const struct rules_text *t, size_t i)
{
	if (!is_digits(t->words[i].folded) || i == 0)
		return false;
	if (rules_is(t, i - 1, "T|number|no|id"))
		return true;
	return rules_is(
		       t, i - 1,
		       "delete|remove|complete|move|push|postpone|reschedule|snooze|mark|reopen|finish|defer") &&
	       (i + 1 == t->n ||
		rules_is(t, i + 1, "to|by|as|done|until|till|back|forward|and|due|for"));
}

static struct str without_numbers(struct rules_text *t, struct str text)
{
	char *copy = NULL;
	bool list = false;

	for (size_t i = 1; i < t->n; i++) {
		bool number = numbers_task(t, i) || (list && is_digits(t->words[i].folded));
		if (!number) {
			list = list && rules_is(t, i, "and|or");
			continue;
		}
		list = true;
		if (!copy) {
			copy = arena_alloc(t->arena, text.n);
			if (!copy)
				return (struct str){ NULL, 0 };
			memcpy(copy, text.p, text.n);
		}
		memset(copy + t->words[i].start, 'x', t->words[i].end - t->words[i].start);
	}
	return copy ? (struct str){ copy, text.n } : text;
}

static bool covers_words(const struct rules_text *t, const struct due *d, size_t first,
			 size_t *ret_to)
{
	size_t to = first;

	while (to < t->n && t->words[to].start < d->end) {
		if (t->words[to].quoted.p || t->words[to].end > d->end)
			return false;
		to++;
	}
	*ret_to = to;
	return to > first;
}

/* A date that ends inside a word ("Friday's") or stands in quotes is none. */
static int attach_dates(struct rules_text *t)
{
	struct due_list list;
	struct str text = without_marks(t->arena, t->text);
	size_t w = 0, to;

	if (text.p)
		text = without_numbers(t, text);
	if (t->text.n && !text.p)
		return -ENOMEM;
	int r = due_find(t->arena, text, t->ctx, &list);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list.n; i++) {
		const struct due *d = &list.v[i];
		while (w < t->n && t->words[w].end <= d->lead)
			w++;
		if (!covers_words(t, d, w, &to))
			continue;
		for (; w < to; w++)
			t->words[w].due = d;
	}
	return 0;
}

static bool changes_task(const struct rules_command *c)
{
	switch ((int)c->intent) {
	case RULES_COMPLETE:
	case RULES_REOPEN:
	case RULES_DELETE:
	case RULES_UPDATE:
	case RULES_RESCHEDULE:
	case RULES_SET_PRIORITY:
	case RULES_ADD_TAG:
	case RULES_REMOVE_TAG:
	case RULES_REMIND:
	case RULES_CANCEL_REMINDER:
		return true;
	default:
		return false;
	}
}

/* What touches several tasks, and every one of several deletions, is asked back. */
static void mark_questions(struct rules_command *first)
{
	size_t deletions = 0;

	for (const struct rules_command *c = first; c; c = c->next)
		deletions += c->intent == RULES_DELETE;
	for (struct rules_command *c = first; c; c = (struct rules_command *)(uintptr_t)c->next) {
		if (changes_task(c))
			c->ask |= c->ref.kind == RULES_REF_FILTER ||
				  (c->intent == RULES_DELETE && deletions > 1);
	}
}

int rules_parse(struct arena *arena, struct str text, const struct due_context *ctx,
		const struct rules_command **ret)
{
	struct rules_text t = { .arena = arena, .text = text, .ctx = ctx };
	struct rules_command *c;
	struct parser p = { .t = &t };

	if (text.n > RULES_TEXT_MAX)
		return -E2BIG;
	c = arena_calloc(arena, 1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	p.first = c;
	if (text.n > RULES_READ_MAX) {
		c->problem = "the message is too long to be read";
		*ret = c;
		return 0;
	}
	if (text.n && !rules_lex(&t))
		return -ENOMEM;
	if (t.n == RULES_WORDS_MAX) {
		c->problem = "the message is too long to be read";
		*ret = c;
		return 0;
	}
	int r = t.n ? attach_dates(&t) : 0;
	if (r < 0)
		return r;
	lines(&p);
	if (t.no_memory)
		return -ENOMEM;
	mark_questions(c);
	*ret = c;
	return 0;
}
