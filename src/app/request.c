/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a request's parts, with the checks that every route shares, so that a bad parameter is
 * always the same error.
 */
#include "app/request.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

struct str request_header(const struct request *rq, const char *name)
{
	return http_head_get(&rq->http->head, str_from(name));
}

struct str request_body(const struct request *rq)
{
	return rq->http->body;
}

int request_query_error(struct request *rq, const char *name, const char *what)
{
	char field[64];

	snprintf(field, sizeof(field), "query.%s", name);
	return err_set(&rq->err, &ERR_INVALID, field, "%s %s", name, what);
}

/* A name=value pair of the query whose name, decoded, is the wanted one. */
static int query_pair(struct request *rq, struct str pair, const char *name, bool *ret_is_it,
		      struct str *ret)
{
	struct str key;

	str_split(&pair, '=', &key);
	char *out = arena_alloc(rq->arena, key.n + pair.n + 1);
	if (out == NULL)
		return err_unavailable(&rq->err, 1, "out of memory");
	ssize_t n = http_percent_decode(key, true, out);
	*ret_is_it = n >= 0 && str_eq((struct str){ out, (size_t)n }, str_from(name));
	if (!*ret_is_it)
		return 0;
	n = http_percent_decode(pair, true, out);
	if (n < 0)
		return request_query_error(rq, name, "is not valid percent-encoded UTF-8");
	*ret = (struct str){ out, (size_t)n };
	return 0;
}

int request_query(struct request *rq, const char *name, struct str *ret)
{
	struct str rest = rq->http->head.query, pair, value = { NULL, 0 };

	while (rest.n > 0 && str_split(&rest, '&', &pair)) {
		struct str found = { NULL, 0 };
		bool is_it = false;
		int r = query_pair(rq, pair, name, &is_it, &found);
		if (r < 0)
			return r;
		if (is_it && value.p != NULL)
			return request_query_error(rq, name, "is given twice");
		if (is_it)
			value = found;
	}
	*ret = value;
	return 0;
}

int request_query_either(struct request *rq, const char *name, const char *older_name,
			 struct str *ret)
{
	struct str value;

	int r = request_query(rq, name, &value);
	if (r == 0 && value.p == NULL)
		r = request_query(rq, older_name, &value);
	if (r == 0)
		*ret = value;
	return r;
}

/* Adds the parts of one value to the list of at most max. */
static int add_parts(struct request *rq, const char *name, struct str value, size_t max,
		     struct str *list, size_t *n)
{
	struct str part;
	char what[64];

	while (str_split(&value, ',', &part)) {
		part = utf8_trim(part);
		if (part.n == 0)
			continue;
		if (*n == max) {
			snprintf(what, sizeof(what), "may be given at most %zu times", max);
			return request_query_error(rq, name, what);
		}
		list[(*n)++] = part;
	}
	return 0;
}

int request_query_all(struct request *rq, const char *name, size_t max, struct str **ret,
		      size_t *ret_n)
{
	struct str rest = rq->http->head.query, pair;
	struct str *list = arena_alloc(rq->arena, max * sizeof(*list));
	size_t n = 0;

	if (list == NULL)
		return err_unavailable(&rq->err, 1, "out of memory");
	while (rest.n > 0 && str_split(&rest, '&', &pair)) {
		struct str found = { NULL, 0 };
		bool is_it = false;
		int r = query_pair(rq, pair, name, &is_it, &found);
		if (r == 0 && is_it)
			r = add_parts(rq, name, found, max, list, &n);
		if (r < 0)
			return r;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int request_query_i64(struct request *rq, const char *name, int64_t min, int64_t max, int64_t *ret)
{
	struct str text;
	int64_t value;

	int r = request_query(rq, name, &text);
	if (r < 0 || text.p == NULL)
		return r;
	if (str_parse_i64(text, &value) < 0 || value < min || value > max) {
		char what[80];
		snprintf(what, sizeof(what), "must be a whole number from %lld to %lld",
			 (long long)min, (long long)max);
		return request_query_error(rq, name, what);
	}
	*ret = value;
	return 0;
}

int request_path_id(struct request *rq, size_t index, const struct err_kind *kind, int64_t *ret)
{
	int64_t id;

	assert(index < REQUEST_MAX_PARAMS);
	if (str_parse_i64(rq->params[index], &id) < 0 || id < 1)
		return err_set(&rq->err, kind, NULL, "%s", kind->title);
	*ret = id;
	return 0;
}

void request_add_header(struct request *rq, const char *name, struct str value)
{
	assert(rq->n_headers < REQUEST_MAX_HEADERS);
	rq->headers[rq->n_headers++] = (struct http_header){ str_from(name), value };
}

struct buf *request_buf(struct request *rq, size_t max_bytes)
{
	struct buf *b = arena_buf(rq->arena, max_bytes);

	if (b == NULL)
		err_unavailable(&rq->err, 1, "out of memory");
	return b;
}
