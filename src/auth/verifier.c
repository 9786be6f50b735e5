/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an Authorization header to a user. A verified token is remembered by its SHA-256, because
 * checking an Ed25519 signature costs as much as the rest of a request several times over. An entry
 * counts only between the moment it was made and the token's expiry, at most a minute, and only for
 * the keys it was made with; a refusal is never remembered, so that a client cannot push good
 * tokens out with bad ones.
 */
#include "verifier_private.h"

#include "base/hash.h"
#include "base/metrics.h"
#include "base/table.h"
#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { POLICY_MAX_BYTES = 16 * 1024, FETCH_WAIT_MS = 5000, RETRY_AFTER_S = 1 };

static const struct metric_family tokens_family = {
	"todod_auth_tokens_total", METRIC_COUNTER,
	"Tokens looked at by result: cached, verified or refused."
};

struct auth_verifier {
	struct jwks *jwks;     /* or */
	struct jwt_keys *keys; /* own */
	struct arena *arena;   /* what policy points at */
	struct jwt_policy policy;
	struct table *cache; /* SHA-256 of the token -> struct entry */
	struct metric *cached, *verified, *refused;
};

struct entry {
	int64_t from_s, until_s;
	uint64_t generation; /* of the key set */
	size_t n;
	char user[];
};

static bool copy_policy(struct auth_verifier *v, const struct jwt_policy *policy)
{
	v->policy.leeway_s = policy->leeway_s;
	v->policy.issuer = arena_dup(v->arena, policy->issuer);
	v->policy.audience = arena_dup(v->arena, policy->audience);
	return v->policy.issuer.p && v->policy.audience.p;
}

struct auth_verifier *auth_verifier_new(struct jwks *jwks, struct jwt_keys *keys,
					const struct jwt_policy *policy)
{
	struct auth_verifier *v = calloc(1, sizeof(*v));
	assert(!jwks != !keys);
	if (!v) {
		jwt_keys_free(keys);
		return NULL;
	}
	v->jwks = jwks;
	v->keys = keys;
	v->arena = arena_new(POLICY_MAX_BYTES);
	v->cache = table_new(AUTH_CACHE_TOKENS, free);
	if (!v->arena || !v->cache || !copy_policy(v, policy)) {
		auth_verifier_free(v);
		return NULL;
	}
	v->cached = metric_get(&tokens_family, "result=\"cached\"");
	v->verified = metric_get(&tokens_family, "result=\"verified\"");
	v->refused = metric_get(&tokens_family, "result=\"refused\"");
	return v;
}

void auth_verifier_free(struct auth_verifier *v)
{
	if (!v)
		return;
	if (v->cache)
		table_free(v->cache);
	jwt_keys_free(v->keys);
	arena_free(v->arena);
	free(v);
}

static bool is_token68_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~+/", c));
}

/* "Bearer", spaces, token68 (RFC 9110 section 11.2, RFC 6750 section 2.1). */
static int parse_bearer(struct str authorization, struct str *ret_token)
{
	const struct str scheme = STR("Bearer");
	struct str s = authorization;
	if (s.n <= scheme.n || !str_eq_nocase((struct str){ s.p, scheme.n }, scheme) ||
	    s.p[scheme.n] != ' ')
		return -EINVAL;
	size_t start = scheme.n;
	while (start < s.n && s.p[start] == ' ')
		start++;
	size_t end = start;
	while (end < s.n && is_token68_char(s.p[end]))
		end++;
	size_t last = end;
	while (last < s.n && s.p[last] == '=')
		last++;
	if (end == start || last != s.n)
		return -EINVAL;
	*ret_token = (struct str){ s.p + start, s.n - start };
	return 0;
}

static int no_memory(struct err *reterr)
{
	err_unavailable(reterr, RETRY_AFTER_S, "no memory to check the token");
	return -ENOMEM;
}

static uint64_t generation(const struct auth_verifier *v)
{
	return v->jwks ? jwks_generation(v->jwks) : 0;
}

/* Without memory the token is simply not remembered. */
static void remember(struct auth_verifier *v, struct str digest, const struct jwt_claims *claims,
		     int64_t now_s)
{
	if (claims->expires_s <= now_s)
		return; /* accepted within the leeway only */
	struct entry *e = malloc(sizeof(*e) + claims->subject.n);
	if (!e)
		return;
	*e = (struct entry){
		.from_s = now_s,
		.until_s = claims->expires_s - now_s < AUTH_CACHE_SECONDS
				   ? claims->expires_s
				   : now_s + AUTH_CACHE_SECONDS,
		.generation = generation(v),
		.n = claims->subject.n,
	};
	memcpy(e->user, claims->subject.p, e->n);
	if (table_put(v->cache, digest, e) < 0)
		free(e);
}

/* The remembered user of the token, in the entry; .p NULL when there is none that counts now. */
static struct str recall(struct auth_verifier *v, struct str digest, int64_t now_s)
{
	const struct entry *e = table_get(v->cache, digest);
	if (!e || now_s < e->from_s || now_s >= e->until_s || e->generation != generation(v))
		return (struct str){ NULL, 0 };
	return (struct str){ e->user, e->n };
}

/* By signature and claims, with the keys there are now. */
static int verify_token(struct auth_verifier *v, struct arena *arena, struct str token,
			int64_t now_s, struct jwt_claims *claims, struct err *reterr)
{
	const struct jwt_keys *keys = v->jwks ? jwks_keys(v->jwks) : v->keys;
	if (!keys) {
		jwks_refresh(v->jwks);
		err_unavailable(reterr, RETRY_AFTER_S,
				"the keys that tokens are checked with are not here yet");
		return -EAGAIN;
	}
	int r = jwt_verify(arena, keys, &v->policy, token, now_s, claims, reterr);
	if (r != -ENOKEY)
		return r;
	if (!v->jwks || !jwks_refresh(v->jwks))
		return -EACCES;
	err_unavailable(reterr, RETRY_AFTER_S, "the key of the token is being fetched");
	return -EAGAIN;
}

int auth_verify_at(struct auth_verifier *v, struct arena *arena, struct str authorization,
		   int64_t now_s, struct str *ret_user, struct err *reterr)
{
	uint8_t bytes[SHA256_SIZE];
	const struct str digest = { (const char *)bytes, sizeof(bytes) };
	struct jwt_claims claims;
	struct str token, user;
	if (!authorization.p || parse_bearer(authorization, &token) < 0) {
		metric_add(v->refused, 1);
		err_set(reterr, &ERR_UNAUTHORIZED, NULL, "%s",
			authorization.p ? "the Authorization header is not \"Bearer\" and a token"
					: "a bearer token is required");
		return -EACCES;
	}
	if (token.n <= JWT_MAX_BYTES) { /* longer ones were never remembered */
		if (hash_sha256(token, bytes) < 0)
			return no_memory(reterr);
		user = recall(v, digest, now_s);
		if (user.p) {
			metric_add(v->cached, 1);
			user = arena_dup(arena, user);
			if (!user.p)
				return no_memory(reterr);
			*ret_user = user;
			return 0;
		}
	}
	int r = verify_token(v, arena, token, now_s, &claims, reterr);
	if (r == -EACCES)
		metric_add(v->refused, 1);
	if (r < 0)
		return r;
	metric_add(v->verified, 1);
	remember(v, digest, &claims, now_s);
	*ret_user = claims.subject;
	return 0;
}

int auth_verify(struct auth_verifier *v, struct arena *arena, struct str authorization,
		struct str *ret_user, struct err *reterr)
{
	return auth_verify_at(v, arena, authorization, time_now_us() / TIME_US_PER_S, ret_user,
			      reterr);
}

int auth_verify_wait(struct auth_verifier *v, struct arena *arena, struct str authorization,
		     struct str *ret_user, struct err *reterr)
{
	int r = auth_verify(v, arena, authorization, ret_user, reterr);
	if (r != -EAGAIN)
		return r;
	r = jwks_wait(v->jwks, FETCH_WAIT_MS);
	if (r == -ECANCELED) {
		err_unavailable(reterr, RETRY_AFTER_S, "the service is stopping");
		return r;
	}
	/* After -ETIME or -EBUSY the keys may be there all the same. What is still unknown then is
	 * told as 503. */
	return auth_verify(v, arena, authorization, ret_user, reterr);
}
