/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far groups have read, written for many partitions at a time.
 */
#ifndef SIDECAR_PROGRESS_PRIVATE_H
#define SIDECAR_PROGRESS_PRIVATE_H

#include "consumer_private.h"

/*
 * Everything before next is settled. Writes what has come together from all groups since the last
 * write began, in one statement. Its commit does not wait for the disk. As db_run_wait.
 */
FIBER int progress_settle_wait(struct partition *p, int64_t next, struct err *reterr) MUST_CHECK;
void progress_close(struct host *h);

#endif
