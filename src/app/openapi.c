/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAPI 3.1 from the route tables. What every route shares (errors, ids in paths, conditional and
 * idempotent headers) is said here once, from the route's flags.
 */
#include "app/openapi.h"
#include "app_private.h"
#include "base/embed.h"
#include "base/json.h"
#include "base/version.h"

EMBED(problem_schema, "src/app/problem.schema.json");

/* What names in patterns are. */
static const struct {
	const char *name, *schema, *doc;
} PATH_PARAMS[] = {
	{ "user_id", "{\"type\":\"string\",\"minLength\":1,\"maxLength\":128}",
	  "the user; must be the token's" },
	{ "id", "{\"type\":\"integer\",\"minimum\":1}", "the task" },
	{ "reminder_id", "{\"type\":\"string\",\"format\":\"uuid\"}", "the reminder" },
	{ "name", "{\"type\":\"string\",\"minLength\":1,\"maxLength\":50}",
	  "the tag, in any case" },
};

/* Headers that a flag of the route brings. */
static const struct {
	unsigned flag;
	const char *name, *schema, *doc;
} FLAG_HEADERS[] = {
	{ ROUTE_IDEMPOTENT, "Idempotency-Key",
	  "{\"type\":\"string\",\"minLength\":1,\"maxLength\":255,\"pattern\":\"^[ -~]+$\"}",
	  "a repeated write with the same key and body is done once and answered as the first time, for 24 hours" },
	{ ROUTE_IF_MATCH, "If-Match",
	  "{\"type\":\"string\",\"pattern\":\"^(\\\\*|\\\"[0-9]+\\\")$\"}",
	  "only if the task still has this ETag, else 412" },
	{ ROUTE_ETAG, "If-None-Match", "{\"type\":\"string\",\"pattern\":\"^[ -~]*$\"}",
	  "304 if the answer would be the same" },
};

static const struct {
	const char *name, *schema, *doc;
} ANSWER_HEADERS[] = {
	{ "ETag", "{\"type\":\"string\"}", "the version of what is answered" },
	{ "Location", "{\"type\":\"string\"}", "path of what was created" },
	{ "Link", "{\"type\":\"string\"}", "rel=\"next\": the next page" },
	{ "X-Total-Count", "{\"type\":\"string\",\"pattern\":\"^[0-9]+$\"}",
	  "tasks in the whole list" },
	{ "Idempotency-Replayed", "{\"type\":\"string\",\"enum\":[\"true\"]}",
	  "the answer is that of an earlier request" },
};

static void write_param(struct json_out *o, const char *name, const char *in, const char *schema,
			const char *doc)
{
	json_begin_object(o);
	json_key_str(o, STR("name"), str_from(name));
	json_key_str(o, STR("in"), str_from(in));
	json_key_bool(o, STR("required"), str_eq(str_from(in), STR("path")));
	json_key_raw(o, STR("schema"), str_from(schema));
	json_key_str(o, STR("description"), str_from(doc));
	json_end_object(o);
}

static void write_params(struct json_out *o, const struct route *r)
{
	json_key(o, STR("parameters"));
	json_begin_array(o);
	for (size_t i = 0; i < ARRAY_SIZE(PATH_PARAMS); i++) {
		if (route_param_index(r, PATH_PARAMS[i].name) >= 0)
			write_param(o, PATH_PARAMS[i].name, "path", PATH_PARAMS[i].schema,
				    PATH_PARAMS[i].doc);
	}
	for (const struct route_param *p = r->params; p != NULL && p->name != NULL; p++)
		write_param(o, p->name, p->in == PARAM_QUERY ? "query" : "header", p->schema,
			    p->doc);
	for (size_t i = 0; i < ARRAY_SIZE(FLAG_HEADERS); i++) {
		if (r->flags & FLAG_HEADERS[i].flag)
			write_param(o, FLAG_HEADERS[i].name, "header", FLAG_HEADERS[i].schema,
				    FLAG_HEADERS[i].doc);
	}
	json_end_array(o);
}

static void write_content(struct json_out *o, const char *media_type, const char *schema)
{
	json_key(o, STR("content"));
	json_begin_object(o);
	json_key(o, str_from(media_type));
	json_begin_object(o);
	json_key_raw(o, STR("schema"), str_from(schema));
	json_end_object(o);
	json_end_object(o);
}

static void write_body(struct json_out *o, const struct route *r)
{
	if (r->body_max == 0)
		return;
	json_key(o, STR("requestBody"));
	json_begin_object(o);
	json_key_bool(o, STR("required"), !(r->flags & ROUTE_OPTIONAL_BODY));
	write_content(o, "application/json", r->body_schema);
	json_end_object(o);
}

static void write_answer_headers(struct json_out *o, const char *names)
{
	struct str rest = str_from(names), name;

	json_key(o, STR("headers"));
	json_begin_object(o);
	while (rest.n > 0 && str_split(&rest, ' ', &name)) {
		for (size_t i = 0; i < ARRAY_SIZE(ANSWER_HEADERS); i++) {
			if (!str_eq(name, str_from(ANSWER_HEADERS[i].name)))
				continue;
			json_key(o, name);
			json_begin_object(o);
			json_key_raw(o, STR("schema"), str_from(ANSWER_HEADERS[i].schema));
			json_key_str(o, STR("description"), str_from(ANSWER_HEADERS[i].doc));
			json_end_object(o);
		}
	}
	json_end_object(o);
}

static void write_status_key(struct json_out *o, int status)
{
	char text[4] = { (char)('0' + status / 100), (char)('0' + status / 10 % 10),
			 (char)('0' + status % 10), 0 };

	json_key(o, str_from(text));
}

static void write_answer(struct json_out *o, const struct route_answer *a)
{
	write_status_key(o, a->status);
	json_begin_object(o);
	json_key_str(o, STR("description"), str_from(a->doc));
	if (a->headers != NULL)
		write_answer_headers(o, a->headers);
	if (a->schema != NULL)
		write_content(o, "application/json", a->schema);
	json_end_object(o);
}

/* The errors any route of these flags can give, beside its own. Ascending. */
static bool has_error(const struct route *r, int status)
{
	bool is_public = r->flags & ROUTE_PUBLIC, has_body = r->body_max > 0;

	for (size_t i = 0; r->errors != NULL && r->errors[i] != NULL; i++) {
		if (r->errors[i]->http_status == status)
			return true;
	}
	switch (status) {
	case 400:
	case 503:
		return true;
	case 401:
	case 403:
		return !is_public;
	case 412:
		return r->flags & ROUTE_IF_MATCH;
	case 413:
		return !is_public;
	case 411:
		return has_body && !(r->flags & ROUTE_OPTIONAL_BODY);
	case 415:
		return has_body;
	case 422:
		return has_body || r->params != NULL || (r->flags & ROUTE_IDEMPOTENT);
	default:
		return false;
	}
}

static void write_answers(struct json_out *o, const struct route *r)
{
	static const int STATUSES[] = { 400, 401, 403, 404, 409, 410, 411,
					412, 413, 415, 422, 429, 503 };

	json_key(o, STR("responses"));
	json_begin_object(o);
	for (const struct route_answer *a = r->answers; a->status != 0; a++)
		write_answer(o, a);
	if (r->flags & ROUTE_ETAG) {
		write_status_key(o, 304);
		json_raw(o, STR("{\"description\":\"not changed\"}"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(STATUSES); i++) {
		if (!has_error(r, STATUSES[i]))
			continue;
		write_status_key(o, STATUSES[i]);
		json_raw(o, STR("{\"$ref\":\"#/components/responses/Problem\"}"));
	}
	json_end_object(o);
}

static void write_aliases(struct json_out *o, const struct route *r)
{
	struct buf text;

	if (r->aliases == NULL)
		return;
	buf_init(&text, 1024);
	buf_append_str(&text, STR("Also at"));
	for (size_t i = 0; r->aliases[i] != NULL; i++)
		buf_printf(&text, "%s `%s`", i > 0 ? "," : "", r->aliases[i]);
	buf_append_str(&text, STR("; a path without a user means the token's."));
	if (buf_status(&text) < 0)
		o->buf->failed = true;
	json_key_str(o, STR("description"), buf_str(&text));
	buf_done(&text);
}

static void write_operation(struct json_out *o, const struct route *r)
{
	static const char *const KEYS[_HTTP_METHOD_MAX] = {
		[HTTP_GET] = "get",	    [HTTP_HEAD] = "head",   [HTTP_POST] = "post",
		[HTTP_PUT] = "put",	    [HTTP_PATCH] = "patch", [HTTP_DELETE] = "delete",
		[HTTP_OPTIONS] = "options",
	};

	json_key(o, str_from(KEYS[r->method]));
	json_begin_object(o);
	json_key_str(o, STR("operationId"), str_from(r->operation));
	json_key_str(o, STR("summary"), str_from(r->summary));
	write_aliases(o, r);
	if (r->flags & ROUTE_PUBLIC)
		json_key_raw(o, STR("security"), STR("[]"));
	write_params(o, r);
	write_body(o, r);
	write_answers(o, r);
	json_end_object(o);
}

/* All operations of one pattern, which stand together in a table. */
static const struct route *write_path(struct json_out *o, const struct route *r)
{
	const char *pattern = r->pattern;

	json_key(o, str_from(pattern));
	json_begin_object(o);
	for (; r->pattern != NULL && str_eq(str_from(r->pattern), str_from(pattern)); r++)
		write_operation(o, r);
	json_end_object(o);
	return r;
}

static void write_paths(struct json_out *o, const struct route *routes)
{
	while (routes->pattern != NULL)
		routes = write_path(o, routes);
}

static void write_components(struct json_out *o, const struct role *role)
{
	json_key(o, STR("components"));
	json_begin_object(o);
	json_key_raw(
		o, STR("securitySchemes"),
		STR("{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"}}"));
	json_key_raw(
		o, STR("responses"),
		STR("{\"Problem\":{\"description\":\"what went wrong\",\"content\":{\"application/problem+json\":"
		    "{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}}"));
	json_key(o, STR("schemas"));
	json_begin_object(o);
	json_key_raw(o, STR("Problem"), str_trim(problem_schema()));
	for (const struct named_schema *s = role->schemas; s != NULL && s->name != NULL; s++)
		json_key_raw(o, str_from(s->name), str_trim(s->json()));
	json_end_object(o);
	json_end_object(o);
}

void openapi_write(const struct role *role, struct buf *out)
{
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("openapi"), STR("3.1.0"));
	json_key(&o, STR("info"));
	json_begin_object(&o);
	json_key_str(&o, STR("title"), STR("todod"));
	json_key_str(&o, STR("summary"), str_from(role->summary));
	json_key_str(&o, STR("version"), str_from(TODOD_VERSION));
	json_key_raw(&o, STR("license"),
		     STR("{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}"));
	json_end_object(&o);
	json_key_raw(&o, STR("security"), STR("[{\"bearer\":[]}]"));
	json_key(&o, STR("paths"));
	json_begin_object(&o);
	write_paths(&o, HEALTH_ROUTES);
	write_paths(&o, OPENAPI_ROUTES);
	write_paths(&o, role->routes);
	json_end_object(&o);
	write_components(&o, role);
	json_end_object(&o);
}

static void get_openapi(struct request *rq)
{
	struct buf *body = request_buf(rq, 1024 * 1024);

	if (body == NULL) {
		reply_problem(rq);
		return;
	}
	openapi_write(app_role(rq->app), body);
	reply_json(rq, 200, body);
}

static const struct route_answer OPENAPI_ANSWERS[] = {
	{ 200, "{\"type\":\"object\",\"required\":[\"openapi\",\"paths\"]}", "this document",
	  NULL },
	{ .status = 0 },
};

const struct route OPENAPI_ROUTES[] = {
	{
		.method = HTTP_GET,
		.pattern = "/openapi.json",
		.operation = "readOpenApi",
		.summary = "This description of the API",
		.flags = ROUTE_PUBLIC | ROUTE_INLINE,
		.answers = OPENAPI_ANSWERS,
		.handler = get_openapi,
	},
	{ .pattern = NULL },
};
