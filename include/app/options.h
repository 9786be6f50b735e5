/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration keys of the process, in one table; roles add their own.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "app/role.h"
#include "base/config.h"

struct jwt_key;

#define APP_DEFAULT_PUBSUB "kafka-pubsub"

/* Ends with a NULL name. */
extern const struct config_key APP_OPTIONS[];
/* Those of --role=all alone. */
extern const struct config_key ALL_OPTIONS[];

/* The configuration of a role (NULL: of none): app's keys and the role's. NULL when out of memory.
 */
struct config *options_new(const struct role *role);
/* App's keys, those of every role (NULL-terminated), and those of --role=all: what may stand in one
 * file for all of them and for commands. */
struct config *options_new_all(const struct role *const *roles);

/*
 * What no single key can say: the keys that the auth mode and the role's needs ask for. role may be
 * NULL. Adds a line for each mistake to out and returns how many.
 */
int options_check(const struct config *c, const struct role *role, struct buf *out);

/* The local key that auth.mode names, to verify and to sign with. NULL with the reason; for mode
 * jwks there is none. */
struct jwt_key *options_auth_key(const struct config *c, struct err *reterr);

#endif
