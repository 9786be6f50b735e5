/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a remote key set fresh. One fetch at a time, on a fiber of its own; every way to start one
 * goes through start_fetch. The set in use changes only when a whole document was fetched and
 * understood, and an unchanged document changes nothing. What must hold: tokens cannot make this
 * fetch more often than min_interval, and an issuer that cannot be reached costs log lines when
 * that begins and ends, not one per try.
 */
#include "jwks_private.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "loop/fiber.h"
#include "loop/timer.h"

#include <errno.h>
#include <stdlib.h>

enum { DOCUMENT_MAX_BYTES = 64 * 1024 };

static const struct jwks_timing default_timing = {
	.refresh_ms = 600 * 1000,
	.min_interval_ms = 30 * 1000,
	.retry_first_ms = 1000,
	.retry_max_ms = 30 * 1000,
	.timeout_ms = 5000,
};

static const struct metric_family fetches_family = { "todod_jwks_fetches_total", METRIC_COUNTER,
						     "Fetches of the issuer's key set by result." };

struct waiter { /* on the stack of the fiber that waits */
	struct waiter *next, *prev;
	struct fiber_wait wait;
	bool listed;
};

struct fetch {		   /* belongs to its fiber */
	struct jwks *jwks; /* NULL: nobody wants the result any more */
	struct http_client *http;
	int64_t timeout_ms;
	struct fiber *fiber;
	char *url;
};

struct jwks {
	struct loop *loop;
	struct http_client *http;
	char *url;
	struct jwks_timing timing;
	struct timer timer; /* not running while a fetch is */
	struct fetch *fetch;
	int64_t fetched_at_ms; /* start of the last fetch */
	int64_t backoff_ms;
	bool failing;
	struct jwt_keys *keys;
	uint8_t digest[SHA256_SIZE]; /* of the document that keys came from */
	uint64_t generation;
	struct waiter waiters; /* sentinel of a ring */
	unsigned n_waiters;
	struct metric *ok, *failed;
};

static void unlist(struct jwks *j, struct waiter *w)
{
	w->prev->next = w->next;
	w->next->prev = w->prev;
	w->listed = false;
	j->n_waiters--;
}

static void wake_all(struct jwks *j, int result)
{
	while (j->waiters.next != &j->waiters) {
		struct waiter *w = j->waiters.next;
		unlist(j, w);
		fiber_wake(&w->wait, result);
	}
}

/* Takes the document into use. 0; negative with the reason. */
static int adopt(struct jwks *j, struct str document, struct err *reterr)
{
	uint8_t digest[SHA256_SIZE];
	struct jwt_keys *keys;
	int r = hash_sha256(document, digest);
	if (r < 0)
		return err_unavailable(reterr, 0, "out of memory reading the key set");
	if (j->keys && memcmp(digest, j->digest, sizeof(digest)) == 0)
		return 0;
	r = jwt_keys_parse(document, &keys, reterr);
	if (r < 0)
		return r;
	jwt_keys_free(j->keys);
	j->keys = keys;
	memcpy(j->digest, digest, sizeof(digest));
	j->generation++;
	if (jwt_keys_count(keys) > 0)
		log_info("auth.jwks_changed", LOG_I64("keys", (int64_t)jwt_keys_count(keys)));
	else
		log_warn("auth.jwks_empty", LOG_I64("keys", 0));
	return 0;
}

/* Logs when the issuer becomes unreachable and when it is back. */
static void note_result(struct jwks *j, int r, const struct err *e)
{
	metric_add(r < 0 ? j->failed : j->ok, 1);
	if (r < 0 && !j->failing)
		log_warn("auth.jwks_failed", LOG_CSTR("reason", e->text),
			 LOG_BOOL("old_keys_in_use", j->keys != NULL));
	else if (r == 0 && j->failing)
		log_info("auth.jwks_recovered", LOG_I64("keys", (int64_t)jwt_keys_count(j->keys)));
	j->failing = r < 0;
}

/* When to fetch next by itself. A timer that cannot start leaves it to the tokens: jwks_refresh. */
static void schedule(struct jwks *j)
{
	int64_t delay_ms = j->timing.refresh_ms;
	if (j->failing && j->keys) {
		delay_ms = j->timing.retry_max_ms;
	} else if (j->failing) {
		delay_ms = j->backoff_ms;
		j->backoff_ms = 2 * delay_ms < j->timing.retry_max_ms ? 2 * delay_ms
								      : j->timing.retry_max_ms;
	}
	if (!j->failing)
		j->backoff_ms = j->timing.retry_first_ms;
	if (timer_start(&j->timer, delay_ms) < 0)
		log_warn("auth.jwks_timer",
			 LOG_CSTR("reason", "the timer of the next fetch could not be started"));
}

static void finish(struct jwks *j, int r, const struct http_response *response, struct err *e)
{
	j->fetch = NULL;
	if (r == 0 && response->status != 200)
		r = err_unavailable(e, 0, "the issuer answered with status %d", response->status);
	if (r == 0)
		r = adopt(j, buf_str(&response->body), e);
	if (r != -ECANCELED)
		note_result(j, r, e);
	schedule(j);
	wake_all(j, 0);
}

static void run_fetch(void *arg)
{
	struct fetch *f = arg;
	static const char *const headers[] = { "Accept: application/json", NULL };
	if (f->jwks) {
		struct http_call call = {
			.method = "GET",
			.url = f->url,
			.headers = headers,
			.timeout_ms = f->timeout_ms,
			.connect_timeout_ms = f->timeout_ms,
			.max_response_bytes = DOCUMENT_MAX_BYTES,
		};
		struct http_response response;
		struct err e = { 0 };
		int r = http_client_wait(f->http, &call, &response, &e);
		if (f->jwks)
			finish(f->jwks, r, &response, &e);
		buf_done(&response.body);
	}
	free(f->url);
	free(f);
}

static struct fetch *fetch_new(struct jwks *j)
{
	struct fetch *f = calloc(1, sizeof(*f));
	char *url = strdup(j->url);
	if (!f || !url || fiber_spawn(j->loop, "jwks.fetch", run_fetch, f, NULL, &f->fiber) < 0) {
		free(f);
		free(url);
		return NULL;
	}
	f->jwks = j;
	f->http = j->http;
	f->timeout_ms = j->timing.timeout_ms;
	f->url = url;
	return f;
}

static bool start_fetch(struct jwks *j)
{
	timer_stop(&j->timer);
	j->fetched_at_ms = loop_now_ms(j->loop);
	j->fetch = fetch_new(j);
	if (j->fetch)
		return true;
	struct err e = { 0 };
	err_unavailable(&e, 0, "no memory or no fiber for the fetch");
	note_result(j, -ENOMEM, &e);
	schedule(j);
	return false;
}

static void on_timer(void *arg)
{
	start_fetch(arg);
}

struct jwks *jwks_new_with_timing(struct loop *l, struct http_client *http, const char *url,
				  const struct jwks_timing *timing)
{
	struct jwks *j = calloc(1, sizeof(*j));
	char *copy = strdup(url);
	if (!j || !copy) {
		free(j);
		free(copy);
		return NULL;
	}
	j->loop = l;
	j->http = http;
	j->url = copy;
	j->timing = *timing;
	j->backoff_ms = timing->retry_first_ms;
	j->waiters.next = j->waiters.prev = &j->waiters;
	j->ok = metric_get(&fetches_family, "result=\"ok\"");
	j->failed = metric_get(&fetches_family, "result=\"failed\"");
	timer_init(&j->timer, l, on_timer, j);
	start_fetch(j);
	return j;
}

struct jwks *jwks_new(struct loop *l, struct http_client *http, const char *url)
{
	return jwks_new_with_timing(l, http, url, &default_timing);
}

void jwks_free(struct jwks *j)
{
	if (!j)
		return;
	wake_all(j, -ECANCELED);
	if (j->fetch) {
		j->fetch->jwks = NULL;
		fiber_cancel(j->fetch->fiber);
	}
	timer_done(&j->timer);
	jwt_keys_free(j->keys);
	free(j->url);
	free(j);
}

const struct jwt_keys *jwks_keys(const struct jwks *j)
{
	return j->keys;
}

uint64_t jwks_generation(const struct jwks *j)
{
	return j->generation;
}

bool jwks_refresh(struct jwks *j)
{
	if (j->fetch)
		return true;
	if (loop_now_ms(j->loop) - j->fetched_at_ms < j->timing.min_interval_ms)
		return false;
	return start_fetch(j);
}

int jwks_wait(struct jwks *j, int64_t timeout_ms)
{
	struct waiter w = { .listed = true };
	if (!j->fetch)
		return 0;
	if (j->n_waiters >= JWKS_WAITERS_MAX)
		return -EBUSY;
	fiber_wait_init(&w.wait);
	w.next = &j->waiters;
	w.prev = j->waiters.prev;
	w.prev->next = j->waiters.prev = &w;
	j->n_waiters++;
	int r = fiber_wait(&w.wait, "jwks.wait", timeout_ms);
	if (w.listed) /* else j may be gone */
		unlist(j, &w);
	return r;
}
