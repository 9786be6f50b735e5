/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for what somebody changed: every row's hash and place, every payload that can be opened,
 * every key, every checkpoint and the heads it names. It reports all it finds and goes on.
 */
#ifndef STORE_AUDIT_VERIFY_H
#define STORE_AUDIT_VERIFY_H

#include "base/aead.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "net/db.h"

#include <stdbool.h>
#include <stdint.h>

enum audit_fault {
	AUDIT_FAULT_MISSING,	/* there are rows after it, and it is not there */
	AUDIT_FAULT_CHANGED,	/* the row is not what its hash says, or not after the row before */
	AUDIT_FAULT_INSERTED,	/* a row in a place that no chain has */
	AUDIT_FAULT_PAYLOAD,	/* sealed by nobody who had the key */
	AUDIT_FAULT_KEY,	/* a key is gone without an erasure, or is not what was wrapped */
	AUDIT_FAULT_TRUNCATED,	/* a checkpoint names the row, and the chain ends before it */
	AUDIT_FAULT_REWRITTEN,	/* a checkpoint names another hash for the row */
	AUDIT_FAULT_CHECKPOINT, /* a checkpoint is missing, or is not what was signed */
	_AUDIT_FAULT_MAX,
};
const char *audit_fault_name(enum audit_fault f);

struct audit_finding {
	struct str user_id; /* .p NULL: of no user, a checkpoint */
	int64_t n;	    /* the row, or the checkpoint */
	enum audit_fault fault;
};
typedef void audit_finding_fn(const struct audit_finding *f, void *arg);
/* 0 and the claims of a token that was signed by the right key; -EACCES; -ENOMEM. */
typedef int audit_signed_fn(struct arena *arena, struct str token, struct str *ret_claims,
			    void *arg);

struct audit_verification {
	struct db *rows;	    /* may read the rows of any one user */
	struct db *heads;	    /* may read user_id, n, h of all: todod_audit_checker */
	const struct aead_key *kek; /* NULL: payloads are not opened */
	audit_signed_fn *is_signed; /* NULL: signatures are not checked */
	void *is_signed_arg;
	audit_finding_fn *found;
	void *found_arg;
	/* What was done. */
	int64_t n_users, n_rows, n_findings, n_checkpoints, n_heads;
	uint8_t last_checkpoint[SHA256_SIZE]; /* its hash, when n_checkpoints > 0 */
};

/* user_id .p NULL: everybody. 0, whatever was found: see n_findings. Errors as db_run_wait. */
FIBER int audit_verify_wait(struct audit_verification *v, struct str user_id,
			    struct err *reterr) MUST_CHECK;

#endif
