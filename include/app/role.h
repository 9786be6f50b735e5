/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A role is a const struct: everything a service of todod is. --list-roles, --describe, the router,
 * OpenAPI, the route metrics and the configuration are derived from these tables and from nothing
 * else.
 */
#ifndef APP_ROLE_H
#define APP_ROLE_H

#include "base/config.h"
#include "dapr/callback.h"
#include "base/err.h"
#include "net/http_parser.h"

#include <stddef.h>

struct app;
struct request;

/* What app opens for a role before start(); a process has no handle it did not ask for. */
enum role_need {
	NEED_DB = 1 << 0,   /* PostgreSQL */
	NEED_AUTH = 1 << 1, /* keys to verify tokens */
	NEED_DAPR = 1 << 2, /* a sidecar: the start waits for it */
	WANT_DAPR = 1 << 3, /* a sidecar, but ready without one */
	NEED_SMTP = 1 << 4, /* a mail server, which the role itself connects to */
	/* Is the sidecar of the roles beside it in a process: first to start, last to end. Its keys
	 * begin with "sidecar.". */
	HOSTS_DAPR = 1 << 5,
};

/* Handlers run on a fiber and answer exactly once by a reply function, also on failure. */
typedef void route_handler_fn(struct request *rq);

enum route_flag {
	ROUTE_PUBLIC = 1 << 0,	   /* no token needed */
	ROUTE_IDEMPOTENT = 1 << 1, /* takes Idempotency-Key */
	ROUTE_IF_MATCH = 1 << 2,   /* takes If-Match */
	ROUTE_ETAG = 1 << 3,	   /* answers with ETag, and 304 to If-None-Match on GET */
	ROUTE_OPTIONAL_BODY = 1 << 4,
	/* The handler never suspends and runs without a fiber: answered even when every fiber is in
	   use. */
	ROUTE_INLINE = 1 << 5,
	/* On the Dapr listener: what the sidecar itself calls, with its token and for nobody else,
	   with any type of body. */
	ROUTE_CALLBACK = 1 << 6,
	ROUTE_PROBE = 1 << 7, /* on the Dapr listener: asked often, by the sidecar, without token */
};

enum param_in { PARAM_QUERY, PARAM_HEADER, PARAM_PATH };

/* One parameter beside those that flags and the pattern imply. A table ends with a NULL name. */
struct route_param {
	const char *name;
	enum param_in in;
	const char *schema; /* JSON Schema */
	const char *doc;
};

/* One answer that is not an error common to all routes. A table ends with status 0. */
struct route_answer {
	int status;
	const char *schema; /* JSON Schema of the body; NULL: no body */
	const char *doc;
	const char *headers; /* names separated by spaces; documented in app/openapi */
};

struct route {
	enum http_method method;
	const char *pattern;	    /* "/api/{user_id}/tasks/{id}": a {name} matches one segment */
	const char *const *aliases; /* other paths to the same, NULL-terminated; one without the
				       pattern's {user_id} means the caller. NULL: none */
	const char *operation;	    /* OpenAPI operationId; also the metric label */
	const char *summary;
	unsigned flags;
	size_t body_max;	 /* bytes; 0: no body */
	const char *body_schema; /* JSON Schema; NULL when body_max is 0 */
	const struct route_param *params;
	const struct route_answer *answers;
	const struct err_kind *const
		*errors; /* kinds beyond the common ones, NULL-terminated; may be NULL */
	route_handler_fn *handler;
};

/* From the public port; the last is where --role=all has the sidecar's API for the role. */
enum { ROLE_OPS_PORT_OFFSET = 100, ROLE_DAPR_PORT_OFFSET = 200, ROLE_API_PORT_OFFSET = 300 };
enum { ROLE_FIRST_PORT = 8000 }; /* the lowest default_port */

/* A JSON Schema that OpenAPI shows under components/schemas. */
struct named_schema {
	const char *name;
	struct str (*json)(void);
};

/* Who a process is to PostgreSQL. A table ends with a NULL role. */
struct database_role {
	const char *role; /* as migrations make it */
	const char *key;  /* the configuration key with the URL that logs in as it */
};

/*
 * A secret that the role reads from the store. With --role=all, where the store has nothing else,
 * it comes from the file that a configuration key names. A table ends with a NULL name.
 */
struct role_secret {
	const char *name, *key;
	const char *file_key;
	const char *needed_by; /* only where this key is set; NULL: always */
	const char *hint;      /* how to make one; NULL: the role can start without */
};

struct role {
	const char *name, *summary;
	unsigned needs;
	const struct database_role *database_roles; /* NULL without NEED_DB */
	const struct role_secret *secrets;	    /* NULL: none */
	unsigned default_port;			    /* ops is +100, dapr +200 */
	const struct route *routes;		    /* ends with a NULL pattern */
	const struct named_schema *schemas; /* what body and answer schemas refer to; ends with a
					       NULL name; NULL: none */
	const struct config_key *config;    /* NULL: none beyond app's */
	/* With NEED_DAPR or WANT_DAPR; each may be NULL. */
	const struct subscription *subscriptions;
	const struct cron *crons;
	job_fn *job;
	/* Its relay of the outbox publishes only while there is none of a role without this. */
	bool relay_stands_in;
	/* What peers reach by invocation, on the Dapr listener; tokens of users are checked as on
	   the public one. */
	const struct route *dapr_routes;
	/* Everything app opened is ready. */
	int (*start)(struct app *app, struct err *reterr);
	/* Shutting down: take on nothing new and let the role's own fibers come to their end; stop
	 * follows when none is left. NULL: they end by themselves. Only after start. */
	void (*drain)(struct app *app);
	void (*stop)(struct app *app);
};

#endif
