/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key the process itself reads: name, type, default, bounds, meaning. Help, --check-config
 * and the reference in docs/ come from here.
 */
#include "app/options.h"
#include "auth/jwt.h"

#include <arpa/inet.h>
#include <assert.h>

enum { ROLES_MAX = 32 };

#define SECOND 1000
#define MINUTE (60 * SECOND)

/* clang-format off */
const struct config_key APP_OPTIONS[] = {
	{ "log.level", CONFIG_CHOICE, "info", 0, 0, "debug|info|warn|error", 0,
	  "least important level that is written" },

	{ "http.address", CONFIG_STRING, "127.0.0.1", 2, 45, NULL, CONFIG_REQUIRED,
	  "numeric address of the public listener; 0.0.0.0 or :: for every interface" },
	{ "http.port", CONFIG_I64, "-1", -1, 65535, NULL, 0,
	  "port of the public listener; -1 is the role's own (chat-api 8000), 0 any free one" },
	{ "http.max_connections", CONFIG_I64, "4096", 16, 60000, NULL, 0,
	  "public connections; past it the oldest idle one is closed" },
	{ "http.head_timeout", CONFIG_DURATION_MS, "10s", 100, 5 * MINUTE, NULL, 0,
	  "time for a request head to arrive completely" },
	{ "http.body_timeout", CONFIG_DURATION_MS, "10s", 100, 10 * MINUTE, NULL, 0,
	  "time for a body to arrive, plus its size at 4 KiB/s" },
	{ "http.idle_timeout", CONFIG_DURATION_MS, "60s", 100, 60 * MINUTE, NULL, 0,
	  "how long a kept-alive connection may be silent" },
	{ "http.write_timeout", CONFIG_DURATION_MS, "30s", 100, 10 * MINUTE, NULL, 0,
	  "how long a client may take nothing of its answer" },
	{ "http.drain_timeout", CONFIG_DURATION_MS, "20s", 0, 10 * MINUTE, NULL, 0,
	  "after SIGTERM: time for requests under way to finish" },

	{ "ops.address", CONFIG_STRING, "127.0.0.1", 2, 45, NULL, CONFIG_REQUIRED,
	  "numeric address of the operations listener (/livez, /readyz, /metrics, /debug/fibers)" },
	{ "ops.port", CONFIG_I64, "-1", -1, 65535, NULL, 0,
	  "port of the operations listener, with --role=all the only one, chat-api's; -1 is the role's port + 100, 0 any free one" },

	{ "database.url", CONFIG_STRING, NULL, 0, 4096, NULL, CONFIG_SECRET,
	  "PostgreSQL of the service, as its narrow database role: postgresql://user:password@host:port/name" },
	{ "database.migrate_url", CONFIG_STRING, NULL, 0, 4096, NULL, CONFIG_SECRET,
	  "the same database as its owner, for `todod migrate`; empty: database.url" },
	{ "database.connections", CONFIG_I64, "4", 1, 64, NULL, 0,
	  "connections for short statements" },
	{ "database.depth", CONFIG_I64, "16", 1, 256, NULL, 0,
	  "transactions under way on one such connection" },
	{ "database.slow_connections", CONFIG_I64, "2", 1, 16, NULL, 0,
	  "connections for long reads" },
	{ "database.queue", CONFIG_I64, "1024", 1, 100000, NULL, 0,
	  "transactions that may wait for a connection; past it requests get 503" },
	{ "database.statement_timeout", CONFIG_DURATION_MS, "5s", 100, 10 * MINUTE, NULL, 0,
	  "longest a statement may run" },
	{ "database.connect_timeout", CONFIG_DURATION_MS, "5s", 100, MINUTE, NULL, 0,
	  "longest an attempt to connect may take" },
	{ "database.start_timeout", CONFIG_DURATION_MS, "30s", 100, 60 * MINUTE, NULL, 0,
	  "at start: how long to wait for the database before exit code 69" },
	{ "database.prepare", CONFIG_BOOL, "true", 0, 0, NULL, 0,
	  "prepared statements; false behind a transaction pooler" },

	{ "database.relay_url", CONFIG_STRING, NULL, 0, 4096, NULL, CONFIG_SECRET,
	  "the same database as the role todod_relay: this process publishes events; empty: another one does" },

	{ "dapr.url", CONFIG_STRING, "http://127.0.0.1:3500", 0, 1024, NULL, 0,
	  "the sidecar's HTTP API; empty: there is none" },
	{ "dapr.api", CONFIG_CHOICE, "auto", 0, 0, "auto|stable|alpha1", 0,
	  "paths of jobs and bulk publishing: stable since Dapr 1.18 and 1.17; auto asks the sidecar" },
	{ "dapr.token_file", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "file with the token that is sent to the sidecar (its DAPR_API_TOKEN); empty: none" },
	{ "dapr.app_token_file", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "file with the token that the sidecar must send (its APP_API_TOKEN); empty: none is asked for" },
	{ "dapr.token", CONFIG_STRING, NULL, 0, 1024, NULL, CONFIG_SECRET,
	  "that token itself, instead of dapr.token_file" },
	{ "dapr.app_token", CONFIG_STRING, NULL, 0, 1024, NULL, CONFIG_SECRET,
	  "that token itself, instead of dapr.app_token_file" },
	{ "dapr.pubsub", CONFIG_STRING, APP_DEFAULT_PUBSUB, 1, 128, NULL, CONFIG_REQUIRED,
	  "name of the pub/sub component" },
	{ "dapr.state_store", CONFIG_STRING, "statestore", 1, 128, NULL, CONFIG_REQUIRED,
	  "name of the state store component" },
	{ "dapr.secret_store", CONFIG_STRING, "secrets", 1, 128, NULL, CONFIG_REQUIRED,
	  "name of the secret store component" },
	{ "dapr.address", CONFIG_STRING, "127.0.0.1", 2, 45, NULL, CONFIG_REQUIRED,
	  "numeric address of the listener that the sidecar calls" },
	{ "dapr.port", CONFIG_I64, "-1", -1, 65535, NULL, 0,
	  "port of the listener that the sidecar calls; -1 is the role's port + 200, 0 any free one" },
	{ "dapr.start_timeout", CONFIG_DURATION_MS, "60s", 100, 60 * MINUTE, NULL, 0,
	  "at start: how long a role that needs the sidecar waits for it before exit code 69" },
	{ "dapr.timeout", CONFIG_DURATION_MS, "5s", 100, 5 * MINUTE, NULL, 0,
	  "longest a call of the sidecar may take" },

	{ "audit.checker_url", CONFIG_STRING, NULL, 0, 4096, NULL, CONFIG_SECRET,
	  "the same database as the role todod_audit_checker, which sees where chains end, for checkpoints and `todod audit verify`" },
	{ "audit.eraser_url", CONFIG_STRING, NULL, 0, 4096, NULL, CONFIG_SECRET,
	  "the same database as the role todod_audit_eraser, for `todod audit erase`" },
	{ "audit.kek_file", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "for commands and --role=all: file with the key that wraps the keys of users (services read the secret audit/kek)" },
	{ "audit.checkpoint_key_file", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "for `todod audit verify`, where its public half is enough, and --role=all: PEM file with the key of the checkpoints" },

	{ "audit.replay_after", CONFIG_DURATION_MS, "1m", SECOND, 24 * 60 * MINUTE, NULL, 0,
	  "auditor: when a dead letter that can be read is published again; then after 10 and 60 times as long" },
	{ "recurrer.sweeper_url", CONFIG_STRING, NULL, 0, 4096, NULL, CONFIG_SECRET,
	  "the same database as the role todod_sweeper, which finds what is due, of all users" },

	{ "email.link_key_file", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "for --role=all, where smtp.url is set: file with the key that links in mails are signed with (services read the secret email/link-key)" },

	{ "auth.mode", CONFIG_CHOICE, "builtin", 0, 0, "builtin|jwks|secret", 0,
	  "who issues tokens: todod itself, a JWKS issuer, or old clients that share a secret (HS256)" },
	{ "auth.key_file", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "builtin: PEM file with the Ed25519 private key (openssl genpkey -algorithm ed25519)" },
	{ "auth.secret_file", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "secret: file with the shared secret, at least 32 bytes" },
	{ "auth.jwks_url", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "jwks: URL of the issuer's key set" },
	{ "auth.issuer", CONFIG_STRING, NULL, 0, 1024, NULL, 0,
	  "what `iss` must be; empty: not checked" },
	{ "auth.audience", CONFIG_STRING, NULL, 0, 1024, NULL, 0,
	  "what `aud` must hold; empty: not checked" },
	{ .name = NULL },
};
/* clang-format on */

const struct config_key ALL_OPTIONS[] = {
	{ "all.port", CONFIG_I64, "8000", 1, 65000, NULL, 0,
	  "port of chat-api; those of the other roles, and of operations, callbacks and sidecar, are as far from it as by default" },
	{ .name = NULL },
};

struct config *options_new(const struct role *role)
{
	const struct config_key *tables[] = { APP_OPTIONS, role != NULL ? role->config : NULL };

	return config_new(tables, tables[1] != NULL ? 2 : 1);
}

struct config *options_new_all(const struct role *const *roles)
{
	const struct config_key *tables[ROLES_MAX + 2] = { APP_OPTIONS, ALL_OPTIONS };
	size_t n = 2;

	for (size_t i = 0; roles[i] != NULL; i++) {
		assert(i < ROLES_MAX);
		if (roles[i]->config != NULL)
			tables[n++] = roles[i]->config;
	}
	return config_new(tables, n);
}

static const struct {
	struct str mode;
	const char *key, *hint;
} AUTH_KEYS[] = {
	{ STR_INIT("builtin"), "auth.key_file",
	  "make one: openssl genpkey -algorithm ed25519 -out FILE" },
	{ STR_INIT("secret"), "auth.secret_file", "make one: openssl rand -base64 48 > FILE" },
	{ STR_INIT("jwks"), "auth.jwks_url", "for Better Auth: https://HOST/api/auth/jwks" },
};

static int check_address(const struct config *c, const char *key, struct buf *out)
{
	struct str text = config_str(c, key);
	struct in6_addr address; /* room for either */

	if (inet_pton(AF_INET, text.p, &address) == 1 || inet_pton(AF_INET6, text.p, &address) == 1)
		return 0;
	buf_printf(out, "%s: \"%.*s\" is not a numeric address, such as 127.0.0.1 or ::1\n", key,
		   STR_ARGS(text));
	return 1;
}

static bool is_loopback(struct str address)
{
	return str_starts(address, STR("127.")) || str_eq(address, STR("::1"));
}

static int check_dapr(const struct config *c, const struct role *role, struct buf *out)
{
	int n = check_address(c, "dapr.address", out);

	if (role == NULL || !(role->needs & (NEED_DAPR | WANT_DAPR)))
		return n;
	bool has_url = config_str(c, "dapr.url").n > 0;
	if (!has_url && (role->needs & NEED_DAPR)) {
		buf_printf(out, "dapr.url: must be set: %s works by its sidecar\n", role->name);
		n++;
	}
	if (has_url && config_str(c, "dapr.app_token_file").n == 0 &&
	    config_str(c, "dapr.app_token").n == 0 && !is_loopback(config_str(c, "dapr.address"))) {
		buf_printf(out, "dapr.app_token_file: must be set when dapr.address is not "
				"loopback: others than the sidecar could call it\n");
		n++;
	}
	return n;
}

int options_check(const struct config *c, const struct role *role, struct buf *out)
{
	struct str mode = config_str(c, "auth.mode");
	int n = check_address(c, "http.address", out) + check_address(c, "ops.address", out) +
		check_dapr(c, role, out);

	for (size_t i = 0; role != NULL && (role->needs & NEED_AUTH) && i < ARRAY_SIZE(AUTH_KEYS);
	     i++) {
		if (!str_eq(mode, AUTH_KEYS[i].mode) || config_str(c, AUTH_KEYS[i].key).n > 0)
			continue;
		buf_printf(out, "%s: must be set when auth.mode is %.*s; %s\n", AUTH_KEYS[i].key,
			   STR_ARGS(mode), AUTH_KEYS[i].hint);
		n++;
	}
	if (role != NULL && (role->needs & NEED_DB) && config_str(c, "database.url").n == 0) {
		buf_printf(out,
			   "database.url: must be set: postgresql://user:password@host:port/name, "
			   "as TODOD_DATABASE_URL or in the file\n");
		n++;
	}
	return n;
}

struct jwt_key *options_auth_key(const struct config *c, struct err *reterr)
{
	struct str mode = config_str(c, "auth.mode"), path;
	bool is_builtin = str_eq(mode, STR("builtin"));

	if (!is_builtin && !str_eq(mode, STR("secret"))) {
		err_set(reterr, &ERR_INVALID, NULL,
			"auth.mode is jwks: another issuer makes the tokens");
		return NULL;
	}
	path = config_str(c, is_builtin ? "auth.key_file" : "auth.secret_file");
	if (path.n == 0) {
		err_set(reterr, &ERR_INVALID, NULL, "%s must be set when auth.mode is %.*s",
			is_builtin ? "auth.key_file" : "auth.secret_file", STR_ARGS(mode));
		return NULL;
	}
	return is_builtin ? jwt_key_from_pem_file(path.p, reterr)
			  : jwt_key_from_secret_file(path.p, reterr);
}
