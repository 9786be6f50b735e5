/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a role has of its process: its configuration, loop, listeners and the handles it needs.
 */
#ifndef APP_APP_H
#define APP_APP_H

#include "app/role.h"
#include "base/config.h"
#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>

struct auth_verifier;
struct db;
struct sidecar;

struct app;

struct loop *app_loop(struct app *app);
const struct config *app_config(const struct app *app);
/* NULL unless the role needs it. */
struct db *app_db(struct app *app);
struct auth_verifier *app_auth(struct app *app);
struct sidecar *app_sidecar(struct app *app); /* also NULL when none is configured */
/* Events were committed: the outbox relays of this process, if it has any, look now. */
void app_poke_relay(struct app *app);
/* What the role keeps for its handlers. */
void app_set_role_state(struct app *app, void *state);
void *app_role_state(struct app *app);
/* Started, not shutting down, and the database answers. From memory; reterr (may be NULL) says what
 * is missing. */
bool app_is_ready(const struct app *app, struct err *reterr);

/* Ends the process with that exit code: what the role cannot go on without is gone. */
void app_fail(struct app *app, int exit_code, const struct err *e);

#endif
