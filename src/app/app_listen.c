/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listeners of a role, and how many connections each may have.
 */
#include "app_life_private.h"
#include "base/log.h"
#include "net/http_server.h"

#include <sys/resource.h>

enum {
	DAPR_DESCRIPTORS = DAPR_CONNECTIONS_MAX + 64 + 1, /* and calls, and the relay's session */
	FIBERS_KEPT = 64,	     /* for what is no user's: callbacks, the relay */
	OTHER_DESCRIPTORS = 32,	     /* the loop's, the log's, a name server's ... */
	PUBLIC_CONNECTIONS_MIN = 16, /* as http.max_connections */
	REQUEST_ARENA_BYTES = 64 * 1024 * 1024,
};

static uint16_t port_of(const struct app *app, const char *key, unsigned role_port)
{
	int64_t port = config_i64(app->config, key);

	return (uint16_t)(port < 0 ? (int64_t)role_port : port);
}

static int64_t wanted_connections(const struct app *app)
{
	return config_i64(app->config, "http.max_connections");
}

static int64_t dapr_descriptors(const struct app *app)
{
	return app->dapr.sidecar != NULL ? DAPR_DESCRIPTORS : 0;
}

static int64_t other_descriptors(const struct app *app)
{
	const struct config *c = app->config;
	/* Both ends of a connection to the sidecar are in this process. */
	int64_t hosted =
		app->role->needs & HOSTS_DAPR ? process_sum(app->process, dapr_descriptors) : 0;

	return (app->has_ops ? OPS_CONNECTIONS_MAX : 0) + HTTP_CALLS_MAX + OTHER_DESCRIPTORS +
	       dapr_descriptors(app) + hosted + config_i64(c, "database.connections") +
	       config_i64(c, "database.slow_connections");
}

/*
 * As many as there are descriptors for, less those of everything else: else idle clients could take
 * the ones that health checks and the database need. Roles of one process share them.
 */
static unsigned public_connections_max(const struct app *app)
{
	int64_t max = wanted_connections(app);
	int64_t all = process_sum(app->process, wanted_connections);
	int64_t others = process_sum(app->process, other_descriptors);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= (rlim_t)(all + others))
		return (unsigned)max;
	max = ((int64_t)limit.rlim_cur - others) * max / all;
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

int app_open_ops(struct app *app, struct err *reterr)
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

int app_open_public(struct app *app, struct err *reterr)
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

int app_open_dapr_listener(struct app *app, struct err *reterr)
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
