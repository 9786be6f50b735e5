/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Migrations: embedded, applied in order, remembered with the SHA-256 of what was applied, so that
 * a file edited after the fact is noticed instead of being silently not run. The advisory lock lets
 * several `todod migrate` start at once; the later ones find nothing to do.
 */
#include "results_private.h"
#include "store/schema.h"

#include "base/embed.h"
#include "base/buf.h"
#include "base/hash.h"
#include "net/db_session.h"

#include <errno.h>

#define MIGRATION(number, name) EMBED(migration_##number, "src/store/migrations/" #name ".sql");
#include "migrations.def"
#undef MIGRATION

enum {
#define MIGRATION(number, name) MIGRATION_##number = (number),
#include "migrations.def"
#undef MIGRATION
	MIGRATIONS_END,
};

enum { HEX_SIZE = 2 * SHA256_SIZE + 1, SCRIPT_MAX = 1024 * 1024 };

struct migration {
	int number;
	const char *name;
	struct str sql;
};

/* Any number will do, as long as it is always this one. */
#define ADVISORY_LOCK "7309453"

/* row_security off: a statement that row security would blind fails instead of doing nothing. */
static const char PREPARE_SESSION[] =
	"SET row_security = off; SET lock_timeout = '60s'; SET client_min_messages = warning; "
	"SELECT pg_advisory_lock(" ADVISORY_LOCK ")";

static const char BOOTSTRAP[] =
	"CREATE SCHEMA IF NOT EXISTS todod; "
	"CREATE TABLE IF NOT EXISTS todod.migrations ("
	"version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, "
	"applied_at timestamptz NOT NULL DEFAULT now())";

int schema_version(void)
{
	return MIGRATIONS_END - 1;
}

static int out_of_memory(struct err *reterr)
{
	err_unavailable(reterr, 1, "out of memory");
	return -ENOMEM;
}

/* Says which migration it was; the server's words stay. */
static int name_failure(const struct migration *m, int r, struct err *reterr)
{
	struct err server = *reterr;

	err_unavailable(reterr, 1, "migration %s: %s", m->name, server.text);
	return r;
}

static int hex_of(struct str sql, char out[HEX_SIZE])
{
	uint8_t digest[SHA256_SIZE];
	int r = hash_sha256(sql, digest);

	if (r < 0)
		return r;
	for (size_t i = 0; i < SHA256_SIZE; i++) {
		out[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	out[HEX_SIZE - 1] = '\0';
	return 0;
}

/* *ret: applied before, as it is now. */
static int was_applied(struct db_session *s, const struct migration *m, const char *hex, bool *ret,
		       struct err *reterr)
{
	struct buf sql;
	const char *known = "";
	int r;

	buf_init(&sql, SCRIPT_MAX);
	buf_printf(&sql, "SELECT sha256 FROM todod.migrations WHERE version = %d", m->number);
	buf_append_char(&sql, '\0');
	r = buf_status(&sql) < 0 ? out_of_memory(reterr)
				 : db_session_value(s, sql.p, &known, reterr);
	buf_done(&sql);
	if (r < 0)
		return r;
	if (*known && strcmp(known, hex) != 0) {
		err_set(reterr, &ERR_INTERNAL, NULL,
			"migration %s was applied in another form; applied migrations never "
			"change, add a new one",
			m->name);
		return -EINVAL;
	}
	*ret = *known != '\0';
	return 0;
}

/* The script and its record are one simple query, hence one transaction. */
static int apply(struct db_session *s, const struct migration *m, const char *hex,
		 struct err *reterr)
{
	struct buf script;
	int r;

	buf_init(&script, SCRIPT_MAX);
	buf_append_str(&script, m->sql);
	buf_printf(
		&script,
		"\n;INSERT INTO todod.migrations (version, name, sha256) VALUES (%d, '%s', '%s')",
		m->number, m->name, hex);
	buf_append_char(&script, '\0');
	r = buf_status(&script) < 0 ? out_of_memory(reterr)
				    : db_session_script(s, script.p, reterr);
	buf_done(&script);
	return r;
}

static int migrate_one(struct db_session *s, const struct migration *m, schema_applied_fn *applied,
		       void *arg, struct err *reterr)
{
	char hex[HEX_SIZE];
	bool done = false;
	int r = hex_of(m->sql, hex) < 0 ? out_of_memory(reterr)
					: was_applied(s, m, hex, &done, reterr);

	if (r < 0 || done)
		return r;
	r = apply(s, m, hex, reterr);
	if (r < 0)
		return name_failure(m, r, reterr);
	if (applied)
		applied(m->name, arg);
	return 0;
}

static int migrate_all(struct db_session *s, schema_applied_fn *applied, void *arg,
		       struct err *reterr)
{
	const struct migration migrations[] = {
#define MIGRATION(number, name) { (number), #name, migration_##number() },
#include "migrations.def"
#undef MIGRATION
	};
	int r = db_session_script(s, PREPARE_SESSION, reterr);

	if (r == 0)
		r = db_session_script(s, BOOTSTRAP, reterr);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(migrations); i++)
		r = migrate_one(s, &migrations[i], applied, arg, reterr);
	return r;
}

int schema_migrate(const char *url, schema_applied_fn *applied, void *arg, struct err *reterr)
{
	struct err mine = { 0 };
	struct db_session *s = NULL;
	int r = db_session_open(url, "todod-migrate", &s, &mine);

	if (r == 0)
		r = migrate_all(s, applied, arg, &mine);
	/* Closing lets go of the advisory lock. */
	db_session_close(s);
	if (r < 0 && reterr)
		*reterr = mine;
	return r;
}

/* Asked first: a query that names a missing table is an error, not an answer. Needs no right on the
 * schema. */
static const struct db_statement HAS_MIGRATIONS = {
	"schema_has_migrations",
	"SELECT count(*) FROM pg_catalog.pg_class c "
	"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
	"WHERE n.nspname = 'todod' AND c.relname = 'migrations'",
	0,
};
static const struct db_statement VERSION = {
	"schema_version",
	"SELECT coalesce(max(version), 0) FROM todod.migrations",
	0,
};

int schema_check_wait(struct db *db, struct err *reterr)
{
	int64_t exists = 0, version = 0;
	int r = results_number_wait(db, &HAS_MIGRATIONS, &exists, reterr);

	if (r == 0 && exists > 0)
		r = results_number_wait(db, &VERSION, &version, reterr);
	if (r < 0 || version >= schema_version())
		return r;
	err_unavailable(
		reterr, 1,
		"the database is at schema version %lld, this binary needs %d: run `todod migrate`",
		(long long)version, schema_version());
	return -EAGAIN;
}
