/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in and out (RFC 8259).
 *
 * Reading: yajl by SAX straight into a typed struct, as a table of fields says. Refused, before the caller
 * sees anything: bytes that are not UTF-8 (RFC 3629), lone surrogates, U+0000 in a string, form feed,
 * depth over JSON_MAX_DEPTH, duplicate keys, trailing bytes, numbers outside int64 or (for JSON_NUMBER)
 * not finite. Unknown keys are checked the same way and ignored. Every decoded string lives in the arena.
 * yajl never meets a failed allocation: what a document of that size can need is reserved first.
 *
 * Writing: one writer over a struct buf, which puts commas and escapes itself.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { JSON_MAX_DEPTH = 32, JSON_MAX_KEYS = 256 };

/* A field is absent, null, or set: merge needs all three. Zero-initialised means absent. */
enum json_state { JSON_ABSENT = 0, JSON_NULL, JSON_SET };

struct json_str {
	enum json_state state;
	struct str v; /* NUL-terminated in the arena, but may not be used as a C string if it came from an unchecked source */
};
struct json_i64 {
	enum json_state state;
	int64_t v;
};
struct json_bool {
	enum json_state state;
	bool v;
};
struct json_strs { /* array of strings */
	enum json_state state;
	struct str *v;
	size_t n;
};
struct json_objs { /* array of objects, each parsed into elem_size bytes by its own table */
	enum json_state state;
	void *v;
	size_t n;
};

enum json_kind {
	JSON_KIND_STR,         /* struct json_str */
	JSON_KIND_I64,         /* struct json_i64; 1.0 and 1e3 are refused */
	JSON_KIND_NUMBER,      /* struct json_i64 truncated from any finite number (JWT NumericDate may have a fraction) */
	JSON_KIND_BOOL,        /* struct json_bool */
	JSON_KIND_STRS,        /* struct json_strs */
	JSON_KIND_STR_OR_STRS, /* struct json_strs; a lone string gives n == 1 (JWT aud) */
	JSON_KIND_OBJ,         /* enum json_state first in the nested struct, filled by its table */
	JSON_KIND_OBJS,        /* struct json_objs */
};

struct json_field {
	const char *name;
	enum json_kind kind;
	size_t offset;                   /* of the struct json_* in the target */
	const struct json_field *nested; /* JSON_KIND_OBJ, JSON_KIND_OBJS: its table */
	size_t elem_size;                /* JSON_KIND_OBJS: bytes of one element */
	size_t max_items;                /* arrays: most elements (0: 1024); more is 422 */
};

#define JSON_FIELD(type, member, field_name, field_kind)                                                     \
	{                                                                                                    \
		.name = (field_name), .kind = (field_kind), .offset = offsetof(type, member)                 \
	}
/* Ends a table. */
#define JSON_FIELD_END { .name = NULL }

/*
 * Parses one JSON object into *target, which the caller has set to zero. where prefixes err.field
 * ("body" gives "body.title").
 * 0; -EINVAL with ERR_BAD_REQUEST (400) for malformed JSON, duplicate keys, depth, bad strings, a top
 * level that is no object; -EINVAL with ERR_INVALID (422) for a wrong type or a number out of range in a
 * known field; -ENOMEM with ERR_UNAVAILABLE (503). On failure *target is unspecified.
 */
int json_parse(struct arena *arena, struct str bytes, const char *where, const struct json_field *fields,
	       void *target, struct err *reterr) MUST_CHECK;

/*
 * The writer. Nesting up to JSON_MAX_DEPTH (asserted). Its failure is that of the buffer: check
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
/* Valid UTF-8 goes out as it is; malformed bytes become U+FFFD; controls, quote and backslash are escaped,
 * U+2028 and U+2029 too. */
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
