/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain blocking connection for commands that run outside the loop (todod migrate). Nothing here
 * knows fibers; each call takes as long as the server takes.
 */
#include "net/db_session.h"

#include "db_conninfo_private.h"

#include "base/str.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>

struct db_session {
	PGconn *pg;
	PGresult *last; /* holds what db_session_value returned */
};

static int server_says(const char *message, struct err *reterr)
{
	struct str text = str_trim(str_from(message));

	err_unavailable(reterr, 1, "%.*s", STR_ARGS(text));
	return -EIO;
}

static void ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

int db_session_open(const char *url, const char *application_name, struct db_session **ret,
		    struct err *reterr)
{
	/* The url may be a whole connection string: it is expanded because it is the first dbname.
	 */
	const char *keywords[] = { "dbname", "application_name", "connect_timeout",
				   "client_encoding", NULL };
	const char *values[] = { url, application_name, "10", "UTF8", NULL };
	struct db_session *s;
	int r = db_conninfo_check(url, reterr);

	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s) {
		err_unavailable(reterr, 1, "out of memory");
		return -ENOMEM;
	}
	s->pg = PQconnectdbParams(keywords, values, 1);
	if (s->pg && PQstatus(s->pg) == CONNECTION_OK) {
		PQsetNoticeProcessor(s->pg, ignore_notice, NULL);
		*ret = s;
		return 0;
	}
	r = server_says(s->pg ? PQerrorMessage(s->pg) : "out of memory", reterr);
	db_session_close(s);
	return r;
}

int db_session_script(struct db_session *s, const char *sql, struct err *reterr)
{
	/* Several statements in one simple query are one transaction. */
	PGresult *res = PQexec(s->pg, sql);
	ExecStatusType status = PQresultStatus(res);
	int r = 0;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
		r = server_says(PQerrorMessage(s->pg), reterr);
	PQclear(res);
	return r;
}

int db_session_value(struct db_session *s, const char *sql, const char **ret, struct err *reterr)
{
	PQclear(s->last);
	s->last = PQexec(s->pg, sql);
	if (PQresultStatus(s->last) != PGRES_TUPLES_OK)
		return server_says(PQerrorMessage(s->pg), reterr);
	*ret = PQntuples(s->last) > 0 && PQnfields(s->last) > 0 ? PQgetvalue(s->last, 0, 0) : "";
	return 0;
}

void db_session_close(struct db_session *s)
{
	if (!s)
		return;
	PQclear(s->last);
	PQfinish(s->pg);
	free(s);
}
