/* SPDX-License-Identifier: Apache-2.0 */
/* Making the job of a try. */
#ifndef NOTIFIER_SCHEDULE_PRIVATE_H
#define NOTIFIER_SCHEDULE_PRIVATE_H

#include "domain/reminder_notice.h"
#include "reminder_state_private.h"

enum { SCHEDULE_AT_TIME = -1 };

/*
 * The job of this reminder fires at at_us, or delay_s from now by the sidecar's clock, with a
 * trigger for try notice->attempt whose time is at_us; it replaces the one before. One with a delay
 * has a name of its own: it must not replace that of a later version.
 */
FIBER int schedule_try_wait(struct notifier *n, const struct incoming *in,
			    const struct reminder_notice *notice, int64_t at_us, int64_t delay_s,
			    struct err *reterr) MUST_CHECK;
/* The event that is dealt with, for this try, comes once more, as it is. */
FIBER int schedule_again_wait(struct notifier *n, const struct incoming *in,
			      const struct reminder_notice *notice, int64_t attempt,
			      int64_t delay_s, struct err *reterr) MUST_CHECK;

#endif
