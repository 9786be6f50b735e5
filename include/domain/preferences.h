/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user prefers: zone, address, channels, default reminder, locale. Pure.
 */
#ifndef DOMAIN_PREFERENCES_H
#define DOMAIN_PREFERENCES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/str.h"
#include "domain/channels.h"

#include <stdbool.h>
#include <stdint.h>

enum { REMINDER_OFFSET_MAX_MINUTES = 366 * 24 * 60 };

struct preferences {
	struct str time_zone; /* IANA name that this machine knows */
	struct str email;     /* .p NULL: none */
	bool email_confirmed; /* its owner followed the link in the confirmation mail */
	unsigned channels;
	int64_t default_reminder_offset_minutes; /* -1: tasks get no reminder of themselves */
	struct str locale;			 /* BCP 47 tag, "en-GB"; .p NULL: none */
	int64_t version;			 /* 0: never stored, these are the defaults */
	int64_t updated_at_us;
};

/* UTC, no address, in_app and log, a reminder at the due time. */
extern const struct preferences PREFERENCES_DEFAULT;

/*
 * The body of PUT /preferences over what was before: absent keys stay, null goes back to the
 * default. Strings in the arena or of `before`. version and updated_at are the caller's. Another
 * address is unconfirmed. 400 or 422.
 */
int preferences_parse(struct arena *arena, struct str body, const struct preferences *before,
		      struct preferences *ret, struct err *reterr) MUST_CHECK;
bool preferences_same(const struct preferences *a, const struct preferences *b);
/* {"time_zone", "email", "email_confirmed", "channels", "default_reminder_offset_minutes",
 * "locale", "version"} */
void preferences_write_json(struct json_out *o, const struct preferences *p);
/* The payload of preferences.changed: {"email", "time_zone", "channels", "locale",
 * "email_confirmed"}. */
void preferences_write_payload(struct json_out *o, const struct preferences *p);

#endif
