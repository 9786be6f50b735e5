/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded twice, by records of a partition and by bytes of the process. Forgetting is always right:
 * the database has all of it.
 */
#include "tail_private.h"

#include <stdlib.h>
#include <string.h>

static size_t tail_bytes; /* of all tails; one thread */

static size_t size_of(const struct kept *k)
{
	return sizeof(*k) + k->key.n + k->body.n;
}

static struct str copy(char *to, struct str s)
{
	if (s.p == NULL)
		return s;
	memcpy(to, s.p, s.n);
	return (struct str){ to, s.n };
}

struct kept *kept_new(struct str key, struct str body, int64_t pos)
{
	struct kept *k = malloc(sizeof(*k) + key.n + body.n);

	if (k == NULL)
		return NULL;
	char *bytes = (char *)(k + 1);
	*k = (struct kept){ .holders = 1, .pos = pos };
	k->key = copy(bytes, key);
	k->body = copy(bytes + key.n, body);
	return k;
}

struct kept *kept_hold(struct kept *k)
{
	k->holders++;
	return k;
}

void kept_release(struct kept *k)
{
	if (k != NULL && --k->holders == 0)
		free(k);
}

void tail_forget(struct tail *t, int64_t pos)
{
	for (; t->begin < pos && t->begin < t->end; t->begin++) {
		struct kept **slot = &t->records[t->begin % TAIL_RECORDS_MAX];

		tail_bytes -= size_of(*slot);
		kept_release(*slot);
		*slot = NULL;
	}
}

/* Makes room for so many bytes from what the partition itself has. */
static bool make_room(struct tail *t, size_t bytes)
{
	if (t->end - t->begin == TAIL_RECORDS_MAX)
		tail_forget(t, t->begin + 1);
	while (tail_bytes + bytes > TAIL_BYTES_MAX && t->begin < t->end)
		tail_forget(t, t->begin + 1);
	return tail_bytes + bytes <= TAIL_BYTES_MAX;
}

void tail_add(struct tail *t, struct kept *k)
{
	if (k->pos != t->end)
		tail_forget(t, t->end);
	if (!make_room(t, size_of(k))) {
		kept_release(k);
		return;
	}
	if (t->begin == t->end)
		t->begin = t->end = k->pos;
	tail_bytes += size_of(k);
	t->records[t->end++ % TAIL_RECORDS_MAX] = k;
}

struct kept *tail_get(const struct tail *t, int64_t pos)
{
	if (pos < t->begin || pos >= t->end)
		return NULL;
	return kept_hold(t->records[pos % TAIL_RECORDS_MAX]);
}
