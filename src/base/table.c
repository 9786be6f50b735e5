/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: chained buckets for finding, a ring for age. The ring's head is in the table itself:
 * head.newer is the least recently used entry, head.older the most recently used. An entry holds
 * its key behind itself. Buckets double as entries come; when that fails for want of memory, chains
 * get longer and nothing else changes.
 */
#include "base/table.h"
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { FIRST_BUCKETS = 16 };

struct ring {
	struct ring *older, *newer;
};

struct entry {
	struct ring age; /* first, so that a ring link is its entry */
	struct entry *next_in_bucket;
	uint64_t hash;
	void *value;
	size_t key_n;
	char key[];
};

struct table {
	struct ring head;
	struct entry **buckets;
	size_t n_buckets; /* a power of two */
	size_t n, max;
	table_free_fn *free_value;
};

struct table *table_new(size_t max_entries, table_free_fn *free_value)
{
	struct table *t = malloc(sizeof(*t));

	assert(max_entries > 0);
	if (!t)
		return NULL;
	*t = (struct table){ .n_buckets = FIRST_BUCKETS,
			     .max = max_entries,
			     .free_value = free_value };
	t->head.older = t->head.newer = &t->head;
	t->buckets = calloc(t->n_buckets, sizeof(struct entry *));
	if (!t->buckets) {
		free(t);
		return NULL;
	}
	return t;
}

static struct entry *entry_of(struct ring *r)
{
	return CONTAINER_OF(r, struct entry, age);
}

static void ring_remove(struct ring *r)
{
	r->older->newer = r->newer;
	r->newer->older = r->older;
}

static void ring_add_newest(struct table *t, struct ring *r)
{
	r->newer = &t->head;
	r->older = t->head.older;
	r->older->newer = r;
	t->head.older = r;
}

/* The link that points at the entry with this key, or at the NULL where it would go. */
static struct entry **find(struct table *t, struct str key, uint64_t hash)
{
	struct entry **at = &t->buckets[hash & (t->n_buckets - 1)];

	while (*at) {
		struct entry *e = *at;

		if (e->hash == hash && str_eq((struct str){ e->key, e->key_n }, key))
			break;
		at = &e->next_in_bucket;
	}
	return at;
}

static void drop(struct table *t, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next_in_bucket;
	ring_remove(&e->age);
	t->n--;
	if (t->free_value)
		t->free_value(e->value);
	free(e);
}

static void drop_oldest(struct table *t)
{
	struct entry *e = entry_of(t->head.newer);

	drop(t, find(t, (struct str){ e->key, e->key_n }, e->hash));
}

void table_free(struct table *t)
{
	if (!t)
		return;
	while (t->n)
		drop_oldest(t);
	free(t->buckets);
	free(t);
}

void *table_get(struct table *t, struct str key)
{
	struct entry *e = *find(t, key, hash_random64(key));

	if (!e)
		return NULL;
	ring_remove(&e->age);
	ring_add_newest(t, &e->age);
	return e->value;
}

static void grow_buckets(struct table *t)
{
	size_t n_buckets = t->n_buckets * 2;
	struct entry **buckets = calloc(n_buckets, sizeof(struct entry *));

	if (!buckets)
		return;
	for (struct ring *r = t->head.newer; r != &t->head; r = r->newer) {
		struct entry *e = entry_of(r);
		struct entry **bucket = &buckets[e->hash & (n_buckets - 1)];

		e->next_in_bucket = *bucket;
		*bucket = e;
	}
	free(t->buckets);
	t->buckets = buckets;
	t->n_buckets = n_buckets;
}

static struct entry *entry_new(struct str key, uint64_t hash, void *value)
{
	struct entry *e = malloc(sizeof(*e) + key.n);

	if (!e)
		return NULL;
	e->hash = hash;
	e->value = value;
	e->key_n = key.n;
	if (key.n)
		memcpy(e->key, key.p, key.n);
	return e;
}

int table_put(struct table *t, struct str key, void *value)
{
	uint64_t hash = hash_random64(key);
	struct entry **at = find(t, key, hash);
	struct entry *e;

	if (*at) {
		void *old = (*at)->value;

		(*at)->value = value;
		ring_remove(&(*at)->age);
		ring_add_newest(t, &(*at)->age);
		if (t->free_value && old != value)
			t->free_value(old);
		return 0;
	}
	e = entry_new(key, hash, value);
	if (!e)
		return -ENOMEM;
	if (t->n == t->max)
		drop_oldest(t);
	if (t->n >= t->n_buckets)
		grow_buckets(t);
	at = &t->buckets[hash & (t->n_buckets - 1)];
	e->next_in_bucket = *at;
	*at = e;
	ring_add_newest(t, &e->age);
	t->n++;
	return 0;
}

bool table_remove(struct table *t, struct str key)
{
	struct entry **at = find(t, key, hash_random64(key));

	if (!*at)
		return false;
	drop(t, at);
	return true;
}

size_t table_count(const struct table *t)
{
	return t->n;
}
