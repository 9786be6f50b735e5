/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a process. Up: loop, ops listener (alive, not ready), keys, database, role, public
 * listener, ready. Down: not ready, stop accepting, let requests finish within the grace, cancel
 * what is left, then tear everything down in reverse, always, so that leak checkers prove it.
 */
#include "app/app.h"
#include "app/options.h"
#include "app_private.h"
#include "auth/verifier.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "dapr_link_private.h"
#include "loop/fiber.h"
#include "loop/timer.h"
#include "net/db.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "relay_private.h"
#include "store/schema.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>

enum {
	DRAIN_POLL_MS = 20,
	OPS_CONNECTIONS_MAX = 64,
	DAPR_CONNECTIONS_MAX = 256,
	DAPR_DESCRIPTORS = DAPR_CONNECTIONS_MAX + 64 + 1, /* and calls, and the relay's session */
	RELAY_DB_DEPTH = 4,
	FIBERS_KEPT = 64, /* for what is no user's: callbacks, the relay */
	HTTP_CALLS_MAX = 16,
	OTHER_DESCRIPTORS = 32,	     /* the loop's, the log's, a name server's ... */
	PUBLIC_CONNECTIONS_MIN = 16, /* as http.max_connections */
	REQUEST_ARENA_BYTES = 64 * 1024 * 1024,
	DB_WARN_EVERY_MS = 5000,
	LEEWAY_S = 30,
};

struct app {
	const struct role *role;
	const struct config *config;
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
	bool role_started, is_started, is_draining;
	struct timer drain_timer;
	int64_t drain_until_ms;
	int exit_code;
};

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
	relay_poke(app->relay);
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

static uint16_t port_of(const struct app *app, const char *key, unsigned role_port)
{
	int64_t port = config_i64(app->config, key);

	return (uint16_t)(port < 0 ? (int64_t)role_port : port);
}

/*
 * As many as there are descriptors for, less those of everything else: else idle clients could take
 * the ones that health checks and the database need.
 */
static unsigned public_connections_max(const struct app *app)
{
	const struct config *c = app->config;
	int64_t max = config_i64(c, "http.max_connections");
	int64_t others = OPS_CONNECTIONS_MAX + HTTP_CALLS_MAX + OTHER_DESCRIPTORS +
			 (app->dapr.sidecar != NULL ? DAPR_DESCRIPTORS : 0) +
			 config_i64(c, "database.connections") +
			 config_i64(c, "database.slow_connections");
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= (rlim_t)(max + others))
		return (unsigned)max;
	max = (int64_t)limit.rlim_cur - others;
	if (max < PUBLIC_CONNECTIONS_MIN)
		max = PUBLIC_CONNECTIONS_MIN;
	log_warn("http.few_descriptors", LOG_I64("descriptors", (int64_t)limit.rlim_cur),
		 LOG_I64("max_connections", max));
	return (unsigned)max;
}

static struct http_server_config server_config(const struct app *app, const char *address_key,
					       uint16_t port, unsigned max_connections)
{
	const struct config *c = app->config;

	return (struct http_server_config){
		.loop = app->loop,
		.address = config_str(c, address_key).p,
		.port = port,
		.max_connections = max_connections,
		.head_timeout_ms = config_i64(c, "http.head_timeout"),
		.body_timeout_ms = config_i64(c, "http.body_timeout"),
		.idle_timeout_ms = config_i64(c, "http.idle_timeout"),
		.write_timeout_ms = config_i64(c, "http.write_timeout"),
		.arena_bytes = REQUEST_ARENA_BYTES,
	};
}

static void log_listening(const struct http_server_config *config, const struct http_server *s)
{
	log_info("http.listening", LOG_CSTR("listener", config->metrics_label),
		 LOG_CSTR("address", config->address), LOG_I64("port", http_server_port(s)));
}

static int listen_on(struct http_server_config *config, const char *name, struct dispatcher *d,
		     struct http_server **ret, struct err *reterr)
{
	config->metrics_label = name;
	dispatcher_bind(d, config);
	int r = http_server_new(config, ret, reterr);
	if (r == 0)
		log_listening(config, *ret);
	return r;
}

static int open_ops(struct app *app, struct err *reterr)
{
	static const struct route *const TABLES[] = { OPS_ROUTES };
	static const struct listener_rules RULES = { .name = "ops", .fibers_max = FIBER_MAX };

	app->ops_dispatcher = dispatcher_new(app, &RULES, TABLES, ARRAY_SIZE(TABLES));
	if (app->ops_dispatcher == NULL)
		return err_set(reterr, &ERR_UNAVAILABLE, NULL, "out of memory");
	uint16_t port = port_of(app, "ops.port", app->role->default_port + ROLE_OPS_PORT_OFFSET);
	struct http_server_config config =
		server_config(app, "ops.address", port, OPS_CONNECTIONS_MAX);
	return listen_on(&config, RULES.name, app->ops_dispatcher, &app->ops_server, reterr);
}

static int open_public(struct app *app, struct err *reterr)
{
	static const struct listener_rules RULES = { .name = "public",
						     .fibers_max = FIBER_MAX - FIBERS_KEPT };
	const struct route *const tables[] = { HEALTH_ROUTES, OPENAPI_ROUTES, app->role->routes };

	app->public_dispatcher = dispatcher_new(app, &RULES, tables, ARRAY_SIZE(tables));
	if (app->public_dispatcher == NULL)
		return err_set(reterr, &ERR_UNAVAILABLE, NULL, "out of memory");
	uint16_t port = port_of(app, "http.port", app->role->default_port);
	struct http_server_config config =
		server_config(app, "http.address", port, public_connections_max(app));
	return listen_on(&config, RULES.name, app->public_dispatcher, &app->public_server, reterr);
}

static int open_dapr_listener(struct app *app, struct err *reterr)
{
	struct http_server_config config = server_config(
		app, "dapr.address",
		port_of(app, "dapr.port", app->role->default_port + ROLE_DAPR_PORT_OFFSET),
		DAPR_CONNECTIONS_MAX);
	int r = dapr_link_listen(&app->dapr, app, &config, reterr);

	if (r == 0)
		log_listening(&config, app->dapr.server);
	return r;
}

static int open_auth(struct app *app, struct err *reterr)
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

static int open_db(struct app *app, struct err *reterr)
{
	struct db_config config = db_config_of(app, "database.url");

	config.on_state = on_db_state;
	config.on_state_arg = app;
	return db_new(&config, &app->db, reterr);
}

/* Where a sidecar and the relay's own access to the database are configured. */
static int open_relay(struct app *app, struct err *reterr)
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

void app_fail(struct app *app, int exit_code, const struct err *e)
{
	log_err(LOG_ERROR, app->is_started ? "role.failed" : "start.failed", e);
	log_flush();
	fprintf(stderr, "todod: %s\n", e->text);
	app->exit_code = exit_code;
	loop_stop(app->loop);
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
	if ((app->dapr.sidecar != NULL && open_dapr_listener(app, &err) < 0) ||
	    open_public(app, &err) < 0 ||
	    (app->relay != NULL && relay_start(app->relay, &err) < 0)) {
		app_fail(app, EX_UNAVAILABLE, &err);
		return;
	}
	app->is_started = true;
	log_info("role.ready", LOG_I64("port", http_server_port(app->public_server)));
	log_flush();
}

/* When nobody is served any more, the relay publishes what is left and ends too. */
static bool is_drained(const struct app *app)
{
	unsigned relays = relay_is_running(app->relay);

	if ((app->public_server != NULL && http_server_connections(app->public_server) > 0) ||
	    dapr_link_connections(&app->dapr) > 0 || fiber_count() > relays)
		return false;
	relay_stop(app->relay);
	return fiber_count() == 0;
}

static void drain_step(void *arg)
{
	struct app *app = arg;
	bool is_late = time_monotonic_ms() >= app->drain_until_ms;

	if (is_drained(app)) {
		loop_stop(app->loop);
		return;
	}
	if (is_late)
		fiber_cancel_all();
	if (is_late && fiber_count() == 0)
		loop_stop(app->loop);
	else if (timer_start(&app->drain_timer, DRAIN_POLL_MS) < 0)
		loop_stop(app->loop);
}

static void on_stop_signal(void *arg)
{
	struct app *app = arg;

	if (app->is_draining) { /* asked twice: now */
		app->drain_until_ms = 0;
		return;
	}
	log_info("role.draining",
		 LOG_I64("grace_ms", config_i64(app->config, "http.drain_timeout")));
	app->is_draining = true;
	app->drain_until_ms = time_monotonic_ms() + config_i64(app->config, "http.drain_timeout");
	dapr_link_drain(&app->dapr);
	if (app->public_server != NULL)
		http_server_drain(app->public_server);
	else
		fiber_cancel_all(); /* still starting */
	if (app->role_started && app->role->drain != NULL)
		app->role->drain(app);
	drain_step(app);
}

/* As many descriptors as the connections that are allowed need. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int open_all(struct app *app, struct err *reterr)
{
	if (loop_on_signal(app->loop, SIGTERM, on_stop_signal, app) < 0 ||
	    loop_on_signal(app->loop, SIGINT, on_stop_signal, app) < 0)
		return err_set(reterr, &ERR_INTERNAL, NULL, "signal handlers cannot be set");
	int r = open_ops(app, reterr);
	if (r == 0 && (app->role->needs & NEED_AUTH))
		r = open_auth(app, reterr);
	if (r == 0 && (app->role->needs & NEED_DB))
		r = open_db(app, reterr);
	if (r == 0 && (app->role->needs & (NEED_DAPR | WANT_DAPR)) &&
	    config_str(app->config, "dapr.url").n > 0) {
		r = dapr_link_open(&app->dapr, app, reterr);
		if (r == 0)
			r = open_relay(app, reterr);
	}
	if (r == 0)
		r = fiber_spawn(app->loop, "start", start_up, app, NULL, NULL);
	return r;
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
	timer_done(&app->drain_timer);
}

/* What was cancelled still runs to its end, on the loop, before what it uses goes. */
static void finish_fibers(struct app *app)
{
	fiber_cancel_all();
	if (fiber_count() == 0)
		return;
	app->is_draining = true;
	app->drain_until_ms = 0;
	if (timer_start(&app->drain_timer, 0) == 0)
		loop_run(app->loop);
}

int app_run(const struct role *role, const struct config *config)
{
	struct app app = { .role = role, .config = config, .exit_code = EX_OK };
	enum log_level level = LOG_INFO;
	struct err err = { 0 };

	raise_descriptor_limit();
	(void)log_level_parse(config_str(config, "log.level"), &level);
	log_init(level, role->name, 1);
	app.loop = loop_new();
	if (app.loop == NULL) {
		fprintf(stderr, "todod: out of memory\n");
		return EX_OSERR;
	}
	timer_init(&app.drain_timer, app.loop, drain_step, &app);
	if (open_all(&app, &err) < 0)
		app_fail(&app, err.kind == &ERR_INVALID ? EX_CONFIG : EX_UNAVAILABLE, &err);
	else if (loop_run(app.loop) < 0)
		app.exit_code = EX_SOFTWARE;
	finish_fibers(&app);
	close_all(&app);
	fiber_done();
	loop_free(app.loop);
	metrics_done();
	log_info("role.stopped", LOG_I64("exit_code", app.exit_code));
	log_flush();
	return app.exit_code;
}
