/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading topics. One fiber per partition with a backlog, never two: what is delivered next is the
 * record after the last settled one, whoever gets it, so order per key holds while instances come
 * and go. Progress is written when a record is settled, in one transaction with the reading of the
 * next; a crash repeats the records that were under way and no others. That write does not wait for
 * the disk: after a crash of the database itself, some more are repeated.
 */
#include "consumer_private.h"

#include "base/log.h"
#include "delivery_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARTITION_ARENA_BYTES = 16 * 1024 * 1024, DB_PAUSE_MS = 1000, RESCAN_MS = 1000 };

static const struct metric_family DELIVERED = {
	"todod_sidecar_delivered_total",
	METRIC_COUNTER,
	"Records an app has acknowledged, by topic and group.",
};
static const struct metric_family RETRIED = {
	"todod_sidecar_retried_total",
	METRIC_COUNTER,
	"Deliveries that failed and are tried again.",
};
static const struct metric_family DEAD = {
	"todod_sidecar_dead_total",
	METRIC_COUNTER,
	"Records that went to the dead letters.",
};
static const struct metric_family DROPPED = {
	"todod_sidecar_dropped_total",
	METRIC_COUNTER,
	"Records given up without a topic for dead letters.",
};
static const struct metric_family LAG = {
	"todod_sidecar_lag_records",
	METRIC_GAUGE,
	"Records a group has not settled yet.",
};
static const struct metric_family IN_FLIGHT = {
	"todod_sidecar_in_flight",
	METRIC_GAUGE,
	"Partitions of a group with a record under way.",
};

static const struct db_statement FIRST_PROGRESS = {
	"sidecar_first_progress",
	"INSERT INTO sidecar.progress (consumer_group, topic, part, next_pos) "
	"SELECT $1, $2, p - 1, e FROM unnest($3::int8[]) WITH ORDINALITY AS n (e, p) ON CONFLICT DO NOTHING",
	3,
};
static const struct db_statement PROGRESS = {
	"sidecar_progress",
	"SELECT part, next_pos FROM sidecar.progress WHERE consumer_group = $1 AND topic = $2",
	2,
};
/* Its commit does not wait for the disk, which is said here to save a statement for each record. */
static const struct db_statement SETTLE = {
	"sidecar_settle",
	"UPDATE sidecar.progress SET next_pos = $4 "
	"WHERE consumer_group = $1 AND topic = $2 AND part = $3 AND next_pos <= $4 "
	"AND set_config('synchronous_commit', 'off', true) <> ''",
	4,
};
static const struct db_statement READ = {
	"sidecar_read",
	"SELECT pos, key, body, created_at FROM sidecar.records "
	"WHERE topic = $1 AND part = $2 AND pos >= $3 ORDER BY pos LIMIT 1",
	3,
};

unsigned partition_member(unsigned part, unsigned n_parts, unsigned n_members)
{
	return part * n_members / n_parts;
}

static bool has_backlog(const struct partition *p)
{
	const struct topic *t = p->consumer->topic;

	return !t->is_loaded || p->next < t->end[p->number];
}

static bool may_go_on(const struct partition *p)
{
	return !p->consumer->host->is_stopping && p->instance != NULL && has_backlog(p);
}

/* The segment that settles what is done and reads what comes next, as far as there is any. */
static FIBER int run_segment_wait(struct partition *p, int64_t done, bool is_done, bool read_on,
				  struct message *m, struct err *reterr)
{
	const struct consumer *c = p->consumer;
	const struct str topic = str_from(c->topic->name);
	const struct db_param settle[] = { DB_PARAM_TEXT(str_from(c->group)), DB_PARAM_TEXT(topic),
					   DB_PARAM_I16(p->number), DB_PARAM_I64(done) };
	const struct db_param read[] = { DB_PARAM_TEXT(topic), DB_PARAM_I16(p->number),
					 DB_PARAM_I64(is_done ? done : p->next) };
	struct db_query queries[2];
	struct db_result *results[2] = { NULL };
	size_t n = 0;

	if (is_done)
		queries[n++] = (struct db_query){ &SETTLE, settle };
	if (read_on)
		queries[n++] = (struct db_query){ &READ, read };
	const struct db_segment segment = { .queries = queries, .n_queries = n };
	int r = db_run_wait(c->host->db, &segment, results, NULL, reterr);
	if (r < 0)
		return r;
	if (read_on)
		m->result = results[--n];
	while (n > 0)
		db_result_free(results[--n]);
	return 0;
}

static void open_message(struct partition *p, struct message *m)
{
	const struct topic *t = p->consumer->topic;

	if (m->result == NULL)
		return;
	if (db_rows(m->result) == 0) { /* nothing was kept up to the end */
		db_result_free(m->result);
		m->result = NULL;
		if (t->is_loaded && p->next < t->end[p->number])
			p->next = t->end[p->number];
		return;
	}
	m->pos = db_i64(m->result, 0, 0);
	m->key = db_is_null(m->result, 0, 1) ? (struct str){ NULL, 0 } : db_text(m->result, 0, 1);
	m->body = db_text(m->result, 0, 2);
	m->created_us = db_time(m->result, 0, 3);
}

int partition_rest(struct partition *p, int64_t ms)
{
	p->is_resting = true;
	int r = p->consumer->host->is_stopping ? -ECANCELED : fiber_sleep(ms);
	p->is_resting = false;
	return r;
}

/*
 * Settles the record before done (if is_done), for as long as it takes the database, and reads the
 * next. m->result stays NULL when there is nothing more to do. 0; -ECANCELED.
 */
static FIBER int advance_wait(struct partition *p, int64_t done, bool is_done, struct message *m)
{
	struct err err = { 0 };

	for (;;) {
		int64_t before = p->next;
		int r = topic_load_wait(p->consumer->topic, &err);

		m->result = NULL;
		p->next = is_done ? done : before;
		bool read_on = may_go_on(p);
		p->next = before;
		if (r == 0 && !is_done && !read_on)
			return 0;
		if (r == 0)
			r = run_segment_wait(p, done, is_done, read_on, m, &err);
		if (r == 0) {
			p->next = is_done ? done : p->next;
			open_message(p, m);
			return 0;
		}
		log_err(LOG_WARN, "sidecar.progress_failed", &err);
		if (r == -ECANCELED || partition_rest(p, DB_PAUSE_MS) < 0)
			return -ECANCELED;
	}
}

static FIBER void run(void *arg)
{
	struct partition *p = arg;
	struct arena *arena = arena_new(PARTITION_ARENA_BYTES);
	struct message m = { .result = NULL };

	int r = arena != NULL ? advance_wait(p, 0, false, &m) : -ENOMEM;
	while (r == 0 && (m.result != NULL || may_go_on(p))) {
		if (m.result == NULL) {
			r = advance_wait(p, 0, false, &m);
			continue;
		}
		r = delivery_settle_wait(p, arena, &m);
		arena_reset(arena);
		int64_t done = m.pos + 1;
		db_result_free(m.result);
		m.result = NULL;
		if (r == 0)
			r = advance_wait(p, done, true, &m);
		else if (r == -EAGAIN)
			r = 0; /* to whom it belongs now, if to anybody */
	}
	db_result_free(m.result);
	arena_free(arena);
	p->fiber = NULL;
}

static void rescan(void *arg)
{
	consumers_assign(arg);
}

static void start(struct partition *p)
{
	struct host *h = p->consumer->host;

	if (p->fiber != NULL || !may_go_on(p))
		return;
	/* Past the bound of fibers: the backlog stays where it is. */
	if (fiber_spawn(h->loop, "sidecar.deliver", run, p, NULL, &p->fiber) < 0 &&
	    !timer_is_running(&h->rescan)) {
		timer_init(&h->rescan, h->loop, rescan, h);
		if (timer_start(&h->rescan, RESCAN_MS) < 0)
			log_warn("sidecar.rescan_failed", LOG_CSTR("group", p->consumer->group));
	}
}

void consumers_poke(struct topic *t)
{
	for (struct consumer *c = t->host->consumers; c != NULL; c = c->next) {
		for (unsigned i = 0; c->topic == t && i < t->n_parts; i++)
			start(&c->parts[i]);
	}
}

static bool is_member(const struct consumer *c, const struct instance *i)
{
	if (!i->is_healthy || i->owner != c->owner || (c->alone != NULL && c->alone != i))
		return false;
	return instance_wish(i, c->topic, c->alone != NULL) != NULL;
}

static void assign(struct consumer *c)
{
	struct host *h = c->host;
	struct instance *members[SETTINGS_INSTANCES_MAX];
	unsigned n = 0;

	for (size_t i = 0; i < h->n_instances; i++) {
		if (is_member(c, &h->instances[i]))
			members[n++] = &h->instances[i];
	}
	for (unsigned i = 0; i < c->topic->n_parts; i++) {
		struct partition *p = &c->parts[i];
		p->instance = n > 0 ? members[partition_member(i, c->topic->n_parts, n)] : NULL;
		start(p);
	}
}

void consumers_assign(struct host *h)
{
	for (struct consumer *c = h->consumers; c != NULL; c = c->next) {
		if (c->is_loaded)
			assign(c);
	}
}

void consumers_stop(struct host *h)
{
	timer_stop(&h->rescan);
	for (struct consumer *c = h->consumers; c != NULL; c = c->next) {
		for (unsigned i = 0; i < HOST_PARTITIONS; i++) {
			if (c->parts[i].fiber != NULL && c->parts[i].is_resting)
				fiber_cancel(c->parts[i].fiber);
		}
	}
}

void consumers_free(struct host *h)
{
	timer_done(&h->rescan);
	while (h->consumers != NULL) {
		struct consumer *next = h->consumers->next;
		free(h->consumers);
		h->consumers = next;
	}
}

void consumers_collect(struct host *h)
{
	for (const struct consumer *c = h->consumers; c != NULL; c = c->next) {
		int64_t lag = 0;
		unsigned busy = 0;
		for (unsigned i = 0; i < c->topic->n_parts; i++) {
			const struct partition *p = &c->parts[i];
			lag += c->topic->end[i] > p->next ? c->topic->end[i] - p->next : 0;
			busy += p->fiber != NULL;
		}
		metric_set(c->lag, (double)lag);
		metric_set(c->in_flight, busy);
	}
}

static void add_metrics(struct consumer *c)
{
	char labels[HOST_TOPIC_NAME_MAX + HOST_GROUP_NAME_MAX + 32];

	snprintf(labels, sizeof(labels), "topic=\"%s\",group=\"%s\"", c->topic->name, c->group);
	c->delivered = metric_get(&DELIVERED, labels);
	c->retried = metric_get(&RETRIED, labels);
	c->dead = metric_get(&DEAD, labels);
	c->dropped = metric_get(&DROPPED, labels);
	c->lag = metric_get(&LAG, labels);
	c->in_flight = metric_get(&IN_FLIGHT, labels);
}

/* The app's id; that of a replica's own group has its number behind it. */
static void name_group(struct consumer *c)
{
	struct str id = c->owner->id; /* short, as settings.c saw to */

	memcpy(c->group, id.p, id.n);
	if (c->alone != NULL)
		snprintf(c->group + id.n, sizeof(c->group) - id.n, "-%u",
			 c->alone->settings->number);
}

static struct consumer *consumer_get(struct host *h, struct instance *i, const struct wish *wish)
{
	struct instance *alone = wish->is_replica ? i : NULL;

	for (struct consumer *c = h->consumers; c != NULL; c = c->next) {
		if (c->topic == wish->topic && c->owner == i->owner && c->alone == alone)
			return c;
	}
	struct consumer *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->host = h;
	c->topic = wish->topic;
	c->owner = i->owner;
	c->alone = alone;
	for (unsigned n = 0; n < HOST_PARTITIONS; n++)
		c->parts[n] = (struct partition){ .consumer = c, .number = n };
	name_group(c);
	add_metrics(c);
	c->next = h->consumers;
	h->consumers = c;
	return c;
}

static FIBER int load_wait(struct consumer *c, struct arena *arena, struct err *reterr)
{
	struct db_param first[] = { DB_PARAM_TEXT(str_from(c->group)),
				    DB_PARAM_TEXT(str_from(c->topic->name)),
				    DB_PARAM_NULL_ARRAY(DB_I64) };
	const struct db_query queries[] = { { &FIRST_PROGRESS, first }, { &PROGRESS, first } };
	const struct db_segment segment = { .queries = queries, .n_queries = 2 };
	struct db_result *results[2];
	int64_t begin[HOST_PARTITIONS] = { 0 };

	/* A group begins with the oldest record; that of a replica with what is new. */
	if (c->alone != NULL)
		memcpy(begin, c->topic->end, sizeof(begin));
	int r = db_param_i64s(arena, DB_I64, begin, c->topic->n_parts, &first[2]);
	if (r == 0)
		r = db_run_wait(c->host->db, &segment, results, NULL, reterr);
	if (r < 0)
		return r;
	for (int row = 0; row < db_rows(results[1]); row++) {
		size_t part = (size_t)db_i64(results[1], row, 0);
		if (part < HOST_PARTITIONS && !c->is_loaded)
			c->parts[part].next = db_i64(results[1], row, 1);
	}
	c->is_loaded = true;
	db_result_free(results[0]);
	db_result_free(results[1]);
	return 0;
}

int consumer_open_wait(struct host *h, struct instance *i, const struct wish *wish,
		       struct err *reterr)
{
	struct consumer *c = consumer_get(h, i, wish);

	if (c == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	int r = topic_load_wait(c->topic, reterr);
	return r < 0 || c->is_loaded ? r : load_wait(c, i->arena, reterr);
}
