/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed checkpoints of the chains' heads, each chained to the one before: what they name cannot be
 * rewritten later without being found out, not even by who owns the database. Who signs and who
 * checks is the caller's: the store knows no keys of that kind.
 */
#ifndef STORE_AUDIT_CHECKPOINT_H
#define STORE_AUDIT_CHECKPOINT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "net/db.h"

#include <stdint.h>

/* Claims as a signed token in the arena; .p NULL: it cannot be made. */
typedef struct str audit_sign_fn(struct arena *arena, struct str claims, void *arg);

enum { AUDIT_HEADS_MAX = 2000 }; /* of one checkpoint */

struct audit_checkpoint {
	int64_t seq; /* 0: there is none */
	int64_t at_us, covers_us;
	struct str heads;     /* JSON: [{"user","n","h"} ...] */
	struct str prev;      /* SHA-256 of the signature before; zeros before the first */
	struct str signature; /* the signed token */
	size_t n_heads;	      /* of one that was just made */
};

/* The hash that the next one's prev must be; this is what to keep outside the database. */
int audit_checkpoint_hash(const struct audit_checkpoint *c, uint8_t ret[SHA256_SIZE]) MUST_CHECK;
/* What is signed: seq, at, covers, prev, and the SHA-256 of heads, as JSON. .p NULL without memory.
 */
struct str audit_checkpoint_claims(struct arena *arena, const struct audit_checkpoint *c);

struct audit_checkpointer;

/* writer: todod_audit_writer; checker: todod_audit_checker, which may see where chains end. NULL
 * when out of memory. */
struct audit_checkpointer *audit_checkpointer_new(struct db *writer, struct db *checker,
						  audit_sign_fn *sign, void *arg);
void audit_checkpointer_free(struct audit_checkpointer *c);

/*
 * Makes the next checkpoint, *ret, whose n_heads is 0 when no head changed. 1: it had no room for
 * all that changed: call again; 0: it names the last of them; -EEXIST: another process made one
 * meanwhile. Errors as db_run_wait.
 */
FIBER int audit_checkpoint_wait(struct audit_checkpointer *c, struct arena *arena,
				struct audit_checkpoint *ret, struct err *reterr) MUST_CHECK;

#endif
