/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The current scope is one pointer: there is one thread, and whoever enters leaves.
 */
#include "base/scope.h"

#include <stdio.h>

/* Before log_init nothing is written. */
static struct scope process = { .level = _LOG_LEVEL_MAX };
static struct scope *current = &process;

void scope_init(struct scope *s, const char *role, enum log_level level)
{
	snprintf(s->role, sizeof(s->role), "%s", role);
	s->level = level;
	s->metrics = NULL;
}

struct scope *scope_swap(struct scope *s)
{
	struct scope *before = current;

	current = s != NULL ? s : &process;
	return before;
}

struct scope *scope_current(void)
{
	return current;
}

void scope_leave(struct scope **before)
{
	current = *before;
}
