/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of tasks share: bodies read and merged as a request does it, at a time and with
 * preferences of the test's choice, and JSON to look at.
 */
#ifndef TEST_TASK_FIXTURE_H
#define TEST_TASK_FIXTURE_H

#include "base/buf.h"
#include "domain/task_input.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

/* Never inlined: with sanitizers, what is inlined adds up its variables on the stack. */
#define FIXTURE static __attribute__((noinline, unused))

static struct arena *arena;
static struct preferences preferences;
static struct task_context context;
static struct err err;
static struct task_merge merged; /* by the last merge_... */

static uint8_t n_uuids;

/* ...01, ...02 and so on. */
FIXTURE struct uuid next_uuid(void)
{
	return (struct uuid){ { [6] = 0x70, [8] = 0x80, [15] = ++n_uuids } };
}

FIXTURE int64_t at(const char *text)
{
	struct civil local;
	bool has_offset;
	int64_t us = 0;

	ck_assert_msg(time_parse_rfc3339(str_from(text), &us, &local, &has_offset) == 0 &&
			      has_offset,
		      "%s", text);
	return us;
}

/* Sunday, 1 March 2026, in UTC. */
FIXTURE void task_setup(void)
{
	arena = arena_new(4 * 1024 * 1024);
	ck_assert_ptr_nonnull(arena);
	n_uuids = 0;
	preferences = PREFERENCES_DEFAULT;
	preferences.default_reminder_offset_minutes = -1;
	context = (struct task_context){
		.now_us = at("2026-03-01T10:00:00Z"),
		.user_id = STR("anna"),
		.new_task_id = 7,
		.preferences = &preferences,
		.new_id = next_uuid,
	};
}

FIXTURE void task_teardown(void)
{
	arena_free(arena);
}

/* JSON without a backslash for each quote: ' stands for ". */
FIXTURE const char *json(const char *text)
{
	size_t n = strlen(text);
	char *copy = arena_alloc(arena, n + 1);

	for (size_t i = 0; i <= n; i++)
		copy[i] = text[i] == '\'' ? '"' : text[i];
	return copy;
}

/* Reads the body (quotes as for json) and merges it over before (NULL: a new task) into merged; 0,
 * or the HTTP status.
 */
FIXTURE int merge(const struct task *before, const char *body)
{
	struct task_input in;

	err = (struct err){ 0 };
	if (task_input_parse(arena, str_from(json(body)), &in, &err) < 0 ||
	    task_merge(arena, &in, before, &context, &merged, &err) < 0)
		return err.kind->http_status;
	return 0;
}

/* A merge that must succeed. */
FIXTURE struct task merge_ok(const struct task *before, const char *body)
{
	ck_assert_msg(merge(before, body) == 0, "%s: %s: %s", body, err.field, err.text);
	return merged.task;
}

/* A new task; stored, so to say. */
FIXTURE struct task make(const char *body)
{
	struct task t = merge_ok(NULL, body);

	t.created_at_us = t.updated_at_us = context.now_us;
	t.version = 1;
	return t;
}

/* A merge that must be a 422 for the field. */
FIXTURE void merge_refused(const struct task *before, const char *body, const char *field)
{
	ck_assert_msg(merge(before, body) == 422, "%s was accepted", body);
	ck_assert_msg(str_eq(str_from(err.field), str_from(field)), "%s: %s, not %s", body,
		      err.field, field);
}

FIXTURE const char *task_json(const struct task *t)
{
	struct buf *b = arena_buf(arena, 64 * 1024);
	struct json_out o;

	json_out_init(&o, b);
	task_write_json(&o, t);
	buf_append_char(b, '\0');
	ck_assert_int_eq(buf_status(b), 0);
	return b->p;
}

FIXTURE const char *date_json(const struct task_date *d)
{
	struct buf *b = arena_buf(arena, 256);
	struct json_out o;

	json_out_init(&o, b);
	task_date_write_json(&o, d);
	buf_append_char(b, '\0');
	return b->p;
}

/* The JSON of the task has this part (quotes as for json). */
FIXTURE void json_has(const struct task *t, const char *part)
{
	const char *all = task_json(t);

	ck_assert_msg(strstr(all, json(part)) != NULL, "%s\nlacks %s", all, part);
}

#endif
