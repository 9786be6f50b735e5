/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of domain/recurrence share: the table of number lists (parse and format), sets of
 * days of a year, and the walk, which finds and counts the local readings of one rule with one
 * start. No zones here: recurrence.c turns readings into instants.
 */
#ifndef DOMAIN_RECURRENCE_PRIVATE_H
#define DOMAIN_RECURRENCE_PRIVATE_H

#include "domain/recurrence.h"

enum { RECURRENCE_LISTS = 7, RECURRENCE_YEAR_KINDS = 28 };

/* The BY parts that are lists of numbers, in canonical order but for BYDAY, which stands before
 * BYHOUR. */
struct recurrence_list_part {
	struct str name;
	size_t offset; /* of the struct recurrence_list in struct recurrence */
	int min, max;
	bool is_signed; /* -max..-1 too */
};
extern const struct recurrence_list_part RECURRENCE_LIST_PARTS[RECURRENCE_LISTS];
extern const char RECURRENCE_FREQ_NAMES[4][8];	  /* "DAILY" */
extern const char RECURRENCE_WEEKDAY_NAMES[7][3]; /* "MO" */

static inline bool bit_is_set(const uint64_t *words, int bit)
{
	return words[bit / 64] >> (bit % 64) & 1;
}

/* Where the n-th bit stands, counted from 0; there must be that many. */
static inline int nth_bit(uint64_t bits, int n)
{
	while (n-- > 0)
		bits &= bits - 1;
	return __builtin_ctzll(bits);
}

static inline bool list_is_empty(const struct recurrence_list *l)
{
	uint64_t any = 0;

	for (int i = 0; i < RECURRENCE_LIST_WORDS; i++)
		any |= l->fwd[i] | l->back[i];
	return any == 0;
}

bool recurrence_has_nth(const struct recurrence *r);

/* Days of one year; bit 0 is 1 January. */
struct year_days {
	uint64_t w[RECURRENCE_LIST_WORDS];
};

/* A year as far as rules can see it: years of the same kind have the same days. */
struct year_shape {
	int64_t jan1; /* days since 1970 */
	int year, length;
	int prev_length, next_length;
	int weekday; /* of 1 January */
	int kind;    /* 0 .. RECURRENCE_YEAR_KINDS - 1 */
};

/* What a rule says about days, with what it leaves to dtstart filled in. */
struct day_rule {
	const struct recurrence *r;
	uint64_t months;		      /* bits 1..12; 0: any */
	uint64_t month_days, month_days_back; /* bits 1..31; both 0: any */
	unsigned weekdays;		      /* bit 0 Monday; 0 without ordinals: any */
	bool has_nth, has_week_numbers, has_year_days;
};

/* Sets s, all zero at first, to that year; from the year before it takes less time. */
void year_shape_move(struct year_shape *s, int year);
/* First day of a month (1..12) counted from 1 January, and its length. */
int year_month_start(const struct year_shape *s, int month, int *ret_length);
/* The days of such a year that every BY part allows; INTERVAL and BYSETPOS are not looked at. */
void day_rule_year(const struct day_rule *rule, const struct year_shape *s, struct year_days *ret);

static inline void days_put(struct year_days *d, int at, uint64_t bits)
{
	d->w[at / 64] |= bits << (at % 64);
	if (at % 64 != 0 && at / 64 + 1 < RECURRENCE_LIST_WORDS)
		d->w[at / 64 + 1] |= bits >> (64 - at % 64);
}

/* n <= 31 bits from at on. */
static inline uint64_t days_get(const struct year_days *d, int at, int n)
{
	uint64_t bits = d->w[at / 64] >> (at % 64);

	if (at % 64 != 0 && at / 64 + 1 < RECURRENCE_LIST_WORDS)
		bits |= d->w[at / 64 + 1] << (64 - at % 64);
	return bits & ((UINT64_C(1) << n) - 1);
}

bool days_is_empty(const struct year_days *d);
/* First bit at or after from; -1: none. */
int bits_next(const uint64_t words[RECURRENCE_LIST_WORDS], int from);
/* How many days lie before end. */
int days_count_before(const struct year_days *d, int end);

#endif
