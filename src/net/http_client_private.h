/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call must look like before libcurl sees it: libcurl passes CR, LF and NUL in headers and
 * methods to the wire.
 */
#ifndef NET_HTTP_CLIENT_PRIVATE_H
#define NET_HTTP_CLIENT_PRIVATE_H

#include "net/http_client.h"

/* 0; -EINVAL with what is wrong. */
int http_call_check(const struct http_call *call, struct err *reterr) MUST_CHECK;

#endif
