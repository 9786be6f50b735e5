/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of app share among themselves.
 */
#ifndef APP_PRIVATE_H
#define APP_PRIVATE_H

#include "app/app.h"
#include "app/request.h"

enum { ROUTER_MAX_SEGMENTS = 12 };

/* A path cut at its slashes; views into the path. */
struct route_path {
	struct str segments[ROUTER_MAX_SEGMENTS];
	size_t n; /* ROUTER_MAX_SEGMENTS + 1: more than any pattern has */
};

void route_path_split(struct str path, struct route_path *ret);
/*
 * Whether the pattern or one of its aliases fits; the values of the pattern's names, decoded into
 * the arena, go to params. The user that an alias leaves out has .p NULL.
 */
bool route_matches(const struct route *route, const struct route_path *path, struct arena *arena,
		   struct str params[REQUEST_MAX_PARAMS]);
/* Position of {name} among the pattern's names; -1 when it has none. */
int route_param_index(const struct route *route, const char *name);

/* Finds the route of each request of one listener, checks who calls, runs the handler, logs and
 * counts. */
struct dispatcher;

/* What a listener has of its own. */
struct listener_rules {
	const char *name;    /* in metrics and logs */
	bool unknown_is_bug; /* a path or method that no route takes is 500 instead of 404 and 405
			      */
	/* Beside what the route asks for; NULL: everybody may come this far. */
	int (*admit)(struct app *app, const struct request *rq, struct err *reterr);
	unsigned fibers_max; /* past that many of the role: 503 */
};

/* Rules and tables outlive the dispatcher; tables end with a NULL pattern. NULL when out of memory.
 */
struct dispatcher *dispatcher_new(struct app *app, const struct listener_rules *rules,
				  const struct route *const *tables, size_t n_tables);
void dispatcher_free(struct dispatcher *d);
/* Fills the callbacks of a server's configuration. */
void dispatcher_bind(struct dispatcher *d, struct http_server_config *config);

/* Headers and body of a problem answer; rq may be NULL when there was no readable request. */
size_t problem_write(struct request *rq, const struct err *e, struct buf *out,
		     struct http_header *headers, size_t max_headers);

/* GET /health of the public listener, and the table of the ops listener. */
extern const struct route HEALTH_ROUTES[];
extern const struct route OPS_ROUTES[];

/* The handler of GET /openapi.json, as a table of one. */
extern const struct route OPENAPI_ROUTES[];

const struct role *app_role(const struct app *app);
struct callbacks;
/* NULL without a Dapr listener. */
const struct callbacks *app_callbacks(const struct app *app);

/* Since its head was complete. */
int64_t request_age_us(const struct request *rq);

#endif
