/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests with a real PostgreSQL share: a database of their own in the cluster that
 * TODOD_TEST_DATABASE_URL leads to (as its superuser), dropped at the end; plain SQL beside the
 * code under test; and a loop with fibers to run it in. A missing variable fails the test: a
 * database test that did not run proves nothing.
 */
#ifndef TEST_PG_FIXTURE_H
#define TEST_PG_FIXTURE_H

#include "base/metrics.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "net/db.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct pg_fixture {
	char name[64];	    /* of the database */
	char role[64];	    /* a login role without any right */
	char url[1024];	    /* superuser */
	char app_url[1024]; /* the role */
	struct loop *loop;
	PGconn *admin;
};

static struct pg_fixture pg;

static inline PGconn *pg_connect(const char *url)
{
	PGconn *conn = PQconnectdb(url);

	ck_assert_msg(PQstatus(conn) == CONNECTION_OK, "%s", PQerrorMessage(conn));
	PQsetNoticeProcessor(conn, NULL, NULL);
	return conn;
}

/* Runs sql; the first value of the first row, or "", in a static buffer. */
static inline const char *pg_on(PGconn *conn, const char *sql)
{
	static char value[8192];
	PGresult *res = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(res);

	ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql,
		      PQerrorMessage(conn));
	snprintf(value, sizeof(value), "%s", PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "");
	PQclear(res);
	return value;
}

static inline const char *pg_sql(const char *sql)
{
	return pg_on(pg.admin, sql);
}

static inline long pg_long(const char *sql)
{
	return strtol(pg_sql(sql), NULL, 10);
}

static inline void pg_silence(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

/* key=value form of the configured url, with another database and user. */
static inline void pg_url(char *out, size_t size, const char *dbname, const char *user)
{
	const char *env = getenv("TODOD_TEST_DATABASE_URL");
	PQconninfoOption *options;
	int n = 0;

	ck_assert_msg(
		env && *env,
		"TODOD_TEST_DATABASE_URL is not set: it names the superuser of a private PostgreSQL");
	options = PQconninfoParse(env, NULL);
	ck_assert_ptr_nonnull(options);
	out[0] = '\0';
	for (const PQconninfoOption *o = options; o->keyword; o++) {
		bool replaced = (strcmp(o->keyword, "dbname") == 0 && dbname) ||
				(strcmp(o->keyword, "user") == 0 && user);

		if (o->val && *o->val && !replaced)
			n += snprintf(out + n, size - (size_t)n, "%s='%s' ", o->keyword, o->val);
	}
	if (dbname)
		n += snprintf(out + n, size - (size_t)n, "dbname=%s ", dbname);
	if (user)
		n += snprintf(out + n, size - (size_t)n, "user=%s password=test ", user);
	PQconninfoFree(options);
}

/* before name after, on the cluster's own database. */
static inline void pg_server_sql(const char *before, const char *name, const char *after)
{
	char url[1024], sql[256];
	PGconn *conn;

	pg_url(url, sizeof(url), NULL, NULL);
	conn = pg_connect(url);
	PQsetNoticeProcessor(conn, pg_silence, NULL);
	snprintf(sql, sizeof(sql), "%s %s %s", before, name, after);
	pg_on(conn, sql);
	PQfinish(conn);
}

static inline void pg_setup(void)
{
	snprintf(pg.name, sizeof(pg.name), "todod_test_%d", (int)getpid());
	snprintf(pg.role, sizeof(pg.role), "todod_test_app_%d", (int)getpid());
	pg_server_sql("DROP DATABASE IF EXISTS", pg.name, "WITH (FORCE)");
	pg_server_sql("DROP ROLE IF EXISTS", pg.role, "");
	pg_server_sql("CREATE ROLE", pg.role, "LOGIN PASSWORD 'test'");
	pg_server_sql("CREATE DATABASE", pg.name, "");
	pg_url(pg.url, sizeof(pg.url), pg.name, NULL);
	pg_url(pg.app_url, sizeof(pg.app_url), pg.name, pg.role);
	pg.admin = pg_connect(pg.url);
	PQsetNoticeProcessor(pg.admin, pg_silence, NULL);
	pg.loop = loop_new();
	ck_assert_ptr_nonnull(pg.loop);
}

static inline void pg_teardown(void)
{
	fiber_done();
	loop_free(pg.loop);
	metrics_done();
	PQfinish(pg.admin);
	pg_server_sql("DROP DATABASE", pg.name, "WITH (FORCE)");
	pg_server_sql("DROP ROLE", pg.role, "");
}

struct pg_main {
	fiber_fn *fn;
	void *arg;
};

static inline void pg_main_fiber(void *arg)
{
	struct pg_main *m = arg;

	m->fn(m->arg);
	loop_stop(pg.loop);
}

/* Runs fn(arg) on a fiber until it returns. */
static inline void pg_run(fiber_fn *fn, void *arg)
{
	struct pg_main m = { fn, arg };

	ck_assert_int_eq(fiber_spawn(pg.loop, "test", pg_main_fiber, &m, NULL, NULL), 0);
	ck_assert_int_eq(loop_run(pg.loop), 0);
}

static inline struct db_config pg_config(const char *url)
{
	return (struct db_config){
		.loop = pg.loop,
		.url = url,
		.fast_connections = 2,
		.fast_depth = 16,
		.slow_connections = 1,
		.queue_max = 100,
		.statement_timeout_ms = 5000,
		.connect_timeout_ms = 5000,
		.prepare = true,
		.application_name = "todod-test",
	};
}

/* Waits, on a fiber, until the pool is up (or down); a bound keeps a broken test from hanging. */
static inline void pg_await(struct db *db, bool up)
{
	for (int i = 0; i < 1000 && db_is_up(db) != up; i++)
		ck_assert_int_eq(fiber_sleep(10), 0);
	ck_assert_msg(db_is_up(db) == up, "%s", db_last_error(db));
}

static inline struct db *pg_open(const struct db_config *config)
{
	struct db *db = NULL;
	struct err err = { 0 };

	ck_assert_msg(db_new(config, &db, &err) == 0, "%s", err.text);
	pg_await(db, true);
	return db;
}

#endif
