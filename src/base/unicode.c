/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text in the forms of Unicode, by libunistring. ASCII, which most text is, needs none of its
 * tables and takes a path of its own without malloc. Anything else passes through buffers of
 * libunistring's, which end here: results are copied into the arena. Of valid input nothing but
 * memory can fail.
 *
 * Foldings decompose first (libunistring's own does, when a normal form is asked for). Only then do
 * canonically equivalent texts fold alike, for all marks (U+0345 folds to a letter); and only then
 * does what was a compatibility form of a capital become small.
 */
#include "base/unicode.h"

#include <errno.h>
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <uniwbrk.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* What libunistring returned; freed here. */
struct text {
	uint8_t *p; /* NULL: out of memory */
	size_t n;
};

static bool is_ascii(struct str s)
{
	size_t i = 0;
	uint64_t w;

	for (; s.n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		if (w & HIGH_BITS)
			return false;
	}
	for (; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

static int copy(struct arena *arena, struct str s, struct str *ret)
{
	struct str to = arena_dup(arena, s);

	if (!to.p)
		return -ENOMEM;
	*ret = to;
	return 0;
}

static int copy_lower(struct arena *arena, struct str s, struct str *ret)
{
	char *p = arena_alloc(arena, s.n + 1);

	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		p[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	p[s.n] = '\0';
	*ret = (struct str){ p, s.n };
	return 0;
}

static struct text normalize(uninorm_t form, const void *p, size_t n)
{
	struct text t;

	t.p = u8_normalize(form, p, n, NULL, &t.n);
	return t;
}

static struct text fold(uninorm_t form, const void *p, size_t n)
{
	struct text t;

	t.p = u8_casefold(p, n, NULL, form, NULL, &t.n);
	return t;
}

static int take(struct arena *arena, struct text t, struct str *ret)
{
	int r = t.p ? copy(arena, (struct str){ (const char *)t.p, t.n }, ret) : -ENOMEM;

	free(t.p);
	return r;
}

/* In place. */
static void drop_marks(struct text *t)
{
	struct str s = { (const char *)t->p, t->n };
	size_t pos = 0, n = 0;

	while (t->p && pos < s.n) {
		size_t at = pos;
		int32_t c = utf8_next(s, &pos);

		if (c < 0)
			break;
		if (unicode_is_mark((uint32_t)c))
			continue;
		memmove(t->p + n, t->p + at, pos - at);
		n += pos - at;
	}
	t->n = n;
}

int unicode_nfc(struct arena *arena, struct str s, struct str *ret)
{
	if (is_ascii(s))
		return copy(arena, s, ret);
	return take(arena, normalize(UNINORM_NFC, s.p, s.n), ret);
}

int unicode_fold_case(struct arena *arena, struct str s, struct str *ret)
{
	if (is_ascii(s))
		return copy_lower(arena, s, ret);
	return take(arena, fold(UNINORM_NFC, s.p, s.n), ret);
}

int unicode_fold_accents(struct arena *arena, struct str s, struct str *ret)
{
	struct text plain, t = { 0 };

	if (is_ascii(s))
		return copy_lower(arena, s, ret);
	plain = normalize(UNINORM_NFKD, s.p, s.n);
	drop_marks(&plain);
	if (plain.p)
		t = fold(UNINORM_NFKD, plain.p, plain.n);
	free(plain.p);
	/* Folding can bring marks of its own. */
	drop_marks(&t);
	return take(arena, t, ret);
}

bool unicode_is_letter(uint32_t code_point)
{
	if (code_point < 0x80)
		return (code_point | 0x20) >= 'a' && (code_point | 0x20) <= 'z';
	return uc_is_general_category(code_point, UC_LETTER);
}

bool unicode_is_mark(uint32_t code_point)
{
	return code_point >= 0x80 && uc_is_general_category(code_point, UC_MARK);
}

bool unicode_is_digit(uint32_t code_point)
{
	if (code_point < 0x80)
		return code_point >= '0' && code_point <= '9';
	return uc_is_general_category(code_point, UC_DECIMAL_DIGIT_NUMBER);
}

bool unicode_is_invisible(uint32_t code_point)
{
	return code_point >= 0x80 && uc_is_property_default_ignorable_code_point(code_point);
}

bool unicode_is_word_letter(uint32_t code_point)
{
	int kind;

	if (code_point < 0x80 || !unicode_is_letter(code_point))
		return false;
	kind = uc_wordbreak_property(code_point);
	return kind != WBP_ALETTER && kind != WBP_HL && kind != WBP_KATAKANA;
}
