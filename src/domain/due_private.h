/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How domain/due works inside: text -> tokens (due_lex, due_words: this header) -> matchers
 * (due_match_private.h) -> struct due (due.c).
 */
#ifndef DOMAIN_DUE_PRIVATE_H
#define DOMAIN_DUE_PRIVATE_H

#include "domain/due.h"

/* What a word is to the grammar. The table in due_words.c gives each word one class and a value: a
 * number, a month 1..12, a weekday 0 Monday..6, enum unit (W_UNIT, W_EO, W_FREQ + 16 * interval),
 * enum part (W_PART), days from today (W_DAY), the hour 0 or 12 (W_MERIDIEM), the ASCII character
 * (W_PUNCT: '-' for every dash, '\'' for every apostrophe), how often (W_ONCE). */
/* clang-format off */
enum word {
	W_NONE, W_PUNCT, W_DIGITS, W_NUMBER, W_ORDINAL, W_SUFFIX, W_MONTH, W_WEEKDAY, W_WEEKDAYS, W_UNIT,
	W_FORTNIGHT, W_THOUSAND, W_DAY, W_PART, W_TONIGHT, W_NOON, W_MIDNIGHT, W_MERIDIEM, W_OCLOCK, W_NOW,
	W_THIS, W_NEXT, W_COMING, W_LAST, W_PREVIOUS, W_EVERY, W_OTHER, W_FREQ, W_BUSINESS, W_WORKDAY,
	W_WORKDAYS, W_WEEKEND, W_WEEKENDS, W_IN, W_ON, W_AT, W_BY, W_TO, W_UNTIL, W_FROM, W_SINCE, W_OF,
	W_THE, W_A, W_AND, W_OR, W_FOR, W_AGO, W_HENCE, W_AFTER, W_BEFORE, W_PAST, W_WITHIN, W_DUE,
	W_BETWEEN, W_ABOUT, W_UP, W_HALF, W_QUARTER, W_COUPLE, W_FEW, W_TIMES, W_ONCE, W_EXCEPT, W_START,
	W_BEGIN, W_MIDDLE, W_END, W_EO, W_YEARQUARTER
};

enum unit { U_SECOND, U_MINUTE, U_HOUR, U_DAY, U_WEEK, U_MONTH, U_QUARTER, U_YEAR, U_WORKDAY, U_COUNT };
enum part { P_MORNING, P_LUNCH, P_AFTERNOON, P_EVENING, P_NIGHT };
/* clang-format on */

enum word_flag {
	WORD_WEAK = 1, /* means something else as well ("sat", "may"): only beside other evidence */
	WORD_ABBREVIATED = 2, /* a dot may follow */
	WORD_PLURAL = 4,
};

struct token {
	uint32_t start, end;
	int32_t value;
	uint8_t word;	/* enum word */
	uint8_t flags;	/* enum word_flag */
	uint8_t digits; /* W_DIGITS: how many, at most 200 */
	bool is_spaced; /* white space, or nothing, stands before it */
};

struct words {
	struct str text;
	const struct token *t; /* n tokens and after them 8 with word W_NONE and is_spaced */
	size_t n;
	const struct due_context *ctx;
	struct civil now;
	int64_t today; /* days since 1970 */
};

/* due_words.c. -1 < return: class; *ret_value, *ret_flags set. word is lower case. */
enum word word_find(const char *word, size_t n, int32_t *ret_value, uint8_t *ret_flags);
/* For the test that the table is sorted. */
bool word_table_is_sorted(void);

/* due_lex.c. */
int words_read(struct arena *arena, struct str text, const struct due_context *ctx,
	       struct words *ret) MUST_CHECK;
/* The class of token i, W_NONE past the end. */
static inline enum word word_at(const struct words *w, size_t i)
{
	return i < w->n ? (enum word)w->t[i].word : W_NONE;
}
static inline int32_t value_at(const struct words *w, size_t i)
{
	return w->t[i].value;
}
static inline bool is_punct(const struct words *w, size_t i, char c)
{
	return i < w->n && w->t[i].word == W_PUNCT && w->t[i].value == c;
}
/* Token i touches the one before it. */
static inline bool is_glued(const struct words *w, size_t i)
{
	return i < w->n && !w->t[i].is_spaced;
}
/* 1 when token i is of that class, else 0: for optional words, n += skip(w, i + n, W_THE). */
static inline size_t skip(const struct words *w, size_t i, enum word word)
{
	return word_at(w, i) == word;
}
/* The dot of an abbreviation. */
static inline size_t skip_dot(const struct words *w, size_t i)
{
	return is_punct(w, i, '.') && is_glued(w, i) && !is_glued(w, i + 1);
}
/* Tokens taken by a comma, or 0. */
static inline size_t skip_comma(const struct words *w, size_t i)
{
	return is_punct(w, i, ',');
}
/* An expression may begin (end) here: no number, word or version goes on across the border. */
bool words_can_begin(const struct words *w, size_t i);
bool words_can_end(const struct words *w, size_t after);
/* A part of an expression may end here: also before a dash or the T of ISO 8601. */
bool words_can_pause(const struct words *w, size_t after);
/* Token i is of one of the classes; a list that ends in W_NONE. */
bool word_in(const struct words *w, size_t i, const uint8_t *classes);
#define WORD_IN(w, i, ...) word_in((w), (i), (const uint8_t[]){ __VA_ARGS__, W_NONE })
/* A set of classes in 64 bits. Classes that differ by 64 share a bit, so it may say yes too often:
 * a filter in front of matchers, which decide. */
#define WORD_BIT(word) (UINT64_C(1) << ((word)&63))
/* Token i is that unit, written out. */
static inline bool is_unit(const struct words *w, size_t i, enum unit unit)
{
	return word_at(w, i) == W_UNIT && value_at(w, i) == (int32_t)unit &&
	       (w->t[i].flags & WORD_WEAK) == 0;
}
bool word_is(const struct words *w, size_t i, const char *lower);

#endif
