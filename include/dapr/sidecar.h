/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of the Dapr sidecar's HTTP API (docs.dapr.io/reference/api), over net/http_client. One
 * per process. Every call has a deadline; nothing is retried here, because only the caller knows
 * what is safe to repeat. Errors: -EAGAIN with ERR_UNAVAILABLE where trying again later makes sense
 * (no connection, 5xx, 429, the sidecar is starting, an answer that is none), -ETIME, -ECANCELED,
 * -ENOMEM; -EINVAL where it does not (the sidecar's words are in the error), -EACCES where it is
 * forbidden to this app, -EMSGSIZE for a body over SIDECAR_BODY_MAX, which is not sent; and what
 * each call adds. Numbers in states and in the data of jobs pass through doubles: ids are strings.
 */
#ifndef DAPR_SIDECAR_H
#define DAPR_SIDECAR_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "net/http_client.h"

#include <stdbool.h>
#include <stdint.h>

struct sidecar;

/* Jobs and bulk publishing moved from /v1.0-alpha1/ to /v1.0/ in Dapr 1.18 and 1.17. AUTO asks the
 * sidecar's metadata once, in sidecar_ready_wait or, without one, before the first such call. */
enum sidecar_api { SIDECAR_API_AUTO, SIDECAR_API_STABLE, SIDECAR_API_ALPHA1 };

enum { SIDECAR_BODY_MAX = 4 * 1024 * 1024 }; /* daprd's --max-body-size */

struct sidecar_config {
	struct loop *loop;
	const char *url;  /* "http://127.0.0.1:3500" */
	struct str token; /* sent as dapr-api-token; empty: none */
	enum sidecar_api api;
	const char *pubsub;	  /* component names: "kafka-pubsub" */
	const char *state_store;  /* "statestore" */
	const char *secret_store; /* "secrets" */
	int64_t timeout_ms;	  /* of one call */
	unsigned max_calls;	  /* at a time; more: -EAGAIN */
};

/* What config points at must outlive the sidecar. NULL when out of memory. */
struct sidecar *sidecar_new(const struct sidecar_config *config);
/* Accepts NULL. Calls still running end with -ECANCELED. */
void sidecar_free(struct sidecar *s);

/* Waits until GET /v1.0/healthz/outbound answers 204, asking again every 200 ms; then decides which
 * paths to use. -ETIME with the last reason after timeout_ms. */
FIBER int sidecar_ready_wait(struct sidecar *s, int64_t timeout_ms, struct err *reterr) MUST_CHECK;
/* Whether the last call reached it. */
bool sidecar_is_up(const struct sidecar *s);

/* ---- publish ---- */

struct sidecar_entry {
	struct str id;	 /* unique in the batch: the event's id */
	struct str key;	 /* partition key: the user */
	struct str json; /* a complete CloudEvent */
};
enum { SIDECAR_ENTRIES_MAX = 500 };

/*
 * Publishes in bulk, up to SIDECAR_ENTRIES_MAX. 0: ret_published[i] says which the broker took, and
 * if not all, *reterr why; the others may be tried again (one may be there twice then). < 0: none
 * is known to be there. -EMSGSIZE: send fewer at a time.
 */
FIBER int sidecar_publish_wait(struct sidecar *s, struct str topic,
			       const struct sidecar_entry *entries, size_t n, bool *ret_published,
			       struct err *reterr) MUST_CHECK;

/* ---- state ---- */

struct sidecar_state {
	bool found;
	struct str value; /* JSON, in the arena */
	struct str etag;  /* .p NULL: the store has none */
};

/* "u/<user id, %-encoded>/<what>", the key of what belongs to a user; .p NULL: no memory. */
struct str sidecar_user_key(struct arena *arena, struct str user_id, struct str what);
/* A key is 1 to 512 bytes of UTF-8 without controls and "||" (-EINVAL); it is encoded for the path.
 */
FIBER int sidecar_state_get_wait(struct sidecar *s, struct arena *arena, struct str key,
				 struct sidecar_state *ret, struct err *reterr) MUST_CHECK;
/* etag .p NULL with first_write: only if the key is not there. etag set: only if it still has this
 * one. Neither: last write wins. ttl_s 0: for ever. -EEXIST: the condition was not met. */
FIBER int sidecar_state_put_wait(struct sidecar *s, struct str key, struct str value_json,
				 struct str etag, bool first_write, int64_t ttl_s,
				 struct err *reterr) MUST_CHECK;
/* etag .p NULL: whatever is there. 0 also when nothing was; -EEXIST: the condition was not met. */
FIBER int sidecar_state_delete_wait(struct sidecar *s, struct str key, struct str etag,
				    struct err *reterr) MUST_CHECK;

/* ---- jobs ---- */

/* A one-shot job at due_us (past: now), replacing one of that name; tried every retry_s until a
 * 2xx. name: [a-z0-9-]. data is one JSON value. */
FIBER int sidecar_job_put_wait(struct sidecar *s, struct str name, int64_t due_us,
			       struct str data_json, int64_t retry_s,
			       struct err *reterr) MUST_CHECK;
/* The same so many seconds from now, by the sidecar's clock. */
FIBER int sidecar_job_put_after_wait(struct sidecar *s, struct str name, int64_t delay_s,
				     struct str data_json, int64_t retry_s,
				     struct err *reterr) MUST_CHECK;
/* 0 also when there is none. */
FIBER int sidecar_job_delete_wait(struct sidecar *s, struct str name,
				  struct err *reterr) MUST_CHECK;

/* ---- secrets, invocation ---- */

/* One value of a secret; an empty one counts as missing: -ENOENT. */
FIBER int sidecar_secret_wait(struct sidecar *s, struct arena *arena, struct str name,
			      struct str key, struct str *ret, struct err *reterr) MUST_CHECK;
/*
 * Calls another app. path begins with '/', with its query; headers as in http_call, of which those
 * that begin with "dapr-" stay here. The callee's answer passes through; -EAGAIN also when the app
 * cannot be reached; -EINVAL with ERR_BAD_REQUEST for a path with dot segments. The sidecar may
 * send a request again when a connection is lost: writes need an Idempotency-Key. ret->body is the
 * caller's, also on failure.
 */
FIBER int sidecar_invoke_wait(struct sidecar *s, const char *app_id, const char *method,
			      struct str path, const char *const *headers, struct str body,
			      size_t max_response_bytes, struct http_response *ret,
			      struct err *reterr) MUST_CHECK;

#endif
