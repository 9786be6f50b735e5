/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes that are hashed: the h before, the place, then every column with its length in front,
 * so that no two rows give the same bytes. Numbers are eight bytes, big-endian, times microseconds
 * since 1970; a null has the length 0xffffffff.
 */
#include "audit_private.h"
#include "results_private.h"

#include <endian.h>
#include <errno.h>

/* More than the service writes: what somebody else put into a row must still get a hash. */
enum { HASHED_MAX = 256 * 1024 * 1024 };

const struct db_statement AUDIT_KEYS = {
	"audit_keys",
	"SELECT version, wrapped FROM todod.audit_keys WHERE user_id = $1 ORDER BY version DESC",
	1,
};

static int64_t number(const struct db_result *r, int row, int column)
{
	return db_is_null(r, row, column) ? AUDIT_NONE : db_i64(r, row, column);
}

static int64_t time_of(const struct db_result *r, int row, int column)
{
	return db_is_null(r, row, column) ? AUDIT_NONE : db_time(r, row, column);
}

/* Nulls are read wherever they may stand, because this also reads what somebody tampered with. */
void audit_row_read(const struct db_result *r, int row, struct str user_id, struct audit_row *ret)
{
	*ret = (struct audit_row){
		.user_id = user_id,
		.n = db_i64(r, row, 0),
		.event_id = results_text(r, row, 1),
		.topic = results_text(r, row, 2),
		.type = results_text(r, row, 3),
		.task_id = number(r, row, 4),
		.sequence = number(r, row, 5),
		.at_us = time_of(r, row, 6),
		.identity = results_text(r, row, 7),
		.key_version = number(r, row, 8),
		.payload = results_text(r, row, 9),
		.h = results_text(r, row, 10),
		.stored_at_us = time_of(r, row, 11),
	};
}

static void put_number(struct buf *out, int64_t v)
{
	uint64_t wire = htobe64((uint64_t)v);

	buf_append(out, &wire, sizeof(wire));
}

static void put_length(struct buf *out, size_t n)
{
	uint32_t wire = htobe32((uint32_t)n);

	buf_append(out, &wire, sizeof(wire));
}

static void put_text(struct buf *out, struct str s)
{
	put_length(out, s.p == NULL ? UINT32_MAX : s.n);
	buf_append_str(out, s);
}

static void put_i64(struct buf *out, int64_t v)
{
	if (v == AUDIT_NONE) {
		put_length(out, UINT32_MAX);
		return;
	}
	put_length(out, sizeof(v));
	put_number(out, v);
}

int audit_row_hash(const uint8_t prev[SHA256_SIZE], const struct audit_row *row,
		   uint8_t ret[SHA256_SIZE])
{
	struct buf out;
	int r;

	buf_init(&out, HASHED_MAX);
	buf_append(&out, prev, SHA256_SIZE);
	put_number(&out, row->n);
	put_text(&out, row->user_id);
	put_text(&out, row->event_id);
	put_text(&out, row->topic);
	put_text(&out, row->type);
	put_i64(&out, row->task_id);
	put_i64(&out, row->sequence);
	put_i64(&out, row->at_us);
	put_text(&out, row->identity);
	put_i64(&out, row->key_version);
	put_text(&out, row->payload);
	put_i64(&out, row->stored_at_us);
	r = buf_status(&out) < 0 ? -ENOMEM : hash_sha256(buf_str(&out), ret);
	buf_done(&out);
	return r;
}

/* A text that no other user, event and number give. */
static struct str bound_to(struct arena *arena, struct str user_id, struct str event_id, int64_t n)
{
	struct buf *out = arena_buf(arena, 4096);

	if (out == NULL)
		return (struct str){ NULL, 0 };
	put_text(out, user_id);
	put_text(out, event_id);
	put_number(out, n);
	return buf_status(out) < 0 ? (struct str){ NULL, 0 } : buf_str(out);
}

int audit_payload_seal(struct arena *arena, const struct aead_key *key, const struct audit_row *row,
		       struct str data, struct str *ret)
{
	struct str aad = bound_to(arena, row->user_id, row->event_id, row->n);

	return aad.p == NULL ? -ENOMEM : aead_seal(arena, key, aad, data, ret);
}

int audit_payload_open(struct arena *arena, const struct aead_key *key, const struct audit_row *row,
		       struct str *ret)
{
	struct str aad = bound_to(arena, row->user_id, row->event_id, row->n);

	return aad.p == NULL ? -ENOMEM : aead_open(arena, key, aad, row->payload, ret);
}

int audit_key_wrap(struct arena *arena, const struct aead_key *kek, struct str user_id,
		   int64_t version, const struct aead_key *key, struct str *ret)
{
	struct str aad = bound_to(arena, user_id, STR(""), version);
	struct str bytes = { (const char *)key->bytes, sizeof(key->bytes) };

	return aad.p == NULL ? -ENOMEM : aead_seal(arena, kek, aad, bytes, ret);
}

int audit_key_unwrap(struct arena *arena, const struct aead_key *kek, struct str user_id,
		     int64_t version, struct str wrapped, struct aead_key *ret)
{
	struct str aad = bound_to(arena, user_id, STR(""), version), bytes = { NULL, 0 };
	int r = aad.p == NULL ? -ENOMEM : aead_open(arena, kek, aad, wrapped, &bytes);

	if (r == 0 && bytes.n != sizeof(ret->bytes))
		r = -EBADMSG;
	if (r == 0)
		memcpy(ret->bytes, bytes.p, sizeof(ret->bytes));
	return r;
}
