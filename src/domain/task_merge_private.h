/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A merge in progress, as its steps see it. They run in order: fields, dates, recurrence,
 * reminders; each stands on what the ones before it decided.
 */
#ifndef TASK_MERGE_PRIVATE_H
#define TASK_MERGE_PRIVATE_H

#include "domain/task_input.h"

struct merging {
	struct arena *arena;
	const struct task_input *in;
	const struct task *before; /* NULL: a new task */
	const struct task_context *ctx;
	const struct tz *tz; /* of the task as it will be */
	struct task *after;
	struct err *reterr;
};

int task_merge_out_of_memory(const struct merging *m);
int task_merge_recurrence(const struct merging *m) MUST_CHECK;
int task_merge_reminders(const struct merging *m) MUST_CHECK;

#endif
