/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox as a relay sees it: leases on its partitions, the events that come next, and taking
 * away what is published. A partition is read from its beginning each time, never from behind a
 * remembered id: ids are given before they are committed, and a later one may show first.
 *
 * The statements run as the database role of the relay, which sees the outbox of every user and no
 * other table of theirs. Errors as db_run_wait.
 */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "net/db.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	OUTBOX_PARTS = 16,
	OUTBOX_TURN_MAX = 500,	   /* events read, and taken away, at a time */
	OUTBOX_WINDOW = 512,	   /* the oldest of a partition among which a turn looks */
	OUTBOX_SIZE_MAX = 1000000, /* outbox_size_wait counts no further */
};

struct outbox_relay {
	struct uuid id;
	bool stands_in; /* takes partitions only while no relay is known that does not */
};
struct outbox_lease {
	uint16_t parts; /* bit n is set when partition n is the relay's */
	bool is_shared; /* there are other relays, whose processes write too */
};
/*
 * Makes this relay known, renews its partitions up to its share of all, gives back what it holds
 * beyond that, and takes free ones up to its share: 16 by the number of relays of its kind, rounded
 * up. What it holds is its own for lease_ms from now, by the database's clock. Nothing that it read
 * before may still be on its way.
 */
FIBER int outbox_lease_wait(struct db *db, const struct outbox_relay *relay, int64_t lease_ms,
			    struct outbox_lease *ret, struct err *reterr) MUST_CHECK;
/* Gives everything back at once. */
FIBER int outbox_release_wait(struct db *db, const struct uuid *relay,
			      struct err *reterr) MUST_CHECK;

/* Whose events wait: of this user on this topic; user_id empty: the whole topic. */
struct outbox_hold {
	struct str topic, user_id;
};

/* An event by its place. */
struct outbox_ref {
	int part;
	int64_t id;
};

struct outbox_turn {
	const struct outbox_ref *done;	 /* taken away first */
	size_t n_done;			 /* at most OUTBOX_TURN_MAX */
	uint16_t parts;			 /* to read; 0: none */
	const struct outbox_hold *holds; /* left out */
	size_t n_holds;
};

struct outbox_event {
	struct outbox_ref ref;
	struct uuid event_id;
	struct str topic, user_id, event; /* in the arena */
	int64_t created_at_us;		  /* by the database's clock */
};

/*
 * One transaction: takes away what is done, then reads the oldest event of each user and topic, in
 * order of id, at most OUTBOX_TURN_MAX. So a batch never has two events whose order matters. After
 * a failure the same may be taken away again.
 */
FIBER int outbox_turn_wait(struct db *db, struct arena *arena, const struct outbox_turn *t,
			   const struct outbox_event **ret, size_t *ret_n,
			   struct err *reterr) MUST_CHECK;

struct outbox_size {
	int64_t n;	   /* events, at most OUTBOX_SIZE_MAX */
	int64_t oldest_us; /* age of the oldest; 0 when there is none */
};
FIBER int outbox_size_wait(struct db *db, struct outbox_size *ret, struct err *reterr) MUST_CHECK;

#endif
