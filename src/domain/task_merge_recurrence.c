/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule of a task, its series and its first date. A rule, mode or zone that changes starts a new
 * series at the task's due date. Another due date moves the series while this is its first
 * instance, and later only this instance.
 */
#include "task_merge_private.h"

#include "domain/recurrence.h"

#include <errno.h>

/* A rule as it was sent: text is canonical, .p NULL for null. */
struct sent_rule {
	bool is_given, is_changed;
	struct str text;
	const char *field;
};

static int take_rule(const struct merging *m, const struct input_text *sent,
		     const struct recurrence *rule, struct sent_rule *ret)
{
	char text[RECURRENCE_FORMAT_SIZE];

	size_t n = recurrence_format(rule, text);
	ret->text = arena_dup(m->arena, (struct str){ text, n });
	ret->field = sent->field;
	return ret->text.p != NULL ? 0 : task_merge_out_of_memory(m);
}

/* rule is room for a rule being read. */
static int read_rule(const struct merging *m, struct recurrence *rule, struct sent_rule *ret)
{
	const struct input_text *sent = &m->in->recurrence_rule;
	struct str before = m->after->recurrence_rule;

	*ret = (struct sent_rule){ .is_given = sent->state != JSON_ABSENT };
	if (sent->state == JSON_SET) {
		int r = recurrence_parse(sent->v, sent->field, rule, m->reterr);
		if (r == 0)
			r = take_rule(m, sent, rule, ret);
		if (r < 0)
			return r;
	}
	ret->is_changed = ret->is_given && (ret->text.p == NULL) == (before.p != NULL);
	if (ret->text.p != NULL && before.p != NULL)
		ret->is_changed = !str_eq(ret->text, before);
	return 0;
}

static int check_interval(const struct merging *m)
{
	const struct json_i64 *interval = &m->in->recurrence_interval;

	if (interval->state != JSON_SET ||
	    (interval->v >= 1 && interval->v <= RECURRENCE_INTERVAL_MAX))
		return 0;
	return err_set(m->reterr, &ERR_INVALID, "body.recurrence_interval", "must be 1 to %d",
		       RECURRENCE_INTERVAL_MAX);
}

static int read_word(const struct merging *m, struct recurrence *rule, struct sent_rule *ret)
{
	const struct input_text *sent = &m->in->recurrence_word;
	const struct json_i64 *interval = &m->in->recurrence_interval;
	struct str before = m->after->recurrence_rule;

	*ret = (struct sent_rule){ .is_given = sent->state != JSON_ABSENT };
	if (sent->state == JSON_SET) {
		int r = check_interval(m);
		if (r == 0)
			r = recurrence_from_word(sent->v,
						 interval->state == JSON_SET ? interval->v : 1,
						 sent->field, rule, m->reterr);
		if (r == 0)
			r = take_rule(m, sent, rule, ret);
		if (r < 0)
			return r;
		ret->is_changed = before.p == NULL || !str_eq(ret->text, before);
	} else if (sent->state == JSON_NULL) {
		/* A rule that no word stands for shows as null, so null does not mean it. */
		ret->is_changed = task_recurrence_word(before).p != NULL;
	}
	return 0;
}

/*
 * Of the two ways to say it the one that differs from what is counts, so that a client may change
 * one and send the other back as it came.
 */
static int choose_rule(const struct merging *m, const struct sent_rule *rule,
		       const struct sent_rule *word, struct str *ret)
{
	if (rule->is_changed && word->is_changed && rule->text.p != NULL && word->text.p != NULL &&
	    !str_eq(rule->text, word->text))
		return err_set(m->reterr, &ERR_INVALID, rule->field, "contradicts recurrence");
	if (rule->is_changed && (rule->text.p != NULL || !word->is_changed))
		*ret = rule->text;
	else if (word->is_changed)
		*ret = word->text;
	return 0;
}

static int merge_end(const struct merging *m)
{
	const struct input_text *sent = &m->in->recurrence_end;
	struct task *t = m->after;

	if (sent->state == JSON_SET)
		return task_date_parse(sent->v, m->tz, sent->field, &t->recurrence_end, m->reterr);
	if (sent->state == JSON_NULL)
		t->recurrence_end = (struct task_date){ .kind = TASK_DATE_NONE };
	else if (t->recurrence_end.kind == TASK_DATE_DAY)
		task_date_set_day(&t->recurrence_end, t->recurrence_end.day, m->tz);
	return 0;
}

/* An end that comes back as it was goes with the rule, as if it had not been sent. */
static int check_no_end(const struct merging *m)
{
	const struct input_text *sent = &m->in->recurrence_end;
	const struct task_date *was = &m->after->recurrence_end;
	struct task_date end;

	if (sent->state != JSON_SET)
		return 0;
	int r = task_date_parse(sent->v, m->tz, sent->field, &end, m->reterr);
	if (r < 0)
		return r;
	if (end.kind == was->kind &&
	    (end.kind == TASK_DATE_DAY ? end.day == was->day : end.at_us == was->at_us))
		return 0;
	return err_set(m->reterr, &ERR_INVALID, sent->field,
		       "only a task with a recurrence can have an end of it");
}

static int clear_recurrence(const struct merging *m)
{
	struct task *t = m->after;

	int r = check_no_end(m);
	if (r < 0)
		return r;
	t->recurrence_rule = (struct str){ NULL, 0 };
	t->recurrence_mode = TASK_RECUR_DUE;
	t->recurrence_end = (struct task_date){ .kind = TASK_DATE_NONE };
	t->series_id = (struct uuid){ { 0 } };
	t->series_start_s = 0;
	t->occurrence = 0;
	return 0;
}

static bool has_by_part(const struct recurrence *r)
{
	static const struct recurrence NOTHING;

	return r->weekdays != 0 || memcmp(r->nth, NOTHING.nth, sizeof(r->nth)) != 0 ||
	       memcmp(&r->months, &NOTHING.months, sizeof(r->months)) != 0 ||
	       memcmp(&r->week_numbers, &NOTHING.week_numbers, sizeof(r->months)) != 0 ||
	       memcmp(&r->year_days, &NOTHING.year_days, sizeof(r->months)) != 0 ||
	       memcmp(&r->month_days, &NOTHING.month_days, sizeof(r->months)) != 0;
}

/* A rule without a date begins today, or on the first day from today on that it names. */
static int begin_today(const struct merging *m, const struct recurrence *rule)
{
	struct recurrence *every = arena_alloc(m->arena, sizeof(*every));
	struct task_date now = { TASK_DATE_INSTANT, m->ctx->now_us, 0 };
	struct civil today = task_date_civil(&now, m->tz);
	int64_t day = time_days_from_civil(today.year, today.month, today.day);
	struct task_date eve, midnight;
	struct occurrence first;

	if (every == NULL)
		return task_merge_out_of_memory(m);
	*every = *rule;
	task_date_set_day(&midnight, day, m->tz);
	task_date_set_day(&eve, day - 1, m->tz);
	today = task_date_civil(&eve, m->tz);
	every->interval = 1;
	every->count = 0;
	if (has_by_part(rule) &&
	    recurrence_next(every, &today, m->tz, midnight.at_us - 1, &first) == 0)
		day = time_days_from_civil(first.local.year, first.local.month, first.local.day);
	task_date_set_day(&m->after->due, day, m->tz);
	return 0;
}

static int check_due(const struct merging *m, const struct recurrence *rule)
{
	if (m->after->due.kind != TASK_DATE_NONE)
		return 0;
	if (m->in->due.state == JSON_NULL && m->before != NULL && m->before->occurrence != 0)
		return err_set(m->reterr, &ERR_INVALID, m->in->due.field,
			       "a task that recurs needs a due date: clear its recurrence as well");
	return begin_today(m, rule);
}

/* A task that leaves its zone open is in the user's. */
static bool same_zone(const struct merging *m)
{
	struct str zone = m->after->time_zone;

	return str_eq(zone.p != NULL ? zone : tz_name(m->tz), m->before->time_zone);
}

static bool is_new_series(const struct merging *m)
{
	const struct task *b = m->before, *a = m->after;

	return b == NULL || b->occurrence == 0 || !str_eq(a->recurrence_rule, b->recurrence_rule) ||
	       a->recurrence_mode != b->recurrence_mode || !same_zone(m);
}

/* Of an end that is a day, all of it still counts. */
static bool is_due_after_end(const struct merging *m)
{
	const struct task_date *end = &m->after->recurrence_end, *due = &m->after->due;
	struct civil local = task_date_civil(due, m->tz);

	if (end->kind == TASK_DATE_DAY)
		return time_days_from_civil(local.year, local.month, local.day) > end->day;
	return end->kind == TASK_DATE_INSTANT && due->at_us > end->at_us;
}

static int check_series(const struct merging *m, const struct recurrence *rule)
{
	const struct task *t = m->after;
	const char *field = m->in->recurrence_rule.state == JSON_SET ? m->in->recurrence_rule.field
			    : m->in->recurrence_word.state == JSON_SET
				    ? m->in->recurrence_word.field
				    : "body.due_date";
	struct civil start;

	time_civil_from_s(t->series_start_s, &start);
	int r = recurrence_check(rule, &start, m->tz, field, m->reterr);
	if (r < 0)
		return r;
	if (m->in->recurrence_end.state == JSON_SET && is_due_after_end(m))
		return err_set(m->reterr, &ERR_INVALID, m->in->recurrence_end.field,
			       "lies before the due date");
	return 0;
}

/* Rules go by the clock's reading; at either end of the calendar it may lie outside where the
 * instant does not. */
static int read_due(const struct merging *m, struct civil *ret)
{
	*ret = task_date_civil(&m->after->due, m->tz);
	if (ret->year >= 1 && ret->year <= 9999)
		return 0;
	return err_set(m->reterr, &ERR_INVALID, "body.due_date",
		       "a task that recurs needs a due date in years 1 to 9999 of its time zone");
}

static int place_in_series(const struct merging *m, struct recurrence *rule)
{
	struct task *t = m->after;
	bool is_new = is_new_series(m);
	struct civil due;

	int r = read_due(m, &due);
	if (r < 0)
		return r;
	if (is_new) {
		t->series_id = m->ctx->new_id();
		t->occurrence = 1;
	}
	if (is_new || (t->occurrence == 1 && !task_date_same(&t->due, &m->before->due)))
		t->series_start_s = time_civil_to_s(&due);
	if (t->due.kind == TASK_DATE_DAY)
		recurrence_forget_times(rule);
	return check_series(m, rule);
}

int task_merge_recurrence(const struct merging *m)
{
	struct recurrence *parsed = arena_alloc(m->arena, sizeof(*parsed));
	struct sent_rule rule, word;
	struct task *t = m->after;

	if (parsed == NULL)
		return task_merge_out_of_memory(m);
	int r = read_rule(m, parsed, &rule);
	if (r == 0)
		r = read_word(m, parsed, &word);
	if (r == 0)
		r = choose_rule(m, &rule, &word, &t->recurrence_rule);
	if (r < 0)
		return r;
	if (t->recurrence_rule.p == NULL)
		return clear_recurrence(m);
	if (m->in->recurrence_mode_state != JSON_ABSENT)
		t->recurrence_mode = m->in->recurrence_mode_state == JSON_SET
					     ? m->in->recurrence_mode
					     : TASK_RECUR_DUE;
	r = recurrence_parse(t->recurrence_rule, "body.recurrence_rule", parsed, m->reterr);
	if (r == 0)
		r = check_due(m, parsed);
	if (r == 0)
		r = merge_end(m);
	return r < 0 ? r : place_in_series(m, parsed);
}
