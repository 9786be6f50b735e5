/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tasks a command means, whether it must be asked back first, and what the answer to such a
 * question is. Pure: tasks, clock and what a conversation remembers are arguments; whoever executes
 * stores struct rules_memory and struct rules_pending between messages. docs/language-commands.md
 * tells the decisions.
 */
#ifndef ASSISTANT_RULES_DIALOGUE_H
#define ASSISTANT_RULES_DIALOGUE_H

#include "assistant/rules.h"

enum {
	RULES_CHOICES_MAX = 10,	 /* tasks of a numbered choice */
	RULES_TARGETS_MAX = 100, /* tasks of one command */
	RULES_SHOWN_MAX = 100,	 /* tasks of the list last shown */
};

/* What is looked at in a task of the user. */
struct rules_task {
	int64_t id; /* from 1 */
	struct str title;
	bool completed, has_due;
	enum task_priority priority;
	struct due_value due;
	const struct rules_tags *tags; /* NULL: none */
};

/* How well words fit a title, better ones later. */
enum rules_fit {
	RULES_FIT_NONE,
	RULES_FIT_PART,	 /* half of the words or more stand in it */
	RULES_FIT_TYPO,	 /* all do, one or two letters apart */
	RULES_FIT_WORDS, /* all do, in any order, or as beginnings of words */
	RULES_FIT_EXACT, /* it is the title, but for case, marks and articles */
};

/*
 * The tasks whose titles the words fit best: how many there are; *ret_fit how well, ret_at the
 * first RULES_CHOICES_MAX of them as places in tasks. At most 12 words of each side are compared,
 * so the time is linear in the tasks.
 */
size_t rules_pick(struct str words, const struct rules_task *tasks, size_t n,
		  enum rules_fit *ret_fit, size_t ret_at[RULES_CHOICES_MAX]);
/* Does the task pass the filter? All but the window of completed tasks, which only their store
 * knows. */
bool rules_fits(const struct rules_filter *f, const struct rules_task *task,
		const struct due_context *ctx);

/* What a conversation remembers. */
struct rules_memory {
	int64_t shown[RULES_SHOWN_MAX]; /* ids of the list last shown, in its order */
	size_t n_shown;
	int64_t it; /* id of the task last spoken of; 0: none */
};

enum rules_step {
	RULES_STEP_FREE,    /* no task is needed: add, list, help */
	RULES_STEP_ACT,	    /* do it to the tasks */
	RULES_STEP_WHICH,   /* several fit: offer them by number */
	RULES_STEP_SURE,    /* destructive, bulk or unsure: yes, only the first, or no */
	RULES_STEP_MISSING, /* no task fits */
};

struct rules_plan {
	enum rules_step step;
	enum rules_fit fit; /* of words for a title */
	int64_t ids[RULES_TARGETS_MAX];
	size_t n;     /* kept in ids */
	size_t total; /* that fit; more than n when there were too many to act on */
};

/* What to do about one command, with the user's tasks (open ones first, where order matters). The
 * plan for several commands is made for each. */
void rules_plan(const struct rules_command *c, const struct rules_memory *memory,
		const struct rules_task *tasks, size_t n, const struct due_context *ctx,
		struct rules_plan *ret);

/* A question that waits for its answer; no question has the step RULES_STEP_FREE. The command is
 * kept as its message, read again at the clock of then. */
struct rules_pending {
	enum rules_step step; /* WHICH or SURE */
	int64_t ids[RULES_TARGETS_MAX];
	size_t n;
	struct str message;
	int64_t asked_at_us;
	size_t command; /* which one of the message, from 0 */
};

enum rules_answer {
	RULES_ANSWER_OTHER, /* another command: the question is over */
	RULES_ANSWER_GO,    /* do it to ret_ids */
	RULES_ANSWER_STOP,  /* do nothing */
	RULES_ANSWER_AGAIN, /* not understood: ask again */
};

/*
 * Reads text as the answer to the question. offered: the tasks of p->ids in their order, or NULL
 * when titles are no answer. 0; -E2BIG; -ENOMEM.
 */
int rules_answer(struct arena *arena, const struct rules_pending *p, struct str text,
		 const struct due_context *ctx, const struct rules_task *offered,
		 enum rules_answer *ret, int64_t ret_ids[RULES_TARGETS_MAX],
		 size_t *ret_n) MUST_CHECK;

#endif
