/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to typed tokens: runs of letters, runs of digits, and single other characters. White
 * space only leaves a mark on the token after it. Any bytes are read: those above 0x7f are letters,
 * but for the dashes, apostrophes and hard spaces that word processors put in.
 */
#include "src/domain/due_match_private.h"

#include <errno.h>

enum { LOOK_AHEAD = 8, LOWER_MAX = 16, DIGITS_MAX = 9 };

/* Characters of more bytes that mean one of ASCII. */
static const struct {
	struct str utf8;
	char ascii;
} TYPOGRAPHY[] = {
	{ STR_INIT("\xe2\x80\x90"), '-' },  { STR_INIT("\xe2\x80\x91"), '-' },
	{ STR_INIT("\xe2\x80\x92"), '-' },  { STR_INIT("\xe2\x80\x93"), '-' },
	{ STR_INIT("\xe2\x80\x94"), '-' },  { STR_INIT("\xe2\x88\x92"), '-' },
	{ STR_INIT("\xe2\x80\x98"), '\'' }, { STR_INIT("\xe2\x80\x99"), '\'' },
	{ STR_INIT("\xca\xbc"), '\'' },	    { STR_INIT("\xc2\xa0"), ' ' },
	{ STR_INIT("\xe2\x80\xaf"), ' ' },  { STR_INIT("\xe2\x80\x89"), ' ' },
	{ STR_INIT("\xe3\x80\x80"), ' ' },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* The ASCII character that stands at pos and how many bytes it takes; 0 for a letter. */
static char read_mark(struct str text, size_t pos, size_t *ret_n)
{
	struct str rest = { text.p + pos, text.n - pos };

	*ret_n = 1;
	if (rest.p[0] == '\0')
		return '\x01'; /* any mark that means nothing; 0 is for letters */
	if ((unsigned char)rest.p[0] < 0x80)
		return is_letter(rest.p[0]) ? 0 : rest.p[0];
	if (strchr("\xe2\xc2\xca", rest.p[0]) == NULL)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(TYPOGRAPHY); i++) {
		if (str_starts(rest, TYPOGRAPHY[i].utf8)) {
			*ret_n = TYPOGRAPHY[i].utf8.n;
			return TYPOGRAPHY[i].ascii;
		}
	}
	return 0;
}

static void read_digits(struct str text, size_t *pos, struct token *t)
{
	size_t from = *pos;
	int32_t value = 0;

	for (; *pos < text.n && is_digit(text.p[*pos]); (*pos)++) {
		if (*pos - from < DIGITS_MAX)
			value = value * 10 + (text.p[*pos] - '0');
	}
	t->word = W_DIGITS;
	t->digits = (uint8_t)(*pos - from > 200 ? 200 : *pos - from);
	t->value = *pos - from > DIGITS_MAX ? INT32_MAX : value;
}

static void read_word(struct str text, size_t *pos, struct token *t)
{
	size_t from = *pos, n;
	char lower[LOWER_MAX];

	while (*pos < text.n && is_letter(text.p[*pos]) && read_mark(text, *pos, &n) == 0)
		(*pos)++;
	n = *pos - from;
	if (n > sizeof(lower))
		return;
	for (size_t i = 0; i < n; i++) {
		char c = text.p[from + i];
		lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	t->word = (uint8_t)word_find(lower, n, &t->value, &t->flags);
}

/* Reads all tokens into t, or only counts them when t is NULL. */
static size_t read_tokens(struct str text, struct token *t)
{
	size_t count = 0, pos = 0;
	bool is_spaced = true;

	while (pos < text.n) {
		struct token token = { .start = (uint32_t)pos, .is_spaced = is_spaced };
		size_t n;
		char mark = read_mark(text, pos, &n);
		is_spaced = mark == ' ' || (mark >= '\t' && mark <= '\r');
		if (is_spaced) {
			pos += n;
			continue;
		}
		if (mark == 0) {
			read_word(text, &pos, &token);
		} else if (is_digit(mark)) {
			read_digits(text, &pos, &token);
		} else {
			token.word = W_PUNCT;
			token.value = mark;
			pos += n;
		}
		token.end = (uint32_t)pos;
		if (t != NULL)
			t[count] = token;
		count++;
	}
	return count;
}

int words_read(struct arena *arena, struct str text, const struct due_context *ctx,
	       struct words *ret)
{
	size_t n = read_tokens(text, NULL);
	struct token *t = arena_alloc(arena, (n + LOOK_AHEAD) * sizeof(*t));
	int64_t now_s = ctx->now_us / TIME_US_PER_S - (ctx->now_us % TIME_US_PER_S < 0);

	if (t == NULL)
		return -ENOMEM;
	read_tokens(text, t);
	for (size_t i = 0; i < LOOK_AHEAD; i++)
		t[n + i] = (struct token){ .word = W_NONE, .is_spaced = true };
	*ret = (struct words){ .text = text, .t = t, .n = n, .ctx = ctx };
	if (ctx->tz != NULL)
		tz_to_local(ctx->tz, now_s, &ret->now);
	else
		time_civil_from_s(now_s, &ret->now);
	ret->now.microsecond = 0;
	ret->today = days_of_civil(&ret->now);
	return 0;
}

bool word_is(const struct words *w, size_t i, const char *lower)
{
	if (i >= w->n)
		return false;
	return str_eq_nocase((struct str){ w->text.p + w->t[i].start, w->t[i].end - w->t[i].start },
			     str_from(lower));
}

bool word_in(const struct words *w, size_t i, const uint8_t *classes)
{
	enum word word = word_at(w, i);

	for (; *classes != W_NONE; classes++) {
		if (word == (enum word) * classes)
			return true;
	}
	return false;
}

static bool is_wordy(const struct words *w, size_t i)
{
	return i < w->n && w->t[i].word != W_PUNCT;
}

static bool is_one_of(const struct words *w, size_t i, const char *marks)
{
	return i < w->n && w->t[i].word == W_PUNCT && w->t[i].value > 0 &&
	       strchr(marks, w->t[i].value) != NULL;
}

bool words_can_begin(const struct words *w, size_t i)
{
	if (i == 0 || w->t[i].is_spaced)
		return true;
	if (is_wordy(w, i - 1) || is_one_of(w, i - 1, "$#@_&%*=<\\"))
		return false;
	/* "650-6500", "v1.2", "a/b": but "due:5pm" and "(+2 days)" begin */
	if (i >= 2 && is_one_of(w, i - 1, "./-:,'+") && !w->t[i - 1].is_spaced &&
	    is_wordy(w, i - 2))
		return w->t[i - 2].word != W_DIGITS && is_one_of(w, i - 1, ":,");
	return true;
}

bool words_can_end(const struct words *w, size_t after)
{
	if (after >= w->n || w->t[after].is_spaced)
		return true;
	if (is_wordy(w, after) || is_one_of(w, after, "_%$@="))
		return false;
	if (is_one_of(w, after, "./-:'") && is_glued(w, after + 1) && is_wordy(w, after + 1))
		return false;
	/* "1,000" */
	return !(is_one_of(w, after, ",") && is_glued(w, after + 1) &&
		 w->t[after + 1].word == W_DIGITS);
}

bool words_can_pause(const struct words *w, size_t after)
{
	if (words_can_end(w, after))
		return true;
	if (is_punct(w, after, '-') || (word_is(w, after, "t") && is_glued(w, after + 1)))
		return true;
	/* "18:22:14Z", "18:22:14.759Z" */
	if (after < 2 || !is_punct(w, after - 2, ':'))
		return false;
	return word_is(w, after, "z") || (is_punct(w, after, '.') && is_glued(w, after + 1));
}
