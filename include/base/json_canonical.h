/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One text for all spellings of a JSON value: no white space, keys in byte order, strings with the
 * fewest escapes, whole numbers as digits (1e3 is 1000, -0 is 0; past 21 digits the zeros at the
 * end are counted: 1e21). What passed through other programs can so be compared by its bytes.
 * Without fractions and such long numbers it is the text of Python's json.dumps with sort_keys,
 * ensure_ascii=False and separators=(',', ':'). (RFC 8785 orders keys by UTF-16 and has one form
 * for fractions; here keys go by bytes, and a number that is not whole keeps its text.)
 */
#ifndef BASE_JSON_CANONICAL_H
#define BASE_JSON_CANONICAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/*
 * Appends the canonical text of any JSON value. As strict as json_parse: -EINVAL with
 * ERR_BAD_REQUEST for bytes that are no JSON, duplicate keys, depth over JSON_MAX_DEPTH; -ENOMEM,
 * also past the maximum of out, which then holds a part. Arena use: 4 KiB, and at most 64 bytes for
 * each byte of the text.
 */
int json_canonical(struct arena *arena, struct str json, struct buf *out,
		   struct err *reterr) MUST_CHECK;

#endif
