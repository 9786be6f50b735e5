/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader's frame: look over the raw bytes, set memory aside, run yajl, decide. yajl
 * neither checks what malloc gives it nor bounds what it asks for, so it allocates from a reserve
 * that is taken from the arena before it starts and covers the worst that this document can make it
 * need.
 */
#include "src/base/json_private.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stddef.h>

enum {
	YAJL_BUFFER = 2048, /* what a yajl buffer starts with */
	/* yajl 2.1: parser, lexer, two buffer headers and a state stack of 128 levels make 376
	 * bytes on 64 bits; and at the end of the text the lexer sets up a buffer for a cut token,
	 * of which there is none. */
	YAJL_FIXED_BYTES = 512 + YAJL_BUFFER,
};

/* What yajl allocates from. Nothing is given back: it all goes with the arena. */
struct reserve {
	char *p;
	size_t used, size;
	size_t newest; /* offset of the last piece, the one that can grow */
};

static void *reserve_alloc(void *ctx, size_t n)
{
	struct reserve *r = ctx;
	size_t at = (r->used + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

	/* json_parse reserved what yajl can need for this document; on NULL yajl would crash. */
	assert(at <= r->size && n <= r->size - at);
	r->newest = at;
	r->used = at + n;
	return r->p + at;
}

static void *reserve_realloc(void *ctx, void *old, size_t n)
{
	struct reserve *r = ctx;

	if (!old)
		return reserve_alloc(ctx, n);
	/* Only the decoding buffer ever grows, and nothing is allocated behind it until the text
	 * ends. */
	assert((char *)old == r->p + r->newest && n <= r->size - r->newest);
	r->used = r->newest + n;
	return old;
}

static void reserve_free(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

static int look_over(struct json_reader *r, struct json_scan *scan)
{
	json_scan(r->in, scan);
	if (!scan->mistake)
		return 0;
	return err_set(r->reterr, &ERR_BAD_REQUEST, r->where, "Not valid JSON at byte %zu: %s.",
		       scan->at, scan->mistake);
}

/* Everything that can be told from the raw bytes. */
static int check_text(struct json_reader *r, struct json_scan *scan)
{
	struct str core = str_trim(r->in);

	if (core.n == 0)
		return err_set(r->reterr, &ERR_BAD_REQUEST, r->where,
			       "Expected a JSON object, got nothing.");
	if (look_over(r, scan) < 0)
		return -EINVAL;
	/* The closing brace also keeps yajl from buffering a token that the end of the text cuts.
	 */
	if (core.p[0] != '{' || core.p[core.n - 1] != '}')
		return err_set(r->reterr, &ERR_BAD_REQUEST, r->where,
			       "Expected one JSON object and nothing else.");
	return 0;
}

static int reserve_for_yajl(struct json_reader *r, const struct json_scan *scan,
			    struct reserve *ret)
{
	size_t decoding = 0;

	/* The decoding buffer doubles until it is larger than the longest string that has an
	 * escape. */
	if (scan->longest_escaped)
		decoding = YAJL_BUFFER + 2 * (scan->longest_escaped + 1);
	ret->size = YAJL_FIXED_BYTES + decoding;
	ret->p = arena_alloc(r->arena, ret->size);
	if (!ret->p)
		json_stop_no_memory(r);
	return r->stopped;
}

static int run_yajl(struct json_reader *r, struct reserve *reserve)
{
	yajl_alloc_funcs alloc = { reserve_alloc, reserve_realloc, reserve_free, reserve };
	yajl_handle yajl = yajl_alloc(&json_callbacks, &alloc, r);
	yajl_status status;
	size_t at;

	r->yajl = yajl;
	yajl_config(yajl, yajl_dont_validate_strings, 1); /* json_scan did, and strictly */
	status = yajl_parse(yajl, (const unsigned char *)r->in.p, r->in.n);
	at = yajl_get_bytes_consumed(yajl);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(yajl);
	yajl_free(yajl);
	if (r->stopped)
		return r->stopped;
	if (status != yajl_status_ok)
		return err_set(r->reterr, &ERR_BAD_REQUEST, r->where,
			       "Not valid JSON near byte %zu.", at - (r->in_brackets && at > 0));
	return 0;
}

int json_parse(struct arena *arena, struct str bytes, const char *where,
	       const struct json_field *fields, void *target, struct err *reterr)
{
	struct json_reader r = {
		.arena = arena,
		.in = bytes,
		.where = where,
		.top_fields = fields,
		.top_target = target,
		.reterr = reterr,
	};
	struct json_scan scan;
	struct reserve reserve = { 0 };
	int result = check_text(&r, &scan);

	if (result == 0)
		result = reserve_for_yajl(&r, &scan, &reserve);
	if (result == 0)
		result = run_yajl(&r, &reserve);
	if (result < 0 || !r.wrong.kind)
		return result;
	if (reterr)
		*reterr = r.wrong;
	return -r.wrong.kind->errnum;
}

/* The text in brackets, so that a value of any kind is inside of something that ends. */
static int put_in_brackets(struct json_reader *r)
{
	char *copy = arena_alloc(r->arena, r->in.n + 2);

	if (!copy) {
		json_stop_no_memory(r);
		return r->stopped;
	}
	copy[0] = '[';
	memcpy(copy + 1, r->in.p, r->in.n);
	copy[r->in.n + 1] = ']';
	r->in = (struct str){ copy, r->in.n + 2 };
	r->in_brackets = true;
	return 0;
}

int json_check(struct arena *arena, struct str bytes, const char *where, struct err *reterr)
{
	struct json_reader r = {
		.arena = arena,
		.in = bytes,
		.where = where,
		.reterr = reterr,
	};
	struct json_scan scan;
	struct reserve reserve = { 0 };
	int result;

	if (str_trim(bytes).n == 0)
		return err_set(reterr, &ERR_BAD_REQUEST, where,
			       "Expected a JSON value, got nothing.");
	result = look_over(&r, &scan);
	if (result == 0)
		result = put_in_brackets(&r);
	if (result == 0)
		result = reserve_for_yajl(&r, &scan, &reserve);
	if (result == 0)
		result = run_yajl(&r, &reserve);
	/* The frame of the brackets still knows how many values stood in them. */
	if (result == 0 && r.frames[0].n != 1)
		return err_set(reterr, &ERR_BAD_REQUEST, where,
			       "Expected one JSON value and nothing else.");
	return result;
}
