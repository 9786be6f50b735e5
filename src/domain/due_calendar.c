/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calendars that holidays are counted in: Easter of both churches, the Hebrew and the tabular
 * Islamic calendar, and a table of the holidays that are set by the moon of another sky. Sources:
 * Meeus, Astronomical Algorithms, ch. 8 and 9 (Easter, Jewish and Moslem calendars).
 */
#include "src/domain/due_match_private.h"

/* Easter Sunday of the Gregorian calendar (the anonymous algorithm of Meeus, Jones and Butcher). */
int64_t calendar_easter(int year)
{
	int a = year % 19, b = year / 100, c = year % 100;
	int d = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
	int e = (32 + 2 * (b % 4) + 2 * (c / 4) - d - c % 4) % 7;
	int f = d + e - 7 * ((a + 11 * d + 22 * e) / 451) + 114;

	return time_days_from_civil(year, f / 31, f % 31 + 1);
}

/* Easter Sunday of the Julian calendar, as a day of ours. */
int64_t calendar_orthodox_easter(int year)
{
	int a = year % 4, b = year % 7, c = year % 19;
	int d = (19 * c + 15) % 30, e = (2 * a + 4 * b - d + 34) % 7, f = d + e + 114;
	/* how far the calendars are apart: 13 days from 1900 to 2099 */
	int apart = year / 100 - year / 400 - 2;

	return time_days_from_civil(year, f / 31, f % 31 + 1) + apart;
}

/* ---- Hebrew: from the moon's mean birth, put off so that fasts keep clear of the Sabbath ---- */

enum { PARTS_A_DAY = 25920, HEBREW_EPOCH = -2092590 /* 1 Tishri of the year 1, from 1970 */ };

static int64_t elapsed_days(int64_t year)
{
	int64_t months = (235 * year - 234) / 19;
	int64_t parts = 12084 + 13753 * months;
	int64_t day = 29 * months + parts / PARTS_A_DAY;

	return 3 * (day + 1) % 7 < 3 ? day + 1 : day;
}

/* 1 Tishri: Rosh Hashanah. */
static int64_t hebrew_new_year(int64_t year)
{
	int64_t before = elapsed_days(year - 1), day = elapsed_days(year),
		after = elapsed_days(year + 1);
	int put_off = after - day == 356 ? 2 : day - before == 382 ? 1 : 0;

	return HEBREW_EPOCH + day + put_off;
}

int64_t calendar_hebrew(int year, int days)
{
	/* the Hebrew year that begins in autumn of `year` */
	int64_t first = hebrew_new_year(year + INT64_C(3761));
	int64_t length = hebrew_new_year(year + INT64_C(3762)) - first;

	/* Heshvan, the second month, has a day more in years of 355 and 385 days */
	return first + days + (days > 58 && length % 10 == 5);
}

/* ---- Islamic, tabular: what is seen in the sky may differ by a day ---- */

enum { ISLAMIC_EPOCH = -492148 /* 1 Muharram of the year 1, from 1970 */ };

static int64_t islamic_day(int64_t year, int month, int day)
{
	return ISLAMIC_EPOCH + (year - 1) * 354 + (3 + 11 * year) / 30 + 29 * (month - 1) +
	       month / 2 + day - 1;
}

/* The first such day of a year of ours. */
int64_t calendar_islamic(int year, int month, int day)
{
	int64_t start = time_days_from_civil(year, 1, 1);
	int64_t islamic = (start - ISLAMIC_EPOCH) * 30 / 10631;

	if (islamic < 1)
		islamic = 1;
	for (int tries = 0; tries < 4; tries++, islamic++) {
		int64_t found = islamic_day(islamic, month, day);
		if (found >= start)
			return found;
	}
	return start;
}

/* ---- set by astronomers, so kept as a table: month * 100 + day ---- */

enum { TABLE_FIRST = 2020, TABLE_LAST = 2035 };

static const int16_t CHINESE_NEW_YEAR[] = { 125, 212, 201, 122, 210, 129, 217, 206,
					    126, 213, 203, 123, 211, 131, 219, 208 };
static const int16_t DIWALI[] = { 1114, 1104, 1024, 1112, 1031, 1020, 1108, 1029,
				  1017, 1105, 1026, 1114, 1102, 1022, 1110, 1030 };

int64_t calendar_table(int year, enum calendar_table table)
{
	const int16_t *row = table == TABLE_DIWALI ? DIWALI : CHINESE_NEW_YEAR;

	if (year < TABLE_FIRST || year > TABLE_LAST)
		return -1;
	int16_t date = row[year - TABLE_FIRST];
	return time_days_from_civil(year, date / 100, date % 100);
}
