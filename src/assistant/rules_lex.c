/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a message into words. A word keeps where it stands; its folded form is lower case without
 * apostrophes and hyphens, so that "Don't" is dont and "to-do" todo. Quoted text is one word that
 * matches nothing. Any bytes are taken; what is no letter, digit or mark separates.
 */
#include "rules_private.h"

enum { QUOTES = 6 };

static const struct {
	struct str open, close;
} QUOTE[QUOTES] = {
	{ STR_INIT("\""), STR_INIT("\"") },
	{ STR_INIT("'"), STR_INIT("'") },
	{ STR_INIT("`"), STR_INIT("`") },
	{ STR_INIT("\xE2\x80\x9C"), STR_INIT("\xE2\x80\x9D") },
	{ STR_INIT("\xE2\x80\x98"), STR_INIT("\xE2\x80\x99") },
	{ STR_INIT("\xC2\xAB"), STR_INIT("\xC2\xBB") },
};

struct lexer {
	struct rules_text *t;
	size_t at;
	bool line_start, bullet;
	bool unclosed[QUOTES]; /* no closing mark follows any more: keeps the search linear */
	char *folded;
	size_t n_folded;
};

static bool starts_at(struct str s, size_t at, struct str what)
{
	return s.n - at >= what.n && !memcmp(s.p + at, what.p, what.n);
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c & 0x80) != 0;
}

/* A closing mark ends a word: "don't" and 6'2 close nothing. */
static bool closes(struct str s, size_t at, struct str mark)
{
	size_t after = at + mark.n;

	return starts_at(s, at, mark) && (after == s.n || !is_alnum(s.p[after]));
}

static size_t quote_end(struct lexer *l, size_t q)
{
	struct str s = l->t->text;

	for (size_t i = l->at + QUOTE[q].open.n; i < s.n; i++)
		if (closes(s, i, QUOTE[q].close))
			return i;
	l->unclosed[q] = true;
	return 0;
}

static bool read_quoted(struct lexer *l, struct rules_word *w)
{
	struct str s = l->t->text;

	for (size_t q = 0; q < QUOTES; q++) {
		if (l->unclosed[q] || !starts_at(s, l->at, QUOTE[q].open))
			continue;
		size_t end = quote_end(l, q), start = l->at + QUOTE[q].open.n;
		if (end <= start)
			return false;
		w->start = l->at;
		w->quoted = (struct str){ s.p + start, end - start };
		w->end = l->at = end + QUOTE[q].close.n;
		return true;
	}
	return false;
}

/* Bytes of an apostrophe, hyphen or the like that stands between two letters; 0: the word ends. */
static size_t inner_mark(struct str s, size_t at)
{
	size_t n = 0;

	if (strchr("'-_/.@&:+", s.p[at]) && s.p[at])
		n = 1;
	return n && at + n < s.n && is_alnum(s.p[at + n]) ? n : 0;
}

/* The right single quote is an apostrophe inside a word; other marks of that block end it. */
static size_t typographic(struct str s, size_t at)
{
	if (starts_at(s, at, STR("\xE2\x80\x99")) && at + 3 < s.n && is_alnum(s.p[at + 3]) &&
	    (s.p[at + 3] & 0x80) == 0)
		return 3;
	return 0;
}

static bool ends_word(struct str s, size_t at)
{
	return starts_at(s, at, STR("\xE2\x80")) || starts_at(s, at, STR("\xC2\xAB")) ||
	       starts_at(s, at, STR("\xC2\xBB")) || starts_at(s, at, STR("\xC2\xA0"));
}

static void fold(struct lexer *l, char c)
{
	l->folded[l->n_folded++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* "due:friday" and "p1:" end at the colon, "10:30" does not. */
static bool colon_splits(struct str s, size_t at)
{
	return s.p[at] == ':' && !(at > 0 && s.p[at - 1] >= '0' && s.p[at - 1] <= '9');
}

static void read_word(struct lexer *l, struct rules_word *w)
{
	struct str s = l->t->text;
	size_t first = l->n_folded;

	w->start = l->at;
	if (strchr("#@+!", s.p[l->at]))
		fold(l, s.p[l->at++]);
	while (l->at < s.n) {
		size_t mark = typographic(s, l->at);
		if (!mark && is_alnum(s.p[l->at])) {
			if (ends_word(s, l->at))
				break;
			fold(l, s.p[l->at++]);
			continue;
		}
		if (!mark)
			mark = inner_mark(s, l->at);
		if (!mark || colon_splits(s, l->at))
			break;
		if (mark == 1 && s.p[l->at] != '\'' && s.p[l->at] != '-')
			fold(l, s.p[l->at]);
		l->at += mark;
	}
	w->end = l->at;
	w->folded = (struct str){ l->folded + first, l->n_folded - first };
}

static bool word_starts(struct str s, size_t at)
{
	if (ends_word(s, at))
		return false;
	if (is_alnum(s.p[at]))
		return true;
	return strchr("#@+!", s.p[at]) && s.p[at] && at + 1 < s.n && is_alnum(s.p[at + 1]) &&
	       (at == 0 || !is_alnum(s.p[at - 1]));
}

static bool is_digit(struct str s, size_t at)
{
	return at < s.n && s.p[at] >= '0' && s.p[at] <= '9';
}

/* "- ", "* ", "1. ", "2) " and the round bullet at the start of a line. */
static size_t bullet_length(struct str s, size_t at)
{
	size_t i = at;

	if (starts_at(s, at, STR("\xE2\x80\xA2")))
		return 3;
	if ((s.p[at] == '-' || s.p[at] == '*') && at + 1 < s.n && s.p[at + 1] == ' ')
		return starts_at(s, at + 2, STR("[ ] ")) ? 6 : 2;
	while (i - at < 3 && is_digit(s, i))
		i++;
	if (i > at && i + 1 < s.n && (s.p[i] == '.' || s.p[i] == ')') && s.p[i + 1] == ' ')
		return i + 2 - at;
	return 0;
}

/* What stands between words: the first mark is kept with the word before. */
static void read_gap(struct lexer *l)
{
	struct rules_text *t = l->t;
	char c = t->text.p[l->at];

	/* a mark of several bytes goes whole */
	l->at += !ends_word(t->text, l->at) ? 1 : c == '\xE2' ? 3 : 2;
	if (l->at > t->text.n)
		l->at = t->text.n;

	if (c == '\n')
		l->line_start = true;
	if (!t->n)
		return;
	struct rules_word *last = &t->words[t->n - 1];
	if (c == '\n' || (!last->punct && strchr(",.;:?!", c) && c))
		last->punct = c;
}

static void read_bullet(struct lexer *l)
{
	size_t n;

	l->bullet = false;
	while (l->at < l->t->text.n && (l->t->text.p[l->at] == ' ' || l->t->text.p[l->at] == '\t'))
		l->at++;
	n = l->at < l->t->text.n ? bullet_length(l->t->text, l->at) : 0;
	l->at += n;
	l->bullet = n > 0;
	l->line_start = false;
}

bool rules_lex(struct rules_text *t)
{
	struct lexer l = { .t = t, .line_start = true };
	size_t room = t->text.n < RULES_WORDS_MAX ? t->text.n + 1 : RULES_WORDS_MAX;

	t->words = arena_calloc(t->arena, room, sizeof(*t->words));
	l.folded = arena_alloc(t->arena, t->text.n + 1);
	if (!t->words || !l.folded)
		return false;
	while (l.at < t->text.n && t->n < room) {
		if (l.line_start) {
			read_bullet(&l);
			continue;
		}
		struct rules_word *w = &t->words[t->n];
		if (read_quoted(&l, w))
			t->n++;
		else if (word_starts(t->text, l.at))
			read_word(&l, &t->words[t->n++]);
		else {
			read_gap(&l);
			continue;
		}
		w->bullet = l.bullet;
		l.bullet = false;
	}
	return true;
}
