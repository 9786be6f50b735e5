/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CloudEvents 1.0 in JSON as they come back from a sidecar: with keys added (topic, pubsubname,
 * traceparent ...) and in another order than they were published. Pure.
 */
#ifndef DAPR_CLOUDEVENT_H
#define DAPR_CLOUDEVENT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"

struct cloudevent {
	struct str id, type, source, time; /* not empty, but for time (.p NULL: none) */
	struct str subject;		   /* .p NULL: none */
	struct str partition_key;	   /* what brokers keep the order by; .p NULL: none */
	struct str traceparent;		   /* .p NULL: none, or all zeros, which means none */
	struct str data; /* the bytes of the JSON value, as they stand in the event;
			    .p NULL: none */
};

enum { CLOUDEVENT_BODY_MAX = 4 * 1024 * 1024 };

/* Views of the body and strings in the arena. -EINVAL with ERR_INVALID or ERR_BAD_REQUEST for what
 * is no event: no JSON, another specversion than 1.x, id, type or source missing or empty;
 * data_base64 counts as no data. -ENOMEM. */
int cloudevent_parse(struct arena *arena, struct str body, struct cloudevent *ret,
		     struct err *reterr) MUST_CHECK;
/*
 * What makes it this event and no other: SHA-256 over the canonical JSON array
 * [id, type, source, subject, time, data]. Equal for an event however a broker wrote it again. 0;
 * -EINVAL: its data is no JSON; -ENOMEM.
 */
int cloudevent_identity(struct arena *arena, const struct cloudevent *e,
			uint8_t ret[SHA256_SIZE]) MUST_CHECK;

/* What a log line says of an event: which it is, and the request that it is from. */
struct cloudevent_ids {
	struct str id, type; /* views of the body or strings in the arena */
	struct log_context request;
};

/* As much as there is: what is no event, or too large for the arena, has empty ones. */
void cloudevent_ids_read(struct arena *arena, struct str body, struct cloudevent_ids *ret);

#endif
