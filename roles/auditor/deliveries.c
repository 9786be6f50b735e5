/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events become rows of the trail; dead letters become rows of their own. A delivery is done when
 * its row is committed. While the database is away it waits a little, since a 503 costs a retry and
 * after three of them a dead letter.
 */
#include "auditor_private.h"

#include "app/delivery.h"
#include "base/log.h"
#include "base/time.h"
#include "store/dead_letters.h"

#include <errno.h>

static const struct str DEAD_PREFIX = STR_INIT("dlq.");

/* ---- events ---- */

/* Events of a task come in order and without a hole; a hole is a lost event. */
static void count_gap(struct auditor *a, const struct audit_event *e,
		      const struct audit_appended *appended)
{
	int64_t last = appended->sequence == AUDIT_NONE ? 0 : appended->sequence;

	if (appended->is_known || e->task_id == AUDIT_NONE || e->sequence == AUDIT_NONE ||
	    !str_eq(e->topic, STR("task-events")) || e->sequence <= last + 1)
		return;
	metric_add(a->gaps, (uint64_t)(e->sequence - last - 1));
	log_warn("audit.gap", LOG_STR("event_id", e->event_id), LOG_I64("task_id", e->task_id),
		 LOG_I64("last", last), LOG_I64("sequence", e->sequence));
}

static FIBER int append(struct auditor *a, struct arena *arena, const struct audit_event *e,
			struct audit_appended *ret, struct err *reterr)
{
	int64_t until_ms = time_monotonic_ms() + DELIVERY_WAIT_MS, pause_ms = 0;
	int r;

	do
		r = audit_append_wait(a->audit, arena, e, ret, reterr);
	while (delivery_wait_again(r, until_ms, &pause_ms));
	if (r == -EEXIST) {
		metric_add(a->refused, 1);
		log_warn("audit.refused", LOG_STR("event_id", e->event_id),
			 LOG_STR("topic", e->topic), LOG_CSTR("reason", reterr->text));
	}
	return r == -EEXIST || r == -EDOM ? -EINVAL : r;
}

FIBER int auditor_on_event(struct app *app, const struct delivery *d, struct err *reterr)
{
	struct auditor *a = auditor_of(app);
	struct audit_appended appended = { .is_known = false };
	struct audit_event e;
	int r = auditor_read_event(d->arena, d->topic, &d->event, &e, reterr);

	if (r == 0)
		r = append(a, d->arena, &e, &appended, reterr);
	if (r < 0)
		return r;
	count_gap(a, &e, &appended);
	/* Only what comes so late may be the replay of a dead letter; half, for clocks that differ.
	 */
	if (time_now_us() - e.at_us < a->replay_after_ms * 1000 / 2)
		return 0;
	return dead_letter_resolve_wait(a->db, e.event_id, e.identity, reterr);
}

/* ---- dead letters ---- */

static struct str without_prefix(struct str topic)
{
	if (!str_starts(topic, DEAD_PREFIX))
		return topic;
	return (struct str){ topic.p + DEAD_PREFIX.n, topic.n - DEAD_PREFIX.n };
}

/* What is known of the record; strings and hash live in the arena. 0: it is an event that can be
 * replayed; 1: it is not, and reason says why; -ENOMEM. */
static int describe(struct arena *arena, struct str topic, struct str record,
		    struct dead_letter *ret, uint8_t hash[SHA256_SIZE])
{
	struct err why = { .text = "" };
	struct cloudevent ce = { .id = { NULL, 0 } };
	struct audit_event e;
	int r = cloudevent_parse(arena, record, &ce, &why);

	ret->event_id = ce.id;
	if (r == 0)
		r = auditor_read_event(arena, topic, &ce, &e, &why);
	if (r == -ENOMEM)
		return r;
	ret->reason = STR("a consumer refused it, or was away for too long");
	if (r == 0) {
		ret->user_id = e.user_id;
		memcpy(hash, e.identity, SHA256_SIZE);
		return 0;
	}
	ret->reason = why.field[0] ? arena_printf(arena, "%s: %s", why.field, why.text)
				   : arena_printf(arena, "%s", why.text);
	return ret->reason.p == NULL || hash_sha256(record, hash) < 0 ? -ENOMEM : 1;
}

static FIBER int store_letter(struct auditor *a, const struct dead_letter *d,
			      int64_t replay_after_ms, struct err *reterr)
{
	int64_t until_ms = time_monotonic_ms() + DELIVERY_WAIT_MS, pause_ms = 0;
	int r;

	do
		r = dead_letter_store_wait(a->db, d, replay_after_ms, reterr);
	while (delivery_wait_again(r, until_ms, &pause_ms));
	/* There is no dead letter of a dead letter: it comes again until it is kept. */
	return r == -EINVAL || r == -EDOM ? -EIO : r;
}

FIBER int auditor_on_dead_letter(struct app *app, const struct delivery *d, struct err *reterr)
{
	struct auditor *a = auditor_of(app);
	struct dead_letter letter = { .id = uuid_v7(), .topic = without_prefix(d->topic) };
	uint8_t hash[SHA256_SIZE];
	int r = auditor_read_record(d->arena, d->body, &letter.body);

	if (r == 0)
		r = describe(d->arena, letter.topic, letter.body, &letter, hash);
	if (r < 0)
		return err_unavailable(reterr, 1, "out of memory");
	/* Screens read what they missed; an old update would be wrong by now. */
	bool is_replayable = r == 0 && !str_eq(letter.topic, STR("task-updates"));
	letter.record = (struct str){ (const char *)hash, sizeof(hash) };
	r = store_letter(a, &letter, is_replayable ? a->replay_after_ms : 0, reterr);
	if (r < 0)
		return r;
	metric_add(a->letters, 1);
	struct cloudevent_ids ids;
	cloudevent_ids_read(d->arena, letter.body, &ids);
	const struct log_context *before = log_context_swap(&ids.request);
	log_warn("dead_letter.stored", LOG_STR("topic", letter.topic),
		 LOG_STR("event_id", letter.event_id), LOG_BOOL("replayable", is_replayable),
		 LOG_STR("reason", letter.reason));
	log_context_swap(before);
	return 0;
}

const struct subscription AUDITOR_SUBSCRIPTIONS[] = {
	{ "task-events", "dlq.task-events", false, auditor_on_event },
	{ "reminders", "dlq.reminders", false, auditor_on_event },
	{ "dlq.task-events", NULL, true, auditor_on_dead_letter },
	{ "dlq.reminders", NULL, true, auditor_on_dead_letter },
	{ "dlq.task-updates", NULL, true, auditor_on_dead_letter },
	{ .topic = NULL },
};
