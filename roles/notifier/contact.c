/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preferences in, contact out. An event is stored whole, if no later one is there already.
 */
#include "contact_private.h"

#include "base/json.h"
#include "base/log.h"
#include "domain/channels.h"
#include "domain/email.h"

#include <errno.h>

enum { CONTACT_BYTES_MAX = 4 * 1024 };

struct words {
	struct json_str email, time_zone;
	struct json_strs channels;
	struct json_bool email_confirmed;
	struct json_i64 version; /* of the state, not of an event */
};

static const struct json_field WORDS[] = {
	JSON_FIELD(struct words, email, "email", JSON_KIND_STR),
	JSON_FIELD(struct words, time_zone, "time_zone", JSON_KIND_STR),
	JSON_FIELD(struct words, channels, "channels", JSON_KIND_STRS),
	JSON_FIELD(struct words, email_confirmed, "email_confirmed", JSON_KIND_BOOL),
	JSON_FIELD(struct words, version, "version", JSON_KIND_I64),
	JSON_FIELD_END,
};

static const struct contact UNKNOWN = { .time_zone = STR_INIT("UTC"),
					.channels = CHANNEL_IN_APP | CHANNEL_LOG };

static int parse(struct arena *arena, struct str json, const char *where, struct contact *ret,
		 struct err *reterr)
{
	struct words w = { .email = { .state = JSON_ABSENT } };
	struct contact c = UNKNOWN;
	int r = json_parse(arena, json, where, WORDS, &w, reterr);

	if (r < 0)
		return r;
	c.is_known = true;
	c.version = w.version.v;
	if (w.email.state == JSON_SET)
		c.email = w.email.v;
	if (c.email.p != NULL && !email_is_valid(c.email))
		return err_set(reterr, &ERR_INVALID, where, "email is no address");
	c.is_confirmed = c.email.p != NULL && w.email_confirmed.v;
	if (w.time_zone.state == JSON_SET)
		c.time_zone = w.time_zone.v;
	if (channels_read(&w.channels) != 0)
		c.channels = channels_read(&w.channels);
	*ret = c;
	return 0;
}

static struct str key_of(struct arena *arena, struct str user_id)
{
	return sidecar_user_key(arena, user_id, STR("contact"));
}

FIBER int contact_read_wait(struct notifier *n, struct arena *arena, struct str user_id,
			    struct contact *ret, struct err *reterr)
{
	struct str key = key_of(arena, user_id);
	struct sidecar_state stored;
	struct err why = { .text = "" };
	int r;

	if (key.p == NULL)
		return notifier_no_memory(reterr);
	r = sidecar_state_get_wait(n->sidecar, arena, key, &stored, reterr);
	if (r < 0)
		return r;
	*ret = UNKNOWN;
	if (!stored.found)
		return 0;
	r = parse(arena, stored.value, "contact", ret, &why);
	if (r == -ENOMEM)
		return notifier_no_memory(reterr);
	if (r < 0) {
		log_err(LOG_WARN, "contact.unreadable", &why);
		*ret = UNKNOWN;
	}
	ret->etag = stored.etag;
	return 0;
}

static void write_contact(struct buf *out, const struct contact *c)
{
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_i64(&o, STR("version"), c->version);
	json_key_str_or_null(&o, STR("email"), c->email);
	json_key_bool(&o, STR("email_confirmed"), c->is_confirmed);
	json_key_str(&o, STR("time_zone"), c->time_zone);
	json_key(&o, STR("channels"));
	channels_write_json(&o, c->channels);
	json_end_object(&o);
}

/* 0: it counts now; 1: a later one does; < 0. */
static FIBER int store(struct notifier *n, struct arena *arena, struct str user_id,
		       const struct contact *c, struct err *reterr)
{
	struct buf *value = arena_buf(arena, CONTACT_BYTES_MAX);
	struct str key = key_of(arena, user_id);
	int r = -EEXIST;

	if (value != NULL)
		write_contact(value, c);
	if (key.p == NULL || value == NULL || buf_status(value) < 0)
		return notifier_no_memory(reterr);
	for (int tries = 0; r == -EEXIST && tries < STATE_TRIES_MAX; tries++) {
		struct contact before;

		r = contact_read_wait(n, arena, user_id, &before, reterr);
		if (r < 0)
			return r;
		if (before.is_known && before.version >= c->version)
			return before.version > c->version;
		r = sidecar_state_put_wait(n->sidecar, key, buf_str(value), before.etag,
					   before.etag.p == NULL, 0, reterr);
	}
	return r == -EEXIST ? err_unavailable(reterr, 1, "the contact is being changed") : r;
}

FIBER int notifier_on_preferences(struct notifier *n, const struct incoming *in, struct err *reterr)
{
	struct contact c;
	int r = parse(in->arena, in->event.payload, "event.data.payload", &c, reterr);

	if (r == 0 && in->event.sequence < 1)
		r = err_set(reterr, &ERR_INVALID, "event.data.sequence", "must be 1 or more");
	if (r == 0) {
		c.version = in->event.sequence;
		r = store(n, in->arena, in->event.user_id, &c, reterr);
	}
	if (r == 0 && n->smtp != NULL && c.email.p != NULL && !c.is_confirmed)
		return confirmation_send_wait(n, in, &c, reterr);
	arena_free(in->arena);
	return r < 0 ? r : 0;
}
