/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the body of preferences. Held against: a refusal has its status and place and
 * changes nothing; what was accepted is within its bounds, by checks of its own; an address can
 * inject nothing into a header; shown and read again it is the same.
 */
#include "base/tz.h"
#include "domain/preferences.h"

#include <errno.h>
#include <stdlib.h>

static const struct preferences BEFORE = {
	.time_zone = STR_INIT("Asia/Tokyo"),
	.email = STR_INIT("a@example.org"),
	.email_confirmed = true,
	.channels = CHANNEL_EMAIL,
	.default_reminder_offset_minutes = 30,
	.locale = STR_INIT("ja"),
	.version = 4,
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_email(struct str s)
{
	size_t ats = 0, dots = 0;

	if (!s.p)
		return;
	must(s.n >= 5 && s.n <= 254 && s.p[0] != '@' && s.p[0] != '.' && s.p[s.n - 1] != '.');
	for (size_t i = 0; i < s.n; i++) {
		must(s.p[i] > ' ' && s.p[i] < 0x7f && !strchr("()<>[]:;,\\\"", s.p[i]));
		ats += s.p[i] == '@';
		dots += ats && s.p[i] == '.';
		must(i == 0 || s.p[i] != '.' || (s.p[i - 1] != '.' && s.p[i - 1] != '@'));
		must(!ats || s.p[i] != '_');
	}
	must(ats == 1 && dots > 0);
}

static void check_locale(struct str s)
{
	if (!s.p)
		return;
	must(s.n >= 2 && s.n <= 35 && s.p[0] >= 'A' && s.p[s.n - 1] != '-');
	for (size_t i = 0; i < s.n; i++)
		must(s.p[i] == '-' || (s.p[i] >= '0' && s.p[i] <= '9') ||
		     ((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'z'));
}

static void check_values(const struct preferences *p)
{
	const struct tz *tz;

	must(tz_load(p->time_zone, &tz) == 0);
	check_email(p->email);
	must(!p->email_confirmed || str_eq(p->email, BEFORE.email));
	must(p->channels && !(p->channels & ~(unsigned)CHANNELS_ALL));
	must(p->default_reminder_offset_minutes >= -1 &&
	     p->default_reminder_offset_minutes <= REMINDER_OFFSET_MAX_MINUTES);
	check_locale(p->locale);
	must(p->version == BEFORE.version);
}

static void check_round_trip(struct arena *a, const struct preferences *p)
{
	struct preferences again;
	struct json_out o;
	struct buf b;

	buf_init(&b, 1 << 16);
	json_out_init(&o, &b);
	preferences_write_json(&o, p);
	must(buf_status(&b) == 0);
	must(preferences_parse(a, buf_str(&b), &PREFERENCES_DEFAULT, &again, NULL) == 0);
	/* Whoever sends an address has not confirmed it by that. */
	must(!again.email_confirmed);
	again.email_confirmed = p->email_confirmed;
	must(preferences_same(&again, p));
	must(preferences_parse(a, buf_str(&b), p, &again, NULL) == 0 &&
	     preferences_same(&again, p));
	buf_clear(&b);
	json_out_init(&o, &b);
	preferences_write_payload(&o, p);
	must(buf_status(&b) == 0);
	buf_done(&b);
}

static void check_little_memory(struct str body, int full_result)
{
	struct arena *a = arena_new(body.n * 7 % 4096);
	struct preferences p;
	struct err e = { 0 };
	int r;

	must(a != NULL);
	r = preferences_parse(a, body, &BEFORE, &p, &e);
	must(r == full_result || (r == -ENOMEM && e.kind == &ERR_UNAVAILABLE));
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size };
	struct arena *a = arena_new(64 << 20);
	struct preferences p = { .version = 42 };
	struct err e = { 0 };
	int r;

	must(a != NULL);
	r = preferences_parse(a, body, &BEFORE, &p, &e);
	if (r == 0) {
		check_values(&p);
		check_round_trip(a, &p);
	} else {
		must(r == -EINVAL && p.version == 42);
		must(e.kind->http_status == 400 || e.kind->http_status == 422);
		must(str_starts(str_from(e.field), STR("body")) && e.text[0]);
	}
	check_little_memory(body, r);
	arena_free(a);
	return 0;
}
