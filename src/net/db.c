/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: which connection carries a segment, the bounded queue in front of them, and the fiber
 * that waits. A segment goes to the connection of its kind (fast or slow) with the fewest under
 * way, a slow one to the fast connections while no slow one is up; when all are full it queues;
 * when none is up it is refused at once, and what had queued is refused when the last one is lost.
 * A waiter that leaves early detaches: its segment ends as if somebody still listened.
 */
#include "db_private.h"

#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Far beyond what a short statement takes, far below what a client notices. */
enum { STALLED_MS = 20 };

static const struct metric_family UP = {
	"todod_db_connections",
	METRIC_GAUGE,
	"Connections to PostgreSQL that are up.",
};
static const struct metric_family UNDER_WAY = {
	"todod_db_segments_under_way",
	METRIC_GAUGE,
	"Transactions sent to PostgreSQL and not yet answered.",
};
static const struct metric_family QUEUED = {
	"todod_db_queue_length",
	METRIC_GAUGE,
	"Transactions waiting for a connection.",
};
static const struct metric_family CONNECTS = {
	"todod_db_connects_total",
	METRIC_COUNTER,
	"Attempts to connect to PostgreSQL.",
};
static const struct metric_family LOSSES = {
	"todod_db_connections_lost_total",
	METRIC_COUNTER,
	"Connections to PostgreSQL that were up and were lost.",
};
static const struct metric_family FAILURES = {
	"todod_db_failures_total",
	METRIC_COUNTER,
	"Transactions that ended with an error.",
};
static const struct metric_family SECONDS = {
	"todod_db_segment_seconds",
	METRIC_HISTOGRAM,
	"Time from asking for a transaction to its outcome.",
};

void db_op_list_push(struct db_op_list *l, struct db_op *op)
{
	op->next = NULL;
	op->prev = l->tail;
	if (l->tail)
		l->tail->next = op;
	else
		l->head = op;
	l->tail = op;
	l->n++;
}

void db_op_list_remove(struct db_op_list *l, struct db_op *op)
{
	assert(l->n > 0);
	if (op->prev)
		op->prev->next = op->next;
	else
		l->head = op->next;
	if (op->next)
		op->next->prev = op->prev;
	else
		l->tail = op->prev;
	op->next = op->prev = NULL;
	l->n--;
}

void db_op_fail(struct db_op *op, int result, const struct err *err)
{
	if (op->result != 0)
		return;
	op->result = result;
	if (op->waiter)
		op->waiter->err = *err;
}

static struct db *op_db(const struct db_op *op)
{
	return op->conn ? op->conn->db : NULL;
}

void db_op_finish(struct db_op *op)
{
	struct db_waiter *w = op->waiter;
	struct db *db = op_db(op);

	if (db) {
		int64_t ms = time_monotonic_ms() - op->started_ms;

		metric_observe(db->metrics.seconds, (double)ms / 1000.0);
		if (op->result < 0)
			metric_add(db->metrics.failures, 1);
	}
	if (w) {
		w->op = NULL;
		w->result = op->result;
		fiber_wake(&w->wait, 0);
	}
	free(op);
}

int db_statement_slot(struct db *db, const struct db_statement *s)
{
	for (unsigned i = 0; i < db->n_statements; i++)
		if (db->statements[i] == s)
			return (int)i;
	if (db->n_statements == DB_STATEMENTS_MAX)
		return -1;
	db->statements[db->n_statements] = s;
	return (int)db->n_statements++;
}

/* Without a slow connection there is one kind: better in the way of others than refused. */
static bool is_slow(const struct db *db, bool slow)
{
	return slow && db->n_slow_up > 0;
}

static unsigned n_up(const struct db *db, bool slow)
{
	return slow ? db->n_slow_up : db->n_fast_up;
}

static struct db_op_list *queue_of(struct db *db, bool slow)
{
	return slow ? &db->queue_slow : &db->queue_fast;
}

/* Its oldest transaction hangs, on a lock or a long plan: what follows on that connection would
 * hang with it. */
static bool is_stalled(const struct db_conn *c)
{
	return c->under_way.n > 0 &&
	       loop_now_ms(c->db->config.loop) - c->head_since_ms >= STALLED_MS;
}

/* The one with the fewest under way, a stalled one only for want of others; NULL when all are full
 * or down. */
static struct db_conn *pick(struct db *db, bool slow)
{
	unsigned depth = slow ? 1 : db->config.fast_depth, least = 2 * depth;
	struct db_conn *best = NULL;

	for (unsigned i = 0; i < db->n_conns; i++) {
		struct db_conn *c = &db->conns[i];
		unsigned load = c->under_way.n + (is_stalled(c) ? depth : 0);

		if (c->state == DB_CONN_UP && c->slow == slow && c->under_way.n < depth &&
		    load < least) {
			least = load;
			best = c;
		}
	}
	return best;
}

static void dispatch_kind(struct db *db, bool slow)
{
	struct db_op_list *queue = queue_of(db, slow);
	struct db_conn *c;

	while (queue->head && (c = pick(db, slow))) {
		struct db_op *op = queue->head;

		db_op_list_remove(queue, op);
		db_conn_send(c, op);
	}
}

void db_dispatch(struct db *db)
{
	dispatch_kind(db, false);
	dispatch_kind(db, true);
}

static void fail_queue(struct db *db, bool slow, int result, const char *reason)
{
	struct db_op_list *queue = queue_of(db, slow);
	struct db_op *op;
	struct err err = { 0 };

	err_unavailable(&err, 1, "%s", reason);
	while ((op = queue->head)) {
		db_op_list_remove(queue, op);
		db_op_fail(op, result, &err);
		db_op_finish(op);
	}
}

/* What waited for the slow connections goes on by the fast ones, as far as their queue has room. */
static void hand_over_slow(struct db *db)
{
	struct db_op *op;

	while (db->n_fast_up > 0 && db->queue_fast.n < db->config.queue_max &&
	       (op = db->queue_slow.head)) {
		db_op_list_remove(&db->queue_slow, op);
		op->slow = false;
		db_op_list_push(&db->queue_fast, op);
	}
	dispatch_kind(db, false);
}

void db_conn_went_up(struct db_conn *c)
{
	struct db *db = c->db;
	unsigned *n = c->slow ? &db->n_slow_up : &db->n_fast_up;

	db->last_error[0] = '\0';
	if ((*n)++ == 0 && !c->slow && db->config.on_state)
		db->config.on_state(true, db->config.on_state_arg);
	dispatch_kind(db, c->slow);
}

void db_conn_went_down(struct db_conn *c, bool was_up)
{
	struct db *db = c->db;
	unsigned *n = c->slow ? &db->n_slow_up : &db->n_fast_up;

	if (!was_up)
		return;
	metric_add(db->metrics.losses, 1);
	if (--(*n) > 0)
		return;
	if (c->slow)
		hand_over_slow(db);
	fail_queue(db, c->slow, -EAGAIN, "the connection to the database was lost");
	if (!c->slow && db->config.on_state)
		db->config.on_state(false, db->config.on_state_arg);
}

static int check_segment(const struct db_segment *seg, struct err *reterr)
{
	const struct db_param user = DB_PARAM_TEXT(seg->user_id);
	int r = seg->n_queries >= 1 && seg->n_queries <= DB_SEGMENT_MAX ? 0 : -EINVAL;

	if (r == 0 && seg->user_id.p)
		r = db_params_check(&user, 1);
	for (size_t i = 0; r == 0 && i < seg->n_queries; i++)
		r = db_params_check(seg->queries[i].params, seg->queries[i].statement->n_params);
	if (r < 0)
		err_set(reterr, &ERR_INTERNAL, NULL, "a parameter that PostgreSQL cannot take");
	return r;
}

static int refuse(struct err *reterr, const char *why)
{
	err_unavailable(reterr, 1, "%s", why);
	return -EAGAIN;
}

/* Sends or queues. The op's waiter is set. */
static int submit(struct db *db, const struct db_segment *seg, struct db_waiter *w,
		  struct err *reterr)
{
	bool slow = is_slow(db, seg->slow);
	struct db_op_list *queue = queue_of(db, slow);
	struct db_conn *c;
	struct db_op *op;

	if (n_up(db, slow) == 0)
		return refuse(reterr, "the database cannot be reached");
	c = queue->head ? NULL : pick(db, slow);
	if (!c && queue->n >= db->config.queue_max)
		return refuse(reterr, "too many requests wait for the database");
	op = calloc(1, sizeof(*op));
	if (!op)
		return refuse(reterr, "out of memory");
	op->segment = seg;
	op->slow = slow;
	op->started_ms = time_monotonic_ms();
	op->waiter = w;
	w->op = op;
	if (c)
		db_conn_send(c, op);
	else
		db_op_list_push(queue, op);
	return 0;
}

/* The waiter leaves before the outcome. What was sent runs on and its results are dropped. */
static void detach(struct db *db, struct db_waiter *w)
{
	struct db_op *op = w->op;

	op->waiter = NULL;
	w->op = NULL;
	if (op->conn)
		return;
	db_op_list_remove(queue_of(db, op->slow), op);
	free(op);
}

/* result is fiber_wait's: -ETIME, -ECANCELED, or -ENOMEM, which callers need not know. */
static int leave_early(struct db *db, struct db_waiter *w, int result)
{
	if (w->op)
		detach(db, w);
	if (result == -ENOMEM)
		return refuse(&w->err, "out of memory");
	if (result == -ETIME)
		err_unavailable(&w->err, 1, "the database took too long");
	else
		err_unavailable(&w->err, 1, "the request was cancelled");
	return result;
}

int db_run_wait(struct db *db, const struct db_segment *segment, struct db_result **ret,
		char *ret_constraint, struct err *reterr)
{
	struct db_waiter w = { .result = -EIO };
	int r = check_segment(segment, reterr);

	if (r < 0)
		return r;
	fiber_wait_init(&w.wait);
	r = submit(db, segment, &w, reterr);
	if (r < 0)
		return r;
	/* Longer than the watchdog, which knows more: this one only meets a queue that does not
	 * move. */
	r = fiber_wait(&w.wait, "db.query", 3 * db->config.statement_timeout_ms);
	r = r < 0 ? leave_early(db, &w, r) : w.result;
	if (r == 0) {
		memcpy(ret, w.results, segment->n_queries * sizeof(*ret));
		return 0;
	}
	for (size_t i = 0; i < DB_SEGMENT_MAX; i++)
		db_result_free(w.results[i]);
	if (db_is_violation(r) && ret_constraint)
		memcpy(ret_constraint, w.constraint, sizeof(w.constraint));
	if (reterr)
		*reterr = w.err;
	return r;
}

static void collect(void *arg)
{
	struct db *db = arg;
	unsigned under_way = 0;

	for (unsigned i = 0; i < db->n_conns; i++)
		under_way += db->conns[i].under_way.n;
	metric_set(db->metrics.up, db->n_fast_up + db->n_slow_up);
	metric_set(db->metrics.under_way, under_way);
	metric_set(db->metrics.queued, db->queue_fast.n + db->queue_slow.n);
}

static int add_metrics(struct db *db)
{
	const char *labels = db->config.metrics_labels != NULL ? db->config.metrics_labels : "";

	db->metrics = (struct db_metrics){
		.up = metric_get(&UP, labels),
		.under_way = metric_get(&UNDER_WAY, labels),
		.queued = metric_get(&QUEUED, labels),
		.connects = metric_get(&CONNECTS, labels),
		.losses = metric_get(&LOSSES, labels),
		.failures = metric_get(&FAILURES, labels),
		.seconds = metric_get(&SECONDS, labels),
	};
	return metric_on_collect(collect, db) < 0 ? -ENOMEM : 0;
}

static int config_error(const struct db_config *c, struct err *reterr)
{
	if (c->fast_connections >= 1 &&
	    c->fast_connections + c->slow_connections <= DB_CONNECTIONS_MAX && c->fast_depth >= 1 &&
	    c->statement_timeout_ms >= 1 && c->connect_timeout_ms >= 1)
		return 0;
	err_set(reterr, &ERR_INVALID, "database",
		"1 to %d connections, a depth and timeouts of at least 1", DB_CONNECTIONS_MAX);
	return -EINVAL;
}

/* All but the connections; *db may be half made. */
static int fill(struct db *db, const struct db_config *config, struct err *reterr)
{
	int r;

	db->config = *config;
	db->n_conns = config->fast_connections + config->slow_connections;
	db->conns = calloc(db->n_conns, sizeof(*db->conns));
	r = db->conns ? db_conninfo_new(config, &db->conninfo, reterr) : -ENOMEM;
	if (r == 0)
		r = add_metrics(db);
	if (r == -ENOMEM)
		err_unavailable(reterr, 1, "out of memory");
	return r;
}

int db_new(const struct db_config *config, struct db **ret, struct err *reterr)
{
	struct db *db = NULL;
	int r = config_error(config, reterr);

	if (r < 0)
		return r;
	db = calloc(1, sizeof(*db));
	if (!db) {
		err_unavailable(reterr, 1, "out of memory");
		return -ENOMEM;
	}
	r = fill(db, config, reterr);
	if (r < 0) {
		db_conninfo_free(db->conninfo);
		free(db->conns);
		free(db);
		return r;
	}
	for (unsigned i = 0; i < db->n_conns; i++)
		db_conn_init(&db->conns[i], db, i >= config->fast_connections);
	for (unsigned i = 0; i < db->n_conns; i++)
		db_conn_start(&db->conns[i]);
	*ret = db;
	return 0;
}

void db_free(struct db *db)
{
	if (!db)
		return;
	metric_off_collect(collect, db);
	fail_queue(db, false, -ECANCELED, "the process is stopping");
	fail_queue(db, true, -ECANCELED, "the process is stopping");
	for (unsigned i = 0; i < db->n_conns; i++)
		db_conn_done(&db->conns[i]);
	db_conninfo_free(db->conninfo);
	free(db->conns);
	free(db);
}

bool db_is_up(const struct db *db)
{
	return db->n_fast_up > 0;
}

const char *db_last_error(const struct db *db)
{
	return db->last_error;
}
