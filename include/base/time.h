/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instants are int64 microseconds since 1970-01-01T00:00:00Z (POSIX, no leap seconds). Civil dates
 * are proleptic Gregorian, years 0001 to 9999. RFC 3339 in and out.
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define TIME_US_PER_S INT64_C(1000000)
#define TIME_S_PER_DAY INT64_C(86400)
/* The first and the last microsecond of years 1 and 9999. */
#define TIME_MIN_US INT64_C(-62135596800000000)
#define TIME_MAX_US INT64_C(253402300799999999)

struct civil {			  /* a wall-clock reading without a zone */
	int year;		  /* 1..9999 */
	int month, day;		  /* 1..12, 1..31 */
	int hour, minute, second; /* 0..23, 0..59, 0..59 */
	int microsecond;
};

int64_t time_now_us(void);	 /* wall clock */
int64_t time_monotonic_ms(void); /* never goes back; from an arbitrary start */

/* Days from 1970-01-01 to the date; the date must be valid. */
int64_t time_days_from_civil(int year, int month, int day);
void time_civil_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day);
int time_days_in_month(int year, int month);
int time_weekday(int64_t days); /* 0 Monday .. 6 Sunday */
/* The reading taken as UTC, in seconds since the epoch; microseconds are ignored. */
int64_t time_civil_to_s(const struct civil *c);
void time_civil_from_s(int64_t s, struct civil *ret);

/*
 * RFC 3339 date-time: T or t or space, fraction of 1 to 9 digits (cut to microseconds), Z, z,
 * +hh:mm or -hh:mm. *ret_civil is the reading as written. *ret_has_offset false: there was no
 * offset, *ret_us is as if it were UTC. 0; -EINVAL for anything else, a date that does not exist,
 * second 60, a year outside 1..9999 after the offset is applied.
 */
int time_parse_rfc3339(struct str s, int64_t *ret_us, struct civil *ret_civil,
		       bool *ret_has_offset) MUST_CHECK;
/* YYYY-MM-DD that exists. 0 or -EINVAL. */
int time_parse_date(struct str s, int *ret_year, int *ret_month, int *ret_day) MUST_CHECK;

enum { TIME_RFC3339_SIZE = 28 };
/* "2026-11-21T12:00:00Z", or with ".123456" when the microseconds are not zero. NUL-terminated;
 * returns the length. An instant outside years 1 to 9999 shows as the first or last one of them. */
size_t time_format_rfc3339(int64_t us, char out[TIME_RFC3339_SIZE]);

#endif
