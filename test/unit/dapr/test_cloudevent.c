/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as they leave and as they come back: rewritten by Go, with what the sidecar and the tracer
 * put on them, they are the same events. And what is no event, however it is made.
 */
#include "dapr/cloudevent.h"

#include "domain/event.h"
#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* As domain/event writes it. */
static const char published[] =
	"{\"specversion\":\"1.0\",\"id\":\"10111213-1415-7117-9219-1a1b1c1d1e1f\",\"sou"
	"rce\":\"chat-api\",\"type\":\"task.created\",\"subject\":\"7\",\"time\":\"2026"
	"-11-21T12:00:00.123456Z\",\"datacontenttype\":\"application/json\",\"partition"
	"key\":\"alice@example.org\",\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4"
	"736-92191a1b1c1d1e1f-01\",\"traceid\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-92"
	"191a1b1c1d1e1f-01\",\"data\":{\"event_id\":\"10111213-1415-7117-9219-1a1b1c1d1"
	"e1f\",\"event_type\":\"task.created\",\"user_id\":\"alice@example.org\",\"task"
	"_id\":\"7\",\"timestamp\":\"2026-11-21T12:00:00.123456Z\",\"sequence\":1,\"cor"
	"relation_id\":\"req-1\",\"causation_id\":null,\"metadata\":{\"source\":\"chat-"
	"api\",\"version\":\"v1\"},\"payload\":{\"task_id\":\"7\",\"task\":{\"id\":7,\""
	"title\":\"Buy <b>bread & \\\"b\xC3\xBCtter\\\"</b>\",\"tags\":[\"z\",\"a\"],\""
	"due_date\":null,\"version\":3},\"changes\":{}}}}";

/* As a real daprd hands it on: keys sorted at every level, <>& as Go escapes them, topic,
 * pubsubname and tracestate added. */
static const char delivered[] =
	"{\"data\":{\"causation_id\":null,\"correlation_id\":\"req-1\",\"event_id\":\"1"
	"0111213-1415-7117-9219-1a1b1c1d1e1f\",\"event_type\":\"task.created\",\"metada"
	"ta\":{\"source\":\"chat-api\",\"version\":\"v1\"},\"payload\":{\"changes\":{},"
	"\"task\":{\"due_date\":null,\"id\":7,\"tags\":[\"z\",\"a\"],\"title\":\"Buy \\"
	"u003cb\\u003ebread \\u0026 \\\"b\xC3\xBCtter\\\"\\u003c/b\\u003e\",\"version\""
	":3},\"task_id\":\"7\"},\"sequence\":1,\"task_id\":\"7\",\"timestamp\":\"2026-1"
	"1-21T12:00:00.123456Z\",\"user_id\":\"alice@example.org\"},\"datacontenttype\""
	":\"application/json\",\"id\":\"10111213-1415-7117-9219-1a1b1c1d1e1f\",\"partit"
	"ionkey\":\"alice@example.org\",\"pubsubname\":\"kafka-pubsub\",\"source\":\"ch"
	"at-api\",\"specversion\":\"1.0\",\"subject\":\"7\",\"time\":\"2026-11-21T12:00"
	":00.123456Z\",\"topic\":\"task-events\",\"traceid\":\"00-4bf92f3577b34da6a3ce9"
	"29d0e0e4736-92191a1b1c1d1e1f-01\",\"traceparent\":\"00-4bf92f3577b34da6a3ce929"
	"d0e0e4736-92191a1b1c1d1e1f-01\",\"tracestate\":\"\",\"type\":\"task.created\"}";

/* The same with tracing off and a time to live. */
static const char untraced[] =
	"{\"data\":{\"causation_id\":null,\"correlation_id\":\"req-1\",\"event_id\":\"1"
	"0111213-1415-7117-9219-1a1b1c1d1e1f\",\"event_type\":\"task.created\",\"metada"
	"ta\":{\"source\":\"chat-api\",\"version\":\"v1\"},\"payload\":{\"changes\":{},"
	"\"task\":{\"due_date\":null,\"id\":7,\"tags\":[\"z\",\"a\"],\"title\":\"Buy \\"
	"u003cb\\u003ebread \\u0026 \\\"b\xC3\xBCtter\\\"\\u003c/b\\u003e\",\"version\""
	":3},\"task_id\":\"7\"},\"sequence\":1,\"task_id\":\"7\",\"timestamp\":\"2026-1"
	"1-21T12:00:00.123456Z\",\"user_id\":\"alice@example.org\"},\"datacontenttype\""
	":\"application/json\",\"expiration\":\"2026-11-21T13:00:00Z\",\"id\":\"1011121"
	"3-1415-7117-9219-1a1b1c1d1e1f\",\"partitionkey\":\"alice@example.org\",\"pubsu"
	"bname\":\"kafka-pubsub\",\"source\":\"chat-api\",\"specversion\":\"1.0\",\"sub"
	"ject\":\"7\",\"time\":\"2026-11-21T12:00:00.123456Z\",\"topic\":\"task-events\""
	",\"traceid\":\"\",\"traceparent\":\"00-00000000000000000000000000000000-000000"
	"0000000000-00\",\"tracestate\":\"\",\"type\":\"task.created\"}";

/* By Python: sha256(json.dumps([id, type, source, subject, time, data], sort_keys=True,
 * ensure_ascii=False, separators=(',', ':')).encode()). It may never change: it is stored. */
static const char identity_hex[] =
	"10acca88cddb88b158bd7234437e83fc4d041279f3f316a3e563c0fccdfa6f5e";

static struct arena *arena;
static struct cloudevent event;
static struct err err;

static void setup(void)
{
	ck_assert_int_eq(hash_init(), 0);
	arena = arena_new(64 << 20);
}

static void teardown(void)
{
	arena_free(arena);
}

static int parse(struct str body)
{
	event = (struct cloudevent){ 0 };
	err = (struct err){ 0 };
	return cloudevent_parse(arena, body, &event, &err);
}

static const char *identity(void)
{
	static char hex[2 * SHA256_SIZE + 1];
	uint8_t digest[SHA256_SIZE];

	ck_assert_int_eq(cloudevent_identity(arena, &event, digest), 0);
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return hex;
}

static void payload(struct json_out *o, const void *arg)
{
	(void)arg;
	json_raw(
		o,
		STR("{\"task_id\":\"7\",\"task\":{\"id\":7,\"title\":\"Buy <b>bread & \\\"b\xC3\xBCtter\\\"</b>\","
		    "\"tags\":[\"z\",\"a\"],\"due_date\":null,\"version\":3},\"changes\":{}}"));
}

/* The texts above are those of events of today. */
START_TEST(what_is_published)
{
	const struct event_origin origin = {
		.source = STR("chat-api"),
		.user_id = STR("alice@example.org"),
		.correlation_id = STR("req-1"),
		.trace_id = STR("4bf92f3577b34da6a3ce929d0e0e4736"),
	};
	struct event e = {
		.type = STR("task.created"),
		.task_id = 7,
		.sequence = 1,
		.at_us = 1795262400123456,
	};
	struct buf b;

	buf_init(&b, 1 << 20);
	ck_assert_int_eq(uuid_parse(STR("10111213-1415-7117-9219-1a1b1c1d1e1f"), &e.id), 0);
	event_write(&b, &origin, &e, payload, NULL);
	ck_assert_msg(str_eq(buf_str(&b), STR(published)), "%.*s", STR_ARGS(buf_str(&b)));
	buf_done(&b);
}
END_TEST

START_TEST(the_same_event_comes_back)
{
	static const struct str traceparent =
		STR_INIT("00-4bf92f3577b34da6a3ce929d0e0e4736-92191a1b1c1d1e1f-01");
	const struct {
		struct str body, traceparent;
	} cases[] = {
		{ STR(published), traceparent },
		{ STR(delivered), traceparent },
		{ STR(untraced), { NULL, 0 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_msg(parse(cases[i].body) == 0, "%zu: %s", i, err.text);
		ck_assert(str_eq(event.id, STR("10111213-1415-7117-9219-1a1b1c1d1e1f")));
		ck_assert(str_eq(event.type, STR("task.created")));
		ck_assert(str_eq(event.source, STR("chat-api")));
		ck_assert(str_eq(event.subject, STR("7")));
		ck_assert(str_eq(event.partition_key, STR("alice@example.org")));
		ck_assert(str_eq(event.time, STR("2026-11-21T12:00:00.123456Z")));
		ck_assert(str_starts(event.data, STR("{\"")) && str_ends(event.data, STR("}")));
		ck_assert(event.data.p > cases[i].body.p &&
			  event.data.p < cases[i].body.p + cases[i].body.n);
		ck_assert(str_eq(event.traceparent, cases[i].traceparent));
		ck_assert_ptr_eq(event.traceparent.p ? arena : NULL,
				 cases[i].traceparent.p ? arena : NULL);
		ck_assert_str_eq(identity(), identity_hex);
	}
}
END_TEST

#define HEAD "{\"specversion\":\"1.0\",\"id\":\"i\",\"type\":\"t\",\"source\":\"s\""

/* What else could be said of the same event, and what makes it another one. */
static const struct {
	const char *text;
	bool same;
} variants[] = {
	{ HEAD ",\"time\":\"T\",\"subject\":\"u\",\"data\":{\"a\":1,\"b\":[1000]}}", true },
	{ HEAD ",\"data\":{\"b\":[1e3],\"a\":1.0},\"subject\":\"\\u0075\",\"time\":\"T\"}", true },
	{ HEAD ",\"time\":\"T\",\"subject\":\"u\",\"data\":{\"a\":1,\"b\":[1000]},"
	       "\"traceid\":7,\"traceparent\":{},\"extension\":[{}],\"datacontenttype\":null}",
	  true },
	{ HEAD ",\"time\":\"T\",\"subject\":\"u\",\"data\":{\"a\":1,\"b\":[1001]}}", false },
	{ HEAD ",\"time\":\"T\",\"subject\":\"u\",\"data\":{\"a\":\"1\",\"b\":[1000]}}", false },
	{ HEAD ",\"time\":\"T\",\"subject\":\"u\",\"data\":{\"a\":1,\"b\":[1000],\"c\":null}}",
	  false },
	{ HEAD ",\"time\":\"T2\",\"subject\":\"u\",\"data\":{\"a\":1,\"b\":[1000]}}", false },
	{ HEAD ",\"time\":\"u\",\"subject\":\"T\",\"data\":{\"a\":1,\"b\":[1000]}}", false },
	{ HEAD ",\"time\":\"T\",\"subject\":\"u\"}", false },
	{ HEAD ",\"time\":\"T\",\"data\":{\"a\":1,\"b\":[1000]}}", false },
	{ HEAD ",\"time\":\"T\",\"subject\":\"null\",\"data\":{\"a\":1,\"b\":[1000]}}", false },
};

START_TEST(identities)
{
	char first[2 * SHA256_SIZE + 1];

	ck_assert_int_eq(parse(str_from(variants[0].text)), 0);
	snprintf(first, sizeof(first), "%s", identity());
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		ck_assert_int_eq(parse(str_from(variants[i].text)), 0);
		ck_assert_msg((strcmp(identity(), first) == 0) == variants[i].same, "%s",
			      variants[i].text);
	}
}
END_TEST

static const struct {
	const char *body, *id, *type, *correlation_id, *trace_id;
} named[] = {
	{ published, "10111213-1415-7117-9219-1a1b1c1d1e1f", "task.created", "req-1",
	  "4bf92f3577b34da6a3ce929d0e0e4736" },
	{ delivered, "10111213-1415-7117-9219-1a1b1c1d1e1f", "task.created", "req-1",
	  "4bf92f3577b34da6a3ce929d0e0e4736" },
	{ untraced, "10111213-1415-7117-9219-1a1b1c1d1e1f", "task.created", "req-1", "" },
	{ "{\"id\":\"i\"}", "i", "", "", "" },
	{ "{\"id\":\"i\",\"data\":{\"correlation_id\":\"a\\nb\"}}", "i", "", "", "" },
	{ "{\"id\":\"i\",\"data\":{\"correlation_id\":null}}", "i", "", "", "" },
	{ "{\"id\":\"i\",\"data\":[1]}", "", "", "", "" },
	{ "{\"id\":5}", "", "", "", "" },
	{ "[]", "", "", "", "" },
	{ "\xff", "", "", "", "" },
	{ "", "", "", "", "" },
};

START_TEST(ids_for_the_log)
{
	struct cloudevent_ids ids;

	memset(&ids, 'x', sizeof(ids));
	cloudevent_ids_read(arena, str_from(named[_i].body), &ids);
	ck_assert(str_eq(ids.id, str_from(named[_i].id)));
	ck_assert(str_eq(ids.type, str_from(named[_i].type)));
	ck_assert_str_eq(ids.request.correlation_id, named[_i].correlation_id);
	ck_assert_str_eq(ids.request.trace_id, named[_i].trace_id);
}
END_TEST

/* Data that was put together by hand. */
START_TEST(identity_of_what_is_no_json)
{
	static const char *const bad[] = { "", "{", "1,2", "1],[2", "{\"a\":1,\"a\":1}", "nan" };
	uint8_t digest[SHA256_SIZE];

	event = (struct cloudevent){ .id = STR("i"), .type = STR("t"), .source = STR("s") };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		event.data = str_from(bad[i]);
		ck_assert_int_eq(cloudevent_identity(arena, &event, digest), -EINVAL);
	}
}
END_TEST

START_TEST(missing_is_none)
{
	static const char *const texts[] = {
		HEAD "}",
		HEAD ",\"subject\":null,\"time\":null,\"traceparent\":null,\"data\":null}",
		HEAD
		",\"subject\":\"\",\"time\":\"\",\"traceparent\":\"\",\"data_base64\":\"e30=\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ck_assert_int_eq(parse(str_from(texts[i])), 0);
		ck_assert_ptr_null(event.subject.p);
		ck_assert_ptr_null(event.time.p);
		ck_assert_ptr_null(event.traceparent.p);
		ck_assert_ptr_null(event.data.p);
	}
}
END_TEST

START_TEST(data_of_any_kind)
{
	static const char *const kinds[] = { "true", "0", "-1.5", "\"\\u003c\"", "[1, 2]", "{ }" };
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(text, sizeof(text), HEAD ",\"data\": %s }", kinds[i]);
		ck_assert_int_eq(parse(str_from(text)), 0);
		ck_assert(str_eq(event.data, str_from(kinds[i])));
	}
}
END_TEST

static const struct {
	const char *text; /* a JSON value */
	bool good;
} traceparents[] = {
	{ "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"", true },
	{ "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\"", true },
	{ "\"00-00000000000000000000000000000000-0000000000000000-00\"", false },
	{ "\"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01\"", false },
	{ "\"00-00000000000000000000000000000000-00f067aa0ba902b7-01\"", false },
	{ "\"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"", false },
	{ "\"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01\"", false },
	{ "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x\"", false },
	{ "\"00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01\"", false },
	{ "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01\"", false },
	{ "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 \"", false },
	{ "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba90\\u003c-01\"", false },
	{ "\"\"", false },
	{ "[\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"]", false },
	{ "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,2]", false },
	{ "0", false },
	{ "{}", false },
	{ "true", false },
};

START_TEST(trace_contexts)
{
	char text[256];

	snprintf(text, sizeof(text), HEAD ",\"traceparent\":%s}", traceparents[_i].text);
	ck_assert_int_eq(parse(str_from(text)), 0);
	ck_assert_int_eq(event.traceparent.p != NULL, traceparents[_i].good);
	ck_assert(!event.traceparent.p || event.traceparent.n == 55);
}
END_TEST

static const struct {
	const char *text;
	const char *field;
	int status;
} bad[] = {
	{ "", "event", 400 },
	{ "x", "event", 400 },
	{ "[]", "event", 400 },
	{ "null", "event", 400 },
	{ "\xFF\xFE", "event", 400 },
	{ HEAD, "event", 400 },
	{ HEAD "}}", "event", 400 },
	{ HEAD ",\"id\":\"i\"}", "event.id", 400 },
	{ HEAD ",\"data\":{\"a\":1,\"a\":2}}", "event.data.a", 400 },
	{ HEAD ",\"data\":1e999}", "event.data", 400 },
	{ HEAD ",\"data\":\"\\u0000\"}", "event", 400 },
	{ HEAD ",\"data\":}", "event", 400 },
	{ "{}", "event.specversion", 422 },
	{ "{\"specversion\":\"0.3\",\"id\":\"i\",\"type\":\"t\",\"source\":\"s\"}",
	  "event.specversion", 422 },
	{ "{\"specversion\":\"2.0\",\"id\":\"i\",\"type\":\"t\",\"source\":\"s\"}",
	  "event.specversion", 422 },
	{ "{\"specversion\":\"1.\",\"id\":\"i\",\"type\":\"t\",\"source\":\"s\"}",
	  "event.specversion", 422 },
	{ "{\"specversion\":\"1.x\",\"id\":\"i\",\"type\":\"t\",\"source\":\"s\"}",
	  "event.specversion", 422 },
	{ "{\"specversion\":1.0,\"id\":\"i\",\"type\":\"t\",\"source\":\"s\"}", "event.specversion",
	  422 },
	{ "{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\"}", "event.id", 422 },
	{ "{\"specversion\":\"1.0\",\"id\":null,\"type\":\"t\",\"source\":\"s\"}", "event.id",
	  422 },
	{ "{\"specversion\":\"1.0\",\"id\":\"\",\"type\":\"t\",\"source\":\"s\"}", "event.id",
	  422 },
	{ "{\"specversion\":\"1.0\",\"id\":7,\"type\":\"t\",\"source\":\"s\"}", "event.id", 422 },
	{ "{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\"}", "event.type", 422 },
	{ "{\"specversion\":\"1.0\",\"id\":\"i\",\"type\":[],\"source\":\"s\"}", "event.type",
	  422 },
	{ "{\"specversion\":\"1.0\",\"id\":\"i\",\"type\":\"t\"}", "event.source", 422 },
	{ HEAD ",\"time\":1}", "event.time", 422 },
	{ HEAD ",\"subject\":{}}", "event.subject", 422 },
};

START_TEST(no_event)
{
	ck_assert_int_eq(parse(str_from(bad[_i].text)), -EINVAL);
	ck_assert_msg(err.kind->http_status == bad[_i].status, "%s: %d", bad[_i].text,
		      err.kind->http_status);
	ck_assert_str_eq(err.field, bad[_i].field);
	ck_assert_ptr_null(event.id.p); /* untouched */
	ck_assert_int_eq(cloudevent_parse(arena, str_from(bad[_i].text), &event, NULL), -EINVAL);
}
END_TEST

START_TEST(later_versions)
{
	ck_assert_int_eq(
		parse(STR(
			"{\"specversion\":\"1.12\",\"id\":\"i\",\"type\":\"t\",\"source\":\"s\"}")),
		0);
}
END_TEST

/* n bytes of data in a string. */
static void put_big(struct buf *b, size_t n)
{
	buf_clear(b);
	buf_append_str(b, STR(HEAD ",\"data\":\""));
	while (b->n < n - 2)
		buf_append_char(b, 'x');
	buf_append_str(b, STR("\"}"));
}

START_TEST(big)
{
	static const size_t sizes[] = { 1 << 20, CLOUDEVENT_BODY_MAX };
	struct buf b;

	buf_init(&b, 8 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		put_big(&b, sizes[i]);
		ck_assert_int_eq(parse(buf_str(&b)), 0);
		ck_assert_uint_gt(event.data.n, sizes[i] - 100);
		ck_assert_uint_eq(strlen(identity()), 64);
		arena_reset(arena);
	}
	put_big(&b, CLOUDEVENT_BODY_MAX + 1);
	ck_assert_int_eq(parse(buf_str(&b)), -EINVAL);
	ck_assert_ptr_eq(err.kind, &ERR_INVALID);
	buf_done(&b);
}
END_TEST

/* The deepest data that an event can have has an identity. */
START_TEST(deep)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (size_t n = 28; n < 36; n++) {
		buf_clear(&b);
		buf_append_str(&b, STR(HEAD ",\"data\":"));
		for (size_t i = 0; i < n; i++)
			buf_append_char(&b, '[');
		for (size_t i = 0; i < n; i++)
			buf_append_char(&b, ']');
		buf_append_char(&b, '}');
		ck_assert_int_eq(parse(buf_str(&b)), n < JSON_MAX_DEPTH ? 0 : -EINVAL);
		if (n < JSON_MAX_DEPTH)
			ck_assert_uint_eq(strlen(identity()), 64);
	}
	buf_done(&b);
}
END_TEST

START_TEST(arena_ends_anywhere)
{
	int r = -ENOMEM;

	for (size_t max = 0; r < 0 && max < 200000; max += 128) {
		struct arena *a = arena_new(max);
		uint8_t digest[SHA256_SIZE];

		err = (struct err){ 0 };
		r = cloudevent_parse(a, STR(delivered), &event, &err);
		ck_assert(r == 0 || (r == -ENOMEM && err.kind == &ERR_UNAVAILABLE));
		if (r == 0)
			r = cloudevent_identity(a, &event, digest);
		ck_assert(r == 0 || r == -ENOMEM);
		arena_free(a);
	}
	ck_assert_int_eq(r, 0);
}
END_TEST

START_TEST(allocations_fail)
{
	unsigned failed = 0;

	if (!fail_alloc_works()) {
		printf("cloudevent: left out, allocations cannot be made to fail here\n");
		return;
	}
	for (uint64_t nth = 1;; nth++) {
		struct arena *a = arena_new(1 << 20);
		uint8_t digest[SHA256_SIZE];
		int r;

		fail_alloc_arm(nth);
		r = cloudevent_parse(a, STR(delivered), &event, &err);
		if (r == 0)
			r = cloudevent_identity(a, &event, digest);
		if (!fail_alloc_disarm()) {
			ck_assert_int_eq(r, 0);
			arena_free(a);
			break;
		}
		failed++;
		ck_assert_int_eq(r, -ENOMEM);
		arena_free(a);
	}
	ck_assert_uint_gt(failed, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cloudevent");
	TCase *tc = tcase_create("cloudevent");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_is_published);
	tcase_add_test(tc, the_same_event_comes_back);
	tcase_add_test(tc, identities);
	tcase_add_test(tc, identity_of_what_is_no_json);
	tcase_add_loop_test(tc, ids_for_the_log, 0, (int)ARRAY_SIZE(named));
	tcase_add_test(tc, missing_is_none);
	tcase_add_test(tc, data_of_any_kind);
	tcase_add_loop_test(tc, trace_contexts, 0, (int)ARRAY_SIZE(traceparents));
	tcase_add_loop_test(tc, no_event, 0, (int)ARRAY_SIZE(bad));
	tcase_add_test(tc, later_versions);
	tcase_add_test(tc, big);
	tcase_add_test(tc, deep);
	tcase_add_test(tc, arena_ends_anywhere);
	tcase_add_test(tc, allocations_fail);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
