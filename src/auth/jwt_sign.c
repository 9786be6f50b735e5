/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making tokens with a local key: for `todod token` and for the built-in issuer. What is made here
 * is always something that jwt_verify would accept with the same key; anything else is not made.
 */
#include "jwt_private.h"

#include "base/base64.h"
#include "base/json.h"

static void write_header(const struct jwt_key *key, struct buf *out)
{
	struct json_out o;
	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("alg"), str_from(jwt_alg_name(key->alg)));
	json_key_str(&o, STR("typ"), STR("JWT"));
	if (key->kid.n > 0)
		json_key_str(&o, STR("kid"), key->kid);
	json_end_object(&o);
}

static void write_claims(struct buf *out, struct str subject, struct str issuer,
			 struct str audience, int64_t iat, int64_t exp)
{
	struct json_out o;
	json_out_init(&o, out);
	json_begin_object(&o);
	json_key_str(&o, STR("sub"), subject);
	if (issuer.n > 0)
		json_key_str(&o, STR("iss"), issuer);
	if (audience.n > 0)
		json_key_str(&o, STR("aud"), audience);
	json_key_i64(&o, STR("iat"), iat);
	json_key_i64(&o, STR("exp"), exp);
	json_end_object(&o);
}

/* base64url(bytes). */
static void append_encoded(struct buf *token, const struct buf *bytes)
{
	base64url_encode(buf_str(bytes), token);
	token->failed = token->failed || bytes->failed;
}

struct str jws_sign(struct arena *arena, const struct jwt_key *key, struct str payload)
{
	struct str token = { NULL, 0 };
	struct buf text, header;
	uint8_t signature[JWT_SIGNATURE_MAX];
	size_t n = 0;
	buf_init(&text, JWT_MAX_BYTES);
	buf_init(&header, JWT_MAX_BYTES);
	write_header(key, &header);
	append_encoded(&text, &header);
	buf_append_char(&text, '.');
	base64url_encode(payload, &text);
	if (buf_status(&text) == 0 && jwt_key_sign(key, buf_str(&text), signature, &n) == 0) {
		buf_append_char(&text, '.');
		base64url_encode((struct str){ (const char *)signature, n }, &text);
		if (buf_status(&text) == 0)
			token = arena_dup(arena, buf_str(&text));
	}
	buf_done(&text);
	buf_done(&header);
	return token;
}

struct str jwt_sign(struct arena *arena, const struct jwt_key *key, struct str subject,
		    struct str issuer, struct str audience, int64_t now_s, int64_t ttl_s)
{
	struct str token = { NULL, 0 };
	struct buf claims;
	int64_t exp;
	if (!jwt_subject_is_valid(subject) || __builtin_add_overflow(now_s, ttl_s, &exp))
		return token;
	buf_init(&claims, JWT_MAX_BYTES);
	write_claims(&claims, subject, issuer, audience, now_s, exp);
	if (buf_status(&claims) == 0)
		token = jws_sign(arena, key, buf_str(&claims));
	buf_done(&claims);
	return token;
}
