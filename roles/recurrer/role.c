/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recurrer: the next instances of recurring tasks, what became of reminders, and a sweep for what
 * got lost on its way.
 */
#include "recurrer_private.h"
#include "roles/roles.h"

#include "app/narrow_db.h"
#include "base/log.h"

#include <stdlib.h>

static const struct narrow_db SWEEPER = { "recurrer.sweeper_url", "todod_sweeper",
					  "recurrer-sweeper", "pool=\"sweeper\"" };

static const struct metric_family MADE = {
	"todod_instances_made_total", METRIC_COUNTER,
	"Next instances of recurring tasks, by whether an event or the sweep brought them about."
};
static const struct metric_family TAKEN_BACK = {
	"todod_instances_taken_back_total", METRIC_COUNTER,
	"Untouched instances deleted because the task before them is open again."
};
static const struct metric_family REFUSED = {
	"todod_instances_refused_total", METRIC_COUNTER,
	"Next instances put off because their user holds as many tasks as he may."
};
static const struct metric_family TRIGGERED = { "todod_reminders_swept_total", METRIC_COUNTER,
						"Reminders that the sweep triggered." };
static const struct metric_family OUTCOMES = { "todod_reminder_outcomes_total", METRIC_COUNTER,
					       "Reminders of which it was stored what became." };

struct recurrer *recurrer_of(struct app *app)
{
	return app_role_state(app);
}

struct event_origin recurrer_origin(struct str user_id, struct str cause)
{
	const struct log_context *context = log_context_current();

	return (struct event_origin){
		.source = STR("recurrer"),
		.user_id = user_id,
		.correlation_id = str_from(context->correlation_id),
		.causation_id = cause,
		.trace_id = str_from(context->trace_id),
	};
}

static int start(struct app *app, struct err *reterr)
{
	struct recurrer *rc = calloc(1, sizeof(*rc));

	if (rc == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	rc->app = app;
	rc->db = app_db(app);
	rc->id = uuid_v7();
	rc->made_by_event = metric_get(&MADE, "by=\"event\"");
	rc->made_by_sweep = metric_get(&MADE, "by=\"sweep\"");
	rc->taken_back = metric_get(&TAKEN_BACK, "");
	rc->refused = metric_get(&REFUSED, "");
	rc->triggered = metric_get(&TRIGGERED, "");
	rc->outcomes = metric_get(&OUTCOMES, "");
	int r = app_narrow_db(app, &SWEEPER, &rc->sweeper, reterr);
	if (r < 0)
		free(rc);
	else
		app_set_role_state(app, rc);
	return r;
}

static void stop(struct app *app)
{
	struct recurrer *rc = recurrer_of(app);

	db_free(rc->sweeper);
	free(rc);
	app_set_role_state(app, NULL);
}

static const struct route NO_ROUTES[] = { { .pattern = NULL } };

static const struct cron CRONS[] = {
	{ "cron-reminder", recurrer_sweep, "@every 10s" },
	{ "cron-upkeep", recurrer_upkeep, "@every 1h" },
	{ .name = NULL },
};

static const struct database_role DATABASE_ROLES[] = {
	{ "todod_recurrer", "database.url" },
	{ "todod_sweeper", "recurrer.sweeper_url" },
	{ "todod_relay", "database.relay_url" },
	{ .role = NULL },
};

const struct role ROLE_RECURRER = {
	.name = "recurrer",
	.summary = "next instances, and a sweep for what is due",
	.needs = NEED_DB | NEED_DAPR,
	.database_roles = DATABASE_ROLES,
	.default_port = 8002,
	.routes = NO_ROUTES,
	.subscriptions = RECURRER_SUBSCRIPTIONS,
	.crons = CRONS,
	.relay_stands_in = true,
	.start = start,
	.stop = stop,
};
