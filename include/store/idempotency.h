/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was answered to a write that carried an Idempotency-Key, kept for 24 hours per user, method
 * and path. The row is written by the same statement as the change itself (store/tasks), so there
 * is an answer exactly when there is a change. Same key and same body: the stored answer again;
 * another body: 422.
 */
#ifndef STORE_IDEMPOTENCY_H
#define STORE_IDEMPOTENCY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"
#include "net/db.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	IDEMPOTENCY_KEY_MAX = 255,
	IDEMPOTENCY_PATH_MAX = 1024
}; /* bytes; the database refuses more */

struct idempotency_key {
	struct str user_id;
	struct str method; /* "POST" */
	struct str path;   /* as sent, so that two spellings are two keys */
	struct str key;	   /* what the client sent */
	uint8_t body_sha256[SHA256_SIZE];
};

struct idempotency_answer {
	int status;
	struct str etag;     /* .p NULL: no such header */
	struct str location; /* .p NULL: no such header */
	struct str body;     /* empty for 204 */
	bool same_body;	     /* false: the key was used for another body: 422 */
};

/*
 * The answer stored under this key, *ret_found false when there is none younger than 24 hours; an
 * expired one is removed, so that the write may be tried again. For after -EEXIST of a write.
 * Strings live in the arena. 0, or as db_run_wait.
 */
FIBER int idempotency_lookup_wait(struct db *db, struct arena *arena,
				  const struct idempotency_key *key, bool *ret_found,
				  struct idempotency_answer *ret, struct err *reterr) MUST_CHECK;

/*
 * Stores the answer of a request that changed nothing, so that its key stands for it all the same.
 * 0; -EEXIST: the key was used before; or as db_run_wait.
 */
FIBER int idempotency_record_wait(struct db *db, const struct idempotency_key *key,
				  const struct idempotency_answer *answer,
				  struct err *reterr) MUST_CHECK;

#endif
