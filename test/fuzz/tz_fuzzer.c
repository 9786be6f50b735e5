/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TZif bytes and POSIX rules. A zone that is accepted must be consistent: the instant found for a
 * reading shows that reading unless it fell into a gap, and offsets keep their bound.
 */
#include "base/tz.h"
#include "src/base/tz_private.h"

#include <errno.h>
#include <stdlib.h>

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_instant(const struct tz *tz, int64_t s)
{
	struct civil local, back;
	enum tz_local_kind kind;
	int32_t offset = tz_offset_at(tz, s);
	int64_t found;

	require(offset > -TZ_OFFSET_END && offset < TZ_OFFSET_END);
	tz_to_local(tz, s, &local);
	kind = tz_from_local(tz, &local, &found);
	require(kind != TZ_GAP && found <= s && (kind == TZ_FOLD || found == s));
	tz_to_local(tz, found, &back);
	require(time_civil_to_s(&back) == time_civil_to_s(&local));
	local.hour = (local.hour + 1) % 24; /* may be in a gap */
	kind = tz_from_local(tz, &local, &found);
	tz_to_local(tz, found, &back);
	require((time_civil_to_s(&back) > time_civil_to_s(&local)) == (kind == TZ_GAP));
}

static void check_zone(const struct tz *tz)
{
	for (size_t i = 0; i < tz->n_transitions && i < 20; i++)
		if (tz->at[i] > -60000000000 && tz->at[i] < 250000000000)
			for (int64_t d = -1; d <= 1; d++)
				check_instant(tz, tz->at[i] + d);
	for (int64_t s = -60000000000; s < 250000000000; s += 9999999999)
		check_instant(tz, s);
	tz_offset_at(tz, INT64_MIN);
	tz_offset_at(tz, INT64_MAX);
}

static void check_rule(struct str text)
{
	struct tz tz = { .n_transitions = 0 };
	int r = tz_rule_parse(text, &tz.rule);

	require(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	for (int64_t s = 1704067200; s < 1704067200 + INT64_C(500) * 86400; s += 86400 * 3 + 3600)
		check_instant(&tz, s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data, size };
	struct tz tz;
	int r = tz_parse(bytes, &tz);

	require(r == 0 || r == -EBADMSG);
	if (r == 0) {
		check_zone(&tz);
		tz_parse_done(&tz);
	}
	check_rule(bytes);
	return 0;
}
