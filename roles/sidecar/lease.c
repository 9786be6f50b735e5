/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease row. Its times are the database's.
 */
#include "lease_private.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

enum { RENEW_MS = 10 * 1000, PLACE_SIZE = 160 };

#define VALID_FOR "interval '30 s'"

static const struct db_statement TAKE = {
	"sidecar_lease_take",
	"INSERT INTO sidecar.lease AS l (holder, place, pid, valid_until) "
	"VALUES ($1, $2, $3, now() + " VALID_FOR ") "
	"ON CONFLICT (only_row) DO UPDATE SET holder = excluded.holder, place = excluded.place, "
	"pid = excluded.pid, valid_until = excluded.valid_until "
	"WHERE l.valid_until < now() OR l.holder = $4",
	4,
};
static const struct db_statement LOOK = {
	"sidecar_lease_look",
	"SELECT holder, place, pid, extract(epoch FROM valid_until - now())::int8 FROM sidecar.lease",
	0,
};
static const struct db_statement RENEW = {
	"sidecar_lease_renew",
	"UPDATE sidecar.lease SET valid_until = now() + " VALID_FOR " WHERE holder = $1",
	1,
};
/* What tells whether a pid of another time may be looked for: boot, and process namespace. */
static void read_place(char out[PLACE_SIZE])
{
	char boot[64] = "", space[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, boot, sizeof(boot) - 1) : -1;

	if (fd >= 0)
		close(fd);
	while (n > 0 && boot[n - 1] <= ' ')
		n--;
	boot[n > 0 ? n : 0] = '\0';
	n = readlink("/proc/self/ns/pid", space, sizeof(space) - 1);
	space[n > 0 ? n : 0] = '\0';
	snprintf(out, PLACE_SIZE, "%s %s", boot, space);
}

static FIBER int run_wait(struct host *h, const struct db_statement *statement,
			  const struct db_param *params, struct db_result **ret, struct err *reterr)
{
	const struct db_query query = { statement, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };

	return db_run_wait(h->db, &segment, ret, NULL, reterr);
}

/* Rows changed, or as db_run_wait. */
static FIBER int64_t change_wait(struct host *h, const struct db_statement *statement,
				 const struct db_param *params, struct err *reterr)
{
	struct db_result *result = NULL;
	int64_t r = run_wait(h, statement, params, &result, reterr);

	if (r < 0)
		return r;
	r = db_affected(result);
	db_result_free(result);
	return r;
}

static FIBER int64_t take_wait(struct host *h, const struct uuid *dead, struct err *reterr)
{
	char place[PLACE_SIZE];

	read_place(place);
	const struct db_param params[] = { DB_PARAM_UUID(h->lease_id),
					   DB_PARAM_TEXT(str_from(place)), DB_PARAM_I32(getpid()),
					   DB_PARAM_UUID(*dead) };
	return change_wait(h, &TAKE, params, reterr);
}

/* -EBUSY: somebody lives. 0: *ret died. */
static int judge(const struct db_result *row, struct uuid *ret, struct err *reterr)
{
	char place[PLACE_SIZE];
	int64_t pid, left_s;

	if (db_rows(row) == 0)
		return 0;
	read_place(place);
	pid = db_i64(row, 0, 2);
	left_s = db_i64(row, 0, 3);
	*ret = db_uuid(row, 0, 0);
	/* A pid of our own is a holder that died: pids are used again. */
	if (str_eq(db_text(row, 0, 1), str_from(place)) &&
	    (pid == getpid() || (kill((pid_t)pid, 0) < 0 && errno == ESRCH)))
		return 0;
	err_set(reterr, &ERR_UNAVAILABLE, NULL,
		"another embedded sidecar, process %lld, serves this database (its lease runs for %lld s "
		"more); there can be only one: stop that one, or give this one a database of its own",
		(long long)pid, (long long)left_s);
	return -EBUSY;
}

int process_lease_take_wait(struct host *h, struct err *reterr)
{
	struct db_result *row = NULL;
	struct uuid dead = { .bytes = { 0 } };

	h->lease_id = uuid_v7();
	int64_t n = take_wait(h, &dead, reterr);
	if (n != 0)
		return n < 0 ? (int)n : 0;
	int r = run_wait(h, &LOOK, NULL, &row, reterr);
	if (r < 0)
		return r;
	r = judge(row, &dead, reterr);
	db_result_free(row);
	if (r < 0)
		return r;
	n = take_wait(h, &dead, reterr);
	if (n == 0)
		err_set(reterr, &ERR_UNAVAILABLE, NULL,
			"another embedded sidecar began to serve this database");
	return n < 0 ? (int)n : n > 0 ? 0 : -EBUSY;
}

static FIBER void renew(void *arg)
{
	struct host *h = arg;
	const struct db_param params[] = { DB_PARAM_UUID(h->lease_id) };
	struct err err = { 0 };

	int64_t n = change_wait(h, &RENEW, params, &err);
	if (h->is_stopping)
		return;
	if (n == 0) {
		err_set(&err, &ERR_UNAVAILABLE, NULL,
			"another embedded sidecar has taken this database over");
		app_fail(h->app, EX_UNAVAILABLE, &err);
		return;
	}
	if (n < 0)
		log_err(LOG_WARN, "sidecar.lease_not_renewed", &err);
	process_lease_keep(h);
}

static void on_timer(void *arg)
{
	struct host *h = arg;

	if (fiber_spawn(h->loop, "sidecar.lease", renew, h, NULL, NULL) < 0)
		process_lease_keep(h);
}

void process_lease_keep(struct host *h)
{
	if (!timer_is_running(&h->lease_timer))
		timer_init(&h->lease_timer, h->loop, on_timer, h);
	if (timer_start(&h->lease_timer, RENEW_MS) < 0)
		log_error("sidecar.no_timer", LOG_CSTR("timer", "lease"));
}

void process_lease_stop(struct host *h)
{
	timer_done(&h->lease_timer);
}
