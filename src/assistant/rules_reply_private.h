/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of answers, which rules_reply.c puts together.
 */
#ifndef ASSISTANT_RULES_REPLY_PRIVATE_H
#define ASSISTANT_RULES_REPLY_PRIVATE_H

#include "assistant/rules_reply.h"
#include "rules_private.h"

/* Without line ends, hidden marks and what Markdown would take for its own. */
void reply_put_text(struct buf *out, struct str s);
void reply_put_title(struct buf *out, struct str title); /* bold */
/* "Fri 20 Mar", with the year when it is not the one people think of. */
void reply_put_day(struct buf *out, const struct civil *at, bool with_weekday,
		   const struct due_context *ctx);
void reply_put_when(struct buf *out, const struct due_value *v, const struct due_context *ctx);
void reply_put_length(struct buf *out, struct str iso);
void reply_put_minutes(struct buf *out, int64_t minutes);
void reply_put_rule(struct buf *out, struct str rrule, const struct due_value *first);
void reply_put_tags(struct buf *out, const struct rules_tags *tags);
/* "overdue tasks tagged #work due until Fri 20 Mar" */
void reply_put_filter(struct buf *out, const struct rules_filter *f, const struct due_context *ctx);

#endif
