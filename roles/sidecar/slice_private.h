/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON values as the bytes they are: what passes through is not rendered again, so numbers, order
 * and spelling stay. Only for text that slice_check or json_parse has found well-formed.
 */
#ifndef SIDECAR_SLICE_PRIVATE_H
#define SIDECAR_SLICE_PRIVATE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#include <stdbool.h>

/* Any JSON value, as strict as json_parse. -EINVAL; -ENOMEM. */
int slice_check(struct arena *arena, struct str json, struct err *reterr) MUST_CHECK;

/*
 * json_parse for an array (or any value): fields has one field, "v", for it. *ret_copy (may be
 * NULL) is the value in the arena. As json_parse.
 */
int slice_parse(struct arena *arena, struct str json, const char *where,
		const struct json_field *fields, void *target, struct str *ret_copy,
		struct err *reterr) MUST_CHECK;

/* Walks the members of an object or the items of an array. */
struct slice {
	struct str rest;
	bool is_object;
};
void slice_open(struct slice *s, struct str json); /* one that is neither has no members */
/* *ret_key: as written, without its quotes; of an item .p is NULL. False at the end. */
bool slice_next(struct slice *s, struct str *ret_key, struct str *ret_value);
/* The value of a key written without escapes; .p NULL: there is none. */
struct str slice_get(struct str object, struct str key);
/* The text of a string; -EINVAL: it is no string; -ENOMEM. */
int slice_text(struct arena *arena, struct str json, struct str *ret) MUST_CHECK;

#endif
