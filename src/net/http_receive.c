/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the input of a connection into the memory of one request: the bytes of an accepted head, and
 * its body as it comes. Nothing here knows the state of the connection; memory grows with what has
 * come, never with what was promised.
 */
#include "http_private.h"

#include <errno.h>
#include <event2/buffer.h>

enum { BODY_RESERVE_MAX = 16 * 1024 };

static void rebase(struct str *s, const char *from, const char *to)
{
	if (s->p)
		s->p = to + (s->p - from);
}

int http_exchange_own_head(struct http_exchange *x, struct str bytes)
{
	struct http_head *h = &x->rq.head;
	struct str copy = arena_dup(x->rq.arena, bytes);
	struct str *views[] = { &h->method_text, &h->target, &h->path, &h->query, &h->host };

	if (!copy.p)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(views); i++)
		rebase(views[i], bytes.p, copy.p);
	for (size_t i = 0; i < h->n_headers; i++) {
		rebase(&h->headers[i].name, bytes.p, copy.p);
		rebase(&h->headers[i].value, bytes.p, copy.p);
	}
	return 0;
}

int http_exchange_read_sized(struct http_exchange *x, struct evbuffer *input)
{
	size_t left = (size_t)x->body_max - x->body.n, n = evbuffer_get_length(input);

	/* A promise of bytes is not worth their memory yet: grow as they come. */
	if (x->body.cap == 0 &&
	    buf_reserve(&x->body, left < BODY_RESERVE_MAX ? left : BODY_RESERVE_MAX) < 0)
		return -ENOMEM;
	if (n > left)
		n = left;
	if (buf_reserve(&x->body, n) < 0 ||
	    evbuffer_remove(input, x->body.p + x->body.n, n) != (int)n)
		return -ENOMEM;
	x->body.n += n;
	return n == left;
}

int http_exchange_read_chunked(struct http_exchange *x, struct evbuffer *input, int *ret_status)
{
	struct str in, data;
	size_t used;
	int r = 0;

	while (r == 0 && evbuffer_get_length(input) > 0) {
		in.n = evbuffer_get_contiguous_space(input);
		in.p = (const char *)evbuffer_pullup(input, (ssize_t)in.n);
		r = http_chunked_next(&x->chunked, in, &data, &used);
		if (r < 0) {
			*ret_status = -r;
			return -EPROTO;
		}
		if (data.n > x->body_max - x->body.n)
			return -EMSGSIZE;
		buf_append(&x->body, data.p, data.n);
		if (x->body.failed)
			return -ENOMEM;
		evbuffer_drain(input, used);
	}
	return r;
}
