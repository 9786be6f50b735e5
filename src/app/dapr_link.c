/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens come from files, because they open the door to the store of all other secrets. They are
 * wiped when the process ends.
 */
#include "dapr_link_private.h"

#include "base/file.h"
#include "base/log.h"
#include "callbacks_private.h"
#include "net/http_client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
	DAPR_CALLS_MAX = 64,
	DAPR_IDLE_MS = 120 * 1000,
	DAPRD_IDLE_MS = 90 * 1000,
};
/* Who calls lets go of an idle connection first, daprd as well as the embedded sidecar: a call that
 * meets a closing one fails. */
static_assert(DAPR_IDLE_MS > DAPRD_IDLE_MS && DAPR_IDLE_MS > HTTP_CLIENT_IDLE_MAX_S * 1000,
	      "the Dapr listener would close connections that a sidecar still uses");

static bool is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	}
	return true;
}

/* text lies in ret->text, or in the configuration; from says where it is from. */
static int keep_token(struct str text, const char *key, const char *from, struct dapr_token *ret,
		      struct err *reterr)
{
	text = str_trim(text);
	if (text.n == 0 || text.n > DAPR_TOKEN_MAX || !is_visible(text))
		return err_set(reterr, &ERR_INVALID, NULL,
			       "%s: %s must hold 1 to %d visible ASCII characters", key, from,
			       DAPR_TOKEN_MAX);
	memmove(ret->text, text.p, text.n);
	ret->n = text.n;
	return 0;
}

static int read_token(const struct config *c, const char *key, const char *file_key,
		      struct dapr_token *ret, struct err *reterr)
{
	struct str path = config_str(c, file_key);

	if (config_str(c, key).n > 0)
		return keep_token(config_str(c, key), key, "it", ret, reterr);
	if (path.n == 0)
		return 0;
	ssize_t n = file_read(path.p, ret->text, sizeof(ret->text));
	if (n < 0)
		return err_set(reterr, &ERR_INVALID, NULL, "%s: cannot read %s: %s", file_key,
			       path.p, strerror((int)-n));
	return keep_token((struct str){ ret->text, (size_t)n }, file_key, path.p, ret, reterr);
}

static struct str token_of(const struct dapr_token *t)
{
	return (struct str){ t->text, t->n };
}

static enum sidecar_api api_of(struct str name)
{
	if (str_eq(name, STR("stable")))
		return SIDECAR_API_STABLE;
	return str_eq(name, STR("alpha1")) ? SIDECAR_API_ALPHA1 : SIDECAR_API_AUTO;
}

int dapr_link_open(struct dapr_link *d, struct app *app, struct err *reterr)
{
	const struct config *c = app_config(app);
	int r = read_token(c, "dapr.token", "dapr.token_file", &d->token, reterr);

	if (r == 0)
		r = read_token(c, "dapr.app_token", "dapr.app_token_file", &d->app_token, reterr);
	if (r < 0)
		return r;
	const struct sidecar_config config = {
		.loop = app_loop(app),
		.url = config_str(c, "dapr.url").p,
		.token = token_of(&d->token),
		.api = api_of(config_str(c, "dapr.api")),
		.pubsub = config_str(c, "dapr.pubsub").p,
		.state_store = config_str(c, "dapr.state_store").p,
		.secret_store = config_str(c, "dapr.secret_store").p,
		.timeout_ms = config_i64(c, "dapr.timeout"),
		.max_calls = DAPR_CALLS_MAX,
	};
	d->sidecar = sidecar_new(&config);
	d->callbacks = callbacks_new(app_role(app), config.pubsub, token_of(&d->app_token));
	if (d->sidecar == NULL || d->callbacks == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	return 0;
}

static int admit(struct app *app, const struct request *rq, struct err *reterr)
{
	return callbacks_admit(app_callbacks(app), rq, reterr);
}

int dapr_link_listen(struct dapr_link *d, struct app *app, struct http_server_config *server,
		     struct err *reterr)
{
	static const struct listener_rules RULES = {
		.name = "dapr", .unknown_is_bug = true, .admit = admit, .fibers_max = FIBER_MAX
	};
	static const struct route NO_ROUTES[] = { { .pattern = NULL } };
	const struct role *role = app_role(app);
	const struct route *const tables[] = {
		callbacks_routes(d->callbacks),
		role->dapr_routes != NULL ? role->dapr_routes : NO_ROUTES,
	};

	d->dispatcher = dispatcher_new(app, &RULES, tables, ARRAY_SIZE(tables));
	if (d->dispatcher == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	dispatcher_bind(d->dispatcher, server);
	server->metrics_label = RULES.name;
	server->idle_timeout_ms = DAPR_IDLE_MS;
	return http_server_new(server, &d->server, reterr);
}

void dapr_link_drain(struct dapr_link *d)
{
	if (d->server != NULL)
		http_server_drain(d->server);
}

unsigned dapr_link_connections(const struct dapr_link *d)
{
	return d->server != NULL ? http_server_connections(d->server) : 0;
}

void dapr_link_close_listener(struct dapr_link *d)
{
	http_server_free(d->server);
	dispatcher_free(d->dispatcher);
	callbacks_free(d->callbacks);
}

void dapr_link_close(struct dapr_link *d)
{
	sidecar_free(d->sidecar);
	explicit_bzero(&d->token, sizeof(d->token));
	explicit_bzero(&d->app_token, sizeof(d->app_token));
}
