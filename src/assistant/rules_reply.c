/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sentence for each command: what was done to which task, with every detail that was
 * understood; a question where the plan asks one; what was not understood where nothing was done.
 */
#include "rules_reply_private.h"

static void put(struct buf *out, const char *s)
{
	buf_append_str(out, str_from(s));
}

/* ---- which task ---- */

static void put_ordinal(struct buf *out, int64_t k)
{
	static const char *const NAMES[] = { "",       "first", "second", "third",
					     "fourth", "fifth", "sixth",  "seventh",
					     "eighth", "ninth", "tenth" };

	if (k == 0)
		put(out, "that task");
	else if (k == -1)
		put(out, "the last task");
	else if (k == -2)
		put(out, "the second to last task");
	else if (k > 0 && k <= 10)
		buf_printf(out, "the %s task", NAMES[k]);
	else
		buf_printf(out, "task number %lld of the list", (long long)k);
}

static void put_ref(struct buf *out, const struct rules_ref *ref, const struct due_context *ctx)
{
	switch (ref->kind) {
	case RULES_REF_ID:
		buf_printf(out, "task %lld", (long long)ref->number);
		break;
	case RULES_REF_ORDINAL:
		put_ordinal(out, ref->number);
		break;
	case RULES_REF_TITLE:
		reply_put_title(out, ref->title);
		break;
	case RULES_REF_FILTER:
		put(out, "all ");
		reply_put_filter(out, &ref->filter, ctx);
		break;
	case RULES_REF_NONE:
	default:
		put(out, "the task");
	}
}

/* The tasks by name, when they are known, else the words that mean them. */
static void put_tasks(struct buf *out, const struct rules_command *c, const struct rules_outcome *o,
		      const struct due_context *ctx)
{
	enum { BY_NAME = 3 };

	if (!o->is_known || !o->n) {
		put_ref(out, &c->ref, ctx);
		return;
	}
	if (o->n > BY_NAME) {
		buf_printf(out, "%zu tasks", o->n);
		return;
	}
	for (size_t i = 0; i < o->n; i++) {
		put(out, i == 0 ? "" : i + 1 < o->n ? ", " : " and ");
		reply_put_title(out, o->tasks[i].title);
	}
}

/* "1. **Call mom**, due tomorrow at 09:00" */
static void put_list(struct buf *out, const struct rules_task *tasks, size_t n,
		     const struct due_context *ctx)
{
	for (size_t i = 0; i < n && i < RULES_REPLY_TASKS; i++) {
		buf_printf(out, "\n%zu. ", i + 1);
		reply_put_title(out, tasks[i].title);
		if (tasks[i].completed)
			put(out, " (done)");
		if (tasks[i].has_due) {
			put(out, ", due ");
			reply_put_when(out, &tasks[i].due, ctx);
		}
	}
	if (n > RULES_REPLY_TASKS)
		buf_printf(out, "\nand %zu more.", n - RULES_REPLY_TASKS);
}

/* ---- what was done ---- */

static void put_priority(struct buf *out, const struct rules_command *c)
{
	struct str name = task_priority_name(c->priority);

	buf_printf(out, "%.*s priority", STR_ARGS(name));
}

static void put_schedule(struct buf *out, const struct rules_command *c,
			 const struct due_context *ctx)
{
	if (c->rrule.n && c->has_due) {
		put(out, ", ");
		reply_put_rule(out, c->rrule, &c->due);
		put(out, c->from_completion ? " after it is done, first on " : ", first on ");
		reply_put_day(out, &c->due.at, false, ctx);
	} else if (c->has_due) {
		put(out, ", due ");
		reply_put_when(out, &c->due, ctx);
	}
}

static void put_reminder(struct buf *out, const struct rules_command *c,
			 const struct due_context *ctx)
{
	if (c->has_offset) {
		reply_put_minutes(out, c->offset_minutes);
		put(out, " before it is due");
	} else if (c->has_remind) {
		reply_put_when(out, &c->remind_at, ctx);
	}
}

static void say_add(struct buf *out, const struct rules_command *c, const struct due_context *ctx)
{
	put(out, "Added ");
	reply_put_title(out, c->title);
	put_schedule(out, c, ctx);
	if (c->has_remind || c->has_offset) {
		put(out, ", with a reminder ");
		put_reminder(out, c, ctx);
	}
	if (c->has_priority) {
		put(out, ", ");
		put_priority(out, c);
	}
	if (c->tags.n) {
		put(out, ", tagged ");
		reply_put_tags(out, &c->tags);
	}
	if (c->description.n) {
		put(out, ", with the note \"");
		reply_put_text(out, c->description);
		put(out, "\"");
	}
	put(out, ".");
}

static void say_reschedule(struct buf *out, const struct rules_command *c,
			   const struct rules_outcome *o, const struct due_context *ctx)
{
	bool is_back = c->shift.n && *c->shift.p == '-';

	put(out, c->clear_due ? "Took the due date of "
		 : is_back    ? "Brought "
		 : c->shift.n ? "Postponed "
			      : "Moved ");
	put_tasks(out, c, o, ctx);
	if (c->clear_due) {
		put(out, " away");
	} else if (c->shift.n) {
		put(out, is_back ? " forward by " : " by ");
		reply_put_length(out, c->shift);
	} else if (c->rrule.n && c->has_due) {
		put_schedule(out, c, ctx);
	} else {
		put(out, " to ");
		reply_put_when(out, &c->due, ctx);
	}
	put(out, ".");
}

static void say_update(struct buf *out, const struct rules_command *c,
		       const struct rules_outcome *o, const struct due_context *ctx)
{
	put(out, c->title.n ? "Renamed " : "Added a note to ");
	put_tasks(out, c, o, ctx);
	if (c->title.n) {
		put(out, " to ");
		reply_put_title(out, c->title);
	} else {
		put(out, ": \"");
		reply_put_text(out, c->description);
		put(out, "\"");
	}
	put(out, ".");
}

static void say_tags(struct buf *out, const struct rules_command *c, const struct rules_outcome *o,
		     const struct due_context *ctx)
{
	bool is_added = c->intent == RULES_ADD_TAG;

	put(out, is_added ? "Tagged " : "Took ");
	if (!is_added) {
		if (c->tags.n)
			reply_put_tags(out, &c->tags);
		else
			put(out, "all tags");
		put(out, " off ");
	}
	put_tasks(out, c, o, ctx);
	if (is_added) {
		put(out, " ");
		reply_put_tags(out, &c->tags);
	}
	put(out, ".");
}

/* "Marked **Milk** as complete." and the like. */
static void say_about(struct buf *out, const char *before, const char *after,
		      const struct rules_command *c, const struct rules_outcome *o,
		      const struct due_context *ctx)
{
	put(out, before);
	put_tasks(out, c, o, ctx);
	put(out, after);
}

static void say_remind(struct buf *out, const struct rules_command *c,
		       const struct rules_outcome *o, const struct due_context *ctx)
{
	say_about(out, "I will remind you about ", "", c, o, ctx);
	if (c->has_remind || c->has_offset)
		put(out, " ");
	put_reminder(out, c, ctx);
	put(out, ".");
}

static void say_list(struct buf *out, const struct rules_command *c, const struct rules_outcome *o,
		     const struct due_context *ctx)
{
	const struct rules_filter *f = &c->filter;
	bool is_all = f->status == RULES_ALL || f->status == RULES_STATUS_UNSET;

	if (o->is_known && !o->n) {
		put(out, "You have no ");
		reply_put_filter(out, f, ctx);
		put(out, ".");
		return;
	}
	put(out, is_all && !f->overdue && !f->search.n ? "Here are all your " : "Here are your ");
	reply_put_filter(out, f, ctx);
	put(out, o->is_known ? ":" : ".");
	if (o->is_known)
		put_list(out, o->tasks, o->n, ctx);
}

static const char HELP[] =
	"You can say things like: *add buy milk tomorrow at 5pm #shopping*, *what's due this week?*, "
	"*mark milk as done*, *move the report to Friday*, *remind me about task 3 an hour before*, "
	"*water the plants every other Sunday at 8*, *delete the meeting task*, *undo*.";

static const char UNKNOWN[] =
	"I did not understand that, so I changed nothing. Say *help* for what I can do.";

/* Commands that name no task. */
static bool say_talk(struct buf *out, const struct rules_command *c)
{
	static const char *const TALK[_RULES_INTENT_MAX] = {
		[RULES_UNKNOWN] = UNKNOWN,
		[RULES_HELP] = HELP,
		[RULES_GREET] = "Hello! What is there to do?",
		[RULES_CONFIRM] = "All right.",
		[RULES_DENY] = "All right, nothing was changed.",
		[RULES_UNDO] = "Undid the last change.",
	};

	if (!TALK[c->intent])
		return false;
	put(out, TALK[c->intent]);
	return true;
}

static void say_done(struct buf *out, const struct rules_command *c, const struct rules_outcome *o,
		     const struct due_context *ctx)
{
	if (say_talk(out, c))
		return;
	switch ((int)c->intent) {
	case RULES_ADD:
		say_add(out, c, ctx);
		break;
	case RULES_LIST:
	case RULES_SEARCH:
		say_list(out, c, o, ctx);
		break;
	case RULES_COMPLETE:
		say_about(out, "Marked ", " as complete.", c, o, ctx);
		break;
	case RULES_REOPEN:
		say_about(out, "Reopened ", ".", c, o, ctx);
		break;
	case RULES_DELETE:
		say_about(out, "Deleted ", ". Say *undo* to take that back.", c, o, ctx);
		break;
	case RULES_UPDATE:
		say_update(out, c, o, ctx);
		break;
	case RULES_RESCHEDULE:
		say_reschedule(out, c, o, ctx);
		break;
	case RULES_SET_PRIORITY:
		say_about(out, "Set ", " to ", c, o, ctx);
		put_priority(out, c);
		put(out, ".");
		break;
	case RULES_ADD_TAG:
	case RULES_REMOVE_TAG:
		say_tags(out, c, o, ctx);
		break;
	case RULES_REMIND:
		say_remind(out, c, o, ctx);
		break;
	case RULES_CANCEL_REMINDER:
		say_about(out, "I will not remind you about ", ".", c, o, ctx);
		break;
	default:
		put(out, "Here is the history");
		if (c->ref.kind != RULES_REF_NONE)
			say_about(out, " of ", "", c, o, ctx);
		put(out, ".");
	}
}

/* ---- questions ---- */

static const char *verb(enum rules_intent intent)
{
	static const char *const VERBS[_RULES_INTENT_MAX] = {
		[RULES_COMPLETE] = "mark as complete",
		[RULES_REOPEN] = "reopen",
		[RULES_DELETE] = "delete",
		[RULES_UPDATE] = "change",
		[RULES_RESCHEDULE] = "move",
		[RULES_SET_PRIORITY] = "set",
		[RULES_ADD_TAG] = "tag",
		[RULES_REMOVE_TAG] = "untag",
		[RULES_REMIND] = "set a reminder for",
		[RULES_CANCEL_REMINDER] = "stop reminding you about",
	};

	return VERBS[intent] ? VERBS[intent] : "do that to";
}

/* What shall become of the tasks of a question. */
static void put_change(struct buf *out, const struct rules_command *c,
		       const struct due_context *ctx)
{
	if (c->intent == RULES_SET_PRIORITY) {
		put(out, " to ");
		put_priority(out, c);
	} else if (c->intent == RULES_RESCHEDULE && c->shift.n) {
		put(out, *c->shift.p == '-' ? " forward by " : " by ");
		reply_put_length(out, c->shift);
	} else if (c->intent == RULES_RESCHEDULE && c->has_due) {
		put(out, " to ");
		reply_put_when(out, &c->due, ctx);
	} else if (c->intent == RULES_RESCHEDULE) {
		put(out, " to no day");
	} else if (c->tags.n) {
		put(out, c->intent == RULES_ADD_TAG ? " with " : " from ");
		reply_put_tags(out, &c->tags);
	} else if (c->title.n) {
		put(out, " to ");
		reply_put_title(out, c->title);
	} else if (c->has_remind || c->has_offset) {
		put(out, " ");
		put_reminder(out, c, ctx);
	}
}

static void ask_sure(struct buf *out, const struct rules_command *c, const struct rules_outcome *o,
		     const struct due_context *ctx)
{
	bool is_one = o->is_known && o->n == 1;
	bool is_loose = c->ref.kind == RULES_REF_ORDINAL && c->ref.number == 0;

	if (!o->is_known && is_loose) {
		buf_printf(out, "Which task shall I %s?", verb(c->intent));
		return;
	}
	buf_printf(out, "Shall I %s ", verb(c->intent));
	put_tasks(out, c, o, ctx);
	put_change(out, c, ctx);
	put(out, "?");
	if (o->is_known && o->n > 1)
		put_list(out, o->tasks, o->n, ctx);
	if (o->is_known && o->plan.total > o->plan.n)
		buf_printf(out, "\nThese are the first %zu of %zu.", o->plan.n, o->plan.total);
	bool is_several = !is_one && c->ref.kind == RULES_REF_FILTER;
	put(out, o->is_known && o->n > 1 ? "\n" : " ");
	put(out, is_several || (o->is_known && o->n > 1) ? "Say *yes*, *only the first*, or *no*."
							 : "Say *yes* or *no*.");
}

static void ask_which(struct buf *out, const struct rules_command *c, const struct rules_outcome *o,
		      const struct due_context *ctx)
{
	buf_printf(out, "Which one shall I %s?", verb(c->intent));
	put_list(out, o->tasks, o->n, ctx);
	if (o->plan.total > o->n)
		buf_printf(out, "\nand %zu more fit.", o->plan.total - o->n);
	put(out, "\nSay its number, or *no*.");
}

static void say_missing(struct buf *out, const struct rules_command *c,
			const struct due_context *ctx)
{
	if (c->ref.kind == RULES_REF_ORDINAL && c->ref.number == 0) {
		put(out, "I do not know which task you mean. Say its number or its name.");
		return;
	}
	if (c->ref.kind == RULES_REF_FILTER) {
		put(out, "You have no ");
		reply_put_filter(out, &c->ref.filter, ctx);
		put(out, ", so I changed nothing.");
		return;
	}
	put(out, "I found no task for ");
	put_ref(out, &c->ref, ctx);
	put(out, ", so I changed nothing.");
}

/* What was wrong with a date stands behind what was done without it. */
static void put_problem(struct buf *out, const struct rules_command *c)
{
	if (!c->problem)
		return;
	put(out, c->intent == RULES_UNKNOWN ? " The reason: "
		 : c->rrule.n		    ? " I could not take all of the repetition: "
					    : " I left the date open: ");
	put(out, c->problem);
	put(out, ".");
}

void rules_reply(struct buf *out, const struct rules_command *c, const struct rules_outcome *o,
		 const struct due_context *ctx)
{
	enum rules_step step = o->is_known ? o->plan.step
			       : c->ask	   ? RULES_STEP_SURE
					   : RULES_STEP_ACT;

	if (step == RULES_STEP_WHICH)
		ask_which(out, c, o, ctx);
	else if (step == RULES_STEP_SURE)
		ask_sure(out, c, o, ctx);
	else if (step == RULES_STEP_MISSING)
		say_missing(out, c, ctx);
	else
		say_done(out, c, o, ctx);
	put_problem(out, c);
}

/* Of several commands that are asked back in the same way, the last that follows c. */
static const struct rules_command *last_of_question(const struct rules_command *c)
{
	while (c->ask && c->next && c->next->ask && c->next->intent == c->intent)
		c = c->next;
	return c;
}

/* "Shall I delete task 1, task 2 and task 3?" */
static void ask_all(struct buf *out, const struct rules_command *first,
		    const struct rules_command *last, const struct due_context *ctx)
{
	buf_printf(out, "Shall I %s ", verb(first->intent));
	for (const struct rules_command *c = first;; c = c->next) {
		put(out, c == first ? "" : c == last ? " and " : ", ");
		put_ref(out, &c->ref, ctx);
		if (c == last)
			break;
	}
	put(out, "? Say *yes*, *only the first*, or *no*.");
}

void rules_reply_preview(struct buf *out, const struct rules_command *first,
			 const struct due_context *ctx)
{
	static const struct rules_outcome NOTHING_KNOWN;

	for (const struct rules_command *c = first; c; c = c->next) {
		const struct rules_command *last = last_of_question(c);
		if (c != first)
			put(out, " ");
		if (last != c)
			ask_all(out, c, last, ctx);
		else
			rules_reply(out, c, &NOTHING_KNOWN, ctx);
		c = last;
	}
}
