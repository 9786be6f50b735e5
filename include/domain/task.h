/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a task is, and how the API shows it. Pure: no I/O, no clock of its own. What clients may
 * send is in domain/task_input.h.
 */
#ifndef DOMAIN_TASK_H
#define DOMAIN_TASK_H

#include "base/err.h"
#include "base/json_out.h"
#include "base/str.h"
#include "base/tz.h"
#include "base/uuid.h"
#include "domain/reminder.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	TASK_TITLE_MAX = 200,	     /* code points */
	TASK_DESCRIPTION_MAX = 1000, /* code points */
	TASK_QUOTA = 10000,	     /* tasks of one user */
};

enum task_priority { TASK_LOW, TASK_MEDIUM, TASK_HIGH, TASK_URGENT, _TASK_PRIORITY_MAX };

enum task_date_kind {
	TASK_DATE_NONE,
	TASK_DATE_INSTANT,
	TASK_DATE_DAY, /* all of a day in the task's zone */
};

struct task_date {
	enum task_date_kind kind;
	int64_t at_us; /* the instant; of a day, its local midnight */
	int64_t day;   /* TASK_DATE_DAY: days since 1970-01-01; else 0 */
};

enum task_recurrence_mode {
	TASK_RECUR_DUE,	       /* the next date is the next of the schedule */
	TASK_RECUR_COMPLETION, /* the schedule starts anew when the task is done */
	_TASK_RECUR_MAX,
};

struct task {
	int64_t id;
	struct str user_id;
	struct str title;
	struct str description; /* .p NULL: none */
	bool completed;
	enum task_priority priority;
	const struct str *tags; /* names, in the order the user gave them */
	size_t n_tags;
	struct task_date due;
	int64_t overdue_at_us;		  /* with a due date: from when on it is overdue */
	struct str time_zone;		  /* IANA; .p NULL: none */
	const struct reminder *reminders; /* soonest first */
	size_t n_reminders;

	struct str recurrence_rule; /* canonical RRULE; .p NULL: the task does not recur */
	enum task_recurrence_mode recurrence_mode;
	struct task_date recurrence_end; /* no instance later than this */
	struct uuid series_id;		 /* with a rule: of all its instances */
	int64_t series_start_s;		 /* with a rule: the wall-clock reading of the series' first
					    date, in seconds as if it were UTC */
	int64_t occurrence;		 /* number in the series, from 1; 0: in none */
	int64_t parent_task_id;		 /* the instance before; 0: none */

	int64_t created_at_us, updated_at_us;
	int64_t completed_at_us; /* 0: not completed */
	int64_t version;	 /* 1 at first, one more with each change */
};

extern const struct err_kind ERR_TASK_NOT_FOUND; /* 404 */
extern const struct err_kind ERR_TASK_QUOTA;	 /* 422 */

/* "low" ... "urgent". */
struct str task_priority_name(enum task_priority p);
/* Also the old names "critical" and "normal". 0 or -EINVAL. */
int task_priority_parse(struct str name, enum task_priority *ret) MUST_CHECK;
struct str task_recurrence_mode_name(enum task_recurrence_mode m);
/* "daily", "weekly", "monthly" or "yearly" if that is what the canonical rule says; else .p NULL.
 */
struct str task_recurrence_word(struct str rule_text);

/* The task as a JSON object, in the key order of the API. */
void task_write_json(struct json_out *o, const struct task *t);
/* The keys of that object, without its braces, for an object that has more. */
void task_write_fields(struct json_out *o, const struct task *t);
/*
 * {"field": {"before", "after"}} for each field a client can change that shows differently. before
 * NULL: a new task, so all that is neither null nor empty. 0 or -ENOMEM.
 */
int task_write_changes(struct json_out *o, const struct task *before,
		       const struct task *after) MUST_CHECK;
bool task_same_content(const struct task *a, const struct task *b);

/*
 * Reads a date as the API takes it: YYYY-MM-DD, or an RFC 3339 date-time, which without an offset
 * is a reading in tz. 422 for `field` when it is neither, does not exist, or is outside the years 1
 * to 9999 as an instant.
 */
int task_date_parse(struct str text, const struct tz *tz, const char *field, struct task_date *ret,
		    struct err *reterr) MUST_CHECK;
/* "2026-12-24" or an RFC 3339 instant in UTC; null without a date. */
void task_date_write_json(struct json_out *o, const struct task_date *d);
bool task_date_same(const struct task_date *a, const struct task_date *b);
/* The wall-clock reading in the zone; of a day, its midnight. */
struct civil task_date_civil(const struct task_date *d, const struct tz *tz);
/* A day begins at its local midnight, wherever that is now. */
void task_date_set_day(struct task_date *d, int64_t day, const struct tz *tz);
/* The zone a task's dates are in; UTC without one, or where its name is no longer known. */
const struct tz *task_tz(const struct task *t);

/* Of an instant, itself; of a day, the midnight after it. */
int64_t task_date_overdue_us(const struct task_date *d, const struct tz *tz);
/* So many minutes before the task is due by the clock's reading; a day counts as due at 09:00. No
 * earlier than there are times to show. */
int64_t task_date_before_us(const struct task_date *d, int64_t minutes, const struct tz *tz);

/*
 * The due date of the instance that follows a recurring task done at done_us: later than then, than
 * now_us and, in mode due, than its own date. False when it does not recur or this was the last.
 */
bool task_next_due(const struct task *t, int64_t done_us, int64_t now_us, struct task_date *ret);

#endif
