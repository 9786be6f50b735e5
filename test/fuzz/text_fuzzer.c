/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text through base/unicode, domain/tag and domain/search. Held against: results are UTF-8,
 * end in NUL where promised and keep their bounds; foldings change nothing that is folded, and
 * fold equivalent texts alike; a tag's name is its own name and has the key of its folded form;
 * what goes to PostgreSQL has the shape that the header says and nothing else; a text holds the
 * words that one would look for; too little memory is told as such. The bytes are also tried as
 * the body of a tag.
 */
#include "base/unicode.h"
#include "domain/search.h"
#include "domain/tag.h"

#include <errno.h>
#include <stdlib.h>

enum { ARENA_BYTES = 64 << 20, VECTOR_MAX = 32 * 1024, POSITION_MAX = 16383 };

typedef int transform_fn(struct arena *arena, struct str s, struct str *ret);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* The valid parts of the input, joined. */
static struct str make_valid(struct arena *a, struct str in)
{
	char *p = arena_alloc(a, in.n + 1);
	size_t pos = 0, n = 0;

	must(p != NULL);
	while (pos < in.n) {
		size_t at = pos;

		if (utf8_next(in, &pos) < 0) {
			pos = at + 1;
			continue;
		}
		memcpy(p + n, in.p + at, pos - at);
		n += pos - at;
	}
	return (struct str){ p, n };
}

static struct str apply(struct arena *a, transform_fn *fn, struct str s)
{
	struct str out = { NULL, 0 };

	must(fn(a, s, &out) == 0);
	must(out.p && out.p[out.n] == '\0' && utf8_valid(out));
	return out;
}

static void check_foldings(struct arena *a, struct str text)
{
	/* How much longer UTF-8 can become: U+0390 folded, U+FDFA decomposed. */
	static const struct {
		transform_fn *fn;
		size_t growth;
	} transforms[] = { { unicode_nfc, 3 },
			   { unicode_fold_case, 3 },
			   { unicode_fold_accents, 11 } };
	struct str nfc = apply(a, unicode_nfc, text);

	for (size_t i = 0; i < ARRAY_SIZE(transforms); i++) {
		struct str once = apply(a, transforms[i].fn, text);

		must(str_eq(apply(a, transforms[i].fn, once), once));
		must(str_eq(apply(a, transforms[i].fn, nfc), once));
		must(once.n <= transforms[i].growth * text.n);
	}
}

static bool is_name_char(uint32_t c)
{
	return unicode_is_letter(c) || unicode_is_mark(c) || unicode_is_digit(c) || c == ' ' ||
	       c == '_' || c == '-' || c == '.';
}

static void check_name(struct arena *a, struct str text)
{
	struct err e = { 0 };
	struct tag_name t, again;
	size_t pos = 0;
	int r = tag_name_parse(a, text, "f", &t, &e);

	if (r < 0) {
		must(r == -EINVAL && e.kind == &ERR_INVALID && e.text[0]);
		return;
	}
	must(t.name.n > 0 && utf8_count(t.name) <= TAG_NAME_MAX);
	must(utf8_trim(t.name).n == t.name.n && str_eq(apply(a, unicode_nfc, t.name), t.name));
	while (pos < t.name.n)
		must(is_name_char((uint32_t)utf8_next(t.name, &pos)));
	must(tag_name_parse(a, t.name, "f", &again, &e) == 0);
	must(str_eq(again.name, t.name) && str_eq(again.key, t.key));
	must(str_eq(apply(a, unicode_fold_case, t.key), t.key));
	/* Folding may have made it too long for a name. */
	if (utf8_count(t.key) <= TAG_NAME_MAX)
		must(tag_name_parse(a, t.key, "f", &again, &e) == 0 && str_eq(again.key, t.key));
}

static void check_body(struct arena *a, struct str body)
{
	struct tag t = { .open_tasks = 42 }, changed;
	struct err e = { 0 };

	if (tag_parse_create(a, body, &t, &e) < 0) {
		must(t.open_tasks == 42 &&
		     (e.kind->http_status == 400 || e.kind->http_status == 422));
		must(str_starts(str_from(e.field), STR("body")));
		return;
	}
	must(t.color.n == 7 && t.color.p[0] == '#' && t.open_tasks == 0);
	changed = (struct tag){ .color = STR("x") };
	must(tag_parse_change(a, body, &changed, &e) == 0 && str_eq(changed.name.key, t.name.key));
}

static bool take(struct str *s, struct str what)
{
	if (!str_starts(*s, what))
		return false;
	s->p += what.n;
	s->n -= what.n;
	return true;
}

/* 'word' */
static struct str take_word(struct str *s)
{
	struct str word;
	ssize_t end;
	size_t pos = 0;

	must(take(s, STR("'")));
	end = str_find_char(*s, '\'', 0);
	must(end > 0 && end <= SEARCH_WORD_MAX);
	word = (struct str){ s->p, (size_t)end };
	must(utf8_valid(word));
	while (pos < word.n) {
		uint32_t c = (uint32_t)utf8_next(word, &pos);

		must(unicode_is_letter(c) || unicode_is_digit(c));
		/* Alone it stands. */
		must(!unicode_is_word_letter(c) || utf8_count(word) == 1);
	}
	s->p += word.n + 1;
	s->n -= word.n + 1;
	return word;
}

static int64_t take_number(struct str *s)
{
	size_t n = 0;
	int64_t v = 0;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	must(str_parse_i64((struct str){ s->p, n }, &v) == 0);
	s->p += n;
	s->n -= n;
	return v;
}

static void check_vector(struct str v)
{
	int64_t position = 0, next;
	bool in_title = true;

	must(v.n <= VECTOR_MAX && v.p[v.n] == '\0');
	for (bool is_first = true; v.n; is_first = false) {
		must(is_first || take(&v, STR(" ")));
		take_word(&v);
		must(take(&v, STR(":")));
		next = take_number(&v);
		must(next == (position < POSITION_MAX ? position + 1 : position));
		position = next;
		if (!in_title || !take(&v, STR("A"))) {
			in_title = false;
			must(take(&v, STR("D")));
		}
	}
}

/* Each word of it stands in the vector of the same text. */
static void check_query(struct arena *a, struct str q, struct str v)
{
	bool is_full = v.n > VECTOR_MAX - SEARCH_WORD_MAX - 10;
	int words = 0;

	if (!q.p) {
		must(v.n == 0);
		return;
	}
	for (;;) {
		struct str word = take_word(&q);
		struct str found = arena_printf(a, "'%.*s':", STR_ARGS(word));

		must(++words <= SEARCH_WORDS_MAX);
		must(is_full || memmem(v.p, v.n, found.p, found.n));
		if (!take(&q, STR(" & ")))
			break;
	}
	must(take(&q, STR(":*")) && q.n == 0);
}

static void check_search(struct arena *a, struct str text)
{
	struct str v, q, key, title = text, rest, folded = apply(a, unicode_fold_accents, text);
	size_t half = text.n / 2;

	must(search_vector(a, text, (struct str){ NULL, 0 }, &v) == 0);
	check_vector(v);
	must(search_query(a, text, &q) == 0);
	check_query(a, q, v);
	must(search_sort_key(a, text, &key) == 0);
	must(key.n <= SORT_KEY_MAX && utf8_valid(key) && str_starts(folded, key));
	must(key.n == folded.n || key.n > SORT_KEY_MAX - 4);
	while (half > 0 && ((unsigned char)text.p[half] & 0xC0) == 0x80)
		half--;
	title.n = half;
	rest = (struct str){ text.p + half, text.n - half };
	must(search_vector(a, title, rest, &v) == 0);
	check_vector(v);
}

static void check_little_memory(struct str text)
{
	struct arena *a = arena_new(text.n * 7 % 4096);
	struct err e = { 0 };
	struct tag_name t;
	struct str out;
	int r;

	must(a != NULL);
	r = unicode_fold_accents(a, text, &out);
	must(r == 0 || r == -ENOMEM);
	r = search_vector(a, text, text, &out);
	must(r == 0 || r == -ENOMEM);
	r = tag_name_parse(a, text, "f", &t, &e);
	must(r == 0 || r == -EINVAL || (r == -ENOMEM && e.kind == &ERR_UNAVAILABLE));
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size }, text;
	struct arena *a = arena_new(ARENA_BYTES);

	must(a != NULL);
	text = make_valid(a, in);
	check_foldings(a, text);
	check_name(a, text);
	check_search(a, text);
	check_little_memory(text);
	check_body(a, in);
	arena_free(a);
	return 0;
}
