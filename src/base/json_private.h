/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the JSON reader tell each other. */
#ifndef BASE_JSON_PRIVATE_H
#define BASE_JSON_PRIVATE_H

#include "base/json.h"

#include <yajl/yajl_parse.h>

/* What a look over the raw bytes shows before yajl starts. */
struct json_scan {
	const char *mistake;	/* NULL: none found; else what is wrong, for people */
	size_t at;		/* offset of the mistake */
	size_t longest_escaped; /* raw bytes of the longest string with an escape: what yajl copies
				   to decode */
};

/*
 * Finds what yajl lets pass or decodes to something else: bytes that are not UTF-8, lone
 * surrogates, U+0000, control bytes between tokens, depth over JSON_MAX_DEPTH, a string that never
 * ends. A text that passes may still be malformed, and then yajl says so.
 */
void json_scan(struct str bytes, struct json_scan *ret);

/* A key of an object that is still open. */
struct json_key {
	uint32_t tag; /* of equal names equal, and of different ones seldom */
	struct str name;
};

/* An open container. */
struct json_frame {
	bool is_array;
	const struct json_field *fields; /* object: its table; NULL: nobody asked for it */
	const struct json_field
		*field; /* object: of the last key; array: the one it fills; NULL: ignore */
	char *to; /* object: the struct that fields describe; array: its json_strs, json_objs */
	size_t n; /* keys or items begun */
	size_t first_key;     /* object: its keys are reader.keys[first_key .. first_key + n) */
	size_t cap;	      /* array: items allocated */
	struct json_str *raw; /* the JSON_KIND_RAW that this container is the value of; or NULL */
	size_t raw_start;     /* offset of its opening bracket */
};

struct json_reader {
	struct arena *arena;
	struct str in;
	const char *where;
	const struct json_field *top_fields;
	void *top_target;
	bool in_brackets;			      /* a pair of ours stands around the text */
	struct json_frame frames[JSON_MAX_DEPTH + 1]; /* one for the brackets */
	unsigned depth;
	size_t key_end;	       /* offset behind the key that was read last */
	yajl_handle yajl;      /* NULL before it runs */
	struct json_key *keys; /* of all open objects, outermost first */
	size_t n_keys, keys_cap;
	int stopped; /* malformed (400) or no memory (503): negative errno, told in *reterr */
	struct err *reterr;
	struct err wrong; /* the first 422; kind is NULL while there is none */
};

/*
 * Whether this is one JSON value of any kind, by all that json_parse refuses; with its errors.
 * Takes from the arena what json_parse takes, and a copy of the text.
 */
int json_check(struct arena *arena, struct str bytes, const char *where,
	       struct err *reterr) MUST_CHECK;

/* What yajl calls; the context is a struct json_reader. */
extern const yajl_callbacks json_callbacks;
/* Fills *reterr with a 503 and stops the reader. 0, as yajl wants it from a callback that stops. */
int json_stop_no_memory(struct json_reader *r);

#endif
