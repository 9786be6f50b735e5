/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--describe`: a role as JSON, from its tables, for tools that must agree with the binary.
 */
#include "app/openapi.h"
#include "app/options.h"
#include "app_private.h"
#include "base/json.h"
#include "callbacks_private.h"

static void write_needs(struct json_out *o, const struct role *role)
{
	static const struct {
		unsigned need;
		struct str name;
	} NEEDS[] = { { NEED_DB, STR_INIT("database") },
		      { NEED_AUTH, STR_INIT("auth") },
		      { NEED_DAPR | WANT_DAPR, STR_INIT("dapr") },
		      { NEED_SMTP, STR_INIT("smtp") } };

	json_key(o, STR("needs"));
	json_begin_array(o);
	for (size_t i = 0; i < ARRAY_SIZE(NEEDS); i++) {
		if (role->needs & NEEDS[i].need)
			json_str(o, NEEDS[i].name);
	}
	json_end_array(o);
}

static void write_database_roles(struct json_out *o, const struct database_role *roles)
{
	json_key(o, STR("database_roles"));
	json_begin_array(o);
	for (const struct database_role *r = roles; r != NULL && r->role != NULL; r++) {
		json_begin_object(o);
		json_key_str(o, STR("role"), str_from(r->role));
		json_key_str(o, STR("key"), str_from(r->key));
		json_end_object(o);
	}
	json_end_array(o);
}

static void write_routes(struct json_out *o, const struct route *routes, const char *listener)
{
	for (const struct route *r = routes; r != NULL && r->pattern != NULL; r++) {
		json_begin_object(o);
		json_key_str(o, STR("listener"), str_from(listener));
		json_key_str(o, STR("method"), str_from(http_method_name(r->method)));
		json_key_str(o, STR("path"), str_from(r->pattern));
		json_key_str(o, STR("operation"), str_from(r->operation));
		json_key_bool(o, STR("token"), !(r->flags & ROUTE_PUBLIC));
		json_key_i64(o, STR("body_max"), (int64_t)r->body_max);
		json_key_str(o, STR("summary"), str_from(r->summary));
		json_end_object(o);
	}
}

/* What the sidecar is told, and what it calls. */
static void write_callbacks(struct json_out *o, const struct role *role)
{
	struct buf list;

	json_key_bool(o, STR("waits_for_sidecar"), role->needs & NEED_DAPR);
	buf_init(&list, SUBSCRIPTIONS_JSON_MAX);
	role_subscriptions(role, APP_DEFAULT_PUBSUB, &list);
	if (buf_status(&list) < 0)
		o->buf->failed = true;
	else
		json_key_raw(o, STR("subscriptions"), buf_str(&list));
	buf_done(&list);
	json_key(o, STR("crons"));
	json_begin_array(o);
	for (const struct cron *c = role->crons; c != NULL && c->name != NULL; c++)
		json_str(o, str_from(c->name));
	json_end_array(o);
	json_key_bool(o, STR("jobs"), role->job != NULL);
}

static void write_keys(struct json_out *o, const struct config_key *keys)
{
	for (const struct config_key *k = keys; k != NULL && k->name != NULL; k++) {
		json_begin_object(o);
		json_key_str(o, STR("name"), str_from(k->name));
		json_key_str_or_null(o, STR("default"), str_from(k->default_value));
		json_key_bool(o, STR("secret"), k->flags & CONFIG_SECRET);
		json_key_str(o, STR("doc"), str_from(k->doc));
		json_end_object(o);
	}
}

static void write_ports(struct json_out *o, const struct role *role, bool has_ops)
{
	json_key(o, STR("ports"));
	json_begin_object(o);
	json_key_i64(o, STR("public"), role->default_port);
	if (has_ops)
		json_key_i64(o, STR("ops"), role->default_port + ROLE_OPS_PORT_OFFSET);
	if (role->needs & (NEED_DAPR | WANT_DAPR))
		json_key_i64(o, STR("dapr"), role->default_port + ROLE_DAPR_PORT_OFFSET);
	json_end_object(o);
}

/* has_ops: the operations listener of its process is its. */
static void write_role(struct json_out *o, const struct role *role, bool has_ops)
{
	json_begin_object(o);
	json_key_str(o, STR("name"), str_from(role->name));
	json_key_str(o, STR("summary"), str_from(role->summary));
	write_needs(o, role);
	write_database_roles(o, role->database_roles);
	write_ports(o, role, has_ops);
	write_callbacks(o, role);
	json_key(o, STR("routes"));
	json_begin_array(o);
	write_routes(o, HEALTH_ROUTES, "public");
	write_routes(o, OPENAPI_ROUTES, "public");
	write_routes(o, role->routes, "public");
	if (has_ops)
		write_routes(o, OPS_ROUTES, "ops");
	write_routes(o, role->dapr_routes, "dapr");
	json_end_array(o);
	json_key(o, STR("configuration"));
	json_begin_array(o);
	write_keys(o, APP_OPTIONS);
	write_keys(o, role->config);
	json_end_array(o);
	json_end_object(o);
}

void role_describe(const struct role *role, struct buf *out)
{
	struct json_out o;

	json_out_init(&o, out);
	write_role(&o, role, true);
}

void roles_describe(const char *name, const struct role *const *roles, struct buf *out)
{
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("name"), str_from(name));
	json_key(&o, STR("configuration"));
	json_begin_array(&o);
	write_keys(&o, ALL_OPTIONS);
	json_end_array(&o);
	json_key(&o, STR("roles"));
	json_begin_array(&o);
	for (size_t i = 0; roles[i] != NULL; i++)
		write_role(&o, roles[i], i == 0);
	json_end_array(&o);
	json_end_object(&o);
}
