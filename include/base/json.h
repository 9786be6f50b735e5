/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON in and out (RFC 8259); the writer is in json_out.h.
 *
 * Reading: yajl by SAX straight into a typed struct, as a table of fields says. Refused, before the
 * caller sees anything: bytes that are not UTF-8 (RFC 3629), lone surrogates, U+0000 in a string,
 * form feed, depth over JSON_MAX_DEPTH, duplicate keys, more than JSON_MAX_KEYS in an object,
 * trailing bytes, numbers too large for a double, and in known fields those outside int64. Unknown
 * keys are checked the same way and ignored. Every decoded string lives in the arena. yajl never
 * meets a failed allocation: what a document of that size can need is reserved first.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { JSON_MAX_KEYS = 256 };

/* A field is absent, null, or set: merge needs all three. Zero-initialised means absent. */
enum json_state { JSON_ABSENT = 0, JSON_NULL, JSON_SET };

struct json_str {
	enum json_state state;
	struct str v; /* NUL-terminated in the arena, but may not be used as a C string if it came
			 from an unchecked source */
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
	JSON_KIND_STR,	  /* struct json_str */
	JSON_KIND_I64,	  /* struct json_i64; 1.0 and 1e3 are refused */
	JSON_KIND_NUMBER, /* struct json_i64 truncated from any finite number (JWT NumericDate may
			     have a fraction) */
	JSON_KIND_BOOL,	  /* struct json_bool */
	JSON_KIND_STRS,	  /* struct json_strs */
	JSON_KIND_STR_OR_STRS, /* struct json_strs; a lone string gives n == 1 (JWT aud) */
	JSON_KIND_OBJ,	       /* enum json_state first in the nested struct, filled by its table */
	JSON_KIND_OBJS,	       /* struct json_objs */
	JSON_KIND_STRS_OR_OBJS, /* struct json_objs; a string stands for an object with the first
				   field of the table, which is a JSON_KIND_STR */
	JSON_KIND_RAW, /* struct json_str: the bytes of any value as they stand in the document, a
			  view of it; for null, JSON_NULL and these bytes too */
};

struct json_field {
	const char *name;
	enum json_kind kind;
	size_t offset;			 /* of the struct json_* in the target */
	const struct json_field *nested; /* _OBJ, _OBJS, _STRS_OR_OBJS: its table */
	size_t elem_size;		 /* of objects: bytes of one element */
	size_t max_items;		 /* arrays: most elements (0: 1024); more is 422 */
};

#define JSON_FIELD(type, member, field_name, field_kind)                                     \
	{                                                                                    \
		.name = (field_name), .kind = (field_kind), .offset = offsetof(type, member) \
	}
/* Ends a table. */
#define JSON_FIELD_END       \
	{                    \
		.name = NULL \
	}

/*
 * Parses one JSON object into *target, which the caller has set to zero. where prefixes err.field,
 * a path of keys and indexes ("body" gives "body.title", "body.tags.2"). Takes from the arena,
 * besides the strings, about 3 KiB, and twice the longest string with an escape. Malformed outranks
 * wrong, then the first one is told. 0; -EINVAL with ERR_BAD_REQUEST (400) for malformed JSON,
 * duplicate keys, depth, bad strings, a top level that is no object; -EINVAL with ERR_INVALID (422)
 * for a wrong type or a number out of range in a known field; -ENOMEM with ERR_UNAVAILABLE (503).
 * On failure *target is unspecified.
 */
int json_parse(struct arena *arena, struct str bytes, const char *where,
	       const struct json_field *fields, void *target, struct err *reterr) MUST_CHECK;

#endif
