/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tasks of a user a list shows, in which order, and where in that order a page begins. Plain
 * data between those who read it off a request and those who search with it.
 */
#ifndef DOMAIN_TASK_FILTER_H
#define DOMAIN_TASK_FILTER_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What is zero does not filter. */
struct task_filter {
	bool has_completed, completed;
	unsigned priorities;	    /* bits of 1 << enum task_priority: any of them */
	const struct str *tag_keys; /* without doubles */
	size_t n_tag_keys;
	bool any_tag; /* one of the tags is enough; else all */
	bool has_due_before, has_due_after;
	int64_t due_before_us, due_after_us; /* exclusive, inclusive */
	bool has_overdue, overdue;
	bool has_updated_since;
	int64_t updated_since_us; /* inclusive */
	struct str search;	  /* from search_query(); .p NULL: no search */
};

enum task_sort {
	TASK_SORT_CREATED,
	TASK_SORT_UPDATED,
	TASK_SORT_DUE_DATE, /* tasks without one come last in either order */
	TASK_SORT_PRIORITY,
	TASK_SORT_TITLE,
	TASK_SORT_COMPLETED,
	TASK_SORT_RANK, /* how well the search fits; needs one */
	_TASK_SORT_MAX,
};

struct task_order {
	enum task_sort by;
	bool ascending; /* ties go by id, in the same direction */
};

/* A place in an order: the sort key of a task, and its id. */
struct task_position {
	int64_t number;	 /* microseconds, or a number; 0 for titles */
	struct str text; /* TASK_SORT_TITLE: the folded title; else empty */
	int64_t id;
};

#endif
