/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One configuration value: from text to a number held against its bounds, and what the key allows
 * in words. The same unit tables read and write, so that a message never names a unit that is
 * refused.
 */
#include "src/base/config_private.h"

#include <errno.h>
#include <inttypes.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first; the one without a factor of its own ends the table. */
static const struct unit duration_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 },	   { "ms", 1 },	     { NULL, 0 },
};
static const struct unit byte_units[] = {
	{ "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "", 1 }, { NULL, 0 },
};

static int parse_with_unit(struct str text, const struct unit *units, const char *bare_unit,
			   int64_t *ret)
{
	size_t digits = 0;
	struct str unit;
	int64_t v;
	int r;

	while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
		digits++;
	r = str_parse_i64((struct str){ text.p, digits }, &v);
	if (r < 0)
		return r;
	unit = digits == text.n ? str_from(bare_unit)
				: (struct str){ text.p + digits, text.n - digits };
	for (; units->name; units++)
		if (str_eq(unit, str_from(units->name)))
			return __builtin_mul_overflow(v, units->factor, ret) ? -ERANGE : 0;
	return -EINVAL;
}

int config_parse_duration(struct str text, int64_t *ret_ms)
{
	return parse_with_unit(text, duration_units, "s", ret_ms);
}

static int parse_bool(struct str text, int64_t *ret)
{
	static const char *const words[] = { "false", "true", "off", "on", "no", "yes", "0", "1" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_eq(text, str_from(words[i]))) {
			*ret = (int64_t)(i % 2);
			return 0;
		}
	return -EINVAL;
}

static int parse_choice(const char *choices, struct str text, int64_t *ret)
{
	struct str rest = str_from(choices), choice;

	for (int64_t i = 0; str_split(&rest, '|', &choice); i++)
		if (str_eq(text, choice)) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

/* UTF-8 without control characters: a value may end up in a header, a log line or a terminal. */
static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return false;
	return utf8_valid(text);
}

static int parse_type(const struct config_key *key, struct str text, int64_t *ret,
		      const char **ret_wrong)
{
	switch (key->type) {
	case CONFIG_I64:
		*ret_wrong = "is not a whole number";
		return str_parse_i64(text, ret);
	case CONFIG_BOOL:
		*ret_wrong = "is neither true nor false";
		return parse_bool(text, ret);
	case CONFIG_DURATION_MS:
		*ret_wrong = "is not a duration";
		return parse_with_unit(text, duration_units, "s", ret);
	case CONFIG_BYTES:
		*ret_wrong = "is not a size in bytes";
		return parse_with_unit(text, byte_units, "", ret);
	case CONFIG_CHOICE:
		*ret_wrong = "is not one of the choices";
		return parse_choice(key->choices, text, ret);
	case CONFIG_STRING:
	default:
		*ret = (int64_t)text.n;
		return 0;
	}
}

static bool is_bounded(const struct config_key *key)
{
	return key->type != CONFIG_BOOL && key->type != CONFIG_CHOICE &&
	       (key->min != 0 || key->max != 0);
}

int config_value_parse(const struct config_key *key, struct str text, int64_t *ret_number,
		       const char **ret_wrong)
{
	bool may_be_empty =
		key->type == CONFIG_STRING || !key->default_value || key->default_value[0] == '\0';
	const char *wrong;
	int64_t v;
	int r;

	if (!is_plain(text)) {
		*ret_wrong = "holds control characters or bytes that are not UTF-8";
		return -EINVAL;
	}
	if (text.n == 0 && may_be_empty) {
		*ret_number = 0; /* not set */
		return 0;
	}
	r = parse_type(key, text, &v, &wrong);
	if (r == 0 && is_bounded(key) && (v < key->min || v > key->max))
		r = -ERANGE;
	if (r < 0) {
		*ret_wrong = r == -ERANGE
				     ? (key->type == CONFIG_STRING ? "has a length out of bounds"
								   : "is out of bounds")
				     : wrong;
		return -EINVAL;
	}
	*ret_number = v;
	return 0;
}

static void put_with_unit(struct buf *out, int64_t v, const struct unit *units)
{
	while (units[1].name && (v == 0 || v % units->factor != 0))
		units++;
	buf_printf(out, "%" PRId64 "%s", v / units->factor, units->name);
}

static void put_bound(struct buf *out, const struct config_key *key, int64_t v)
{
	if (key->type == CONFIG_DURATION_MS)
		put_with_unit(out, v, duration_units);
	else if (key->type == CONFIG_BYTES)
		put_with_unit(out, v, byte_units);
	else
		buf_append_i64(out, v);
}

static void put_choices(struct buf *out, const char *choices)
{
	struct str rest = str_from(choices), choice;
	const char *between = "one of ";

	while (str_split(&rest, '|', &choice)) {
		buf_append_str(out, str_from(between));
		buf_append_str(out, choice);
		between = ", ";
	}
}

void config_value_allowed(const struct config_key *key, struct buf *out)
{
	static const char *const types[] = {
		[CONFIG_STRING] = "text",
		[CONFIG_I64] = "a whole number",
		[CONFIG_BOOL] = "true, false, on, off, yes, no, 1 or 0",
		[CONFIG_DURATION_MS] =
			"a duration in ms, s, m, h or d (30s; without a unit: seconds)",
		[CONFIG_BYTES] = "a size in bytes, KiB, MiB or GiB (64KiB)",
	};

	if (key->type == CONFIG_CHOICE)
		put_choices(out, key->choices);
	else
		buf_append_str(out, str_from(types[key->type]));
	if (!is_bounded(key))
		return;
	buf_append_str(out, key->type == CONFIG_STRING ? STR(" of ") : STR(" from "));
	put_bound(out, key, key->min);
	buf_append_str(out, STR(" to "));
	put_bound(out, key, key->max);
	if (key->type == CONFIG_STRING)
		buf_append_str(out, STR(" bytes"));
}
