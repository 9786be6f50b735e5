/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer. Rows of a list pass here, so the common case (plain ASCII, room in the buffer)
 * is a copy of eight bytes at a time with no call in between; everything that needs a second look
 * goes byte by byte. Room is always asked for by the least that will be written, so that a buffer
 * near its maximum takes exactly what fits. After a failed append the shape of what stands in the
 * buffer no longer matters.
 */
#include "base/json_out.h"
#include "base/time.h"

#include <assert.h>

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

void json_out_init(struct json_out *o, struct buf *buf)
{
	*o = (struct json_out){ .buf = buf };
}

/* Whether a comma must stand before the next key or value; from then on, one must before the one
 * after it. */
static bool comma_due(struct json_out *o)
{
	uint64_t bit = UINT64_C(1) << o->depth;
	bool due = !o->after_key && (o->has_items & bit);

	o->has_items |= bit;
	o->after_key = false;
	return due && o->depth > 0;
}

static void begin_value(struct json_out *o)
{
	if (comma_due(o))
		buf_append_char(o->buf, ',');
}

static void begin(struct json_out *o, char c)
{
	assert(o->depth < JSON_MAX_DEPTH);
	begin_value(o);
	buf_append_char(o->buf, c);
	o->depth++;
	o->has_items &= ~(UINT64_C(1) << o->depth);
}

static void end(struct json_out *o, char c)
{
	assert(o->depth > 0 && !o->after_key);
	buf_append_char(o->buf, c);
	o->depth--;
}

void json_begin_object(struct json_out *o)
{
	begin(o, '{');
}

void json_end_object(struct json_out *o)
{
	end(o, '}');
}

void json_begin_array(struct json_out *o)
{
	begin(o, '[');
}

void json_end_array(struct json_out *o)
{
	end(o, ']');
}

/* A high bit in each byte that is not plain: below 0x20, '"', '\\', 0x7F and above. May also mark a
 * byte behind such a one, never fewer. */
static uint64_t special_bytes(uint64_t w)
{
	uint64_t quote = w ^ EACH_BYTE('"');
	uint64_t backslash = w ^ EACH_BYTE('\\');

	return (w | (w + EACH_BYTE(1)) | (w - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) |
		(backslash - EACH_BYTE(1))) &
	       EACH_BYTE(0x80);
}

static bool is_plain(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 0x20 && u < 0x7F && u != '"' && u != '\\';
}

/* The last bytes of a string that is plain up to its last 7: two loads that may overlap what was
 * copied already, instead of a loop. False when one of them is not plain, or the string has under 4
 * bytes. */
static bool copy_plain_end(char *dst, struct str s)
{
	uint32_t first, last;
	uint64_t w;

	if (s.n < sizeof(first))
		return false;
	if (s.n >= sizeof(w)) {
		memcpy(&w, s.p + s.n - sizeof(w), sizeof(w));
		if (special_bytes(w))
			return false;
		memcpy(dst + s.n - sizeof(w), &w, sizeof(w));
		return true;
	}
	memcpy(&first, s.p, sizeof(first));
	memcpy(&last, s.p + s.n - sizeof(last), sizeof(last));
	if (special_bytes(first | (uint64_t)last << 32))
		return false;
	memcpy(dst, &first, sizeof(first));
	memcpy(dst + s.n - sizeof(last), &last, sizeof(last));
	return true;
}

/* Copies to dst until the first byte that is not plain and returns how many it were. dst has room
 * for s. */
static size_t copy_plain(char *dst, struct str s)
{
	size_t i = 0;
	uint64_t w;

	for (; s.n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		if (special_bytes(w))
			break;
		memcpy(dst + i, &w, sizeof(w));
	}
	if (s.n - i < sizeof(w) && i < s.n && copy_plain_end(dst, s))
		return s.n;
	for (; i < s.n && is_plain(s.p[i]); i++)
		dst[i] = s.p[i];
	return i;
}

static void escape_unit(struct buf *b, uint32_t unit)
{
	static const char digits[] = "0123456789abcdef";
	char text[6] = { '\\',
			 'u',
			 digits[unit >> 12 & 0xF],
			 digits[unit >> 8 & 0xF],
			 digits[unit >> 4 & 0xF],
			 digits[unit & 0xF] };

	buf_append(b, text, sizeof(text));
}

static void escape_ascii(struct buf *b, char c)
{
	switch (c) {
	case '"':
	case '\\':
		buf_append_char(b, '\\');
		buf_append_char(b, c);
		break;
	case '\n':
		buf_append_str(b, STR("\\n"));
		break;
	case '\r':
		buf_append_str(b, STR("\\r"));
		break;
	case '\t':
		buf_append_str(b, STR("\\t"));
		break;
	default:
		escape_unit(b, (unsigned char)c);
	}
}

/* The character at *pos, which is not plain. */
static void append_special(struct buf *b, struct str s, size_t *pos)
{
	size_t start = *pos;
	int32_t cp = utf8_next(s, pos);

	if (cp < 0) {
		(*pos)++;
		buf_append_str(b, STR("\xEF\xBF\xBD"));
	} else if (cp < 0x80) {
		escape_ascii(b, s.p[start]);
	} else if (cp == 0x2028 || cp == 0x2029) {
		escape_unit(b, (uint32_t)cp);
	} else {
		buf_append(b, s.p + start, *pos - start);
	}
}

/* s in quotes, and the bytes before and after it that are not 0. */
static void append_quoted(struct buf *b, char before, struct str s, char after)
{
	size_t i = 0;

	/* Escapes only add to this, so asking for it refuses nothing that would fit. */
	if (s.n > b->max || buf_reserve(b, s.n + 2 + (before != 0) + (after != 0)) < 0) {
		b->failed = true;
		return;
	}
	if (before)
		b->p[b->n++] = before;
	b->p[b->n++] = '"';
	while (i < s.n) {
		size_t n = copy_plain(b->p + b->n, (struct str){ s.p + i, s.n - i });

		b->n += n;
		i += n;
		while (i < s.n && !is_plain(s.p[i]))
			append_special(b, s, &i);
		if (buf_reserve(b, s.n - i + 1 + (after != 0)) < 0)
			return;
	}
	b->p[b->n++] = '"';
	if (after)
		b->p[b->n++] = after;
}

void json_key(struct json_out *o, struct str key)
{
	assert(o->depth > 0 && !o->after_key);
	append_quoted(o->buf, comma_due(o) ? ',' : 0, key, ':');
	o->after_key = true;
}

void json_quoted_key(struct json_out *o, struct str quoted)
{
	assert(o->depth > 0 && !o->after_key);
	if (comma_due(o))
		buf_append_char(o->buf, ',');
	buf_append_str(o->buf, quoted);
	o->after_key = true;
}

void json_str(struct json_out *o, struct str s)
{
	append_quoted(o->buf, comma_due(o) ? ',' : 0, s, 0);
}

void json_i64(struct json_out *o, int64_t v)
{
	begin_value(o);
	buf_append_i64(o->buf, v);
}

void json_bool(struct json_out *o, bool v)
{
	begin_value(o);
	buf_append_str(o->buf, v ? STR("true") : STR("false"));
}

void json_null(struct json_out *o)
{
	begin_value(o);
	buf_append_str(o->buf, STR("null"));
}

void json_time(struct json_out *o, int64_t unix_us)
{
	char text[TIME_RFC3339_SIZE + 2] = "\"";
	size_t n = time_format_rfc3339(unix_us, text + 1);

	text[n + 1] = '"';
	begin_value(o);
	buf_append(o->buf, text, n + 2);
}

void json_raw(struct json_out *o, struct str json)
{
	begin_value(o);
	buf_append_str(o->buf, json);
}

void json_key_str(struct json_out *o, struct str key, struct str v)
{
	json_key(o, key);
	json_str(o, v);
}

void json_key_i64(struct json_out *o, struct str key, int64_t v)
{
	json_key(o, key);
	json_i64(o, v);
}

void json_key_bool(struct json_out *o, struct str key, bool v)
{
	json_key(o, key);
	json_bool(o, v);
}

void json_key_null(struct json_out *o, struct str key)
{
	json_key(o, key);
	json_null(o);
}

void json_key_time(struct json_out *o, struct str key, int64_t unix_us)
{
	json_key(o, key);
	json_time(o, unix_us);
}

void json_key_raw(struct json_out *o, struct str key, struct str json)
{
	json_key(o, key);
	json_raw(o, json);
}

void json_key_str_or_null(struct json_out *o, struct str key, struct str v)
{
	if (v.p)
		json_key_str(o, key, v);
	else
		json_key_null(o, key);
}
