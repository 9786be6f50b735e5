/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What store/tasks shares with store/idempotency: the lookup as one query of a larger segment.
 */
#ifndef STORE_IDEMPOTENCY_PRIVATE_H
#define STORE_IDEMPOTENCY_PRIVATE_H

#include "store/idempotency.h"

enum { IDEMPOTENCY_LOOKUP_PARAMS = 4, IDEMPOTENCY_RECORD_PARAMS = 8 };

extern const struct db_statement IDEMPOTENCY_LOOKUP; /* a live answer, or no row */

void idempotency_lookup_params(const struct idempotency_key *key,
			       struct db_param out[IDEMPOTENCY_LOOKUP_PARAMS]);
/* Whether the result of IDEMPOTENCY_LOOKUP has an answer; *ret views into it. */
bool idempotency_read(const struct db_result *r, const struct idempotency_key *key,
		      struct idempotency_answer *ret);

/* All of an idempotency_keys row but its user: method, path, key, body_sha256, status, etag,
 * location, answer. */
void idempotency_record_params(const struct idempotency_key *key,
			       const struct idempotency_answer *answer,
			       struct db_param out[IDEMPOTENCY_RECORD_PARAMS]);

#endif
