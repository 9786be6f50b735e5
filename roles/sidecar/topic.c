/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of a topic. A publication lies on its publisher's stack and waits in a list; the
 * writer's fiber takes as many as fit, copies their bytes into the parameters of one statement, and
 * wakes their fibers when it is committed. A publisher that leaves before that takes its
 * publication out of the list or the batch. When a statement fails, what became of it is unknown,
 * and the ends are read again before the next.
 */
#include "topic_private.h"

#include "base/hash.h"
#include "base/log.h"
#include "consumer_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BATCH_RECORDS_MAX = 1000,
	BATCH_BYTES_MAX = 4 * 1024 * 1024,
	BATCH_ARENA_BYTES = 32 * 1024 * 1024,
	WAITING_MAX = 1024,
	PUBLISH_TIMEOUT_MS = 20 * 1000,
	RECORD_MAX_BYTES = 1024 * 1024, /* as a broker has it unless told otherwise */
};

struct publication {
	struct publication *next, *prev;
	struct fiber_wait wait;
	const struct record *records;
	size_t n, bytes;
	bool is_text;
	struct publication **slot; /* of the batch that writes it; NULL: in the topic's list */
	struct err err;
};

/* What one statement writes. */
struct batch {
	struct arena *arena;
	struct publication *publications[BATCH_RECORDS_MAX]; /* NULL: its publisher left */
	size_t n_publications, n, bytes;
	struct str keys[BATCH_RECORDS_MAX], bodies[BATCH_RECORDS_MAX];
	struct kept *copies[BATCH_RECORDS_MAX]; /* NULL: none */
	int64_t parts[BATCH_RECORDS_MAX], positions[BATCH_RECORDS_MAX];
	int64_t end[HOST_PARTITIONS];
	bool is_text;
};

static const struct metric_family PUBLISHED = {
	"todod_sidecar_published_total",
	METRIC_COUNTER,
	"Records written to a topic.",
};

static const struct db_statement ENDS = {
	"sidecar_ends",
	"SELECT p::int8, coalesce((SELECT pos + 1 FROM sidecar.records r WHERE r.topic = $1 AND r.part = p "
	"ORDER BY pos DESC LIMIT 1), 0) FROM generate_series(0, $2::int8 - 1) p",
	2,
};
static const struct db_statement WRITE = {
	"sidecar_write",
	"WITH written AS (INSERT INTO sidecar.records (topic, part, pos, key, body) "
	"SELECT $1, part, pos, key, convert_to(body, 'UTF8') "
	"FROM unnest($2::int2[], $3::int8[], $4::text[], $5::text[]) AS n (part, pos, key, body)) "
	"SELECT now()",
	5,
};
static const struct db_statement WRITE_BYTES = {
	"sidecar_write_bytes",
	"WITH written AS (INSERT INTO sidecar.records (topic, part, pos, key, body) VALUES ($1, $2, $3, $4, $5)) "
	"SELECT now()",
	5,
};

static bool is_topic_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '_' || c == '-'))
			return false;
	}
	return s.n > 0 && s.n <= HOST_TOPIC_NAME_MAX && !str_eq(s, STR(".")) &&
	       !str_eq(s, STR(".."));
}

static struct topic *topic_new(struct host *h, struct str name)
{
	struct topic *t = calloc(1, sizeof(*t));
	char labels[HOST_TOPIC_NAME_MAX + 16];

	if (t == NULL)
		return NULL;
	t->host = h;
	memcpy(t->name, name.p, name.n);
	t->n_parts = topic_is_dead_letters(t) ? 1 : HOST_PARTITIONS;
	snprintf(labels, sizeof(labels), "topic=\"%s\"", t->name);
	t->published = metric_get(&PUBLISHED, labels);
	t->next = h->topics;
	h->topics = t;
	h->n_topics++;
	return t;
}

int topic_get(struct host *h, struct str name, struct topic **ret, struct err *reterr)
{
	struct topic *t = h->topics;

	while (t != NULL && !str_eq(str_from(t->name), name))
		t = t->next;
	if (t == NULL && !is_topic_name(name))
		return err_set(reterr, &ERR_INVALID, NULL, "\"%.*s\" is no name for a topic",
			       STR_ARGS(name));
	if (t == NULL && !settings_has_topic(h->settings, name))
		return err_set(reterr, &ERR_INVALID, NULL,
			       "there is no topic %.*s; sidecar.topics has those that are",
			       STR_ARGS(name));
	if (t == NULL && h->n_topics == HOST_TOPICS_MAX) {
		err_unavailable(reterr, 1, "there are %d topics already", HOST_TOPICS_MAX);
		return -ENOSPC;
	}
	if (t == NULL)
		t = topic_new(h, name);
	if (t == NULL) {
		err_unavailable(reterr, 1, "out of memory");
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

void topics_free(struct host *h)
{
	while (h->topics != NULL) {
		struct topic *next = h->topics->next;
		for (unsigned i = 0; i < h->topics->n_parts; i++)
			tail_forget(&h->topics->tails[i], INT64_MAX);
		free(h->topics);
		h->topics = next;
	}
}

bool topic_is_dead_letters(const struct topic *t)
{
	return strncmp(t->name, "dlq.", 4) == 0;
}

unsigned topic_partition_of(struct str key, unsigned n_parts)
{
	return (unsigned)(hash_stable64(key) % n_parts);
}

int topic_load_wait(struct topic *t, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(str_from(t->name)),
					   DB_PARAM_I64(t->n_parts) };
	const struct db_query query = { &ENDS, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result = NULL;

	if (t->is_loaded)
		return 0;
	int r = db_run_wait(t->host->db, &segment, &result, NULL, reterr);
	if (r < 0)
		return r;
	for (int row = 0; row < db_rows(result); row++) {
		size_t part = (size_t)db_i64(result, row, 0);
		int64_t end = db_i64(result, row, 1);
		if (part < t->n_parts && end > t->end[part])
			t->end[part] = end;
	}
	db_result_free(result);
	t->is_loaded = true;
	return 0;
}

static void list_remove(struct topic *t, struct publication *p)
{
	*(p->prev != NULL ? &p->prev->next : &t->first) = p->next;
	*(p->next != NULL ? &p->next->prev : &t->last) = p->prev;
	t->n_waiting--;
}

static void list_add(struct topic *t, struct publication *p)
{
	p->prev = t->last;
	*(t->last != NULL ? &t->last->next : &t->first) = p;
	t->last = p;
	t->n_waiting++;
}

static bool fits(const struct batch *b, const struct publication *p)
{
	if (b->n_publications == 0)
		return true;
	return b->is_text && p->is_text && b->n + p->n <= BATCH_RECORDS_MAX &&
	       b->bytes + p->bytes <= BATCH_BYTES_MAX;
}

static void take_record(struct topic *t, struct batch *b, const struct record *r)
{
	unsigned part =
		r->key.p != NULL ? topic_partition_of(r->key, t->n_parts) : t->turn++ % t->n_parts;

	b->keys[b->n] = r->key;
	b->bodies[b->n] = r->body.p != NULL ? r->body : STR("");
	b->parts[b->n] = part;
	b->positions[b->n] = b->end[part]++;
	b->n++;
}

/* As many of those that wait as fit into one statement. The ends are known. */
static void take(struct topic *t, struct batch *b)
{
	b->n = b->n_publications = b->bytes = 0;
	memcpy(b->end, t->end, sizeof(b->end));
	while (t->first != NULL && fits(b, t->first)) {
		struct publication *p = t->first;
		list_remove(t, p);
		p->slot = &b->publications[b->n_publications];
		b->publications[b->n_publications++] = p;
		b->is_text = p->is_text;
		b->bytes += p->bytes;
		for (size_t i = 0; i < p->n; i++)
			take_record(t, b, &p->records[i]);
	}
}

static void finish(struct batch *b, int result, const struct err *err)
{
	for (size_t i = 0; i < b->n_publications; i++) {
		struct publication *p = b->publications[i];
		if (p == NULL)
			continue;
		p->slot = NULL;
		p->err = *err;
		fiber_wake(&p->wait, result);
	}
}

/* The statement has its own copy of what it writes: publishers may leave while it runs. */
static int encode(const struct topic *t, struct batch *b, struct db_param params[5])
{
	int r = 0;

	params[0] = (struct db_param)DB_PARAM_TEXT(str_from(t->name));
	if (!b->is_text) {
		struct str key = arena_dup(b->arena, b->keys[0]),
			   body = arena_dup(b->arena, b->bodies[0]);
		params[1] = (struct db_param)DB_PARAM_I16(b->parts[0]);
		params[2] = (struct db_param)DB_PARAM_I64(b->positions[0]);
		params[3] = (struct db_param)DB_PARAM_TEXT(key);
		if (b->keys[0].p == NULL)
			params[3] = (struct db_param)DB_PARAM_NULL(DB_TEXT);
		params[4] = (struct db_param)DB_PARAM_BYTES(body);
		return body.p != NULL && key.p != NULL ? 0 : -ENOMEM;
	}
	r = db_param_i64s(b->arena, DB_I16, b->parts, b->n, &params[1]);
	if (r == 0)
		r = db_param_i64s(b->arena, DB_I64, b->positions, b->n, &params[2]);
	if (r == 0)
		r = db_param_texts(b->arena, b->keys, b->n, &params[3]);
	if (r == 0)
		r = db_param_texts(b->arena, b->bodies, b->n, &params[4]);
	return r;
}

/* The keys are text by now; what can fail is memory, and the database. *ret_us: the time of the
 * records. */
static FIBER int write_wait(struct topic *t, struct batch *b, int64_t *ret_us, struct err *reterr)
{
	struct db_param params[5];
	const struct db_query query = { b->is_text ? &WRITE : &WRITE_BYTES, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result = NULL;

	if (encode(t, b, params) < 0)
		return err_unavailable(reterr, 1, "out of memory");
	int r = db_run_wait(t->host->db, &segment, &result, NULL, reterr);
	if (r < 0)
		return r;
	*ret_us = db_time(result, 0, 0);
	db_result_free(result);
	return 0;
}

/* Copies for those who read this topic, made while its publishers are still here. */
static void copy_records(const struct topic *t, struct batch *b)
{
	bool is_read = consumers_read(t);

	for (size_t i = 0; i < b->n; i++)
		b->copies[i] = is_read ? kept_new(b->keys[i], b->bodies[i], b->positions[i]) : NULL;
}

static void drop_copies(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		kept_release(b->copies[i]);
}

static void keep_copies(struct topic *t, struct batch *b, int64_t created_us)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->copies[i] == NULL)
			continue;
		b->copies[i]->created_us = created_us;
		tail_add(&t->tails[b->parts[i]], b->copies[i]);
	}
}

static FIBER void write_batch(struct topic *t, struct batch *b)
{
	struct err err = { 0 };
	int64_t written_us = 0;
	int r = topic_load_wait(t, &err);

	take(t, b);
	copy_records(t, b);
	if (r == 0)
		r = write_wait(t, b, &written_us, &err);
	if (r == 0) {
		memcpy(t->end, b->end, sizeof(t->end));
		keep_copies(t, b, written_us);
		metric_add(t->published, b->n);
	} else {
		drop_copies(b);
		t->is_loaded = false;
		log_err(LOG_WARN, "sidecar.publish_failed", &err);
	}
	finish(b, r, &err);
	arena_reset(b->arena);
	/* After a failure too: it may have been committed all the same. */
	consumers_poke(t);
}

static FIBER void write_all(void *arg)
{
	struct topic *t = arg;
	struct batch *b = calloc(1, sizeof(*b));
	struct err err = { 0 };

	if (b != NULL)
		b->arena = arena_new(BATCH_ARENA_BYTES);
	while (b != NULL && b->arena != NULL && t->first != NULL)
		write_batch(t, b);
	err_unavailable(&err, 1, "out of memory");
	while (t->first != NULL) {
		struct publication *p = t->first;
		list_remove(t, p);
		p->err = err;
		fiber_wake(&p->wait, -ENOMEM);
	}
	t->is_writing = false;
	if (b != NULL)
		arena_free(b->arena);
	free(b);
}

static int start_writer(struct topic *t, struct err *reterr)
{
	if (t->is_writing)
		return 0;
	int r = fiber_spawn(t->host->loop, "sidecar.write", write_all, t, NULL, NULL);
	if (r < 0) {
		err_unavailable(reterr, 1, "too much is under way");
		return -EAGAIN;
	}
	t->is_writing = true;
	return 0;
}

static bool is_text(struct str s)
{
	return utf8_valid(s) && (s.n == 0 || memchr(s.p, 0, s.n) == NULL);
}

static int measure(struct publication *p, struct err *reterr)
{
	for (size_t i = 0; i < p->n; i++) {
		size_t bytes = p->records[i].body.n + p->records[i].key.n;
		if (bytes > RECORD_MAX_BYTES)
			return err_set(reterr, &ERR_CONTENT_TOO_LARGE, NULL,
				       "a record has %zu bytes; it may have %d", bytes,
				       RECORD_MAX_BYTES);
		p->bytes += bytes;
		p->is_text = p->is_text && is_text(p->records[i].body);
		if (!is_text(p->records[i].key))
			return err_set(reterr, &ERR_INVALID, NULL, "a partition key is no text");
	}
	if (!p->is_text && p->n > 1)
		return err_set(reterr, &ERR_INVALID, NULL,
			       "a body that is no text must be published alone");
	return 0;
}

int topic_publish_wait(struct topic *t, const struct record *records, size_t n, struct err *reterr)
{
	struct publication p = { .records = records, .n = n, .is_text = true };
	int r = measure(&p, reterr);

	if (r < 0 || n == 0)
		return r;
	if (n > BATCH_RECORDS_MAX || t->n_waiting >= WAITING_MAX) {
		err_unavailable(reterr, 1, "too much waits to be published");
		return -EAGAIN;
	}
	fiber_wait_init(&p.wait);
	list_add(t, &p);
	r = start_writer(t, reterr);
	if (r < 0) {
		list_remove(t, &p);
		return r;
	}
	r = fiber_wait(&p.wait, "sidecar.publish", PUBLISH_TIMEOUT_MS);
	if (p.slot != NULL)
		*p.slot = NULL;
	else if (!p.wait.done)
		list_remove(t, &p);
	if (r < 0 && p.err.kind == NULL)
		err_unavailable(&p.err, 1, "the record was not written in time");
	if (r < 0 && reterr != NULL)
		*reterr = p.err;
	return r;
}
