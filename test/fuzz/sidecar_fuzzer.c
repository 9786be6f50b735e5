/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the embedded sidecar reads itself: JSON that is cut and put together again stays
 * well-formed, an event that was completed is one JSON object with the sidecar's keys, schedules
 * move forward, and no text of a job or a duration does harm. The first byte says which.
 */
#include "roles/sidecar/jobs_private.h"
#include "roles/sidecar/schedule_private.h"
#include "roles/sidecar/slice_private.h"
#include "roles/sidecar/wrap_private.h"

#include "base/buf.h"

#include <stdlib.h>

enum { ARENA_BYTES = 16 * 1024 * 1024, OUT_BYTES = 1024 * 1024, SIZE_MAX_BYTES = 4096 };

#define NOW_US INT64_C(1767225600000000) /* 2026-01-01 */

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void walk(struct str json)
{
	struct str key, value;
	struct slice s;
	size_t n = 0;

	slice_open(&s, json);
	while (slice_next(&s, &key, &value)) {
		require(value.n <= json.n && key.n <= json.n);
		require(n++ <= json.n);
	}
}

/* The same members with nothing between them. */
static void join(struct str json, struct buf *out)
{
	struct str key, value;
	struct slice s;
	bool is_first = true;

	slice_open(&s, json);
	buf_append_char(out, s.is_object ? '{' : '[');
	while (slice_next(&s, &key, &value)) {
		if (!is_first)
			buf_append_char(out, ',');
		is_first = false;
		if (s.is_object) {
			buf_append_char(out, '"');
			buf_append_str(out, key);
			buf_append_str(out, STR("\":"));
		}
		buf_append_str(out, value);
	}
	buf_append_char(out, s.is_object ? '}' : ']');
}

static void check_slices(struct arena *arena, struct str json)
{
	struct buf *joined = arena_buf(arena, OUT_BYTES), *again = arena_buf(arena, OUT_BYTES);
	struct str core = str_trim(json), text;

	walk(json);
	if (slice_check(arena, json, NULL) < 0)
		return;
	if (slice_text(arena, core, &text) == 0)
		require(core.p[0] == '"');
	if (core.p[0] != '{' && core.p[0] != '[')
		return;
	join(json, joined);
	/* Well-formed again, with nothing left to take away. */
	require(slice_check(arena, buf_str(joined), NULL) == 0);
	join(buf_str(joined), again);
	require(str_eq(buf_str(joined), buf_str(again)));
}

static void check_event(struct arena *arena, struct str body)
{
	const struct wrap w = { .topic = STR("t"),
				.pubsub = STR("p"),
				.source = STR("s"),
				.content_type = STR("application/cloudevents+json") };
	struct buf *out = arena_buf(arena, OUT_BYTES);

	if (wrap_body(arena, &w, body, out, NULL) < 0)
		return;
	/* The sidecar's own keys may take an object over the reader's bound of keys. */
	if (slice_check(arena, buf_str(out), NULL) < 0)
		require(body.n > 500);
	require(str_eq(slice_get(buf_str(out), STR("topic")), STR("\"t\"")));
}

static void check_schedule(struct str text)
{
	struct schedule s;
	int64_t at = NOW_US, us;

	if (schedule_parse_duration(text, &us) == 0)
		require(us >= 0);
	if (schedule_parse_instant(text, NOW_US, &us) == 0)
		require(text.n > 0);
	if (schedule_parse(text, &s, NULL) < 0)
		return;
	for (int i = 0; i < 3 && at != INT64_MAX; i++) {
		int64_t next = schedule_next(&s, at);
		require(next > at);
		at = next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = { (const char *)data + 1, size - 1 };
	struct arena *arena;
	const char *code;
	struct job job;

	if (size == 0 || size > SIZE_MAX_BYTES)
		return 0;
	arena = arena_new(ARENA_BYTES);
	switch (data[0] % 4) {
	case 0:
		check_slices(arena, s);
		break;
	case 1:
		check_event(arena, s);
		break;
	case 2:
		check_schedule(s);
		break;
	default:
		if (job_parse(arena, STR("j"), s, NOW_US, &job, &code, NULL) == 0)
			require(job.retry_ms >= 100 && job.ticks >= 0);
		break;
	}
	arena_free(arena);
	return 0;
}
