/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of a process. libevent waits and calls back; this file adds the queue of deferred
 * calls, the clock that is read once a turn, and signals.
 *
 * The queue is a ring of tasks that live in what they act on, so deferring never allocates and
 * never fails. A turn runs at most DEFERRED_PER_TURN of them: work that keeps deferring itself
 * cannot starve the sockets. Whoever frees a struct with a task in it takes the task off the queue
 * first.
 *
 * Loops that turn together share an engine, and each has a queue of its own.
 */
#include "loop_private.h"

#include "base/log.h"
#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

enum { DEFERRED_PER_TURN = 4096, SIGNALS_MAX = 8 };

struct signal_handler {
	struct event *event;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
};

struct engine {
	struct event_base *base;
	struct loop *loops; /* at least one */
	struct signal_handler signals[SIGNALS_MAX];
	unsigned n_signals;
	int64_t now_ms;
	bool now_is_known; /* in this turn */
	bool stop;
};

struct loop {
	struct engine *engine;
	struct scope *scope;
	struct loop *next;	/* of the same engine, in the order in which they were made */
	struct loop_task queue; /* the ring's head; holds no call */
	unsigned n_fibers;
};

/* One thread, so libevent needs no locks. */
static struct event_base *base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static struct loop *add_loop(struct engine *e, struct scope *scope)
{
	struct loop **last = &e->loops;
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->engine = e;
	l->scope = scope;
	l->queue.next = l->queue.prev = &l->queue;
	while (*last)
		last = &(*last)->next;
	*last = l;
	return l;
}

static void engine_free(struct engine *e)
{
	for (unsigned i = 0; i < e->n_signals; i++)
		event_free(e->signals[i].event);
	if (e->base)
		event_base_free(e->base);
	free(e);
}

struct loop *loop_new(void)
{
	struct engine *e = calloc(1, sizeof(*e));
	struct loop *l = NULL;

	if (!e)
		return NULL;
	e->base = base_new();
	if (e->base)
		l = add_loop(e, NULL);
	if (!l) {
		engine_free(e);
		return NULL;
	}
	/* A peer that went away shows as EPIPE where the write was tried, never as a dead process.
	 */
	signal(SIGPIPE, SIG_IGN);
	return l;
}

struct loop *loop_new_beside(struct loop *l, struct scope *scope)
{
	return add_loop(l->engine, scope);
}

void loop_free(struct loop *l)
{
	struct loop **at;

	if (!l)
		return;
	assert(l->queue.next == &l->queue && l->n_fibers == 0);
	for (at = &l->engine->loops; *at != l;)
		at = &(*at)->next;
	*at = l->next;
	if (!l->engine->loops)
		engine_free(l->engine);
	free(l);
}

struct event_base *loop_base(struct loop *l)
{
	return l->engine->base;
}

struct scope *loop_scope(const struct loop *l)
{
	return l->scope;
}

unsigned loop_fibers(const struct loop *l)
{
	return l->n_fibers;
}

void loop_count_fiber(struct loop *l, int change)
{
	l->n_fibers += (unsigned)change;
}

static bool has_deferred(const struct engine *e)
{
	for (const struct loop *l = e->loops; l; l = l->next)
		if (l->queue.next != &l->queue)
			return true;
	return false;
}

static void run_deferred(struct loop *l)
{
	LOOP_ENTER(l);

	for (int n = 0; n < DEFERRED_PER_TURN && l->queue.next != &l->queue; n++) {
		struct loop_task *t = l->queue.next;

		loop_undefer(l, t);
		t->fn(t->arg);
	}
}

static int turn(struct engine *e)
{
	int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

	if (has_deferred(e))
		flags |= EVLOOP_NONBLOCK;
	e->now_is_known = false;
	if (event_base_loop(e->base, flags) < 0)
		return -EIO;
	for (struct loop *l = e->loops; l; l = l->next)
		run_deferred(l);
	log_flush();
	return 0;
}

int loop_run(struct loop *l)
{
	struct engine *e = l->engine;
	int r = 0;

	e->stop = false;
	while (r == 0 && !e->stop)
		r = turn(e);
	return r;
}

void loop_stop(struct loop *l)
{
	l->engine->stop = true;
	/* Also ends a wait that has begun already, when called from a signal's callback. */
	event_base_loopbreak(l->engine->base);
}

int64_t loop_now_ms(struct loop *l)
{
	struct engine *e = l->engine;

	if (!e->now_is_known) {
		e->now_ms = time_monotonic_ms();
		e->now_is_known = true;
	}
	return e->now_ms;
}

void loop_task_init(struct loop_task *t, loop_fn *fn, void *arg)
{
	*t = (struct loop_task){ .fn = fn, .arg = arg };
}

void loop_defer(struct loop *l, struct loop_task *t)
{
	if (t->next)
		return;
	t->next = &l->queue;
	t->prev = l->queue.prev;
	t->prev->next = t;
	l->queue.prev = t;
}

void loop_undefer(struct loop *l, struct loop_task *t)
{
	(void)l;
	if (!t->next)
		return;
	t->prev->next = t->next;
	t->next->prev = t->prev;
	t->next = t->prev = NULL;
}

static void on_signal(evutil_socket_t signal_number, short what, void *arg)
{
	struct signal_handler *h = arg;
	LOOP_ENTER(h->loop);

	(void)signal_number;
	(void)what;
	h->fn(h->arg);
}

int loop_on_signal(struct loop *l, int signal_number, loop_fn *fn, void *arg)
{
	struct engine *e = l->engine;
	struct signal_handler *h = &e->signals[e->n_signals];

	if (e->n_signals == SIGNALS_MAX)
		return -EIO;
	h->loop = l;
	h->fn = fn;
	h->arg = arg;
	h->event = evsignal_new(e->base, signal_number, on_signal, h);
	if (!h->event)
		return -EIO;
	if (event_add(h->event, NULL) < 0) {
		event_free(h->event);
		return -EIO;
	}
	e->n_signals++;
	return 0;
}
