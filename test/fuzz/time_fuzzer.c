/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 text: what is accepted is written back and read again as the same instant, and libc
 * agrees with it. */
#include "base/time.h"

#include <stdlib.h>
#include <time.h>

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_instant(int64_t us)
{
	char text[TIME_RFC3339_SIZE], libc_text[32];
	time_t s = us / TIME_US_PER_S - (us % TIME_US_PER_S < 0);
	struct civil c;
	bool has_offset;
	struct tm tm;
	int64_t again;
	size_t n = time_format_rfc3339(us, text);

	require(time_parse_rfc3339((struct str){ text, n }, &again, &c, &has_offset) == 0);
	require(again == us && has_offset);
	require(gmtime_r(&s, &tm) != NULL && timegm(&tm) == s);
	require(strftime(libc_text, sizeof(libc_text), "-%m-%dT%H:%M:%S", &tm) == 15);
	require(memcmp(libc_text, text + 4, 15) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = { (const char *)data, size };
	struct civil c;
	bool has_offset;
	int64_t us;
	int year, month, day;

	if (time_parse_rfc3339(s, &us, &c, &has_offset) == 0) {
		require(size >= 19 && size <= 35);
		check_instant(us);
		require(has_offset || us == time_civil_to_s(&c) * TIME_US_PER_S + c.microsecond);
	}
	if (time_parse_date(s, &year, &month, &day) == 0) {
		int64_t days = time_days_from_civil(year, month, day);

		require(size == 10);
		check_instant(days * TIME_S_PER_DAY * TIME_US_PER_S);
	}
	return 0;
}
