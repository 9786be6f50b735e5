/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of a process. libevent waits and calls back; this file adds the queue of deferred
 * calls, the clock that is read once a turn, and signals.
 *
 * The queue is a ring of tasks that live in what they act on, so deferring never allocates and
 * never fails. A turn runs at most DEFERRED_PER_TURN of them: work that keeps deferring itself
 * cannot starve the sockets. Whoever frees a struct with a task in it takes the task off the queue
 * first.
 */
#include "loop/loop.h"

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
	loop_fn *fn;
	void *arg;
};

struct loop {
	struct event_base *base;
	struct loop_task queue; /* the ring's head; holds no call */
	struct signal_handler signals[SIGNALS_MAX];
	unsigned n_signals;
	int64_t now_ms;
	bool now_is_known; /* in this turn */
	bool stop;
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

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->base = base_new();
	if (!l->base) {
		free(l);
		return NULL;
	}
	l->queue.next = l->queue.prev = &l->queue;
	/* A peer that went away shows as EPIPE where the write was tried, never as a dead process.
	 */
	signal(SIGPIPE, SIG_IGN);
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	assert(l->queue.next == &l->queue);
	for (unsigned i = 0; i < l->n_signals; i++)
		event_free(l->signals[i].event);
	event_base_free(l->base);
	free(l);
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

static bool has_deferred(const struct loop *l)
{
	return l->queue.next != &l->queue;
}

static void run_deferred(struct loop *l)
{
	for (int n = 0; n < DEFERRED_PER_TURN && has_deferred(l); n++) {
		struct loop_task *t = l->queue.next;

		loop_undefer(l, t);
		t->fn(t->arg);
	}
}

int loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop) {
		int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

		if (has_deferred(l))
			flags |= EVLOOP_NONBLOCK;
		l->now_is_known = false;
		if (event_base_loop(l->base, flags) < 0)
			return -EIO;
		run_deferred(l);
		log_flush();
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
	/* Also ends a wait that has begun already, when called from a signal's callback. */
	event_base_loopbreak(l->base);
}

int64_t loop_now_ms(struct loop *l)
{
	if (!l->now_is_known) {
		l->now_ms = time_monotonic_ms();
		l->now_is_known = true;
	}
	return l->now_ms;
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

	(void)signal_number;
	(void)what;
	h->fn(h->arg);
}

int loop_on_signal(struct loop *l, int signal_number, loop_fn *fn, void *arg)
{
	struct signal_handler *h = &l->signals[l->n_signals];

	if (l->n_signals == SIGNALS_MAX)
		return -EIO;
	h->fn = fn;
	h->arg = arg;
	h->event = evsignal_new(l->base, signal_number, on_signal, h);
	if (!h->event)
		return -EIO;
	if (event_add(h->event, NULL) < 0) {
		event_free(h->event);
		return -EIO;
	}
	l->n_signals++;
	return 0;
}
