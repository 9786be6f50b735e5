/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The questions of test/tools/recurrence_driver.c, answered by libical on the naive wall clock:
 * rule|dtstart|||n, in Unix seconds as if UTC. Built by recurrence_libical.py where libical-dev is
 * installed; never part of the product.
 */
#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(char *line)
{
	char *rule = strsep(&line, "|"), *start = strsep(&line, "|");
	struct icalrecurrencetype r = icalrecurrencetype_from_string(rule);
	struct icaltimetype t = icaltime_null_time();
	int n = (int)strtol(strrchr(line, '|') + 1, NULL, 10);

	sscanf(start, "%d-%d-%dT%d:%d:%d", &t.year, &t.month, &t.day, &t.hour, &t.minute,
	       &t.second);
	icalrecur_iterator *i = icalrecur_iterator_new(r, t);
	if (i == NULL) {
		printf("error\n");
		return;
	}
	while (n-- > 0) {
		struct icaltimetype at = icalrecur_iterator_next(i);
		if (icaltime_is_null_time(at))
			break;
		printf("%lld ", (long long)icaltime_as_timet(at));
	}
	icalrecur_iterator_free(i);
	printf("\n");
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	icalerror_set_errors_are_fatal(0);
	while (getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		answer(line);
		fflush(stdout);
	}
	free(line);
	return 0;
}
