/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads. Beside not crashing:
 * - bytes that come one by one get the verdict of bytes that come at once, at the same length;
 * - every view lies inside the input;
 * - an accepted head holds no byte that may stand nowhere, names one host, and is framed in one
 * way;
 * - written out again from its parts it is accepted again, with the same parts.
 */
#include "net/http_parser.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			abort();                                                \
		}                                                               \
	} while (0)

static struct http_head whole, again;

static void check_view(struct str s, struct str input)
{
	if (s.n > 0)
		CHECK(s.p >= input.p && s.n <= input.n && s.p + s.n <= input.p + input.n);
}

static void check_views(const struct http_head *h, struct str input)
{
	check_view(h->method_text, input);
	check_view(h->target, input);
	check_view(h->path, input);
	check_view(h->query, input);
	check_view(h->host, input);
	CHECK(h->n_headers <= HTTP_MAX_HEADERS);
	for (size_t i = 0; i < h->n_headers; i++) {
		check_view(h->headers[i].name, input);
		check_view(h->headers[i].value, input);
		CHECK(h->headers[i].name.n > 0);
	}
}

static void check_meaning(const struct http_head *h, struct str head)
{
	for (size_t i = 0; i < head.n; i++) {
		unsigned char c = (unsigned char)head.p[i];

		CHECK(c >= 0x20 || c == '\r' || c == '\n' || c == '\t');
		CHECK(c != '\n' || head.p[i - 1] == '\r');
		CHECK(c != '\r' || head.p[i + 1] == '\n');
	}
	CHECK(http_head_count(h, STR("host")) == 1 || h->minor_version == 0);
	CHECK(http_head_count(h, STR("content-length")) == (h->has_content_length ? 1 : 0));
	CHECK(http_head_count(h, STR("transfer-encoding")) == (h->chunked ? 1 : 0));
	CHECK(!(h->chunked && h->has_content_length));
	CHECK(h->has_content_length || h->content_length == 0);
	CHECK(h->path.n > 0 &&
	      (h->path.p[0] == '/' || (h->path.p[0] == '*' && h->method == HTTP_OPTIONS)));
	CHECK(h->path.n + h->query.n <= h->target.n);
	if (h->method == HTTP_GET || h->method == HTTP_HEAD)
		CHECK(!h->chunked && h->content_length == 0);
}

static ssize_t parse_bytewise(struct str input, size_t *ret_length)
{
	size_t scanned = 0;
	ssize_t r = 0;

	for (size_t n = 0; n <= input.n; n++) {
		r = http_parse_head((struct str){ input.p, n }, &scanned, &again);
		*ret_length = n;
		if (r != 0)
			break;
	}
	return r;
}

static size_t put(char *out, size_t at, struct str s)
{
	memcpy(out + at, s.p, s.n);
	return at + s.n;
}

static void check_round_trip(const struct http_head *h)
{
	static char out[2 * HTTP_MAX_HEAD_BYTES];
	size_t n = 0, scanned = 0;

	n = put(out, n, h->method_text);
	n = put(out, n, STR(" "));
	n = put(out, n, h->target);
	n = put(out, n, h->minor_version ? STR(" HTTP/1.1\r\n") : STR(" HTTP/1.0\r\n"));
	for (size_t i = 0; i < h->n_headers; i++) {
		n = put(out, n, h->headers[i].name);
		n = put(out, n, STR(":"));
		if (h->headers[i].value.n > 0)
			n = put(out, n, h->headers[i].value);
		n = put(out, n, STR("\r\n"));
	}
	n = put(out, n, STR("\r\n"));
	CHECK(http_parse_head((struct str){ out, n }, &scanned, &again) == (ssize_t)n);
	CHECK(again.method == h->method && again.minor_version == h->minor_version);
	CHECK(str_eq(again.target, h->target) && str_eq(again.path, h->path) &&
	      str_eq(again.query, h->query));
	CHECK(again.n_headers == h->n_headers);
	for (size_t i = 0; i < h->n_headers; i++)
		CHECK(str_eq(again.headers[i].name, h->headers[i].name) &&
		      str_eq(again.headers[i].value, h->headers[i].value));
	CHECK(again.chunked == h->chunked && again.has_content_length == h->has_content_length);
	CHECK(again.content_length == h->content_length && again.keep_alive == h->keep_alive);
	CHECK(again.expect_continue == h->expect_continue && again.upgrade == h->upgrade);
}

static void check_decoding(struct str s)
{
	static char out[HTTP_MAX_HEAD_BYTES];
	ssize_t n = http_percent_decode(s, true, out);

	if (n >= 0)
		CHECK((size_t)n <= s.n && utf8_valid((struct str){ out, (size_t)n }) &&
		      !memchr(out, 0, (size_t)n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = { (const char *)data, size };
	size_t scanned = 0, length;
	ssize_t r = http_parse_head(input, &scanned, &whole), b = parse_bytewise(input, &length);

	CHECK(r == b);
	if (r <= 0)
		return 0;
	CHECK((size_t)r == length && length <= HTTP_MAX_HEAD_BYTES);
	check_views(&whole, (struct str){ input.p, length });
	check_meaning(&whole, (struct str){ input.p, length });
	check_round_trip(&whole);
	check_decoding(whole.path);
	check_decoding(whole.query);
	return 0;
}
