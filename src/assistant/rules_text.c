/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the readers share: the text of a range of words, spans, tags, and further commands.
 */
#include "rules_private.h"

static bool trimmed(char c)
{
	return (unsigned char)c <= ' ' || (c && strchr(",.;:!?([{", c));
}

/* From the sign that opens the first word ("$50", "(draft)") to what closes the last ("2%)"). */
struct str rules_slice(const struct rules_text *t, struct rules_range at)
{
	const struct rules_word *first = &t->words[at.from], *last = &t->words[at.to - 1];
	size_t start = first->start, end = last->end;
	size_t low = at.from ? t->words[at.from - 1].end : 0;
	size_t high = at.to < t->n ? t->words[at.to].start : t->text.n;

	if (at.to - at.from == 1 && first->quoted.p)
		return utf8_trim(first->quoted);
	while (start > low && (t->text.p[start - 1] == '(' || !trimmed(t->text.p[start - 1])))
		start--;
	while (end < high && (unsigned char)t->text.p[end] >= ' ')
		end++;
	while (end > last->end && trimmed(t->text.p[end - 1]))
		end--;
	return (struct str){ t->text.p + start, end - start };
}

bool rules_tag_add(struct rules_tags *tags, struct str name)
{
	if (name.n && strchr("#@+", *name.p))
		name = (struct str){ name.p + 1, name.n - 1 };
	if (!name.n || name.n > 200 || tags->n == RULES_TAGS_MAX)
		return false;
	for (size_t i = 0; i < tags->n; i++)
		if (str_eq_nocase(tags->v[i], name))
			return true;
	tags->v[tags->n++] = name;
	return true;
}

void rules_span(const struct rules_text *t, struct rules_command *c, const char *kind,
		struct rules_range at)
{
	if (at.from >= at.to || c->n_spans == RULES_SPANS_MAX)
		return;
	c->spans[c->n_spans++] =
		(struct rules_span){ kind, t->words[at.from].start, t->words[at.to - 1].end };
}

struct rules_command *rules_more(struct rules_text *t, struct rules_command *c)
{
	struct rules_command *more;
	size_t n = 1;

	for (; c->next; n++)
		c = (struct rules_command *)(uintptr_t)c->next;
	if (n == RULES_COMMANDS_MAX)
		return NULL;
	more = arena_calloc(t->arena, 1, sizeof(*more));
	if (!more) {
		t->no_memory = true;
		return NULL;
	}
	c->next = more;
	return more;
}
