/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the rules engine: a message is cut into words, the words of one clause are matched against
 * the phrase table, and what a slot of a phrase caught is read by the reader of that slot.
 */
#ifndef SRC_ASSISTANT_RULES_PRIVATE_H
#define SRC_ASSISTANT_RULES_PRIVATE_H

#include "assistant/rules.h"

enum { RULES_SLOTS_MAX = 4, RULES_REACH = 48 };

struct rules_word {
	size_t start, end;     /* in the message; of a quoted text with its quotes */
	struct str folded;     /* lower case, without apostrophes and hyphens; empty when quoted */
	struct str quoted;     /* what stands between the quotes; .p NULL: a word */
	char punct;	       /* , . ; : ? ! that follows, '\n' at the end of a line, or 0 */
	bool bullet;	       /* opens a line that has a bullet or a number before it */
	const struct due *due; /* the date it belongs to, or NULL */
	bool cut;	       /* out of the middle of a title: understood as something else */
};

struct rules_text {
	struct arena *arena;
	struct str text;
	const struct due_context *ctx;
	struct rules_word *words;
	size_t n;
	const struct due *first; /* the date that the command got its due date from */
	bool no_memory;
};

struct rules_range { /* of words, end exclusive */
	size_t from, to;
};

struct rules_slot {
	char kind;
	struct rules_range at;
};

struct rules_match {
	struct rules_slot slots[RULES_SLOTS_MAX];
	size_t n;
};

/* What a row of the phrase table asks for besides its words. */
enum rules_flag {
	RULES_OWN = 1,	   /* the reference must look like a task: number, "it", "the", "task" */
	RULES_SET_LOW = 2, /* priorities that are in the verb */
	RULES_SET_HIGH = 4,
	RULES_BACK = 8,		   /* the shift goes towards the past */
	RULES_COMPLETED_ONLY = 16, /* presets of the filter */
	RULES_PENDING_ONLY = 32,
	RULES_OVERDUE_ONLY = 64,
	RULES_ANY = 128,
	RULES_IT = 256,		/* no reference said: "it" */
	RULES_CLEAR = 512,	/* takes the due date away */
	RULES_WITH_HEAD = 2048, /* the first word belongs to the reference */
	RULES_STRICT = 4096,	/* a title must come with "task", or in quotes */
	RULES_SAFE = 1024,	/* names of other things ("alarm") do not matter */
};

struct rules_phrase {
	const char *head; /* alternatives for the first word */
	const char *rest; /* further elements; rules_table.c tells how they are written */
	enum rules_intent intent;
	unsigned flags;
};

extern const struct rules_phrase RULES_PHRASES[];
extern const char *const RULES_FILLERS[];
extern const char *const RULES_TRAILERS[];

/* rules_lex.c: cuts the message; false without memory. */
bool rules_lex(struct rules_text *t);

/* rules_words.c */
bool rules_in(struct str w, const char *alternatives); /* "a|b|c", T and other groups inside */
bool rules_is(const struct rules_text *t, size_t i, const char *alternatives);
bool rules_number(struct str w, int64_t *ret); /* digits, "#3", "three" */
size_t rules_priority(const struct rules_text *t, struct rules_range at, enum task_priority *ret);
size_t rules_length(const struct rules_text *t, struct rules_range at, int64_t *ret_n,
		    char *ret_unit);
bool rules_chore(const struct rules_text *t, size_t i);
bool rules_foreign(const struct rules_text *t, struct rules_range at);
bool rules_determiner(const struct rules_text *t, size_t i);
struct str rules_correct(struct str w); /* the command word that w misspells, or w */

/* rules_match.c: does the phrase cover all words of the range? */
bool rules_match(const struct rules_text *t, struct rules_range at, const char *pattern,
		 struct rules_match *ret);
/* The same, anywhere up to the end: words covered from the start, 0 for none. */
size_t rules_match_prefix(const struct rules_text *t, struct rules_range at, const char *pattern);

/* Readers: each fills the command; false: the phrase does not fit. */
bool rules_read_slots(struct rules_text *t, const struct rules_match *m, struct rules_range whole,
		      const struct rules_phrase *phrase, struct rules_command *c);
bool rules_read_ref(struct rules_text *t, struct rules_range at, unsigned flags,
		    struct rules_command *c);
/* *ret_tasks: it speaks of tasks. */
bool rules_read_filter(struct rules_text *t, struct rules_range at, struct rules_filter *ret,
		       bool *ret_tasks);
bool rules_read_tags(struct rules_text *t, struct rules_range at, struct rules_tags *ret);
bool rules_read_title(struct rules_text *t, struct rules_range at, unsigned flags,
		      struct rules_command *c);
bool rules_read_titles(struct rules_text *t, struct rules_range at, unsigned flags,
		       struct rules_command *c);
/* A text that is a task without saying "add": a chore with a date, a token of quick add. */
bool rules_read_bare(struct rules_text *t, struct rules_range at, struct rules_command *c);
bool rules_read_when(struct rules_text *t, struct rules_range at, struct rules_command *c);
/* A task and a date, or how long before the due date for RULES_REMIND. */
bool rules_read_move(struct rules_text *t, struct rules_range at, unsigned flags,
		     struct rules_command *c);
bool rules_read_offset(struct rules_text *t, struct rules_range at, struct rules_command *c);
bool rules_read_shift(struct rules_text *t, struct rules_range at, unsigned flags,
		      struct rules_command *c);

/* An answer to "which one?": "2", "the second one", "both of them". */
bool rules_read_choice(struct arena *arena, struct str text, const struct due_context *ctx,
		       struct rules_ref *ret);

/* rules_dates.c. The words of the date that word i belongs to, within the range. */
struct rules_range rules_date_at(const struct rules_text *t, struct rules_range at, size_t i);
void rules_take_due(struct rules_text *t, const struct due *d, struct rules_command *c);
/* "everything due today to tomorrow": those of the first day, to the second. */
bool rules_move_due(const struct due *d, struct rules_command *c);
void rules_window(const struct due *d, bool is_deadline, struct rules_filter *f);

/* rules_text.c: the text of a range, without the quotes when it is one quoted text. */
struct str rules_slice(const struct rules_text *t, struct rules_range at);
bool rules_tag_add(struct rules_tags *tags, struct str name);
void rules_span(const struct rules_text *t, struct rules_command *c, const char *kind,
		struct rules_range at);
/* Appends a command to the chain that c is in; NULL past the bound or without memory. */
struct rules_command *rules_more(struct rules_text *t, struct rules_command *c);

#endif
