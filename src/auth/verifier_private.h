/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier with the time as an argument, for tests.
 */
#ifndef AUTH_VERIFIER_PRIVATE_H
#define AUTH_VERIFIER_PRIVATE_H

#include "auth/verifier.h"

enum { AUTH_CACHE_TOKENS = 10000, AUTH_CACHE_SECONDS = 60 };

int auth_verify_at(struct auth_verifier *v, struct arena *arena, struct str authorization,
		   int64_t now_s, struct str *ret_user, struct err *reterr) MUST_CHECK;

#endif
