/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a JSON value and as an event. Held against: canonical text is JSON, and its own
 * canonical text; json_canonical and json_parse agree on what is an object; an event has what it
 * must have, with views of the body; its identity does not change when all of it is written in
 * canonical form, and does with its data; little memory gives nothing but -ENOMEM.
 */
#include "base/json_canonical.h"
#include "dapr/cloudevent.h"

#include "base/json.h"

#include <errno.h>
#include <stdlib.h>

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_object(struct str in)
{
	struct arena *a = arena_new(64 << 20);
	static const struct json_field none[] = { JSON_FIELD_END };
	struct err e = { 0 };
	int r = json_parse(a, in, "event", none, NULL, &e);

	arena_free(a);
	return r == 0;
}

/* in, in canonical form; .p NULL: no JSON. */
static struct str canonical(struct arena *a, struct str in)
{
	struct buf *once = arena_buf(a, 64 << 20), *twice = arena_buf(a, 64 << 20);
	struct err e = { 0 };
	int r = json_canonical(a, in, once, &e);

	must((r == 0) == (e.kind == NULL));
	if (r < 0) {
		must(r == -EINVAL && e.kind == &ERR_BAD_REQUEST && once->n == 0);
		must(!is_object(in));
		return (struct str){ NULL, 0 };
	}
	must(once->n > 0 && once->n <= 6 * in.n);
	must(is_object(in) == (once->p[0] == '{'));
	must(json_canonical(a, buf_str(once), twice, &e) == 0);
	must(str_eq(buf_str(once), buf_str(twice)));
	return buf_str(once);
}

static void check_view(struct str s, bool required)
{
	must(s.p ? s.n > 0 && utf8_valid(s) : !required);
}

static void check_identity(struct arena *a, struct cloudevent *e, struct str canonical_body)
{
	uint8_t first[SHA256_SIZE], again[SHA256_SIZE];
	struct cloudevent same = { 0 };

	must(cloudevent_identity(a, e, first) == 0);
	must(cloudevent_parse(a, canonical_body, &same, NULL) == 0);
	must(cloudevent_identity(a, &same, again) == 0);
	must(memcmp(first, again, SHA256_SIZE) == 0);
	/* 17.0 is 17 too. */
	e->data = e->data.p && str_eq(canonical(a, e->data), STR("17")) ? STR("18") : STR("17");
	must(cloudevent_identity(a, e, again) == 0);
	must(memcmp(first, again, SHA256_SIZE) != 0);
}

static void check_little_memory(struct str in, int full)
{
	struct arena *a = arena_new(in.n * 7 % 8192);
	struct cloudevent e = { 0 };
	uint8_t digest[SHA256_SIZE];
	struct err err = { 0 };
	int r = cloudevent_parse(a, in, &e, &err);

	must(r == full || (r == -ENOMEM && err.kind == &ERR_UNAVAILABLE));
	if (r == 0) {
		r = cloudevent_identity(a, &e, digest);
		must(r == 0 || r == -ENOMEM);
	}
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size };
	struct arena *a = arena_new(256 << 20);
	struct str text = canonical(a, in);
	struct cloudevent e = { 0 };
	struct err err = { 0 };
	int r = cloudevent_parse(a, in, &e, &err);

	if (r == 0) {
		check_view(e.id, true);
		check_view(e.type, true);
		check_view(e.source, true);
		check_view(e.time, false);
		check_view(e.subject, false);
		check_view(e.data, false);
		must(!e.traceparent.p || e.traceparent.n == 55);
		must(!e.data.p || (e.data.p > in.p && e.data.p + e.data.n < in.p + in.n));
		must(text.p != NULL);
		check_identity(a, &e, text);
	} else {
		must(r == -EINVAL && e.id.p == NULL);
		must(err.kind->http_status == 400 || err.kind->http_status == 422);
		must((err.kind->http_status == 400) == !is_object(in));
		must(str_starts(str_from(err.field), STR("event")) && err.text[0]);
	}
	check_little_memory(in, r);
	arena_free(a);
	return 0;
}
