/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: down, connecting, up. While up, ops are answered in the order they were sent; an
 * op is over at its Sync and not before, because a deferred failure shows only there. One timer
 * serves each state: the next attempt (50 ms doubling to 1 s), the limit of an attempt, the
 * watchdog over the oldest op. libpq's callbacks never switch fibers: they end in fiber_wake.
 */
#include "db_private.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>

enum { BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 1000 };

static void on_timer(void *arg);
static void on_event(evutil_socket_t fd, short what, void *arg);

void db_conn_init(struct db_conn *c, struct db *db, bool slow)
{
	c->db = db;
	c->slow = slow;
	c->state = DB_CONN_DOWN;
	c->backoff_ms = BACKOFF_MIN_MS;
	timer_init(&c->timer, db->config.loop, on_timer, c);
	loop_task_init(&c->retry, on_timer, c);
}

static int64_t watchdog_ms(const struct db_conn *c)
{
	return 2 * c->db->config.statement_timeout_ms;
}

static void stop_listening(struct db_conn *c)
{
	if (c->has_event)
		event_del(&c->event);
	c->has_event = false;
	c->event_mask = 0;
}

/* While connecting the socket may be another one after each PQconnectPoll, even under the same
 * number. */
static int listen_for(struct db_conn *c, short mask)
{
	int fd = PQsocket(c->pg);

	if (c->state == DB_CONN_UP && c->has_event && c->event_mask == mask)
		return 0;
	stop_listening(c);
	if (fd < 0 || event_assign(&c->event, loop_base(c->db->config.loop), fd,
				   (short)(mask | EV_PERSIST), on_event, c) < 0)
		return -EIO;
	if (event_add(&c->event, NULL) < 0)
		return -EIO;
	c->has_event = true;
	c->event_mask = mask;
	return 0;
}

static void close_pg(struct db_conn *c)
{
	stop_listening(c);
	timer_stop(&c->timer);
	if (c->pg)
		PQfinish(c->pg);
	c->pg = NULL;
	memset(c->ready, 0, sizeof(c->ready));
	memset(c->preparing, 0, sizeof(c->preparing));
}

static void fail_under_way(struct db_conn *c, int result, const char *reason)
{
	struct db_op *op;
	struct err err = { 0 };

	err_unavailable(&err, 1, "%s", reason);
	while ((op = c->under_way.head)) {
		db_op_list_remove(&c->under_way, op);
		/* Whatever an op saw so far, without its sync its end is unknown. */
		op->result = 0;
		db_op_fail(op, result, &err);
		db_op_finish(op);
	}
}

void db_remember_error(struct db *db, const char *message)
{
	struct str s = str_trim(str_from(message));
	size_t n = s.n < sizeof(db->last_error) ? s.n : sizeof(db->last_error) - 1;

	for (size_t i = 0; i < n; i++)
		db->last_error[i] = s.p[i] == '\n' ? ' ' : s.p[i];
	db->last_error[n] = '\0';
}

void db_conn_cut(struct db_conn *c, const char *reason)
{
	bool was_up = c->state == DB_CONN_UP;

	/* reason may be libpq's own text, which PQfinish frees. */
	if (reason)
		db_remember_error(c->db, reason);
	close_pg(c);
	c->state = DB_CONN_DOWN;
	db_conn_went_down(c, was_up);
	fail_under_way(c, -EAGAIN, "the connection to the database was lost");
	/* Without this the pool would be short for good when memory was short for a moment. */
	if (timer_start(&c->timer, c->backoff_ms) < 0)
		loop_defer(c->db->config.loop, &c->retry);
	c->backoff_ms = c->backoff_ms * 2 < BACKOFF_MAX_MS ? c->backoff_ms * 2 : BACKOFF_MAX_MS;
}

void db_conn_done(struct db_conn *c)
{
	close_pg(c);
	c->state = DB_CONN_DOWN;
	fail_under_way(c, -ECANCELED, "the process is stopping");
	loop_undefer(c->db->config.loop, &c->retry);
	timer_done(&c->timer);
}

static void ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

void db_conn_start(struct db_conn *c)
{
	const struct db_conninfo *ci = c->db->conninfo;

	assert(c->state == DB_CONN_DOWN && !c->pg);
	c->state = DB_CONN_CONNECTING;
	metric_add(c->db->metrics.connects, 1);
	c->pg = PQconnectStartParams(ci->keywords, ci->values, 0);
	if (!c->pg) {
		db_conn_cut(c, "out of memory");
		return;
	}
	PQsetNoticeProcessor(c->pg, ignore_notice, NULL);
	if (PQstatus(c->pg) == CONNECTION_BAD ||
	    timer_start(&c->timer, c->db->config.connect_timeout_ms) < 0) {
		db_conn_cut(c, PQerrorMessage(c->pg));
		return;
	}
	/* "Behave as if PQconnectPoll last returned PGRES_POLLING_WRITING." */
	if (listen_for(c, EV_WRITE) < 0)
		db_conn_cut(c, "the event loop refused the socket");
}

static void went_up(struct db_conn *c)
{
	if (PQsetnonblocking(c->pg, 1) != 0 || !PQenterPipelineMode(c->pg) ||
	    listen_for(c, EV_READ) < 0) {
		db_conn_cut(c, PQerrorMessage(c->pg));
		return;
	}
	timer_stop(&c->timer);
	c->state = DB_CONN_UP;
	c->backoff_ms = BACKOFF_MIN_MS;
	db_conn_went_up(c);
}

static void poll_connect(struct db_conn *c)
{
	PostgresPollingStatusType s = PQconnectPoll(c->pg);

	if (s == PGRES_POLLING_OK)
		went_up(c);
	else if (s == PGRES_POLLING_FAILED)
		db_conn_cut(c, PQerrorMessage(c->pg));
	else if (listen_for(c, s == PGRES_POLLING_READING ? EV_READ : EV_WRITE) < 0)
		db_conn_cut(c, "the event loop refused the socket");
}

/* What did not fit into the socket waits for EV_WRITE. */
static int flush(struct db_conn *c)
{
	int r = PQflush(c->pg);

	if (r < 0)
		return -EIO;
	return listen_for(c, r == 1 ? EV_READ | EV_WRITE : EV_READ);
}

static void set_head(struct db_conn *c)
{
	if (c->under_way.head)
		c->head_since_ms = loop_now_ms(c->db->config.loop);
}

/* The oldest op has reached its sync. False: the connection was cut, c->pg is gone. */
static bool op_synced(struct db_conn *c)
{
	struct db_op *op = c->under_way.head;
	bool stale = op->stale_session;

	db_op_list_remove(&c->under_way, op);
	set_head(c);
	if (op->result == 0 && op->step != op->n_steps) {
		struct err err = { 0 };

		err_unavailable(&err, 1, "the database answered only a part");
		db_op_fail(op, -EAGAIN, &err);
		db_remember_error(c->db, err.text);
		stale = true;
	}
	db_op_finish(op);
	if (stale)
		db_conn_cut(c, NULL);
	return !stale;
}

/* Takes every result that has arrived. False: the connection was cut. */
static bool take_results(struct db_conn *c)
{
	bool after_null = false;

	while (c->under_way.head && !PQisBusy(c->pg)) {
		struct db_op *op = c->under_way.head;
		PGresult *res = PQgetResult(c->pg);

		if (!res) {
			/* The end of one command's results, or of an error of the Sync's own; two
			 * in a row: nothing is left. */
			if (after_null)
				break;
			after_null = true;
			if (op->step < op->n_steps)
				op->step++;
			continue;
		}
		after_null = false;
		if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
			PQclear(res);
			if (!op_synced(c))
				return false;
			continue;
		}
		db_pipeline_result(c, op, res);
		/* libpq repeats its error for ever on a dead connection. */
		if (PQstatus(c->pg) == CONNECTION_BAD)
			break;
	}
	return true;
}

static void pump(struct db_conn *c, short what)
{
	bool input_fine = !(what & EV_READ) || PQconsumeInput(c->pg);

	/* Results that came before the end still count. */
	if (!take_results(c))
		return;
	if (!input_fine || PQstatus(c->pg) == CONNECTION_BAD || flush(c) < 0)
		db_conn_cut(c, PQerrorMessage(c->pg));
	else
		db_dispatch(c->db);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct db_conn *c = arg;
	LOOP_ENTER(c->db->config.loop);

	(void)fd;
	if (c->state == DB_CONN_CONNECTING)
		poll_connect(c);
	else
		pump(c, what);
}

/* Runs at most once per watchdog period, not once per op. */
static void check_overdue(struct db_conn *c)
{
	int64_t left_ms;

	if (!c->under_way.head)
		return;
	left_ms = c->head_since_ms + watchdog_ms(c) - loop_now_ms(c->db->config.loop);
	if (left_ms <= 0 || timer_start(&c->timer, left_ms) < 0)
		db_conn_cut(c, "the database did not answer in time");
}

static void on_timer(void *arg)
{
	struct db_conn *c = arg;

	switch (c->state) {
	case DB_CONN_DOWN:
		db_conn_start(c);
		break;
	case DB_CONN_CONNECTING:
		db_conn_cut(c, "connecting to the database took too long");
		break;
	case DB_CONN_UP:
		check_overdue(c);
		break;
	}
}

void db_conn_send(struct db_conn *c, struct db_op *op)
{
	int r;

	assert(c->state == DB_CONN_UP);
	op->conn = c;
	db_op_list_push(&c->under_way, op);
	if (c->under_way.n == 1)
		set_head(c);
	r = db_pipeline_write(c, op);
	if (r == 0)
		r = flush(c);
	if (r == 0 && !timer_is_running(&c->timer))
		r = timer_start(&c->timer, watchdog_ms(c));
	/* A segment half written has no sync of its own: nothing sane can follow it. */
	if (r < 0)
		db_conn_cut(c, PQerrorMessage(c->pg));
}
