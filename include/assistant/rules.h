/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules engine: English todo talk to commands, by a grammar that gives the same answer every
 * time. Pure: clock and zone are arguments, memory comes from the arena. It says what a message
 * asks for and changes nothing; what is destructive or touches several tasks is asked back by
 * whoever executes it. docs/language-commands.md has every rule with an example.
 */
#ifndef ASSISTANT_RULES_H
#define ASSISTANT_RULES_H

#include "base/arena.h"
#include "base/json_out.h"
#include "base/str.h"
#include "domain/due.h"
#include "domain/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RULES_TEXT_MAX = DUE_TEXT_MAX, /* bytes of a message */
	RULES_READ_MAX = 16 * 1024,    /* bytes, and */
	RULES_WORDS_MAX = 2048,	       /* words of one that is read; a longer one is unknown */
	RULES_COMMANDS_MAX = 32,       /* commands of one message; later ones are not read */
	RULES_TAGS_MAX = 20,
	RULES_SPANS_MAX = 16,
};

enum rules_intent {
	RULES_UNKNOWN,
	RULES_ADD,
	RULES_LIST,
	RULES_SEARCH,
	RULES_COMPLETE,
	RULES_REOPEN,
	RULES_DELETE,
	RULES_UPDATE,
	RULES_RESCHEDULE,
	RULES_SET_PRIORITY,
	RULES_ADD_TAG,
	RULES_REMOVE_TAG,
	RULES_REMIND,
	RULES_CANCEL_REMINDER,
	RULES_HISTORY,
	RULES_HELP,
	RULES_GREET,
	RULES_CONFIRM,
	RULES_DENY,
	RULES_UNDO,
	_RULES_INTENT_MAX
};

enum rules_status { RULES_STATUS_UNSET, RULES_PENDING, RULES_COMPLETED, RULES_ALL };

struct rules_tags {
	struct str v[RULES_TAGS_MAX]; /* without the mark, as written */
	size_t n;
};

struct rules_filter {
	enum rules_status status;
	bool overdue;
	unsigned priorities; /* 1u << enum task_priority */
	struct rules_tags tags;
	bool has_after, has_before; /* of the due date; completed tasks: of the completion */
	struct due_value after, before;
	struct str search; /* .n 0: none */
	const char *part;  /* of the day: "morning", "afternoon", "evening"; NULL */
};

enum rules_ref_kind {
	RULES_REF_NONE,
	RULES_REF_ID,	   /* number: a task id, else a place in the list last shown */
	RULES_REF_ORDINAL, /* number: place in the list last shown, from 1; -1 the last one, -2 the
			      one before; 0 "it", what was last spoken of */
	RULES_REF_TITLE,   /* words of the title, for the best match */
	RULES_REF_FILTER,  /* several: "all overdue tasks" */
};

struct rules_ref {
	enum rules_ref_kind kind;
	int64_t number;
	struct str title;
	struct rules_filter filter;
};

struct rules_span {
	const char *kind; /* "intent", "title", "task", "due", "tag", "priority", ... */
	size_t start, end;
};

struct rules_command {
	enum rules_intent intent;
	struct str title;	/* of a new task, or the new one of RULES_UPDATE; .n 0: none */
	struct str description; /* .n 0: none */
	struct rules_ref ref;
	bool has_priority;
	enum task_priority priority;
	struct rules_tags tags;
	bool has_due, clear_due; /* clear_due: RULES_RESCHEDULE takes the date away */
	struct due_value due;
	bool has_remind;
	struct due_value remind_at;
	bool has_offset;
	int64_t offset_minutes; /* before the due date, when that is not known here */
	struct str shift;	/* RULES_RESCHEDULE by an ISO 8601 duration, "-P1D"; .n 0: none */
	struct str rrule;	/* .n 0: none */
	bool ask;		/* must be asked back before it is done, whatever task it fits: it
				   touches several, deletes several, or does not say which */
	bool from_completion;	/* the next date counts from when it was done */
	struct rules_filter filter;
	const char *problem; /* what was not understood of a date; NULL */
	struct rules_span spans[RULES_SPANS_MAX];
	size_t n_spans;
	const struct rules_command *next; /* further commands of the message */
};

/*
 * Reads one message (any bytes). *ret is the first of its commands, RULES_UNKNOWN when it is none;
 * strings point into text or the arena. 0; -E2BIG over RULES_TEXT_MAX bytes; -ENOMEM.
 */
int rules_parse(struct arena *arena, struct str text, const struct due_context *ctx,
		const struct rules_command **ret) MUST_CHECK;
/* "add", "set_priority", ... */
const char *rules_intent_name(enum rules_intent intent);
/* The command and those that follow it ("more"), as `todod parse` prints them; reply .n 0: none. */
void rules_write_json(struct json_out *o, struct str text, const struct rules_command *c,
		      struct str reply, const struct tz *tz);

#endif
