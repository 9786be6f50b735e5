/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far groups have read, written for many partitions at a time.
 */
#ifndef SIDECAR_PROGRESS_PRIVATE_H
#define SIDECAR_PROGRESS_PRIVATE_H

#include "consumer_private.h"

/*
 * Everything before next is settled, and is not delivered again while this process lives. The
 * database is told soon, together with what comes from all groups meanwhile, and its commit does
 * not wait for the disk: a crash repeats what it was not told. Waits while four records of the
 * partition are unwritten. 0; -ETIME, -ECANCELED, -EAGAIN or -ENOMEM: nothing is settled.
 */
FIBER int progress_settle_wait(struct partition *p, int64_t next, struct err *reterr) MUST_CHECK;
void progress_close(struct host *h);

#endif
