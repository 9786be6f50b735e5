/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tag may be called, and its colour. A name is compared by its key, so both are made here,
 * at once, and nowhere else. The table below is the only place that knows the names of a tag's
 * body.
 */
#include "domain/tag.h"

#include "base/json.h"
#include "base/unicode.h"

#include <errno.h>

enum {
	RETRY_AFTER_S = 1,
	/* Code points that NFC may join into one; so many more need not be looked at. */
	COMPOSED_MAX = 4,
	COLOR_BYTES = 7, /* #rrggbb */
};

const struct err_kind ERR_TAG_NOT_FOUND = { "tag_not_found", 404, ENOENT, "Tag not found" };
const struct err_kind ERR_TAG_EXISTS = { "tag_exists", 409, EEXIST, "Tag exists" };
const struct err_kind ERR_TAG_QUOTA = { "tag_quota", 422, EDQUOT, "Tag quota reached" };

const struct str TAG_COLOR_DEFAULT = STR_INIT("#808080");

static int no_memory(struct err *reterr)
{
	err_unavailable(reterr, RETRY_AFTER_S, "out of memory");
	return -ENOMEM;
}

static int too_long(const char *field, struct err *reterr)
{
	return err_set(reterr, &ERR_INVALID, field, "a tag must have at most %d characters",
		       TAG_NAME_MAX);
}

static bool is_name_char(uint32_t c)
{
	return c == ' ' || c == '_' || c == '-' || c == '.' || unicode_is_letter(c) ||
	       unicode_is_mark(c) || unicode_is_digit(c);
}

/* Of a name in NFC. */
static int check_name(struct str name, const char *field, struct err *reterr)
{
	bool is_blank = true;
	size_t pos = 0;

	while (pos < name.n) {
		int32_t c = utf8_next(name, &pos);

		if (c < 0 || !is_name_char((uint32_t)c))
			return err_set(reterr, &ERR_INVALID, field,
				       "a tag may have letters, marks and digits of any script, "
				       "spaces, \"_\", \"-\" and \".\", and nothing else");
		is_blank &= c == ' ' || unicode_is_invisible((uint32_t)c);
	}
	if (is_blank)
		return err_set(reterr, &ERR_INVALID, field, "a tag must not be blank");
	return utf8_count(name) > TAG_NAME_MAX ? too_long(field, reterr) : 0;
}

int tag_name_parse(struct arena *arena, struct str text, const char *field, struct tag_name *ret,
		   struct err *reterr)
{
	struct tag_name t;
	int r;

	text = utf8_trim(text);
	if (utf8_count(text) > (size_t)TAG_NAME_MAX * COMPOSED_MAX)
		return too_long(field, reterr);
	if (unicode_nfc(arena, text, &t.name) < 0)
		return no_memory(reterr);
	r = check_name(t.name, field, reterr);
	if (r < 0)
		return r;
	if (unicode_fold_case(arena, t.name, &t.key) < 0)
		return no_memory(reterr);
	*ret = t;
	return 0;
}

struct tag_input {
	struct json_str name, color;
};

static const struct json_field FIELDS[] = {
	JSON_FIELD(struct tag_input, name, "name", JSON_KIND_STR),
	JSON_FIELD(struct tag_input, color, "color", JSON_KIND_STR),
	JSON_FIELD_END,
};

static int parse_name(struct arena *arena, const struct json_str *in, struct tag_name *ret,
		      struct err *reterr)
{
	if (in->state == JSON_ABSENT)
		return err_set(reterr, &ERR_INVALID, "body.name", "name is required");
	if (in->state == JSON_NULL)
		return err_set(reterr, &ERR_INVALID, "body.name",
			       "name must be a string, not null");
	return tag_name_parse(arena, in->v, "body.name", ret, reterr);
}

static bool is_hex_digit(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool is_color(struct str s)
{
	if (s.n != COLOR_BYTES || s.p[0] != '#')
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (!is_hex_digit(s.p[i]))
			return false;
	return true;
}

/* Absent and null are the default. */
static int parse_color(struct arena *arena, const struct json_str *in, struct str *ret,
		       struct err *reterr)
{
	if (in->state != JSON_SET) {
		*ret = TAG_COLOR_DEFAULT;
		return 0;
	}
	if (!is_color(in->v))
		return err_set(reterr, &ERR_INVALID, "body.color",
			       "color must be \"#\" and six hexadecimal digits, such as %s",
			       TAG_COLOR_DEFAULT.p);
	return unicode_fold_case(arena, in->v, ret) < 0 ? no_memory(reterr) : 0;
}

int tag_parse_create(struct arena *arena, struct str body, struct tag *ret, struct err *reterr)
{
	struct tag_input in = { 0 };
	struct tag t = { 0 };
	int r = json_parse(arena, body, "body", FIELDS, &in, reterr);

	if (r == 0)
		r = parse_name(arena, &in.name, &t.name, reterr);
	if (r == 0)
		r = parse_color(arena, &in.color, &t.color, reterr);
	if (r == 0)
		*ret = t;
	return r;
}

int tag_parse_change(struct arena *arena, struct str body, struct tag *tag, struct err *reterr)
{
	struct tag_input in = { 0 };
	struct tag t = *tag;
	int r = json_parse(arena, body, "body", FIELDS, &in, reterr);

	if (r == 0 && in.name.state != JSON_ABSENT)
		r = parse_name(arena, &in.name, &t.name, reterr);
	if (r == 0 && in.color.state != JSON_ABSENT)
		r = parse_color(arena, &in.color, &t.color, reterr);
	if (r == 0)
		*tag = t;
	return r;
}

void tag_write_json(struct json_out *o, const struct tag *t)
{
	json_begin_object(o);
	json_key_str(o, STR("name"), t->name.name);
	json_key_str(o, STR("color"), t->color);
	json_key_i64(o, STR("open_tasks"), t->open_tasks);
	json_end_object(o);
}
