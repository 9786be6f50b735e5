/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which events a consumer has dealt with. The row is written by the statement of the effect
 * (INBOX_TAKE in inbox_private.h), so that an event that comes again finds either both or neither.
 * Errors as db_run_wait.
 */
#ifndef STORE_INBOX_H
#define STORE_INBOX_H

#include "base/err.h"
#include "net/db.h"

#include <stdint.h>

/* Dead letters live 30 days, and those can be replayed. */
enum { INBOX_DAYS = 45 };

/* The event had no effect, and will have none. */
FIBER int inbox_note_wait(struct db *db, struct str event_id, struct err *reterr) MUST_CHECK;
/* Removes what is older than INBOX_DAYS, some at a time: *ret_n rows; 0 when there is none left. */
FIBER int inbox_expire_wait(struct db *db, int64_t *ret_n, struct err *reterr) MUST_CHECK;

#endif
