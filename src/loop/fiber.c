/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fibers by swapcontext, on one thread. A fiber and its stack are one object that is made once and
 * used again: the context is entered at the top of trampoline(), which runs one function after the
 * other and switches out in between.
 *
 * Only resume(), a deferred call of the loop, switches into a fiber; only switch_out() leaves it.
 * So a fiber never runs inside a library's callback and never inside another fiber. A resume is
 * queued by the spawn, by fiber_wake, by the deadline or by a cancel, and only while the fiber is
 * not running, so none is spurious.
 *
 * Each switch is told to AddressSanitizer, each stack to valgrind (debug builds).
 */
#include "loop/fiber.h"

#include "loop/timer.h"
#include "loop_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(DEBUG) && __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0U
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

struct fiber {
	ucontext_t context;
	char *stack;		   /* FIBER_STACK_BYTES; the guard page lies below */
	struct fiber *next, *prev; /* among the living; next alone in the pool */
	struct loop *loop;
	const char *name;
	fiber_fn *fn;
	void *arg;
	const struct log_context *log_context;
	struct fiber_wait *waiting; /* NULL: running, or queued to run */
	const char *what;
	int64_t since_ms; /* of the wait, or of the spawn */
	struct timer deadline;
	struct loop_task resume;
	bool timed_out, cancelled, finished;
	unsigned valgrind_id;
	void *fake_stack; /* ASan's, while switched out */
};

static struct fiber live = { .next = &live, .prev = &live };
static unsigned n_live;
static struct fiber *pool;
static unsigned n_pool;
static struct fiber *current;

static ucontext_t main_context;
#ifdef FIBER_ASAN
static const void *main_stack;
static size_t main_stack_bytes;
static void *main_fake_stack;
#endif

static void switch_in(struct fiber *f)
{
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(&main_fake_stack, f->stack, FIBER_STACK_BYTES);
#endif
	if (swapcontext(&main_context, &f->context) < 0)
		abort(); /* not possible for a context that makecontext or swapcontext filled */
#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(main_fake_stack, NULL, NULL);
#endif
}

/* The first thing on a fiber's stack after each switch into it. */
static void arrived(struct fiber *f)
{
	(void)f;
#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(f->fake_stack, &main_stack, &main_stack_bytes);
#endif
}

static void switch_out(struct fiber *f)
{
#ifdef FIBER_ASAN
	/* NULL gives the fake stack back: the function that used it has ended. */
	if (f->finished)
		f->fake_stack = NULL;
	__sanitizer_start_switch_fiber(f->finished ? NULL : &f->fake_stack, main_stack,
				       main_stack_bytes);
#endif
	if (swapcontext(&f->context, &main_context) < 0)
		abort();
	arrived(f);
}

static void trampoline(void)
{
	arrived(current);
	for (;;) {
		current->fn(current->arg);
		current->finished = true;
		switch_out(current);
	}
}

static void stack_unmap(struct fiber *f)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);

	munmap(f->stack - guard, FIBER_STACK_BYTES + guard);
}

static int stack_map(struct fiber *f)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, FIBER_STACK_BYTES + guard, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(p, guard, PROT_NONE) < 0) {
		munmap(p, FIBER_STACK_BYTES + guard);
		return -ENOMEM;
	}
	f->stack = p + guard;
	return 0;
}

static void context_make(struct fiber *f)
{
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = FIBER_STACK_BYTES;
	f->context.uc_link = NULL;
	makecontext(&f->context, trampoline, 0);
	/* Switching needs these no longer. With them, ASan's swapcontext would forget what it knows
	 * of the stack. */
	f->context.uc_stack = (stack_t){ 0 };
}

static struct fiber *fiber_new(void)
{
	struct fiber *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	if (stack_map(f) < 0) {
		free(f);
		return NULL;
	}
	f->valgrind_id = VALGRIND_STACK_REGISTER(f->stack, f->stack + FIBER_STACK_BYTES);
	context_make(f);
	return f;
}

static void fiber_free(struct fiber *f)
{
	VALGRIND_STACK_DEREGISTER(f->valgrind_id);
	stack_unmap(f);
	free(f);
}

static void recycle(struct fiber *f)
{
	f->prev->next = f->next;
	f->next->prev = f->prev;
	n_live--;
	loop_count_fiber(f->loop, -1);
	timer_done(&f->deadline);
	loop_undefer(f->loop, &f->resume); /* a fiber may have cancelled itself */
	if (n_pool == FIBER_IDLE_STACKS_MAX) {
		fiber_free(f);
		return;
	}
	f->next = pool;
	pool = f;
	n_pool++;
}

static void resume(void *arg)
{
	struct fiber *f = arg;
	const struct log_context *outer = log_context_swap(f->log_context);

	assert(!current);
	current = f;
	switch_in(f);
	current = NULL;
	f->log_context = log_context_swap(outer);
	if (f->finished)
		recycle(f);
}

static void on_deadline(void *arg)
{
	struct fiber *f = arg;

	f->timed_out = true;
	loop_defer(f->loop, &f->resume);
}

static struct fiber *take(void)
{
	struct fiber *f = pool;

	if (!f)
		return fiber_new();
	pool = f->next;
	n_pool--;
	return f;
}

int fiber_spawn(struct loop *l, const char *name, fiber_fn *fn, void *arg,
		const struct log_context *ctx, struct fiber **ret_fiber)
{
	struct fiber *f;

	if (loop_fibers(l) == FIBER_MAX)
		return -EAGAIN;
	f = take();
	if (!f)
		return -ENOMEM;
	f->loop = l;
	f->name = name;
	f->fn = fn;
	f->arg = arg;
	f->log_context = ctx;
	f->waiting = NULL;
	f->what = "start";
	f->since_ms = loop_now_ms(l);
	f->timed_out = f->cancelled = f->finished = false;
	timer_init(&f->deadline, l, on_deadline, f);
	loop_task_init(&f->resume, resume, f);
	f->next = &live;
	f->prev = live.prev;
	f->prev->next = live.prev = f;
	n_live++;
	loop_count_fiber(l, 1);
	loop_defer(l, &f->resume);
	if (ret_fiber)
		*ret_fiber = f;
	return 0;
}

struct fiber *fiber_self(void)
{
	return current;
}

void fiber_cancel(struct fiber *f)
{
	f->cancelled = true;
	if (f->waiting)
		loop_defer(f->loop, &f->resume);
}

bool fiber_is_cancelled(const struct fiber *f)
{
	return f->cancelled;
}

unsigned fiber_count_of(const struct loop *l)
{
	return loop_fibers(l);
}

unsigned fiber_count(void)
{
	return n_live;
}

void fiber_cancel_all_of(const struct loop *l)
{
	for (struct fiber *f = live.next; f != &live; f = f->next)
		if (f->loop == l)
			fiber_cancel(f);
}

void fiber_cancel_all(void)
{
	for (struct fiber *f = live.next; f != &live; f = f->next)
		fiber_cancel(f);
}

void fiber_done(void)
{
	assert(n_live == 0);
	while (pool)
		fiber_free(take());
}

void fiber_wait_init(struct fiber_wait *w)
{
	*w = (struct fiber_wait){ .fiber = NULL };
}

/* Switches out until the wake, the deadline or a cancel. */
static int suspend(struct fiber *f, struct fiber_wait *w, const char *what, int64_t timeout_ms)
{
	if (timer_start(&f->deadline, timeout_ms) < 0)
		return -ENOMEM;
	f->what = what;
	f->since_ms = loop_now_ms(f->loop);
	f->timed_out = false;
	f->waiting = w;
	w->fiber = f;
	switch_out(f);
	w->fiber = NULL;
	f->waiting = NULL;
	timer_stop(&f->deadline);
	/* A wake and the deadline may both have come in this turn. */
	loop_undefer(f->loop, &f->resume);
	return 0;
}

FIBER int fiber_wait(struct fiber_wait *w, const char *what, int64_t timeout_ms)
{
	struct fiber *f = current;
	int r;

	assert(f && timeout_ms > 0);
	if (!w->done && !f->cancelled) {
		r = suspend(f, w, what, timeout_ms);
		if (r < 0)
			return r;
	}
	if (f->cancelled)
		return -ECANCELED;
	return w->done ? w->result : -ETIME;
}

void fiber_wake(struct fiber_wait *w, int result)
{
	if (w->done)
		return;
	w->done = true;
	w->result = result;
	if (w->fiber)
		loop_defer(w->fiber->loop, &w->fiber->resume);
}

FIBER int fiber_sleep(int64_t ms)
{
	struct fiber_wait w;
	int r;

	fiber_wait_init(&w);
	r = fiber_wait(&w, "sleep", ms > 0 ? ms : 1);
	return r == -ETIME ? 0 : r;
}

void fiber_dump(const struct loop *l, struct buf *out)
{
	for (const struct fiber *f = live.next; f != &live; f = f->next) {
		if (f->loop != l)
			continue;
		buf_printf(out, "%s\t%s\t%lld ms%s\n", f->name, f == current ? "running" : f->what,
			   (long long)(loop_now_ms(f->loop) - f->since_ms),
			   f->cancelled ? "\tcancelled" : "");
	}
}
