/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes into the JSON reader, then what it read through the writer and back. Held against: no
 * crash and no yajl allocation past its reserve; a refusal has a status, a place in UTF-8 and a
 * text; what was accepted is UTF-8 without U+0000, and survives being written and read again; the
 * answer does not depend on how much memory there is, but for the 503.
 */
#include "base/json.h"
#include "base/json_canonical.h"

#include <errno.h>
#include <stdlib.h>

struct inner {
	enum json_state state;
	struct json_str name;
	struct json_i64 n;
};

struct target {
	struct json_str s;
	struct json_i64 i;
	struct json_i64 number;
	struct json_bool b;
	struct json_strs list;
	struct json_strs aud;
	struct inner obj;
	struct json_objs objs;
	struct json_str raw;
};

static const struct json_field inner_fields[] = {
	JSON_FIELD(struct inner, name, "name", JSON_KIND_STR),
	JSON_FIELD(struct inner, n, "n", JSON_KIND_I64),
	JSON_FIELD_END,
};

static const struct json_field fields[] = {
	JSON_FIELD(struct target, s, "s", JSON_KIND_STR),
	JSON_FIELD(struct target, i, "i", JSON_KIND_I64),
	JSON_FIELD(struct target, number, "number", JSON_KIND_NUMBER),
	JSON_FIELD(struct target, b, "b", JSON_KIND_BOOL),
	{ .name = "list",
	  .kind = JSON_KIND_STRS,
	  .offset = offsetof(struct target, list),
	  .max_items = 5 },
	JSON_FIELD(struct target, aud, "aud", JSON_KIND_STR_OR_STRS),
	{ .name = "obj",
	  .kind = JSON_KIND_OBJ,
	  .offset = offsetof(struct target, obj),
	  .nested = inner_fields },
	{ .name = "objs",
	  .kind = JSON_KIND_OBJS,
	  .offset = offsetof(struct target, objs),
	  .nested = inner_fields,
	  .elem_size = sizeof(struct inner) },
	JSON_FIELD(struct target, raw, "raw", JSON_KIND_RAW),
	JSON_FIELD_END,
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_text(const struct json_str *s)
{
	if (s->state != JSON_SET)
		return;
	must(utf8_valid(s->v));
	must(!memchr(s->v.p, '\0', s->v.n) && s->v.p[s->v.n] == '\0');
}

/* What stands raw in the document is a value by itself. */
static void check_raw(struct str in, const struct json_str *raw)
{
	struct arena *a = arena_new(64 << 20);
	struct buf out;

	if (raw->state == JSON_SET) {
		buf_init(&out, 64 << 20);
		must(raw->v.p > in.p && raw->v.p + raw->v.n < in.p + in.n);
		must(json_canonical(a, raw->v, &out, NULL) == 0);
		buf_done(&out);
	}
	arena_free(a);
}

static void put(struct json_out *o, struct str key, const struct json_str *s)
{
	if (s->state == JSON_SET)
		json_key_str(o, key, s->v);
	else if (s->state == JSON_NULL)
		json_key_null(o, key);
}

static void put_list(struct json_out *o, struct str key, const struct json_strs *list)
{
	if (list->state != JSON_SET)
		return;
	json_key(o, key);
	json_begin_array(o);
	for (size_t i = 0; i < list->n; i++)
		json_str(o, list->v[i]);
	json_end_array(o);
}

static void write_back(struct buf *out, const struct target *t)
{
	struct json_out o;

	json_out_init(&o, out);
	json_begin_object(&o);
	put(&o, STR("s"), &t->s);
	if (t->i.state == JSON_SET)
		json_key_i64(&o, STR("i"), t->i.v);
	if (t->number.state == JSON_SET)
		json_key_i64(&o, STR("number"), t->number.v);
	put_list(&o, STR("list"), &t->list);
	put_list(&o, STR("aud"), &t->aud);
	json_end_object(&o);
	must(buf_status(out) == 0);
}

static void check_list(const struct json_strs *a, const struct json_strs *b)
{
	must(a->n == b->n);
	for (size_t i = 0; i < a->n; i++)
		must(str_eq(a->v[i], b->v[i]));
}

static void check_round_trip(const struct target *t)
{
	struct arena *a = arena_new(64 << 20);
	struct target again = { 0 };
	struct buf out;

	buf_init(&out, 16 << 20);
	write_back(&out, t);
	must(json_parse(a, buf_str(&out), "again", fields, &again, NULL) == 0);
	must(again.s.state == t->s.state && str_eq(again.s.v, t->s.v));
	must(again.i.v == t->i.v && again.number.v == t->number.v);
	check_list(&t->list, &again.list);
	check_list(&t->aud, &again.aud);
	buf_done(&out);
	arena_free(a);
}

static void check_little_memory(struct str in, int full_result)
{
	struct arena *a = arena_new(in.n % 4096);
	struct target t = { 0 };
	struct err e = { 0 };
	int r = json_parse(a, in, "body", fields, &t, &e);

	must(r == full_result || (r == -ENOMEM && e.kind->http_status == 503));
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size };
	struct arena *a = arena_new(64 << 20);
	struct target t = { 0 };
	struct err e = { 0 };
	int r = json_parse(a, in, "body", fields, &t, &e);

	if (r == 0) {
		must(!e.kind && utf8_valid(in));
		check_text(&t.s);
		check_text(&t.obj.name);
		check_raw(in, &t.raw);
		must(t.list.n <= 5);
		check_round_trip(&t);
	} else {
		must(r == -EINVAL && (e.kind->http_status == 400 || e.kind->http_status == 422));
		must(str_starts(str_from(e.field), STR("body")) && e.text[0]);
	}
	check_little_memory(in, r);
	arena_free(a);
	return 0;
}
