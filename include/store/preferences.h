/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preferences in PostgreSQL: one row a user, written with the event that tells of it.
 */
#ifndef STORE_PREFERENCES_H
#define STORE_PREFERENCES_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/preferences.h"
#include "net/db.h"
#include "store/change.h"

/* What is stored, or the defaults; with a key (may be NULL) also whether it was used before.
 * Strings live in the arena. 0, -ENOMEM, or as db_run_wait. */
FIBER int preferences_store_read_wait(struct db *db, struct arena *arena, struct str user_id,
				      const struct idempotency_key *key, struct preferences *ret,
				      bool *ret_answered, struct idempotency_answer *ret_answer,
				      struct err *reterr) MUST_CHECK;
/* Stores them if their version is still the one before `after`'s. 0; -ESTALE: changed meanwhile;
 * -EEXIST: the key was used before; or as db_run_wait. Nothing was written, but for 0. */
FIBER int preferences_store_write_wait(struct db *db, struct arena *arena,
				       const struct store_change *change,
				       const struct preferences *after,
				       struct err *reterr) MUST_CHECK;

#endif
