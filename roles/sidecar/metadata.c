/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metadata: who this is and what it serves.
 */
#include "api_private.h"

#include "base/json.h"
#include "base/version.h"
#include "topic_private.h"

#include <stdio.h>

enum { ANSWER_MAX_BYTES = 1024 * 1024 };

static void put_component(struct json_out *o, struct str name, struct str type)
{
	json_begin_object(o);
	json_key_str(o, STR("name"), name);
	json_key_str(o, STR("type"), type);
	json_key_str(o, STR("version"), STR("v1"));
	json_end_object(o);
}

/* Of those that apps share, what this one sees. */
static void put_shared(struct json_out *o, const struct call *c, struct str name, struct str type)
{
	const struct settings *s = c->host->settings;

	if (settings_allow(s, (size_t)(c->caller->settings - s->apps), STR("components"), name))
		put_component(o, name, type);
}

static void put_components(struct json_out *o, const struct call *c)
{
	const struct settings *s = c->host->settings;

	json_key(o, STR("components"));
	json_begin_array(o);
	put_shared(o, c, s->pubsub, STR("pubsub.embedded"));
	put_shared(o, c, s->replica_pubsub, STR("pubsub.embedded"));
	put_shared(o, c, s->state_store, STR("state.embedded"));
	put_shared(o, c, s->secret_store, STR("secretstores.embedded"));
	for (size_t i = 0; i < s->n_crons; i++) {
		if (s->crons[i].app == (size_t)(c->caller->settings - s->apps))
			put_component(o, s->crons[i].what, STR("bindings.cron"));
	}
	json_end_array(o);
}

/* The instance whose port this is. */
static const struct instance *own_instance(const struct call *c)
{
	for (size_t i = 0; i < c->host->n_instances; i++) {
		const struct instance *n = &c->host->instances[i];
		if (n->door == c->door)
			return n;
	}
	return NULL;
}

static void put_subscriptions(struct json_out *o, const struct settings *s,
			      const struct instance *i)
{
	json_key(o, STR("subscriptions"));
	json_begin_array(o);
	for (size_t n = 0; i != NULL && i->is_healthy && n < i->n_wishes; n++) {
		const struct wish *w = &i->wishes[n];
		json_begin_object(o);
		json_key_str(o, STR("pubsubname"), w->is_replica ? s->replica_pubsub : s->pubsub);
		json_key_str(o, STR("topic"), str_from(w->topic->name));
		json_key(o, STR("rules"));
		json_begin_array(o);
		json_begin_object(o);
		json_key_str(o, STR("path"), w->path);
		json_end_object(o);
		json_end_array(o);
		json_key_str(o, STR("deadLetterTopic"), w->dead_letter);
		json_key_str(o, STR("type"), STR("PROGRAMMATIC"));
		json_end_object(o);
	}
	json_end_array(o);
}

/* Jobs fire from within this process: it is always connected. */
static void put_scheduler(struct json_out *o, const struct call *c)
{
	char address[32];

	snprintf(address, sizeof(address), "127.0.0.1:%u", http_server_port(c->door->server));
	json_key(o, STR("scheduler"));
	json_begin_object(o);
	json_key(o, STR("connected_addresses"));
	json_begin_array(o);
	json_str(o, str_from(address));
	json_end_array(o);
	json_end_object(o);
}

void metadata_get(struct call *c)
{
	const struct instance *i = own_instance(c);
	struct buf *body = call_buf(c, ANSWER_MAX_BYTES);
	struct json_out o;

	if (body == NULL) {
		call_error(c, 500, "ERR_METADATA_GET", "out of memory");
		return;
	}
	json_out_init(&o, body);
	json_begin_object(&o);
	json_key_str(&o, STR("id"), c->caller->id);
	json_key_str(&o, STR("runtimeVersion"), STR("1.18-embedded"));
	json_key(&o, STR("extended"));
	json_begin_object(&o);
	json_key_str(&o, STR("tododVersion"), STR(TODOD_VERSION));
	json_end_object(&o);
	put_components(&o, c);
	put_subscriptions(&o, c->host->settings, i);
	json_key(&o, STR("appConnectionProperties"));
	json_begin_object(&o);
	json_key_str(&o, STR("protocol"), STR("http"));
	json_key_bool(&o, STR("healthy"), i != NULL && i->is_healthy);
	json_end_object(&o);
	put_scheduler(&o, c);
	json_end_object(&o);
	call_json(c, 200, body, NULL, 0);
}
