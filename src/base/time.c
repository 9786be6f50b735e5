/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instants, civil dates and RFC 3339 in integer arithmetic; nothing here asks libc for a calendar,
 * so the results depend on neither TZ nor locale.
 *
 * The calendar counts from 0000-03-01: with the leap day at the end of a year, the days before a
 * month are a linear formula. Its cycle is 400 years of 146097 days. Everything holds for any year
 * an int can carry, as long as the days fit 64 bits; only the text forms are bound to years 0001 to
 * 9999.
 */
#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#define DAYS_PER_ERA INT64_C(146097) /* 400 years */
#define YEARS_PER_ERA 400
#define DAYS_TO_EPOCH INT64_C(719468) /* from 0000-03-01 to 1970-01-01 */

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z */
#define FIRST_US (INT64_C(-62135596800) * TIME_US_PER_S)
#define LAST_US (INT64_C(253402300800) * TIME_US_PER_S - 1)

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	int r = clock_gettime(clock, &ts);

	assert(r == 0); /* both clocks exist on every Linux */
	(void)r;
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t time_now_us(void)
{
	return clock_ns(CLOCK_REALTIME) / 1000;
}

int64_t time_monotonic_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t time_days_from_civil(int year, int month, int day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = floor_div(y, YEARS_PER_ERA);
	int64_t year_of_era = y - era * YEARS_PER_ERA;
	int month_from_march = (month + 9) % 12;
	int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;

	return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - DAYS_TO_EPOCH;
}

void time_civil_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t from_march = days + DAYS_TO_EPOCH;
	int64_t era = floor_div(from_march, DAYS_PER_ERA);
	int day_of_era = (int)(from_march - era * DAYS_PER_ERA);
	/* The last century of an era is a day longer, the last year of four too: round up, then
	 * divide. */
	int century = (4 * day_of_era + 3) / 146097;
	int day_of_century = day_of_era - 146097 * century / 4;
	int year_of_century = (4 * day_of_century + 3) / 1461;
	int day_of_year = day_of_century - 1461 * year_of_century / 4;
	int month_from_march = (5 * day_of_year + 2) / 153;

	*ret_day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
	*ret_month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	*ret_year =
		(int)(era * YEARS_PER_ERA) + century * 100 + year_of_century + (*ret_month <= 2);
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int time_days_in_month(int year, int month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	assert(month >= 1 && month <= 12);
	return days[month - 1] + (month == 2 && is_leap(year));
}

int time_weekday(int64_t days)
{
	int64_t from_monday = days + 3; /* the epoch was a Thursday */

	return (int)(from_monday - floor_div(from_monday, 7) * 7);
}

int64_t time_civil_to_s(const struct civil *c)
{
	return time_days_from_civil(c->year, c->month, c->day) * TIME_S_PER_DAY + c->hour * 3600 +
	       c->minute * 60 + c->second;
}

void time_civil_from_s(int64_t s, struct civil *ret)
{
	int64_t days = floor_div(s, TIME_S_PER_DAY);
	int in_day = (int)(s - days * TIME_S_PER_DAY);

	time_civil_from_days(days, &ret->year, &ret->month, &ret->day);
	ret->hour = in_day / 3600;
	ret->minute = in_day / 60 % 60;
	ret->second = in_day % 60;
	ret->microsecond = 0;
}

/* What is left to read; every take_ moves it, and false means that the text is not what it should
 * be. */
static bool take_char(struct str *rest, const char *any_of, char *ret)
{
	if (rest->n == 0 || rest->p[0] == '\0' || !strchr(any_of, rest->p[0]))
		return false;
	*ret = rest->p[0];
	rest->p++;
	rest->n--;
	return true;
}

static bool take_number(struct str *rest, size_t digits, int max, int *ret)
{
	int v = 0;

	if (rest->n < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (rest->p[i] < '0' || rest->p[i] > '9')
			return false;
		v = v * 10 + (rest->p[i] - '0');
	}
	if (v > max)
		return false;
	rest->p += digits;
	rest->n -= digits;
	*ret = v;
	return true;
}

static bool take_date(struct str *rest, struct civil *c)
{
	char dash;

	return take_number(rest, 4, 9999, &c->year) && c->year >= 1 &&
	       take_char(rest, "-", &dash) && take_number(rest, 2, 12, &c->month) &&
	       c->month >= 1 && take_char(rest, "-", &dash) &&
	       take_number(rest, 2, time_days_in_month(c->year, c->month), &c->day) && c->day >= 1;
}

/* 1 to 9 digits, cut to microseconds. */
static bool take_fraction(struct str *rest, int *ret_us)
{
	int us = 0;
	size_t digits = 0;
	int digit;

	for (int scale = 100000; digits < 9 && take_number(rest, 1, 9, &digit);
	     scale /= 10, digits++)
		us += digit * scale;
	*ret_us = us;
	return digits > 0;
}

static bool take_time(struct str *rest, struct civil *c)
{
	char sep;

	if (!take_number(rest, 2, 23, &c->hour) || !take_char(rest, ":", &sep) ||
	    !take_number(rest, 2, 59, &c->minute) || !take_char(rest, ":", &sep) ||
	    !take_number(rest, 2, 59, &c->second))
		return false;
	c->microsecond = 0;
	return !take_char(rest, ".", &sep) || take_fraction(rest, &c->microsecond);
}

static bool take_offset(struct str *rest, int *ret_offset_s)
{
	char sign, sep;
	int hours, minutes;

	if (take_char(rest, "Zz", &sign)) {
		*ret_offset_s = 0;
		return true;
	}
	if (!take_char(rest, "+-", &sign) || !take_number(rest, 2, 23, &hours) ||
	    !take_char(rest, ":", &sep) || !take_number(rest, 2, 59, &minutes))
		return false;
	*ret_offset_s = (hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
	return true;
}

int time_parse_rfc3339(struct str s, int64_t *ret_us, struct civil *ret_civil, bool *ret_has_offset)
{
	struct str rest = s;
	struct civil c;
	int offset_s = 0;
	char sep;
	bool has_offset;
	int64_t us;

	if (!take_date(&rest, &c) || !take_char(&rest, "Tt ", &sep) || !take_time(&rest, &c))
		return -EINVAL;
	has_offset = rest.n > 0;
	if (has_offset && (!take_offset(&rest, &offset_s) || rest.n > 0))
		return -EINVAL;
	us = (time_civil_to_s(&c) - offset_s) * TIME_US_PER_S + c.microsecond;
	if (us < FIRST_US || us > LAST_US)
		return -EINVAL;
	*ret_us = us;
	*ret_civil = c;
	*ret_has_offset = has_offset;
	return 0;
}

int time_parse_date(struct str s, int *ret_year, int *ret_month, int *ret_day)
{
	struct str rest = s;
	struct civil c;

	if (!take_date(&rest, &c) || rest.n > 0)
		return -EINVAL;
	*ret_year = c.year;
	*ret_month = c.month;
	*ret_day = c.day;
	return 0;
}

static char *put_two(char *p, int v)
{
	p[0] = (char)('0' + v / 10);
	p[1] = (char)('0' + v % 10);
	return p + 2;
}

static char *put_date_time(char *p, const struct civil *c)
{
	p = put_two(p, c->year / 100);
	p = put_two(p, c->year % 100);
	*p++ = '-';
	p = put_two(p, c->month);
	*p++ = '-';
	p = put_two(p, c->day);
	*p++ = 'T';
	p = put_two(p, c->hour);
	*p++ = ':';
	p = put_two(p, c->minute);
	*p++ = ':';
	return put_two(p, c->second);
}

size_t time_format_rfc3339(int64_t us, char out[TIME_RFC3339_SIZE])
{
	struct civil c;
	int64_t in_range = us < FIRST_US ? FIRST_US : us > LAST_US ? LAST_US : us;
	int64_t s = floor_div(in_range, TIME_US_PER_S);
	int fraction = (int)(in_range - s * TIME_US_PER_S);
	char *p;

	time_civil_from_s(s, &c);
	p = put_date_time(out, &c);
	if (fraction != 0) {
		*p++ = '.';
		p = put_two(p, fraction / 10000);
		p = put_two(p, fraction / 100 % 100);
		p = put_two(p, fraction % 100);
	}
	*p++ = 'Z';
	*p = '\0';
	return (size_t)(p - out);
}
