/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sidecar that says what a test tells it to say, on the loop under test, and remembers what it
 * was asked. Each test runs on a fiber and ends when no fiber is left.
 */
#ifndef TEST_FAKE_SIDECAR_H
#define TEST_FAKE_SIDECAR_H

#include "base/metrics.h"
#include "dapr/sidecar.h"

#include "test/unit/net/loopback_server.h"
#include "test/unit/support/fiber_loop.h"

#include <errno.h>

enum { PATIENCE_MS = 10000, REQUEST_MAX = 6 * 1024 * 1024 };

static struct {
	struct loopback server;
	struct arena *arena;
	struct sidecar *client;
	char url[64];
	/* what it says */
	int status;		 /* 0: nothing */
	const char *head, *body; /* head: lines, each with its end */
	enum after_reply after;
	const char *version; /* in its metadata; NULL: no metadata at all */
	int health, metadata_status;
	unsigned health_left; /* so often "not yet" before */
	/* what it was asked last, apart from health and metadata */
	char *request;
	size_t request_n;
	unsigned asked, asked_health, asked_metadata;
} fake;

static struct err err;

static enum after_reply fake_reply(struct evbuffer *out, int status, const char *head,
				   const char *body)
{
	evbuffer_add_printf(out, "HTTP/1.1 %d X\r\n%s", status, head ? head : "");
	if (status != 204)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", strlen(body));
	evbuffer_add_printf(out, "\r\n");
	evbuffer_add(out, body, strlen(body));
	return KEEP;
}

static enum after_reply fake_health(struct evbuffer *out)
{
	fake.asked_health++;
	if (fake.health_left > 0) {
		fake.health_left--;
		return fake_reply(
			out, 500, NULL,
			"{\"errorCode\":\"ERR_OUTBOUND_HEALTH_NOT_READY\",\"message\":\"wait\"}");
	}
	return fake_reply(out, fake.health, NULL, "");
}

static enum after_reply fake_metadata(struct evbuffer *out)
{
	char body[256];

	fake.asked_metadata++;
	snprintf(body, sizeof(body), "{\"id\":\"x\",\"runtimeVersion\":\"%s\",\"components\":[{}]}",
		 fake.version ? fake.version : "");
	return fake_reply(out, fake.metadata_status, NULL, fake.version ? body : "what?");
}

static enum after_reply fake_answer(void *arg, const char *request, size_t n, struct evbuffer *out)
{
	(void)arg;
	ck_assert_ptr_null(strcasestr(request, "\r\nExpect:"));
	ck_assert_ptr_null(strcasestr(request, "Proxy"));
	if (strstr(request, " /v1.0/healthz/outbound HTTP"))
		return fake_health(out);
	if (strstr(request, " /v1.0/metadata HTTP"))
		return fake_metadata(out);
	fake.asked++;
	ck_assert_uint_lt(n, REQUEST_MAX);
	memcpy(fake.request, request, n + 1);
	fake.request_n = n;
	if (fake.status == 0)
		return fake.after;
	fake_reply(out, fake.status, fake.head, fake.body ? fake.body : "");
	return fake.after;
}

static void fake_says(int status, const char *body)
{
	fake.status = status;
	fake.body = body;
	fake.head = NULL;
	fake.after = KEEP;
}

static struct sidecar_config fake_config(void)
{
	return (struct sidecar_config){
		.loop = loop,
		.url = fake.url,
		.token = STR("s3cret"),
		.api = SIDECAR_API_STABLE,
		.pubsub = "kafka-pubsub",
		.state_store = "statestore",
		.secret_store = "secrets",
		.timeout_ms = PATIENCE_MS,
		.max_calls = 4,
	};
}

/* Another client than the one there is. */
static void fake_client(const struct sidecar_config *config)
{
	sidecar_free(fake.client);
	fake.client = sidecar_new(config);
	ck_assert_ptr_nonnull(fake.client);
}

static void fake_setup(void)
{
	struct sidecar_config config;

	setenv("http_proxy", "http://127.0.0.1:1", 1); /* would fail every call if it were heeded */
	memset(&fake, 0, sizeof(fake));
	fiber_loop_setup();
	fake.request = malloc(REQUEST_MAX);
	fake.arena = arena_new(64 << 20);
	ck_assert(fake.request && fake.arena);
	fake.request[0] = '\0';
	fake.health = 204;
	fake.metadata_status = 200;
	fake.version = "1.18.3";
	fake_says(204, "");
	loopback_start(&fake.server, loop, fake_answer, NULL);
	snprintf(fake.url, sizeof(fake.url), "http://127.0.0.1:%u", fake.server.port);
	config = fake_config();
	fake_client(&config);
	err = (struct err){ 0 };
}

static void fake_teardown(void)
{
	sidecar_free(fake.client);
	loopback_stop(&fake.server);
	fiber_loop_teardown();
	arena_free(fake.arena);
	free(fake.request);
	metrics_done();
}

/* Whether the last request begins with this line. */
static inline bool asked_line(const char *line)
{
	size_t n = strlen(line);

	return strncmp(fake.request, line, n) == 0 &&
	       strncmp(fake.request + n, " HTTP/1.1\r\n", 11) == 0;
}

static inline const char *asked_body(void)
{
	return strstr(fake.request, "\r\n\r\n") + 4;
}

static inline double calls(const char *call, const char *result)
{
	static const struct metric_family family = { "todod_sidecar_calls_total", METRIC_COUNTER,
						     "Calls to the Dapr sidecar." };
	char labels[96];

	snprintf(labels, sizeof(labels), "call=\"%s\",result=\"%s\"", call, result);
	return metric_value(metric_get(&family, labels));
}

#endif
