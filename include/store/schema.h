/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbered migrations embedded in the binary (src/store/migrations) and whether a database has
 * them. They only expand: an older binary works on a newer schema, so versions unknown to this
 * binary are no error.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "base/err.h"
#include "net/db.h"

#include <stdbool.h>

/* Told after a migration was committed; name is "0001_tasks". */
typedef void schema_applied_fn(const char *name, void *arg);

/*
 * Applies what is missing, in order, each in its own transaction, under an advisory lock, with
 * row_security off. Synchronous, outside the loop; url is the owner's and leads to the server
 * itself, not to a pooler. 0 (also when there was nothing to do); -EIO with the server's words and
 * the migration's name; -EINVAL: the url cannot be read (ERR_INVALID), or a migration that was
 * applied differs from the embedded one (it is named); -ENOMEM. applied may be NULL.
 */
int schema_migrate(const char *url, schema_applied_fn *applied, void *arg,
		   struct err *reterr) MUST_CHECK;

/* The version this binary needs: its last migration. */
int schema_version(void);

/*
 * For readiness. 0: the database has schema_version() or newer; -EAGAIN: it has not (err says to
 * run `todod migrate`), or as db_run_wait.
 */
FIBER int schema_check_wait(struct db *db, struct err *reterr) MUST_CHECK;

#endif
