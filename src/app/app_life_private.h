/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A role's part of a process, and the process, as the files of their life see them. Everything of a
 * part runs on its own loop, and so in its own scope: lines of the log, metrics, fibers.
 */
#ifndef APP_LIFE_PRIVATE_H
#define APP_LIFE_PRIVATE_H

#include "app_private.h"
#include "base/scope.h"
#include "dapr_link_private.h"
#include "loop/fiber.h"
#include "net/db.h"

enum { DAPR_CONNECTIONS_MAX = 256, HTTP_CALLS_MAX = 16, OPS_CONNECTIONS_MAX = 64 };

struct http_client;
struct jwks;
struct process;
struct relay;

struct app {
	const struct role *role;
	const struct config *config;
	struct process *process;
	struct scope scope;
	struct loop *loop;
	struct dispatcher *ops_dispatcher, *public_dispatcher;
	struct http_server *ops_server, *public_server;
	struct http_client *http_client;
	struct jwks *jwks;
	struct auth_verifier *auth;
	struct db *db, *relay_db;
	struct dapr_link dapr;
	struct relay *relay;
	struct fiber_wait *db_wait; /* the start-up fiber, waiting for the first connection */
	void *role_state;
	bool has_ops; /* the process's operations listener is its */
	bool role_started, is_started, is_draining;
	int64_t drain_until_ms;
};

/* ---- app.c ---- */

/* Its loop turns with l. has_ops: it opens the operations listener, for the process. -ENOMEM. */
int app_init(struct app *app, struct process *p, struct loop *l, const struct role *role,
	     const struct config *config, bool has_ops) MUST_CHECK;
/* The operations listener, if it is its, and the handles that the role needs; nothing is waited
 * for. */
int app_open(struct app *app, struct err *reterr) MUST_CHECK;
/* Takes on nothing new from now on. */
void app_drain(struct app *app);
/* The grace is over. */
void app_hurry(struct app *app);
/* To be asked again and again once app_drain was called: whether all that was under way has ended;
 * past the grace it is cancelled. */
bool app_is_drained(struct app *app);
/* What app_init and app_open made, also half of it; no fiber lives. */
void app_done(struct app *app);

/* ---- app_open.c: handles ---- */

int app_open_auth(struct app *app, struct err *reterr) MUST_CHECK;
int app_open_db(struct app *app, struct err *reterr) MUST_CHECK;
/* Where a sidecar and the relay's own access to the database are configured. */
int app_open_relay(struct app *app, struct err *reterr) MUST_CHECK;

/* ---- app_listen.c: listeners ---- */

int app_open_ops(struct app *app, struct err *reterr) MUST_CHECK;
int app_open_public(struct app *app, struct err *reterr) MUST_CHECK;
int app_open_dapr_listener(struct app *app, struct err *reterr) MUST_CHECK;

/* ---- app_start.c ---- */

/* On a fiber: from open to ready, or to app_fail. */
int app_start(struct app *app, struct err *reterr) MUST_CHECK;

/* ---- process.c ---- */

/* app is ready: who waited for it may start. */
void process_on_started(struct process *p, const struct app *app);
/* Whether there is nothing to be told any more, because the process fails already. */
bool process_has_failed(const struct process *p);
void process_fail(struct process *p, int exit_code);
int process_exit_code(const struct process *p);
/* More than one role. */
bool process_is_shared(const struct process *p);
/* All parts are; reterr (may be NULL) says who is not, and why. */
bool process_is_ready(const struct process *p, struct err *reterr);
/* The metrics of all; of several, each with its role. */
void process_render_metrics(const struct process *p, struct buf *out);
void process_dump_fibers(const struct process *p, struct buf *out);
/* Whoever of them has a relay of the outbox looks into it. */
void process_poke_relays(const struct process *p);
/* What fn says of each part, together. */
int64_t process_sum(const struct process *p, int64_t (*fn)(const struct app *app));

#endif
