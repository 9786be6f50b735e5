/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matcher: does a phrase cover a range of words? A phrase is a line of elements; rules_table.c
 * tells how they are written. A slot takes as few words as lets the rest fit, within RULES_REACH
 * words when something follows it, so that the work is bounded for any text.
 */
#include "rules_private.h"

struct element {
	const char *p;
	size_t n;
	bool optional;
	char slot; /* 0: words */
	bool colon;
};

struct matcher {
	const struct rules_text *t;
	size_t to;
	bool whole;
	size_t end; /* of what was covered */
	unsigned steps;
	struct rules_match *m;
};

enum { STEPS_MAX = 2000 };

static const char *next_element(const char *p, struct element *ret)
{
	while (*p == ' ')
		p++;
	ret->p = p;
	ret->n = strcspn(p, " ");
	p += ret->n;
	ret->optional = ret->n > 1 && p[-1] == '?';
	ret->n -= ret->optional;
	ret->colon = ret->n == 1 && *ret->p == ':';
	ret->slot = (char)(ret->n && *ret->p == '$' ? ret->p[1] : 0);
	return p;
}

static bool match_from(struct matcher *x, const char *p, size_t at);

static bool try_slot(struct matcher *x, const struct element *e, const char *rest, size_t from,
		     size_t to)
{
	size_t n = x->m->n;

	if (n == RULES_SLOTS_MAX)
		return false;
	x->m->slots[n] = (struct rules_slot){ e->slot, { from, to } };
	x->m->n = n + 1;
	if (match_from(x, rest, to))
		return true;
	x->m->n = n;
	return false;
}

/* Priorities and lengths of time know themselves where they end. */
static bool match_measured(struct matcher *x, const struct element *e, const char *rest, size_t at)
{
	struct rules_range left = { at, x->to };
	enum task_priority priority;
	int64_t number;
	char unit;
	size_t n = e->slot == 'p' ? rules_priority(x->t, left, &priority)
				  : rules_length(x->t, left, &number, &unit);

	if (n && try_slot(x, e, rest, at, at + n))
		return true;
	return e->optional && match_from(x, rest, at);
}

static bool match_slot(struct matcher *x, const struct element *e, const char *rest, size_t at)
{
	bool last = !*rest;
	size_t min = e->optional ? at : at + 1;

	if (e->slot == 'i')
		return at < x->to && try_slot(x, e, rest, at, at + 1);
	if (e->slot == 'p' || e->slot == 's')
		return match_measured(x, e, rest, at);
	if (last)
		return min <= x->to && try_slot(x, e, rest, at, x->to);
	for (size_t to = min; to <= x->to && to - at <= RULES_REACH; to++)
		if (try_slot(x, e, rest, at, to))
			return true;
	return false;
}

static bool match_from(struct matcher *x, const char *p, size_t at)
{
	struct element e;

	if (++x->steps > STEPS_MAX)
		return false;
	if (!*p) {
		x->end = at;
		return !x->whole || at == x->to;
	}
	p = next_element(p, &e);
	if (e.colon)
		return at > 0 && x->t->words[at - 1].punct == ':' && match_from(x, p, at);
	if (e.slot)
		return match_slot(x, &e, p, at);
	if (at < x->to && rules_is(x->t, at, e.p) && match_from(x, p, at + 1))
		return true;
	return e.optional && match_from(x, p, at);
}

bool rules_match(const struct rules_text *t, struct rules_range at, const char *pattern,
		 struct rules_match *ret)
{
	struct matcher x = { .t = t, .to = at.to, .whole = true, .m = ret };

	ret->n = 0;
	return match_from(&x, pattern, at.from);
}

size_t rules_match_prefix(const struct rules_text *t, struct rules_range at, const char *pattern)
{
	struct rules_match m = { .n = 0 };
	struct matcher x = { .t = t, .to = at.to, .m = &m };

	return match_from(&x, pattern, at.from) ? x.end - at.from : 0;
}
