/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that some consumer could not take. Those that can be read are published again three
 * times, after 1, 10 and 60 minutes by the database's clock unless told otherwise, and are done
 * with when the auditor has their event; the others wait for a person, 30 days. The statements run
 * as todod_audit_writer. Errors as db_run_wait, beside what each call names.
 */
#ifndef STORE_DEAD_LETTERS_H
#define STORE_DEAD_LETTERS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "net/db.h"

#include <stdbool.h>
#include <stdint.h>

enum { DEAD_LETTER_PAGE_MAX = 100, DEAD_LETTER_DAYS = 30 };
/* A time that is not set. */
#define DEAD_LETTER_NEVER INT64_MIN

struct dead_letter {
	struct uuid id;
	struct str topic; /* where it belongs: without "dlq." */
	struct str body;
	struct str record;	      /* the event's identity, or the SHA-256 of body */
	struct str event_id, user_id; /* .p NULL: it cannot be read */
	struct str reason;
	int64_t received_at_us, replays;
	int64_t next_replay_at_us, resolved_at_us; /* DEAD_LETTER_NEVER */
};
struct dead_letters {
	const struct dead_letter *list; /* in the arena */
	size_t n;
};

/* Keeps one, once: it is known by topic and record, and one that was done with is open again. id,
 * topic, body, record, event_id, user_id and reason are read; replay_after_ms: until its first
 * replay, 0: never. */
FIBER int dead_letter_store_wait(struct db *db, const struct dead_letter *d,
				 int64_t replay_after_ms, struct err *reterr) MUST_CHECK;
/* The auditor has the event: what was replayed of it is done with. */
FIBER int dead_letter_resolve_wait(struct db *db, struct str event_id,
				   const uint8_t identity[SHA256_SIZE],
				   struct err *reterr) MUST_CHECK;

/*
 * Whose time has come, oldest first: each to one caller, and counted as replayed, the next time 10
 * and then 60 times replay_after_ms from now. Counted before, not after: what comes back in between
 * must find its letter replayed. Who dies in between has used up a try.
 */
FIBER int dead_letter_claim_wait(struct db *db, struct arena *arena, int64_t replay_after_ms,
				 struct dead_letters *ret, struct err *reterr) MUST_CHECK;
/* Those of them that could not be published after all: due again in replay_after_ms. */
FIBER int dead_letter_give_back_wait(struct db *db, struct arena *arena, const struct uuid *ids,
				     size_t n, int64_t replay_after_ms,
				     struct err *reterr) MUST_CHECK;
/* Removes those older than DEAD_LETTER_DAYS; *ret_open: how many are still open. */
FIBER int dead_letter_upkeep_wait(struct db *db, int64_t *ret_removed, int64_t *ret_open,
				  struct err *reterr) MUST_CHECK;

/* The open ones behind `after` (NULL: from the start), oldest first, without their bodies. */
FIBER int dead_letter_list_wait(struct db *db, struct arena *arena, const struct dead_letter *after,
				struct dead_letters *ret, struct err *reterr) MUST_CHECK;
/* -ENOENT. */
FIBER int dead_letter_get_wait(struct db *db, struct arena *arena, const struct uuid *id,
			       struct dead_letter *ret, struct err *reterr) MUST_CHECK;
/* The auditor replays it with its next tick. -ENOENT; -EINVAL: it is no event, is for screens, or
 * older than DEAD_LETTER_DAYS, which consumers may no longer know. */
FIBER int dead_letter_replay_wait(struct db *db, struct arena *arena, const struct uuid *id,
				  struct err *reterr) MUST_CHECK;
/* -ENOENT. */
FIBER int dead_letter_drop_wait(struct db *db, const struct uuid *id,
				struct err *reterr) MUST_CHECK;
/* All of a user, when he is erased. */
FIBER int dead_letter_drop_user_wait(struct db *db, struct str user_id, int64_t *ret,
				     struct err *reterr) MUST_CHECK;

#endif
