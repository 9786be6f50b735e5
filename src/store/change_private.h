/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part that all writes have in common: parameters $1 to $14, and the SQL over them. Statements
 * put their own parameters behind, from $15 on.
 */
#ifndef STORE_CHANGE_PRIVATE_H
#define STORE_CHANGE_PRIVATE_H

#include "base/arena.h"
#include "net/db.h"
#include "store/change.h"

enum { CHANGE_PARAMS = 14, CHANGE_PARAMS_MAX = 64 };

/* The events, where source has a row of this user; how many there are is what the statement counts
 * as affected. */
#define CHANGE_OUTBOX(source)                                                                   \
	" INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) "          \
	"SELECT e.id, e.topic, $6, $1, e.sequence, e.event FROM unnest($2, $3, $4, $5) "        \
	"WITH ORDINALITY AS e(id, topic, sequence, event, n) WHERE EXISTS (SELECT FROM " source \
	") ORDER BY e.n"

/* The answer, where source has a row; k has one then. */
#define CHANGE_KEY(source)                                                                 \
	", k AS (INSERT INTO todod.idempotency_keys "                                      \
	"(user_id, method, path, key, body_sha256, status, etag, location, answer) "       \
	"SELECT $1, $7, $8, $9, $10, $11, $12, $13, $14 WHERE EXISTS (SELECT FROM " source \
	") RETURNING 1)"

/* The parameters of one statement, being put together. */
struct change_params {
	struct arena *arena;
	struct err *reterr;
	struct db_param *v; /* CHANGE_PARAMS_MAX of them, in the arena; NULL: out of memory */
	int n;
	int status; /* sticky: the first failure */
};

/* Puts $1 to $14 there. */
void change_params_init(struct change_params *p, struct arena *arena, const struct store_change *c,
			struct err *reterr);
void change_add(struct change_params *p, struct db_param param);
/* Null when s.p is NULL. */
void change_add_text(struct change_params *p, struct str s);
/* Null when it is `none`. */
void change_add_i32(struct change_params *p, int64_t v, int64_t none);
void change_add_i64(struct change_params *p, int64_t v, int64_t none);
void change_add_time(struct change_params *p, int64_t us, bool is_there);
void change_add_texts(struct change_params *p, const struct str *v, size_t n);
void change_add_numbers(struct change_params *p, enum db_type element, const int64_t *v, size_t n);
void change_add_uuids(struct change_params *p, const struct uuid *v, size_t n);

/*
 * Runs the statement as the change's user; *ret_n is how many rows its last part wrote. A repeated
 * key is -EEXIST. Another violation is what `violations` says of its constraint, and a bug (-EIO)
 * when it does not: a table that ends with a NULL name; NULL: none.
 */
struct change_violation {
	const char *constraint;
	int result;
};
FIBER int change_run_wait(struct db *db, const struct store_change *c, struct change_params *p,
			  const struct db_statement *statement,
			  const struct change_violation *violations, int64_t *ret_n) MUST_CHECK;

#endif
