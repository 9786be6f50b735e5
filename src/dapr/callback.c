/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sidecar reads to know which events an app wants. It asks once in its life, so the answer
 * is made from tables that are there before anything is opened. Each subscription has its own path:
 * an event must never meet a 404, which means "lost" to some versions.
 */
#include "dapr/callback.h"

#include "base/json_out.h"

#include <assert.h>
#include <stdio.h>

enum { PATH_SIZE = 128 };

struct str subscription_path(const struct subscription *s, char out[128])
{
	int n = snprintf(out, PATH_SIZE, "/events/%s", s->topic);

	assert(n > 0 && n < PATH_SIZE); /* topics are constants of roles */
	return (struct str){ out, (size_t)n };
}

static void write_subscription(struct json_out *o, const char *pubsub, const struct subscription *s)
{
	char path[PATH_SIZE];

	json_begin_object(o);
	json_key_str(o, STR("pubsubname"), str_from(pubsub));
	json_key_str(o, STR("topic"), str_from(s->topic));
	json_key(o, STR("routes"));
	json_begin_object(o);
	json_key_str(o, STR("default"), subscription_path(s, path));
	json_end_object(o);
	if (s->dead_letter)
		json_key_str(o, STR("deadLetterTopic"), str_from(s->dead_letter));
	if (s->raw) {
		json_key(o, STR("metadata"));
		json_begin_object(o);
		json_key_str(o, STR("rawPayload"), STR("true"));
		json_end_object(o);
	}
	json_end_object(o);
}

void subscriptions_write(struct buf *out, const char *pubsub, const struct subscription *table)
{
	struct json_out o;

	json_out_init(&o, out);
	json_begin_array(&o);
	for (; table && table->topic; table++)
		write_subscription(&o, pubsub, table);
	json_end_array(&o);
}
