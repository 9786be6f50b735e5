/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chat-api: the task API.
 */
#include "auth/jwt.h"
#include "chat_api_private.h"
#include "roles/roles.h"

#include <stdlib.h>

static int start(struct app *app, struct err *reterr)
{
	struct chat_api *api = calloc(1, sizeof(*api));

	if (api == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	api->db = app_db(app);
	app_set_role_state(app, api);
	return 0;
}

static void stop(struct app *app)
{
	struct chat_api *api = app_role_state(app);

	jwt_keys_free(api->link_keys);
	free(api);
	app_set_role_state(app, NULL);
}

static const struct database_role DATABASE_ROLES[] = {
	{ "todod_api", "database.url" },
	{ "todod_relay", "database.relay_url" },
	{ .role = NULL },
};

static const struct role_secret SECRETS[] = {
	{ "email", "link-key", "email.link_key_file", NULL, NULL },
	{ .name = NULL },
};

const struct role ROLE_CHAT_API = {
	.name = "chat-api",
	.summary = "the task API",
	.needs = NEED_DB | NEED_AUTH | WANT_DAPR,
	.database_roles = DATABASE_ROLES,
	.secrets = SECRETS,
	.default_port = 8000,
	.routes = CHAT_API_ROUTES,
	.schemas = CHAT_API_SCHEMAS,
	.dapr_routes = CHAT_API_ROUTES,
	.start = start,
	.stop = stop,
};
