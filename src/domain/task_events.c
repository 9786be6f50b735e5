/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change as all the events that tell of it, for whoever stores them with it.
 */
#include "domain/task_event.h"

#include <errno.h>

/* An event to be, and the buffer it is rendered into. */
static struct buf *begin_event(struct arena *arena, struct uuid (*new_id)(void), int64_t at_us,
			       struct event *e)
{
	*e = (struct event){ .id = new_id(), .at_us = at_us };
	return arena_buf(arena, TASK_EVENT_BYTES_MAX);
}

static int end_event(struct event *e, const struct buf *out)
{
	if (out == NULL || buf_status(out) < 0)
		return -ENOMEM;
	e->json = buf_str(out);
	return 0;
}

static int render_of_task(struct arena *arena, const struct event_origin *origin,
			  struct uuid (*new_id)(void), enum task_event_kind kind,
			  const struct task *before, const struct task *after, struct event ret[2],
			  struct str *ret_task)
{
	struct buf *const out[] = { begin_event(arena, new_id, after->updated_at_us, &ret[0]),
				    begin_event(arena, new_id, after->updated_at_us, &ret[1]) };

	if (out[0] == NULL || out[1] == NULL)
		return -ENOMEM;
	task_events_write(out, origin, ret, kind, before, after, ret_task);
	return end_event(&ret[0], out[0]) < 0 ? -ENOMEM : end_event(&ret[1], out[1]);
}

static int render_of_reminder(struct arena *arena, const struct event_origin *origin,
			      struct uuid (*new_id)(void), const struct reminder_change *change,
			      const struct task *task, struct event *ret)
{
	struct buf *out = begin_event(arena, new_id, task->updated_at_us, ret);

	if (out != NULL)
		reminder_event_write(out, origin, ret, change->is_scheduled, &change->reminder,
				     task);
	return end_event(ret, out);
}

int task_events_render(struct arena *arena, const struct event_origin *origin,
		       struct uuid (*new_id)(void), enum task_event_kind kind,
		       const struct task *before, const struct task *after,
		       struct event ret[TASK_EVENTS_MAX], size_t *ret_n, struct str *ret_task)
{
	struct reminder_change changes[REMINDER_CHANGES_MAX];
	int r = render_of_task(arena, origin, new_id, kind, before, after, ret, ret_task);
	size_t n =
		task_reminder_changes(before, kind == TASK_EVENT_DELETED ? NULL : after, changes);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = render_of_reminder(arena, origin, new_id, &changes[i], after, &ret[2 + i]);
	if (r == 0)
		*ret_n = 2 + n;
	return r;
}
