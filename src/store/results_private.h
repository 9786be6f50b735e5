/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query results that live as long as the caller's arena, so that strings can be views into them;
 * and the result that is one number.
 */
#ifndef STORE_RESULTS_PRIVATE_H
#define STORE_RESULTS_PRIVATE_H

#include "base/arena.h"
#include "net/db.h"

/* The arena frees the n results. -ENOMEM (err says 503): all of them are freed already. */
int results_keep(struct arena *arena, struct db_result **results, size_t n,
		 struct err *reterr) MUST_CHECK;
/* -ENOMEM; err says 503. */
int results_out_of_memory(struct err *reterr);
/* A view; .p is NULL for a null. */
struct str results_text(const struct db_result *r, int row, int column);
/* The one number of a statement without parameters that touches no user's rows; asserted: it gives
 * one. Errors as db_run_wait. */
FIBER int results_number_wait(struct db *db, const struct db_statement *statement, int64_t *ret,
			      struct err *reterr) MUST_CHECK;

#endif
