/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of a narrow database role: one connection, a short queue.
 */
#include "app/narrow_db.h"

enum { DEPTH = 4, QUEUE_MAX = 16, TIMEOUT_FACTOR = 4 };

int app_narrow_db(struct app *app, const struct narrow_db *n, struct db **ret, struct err *reterr)
{
	const struct config *c = app_config(app);
	const struct db_config config = {
		.loop = app_loop(app),
		.url = config_str(c, n->url_key).p,
		.fast_connections = 1,
		.fast_depth = DEPTH,
		.queue_max = QUEUE_MAX,
		.statement_timeout_ms =
			config_i64(c, "database.statement_timeout") * TIMEOUT_FACTOR,
		.connect_timeout_ms = config_i64(c, "database.connect_timeout"),
		.prepare = config_bool(c, "database.prepare"),
		.application_name = n->application_name,
		.metrics_labels = n->metrics_labels,
	};

	if (config_str(c, n->url_key).n == 0)
		return err_set(reterr, &ERR_INVALID, NULL,
			       "%s must be set: the database as the role %s", n->url_key,
			       n->database_role);
	return db_new(&config, ret, reterr);
}
