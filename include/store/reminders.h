/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reminders of all of a user's tasks. They are written with their task (store/tasks).
 */
#ifndef STORE_REMINDERS_H
#define STORE_REMINDERS_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/reminder.h"
#include "net/db.h"

#include <stdbool.h>

enum { REMINDER_LIST_MAX = 1000 }; /* of one call */

struct reminder_list_query {
	struct str user_id;
	unsigned statuses; /* bits of 1 << enum reminder_status; 0: any */
	unsigned limit;	   /* 1..REMINDER_LIST_MAX */
	bool after;	   /* only what comes after this place */
	int64_t after_us;
	struct uuid after_id;
};

struct reminder_list {
	const struct reminder *reminders; /* soonest first, then by id */
	size_t n;
	bool has_more;
};

/* Strings live in the arena. 0, -ENOMEM, or as db_run_wait. */
FIBER int reminder_store_list_wait(struct db *db, struct arena *arena,
				   const struct reminder_list_query *query,
				   struct reminder_list *ret, struct err *reterr) MUST_CHECK;

#endif
