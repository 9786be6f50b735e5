/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivering a record until it is settled. 429, 5xx and a broken way are tried again three times,
 * two seconds apart; then, or at once for any other refusal, it becomes a dead letter with its
 * bytes as they are. Where no topic takes dead letters it is tried for ever, as Kafka does: the
 * partition waits. An instance that is gone costs no try.
 */
#include "delivery_private.h"

#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "dapr/cloudevent.h"
#include "wrap_private.h"

#include <errno.h>

enum {
	TRIES = 4,
	TRY_AGAIN_MS = 2000,
	BLOCKED_MS = 5000,
	TIMEOUT_MS = 10 * 1000,
	ANSWER_MAX_BYTES = 64 * 1024,
};

struct answer {
	enum json_state state;
	struct json_str status;
};

static const struct json_field ANSWER_FIELDS[] = {
	JSON_FIELD(struct answer, status, "status", JSON_KIND_STR),
	JSON_FIELD_END,
};

enum verdict verdict_of(struct arena *arena, int status, struct str body)
{
	struct answer answer = { 0 };

	if (status == 404)
		return VERDICT_DROP;
	if (status == 429 || status >= 500)
		return VERDICT_RETRY;
	if (status < 200 || status > 299)
		return VERDICT_POISON;
	if (body.n == 0 || json_parse(arena, body, "body", ANSWER_FIELDS, &answer, NULL) < 0 ||
	    answer.status.v.n == 0 || str_eq(answer.status.v, STR("SUCCESS")))
		return VERDICT_DONE;
	return str_eq(answer.status.v, STR("DROP")) ? VERDICT_DROP : VERDICT_RETRY;
}

struct str delivery_escape(struct arena *arena, struct str s)
{
	static const char HEX[] = "0123456789ABCDEF";
	char *out = arena_alloc(arena, 3 * s.n + 1);
	size_t n = 0;

	if (out == NULL)
		return (struct str){ NULL, 0 };
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || (c != '\0' && strchr("-_.~", c) != NULL);
		if (is_plain) {
			out[n++] = (char)c;
		} else if (c == ' ') {
			out[n++] = '+';
		} else {
			out[n++] = '%';
			out[n++] = HEX[c >> 4];
			out[n++] = HEX[c & 15];
		}
	}
	out[n] = '\0';
	return (struct str){ out, n };
}

/* What one try needs; all of it in the arena. */
struct
try {
	const char *headers[8];
	struct str body;
};

static bool set_headers(struct try *t, struct arena *arena, const struct partition *p,
			struct kept *m)
{
	const char *topic = p->consumer->topic->name;
	struct str key = delivery_escape(arena, m->key);
	size_t n = 0;

	t->headers[n++] = "Content-Type: application/cloudevents+json";
	if (m->key.p != NULL)
		t->headers[n++] = arena_printf(arena, "__key: %.*s", STR_ARGS(key)).p;
	t->headers[n++] = arena_printf(arena, "__partition: %u", p->number).p;
	t->headers[n++] = arena_printf(arena, "__offset: %lld", (long long)m->pos).p;
	t->headers[n++] = arena_printf(arena, "__topic: %s", topic).p;
	t->headers[n++] =
		arena_printf(arena, "__timestamp: %lld", (long long)(m->created_us / 1000)).p;
	t->headers[n] = NULL;
	for (size_t i = 0; i < n; i++) {
		if (t->headers[i] == NULL)
			return false;
	}
	return true;
}

/* False when out of memory. */
static bool prepare(struct try *t, struct arena *arena, const struct partition *p,
		    const struct wish *wish, struct kept *m)
{
	const struct settings *s = p->consumer->host->settings;
	struct str pubsub = p->consumer->alone != NULL ? s->replica_pubsub : s->pubsub;

	t->body = m->body;
	if (wish->is_raw)
		t->body = wrap_raw(arena, m->body, str_from(p->consumer->topic->name), pubsub);
	return t->body.p != NULL && set_headers(t, arena, p, m);
}

/* What is no event goes to those alone who take bytes. */
static bool is_event(struct arena *arena, struct kept *m, struct err *reterr)
{
	static const struct json_field NONE[] = { JSON_FIELD_END };
	enum json_state ignored = JSON_ABSENT;

	if (m->is_event) /* as another group found */
		return true;
	int r = json_parse(arena, m->body, "record", NONE, &ignored, reterr);
	m->is_event = r == 0;
	return r != -EINVAL;
}

/* Posts it once. *reterr says what went wrong, if anything did. */
static FIBER enum verdict try_wait(struct partition *p, struct arena *arena,
				   const struct wish *wish, struct kept *m, struct err *reterr)
{
	struct instance *i = p->instance;
	struct http_response response;
	struct try t;

	if (!wish->is_raw && !is_event(arena, m, reterr))
		return VERDICT_POISON;
	if (wish->path.p == NULL || wish->dead_letter.p == NULL ||
	    !prepare(&t, arena, p, wish, m)) {
		err_unavailable(reterr, 1, "out of memory");
		return VERDICT_RETRY;
	}
	const struct http_call call = {
		.method = "POST",
		.url = wish->path.p,
		.headers = t.headers,
		.body = t.body,
		.timeout_ms = TIMEOUT_MS,
		.max_response_bytes = ANSWER_MAX_BYTES,
	};
	int r = instance_call_wait(i, arena, &call, &response, reterr);
	enum verdict verdict = VERDICT_RETRY;
	if (r == 0)
		verdict = verdict_of(arena, response.status, buf_str(&response.body));
	if (r == 0 && verdict != VERDICT_DONE)
		err_set(reterr, &ERR_UNAVAILABLE, NULL, "the app answered %d", response.status);
	buf_done(&response.body);
	return verdict;
}

/* Under the ids of the request that the event is from. */
static void tell(enum log_level level, const char *msg, const struct partition *p,
		 struct arena *arena, struct kept *m, const char *reason)
{
	struct cloudevent_ids ids;

	if (!log_enabled(level))
		return;
	cloudevent_ids_read(arena, m->body, &ids);
	const struct log_context *before = log_context_swap(&ids.request);
	LOG_AT(level, msg, LOG_CSTR("topic", p->consumer->topic->name),
	       LOG_CSTR("group", p->consumer->group), LOG_I64("partition", p->number),
	       LOG_I64("offset", m->pos), LOG_STR("event_id", ids.id), LOG_STR("key", m->key),
	       LOG_CSTR("reason", reason));
	log_context_swap(before);
}

/* 0: it is there; else as topic_publish_wait. */
static FIBER int bury_wait(const struct partition *p, const struct wish *wish, struct kept *m,
			   struct err *reterr)
{
	const struct record record = { m->key, m->body };
	struct topic *t = NULL;

	int r = topic_get(p->consumer->host, wish->dead_letter, &t, reterr);
	if (r == 0)
		r = topic_publish_wait(t, &record, 1, reterr);
	return r;
}

/* One try and what follows from it. 0: settled; > 0: ms until the next try; < 0: not ours to
 * settle. */
static FIBER int64_t step_wait(struct partition *p, struct arena *arena, struct kept *m,
			       unsigned *tries)
{
	const struct consumer *c = p->consumer;
	struct instance *i = p->instance;
	const struct wish *wish = i != NULL ? instance_wish(i, c->topic, c->alone != NULL) : NULL;
	struct err err = { 0 };

	if (wish == NULL)
		return -EAGAIN;
	/* The instance may ask anew for its events while this is under way. */
	struct wish mine = { .is_raw = wish->is_raw,
			     .path = arena_dup(arena, wish->path),
			     .dead_letter = arena_dup(arena, wish->dead_letter) };
	enum verdict verdict = try_wait(p, arena, &mine, m, &err);
	if (fiber_is_cancelled(fiber_self()))
		return -ECANCELED;
	if (verdict == VERDICT_DONE) {
		metric_add(c->delivered, 1);
		tell(LOG_DEBUG, "sidecar.delivered", p, arena, m, "");
		return 0;
	}
	if (p->instance != i)
		return -EAGAIN;
	if (verdict == VERDICT_RETRY && ++*tries < TRIES) {
		metric_add(c->retried, 1);
		tell(LOG_INFO, "sidecar.retried", p, arena, m, err.text);
		return TRY_AGAIN_MS;
	}
	if (mine.dead_letter.n == 0 && verdict == VERDICT_DROP) {
		metric_add(c->dropped, 1);
		tell(LOG_WARN, "sidecar.dropped", p, arena, m, err.text);
		return 0;
	}
	if (mine.dead_letter.n == 0 || bury_wait(p, &mine, m, &err) < 0) {
		metric_add(c->retried, 1);
		tell(LOG_WARN, "sidecar.blocked", p, arena, m, err.text);
		return BLOCKED_MS;
	}
	metric_add(c->dead, 1);
	tell(LOG_WARN, "sidecar.dead", p, arena, m, err.text);
	return 0;
}

int delivery_settle_wait(struct partition *p, struct arena *arena, struct kept *m)
{
	unsigned tries = 0;

	for (;;) {
		const struct instance *i = p->instance;
		int64_t r = step_wait(p, arena, m, &tries);
		if (r <= 0)
			return (int)r;
		arena_reset(arena);
		if (partition_rest(p, r) < 0)
			return -ECANCELED;
		if (p->instance != i)
			return -EAGAIN;
	}
}
