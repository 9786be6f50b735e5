/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many mails at a time, and how many of a user's in a day.
 */
#include "mailing_private.h"

#include "base/json.h"
#include "base/time.h"

#include <errno.h>

enum {
	COUNT_TTL_S = 2 * DAY_S,
	PLACE_PAUSE_MAX_S = 55, /* the sweep triggers what nobody told of for longer */
};

/* ---- places ---- */

int mailing_take_place(struct mailing *m, int64_t attempt)
{
	struct notifier *n = m->n;
	bool has_place = false;

	for (const struct mailing *p = n->placed; p != NULL; p = p->next) {
		if (p != m && p->attempt == attempt && str_eq(p->id, m->id))
			return -EALREADY;
		has_place = has_place || p == m;
	}
	if (!has_place && n->n_placed >= n->places_max)
		return -EBUSY;
	m->attempt = attempt;
	if (has_place)
		return 0;
	m->next = n->placed;
	n->placed = m;
	n->n_placed++;
	return 0;
}

/* If all came back together, most would find no place again. */
int64_t mailing_place_pause_s(struct notifier *n)
{
	int64_t now_ms = time_monotonic_ms(), max_ms = PLACE_PAUSE_MAX_S * INT64_C(1000);

	if (n->queue_end_ms < now_ms)
		n->queue_end_ms = now_ms;
	n->queue_end_ms += n->mail_ms / n->places_max + 1;
	if (n->queue_end_ms > now_ms + max_ms)
		n->queue_end_ms = now_ms + max_ms;
	return (n->queue_end_ms - now_ms + 999) / 1000;
}

void mailing_leave_place(struct mailing *m)
{
	struct mailing **p = &m->n->placed;

	while (*p != NULL && *p != m)
		p = &(*p)->next;
	if (*p == NULL)
		return;
	*p = m->next;
	m->n->n_placed--;
}

/* ---- counting ---- */

struct count {
	struct json_i64 n;
};

static const struct json_field COUNT[] = {
	JSON_FIELD(struct count, n, "n", JSON_KIND_I64),
	JSON_FIELD_END,
};

static FIBER int count_once(struct notifier *n, struct arena *arena, struct str key, int64_t max,
			    struct err *reterr)
{
	struct count count = { .n = { .state = JSON_ABSENT } };
	struct sidecar_state stored;
	int r = sidecar_state_get_wait(n->sidecar, arena, key, &stored, reterr);

	if (r < 0)
		return r;
	if (stored.found && json_parse(arena, stored.value, "count", COUNT, &count, NULL) < 0)
		count.n.v = 0;
	if (count.n.v >= max)
		return -EDQUOT;
	struct str value = arena_printf(arena, "{\"n\":%lld}", (long long)count.n.v + 1);
	if (value.p == NULL)
		return notifier_no_memory(reterr);
	return sidecar_state_put_wait(n->sidecar, key, value, stored.etag, !stored.found,
				      COUNT_TTL_S, reterr);
}

FIBER int mailing_count_wait(struct notifier *n, struct arena *arena, struct str user_id,
			     const char *what, int64_t max, struct err *reterr)
{
	int64_t day = time_now_us() / TIME_US_PER_S / DAY_S;
	struct str name = arena_printf(arena, "%s/%lld", what, (long long)day);
	struct str key = name.p != NULL ? sidecar_user_key(arena, user_id, name) : name;
	int r = -EEXIST;

	if (key.p == NULL)
		return notifier_no_memory(reterr);
	for (int tries = 0; r == -EEXIST && tries < STATE_TRIES_MAX; tries++)
		r = count_once(n, arena, key, max, reterr);
	return r == -EEXIST ? err_unavailable(reterr, 1, "mails are being counted") : r;
}
