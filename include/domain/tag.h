/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags: names, under which key two names are the same, colours. Pure.
 */
#ifndef DOMAIN_TAG_H
#define DOMAIN_TAG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/str.h"

#include <stdint.h>

enum {
	TAG_NAME_MAX = 50, /* code points, after NFC */
	TAGS_OF_TASK_MAX = 20,
	TAGS_OF_USER_MAX = 500,
};

extern const struct err_kind ERR_TAG_NOT_FOUND; /* 404 */
extern const struct err_kind ERR_TAG_EXISTS;	/* 409 */
extern const struct err_kind ERR_TAG_QUOTA;	/* 422 */

struct tag_name {
	struct str name; /* as people see it: NFC, trimmed */
	struct str key;	 /* case-folded: one tag for each key */
};

struct tag {
	struct tag_name name;
	struct str color; /* "#rrggbb", lower case */
	int64_t open_tasks;
};

extern const struct str TAG_COLOR_DEFAULT;

/* Letters, marks and decimal digits of any script, space, "_", "-" and "."; 422 for `field`
 * otherwise, also for too long or blank (nothing in it that can be seen). -ENOMEM is 503. */
int tag_name_parse(struct arena *arena, struct str text, const char *field, struct tag_name *ret,
		   struct err *reterr) MUST_CHECK;
/* The body of POST /tags: {"name", "color"?}. *ret in the arena. 400 or 422. */
int tag_parse_create(struct arena *arena, struct str body, struct tag *ret,
		     struct err *reterr) MUST_CHECK;
/* The body of PATCH /tags/{name}: {"name"?, "color"?}; what is absent stays as in *tag. 400, 422.
 */
int tag_parse_change(struct arena *arena, struct str body, struct tag *tag,
		     struct err *reterr) MUST_CHECK;
/* {"name", "color", "open_tasks"} */
void tag_write_json(struct json_out *o, const struct tag *t);

#endif
