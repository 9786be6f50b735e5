/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones from TZif files (RFC 8536), read from /usr/share/zoneinfo (or $TZDIR), with the
 * footer's POSIX rule for the future. Loaded once per name, kept until tz_done, at most 600 zones.
 */
#ifndef BASE_TZ_H
#define BASE_TZ_H

#include "base/str.h"
#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

struct tz;

enum tz_local_kind { TZ_UNIQUE, TZ_GAP, TZ_FOLD };

/* 0 and a shared zone, valid until tz_done; -ENOENT: no such IANA name (names are checked: letters,
 * digits, _ + - /, no dots, no leading slash); -EBADMSG: the file is damaged; -ENOMEM. "UTC" needs
 * no file. */
int tz_load(struct str name, const struct tz **ret_tz) MUST_CHECK;
void tz_done(void);
struct str tz_name(const struct tz *tz);
/* Seconds east of UTC in force at that instant. */
int32_t tz_offset_at(const struct tz *tz, int64_t unix_s);
/* Wall clock at an instant. */
void tz_to_local(const struct tz *tz, int64_t unix_s, struct civil *ret_local);
/*
 * The instant at which the zone's wall clock shows local. Gap: shifted forward by the length of the
 * gap (02:30 becomes 03:30). Fold: the first of the two. Says which it was.
 */
enum tz_local_kind tz_from_local(const struct tz *tz, const struct civil *local,
				 int64_t *ret_unix_s);

#endif
