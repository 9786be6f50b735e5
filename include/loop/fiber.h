/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small stackful fibers, so that a request reads from top to bottom. The rules that keep them safe:
 * one thread; a fiber waits on exactly one operation, and every wait has a deadline; no futures, no
 * child fibers; cancel is -ECANCELED, sticky, and outranks a timeout; callbacks only store a result
 * and queue the resume (fiber_wake), they never switch; a function that may suspend carries FIBER
 * and asserts it runs on one; the log context belongs to the fiber; a guard page under every stack;
 * stacks are pooled and capped. Switching is swapcontext, without setjmp; ASan and valgrind are
 * told about every switch.
 */
#ifndef LOOP_FIBER_H
#define LOOP_FIBER_H

#include "base/buf.h"
#include "base/log.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum { FIBER_STACK_BYTES = 128 * 1024, FIBER_MAX = 1024, FIBER_IDLE_STACKS_MAX = 64 };

struct fiber;

typedef void fiber_fn(void *arg);

/*
 * Starts fn(arg) on a fiber of its own, which first runs later in this turn. name must be static.
 * ctx (may be NULL) is its log context and must outlive it. ret_fiber may be NULL; the handle is
 * valid until fn returns. 0; -EAGAIN when l has FIBER_MAX; -ENOMEM.
 */
int fiber_spawn(struct loop *l, const char *name, fiber_fn *fn, void *arg,
		const struct log_context *ctx, struct fiber **ret_fiber) MUST_CHECK;
/* NULL outside fibers. */
struct fiber *fiber_self(void);
/* Makes this and every later wait of the fiber end with -ECANCELED. */
void fiber_cancel(struct fiber *f);
bool fiber_is_cancelled(const struct fiber *f);
/* Live fibers of this loop; of all. */
unsigned fiber_count_of(const struct loop *l);
unsigned fiber_count(void);
/* Cancels every fiber of this loop; of all. */
void fiber_cancel_all_of(const struct loop *l);
void fiber_cancel_all(void);
/* Frees the pooled stacks; asserts that no fiber lives. */
void fiber_done(void);

/*
 * One operation waited for. Lives on the waiting fiber's stack or in the operation; the owner of
 * the operation calls fiber_wake once. When fiber_wait returns -ETIME or -ECANCELED the caller must
 * cancel the operation before the struct goes, so that no late fiber_wake reaches freed memory.
 */
struct fiber_wait {
	struct fiber *fiber; /* who waits; NULL: not waiting yet, or no longer */
	bool done;
	int result;
};

void fiber_wait_init(struct fiber_wait *w);
/* what is a static text for /debug/fibers ("db.query"). timeout_ms > 0.
 * The result given to fiber_wake; -ETIME; -ECANCELED; -ENOMEM when no deadline could be set (treat
 * it as -ETIME). Returns at once if already woken. A cancel outranks a result. */
FIBER int fiber_wait(struct fiber_wait *w, const char *what, int64_t timeout_ms);
/* Stores the result and queues the resume. Callable from any callback; a second call is ignored. */
void fiber_wake(struct fiber_wait *w, int result);
/* 0; -ECANCELED; -ENOMEM. */
FIBER int fiber_sleep(int64_t ms);

/* One line per fiber of this loop: name, what it waits on, for how many ms, and "cancelled"; parted
 * by tabs. */
void fiber_dump(const struct loop *l, struct buf *out);

#endif
