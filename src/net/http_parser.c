/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads (RFC 9112). Two passes, both linear: find_end() looks at every byte once as bytes
 * arrive and refuses what may stand nowhere in a head (bare CR, bare LF, control bytes); when the
 * empty line is there, the lines are taken apart. A verdict depends only on the bytes up to where
 * it was reached, so bytes that come one by one and bytes that come at once give the same answer.
 *
 * Where two parsers could disagree about the end of a request, the answer is 400: a proxy in front
 * of us may have read it the other way.
 */
#include "net/http_parser.h"

#include "http_chars_private.h"

#include <assert.h>
#include <errno.h>

/* What the headers said, before it is judged as a whole. */
struct framing {
	unsigned n_host, n_content_length, n_transfer_encoding;
	bool close, keep_alive, connection_upgrade, has_upgrade, has_expect, bad_expect;
};

static const char *const method_names[_HTTP_METHOD_MAX] = {
	[HTTP_GET] = "GET",	    [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",	    [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS", [HTTP_TRACE] = "TRACE", [HTTP_UNKNOWN_METHOD] = "unknown",
};

const char *http_method_name(enum http_method m)
{
	assert(m < _HTTP_METHOD_MAX);
	return method_names[m];
}

static struct str slice(struct str s, size_t from, size_t to)
{
	return (struct str){ s.p + from, to - from };
}

static bool all_of_class(struct str s, unsigned class)
{
	for (size_t i = 0; i < s.n; i++)
		if (!http_char_is(s.p[i], class))
			return false;
	return true;
}

/*
 * Looks for the empty line from *scanned on. The head's length; 0: not there yet; -400 for a byte
 * that no head has; -414 or -431 when it can no longer fit.
 */
static ssize_t find_end(struct str bytes, size_t *scanned)
{
	size_t i = *scanned, end = bytes.n < HTTP_MAX_HEAD_BYTES ? bytes.n : HTTP_MAX_HEAD_BYTES;

	for (; i < end; i++) {
		char c = bytes.p[i];
		bool after_cr = i > 0 && bytes.p[i - 1] == '\r';

		if (http_char_is(c, HTTP_CHAR_FIELD)) {
			if (after_cr)
				return -400;
			continue;
		}
		if (c == '\n' ? !after_cr : c != '\r' || after_cr)
			return -400;
		/* i > 1: one empty line in front of the request line is allowed (RFC 9112
		 * section 2.2). */
		if (c == '\n' && i >= 3 && bytes.p[i - 2] == '\n') {
			*scanned = i;
			return (ssize_t)i + 1;
		}
	}
	*scanned = i;
	if (bytes.n <= HTTP_MAX_HEAD_BYTES)
		return 0;
	return memchr(bytes.p + 2, '\n', HTTP_MAX_LINE_BYTES) ? -431 : -414;
}

static enum http_method find_method(struct str name)
{
	for (enum http_method m = HTTP_GET; m < HTTP_UNKNOWN_METHOD; m++)
		if (str_eq(name, str_from(method_names[m])))
			return m;
	return HTTP_UNKNOWN_METHOD;
}

static int parse_version(struct str v, int *ret_minor)
{
	if (v.n != 8 || !str_starts(v, STR("HTTP/")) || !http_char_is(v.p[5], HTTP_CHAR_DIGIT) ||
	    v.p[6] != '.' || !http_char_is(v.p[7], HTTP_CHAR_DIGIT))
		return -400;
	if (v.p[5] != '1' || v.p[7] > '1')
		return -505;
	*ret_minor = v.p[7] - '0';
	return 0;
}

/* The byte that the escape at s[i] stands for; -1 for a bad one and for NUL. */
static int decode_escape(struct str s, size_t i)
{
	unsigned byte;

	if (s.n - i < 3 || !http_char_is(s.p[i + 1], HTTP_CHAR_HEX) ||
	    !http_char_is(s.p[i + 2], HTTP_CHAR_HEX))
		return -1;
	byte = http_hex_value(s.p[i + 1]) * 16 + http_hex_value(s.p[i + 2]);
	return byte > 0 ? (int)byte : -1;
}

/* Bad escapes and %00 in a path have no meaning that two programs would agree on. */
static bool path_escapes_are_good(struct str path)
{
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '%' && decode_escape(path, i) < 0)
			return false;
	return true;
}

static int set_path(struct http_head *h)
{
	const char *question = memchr(h->target.p, '?', h->target.n);
	size_t path_n = question ? (size_t)(question - h->target.p) : h->target.n;

	h->path = slice(h->target, 0, path_n);
	h->query = question ? slice(h->target, path_n + 1, h->target.n)
			    : slice(h->target, path_n, path_n);
	return path_escapes_are_good(h->path) ? 0 : -400;
}

/*
 * Takes target apart. *ret_authority is what stood between http:// and the path, .p NULL in the
 * other forms; it has to be the same as Host.
 */
static int parse_target(struct http_head *h, struct str *ret_authority)
{
	struct str t = h->target;

	if (t.n == 0 || !all_of_class(t, HTTP_CHAR_TARGET))
		return -400;
	if (h->method == HTTP_UNKNOWN_METHOD) {
		h->path = h->query = slice(t, 0, 0);
		return 0; /* CONNECT has a form of its own; the answer is 501 anyway */
	}
	if (h->method == HTTP_OPTIONS && str_eq(t, STR("*"))) {
		h->path = t;
		h->query = slice(t, 1, 1);
		return 0;
	}
	if (t.n > 7 && str_eq_nocase(slice(t, 0, 7), STR("http://"))) {
		const char *slash = memchr(t.p + 7, '/', t.n - 7);

		if (!slash)
			return -400;
		*ret_authority = slice(t, 7, (size_t)(slash - t.p));
		h->target = slice(t, (size_t)(slash - t.p), t.n);
	}
	return h->target.p[0] == '/' ? set_path(h) : -400;
}

static int parse_request_line(struct str line, struct http_head *h, struct str *ret_authority)
{
	const char *space = memchr(line.p, ' ', line.n), *second;
	size_t method_n, target_end;
	int r;

	if (line.n > HTTP_MAX_LINE_BYTES)
		return -414;
	if (!space || space == line.p)
		return -400;
	method_n = (size_t)(space - line.p);
	second = memchr(space + 1, ' ', line.n - method_n - 1);
	if (!second)
		return -400;
	target_end = (size_t)(second - line.p);
	h->method_text = slice(line, 0, method_n);
	h->target = slice(line, method_n + 1, target_end);
	if (!all_of_class(h->method_text, HTTP_CHAR_TOKEN))
		return -400;
	h->method = find_method(h->method_text);
	r = parse_version(slice(line, target_end + 1, line.n), &h->minor_version);
	return r < 0 ? r : parse_target(h, ret_authority);
}

/* One Content-Length, 1 to 15 digits, as anyone would print it. */
static int parse_content_length(struct str v, uint64_t *ret)
{
	uint64_t n = 0;

	if (v.n == 0 || v.n > 15 || (v.n > 1 && v.p[0] == '0'))
		return -400;
	for (size_t i = 0; i < v.n; i++) {
		if (!http_char_is(v.p[i], HTTP_CHAR_DIGIT))
			return -400;
		n = n * 10 + (uint64_t)(v.p[i] - '0');
	}
	*ret = n;
	return 0;
}

/* "" or ":" port; RFC 3986 allows a colon with nothing after it. */
static bool port_is_good(struct str v)
{
	return v.n == 0 ||
	       (v.p[0] == ':' && v.n <= 6 && all_of_class(slice(v, 1, v.n), HTTP_CHAR_DIGIT));
}

/* host [ ":" port ], where the host is a name, an IPv4 address or an IPv6 address in brackets. */
static bool host_is_good(struct str v)
{
	const char *end;
	size_t host_n;

	if (v.n == 0)
		return false;
	if (v.p[0] == '[') {
		end = memchr(v.p, ']', v.n);
		host_n = end ? (size_t)(end - v.p) + 1 : 0;
		return host_n >= 4 && all_of_class(slice(v, 1, host_n - 1), HTTP_CHAR_IPV6) &&
		       port_is_good(slice(v, host_n, v.n));
	}
	end = memchr(v.p, ':', v.n);
	host_n = end ? (size_t)(end - v.p) : v.n;
	return host_n > 0 && all_of_class(slice(v, 0, host_n), HTTP_CHAR_HOST) &&
	       port_is_good(slice(v, host_n, v.n));
}

static int note_host(struct http_head *h, struct str v, struct framing *f)
{
	h->host = v;
	return ++f->n_host > 1 || !host_is_good(v) ? -400 : 0;
}

static int note_content_length(struct http_head *h, struct str v, struct framing *f)
{
	h->has_content_length = true;
	return ++f->n_content_length > 1 ? -400 : parse_content_length(v, &h->content_length);
}

/* In lower case only, as everybody sends it: what another program may not know as "chunked" is
 * refused. */
static int note_transfer_encoding(struct http_head *h, struct str v, struct framing *f)
{
	h->chunked = true;
	return ++f->n_transfer_encoding > 1 || !str_eq(v, STR("chunked")) ? -400 : 0;
}

static int note_connection(struct http_head *h, struct str v, struct framing *f)
{
	struct str option;

	(void)h;
	while (str_split(&v, ',', &option)) {
		option = str_trim(option);
		f->close |= str_eq_nocase(option, STR("close"));
		f->keep_alive |= str_eq_nocase(option, STR("keep-alive"));
		f->connection_upgrade |= str_eq_nocase(option, STR("upgrade"));
	}
	return 0;
}

static int note_expect(struct http_head *h, struct str v, struct framing *f)
{
	(void)h;
	f->has_expect = true;
	f->bad_expect |= !str_eq_nocase(v, STR("100-continue"));
	return 0;
}

static int note_upgrade(struct http_head *h, struct str v, struct framing *f)
{
	(void)h;
	(void)v;
	f->has_upgrade = true;
	return 0;
}

/* The headers that say where the request ends and what becomes of the connection. */
static const struct {
	struct str name;
	int (*note)(struct http_head *h, struct str v, struct framing *f);
} known_headers[] = {
	{ { "Host", 4 }, note_host },
	{ { "Content-Length", 14 }, note_content_length },
	{ { "Transfer-Encoding", 17 }, note_transfer_encoding },
	{ { "Connection", 10 }, note_connection },
	{ { "Expect", 6 }, note_expect },
	{ { "Upgrade", 7 }, note_upgrade },
};

static int note_header(struct http_head *h, const struct http_header *x, struct framing *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_headers); i++)
		if (known_headers[i].name.n == x->name.n &&
		    str_eq_nocase(known_headers[i].name, x->name))
			return known_headers[i].note(h, x->value, f);
	return 0;
}

static struct str trim_value(struct str v)
{
	while (v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t'))
		v = slice(v, 1, v.n);
	while (v.n > 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
		v.n--;
	return v;
}

static int parse_header(struct str line, struct http_head *h, struct framing *f)
{
	struct http_header *x = &h->headers[h->n_headers];
	size_t name_n = 0;

	if (line.n > HTTP_MAX_LINE_BYTES || h->n_headers == HTTP_MAX_HEADERS)
		return -431;
	/* A line that starts with white space (obs-fold) has an empty name. */
	while (name_n < line.n && http_char_is(line.p[name_n], HTTP_CHAR_TOKEN))
		name_n++;
	if (name_n == 0 || name_n == line.n || line.p[name_n] != ':')
		return -400;
	x->name = slice(line, 0, name_n);
	x->value = trim_value(slice(line, name_n + 1, line.n));
	h->n_headers++;
	return note_header(h, x, f);
}

/* RFC 9110 sections 9.3.1, 9.3.2 and 9.3.8. */
static bool has_no_content(enum http_method m)
{
	return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_TRACE;
}

static int judge_framing(const struct http_head *h, const struct framing *f)
{
	if (f->n_host == 0 && h->minor_version == 1)
		return -400;
	/* RFC 9112 section 6.1: Transfer-Encoding in 1.0 is as faulty as both together. */
	if (h->chunked && (h->has_content_length || h->minor_version == 0))
		return -400;
	if (has_no_content(h->method) && (h->chunked || h->content_length > 0))
		return -400;
	if (h->method == HTTP_UNKNOWN_METHOD)
		return -501;
	if (f->bad_expect && h->minor_version == 1)
		return -417;
	return 0;
}

static int judge(struct http_head *h, const struct framing *f, struct str authority)
{
	int r;

	if (authority.p &&
	    (!host_is_good(authority) || (h->host.p && !str_eq_nocase(authority, h->host))))
		return -400;
	r = judge_framing(h, f);
	if (r < 0)
		return r;
	if (!h->host.p)
		h->host = authority;
	h->keep_alive = !f->close && (h->minor_version == 1 || f->keep_alive);
	h->expect_continue = f->has_expect && h->minor_version == 1;
	h->upgrade = f->connection_upgrade && f->has_upgrade && h->minor_version == 1;
	return 0;
}

static void clear(struct http_head *h)
{
	h->host = (struct str){ NULL, 0 };
	h->n_headers = 0;
	h->has_content_length = h->chunked = false;
	h->content_length = 0;
}

/* The line at *pos, without its end, which is CR LF because find_end looked. */
static struct str next_line(struct str head, size_t *pos)
{
	const char *p = head.p + *pos;
	const char *lf = memchr(p, '\n', head.n - *pos);
	struct str line = { p, (size_t)(lf - p) - 1 };

	*pos += line.n + 2;
	return line;
}

ssize_t http_parse_head(struct str bytes, size_t *scanned, struct http_head *ret)
{
	ssize_t n = find_end(bytes, scanned);
	struct framing f = { 0 };
	struct str head, authority = { NULL, 0 }, line;
	size_t pos;
	int r;

	if (n <= 0)
		return n;
	head = slice(bytes, 0, (size_t)n);
	pos = head.p[0] == '\r' ? 2 : 0;
	clear(ret);
	r = parse_request_line(next_line(head, &pos), ret, &authority);
	while (r == 0) {
		line = next_line(head, &pos);
		if (line.n == 0)
			break;
		r = parse_header(line, ret, &f);
	}
	if (r == 0)
		r = judge(ret, &f, authority);
	return r < 0 ? r : n;
}

struct str http_head_get(const struct http_head *h, struct str name)
{
	for (size_t i = 0; i < h->n_headers; i++)
		if (h->headers[i].name.n == name.n && str_eq_nocase(h->headers[i].name, name))
			return h->headers[i].value;
	return (struct str){ NULL, 0 };
}

size_t http_head_count(const struct http_head *h, struct str name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n_headers; i++)
		n += h->headers[i].name.n == name.n && str_eq_nocase(h->headers[i].name, name);
	return n;
}

ssize_t http_percent_decode(struct str s, bool plus_is_space, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int byte = (unsigned char)s.p[i];

		if (byte == '%') {
			byte = decode_escape(s, i);
			i += 2;
		} else if (byte == '+' && plus_is_space) {
			byte = ' ';
		}
		if (byte <= 0)
			return -EINVAL;
		out[n++] = (char)byte;
	}
	return utf8_valid((struct str){ out, n }) ? (ssize_t)n : -EINVAL;
}

static bool is_dots(struct str s)
{
	return str_eq(s, STR(".")) || str_eq(s, STR(".."));
}

struct str http_percent_encode(struct arena *arena, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(arena, 3 * s.n + 1);
	size_t n = 0;

	if (!out)
		return (struct str){ NULL, 0 };
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		    (c && strchr("-._~", c) && !is_dots(s))) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 0xF];
	}
	out[n] = '\0';
	return (struct str){ out, n };
}
