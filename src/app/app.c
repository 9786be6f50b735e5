/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a role's part of a process. Up: loop, ops listener (alive, not ready), keys,
 * database, role, public listener, ready. Down: not ready, stop accepting, let requests finish
 * within the grace, cancel what is left, then tear everything down in reverse, always, so that leak
 * checkers prove it.
 */
#include "app/app.h"
#include "app_life_private.h"
#include "auth/verifier.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "relay_private.h"

#include <errno.h>
#include <stdio.h>

struct loop *app_loop(struct app *app)
{
	return app->loop;
}

const struct config *app_config(const struct app *app)
{
	return app->config;
}

const struct role *app_role(const struct app *app)
{
	return app->role;
}

struct db *app_db(struct app *app)
{
	return app->db;
}

struct auth_verifier *app_auth(struct app *app)
{
	return app->auth;
}

struct sidecar *app_sidecar(struct app *app)
{
	return app->dapr.sidecar;
}

const struct callbacks *app_callbacks(const struct app *app)
{
	return app->dapr.callbacks;
}

void app_poke_relay(struct app *app)
{
	process_poke_relays(app->process);
}

void app_set_role_state(struct app *app, void *state)
{
	app->role_state = state;
}

void *app_role_state(struct app *app)
{
	return app->role_state;
}

bool app_is_ready(const struct app *app, struct err *reterr)
{
	if (app->is_draining)
		err_unavailable(reterr, 1, "shutting down");
	else if (!app->is_started)
		err_unavailable(reterr, 1, "starting");
	else if (app->db != NULL && !db_is_up(app->db))
		err_unavailable(reterr, 1, "the database is unreachable");
	else
		return true;
	return false;
}

void app_fail(struct app *app, int exit_code, const struct err *e)
{
	LOOP_ENTER(app->loop);

	if (process_has_failed(app->process))
		return;
	log_err(LOG_ERROR, app->is_started ? "role.failed" : "start.failed", e);
	log_flush();
	if (process_is_shared(app->process))
		fprintf(stderr, "todod: %s: %s\n", app->role->name, e->text);
	else
		fprintf(stderr, "todod: %s\n", e->text);
	process_fail(app->process, exit_code);
}

int app_init(struct app *app, struct process *p, struct loop *l, const struct role *role,
	     const struct config *config, bool has_ops)
{
	enum log_level level = LOG_INFO;

	*app = (struct app){ .process = p, .role = role, .config = config, .has_ops = has_ops };
	(void)log_level_parse(config_str(config, "log.level"), &level);
	scope_init(&app->scope, role->name, level);
	app->loop = loop_new_beside(l, &app->scope);
	return app->loop != NULL ? 0 : -ENOMEM;
}

int app_open(struct app *app, struct err *reterr)
{
	LOOP_ENTER(app->loop);
	unsigned needs = app->role->needs;
	int r = app->has_ops ? app_open_ops(app, reterr) : 0;

	if (r == 0 && (needs & NEED_AUTH))
		r = app_open_auth(app, reterr);
	if (r == 0 && (needs & NEED_DB))
		r = app_open_db(app, reterr);
	if (r == 0 && (needs & (NEED_DAPR | WANT_DAPR)) &&
	    config_str(app->config, "dapr.url").n > 0) {
		r = dapr_link_open(&app->dapr, app, reterr);
		if (r == 0)
			r = app_open_relay(app, reterr);
	}
	return r;
}

void app_drain(struct app *app)
{
	LOOP_ENTER(app->loop);
	int64_t grace_ms = config_i64(app->config, "http.drain_timeout");

	if (app->is_draining)
		return;
	log_info("role.draining", LOG_I64("grace_ms", grace_ms));
	app->is_draining = true;
	app->drain_until_ms = time_monotonic_ms() + grace_ms;
	dapr_link_drain(&app->dapr);
	if (app->public_server != NULL)
		http_server_drain(app->public_server);
	else
		fiber_cancel_all_of(app->loop); /* still starting */
	if (app->role_started && app->role->drain != NULL)
		app->role->drain(app);
}

void app_hurry(struct app *app)
{
	app->drain_until_ms = 0;
}

/* When nobody is served any more, the relay publishes what is left and ends too. */
static bool has_ended(const struct app *app)
{
	unsigned relays = relay_is_running(app->relay);

	if ((app->public_server != NULL && http_server_connections(app->public_server) > 0) ||
	    dapr_link_connections(&app->dapr) > 0 || fiber_count_of(app->loop) > relays)
		return false;
	relay_stop(app->relay);
	return fiber_count_of(app->loop) == 0;
}

bool app_is_drained(struct app *app)
{
	LOOP_ENTER(app->loop);

	if (has_ended(app))
		return true;
	if (time_monotonic_ms() < app->drain_until_ms)
		return false;
	fiber_cancel_all_of(app->loop);
	return fiber_count_of(app->loop) == 0;
}

static void close_all(struct app *app)
{
	http_server_free(app->public_server);
	dispatcher_free(app->public_dispatcher);
	dapr_link_close_listener(&app->dapr);
	if (app->role_started && app->role->stop != NULL)
		app->role->stop(app);
	relay_free(app->relay);
	dapr_link_close(&app->dapr);
	db_free(app->relay_db);
	db_free(app->db);
	auth_verifier_free(app->auth);
	jwks_free(app->jwks);
	http_client_free(app->http_client);
	http_server_free(app->ops_server);
	dispatcher_free(app->ops_dispatcher);
}

void app_done(struct app *app)
{
	if (app->loop == NULL)
		return;
	LOOP_ENTER(app->loop);
	close_all(app);
	loop_free(app->loop);
	metrics_done();
	log_info("role.stopped", LOG_I64("exit_code", process_exit_code(app->process)));
}
