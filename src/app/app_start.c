/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From open to ready, on a fiber: the sidecar where the role needs one, the database and its
 * schema, the role, the listeners of the others.
 */
#include "app_life_private.h"
#include "base/log.h"
#include "base/time.h"
#include "net/http_server.h"
#include "relay_private.h"
#include "store/schema.h"

#include <errno.h>
#include <sysexits.h>

enum { DB_WARN_EVERY_MS = 5000 };

/* Waits until the database answers, telling now and then why it does not. */
static FIBER int wait_for_connection(struct app *app, int64_t until_ms, struct err *reterr)
{
	while (!db_is_up(app->db)) {
		struct fiber_wait wait;
		int64_t left_ms = until_ms - time_monotonic_ms();

		if (left_ms <= 0)
			return err_unavailable(
				reterr, 0, "the database cannot be reached: %s; check database.url",
				db_last_error(app->db));
		fiber_wait_init(&wait);
		app->db_wait = &wait;
		int r = fiber_wait(&wait, "database.connect",
				   left_ms < DB_WARN_EVERY_MS ? left_ms : DB_WARN_EVERY_MS);
		app->db_wait = NULL;
		if (r == -ECANCELED)
			return err_unavailable(reterr, 0, "stopped while waiting for the database");
		if (r == -ETIME)
			log_warn("database.unreachable", LOG_CSTR("reason", db_last_error(app->db)),
				 LOG_CSTR("hint",
					  "is PostgreSQL running, and is database.url right?"));
	}
	return 0;
}

/* The schema may be migrated while we wait. */
static FIBER int wait_for_database(struct app *app, struct err *reterr)
{
	int64_t until_ms = time_monotonic_ms() + config_i64(app->config, "database.start_timeout");

	for (;;) {
		int r = wait_for_connection(app, until_ms, reterr);
		if (r < 0)
			return r;
		r = schema_check_wait(app->db, reterr);
		if (r >= 0 || time_monotonic_ms() >= until_ms)
			return r;
		log_err(LOG_WARN, "database.not_ready", reterr);
		if (fiber_sleep(1000) < 0)
			return -ECANCELED;
	}
}

static FIBER int wait_for_sidecar(struct app *app, struct err *reterr)
{
	struct err why = { .text = "" };
	int r = sidecar_ready_wait(app->dapr.sidecar, config_i64(app->config, "dapr.start_timeout"),
				   &why);

	if (r == 0)
		log_info("sidecar.up", LOG_STR("url", config_str(app->config, "dapr.url")));
	return r < 0 ? err_unavailable(reterr, 0, "the sidecar is not ready: %s; check dapr.url",
				       why.text)
		     : 0;
}

static FIBER void start_up(void *arg)
{
	struct app *app = arg;
	struct err err = { 0 };

	int r = app->role->needs & NEED_DAPR ? wait_for_sidecar(app, &err) : 0;
	if (r == 0 && app->db != NULL)
		r = wait_for_database(app, &err);
	if (app->is_draining)
		return;
	if (r < 0) {
		app_fail(app, EX_UNAVAILABLE, &err);
		return;
	}
	if (app->role->start != NULL && app->role->start(app, &err) < 0) {
		app_fail(app, err.kind == &ERR_INVALID ? EX_CONFIG : EX_UNAVAILABLE, &err);
		return;
	}
	app->role_started = true;
	if ((app->dapr.sidecar != NULL && app_open_dapr_listener(app, &err) < 0) ||
	    app_open_public(app, &err) < 0 ||
	    (app->relay != NULL && relay_start(app->relay, &err) < 0)) {
		app_fail(app, EX_UNAVAILABLE, &err);
		return;
	}
	app->is_started = true;
	log_info("role.ready", LOG_I64("port", http_server_port(app->public_server)));
	log_flush();
	process_on_started(app->process, app);
}

int app_start(struct app *app, struct err *reterr)
{
	if (fiber_spawn(app->loop, "start", start_up, app, NULL, NULL) < 0)
		return err_unavailable(reterr, 1, "out of memory");
	return 0;
}
