/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates, times, durations and recurrences in English todo talk: "tomorrow at 5", "by Friday",
 * "every other Sunday". Pure: the clock and the zone are arguments, memory comes from the arena,
 * work is linear in the text. docs/language.md has the words, what they mean, and an example of
 * each rule.
 */
#ifndef DOMAIN_DUE_H
#define DOMAIN_DUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "base/tz.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	DUE_TEXT_MAX = 64 * 1024, /* bytes of a text that is read */
	DUE_WORDS_MAX = 8192,	  /* words, numbers and marks in which expressions are looked for */
	DUE_FOUND_MAX = 64,	  /* expressions told of one text; later ones are not looked for */
};

struct due_context {
	int64_t now_us;
	const struct tz *tz; /* NULL: UTC */
	bool day_first;	     /* 3/4 is the 3rd of April; else the 4th of March */
	bool sunday_first;   /* the week starts on Sunday; else on Monday */
};

enum due_kind {
	DUE_DATE,     /* a day: value */
	DUE_TIME,     /* not found by due_find: a time without a day is the coming one, a DATETIME
			 with DUE_NO_DAY */
	DUE_DATETIME, /* a reading of the clock: value */
	DUE_RANGE,    /* value up to end_value; either may be missing (has_value, has_end) */
	DUE_DURATION, /* seconds, iso: "PT1H30M" */
	DUE_SET,      /* a recurrence: rrule, value = first occurrence */
};

/* How fine the words were. DUE_GRAIN_WEEK and coarser, with kind DUE_DATE: value is the first day
 * ("next month": the 1st) and end_value the first day after it. */
enum due_grain {
	DUE_GRAIN_SECOND,
	DUE_GRAIN_MINUTE,
	DUE_GRAIN_HOUR,
	DUE_GRAIN_PART, /* morning, evening: value is the decided hour */
	DUE_GRAIN_DAY,
	DUE_GRAIN_WEEKEND,
	DUE_GRAIN_WEEK,
	DUE_GRAIN_MONTH,
	DUE_GRAIN_QUARTER,
	DUE_GRAIN_YEAR,
};

enum due_flag {
	DUE_DEADLINE = 1,      /* "by", "before", "until", "due"; the word is in the lead */
	DUE_BEFORE = 2,	       /* "before", with DUE_DEADLINE: the value itself is too late */
	DUE_AFTER = 4,	       /* "after", "since", "from": not earlier than */
	DUE_TENTATIVE = 8,     /* a weak reading: "at 5", "in 15", a lone "3/4" or month name */
	DUE_PAST = 16,	       /* looks back on purpose: "yesterday", "ago", "last" */
	DUE_NO_DAY = 32,       /* only a time was named; value is when it comes next */
	DUE_OFFSET = 64,       /* counted from now: "in 2 hours", "3 days from now" */
	DUE_IMPOSSIBLE = 128,  /* a date that does not exist ("Feb 30"): no value; problem tells */
	DUE_UNSUPPORTED = 256, /* a recurrence that a task cannot have (hourly) or RRULE cannot say
				  ("except"): problem tells, rrule is what could be said */
};

struct due_value {
	struct civil at; /* wall clock in the zone */
	bool all_day;	 /* no time was named; at is 00:00 */
};

struct due {
	enum due_kind kind;
	enum due_grain grain;
	unsigned flags;
	size_t start, end; /* byte offsets in the text, end exclusive */
	size_t lead; /* where the words that lead to it begin ("on ", "due by the "); else start */
	bool has_value, has_end;
	struct due_value value, end_value;
	int64_t seconds;     /* of a duration; a month counts 30 days, a year 365 */
	struct str iso;	     /* of a duration, ISO 8601 */
	struct str rrule;    /* of a set, canonical where domain/recurrence knows the rule */
	const char *problem; /* static text for people, with DUE_IMPOSSIBLE and DUE_UNSUPPORTED */
};

struct due_list {
	const struct due *v; /* in the order of the text, not overlapping */
	size_t n;
};

/*
 * Finds every expression of the text, which may be any bytes. Arena use: at most 64 bytes for each
 * byte of text and 32 KiB. 0; -E2BIG for more than DUE_TEXT_MAX bytes; -ENOMEM.
 */
int due_find(struct arena *arena, struct str text, const struct due_context *ctx,
	     struct due_list *ret) MUST_CHECK;
/* The value as an instant: all-day is local 00:00. */
int64_t due_instant_us(const struct due_value *v, const struct tz *tz);
/* "2026-11-21", or RFC 3339 with the zone's offset: "2026-11-21T17:00:00+01:00". */
void due_append_value(struct buf *out, const struct due_value *v, const struct tz *tz);

#endif
