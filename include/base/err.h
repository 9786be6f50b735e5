/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong, told once. Functions return 0 or a negative errno and, where a person or a
 * client will read the reason, fill a struct err. Library code never logs an error it returns.
 *
 * The stable codes of the API are const struct err_kind objects: the general ones below, the ones
 * of a domain beside that domain. An err refers to its kind, so status, title and code have one
 * home.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/macro.h"

struct err_kind {
	const char *code; /* stable, snake_case, what clients match on */
	int http_status;
	int errnum;	   /* positive errno that err_set returns negated */
	const char *title; /* RFC 9457 title: same for every occurrence */
};

struct err {
	const struct err_kind *kind; /* NULL: no error */
	char field[96];		/* where: "body.title", "query.limit", "header.If-Match"; or "" */
	char text[240];		/* what and what to do, for people */
	unsigned retry_after_s; /* 0: no Retry-After */
};

extern const struct err_kind ERR_BAD_REQUEST;		 /* 400 malformed syntax */
extern const struct err_kind ERR_UNAUTHORIZED;		 /* 401 */
extern const struct err_kind ERR_FORBIDDEN;		 /* 403 */
extern const struct err_kind ERR_NOT_FOUND;		 /* 404 */
extern const struct err_kind ERR_METHOD_NOT_ALLOWED;	 /* 405 */
extern const struct err_kind ERR_TIMEOUT;		 /* 408 the client was too slow */
extern const struct err_kind ERR_CONFLICT;		 /* 409 */
extern const struct err_kind ERR_LENGTH_REQUIRED;	 /* 411 */
extern const struct err_kind ERR_PRECONDITION_FAILED;	 /* 412 */
extern const struct err_kind ERR_CONTENT_TOO_LARGE;	 /* 413 */
extern const struct err_kind ERR_URI_TOO_LONG;		 /* 414 */
extern const struct err_kind ERR_UNSUPPORTED_MEDIA_TYPE; /* 415 */
extern const struct err_kind ERR_EXPECTATION_FAILED;	 /* 417 */
extern const struct err_kind ERR_INVALID;		 /* 422 a field has a bad value */
extern const struct err_kind ERR_RATE_LIMITED;		 /* 429 */
extern const struct err_kind ERR_HEADERS_TOO_LARGE;	 /* 431 */
extern const struct err_kind ERR_INTERNAL;		 /* 500 a bug */
extern const struct err_kind ERR_NOT_IMPLEMENTED;	 /* 501 unknown method */
extern const struct err_kind ERR_UNAVAILABLE; /* 503 a dependency is down or a bound is reached */
extern const struct err_kind ERR_VERSION_NOT_SUPPORTED; /* 505 */

/* Fills *reterr (which may be NULL) and returns -kind->errnum. field may be NULL. Long text is cut
 * at a UTF-8 boundary. */
int err_set(struct err *reterr, const struct err_kind *kind, const char *field, const char *fmt,
	    ...) PRINTF_LIKE(4, 5);
/* err_set(ERR_UNAVAILABLE) with Retry-After. */
int err_unavailable(struct err *reterr, unsigned retry_after_s, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* The general kind with this HTTP status; ERR_INTERNAL for one that has none. For layers that only
 * know a number. */
const struct err_kind *err_kind_for_status(int http_status);

#endif
