/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading topics. One fiber per partition with a backlog, never two: what is delivered next is the
 * record after the last settled one, whoever gets it, so order per key holds while instances come
 * and go. Progress is written a little behind the deliveries (progress.c): a crash repeats, in
 * order, the record under way and at most four before it. The write does not wait for the disk:
 * after a crash of the database itself, some more are repeated.
 */
#include "consumer_private.h"

#include "base/log.h"
#include "delivery_private.h"
#include "progress_private.h"

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
/* Some records ahead, but for the first no more than 256 KiB. */
static const struct db_statement READ = {
	"sidecar_read",
	"SELECT pos, key, body, created_at FROM "
	"(SELECT *, sum(octet_length(body)) OVER (ORDER BY pos) AS bytes, row_number() OVER (ORDER BY pos) AS n "
	"FROM (SELECT pos, key, body, created_at FROM sidecar.records "
	"WHERE topic = $1 AND part = $2 AND pos >= $3 ORDER BY pos LIMIT 16) next) r "
	"WHERE n = 1 OR bytes <= 262144 ORDER BY pos",
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

static void drop_ahead(struct partition *p)
{
	while (p->ahead_n > 0)
		kept_release(p->ahead[--p->ahead_n]);
}

/* Turned round: the next is the last. */
static int fill_ahead(struct partition *p, const struct db_result *r)
{
	for (int row = db_rows(r) - 1; row >= 0; row--) {
		struct str key = { NULL, 0 };

		if (!db_is_null(r, row, 1))
			key = db_text(r, row, 1);
		struct kept *k = kept_new(key, db_text(r, row, 2), db_i64(r, row, 0));
		if (k == NULL)
			return -ENOMEM;
		k->created_us = db_time(r, row, 3);
		p->ahead[p->ahead_n++] = k;
	}
	return 0;
}

static FIBER int read_wait(struct partition *p, struct err *reterr)
{
	const struct topic *t = p->consumer->topic;
	const struct db_param params[] = { DB_PARAM_TEXT(str_from(t->name)),
					   DB_PARAM_I16(p->number), DB_PARAM_I64(p->next) };
	const struct db_query query = { &READ, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result;
	int64_t end = t->is_loaded ? t->end[p->number] : p->next;
	int r = db_run_wait(p->consumer->host->db, &segment, &result, NULL, reterr);

	if (r < 0)
		return r;
	r = fill_ahead(p, result);
	db_result_free(result);
	if (r < 0) {
		drop_ahead(p);
		err_unavailable(reterr, 1, "out of memory");
	} else if (p->ahead_n == 0 && p->next < end) {
		p->next = end; /* nothing was kept up to the end */
	}
	return r;
}

/* *ret: the record that comes next, of the caller; NULL: there is none, or not now. */
static FIBER int next_wait(struct partition *p, struct kept **ret, struct err *reterr)
{
	int r = topic_load_wait(p->consumer->topic, reterr);

	*ret = NULL;
	if (r < 0 || !may_go_on(p))
		return r;
	if (p->ahead_n == 0)
		*ret = tail_get(&p->consumer->topic->tails[p->number], p->next);
	if (p->ahead_n == 0 && *ret == NULL)
		r = read_wait(p, reterr);
	if (p->ahead_n > 0)
		*ret = p->ahead[--p->ahead_n];
	return r;
}

int partition_rest(struct partition *p, int64_t ms)
{
	p->is_resting = true;
	int r = p->consumer->host->is_stopping ? -ECANCELED : fiber_sleep(ms);
	p->is_resting = false;
	return r;
}

/* What every group has settled is kept no longer. */
static void forget_settled(const struct partition *p)
{
	struct topic *t = p->consumer->topic;
	int64_t settled = p->next;

	for (const struct consumer *c = t->host->consumers; c != NULL; c = c->next) {
		if (c->topic == t && c->parts[p->number].next < settled)
			settled = c->parts[p->number].next;
	}
	tail_forget(&t->tails[p->number], settled);
}

static FIBER int settle_wait(struct partition *p, int64_t next, struct err *reterr)
{
	int r = progress_settle_wait(p, next, reterr);

	if (r == 0)
		forget_settled(p);
	return r;
}

/*
 * Settles what is before done (0: nothing is) and gets the next, for as long as it takes the
 * database. *ret stays NULL when there is nothing more to do. 0; -ECANCELED.
 */
static FIBER int advance_wait(struct partition *p, int64_t done, struct kept **ret)
{
	struct err err = { 0 };

	*ret = NULL;
	for (;;) {
		int r = done > p->next ? settle_wait(p, done, &err) : 0;
		if (r == 0)
			r = next_wait(p, ret, &err);
		if (r == 0)
			return 0;
		log_err(LOG_WARN, "sidecar.progress_failed", &err);
		if (r == -ECANCELED || partition_rest(p, DB_PAUSE_MS) < 0)
			return -ECANCELED;
	}
}

static FIBER void run(void *arg)
{
	struct partition *p = arg;
	struct arena *arena = arena_new(PARTITION_ARENA_BYTES);
	struct kept *k = NULL;

	int r = arena != NULL ? advance_wait(p, 0, &k) : -ENOMEM;
	while (r == 0 && (k != NULL || may_go_on(p))) {
		if (k == NULL) {
			r = advance_wait(p, 0, &k);
			continue;
		}
		r = delivery_settle_wait(p, arena, k);
		arena_reset(arena);
		int64_t done = r == 0 ? k->pos + 1 : 0;
		kept_release(k);
		k = NULL;
		if (r == 0)
			r = advance_wait(p, done, &k);
		else if (r == -EAGAIN)
			r = 0; /* to whom it belongs now, if to anybody */
		if (done == 0)
			drop_ahead(p); /* it is not the next any more */
	}
	kept_release(k);
	drop_ahead(p);
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

bool consumers_read(const struct topic *t)
{
	const struct consumer *c = t->host->consumers;

	while (c != NULL && c->topic != t)
		c = c->next;
	return c != NULL;
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
