/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a task is: its fields, their bounds, its JSON. Pure: no I/O, no clock of its own.
 */
#ifndef DOMAIN_TASK_H
#define DOMAIN_TASK_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	TASK_TITLE_MAX = 200,	     /* code points */
	TASK_DESCRIPTION_MAX = 1000, /* code points */
	TASK_QUOTA = 10000,	     /* tasks of one user */
};

enum task_priority { TASK_LOW, TASK_MEDIUM, TASK_HIGH, TASK_URGENT, _TASK_PRIORITY_MAX };

struct task {
	int64_t id;
	struct str user_id;
	struct str title;
	struct str description; /* .p NULL: none */
	bool completed;
	enum task_priority priority;
	int64_t created_at_us, updated_at_us;
	int64_t completed_at_us; /* 0: not completed */
	int64_t version;	 /* 1 at first, one more with each change */
};

extern const struct err_kind ERR_TASK_NOT_FOUND; /* 404 */
extern const struct err_kind ERR_TASK_QUOTA;	 /* 422 */

/* "low" ... "urgent". */
struct str task_priority_name(enum task_priority p);

/* Parses and checks the body of a create into *ret (all but id, user and times; strings in the
 * arena). 400 or 422. */
int task_parse_create(struct arena *arena, struct str body, struct task *ret,
		      struct err *reterr) MUST_CHECK;
/* Parses the optional body of PATCH .../complete: {"completed": bool}. *ret_set false: toggle. */
int task_parse_complete(struct arena *arena, struct str body, bool *ret_set, bool *ret_completed,
			struct err *reterr) MUST_CHECK;
/* The task as a JSON object, in the key order of the API. */
void task_write_json(struct json_out *o, const struct task *t);

#endif
