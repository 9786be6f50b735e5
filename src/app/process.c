/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a process. Up: all parts open, with one operations listener, then the one that hosts
 * the sidecar starts, and when it is ready the others do. Down: the others drain together,
 * and when they have handed over what they have, the sidecar does. Whatever ended it, what was
 * cancelled still runs to its end, on the loop, before what it uses goes.
 */
#include "app/process.h"

#include "app_life_private.h"
#include "base/log.h"
#include "base/metrics.h"
#include "loop/timer.h"
#include "relay_private.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>

enum { POLL_MS = 20 };

struct process {
	struct loop *loop;
	struct app *apps;      /* in the order of their start */
	struct scope **scopes; /* theirs */
	size_t n;
	struct timer timer; /* of the end */
	bool is_draining, is_hurried, has_failed;
	int exit_code;
};

bool process_has_failed(const struct process *p)
{
	return p->has_failed;
}

bool process_is_shared(const struct process *p)
{
	return p->n > 1;
}

int process_exit_code(const struct process *p)
{
	return p->exit_code;
}

void process_fail(struct process *p, int exit_code)
{
	p->has_failed = true;
	p->exit_code = exit_code;
	loop_stop(p->loop);
}

void process_poke_relays(const struct process *p)
{
	for (size_t i = 0; i < p->n; i++)
		relay_poke(p->apps[i].relay);
}

int64_t process_sum(const struct process *p, int64_t (*fn)(const struct app *app))
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->n; i++)
		sum += fn(&p->apps[i]);
	return sum;
}

bool process_is_ready(const struct process *p, struct err *reterr)
{
	for (size_t i = 0; i < p->n; i++) {
		struct err why = { .text = "" };
		if (app_is_ready(&p->apps[i], &why))
			continue;
		err_unavailable(reterr, 1, "%s%s%s", p->n > 1 ? p->apps[i].role->name : "",
				p->n > 1 ? ": " : "", why.text);
		return false;
	}
	return true;
}

void process_render_metrics(const struct process *p, struct buf *out)
{
	if (p->n == 1)
		metrics_render(out);
	else
		metrics_render_all(p->scopes, p->n, out);
}

void process_dump_fibers(const struct process *p, struct buf *out)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->n > 1)
			buf_printf(out, "# %s\n", p->apps[i].role->name);
		fiber_dump(p->apps[i].loop, out);
	}
}

static bool is_host(const struct app *app)
{
	return app->role->needs & HOSTS_DAPR;
}

static void fail_to_start(struct app *app, const struct err *e)
{
	app_fail(app, e->kind == &ERR_INVALID ? EX_CONFIG : EX_UNAVAILABLE, e);
}

static void start_from(struct process *p, size_t first)
{
	for (size_t i = first; i < p->n && !p->has_failed; i++) {
		struct err err = { 0 };
		if (app_start(&p->apps[i], &err) < 0)
			fail_to_start(&p->apps[i], &err);
		if (is_host(&p->apps[i]))
			return; /* the rest when it is ready */
	}
}

void process_on_started(struct process *p, const struct app *app)
{
	if (is_host(app) && !p->is_draining)
		start_from(p, (size_t)(app - p->apps) + 1);
}

static bool is_drained(struct process *p)
{
	bool is_over = true;

	for (size_t i = p->n; i-- > 0;) {
		struct app *app = &p->apps[i];
		if (is_host(app) && !is_over)
			return false;
		app_drain(app);
		if (p->is_hurried)
			app_hurry(app);
		is_over = app_is_drained(app) && is_over;
	}
	return is_over;
}

static void drain_step(void *arg)
{
	struct process *p = arg;

	if (is_drained(p) || timer_start(&p->timer, POLL_MS) < 0)
		loop_stop(p->loop);
}

static void on_stop_signal(void *arg)
{
	struct process *p = arg;

	p->is_hurried = p->is_draining; /* asked twice: now */
	p->is_draining = true;
	drain_step(p);
}

/* As many descriptors as the connections that are allowed need. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static bool add_apps(struct process *p, const struct process_part *parts, size_t n, bool hosts)
{
	for (size_t i = 0; i < n; i++) {
		bool is_wanted = (bool)(parts[i].role->needs & HOSTS_DAPR) == hosts;
		if (is_wanted && app_init(&p->apps[p->n++], p, p->loop, parts[i].role,
					  parts[i].config, i == 0) < 0)
			return false;
	}
	return true;
}

/* Who hosts the sidecar stands first. */
static bool init(struct process *p, const struct process_part *parts, size_t n)
{
	p->loop = loop_new();
	p->apps = calloc(n, sizeof(*p->apps));
	p->scopes = calloc(n, sizeof(struct scope *));
	if (p->loop == NULL || p->apps == NULL || p->scopes == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		p->scopes[i] = &p->apps[i].scope;
	return add_apps(p, parts, n, true) && add_apps(p, parts, n, false);
}

static void open_and_start(struct process *p)
{
	struct err err = { 0 };

	if (loop_on_signal(p->loop, SIGTERM, on_stop_signal, p) < 0 ||
	    loop_on_signal(p->loop, SIGINT, on_stop_signal, p) < 0) {
		err_set(&err, &ERR_INTERNAL, NULL, "signal handlers cannot be set");
		fail_to_start(&p->apps[0], &err);
	}
	for (size_t i = 0; i < p->n && !p->has_failed; i++) {
		if (app_open(&p->apps[i], &err) < 0)
			fail_to_start(&p->apps[i], &err);
	}
	start_from(p, 0);
}

static void finish_step(void *arg)
{
	struct process *p = arg;

	fiber_cancel_all();
	if (fiber_count() == 0 || timer_start(&p->timer, POLL_MS) < 0)
		loop_stop(p->loop);
}

static void finish_fibers(struct process *p)
{
	for (size_t i = 0; i < p->n; i++)
		p->apps[i].is_draining = true;
	fiber_cancel_all();
	timer_done(&p->timer);
	timer_init(&p->timer, p->loop, finish_step, p);
	if (fiber_count() > 0 && timer_start(&p->timer, 0) == 0)
		loop_run(p->loop);
}

static void run(struct process *p)
{
	timer_init(&p->timer, p->loop, drain_step, p);
	open_and_start(p);
	if (!p->has_failed && loop_run(p->loop) < 0)
		p->exit_code = EX_SOFTWARE;
	finish_fibers(p);
	timer_done(&p->timer);
}

int process_run(const char *name, const struct process_part *parts, size_t n)
{
	struct process p = { .exit_code = EX_OK };
	enum log_level level = LOG_INFO;

	raise_descriptor_limit();
	(void)log_level_parse(config_str(parts[0].config, "log.level"), &level);
	log_init(level, name, 1);
	if (init(&p, parts, n)) {
		run(&p);
	} else {
		fprintf(stderr, "todod: out of memory\n");
		p.exit_code = EX_OSERR;
	}
	while (p.n > 0)
		app_done(&p.apps[--p.n]);
	fiber_done();
	loop_free(p.loop);
	free(p.scopes);
	free(p.apps);
	log_flush();
	return p.exit_code;
}
