/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunked bodies (RFC 9112 section 7.1) as they arrive, byte by byte where it is framing, in runs
 * where it is data. Sizes are 1 to 8 hex digits; an extension must look like one and is ignored;
 * trailer lines must look like headers and are dropped, never merged into the head.
 */
#include "net/http_parser.h"

#include "http_chars_private.h"

enum { EXTENSION_MAX = 256 /* of one line */, TRAILER_MAX = HTTP_MAX_LINE_BYTES };

enum state {
	SIZE,		/* digits of a chunk's size */
	EXTENSION_NAME, /* after ';': at least one byte of a token */
	EXTENSION,	/* the rest of it */
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER, /* at the start of a line: a name, or the end */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
	COMPLETE,
};

static int step_size(struct http_chunked *c, char b)
{
	if (http_char_is(b, HTTP_CHAR_HEX)) {
		c->left = c->left * 16 + http_hex_value(b);
		return ++c->digits > 8 ? -400 : SIZE;
	}
	if (c->digits == 0)
		return -400;
	c->line_bytes = 0;
	if (b == ';')
		return EXTENSION_NAME;
	return b == '\r' ? SIZE_LF : -400;
}

static int step_extension(struct http_chunked *c, char b)
{
	/* Every byte counts: many short extensions are as long as one long one. */
	if (++c->line_bytes > EXTENSION_MAX)
		return -400;
	if (c->state == EXTENSION_NAME)
		return http_char_is(b, HTTP_CHAR_TOKEN) ? EXTENSION : -400;
	if (b == '\r')
		return SIZE_LF;
	if (b == ';')
		return EXTENSION_NAME;
	return http_char_is(b, HTTP_CHAR_VISIBLE) ? EXTENSION : -400;
}

static int step_trailer(struct http_chunked *c, char b)
{
	if (++c->trailer_bytes > TRAILER_MAX)
		return -431;
	switch (c->state) {
	case TRAILER:
		if (b == '\r')
			return END_LF;
		return http_char_is(b, HTTP_CHAR_TOKEN) ? TRAILER_NAME : -400;
	case TRAILER_NAME:
		if (b == ':')
			return TRAILER_VALUE;
		return http_char_is(b, HTTP_CHAR_TOKEN) ? TRAILER_NAME : -400;
	case TRAILER_VALUE:
		if (b == '\r')
			return TRAILER_LF;
		return http_char_is(b, HTTP_CHAR_FIELD) ? TRAILER_VALUE : -400;
	default: /* TRAILER_LF */
		return b == '\n' ? TRAILER : -400;
	}
}

/* One byte of framing. The next state, or -status. */
static int step(struct http_chunked *c, char b)
{
	switch (c->state) {
	case SIZE:
		return step_size(c, b);
	case EXTENSION_NAME:
	case EXTENSION:
		return step_extension(c, b);
	case SIZE_LF:
		c->digits = 0;
		if (b != '\n')
			return -400;
		return c->left > 0 ? DATA : TRAILER;
	case DATA_CR:
		return b == '\r' ? DATA_LF : -400;
	case DATA_LF:
		return b == '\n' ? SIZE : -400;
	case END_LF:
		return b == '\n' ? COMPLETE : -400;
	default:
		return step_trailer(c, b);
	}
}

int http_chunked_next(struct http_chunked *c, struct str in, struct str *ret_data, size_t *ret_used)
{
	size_t used = 0, n;

	while (used < in.n && c->state != DATA && c->state != COMPLETE) {
		int next = step(c, in.p[used]);

		if (next < 0)
			return next;
		c->state = next;
		used++;
	}
	n = 0;
	if (c->state == DATA) {
		n = in.n - used < c->left ? in.n - used : (size_t)c->left;
		c->left -= n;
		if (c->left == 0)
			c->state = DATA_CR;
	}
	*ret_data = (struct str){ in.p + used, n };
	*ret_used = used + n;
	return c->state == COMPLETE;
}
