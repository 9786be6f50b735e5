/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose work is being done. A process may run several roles on one loop; each has a scope with what
 * lines of the log and metrics take from it. The loop makes a role's scope the current one whenever
 * something of that role runs; outside, and in a process that made none, the process's own holds.
 */
#ifndef BASE_SCOPE_H
#define BASE_SCOPE_H

#include "base/log.h"
#include "base/macro.h"

struct metrics;

enum { SCOPE_ROLE_SIZE = 32 };

struct scope {
	char role[SCOPE_ROLE_SIZE]; /* in each line of the log */
	enum log_level level;
	struct metrics *metrics; /* of base/metrics; NULL: none yet */
};

/* role is copied. metrics_done frees what a scope gathers, while it is the current one. */
void scope_init(struct scope *s, const char *role, enum log_level level);
/* Makes s the current scope (NULL: the process's own) and returns the one before. s must outlive
 * its time as current. */
struct scope *scope_swap(struct scope *s);
struct scope *scope_current(void); /* never NULL */

/*
 * From here to the end of the block s is the current scope, and then the one before again. Once in
 * a block; in one where a fiber does not wait.
 */
#define SCOPE_ENTER(s) \
	CLEANUP(scope_leave) __attribute__((unused)) struct scope *scope_before_ = scope_swap(s)
void scope_leave(struct scope **before);

#endif
