/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's loop. A step asks for one thing and says how long to rest: connect to the sidecar,
 * renew the leases, or take a turn (read, publish; what was published is taken away by the next
 * turn). While the sidecar or the database is away it holds no partition for longer than the lease,
 * so that a relay that works takes over.
 *
 * A lease that ran out during a slow publish may mean that two relays publish an event: a repeat,
 * never a wrong order, because an event leaves the outbox only after it was published, and the
 * later ones of its user are read only then.
 */
#include "relay_private.h"

#include "base/log.h"
#include "base/time.h"
#include "base/uuid.h"
#include "loop/fiber.h"
#include "relay_publish_private.h"
#include "store/outbox.h"

#include <errno.h>
#include <stdlib.h>

enum {
	TURN_ARENA_MAX = 64 * 1024 * 1024,
	POLL_BUSY_MS = 20,
	POLL_IDLE_MS = 1000,
	/* Where others write into partitions of this one, and cannot poke it. A poll costs some
	 * 0.7 ms of CPU, most of it the server's. */
	POLL_SHARED_MS = 400,
	STALL_MAX_MS = 5000,
	CONNECT_MS = 1000,
	LEASE_MS = 6000,
	RENEW_MS = 2000,
	LEASE_MARGIN_MS = 500, /* clocks that do not run alike */
	SIZE_EVERY_MS = 5000,
	LAST_TURNS_MAX = 8, /* after relay_stop */
};

static const struct metric_family SIZE = {
	"todod_outbox_events",
	METRIC_GAUGE,
	"Events waiting in the outbox, of all partitions.",
};
static const struct metric_family AGE = {
	"todod_outbox_oldest_seconds",
	METRIC_GAUGE,
	"Age of the oldest event in the outbox.",
};
static const struct metric_family PARTITIONS = {
	"todod_outbox_partitions",
	METRIC_GAUGE,
	"Partitions of the outbox that this process publishes.",
};

struct relay {
	struct loop *loop;
	struct db *db;
	struct outbox_relay self;
	struct arena *arena; /* of one turn */
	struct relay_publisher publisher;
	struct fiber_wait *wait; /* resting; NULL: at work */
	bool is_running, is_stopping, is_poked;
	bool is_connected; /* the sidecar was ready */
	bool is_stall_told;
	unsigned n_stalls; /* steps in a row that failed; a poke does not end such a rest */
	unsigned n_last_turns;
	struct outbox_lease lease;
	int64_t ours_until_ms, renew_at_ms, size_at_ms, poll_ms;
	struct metric *size, *age, *partitions;
};

struct relay *relay_new(struct loop *l, struct db *db, struct sidecar *sidecar, bool stands_in)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->loop = l;
	r->db = db;
	r->self = (struct outbox_relay){ uuid_v7(), stands_in };
	r->poll_ms = POLL_BUSY_MS;
	r->arena = arena_new(TURN_ARENA_MAX);
	r->size = metric_get(&SIZE, "");
	r->age = metric_get(&AGE, "");
	r->partitions = metric_get(&PARTITIONS, "");
	if (relay_publisher_init(&r->publisher, sidecar) == 0 && r->arena != NULL)
		return r;
	relay_free(r);
	return NULL;
}

void relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	relay_publisher_done(&r->publisher);
	arena_free(r->arena);
	free(r);
}

bool relay_is_running(const struct relay *r)
{
	return r != NULL && r->is_running;
}

void relay_poke(struct relay *r)
{
	if (r == NULL)
		return;
	r->is_poked = true;
	if (r->wait != NULL && r->n_stalls == 0)
		fiber_wake(r->wait, 0);
}

void relay_stop(struct relay *r)
{
	if (r == NULL || r->is_stopping)
		return;
	r->is_stopping = true;
	if (r->wait != NULL)
		fiber_wake(r->wait, 0);
}

/* Told once, however often it fails again. The first step of all finds a connection in the making,
 * and says nothing. */
static int64_t stall(struct relay *r, const struct err *reason)
{
	bool is_start = r->renew_at_ms == 0 && r->n_stalls == 0;

	r->n_stalls++;
	if (!is_start && !r->is_stall_told) {
		r->is_stall_told = true;
		log_warn("outbox.stalled", LOG_CSTR("reason", reason->text),
			 LOG_CSTR("hint", "changes are kept and published later"));
	}
	return relay_backoff_ms(r->n_stalls, STALL_MAX_MS);
}

static void go_on(struct relay *r)
{
	if (r->is_stall_told)
		log_info("outbox.resumed", LOG_I64("failures", r->n_stalls));
	r->is_stall_told = false;
	r->n_stalls = 0;
}

/* What is published goes, and nothing else is read. */
static FIBER int take_away(struct relay *r, struct err *reterr)
{
	struct relay_publisher *p = &r->publisher;
	const struct outbox_turn turn = { .done = p->done, .n_done = p->n_done };
	const struct outbox_event *events;
	size_t n;
	int result = 0;

	if (p->n_done > 0)
		result = outbox_turn_wait(r->db, r->arena, &turn, &events, &n, reterr);
	if (result == 0)
		p->n_done = 0;
	return result;
}

/* Who gets a partition that is given back must not find there what was published. */
static FIBER int renew(struct relay *r, struct err *reterr)
{
	int64_t asked_ms = time_monotonic_ms();
	struct outbox_lease lease;
	int result = take_away(r, reterr);

	if (result == 0)
		result = outbox_lease_wait(r->db, &r->self, LEASE_MS, &lease, reterr);
	if (result < 0)
		return result;
	if (lease.parts != r->lease.parts)
		log_info("outbox.partitions", LOG_I64("held", __builtin_popcount(lease.parts)));
	r->lease = lease;
	r->ours_until_ms = asked_ms + LEASE_MS - LEASE_MARGIN_MS;
	r->renew_at_ms = asked_ms + RENEW_MS;
	metric_set(r->partitions, __builtin_popcount(lease.parts));
	return 0;
}

static FIBER int measure(struct relay *r, struct err *reterr)
{
	struct outbox_size size;
	int result = outbox_size_wait(r->db, &size, reterr);

	r->size_at_ms = time_monotonic_ms() + SIZE_EVERY_MS;
	if (result < 0)
		return result;
	metric_set(r->size, (double)size.n);
	metric_set(r->age, (double)size.oldest_us / 1e6);
	return 0;
}

static FIBER int connect_sidecar(struct relay *r, struct err *reterr)
{
	int result = sidecar_ready_wait(r->publisher.sidecar, CONNECT_MS, reterr);

	r->is_connected = result == 0;
	return result;
}

/* Reads, with what the turn before published taken away, and publishes. *ret_n: events read. */
static FIBER int take_turn(struct relay *r, size_t *ret_n, struct err *reterr)
{
	struct relay_publisher *p = &r->publisher;
	struct outbox_hold *holds =
		arena_alloc(r->arena, RELAY_HOLDS_MAX * sizeof(struct outbox_hold));
	const struct outbox_event *events = NULL;
	struct outbox_turn turn = { .done = p->done, .n_done = p->n_done, .holds = holds };

	*ret_n = 0;
	if (holds == NULL)
		return err_unavailable(reterr, 1, "out of memory");
	if (time_monotonic_ms() < r->ours_until_ms)
		turn.parts = r->lease.parts;
	if (turn.parts == 0 && turn.n_done == 0)
		return 0;
	turn.n_holds = relay_holds_list(&p->holds, time_monotonic_ms(), holds);
	int result = outbox_turn_wait(r->db, r->arena, &turn, &events, ret_n, reterr);
	if (result < 0)
		return result;
	p->n_done = 0;
	if (*ret_n == 0)
		return 0;
	result = relay_publish_wait(p, r->arena, events, *ret_n, r->ours_until_ms, reterr);
	if (result == -EAGAIN)
		r->is_connected = false;
	return result;
}

static FIBER int work(struct relay *r, size_t *ret_n, struct err *reterr)
{
	int result = r->is_connected ? 0 : connect_sidecar(r, reterr);

	*ret_n = 0;
	if (result == 0 && time_monotonic_ms() >= r->renew_at_ms)
		result = renew(r, reterr);
	if (result == 0 && time_monotonic_ms() >= r->size_at_ms)
		result = measure(r, reterr);
	if (result == 0)
		result = take_turn(r, ret_n, reterr);
	return result;
}

/* What must not wait until all is well again: taking away what is published, which would go out
 * twice, and the size of an outbox that nobody empties, which an alarm looks at. */
static FIBER int make_do(struct relay *r)
{
	struct err err = { .text = "" };
	int result = take_away(r, &err);

	if (result == 0 && time_monotonic_ms() >= r->size_at_ms)
		result = measure(r, &err);
	return result;
}

/* Milliseconds to rest; 0: at once again. < 0: the end. */
static FIBER int64_t step(struct relay *r)
{
	struct err err = { .text = "" };
	size_t n;

	arena_reset(r->arena);
	r->is_poked = false;
	int result = work(r, &n, &err);
	if (result == -ECANCELED)
		return result;
	if (result < 0 && (make_do(r) == -ECANCELED || r->is_stopping))
		return -ECANCELED;
	if (result < 0)
		return stall(r, &err);
	go_on(r);
	if (r->is_stopping && (n == 0 || ++r->n_last_turns > LAST_TURNS_MAX))
		return -ECANCELED;
	if (n > 0) {
		r->poll_ms = POLL_BUSY_MS;
		/* When nothing went well, what is held is left out from now on. */
		return r->publisher.n_done > 0 ? 0 : POLL_BUSY_MS;
	}
	int64_t pause_ms = r->poll_ms;
	int64_t max_ms = r->lease.is_shared ? POLL_SHARED_MS : POLL_IDLE_MS;
	r->poll_ms = 2 * pause_ms < max_ms ? 2 * pause_ms : max_ms;
	return pause_ms;
}

static FIBER int rest(struct relay *r, int64_t ms)
{
	struct fiber_wait wait;

	if (r->is_stopping || (r->is_poked && r->n_stalls == 0))
		return 0;
	fiber_wait_init(&wait);
	r->wait = &wait;
	int result = fiber_wait(&wait, "outbox.rest", ms);
	r->wait = NULL;
	return result == -ECANCELED ? result : 0;
}

static FIBER void run(void *arg)
{
	struct relay *r = arg;
	struct err err = { .text = "" };
	int64_t pause_ms = 0;

	while (pause_ms >= 0) {
		pause_ms = step(r);
		if (pause_ms > 0 && rest(r, pause_ms) < 0)
			pause_ms = -ECANCELED;
	}
	/* Others need not wait until it has run out. */
	if (r->renew_at_ms > 0 && outbox_release_wait(r->db, &r->self.id, &err) < 0)
		log_err(LOG_DEBUG, "outbox.not_released", &err);
	r->is_running = false;
}

int relay_start(struct relay *r, struct err *reterr)
{
	int result = fiber_spawn(r->loop, "outbox.relay", run, r, NULL, NULL);

	if (result < 0)
		return err_unavailable(reterr, 1, "no fiber for the outbox relay");
	r->is_running = true;
	return 0;
}
