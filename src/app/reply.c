/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers. Every one carries X-Request-Id; every error is application/problem+json (RFC 9457) with
 * the `detail` that older clients read: a string, or for 422 an array of {loc, msg, type}.
 */
#include "app_private.h"
#include "base/json.h"

#include <assert.h>
#include <errno.h>

static const struct str STANDING_NAMES[] = {
	STR_INIT("X-Content-Type-Options"),
	STR_INIT("Cache-Control"),
};
static const struct str STANDING_VALUES[] = {
	STR_INIT("nosniff"),
	STR_INIT("no-store"),
};

enum { REPLY_MAX_HEADERS = REQUEST_MAX_HEADERS + 8 };

static size_t add_header(struct http_header *headers, size_t n, size_t max, struct str name,
			 struct str value)
{
	if (n < max)
		headers[n++] = (struct http_header){ name, value };
	return n;
}

static size_t standing_headers(const struct request *rq, struct http_header *headers, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(STANDING_NAMES); i++)
		n = add_header(headers, n, max, STANDING_NAMES[i], STANDING_VALUES[i]);
	if (rq == NULL)
		return n;
	n = add_header(headers, n, max, STR("X-Request-Id"), str_from(rq->log.correlation_id));
	for (size_t i = 0; i < rq->n_headers; i++)
		n = add_header(headers, n, max, rq->headers[i].name, rq->headers[i].value);
	return n;
}

/* "body.tags.2" as ["body","tags",2]. */
static void write_loc(struct json_out *o, struct str field)
{
	struct str part;
	int64_t index;

	json_begin_array(o);
	while (field.n > 0 && str_split(&field, '.', &part)) {
		if (str_parse_i64(part, &index) == 0)
			json_i64(o, index);
		else
			json_str(o, part);
	}
	json_end_array(o);
}

static void write_detail(struct json_out *o, const struct err *e)
{
	json_key(o, STR("detail"));
	if (e->kind->http_status == 500) { /* what broke is for the log, not for clients */
		json_str(o, STR("a bug in todod: the log of this request says more"));
		return;
	}
	if (e->kind->http_status != 422) {
		json_str(o, str_from(e->text));
		return;
	}
	json_begin_array(o);
	json_begin_object(o);
	json_key(o, STR("loc"));
	write_loc(o, str_from(e->field));
	json_key_str(o, STR("msg"), str_from(e->text));
	json_key_str(o, STR("type"), str_from(e->kind->code));
	json_end_object(o);
	json_end_array(o);
}

static void write_problem(struct buf *out, const struct err *e, const char *request_id)
{
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	write_detail(&o, e);
	json_key_str(&o, STR("type"), STR("about:blank"));
	json_key_str(&o, STR("title"), str_from(e->kind->title));
	json_key_i64(&o, STR("status"), e->kind->http_status);
	json_key_str(&o, STR("code"), str_from(e->kind->code));
	if (e->field[0] != '\0')
		json_key_str(&o, STR("field"), str_from(e->field));
	if (request_id != NULL)
		json_key_str(&o, STR("request_id"), str_from(request_id));
	json_end_object(&o);
}

static struct str retry_after_text(unsigned seconds)
{
	static const struct str TEXTS[] = { STR_INIT("1"),  STR_INIT("2"),  STR_INIT("5"),
					    STR_INIT("10"), STR_INIT("30"), STR_INIT("60") };
	static const unsigned SECONDS[] = { 1, 2, 5, 10, 30, 60 };
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(SECONDS) && SECONDS[i] < seconds)
		i++;
	return TEXTS[i];
}

size_t problem_write(struct request *rq, const struct err *e, struct buf *out,
		     struct http_header *headers, size_t max_headers)
{
	size_t n = standing_headers(rq, headers, max_headers);

	write_problem(out, e, rq != NULL ? rq->log.correlation_id : NULL);
	n = add_header(headers, n, max_headers, STR("Content-Type"),
		       STR("application/problem+json"));
	if (e->kind->http_status == 401)
		n = add_header(headers, n, max_headers, STR("WWW-Authenticate"), STR("Bearer"));
	if (e->retry_after_s > 0 || e->kind->http_status == 503)
		n = add_header(headers, n, max_headers, STR("Retry-After"),
			       retry_after_text(e->retry_after_s));
	return n;
}

void reply_problem(struct request *rq)
{
	struct http_header headers[REPLY_MAX_HEADERS];
	struct buf body;

	assert(!rq->is_answered);
	if (rq->err.kind == NULL)
		err_set(&rq->err, &ERR_INTERNAL, NULL, "the request failed without a reason");
	if (rq->err.kind->http_status >= 500)
		log_err(rq->err.kind->http_status == 500 ? LOG_ERROR : LOG_WARN, "http.failed",
			&rq->err);
	rq->n_headers = 0; /* they were meant for the answer that it did not become */
	buf_init(&body, 4096);
	size_t n = problem_write(rq, &rq->err, &body, headers, ARRAY_SIZE(headers));
	rq->is_answered = true;
	http_reply(rq->http, rq->err.kind->http_status, headers, n, &body);
	buf_done(&body);
}

void reply_body(struct request *rq, int status, const char *content_type, struct buf *body)
{
	struct http_header headers[REPLY_MAX_HEADERS];

	if (buf_status(body) < 0) {
		err_unavailable(&rq->err, 1, "out of memory");
		reply_problem(rq);
		return;
	}
	assert(!rq->is_answered);
	size_t n = standing_headers(rq, headers, ARRAY_SIZE(headers));
	n = add_header(headers, n, ARRAY_SIZE(headers), STR("Content-Type"),
		       str_from(content_type));
	rq->is_answered = true;
	http_reply(rq->http, status, headers, n, body);
}

void reply_json(struct request *rq, int status, struct buf *body)
{
	reply_body(rq, status, "application/json", body);
}

void reply_empty(struct request *rq, int status)
{
	struct http_header headers[REPLY_MAX_HEADERS];

	assert(!rq->is_answered);
	size_t n = standing_headers(rq, headers, ARRAY_SIZE(headers));
	rq->is_answered = true;
	http_reply(rq->http, status, headers, n, NULL);
}

void reply_stream_begin(struct request *rq, int status)
{
	struct http_header headers[REPLY_MAX_HEADERS];

	assert(!rq->is_answered);
	size_t n = standing_headers(rq, headers, ARRAY_SIZE(headers));
	n = add_header(headers, n, ARRAY_SIZE(headers), STR("Content-Type"),
		       STR("application/json"));
	rq->is_answered = true;
	http_reply_begin(rq->http, status, headers, n);
}
