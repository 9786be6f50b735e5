/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recurrence rules: RRULE of RFC 5545 from DAILY to YEARLY, with SKIP of RFC 7529. Pure: no I/O, no
 * clock, no allocation but the caller's buf. What stays fixed is the wall clock of the zone: a
 * reading in a DST gap moves forward, one that happens twice is the first. docs/recurrence.md tells
 * the semantics and where others differ.
 */
#ifndef DOMAIN_RECURRENCE_H
#define DOMAIN_RECURRENCE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "base/tz.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	RECURRENCE_TEXT_MAX = 2000,	/* bytes of a rule that is read */
	RECURRENCE_FORMAT_SIZE = 2048,	/* holds the canonical text of any rule and a NUL */
	RECURRENCE_INTERVAL_MAX = 1000, /* INTERVAL=1..1000 */
	RECURRENCE_COUNT_MAX = 10000,	/* COUNT=1..10000 */
	RECURRENCE_LIST_WORDS = 6,
};

enum recurrence_freq { RECURRENCE_DAILY, RECURRENCE_WEEKLY, RECURRENCE_MONTHLY, RECURRENCE_YEARLY };

enum recurrence_until {
	RECURRENCE_NO_UNTIL,
	RECURRENCE_UNTIL_DATE,	/* the whole of that local day still counts */
	RECURRENCE_UNTIL_LOCAL, /* a reading of the zone's wall clock, itself included */
	RECURRENCE_UNTIL_UTC,	/* an instant, itself included */
};

/* The numbers of one BY part: bit v of fwd is the value v, bit v of back is -v. */
struct recurrence_list {
	uint64_t fwd[RECURRENCE_LIST_WORDS], back[RECURRENCE_LIST_WORDS];
};

/* A parsed rule in normal form. Holds no pointers: copy it, keep it. Made by recurrence_parse or
 * _from_word only. */
struct recurrence {
	enum recurrence_freq freq;
	int interval;
	int count; /* 0: no COUNT */
	enum recurrence_until until_kind;
	struct civil until;
	int wkst;	    /* 0 Monday .. 6 Sunday */
	bool skip_backward; /* a month day that does not exist becomes the month's last; else it is
			       left out */
	uint8_t weekdays;   /* BYDAY without ordinal: bit 0 Monday .. 6 Sunday */
	struct {
		uint64_t fwd, back; /* BYDAY with ordinal: bits 1..53 */
	} nth[7];
	struct recurrence_list months, week_numbers, year_days, month_days, hours, minutes, set_pos;
};

/* One date of a series. */
struct occurrence {
	struct civil
		local; /* the rule's reading; in a DST gap the clock shows a later one: see at_us */
	int64_t at_us; /* the instant */
	int index;     /* 1 for dtstart; counted only for rules with COUNT, else 0 */
};

/*
 * Reads an RRULE value, any case, "RRULE:" in front allowed. Refuses with 422 for `field`, saying
 * what is allowed: parts that are unknown, repeated, out of range or may not stand together, FREQ
 * below DAILY, COUNT beside UNTIL, RSCALE other than GREGORIAN, SKIP=FORWARD, text over
 * RECURRENCE_TEXT_MAX.
 */
int recurrence_parse(struct str text, const char *field, struct recurrence *ret,
		     struct err *reterr) MUST_CHECK;
/* "daily", "weekly", "monthly", "yearly": on dtstart's day, month ends keep their anchor. 422 for
 * other words and an interval outside 1..RECURRENCE_INTERVAL_MAX. */
int recurrence_from_word(struct str word, int64_t interval, const char *field,
			 struct recurrence *ret, struct err *reterr) MUST_CHECK;
/* The canonical text: fixed order, sorted lists, nothing that changes nothing. Equal texts = equal
 * rules. Returns its length. Parsing it gives the same rule again. */
size_t recurrence_format(const struct recurrence *r, char out[RECURRENCE_FORMAT_SIZE]);
/* For an all-day series: BYHOUR and BYMINUTE mean nothing to a day (RFC 5545 section 3.3.10). */
void recurrence_forget_times(struct recurrence *r);
/* Appends the rule as an English phrase: "every second Sunday at 08:00, until 3 May 2027". all_day
 * leaves dtstart's time out. At most 1 kB. */
void recurrence_describe(const struct recurrence *r, const struct civil *dtstart, bool all_day,
			 struct buf *out);

/*
 * In all of the following, dtstart is the wall-clock reading at which the *series* starts (never
 * that of a later instance: the anchor of month ends, intervals and COUNT would be lost), valid and
 * in years 1..9999; an all-day series starts at 00:00. It is always the first occurrence, also when
 * the rule does not match it. tz NULL is UTC.
 */

/* 0, or 422 for `field` when the rule has no date at all from dtstart on, or UNTIL lies before
 * dtstart. */
int recurrence_check(const struct recurrence *r, const struct civil *dtstart, const struct tz *tz,
		     const char *field, struct err *reterr) MUST_CHECK;
/* The first occurrence later than after_us. -ENOENT: there is none up to year 9999. Bounded work
 * for any rule. */
int recurrence_next(const struct recurrence *r, const struct civil *dtstart, const struct tz *tz,
		    int64_t after_us, struct occurrence *ret) MUST_CHECK;
/*
 * Mode "completion": the series starts anew on the local day of done_us, at due's time of day; its
 * first occurrence later than that, than done_us and than now_us. `occurrence` is the number of the
 * instance that was done, from 1: COUNT is held against it, and ret->index is the next number.
 * -ENOENT: that was the last.
 */
int recurrence_next_after_done(const struct recurrence *r, const struct civil *due,
			       const struct tz *tz, int64_t done_us, int64_t now_us, int occurrence,
			       struct occurrence *ret) MUST_CHECK;

#endif
