/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the configuration of the embedded sidecar. Everything is checked before anything listens.
 */
#include "settings_private.h"

#include "slice_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARENA_BYTES = 4 * 1024 * 1024, FILE_MAX_BYTES = 1024 * 1024, TOKEN_MAX_BYTES = 1024 };

#define SECOND 1000
#define DAY (INT64_C(24) * 3600 * SECOND)

/* clang-format off */
const struct config_key SIDECAR_OPTIONS[] = {
	{ "sidecar.apps", CONFIG_STRING, NULL, 0, 8192, NULL, CONFIG_REQUIRED,
	  "apps and their instances: ID=API-PORT:ADDRESS:PORT, ...; an app named again has one more instance" },
	{ "sidecar.token_dir", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "directory with ID.api-token (an app must send it) and ID.app-token (the app is sent it); empty: no tokens" },
	{ "sidecar.tokens", CONFIG_STRING, NULL, 0, 65536, NULL, CONFIG_SECRET,
	  "the tokens themselves, instead of sidecar.token_dir: ID/api=TOKEN; ID/app=TOKEN; ..." },
	{ "sidecar.secrets_file", CONFIG_STRING, NULL, 0, 4096, NULL, 0,
	  "secret store: a file with JSON, {NAME: {KEY: VALUE}}" },
	{ "sidecar.secrets", CONFIG_STRING, NULL, 0, 65536, NULL, CONFIG_SECRET,
	  "that JSON itself, instead of sidecar.secrets_file" },
	{ "sidecar.crons", CONFIG_STRING, NULL, 0, 8192, NULL, 0,
	  "cron bindings: ID/NAME=SCHEDULE; ...: @every 60s, or six fields, in UTC" },
	{ "sidecar.scopes", CONFIG_STRING, NULL, 0, 8192, NULL, 0,
	  "what an app may: ID/KIND=NAME ...; ...: publish and subscribe (topics), secrets, invoke (apps), components; "
	  "without such a rule: anything; with none after it: nothing" },
	{ "sidecar.topics", CONFIG_STRING, NULL, 0, 8192, NULL, 0,
	  "the topics there are, with spaces between; empty: any that is named" },
	{ "sidecar.pubsub", CONFIG_STRING, "kafka-pubsub", 1, 100, NULL, CONFIG_REQUIRED,
	  "name of the pub/sub component; the instances of an app are one group" },
	{ "sidecar.replica_pubsub", CONFIG_STRING, "kafka-pubsub-replica", 1, 100, NULL, CONFIG_REQUIRED,
	  "the same topics, where each instance is a group of its own that begins with what is new" },
	{ "sidecar.state_store", CONFIG_STRING, "statestore", 1, 100, NULL, CONFIG_REQUIRED,
	  "name of the state store" },
	{ "sidecar.secret_store", CONFIG_STRING, "secrets", 1, 100, NULL, CONFIG_REQUIRED,
	  "name of the secret store" },
	{ "sidecar.retention", CONFIG_DURATION_MS, "7d", 1000, 3650 * DAY, NULL, 0,
	  "how long records of topics are kept" },
	{ "sidecar.dead_retention", CONFIG_DURATION_MS, "30d", 1000, 3650 * DAY, NULL, 0,
	  "how long records of dlq.* topics are kept" },
	{ "sidecar.sweep_after", CONFIG_DURATION_MS, "60s", 1, DAY, NULL, 0,
	  "the first sweep after the start; then one each hour" },
	{ "sidecar.probe_interval", CONFIG_DURATION_MS, "5s", 100, 60 * SECOND, NULL, 0,
	  "how often a healthy instance is asked for GET /healthz" },
	{ .name = NULL },
};
/* clang-format on */

static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '.' || c == '_'))
			return false;
	}
	return s.n > 0 && s.n <= 64 && s.p[0] != '.';
}

static ssize_t find_app(const struct settings *s, struct str id)
{
	for (size_t i = 0; i < s->n_apps; i++) {
		if (str_eq(s->apps[i].id, id))
			return (ssize_t)i;
	}
	return -1;
}

static int add_app(struct settings *s, struct str id, size_t *ret, struct err *reterr)
{
	ssize_t known = find_app(s, id);

	if (known >= 0) {
		*ret = (size_t)known;
		return 0;
	}
	if (s->n_apps == SETTINGS_APPS_MAX)
		return err_set(reterr, &ERR_INVALID, NULL, "sidecar.apps: at most %d apps",
			       SETTINGS_APPS_MAX);
	s->apps[s->n_apps].id = arena_dup(s->arena, id);
	if (s->apps[s->n_apps].id.p == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	*ret = s->n_apps++;
	return 0;
}

static int bad_app(struct str part, struct err *reterr)
{
	return err_set(reterr, &ERR_INVALID, NULL,
		       "sidecar.apps: \"%.*s\" is not ID=API-PORT:ADDRESS:PORT, such as "
		       "auditor=3504:127.0.0.1:8204",
		       STR_ARGS(part));
}

static bool is_port(struct str s, int64_t min, int64_t *ret)
{
	return str_parse_i64(s, ret) == 0 && *ret >= min && *ret <= 65535;
}

/* An instance of the app, at "API-PORT:ADDRESS:PORT". */
static int add_instance(struct settings *s, size_t app, struct str part, struct str where,
			struct err *reterr)
{
	struct settings_instance *i = &s->instances[s->n_instances];
	ssize_t first = str_find_char(where, ':', 0), last = first;
	int64_t api_port, port;

	for (ssize_t at = first; at >= 0; at = str_find_char(where, ':', (size_t)at + 1))
		last = at;
	if (first < 0 || last == first ||
	    !is_port((struct str){ where.p, (size_t)first }, 0, &api_port) ||
	    !is_port((struct str){ where.p + last + 1, where.n - (size_t)last - 1 }, 1, &port))
		return bad_app(part, reterr);
	if (s->n_instances == SETTINGS_INSTANCES_MAX)
		return err_set(reterr, &ERR_INVALID, NULL, "sidecar.apps: at most %d instances",
			       SETTINGS_INSTANCES_MAX);
	i->app = app;
	i->api_port = (uint16_t)api_port;
	i->address = arena_dup(s->arena,
			       (struct str){ where.p + first + 1, where.n - (size_t)first - 1 });
	if (i->address.p == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	for (size_t other = 0; other < s->n_instances; other++)
		i->number += s->instances[other].app == app;
	s->n_instances++;
	return 0;
}

int settings_parse_apps(struct settings *s, struct str text, struct err *reterr)
{
	struct str part;
	size_t app = 0;

	while (str_split(&text, ',', &part)) {
		struct str where = str_trim(part), id;

		if (where.n == 0)
			continue;
		if (!str_split(&where, '=', &id) || !is_name(id) || where.n == 0)
			return bad_app(part, reterr);
		int r = add_app(s, id, &app, reterr);
		if (r == 0)
			r = add_instance(s, app, part, where, reterr);
		if (r < 0)
			return r;
	}
	return s->n_apps > 0 ? 0 : bad_app(STR(""), reterr);
}

int settings_parse_rules(struct settings *s, const char *key, struct str text,
			 struct settings_rule rules[SETTINGS_RULES_MAX], size_t *n,
			 struct err *reterr)
{
	struct str part;

	while (str_split(&text, ';', &part)) {
		struct str value = str_trim(part), what, id;

		if (value.n == 0)
			continue;
		str_split(&value, '=', &what);
		struct str whole = what;
		str_split(&what, '/', &id);
		ssize_t app = find_app(s, id);
		if (app < 0 || !is_name(what) || memchr(part.p, '=', part.n) == NULL)
			return err_set(reterr, &ERR_INVALID, NULL,
				       "%s: \"%.*s\" is not APP/NAME=... of an app of sidecar.apps",
				       key, STR_ARGS(whole));
		if (*n == SETTINGS_RULES_MAX)
			return err_set(reterr, &ERR_INVALID, NULL, "%s: at most %d entries", key,
				       SETTINGS_RULES_MAX);
		rules[(*n)++] = (struct settings_rule){ (size_t)app, what, str_trim(value) };
	}
	return 0;
}

static bool lists(struct str words, struct str name)
{
	struct str word;

	while (str_split(&words, ' ', &word)) {
		if (str_eq(word, name))
			return true;
	}
	return false;
}

/* A kind that nobody asks for would allow what it was meant to forbid. */
static int check_scopes(const struct settings *s, struct err *reterr)
{
	static const struct str KINDS = STR_INIT("publish subscribe secrets invoke components");

	for (size_t i = 0; i < s->n_scopes; i++) {
		if (!lists(KINDS, s->scopes[i].what))
			return err_set(reterr, &ERR_INVALID, NULL,
				       "sidecar.scopes: \"%.*s\" is none of: %.*s",
				       STR_ARGS(s->scopes[i].what), STR_ARGS(KINDS));
	}
	return 0;
}

bool settings_has_topic(const struct settings *s, struct str name)
{
	return s->topics.n == 0 || lists(s->topics, name);
}

bool settings_allow(const struct settings *s, size_t app, struct str what, struct str name)
{
	bool is_ruled = false;

	for (size_t i = 0; i < s->n_scopes; i++) {
		const struct settings_rule *rule = &s->scopes[i];
		if (rule->app != app || !str_eq(rule->what, what))
			continue;
		if (lists(rule->value, name))
			return true;
		is_ruled = true;
	}
	return !is_ruled;
}

static ssize_t read_whole(int fd, char *bytes, size_t size)
{
	size_t n = 0;

	for (;;) {
		ssize_t r = read(fd, bytes + n, size - n);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return (ssize_t)n;
		if (r > 0)
			n += (size_t)r;
		if (n == size)
			return -EFBIG;
	}
}

/* A small file, whole. */
static int read_file(struct settings *s, const char *path, size_t max, struct str *ret,
		     struct err *reterr)
{
	char *bytes = arena_alloc(s->arena, max + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? (bytes != NULL ? read_whole(fd, bytes, max + 1) : -ENOMEM) : -errno;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return err_set(reterr, &ERR_INVALID, NULL, "cannot read %s: %s", path,
			       strerror((int)-n));
	*ret = (struct str){ bytes, (size_t)n };
	return 0;
}

static int check_token(struct str token, const char *from, struct err *reterr)
{
	for (size_t i = 0; i < token.n; i++) {
		if (token.p[i] <= ' ' || token.p[i] > '~')
			return err_set(reterr, &ERR_INVALID, NULL,
				       "%s is no token: printable ASCII without spaces", from);
	}
	return token.n > 0 ? 0
			   : err_set(reterr, &ERR_INVALID, NULL,
				     "%s is empty: it must hold a token", from);
}

static int read_token(struct settings *s, struct str dir, struct str id, const char *kind,
		      struct str *ret, struct err *reterr)
{
	struct str path = arena_printf(s->arena, "%.*s/%.*s.%s", STR_ARGS(dir), STR_ARGS(id), kind);
	int r = path.p != NULL ? read_file(s, path.p, TOKEN_MAX_BYTES, ret, reterr)
			       : err_unavailable(reterr, 1, "out of memory");

	if (r < 0)
		return r;
	*ret = str_trim(*ret);
	return check_token(*ret, path.p, reterr);
}

static int set_app_token(struct settings *s, struct settings_app *app, struct str token,
			 struct err *reterr)
{
	app->app_header = arena_printf(s->arena, "dapr-api-token: %.*s", STR_ARGS(token)).p;
	return app->app_header != NULL ? 0 : err_unavailable(reterr, 1, "out of memory");
}

static int read_token_dir(struct settings *s, struct str dir, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; r == 0 && dir.n > 0 && i < s->n_apps; i++) {
		struct settings_app *app = &s->apps[i];
		struct str app_token = { NULL, 0 };
		r = read_token(s, dir, app->id, "api-token", &app->api_token, reterr);
		if (r == 0)
			r = read_token(s, dir, app->id, "app-token", &app_token, reterr);
		if (r == 0)
			r = set_app_token(s, app, app_token, reterr);
	}
	return r;
}

/* text lives as long as the settings. */
static int read_tokens(struct settings *s, struct str text, struct err *reterr)
{
	struct settings_rule rules[SETTINGS_RULES_MAX];
	size_t n = 0;
	int r = settings_parse_rules(s, "sidecar.tokens", text, rules, &n, reterr);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct settings_app *app = &s->apps[rules[i].app];
		r = check_token(rules[i].value, "sidecar.tokens", reterr);
		if (r == 0 && str_eq(rules[i].what, STR("api")))
			app->api_token = rules[i].value;
		else if (r == 0 && str_eq(rules[i].what, STR("app")))
			r = set_app_token(s, app, rules[i].value, reterr);
		else if (r == 0)
			r = err_set(reterr, &ERR_INVALID, NULL,
				    "sidecar.tokens: %.*s/%.*s: there are ID/api and ID/app",
				    STR_ARGS(app->id), STR_ARGS(rules[i].what));
	}
	return r;
}

static int read_secrets(struct settings *s, const struct config *c, struct err *reterr)
{
	struct str path = config_str(c, "sidecar.secrets_file");
	const char *from = "sidecar.secrets";
	int r = 0;

	s->secrets = config_str(c, "sidecar.secrets");
	if (s->secrets.n == 0 && path.n > 0) {
		from = path.p;
		r = read_file(s, path.p, FILE_MAX_BYTES, &s->secrets, reterr);
	}
	if (r == 0 && s->secrets.n > 0 && slice_check(s->arena, s->secrets, NULL) < 0)
		r = err_set(reterr, &ERR_INVALID, NULL, "the secret store: %s is no JSON", from);
	return r;
}

static int read_all(struct settings *s, const struct config *c, struct err *reterr)
{
	int r = settings_parse_apps(s, config_str(c, "sidecar.apps"), reterr);

	if (r == 0)
		r = settings_parse_rules(s, "sidecar.crons", config_str(c, "sidecar.crons"),
					 s->crons, &s->n_crons, reterr);
	if (r == 0)
		r = settings_parse_rules(s, "sidecar.scopes", config_str(c, "sidecar.scopes"),
					 s->scopes, &s->n_scopes, reterr);
	if (r == 0)
		r = check_scopes(s, reterr);
	if (r == 0)
		r = read_token_dir(s, config_str(c, "sidecar.token_dir"), reterr);
	if (r == 0)
		r = read_tokens(s, config_str(c, "sidecar.tokens"), reterr);
	return r == 0 ? read_secrets(s, c, reterr) : r;
}

struct settings *settings_new(const struct config *c, struct err *reterr)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->arena = arena_new(ARENA_BYTES);
	if (s == NULL || s->arena == NULL) {
		err_unavailable(reterr, 1, "out of memory");
		settings_free(s);
		return NULL;
	}
	s->pubsub = config_str(c, "sidecar.pubsub");
	s->replica_pubsub = config_str(c, "sidecar.replica_pubsub");
	s->state_store = config_str(c, "sidecar.state_store");
	s->secret_store = config_str(c, "sidecar.secret_store");
	s->topics = config_str(c, "sidecar.topics");
	s->retention_ms = config_i64(c, "sidecar.retention");
	s->dead_retention_ms = config_i64(c, "sidecar.dead_retention");
	s->sweep_after_ms = config_i64(c, "sidecar.sweep_after");
	s->probe_ms = config_i64(c, "sidecar.probe_interval");
	if (read_all(s, c, reterr) < 0) {
		settings_free(s);
		return NULL;
	}
	return s;
}

void settings_free(struct settings *s)
{
	if (s != NULL)
		arena_free(s->arena);
	free(s);
}
