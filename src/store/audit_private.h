/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of the chain: its columns, its hash, how its payload is sealed, how keys are wrapped.
 */
#ifndef AUDIT_PRIVATE_H
#define AUDIT_PRIVATE_H

#include "loop/fiber.h"
#include "store/audit.h"

#define AUDIT_COLUMNS                                                                       \
	"n, event_id, topic, type, task_id, sequence, at, identity, key_version, payload, " \
	"h, stored_at"

/* What the rows that say AUDIT_ERASED are sealed with: the key that wraps the others. */
enum { AUDIT_KEK_VERSION = 0 };
#define AUDIT_OWN_TOPIC "audit"

struct audit_row {
	struct str user_id;
	int64_t n;
	struct str event_id, topic, type;
	int64_t task_id, sequence, at_us; /* AUDIT_NONE */
	struct str identity;
	int64_t key_version;
	struct str payload, h;
	int64_t stored_at_us;
};

/* Views of the result. */
void audit_row_read(const struct db_result *r, int row, struct str user_id, struct audit_row *ret);
/* h of the row after the one whose h is prev; row->h is not read. 0 or -ENOMEM. */
int audit_row_hash(const uint8_t prev[SHA256_SIZE], const struct audit_row *row,
		   uint8_t ret[SHA256_SIZE]) MUST_CHECK;

/* As aead_seal and aead_open, bound to the row's user, event and place. */
int audit_payload_seal(struct arena *arena, const struct aead_key *key, const struct audit_row *row,
		       struct str data, struct str *ret) MUST_CHECK;
int audit_payload_open(struct arena *arena, const struct aead_key *key, const struct audit_row *row,
		       struct str *ret) MUST_CHECK;
/* As aead_seal and aead_open, bound to user and version. */
int audit_key_wrap(struct arena *arena, const struct aead_key *kek, struct str user_id,
		   int64_t version, const struct aead_key *key, struct str *ret) MUST_CHECK;
int audit_key_unwrap(struct arena *arena, const struct aead_key *kek, struct str user_id,
		     int64_t version, struct str wrapped, struct aead_key *ret) MUST_CHECK;

/* $1 the user: version, wrapped; the newest first. */
extern const struct db_statement AUDIT_KEYS;

/* ---- inside audit.c ---- */

struct table;

struct audit {
	struct db *db;
	struct aead_key kek;
	struct table *heads; /* user -> struct audit_head */
	struct audit_insertion *waiting, *waiting_last;
	unsigned n_writers;
};

/* A row on its way into the table; on the stack of who waits for it. */
struct audit_insertion {
	struct audit_row row;
	const uint8_t *prev; /* the h before */
	struct str wrapped;  /* a key that is made with the row; .p NULL: none */

	bool is_added;
	int64_t sequence;    /* as audit_appended has it */
	char constraint[64]; /* after -EEXIST */

	/* audit_insert.c's */
	struct audit_insertion *next, **slot;
	struct fiber_wait wait;
	bool is_writer;
	struct err err;
};
/* 0, added or not: only while the row before is there, with its key. As db_run_wait. */
FIBER int audit_insert_wait(struct audit *a, struct arena *arena, struct audit_insertion *in,
			    struct err *reterr) MUST_CHECK;

/* Forgets what is remembered of a user. */
void audit_forget(struct audit *a, struct str user_id);

#endif
