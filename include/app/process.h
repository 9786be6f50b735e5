/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process: one role, or several side by side on one loop. Roles of one process know nothing of
 * each other; they talk through the sidecar as if each had a process of its own.
 */
#ifndef APP_PROCESS_H
#define APP_PROCESS_H

#include "app/role.h"
#include "base/config.h"

struct process_part {
	const struct role *role;
	struct config *config;
};

/*
 * Runs the roles until SIGTERM or SIGINT; name is that of the process in its log. There is one
 * operations listener, as the first of them is configured. One role that fails ends all. An exit
 * code of sysexits.h: 0, 69 (a dependency is unavailable), 70, 78.
 */
int process_run(const char *name, const struct process_part *parts, size_t n);

#endif
