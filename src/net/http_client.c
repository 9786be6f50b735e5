/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP over net/transfer. A call lives on the stack of the fiber that waits for it; whoever wakes
 * first (end, deadline, cancel, http_client_free), it is detached before its frame goes.
 */
#include "net/http_client.h"

#include "http_client_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { HEAD_MAX_BYTES = 64 * 1024 };

struct http_client {
	struct transfer_pool *pool;
	unsigned max_calls;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_transfer *call = arg;
	size_t n = size * count;
	if (call->stream)
		return http_stream_on_body(call->stream, (struct str){ bytes, n });
	buf_append(&call->response->body, bytes, n);
	if (!call->response->body.failed)
		return n;
	call->too_long = call->response->body.n + n > call->response->body.max;
	return 0;
}

/* line is one of the head, with its end. The last one of that name counts. */
static void keep_header(struct http_transfer *call, struct str line)
{
	struct str name = str_from(call->keep_header);

	if (name.n == 0 || line.n <= name.n || line.p[name.n] != ':' ||
	    !str_eq_nocase((struct str){ line.p, name.n }, name))
		return;
	call->response->kept[0] = '\0';
	line = str_trim((struct str){ line.p + name.n + 1, line.n - name.n - 1 });
	if (str_copy(call->response->kept, HTTP_KEPT_SIZE, line) < 0)
		call->response->kept[0] = '\0';
}

/* Little of the head is kept but for a stream; it is not endless. */
static size_t on_head(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_transfer *call = arg;
	size_t n = size * count;
	if (!call->stream)
		keep_header(call, (struct str){ bytes, n });
	call->head_bytes += n;
	call->too_long = call->head_bytes > HEAD_MAX_BYTES;
	if (call->stream && !call->too_long)
		return http_stream_on_head(call->stream, (struct str){ bytes, n });
	return call->too_long ? 0 : n;
}

struct http_client *http_client_new(struct loop *l, unsigned max_calls)
{
	struct http_client *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->max_calls = max_calls;
	c->pool = transfer_pool_new(l, max_calls);
	if (!c->pool) {
		free(c);
		return NULL;
	}
	return c;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	transfer_pool_free(c->pool);
	free(c);
}

/* A copy of the list with the headers that libcurl must not make up. False when out of memory. */
static bool set_headers(struct transfer *t, const struct http_call *req)
{
	/* "Name:" without a value takes a default of libcurl's away. A Content-Type given earlier
	 * in the list stays. */
	static const char *const defaults_off[] = { "Expect:", "Content-Type:", NULL };
	const char *const *lists[] = { req->headers, defaults_off };
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (const char *const *h = lists[i]; h && *h; h++) {
			if (!transfer_add_line(t, *h))
				return false;
		}
	}
	return curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->list) == CURLE_OK;
}

/* Method and body. A method that usually has a body says Content-Length: 0 without one. */
static bool set_request(CURL *easy, const struct http_call *req)
{
	bool has_body = req->body.p != NULL || strcmp(req->method, "POST") == 0 ||
			strcmp(req->method, "PUT") == 0 || strcmp(req->method, "PATCH") == 0;
	if (strcmp(req->method, "HEAD") == 0)
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
	if (has_body && (curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
					  (curl_off_t)req->body.n) != CURLE_OK ||
			 curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
					  req->body.p ? req->body.p : "") != CURLE_OK))
		return false;
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method) == CURLE_OK;
}

static bool set_limits(CURL *easy, const struct http_call *req)
{
	long once = req->once;

	return curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, once) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)HTTP_CLIENT_IDLE_MAX_S) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, once) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		       CURLE_OK;
}

static bool set_callbacks(struct http_transfer *call)
{
	CURL *easy = call->base.easy;

	return curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, call) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, call) == CURLE_OK;
}

static void on_end(struct transfer *t, int result)
{
	http_stream_on_end(CONTAINER_OF(t, struct http_transfer, base)->stream, result);
}

/* Hands the call to libcurl. On failure nothing is held. */
static int attach(struct http_client *c, struct http_transfer *call, const struct http_call *req)
{
	struct transfer *t = &call->base;
	int r = transfer_prepare(c->pool, t, "http,https", req->connect_timeout_ms);

	if (r < 0)
		return r;
	t->on_end = call->stream ? on_end : NULL;
	if (set_limits(t->easy, req) && set_callbacks(call) && set_request(t->easy, req) &&
	    set_headers(t, req) && curl_easy_setopt(t->easy, CURLOPT_URL, req->url) == CURLE_OK)
		return transfer_start(c->pool, t);
	transfer_drop(t);
	return -ENOMEM;
}

int http_transfer_errno(const struct http_transfer *call)
{
	if (call->too_long)
		return -EMSGSIZE;
	if (call->response->body.failed)
		return -ENOMEM;
	return transfer_errno(&call->base);
}

int http_transfer_explain(const struct http_transfer *call, int r, struct err *reterr)
{
	const char *reason =
		r == -EMSGSIZE ? "the answer is too long" : transfer_reason(&call->base, r);
	if (r == -EINVAL)
		err_set(reterr, &ERR_INTERNAL, NULL, "%s", reason);
	else
		err_unavailable(reterr, 1, "%s", reason);
	return r;
}

int http_transfer_start(struct http_client *c, struct http_transfer *t, const struct http_call *req,
			struct err *reterr)
{
	assert(req->timeout_ms > 0);
	int r = http_call_check(req, reterr);
	if (r < 0)
		return r;
	r = attach(c, t, req);
	if (r == -EAGAIN)
		return err_unavailable(reterr, 1, "%u HTTP calls are already under way",
				       c->max_calls);
	return r < 0 ? http_transfer_explain(t, r, reterr) : 0;
}

int http_client_wait(struct http_client *c, const struct http_call *req, struct http_response *ret,
		     struct err *reterr)
{
	struct http_transfer call = { .response = ret, .keep_header = req->keep_header };
	ret->status = 0;
	ret->kept[0] = '\0';
	buf_init(&ret->body, req->max_response_bytes);
	int r = http_transfer_start(c, &call, req, reterr);
	if (r < 0)
		return r;
	r = fiber_wait(&call.base.wait, "http.client", req->timeout_ms);
	if (r == 0)
		r = http_transfer_errno(&call);
	if (r == 0) {
		long status = 0;
		curl_easy_getinfo(call.base.easy, CURLINFO_RESPONSE_CODE, &status);
		ret->status = (int)status;
	}
	transfer_detach(&call.base);
	return r < 0 ? http_transfer_explain(&call, r, reterr) : 0;
}
