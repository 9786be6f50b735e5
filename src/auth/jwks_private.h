/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clockwork of a key set, so that tests can turn it faster. jwks_new uses the figures that
 * jwks.h promises.
 */
#ifndef AUTH_JWKS_PRIVATE_H
#define AUTH_JWKS_PRIVATE_H

#include "auth/jwks.h"

enum { JWKS_WAITERS_MAX = 64 };

struct jwks_timing {
	int64_t refresh_ms;	 /* between background fetches */
	int64_t min_interval_ms; /* between fetches that tokens ask for */
	int64_t retry_first_ms;	 /* doubled up to retry_max_ms while there are no keys */
	int64_t retry_max_ms;
	int64_t timeout_ms; /* of one fetch */
};

struct jwks *jwks_new_with_timing(struct loop *l, struct http_client *http, const char *url,
				  const struct jwks_timing *timing);

#endif
