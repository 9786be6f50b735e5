/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libpq connects with, made once from the configured url.
 */
#ifndef NET_DB_CONNINFO_PRIVATE_H
#define NET_DB_CONNINFO_PRIVATE_H

#include "net/db.h"

struct db_conninfo {
	const char **keywords, **values; /* NULL-terminated, for PQconnectStartParams */
	char **owned;
	size_t n, max;
};
/* Parses the url, resolves host names, adds limits. -EINVAL, -EAGAIN (a name does not resolve),
 * -ENOMEM. */
int db_conninfo_new(const struct db_config *config, struct db_conninfo **ret,
		    struct err *reterr) MUST_CHECK;
/* Whether the url can be read and has no '@' out of place; the reason repeats nothing of it. 0,
 * -EINVAL, -ENOMEM. */
int db_conninfo_check(const char *url, struct err *reterr) MUST_CHECK;
void db_conninfo_free(struct db_conninfo *ci);

#endif
