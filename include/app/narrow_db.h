/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A role that works across users does so under a narrow database role of its own, over a connection
 * of its own.
 */
#ifndef APP_NARROW_DB_H
#define APP_NARROW_DB_H

#include "app/app.h"
#include "net/db.h"

/* Static strings. */
struct narrow_db {
	const char *url_key;	      /* "audit.checker_url" */
	const char *database_role;    /* "todod_audit_checker" */
	const char *application_name; /* "auditor-checker" */
	const char *metrics_labels;   /* "pool=\"checker\"" */
};

/* Statements may take four times database.statement_timeout. -EINVAL: the key is not set, or as
 * db_new. The caller frees it (db_free) when its role stops. */
int app_narrow_db(struct app *app, const struct narrow_db *n, struct db **ret,
		  struct err *reterr) MUST_CHECK;

#endif
