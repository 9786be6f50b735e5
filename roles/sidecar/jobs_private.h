/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: rows with an instant, fired by one wall-clock timer for the earliest of them. They belong
 * to the app that made them; while none of its instances lives they wait, and fire when one comes
 * back.
 */
#ifndef SIDECAR_JOBS_PRIVATE_H
#define SIDECAR_JOBS_PRIVATE_H

#include "host_private.h"
#include "schedule_private.h"

/* What a request asks for. */
struct job {
	struct str name;
	int64_t due_us;
	struct str schedule;	       /* .p NULL: fires once */
	int64_t ticks;		       /* 0: no end */
	int64_t expires_us;	       /* INT64_MAX: never */
	struct str data;	       /* one JSON value; .p NULL: none */
	int64_t retry_ms, max_retries; /* max_retries < 0: no end */
	bool overwrite;
};

/* Reads the body of a request; name is the path's. -EINVAL with *ret_code, Dapr's, and the reason;
 * -EBADMSG: the same for what Dapr answers with 500; -ENOMEM. */
int job_parse(struct arena *arena, struct str name, struct str body, int64_t now_us,
	      struct job *ret, const char **ret_code, struct err *reterr) MUST_CHECK;

int jobs_open(struct host *h) MUST_CHECK;
/* Looks for jobs of the app: it was not known until now when they are due, or one is. */
void jobs_look(struct hosted *app);
/* A job of the app was made or replaced, or may have been. */
void jobs_put(struct hosted *app, struct str name, int64_t due_us);
/* Sets the timer anew. */
void jobs_arm(struct host *h);
void jobs_close(struct host *h);

#endif
