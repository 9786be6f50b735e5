/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints as rows, for those who make them and those who verify them.
 */
#ifndef AUDIT_CHECKPOINT_PRIVATE_H
#define AUDIT_CHECKPOINT_PRIVATE_H

#include "store/audit_checkpoint.h"

#define AUDIT_CHECKPOINT_COLUMNS "seq, at, covers, heads, prev, signature"

enum { AUDIT_HEX_SIZE = 2 * SHA256_SIZE + 1 };

/* Views of the result. */
void audit_checkpoint_read(const struct db_result *r, int row, struct audit_checkpoint *ret);
/* out: 2 * bytes.n + 1. */
void audit_hex(struct str bytes, char *out);

#endif
