/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The role's configuration, read once: which apps there are, where their instances listen, their
 * tokens, crons, scopes.
 */
#ifndef SIDECAR_SETTINGS_PRIVATE_H
#define SIDECAR_SETTINGS_PRIVATE_H

#include "base/arena.h"
#include "base/config.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { SETTINGS_APPS_MAX = 32, SETTINGS_INSTANCES_MAX = 64, SETTINGS_RULES_MAX = 64 };

struct settings_app {
	struct str id;		/* letters, digits, - and .; NUL-terminated */
	struct str api_token;	/* the app sends it; empty: none is asked for */
	const char *app_header; /* "dapr-api-token: ...", which the app is sent; NULL: none */
};

struct settings_instance {
	size_t app;	    /* index of its app */
	unsigned number;    /* among those of its app, from 0 */
	uint16_t api_port;  /* of the sidecar's API for it */
	struct str address; /* "127.0.0.1:8200", of its Dapr listener */
};

/* "app/what=value": a cron ("auditor/cron-checkpoint=@every 60s") or a scope
 * ("auditor/subscribe=task-events reminders"). */
struct settings_rule {
	size_t app;
	struct str what, value;
};

struct settings {
	struct arena *arena;
	struct settings_app apps[SETTINGS_APPS_MAX];
	size_t n_apps;
	struct settings_instance instances[SETTINGS_INSTANCES_MAX];
	size_t n_instances;
	struct settings_rule crons[SETTINGS_RULES_MAX], scopes[SETTINGS_RULES_MAX];
	size_t n_crons, n_scopes;
	struct str pubsub, replica_pubsub, state_store, secret_store;
	struct str secrets; /* the text of the file; empty: none */
	struct str topics;  /* with spaces between; empty: any */
	int64_t retention_ms, dead_retention_ms, sweep_after_ms, probe_ms;
};

extern const struct config_key SIDECAR_OPTIONS[];

/* NULL with the reason. */
struct settings *settings_new(const struct config *c, struct err *reterr);
void settings_free(struct settings *s);

/* Parts of it, for tests. Each adds to *s; -EINVAL with the reason. */
int settings_parse_apps(struct settings *s, struct str text, struct err *reterr) MUST_CHECK;
int settings_parse_rules(struct settings *s, const char *key, struct str text,
			 struct settings_rule rules[SETTINGS_RULES_MAX], size_t *n,
			 struct err *reterr) MUST_CHECK;

/* Whether the app may do this ("publish", "subscribe", "secrets", "invoke") with that name, or sees
 * it ("components"): always, unless it has a rule of that kind that does not list it. */
bool settings_allow(const struct settings *s, size_t app, struct str what, struct str name);

bool settings_has_topic(const struct settings *s, struct str name);

#endif
