/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of a user's preferences and their bounds.
 */
#include "domain/preferences.h"
#include "domain/email.h"

#include "base/json.h"
#include "base/tz.h"

#include <errno.h>

enum {
	RETRY_AFTER_S = 1,
	LOCALE_MAX = 35, /* RFC 5646 4.4.1 */
	SUBTAG_MAX = 8,
	NO_OFFSET = -1,
};

const struct preferences PREFERENCES_DEFAULT = {
	.time_zone = STR_INIT("UTC"),
	.channels = CHANNEL_IN_APP | CHANNEL_LOG,
	.default_reminder_offset_minutes = 0,
};

struct preferences_input {
	struct json_str time_zone, email, locale;
	struct json_strs channels;
	struct json_i64 default_reminder_offset_minutes;
};

#define FIELD(member, kind) JSON_FIELD(struct preferences_input, member, #member, kind)

static const struct json_field FIELDS[] = {
	FIELD(time_zone, JSON_KIND_STR), FIELD(email, JSON_KIND_STR),
	FIELD(channels, JSON_KIND_STRS), FIELD(default_reminder_offset_minutes, JSON_KIND_I64),
	FIELD(locale, JSON_KIND_STR),	 JSON_FIELD_END,
};

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_alphanumeric(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9');
}

/* A language of two or three letters, then subtags of letters and digits. */
static bool is_locale(struct str s)
{
	struct str rest = s, part;
	bool is_first = true;

	if (s.n > LOCALE_MAX)
		return false;
	while (str_split(&rest, '-', &part)) {
		if (part.n == 0 || part.n > SUBTAG_MAX)
			return false;
		for (size_t i = 0; i < part.n; i++)
			if (is_first ? !is_letter(part.p[i]) : !is_alphanumeric(part.p[i]))
				return false;
		if (is_first && (part.n < 2 || part.n > 3))
			return false;
		is_first = false;
	}
	return true;
}

static int merge_time_zone(const struct json_str *in, struct preferences *p, struct err *reterr)
{
	const struct tz *tz;
	int r;

	if (in->state == JSON_NULL)
		p->time_zone = PREFERENCES_DEFAULT.time_zone;
	if (in->state != JSON_SET)
		return 0;
	r = tz_load(in->v, &tz);
	if (r == -ENOMEM) {
		err_unavailable(reterr, RETRY_AFTER_S, "out of memory");
		return r;
	}
	if (r < 0)
		return err_set(
			reterr, &ERR_INVALID, "body.time_zone",
			"time_zone must be a name of the IANA time zone database, such as Europe/Berlin");
	p->time_zone = in->v;
	return 0;
}

static int merge_email(const struct json_str *in, struct preferences *p, struct err *reterr)
{
	struct str email = in->state == JSON_SET ? in->v : PREFERENCES_DEFAULT.email;

	if (in->state == JSON_ABSENT)
		return 0;
	if (in->state == JSON_SET && !email_is_valid(in->v))
		return err_set(
			reterr, &ERR_INVALID, "body.email",
			"email must be an address such as name@example.org, of at most %d ASCII characters",
			EMAIL_MAX);
	p->email_confirmed = p->email_confirmed && email.p && str_eq(email, p->email);
	p->email = email;
	return 0;
}

static int merge_channels(const struct json_strs *in, struct preferences *p, struct err *reterr)
{
	if (in->state == JSON_NULL)
		p->channels = PREFERENCES_DEFAULT.channels;
	if (in->state != JSON_SET)
		return 0;
	return channels_parse(in, "body.channels", &p->channels, reterr);
}

static int merge_offset(const struct json_i64 *in, struct preferences *p, struct err *reterr)
{
	/* Here null says something of its own. */
	if (in->state == JSON_NULL)
		p->default_reminder_offset_minutes = NO_OFFSET;
	if (in->state != JSON_SET)
		return 0;
	if (in->v < 0 || in->v > REMINDER_OFFSET_MAX_MINUTES)
		return err_set(reterr, &ERR_INVALID, "body.default_reminder_offset_minutes",
			       "default_reminder_offset_minutes must be 0 to %d, or null for none",
			       REMINDER_OFFSET_MAX_MINUTES);
	p->default_reminder_offset_minutes = in->v;
	return 0;
}

static int merge_locale(const struct json_str *in, struct preferences *p, struct err *reterr)
{
	if (in->state == JSON_NULL)
		p->locale = PREFERENCES_DEFAULT.locale;
	if (in->state != JSON_SET)
		return 0;
	if (!is_locale(in->v))
		return err_set(
			reterr, &ERR_INVALID, "body.locale",
			"locale must be a language tag such as en-GB, of at most %d characters",
			LOCALE_MAX);
	p->locale = in->v;
	return 0;
}

int preferences_parse(struct arena *arena, struct str body, const struct preferences *before,
		      struct preferences *ret, struct err *reterr)
{
	struct preferences_input in = { 0 };
	struct preferences p = *before;
	int r = json_parse(arena, body, "body", FIELDS, &in, reterr);

	if (r == 0)
		r = merge_time_zone(&in.time_zone, &p, reterr);
	if (r == 0)
		r = merge_email(&in.email, &p, reterr);
	if (r == 0)
		r = merge_channels(&in.channels, &p, reterr);
	if (r == 0)
		r = merge_offset(&in.default_reminder_offset_minutes, &p, reterr);
	if (r == 0)
		r = merge_locale(&in.locale, &p, reterr);
	if (r == 0)
		*ret = p;
	return r;
}

static bool is_same(struct str a, struct str b)
{
	return (a.p == NULL) == (b.p == NULL) && str_eq(a, b);
}

bool preferences_same(const struct preferences *a, const struct preferences *b)
{
	return is_same(a->time_zone, b->time_zone) && is_same(a->email, b->email) &&
	       a->email_confirmed == b->email_confirmed && a->channels == b->channels &&
	       a->default_reminder_offset_minutes == b->default_reminder_offset_minutes &&
	       is_same(a->locale, b->locale);
}

static void write_channels(struct json_out *o, const struct preferences *p)
{
	json_key(o, STR("channels"));
	channels_write_json(o, p->channels);
}

void preferences_write_json(struct json_out *o, const struct preferences *p)
{
	json_begin_object(o);
	json_key_str(o, STR("time_zone"), p->time_zone);
	json_key_str_or_null(o, STR("email"), p->email);
	json_key_bool(o, STR("email_confirmed"), p->email_confirmed);
	write_channels(o, p);
	if (p->default_reminder_offset_minutes >= 0)
		json_key_i64(o, STR("default_reminder_offset_minutes"),
			     p->default_reminder_offset_minutes);
	else
		json_key_null(o, STR("default_reminder_offset_minutes"));
	json_key_str_or_null(o, STR("locale"), p->locale);
	json_key_i64(o, STR("version"), p->version);
	json_end_object(o);
}

void preferences_write_payload(struct json_out *o, const struct preferences *p)
{
	json_begin_object(o);
	json_key_str_or_null(o, STR("email"), p->email);
	json_key_str(o, STR("time_zone"), p->time_zone);
	write_channels(o, p);
	json_key_str_or_null(o, STR("locale"), p->locale);
	json_key_bool(o, STR("email_confirmed"), p->email_confirmed);
	json_end_object(o);
}
