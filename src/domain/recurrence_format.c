/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the canonical text of a rule. Parts in one fixed order, FREQ first as RFC 5545 asks of
 * those who write rules; numbers in calendar order (1, 15, -2, -1), weekdays from Monday. Only
 * parsed rules come here, and those were read from at most RECURRENCE_TEXT_MAX bytes that this text
 * can exceed by RSCALE alone: it always fits.
 */
#include "recurrence_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

struct writer {
	char *out;
	size_t n;
};

static void put(struct writer *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put(struct writer *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(w->out + w->n, RECURRENCE_FORMAT_SIZE - w->n, fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < RECURRENCE_FORMAT_SIZE - w->n);
	w->n += (size_t)n;
}

static void put_list(struct writer *w, const struct recurrence *r,
		     const struct recurrence_list_part *part)
{
	const struct recurrence_list *l =
		(const struct recurrence_list *)(const void *)((const char *)r + part->offset);
	bool is_first = true;

	if (list_is_empty(l))
		return;
	put(w, ";%s=", part->name.p);
	for (int v = part->min; v <= part->max; v++) {
		if (!bit_is_set(l->fwd, v))
			continue;
		put(w, is_first ? "%d" : ",%d", v);
		is_first = false;
	}
	for (int v = part->max; v >= part->min; v--) {
		if (!bit_is_set(l->back, v))
			continue;
		put(w, is_first ? "-%d" : ",-%d", v);
		is_first = false;
	}
}

static void put_byday(struct writer *w, const struct recurrence *r)
{
	const char *sep = ";BYDAY=";

	for (int i = 0; i < 7; i++) {
		const char *name = RECURRENCE_WEEKDAY_NAMES[i];
		if (r->weekdays >> i & 1) {
			put(w, "%s%s", sep, name);
			sep = ",";
		}
		for (int n = 1; n <= 53; n++) {
			if (r->nth[i].fwd >> n & 1) {
				put(w, "%s%d%s", sep, n, name);
				sep = ",";
			}
		}
		for (int n = 53; n >= 1; n--) {
			if (r->nth[i].back >> n & 1) {
				put(w, "%s-%d%s", sep, n, name);
				sep = ",";
			}
		}
	}
}

static void put_until(struct writer *w, const struct recurrence *r)
{
	const struct civil *u = &r->until;

	if (r->until_kind == RECURRENCE_NO_UNTIL)
		return;
	put(w, ";UNTIL=%04d%02d%02d", u->year, u->month, u->day);
	if (r->until_kind != RECURRENCE_UNTIL_DATE)
		put(w, "T%02d%02d%02d", u->hour, u->minute, u->second);
	if (r->until_kind == RECURRENCE_UNTIL_UTC)
		put(w, "Z");
}

size_t recurrence_format(const struct recurrence *r, char out[RECURRENCE_FORMAT_SIZE])
{
	struct writer w = { out, 0 };

	put(&w, "FREQ=%s", RECURRENCE_FREQ_NAMES[r->freq]);
	if (r->interval != 1)
		put(&w, ";INTERVAL=%d", r->interval);
	if (r->count != 0)
		put(&w, ";COUNT=%d", r->count);
	put_until(&w, r);
	for (int i = 0; i < RECURRENCE_LISTS; i++) {
		if (RECURRENCE_LIST_PARTS[i].offset == offsetof(struct recurrence, hours))
			put_byday(&w, r);
		put_list(&w, r, &RECURRENCE_LIST_PARTS[i]);
	}
	if (r->wkst != 0)
		put(&w, ";WKST=%s", RECURRENCE_WEEKDAY_NAMES[r->wkst]);
	if (r->skip_backward)
		put(&w, ";RSCALE=GREGORIAN;SKIP=BACKWARD");
	return w.n;
}
