/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways a reminder reaches its user: a set, as bits. Pure.
 */
#ifndef DOMAIN_CHANNELS_H
#define DOMAIN_CHANNELS_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum channel { CHANNEL_EMAIL = 1, CHANNEL_IN_APP = 2, CHANNEL_LOG = 4 };

enum { CHANNELS_ALL = CHANNEL_EMAIL | CHANNEL_IN_APP | CHANNEL_LOG };

/* ["email", "in_app"] as a set; not empty, names known: else 422 for `field`. */
int channels_parse(const struct json_strs *in, const char *field, unsigned *ret,
		   struct err *reterr) MUST_CHECK;
/* What an event says: names nobody knows here are left out. */
unsigned channels_read(const struct json_strs *in);
/* As an array of names, in the order of the bits. */
void channels_write_json(struct json_out *o, unsigned channels);

#endif
