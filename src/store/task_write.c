/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writes of tasks, each one statement: the first part takes the row lock that decides (the
 * counter for a create, the task at its expected version else), and every other part selects from
 * it. So 0 rows mean that nothing at all happened, and a repeated key (23505) undoes the whole. A
 * counter row is locked last or alone, so writes cannot deadlock.
 */
#include "idempotency_private.h"
#include "store/tasks.h"

#include "domain/task_event.h"

#include <assert.h>
#include <errno.h>

/*
 * $1..$5 are the same in every write: user, task id, sequence, event id, event; then the partition.
 * What follows is the write's own, and last comes the key. w is the part that decides.
 */
enum { P_USER, P_ID, P_VERSION, P_EVENT_ID, P_EVENT, P_PART, N_COMMON };

#define OUTBOX(source)                                                                \
	"INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) " \
	"SELECT $4, 'task-events', $6, user_id, $3, $5 FROM " source

#define KEY(source, a, b, c, d, e, f, g, h)                                                   \
	", k AS (INSERT INTO todod.idempotency_keys "                                         \
	"(user_id, method, path, key, body_sha256, status, etag, location, answer) "          \
	"SELECT user_id, $" #a ", $" #b ", $" #c ", $" #d ", $" #e ", $" #f ", $" #g ", $" #h \
	" FROM " source ") "

#define CREATE                                                                                 \
	"WITH w AS (INSERT INTO todod.user_counters AS c (user_id, tasks) VALUES ($1, 1) "     \
	"ON CONFLICT (user_id) DO UPDATE SET tasks = c.tasks + 1 WHERE c.tasks < $14 "         \
	"RETURNING user_id), "                                                                 \
	"t AS (INSERT INTO todod.tasks (user_id, id, version, title, description, completed, " \
	"completed_at, priority, created_at, updated_at) "                                     \
	"SELECT user_id, $2, $3, $7, $8, $9, $10, $11, $12, $13 FROM w RETURNING user_id)"

#define UPDATE                                                                           \
	"WITH w AS (UPDATE todod.tasks SET version = $3, title = $7, description = $8, " \
	"completed = $9, completed_at = $10, priority = $11, updated_at = $12 "          \
	"WHERE user_id = $1 AND id = $2 AND version = $13 RETURNING user_id)"

#define DELETE                                                                                \
	"WITH w AS (DELETE FROM todod.tasks WHERE user_id = $1 AND id = $2 AND version = $7 " \
	"RETURNING user_id), "                                                                \
	"c AS (UPDATE todod.user_counters c SET tasks = c.tasks - 1 FROM w "                  \
	"WHERE c.user_id = w.user_id AND c.user_id = $1)"

enum { N_CREATE = N_COMMON + 8, N_UPDATE = N_COMMON + 7, N_DELETE = N_COMMON + 1 };

static const struct db_statement CREATE_PLAIN = { "task_create", CREATE " " OUTBOX("t"), N_CREATE };
static const struct db_statement CREATE_KEYED = {
	"task_create_keyed",
	CREATE KEY("t", 15, 16, 17, 18, 19, 20, 21, 22) OUTBOX("t"),
	N_CREATE + IDEMPOTENCY_RECORD_PARAMS,
};
static const struct db_statement UPDATE_PLAIN = { "task_update", UPDATE " " OUTBOX("w"), N_UPDATE };
static const struct db_statement UPDATE_KEYED = {
	"task_update_keyed",
	UPDATE KEY("w", 14, 15, 16, 17, 18, 19, 20, 21) OUTBOX("w"),
	N_UPDATE + IDEMPOTENCY_RECORD_PARAMS,
};
static const struct db_statement DELETE_PLAIN = { "task_delete", DELETE " " OUTBOX("w"), N_DELETE };
static const struct db_statement DELETE_KEYED = {
	"task_delete_keyed",
	DELETE KEY("w", 8, 9, 10, 11, 12, 13, 14, 15) OUTBOX("w"),
	N_DELETE + IDEMPOTENCY_RECORD_PARAMS,
};

enum { N_PARAMS_MAX = N_CREATE + IDEMPOTENCY_RECORD_PARAMS };

struct write {
	struct db_param params[N_PARAMS_MAX];
	int n;
};

static void add(struct write *w, struct db_param p)
{
	assert(w->n < N_PARAMS_MAX);
	w->params[w->n++] = p;
}

static void add_common(struct write *w, const struct task_change *c)
{
	add(w, (struct db_param)DB_PARAM_TEXT(c->task->user_id));
	add(w, (struct db_param)DB_PARAM_I64(c->task->id));
	add(w, (struct db_param)DB_PARAM_I64(c->task->version));
	add(w, (struct db_param)DB_PARAM_UUID(c->event_id));
	add(w, (struct db_param)DB_PARAM_TEXT(c->event));
	add(w, (struct db_param)DB_PARAM_I16(task_event_partition(c->task->user_id)));
}

static void add_content(struct write *w, const struct task *t)
{
	add(w, (struct db_param)DB_PARAM_TEXT(t->title));
	if (t->description.p)
		add(w, (struct db_param)DB_PARAM_TEXT(t->description));
	else
		add(w, (struct db_param)DB_PARAM_NULL(DB_TEXT));
	add(w, (struct db_param)DB_PARAM_BOOL(t->completed));
	if (t->completed)
		add(w, (struct db_param)DB_PARAM_TIME(t->completed_at_us));
	else
		add(w, (struct db_param)DB_PARAM_NULL(DB_TIME));
	add(w, (struct db_param)DB_PARAM_I16(t->priority));
}

/* Runs the write; *ret_n is how many events it left: 1, or 0 when the deciding part found nothing.
 */
static FIBER int run(struct db *db, const struct task_change *c, struct write *w,
		     const struct db_statement *plain, const struct db_statement *keyed,
		     int64_t *ret_n, struct err *reterr)
{
	const struct db_statement *s = c->key ? keyed : plain;
	const struct db_query query = { s, w->params };
	const struct db_segment segment = { .user_id = c->task->user_id,
					    .queries = &query,
					    .n_queries = 1 };
	struct db_result *result;
	char constraint[64] = "";
	int r;

	if (c->key) {
		assert(c->answer);
		idempotency_record_params(c->key, c->answer, w->params + w->n);
		w->n += IDEMPOTENCY_RECORD_PARAMS;
	}
	assert(w->n == s->n_params);
	r = db_run_wait(db, &segment, &result, constraint, reterr);
	if (r == -EEXIST && !str_eq(str_from(constraint), STR("idempotency_keys_pkey"))) {
		/* An id or an event id that is not new: ours to get right, never the client's. */
		err_set(reterr, &ERR_INTERNAL, NULL, "unique violation of %s", constraint);
		return -EIO;
	}
	if (r < 0)
		return r;
	*ret_n = db_affected(result);
	db_result_free(result);
	return 0;
}

static int stale(struct err *reterr)
{
	err_set(reterr, &ERR_CONFLICT, NULL, "the task was changed meanwhile; read it again");
	return -ESTALE;
}

int task_store_create_wait(struct db *db, const struct task_change *change, struct err *reterr)
{
	struct write w = { .n = 0 };
	int64_t n = 0;
	int r;

	add_common(&w, change);
	add_content(&w, change->task);
	add(&w, (struct db_param)DB_PARAM_TIME(change->task->created_at_us));
	add(&w, (struct db_param)DB_PARAM_TIME(change->task->updated_at_us));
	add(&w, (struct db_param)DB_PARAM_I32(TASK_QUOTA));
	r = run(db, change, &w, &CREATE_PLAIN, &CREATE_KEYED, &n, reterr);
	if (r < 0 || n == 1)
		return r;
	err_set(reterr, &ERR_TASK_QUOTA, "body", "a user holds at most %d tasks", TASK_QUOTA);
	return -EDQUOT;
}

int task_store_update_wait(struct db *db, const struct task_change *change,
			   int64_t expected_version, struct err *reterr)
{
	struct write w = { .n = 0 };
	int64_t n = 0;
	int r;

	add_common(&w, change);
	add_content(&w, change->task);
	add(&w, (struct db_param)DB_PARAM_TIME(change->task->updated_at_us));
	add(&w, (struct db_param)DB_PARAM_I64(expected_version));
	r = run(db, change, &w, &UPDATE_PLAIN, &UPDATE_KEYED, &n, reterr);
	return r < 0 || n == 1 ? r : stale(reterr);
}

int task_store_delete_wait(struct db *db, const struct task_change *change,
			   int64_t expected_version, struct err *reterr)
{
	struct write w = { .n = 0 };
	int64_t n = 0;
	int r;

	add_common(&w, change);
	add(&w, (struct db_param)DB_PARAM_I64(expected_version));
	r = run(db, change, &w, &DELETE_PLAIN, &DELETE_KEYED, &n, reterr);
	return r < 0 || n == 1 ? r : stale(reterr);
}
