/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query results that live as long as the caller's arena, so that strings can be views into them.
 */
#ifndef STORE_RESULTS_PRIVATE_H
#define STORE_RESULTS_PRIVATE_H

#include "base/arena.h"
#include "net/db.h"

/* The arena frees the n results. -ENOMEM (err says 503): all of them are freed already. */
int results_keep(struct arena *arena, struct db_result **results, size_t n,
		 struct err *reterr) MUST_CHECK;
/* A view; .p is NULL for a null. */
struct str results_text(const struct db_result *r, int row, int column);

#endif
