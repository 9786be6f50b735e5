/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones: loading by name, and the two questions, offset of an instant and instant of a wall
 * clock.
 *
 * A zone is a list of transitions, and from the last one on a rule. Zones live in a table of this
 * module until tz_done and never change, so that everybody may keep pointers to them. The table
 * never gets full enough to drop one: past its limit loading fails instead.
 */
#include "base/file.h"
#include "src/base/tz_private.h"

#include "base/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { ZONES_MAX = 600, FILE_BYTES_MAX = 65536, PATH_SIZE = 512 };

/* Far outside years 1 to 9999, and small enough for calendar arithmetic. */
#define INSTANT_END INT64_C(1000000000000)

static const struct tz utc = { .name = "UTC" };
static struct table *zones;

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '+' || c == '-';
}

static bool is_name(struct str name)
{
	char before = '/';

	if (name.n == 0 || name.n >= TZ_NAME_SIZE)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!is_name_char(c) && (c != '/' || before == '/'))
			return false;
		before = c;
	}
	/* The system's copies with and without leap seconds are no IANA names, nor is what each
	 * machine has set for itself. */
	return before != '/' && !str_starts(name, STR("right/")) &&
	       !str_starts(name, STR("posix/")) && !str_eq(name, STR("localtime")) &&
	       !str_eq(name, STR("posixrules"));
}

/* 0, and *ret_n bytes in bytes. What is not a zone's file at all counts as no such name. */
static int read_zone_file(struct str name, char *bytes, size_t *ret_n)
{
	const char *dir = getenv("TZDIR");
	char path[PATH_SIZE], file[TZ_NAME_SIZE];
	int length;
	ssize_t n;

	if (str_copy(file, sizeof(file), name) < 0)
		return -ENOENT;
	length = snprintf(path, sizeof(path), "%s/%s", dir && dir[0] ? dir : "/usr/share/zoneinfo",
			  file);
	if (length < 0 || (size_t)length >= sizeof(path))
		return -ENOENT;
	n = file_read(path, bytes, FILE_BYTES_MAX);
	if (n == -ENOMEM)
		return -ENOMEM;
	if (n == -EFBIG || n == -EIO)
		return -EBADMSG;
	if (n < 0 || !str_starts((struct str){ bytes, (size_t)n }, STR("TZif")))
		return -ENOENT;
	*ret_n = (size_t)n;
	return 0;
}

static void free_zone(void *value)
{
	struct tz *tz = value;

	tz_parse_done(tz);
	free(tz);
}

static int parse_zone(struct str bytes, struct str name, struct tz **ret_tz)
{
	struct tz *tz = calloc(1, sizeof(*tz));
	int r;

	if (!tz)
		return -ENOMEM;
	r = tz_parse(bytes, tz);
	if (r < 0) {
		free(tz);
		return r;
	}
	memcpy(tz->name, name.p, name.n); /* is_name has checked the length */
	*ret_tz = tz;
	return 0;
}

static int load_zone(struct str name, struct tz **ret_tz)
{
	char *bytes = malloc(FILE_BYTES_MAX);
	size_t n;
	int r;

	if (!bytes)
		return -ENOMEM;
	r = read_zone_file(name, bytes, &n);
	if (r == 0)
		r = parse_zone((struct str){ bytes, n }, name, ret_tz);
	free(bytes);
	return r;
}

static int keep_zone(struct tz *tz)
{
	int r = table_count(zones) < ZONES_MAX ? table_put(zones, tz_name(tz), tz) : -ENOMEM;

	if (r < 0)
		free_zone(tz);
	return r;
}

int tz_load(struct str name, const struct tz **ret_tz)
{
	struct tz *tz;
	int r;

	if (str_eq(name, STR("UTC"))) {
		*ret_tz = &utc;
		return 0;
	}
	if (!is_name(name))
		return -ENOENT;
	if (!zones)
		zones = table_new(ZONES_MAX, free_zone);
	if (!zones)
		return -ENOMEM;
	tz = table_get(zones, name);
	if (!tz) {
		r = load_zone(name, &tz);
		if (r == 0)
			r = keep_zone(tz);
		if (r < 0)
			return r;
	}
	*ret_tz = tz;
	return 0;
}

void tz_done(void)
{
	if (zones)
		table_free(zones);
	zones = NULL;
}

struct str tz_name(const struct tz *tz)
{
	return str_from(tz->name);
}

/* How many transitions are not after that instant. */
static size_t count_until(const struct tz *tz, int64_t unix_s)
{
	size_t low = 0, high = tz->n_transitions;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tz->at[middle] <= unix_s)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int32_t tz_offset_at(const struct tz *tz, int64_t unix_s)
{
	int64_t s = unix_s < -INSTANT_END  ? -INSTANT_END
		    : unix_s > INSTANT_END ? INSTANT_END
					   : unix_s;
	size_t n = count_until(tz, s);

	if (n == tz->n_transitions && tz->rule.present)
		return tz_rule_offset_at(&tz->rule, s);
	return n == 0 ? tz->first_offset : tz->offset[n - 1];
}

void tz_to_local(const struct tz *tz, int64_t unix_s, struct civil *ret_local)
{
	time_civil_from_s(unix_s + tz_offset_at(tz, unix_s), ret_local);
}

static bool next_change(const struct tz *tz, int64_t unix_s, int64_t *ret_unix_s)
{
	size_t n = count_until(tz, unix_s);

	if (n < tz->n_transitions) {
		*ret_unix_s = tz->at[n];
		return true;
	}
	return tz->rule.present && tz_rule_next_change(&tz->rule, unix_s, ret_unix_s);
}

/*
 * Walks the stretches of constant offset that can show the reading. In each, the reading minus the
 * offset is the instant, if it lies in the stretch. If none has it, then some change jumps over it.
 */
enum tz_local_kind tz_from_local(const struct tz *tz, const struct civil *local,
				 int64_t *ret_unix_s)
{
	int64_t reading = time_civil_to_s(local);
	int64_t start = reading - TZ_OFFSET_END, last = reading + TZ_OFFSET_END;
	bool found = false, in_gap = false;
	int64_t found_s = 0, gap_s = 0;

	while (start <= last) {
		int32_t offset = tz_offset_at(tz, start);
		int64_t s = reading - offset, end;

		if (!next_change(tz, start, &end))
			end = last + 1;
		if (s >= start && s < end && found) {
			*ret_unix_s = found_s;
			return TZ_FOLD;
		}
		if (s >= start && s < end) {
			found = true;
			found_s = s;
		} else if (!in_gap && s >= end && reading - tz_offset_at(tz, end) < end) {
			in_gap = true;
			gap_s = s;
		}
		start = end;
	}
	*ret_unix_s = found ? found_s : gap_s;
	return found ? TZ_UNIQUE : TZ_GAP;
}
