/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instance that follows a recurring task that is done: what it copies, and when it is due.
 * Pure.
 */
#ifndef DOMAIN_TASK_NEXT_H
#define DOMAIN_TASK_NEXT_H

#include "base/arena.h"
#include "domain/task.h"

#include <stdbool.h>
#include <stdint.h>

struct task_next {
	const struct task *done; /* completed */
	int64_t now_us;
	int64_t id; /* of the new one */
	struct uuid (*new_id)(void);
};

/*
 * Title, description, priority, tags, zone, rule, mode, end and series as they were; due at the
 * next date after now_us; open, version 1. Reminders come along: those before the due date keep
 * their distance to it, those at a time of their own are as far from the new date as they were from
 * the old one, by the clock's reading. One whose time is over already is cancelled. Strings are
 * those of `done`. 1: *ret is it; 0: that was the last, or it does not recur; -ENOMEM.
 */
int task_next_make(struct arena *arena, const struct task_next *n, struct task *ret) MUST_CHECK;

#endif
