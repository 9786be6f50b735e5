/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the binary beside its roles. Each prints its result on standard output and its
 * errors on standard error, and returns an exit code of sysexits.h.
 */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

#include "base/config.h"
#include "base/str.h"

/* `todod migrate`: brings database.migrate_url (or database.url) to this binary's schema. 0,
 * 69, 78. */
int command_migrate(const struct config *c);
/* `todod token`: prints a token for user, signed with the local key, valid for ttl_s. 0, 64, 78. */
int command_token(const struct config *c, struct str user, int64_t ttl_s);

#endif
