/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the sidecar's client share: one call from its start to its end. */
#ifndef DAPR_SIDECAR_PRIVATE_H
#define DAPR_SIDECAR_PRIVATE_H

#include "base/metrics.h"
#include "dapr/sidecar.h"

enum sidecar_op_kind {
	SIDECAR_HEALTH,
	SIDECAR_METADATA,
	SIDECAR_PUBLISH,
	SIDECAR_STATE_GET,
	SIDECAR_STATE_PUT,
	SIDECAR_STATE_DELETE,
	SIDECAR_JOB_PUT,
	SIDECAR_JOB_DELETE,
	SIDECAR_SECRET,
	SIDECAR_INVOKE,
	_SIDECAR_OP_MAX,
};

enum sidecar_result {
	SIDECAR_OK, /* also when there was nothing, or a condition was not met */
	SIDECAR_UNAVAILABLE,
	SIDECAR_TIMEOUT,
	SIDECAR_CANCELLED,
	SIDECAR_REFUSED, /* it will not get better by itself */
	_SIDECAR_RESULT_MAX,
};

struct sidecar {
	struct sidecar_config config;
	struct http_client *http;
	char *token_header; /* NULL: none */
	unsigned refs;	    /* the owner and each call under way */
	bool closed;	    /* sidecar_free was called */
	bool up;
	enum sidecar_api publish_api, jobs_api; /* AUTO: not decided yet */
	struct metric *results[_SIDECAR_OP_MAX][_SIDECAR_RESULT_MAX], *seconds[_SIDECAR_OP_MAX];
};

/* One call. What it needs while it runs comes from its arena; response is that of its exchange. */
struct sidecar_op {
	struct sidecar *s;
	enum sidecar_op_kind kind;
	struct arena *arena;
	int64_t started_ms;
	struct http_response response;
};

struct sidecar_exchange {
	const char *method;
	struct str path;	    /* NUL-terminated, from the arena; .p NULL: no memory */
	const char *const *headers; /* NULL: that the body is JSON, if there is one */
	struct str body;	    /* .p NULL: none */
	size_t max_response_bytes;
	const char *keep_header;
	int64_t timeout_ms; /* 0: the configured one */
	bool once;	    /* a second one would do something else than the first */
};

/* Lets go what was held by refs++. */
void sidecar_unref(struct sidecar *s);
/* Starts a call: 0; -ECANCELED after sidecar_free; -ENOMEM. sidecar_op_end is due in any case: it
 * counts the result, lets everything go, and returns r. */
int sidecar_op_begin(struct sidecar_op *op, struct sidecar *s, enum sidecar_op_kind kind,
		     struct err *reterr) MUST_CHECK;
int sidecar_op_end(struct sidecar_op *op, int r);
/* One request, one answer: 0 for any status. Once in each op. */
FIBER int sidecar_exchange_wait(struct sidecar_op *op, const struct sidecar_exchange *x,
				struct err *reterr) MUST_CHECK;
/* What the status means: 0 for 2xx; -EAGAIN for 5xx and 429; -EACCES for 403; -EEXIST for 409 of a
 * state; -EINVAL for others. */
int sidecar_check_status(struct sidecar_op *op, struct err *reterr) MUST_CHECK;
/* Both. */
FIBER int sidecar_call_wait(struct sidecar_op *op, const struct sidecar_exchange *x,
			    struct err *reterr) MUST_CHECK;
/* The sidecar said something else than its API does: -EAGAIN, for that may pass. */
int sidecar_garbage(const struct sidecar_op *op, struct err *reterr);
int sidecar_no_memory(struct err *reterr);
/* -EINVAL: the caller's mistake, nothing was sent. */
int sidecar_refuse(const struct sidecar_op *op, struct err *reterr, const char *text);
/* Whether the answer is an error with this code: "ERR_DIRECT_INVOKE". */
bool sidecar_has_error_code(struct sidecar_op *op, struct str code);

/* Decides, where that is due, which paths the sidecar has. */
FIBER int sidecar_decide_wait(struct sidecar *s, struct err *reterr) MUST_CHECK;
/* "v1.0" or "v1.0-alpha1". */
const char *sidecar_api_name(enum sidecar_api api);

#endif
