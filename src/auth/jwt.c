/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: the compact form of a JWS (RFC 7515 section 7.1), its header, and the claims of a JWT
 * (RFC 7519), with the advice of RFC 8725. What must hold: the signature is checked before any
 * claim is believed; the only thing a token decides is which key of the set is tried, by its id;
 * reasons told to clients are fixed texts, with nothing of the token in them.
 */
#include "jwt_private.h"

#include "base/base64.h"
#include "base/json.h"

#include <errno.h>

enum { TRIED_KEYS_MAX = 8, SUBJECT_MAX_BYTES = 128 };

struct embedded_key { /* any JSON object; that it is there is all that counts */
	enum json_state state;
};

static const struct json_field embedded_key_fields[] = { JSON_FIELD_END };

struct header {
	struct json_str alg, kid, typ, jku, x5u;
	struct json_strs crit, x5c;
	struct json_bool b64;
	struct embedded_key jwk;
};

static const struct json_field header_fields[] = {
	JSON_FIELD(struct header, alg, "alg", JSON_KIND_STR),
	JSON_FIELD(struct header, kid, "kid", JSON_KIND_STR),
	JSON_FIELD(struct header, typ, "typ", JSON_KIND_STR),
	JSON_FIELD(struct header, jku, "jku", JSON_KIND_STR),
	JSON_FIELD(struct header, x5u, "x5u", JSON_KIND_STR),
	JSON_FIELD(struct header, crit, "crit", JSON_KIND_STRS),
	JSON_FIELD(struct header, x5c, "x5c", JSON_KIND_STRS),
	JSON_FIELD(struct header, b64, "b64", JSON_KIND_BOOL),
	{
		.name = "jwk",
		.kind = JSON_KIND_OBJ,
		.offset = offsetof(struct header, jwk),
		.nested = embedded_key_fields,
	},
	JSON_FIELD_END,
};

struct claims {
	struct json_str sub, iss;
	struct json_i64 exp, nbf, iat;
	struct json_strs aud;
};

static const struct json_field claims_fields[] = {
	JSON_FIELD(struct claims, sub, "sub", JSON_KIND_STR),
	JSON_FIELD(struct claims, iss, "iss", JSON_KIND_STR),
	JSON_FIELD(struct claims, exp, "exp", JSON_KIND_NUMBER),
	JSON_FIELD(struct claims, nbf, "nbf", JSON_KIND_NUMBER),
	JSON_FIELD(struct claims, iat, "iat", JSON_KIND_NUMBER),
	JSON_FIELD(struct claims, aud, "aud", JSON_KIND_STR_OR_STRS),
	JSON_FIELD_END,
};

/* Read on its own and only without sub: `id` of a user object may be a number that nobody needs. */
struct fallback_claims {
	struct json_str id;
};

static const struct json_field fallback_fields[] = {
	JSON_FIELD(struct fallback_claims, id, "id", JSON_KIND_STR),
	JSON_FIELD_END,
};

struct compact {		 /* parts of a token, still encoded */
	struct str signed_bytes; /* header.payload */
	struct str header, payload, signature;
};

static int refuse(struct err *reterr, const char *reason)
{
	err_set(reterr, &ERR_UNAUTHORIZED, NULL, "%s", reason);
	return -EACCES;
}

static int no_memory(struct err *reterr)
{
	err_unavailable(reterr, 1, "no memory to check the token");
	return -ENOMEM;
}

static int split_compact(struct str token, struct compact *ret)
{
	ssize_t first = str_find_char(token, '.', 0);
	ssize_t second = first < 0 ? -1 : str_find_char(token, '.', (size_t)first + 1);
	if (second < 0 || str_find_char(token, '.', (size_t)second + 1) >= 0)
		return -EINVAL;
	size_t payload = (size_t)first + 1, signature = (size_t)second + 1;
	*ret = (struct compact){
		.signed_bytes = { token.p, (size_t)second },
		.header = { token.p, (size_t)first },
		.payload = { token.p + payload, (size_t)second - payload },
		.signature = { token.p + signature, token.n - signature },
	};
	return 0;
}

/* 0 and bytes in the arena; -EINVAL; -ENOMEM. */
static int decode(struct arena *arena, struct str text, struct str *ret)
{
	size_t size = BASE64URL_DECODED_MAX(text.n), n = 0;
	char *out = arena_alloc(arena, size);
	if (!out)
		return -ENOMEM;
	int r = base64url_decode(text, out, size, &n);
	if (r == 0)
		*ret = (struct str){ out, n };
	return r;
}

static bool typ_is_accepted(const struct json_str *typ)
{
	return typ->state == JSON_ABSENT ||
	       (typ->state == JSON_SET &&
		(str_eq_nocase(typ->v, STR("JWT")) || str_eq_nocase(typ->v, STR("at+jwt"))));
}

static int read_header(struct arena *arena, struct str encoded, struct header *h,
		       struct err *reterr)
{
	struct str json;
	int r = decode(arena, encoded, &json);
	if (r == 0)
		r = json_parse(arena, json, "token", header_fields, h, NULL);
	if (r == -ENOMEM)
		return no_memory(reterr);
	if (r < 0)
		return refuse(reterr, "the header of the token is malformed");
	if (h->crit.state != JSON_ABSENT || h->b64.state != JSON_ABSENT)
		return refuse(reterr, "the token needs an extension that is not supported");
	if (h->jku.state != JSON_ABSENT || h->x5u.state != JSON_ABSENT ||
	    h->jwk.state != JSON_ABSENT || h->x5c.state != JSON_ABSENT)
		return refuse(reterr, "the token brings its own key");
	if (!typ_is_accepted(&h->typ))
		return refuse(reterr, "the type of the token is not accepted");
	return 0;
}

/* A shared secret has no id of its own, so what such a token calls it does not matter. */
static bool kid_fits(const struct jwt_key *k, struct str kid)
{
	return k->alg == JWT_HS256 || str_eq(k->kid, kid);
}

/* With a kid the first key of that id decides; without one every key of the algorithm may, up to a
 * bound. */
static int check_signature(const struct jwt_keys *keys, const struct header *h,
			   const struct compact *c, struct str signature, struct err *reterr)
{
	enum jwt_alg alg;
	unsigned tried = 0;
	if (h->alg.state != JSON_SET || jwt_alg_parse(h->alg.v, &alg) < 0)
		return refuse(reterr, "the algorithm of the token is not accepted");
	for (size_t i = 0; i < keys->n && tried < TRIED_KEYS_MAX; i++) {
		const struct jwt_key *k = keys->v[i];
		if (h->kid.state == JSON_SET && !kid_fits(k, h->kid.v))
			continue;
		if (k->alg != alg) {
			if (h->kid.state == JSON_SET)
				return refuse(reterr,
					      "the algorithm of the token is not that of its key");
			continue;
		}
		tried++;
		int r = jwt_key_verify(k, c->signed_bytes, signature);
		if (r == 0)
			return 0;
		if (r == -ENOMEM)
			return no_memory(reterr);
	}
	if (tried > 0)
		return refuse(reterr, "the signature of the token does not match");
	if (h->kid.state != JSON_SET)
		return refuse(reterr, "the algorithm of the token is not accepted");
	refuse(reterr, "the token is signed with an unknown key");
	return -ENOKEY;
}

int jws_verify(struct arena *arena, const struct jwt_keys *keys, struct str token,
	       struct str *ret_payload, struct err *reterr)
{
	struct compact c;
	struct header h = { 0 };
	struct str payload = { 0 }, signature = { 0 };
	if (token.n > JWT_MAX_BYTES)
		return refuse(reterr, "the token is longer than 6144 bytes");
	if (split_compact(token, &c) < 0)
		return refuse(reterr,
			      "the token is not a compact JWS: three parts with dots between them");
	int r = read_header(arena, c.header, &h, reterr);
	if (r < 0)
		return r;
	if (h.kid.state == JSON_NULL)
		return refuse(reterr, "the header of the token is malformed");
	r = decode(arena, c.signature, &signature);
	if (r == 0)
		r = decode(arena, c.payload, &payload);
	if (r == -ENOMEM)
		return no_memory(reterr);
	if (r < 0)
		return refuse(reterr, "the token is not canonical base64url");
	r = check_signature(keys, &h, &c, signature, reterr);
	if (r == 0)
		*ret_payload = payload;
	return r;
}

bool jwt_subject_is_valid(struct str subject)
{
	size_t pos = 0;
	if (subject.n < 1 || subject.n > SUBJECT_MAX_BYTES)
		return false;
	while (pos < subject.n) {
		int32_t c = utf8_next(subject, &pos);
		if (c < 0x20 || (c >= 0x7f && c <= 0x9f)) /* malformed, C0, DEL, C1 */
			return false;
	}
	return true;
}

static int check_times(const struct claims *c, int64_t now_s, int64_t leeway_s, struct err *reterr)
{
	if (c->exp.state != JSON_SET)
		return refuse(reterr, "the token has no expiry (exp)");
	if (c->nbf.state == JSON_NULL || c->iat.state == JSON_NULL)
		return refuse(reterr, "the claims of the token are malformed");
	if (c->exp.v <= now_s - leeway_s)
		return refuse(reterr, "the token has expired");
	if (c->nbf.state == JSON_SET && c->nbf.v > now_s + leeway_s)
		return refuse(reterr, "the token is not valid yet");
	if (c->iat.state == JSON_SET && c->iat.v > now_s + leeway_s)
		return refuse(reterr, "the token was issued in the future");
	return 0;
}

static bool audience_fits(const struct json_strs *aud, struct str audience)
{
	for (size_t i = 0; i < aud->n; i++) {
		if (str_eq(aud->v[i], audience))
			return true;
	}
	return false;
}

static int check_parties(const struct claims *c, const struct jwt_policy *policy,
			 struct err *reterr)
{
	if (policy->issuer.n > 0 && !(c->iss.state == JSON_SET && str_eq(c->iss.v, policy->issuer)))
		return refuse(reterr, "the issuer of the token is not accepted");
	if (policy->audience.n > 0 && !audience_fits(&c->aud, policy->audience))
		return refuse(reterr, "the token is meant for another audience");
	return 0;
}

static int read_claims(struct arena *arena, struct str payload, struct claims *c,
		       struct err *reterr)
{
	int r = json_parse(arena, payload, "token", claims_fields, c, NULL);
	if (r == 0 && c->sub.state == JSON_ABSENT) {
		struct fallback_claims fallback = { 0 };
		r = json_parse(arena, payload, "token", fallback_fields, &fallback, NULL);
		c->sub = fallback.id;
	}
	if (r == -ENOMEM)
		return no_memory(reterr);
	if (r < 0)
		return refuse(reterr, "the claims of the token are malformed");
	if (c->sub.state != JSON_SET || !jwt_subject_is_valid(c->sub.v))
		return refuse(reterr, "the token names no usable user (sub)");
	return 0;
}

int jwt_verify(struct arena *arena, const struct jwt_keys *keys, const struct jwt_policy *policy,
	       struct str token, int64_t now_s, struct jwt_claims *ret, struct err *reterr)
{
	struct claims c = { 0 };
	struct str payload;
	int r = jws_verify(arena, keys, token, &payload, reterr);
	if (r == 0)
		r = read_claims(arena, payload, &c, reterr);
	if (r == 0)
		r = check_times(&c, now_s, policy->leeway_s, reterr);
	if (r == 0)
		r = check_parties(&c, policy, reterr);
	if (r == 0)
		*ret = (struct jwt_claims){ .subject = c.sub.v, .expires_s = c.exp.v };
	return r;
}
