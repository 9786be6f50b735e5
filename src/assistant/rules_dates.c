/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From dates that domain/due found to what a command says: due dates, windows of a filter,
 * shifts by a length of time.
 */
#include "rules_private.h"

static struct due_value day_after(struct due_value v)
{
	int64_t day = time_days_from_civil(v.at.year, v.at.month, v.at.day) + 1;

	if (v.at.year < 9999)
		time_civil_from_days(day, &v.at.year, &v.at.month, &v.at.day);
	return v;
}

static struct due_value day_before(struct due_value v)
{
	int64_t day = time_days_from_civil(v.at.year, v.at.month, v.at.day) - 1;

	if (v.at.year > 1)
		time_civil_from_days(day, &v.at.year, &v.at.month, &v.at.day);
	return v;
}

struct rules_range rules_date_at(const struct rules_text *t, struct rules_range at, size_t i)
{
	struct rules_range r = { i, i + 1 };

	while (r.from > at.from && t->words[r.from - 1].due == t->words[i].due)
		r.from--;
	while (r.to < at.to && t->words[r.to].due == t->words[i].due)
		r.to++;
	return r;
}

static struct due_value value_of(const struct rules_text *t, const struct due *d)
{
	int64_t now_s = t->ctx->now_us / 1000000;
	struct due_value v = d->has_value ? d->value : d->end_value;

	/* "this week" has begun: what is meant is its end. */
	if (d->has_end && d->kind == DUE_DATE && d->grain >= DUE_GRAIN_WEEK &&
	    due_instant_us(&v, t->ctx->tz) / 1000000 <= now_s)
		return day_before(d->end_value);
	return v;
}

/* The time of day is in the due date: ";BYHOUR=8;BYMINUTE=0" at the end says it again. */
static void without_clock(struct str *rrule)
{
	static const struct str HOUR = STR_INIT(";BYHOUR=");

	for (size_t i = 0; i + HOUR.n < rrule->n; i++) {
		if (!str_starts((struct str){ rrule->p + i, rrule->n - i }, HOUR))
			continue;
		for (size_t k = i; k < rrule->n; k++)
			if (rrule->p[k] == ',' || rrule->p[k] == 'S' || rrule->p[k] == 'W' ||
			    rrule->p[k] == 'C')
				return;
		rrule->n = i;
		return;
	}
}

static void take_clock(struct due_value *v, const struct civil *clock)
{
	v->at.hour = clock->hour;
	v->at.minute = clock->minute;
	v->all_day = false;
}

/* A day and a time of day said apart become one; else the first date counts. */
static void merge_due(const struct due *first, const struct due *d, const struct due_value *v,
		      struct rules_command *c)
{
	struct civil clock = c->due.at;
	bool is_timed = c->has_due && !c->due.all_day;

	if (c->has_due && first && d->flags & DUE_NO_DAY && c->due.all_day) {
		take_clock(&c->due, &v->at);
	} else if (!c->has_due || (first && first->flags & DUE_NO_DAY)) {
		c->due = *v;
		if (is_timed && v->all_day)
			take_clock(&c->due, &clock);
	}
}

void rules_take_due(struct rules_text *t, const struct due *d, struct rules_command *c)
{
	struct due_value v;

	if (d->problem)
		c->problem = d->problem;
	if (d->kind == DUE_SET)
		c->rrule = d->rrule;
	if (!d->has_value && !d->has_end)
		return;
	v = value_of(t, d);
	merge_due(t->first, d, &v, c);
	c->has_due = true;
	t->first = d;
	if (c->rrule.n && !c->due.all_day)
		without_clock(&c->rrule);
}

void rules_window(const struct due *d, bool is_deadline, struct rules_filter *f)
{
	struct due_value end = d->has_end ? d->end_value : d->value;

	if (!d->has_value && !d->has_end)
		return;
	if (!d->has_end && !(d->flags & DUE_BEFORE) && d->value.all_day)
		end = day_after(d->value);
	f->has_before = !(d->flags & DUE_AFTER) || d->has_end;
	f->has_after = d->has_value && !is_deadline;
	if (f->has_before)
		f->before = end;
	if (f->has_after)
		f->after = d->value;
}

static bool glue(const struct rules_text *t, size_t i)
{
	return rules_is(
		t, i,
		"to|until|till|til|for|on|by|at|the|instead|please|from|due|in|sometime|into|"
		"it|again|,");
}

bool rules_read_when(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	bool any = false;

	for (size_t i = at.from; i < at.to; i++) {
		const struct due *d = t->words[i].due;
		if (!d && !glue(t, i))
			return false;
		if (!d || d == t->first)
			continue;
		if (d->kind == DUE_DURATION || (c->intent != RULES_HISTORY && d->flags & DUE_PAST))
			return false;
		rules_take_due(t, d, c);
		any |= d->has_value || d->has_end || d->problem;
	}
	if (any)
		rules_span(t, c, "due", at);
	return any;
}

static bool usable(const struct due *d)
{
	return d && d->kind != DUE_DURATION && !(d->flags & DUE_PAST) &&
	       (d->has_value || d->has_end || d->problem);
}

static bool split_front(const struct rules_text *t, struct rules_range at,
			struct rules_range *ret_ref, struct rules_range *ret_when)
{
	size_t from = at.from;
	bool found = false;

	for (; from < at.to && (usable(t->words[from].due) || rules_is(t, from, "on|at|for|to"));
	     from++)
		found |= usable(t->words[from].due);
	while (found && from < at.to && rules_is(t, from, "for|of|to|about"))
		from++;
	*ret_when = (struct rules_range){ at.from, from };
	*ret_ref = (struct rules_range){ from, at.to };
	return found && from < at.to;
}

/* Cuts the dates at the end off, or one at the start; false: there is none. */
static bool split(const struct rules_text *t, struct rules_range at, struct rules_range *ret_ref,
		  struct rules_range *ret_when)
{
	size_t end = at.to, from;
	bool found = false;

	for (from = end; from > at.from; from--) {
		bool date = usable(t->words[from - 1].due);
		if (!date && !(glue(t, from - 1) && !rules_is(t, from - 1, "it")))
			break;
		found |= date;
	}
	if (found && from > at.from) {
		while (rules_is(t, from, "the") && !t->words[from].due)
			from++;
		*ret_ref = (struct rules_range){ at.from, from };
		*ret_when = (struct rules_range){ from, end };
		return true;
	}
	return split_front(t, at, ret_ref, ret_when);
}

static bool as_reminder(struct rules_command *c)
{
	if (c->has_due) {
		c->has_remind = true;
		c->remind_at = c->due;
		c->has_due = false;
	}
	return true;
}

static const char BEFORE[] =
	"$s before|prior|early|ahead|beforehand|earlier|in to|of|advance? it|that|its|is|the? due|deadline|"
	"time|starts? date|time?";

static int64_t minutes(int64_t n, char unit)
{
	return unit == 'm' ? n : unit == 'H' ? n * 60 : unit == 'D' ? n * 1440 : n * 10080;
}

static bool take_offset(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	int64_t n;
	char unit;

	if (!rules_length(t, at, &n, &unit) || unit == 'M' || unit == 'Y')
		return false;
	c->has_offset = true;
	c->offset_minutes = minutes(n, unit);
	rules_span(t, c, "remind", at);
	return true;
}

bool rules_read_offset(struct rules_text *t, struct rules_range at, struct rules_command *c)
{
	struct rules_match m;

	return rules_match(t, at, BEFORE, &m) && take_offset(t, m.slots[0].at, c);
}

static bool read_before(struct rules_text *t, struct rules_range at, unsigned flags,
			struct rules_command *c)
{
	struct rules_match m;

	if (rules_match(t, at, "$s before|prior|ahead|early of|to|for? $r", &m))
		return take_offset(t, m.slots[0].at, c) &&
		       rules_read_ref(t, m.slots[1].at, flags & ~(unsigned)RULES_OWN, c);
	for (size_t i = at.from + 1; i < at.to; i++)
		if (rules_read_offset(t, (struct rules_range){ i, at.to }, c))
			return rules_read_ref(t, (struct rules_range){ at.from, i },
					      flags & ~(unsigned)RULES_OWN, c);
	return false;
}

/* A reminder may name only the task or only the time. */
static bool remind_undivided(struct rules_text *t, struct rules_range at, unsigned flags,
			     struct rules_command *c)
{
	if (!rules_read_when(t, at, c))
		return rules_read_ref(t, at, flags, c);
	c->ref.kind = RULES_REF_ORDINAL;
	return as_reminder(c);
}

bool rules_move_due(const struct due *d, struct rules_command *c)
{
	struct due first = *d;

	if (d->kind != DUE_RANGE || !d->has_value || !d->has_end)
		return false;
	first.kind = DUE_DATE;
	first.has_end = false;
	first.flags &= ~(unsigned)(DUE_DEADLINE | DUE_AFTER);
	rules_window(&first, false, &c->ref.filter);
	c->ref.filter.status = RULES_STATUS_UNSET;
	c->due = d->end_value;
	return true;
}

bool rules_read_move(struct rules_text *t, struct rules_range at, unsigned flags,
		     struct rules_command *c)
{
	struct rules_range ref, when;
	bool remind = c->intent == RULES_REMIND;

	if (at.to - at.from > RULES_REACH)
		return false;
	if (remind && read_before(t, at, flags, c))
		return true;
	if (!split(t, at, &ref, &when))
		return remind && remind_undivided(t, at, flags, c);
	if (!rules_read_when(t, when, c) || !rules_read_ref(t, ref, flags, c))
		return false;
	if (remind)
		return as_reminder(c);
	if (rules_is(t, when.from, "due") && c->ref.kind == RULES_REF_FILTER)
		return rules_move_due(t->first, c);
	/* "from 3 to 5": the task goes to where the range ends. */
	if (t->first->kind == DUE_RANGE && t->first->has_end)
		c->due = t->first->end_value;
	return !(flags & RULES_OWN && t->first->kind == DUE_SET);
}

bool rules_read_shift(struct rules_text *t, struct rules_range at, unsigned flags,
		      struct rules_command *c)
{
	int64_t n;
	char unit;

	if (!rules_length(t, at, &n, &unit))
		return false;
	c->shift = arena_printf(t->arena, "%sP%s%lld%c", flags & RULES_BACK ? "-" : "",
				unit == 'm' || unit == 'H' ? "T" : "", (long long)n,
				unit == 'm' ? 'M' : unit);
	t->no_memory |= !c->shift.p;
	rules_span(t, c, "shift", at);
	return true;
}
