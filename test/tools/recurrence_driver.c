/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what domain/recurrence answers, one question per line of stdin, for the oracles in
 * test/oracle: rule|dtstart|zone|after|n      dtstart 2026-01-31T08:00:00, zone an IANA name or
 * empty, after in Unix seconds or empty for "before dtstart" prints up to n occurrences after that
 * instant, in Unix seconds, "end" when the series ends, "never" first when the rule gives no date
 * at all; or "error" with the reason. A word (daily, ...) may stand for the rule. With --time it
 * also says on stderr how long the calls of recurrence_next took.
 */
#include "domain/recurrence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct timing {
	bool is_on;
	int64_t calls, total_ns, worst_ns;
	int64_t worst_after_s;
	char worst[2100];
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int next_timed(const struct recurrence *r, const struct civil *start, const struct tz *tz,
		      int64_t after_us, const char *line, struct timing *t, struct occurrence *ret)
{
	int64_t ns = INT64_MAX;
	int error = 0;

	/* The best of three: what else the machine does is not the call's time. */
	for (int i = 0; i < (t->is_on ? 3 : 1); i++) {
		int64_t begin = now_ns();
		error = recurrence_next(r, start, tz, after_us, ret);
		int64_t took = now_ns() - begin;
		ns = took < ns ? took : ns;
	}
	t->calls++;
	t->total_ns += ns;
	if (ns > t->worst_ns) {
		t->worst_ns = ns;
		t->worst_after_s = after_us / TIME_US_PER_S;
		snprintf(t->worst, sizeof(t->worst), "%.*s", (int)sizeof(t->worst) - 1, line);
	}
	return error;
}

static int parse_rule(struct str text, struct recurrence *ret, struct err *reterr)
{
	if (text.n <= 8 && str_find_char(text, '=', 0) < 0)
		return recurrence_from_word(text, 1, "rule", ret, reterr);
	return recurrence_parse(text, "rule", ret, reterr);
}

static void answer(struct str line, struct timing *t)
{
	struct str field[5];
	struct recurrence r;
	struct civil start;
	struct occurrence o;
	struct err err;
	const struct tz *tz = NULL;
	int64_t after = INT64_MIN, n = 0, us;
	bool has_offset;
	const char *text = line.p;

	for (int i = 0; i < 5; i++) {
		if (!str_split(&line, '|', &field[i])) {
			printf("error five fields are needed\n");
			return;
		}
	}
	if (time_parse_rfc3339(field[1], &us, &start, &has_offset) < 0 || has_offset ||
	    (field[2].n > 0 && tz_load(field[2], &tz) < 0) ||
	    (field[3].n > 0 && str_parse_i64(field[3], &after) < 0) ||
	    str_parse_i64(field[4], &n) < 0) {
		printf("error bad dtstart, zone, after or n\n");
		return;
	}
	if (parse_rule(field[0], &r, &err) < 0) {
		printf("error %s\n", err.text);
		return;
	}
	if (recurrence_check(&r, &start, tz, "rule", &err) < 0)
		printf("never ");
	int64_t after_us = after == INT64_MIN ? INT64_MIN : after * TIME_US_PER_S;
	while (n-- > 0) {
		if (next_timed(&r, &start, tz, after_us, text, t, &o) < 0) {
			printf("end");
			break;
		}
		printf("%lld ", (long long)(o.at_us / TIME_US_PER_S));
		after_us = o.at_us;
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	static struct timing timing;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	timing.is_on = argc > 1 && strcmp(argv[1], "--time") == 0;
	while ((n = getline(&line, &size, stdin)) >= 0) {
		struct str s = str_trim((struct str){ line, (size_t)n });
		if (s.n > 0)
			answer(s, &timing);
	}
	free(line);
	tz_done();
	if (timing.is_on && timing.calls > 0)
		fprintf(stderr, "%lld calls, %lld ns each, worst %lld ns: after %lld, %s\n",
			(long long)timing.calls, (long long)(timing.total_ns / timing.calls),
			(long long)timing.worst_ns, (long long)timing.worst_after_s, timing.worst);
	return 0;
}
