/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the relay lets wait: users' events of a topic, or a whole topic, each after a failure, for a
 * time that doubles with every further one. Pure, bounded, no allocation.
 */
#ifndef RELAY_HOLDS_PRIVATE_H
#define RELAY_HOLDS_PRIVATE_H

#include "base/str.h"
#include "store/outbox.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	RELAY_HOLDS_MAX = 256,
	RELAY_HOLD_FIRST_MS = 100,
	RELAY_HOLD_KEY_MAX_MS = 10 * 1000,
	RELAY_HOLD_TOPIC_MAX_MS = 5 * 1000,
	RELAY_HOLD_FORGET_MS = 10 * 60 * 1000, /* after it ended, without another word of it */
};

struct relay_hold {
	char topic[64];
	char user_id[129]; /* "": the whole topic */
	unsigned failures;
	int64_t until_ms;
	size_t batch_max; /* of a topic, while one that spoils a batch is looked for; 0: no bound */
};

struct relay_holds {
	struct relay_hold v[RELAY_HOLDS_MAX];
	size_t n;
};

/* The nth pause in a row, counted from 1: it doubles from RELAY_HOLD_FIRST_MS up to max_ms. */
int64_t relay_backoff_ms(unsigned failures, int64_t max_ms);
/* One more failure. How many in a row; 0: a name is too long, or there is no room (for a user; for
 * a topic a user's hold gives way). */
unsigned relay_holds_add(struct relay_holds *h, struct str topic, struct str user_id,
			 int64_t now_ms);
/* It went well with this user's. */
void relay_holds_clear(struct relay_holds *h, struct str topic, struct str user_id);

/*
 * A batch that fails as a whole may do so because of one event in it: batches of the topic are
 * halved until it stands alone, and grow again with each that goes well.
 */
size_t relay_holds_batch_max(struct relay_holds *h, struct str topic, size_t most);
/* A batch of n failed; false: no room to remember. */
bool relay_holds_narrow(struct relay_holds *h, struct str topic, size_t n, int64_t now_ms);
/* A batch went well: the topic is not held. */
void relay_holds_widen(struct relay_holds *h, struct str topic, size_t most);
/* The topic has failed and not gone well since. */
bool relay_holds_topic_fails(struct relay_holds *h, struct str topic);
/* Those that still last, as views into h; how many. */
size_t relay_holds_list(struct relay_holds *h, int64_t now_ms,
			struct outbox_hold ret[RELAY_HOLDS_MAX]);

#endif
