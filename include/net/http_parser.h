/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict parser for HTTP/1.1 requests (RFC 9112, RFC 9110), a pure function over bytes. It
 * rejects and never repairs: bare LF, obs-fold, space before a colon, two Hosts, Content-Length
 * beside Transfer-Encoding, chunk sizes that are not 1 to 8 hex digits, control bytes anywhere in
 * the head. It works in place: views point into the caller's bytes.
 */
#ifndef NET_HTTP_PARSER_H
#define NET_HTTP_PARSER_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	HTTP_MAX_HEADERS = 64,
	HTTP_MAX_LINE_BYTES = 8 * 1024,
	HTTP_MAX_HEAD_BYTES = 16 * 1024,
};

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_TRACE,
	HTTP_UNKNOWN_METHOD, /* a token, but no method we know: 501 */
	_HTTP_METHOD_MAX,
};
const char *http_method_name(enum http_method m);

struct http_header {
	struct str name;  /* as sent */
	struct str value; /* without surrounding white space */
};

struct http_head {
	enum http_method method;
	struct str method_text;
	struct str target; /* origin-form, as sent; "*" only for OPTIONS */
	struct str path;   /* the part before '?', still %-encoded; every % is followed by two hex
			      digits, and is not %00 */
	struct str query;  /* after '?', or empty */
	struct str host;
	int minor_version; /* 0 or 1 */
	struct http_header headers[HTTP_MAX_HEADERS];
	size_t n_headers;
	bool has_content_length;
	uint64_t content_length; /* 0 unless has_content_length */
	bool chunked;
	bool keep_alive; /* what the request asks for */
	bool expect_continue;
	bool upgrade; /* Connection: upgrade and an Upgrade header */
};

/*
 * Looks for one request head at the start of bytes. scanned is the caller's memory between calls of
 * how far the end of the head has been looked for (set it to 0 for a new head); with it, bytes that
 * come one by one cost linear time. > 0: the head's length in bytes, *ret filled. 0: more bytes are
 * needed. < 0: -status: the connection must be answered with that HTTP status (400, 414, 417, 431,
 * 501, 505) and closed.
 */
ssize_t http_parse_head(struct str bytes, size_t *scanned, struct http_head *ret);
/* First header of that name, any case; .p NULL when absent. Repeated headers are the caller's
 * business. */
struct str http_head_get(const struct http_head *h, struct str name);
/* Number of headers of that name. */
size_t http_head_count(const struct http_head *h, struct str name);

/* Decodes a chunked body as it comes. Zero-initialise. */
struct http_chunked {
	int state;
	uint64_t left; /* bytes left in this chunk */
	size_t line_bytes;
	unsigned digits;
	size_t trailer_bytes;
};
/*
 * Eats from in; *ret_data is the next run of body bytes within in (may be empty), *ret_used how
 * much of in was eaten. 1: the body is complete; 0: call again with what is left, or more bytes; <
 * 0: -status (400, 431).
 */
int http_chunked_next(struct http_chunked *c, struct str in, struct str *ret_data,
		      size_t *ret_used);

/* %-decoding of a path segment or of a query part (plus_is_space). Writes at most s.n bytes to out.
 * Length, or -EINVAL for bad %, %00, or bytes that are not UTF-8. */
ssize_t http_percent_decode(struct str s, bool plus_is_space, char *out);
/* One segment of a path: unreserved characters (RFC 3986) as they are, but for a segment that is a
 * dot or two, which clients would take away. NUL-terminated; .p NULL: no memory. */
struct str http_percent_encode(struct arena *arena, struct str s);

#endif
