/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CloudEvents as a sidecar makes them: its own keys put into an event that comes complete, an
 * envelope around a body that is none, and one around bytes for a raw subscription. Pure, but for
 * new ids and the clock.
 */
#ifndef SIDECAR_WRAP_PRIVATE_H
#define SIDECAR_WRAP_PRIVATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

struct wrap {
	struct str topic, pubsub, source;   /* source: the app's id */
	struct str content_type;	    /* .p NULL: none */
	struct str traceparent, tracestate; /* of the request; .p NULL: none */
	/* metadata.cloudevent.* of the request; .p NULL: not given */
	struct str id, type, event_source, subject;
	bool is_checked; /* the body is a value of JSON that was parsed */
};

/* Whether this media type says that the body is a CloudEvent in JSON. */
bool wrap_is_event(struct str content_type);
/*
 * The event to store for a body. -EINVAL: it says it is a CloudEvent and is no JSON object;
 * -ENOMEM.
 */
int wrap_body(struct arena *arena, const struct wrap *w, struct str body, struct buf *out,
	      struct err *reterr) MUST_CHECK;
/* What a raw subscription gets; .p NULL when out of memory. */
struct str wrap_raw(struct arena *arena, struct str bytes, struct str topic, struct str pubsub);

/* RFC 4648 section 4, padded. */
struct str wrap_base64(struct arena *arena, struct str bytes); /* .p NULL when out of memory */
int wrap_base64_decode(struct arena *arena, struct str text, struct str *ret) MUST_CHECK;

#endif
