/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events that a change leaves: of the task for those who act on it, of the task for screens, of
 * its reminders, of the user's preferences. Pure.
 */
#ifndef DOMAIN_TASK_EVENT_H
#define DOMAIN_TASK_EVENT_H

#include "base/buf.h"
#include "domain/event.h"
#include "domain/preferences.h"
#include "domain/task.h"
#include "domain/task_input.h"

enum task_event_kind {
	TASK_EVENT_CREATED,
	TASK_EVENT_UPDATED,
	TASK_EVENT_COMPLETED,
	TASK_EVENT_REOPENED,
	TASK_EVENT_DELETED,
	TASK_EVENT_RECURRED, /* created as the next instance of a recurring task */
	_TASK_EVENT_KIND_MAX,
};

/* before NULL: created, after NULL: deleted. A change of `completed` outranks what else changed. */
enum task_event_kind task_event_kind_of(const struct task *before, const struct task *after);
/* "task.created" ... */
struct str task_event_type(enum task_event_kind k);

/*
 * Each of these appends one whole event under the id and time of *e, whose topic, type, task and
 * sequence they set. before NULL: created, or recurred. For deleted, after is the task as it was
 * last, with version + 1.
 */
void task_event_write(struct buf *out, const struct event_origin *origin, struct event *e,
		      enum task_event_kind kind, const struct task *before,
		      const struct task *after);
/* task.state_changed */
void task_update_write(struct buf *out, const struct event_origin *origin, struct event *e,
		       enum task_event_kind kind, const struct task *before,
		       const struct task *after);
/*
 * The two above of the same change, e[0] into out[0] and e[1] into out[1]. Task and changes are
 * rendered once; *ret_task is the task, a view into out[0].
 */
void task_events_write(struct buf *const out[2], const struct event_origin *origin,
		       struct event e[2], enum task_event_kind kind, const struct task *before,
		       const struct task *after, struct str *ret_task);
/* reminder.scheduled or reminder.cancelled */
void reminder_event_write(struct buf *out, const struct event_origin *origin, struct event *e,
			  bool is_scheduled, const struct reminder *reminder,
			  const struct task *task);
/* reminder.trigger of one whose time was over late_by_s seconds ago */
void reminder_trigger_write(struct buf *out, const struct event_origin *origin, struct event *e,
			    const struct reminder *reminder, const struct task *task,
			    int64_t late_by_s);

enum { TASK_EVENTS_MAX = 2 + REMINDER_CHANGES_MAX, TASK_EVENT_BYTES_MAX = 64 * 1024 };

/*
 * All events of a change: the two of the task, then what happened to its reminders; the time of
 * each is after's, and new_id gives their ids. before NULL: created or recurred; for deleted as
 * above. *ret_task is the task as JSON; everything lives in the arena. 0 or -ENOMEM.
 */
int task_events_render(struct arena *arena, const struct event_origin *origin,
		       struct uuid (*new_id)(void), enum task_event_kind kind,
		       const struct task *before, const struct task *after,
		       struct event ret[TASK_EVENTS_MAX], size_t *ret_n,
		       struct str *ret_task) MUST_CHECK;
/* preferences.changed */
void preferences_event_write(struct buf *out, const struct event_origin *origin, struct event *e,
			     const struct preferences *preferences);

#endif
