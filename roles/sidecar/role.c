/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded sidecar as a role: the part of Dapr's HTTP API that the other roles use, on tables
 * in the same PostgreSQL. It is for one machine; past that, daprd and Kafka take its place.
 */
#include "host_private.h"

#include "consumer_private.h"
#include "crons_private.h"
#include "jobs_private.h"
#include "lease_private.h"
#include "progress_private.h"
#include "roles/roles.h"
#include "sweep_private.h"
#include "topic_private.h"

#include <errno.h>
#include <stdlib.h>

struct hosted *host_app(struct host *h, struct str id)
{
	for (size_t i = 0; i < h->n_apps; i++) {
		if (str_eq(h->apps[i].id, id))
			return &h->apps[i];
	}
	return NULL;
}

struct instance *host_pick(struct host *h, const struct hosted *app)
{
	for (size_t n = 0; n < h->n_instances; n++) {
		struct instance *i = &h->instances[h->turn++ % h->n_instances];
		if (i->owner == app && i->is_healthy)
			return i;
	}
	return NULL;
}

static void collect(void *arg)
{
	consumers_collect(arg);
}

static void host_free(struct host *h)
{
	metric_off_collect(collect, h);
	api_close(h);
	for (size_t i = 0; i < h->n_instances; i++)
		instance_close(&h->instances[i]);
	consumers_free(h);
	progress_close(h);
	topics_free(h);
	jobs_close(h);
	crons_close(h);
	process_lease_stop(h);
	timer_done(&h->sweep_timer);
	free(h->doors);
	free(h->instances);
	free(h->apps);
	settings_free(h->settings);
	free(h);
}

static int fill(struct host *h, struct app *app, struct err *reterr)
{
	const struct settings *s;

	h->app = app;
	h->loop = app_loop(app);
	h->db = app_db(app);
	timer_init(&h->rescan, h->loop, NULL, h);
	timer_init(&h->lease_timer, h->loop, NULL, h);
	timer_init(&h->sweep_timer, h->loop, NULL, h);
	h->settings = settings_new(app_config(app), reterr);
	if (h->settings == NULL)
		return -EINVAL;
	s = h->settings;
	h->apps = calloc(s->n_apps, sizeof(*h->apps));
	h->instances = calloc(s->n_instances, sizeof(*h->instances));
	h->doors = calloc(s->n_instances, sizeof(*h->doors));
	if (h->apps == NULL || h->instances == NULL || h->doors == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	for (; h->n_apps < s->n_apps; h->n_apps++) {
		const struct settings_app *a = &s->apps[h->n_apps];
		h->apps[h->n_apps] = (struct hosted){ .host = h, .settings = a, .id = a->id };
	}
	for (; h->n_instances < s->n_instances; h->n_instances++) {
		const struct settings_instance *i = &s->instances[h->n_instances];
		h->instances[h->n_instances] =
			(struct instance){ .host = h, .settings = i, .owner = &h->apps[i->app] };
	}
	return metric_on_collect(collect, h) < 0 ? err_unavailable(reterr, 1, "out of memory") : 0;
}

/* With the lease in hand. Nothing is called before it could be answered. */
static int open_all(struct host *h, struct err *reterr)
{
	int r = jobs_open(h) < 0 ? err_unavailable(reterr, 1, "no timer for jobs") : 0;

	if (r == 0)
		r = crons_open(h, reterr);
	if (r == 0)
		r = api_open(h, reterr);

	for (size_t i = 0; r == 0 && i < h->n_instances; i++) {
		if (instance_open(&h->instances[i]) < 0)
			r = err_unavailable(reterr, 1, "out of memory");
	}
	return r;
}

static FIBER int start(struct app *app, struct err *reterr)
{
	struct host *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	int r = fill(h, app, reterr);
	if (r == 0)
		r = process_lease_take_wait(h, reterr);
	if (r == 0)
		r = open_all(h, reterr);
	if (r < 0) {
		host_free(h);
		return r;
	}
	process_lease_keep(h);
	sweep_plan(h, h->settings->sweep_after_ms);
	app_set_role_state(app, h);
	return 0;
}

static void drain(struct app *app)
{
	struct host *h = app_role_state(app);

	h->is_stopping = true;
	for (size_t i = 0; i < h->n_instances; i++)
		timer_stop(&h->instances[i].probe_timer);
	timer_stop(&h->lease_timer);
	timer_stop(&h->sweep_timer);
	api_drain(h);
	crons_stop(h);
	jobs_arm(h);
	consumers_stop(h);
}

static void stop(struct app *app)
{
	host_free(app_role_state(app));
	app_set_role_state(app, NULL);
}

static const struct route NO_ROUTES[] = { { .pattern = NULL } };

static const struct database_role DATABASE_ROLES[] = {
	{ "todod_sidecar", "database.url" },
	{ .role = NULL },
};

const struct role ROLE_SIDECAR = {
	.name = "sidecar",
	.summary = "the embedded sidecar: the Dapr API for one machine",
	.needs = NEED_DB | HOSTS_DAPR,
	.database_roles = DATABASE_ROLES,
	.default_port = 8009,
	.routes = NO_ROUTES,
	.config = SIDECAR_OPTIONS,
	.start = start,
	.drain = drain,
	.stop = stop,
};
