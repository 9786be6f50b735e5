/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firing jobs. When the timer goes off, one fiber per app looks for what is due and starts a fiber
 * for each job; a job's ticks follow each other, jobs do not wait for each other. A row is changed
 * only after the answer, so a crash fires again what was under way. Its version tells whether the
 * job was replaced in the meantime; then the new one stands untouched. Between two looks
 * next_job_us is lowered by whoever makes a job or ends a tick, so that neither costs a look.
 */
#include "jobs_private.h"

#include "base/log.h"
#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	RUNS_MAX = 16, /* of one app at a time */
	NAME_SIZE = 512,
	CALL_TIMEOUT_MS = 15 * 1000,
	ANSWER_MAX_BYTES = 64 * 1024,
	ABSENT_RETRY_MS = 1000,
	RUN_ARENA_BYTES = 64 * 1024,
	DB_PAUSE_US = 1000 * 1000,
};

/* One job under way. */
struct job_run {
	struct job_run *next;
	struct hosted *app;
	int64_t next_us; /* when it is due again; INT64_MAX: never; 0: its row may be another now */
	bool is_replaced;
	char name[NAME_SIZE];
};

static const struct metric_family JOBS = {
	"todod_sidecar_jobs_total",
	METRIC_COUNTER,
	"Job calls by app and result: done, retried, dropped.",
};

/* A table that has just filled has no statistics yet: without this the plan may be to sort it all.
 */
static const struct db_statement IN_ORDER = {
	"sidecar_jobs_in_order",
	"SELECT set_config('enable_sort', 'off', true)",
	0,
};
static const struct db_statement FIRST = {
	"sidecar_jobs_first",
	"SELECT name, due_at FROM sidecar.jobs WHERE app_id = $1 AND NOT (name = ANY ($2::text[])) "
	"ORDER BY due_at LIMIT $3::int8",
	3,
};
static const struct db_statement READ = {
	"sidecar_job_read",
	"SELECT version, tick_at, schedule, coalesce(ticks_left, 0), expires_at, data, retry_ms, "
	"coalesce(max_retries, -1), retries FROM sidecar.jobs WHERE app_id = $1 AND name = $2 AND due_at <= $3",
	3,
};
static const struct db_statement END = {
	"sidecar_job_end",
	"DELETE FROM sidecar.jobs WHERE app_id = $1 AND name = $2 AND version = $3",
	3,
};
static const struct db_statement NEXT_TICK = {
	"sidecar_job_next_tick",
	"UPDATE sidecar.jobs SET tick_at = $4, due_at = $4, ticks_left = ticks_left - 1, retries = 0 "
	"WHERE app_id = $1 AND name = $2 AND version = $3",
	4,
};
static const struct db_statement AGAIN = {
	"sidecar_job_again",
	"UPDATE sidecar.jobs SET due_at = $4, retries = $5 WHERE app_id = $1 AND name = $2 AND version = $3",
	5,
};

static bool app_lives(const struct hosted *app)
{
	const struct host *h = app->host;

	for (size_t i = 0; i < h->n_instances; i++) {
		if (h->instances[i].owner == app && h->instances[i].is_healthy)
			return true;
	}
	return false;
}

/* Who looks already goes on by itself. With all runs taken there is nothing to start; the first
 * that ends arms the timer. */
static bool may_look(const struct hosted *app)
{
	return !app->is_looking && app->n_runs < RUNS_MAX && app_lives(app);
}

void jobs_arm(struct host *h)
{
	int64_t at_us = INT64_MAX;

	for (size_t i = 0; i < h->n_apps && !h->is_stopping; i++) {
		const struct hosted *app = &h->apps[i];
		if (app->next_job_us < at_us && may_look(app))
			at_us = app->next_job_us;
	}
	alarm_clock_set(&h->job_alarm, at_us);
}

static void count(const struct hosted *app, const char *result)
{
	char labels[128];
	struct str id = app->id;

	snprintf(labels, sizeof(labels), "app_id=\"%.64s\",result=\"%s\"", id.p, result);
	metric_add(metric_get(&JOBS, labels), 1);
}

/* ---- one job ---- */

struct tick {
	struct uuid version;
	int64_t tick_us, ticks_left, expires_us, retry_ms, max_retries, retries;
	struct str schedule; /* .p NULL: once */
	struct db_result *row;
};

/* The tick is over and the job due again at next_us, if it is still the one that fired. */
static FIBER int change_wait(struct job_run *run, const struct db_statement *statement,
			     const struct db_param *params, int64_t next_us, struct err *reterr)
{
	const struct db_query query = { statement, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result = NULL;

	int r = db_run_wait(run->app->host->db, &segment, &result, NULL, reterr);
	if (r < 0)
		return r;
	run->next_us = db_affected(result) > 0 ? next_us : 0;
	db_result_free(result);
	return 0;
}

/* 0 with tick->row NULL: it is not due any more. */
static FIBER int read_wait(struct job_run *run, struct tick *tick, struct err *reterr)
{
	const struct db_param params[] = { DB_PARAM_TEXT(run->app->id),
					   DB_PARAM_TEXT(str_from(run->name)),
					   DB_PARAM_TIME(time_now_us()) };
	const struct db_query query = { &READ, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *row = NULL;

	int r = db_run_wait(run->app->host->db, &segment, &row, NULL, reterr);
	if (r < 0)
		return r;
	if (db_rows(row) == 0) {
		db_result_free(row);
		return 0;
	}
	*tick = (struct tick){
		.version = db_uuid(row, 0, 0),
		.tick_us = db_time(row, 0, 1),
		.schedule = db_is_null(row, 0, 2) ? (struct str){ NULL, 0 } : db_text(row, 0, 2),
		.ticks_left = db_i64(row, 0, 3),
		.expires_us = db_is_null(row, 0, 4) ? INT64_MAX : db_time(row, 0, 4),
		.retry_ms = db_i64(row, 0, 6),
		.max_retries = db_i64(row, 0, 7),
		.retries = db_i64(row, 0, 8),
		.row = row,
	};
	return 0;
}

/* HTTP status, or < 0: as http_client_wait. */
static FIBER int post_wait(struct job_run *run, struct instance *i, const struct tick *tick,
			   struct err *reterr)
{
	const char *headers[] = { "Content-Type: application/json", NULL };
	struct arena *arena = arena_new(RUN_ARENA_BYTES);
	struct http_response response = { 0 };
	struct str name = str_from(run->name);
	char *path = arena != NULL ? arena_alloc(arena, 3 * name.n + 6) : NULL;
	size_t n = 5;

	if (path == NULL) {
		arena_free(arena);
		return err_unavailable(reterr, 1, "out of memory");
	}
	memcpy(path, "/job/", 5);
	for (size_t k = 0; k < name.n; k++) {
		unsigned char c = (unsigned char)name.p[k];
		if (c > ' ' && c < 0x7f && c != '%' && c != '"' && c != '<' && c != '>') {
			path[n++] = (char)c;
		} else {
			snprintf(path + n, 4, "%%%02X", c);
			n += 3;
		}
	}
	path[n] = '\0';
	const struct http_call call = {
		.method = "POST",
		.url = path,
		.headers = headers,
		.body = db_is_null(tick->row, 0, 5) ? STR("") : db_text(tick->row, 0, 5),
		.timeout_ms = CALL_TIMEOUT_MS,
		.max_response_bytes = ANSWER_MAX_BYTES,
	};
	int r = instance_call_wait(i, arena, &call, &response, reterr);
	buf_done(&response.body);
	arena_free(arena);
	return r < 0 ? r : response.status;
}

/* The tick is over: the next one, or the end of the job. */
static FIBER int go_on_wait(struct job_run *run, const struct tick *tick, struct err *reterr)
{
	struct schedule schedule;
	int64_t next_us = INT64_MAX;

	if (tick->schedule.p != NULL && tick->ticks_left != 1 &&
	    schedule_parse(tick->schedule, &schedule, reterr) == 0)
		next_us = schedule_next(&schedule, tick->tick_us);
	const struct db_param params[] = { DB_PARAM_TEXT(run->app->id),
					   DB_PARAM_TEXT(str_from(run->name)),
					   DB_PARAM_UUID(tick->version), DB_PARAM_TIME(next_us) };
	bool is_over = next_us == INT64_MAX || next_us > tick->expires_us;
	return change_wait(run, is_over ? &END : &NEXT_TICK, params, is_over ? INT64_MAX : next_us,
			   reterr);
}

static FIBER int again_wait(struct job_run *run, const struct tick *tick, int64_t delay_ms,
			    int64_t retries, struct err *reterr)
{
	int64_t next_us = time_now_us() + delay_ms * 1000;
	const struct db_param params[] = { DB_PARAM_TEXT(run->app->id),
					   DB_PARAM_TEXT(str_from(run->name)),
					   DB_PARAM_UUID(tick->version), DB_PARAM_TIME(next_us),
					   DB_PARAM_I32(retries) };

	return change_wait(run, &AGAIN, params, next_us, reterr);
}

static void tell(enum log_level level, const char *msg, const struct job_run *run, int status,
		 const struct err *err)
{
	LOG_AT(level, msg, LOG_STR("app_id", run->app->id), LOG_CSTR("job", run->name),
	       LOG_I64("status", status), LOG_CSTR("reason", err->text));
}

/* 0, or < 0 when the database could not be told. */
static FIBER int fire_wait(struct job_run *run, const struct tick *tick, struct err *reterr)
{
	struct instance *i = host_pick(run->app->host, run->app);
	struct err err = { 0 };

	if (tick->expires_us <= time_now_us() && tick->schedule.p != NULL)
		return go_on_wait(run, &(struct tick){ .version = tick->version }, reterr);
	if (i == NULL)
		return 0;
	int status = post_wait(run, i, tick, &err);
	if (status >= 200 && status <= 299) {
		count(run->app, "done");
		tell(LOG_DEBUG, "sidecar.job_done", run, status, &err);
		return go_on_wait(run, tick, reterr);
	}
	if (fiber_is_cancelled(fiber_self()))
		return -ECANCELED;
	if (status == -ECONNREFUSED) /* nobody was there to fail */
		return again_wait(run, tick, ABSENT_RETRY_MS, tick->retries, reterr);
	if (status == 404 || (tick->max_retries >= 0 && tick->retries >= tick->max_retries)) {
		count(run->app, "dropped");
		tell(LOG_WARN, "sidecar.job_dropped", run, status, &err);
		return go_on_wait(run, tick, reterr);
	}
	count(run->app, "retried");
	tell(LOG_INFO, "sidecar.job_retried", run, status, &err);
	return again_wait(run, tick, tick->retry_ms, tick->retries + 1, reterr);
}

/* 0 or another time past: now; INT64_MAX: none. */
static void due_at(struct hosted *app, int64_t at_us)
{
	if (app->is_looking)
		app->look_again = true; /* what it reads may be older than this */
	if (at_us < app->next_job_us)
		app->next_job_us = at_us;
	jobs_arm(app->host);
}

static void end_run(struct job_run *run)
{
	struct job_run **at = &run->app->runs;

	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
	run->app->n_runs--;
	free(run);
}

static FIBER void run_job(void *arg)
{
	struct job_run *run = arg;
	struct hosted *app = run->app;
	struct tick tick = { .row = NULL };
	struct err err = { 0 };

	int r = read_wait(run, &tick, &err);
	if (r == 0 && tick.row != NULL)
		r = fire_wait(run, &tick, &err);
	db_result_free(tick.row);
	if (r < 0 && r != -ECANCELED) {
		log_err(LOG_WARN, "sidecar.job_not_settled", &err);
		(void)fiber_sleep(DB_PAUSE_US / 1000);
	}
	int64_t next_us = run->is_replaced ? 0 : run->next_us;
	end_run(run);
	due_at(app, next_us);
}

/* ---- looking for them ---- */

static int start_run(struct hosted *app, struct str name)
{
	struct job_run *run = calloc(1, sizeof(*run));

	if (run == NULL || str_copy(run->name, sizeof(run->name), name) < 0) {
		free(run);
		return -ENOMEM;
	}
	run->app = app;
	run->next = app->runs;
	app->runs = run;
	app->n_runs++;
	int r = fiber_spawn(app->host->loop, "sidecar.job", run_job, run, NULL, NULL);
	if (r < 0)
		end_run(run);
	return r;
}

/* Starts what is due, and finds out when the next one is. */
static FIBER int look_wait(struct hosted *app, struct arena *arena, struct err *reterr)
{
	struct str names[RUNS_MAX];
	struct db_result *results[2], *jobs;
	struct db_param busy;
	int row = 0;
	size_t n = 0;

	for (const struct job_run *run = app->runs; run != NULL && n < RUNS_MAX; run = run->next)
		names[n++] = str_from(run->name);
	if (db_param_texts(arena, names, n, &busy) < 0)
		return err_unavailable(reterr, 1, "out of memory");
	/* One more than there is room for tells when to look again. */
	int room = RUNS_MAX - (int)n;
	const struct db_param params[] = { DB_PARAM_TEXT(app->id), busy, DB_PARAM_I64(room + 1) };
	const struct db_query queries[] = { { &IN_ORDER, NULL }, { &FIRST, params } };
	const struct db_segment segment = { .queries = queries, .n_queries = 2 };
	int r = db_run_wait(app->host->db, &segment, results, NULL, reterr);
	if (r < 0)
		return r;
	jobs = results[1];
	int64_t now_us = time_now_us();
	while (r == 0 && row < db_rows(jobs) && row < room && db_time(jobs, row, 1) <= now_us)
		r = start_run(app, db_text(jobs, row++, 0));
	app->next_job_us = row < db_rows(jobs) ? db_time(jobs, row, 1) : INT64_MAX;
	db_result_free(results[0]);
	db_result_free(jobs);
	return r < 0 ? err_unavailable(reterr, 1, "no fiber for a job") : 0;
}

static FIBER void look(void *arg)
{
	struct hosted *app = arg;
	struct err err = { 0 };
	int r = 0;

	while (app->look_again && r == 0) {
		struct arena *arena = arena_new(RUN_ARENA_BYTES);
		app->look_again = false;
		if (app->n_runs == RUNS_MAX)
			app->next_job_us = 0; /* not known: the first that ends has it looked up */
		else if (!app->host->is_stopping && app_lives(app))
			r = arena != NULL ? look_wait(app, arena, &err) : -ENOMEM;
		arena_free(arena);
	}
	app->is_looking = false;
	if (r < 0 && r != -ECANCELED) {
		log_err(LOG_WARN, "sidecar.jobs_not_read", &err);
		app->next_job_us = time_now_us() + DB_PAUSE_US;
	}
	jobs_arm(app->host);
}

void jobs_look(struct hosted *app)
{
	app->look_again = true;
	if (app->is_looking || app->host->is_stopping || !app_lives(app))
		return;
	app->is_looking = true;
	if (fiber_spawn(app->host->loop, "sidecar.jobs", look, app, NULL, NULL) == 0)
		return;
	app->is_looking = false;
	app->next_job_us = time_now_us() + DB_PAUSE_US;
	jobs_arm(app->host);
}

void jobs_put(struct hosted *app, struct str name, int64_t due_us)
{
	for (struct job_run *run = app->runs; run != NULL; run = run->next) {
		if (str_eq(name, str_from(run->name)))
			run->is_replaced = true;
	}
	due_at(app, due_us);
}

static void on_alarm(void *arg)
{
	struct host *h = arg;
	int64_t now_us = time_now_us();

	for (size_t i = 0; i < h->n_apps; i++) {
		if (h->apps[i].next_job_us <= now_us && may_look(&h->apps[i]))
			jobs_look(&h->apps[i]);
	}
	jobs_arm(h);
}

int jobs_open(struct host *h)
{
	for (size_t i = 0; i < h->n_apps; i++)
		h->apps[i].next_job_us = INT64_MAX;
	return alarm_clock_open(&h->job_alarm, h->loop, on_alarm, h);
}

void jobs_close(struct host *h)
{
	alarm_clock_close(&h->job_alarm);
}
