/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The title of a new task. Tokens ("#tag", "p1"), dates and priorities are taken off the edges,
 * a date said plainly also out of the middle; every word that was not understood as something else
 * stays in the title.
 */
#include "rules_private.h"

struct edges {
	struct rules_text *t;
	struct rules_command *c;
	struct rules_range at;
	bool remind;
	bool taken; /* something was taken off the end: loose words before it go too */
};

static bool is_tag(const struct rules_word *w)
{
	return w->folded.n > 1 && strchr("#@+", *w->folded.p) &&
	       !(w->folded.p[1] >= '0' && w->folded.p[1] <= '9');
}

static bool take_tag(struct edges *e, size_t i)
{
	struct rules_range at = { i, i + 1 };
	const struct rules_word *w = &e->t->words[i];

	if (!is_tag(w) ||
	    !rules_tag_add(&e->c->tags, (struct str){ e->t->text.p + w->start, w->end - w->start }))
		return false;
	rules_span(e->t, e->c, "tag", at);
	return true;
}

static bool take_date(struct edges *e, struct rules_range at)
{
	const struct rules_word *w = &e->t->words[at.from];

	rules_take_due(e->t, w->due, e->c);
	for (size_t i = at.from ? at.from - 1 : 0; i < at.to; i++)
		if (w->due->kind == DUE_SET && e->t->words[i].punct == '!' &&
		    rules_is(e->t, i, "every|after"))
			e->c->from_completion = true;
	rules_span(e->t, e->c, w->due->kind == DUE_SET ? "recurrence" : "due", at);
	return true;
}

static bool datable(const struct due *d)
{
	return d && d->kind != DUE_DURATION && !(d->flags & DUE_PAST) &&
	       (d->has_value || d->has_end || d->problem);
}

static bool is_weak(const struct due *d)
{
	return d->flags & DUE_TENTATIVE && (d->kind != DUE_DATETIME || d->flags & DUE_NO_DAY);
}

/* A weak date needs the word that leads to it; the one at the end may not belong to a noun. */
static bool ends_with_date(struct edges *e, struct rules_range *ret)
{
	const struct due *d = e->t->words[e->at.to - 1].due;
	struct rules_range at;

	if (!datable(d))
		return false;
	at = rules_date_at(e->t, e->at, e->at.to - 1);
	if (at.from <= e->at.from && !e->remind)
		return false;
	if (d->flags & DUE_IMPOSSIBLE) {
		e->c->problem = d->problem;
		return false;
	}
	if (is_weak(d) && d->lead == d->start &&
	    !rules_is(e->t, at.from ? at.from - 1 : 0, "due|on|by"))
		return false;
	if (d->lead == d->start && at.from > e->at.from && rules_determiner(e->t, at.from - 1))
		return false;
	*ret = at;
	return true;
}

static bool starts_with_date(struct edges *e, struct rules_range *ret)
{
	const struct rules_word *w = &e->t->words[e->at.from];
	const struct due *d = w->due;
	struct rules_range at;

	if (!datable(d) || d->flags & DUE_IMPOSSIBLE)
		return false;
	at = rules_date_at(e->t, e->at, e->at.from);
	if (at.to >= e->at.to)
		return false;
	*ret = at;
	if (d->lead < d->start || e->t->words[at.to - 1].punct || rules_chore(e->t, at.to) ||
	    rules_is(e->t, at.to, "to|that|i"))
		return !is_weak(d) || d->lead < d->start || e->remind;
	return !is_weak(d) &&
	       rules_is(e->t, at.from,
			"today|tomorrow|tonight|tmrw|tmr|every|everyday|daily|next|this|in|weekly");
}

/* "tagged pets and home", "with tag x", at the end. */
static bool take_tagged(struct edges *e)
{
	size_t i = e->at.to, limit = e->at.to - e->at.from > 8 ? e->at.to - 8 : e->at.from;

	while (i > limit + 1) {
		i--;
		if (!rules_is(e->t, i, "tagged|labeled|labelled|tag|tags|label|labels"))
			continue;
		struct rules_tags tags = { .n = 0 };
		struct rules_range at = { i + 1, e->at.to };
		if (rules_is(e->t, i, "tag|tags|label|labels") &&
		    !(i > e->at.from && rules_is(e->t, i - 1, "with|the|under|and|using")) &&
		    !(e->t->words[i].punct == ':'))
			return false;
		if (at.from >= at.to || !rules_read_tags(e->t, at, &tags))
			return false;
		for (size_t k = 0; k < tags.n; k++)
			rules_tag_add(&e->c->tags, tags.v[k]);
		rules_span(e->t, e->c, "tag", at);
		e->at.to = i;
		return true;
	}
	return false;
}

/* "high priority", "p1", "!high"; a lone "high" is a word of the title. */
static size_t priority_words(struct edges *e, struct rules_range at, enum task_priority *ret)
{
	size_t n = rules_priority(e->t, at, ret);
	struct str w = e->t->words[at.from].folded;

	if (n == 1 && *w.p != '!' && !(w.n == 2 && *w.p == 'p') &&
	    !rules_in(w, "highpriority|lowpriority|mediumpriority|toppriority|urgent"))
		return 0;
	if (n == 1 && rules_in(w, "urgent") &&
	    !(at.from > e->at.from && e->t->words[at.from - 1].punct))
		return 0;
	return n;
}

static bool take_priority(struct edges *e, struct rules_range at, enum task_priority p)
{
	e->c->has_priority = true;
	e->c->priority = p;
	rules_span(e->t, e->c, "priority", at);
	return true;
}

static bool take_last_priority(struct edges *e)
{
	enum task_priority p;

	for (size_t n = 3; n > 0; n--) {
		struct rules_range at = { e->at.to - n, e->at.to };
		if (e->at.to - e->at.from <= n || priority_words(e, at, &p) != n)
			continue;
		take_priority(e, at, p);
		e->at.to -= n;
		return true;
	}
	return false;
}

/* "to my list", "on the shopping list": the name of a list is a tag. */
static bool take_list(struct edges *e)
{
	struct rules_match m;
	size_t low = e->at.to - e->at.from > 8 ? e->at.to - 8 : e->at.from + 1;

	for (size_t i = low; i < e->at.to; i++) {
		struct rules_range at = { i, e->at.to };
		if (!rules_is(e->t, i, "to|on|in|into|onto"))
			continue;
		if (rules_match(
			    e->t, at,
			    "to|on|in|into|onto my|the|our|this|a T|things? to? do? L|todo|todos|tasks of? things? to? do?",
			    &m)) {
			e->at.to = i;
			return true;
		}
		if (rules_match(e->t, at, "to|on|in|into|onto my|the|our $q list", &m)) {
			rules_tag_add(&e->c->tags, rules_slice(e->t, m.slots[0].at));
			rules_span(e->t, e->c, "tag", m.slots[0].at);
			e->at.to = i;
			return true;
		}
	}
	return false;
}

static bool take_offset(struct edges *e)
{
	size_t low = e->at.to - e->at.from > 12 ? e->at.to - 12 : e->at.from + 1;

	if (!e->remind)
		return false;
	for (size_t i = low; i < e->at.to; i++)
		if (rules_read_offset(e->t, (struct rules_range){ i, e->at.to }, e->c)) {
			e->at.to = i;
			return true;
		}
	return false;
}

static bool take_end(struct edges *e)
{
	struct rules_range at;

	if (e->at.to - e->at.from < 2)
		return false;
	if (take_tag(e, e->at.to - 1)) {
		e->at.to--;
		return true;
	}
	if (take_offset(e) || take_last_priority(e) || take_tagged(e) || take_list(e))
		return true;
	if (!ends_with_date(e, &at))
		return false;
	e->at.to = at.from;
	return take_date(e, at);
}

static bool take_start(struct edges *e)
{
	struct rules_range at = e->at;
	enum task_priority p;
	size_t n;

	if (at.to - at.from < 2)
		return false;
	if (take_tag(e, at.from)) {
		e->at.from++;
		return true;
	}
	n = priority_words(e, at, &p);
	if (n && n < at.to - at.from &&
	    (n > 1 || e->t->words[at.from].folded.n == 2 ||
	     *e->t->words[at.from].folded.p == '!')) {
		e->at.from += n;
		return take_priority(e, (struct rules_range){ at.from, at.from + n }, p);
	}
	if (!starts_with_date(e, &at))
		return false;
	e->at.from = at.to;
	return take_date(e, at);
}

/* Words that led to what was taken: "with", "due", "and", "set to". */
static void drop_loose(struct edges *e)
{
	while (e->at.to - e->at.from > 1 &&
	       rules_is(
		       e->t, e->at.to - 1,
		       "with|due|and|a|deadline|by|marked|as|set|the|for|to|which|that|is|its|please|"
		       "repeat|repeating|recurring|do|on|at|priority") &&
	       e->taken)
		e->at.to--;
}

static void drop_lead(struct edges *e)
{
	while (e->at.to - e->at.from > 1 && rules_is(e->t, e->at.from, "to|that|i|about") &&
	       !(rules_is(e->t, e->at.from, "about") && !e->remind))
		e->at.from++;
}

/* "call mom tomorrow about the party": one plain date in the middle. */
static void cut_middle(struct edges *e)
{
	for (size_t i = e->at.from + 1; i + 1 < e->at.to; i++) {
		const struct due *d = e->t->words[i].due;
		struct rules_range at;
		if (!datable(d) || d->flags & (DUE_IMPOSSIBLE | DUE_TENTATIVE))
			continue;
		at = rules_date_at(e->t, e->at, i);
		i = at.to - 1;
		if (at.from == e->at.from || at.to == e->at.to ||
		    rules_determiner(e->t, at.from - 1) ||
		    rules_is(e->t, at.from, "the|my|a|this|of") ||
		    (e->c->has_due && !(d->flags & DUE_NO_DAY && e->c->due.all_day)))
			continue;
		if (d->lead == d->start &&
		    !rules_is(e->t, at.from,
			      "today|tomorrow|tonight|every|daily|tmrw|tmr|everyday"))
			continue;
		take_date(e, at);
		for (size_t k = at.from; k < at.to; k++)
			e->t->words[k].cut = true;
	}
}

static struct str joined(struct edges *e)
{
	struct str title = { NULL, 0 };

	for (size_t i = e->at.from; i < e->at.to;) {
		struct rules_range piece = { i, i };
		while (piece.to < e->at.to && !e->t->words[piece.to].cut)
			piece.to++;
		if (piece.to > piece.from) {
			struct str s = rules_slice(e->t, piece);
			title = title.n ? arena_printf(e->t->arena, "%.*s %.*s", STR_ARGS(title),
						       STR_ARGS(s))
					: s;
			e->t->no_memory |= !title.p;
		}
		i = piece.to + (piece.to < e->at.to);
	}
	return title;
}

/* "... with description X", "..., note: X". */
static void take_description(struct edges *e)
{
	for (size_t i = e->at.from + 1; i + 1 < e->at.to; i++) {
		size_t from = i + 1;
		if (!rules_is(e->t, i, "description|desc|notes|note|details"))
			continue;
		bool marked = e->t->words[i].punct == ':';
		if (!marked && !rules_is(e->t, i - 1, "with|description"))
			if (i < 2 ||
			    !(rules_is(e->t, i - 1, "a|the") && rules_is(e->t, i - 2, "with|and")))
				continue;
		while (from + 1 < e->at.to && rules_is(e->t, from, "of|that|saying|says|is"))
			from++;
		e->c->description = rules_slice(e->t, (struct rules_range){ from, e->at.to });
		rules_span(e->t, e->c, "description", (struct rules_range){ from, e->at.to });
		while (i > e->at.from + 1 && rules_is(e->t, i - 1, "with|and|a|the"))
			i--;
		e->at.to = i;
		return;
	}
}

static bool is_plain(const struct rules_text *t, size_t i)
{
	return !rules_is(
		t, i,
		"know|say|see|hear|understand|admit|tell|speak|talk|ask|thank|confess|learn|me|"
		"myself|believe|help|think|wonder|you|it|that|a|an|be|been|no|not|yes|feel|laugh|"
		"have|disagree|agree|apologize|vent");
}

static void finish_remind(struct rules_command *c)
{
	if (c->has_offset && c->has_due) {
		int64_t s = time_civil_to_s(&c->due.at) - c->offset_minutes * 60;
		if (s > 0) {
			c->remind_at = c->due;
			time_civil_from_s(s, &c->remind_at.at);
			c->remind_at.all_day = false;
			c->has_remind = !c->due.all_day;
		}
	} else if (c->has_due && !c->due.all_day && !c->rrule.n) {
		c->has_remind = true;
		c->remind_at = c->due;
	}
}

/* In the order of the message: those at the end were taken backwards. */
static void sort_tags(struct rules_tags *tags)
{
	for (size_t i = 1; i < tags->n; i++)
		for (size_t k = i; k > 0 && tags->v[k].p < tags->v[k - 1].p; k--) {
			struct str s = tags->v[k];
			tags->v[k] = tags->v[k - 1];
			tags->v[k - 1] = s;
		}
}

/* "... to my calendar", "... to my playlist": another program keeps that. */
static bool goes_elsewhere(const struct rules_text *t, struct rules_range at)
{
	return at.to - at.from > 3 && rules_is(t, at.to - 3, "to|on|in|into|onto") &&
	       rules_is(t, at.to - 2, "my|the|this|that|our") &&
	       rules_is(t, at.to - 1,
			"calendar|playlist|favorites|favourites|cart|basket|library|queue|contacts|"
			"wishlist|account|event|album|bill|order");
}

/* "I have to say ...", "remember when ...": talk. */
static bool is_talk(const struct rules_text *t, struct rules_range at, unsigned flags)
{
	if (rules_is(t, at.from, "when|why"))
		return true;
	if (!(flags & RULES_BACK))
		return false;
	return !is_plain(t, at.from) ||
	       (at.to - at.from == 1 && rules_is(t, at.from, "go|leave|stop|sleep|run|wait"));
}

bool rules_read_title(struct rules_text *t, struct rules_range at, unsigned flags,
		      struct rules_command *c)
{
	struct edges e = { t, c, at, (flags & RULES_CLEAR) != 0, false };

	t->first = NULL;
	if (at.from >= at.to)
		return false;
	if (goes_elsewhere(t, at) || (flags & RULES_PENDING_ONLY && rules_foreign(t, at)))
		return false;
	take_description(&e);
	while (take_end(&e)) {
		e.taken = true;
		drop_loose(&e);
	}
	while (take_start(&e))
		;
	drop_lead(&e);
	cut_middle(&e);
	if (is_talk(t, e.at, flags))
		return false;
	if (flags & RULES_PENDING_ONLY && !c->has_due)
		return false;
	sort_tags(&c->tags);
	c->title = joined(&e);
	rules_span(t, c, "title", e.at);
	if (e.remind)
		finish_remind(c);
	return c->title.n > 0;
}

/* Where the next task of "buy milk and call mom" begins; at.to when it is one task. */
static size_t second_task(const struct rules_text *t, struct rules_range at, bool list)
{
	for (size_t i = at.from + 1; i < at.to; i++) {
		if (list && (t->words[i - 1].punct == ',' || t->words[i - 1].punct == ';') &&
		    !rules_is(t, i, "and"))
			return i;
		if (t->words[i].due || i + 1 >= at.to || !rules_is(t, i, "and|then"))
			continue;
		if (list || (i - at.from >= 2 && rules_chore(t, at.from) && rules_chore(t, i + 1) &&
			     i + 2 < at.to && !rules_is(t, at.from, "go")))
			return i;
	}
	return at.to;
}

bool rules_read_titles(struct rules_text *t, struct rules_range at, unsigned flags,
		       struct rules_command *c)
{
	bool list = (flags & RULES_ANY) != 0, any = false;
	struct rules_command *next = c;

	while (at.from < at.to && next) {
		struct rules_range one = { at.from, second_task(t, at, list) };
		if (!rules_read_title(t, one, flags, next))
			return any;
		any = true;
		at.from = one.to;
		while (at.from < at.to && rules_is(t, at.from, "and|then|also"))
			at.from++;
		if (at.from < at.to && (next = rules_more(t, c)) != NULL)
			next->intent = c->intent;
	}
	return any;
}

static bool conversational(const struct rules_text *t, struct rules_range at)
{
	for (size_t i = at.from; i < at.to; i++)
		if (rules_is(
			    t, i,
			    "me|you|i|im|is|are|was|were|will|he|she|they|we|it|its|what|whats|how|why|who|dont|"
			    "cant|cannot|not|does|did|would|could|should|please|have|has|had|am|if"))
			return true;
	return t->words[at.to - 1].punct == '?';
}

static bool has_token(const struct rules_text *t, struct rules_range at)
{
	enum task_priority p;
	size_t ends[2] = { at.from, at.to - 1 };

	for (size_t i = at.from; i < at.to; i++)
		if (rules_is(t, i, "every") && t->words[i].punct == '!')
			return true;
		else if (rules_is(t, i, "due|deadline") && t->words[i].punct == ':')
			return true;
		else if ((t->words[i].folded.n == 2 ||
			  (t->words[i].folded.n && *t->words[i].folded.p == '!')) &&
			 rules_priority(t, (struct rules_range){ i, i + 1 }, &p))
			return true;
	for (size_t k = 0; k < 2; k++)
		if (is_tag(&t->words[ends[k]]) && at.to - at.from > 1)
			return true;
	return false;
}

static bool has_day(const struct rules_text *t, struct rules_range at)
{
	for (size_t i = at.from; i < at.to; i++) {
		const struct due *d = t->words[i].due;
		/* a date that does not exist was meant as one */
		if (d && (d->flags & DUE_IMPOSSIBLE || (datable(d) && !(d->flags & DUE_TENTATIVE))))
			return true;
	}
	return false;
}

/* "change the filter every 6 months" */
static bool repeats(const struct rules_text *t, struct rules_range at)
{
	for (size_t i = at.from; i < at.to; i++)
		if (t->words[i].due && t->words[i].due->kind == DUE_SET)
			return true;
	return false;
}

/* "report due friday": "due" behind a noun, and a day at the end. "bills due friday" may ask. */
static bool says_due(const struct rules_text *t, struct rules_range at)
{
	for (size_t i = at.from + 1; i + 1 < at.to; i++) {
		struct str before = t->words[i - 1].folded;
		size_t from = i + 1;
		if (!rules_is(t, i, "due") || !before.n || before.p[before.n - 1] == 's' ||
		    rules_is(t, i - 1, "whats|T|all|any|anything|something|everything|be"))
			continue;
		while (from < at.to && rules_is(t, from, "on|by|at|the") && !t->words[from].due)
			from++;
		return from < at.to && rules_date_at(t, at, from).to == at.to &&
		       datable(t->words[from].due);
	}
	return false;
}

/* What is an appointment or a chore by its name alone, wherever it stands or as the first word. */
static bool is_appointment(const struct rules_text *t, struct rules_range at, size_t first)
{
	for (size_t i = at.from; i < at.to; i++)
		if (rules_is(
			    t, i,
			    "appointment|dentist|doctor|deadline|exam|homework|checkup|assignment|meeting"))
			return true;
	return rules_is(
		t, first,
		"gym|workout|standup|haircut|rehearsal|therapy|laundry|groceries|physio|checkin|retro");
}

/* A chore or an appointment with a day, in a sentence that talks to nobody. */
static bool is_dated_task(const struct rules_text *t, struct rules_range at)
{
	size_t first = at.from;

	while (first < at.to && t->words[first].due)
		first++;
	if (first == at.to || conversational(t, at) || !has_day(t, at))
		return false;
	/* one does not buy or clean what programs keep */
	bool is_thing = rules_is(t, first,
				 "buy|pick|wrap|bake|bring|return|print|repair|clean|replace|wash");
	if (!is_thing && rules_foreign(t, at))
		return false;
	if (rules_is(t, first, "book|order|send|play|cancel|read|T|delete|remove") ||
	    (rules_is(t, first, "change") && !repeats(t, at)))
		return false;
	return rules_chore(t, first) || is_appointment(t, at, first) || says_due(t, at);
}

bool rules_read_bare(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	if (at.to - at.from < 2 || at.to - at.from > RULES_REACH)
		return false;
	if (!has_token(t, at) && !is_dated_task(t, at))
		return false;
	c->intent = RULES_ADD;
	return rules_read_titles(t, at, 0, c);
}
