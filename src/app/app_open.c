/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handles that a role needs: keys, database, relay.
 */
#include "app/options.h"
#include "app_life_private.h"
#include "auth/verifier.h"
#include "base/log.h"
#include "net/http_client.h"
#include "relay_private.h"

#include <errno.h>

enum { RELAY_DB_DEPTH = 4, LEEWAY_S = 30 };

int app_open_auth(struct app *app, struct err *reterr)
{
	const struct config *c = app->config;
	struct jwt_policy policy = {
		.issuer = config_str(c, "auth.issuer"),
		.audience = config_str(c, "auth.audience"),
		.leeway_s = LEEWAY_S,
	};
	struct jwt_keys *keys = NULL;

	if (str_eq(config_str(c, "auth.mode"), STR("jwks"))) {
		app->http_client = http_client_new(app->loop, HTTP_CALLS_MAX);
		if (app->http_client != NULL)
			app->jwks = jwks_new(app->loop, app->http_client,
					     config_str(c, "auth.jwks_url").p);
		if (app->jwks == NULL)
			return err_set(reterr, &ERR_UNAVAILABLE, NULL, "out of memory");
	} else {
		struct jwt_key *key = options_auth_key(c, reterr);
		if (key == NULL)
			return -EINVAL;
		keys = jwt_keys_new_single(key);
		if (keys == NULL)
			return err_set(reterr, &ERR_UNAVAILABLE, NULL, "out of memory");
	}
	app->auth = auth_verifier_new(app->jwks, keys, &policy);
	return app->auth != NULL ? 0 : err_set(reterr, &ERR_UNAVAILABLE, NULL, "out of memory");
}

static void on_db_state(bool up, void *arg)
{
	struct app *app = arg;

	if (up)
		log_info("database.up",
			 LOG_I64("connections", config_i64(app->config, "database.connections")));
	else
		log_warn("database.down", LOG_CSTR("reason", db_last_error(app->db)));
	if (up && app->db_wait != NULL)
		fiber_wake(app->db_wait, 0);
}

static struct db_config db_config_of(const struct app *app, const char *url_key)
{
	const struct config *c = app->config;

	return (struct db_config){
		.loop = app->loop,
		.url = config_str(c, url_key).p,
		.fast_connections = (unsigned)config_i64(c, "database.connections"),
		.fast_depth = (unsigned)config_i64(c, "database.depth"),
		.slow_connections = (unsigned)config_i64(c, "database.slow_connections"),
		.queue_max = (unsigned)config_i64(c, "database.queue"),
		.statement_timeout_ms = config_i64(c, "database.statement_timeout"),
		.connect_timeout_ms = config_i64(c, "database.connect_timeout"),
		.prepare = config_bool(c, "database.prepare"),
		.application_name = app->role->name,
	};
}

int app_open_db(struct app *app, struct err *reterr)
{
	struct db_config config = db_config_of(app, "database.url");

	config.on_state = on_db_state;
	config.on_state_arg = app;
	return db_new(&config, &app->db, reterr);
}

int app_open_relay(struct app *app, struct err *reterr)
{
	struct db_config config = db_config_of(app, "database.relay_url");

	if (config_str(app->config, "database.relay_url").n == 0)
		return 0;
	config.fast_connections = 1;
	config.fast_depth = RELAY_DB_DEPTH;
	config.slow_connections = 0;
	config.application_name = "outbox-relay";
	config.metrics_labels = "pool=\"relay\"";
	int r = db_new(&config, &app->relay_db, reterr);
	if (r < 0)
		return r;
	app->relay =
		relay_new(app->loop, app->relay_db, app->dapr.sidecar, app->role->relay_stands_in);
	return app->relay != NULL ? 0 : err_unavailable(reterr, 1, "out of memory");
}
