/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The date language on any bytes. What must hold: expressions are in order, inside the text and do
 * not overlap; values are dates that exist, in years 1 to 9999; a range does not end before it
 * starts; a rule that a task may have is one domain/recurrence reads and already canonical; memory
 * stays within what the header promises. The first byte chooses clock, zone and locale.
 */
#include "domain/due.h"
#include "domain/recurrence.h"

#include <errno.h>
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

static const int64_t CLOCKS_S[] = { 1773828000,	  0,	      253402300000,
				    -62135596000, 1709164800, 1798761599 };
static const char *const ZONES[] = { "UTC", "America/New_York", "Pacific/Apia", "Europe/Berlin" };

static void check_value(const struct due_value *v)
{
	const struct civil *c = &v->at;

	MUST(c->year >= 1 && c->year <= 9999 && c->month >= 1 && c->month <= 12);
	MUST(c->day >= 1 && c->day <= time_days_in_month(c->year, c->month));
	MUST(c->hour >= 0 && c->hour < 24 && c->minute >= 0 && c->minute < 60);
	MUST(!v->all_day || (c->hour == 0 && c->minute == 0 && c->second == 0));
}

static void check_rule(const struct due *d)
{
	static char text[RECURRENCE_FORMAT_SIZE];
	struct recurrence rule;
	struct err err;

	if (str_starts(d->rrule, STR("FREQ=HOURLY")) ||
	    str_starts(d->rrule, STR("FREQ=MINUTELY")) ||
	    str_starts(d->rrule, STR("FREQ=SECONDLY")))
		return;
	MUST(recurrence_parse(d->rrule, "text", &rule, &err) == 0);
	size_t n = recurrence_format(&rule, text);
	MUST(str_eq(d->rrule, (struct str){ text, n }));
}

static void check_one(const struct due *d, struct str text)
{
	MUST(d->start < d->end && d->end <= text.n && d->lead <= d->start);
	if ((d->flags & (DUE_IMPOSSIBLE | DUE_UNSUPPORTED)) != 0)
		MUST(d->problem != NULL);
	if ((d->flags & DUE_IMPOSSIBLE) != 0)
		return;
	if (d->has_value)
		check_value(&d->value);
	if (d->has_end)
		check_value(&d->end_value);
	if (d->kind == DUE_RANGE && d->has_value && d->has_end)
		MUST(time_civil_to_s(&d->value.at) <= time_civil_to_s(&d->end_value.at));
	if (d->kind == DUE_DURATION)
		MUST(d->iso.n >= 2 && d->iso.p[0] == 'P' && d->seconds >= 0);
	if (d->kind == DUE_SET)
		check_rule(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct due_context ctx = { 0 };
	struct due_list list;
	size_t before = 0;

	if (size < 1 || size > DUE_TEXT_MAX)
		return 0;
	ctx.now_us = CLOCKS_S[data[0] % 6] * TIME_US_PER_S;
	ctx.day_first = (data[0] & 0x40) != 0;
	ctx.sunday_first = (data[0] & 0x80) != 0;
	MUST(tz_load(str_from(ZONES[data[0] / 8 % 4]), &ctx.tz) == 0);
	struct str text = { (const char *)data + 1, size - 1 };
	struct arena *arena = arena_new(64 * text.n + 32 * 1024);
	MUST(arena != NULL);
	MUST(due_find(arena, text, &ctx, &list) == 0);
	for (size_t i = 0; i < list.n; i++) {
		MUST(list.v[i].lead >= before && list.v[i].start >= before);
		check_one(&list.v[i], text);
		before = list.v[i].end;
	}
	arena_free(arena);
	return 0;
}
