/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients may send of a task, and what becomes of a task when they do. First the body is read
 * and each field checked by itself (400, 422); then it is merged over the task as it is, with what
 * the user prefers (422). Both are pure; a merge that fails changes nothing.
 */
#ifndef DOMAIN_TASK_INPUT_H
#define DOMAIN_TASK_INPUT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "domain/preferences.h"
#include "domain/tag.h"
#include "domain/task.h"

#include <stdbool.h>
#include <stdint.h>

/* A text and the key it was sent under: several spellings of a key are accepted. */
struct input_text {
	enum json_state state;
	struct str v;
	const char *field; /* "body.due_date" */
};

/* A reminder as a client sends it. With neither time, the one of that id stays as it is. */
struct reminder_input {
	struct str id;		/* .p NULL: none */
	struct str remind_at;	/* .p NULL: not given */
	int64_t offset_minutes; /* REMINDER_NO_OFFSET: not given; outranks remind_at, unless it is
				   as it was and the time is new */
	unsigned channels;	/* 0: not given */
	const char *where;	/* "body.reminders.2" */
};

struct task_input {
	struct input_text title, description;
	enum json_state priority_state;
	enum task_priority priority;
	struct json_bool completed;
	const char *completed_dispute; /* the key that says otherwise: "body.status"; NULL: none */
	enum json_state tags_state;
	const struct tag_name *tags; /* no two with the same key */
	size_t n_tags;
	struct input_text due, time_zone;
	enum json_state reminders_state;
	const struct reminder_input *reminders;
	size_t n_reminders;
	struct input_text recurrence_word, recurrence_rule, recurrence_end;
	struct json_i64 recurrence_interval; /* goes with the word */
	enum json_state recurrence_mode_state;
	enum task_recurrence_mode recurrence_mode;
};

/* What a merge must know beside the task. */
struct task_context {
	int64_t now_us;
	struct str user_id;
	int64_t new_task_id;		       /* when there is no task before */
	const struct preferences *preferences; /* read if task_input_wants_preferences */
	const struct tag_name *known_tags;     /* those of the input's tags that the user has */
	size_t n_known_tags;
	struct uuid (*new_id)(void);
};

struct task_merge {
	bool is_changed;
	struct task task; /* as it will be; times and version of a new one are the caller's */
	const struct tag_name *new_tags; /* tags the user does not have yet */
	size_t n_new_tags;
};

/* Parses the body of a create or of a merge; unknown and read-only keys are ignored. Strings live
 * in the arena. 400 or 422, -ENOMEM. */
int task_input_parse(struct arena *arena, struct str body, struct task_input *ret,
		     struct err *reterr) MUST_CHECK;
/* The optional body of PATCH .../complete: only `completed` of *ret is set, or nothing (toggle). */
int task_input_parse_complete(struct arena *arena, struct str body, struct task_input *ret,
			      struct err *reterr) MUST_CHECK;
/* 422: the keys that say whether it is done disagree. */
int task_input_dispute(const struct task_input *in, struct err *reterr);
/* One reminder: {"remind_at"} or {"offset_minutes"}, and "channels". needs_time: 422 without a
 * time.
 */
int reminder_input_parse(struct arena *arena, struct str body, bool needs_time,
			 struct reminder_input *ret, struct err *reterr) MUST_CHECK;

/* Whether the merge depends on the user's zone, default reminder or channels. */
bool task_input_wants_preferences(const struct task_input *in);

/* before NULL: a new task. 0; 422; -ENOMEM. */
int task_merge(struct arena *arena, const struct task_input *in, const struct task *before,
	       const struct task_context *ctx, struct task_merge *ret,
	       struct err *reterr) MUST_CHECK;

/* What happened to one reminder between two states of its task. */
struct reminder_change {
	bool is_scheduled; /* will fire now, at another time or with other words; else cancelled */
	struct reminder reminder;
};

enum { REMINDER_CHANGES_MAX = 2 * REMINDERS_OF_TASK_MAX };

/* The changes others must hear of; before NULL: a new task, after NULL: a deleted one. Returns how
 * many. */
size_t task_reminder_changes(const struct task *before, const struct task *after,
			     struct reminder_change ret[REMINDER_CHANGES_MAX]);

#endif
