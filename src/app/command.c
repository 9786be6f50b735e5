/* SPDX-License-Identifier: Apache-2.0 */
/*
 * todod migrate and todod token, and the choice of the command.
 */
#include "app/command.h"
#include "app/options.h"
#include "command_private.h"
#include "auth/jwt.h"
#include "base/time.h"
#include "store/schema.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

static void print_applied(const char *name, void *arg)
{
	int *n = arg;

	(*n)++;
	printf("applied %s\n", name);
	fflush(stdout);
}

static int migrate(const struct config *c)
{
	struct str url = config_str(c, "database.migrate_url");
	struct err err = { 0 };
	int n_applied = 0;

	if (url.n == 0)
		url = config_str(c, "database.url");
	if (url.n == 0) {
		fprintf(stderr,
			"todod: database.migrate_url must be set: the database as its owner, as "
			"TODOD_DATABASE_MIGRATE_URL or in the file\n");
		return EX_CONFIG;
	}
	if (schema_migrate(url.p, print_applied, &n_applied, &err) < 0) {
		fprintf(stderr, "todod: migrate: %s\n", err.text);
		return err.kind == &ERR_INVALID ? EX_CONFIG : EX_UNAVAILABLE;
	}
	if (n_applied == 0)
		printf("nothing to do: the schema is at version %d\n", schema_version());
	return EX_OK;
}

static int print_token(const struct config *c, const struct jwt_key *key, struct str user,
		       int64_t ttl_s)
{
	struct arena *arena = arena_new(64 * 1024);
	struct str token = { NULL, 0 };

	if (arena != NULL)
		token = jwt_sign(arena, key, user, config_str(c, "auth.issuer"),
				 config_str(c, "auth.audience"), time_now_us() / TIME_US_PER_S,
				 ttl_s);
	if (token.p != NULL)
		printf("%.*s\n", STR_ARGS(token));
	else
		fprintf(stderr, "todod: token: cannot sign\n");
	arena_free(arena);
	return token.p != NULL ? EX_OK : EX_SOFTWARE;
}

static int token(const struct config *c, struct str user, int64_t ttl_s)
{
	struct err err = { 0 };

	if (!jwt_subject_is_valid(user)) {
		fprintf(stderr,
			"todod: token: --user must be 1 to 128 bytes of UTF-8 without control characters\n");
		return EX_USAGE;
	}
	struct jwt_key *key = options_auth_key(c, &err);
	if (key == NULL) {
		fprintf(stderr, "todod: token: %s\n", err.text);
		return EX_CONFIG;
	}
	int exit_code = print_token(c, key, user, ttl_s);
	jwt_key_free(key);
	return exit_code;
}

int command_run(const struct arguments *a, const struct config *c)
{
	switch (a->command) {
	case COMMAND_MIGRATE:
		return migrate(c);
	case COMMAND_TOKEN:
		return token(c, a->user, a->ttl_s);
	case COMMAND_AUDIT:
		return command_session_run(c, a, command_audit);
	case COMMAND_DLQ:
		return command_session_run(c, a, command_dlq);
	case COMMAND_PARSE:
	case COMMAND_NONE:
		break;
	}
	return EX_USAGE;
}
