/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows for a role from what it is, where nothing else is given: its ports, and its own
 * database role in the URL that is given for all. A URL in a role's own file stays as it is.
 */
#include "configure_private.h"

#include "net/db.h"

#include <stdio.h>
#include <string.h>

enum { URL_MAX = 8192, PLACE_MAX = 100 };

/* The URL holds a password. */
static void forget(struct buf *url)
{
	if (url->n > 0)
		explicit_bzero(url->p, url->n);
	buf_done(url);
}

static void set_url(struct configuration *c, const struct process_part *part,
		    const struct database_role *role)
{
	const char *place = config_place(c->common, "database.url");
	char with_role[PLACE_MAX + 64];
	struct err err = { .text = "" };
	struct buf url;

	buf_init(&url, URL_MAX);
	if (db_url_as(config_str(c->common, "database.url").p, role->role, &url, &err) < 0) {
		buf_printf(&c->mistakes, "%s: database.url: %s\n", place, err.text);
	} else {
		snprintf(with_role, sizeof(with_role), "%.*s, as %s", PLACE_MAX, place, role->role);
		config_set(part->config, str_from(role->key), buf_str(&url), with_role);
	}
	forget(&url);
}

/* Beside the relay it would stand in for, nothing is left for it to do. */
static bool is_needless(const struct role *role, const char *key)
{
	return role->relay_stands_in && strcmp(key, "database.relay_url") == 0;
}

/* Each role is to the database what it would be in a process of its own. */
static void derive_urls(struct configuration *c, const struct process_part *part)
{
	const struct database_role *role = part->role->database_roles;

	for (; role != NULL && role->role != NULL; role++) {
		bool is_main = strcmp(role->key, "database.url") == 0;
		if (is_needless(part->role, role->key))
			continue;
		if (is_main || config_place(part->config, role->key) == NULL)
			set_url(c, part, role);
	}
}

static void derive_port(const struct configuration *c, const struct process_part *part,
			const char *key, unsigned offset)
{
	int64_t port = part->role->default_port + offset + config_i64(c->common, "all.port") -
		       ROLE_FIRST_PORT;
	char text[24];

	if (config_i64(part->config, key) >= 0)
		return;
	snprintf(text, sizeof(text), "%lld", (long long)port);
	config_set(part->config, str_from(key), str_from(text), CONFIGURE_ALL_PLACE);
}

void configure_derive(struct configuration *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct process_part *part = &c->parts[i];
		if (config_str(c->common, "database.url").n > 0)
			derive_urls(c, part);
		derive_port(c, part, "http.port", 0);
		if (i == 0) /* process_run: operations are asked there for all */
			derive_port(c, part, "ops.port", ROLE_OPS_PORT_OFFSET);
		if (part->role->needs & (NEED_DAPR | WANT_DAPR))
			derive_port(c, part, "dapr.port", ROLE_DAPR_PORT_OFFSET);
	}
	configure_derive_sidecar(c);
}
