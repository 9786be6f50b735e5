/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sidecar's client: its life, and what all calls do alike (token, deadline, what a status
 * means, counting). A call holds a reference while its fiber waits, so that sidecar_free may come
 * in between. daprd's --max-body-size (4 MiB) answers 500 or 400 like any other mistake and would
 * look as if it could pass: what is longer is not sent.
 */
#include "src/dapr/sidecar_private.h"

#include "base/json.h"
#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	ARENA_BYTES = 1024 * 1024, /* of a call, without its bodies */
	CONNECT_TIMEOUT_MS = 1000, /* it is on this machine */
	HEADERS_MAX = 64,
	RETRY_AFTER_S = 1,
	WORDS_MAX = 200, /* of an answer, in an error */
};

static const struct metric_family CALLS = {
	"todod_sidecar_calls_total",
	METRIC_COUNTER,
	"Calls to the Dapr sidecar.",
};
static const struct metric_family SECONDS = {
	"todod_sidecar_call_seconds",
	METRIC_HISTOGRAM,
	"Time of a call to the Dapr sidecar.",
};

static const char *const op_names[_SIDECAR_OP_MAX] = {
	[SIDECAR_HEALTH] = "health",	   [SIDECAR_METADATA] = "metadata",
	[SIDECAR_PUBLISH] = "publish",	   [SIDECAR_STATE_GET] = "state_get",
	[SIDECAR_STATE_PUT] = "state_put", [SIDECAR_STATE_DELETE] = "state_delete",
	[SIDECAR_JOB_PUT] = "job_put",	   [SIDECAR_JOB_DELETE] = "job_delete",
	[SIDECAR_SECRET] = "secret",	   [SIDECAR_INVOKE] = "invoke",
};

static const char *const result_names[_SIDECAR_RESULT_MAX] = {
	[SIDECAR_OK] = "ok",	       [SIDECAR_UNAVAILABLE] = "unavailable",
	[SIDECAR_TIMEOUT] = "timeout", [SIDECAR_CANCELLED] = "cancelled",
	[SIDECAR_REFUSED] = "refused",
};

/* ---- life ---- */

static void make_metrics(struct sidecar *s)
{
	char labels[96];

	for (size_t op = 0; op < _SIDECAR_OP_MAX; op++) {
		for (size_t r = 0; r < _SIDECAR_RESULT_MAX; r++) {
			snprintf(labels, sizeof(labels), "call=\"%s\",result=\"%s\"", op_names[op],
				 result_names[r]);
			s->results[op][r] = metric_get(&CALLS, labels);
		}
		snprintf(labels, sizeof(labels), "call=\"%s\"", op_names[op]);
		s->seconds[op] = metric_get(&SECONDS, labels);
	}
}

void sidecar_unref(struct sidecar *s)
{
	if (--s->refs > 0)
		return;
	if (s->token_header)
		explicit_bzero(s->token_header, strlen(s->token_header));
	free(s->token_header);
	free(s);
}

struct sidecar *sidecar_new(const struct sidecar_config *config)
{
	struct sidecar *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->config = *config;
	s->refs = 1;
	s->publish_api = s->jobs_api = config->api;
	if (config->token.n > 0 &&
	    asprintf(&s->token_header, "dapr-api-token: %.*s", STR_ARGS(config->token)) < 0)
		s->token_header = NULL;
	s->http = http_client_new(config->loop, config->max_calls);
	if (!s->http || (config->token.n > 0 && !s->token_header)) {
		sidecar_free(s);
		return NULL;
	}
	make_metrics(s);
	return s;
}

void sidecar_free(struct sidecar *s)
{
	if (!s)
		return;
	s->closed = true;
	http_client_free(s->http);
	s->http = NULL;
	sidecar_unref(s);
}

bool sidecar_is_up(const struct sidecar *s)
{
	return s->up;
}

/* ---- errors ---- */

int sidecar_no_memory(struct err *reterr)
{
	err_unavailable(reterr, RETRY_AFTER_S, "Not enough memory to call the sidecar.");
	return -ENOMEM;
}

int sidecar_garbage(const struct sidecar_op *op, struct err *reterr)
{
	return err_unavailable(reterr, RETRY_AFTER_S,
			       "%s: the sidecar answers %d with what is no answer to that",
			       op_names[op->kind], op->response.status);
}

int sidecar_refuse(const struct sidecar_op *op, struct err *reterr, const char *text)
{
	err_set(reterr, &ERR_INTERNAL, NULL, "%s: %s", op_names[op->kind], text);
	return -EINVAL;
}

struct words {
	struct json_str code, message;
};

static const struct json_field word_fields[] = {
	JSON_FIELD(struct words, code, "errorCode", JSON_KIND_STR),
	JSON_FIELD(struct words, message, "message", JSON_KIND_STR),
	JSON_FIELD_END,
};

/* Valid text cut between characters. */
static struct str first_words(struct str s)
{
	if (s.n <= WORDS_MAX)
		return s;
	s.n = WORDS_MAX;
	while (s.n > 0 && ((unsigned char)s.p[s.n] & 0xC0) == 0x80)
		s.n--;
	return s;
}

/* What the sidecar has to say: "ERR_X: why", or the text it sent. */
static struct str words(struct sidecar_op *op)
{
	struct str body = buf_str(&op->response.body), text = { NULL, 0 };
	struct words w = { 0 };

	if (json_parse(op->arena, body, "", word_fields, &w, NULL) == 0 && w.code.state == JSON_SET)
		text = arena_printf(op->arena, "%.*s: %.*s", STR_ARGS(w.code.v),
				    STR_ARGS(w.message.v));
	if (!text.p)
		text = utf8_valid(body) ? str_trim(body) : STR("(no text)");
	return first_words(text);
}

bool sidecar_has_error_code(struct sidecar_op *op, struct str code)
{
	struct words w = { 0 };

	return json_parse(op->arena, buf_str(&op->response.body), "", word_fields, &w, NULL) == 0 &&
	       w.code.state == JSON_SET && str_eq(w.code.v, code);
}

static bool is_state(enum sidecar_op_kind kind)
{
	return kind == SIDECAR_STATE_PUT || kind == SIDECAR_STATE_DELETE;
}

int sidecar_check_status(struct sidecar_op *op, struct err *reterr)
{
	static const char format[] = "%s: the sidecar answers %d %.*s";
	const char *name = op_names[op->kind];
	int status = op->response.status;
	struct str text;

	if (status >= 200 && status < 300)
		return 0;
	text = words(op);
	if (status == 429 || status >= 500)
		return err_unavailable(reterr, RETRY_AFTER_S, format, name, status, STR_ARGS(text));
	if (status == 409 && is_state(op->kind))
		return err_set(reterr, &ERR_CONFLICT, NULL, format, name, status, STR_ARGS(text));
	/* Not the user's mistake, whatever the status. */
	err_set(reterr, &ERR_INTERNAL, NULL, format, name, status, STR_ARGS(text));
	return status == 403 ? -EACCES : -EINVAL;
}

/* What became of an exchange that brought no answer, in the terms of sidecar.h. */
static int transport_error(struct sidecar_op *op, int r, const struct err *why, struct err *reterr)
{
	const char *name = op_names[op->kind];

	if (r == -ECONNREFUSED || r == -EPROTO)
		r = -EAGAIN;
	if (r == -EMSGSIZE)
		return sidecar_refuse(op, reterr, why->text);
	err_set(reterr, why->kind, why->field, "%s: %s", name, why->text);
	if (reterr)
		reterr->retry_after_s = why->retry_after_s;
	return r;
}

/* ---- a call ---- */

int sidecar_op_begin(struct sidecar_op *op, struct sidecar *s, enum sidecar_op_kind kind,
		     struct err *reterr)
{
	*op = (struct sidecar_op){ .s = s, .kind = kind, .started_ms = time_monotonic_ms() };
	buf_init(&op->response.body, 0);
	s->refs++;
	if (s->closed) {
		err_unavailable(reterr, RETRY_AFTER_S, "%s: the client is closed", op_names[kind]);
		return -ECANCELED;
	}
	op->arena = arena_new(ARENA_BYTES);
	return op->arena ? 0 : sidecar_no_memory(reterr);
}

static enum sidecar_result result_of(int r)
{
	if (r == 0 || r == -EEXIST || r == -ENOENT)
		return SIDECAR_OK;
	if (r == -EAGAIN || r == -ENOMEM)
		return SIDECAR_UNAVAILABLE;
	if (r == -ETIME)
		return SIDECAR_TIMEOUT;
	return r == -ECANCELED ? SIDECAR_CANCELLED : SIDECAR_REFUSED;
}

int sidecar_op_end(struct sidecar_op *op, int r)
{
	struct sidecar *s = op->s;
	int64_t took_ms = time_monotonic_ms() - op->started_ms;

	metric_add(s->results[op->kind][result_of(r)], 1);
	metric_observe(s->seconds[op->kind], (double)took_ms / 1000);
	if (op->kind == SIDECAR_SECRET && op->response.body.p)
		explicit_bzero(op->response.body.p, op->response.body.n);
	buf_done(&op->response.body);
	arena_free(op->arena);
	sidecar_unref(s);
	return r;
}

/* Headers of the call, and the token. What begins with dapr- is the sidecar's language, and not
 * for those to speak whose headers are passed on. */
static int gather_headers(const struct sidecar_op *op, const struct sidecar_exchange *x,
			  const char *all[HEADERS_MAX + 2], struct err *reterr)
{
	static const char *const json[] = { "Content-Type: application/json", NULL };
	static const char *const none[] = { NULL };
	const char *const *h = x->headers ? x->headers : x->body.p ? json : none;
	size_t n = 0;

	for (; *h; h++) {
		if (strncasecmp(*h, "dapr-", 5) == 0)
			continue;
		if (n == HEADERS_MAX)
			return sidecar_refuse(op, reterr, "too many headers");
		all[n++] = *h;
	}
	if (op->s->token_header)
		all[n++] = op->s->token_header;
	all[n] = NULL;
	return 0;
}

/* Whether the last call reached it; some say nothing about that. */
static void note_reached(struct sidecar *s, int r)
{
	if (r == 0 || r == -EMSGSIZE)
		s->up = true;
	else if (r == -ECONNREFUSED || r == -EPROTO || r == -ETIME)
		s->up = false;
}

int sidecar_exchange_wait(struct sidecar_op *op, const struct sidecar_exchange *x,
			  struct err *reterr)
{
	struct sidecar *s = op->s;
	const char *headers[HEADERS_MAX + 2];
	struct str url = x->path;
	struct err why = { 0 };
	struct http_call call = {
		.method = x->method,
		.headers = headers,
		.body = x->body,
		.timeout_ms = x->timeout_ms ? x->timeout_ms : s->config.timeout_ms,
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
		.max_response_bytes = x->max_response_bytes,
		.keep_header = x->keep_header,
		.once = x->once,
	};
	int r;

	if (x->body.n > SIDECAR_BODY_MAX)
		return err_set(reterr, &ERR_CONTENT_TOO_LARGE, NULL,
			       "%s: the sidecar takes at most %d bytes, these are %zu",
			       op_names[op->kind], SIDECAR_BODY_MAX, x->body.n);
	if (url.p)
		url = arena_printf(op->arena, "%s%s", s->config.url, url.p);
	if (!url.p)
		return sidecar_no_memory(reterr);
	call.url = url.p;
	r = gather_headers(op, x, headers, reterr);
	if (r < 0)
		return r;
	r = http_client_wait(s->http, &call, &op->response, &why);
	note_reached(s, r);
	return r < 0 ? transport_error(op, r, &why, reterr) : 0;
}

int sidecar_call_wait(struct sidecar_op *op, const struct sidecar_exchange *x, struct err *reterr)
{
	int r = sidecar_exchange_wait(op, x, reterr);

	return r < 0 ? r : sidecar_check_status(op, reterr);
}
