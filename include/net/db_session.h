/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain blocking session for commands that run outside the loop (todod migrate).
 */
#ifndef NET_DB_SESSION_H
#define NET_DB_SESSION_H

#include "base/err.h"

struct db_session;

/* 0; -EINVAL with ERR_INVALID: the url cannot be read; -EIO with the server's words; -ENOMEM. url
 * as in struct db_config. */
int db_session_open(const char *url, const char *application_name, struct db_session **ret,
		    struct err *reterr) MUST_CHECK;
/* One or more statements in one transaction of their own. */
int db_session_script(struct db_session *s, const char *sql, struct err *reterr) MUST_CHECK;
/* First column of the first row as text; "" when there is none. Valid until the next call. */
int db_session_value(struct db_session *s, const char *sql, const char **ret,
		     struct err *reterr) MUST_CHECK;
/* Accepts NULL. */
void db_session_close(struct db_session *s);

#endif
