/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One embedded sidecar per database. A row says which process it is and until when it may be
 * believed; the process renews it. Another one starts only when that time is over, or when it can
 * see that the holder died: same machine, same boot, same process namespace, and no such process.
 */
#ifndef SIDECAR_LEASE_PRIVATE_H
#define SIDECAR_LEASE_PRIVATE_H

#include "host_private.h"

/* 0; -EBUSY: another process holds it (who and where is in the error); as db_run_wait. */
FIBER int process_lease_take_wait(struct host *h, struct err *reterr) MUST_CHECK;
/* Begins to renew it; when it is lost the process ends. */
void process_lease_keep(struct host *h);
void process_lease_stop(struct host *h);

#endif
