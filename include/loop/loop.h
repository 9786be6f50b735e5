/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one event loop of a process: libevent's base (no locks, one thread), a queue of functions to
 * run this turn, signals. Each turn: wait for events, run their callbacks, then run what was
 * deferred until the queue is empty (bounded per turn), then flush the log.
 *
 * A process with several roles has a struct loop for each: they wait together, and what runs by one
 * of them (its timers, deferred calls, fibers, callbacks of its sockets) runs in its scope.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/scope.h"

#include <stdint.h>

struct event_base;
struct loop;

typedef void loop_fn(void *arg);

/* In the process's own scope. NULL when out of memory. Ignores SIGPIPE. */
struct loop *loop_new(void);
/* One that turns with l, in a scope of its own, which must outlive it. NULL when out of memory. */
struct loop *loop_new_beside(struct loop *l, struct scope *scope);
/* Accepts NULL. */
void loop_free(struct loop *l);
/* A callback that libevent calls begins with LOOP_ENTER. */
struct event_base *loop_base(struct loop *l);
#define LOOP_ENTER(l) SCOPE_ENTER(loop_scope(l))
struct scope *loop_scope(const struct loop *l); /* NULL: the process's own */
/* Runs all that turn together. 0 once loop_stop was called; -EIO when libevent fails. */
int loop_run(struct loop *l);
/* loop_run returns at the end of this turn. */
void loop_stop(struct loop *l);
/* Monotonic milliseconds, read once per turn, at the first call in it. */
int64_t loop_now_ms(struct loop *l);

/* A deferred call; embed it in what it acts on. Queued at most once at a time; unqueue before
 * freeing. */
struct loop_task {
	struct loop_task *next, *prev;
	loop_fn *fn;
	void *arg;
};
void loop_task_init(struct loop_task *t, loop_fn *fn, void *arg);
/* Runs later in this turn (or the next, past the bound). Already queued: nothing happens. */
void loop_defer(struct loop *l, struct loop_task *t);
void loop_undefer(struct loop *l, struct loop_task *t);

/* fn(arg) in the loop and in l's scope when the signal arrives; one handler per signal. -EIO. */
int loop_on_signal(struct loop *l, int signal_number, loop_fn *fn, void *arg);

#endif
