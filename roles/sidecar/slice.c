/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting well-formed JSON at its commas. Nothing here validates: a text that was not checked may
 * be cut in the wrong places, though never outside of its bytes.
 */
#include "slice_private.h"

#include <errno.h>

struct text {
	enum json_state state;
	struct json_str v;
};

static const struct json_field NO_FIELDS[] = { JSON_FIELD_END };
static const struct json_field TEXT_FIELDS[] = {
	JSON_FIELD(struct text, v, "v", JSON_KIND_STR),
	JSON_FIELD_END,
};

/* The value as the only member of an object, which is what json_parse takes. */
static struct str as_member(struct arena *arena, struct str json)
{
	const struct str head = STR("{\"v\":");
	char *p = arena_alloc(arena, head.n + json.n + 1);

	if (p == NULL)
		return (struct str){ NULL, 0 };
	memcpy(p, head.p, head.n);
	if (json.n > 0)
		memcpy(p + head.n, json.p, json.n);
	p[head.n + json.n] = '}';
	return (struct str){ p, head.n + json.n + 1 };
}

/* One value and nothing beside it: "1}" or "1,2" would make a member or more of it too. */
static int check_one(struct str json)
{
	struct slice s;
	struct str key, value;

	slice_open(&s, json);
	return slice_next(&s, &key, &value) && !slice_next(&s, &key, &value) ? 0 : -EINVAL;
}

int slice_parse(struct arena *arena, struct str json, const char *where,
		const struct json_field *fields, void *target, struct str *ret_copy,
		struct err *reterr)
{
	struct str member = as_member(arena, json);

	if (member.p == NULL) {
		err_unavailable(reterr, 1, "out of memory");
		return -ENOMEM;
	}
	int r = json_parse(arena, member, where, fields, target, reterr);
	if (r == 0 && check_one(member) < 0)
		return err_set(reterr, &ERR_BAD_REQUEST, where, "Not one JSON value.");
	if (r == 0 && ret_copy != NULL)
		*ret_copy = (struct str){ member.p + 5, member.n - 6 };
	return r;
}

int slice_check(struct arena *arena, struct str json, struct err *reterr)
{
	struct str core = str_trim(json);
	struct text ignored = { 0 };

	if (core.n > 0 && core.p[0] == '{')
		return json_parse(arena, json, "body", NO_FIELDS, &ignored, reterr);
	return slice_parse(arena, json, "body", NO_FIELDS, &ignored, NULL, reterr);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip(struct str *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

static void skip_space(struct str *s)
{
	while (s->n > 0 && is_space(s->p[0]))
		skip(s, 1);
}

/* Bytes of the string that s begins with, quotes included. */
static size_t string_length(struct str s)
{
	size_t i = 1;

	while (i < s.n && s.p[i] != '"')
		i += s.p[i] == '\\' ? 2 : 1;
	return i < s.n ? i + 1 : s.n;
}

static size_t value_length(struct str s)
{
	size_t i = 0;
	unsigned depth = 0;

	while (i < s.n) {
		char c = s.p[i];
		if (depth == 0 && (c == ',' || c == '}' || c == ']'))
			break;
		if (c == '"') {
			i += string_length((struct str){ s.p + i, s.n - i });
			continue;
		}
		depth += c == '{' || c == '[';
		depth -= (c == '}' || c == ']') && depth > 0;
		i++;
	}
	return i;
}

void slice_open(struct slice *s, struct str json)
{
	s->rest = str_trim(json);
	s->is_object = s->rest.n > 0 && s->rest.p[0] == '{';
	if (s->rest.n > 0 && (s->is_object || s->rest.p[0] == '['))
		skip(&s->rest, 1);
	else
		s->rest.n = 0;
}

bool slice_next(struct slice *s, struct str *ret_key, struct str *ret_value)
{
	*ret_key = (struct str){ NULL, 0 };
	skip_space(&s->rest);
	if (s->rest.n == 0 || s->rest.p[0] == '}' || s->rest.p[0] == ']')
		return false;
	if (s->is_object) {
		size_t n = string_length(s->rest);
		*ret_key = n >= 2 ? (struct str){ s->rest.p + 1, n - 2 } : STR("");
		skip(&s->rest, n);
		skip_space(&s->rest);
		if (s->rest.n > 0)
			skip(&s->rest, 1); /* the colon */
	}
	size_t n = value_length(s->rest);
	*ret_value = str_trim((struct str){ s->rest.p, n });
	skip(&s->rest, n);
	if (s->rest.n > 0 && s->rest.p[0] == ',')
		skip(&s->rest, 1);
	return true;
}

struct str slice_get(struct str object, struct str key)
{
	struct slice s;
	struct str found, value;

	slice_open(&s, object);
	while (s.is_object && slice_next(&s, &found, &value)) {
		if (str_eq(found, key))
			return value;
	}
	return (struct str){ NULL, 0 };
}

int slice_text(struct arena *arena, struct str json, struct str *ret)
{
	struct text text = { 0 };

	if (json.n < 2 || json.p[0] != '"')
		return -EINVAL;
	if (memchr(json.p, '\\', json.n) == NULL) {
		*ret = (struct str){ json.p + 1, json.n - 2 };
		return 0;
	}
	struct str member = as_member(arena, json);
	if (member.p == NULL)
		return -ENOMEM;
	int r = json_parse(arena, member, "body", TEXT_FIELDS, &text, NULL);
	if (r == 0)
		*ret = text.v.v;
	return r;
}
