/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the role, and what a table of keys cannot check.
 */
#include "mailing_private.h"

#include "domain/email.h"
#include "domain/mail.h"

#include <errno.h>

#define SECOND 1000
#define MINUTE (60 * SECOND)

/* clang-format off */
const struct config_key NOTIFIER_OPTIONS[] = {
	{ "smtp.url", CONFIG_STRING, NULL, 0, 512, NULL, 0,
	  "mail server: smtp://HOST:PORT (STARTTLS) or smtps://HOST:PORT (TLS); empty: no mails are sent" },
	{ "smtp.tls", CONFIG_BOOL, "true", 0, 0, NULL, 0,
	  "false: smtp:// without STARTTLS, to a server on this machine only" },
	{ "smtp.ca_file", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "PEM file with the certificates that the mail server's is checked by; empty: the system's" },
	{ "smtp.user", CONFIG_STRING, NULL, 0, 320, NULL, 0,
	  "login at the mail server, with the password in the secret smtp/password; empty: none" },
	{ "smtp.password_file", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "for --role=all: file with that password, where there is no secret store" },
	{ "smtp.from", CONFIG_STRING, NULL, 0, 254, NULL, 0,
	  "address that mails are from; its domain is also that of their Message-ID" },
	{ "smtp.from_name", CONFIG_STRING, "todod", 0, 100, NULL, 0,
	  "name that mails are from" },
	{ "smtp.connect_timeout", CONFIG_DURATION_MS, "10s", 100, MINUTE, NULL, 0,
	  "longest the connection, TLS and login may take" },
	{ "smtp.step_timeout", CONFIG_DURATION_MS, "20s", 100, MINUTE, NULL, 0,
	  "longest the server may take for one answer" },
	{ "smtp.timeout", CONFIG_DURATION_MS, "40s", 100, 10 * MINUTE, NULL, 0,
	  "longest a mail may take; shorter than notifier.lease" },
	{ "smtp.max_connections", CONFIG_I64, "32", 1, 256, NULL, 0,
	  "mails on their way at a time; the others wait, which is no try" },

	{ "notifier.public_url", CONFIG_STRING, "http://127.0.0.1:8000", 8, 512, NULL, CONFIG_REQUIRED,
	  "what links in mails begin with: the address at which users reach the service" },
	{ "notifier.retry_delays", CONFIG_STRING, "1m,5m,15m", 0, 100, NULL, 0,
	  "pauses between the tries of a mail that may yet be taken; after the last one it is given up" },
	{ "notifier.lease", CONFIG_DURATION_MS, "60s", 1 * SECOND, 60 * MINUTE, NULL, 0,
	  "how long nobody else sends a reminder after a process began to and has said nothing since" },
	{ "notifier.patience", CONFIG_DURATION_MS, "1s", 1, 8 * SECOND, NULL, 0,
	  "how long a delivery waits for its mail before it is acknowledged without" },
	{ "notifier.mails_per_day", CONFIG_I64, "200", 0, 100000, NULL, 0,
	  "reminders that a user gets by mail in a day; the others come by the other channels" },
	{ "notifier.confirmations_per_day", CONFIG_I64, "5", 0, 1000, NULL, 0,
	  "addresses that a user may have asked for confirmation in a day" },
	{ .name = NULL },
};
/* clang-format on */

static int refuse(struct err *reterr, const char *key, const char *what)
{
	return err_set(reterr, &ERR_INVALID, NULL, "%s: %s", key, what);
}

static int read_delays(struct notifier *n, struct str text, struct err *reterr)
{
	struct str rest = text, part;

	while (rest.n > 0 && str_split(&rest, ',', &part)) {
		int64_t ms;

		if (n->n_retries == RETRIES_MAX || config_parse_duration(str_trim(part), &ms) < 0 ||
		    ms < SECOND || ms > (int64_t)DAY_S * SECOND)
			return refuse(reterr, "notifier.retry_delays",
				      "must be at most 8 durations from 1s to 1d, with commas "
				      "between them");
		n->retry_delays_s[n->n_retries++] = ms / SECOND;
	}
	return 0;
}

/* http or https, and nothing that could not stand in a header. */
static int read_public_url(struct notifier *n, struct str url, struct err *reterr)
{
	enum { BASE_MAX = 200 };
	bool is_good = (str_starts(url, STR("http://")) || str_starts(url, STR("https://"))) &&
		       url.n <= BASE_MAX;

	for (size_t i = 0; i < url.n; i++)
		is_good = is_good && url.p[i] > ' ' && url.p[i] < 0x7f &&
			  strchr("<>\"\\^`{|}#?", url.p[i]) == NULL;
	if (!is_good)
		return refuse(reterr, "notifier.public_url",
			      "must be an http or https URL of at most 200 characters, without "
			      "query");
	while (str_ends(url, STR("/")))
		url.n--;
	n->public_url = url;
	return 0;
}

static int check_smtp(const struct notifier *n, const struct config *c, struct err *reterr)
{
	struct str url = config_str(c, "smtp.url");
	bool is_loopback = false;

	if (url.n == 0)
		return 0;
	if (smtp_url_check(url, &is_loopback) < 0)
		return refuse(reterr, "smtp.url", "must be smtp://HOST:PORT or smtps://HOST:PORT");
	if (!config_bool(c, "smtp.tls") && str_starts(url, STR("smtp://")) && !is_loopback)
		return refuse(reterr, "smtp.tls",
			      "only a mail server on this machine is spoken to without TLS");
	if (!email_is_valid(n->mail_from))
		return refuse(reterr, "smtp.from", "must be an address such as todod@example.org");
	if (email_domain(n->mail_from).n > MAIL_ID_MAX - MAILING_ID_MAX)
		return refuse(reterr, "smtp.from",
			      "has a domain of over 180 bytes, which is too long for a Message-ID");
	if (config_i64(c, "smtp.timeout") >= config_i64(c, "notifier.lease"))
		return refuse(reterr, "smtp.timeout",
			      "must be shorter than notifier.lease, or a mail that is still on "
			      "its way would be sent again");
	return 0;
}

int notifier_read_settings(struct notifier *n, const struct config *c, struct err *reterr)
{
	int r = read_delays(n, config_str(c, "notifier.retry_delays"), reterr);

	n->mail_from = config_str(c, "smtp.from");
	n->mail_from_name = config_str(c, "smtp.from_name");
	n->lease_s = config_i64(c, "notifier.lease") / SECOND;
	n->patience_ms = config_i64(c, "notifier.patience");
	n->places_max = (unsigned)config_i64(c, "smtp.max_connections");
	n->mails_per_day = config_i64(c, "notifier.mails_per_day");
	n->confirmations_per_day = config_i64(c, "notifier.confirmations_per_day");
	if (r == 0)
		r = read_public_url(n, config_str(c, "notifier.public_url"), reterr);
	return r == 0 ? check_smtp(n, c, reterr) : r;
}
