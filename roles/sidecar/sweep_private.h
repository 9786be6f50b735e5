/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Once an hour: records past their retention, state past its time.
 */
#ifndef SIDECAR_SWEEP_PRIVATE_H
#define SIDECAR_SWEEP_PRIVATE_H

#include "host_private.h"

void sweep_plan(struct host *h, int64_t delay_ms);

#endif
