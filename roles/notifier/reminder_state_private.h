/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What notifier knows of a reminder: one value in the state store for each, under
 * u/<user>/rem/<reminder>, changed only if it is still as it was read.
 */
#ifndef NOTIFIER_REMINDER_STATE_PRIVATE_H
#define NOTIFIER_REMINDER_STATE_PRIVATE_H

#include "notifier_private.h"

enum reminder_stage {
	STAGE_UNKNOWN,	 /* nothing is known of it */
	STAGE_SCHEDULED, /* its job is to fire */
	STAGE_CANCELLED,
	STAGE_RETRYING, /* a try failed, another one follows */
	STAGE_SENT,
	STAGE_FAILED, /* for good, unless a dead letter is replayed */
	_REMINDER_STAGE_MAX,
};

struct reminder_state {
	enum reminder_stage stage;
	int64_t version;       /* the greatest that was heard of; 0: none */
	int64_t attempt;       /* retrying, sent, failed: which try that was */
	unsigned told;	       /* by which channels other than mail it was told already */
	struct str cause;      /* id of the trigger that led here; .p NULL: none */
	int64_t retry_at_us;   /* retrying */
	struct str outcome_id; /* of the event that tells of it */
	struct str outcome;    /* that event */
	struct str etag;       /* .p NULL: it was not there */
};

/* What a trigger meets. */
enum trigger_verdict {
	TRIGGER_IS_OLD,	     /* of a version that no longer counts, or cancelled */
	TRIGGER_IS_REPEATED, /* was dealt with: its outcome is told again */
	TRIGGER_IS_DUE,	     /* to be sent, as try *ret_attempt */
	TRIGGER_MAY_BE_DUE,  /* the same, unless the pause after the last try is not over */
};

/* version, attempt (0: not said) and id of the trigger. Pure. */
enum trigger_verdict reminder_state_judge(const struct reminder_state *s, int64_t version,
					  int64_t attempt, struct str id, int64_t *ret_attempt);

/* Strings live in the arena. What is no state counts as none. */
FIBER int reminder_state_read_wait(struct notifier *n, struct arena *arena, struct str user_id,
				   const struct uuid *id, struct reminder_state *ret,
				   struct err *reterr) MUST_CHECK;
/* Writes it if what is there still has s->etag. 0; -EEXIST: it has not; or as
 * sidecar_state_put_wait. */
FIBER int reminder_state_write_wait(struct notifier *n, struct arena *arena, struct str user_id,
				    const struct uuid *id, const struct reminder_state *s,
				    int64_t ttl_s, struct err *reterr) MUST_CHECK;

/*
 * A mark that goes by itself, by the store's clock: that a try is being made ("lease") or that the
 * next one must not be made yet ("pause"). 0: it is ours; -EEXIST: it is there already.
 */
FIBER int reminder_mark_wait(struct notifier *n, struct arena *arena, struct str user_id,
			     const struct uuid *id, const char *what, int64_t version,
			     int64_t attempt, int64_t ttl_s, struct err *reterr) MUST_CHECK;
FIBER int reminder_is_marked_wait(struct notifier *n, struct arena *arena, struct str user_id,
				  const struct uuid *id, const char *what, int64_t version,
				  int64_t attempt, bool *ret, struct err *reterr) MUST_CHECK;
FIBER int reminder_unmark_wait(struct notifier *n, struct arena *arena, struct str user_id,
			       const struct uuid *id, const char *what, int64_t version,
			       int64_t attempt, struct err *reterr) MUST_CHECK;

#endif
