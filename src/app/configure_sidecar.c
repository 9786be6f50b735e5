/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What binds the roles of a process to the embedded sidecar beside them: a port of its API for
 * each, tokens that nobody else ever learns, the ticks of their crons, and their secrets, from the
 * files that commands read too. Each of it only where the sidecar is told nothing else.
 */
#include "configure_private.h"

#include "base/aead.h"
#include "base/file.h"
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 65536, SECRET_MAX = 16 * 1024, TOKEN_SIZE = 2 * AEAD_KEY_SIZE + 1 };

/* Lists of the sidecar's configuration in the making. */
struct bindings {
	struct buf apps, tokens, crons, secrets;
};

static bool is_given(const struct config *c, const char *key)
{
	return config_place(c, key) != NULL;
}

static void set(const struct process_part *part, const char *key, const char *value)
{
	config_set(part->config, str_from(key), str_from(value), CONFIGURE_ALL_PLACE);
}

static struct process_part *find_host(const struct configuration *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->parts[i].role->needs & HOSTS_DAPR)
			return &c->parts[i];
	}
	return NULL;
}

/* Where a listener at that address is called from this machine. */
static void put_address(struct buf *out, struct str address)
{
	if (str_eq(address, STR("0.0.0.0")))
		address = STR("127.0.0.1");
	if (str_eq(address, STR("::")))
		address = STR("::1");
	if (str_find_char(address, ':', 0) >= 0)
		buf_printf(out, "[%.*s]", STR_ARGS(address));
	else
		buf_append_str(out, address);
}

static void bind_app(struct configuration *c, const struct process_part *part, struct buf *apps)
{
	int64_t first = config_i64(c->common, "all.port") - ROLE_FIRST_PORT;
	int64_t api = part->role->default_port + ROLE_API_PORT_OFFSET + first;
	int64_t port = config_i64(part->config, "dapr.port");
	char url[64];

	if (port == 0)
		buf_printf(&c->mistakes,
			   "%s: %s: dapr.port: must not be 0: the sidecar has to know it\n",
			   config_place(part->config, "dapr.port"), part->role->name);
	snprintf(url, sizeof(url), "http://127.0.0.1:%lld", (long long)api);
	set(part, "dapr.url", url);
	buf_printf(apps, "%s%s=%lld:", apps->n > 0 ? ", " : "", part->role->name, (long long)api);
	put_address(apps, config_str(part->config, "dapr.address"));
	buf_printf(apps, ":%lld", (long long)port);
}

static void draw_token(struct configuration *c, const struct process_part *part, const char *key,
		       const char *kind, struct buf *tokens)
{
	char text[TOKEN_SIZE];
	struct aead_key key_bytes;

	if (aead_key_new(&key_bytes) < 0) {
		buf_printf(&c->mistakes, "the kernel has no randomness for tokens\n");
		return;
	}
	for (size_t i = 0; i < AEAD_KEY_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", key_bytes.bytes[i]);
	set(part, key, text);
	buf_printf(tokens, "%s/%s=%s; ", part->role->name, kind, text);
	explicit_bzero(text, sizeof(text));
	aead_key_wipe(&key_bytes);
}

static void draw_tokens(struct configuration *c, const struct process_part *part,
			struct buf *tokens)
{
	static const char *const KEYS[] = { "dapr.token", "dapr.token_file", "dapr.app_token",
					    "dapr.app_token_file" };

	for (size_t i = 0; i < ARRAY_SIZE(KEYS); i++) {
		if (is_given(part->config, KEYS[i]))
			return;
	}
	draw_token(c, part, "dapr.token", "api", tokens);
	draw_token(c, part, "dapr.app_token", "app", tokens);
}

static void put_crons(const struct role *role, struct buf *crons)
{
	for (const struct cron *cron = role->crons; cron != NULL && cron->name != NULL; cron++) {
		assert(cron->schedule != NULL);
		buf_printf(crons, "%s%s/%s=%s", crons->n > 0 ? "; " : "", role->name, cron->name,
			   cron->schedule);
	}
}

/* ---- secrets ---- */

struct secret {
	const struct process_part *part;
	const struct role_secret *entry;
};

/* The n-th secret of all roles; false past the last. */
static bool secret_at(const struct configuration *c, size_t n, struct secret *ret)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct role_secret *s = c->parts[i].role->secrets;
		for (; s != NULL && s->name != NULL; s++) {
			if (n-- == 0) {
				*ret = (struct secret){ &c->parts[i], s };
				return true;
			}
		}
	}
	return false;
}

/* Whether one before the n-th has the same name, and, unless it is NULL, the same key. */
static bool came_before(const struct configuration *c, size_t n, const struct role_secret *wanted,
			const char *key)
{
	struct secret s;

	for (size_t i = 0; i < n && secret_at(c, i, &s); i++) {
		if (strcmp(s.entry->name, wanted->name) == 0 &&
		    (key == NULL || strcmp(s.entry->key, key) == 0))
			return true;
	}
	return false;
}

static void read_secret(struct configuration *c, const struct secret *s, const char *path,
			struct json_out *o)
{
	char *bytes = malloc(SECRET_MAX);
	ssize_t n = bytes != NULL ? file_read(path, bytes, SECRET_MAX) : -ENOMEM;

	if (n < 0)
		buf_printf(&c->mistakes, "%s: %s: cannot read %s: %s\n", s->part->role->name,
			   s->entry->file_key, path, strerror((int)-n));
	else
		json_key_str(o, str_from(s->entry->key),
			     str_trim((struct str){ bytes, (size_t)n }));
	if (bytes != NULL)
		explicit_bzero(bytes, SECRET_MAX);
	free(bytes);
}

static void put_secret(struct configuration *c, const struct secret *s, struct json_out *o)
{
	struct str path = config_str(s->part->config, s->entry->file_key);

	if (path.n > 0)
		read_secret(c, s, path.p, o);
}

static void check_secret(struct configuration *c, const struct secret *s)
{
	const struct config *config = s->part->config;
	const struct role_secret *e = s->entry;

	if (e->hint == NULL || config_str(config, e->file_key).n > 0 ||
	    (e->needed_by != NULL && config_str(config, e->needed_by).n == 0))
		return;
	buf_printf(&c->mistakes, "%s: %s: must be set", s->part->role->name, e->file_key);
	if (e->needed_by != NULL)
		buf_printf(&c->mistakes, " when %s is", e->needed_by);
	buf_printf(&c->mistakes, ", or sidecar.secrets_file; make one: %s\n", e->hint);
}

static void put_secrets(struct configuration *c, struct buf *out)
{
	struct json_out o;
	struct secret first, s;

	json_out_init(&o, out);
	json_begin_object(&o);
	for (size_t i = 0; secret_at(c, i, &first); i++) {
		check_secret(c, &first);
		if (came_before(c, i, first.entry, NULL))
			continue;
		json_key(&o, str_from(first.entry->name));
		json_begin_object(&o);
		for (size_t j = i; secret_at(c, j, &s); j++) {
			if (strcmp(s.entry->name, first.entry->name) == 0 &&
			    !came_before(c, j, s.entry, s.entry->key))
				put_secret(c, &s, &o);
		}
		json_end_object(&o);
	}
	json_end_object(&o);
}

/* ---- all of it ---- */

static void bind_apps(struct configuration *c, const struct process_part *host, struct bindings *b)
{
	bool has_tokens = is_given(host->config, "sidecar.token_dir") ||
			  is_given(host->config, "sidecar.tokens");

	for (size_t i = 0; i < c->n; i++) {
		const struct process_part *part = &c->parts[i];
		if (!(part->role->needs & (NEED_DAPR | WANT_DAPR)) ||
		    is_given(part->config, "dapr.url"))
			continue;
		bind_app(c, part, &b->apps);
		put_crons(part->role, &b->crons);
		if (!has_tokens)
			draw_tokens(c, part, &b->tokens);
	}
}

static void give(struct configuration *c, const struct process_part *host, const char *key,
		 struct buf *value)
{
	if (buf_status(value) < 0)
		buf_printf(&c->mistakes, "%s: out of memory\n", key);
	else if (value->n > 0 && !is_given(host->config, key))
		config_set(host->config, str_from(key), buf_str(value), CONFIGURE_ALL_PLACE);
	if (value->n > 0)
		explicit_bzero(value->p, value->n);
	buf_done(value);
}

void configure_derive_sidecar(struct configuration *c)
{
	const struct process_part *host = find_host(c);
	struct bindings b;

	if (host == NULL)
		return;
	buf_init(&b.apps, LIST_MAX);
	buf_init(&b.tokens, LIST_MAX);
	buf_init(&b.crons, LIST_MAX);
	buf_init(&b.secrets, LIST_MAX);
	if (!is_given(host->config, "sidecar.apps"))
		bind_apps(c, host, &b);
	if (!is_given(host->config, "sidecar.secrets_file") &&
	    !is_given(host->config, "sidecar.secrets"))
		put_secrets(c, &b.secrets);
	give(c, host, "sidecar.apps", &b.apps);
	give(c, host, "sidecar.tokens", &b.tokens);
	give(c, host, "sidecar.crons", &b.crons);
	give(c, host, "sidecar.secrets", &b.secrets);
}
