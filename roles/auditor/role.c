/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auditor: every event of task-events and reminders, once, in chains that nobody can quietly
 * change; and dead letters.
 */
#include "auditor_private.h"
#include "roles/roles.h"

#include "app/narrow_db.h"

#include <errno.h>
#include <stdlib.h>

enum { SECRETS_ARENA_BYTES = 1024 * 1024 };

static const struct narrow_db CHECKER = { "audit.checker_url", "todod_audit_checker",
					  "auditor-checker", "pool=\"checker\"" };

static const struct metric_family GAPS = {
	"todod_audit_gaps_total", METRIC_COUNTER,
	"Events of tasks that never came, by the holes in their sequence."
};
static const struct metric_family REFUSED = {
	"todod_audit_refused_total", METRIC_COUNTER,
	"Events refused because their id is known, of another event."
};
static const struct metric_family LETTERS = { "todod_dead_letters_total", METRIC_COUNTER,
					      "Dead letters that came." };
static const struct metric_family REPLAYED = { "todod_dead_letters_replayed_total", METRIC_COUNTER,
					       "Dead letters published again." };
static const struct metric_family OPEN = {
	"todod_dead_letters_open", METRIC_GAUGE,
	"Dead letters that nobody is done with, at the last upkeep."
};
static const struct metric_family CHECKPOINTS = { "todod_audit_checkpoints_total", METRIC_COUNTER,
						  "Checkpoints of chains that this process made." };

struct auditor *auditor_of(struct app *app)
{
	return app_role_state(app);
}

static FIBER int read_secret(struct auditor *a, struct arena *arena, const char *key,
			     struct str *ret, struct err *reterr)
{
	struct err why = { .text = "" };
	int r = sidecar_secret_wait(a->sidecar, arena, STR("audit"), str_from(key), ret, &why);

	return r < 0 ? err_set(reterr, &ERR_UNAVAILABLE, NULL, "the secret audit/%s: %s", key,
			       why.text)
		     : 0;
}

static FIBER int read_keys(struct auditor *a, struct arena *arena, struct err *reterr)
{
	struct str kek, pem;
	int r = read_secret(a, arena, "kek", &kek, reterr);

	if (r == 0)
		r = read_secret(a, arena, "checkpoint-key", &pem, reterr);
	if (r == 0)
		r = audit_keys_add_kek(&a->keys, kek, "the secret audit/kek", reterr);
	if (r == 0)
		r = audit_keys_add_checkpoint(&a->keys, pem, "the secret audit/checkpoint-key",
					      reterr);
	return r;
}

static void get_metrics(struct auditor *a)
{
	a->gaps = metric_get(&GAPS, "");
	a->refused = metric_get(&REFUSED, "");
	a->letters = metric_get(&LETTERS, "");
	a->replayed = metric_get(&REPLAYED, "");
	a->open_letters = metric_get(&OPEN, "");
	a->checkpoints = metric_get(&CHECKPOINTS, "");
}

static void free_auditor(struct auditor *a)
{
	audit_checkpointer_free(a->checkpointer);
	audit_free(a->audit);
	if (a->checker != NULL)
		db_free(a->checker);
	audit_keys_done(&a->keys);
	aead_done();
	free(a);
}

static FIBER int open_auditor(struct app *app, struct auditor *a, struct err *reterr)
{
	struct arena *arena = arena_new(SECRETS_ARENA_BYTES);
	int r = arena != NULL ? read_keys(a, arena, reterr) : -ENOMEM;

	arena_free(arena);
	if (r == 0)
		r = app_narrow_db(app, &CHECKER, &a->checker, reterr);
	if (r < 0)
		return r;
	a->audit = audit_new(a->db, &a->keys.kek);
	a->checkpointer = audit_checkpointer_new(a->db, a->checker, audit_keys_sign, &a->keys);
	if (a->audit == NULL || a->checkpointer == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	return 0;
}

static FIBER int start(struct app *app, struct err *reterr)
{
	struct auditor *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	a->db = app_db(app);
	a->sidecar = app_sidecar(app);
	a->id = uuid_v7();
	a->replay_after_ms = config_i64(app_config(app), "audit.replay_after");
	get_metrics(a);
	int r = open_auditor(app, a, reterr);
	if (r < 0)
		free_auditor(a);
	else
		app_set_role_state(app, a);
	return r;
}

static void stop(struct app *app)
{
	free_auditor(app_role_state(app));
	app_set_role_state(app, NULL);
}

static const struct route NO_ROUTES[] = { { .pattern = NULL } };

static const struct cron CRONS[] = {
	{ "cron-checkpoint", auditor_checkpoint, "@every 60s" },
	{ "cron-upkeep", auditor_upkeep, "@every 1h" },
	{ .name = NULL },
};

static const struct database_role DATABASE_ROLES[] = {
	{ "todod_audit_writer", "database.url" },
	{ "todod_audit_checker", "audit.checker_url" },
	{ "todod_audit_eraser", "audit.eraser_url" },
	{ .role = NULL },
};

static const struct role_secret SECRETS[] = {
	{ "audit", "kek", "audit.kek_file", NULL, "openssl rand -hex 32 > FILE" },
	{ "audit", "checkpoint-key", "audit.checkpoint_key_file", NULL,
	  "openssl genpkey -algorithm ed25519 -out FILE" },
	{ .name = NULL },
};

const struct role ROLE_AUDITOR = {
	.name = "auditor",
	.summary = "what happened, for good, and dead letters",
	.needs = NEED_DB | NEED_AUTH | NEED_DAPR,
	.database_roles = DATABASE_ROLES,
	.secrets = SECRETS,
	.default_port = 8004,
	.routes = NO_ROUTES,
	.subscriptions = AUDITOR_SUBSCRIPTIONS,
	.crons = CRONS,
	.dapr_routes = AUDITOR_ROUTES,
	.start = start,
	.stop = stop,
};
