/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit trail: a hash chain of rows for each user, payloads sealed under a key of that user
 * (docs/audit.md has the formats). Rows are added and read; nothing here changes one.
 *
 * The statements run as the role todod_audit_writer, but for audit_erase_wait's deletion of keys.
 * Errors as db_run_wait, beside what each call names.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "base/aead.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json_out.h"
#include "net/db.h"

#include <stdbool.h>
#include <stdint.h>

/* A number that is not there. */
#define AUDIT_NONE INT64_MIN

enum {
	AUDIT_DATA_MAX = 256 * 1024, /* bytes of one event's data */
	AUDIT_TEXT_MAX = 256,	     /* of event_id and type */
	AUDIT_PAGE_MAX = 100,
};

struct audit_event {
	struct str user_id, event_id, topic, type;
	int64_t task_id, sequence; /* AUDIT_NONE: none */
	int64_t at_us;
	uint8_t identity[SHA256_SIZE];
	struct str data; /* JSON */
};

/* What a process remembers of chains and keys. */
struct audit;

/* kek wraps the keys of users; it is copied. NULL when out of memory. */
struct audit *audit_new(struct db *db, const struct aead_key *kek);
/* Accepts NULL. Wipes every key. */
void audit_free(struct audit *a);

struct audit_appended {
	bool is_known;	  /* it was there already, the same */
	int64_t n;	  /* its place; not of a known one */
	int64_t sequence; /* the highest of its task and topic before it; AUDIT_NONE */
};

/*
 * Adds the event to its user's chain, once. -EEXIST (ERR_CONFLICT): the id is known, of an event
 * with other content or of another user. -EDOM: a text is too long. -ESTALE (503): others were
 * always faster.
 */
FIBER int audit_append_wait(struct audit *a, struct arena *arena, const struct audit_event *e,
			    struct audit_appended *ret, struct err *reterr) MUST_CHECK;

struct audit_query {
	struct str user_id;
	int64_t task_id;  /* AUDIT_NONE: of all tasks */
	struct str after; /* event_id seen last; .p NULL: from the start */
	size_t limit;	  /* 1..AUDIT_PAGE_MAX */
};
struct audit_entry {
	int64_t n;
	struct str event_id, topic, type;
	int64_t task_id, sequence, at_us;
	struct str data;		 /* .p NULL: its key was destroyed */
	struct str identity, payload, h; /* as stored, for those who verify themselves */
	int64_t key_version, stored_at_us;
};
struct audit_page {
	const struct audit_entry *entries; /* in the arena, oldest first */
	size_t n;
	bool has_more;
};
/* -ENOENT: the user has no event `after`. -EBADMSG (500): a payload is not what was sealed. */
FIBER int audit_read_wait(struct audit *a, struct arena *arena, const struct audit_query *q,
			  struct audit_page *ret, struct err *reterr) MUST_CHECK;
/* An entry as its event's data, or, if that was erased, as what is still known of it. */
void audit_entry_write(struct json_out *o, struct str user_id, const struct audit_entry *e);

/* The type of the row that says that a user's keys were destroyed. */
#define AUDIT_ERASED "erased"
/*
 * Destroys the user's keys, on the connection `keys` (todod_audit_eraser), and says so in the
 * chain. Can be done again. *ret_keys: how many were destroyed. A user without rows gets none.
 */
FIBER int audit_erase_wait(struct audit *a, struct db *keys, struct arena *arena,
			   struct str user_id, int64_t *ret_keys, struct err *reterr) MUST_CHECK;

#endif
