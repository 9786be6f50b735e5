/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key set of an issuer that this test plays itself, on the same loop: when it is asked, what
 * happens when it fails, lies, stalls or changes its keys; and the verifier on top, with its cache.
 * A clock that matters is handed in.
 * Requirement: SE1.
 */
#include "src/auth/jwks_private.h"
#include "src/auth/jwt_private.h"
#include "src/auth/verifier_private.h"

#include "base/base64.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/time.h"
#include "test/unit/net/loopback_server.h"
#include "test/unit/support/fiber_loop.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, HOUR_MS = 3600 * 1000, FLOOD = 100000 };

#define SECRET "0123456789abcdef0123456789abcdef"

static struct http_client *client;
static struct loopback issuer;
static struct arena *arena;
static struct jwks *jwks;
static struct auth_verifier *verifier;
static struct jwt_key *signers[2];   /* the issuer's keys, old and new */
static struct jwt_key *local_signer; /* the secret of local_keys */
static char documents[2][256];	     /* what it publishes for each */

static int log_fd;

static enum mode {
	SERVE_FIRST,
	SERVE_SECOND,
	STATUS_500,
	GARBAGE,
	TOO_LONG,
	EMPTY_SET,
	REDIRECT,
	STALL
} mode;

static const struct jwt_policy policy = { .leeway_s = 30 };
/* Nothing happens by itself. */
static const struct jwks_timing by_hand = { HOUR_MS, 0, HOUR_MS, HOUR_MS, PATIENCE_MS };
/* Nothing happens by itself, nor because tokens ask. */
static const struct jwks_timing never_again = { HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS, PATIENCE_MS };

static enum after_reply publish(void *arg, const char *request, size_t n, struct evbuffer *out)
{
	(void)arg;
	(void)n;
	ck_assert(strncmp(request, "GET /jwks HTTP/1.1\r\n", 20) == 0);
	switch (mode) {
	case SERVE_FIRST:
		return loopback_reply(out, 200, documents[0], strlen(documents[0]));
	case SERVE_SECOND:
		return loopback_reply(out, 200, documents[1], strlen(documents[1]));
	case STATUS_500:
		return loopback_reply(out, 500, documents[1], strlen(documents[1]));
	case GARBAGE:
		return loopback_reply(out, 200, "<html>", 6);
	case TOO_LONG:
		evbuffer_add_printf(out, "HTTP/1.1 200 X\r\nContent-Length: 65537\r\n\r\n%s%*s",
				    documents[1], (int)(65537 - strlen(documents[1])), "");
		return KEEP;
	case EMPTY_SET:
		return loopback_reply(out, 200, "{\"keys\":[]}", 11);
	case REDIRECT:
		evbuffer_add_printf(
			out, "HTTP/1.1 307 X\r\nLocation: /jwks\r\nContent-Length: 0\r\n\r\n");
		return KEEP;
	case STALL:
		break;
	}
	return SILENCE;
}

/* An Ed25519 key named kid that can sign, and the document that publishes it. */
static struct jwt_key *new_signer(const char *kid, char *document, size_t size)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	uint8_t x[32];
	size_t n = sizeof(x);
	struct buf text;
	buf_init(&text, 64);
	ck_assert(pkey && EVP_PKEY_get_raw_public_key(pkey, x, &n) == 1);
	base64url_encode((struct str){ (const char *)x, n }, &text);
	struct str json = arena_printf(
		arena,
		"{\"keys\":[{\"kid\":\"%s\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%.*s\"}]}",
		kid, STR_ARGS(buf_str(&text)));
	ck_assert_int_eq(str_copy(document, size, json), 0);
	buf_done(&text);
	struct jwt_key *k = jwt_key_new(JWT_EDDSA, pkey, str_from(kid));
	ck_assert_ptr_nonnull(k);
	k->can_sign = true;
	return k;
}

static void setup(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_ge(log_fd, 0);
	log_init(LOG_WARN, "test", log_fd);
	mode = SERVE_FIRST;
	fiber_loop_setup();
	client = http_client_new(loop, 8);
	arena = arena_new(1024 * 1024);
	ck_assert(client && arena);
	local_signer = jwt_key_from_secret(STR(SECRET));
	ck_assert_ptr_nonnull(local_signer);
	signers[0] = new_signer("old", documents[0], sizeof(documents[0]));
	signers[1] = new_signer("new", documents[1], sizeof(documents[1]));
	loopback_start(&issuer, loop, publish, NULL);
}

static void teardown(void)
{
	auth_verifier_free(verifier);
	jwks_free(jwks);
	http_client_free(client);
	run_until_idle(); /* what still runs ends by itself */
	loopback_stop(&issuer);
	fiber_loop_teardown();
	jwt_key_free(signers[0]);
	jwt_key_free(signers[1]);
	jwt_key_free(local_signer);
	arena_free(arena);
	metrics_done();
	close(log_fd);
}

/* Log lines so far that hold text. */
static unsigned logged(const char *text)
{
	static char lines[65536];
	unsigned count = 0;
	log_flush();
	ssize_t n = pread(log_fd, lines, sizeof(lines) - 1, 0);
	ck_assert_int_ge((int)n, 0);
	lines[n] = '\0';
	for (const char *p = lines; (p = strstr(p, text)); p++)
		count++;
	return count;
}

static void start(const struct jwks_timing *timing)
{
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/jwks", issuer.port);
	jwks = jwks_new_with_timing(loop, client, url, timing);
	ck_assert_ptr_nonnull(jwks);
	verifier = auth_verifier_new(jwks, NULL, &policy);
	ck_assert_ptr_nonnull(verifier);
}

static struct str bearer(int which, const char *user, int64_t ttl_s)
{
	struct str token = jwt_sign(arena, signers[which], str_from(user), STR(""), STR(""),
				    time_now_us() / TIME_US_PER_S, ttl_s);
	ck_assert_ptr_nonnull(token.p);
	return arena_printf(arena, "Bearer %.*s", STR_ARGS(token));
}

/* Fetches and waits for the end of it. */
static FIBER void fetch_now(enum mode m)
{
	mode = m;
	ck_assert(jwks_refresh(jwks));
	ck_assert_int_eq(jwks_wait(jwks, PATIENCE_MS), 0);
}

static int verify(struct str authorization, struct err *e)
{
	struct str user = { NULL, 0 };
	*e = (struct err){ 0 };
	int r = auth_verify(verifier, arena, authorization, &user, e);
	ck_assert((r == 0) == (user.p != NULL));
	ck_assert((r == 0) == (e->kind == NULL));
	return r;
}

static FIBER int verify_wait(struct str authorization, struct err *e)
{
	struct str user = { NULL, 0 };
	*e = (struct err){ 0 };
	return auth_verify_wait(verifier, arena, authorization, &user, e);
}

/* The first token waits for the first fetch. */
static void first_token_fiber(void *arg)
{
	struct err e;
	(void)arg;
	ck_assert_ptr_null(jwks_keys(jwks));
	ck_assert_int_eq(verify(bearer(0, "anna", 60), &e), -EAGAIN);
	ck_assert_ptr_eq(e.kind, &ERR_UNAVAILABLE);
	ck_assert_int_eq(verify_wait(bearer(0, "anna", 60), &e), 0);
	ck_assert_uint_eq(issuer.requests, 1);
}

START_TEST(test_first_token_waits)
{
	start(&never_again);
	on_fiber(first_token_fiber, NULL);
}
END_TEST

/* A hundred thousand tokens with keys nobody knows: the one fetch at the start remains the only
 * one. */
static void flood_fiber(void *arg)
{
	struct err e;
	(void)arg;
	ck_assert_int_eq(jwks_wait(jwks, PATIENCE_MS), 0);
	static char tail[1024]; /* payload and signature */
	ck_assert_int_eq(
		str_copy(tail, sizeof(tail), str_from(strchr(bearer(1, "mallory", 60).p, '.'))), 0);
	for (int i = 0; i < FLOOD; i++) {
		char kid[16], header[64];
		struct buf text;
		snprintf(kid, sizeof(kid), "kid-%d", i);
		snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", kid);
		buf_init(&text, 8192);
		buf_append_str(&text, STR("Bearer "));
		base64url_encode(str_from(header), &text);
		buf_append_str(&text, str_from(tail));
		int r = verify(buf_str(&text), &e);
		ck_assert_msg(r == -EACCES && e.kind == &ERR_UNAUTHORIZED, "%d %s", r, e.text);
		buf_done(&text);
		arena_reset(arena);
	}
	ck_assert_int_eq(verify(bearer(0, "anna", 60), &e), 0);
}

START_TEST(test_flood_of_unknown_kids)
{
	start(&never_again);
	on_fiber(flood_fiber, NULL);
	ck_assert_uint_eq(issuer.requests, 1);
}
END_TEST

/* However many ask while a fetch is under way, it is one; and a bounded number may wait for it. */
static unsigned waited[3]; /* 0, -EBUSY, other */

static void waiting_fiber(void *arg)
{
	(void)arg;
	ck_assert(jwks_refresh(jwks));
	int r = jwks_wait(jwks, PATIENCE_MS);
	waited[r == 0 ? 0 : r == -EBUSY ? 1 : 2]++;
	if (r != -EBUSY || waited[1] < 10)
		return;
	ck_assert_ptr_nonnull(issuer.open[0]); /* now the issuer answers */
	loopback_reply(bufferevent_get_output(issuer.open[0]), 200, documents[1],
		       strlen(documents[1]));
}

static void single_flight_fiber(void *arg)
{
	(void)arg;
	fetch_now(SERVE_FIRST);
	mode = STALL;
	ck_assert(jwks_refresh(jwks));
	while (issuer.requests < 3) /* the start's, fetch_now's, this one */
		ck_assert_int_eq(fiber_sleep(1), 0);
	for (int i = 0; i < JWKS_WAITERS_MAX + 10; i++)
		ck_assert_int_eq(fiber_spawn(loop, "wait", waiting_fiber, NULL, NULL, NULL), 0);
}

static void wait_for_start_fiber(void *arg)
{
	ck_assert_int_eq(jwks_wait(jwks, PATIENCE_MS), 0);
	single_flight_fiber(arg);
}

START_TEST(test_single_flight)
{
	start(&by_hand);
	on_fiber(wait_for_start_fiber, NULL);
	ck_assert_uint_eq(issuer.requests, 3);
	ck_assert_uint_eq(waited[0], JWKS_WAITERS_MAX);
	ck_assert_uint_eq(waited[1], 10);
	ck_assert_uint_eq(waited[2], 0);
}
END_TEST

/* Old keys survive every way a fetch can fail; a good document replaces them, and what was
 * concluded from them goes. */
static void outage_fiber(void *arg)
{
	static const enum mode failures[] = { STATUS_500, GARBAGE, TOO_LONG, REDIRECT };
	struct err e;
	(void)arg;
	ck_assert_int_eq(jwks_wait(jwks, PATIENCE_MS), 0);
	struct str old = bearer(0, "anna", 600), new = bearer(1, "anna", 600);
	uint64_t generation = jwks_generation(jwks);
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		fetch_now(failures[i]);
		ck_assert_uint_eq(jwks_generation(jwks), generation);
		ck_assert_int_eq(verify(old, &e), 0);
	}
	fetch_now(SERVE_FIRST); /* the same document changes nothing */
	ck_assert_uint_eq(jwks_generation(jwks), generation);
	mode = SERVE_SECOND;
	ck_assert_int_eq(verify(new, &e), -EAGAIN);
	ck_assert_int_eq(verify_wait(new, &e), 0);
	ck_assert_uint_gt(jwks_generation(jwks), generation);
	fetch_now(SERVE_SECOND);
	mode = STATUS_500;
	ck_assert_int_eq(
		verify_wait(old, &e),
		-EAGAIN); /* its key is gone: still unknown after the fetch, min_interval is 0 */
	ck_assert_int_eq(jwks_wait(jwks, PATIENCE_MS), 0);
	fetch_now(EMPTY_SET); /* an issuer may take all its keys back */
	ck_assert_uint_eq(jwt_keys_count(jwks_keys(jwks)), 0);
	ck_assert_int_ne(verify(new, &e), 0);
	ck_assert_int_eq(jwks_wait(jwks, PATIENCE_MS), 0);
}

START_TEST(test_outage_and_rotation)
{
	start(&by_hand);
	on_fiber(outage_fiber, NULL);
	/* Two outages, of four and one failed fetches: a line for each, not one per fetch. */
	ck_assert_uint_eq(logged("auth.jwks_failed"), 2);
	ck_assert_uint_eq(logged("auth.jwks_empty"), 1);
}
END_TEST

/* Without keys the issuer is asked again by itself until it answers; until then 503, not 401. */
static void retry_fiber(void *arg)
{
	struct err e;
	(void)arg;
	ck_assert_int_eq(jwks_wait(jwks, PATIENCE_MS), 0);
	int r = verify_wait(bearer(0, "anna", 60), &e);
	ck_assert_msg(r == -EAGAIN && e.kind == &ERR_UNAVAILABLE && e.retry_after_s > 0, "%d %s", r,
		      e.text);
	while (issuer.requests < 4)
		ck_assert_int_eq(fiber_sleep(1), 0);
	mode = SERVE_FIRST;
	while (!jwks_keys(jwks))
		ck_assert_int_eq(fiber_sleep(1), 0);
	ck_assert_int_eq(verify(bearer(0, "anna", 60), &e), 0);
}

START_TEST(test_retries_without_keys)
{
	const struct jwks_timing quick = { HOUR_MS, HOUR_MS, 1, 4, PATIENCE_MS };
	mode = STATUS_500;
	start(&quick);
	on_fiber(retry_fiber, NULL);
}
END_TEST

static void background_fiber(void *arg)
{
	(void)arg;
	ck_assert_int_eq(jwks_wait(jwks, PATIENCE_MS), 0);
	mode = SERVE_SECOND;
	while (jwks_generation(jwks) < 2)
		ck_assert_int_eq(fiber_sleep(1), 0);
}

START_TEST(test_background_refresh)
{
	const struct jwks_timing quick = { 2, HOUR_MS, HOUR_MS, HOUR_MS, PATIENCE_MS };
	start(&quick);
	on_fiber(background_fiber, NULL);
}
END_TEST

/* A fetch that never ends: the wait does, and so does jwks_free with fibers waiting. */
static int free_result;

static void wait_forever_fiber(void *arg)
{
	(void)arg;
	free_result = jwks_wait(jwks, PATIENCE_MS);
}

static void stalled_fiber(void *arg)
{
	(void)arg;
	ck_assert_int_eq(jwks_wait(jwks, 5), -ETIME);
	ck_assert_int_eq(fiber_spawn(loop, "wait", wait_forever_fiber, NULL, NULL, NULL), 0);
	ck_assert_int_eq(fiber_sleep(1), 0);
	auth_verifier_free(verifier);
	jwks_free(jwks);
	verifier = NULL;
	jwks = NULL;
}

START_TEST(test_stalled_issuer)
{
	mode = STALL;
	start(&never_again);
	on_fiber(stalled_fiber, NULL);
	ck_assert_int_eq(free_result, -ECANCELED);
}
END_TEST

static void cancelled_fiber(void *arg)
{
	struct err e;
	*(int *)arg = verify_wait(bearer(0, "anna", 60), &e);
	ck_assert_ptr_eq(e.kind, &ERR_UNAVAILABLE);
}

static void cancelling_fiber(void *arg)
{
	struct fiber *f;
	ck_assert_int_eq(fiber_spawn(loop, "verify", cancelled_fiber, arg, NULL, &f), 0);
	ck_assert_int_eq(fiber_sleep(2), 0);
	fiber_cancel(f);
	ck_assert_int_eq(fiber_sleep(1), 0);
	jwks_free(jwks);
	jwks = NULL;
}

START_TEST(test_cancelled_wait)
{
	int r = 0;
	mode = STALL;
	start(&never_again);
	on_fiber(cancelling_fiber, &r);
	ck_assert_int_eq(r, -ECANCELED);
}
END_TEST

/* jwks_free before the loop ever ran. */
START_TEST(test_free_at_once)
{
	start(&never_again);
}
END_TEST

static struct jwt_keys *local_keys(void)
{
	struct jwt_key *k = jwt_key_from_secret(STR(SECRET));
	ck_assert_ptr_nonnull(k);
	struct jwt_keys *ks = jwt_keys_new_single(k);
	ck_assert_ptr_nonnull(ks);
	return ks;
}

static const struct {
	const char *value; /* @: a good token */
	bool good;
} headers[] = {
	{ "Bearer @", true },	 { "bearer @", true },	    { "BEARER @", true },
	{ "Bearer   @", true },	 { "Bearer@", false },	    { "Bearer\t@", false },
	{ " Bearer @", false },	 { "Bearer @ ", false },    { "Bearer @, x", false },
	{ "Bearer @ @", false }, { "Basic @", false },	    { "Bearer", false },
	{ "Bearer ", false },	 { "Bearer  ", false },	    { "", false },
	{ "@", false },		 { "Bearer \"@\"", false }, { "Bearer =@", false },
	{ "Bearer @=", false },	 { "Bearer @\x01", false }, { "Bearer \xc3\xa9", false },
	{ "Bearer a=b", false }, { "Token @", false },	    { "Bearer,@", false },
};

START_TEST(test_authorization_header)
{
	struct err e;
	struct str user = { NULL, 0 };
	verifier = auth_verifier_new(NULL, local_keys(), &policy);
	ck_assert_ptr_nonnull(verifier);
	struct str token = jwt_sign(arena, local_signer, STR("anna"), STR(""), STR(""),
				    time_now_us() / TIME_US_PER_S, 60);
	struct buf value;
	buf_init(&value, 4096);
	for (const char *p = headers[_i].value; *p; p++) {
		if (*p == '@')
			buf_append_str(&value, token);
		else
			buf_append_char(&value, *p);
	}
	for (int twice = 0; twice < 2; twice++) { /* also when the token is remembered */
		int r = verify(value.n ? buf_str(&value) : STR(""), &e);
		ck_assert_msg(r == (headers[_i].good ? 0 : -EACCES), "%s: %d %s", headers[_i].value,
			      r, e.text);
	}
	buf_done(&value);
	ck_assert_int_eq(auth_verify(verifier, arena, (struct str){ NULL, 0 }, &user, &e), -EACCES);
	ck_assert_str_eq(e.text, "a bearer token is required");
}
END_TEST

static double counted(const char *result)
{
	static const struct metric_family family = { "todod_auth_tokens_total", METRIC_COUNTER,
						     "" };
	return metric_value(metric_get(&family, result));
}

static int verify_at(struct str authorization, int64_t now_s)
{
	struct str user = { NULL, 0 };
	int r = auth_verify_at(verifier, arena, authorization, now_s, &user, NULL);
	ck_assert(r != 0 || str_eq(user, STR("anna")));
	return r;
}

/* Which looks at the clock check the signature again, and which do not. */
START_TEST(test_cache_clock)
{
	static const struct {
		int64_t at;
		int result;
		bool cached;
	} looks[] = {
		{ 1000, 0, false },
		{ 1000, 0, true },
		{ 1059, 0, true },
		{ 1060, 0, false },
		{ 1099, 0, true },
		{ 1059, 0, false },
		/* the clock went back */ { 1099, 0, true },
		{ 1100, 0, false }, /* expired, within the leeway */
		{ 1101, 0, false },
		{ 1129, 0, false },
		{ 1130, -EACCES, false },
		{ 1100, 0, false },
	};
	verifier = auth_verifier_new(NULL, local_keys(), &policy);
	ck_assert_ptr_nonnull(verifier);
	struct str token = jwt_sign(arena, local_signer, STR("anna"), STR(""), STR(""), 1000, 100);
	struct str header = arena_printf(arena, "Bearer %s", token.p);
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		double before = counted("result=\"cached\"");
		int r = verify_at(header, looks[i].at);
		ck_assert_msg(r == looks[i].result, "look %zu: %d", i, r);
		bool cached = counted("result=\"cached\"") > before;
		ck_assert_msg(cached == looks[i].cached, "look %zu: cached %d", i, cached);
	}
}
END_TEST

/* Ten thousand tokens are remembered, the least recently used of more are not; refusals never. */
START_TEST(test_cache_bounds)
{
	verifier = auth_verifier_new(NULL, local_keys(), &policy);
	ck_assert_ptr_nonnull(verifier);
	static char first[512];
	for (int i = 0; i <= AUTH_CACHE_TOKENS; i++) {
		struct str token =
			jwt_sign(arena, local_signer, STR("anna"), STR(""), STR(""), 1000, 100 + i);
		struct str header = arena_printf(arena, "Bearer %s", token.p);
		if (i == 0)
			ck_assert_int_eq(str_copy(first, sizeof(first), header), 0);
		ck_assert_int_eq(verify_at(header, 1000), 0);
		if (i ==
		    0) { /* a bad one with the same start is checked each time and takes no place */
			struct str bad = arena_printf(arena, "%sA", first);
			ck_assert_int_eq(verify_at(bad, 1000), -EACCES);
			ck_assert_int_eq(verify_at(bad, 1000), -EACCES);
		}
		arena_reset(arena);
	}
	ck_assert(counted("result=\"verified\"") > AUTH_CACHE_TOKENS);
	double verified = counted("result=\"verified\""), refused = counted("result=\"refused\"");
	ck_assert(refused > 1 && refused < 3);
	ck_assert_int_eq(verify_at(str_from(first), 1000), 0);
	ck_assert(counted("result=\"verified\"") > verified); /* it had been dropped */
}
END_TEST

START_TEST(test_too_long)
{
	struct err e;
	static char value[JWT_MAX_BYTES + 16];
	verifier = auth_verifier_new(NULL, local_keys(), &policy);
	ck_assert_ptr_nonnull(verifier);
	memset(value, 'a', sizeof(value) - 1);
	memcpy(value, "Bearer ", 7);
	ck_assert_int_eq(verify((struct str){ value, 7 + JWT_MAX_BYTES + 1 }, &e), -EACCES);
	ck_assert_ptr_nonnull(strstr(e.text, "6144"));
	ck_assert_int_eq(verify((struct str){ value, 7 + JWT_MAX_BYTES }, &e), -EACCES);
	ck_assert_ptr_null(strstr(e.text, "6144"));
}
END_TEST

/* A key id that a local key does not have is final: nothing is fetched. */
START_TEST(test_unknown_kid_of_local_key)
{
	struct err e;
	struct jwt_key *k = new_signer("local", documents[1], sizeof(documents[1]));
	struct jwt_keys *ks = jwt_keys_new_single(k);
	ck_assert_ptr_nonnull(ks);
	verifier = auth_verifier_new(NULL, ks, &policy);
	ck_assert_ptr_nonnull(verifier);
	ck_assert_int_eq(verify(bearer(0, "anna", 60), &e), -EACCES);
	ck_assert_ptr_eq(e.kind, &ERR_UNAUTHORIZED);
	ck_assert_uint_eq(issuer.requests, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jwks");
	TCase *tc = tcase_create("issuer");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_first_token_waits);
	tcase_add_test(tc, test_flood_of_unknown_kids);
	tcase_add_test(tc, test_single_flight);
	tcase_add_test(tc, test_outage_and_rotation);
	tcase_add_test(tc, test_retries_without_keys);
	tcase_add_test(tc, test_background_refresh);
	tcase_add_test(tc, test_stalled_issuer);
	tcase_add_test(tc, test_cancelled_wait);
	tcase_add_test(tc, test_free_at_once);
	suite_add_tcase(s, tc);
	tc = tcase_create("verifier");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_authorization_header, 0, ARRAY_SIZE(headers));
	tcase_add_test(tc, test_cache_clock);
	tcase_add_test(tc, test_cache_bounds);
	tcase_add_test(tc, test_too_long);
	tcase_add_test(tc, test_unknown_kid_of_local_key);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
