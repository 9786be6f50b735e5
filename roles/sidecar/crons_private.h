/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cron bindings: POST /<name> to every healthy instance of an app, by the clock. What was missed is
 * not made up, and an instance still at its last tick is left out.
 */
#ifndef SIDECAR_CRONS_PRIVATE_H
#define SIDECAR_CRONS_PRIVATE_H

#include "host_private.h"

/* -EINVAL: a schedule that cannot be read; -ENOMEM. */
int crons_open(struct host *h, struct err *reterr) MUST_CHECK;
void crons_stop(struct host *h);
void crons_close(struct host *h);

#endif
