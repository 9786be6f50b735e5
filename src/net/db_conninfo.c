/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the configured url to what libpq connects with. libpq would resolve host names itself, by a
 * blocking call in the middle of the loop; so names become hostaddr here, once, before the loop
 * runs. Limits of the session travel in `options`, which a transaction pooler would refuse: with
 * prepare off the server's own defaults and the client's watchdog hold.
 */
#include "db_conninfo_private.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPTIONS_MAX = 4096, ADDED_MAX = 12 };

void db_conninfo_free(struct db_conninfo *ci)
{
	if (!ci)
		return;
	for (size_t i = 0; i < ci->n; i++) {
		/* The url holds a password. */
		if (ci->owned[i])
			explicit_bzero(ci->owned[i], strlen(ci->owned[i]));
		free(ci->owned[i]);
	}
	free(ci->owned);
	free(ci->keywords);
	free(ci->values);
	free(ci);
}

static struct db_conninfo *conninfo_alloc(size_t max)
{
	struct db_conninfo *ci = calloc(1, sizeof(*ci));

	if (!ci)
		return NULL;
	ci->max = max;
	ci->keywords = calloc(max + 1, sizeof(*ci->keywords));
	ci->values = calloc(max + 1, sizeof(*ci->values));
	ci->owned = calloc(max + 1, sizeof(*ci->owned));
	if (!ci->keywords || !ci->values || !ci->owned) {
		db_conninfo_free(ci);
		return NULL;
	}
	return ci;
}

/* keyword is a literal, ours or libpq's (the keywords of a parse are); the value is copied. */
static int put(struct db_conninfo *ci, const char *keyword, const char *value)
{
	size_t i = 0;
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	while (i < ci->n && strcmp(ci->keywords[i], keyword) != 0)
		i++;
	if (i == ci->max) {
		free(copy);
		return -ENOMEM;
	}
	free(ci->owned[i]);
	ci->keywords[i] = keyword;
	ci->values[i] = ci->owned[i] = copy;
	if (i == ci->n)
		ci->n++;
	return 0;
}

static const char *get(const struct db_conninfo *ci, const char *keyword)
{
	for (size_t i = 0; i < ci->n; i++)
		if (strcmp(ci->keywords[i], keyword) == 0)
			return ci->values[i];
	return NULL;
}

static int put_default(struct db_conninfo *ci, const char *keyword, const char *value)
{
	return get(ci, keyword) ? 0 : put(ci, keyword, value);
}

/* One name to its first address as text; sockets, addresses and "" stay as they are. */
static int resolve_one(struct str name, char *out, size_t size, struct err *reterr)
{
	char host[256];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG },
			*ai = NULL;
	int r;

	if (str_copy(host, sizeof(host), name) < 0) {
		err_set(reterr, &ERR_INVALID, "database.url",
			"a host name in the database URL is too long");
		return -EINVAL;
	}
	r = getaddrinfo(host, NULL, &hints, &ai);
	if (r != 0) {
		err_unavailable(reterr, 1, "the database host %s does not resolve: %s", host,
				gai_strerror(r));
		return -EAGAIN;
	}
	r = getnameinfo(ai->ai_addr, ai->ai_addrlen, out, (socklen_t)size, NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(ai);
	if (r == 0)
		return 0;
	err_unavailable(reterr, 1, "the address of the database host %s cannot be shown: %s", host,
			gai_strerror(r));
	return -EAGAIN;
}

static bool needs_address(struct str host)
{
	return host.n > 0 && host.p[0] != '/' && host.p[0] != '@';
}

/* host may list several, comma-separated; hostaddr then lists as many, in the same order. */
static int resolve(struct db_conninfo *ci, struct err *reterr)
{
	const char *hosts = get(ci, "host");
	struct str rest = str_from(hosts), host;
	struct buf addresses;
	int r = 0;

	if (rest.n == 0 || get(ci, "hostaddr"))
		return 0;
	buf_init(&addresses, OPTIONS_MAX);
	for (bool first = true; r == 0 && str_split(&rest, ',', &host); first = false) {
		char address[INET6_ADDRSTRLEN + 32] = "";

		if (!first)
			buf_append_char(&addresses, ',');
		if (needs_address(host))
			r = resolve_one(host, address, sizeof(address), reterr);
		buf_append_str(&addresses, str_from(address));
	}
	buf_append_char(&addresses, '\0');
	if (r == 0)
		r = buf_status(&addresses) < 0 ? -ENOMEM : 0;
	/* Only sockets: nothing to say. */
	if (r == 0 && strspn(addresses.p, ",") < strlen(addresses.p))
		r = put(ci, "hostaddr", addresses.p);
	buf_done(&addresses);
	return r;
}

static int put_limits(struct db_conninfo *ci, int64_t statement_timeout_ms)
{
	const char *given = get(ci, "options");
	char *all = NULL;
	int r;

	r = asprintf(&all,
		     "%s%s-c statement_timeout=%lld -c lock_timeout=%lld "
		     "-c idle_in_transaction_session_timeout=%lld",
		     given ? given : "", given ? " " : "", (long long)statement_timeout_ms,
		     (long long)statement_timeout_ms, (long long)(2 * statement_timeout_ms));
	if (r < 0)
		return -ENOMEM;
	r = put(ci, "options", all);
	free(all);
	return r;
}

static int put_additions(struct db_conninfo *ci, const struct db_config *config)
{
	char user_timeout[24];
	const struct {
		const char *keyword, *value;
	} defaults[] = {
		{ "application_name",
		  config->application_name ? config->application_name : "todod" },
		{ "tcp_user_timeout", user_timeout }, /* unacknowledged bytes: the peer is gone */
		{ "keepalives_idle", "30" },
		{ "keepalives_interval", "5" },
		{ "keepalives_count", "3" },
		{ "gssencmode",
		  "disable" }, /* otherwise one more round trip where Kerberos is set up */
	};
	int r = put(ci, "client_encoding", "UTF8");

	snprintf(user_timeout, sizeof(user_timeout), "%lld",
		 (long long)(2 * config->statement_timeout_ms));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(defaults); i++)
		r = put_default(ci, defaults[i].keyword, defaults[i].value);
	if (r == 0 && config->prepare)
		r = put_limits(ci, config->statement_timeout_ms);
	return r;
}

static int copy_options(struct db_conninfo *ci, const PQconninfoOption *options)
{
	int r = 0;

	for (const PQconninfoOption *o = options; r == 0 && o->keyword; o++)
		if (o->val && *o->val)
			r = put(ci, o->keyword, o->val);
	return r;
}

/* libpq's own words repeat what they are about, which may hold the password. */
static int parse_failed(char *message, struct err *reterr)
{
	bool is_malformed = message != NULL;

	PQfreemem(message);
	if (!is_malformed)
		return -ENOMEM;
	err_set(reterr, &ERR_INVALID, "database.url",
		"the database URL cannot be read: it must be postgresql://user:password@host:port/name, "
		"with %% and [ ] / : @ in the parts %%-encoded, or key=value pairs that libpq knows");
	return -EINVAL;
}

/*
 * In a URL whose password has an '@' or '/' of its own, libpq takes the rest of the password for
 * host, port or name, which error messages show. Then an '@' is left behind what it took for user
 * and password.
 */
static bool has_stray_at(const char *url)
{
	const char *p = url;

	if (strncmp(p, "postgresql://", 13) == 0)
		p += 13;
	else if (strncmp(p, "postgres://", 11) == 0)
		p += 11;
	else
		return false;
	p += strcspn(p, "@/");
	if (*p == '@')
		p++;
	return strchr(p, '@') != NULL;
}

/* -EINVAL, -ENOMEM (without a reason). */
static int parse(const char *url, PQconninfoOption **ret, struct err *reterr)
{
	char *message = NULL;

	if (has_stray_at(url)) {
		err_set(reterr, &ERR_INVALID, "database.url",
			"the database URL has an @ out of place: in user, password, host and name "
			"write @ as %%40 and / as %%2F");
		return -EINVAL;
	}
	*ret = PQconninfoParse(url, &message);
	return *ret ? 0 : parse_failed(message, reterr);
}

int db_conninfo_check(const char *url, struct err *reterr)
{
	PQconninfoOption *options = NULL;
	int r = parse(url, &options, reterr);

	PQconninfoFree(options);
	if (r == -ENOMEM)
		err_unavailable(reterr, 1, "out of memory");
	return r;
}

/* As libpq reads it in key=value pairs. */
static void put_quoted(struct buf *out, const char *keyword, const char *value)
{
	buf_printf(out, "%s='", keyword);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			buf_append_char(out, '\\');
		buf_append_char(out, *value);
	}
	buf_append_str(out, STR("'"));
}

int db_url_as(const char *url, const char *user, struct buf *out, struct err *reterr)
{
	PQconninfoOption *options = NULL;
	int r = parse(url, &options, reterr);

	if (r == 0)
		put_quoted(out, "user", user);
	for (const PQconninfoOption *o = options; o && o->keyword; o++) {
		if (!o->val || !*o->val || strcmp(o->keyword, "user") == 0)
			continue;
		buf_append_char(out, ' ');
		put_quoted(out, o->keyword, o->val);
	}
	PQconninfoFree(options);
	if (r == 0 && buf_status(out) < 0)
		r = -ENOMEM;
	if (r == -ENOMEM)
		err_unavailable(reterr, 1, "out of memory");
	return r;
}

int db_conninfo_new(const struct db_config *config, struct db_conninfo **ret, struct err *reterr)
{
	PQconninfoOption *options = NULL;
	struct db_conninfo *ci;
	size_t n = 0;
	int r = parse(config->url, &options, reterr);

	while (options && options[n].keyword)
		n++;
	ci = options ? conninfo_alloc(n + ADDED_MAX) : NULL;
	if (r == 0)
		r = ci ? copy_options(ci, options) : -ENOMEM;
	if (r == 0)
		r = resolve(ci, reterr);
	if (r == 0)
		r = put_additions(ci, config);
	PQconninfoFree(options);
	if (r == -ENOMEM)
		err_unavailable(reterr, 1, "out of memory");
	if (r < 0)
		db_conninfo_free(ci);
	else
		*ret = ci;
	return r;
}
