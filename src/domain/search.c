/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words out of text, for PostgreSQL. A word has nothing but letters, marks and digits, so that
 * between quotes it cannot end them: no escaping is needed, and none is done.
 */
#include "domain/search.h"

#include "base/unicode.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

enum {
	VECTOR_MAX = 32 * 1024, /* bytes of a tsvector's text */
	POSITION_MAX = 16383,	/* of PostgreSQL; what comes later stands there too */
	/* What stands around a word of a vector: a space, two quotes, ":16383A". */
	FRAME_MAX = 10,
	/* Around a word of a query: " & ''", ":*". */
	QUERY_FRAME_MAX = 7,
};

/* Text that is being taken apart; folded. */
struct words {
	struct str text;
	size_t pos;
};

static size_t cut_to(struct str s, size_t max)
{
	size_t n = s.n < max ? s.n : max;

	while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xC0) == 0x80)
		n--;
	return n;
}

static bool is_word_char(uint32_t c)
{
	return unicode_is_letter(c) || unicode_is_digit(c) || unicode_is_mark(c);
}

/* Cut to SEARCH_WORD_MAX bytes. False at the end of the text. */
static bool next_word(struct words *w, struct str *ret)
{
	size_t start = w->pos, end = w->pos;

	while (w->pos < w->text.n) {
		size_t at = w->pos;
		int32_t c = utf8_next(w->text, &w->pos);
		bool is_alone = c >= 0 && unicode_is_word_letter((uint32_t)c);

		assert(c >= 0); /* folded text is valid */
		if (end > start && (is_alone || !is_word_char((uint32_t)c))) {
			w->pos = at;
			break;
		}
		if (!is_word_char((uint32_t)c)) {
			start = end = w->pos;
			continue;
		}
		end = w->pos;
		if (is_alone)
			break;
	}
	ret->p = w->text.p + start;
	ret->n = end - start;
	ret->n = cut_to(*ret, SEARCH_WORD_MAX);
	return ret->n > 0;
}

/* A vector as it grows. */
struct vector {
	char *p;
	size_t n, cap;
	unsigned position; /* of the last word */
};

/* There are at most half as many words as bytes: one byte for the word, one between. A letter that
 * is a word by itself takes three. */
static size_t room_for(struct str folded)
{
	return folded.n + (folded.n / 2 + 1) * FRAME_MAX;
}

static char *put_number(char *p, unsigned v)
{
	char digits[12];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

/* False when it is full. By hand: a description has a hundred words, and printf takes its time. */
static bool add_word(struct vector *v, struct str word, char weight)
{
	char *p = v->p + v->n;

	if (v->position < POSITION_MAX)
		v->position++;
	if (word.n + FRAME_MAX > v->cap - v->n)
		return false;
	if (v->n > 0)
		*p++ = ' ';
	*p++ = '\'';
	memcpy(p, word.p, word.n);
	p += word.n;
	*p++ = '\'';
	*p++ = ':';
	p = put_number(p, v->position);
	*p++ = weight;
	v->n = (size_t)(p - v->p);
	return true;
}

static bool add_words(struct vector *v, struct str folded, char weight)
{
	struct words w = { folded, 0 };
	struct str word;

	while (next_word(&w, &word))
		if (!add_word(v, word, weight))
			return false;
	return true;
}

int search_vector(struct arena *arena, struct str title, struct str description, struct str *ret)
{
	struct str a, d = { NULL, 0 };
	struct vector v = { 0 };

	if (unicode_fold_accents(arena, title, &a) < 0 ||
	    (description.n && unicode_fold_accents(arena, description, &d) < 0))
		return -ENOMEM;
	v.cap = room_for(a) + room_for(d);
	v.cap = v.cap < VECTOR_MAX ? v.cap : VECTOR_MAX;
	v.p = arena_alloc(arena, v.cap + 1);
	if (!v.p)
		return -ENOMEM;
	if (add_words(&v, a, 'A'))
		add_words(&v, d, 'D');
	v.p[v.n] = '\0';
	*ret = (struct str){ v.p, v.n };
	return 0;
}

int search_query(struct arena *arena, struct str text, struct str *ret)
{
	struct str folded, words[SEARCH_WORDS_MAX];
	struct words w = { 0 };
	size_t n_words = 0, room = 1, n = 0;
	char *p;

	if (unicode_fold_accents(arena, text, &folded) < 0)
		return -ENOMEM;
	w.text = folded;
	while (n_words < SEARCH_WORDS_MAX && next_word(&w, &words[n_words]))
		room += words[n_words++].n + QUERY_FRAME_MAX;
	if (n_words == 0) {
		*ret = (struct str){ NULL, 0 };
		return 0;
	}
	p = arena_alloc(arena, room);
	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < n_words; i++)
		n += (size_t)snprintf(p + n, room - n, "%s'%.*s'%s", i ? " & " : "",
				      STR_ARGS(words[i]), i + 1 == n_words ? ":*" : "");
	*ret = (struct str){ p, n };
	return 0;
}

int search_sort_key(struct arena *arena, struct str title, struct str *ret)
{
	struct str folded;

	if (unicode_fold_accents(arena, title, &folded) < 0)
		return -ENOMEM;
	*ret = (struct str){ folded.p, cut_to(folded, SORT_KEY_MAX) };
	return 0;
}
