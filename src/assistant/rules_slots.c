/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the slots of a matched phrase caught goes to the reader of each; a reader that says no
 * makes the phrase fail, and the next one is tried.
 */
#include "rules_private.h"

/* "work", "work and home", "#work, #home", "called work". */
bool rules_read_tags(struct rules_text *t, struct rules_range at, struct rules_tags *ret)
{
	bool any = false;

	if (at.to - at.from > 8)
		return false;
	while (at.to - at.from > 1 &&
	       rules_is(t, at.from, "the|a|as|with|called|named|tag|tags|label"))
		at.from++;
	for (size_t i = at.from; i < at.to; i++) {
		if (rules_is(t, i, "and|or|as|also"))
			continue;
		if (t->words[i].due && t->words[i].due->kind != DUE_DURATION && any)
			return false;
		if (!rules_tag_add(ret, rules_slice(t, (struct rules_range){ i, i + 1 })))
			return false;
		any = true;
	}
	return any;
}

/* Said with ":" or a word that leads to the task: "todo: fix bike", "jot down that ...". */
static bool led(const struct rules_text *t, size_t i)
{
	return i > 0 && (strchr(":,", t->words[i - 1].punct ? t->words[i - 1].punct : ' ') ||
			 rules_is(t, i - 1, "down|to|that"));
}

/* "don't forget I love you", "remind me what it is", "I can't remember if ...", "add me on ..." */
static bool is_talk(const struct rules_text *t, struct rules_range at,
		    const struct rules_phrase *ph)
{
	bool is_led = !rules_is(t, at.from - 1, "add|create|todo|task|to|on");

	if (is_led && at.from + 1 < at.to && rules_is(t, at.from, "i|you|he|she|they|im|youre") &&
	    !rules_is(t, at.from + 1, "have|need|must|should|gotta|want|wanna|to|owe"))
		return true;
	if (rules_is(t, at.from - 1, "me") && rules_is(t, at.from, "what|why|who|how|whether"))
		return true;
	if (rules_is(t, at.from, "me|us|him|her|them"))
		return true;
	return ph->flags & RULES_BACK &&
	       rules_is(t, at.from, "if|whether|where|when|what|why|who|how");
}

static bool read_new_task(struct rules_text *t, struct rules_range at,
			  const struct rules_phrase *ph, unsigned flags, struct rules_command *c)
{
	if (at.from == at.to)
		return false;
	if (ph->flags & RULES_OWN && !led(t, at.from))
		return false;
	if (is_talk(t, at, ph))
		return false;
	/* "I need to", not "I need" */
	if (ph->flags & RULES_BACK &&
	    !rules_is(
		    t, at.from - 1,
		    "to|remember|forget|gotta|haveto|needto|should|must|hafta|really|probably|definitely"))
		return false;
	return rules_read_titles(t, at, flags, c);
}

static bool read_filter(struct rules_text *t, struct rules_range at, struct rules_range whole,
			unsigned flags, struct rules_command *c)
{
	bool tasks;

	if (flags & RULES_BACK)
		at.from = whole.from;
	if (!rules_read_filter(t, at, &c->filter, &tasks))
		return false;
	if (flags & (RULES_ANY | RULES_COMPLETED_ONLY | RULES_PENDING_ONLY | RULES_OVERDUE_ONLY))
		tasks = true;
	if (c->filter.has_after || c->filter.has_before)
		rules_span(t, c, "due", at);
	return tasks;
}

static bool read_text(struct rules_text *t, struct rules_range at, struct str *ret)
{
	if (at.from == at.to)
		return false;
	*ret = rules_slice(t, at);
	return ret->n > 0;
}

static bool read_search(struct rules_text *t, struct rules_range at, const struct rules_phrase *ph,
			struct rules_command *c)
{
	if (ph->intent == RULES_HELP) { /* "how do I delete a task": must be about tasks */
		for (size_t i = at.from; i < at.to; i++)
			if (rules_is(t, i, "T|reminder|reminders|priority|tag|tags|todod"))
				return true;
		return at.from == at.to;
	}
	if (at.from == at.to || rules_is(t, at.from, "me|a|an|out|you"))
		return false;
	while (at.to - at.from > 1 && rules_is(t, at.from, "the|my|about|for|a|an|all|that|to"))
		at.from++;
	while (at.to - at.from > 1 && rules_is(t, at.to - 1, "T"))
		at.to--;
	if (ph->flags & RULES_PENDING_ONLY &&
	    (rules_is(t, at.from, "T|P|D|overdue|due|left|urgent|high|low") ||
	     t->words[at.from].due))
		return false;
	rules_span(t, c, "search", at);
	return read_text(t, at, &c->filter.search);
}

static bool read_priority(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	if (!rules_priority(t, at, &c->priority))
		return false;
	c->has_priority = true;
	rules_span(t, c, "priority", at);
	return true;
}

static bool read_name(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	rules_span(t, c, "title", at);
	return read_text(t, at, &c->title);
}

static bool read_tags(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	rules_span(t, c, "tag", at);
	return rules_read_tags(t, at, &c->tags);
}

static bool read_description(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	rules_span(t, c, "description", at);
	return read_text(t, at, &c->description);
}

static bool read_slot(struct rules_text *t, const struct rules_slot *s, struct rules_range whole,
		      const struct rules_phrase *ph, struct rules_command *c)
{
	switch (s->kind) {
	case 't':
		return read_new_task(t, s->at, ph, ph->flags, c);
	case 'l':
		return read_new_task(t, s->at, ph, RULES_ANY, c);
	case 'r':
		return rules_read_ref(t, s->at, ph->flags, c);
	case 'i':
		return rules_read_ref(t, s->at, 0, c) &&
		       (c->ref.kind == RULES_REF_ID || rules_is(t, s->at.from, "it"));
	case 'k':
		if (ph->flags & RULES_OWN && s->at.from < s->at.to && rules_is(t, s->at.from, "to"))
			return false;
		return rules_read_move(t, s->at, ph->flags, c);
	case 'm':
		return rules_read_move(t, s->at, ph->flags, c);
	case 'w':
		return rules_read_when(t, s->at, c);
	case 's':
		return rules_read_shift(t, s->at, ph->flags, c);
	case 'o':
		return rules_read_offset(t, s->at, c);
	case 'p':
		return read_priority(t, s->at, c);
	case 'h':
		for (size_t i = s->at.from; i < s->at.to; i++)
			if (!t->words[i].folded.n || !strchr("#@+", *t->words[i].folded.p))
				return rules_is(t, i, "and") && i > s->at.from;
		return read_tags(t, s->at, c);
	case 'g':
		return read_tags(t, s->at, c);
	case 'n':
		return read_name(t, s->at, c);
	case 'd':
		return read_description(t, s->at, c);
	case 'f':
		return read_filter(t, s->at, whole, ph->flags, c);
	default:
		return read_search(t, s->at, ph, c);
	}
}

static void preset_ref(const struct rules_text *t, struct rules_range whole,
		       struct rules_command *c)
{
	static const char *const FIRSTS[] = { "first", "second", "third", "fourth", "fifth" };

	c->ref.kind = RULES_REF_ORDINAL;
	for (size_t i = whole.from; i < whole.to; i++)
		for (size_t k = 0; k < 5; k++)
			if (rules_is(t, i, FIRSTS[k]))
				c->ref.number = (int64_t)k + 1;
	if (rules_is(t, whole.from, "last") ||
	    (whole.to - whole.from > 2 && rules_is(t, whole.from + 2, "last")))
		c->ref.number = -1;
}

static void preset(const struct rules_text *t, struct rules_range whole,
		   const struct rules_phrase *ph, struct rules_command *c)
{
	if (ph->flags & RULES_COMPLETED_ONLY)
		c->filter.status = RULES_COMPLETED;
	if (ph->flags & RULES_PENDING_ONLY && ph->intent == RULES_LIST)
		c->filter.status = RULES_PENDING;
	if (ph->flags & RULES_OVERDUE_ONLY)
		c->filter.overdue = true;
	if (ph->flags & (RULES_SET_LOW | RULES_SET_HIGH)) {
		c->has_priority = true;
		c->priority = ph->flags & RULES_SET_LOW ? TASK_LOW : TASK_HIGH;
	}
	if (ph->flags & RULES_IT)
		preset_ref(t, whole, c);
	if (ph->flags & RULES_CLEAR && ph->intent == RULES_RESCHEDULE)
		c->clear_due = true;
	if (ph->flags & RULES_ANY && ph->intent == RULES_DELETE)
		c->ref = (struct rules_ref){ .kind = RULES_REF_FILTER, .filter.status = RULES_ALL };
}

/* "this is done", "finished": it is said of nothing in particular, and may be no command. */
static bool is_loose(const struct rules_text *t, struct rules_range whole,
		     const struct rules_phrase *ph, const struct rules_command *c)
{
	bool is_said = false;

	if (c->ref.kind != RULES_REF_ORDINAL || c->ref.number != 0 || c->intent == RULES_CONFIRM ||
	    c->intent == RULES_REMIND)
		return false;
	for (size_t i = whole.from + 1; i < whole.to; i++)
		is_said |= rules_is(t, i, "it|that|this|one");
	return !is_said || ph->flags & (RULES_WITH_HEAD | RULES_IT);
}

/* All slots; several numbers copy the command, so references are read last. */
static bool read_all(struct rules_text *t, const struct rules_match *m, struct rules_range whole,
		     const struct rules_phrase *ph, struct rules_command *c)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->slots[i].kind != 'r' && !read_slot(t, &m->slots[i], whole, ph, c))
			return false;
	if (ph->intent == RULES_REMIND && c->has_due) {
		c->has_remind = true;
		c->remind_at = c->due;
		c->has_due = false;
	}
	for (size_t i = 0; i < m->n; i++) {
		struct rules_slot slot = m->slots[i];
		if (ph->flags & RULES_WITH_HEAD && i == 0)
			slot.at.from = whole.from;
		if (slot.kind == 'r' && !read_slot(t, &slot, whole, ph, c))
			return false;
	}
	return true;
}

/* "move everything due today to Friday" */
static bool moves_due(const struct rules_text *t, const struct rules_match *m,
		      const struct rules_command *c)
{
	if (c->intent != RULES_RESCHEDULE || c->ref.kind != RULES_REF_FILTER)
		return false;
	for (size_t i = 0; i < m->n; i++)
		if (m->slots[i].kind == 'w' && rules_is(t, m->slots[i].at.from - 1, "due"))
			return true;
	return false;
}

bool rules_read_slots(struct rules_text *t, const struct rules_match *m, struct rules_range whole,
		      const struct rules_phrase *ph, struct rules_command *c)
{
	*c = (struct rules_command){ .intent = ph->intent, .next = c->next };
	t->first = NULL;
	for (size_t i = whole.from; i < whole.to; i++)
		t->words[i].cut = false; /* by a row that failed */
	if (!(ph->intent == RULES_SEARCH))
		preset(t, whole, ph, c);
	if (!read_all(t, m, whole, ph, c))
		return false;
	if (moves_due(t, m, c))
		return (c->ask = true) && rules_move_due(t->first, c);
	c->ask = is_loose(t, whole, ph, c);
	return true;
}
