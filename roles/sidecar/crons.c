/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One wall-clock timer per binding; @every counts from the start of the process.
 */
#include "crons_private.h"

#include "base/log.h"
#include "base/time.h"
#include "schedule_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALL_TIMEOUT_MS = 60 * 1000, ANSWER_MAX_BYTES = 64 * 1024, ARENA_BYTES = 16 * 1024 };

struct tick_call {
	struct cron_binding *cron;
	struct instance *instance;
	bool is_busy;
};

struct cron_binding {
	struct host *host;
	const struct settings_rule *rule;
	struct schedule schedule;
	struct alarm_clock alarm;
	int64_t next_us;
	char path[128];
	struct tick_call *calls; /* one per instance of the host; used for those of its app */
	struct metric *done, *failed;
};

static const struct metric_family TICKS = {
	"todod_sidecar_cron_ticks_total",
	METRIC_COUNTER,
	"Cron calls by binding and result.",
};

static FIBER void post(void *arg)
{
	struct tick_call *t = arg;
	struct arena *arena = arena_new(ARENA_BYTES);
	struct http_response response = { 0 };
	struct err err = { 0 };
	char now[TIME_RFC3339_SIZE], header[64];
	const char *headers[] = { header, "Timezone: UTC", NULL };
	const struct http_call call = {
		.method = "POST",
		.url = t->cron->path,
		.headers = headers,
		.timeout_ms = CALL_TIMEOUT_MS,
		.max_response_bytes = ANSWER_MAX_BYTES,
	};

	time_format_rfc3339(time_now_us(), now);
	snprintf(header, sizeof(header), "Readtimeutc: %s", now);
	int r = arena != NULL ? instance_call_wait(t->instance, arena, &call, &response, &err)
			      : -ENOMEM;
	bool is_done = r == 0 && response.status == 200;
	metric_add(is_done ? t->cron->done : t->cron->failed, 1);
	if (!is_done)
		log_warn("sidecar.cron_failed", LOG_STR("cron", t->cron->rule->what),
			 LOG_STR("address", t->instance->settings->address),
			 LOG_I64("status", response.status), LOG_CSTR("reason", err.text));
	buf_done(&response.body);
	arena_free(arena);
	t->is_busy = false;
}

static void tick(struct cron_binding *cron)
{
	struct host *h = cron->host;

	for (size_t i = 0; i < h->n_instances; i++) {
		struct tick_call *t = &cron->calls[i];
		struct instance *instance = &h->instances[i];
		if (instance->settings->app != cron->rule->app || !instance->is_healthy ||
		    t->is_busy)
			continue;
		*t = (struct tick_call){ .cron = cron, .instance = instance, .is_busy = true };
		if (fiber_spawn(h->loop, "sidecar.cron", post, t, NULL, NULL) < 0)
			t->is_busy = false;
	}
}

static void on_alarm(void *arg)
{
	struct cron_binding *cron = arg;
	int64_t now_us = time_now_us();

	if (cron->host->is_stopping)
		return;
	if (now_us >= cron->next_us) {
		tick(cron);
		cron->next_us = schedule_next(&cron->schedule, cron->next_us);
		if (cron->next_us <= now_us)
			cron->next_us = schedule_next(&cron->schedule, now_us);
	}
	alarm_clock_set(&cron->alarm, cron->next_us);
}

static int open_cron(struct cron_binding *cron, struct host *h, const struct settings_rule *rule,
		     struct err *reterr)
{
	char labels[128];

	cron->host = h;
	cron->rule = rule;
	int r = schedule_parse(rule->value, &cron->schedule, reterr);
	if (r < 0)
		return r;
	assert(rule->what.n + 1 < sizeof(cron->path)); /* settings.c saw to it */
	cron->path[0] = '/';
	memcpy(cron->path + 1, rule->what.p, rule->what.n);
	snprintf(labels, sizeof(labels), "cron=\"%.64s\",result=\"done\"", cron->path + 1);
	cron->done = metric_get(&TICKS, labels);
	snprintf(labels, sizeof(labels), "cron=\"%.64s\",result=\"failed\"", cron->path + 1);
	cron->failed = metric_get(&TICKS, labels);
	cron->calls = calloc(h->n_instances, sizeof(*cron->calls));
	if (cron->calls == NULL || alarm_clock_open(&cron->alarm, h->loop, on_alarm, cron) < 0)
		return err_unavailable(reterr, 1, "out of memory");
	cron->next_us = schedule_next(&cron->schedule, time_now_us());
	alarm_clock_set(&cron->alarm, cron->next_us);
	return 0;
}

int crons_open(struct host *h, struct err *reterr)
{
	int r = 0;

	h->crons = calloc(h->settings->n_crons + 1, sizeof(*h->crons));
	if (h->crons == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	while (r == 0 && h->n_crons < h->settings->n_crons) {
		struct cron_binding *cron = &h->crons[h->n_crons++];
		r = open_cron(cron, h, &h->settings->crons[h->n_crons - 1], reterr);
	}
	return r;
}

void crons_stop(struct host *h)
{
	for (size_t i = 0; i < h->n_crons; i++)
		alarm_clock_set(&h->crons[i].alarm, INT64_MAX);
}

void crons_close(struct host *h)
{
	for (size_t i = 0; i < h->n_crons; i++) {
		alarm_clock_close(&h->crons[i].alarm);
		free(h->crons[i].calls);
	}
	free(h->crons);
}
