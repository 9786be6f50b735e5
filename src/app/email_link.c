/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link is a compact JWS (HS256) over {"p","u","a","x"}: purpose, user, hash of the address, time
 * of its end.
 */
#include "app/email_link.h"

#include "auth/jws.h"
#include "base/base64.h"
#include "base/hash.h"
#include "base/json.h"

#include <errno.h>

enum { HASH_BYTES = 16, PAYLOAD_MAX = 2 * 1024, SECRET_ARENA_BYTES = 64 * 1024 };

static const struct str PURPOSES[_EMAIL_LINK_PURPOSE_MAX] = {
	[EMAIL_LINK_CONFIRM] = STR_INIT("confirm"),
	[EMAIL_LINK_UNSUBSCRIBE] = STR_INIT("unsubscribe"),
};

int email_link_hash(struct str address, char ret[EMAIL_LINK_HASH_SIZE])
{
	uint8_t hash[SHA256_SIZE];
	struct buf text = { .p = ret, .cap = EMAIL_LINK_HASH_SIZE, .max = EMAIL_LINK_HASH_SIZE };

	if (hash_sha256(address, hash) < 0)
		return -ENOMEM;
	base64url_encode((struct str){ (const char *)hash, HASH_BYTES }, &text);
	ret[EMAIL_LINK_HASH_SIZE - 1] = '\0';
	return 0;
}

FIBER struct jwt_keys *email_link_key_wait(struct sidecar *s, const struct jwt_key **ret_signer,
					   struct err *reterr)
{
	struct arena *arena = arena_new(SECRET_ARENA_BYTES);
	struct err why = { .text = "out of memory" };
	struct jwt_keys *keys = NULL;
	struct jwt_key *key = NULL;
	struct str secret;
	int r = arena != NULL ? sidecar_secret_wait(s, arena, STR("email"), STR("link-key"),
						    &secret, &why)
			      : -ENOMEM;

	if (r == 0)
		key = jwt_key_from_secret(secret);
	if (r == 0 && key == NULL)
		err_set(&why, &ERR_INVALID, NULL, "must have at least 32 bytes");
	if (key != NULL)
		keys = jwt_keys_new_single(key);
	if (keys != NULL)
		*ret_signer = key;
	else
		err_unavailable(reterr, 30, "the secret email/link-key: %s", why.text);
	arena_free(arena);
	return keys;
}

struct str email_link_sign(struct arena *arena, const struct jwt_key *key,
			   const struct email_link *link)
{
	struct buf *payload = arena_buf(arena, PAYLOAD_MAX);
	struct json_out o;

	if (payload == NULL)
		return (struct str){ NULL, 0 };
	json_out_init(&o, payload);
	json_begin_object(&o);
	json_key_str(&o, STR("p"), PURPOSES[link->purpose]);
	json_key_str(&o, STR("u"), link->user_id);
	json_key_str(&o, STR("a"), str_from(link->address_hash));
	json_key_i64(&o, STR("x"), link->expires_s);
	json_end_object(&o);
	if (buf_status(payload) < 0)
		return (struct str){ NULL, 0 };
	return jws_sign(arena, key, buf_str(payload));
}

struct words {
	struct json_str purpose, user_id, address_hash;
	struct json_i64 expires_s;
};

static const struct json_field WORDS[] = {
	JSON_FIELD(struct words, purpose, "p", JSON_KIND_STR),
	JSON_FIELD(struct words, user_id, "u", JSON_KIND_STR),
	JSON_FIELD(struct words, address_hash, "a", JSON_KIND_STR),
	JSON_FIELD(struct words, expires_s, "x", JSON_KIND_I64),
	JSON_FIELD_END,
};

static int read_words(const struct words *w, int64_t now_s, struct email_link *ret)
{
	struct email_link link = { .purpose = _EMAIL_LINK_PURPOSE_MAX };

	for (int i = 0; i < _EMAIL_LINK_PURPOSE_MAX; i++) {
		if (w->purpose.state == JSON_SET && str_eq(w->purpose.v, PURPOSES[i]))
			link.purpose = (enum email_link_purpose)i;
	}
	if (link.purpose == _EMAIL_LINK_PURPOSE_MAX || w->user_id.state != JSON_SET ||
	    !jwt_subject_is_valid(w->user_id.v) || w->address_hash.state != JSON_SET ||
	    str_copy(link.address_hash, sizeof(link.address_hash), w->address_hash.v) < 0 ||
	    w->expires_s.state != JSON_SET || w->expires_s.v <= now_s)
		return -EINVAL;
	link.user_id = w->user_id.v;
	link.expires_s = w->expires_s.v;
	*ret = link;
	return 0;
}

int email_link_verify(struct arena *arena, const struct jwt_keys *keys, struct str token,
		      int64_t now_s, struct email_link *ret)
{
	struct words w = { .purpose = { .state = JSON_ABSENT } };
	struct str payload;
	int r = jws_verify(arena, keys, token, &payload, NULL);

	if (r == 0)
		r = json_parse(arena, payload, "", WORDS, &w, NULL);
	if (r == 0)
		r = read_words(&w, now_s, ret);
	return r == 0 || r == -ENOMEM ? r : -EINVAL;
}
