/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notifier: reminders at their time, by mail, on screens and in the log. It knows what events told
 * it and has no handle to the database.
 */
#include "notifier_private.h"
#include "roles/roles.h"

#include "base/log.h"
#include "domain/email.h"

#include <errno.h>
#include <stdlib.h>

enum { SECRETS_ARENA_BYTES = 256 * 1024 };

static const struct metric_family SCHEDULED = { "todod_reminders_scheduled_total", METRIC_COUNTER,
						"Jobs of reminders that were made." };
static const struct metric_family CANCELLED = { "todod_reminders_cancelled_total", METRIC_COUNTER,
						"Reminders that were cancelled." };
static const struct metric_family REMINDERS = { "todod_reminders_total", METRIC_COUNTER,
						"Tries of reminders, by what became of them." };
static const struct metric_family LATE = { "todod_reminder_late_seconds", METRIC_HISTOGRAM,
					   "From the time of a reminder to its first effect." };
static const struct metric_family MAILS = { "todod_mails_total", METRIC_COUNTER,
					    "Mails, by what the mail server made of them." };
static const struct metric_family MAIL_SECONDS = { "todod_mail_seconds", METRIC_HISTOGRAM,
						   "Time that a mail took to be handed over." };
static const struct metric_family CONFIRMATIONS = { "todod_confirmations_total", METRIC_COUNTER,
						    "Addresses that were asked to confirm." };

struct notifier *notifier_of(struct app *app)
{
	return app_role_state(app);
}

static void get_metrics(struct notifier *n)
{
	n->scheduled = metric_get(&SCHEDULED, "");
	n->cancelled = metric_get(&CANCELLED, "");
	n->sent = metric_get(&REMINDERS, "result=\"sent\"");
	n->put_off = metric_get(&REMINDERS, "result=\"retry\"");
	n->failed = metric_get(&REMINDERS, "result=\"failed\"");
	n->late_s = metric_get(&LATE, "");
	n->mails_sent = metric_get(&MAILS, "result=\"sent\"");
	n->mails_put_off = metric_get(&MAILS, "result=\"put_off\"");
	n->mails_refused = metric_get(&MAILS, "result=\"refused\"");
	n->mail_s = metric_get(&MAIL_SECONDS, "");
	n->confirmations = metric_get(&CONFIRMATIONS, "");
}

/* What a reminder is remembered by: without it one would be sent as often as it is delivered. */
static FIBER int check_state_store(struct notifier *n, struct err *reterr)
{
	struct arena *arena = arena_new(SECRETS_ARENA_BYTES);
	struct sidecar_state stored;
	struct err why = { .text = "out of memory" };
	int r = arena != NULL ? sidecar_state_get_wait(n->sidecar, arena, STR("u/email/start"),
						       &stored, &why)
			      : -ENOMEM;

	arena_free(arena);
	return r < 0 ? err_unavailable(reterr, 0, "notifier needs a state store: %s", why.text) : 0;
}

static FIBER int read_password(struct notifier *n, struct err *reterr)
{
	struct arena *arena = arena_new(SECRETS_ARENA_BYTES);
	struct err why = { .text = "out of memory" };
	struct str secret;
	int r = arena != NULL ? sidecar_secret_wait(n->sidecar, arena, STR("smtp"), STR("password"),
						    &secret, &why)
			      : -ENOMEM;

	if (r == 0)
		n->smtp_password = strndup(secret.p, secret.n);
	arena_free(arena);
	if (n->smtp_password == NULL)
		return err_unavailable(reterr, 0, "the secret smtp/password: %s", why.text);
	return 0;
}

static FIBER int open_mail(struct notifier *n, const struct config *c, struct err *reterr)
{
	struct smtp_config config = {
		.loop = n->loop,
		.url = config_str(c, "smtp.url").p,
		.is_plain = !config_bool(c, "smtp.tls"),
		.ca_file = config_str(c, "smtp.ca_file").p,
		.user = config_str(c, "smtp.user").p,
		.password = "",
		.helo = email_domain(n->mail_from).p,
		.connect_timeout_ms = config_i64(c, "smtp.connect_timeout"),
		.step_timeout_ms = config_i64(c, "smtp.step_timeout"),
		.timeout_ms = config_i64(c, "smtp.timeout"),
		.max_sendings = n->places_max,
	};

	if (config_str(c, "smtp.url").n == 0) {
		log_warn("smtp.none",
			 LOG_CSTR("hint", "smtp.url is empty: reminders by mail come by the other "
					  "channels"));
		return 0;
	}
	n->link_keys = email_link_key_wait(n->sidecar, &n->link_signer, reterr);
	if (n->link_keys == NULL)
		return -EAGAIN;
	if (*config.user && read_password(n, reterr) < 0)
		return -EAGAIN;
	if (n->smtp_password != NULL)
		config.password = n->smtp_password;
	n->smtp = smtp_new(&config);
	return n->smtp != NULL ? 0 : notifier_no_memory(reterr);
}

static void free_notifier(struct notifier *n)
{
	smtp_free(n->smtp);
	jwt_keys_free(n->link_keys);
	if (n->smtp_password != NULL)
		explicit_bzero(n->smtp_password, strlen(n->smtp_password));
	free(n->smtp_password);
	free(n);
}

static FIBER int start(struct app *app, struct err *reterr)
{
	struct notifier *n = calloc(1, sizeof(*n));
	int r;

	if (n == NULL)
		return notifier_no_memory(reterr);
	n->loop = app_loop(app);
	n->sidecar = app_sidecar(app);
	get_metrics(n);
	r = notifier_read_settings(n, app_config(app), reterr);
	if (r == 0)
		r = check_state_store(n, reterr);
	if (r == 0)
		r = open_mail(n, app_config(app), reterr);
	if (r < 0)
		free_notifier(n);
	else
		app_set_role_state(app, n);
	return r;
}

static void stop(struct app *app)
{
	free_notifier(app_role_state(app));
	app_set_role_state(app, NULL);
}

static const struct route NO_ROUTES[] = { { .pattern = NULL } };

static const struct role_secret SECRETS[] = {
	{ "smtp", "password", "smtp.password_file", "smtp.user", "printf %s PASSWORD > FILE" },
	{ "email", "link-key", "email.link_key_file", "smtp.url", "openssl rand -hex 32 > FILE" },
	{ .name = NULL },
};

const struct role ROLE_NOTIFIER = {
	.name = "notifier",
	.summary = "reminders by mail, on screens and in the log",
	.needs = NEED_DAPR | NEED_SMTP,
	.secrets = SECRETS,
	.default_port = 8001,
	.routes = NO_ROUTES,
	.config = NOTIFIER_OPTIONS,
	.subscriptions = NOTIFIER_SUBSCRIPTIONS,
	.job = notifier_on_job,
	.start = start,
	.stop = stop,
};
