/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command as a process that lives for one fiber: what the services do with the database, it does
 * with the same code.
 */
#include "command_private.h"

#include "base/metrics.h"
#include "base/time.h"
#include "store/schema.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

enum { COMMAND_ARENA_BYTES = 512 * 1024 * 1024, POLL_MS = 5 };

struct command_main {
	struct loop *loop;
	struct command_session session;
	const struct arguments *arguments;
	command_fn *fn;
	int exit_code;
};

static const char *command_name(const struct arguments *a)
{
	return a->command == COMMAND_AUDIT ? "audit" : "dlq";
}

int command_failed(const struct arguments *a, int r, const struct err *e)
{
	fprintf(stderr, "todod: %s %.*s: %s\n", command_name(a), STR_ARGS(a->action), e->text);
	return r == -ENOENT || r == -EINVAL || r == -EBADMSG || r == -EDOM ? EX_DATAERR
									   : EX_UNAVAILABLE;
}

int command_print(struct buf *out)
{
	int r = EX_OK;

	if (buf_status(out) < 0)
		r = EX_OSERR;
	else if ((out->n > 0 && fwrite(out->p, 1, out->n, stdout) != out->n) || fflush(stdout) != 0)
		r = EX_IOERR; /* flushed, as what is said of it on stderr comes after it */
	buf_clear(out);
	return r;
}

/* The first that is set. */
static struct str url_of(const struct config *c, const char *key)
{
	struct str url = { NULL, 0 };
	const char *const keys[] = { key, "database.migrate_url", "database.url" };

	for (size_t i = 0; i < ARRAY_SIZE(keys) && url.n == 0; i++) {
		if (keys[i] != NULL)
			url = config_str(c, keys[i]);
	}
	return url;
}

/* key NULL: the database of every command. *ret stays the given one without a URL of its own. */
static int open_db(struct command_main *m, const char *key, struct db **ret, struct err *reterr)
{
	const struct config *c = m->session.config;
	const struct db_config config = {
		.loop = m->loop,
		.url = url_of(c, key).p,
		.fast_connections = 1,
		.fast_depth = 4,
		.queue_max = 64,
		.statement_timeout_ms = config_i64(c, "database.statement_timeout") * 12,
		.connect_timeout_ms = config_i64(c, "database.connect_timeout"),
		.prepare = config_bool(c, "database.prepare"),
		.application_name = "todod-command",
	};

	if (key != NULL && config_str(c, key).n == 0)
		return 0;
	return db_new(&config, ret, reterr);
}

static int open_all(struct command_main *m, struct err *reterr)
{
	struct command_session *s = &m->session;
	int r = open_db(m, NULL, &s->db, reterr);

	s->checker = s->eraser = s->db;
	if (r == 0)
		r = open_db(m, "audit.checker_url", &s->checker, reterr);
	if (r == 0)
		r = open_db(m, "audit.eraser_url", &s->eraser, reterr);
	return r;
}

static void close_all(struct command_main *m)
{
	struct command_session *s = &m->session;

	if (s->eraser != s->db)
		db_free(s->eraser);
	if (s->checker != s->db)
		db_free(s->checker);
	db_free(s->db);
}

static FIBER int wait_until_up(const struct command_session *s, struct db *db, struct err *reterr)
{
	int64_t until_ms = s->started_ms + config_i64(s->config, "database.connect_timeout");

	while (!db_is_up(db)) {
		if (*db_last_error(db) || time_monotonic_ms() >= until_ms)
			return err_unavailable(reterr, 1, "the database cannot be reached: %s",
					       db_last_error(db));
		if (fiber_sleep(POLL_MS) < 0)
			return -ECANCELED;
	}
	return 0;
}

static FIBER void run_command(void *arg)
{
	struct command_main *m = arg;
	struct command_session *s = &m->session;
	struct err err = { 0 };
	int r = wait_until_up(s, s->db, &err);

	if (r == 0)
		r = wait_until_up(s, s->checker, &err);
	if (r == 0)
		r = wait_until_up(s, s->eraser, &err);
	if (r == 0)
		r = schema_check_wait(s->db, &err);
	m->exit_code = r < 0 ? command_failed(m->arguments, r, &err) : m->fn(s, m->arguments);
	loop_stop(m->loop);
}

static int run_loop(struct command_main *m)
{
	struct err err = { 0 };
	int r = open_all(m, &err);

	if (r < 0)
		return command_failed(m->arguments, -EAGAIN, &err);
	if (fiber_spawn(m->loop, "command", run_command, m, NULL, NULL) < 0 ||
	    loop_run(m->loop) < 0)
		return EX_OSERR;
	return m->exit_code;
}

int command_session_run(const struct config *c, const struct arguments *a, command_fn *fn)
{
	struct command_main m = {
		.session = { .config = c, .started_ms = time_monotonic_ms() },
		.arguments = a,
		.fn = fn,
	};
	int exit_code = EX_OSERR;

	if (url_of(c, NULL).n == 0) {
		fprintf(stderr, "todod: database.migrate_url or database.url must be set, as "
				"TODOD_DATABASE_URL or in the file\n");
		return EX_CONFIG;
	}
	log_init(LOG_ERROR, "command", STDERR_FILENO);
	m.loop = loop_new();
	m.session.arena = arena_new(COMMAND_ARENA_BYTES);
	if (m.loop != NULL && m.session.arena != NULL)
		exit_code = run_loop(&m);
	else
		fprintf(stderr, "todod: out of memory\n");
	close_all(&m);
	arena_free(m.session.arena);
	fiber_done();
	if (m.loop != NULL)
		loop_free(m.loop);
	metrics_done();
	log_flush();
	return exit_code;
}
