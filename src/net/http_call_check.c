/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refuses calls that could smuggle a line onto the wire or that are not plain HTTP. Pure: looks at
 * the texts only. Reasons name the part that is wrong and repeat no value, because headers hold
 * tokens.
 */
#include "http_client_private.h"

#include <errno.h>

enum { URL_MAX_BYTES = 8 * 1024, METHOD_MAX_BYTES = 16 };

static int refuse(struct err *reterr, const char *field, const char *reason)
{
	err_set(reterr, &ERR_INTERNAL, field, "%s", reason);
	return -EINVAL;
}

static bool is_method(const char *s)
{
	size_t n = s ? strnlen(s, METHOD_MAX_BYTES + 1) : 0;
	return n > 0 && n <= METHOD_MAX_BYTES && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}

static bool is_url(const char *s)
{
	size_t n = s ? strnlen(s, URL_MAX_BYTES + 1) : 0;
	if (n > URL_MAX_BYTES ||
	    (strncmp(s ? s : "", "http://", 7) != 0 && strncmp(s ? s : "", "https://", 8) != 0))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	}
	return true;
}

/* RFC 9110 section 5.6.2 */
static bool is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/* "Name: value": a token, a colon, then no controls but tab. */
static bool is_header(const char *s)
{
	size_t n = 0;
	while (is_token_char(s[n]))
		n++;
	if (n == 0 || s[n] != ':')
		return false;
	for (const char *p = s + n + 1; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

int http_call_check(const struct http_call *call, struct err *reterr)
{
	if (!is_method(call->method))
		return refuse(reterr, "method", "the method is not a word of capital letters");
	if (!is_url(call->url))
		return refuse(reterr, "url",
			      "the URL is not http:// or https:// in printable ASCII");
	for (const char *const *h = call->headers; h && *h; h++) {
		if (!is_header(*h))
			return refuse(reterr, "headers",
				      "a header is not \"Name: value\" on one line");
	}
	return 0;
}
