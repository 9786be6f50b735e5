/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer (RFC 8259), over a struct buf: it puts commas and escapes itself.
 */
#ifndef BASE_JSON_OUT_H
#define BASE_JSON_OUT_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { JSON_MAX_DEPTH = 32 }; /* of what is written and of what is read */

/*
 * Nesting up to JSON_MAX_DEPTH (asserted). Its failure is that of the buffer: check
 * buf_status at the end.
 */
struct json_out {
	struct buf *buf;
	unsigned depth;
	uint64_t has_items; /* bit per depth: a comma is due */
	bool after_key;
};

void json_out_init(struct json_out *o, struct buf *buf);
void json_begin_object(struct json_out *o);
void json_end_object(struct json_out *o);
void json_begin_array(struct json_out *o);
void json_end_array(struct json_out *o);
void json_key(struct json_out *o, struct str key);
/* The key of JSON_QUOTED_KEY("id"): for tables of keys that every row of a list writes. */
void json_quoted_key(struct json_out *o, struct str quoted);
#define JSON_QUOTED_KEY(literal) STR_INIT("\"" literal "\":")
/* Valid UTF-8 goes out as it is; malformed bytes become U+FFFD; controls, quote and backslash are
 * escaped, U+2028 and U+2029 too. */
void json_str(struct json_out *o, struct str s);
void json_i64(struct json_out *o, int64_t v);
void json_bool(struct json_out *o, bool v);
void json_null(struct json_out *o);
/* Microseconds since the epoch as an RFC 3339 string in UTC. */
void json_time(struct json_out *o, int64_t unix_us);
/* Bytes that are already one JSON value. */
void json_raw(struct json_out *o, struct str json);
/* key and value in one call. */
void json_key_str(struct json_out *o, struct str key, struct str v);
void json_key_i64(struct json_out *o, struct str key, int64_t v);
void json_key_bool(struct json_out *o, struct str key, bool v);
void json_key_null(struct json_out *o, struct str key);
void json_key_time(struct json_out *o, struct str key, int64_t unix_us);
void json_key_raw(struct json_out *o, struct str key, struct str json);
/* null when v.p is NULL. */
void json_key_str_or_null(struct json_out *o, struct str key, struct str v);

#endif
