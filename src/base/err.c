/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The general kinds of error and the one function that fills a struct err. Kinds are told apart by
 * address; each general HTTP status has exactly one, and the table below is what finds it by
 * number. An error text never ends in half a character: it travels inside JSON.
 */
#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

const struct err_kind ERR_BAD_REQUEST = { "bad_request", 400, EINVAL, "Bad Request" };
const struct err_kind ERR_UNAUTHORIZED = { "unauthorized", 401, EACCES, "Unauthorized" };
const struct err_kind ERR_FORBIDDEN = { "forbidden", 403, EPERM, "Forbidden" };
const struct err_kind ERR_NOT_FOUND = { "not_found", 404, ENOENT, "Not Found" };
const struct err_kind ERR_METHOD_NOT_ALLOWED = { "method_not_allowed", 405, EOPNOTSUPP,
						 "Method Not Allowed" };
const struct err_kind ERR_TIMEOUT = { "request_timeout", 408, ETIMEDOUT, "Request Timeout" };
const struct err_kind ERR_CONFLICT = { "conflict", 409, EEXIST, "Conflict" };
const struct err_kind ERR_LENGTH_REQUIRED = { "length_required", 411, EINVAL, "Length Required" };
const struct err_kind ERR_PRECONDITION_FAILED = { "precondition_failed", 412, ESTALE,
						  "Precondition Failed" };
const struct err_kind ERR_CONTENT_TOO_LARGE = { "content_too_large", 413, EMSGSIZE,
						"Content Too Large" };
const struct err_kind ERR_URI_TOO_LONG = { "uri_too_long", 414, ENAMETOOLONG, "URI Too Long" };
const struct err_kind ERR_UNSUPPORTED_MEDIA_TYPE = { "unsupported_media_type", 415, EINVAL,
						     "Unsupported Media Type" };
const struct err_kind ERR_EXPECTATION_FAILED = { "expectation_failed", 417, EINVAL,
						 "Expectation Failed" };
const struct err_kind ERR_INVALID = { "invalid", 422, EINVAL, "Unprocessable Content" };
const struct err_kind ERR_RATE_LIMITED = { "rate_limited", 429, EAGAIN, "Too Many Requests" };
const struct err_kind ERR_HEADERS_TOO_LARGE = { "headers_too_large", 431, EMSGSIZE,
						"Request Header Fields Too Large" };
const struct err_kind ERR_INTERNAL = { "internal", 500, EIO, "Internal Server Error" };
const struct err_kind ERR_NOT_IMPLEMENTED = { "not_implemented", 501, ENOSYS, "Not Implemented" };
const struct err_kind ERR_UNAVAILABLE = { "unavailable", 503, EAGAIN, "Service Unavailable" };
const struct err_kind ERR_VERSION_NOT_SUPPORTED = { "http_version_not_supported", 505,
						    EPROTONOSUPPORT, "HTTP Version Not Supported" };

static const struct err_kind *const general_kinds[] = {
	&ERR_BAD_REQUEST,
	&ERR_UNAUTHORIZED,
	&ERR_FORBIDDEN,
	&ERR_NOT_FOUND,
	&ERR_METHOD_NOT_ALLOWED,
	&ERR_TIMEOUT,
	&ERR_CONFLICT,
	&ERR_LENGTH_REQUIRED,
	&ERR_PRECONDITION_FAILED,
	&ERR_CONTENT_TOO_LARGE,
	&ERR_URI_TOO_LONG,
	&ERR_UNSUPPORTED_MEDIA_TYPE,
	&ERR_EXPECTATION_FAILED,
	&ERR_INVALID,
	&ERR_RATE_LIMITED,
	&ERR_HEADERS_TOO_LARGE,
	&ERR_INTERNAL,
	&ERR_NOT_IMPLEMENTED,
	&ERR_UNAVAILABLE,
	&ERR_VERSION_NOT_SUPPORTED,
};

/* Shortens a text that was cut by the size of its array to whole characters. */
static void drop_partial_character(char *text, size_t n)
{
	size_t start = n;

	while (start > 0 && n - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start > 0 && (unsigned char)text[start - 1] >= 0xC0)
		start--;
	if (!utf8_valid((struct str){ text + start, n - start }))
		text[start] = '\0';
}

static void copy_cut(char *dst, size_t size, const char *text)
{
	size_t n = strlen(text);
	bool cut = n >= size;

	if (cut)
		n = size - 1;
	memcpy(dst, text, n);
	dst[n] = '\0';
	if (cut)
		drop_partial_character(dst, n);
}

static void set(struct err *e, const struct err_kind *kind, const char *field, const char *fmt,
		va_list ap) __attribute__((format(printf, 4, 0)));

static void set(struct err *e, const struct err_kind *kind, const char *field, const char *fmt,
		va_list ap)
{
	struct err filled = { .kind = kind };
	int n;

	/* Into a fresh one: the arguments may point into the error that is being replaced. */
	copy_cut(filled.field, sizeof(filled.field), field ? field : "");
	n = vsnprintf(filled.text, sizeof(filled.text), fmt, ap);
	if (n < 0)
		filled.text[0] = '\0';
	else if ((size_t)n >= sizeof(filled.text))
		drop_partial_character(filled.text, sizeof(filled.text) - 1);
	*e = filled;
}

int err_set(struct err *reterr, const struct err_kind *kind, const char *field, const char *fmt,
	    ...)
{
	va_list ap;

	if (reterr) {
		va_start(ap, fmt);
		set(reterr, kind, field, fmt, ap);
		va_end(ap);
	}
	return -kind->errnum;
}

int err_unavailable(struct err *reterr, unsigned retry_after_s, const char *fmt, ...)
{
	va_list ap;

	if (reterr) {
		va_start(ap, fmt);
		set(reterr, &ERR_UNAVAILABLE, NULL, fmt, ap);
		va_end(ap);
		reterr->retry_after_s = retry_after_s;
	}
	return -ERR_UNAVAILABLE.errnum;
}

const struct err_kind *err_kind_for_status(int http_status)
{
	for (size_t i = 0; i < ARRAY_SIZE(general_kinds); i++)
		if (general_kinds[i]->http_status == http_status)
			return general_kinds[i];
	return &ERR_INTERNAL;
}
