/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of a turn have each user and topic once, so a batch may be published in part and in
 * any order. A failure holds exactly what may not be overtaken: the user's later events of that
 * topic, or, when the batch as a whole failed, the topic.
 */
#include "relay_publish_private.h"

#include "base/log.h"
#include "base/time.h"
#include "dapr/cloudevent.h"
#include "domain/event.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

static const struct metric_family PUBLISHED = {
	"todod_outbox_published_total",
	METRIC_COUNTER,
	"Events of the outbox that the broker took.",
};
static const struct metric_family FAILED = {
	"todod_outbox_failed_total",
	METRIC_COUNTER,
	"Events that the broker did not take, each time.",
};
static const struct metric_family HELD = {
	"todod_outbox_held_total",
	METRIC_COUNTER,
	"Times that events of a user, or of a topic, were made to wait after a failure.",
};
static const struct metric_family SECONDS = {
	"todod_outbox_publish_delay_seconds",
	METRIC_HISTOGRAM,
	"Time from the change of an event to the broker's acknowledgement.",
};

enum { WORDS_ARENA_MAX = 1024 * 1024 };

/* A batch of one topic; arrays in the arena of the turn. */
struct batch {
	struct str topic;
	const struct outbox_event **events;
	struct sidecar_entry *entries;
	bool *published;
	size_t n, bytes;
};

static struct metric *published_of(struct str topic)
{
	char name[64], labels[96];

	if (str_copy(name, sizeof(name), topic) < 0)
		name[0] = '\0';
	snprintf(labels, sizeof(labels), "topic=\"%s\"", name);
	return metric_get(&PUBLISHED, labels);
}

int relay_publisher_init(struct relay_publisher *p, struct sidecar *s)
{
	p->words = arena_new(WORDS_ARENA_MAX);
	p->sidecar = s;
	p->failed = metric_get(&FAILED, "");
	p->held = metric_get(&HELD, "");
	p->seconds = metric_get(&SECONDS, "");
	for (int t = 0; t < _EVENT_TOPIC_MAX; t++) /* counted from 0 on, not from the first one */
		published_of(event_topic_name((enum event_topic)t));
	return p->words != NULL ? 0 : -ENOMEM;
}

void relay_publisher_done(struct relay_publisher *p)
{
	arena_free(p->words);
}

/* Under the ids of the request that the event is from. */
static void log_published(struct arena *words_arena, const struct outbox_event *e,
			  struct str event_id)
{
	struct cloudevent_ids ids;

	if (!log_enabled(LOG_INFO))
		return;
	arena_reset(words_arena);
	cloudevent_ids_read(words_arena, e->event, &ids);
	const struct log_context *before = log_context_swap(&ids.request);
	log_info("event.published", LOG_STR("event_id", event_id), LOG_STR("topic", e->topic),
		 LOG_STR("type", ids.type));
	log_context_swap(before);
}

/* What failed once more waits; a table that is full makes its whole topic wait. */
static unsigned hold(struct relay_publisher *p, struct str topic, struct str user_id)
{
	int64_t now_ms = time_monotonic_ms();
	unsigned failures = relay_holds_add(&p->holds, topic, user_id, now_ms);

	if (failures == 0)
		failures = relay_holds_add(&p->holds, topic, STR(""), now_ms);
	metric_add(p->held, 1);
	return failures;
}

/* Of n events the line names one, under the ids of its request. */
static void warn_failed(struct arena *words_arena, const struct batch *b, size_t n, size_t named,
			const struct err *reason)
{
	struct cloudevent_ids ids;

	arena_reset(words_arena);
	cloudevent_ids_read(words_arena, b->events[named]->event, &ids);
	const struct log_context *before = log_context_swap(&ids.request);
	log_warn("outbox.not_published", LOG_STR("topic", b->topic), LOG_I64("events", (int64_t)n),
		 LOG_STR("event_id", b->entries[named].id), LOG_CSTR("reason", reason->text));
	log_context_swap(before);
}

/* The broker took some or all. */
static void settle(struct relay_publisher *p, const struct batch *b)
{
	static const struct err REASON = { .text = "the broker did not take it" };
	struct metric *published = published_of(b->topic);
	size_t n_failed = 0, n_new = 0, first_new = 0;
	bool topic_failed = relay_holds_topic_fails(&p->holds, b->topic);

	relay_holds_widen(&p->holds, b->topic, SIDECAR_ENTRIES_MAX);
	for (size_t i = 0; i < b->n; i++) {
		const struct outbox_event *e = b->events[i];

		if (!b->published[i]) {
			n_failed++;
			if (hold(p, e->topic, e->user_id) == 1 && n_new++ == 0)
				first_new = i;
			continue;
		}
		assert(p->n_done < OUTBOX_TURN_MAX);
		p->done[p->n_done++] = e->ref;
		relay_holds_clear(&p->holds, e->topic, e->user_id);
		metric_observe(p->seconds, (double)(time_now_us() - e->created_at_us) / 1e6);
		log_published(p->words, e, b->entries[i].id);
	}
	metric_add(published, b->n - n_failed);
	metric_add(p->failed, n_failed);
	if (n_new > 0)
		warn_failed(p->words, b, n_new, first_new, &REASON);
	if (topic_failed)
		log_info("outbox.topic_resumed", LOG_STR("topic", b->topic));
}

/*
 * None of the batch was taken. Alone it is that user's; of several, one may be to blame: smaller
 * batches find it. What the topic as a whole may not, or takes too long for, makes the topic wait.
 */
static void settle_failure(struct relay_publisher *p, const struct batch *b, int result,
			   const struct err *reason)
{
	bool is_alone = b->n == 1 && result != -EACCES;
	bool is_news = !relay_holds_topic_fails(&p->holds, b->topic);
	unsigned failures;

	metric_add(p->failed, b->n);
	if (result != -EACCES && b->n > 1 &&
	    relay_holds_narrow(&p->holds, b->topic, b->n, time_monotonic_ms()) &&
	    (result == -EINVAL || result == -EMSGSIZE))
		return; /* at once again, with fewer */
	failures = hold(p, b->topic, is_alone ? b->events[0]->user_id : STR(""));
	if (failures == 1 && is_news)
		warn_failed(p->words, b, b->n, 0, reason);
}

/* The topic of the first event that is not taken yet, with as many of it as fit. */
static int gather(struct relay_publisher *p, struct arena *arena, const struct outbox_event *events,
		  size_t n, bool *is_taken, struct batch *b)
{
	size_t first = 0;

	while (first < n && is_taken[first])
		first++;
	*b = (struct batch){ .n = 0 };
	if (first == n)
		return 0;
	b->topic = events[first].topic;
	size_t batch_max = relay_holds_batch_max(&p->holds, b->topic, SIDECAR_ENTRIES_MAX);
	b->events = arena_alloc(arena, n * sizeof(struct outbox_event *));
	b->entries = arena_alloc(arena, n * sizeof(*b->entries));
	b->published = arena_calloc(arena, n, sizeof(*b->published));
	char *ids = arena_alloc(arena, n * UUID_TEXT_SIZE);
	if (b->events == NULL || b->entries == NULL || b->published == NULL || ids == NULL)
		return -ENOMEM;
	for (size_t i = first; i < n; i++) {
		const struct outbox_event *e = &events[i];

		if (is_taken[i] || !str_eq(e->topic, b->topic))
			continue;
		is_taken[i] = true; /* also when it does not fit: the next turn reads it again */
		if (b->n >= batch_max ||
		    (b->n > 0 && b->bytes + e->event.n > RELAY_BATCH_BYTES_MAX))
			continue;
		char *id = ids + b->n * UUID_TEXT_SIZE;
		uuid_format(&e->event_id, id);
		b->entries[b->n] = (struct sidecar_entry){ str_from(id), e->user_id, e->event };
		b->bytes += e->event.n;
		b->events[b->n++] = e;
	}
	return 0;
}

int relay_publish_wait(struct relay_publisher *p, struct arena *arena,
		       const struct outbox_event *events, size_t n, int64_t until_ms,
		       struct err *reterr)
{
	bool *is_taken = arena_calloc(arena, n, sizeof(*is_taken));
	struct batch b;

	while (time_monotonic_ms() < until_ms) {
		int r = is_taken != NULL ? gather(p, arena, events, n, is_taken, &b) : -ENOMEM;
		if (r < 0)
			return err_unavailable(reterr, 1, "out of memory");
		if (b.n == 0)
			return 0;
		r = sidecar_publish_wait(p->sidecar, b.topic, b.entries, b.n, b.published, reterr);
		if (r == -ECANCELED)
			return r;
		if (r == 0)
			settle(p, &b);
		else if (r == -EAGAIN && !sidecar_is_up(p->sidecar))
			return r;
		else
			settle_failure(p, &b, r, reterr);
	}
	return 0;
}
