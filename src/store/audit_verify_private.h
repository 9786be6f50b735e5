/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two halves of a verification: chains, and checkpoints.
 */
#ifndef AUDIT_VERIFY_PRIVATE_H
#define AUDIT_VERIFY_PRIVATE_H

#include "store/audit_verify.h"

void audit_found(struct audit_verification *v, struct str user_id, int64_t n, enum audit_fault f);
/* Runs one statement for reading; the result is the arena's. */
FIBER int audit_query_wait(struct db *db, struct arena *arena, struct str user_id,
			   const struct db_statement *statement, const struct db_param *params,
			   struct db_result **ret, struct err *reterr) MUST_CHECK;
/* All checkpoints; of user_id .p NULL all heads that they name, else those of this user. */
FIBER int audit_verify_checkpoints_wait(struct audit_verification *v, struct str user_id,
					struct err *reterr) MUST_CHECK;

#endif
