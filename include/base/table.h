/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded hash table from byte strings to pointers, with least-recently-used order for caches.
 * Keys are copied; values belong to the caller, who may give a free function.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/str.h"

struct table;

typedef void table_free_fn(void *value);

/* At most max_entries; free_value may be NULL. NULL when out of memory. */
struct table *table_new(size_t max_entries, table_free_fn *free_value);
void table_free(struct table *t);
/* NULL when absent. The entry becomes the most recently used. */
void *table_get(struct table *t, struct str key);
/* Replaces (and frees) an older value of this key, unless it is the same pointer. A full table
 * first drops its least recently used entry. 0; -ENOMEM: nothing changed and the caller still owns
 * value. */
int table_put(struct table *t, struct str key, void *value) MUST_CHECK;
/* Removes and frees the value; false when absent. */
bool table_remove(struct table *t, struct str key);
size_t table_count(const struct table *t);

#endif
