/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the command line to the configuration of what is to run: defaults < file < environment <
 * flags. Every mistake is told on standard error.
 */
#ifndef APP_CONFIGURE_H
#define APP_CONFIGURE_H

#include "app/arguments.h"
#include "app/process.h"

/* What is configured; parts[0].role is NULL for a command. */
struct configured {
	struct process_part *parts;
	size_t n;
};

/* Of one role; NULL: of a command, which takes the keys of all roles (NULL-terminated). EX_OK,
 * EX_USAGE, EX_CONFIG, EX_OSERR. */
int configure_one(const struct arguments *a, const struct role *role,
		  const struct role *const *roles, char **envp, struct configured *ret);
/*
 * --role=all: of every role. --config is a file for all of them, or a directory with ROLE.conf for
 * some; environment and flags are for every role that knows the key. What must differ between roles
 * and is not given is derived: ports, database roles, and all that binds the roles to the embedded
 * sidecar, with tokens that are drawn anew (docs/adr/0013).
 */
int configure_all(const struct arguments *a, const struct role *const *roles, char **envp,
		  struct configured *ret);
/* Also one that is all zeros. */
void configured_done(struct configured *c);

#endif
