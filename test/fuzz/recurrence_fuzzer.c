/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recurrence rules from hostile text. Input: the rule, then after a '|' up to 13 bytes that choose
 * zone, dtstart and the instant to ask from. What must hold: the canonical text is a fixed point of
 * parse and format; occurrences are strictly increasing, later than asked, not before dtstart;
 * asking from just before an occurrence gives it again; COUNT and UNTIL bound the series; a rule
 * that check refuses gives nothing after dtstart; the phrase fits into 1 kB.
 */
#include "domain/recurrence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                         \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			abort();                                                \
		}                                                               \
	} while (0)

enum { CHOICES = 13, STEPS = 40 };

static const char *const ZONES[] = { "",
				     "Europe/Berlin",
				     "Australia/Lord_Howe",
				     "America/Sao_Paulo",
				     "Pacific/Apia",
				     "Africa/Casablanca" };

static uint64_t take(const uint8_t choices[CHOICES], int at, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v = v << 8 | choices[at + i];
	return v;
}

static struct civil start_from(const uint8_t choices[CHOICES])
{
	uint64_t minute = take(choices, 1, 5) % (UINT64_C(9999) * 365 * 1440);
	struct civil c;

	time_civil_from_s((int64_t)minute * 60 - INT64_C(62135596800), &c);
	c.second = choices[6] % 60;
	c.microsecond = choices[7] * 1000;
	return c;
}

static void check_text(const struct recurrence *r)
{
	static char text[RECURRENCE_FORMAT_SIZE], again[RECURRENCE_FORMAT_SIZE];
	struct recurrence copy;
	struct err err;
	size_t n = recurrence_format(r, text);

	MUST(n == strlen(text));
	MUST(recurrence_parse((struct str){ text, n }, "rule", &copy, &err) == 0);
	MUST(recurrence_format(&copy, again) == n && memcmp(text, again, n) == 0);
}

static void check_phrase(const struct recurrence *r, const struct civil *start)
{
	struct buf out;

	buf_init(&out, 1024);
	recurrence_describe(r, start, start->hour == 0, &out);
	MUST(buf_status(&out) == 0 && out.n > 0);
	buf_done(&out);
}

static void check_dates(const struct recurrence *r, const struct civil *start, const struct tz *tz,
			int64_t after_us)
{
	struct err err;
	struct occurrence o, first, again;
	bool is_possible = recurrence_check(r, start, tz, "rule", &err) == 0;
	int index = 0;

	if (recurrence_next(r, start, tz, INT64_MIN, &first) < 0)
		return;
	for (int i = 0; i < STEPS && recurrence_next(r, start, tz, after_us, &o) == 0; i++) {
		MUST(o.at_us > after_us && o.at_us >= first.at_us);
		MUST(recurrence_next(r, start, tz, o.at_us - 1, &again) == 0);
		MUST(again.at_us == o.at_us && again.index == o.index);
		MUST(r->count == 0 ? o.index == 0 : o.index > index && o.index <= r->count);
		MUST(is_possible || o.at_us == first.at_us);
		if (r->until_kind == RECURRENCE_UNTIL_UTC)
			MUST(o.at_us / TIME_US_PER_S <= time_civil_to_s(&r->until));
		index = r->count == 0
				? 0
				: o.index - (tz != NULL); /* in a gap, numbers may change places */
		after_us = o.at_us;
	}
	if (recurrence_next_after_done(r, start, tz, after_us, after_us, 1, &o) == 0)
		MUST(o.at_us > after_us && o.index == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t choices[CHOICES] = { 0 };
	const struct tz *tz = NULL;
	struct recurrence r;
	struct err err;
	struct str text = { (const char *)data, size };
	ssize_t bar = str_find_char(text, '|', 0);

	if (bar >= 0) {
		size_t n = size - (size_t)bar - 1;
		memcpy(choices, data + bar + 1, n < CHOICES ? n : CHOICES);
		text.n = (size_t)bar;
	}
	if (recurrence_parse(text, "rule", &r, &err) < 0) {
		MUST(err.kind == &ERR_INVALID && err.text[0] != '\0');
		return 0;
	}
	const char *zone = ZONES[choices[0] % ARRAY_SIZE(ZONES)];
	if (zone[0] != '\0' && tz_load(str_from(zone), &tz) < 0)
		tz = NULL;
	struct civil start = start_from(choices);
	int64_t start_s = time_civil_to_s(&start);
	check_text(&r);
	check_phrase(&r, &start);
	check_dates(&r, &start, tz, INT64_MIN);
	check_dates(&r, &start, tz, (start_s + (int64_t)take(choices, 8, 5)) * TIME_US_PER_S);
	return 0;
}
