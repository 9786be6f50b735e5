/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When jobs and crons fire: "@every 90s", "@daily" and its like, or six fields (second, minute,
 * hour, day, month, weekday; robfig/cron), in UTC. And the times and durations in which jobs are
 * told. Pure.
 */
#ifndef SIDECAR_SCHEDULE_PRIVATE_H
#define SIDECAR_SCHEDULE_PRIVATE_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct schedule {
	int64_t every_us;			/* > 0: only this */
	uint64_t seconds, minutes;		/* a bit for each that matches */
	uint32_t hours, days, months, weekdays; /* weekday 0 is Sunday */
	bool any_day, any_weekday;		/* both restricted: either is enough */
};

/* -EINVAL with the reason, also for CRON_TZ= and TZ=. */
int schedule_parse(struct str text, struct schedule *ret, struct err *reterr) MUST_CHECK;
/* The first time after that instant, microseconds since the epoch; INT64_MAX: never. For @every:
 * that much later. */
int64_t schedule_next(const struct schedule *s, int64_t after_us);

/* Go's ("1h30m", "1.5s", "250ms"), without sign; up to about 10,000 years. -EINVAL. */
int schedule_parse_duration(struct str text, int64_t *ret_us) MUST_CHECK;
/* An instant: RFC 3339, or a duration from now (Go's, or ISO 8601's such as PT5M). -EINVAL. */
int schedule_parse_instant(struct str text, int64_t now_us, int64_t *ret_us) MUST_CHECK;

#endif
