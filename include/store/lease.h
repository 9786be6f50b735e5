/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases in rows that run out by the database's clock: work by the clock is asked of every replica
 * and done by one. No advisory locks, so that a transaction pooler may stand between.
 */
#ifndef STORE_LEASE_H
#define STORE_LEASE_H

#include "base/err.h"
#include "base/uuid.h"
#include "net/db.h"

#include <stdbool.h>
#include <stdint.h>

/* *ret: the lease of that name is the owner's for ms from now; it was free, ran out, or was his.
 * Errors as db_run_wait. */
FIBER int lease_take_wait(struct db *db, struct str name, const struct uuid *owner, int64_t ms,
			  bool *ret, struct err *reterr) MUST_CHECK;

#endif
