/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A short array is enough: holds exist only while something fails.
 */
#include "relay_holds_private.h"

static struct relay_hold *find(struct relay_holds *h, struct str topic, struct str user_id)
{
	for (size_t i = 0; i < h->n; i++) {
		if (str_eq(str_from(h->v[i].topic), topic) &&
		    str_eq(str_from(h->v[i].user_id), user_id))
			return &h->v[i];
	}
	return NULL;
}

static void forget_old(struct relay_holds *h, int64_t now_ms)
{
	for (size_t i = 0; i < h->n;) {
		if (h->v[i].until_ms + RELAY_HOLD_FORGET_MS < now_ms)
			h->v[i] = h->v[--h->n];
		else
			i++;
	}
}

static struct relay_hold *add(struct relay_holds *h, struct str topic, struct str user_id,
			      int64_t now_ms)
{
	struct relay_hold fresh = { .failures = 0 };

	if (h->n == RELAY_HOLDS_MAX)
		forget_old(h, now_ms);
	if (h->n == RELAY_HOLDS_MAX && user_id.n == 0)
		h->n--; /* a topic covers its users, and must find room */
	if (h->n == RELAY_HOLDS_MAX || str_copy(fresh.topic, sizeof(fresh.topic), topic) < 0 ||
	    str_copy(fresh.user_id, sizeof(fresh.user_id), user_id) < 0)
		return NULL;
	h->v[h->n] = fresh;
	return &h->v[h->n++];
}

int64_t relay_backoff_ms(unsigned failures, int64_t max_ms)
{
	int64_t ms = RELAY_HOLD_FIRST_MS;

	for (unsigned i = 1; i < failures && ms < max_ms; i++)
		ms *= 2;
	return ms < max_ms ? ms : max_ms;
}

unsigned relay_holds_add(struct relay_holds *h, struct str topic, struct str user_id,
			 int64_t now_ms)
{
	struct relay_hold *hold = find(h, topic, user_id);

	if (hold == NULL)
		hold = add(h, topic, user_id, now_ms);
	if (hold == NULL)
		return 0;
	hold->failures++;
	hold->until_ms =
		now_ms + relay_backoff_ms(hold->failures, user_id.n > 0 ? RELAY_HOLD_KEY_MAX_MS
									: RELAY_HOLD_TOPIC_MAX_MS);
	return hold->failures;
}

void relay_holds_clear(struct relay_holds *h, struct str topic, struct str user_id)
{
	struct relay_hold *hold = find(h, topic, user_id);

	if (hold != NULL)
		*hold = h->v[--h->n];
}

size_t relay_holds_batch_max(struct relay_holds *h, struct str topic, size_t most)
{
	const struct relay_hold *hold = find(h, topic, STR(""));

	return hold != NULL && hold->batch_max > 0 ? hold->batch_max : most;
}

bool relay_holds_narrow(struct relay_holds *h, struct str topic, size_t n, int64_t now_ms)
{
	struct relay_hold *hold = find(h, topic, STR(""));

	if (hold == NULL)
		hold = add(h, topic, STR(""), now_ms);
	if (hold != NULL)
		hold->batch_max = n > 1 ? n / 2 : 1;
	return hold != NULL;
}

void relay_holds_widen(struct relay_holds *h, struct str topic, size_t most)
{
	struct relay_hold *hold = find(h, topic, STR(""));

	if (hold == NULL)
		return;
	hold->batch_max *= 2;
	hold->failures = 0;
	hold->until_ms = 0;
	if (hold->batch_max == 0 || hold->batch_max >= most)
		*hold = h->v[--h->n];
}

bool relay_holds_topic_fails(struct relay_holds *h, struct str topic)
{
	const struct relay_hold *hold = find(h, topic, STR(""));

	return hold != NULL && hold->failures > 0;
}

size_t relay_holds_list(struct relay_holds *h, int64_t now_ms,
			struct outbox_hold ret[RELAY_HOLDS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (h->v[i].until_ms > now_ms)
			ret[n++] = (struct outbox_hold){ str_from(h->v[i].topic),
							 str_from(h->v[i].user_id) };
	}
	return n;
}
