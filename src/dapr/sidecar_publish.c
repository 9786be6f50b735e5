/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bulk publishing. The events are complete CloudEvents and say so, or the sidecar would wrap them
 * in others; the partition key travels with each, or their order would be lost. Nothing else goes
 * into their metadata: each key of it becomes a header of the record, and request-level metadata
 * would overrule the entries'.
 */
#include "src/dapr/sidecar_private.h"

#include "base/json.h"
#include "net/http_parser.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { ANSWER_MAX = 1024 * 1024 };

static void write_entry(struct json_out *o, const struct sidecar_entry *e)
{
	json_begin_object(o);
	json_key_str(o, STR("entryId"), e->id);
	json_key_raw(o, STR("event"), e->json);
	json_key_str(o, STR("contentType"), STR("application/cloudevents+json"));
	json_key(o, STR("metadata"));
	json_begin_object(o);
	json_key_str(o, STR("partitionKey"), e->key);
	json_end_object(o);
	json_end_object(o);
}

static size_t size_of(const struct sidecar_entry *entries, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += entries[i].json.n;
	return sum;
}

/* The body; NULL: it would be longer than is taken, or there is no memory, and *ret_error says
 * which. */
static struct buf *write_body(struct sidecar_op *op, const struct sidecar_entry *entries, size_t n,
			      int *ret_error, struct err *reterr)
{
	struct buf *body = arena_buf(op->arena, SIDECAR_BODY_MAX);
	struct json_out o;

	if (body) {
		json_out_init(&o, body);
		json_begin_array(&o);
		for (size_t i = 0; i < n && !body->failed; i++)
			write_entry(&o, &entries[i]);
		json_end_array(&o);
	}
	if (body && buf_status(body) == 0)
		return body;
	/* A buffer does not tell which; what is well below the maximum was not too long. */
	*ret_error = size_of(entries, n) > SIDECAR_BODY_MAX / 2
			     ? err_set(reterr, &ERR_CONTENT_TOO_LARGE, NULL,
				       "publish: the sidecar takes at most %d bytes at a time",
				       SIDECAR_BODY_MAX)
			     : sidecar_no_memory(reterr);
	return NULL;
}

/* ---- the answer ---- */

struct failure {
	struct json_str id, error;
};

struct answer {
	struct json_objs failed;
};

static const struct json_field failure_fields[] = {
	JSON_FIELD(struct failure, id, "entryId", JSON_KIND_STR),
	JSON_FIELD(struct failure, error, "error", JSON_KIND_STR),
	JSON_FIELD_END,
};

static const struct json_field answer_fields[] = {
	{ .name = "failedEntries",
	  .kind = JSON_KIND_OBJS,
	  .offset = offsetof(struct answer, failed),
	  .nested = failure_fields,
	  .elem_size = sizeof(struct failure),
	  .max_items = SIDECAR_ENTRIES_MAX },
	JSON_FIELD_END,
};

/* The entry with this id, looked for from `from` on, as answers keep the order; n: there is none.
 */
static size_t find(const struct sidecar_entry *entries, size_t n, size_t from, struct str id)
{
	for (size_t k = 0; k < n; k++) {
		size_t i = (from + k) % n;

		if (str_eq(entries[i].id, id))
			return i;
	}
	return n;
}

/* Which failed; false when an entry is named that was not sent: who answers this answers anything.
 */
static bool mark_failed(const struct answer *a, const struct sidecar_entry *entries, size_t n,
			bool *published)
{
	const struct failure *failures = a->failed.v;
	size_t at = 0;

	memset(published, true, n * sizeof(*published));
	for (size_t i = 0; i < a->failed.n; i++) {
		at = find(entries, n, at % n, failures[i].id.v);
		if (at == n)
			return false;
		published[at++] = false;
	}
	return true;
}

static bool any(const bool *values, size_t n)
{
	return n > 0 && memchr(values, true, n) != NULL;
}

/* An answer that is not 2xx: some of the entries may be there all the same. */
static int read_failures(struct sidecar_op *op, const struct sidecar_entry *entries, size_t n,
			 bool *ret_published, struct err *reterr)
{
	struct answer a = { 0 };
	bool *published = arena_calloc(op->arena, n, sizeof(*published));
	const struct failure *first;
	int r = sidecar_check_status(op, reterr);

	if (r != -EAGAIN)
		return r;
	if (!published)
		return sidecar_no_memory(reterr);
	if (json_parse(op->arena, buf_str(&op->response.body), "", answer_fields, &a, NULL) < 0 ||
	    a.failed.n == 0 || !mark_failed(&a, entries, n, published))
		return r;
	first = a.failed.v;
	err_unavailable(reterr, 1, "publish: %zu of %zu entries failed, the first because: %.*s",
			a.failed.n, n, STR_ARGS(first->error.v));
	if (!any(published, n))
		return -EAGAIN;
	memcpy(ret_published, published, n * sizeof(*published));
	return 0;
}

static FIBER int publish(struct sidecar_op *op, struct str topic,
			 const struct sidecar_entry *entries, size_t n, bool *ret_published,
			 struct err *reterr)
{
	struct sidecar_exchange x = { .method = "POST", .max_response_bytes = ANSWER_MAX };
	struct sidecar *s = op->s;
	struct str name = http_percent_encode(op->arena, topic);
	const struct buf *body;
	int r = 0;

	body = write_body(op, entries, n, &r, reterr);
	if (!body)
		return r;
	x.body = buf_str(body);
	if (name.p)
		x.path = arena_printf(op->arena, "/%s/publish/bulk/%s/%s",
				      sidecar_api_name(s->publish_api), s->config.pubsub, name.p);
	r = sidecar_exchange_wait(op, &x, reterr);
	/* A failed answer that is too long is still a failure that may pass. */
	if (r == -EINVAL && op->response.body.failed)
		return -EAGAIN;
	if (r < 0)
		return r;
	if (op->response.status < 200 || op->response.status >= 300)
		return read_failures(op, entries, n, ret_published, reterr);
	memset(ret_published, true, n * sizeof(*ret_published));
	return 0;
}

int sidecar_publish_wait(struct sidecar *s, struct str topic, const struct sidecar_entry *entries,
			 size_t n, bool *ret_published, struct err *reterr)
{
	struct sidecar_op op;
	int r;

	assert(n <= SIDECAR_ENTRIES_MAX);
	if (n == 0)
		return 0;
	r = sidecar_op_begin(&op, s, SIDECAR_PUBLISH, reterr);
	if (r == 0)
		r = sidecar_decide_wait(s, reterr);
	if (r == 0)
		r = publish(&op, topic, entries, n, ret_published, reterr);
	return sidecar_op_end(&op, r);
}
