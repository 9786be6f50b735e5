/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distances of reminders are by the wall clock, as the series itself: 20:00 on the evening before
 * stays 20:00 on the evening before, whatever the zone does in between.
 */
#include "domain/task_next.h"

#include <errno.h>

static int64_t reading_s(const struct task_date *d, const struct tz *tz)
{
	struct civil local = task_date_civil(d, tz);

	return time_civil_to_s(&local);
}

/* As far from `to` as at_us is from `from`, and within the years there are. */
static int64_t shift_us(int64_t at_us, const struct task_date *from, const struct task_date *to,
			const struct tz *tz)
{
	const struct task_date at = { TASK_DATE_INSTANT, at_us, 0 };
	int64_t moved_s = reading_s(&at, tz) + reading_s(to, tz) - reading_s(from, tz);
	int64_t rest_us = at_us % TIME_US_PER_S, s;
	int64_t first_s = TIME_MIN_US / TIME_US_PER_S + TIME_S_PER_DAY;
	int64_t last_s = TIME_MAX_US / TIME_US_PER_S - TIME_S_PER_DAY;
	struct civil local;

	moved_s = moved_s < last_s ? moved_s : last_s;
	time_civil_from_s(moved_s > first_s ? moved_s : first_s, &local);
	tz_from_local(tz, &local, &s);
	return s * TIME_US_PER_S + rest_us + (rest_us < 0 ? TIME_US_PER_S : 0);
}

static struct reminder copy_reminder(const struct task_next *n, const struct task *next,
				     const struct reminder *r, const struct tz *tz)
{
	struct reminder copy = {
		.id = n->new_id(),
		.task_id = n->id,
		.offset_minutes = r->offset_minutes,
		.channels = r->channels,
		.has_own_channels = r->has_own_channels,
		.version = 1,
	};

	if (r->offset_minutes != REMINDER_NO_OFFSET)
		copy.remind_at_us = task_date_before_us(&next->due, r->offset_minutes, tz);
	else
		copy.remind_at_us = shift_us(r->remind_at_us, &n->done->due, &next->due, tz);
	copy.status = copy.remind_at_us > n->now_us ? REMINDER_PENDING : REMINDER_CANCELLED;
	return copy;
}

static int copy_reminders(struct arena *arena, const struct task_next *n, const struct tz *tz,
			  struct task *next)
{
	struct reminder *list = arena_alloc(arena, n->done->n_reminders * sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n->done->n_reminders; i++)
		list[i] = copy_reminder(n, next, &n->done->reminders[i], tz);
	reminders_sort(list, n->done->n_reminders);
	next->reminders = list;
	return 0;
}

int task_next_make(struct arena *arena, const struct task_next *n, struct task *ret)
{
	const struct tz *tz = task_tz(n->done);
	struct task next = *n->done;

	if (!n->done->completed ||
	    !task_next_due(n->done, n->done->completed_at_us, n->now_us, &next.due))
		return 0;
	next.id = n->id;
	next.completed = false;
	next.completed_at_us = 0;
	next.overdue_at_us = task_date_overdue_us(&next.due, tz);
	next.occurrence = n->done->occurrence + 1;
	next.parent_task_id = n->done->id;
	next.created_at_us = next.updated_at_us = n->now_us;
	next.version = 1;
	if (copy_reminders(arena, n, tz, &next) < 0)
		return -ENOMEM;
	*ret = next;
	return 1;
}
