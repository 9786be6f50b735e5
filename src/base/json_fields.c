/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What yajl calls back for each token: the value goes to the place that the field tables name. A
 * frame per open container says where that is; a container nobody asked for gets a frame that
 * ignores, but its keys are checked like any others. Frames cannot run out: json_scan counted the
 * depth.
 *
 * A malformed document (400) outranks a wrong value (422): the first wrong value is noted and
 * parsing goes on. Memory that fails stops at once.
 */
#include "src/base/json_private.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	DEFAULT_MAX_ITEMS = 1024,
	FIRST_KEYS = 16,
	FIRST_ITEMS = 8,
	RETRY_AFTER_S = 1,
	LONGEST_SURELY_FINITE =
		308, /* digits of an integer that a double holds whatever they are */
};

/* Where a value goes. field NULL: nowhere, it is only checked. */
struct json_place {
	const struct json_field *field;
	char *to; /* the struct json_*; for an element, the one of its array */
	bool is_element;
};

/* As much of part as fits, NUL-terminated. */
static void add_part(char *out, size_t size, size_t *at, struct str part)
{
	size_t room = size - 1 - *at;
	size_t n = part.n < room ? part.n : room;

	if (n)
		memcpy(out + *at, part.p, n);
	*at += n;
	out[*at] = '\0';
}

/* "body.tags.2": where the value is that is being read. Cut when it gets too long to tell. */
static void path(const struct json_reader *r, char *out, size_t size)
{
	size_t at = 0;

	add_part(out, size, &at, str_from(r->where));
	for (unsigned i = r->in_brackets; i < r->depth; i++) {
		const struct json_frame *f = &r->frames[i];
		char index[24];

		if (f->n == 0)
			continue;
		add_part(out, size, &at, STR("."));
		snprintf(index, sizeof(index), "%zu", f->n - 1);
		add_part(out, size, &at,
			 f->is_array ? str_from(index) : r->keys[f->first_key + f->n - 1].name);
	}
}

/* Each of these gives the answer of a yajl callback: 0 stops the parser, 1 goes on. */

static int stop_malformed(struct json_reader *r, const char *text)
{
	char field[2 * sizeof(r->wrong.field)];

	path(r, field, sizeof(field));
	r->stopped = err_set(r->reterr, &ERR_BAD_REQUEST, field, "%s", text);
	return 0;
}

int json_stop_no_memory(struct json_reader *r)
{
	err_unavailable(r->reterr, RETRY_AFTER_S,
			"Not enough memory to read this request; try again.");
	r->stopped = -ENOMEM;
	return 0;
}

static int note_wrong(struct json_reader *r, const char *text)
{
	char field[2 * sizeof(r->wrong.field)];

	if (!r->wrong.kind) {
		path(r, field, sizeof(field));
		err_set(&r->wrong, &ERR_INVALID, field, "%s", text);
	}
	return 1;
}

static int note_wrong_type(struct json_reader *r, const struct json_place *at)
{
	static const char *const expected[] = {
		[JSON_KIND_STR] = "must be a string",
		[JSON_KIND_I64] = "must be a whole number",
		[JSON_KIND_NUMBER] = "must be a number",
		[JSON_KIND_BOOL] = "must be true or false",
		[JSON_KIND_STRS] = "must be a list of strings",
		[JSON_KIND_STR_OR_STRS] = "must be a string or a list of strings",
		[JSON_KIND_OBJ] = "must be an object",
		[JSON_KIND_OBJS] = "must be a list of objects",
		[JSON_KIND_STRS_OR_OBJS] = "must be a list of strings or objects",
	};
	enum json_kind kind = at->field->kind;

	if (!at->is_element)
		return note_wrong(r, expected[kind]);
	if (kind == JSON_KIND_STRS_OR_OBJS)
		return note_wrong(r, "must be a string or an object");
	return note_wrong(r, expected[kind == JSON_KIND_OBJS ? JSON_KIND_OBJ : JSON_KIND_STR]);
}

static void too_many_items(struct json_reader *r, struct json_frame *f, size_t max)
{
	char text[64];

	snprintf(text, sizeof(text), "must have at most %zu items", max);
	r->depth--; /* it is the list that is wrong, not its item */
	note_wrong(r, text);
	r->depth++;
	f->field = NULL;
}

/* Called once for each value, before anything is done with it. */
static struct json_place next_place(struct json_reader *r)
{
	struct json_frame *f;
	size_t max;

	if (r->depth == 0)
		return (struct json_place){ 0 };
	f = &r->frames[r->depth - 1];
	if (!f->is_array)
		return (struct json_place){ f->field, f->field ? f->to + f->field->offset : NULL,
					    false };
	if (f->field) {
		max = f->field->max_items ? f->field->max_items : DEFAULT_MAX_ITEMS;
		if (f->n == max)
			too_many_items(r, f, max);
	}
	f->n++;
	return (struct json_place){ f->field, f->to, true };
}

/* *items holds n of *cap items and is made to hold one more. */
static bool grow_items(struct json_reader *r, void **items, size_t n, size_t *cap, size_t size)
{
	size_t new_cap = *cap ? *cap * 2 : FIRST_ITEMS;
	void *p;

	if (n < *cap)
		return true;
	p = arena_calloc(r->arena, new_cap, size);
	if (!p)
		return false;
	if (n)
		memcpy(p, *items, n * size);
	*items = p;
	*cap = new_cap;
	return true;
}

static bool add_string(struct json_reader *r, struct json_strs *list, size_t *cap, struct str copy)
{
	void *items = list->v;

	if (!copy.p || !grow_items(r, &items, list->n, cap, sizeof(copy)))
		return false;
	list->v = items;
	list->v[list->n++] = copy;
	list->state = JSON_SET;
	return true;
}

/* The next element of the list of objects in the frame on top; NULL: no memory. */
static void *add_object(struct json_reader *r)
{
	struct json_frame *f = &r->frames[r->depth - 1];
	struct json_objs *list = (void *)f->to;

	if (!grow_items(r, &list->v, list->n, &f->cap, f->field->elem_size))
		return NULL;
	return (char *)list->v + list->n++ * f->field->elem_size;
}

static void push(struct json_reader *r, struct json_frame f)
{
	assert(r->depth < ARRAY_SIZE(r->frames)); /* json_scan counted */
	f.first_key = r->n_keys;
	r->frames[r->depth++] = f;
}

static bool is_raw(const struct json_place *at)
{
	return at->field && at->field->kind == JSON_KIND_RAW;
}

/* Where the value of the key that was just read begins. */
static size_t value_start(const struct json_reader *r)
{
	size_t at = r->key_end;

	while (strchr(" \t\r\n:", r->in.p[at]))
		at++;
	return at;
}

/* The value from start on, which yajl has just read to its end. */
static int set_raw(const struct json_reader *r, struct json_str *to, size_t start)
{
	size_t end = yajl_get_bytes_consumed(r->yajl);

	to->state = r->in.p[start] == 'n' ? JSON_NULL : JSON_SET;
	to->v = (struct str){ r->in.p + start, end - start };
	return 1;
}

static int set_raw_scalar(const struct json_reader *r, const struct json_place *at)
{
	return set_raw(r, (void *)at->to, value_start(r));
}

static int on_null(void *ctx)
{
	struct json_reader *r = ctx;
	struct json_place at = next_place(r);

	if (!at.field)
		return 1;
	if (is_raw(&at))
		return set_raw_scalar(r, &at);
	if (at.is_element)
		return note_wrong_type(r, &at);
	*(enum json_state *)(void *)at.to = JSON_NULL;
	return 1;
}

static int on_bool(void *ctx, int value)
{
	struct json_reader *r = ctx;
	struct json_place at = next_place(r);

	if (!at.field)
		return 1;
	if (is_raw(&at))
		return set_raw_scalar(r, &at);
	if (at.is_element || at.field->kind != JSON_KIND_BOOL)
		return note_wrong_type(r, &at);
	*(struct json_bool *)(void *)at.to = (struct json_bool){ JSON_SET, value };
	return 1;
}

static int set_integer(struct json_reader *r, const struct json_place *at, struct str text)
{
	struct json_i64 *to = (void *)at->to;

	if (str_parse_i64(text, &to->v) < 0)
		return note_wrong(r, "must fit into 64 bits");
	to->state = JSON_SET;
	return 1;
}

static int set_truncated(struct json_reader *r, const struct json_place *at, double value)
{
	const double limit = 9223372036854775808.0; /* 2^63, which a double holds exactly */

	if (!(value > -limit && value < limit))
		return note_wrong(r, "must fit into 64 bits");
	*(struct json_i64 *)(void *)at->to = (struct json_i64){ JSON_SET, (int64_t)value };
	return 1;
}

static int on_number(void *ctx, const char *p, size_t n)
{
	struct json_reader *r = ctx;
	struct json_place at = next_place(r);
	struct str text = { p, n };
	bool whole = true;
	double value = 0;

	for (size_t i = 0; i < n && whole; i++)
		whole = p[i] != '.' && (p[i] | 0x20) != 'e';
	if (!whole || n > LONGEST_SURELY_FINITE) {
		/* Stops inside the document: its last byte but white space is a brace. */
		value = strtod(p, NULL);
		if (isinf(value))
			return stop_malformed(r, "The number is too large.");
	}
	if (!at.field)
		return 1;
	if (is_raw(&at))
		return set_raw_scalar(r, &at);
	if (at.is_element)
		return note_wrong_type(r, &at);
	if (whole && (at.field->kind == JSON_KIND_I64 || at.field->kind == JSON_KIND_NUMBER))
		return set_integer(r, &at, text);
	if (at.field->kind == JSON_KIND_NUMBER)
		return set_truncated(r, &at, value);
	return note_wrong_type(r, &at);
}

/* A string that stands for an object: the first field of its table. */
static int add_short_object(struct json_reader *r, struct str copy)
{
	const struct json_field *first = r->frames[r->depth - 1].field->nested;
	char *object = copy.p ? add_object(r) : NULL;

	assert(first->kind == JSON_KIND_STR);
	if (!object)
		return json_stop_no_memory(r);
	*(struct json_str *)(void *)(object + first->offset) = (struct json_str){ JSON_SET, copy };
	return 1;
}

static int on_string(void *ctx, const unsigned char *p, size_t n)
{
	struct json_reader *r = ctx;
	struct json_place at = next_place(r);
	struct str text = { (const char *)p, n };
	size_t cap = 0;

	if (!at.field)
		return 1;
	if (is_raw(&at))
		return set_raw_scalar(r, &at);
	if (at.is_element && at.field->kind == JSON_KIND_STRS_OR_OBJS)
		return add_short_object(r, arena_dup(r->arena, text));
	if (at.is_element && at.field->kind != JSON_KIND_OBJS)
		return add_string(r, (void *)at.to, &r->frames[r->depth - 1].cap,
				  arena_dup(r->arena, text))
			       ? 1
			       : json_stop_no_memory(r);
	if (!at.is_element && at.field->kind == JSON_KIND_STR) {
		text = arena_dup(r->arena, text);
		if (!text.p)
			return json_stop_no_memory(r);
		*(struct json_str *)(void *)at.to = (struct json_str){ JSON_SET, text };
		return 1;
	}
	if (!at.is_element && at.field->kind == JSON_KIND_STR_OR_STRS)
		return add_string(r, (void *)at.to, &cap, arena_dup(r->arena, text))
			       ? 1
			       : json_stop_no_memory(r);
	return note_wrong_type(r, &at);
}

static bool has_objects(const struct json_field *field)
{
	return field->kind == JSON_KIND_OBJS || field->kind == JSON_KIND_STRS_OR_OBJS;
}

/* Nobody asked for what is inside. */
static void begin_raw(const struct json_reader *r, struct json_frame *f,
		      const struct json_place *at)
{
	f->raw = (void *)at->to;
	f->raw_start = value_start(r);
}

static int on_start_object(void *ctx)
{
	struct json_reader *r = ctx;
	struct json_place at = next_place(r);
	struct json_frame f = { 0 };

	if (r->depth == 0 && !r->in_brackets) {
		f.fields = r->top_fields;
		f.to = r->top_target;
	} else if (at.field && at.is_element && has_objects(at.field)) {
		f.fields = at.field->nested;
		f.to = add_object(r);
		if (!f.to)
			return json_stop_no_memory(r);
	} else if (at.field && !at.is_element && at.field->kind == JSON_KIND_OBJ) {
		f.fields = at.field->nested;
		f.to = at.to;
		*(enum json_state *)(void *)f.to = JSON_SET;
	} else if (is_raw(&at)) {
		begin_raw(r, &f, &at);
	} else if (at.field) {
		note_wrong_type(r, &at);
	}
	push(r, f);
	return 1;
}

static int on_start_array(void *ctx)
{
	struct json_reader *r = ctx;
	struct json_place at = next_place(r);
	struct json_frame f = { .is_array = true };

	if (at.field && !at.is_element &&
	    (at.field->kind == JSON_KIND_STRS || at.field->kind == JSON_KIND_STR_OR_STRS ||
	     has_objects(at.field))) {
		f.field = at.field;
		f.to = at.to;
		*(enum json_state *)(void *)f.to = JSON_SET;
	} else if (is_raw(&at)) {
		begin_raw(r, &f, &at);
	} else if (at.field) {
		note_wrong_type(r, &at);
	}
	push(r, f);
	return 1;
}

static int on_end(void *ctx)
{
	struct json_reader *r = ctx;
	const struct json_frame *f = &r->frames[--r->depth];

	r->n_keys = f->first_key;
	return f->raw ? set_raw(r, f->raw, f->raw_start) : 1;
}

static const struct json_field *find_field(const struct json_field *fields, struct str name)
{
	for (; fields && fields->name; fields++)
		if (strncmp(fields->name, name.p, name.n) == 0 && fields->name[name.n] == '\0')
			return fields;
	return NULL;
}

/* Every key is compared with those before it in its object: most differ in this. */
static uint32_t tag_of(struct str name)
{
	const unsigned char *p = (const unsigned char *)name.p;

	if (name.n == 0)
		return 0;
	return (uint32_t)(name.n & 0xff) << 24 | (uint32_t)p[0] << 16 |
	       (uint32_t)p[name.n / 2] << 8 | p[name.n - 1];
}

static bool is_duplicate(const struct json_reader *r, const struct json_frame *f,
			 const struct json_key *key)
{
	for (size_t i = f->first_key; i < r->n_keys; i++)
		if (r->keys[i].tag == key->tag && str_eq(r->keys[i].name, key->name))
			return true;
	return false;
}

/* yajl gives a view of the document, or, for a key with escapes, of a buffer that it will use
 * again. */
static struct str keep_name(struct json_reader *r, struct str name)
{
	if ((uintptr_t)name.p >= (uintptr_t)r->in.p &&
	    (uintptr_t)name.p < (uintptr_t)r->in.p + r->in.n)
		return name;
	return arena_dup(r->arena, name);
}

static bool grow_keys(struct json_reader *r)
{
	size_t cap = r->keys_cap ? r->keys_cap * 2 : FIRST_KEYS;
	struct json_key *keys;

	if (r->n_keys < r->keys_cap)
		return true;
	keys = arena_calloc(r->arena, cap, sizeof(*keys));
	if (!keys)
		return false;
	if (r->n_keys)
		memcpy(keys, r->keys, r->n_keys * sizeof(*keys));
	r->keys = keys;
	r->keys_cap = cap;
	return true;
}

static int on_key(void *ctx, const unsigned char *p, size_t n)
{
	struct json_reader *r = ctx;
	struct json_frame *f = &r->frames[r->depth - 1];
	struct json_key key = { .name = { (const char *)p, n } };
	bool duplicate;

	if (f->n == JSON_MAX_KEYS)
		return stop_malformed(r, "The object has too many keys.");
	key.tag = tag_of(key.name);
	duplicate = is_duplicate(r, f, &key);
	key.name = keep_name(r, key.name);
	if (!key.name.p || !grow_keys(r))
		return json_stop_no_memory(r);
	r->keys[r->n_keys++] = key;
	r->key_end = yajl_get_bytes_consumed(r->yajl);
	f->n++;
	if (duplicate)
		return stop_malformed(r, "The key stands twice in one object.");
	f->field = find_field(f->fields, key.name);
	return 1;
}

const yajl_callbacks json_callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end,
};
