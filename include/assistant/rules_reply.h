/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rules engine answers: short, friendly English in Markdown that names what was done with
 * the details understood, so that a wrong reading is seen at once. Pure: the same command and
 * outcome give the same text, with dates in the user's zone.
 */
#ifndef ASSISTANT_RULES_REPLY_H
#define ASSISTANT_RULES_REPLY_H

#include "assistant/rules_dialogue.h"
#include "base/buf.h"

enum { RULES_REPLY_MAX = 16 * 1024, RULES_REPLY_TASKS = 20 }; /* bytes; tasks told by name */

/* What became of a command. Of one that was not yet executed: all zero, and the answer is what it
 * will be when it succeeds, or the question that comes first. */
struct rules_outcome {
	struct rules_plan plan;
	const struct rules_task *tasks; /* those it did something to, lists or offers, in order */
	size_t n;
	bool is_known; /* plan and tasks are filled */
};

/* The answer to one command. Appends at most RULES_REPLY_MAX bytes, valid UTF-8 when titles are. */
void rules_reply(struct buf *out, const struct rules_command *c, const struct rules_outcome *o,
		 const struct due_context *ctx);
/* The answers to all commands of a message before anything was executed, as one text. */
void rules_reply_preview(struct buf *out, const struct rules_command *first,
			 const struct due_context *ctx);
/* A title as it is kept and shown: "buy milk" is "Buy milk"; "iPhone case", "9/11 report" stay. */
void rules_append_title(struct buf *out, struct str title);

#endif
