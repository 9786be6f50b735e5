/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The title that words mean: words are folded to lower case, marks and articles fall away, and what
 * is left is compared word by word, a slip of the finger allowed in longer ones.
 */
#include "assistant/rules_dialogue.h"
#include "rules_private.h"

enum { WORDS_MAX = 12, LETTERS_MAX = 24 };

struct folded {
	char word[WORDS_MAX][LETTERS_MAX];
	uint8_t letters[WORDS_MAX];
	size_t n;
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

static char fold(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Longer words are compared by their beginning. Articles count only where nothing else is. */
static void fold_words(struct str s, bool with_articles, struct folded *ret)
{
	size_t at = 0;

	ret->n = 0;
	while (at < s.n && ret->n < WORDS_MAX) {
		size_t n = 0;
		char *word = ret->word[ret->n];
		for (; at < s.n && (is_letter(fold(s.p[at])) || s.p[at] == '\''); at++) {
			if (n < LETTERS_MAX && s.p[at] != '\'')
				word[n++] = fold(s.p[at]);
		}
		bool is_article = rules_in((struct str){ word, n },
					   "the|a|an|my|our|that|this|to|for|of|with");
		ret->letters[ret->n] = (uint8_t)n;
		ret->n += n > 0 && (with_articles || !is_article);
		at += at < s.n;
	}
}

static void fold_title(struct str s, struct folded *ret)
{
	fold_words(s, false, ret);
	if (ret->n == 0)
		fold_words(s, true, ret);
}

/* Insertions, deletions, changes and swaps of neighbours that make b of a; more than `most` is
 * `most` + 1. */
static int distance(const char *a, int n, const char *b, int m, int most)
{
	int rows[3][LETTERS_MAX + 1];
	int *before = rows[0], *last = rows[1], *row = rows[2];

	if (n - m > most || m - n > most)
		return most + 1;
	for (int j = 0; j <= m; j++)
		last[j] = j;
	for (int i = 1; i <= n; i++) {
		row[0] = i;
		for (int j = 1; j <= m; j++) {
			int best = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			bool is_swap =
				i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
			if (is_swap && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		int *free_row = before;
		before = last;
		last = row;
		row = free_row;
	}
	return last[m];
}

/* "grocery" and "groceries" */
static bool is_plural_of_y(const char *one, int n, const char *many, int m)
{
	return n > 2 && m == n + 2 && one[n - 1] == 'y' && memcmp(many + n - 1, "ies", 3) == 0 &&
	       memcmp(one, many, (size_t)n - 1) == 0;
}

/* A plural is the same word. */
static int letters_without_s(const char *word, int n)
{
	return n > 3 && word[n - 1] == 's' && word[n - 2] != 's' ? n - 1 : n;
}

/* How well one word of the speaker fits one of the title. */
static enum rules_fit fit_word(const char *said, int n, const char *word, int m)
{
	if (n == m && memcmp(said, word, (size_t)n) == 0)
		return RULES_FIT_EXACT;
	int n_stem = letters_without_s(said, n), m_stem = letters_without_s(word, m);
	bool is_start = n >= 3 && n <= m && memcmp(said, word, (size_t)n) == 0;
	if (is_start || is_plural_of_y(said, n, word, m) || is_plural_of_y(word, m, said, n) ||
	    (n_stem == m_stem && memcmp(said, word, (size_t)n_stem) == 0))
		return RULES_FIT_WORDS;
	int most = n >= 8 ? 2 : n >= 4 ? 1 : 0;
	if (most > 0 && distance(said, n, word, m, most) <= most)
		return RULES_FIT_TYPO;
	return RULES_FIT_NONE;
}

static enum rules_fit best_word(const struct folded *said, size_t i, const struct folded *title)
{
	enum rules_fit best = RULES_FIT_NONE;

	for (size_t k = 0; k < title->n && best < RULES_FIT_EXACT; k++) {
		enum rules_fit fit = fit_word(said->word[i], said->letters[i], title->word[k],
					      title->letters[k]);
		if (fit > best)
			best = fit;
	}
	return best;
}

static bool is_same(const struct folded *a, const struct folded *b)
{
	if (a->n != b->n || a->n == WORDS_MAX)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->letters[i] != b->letters[i] ||
		    memcmp(a->word[i], b->word[i], a->letters[i]) != 0)
			return false;
	}
	return true;
}

static enum rules_fit fit_title(const struct folded *said, const struct folded *title)
{
	enum rules_fit worst = RULES_FIT_EXACT;
	size_t found = 0;

	if (is_same(said, title))
		return RULES_FIT_EXACT;
	for (size_t i = 0; i < said->n; i++) {
		enum rules_fit fit = best_word(said, i, title);
		found += fit != RULES_FIT_NONE;
		if (fit < worst)
			worst = fit;
	}
	if (worst != RULES_FIT_NONE)
		return worst == RULES_FIT_EXACT ? RULES_FIT_WORDS : worst;
	return found > 0 && 2 * found >= said->n ? RULES_FIT_PART : RULES_FIT_NONE;
}

size_t rules_pick(struct str words, const struct rules_task *tasks, size_t n,
		  enum rules_fit *ret_fit, size_t ret_at[RULES_CHOICES_MAX])
{
	struct folded said, title;
	size_t count = 0;

	*ret_fit = RULES_FIT_NONE;
	fold_title(words, &said);
	for (size_t i = 0; said.n > 0 && i < n; i++) {
		fold_title(tasks[i].title, &title);
		enum rules_fit fit = fit_title(&said, &title);
		if (fit == RULES_FIT_NONE || fit < *ret_fit)
			continue;
		if (fit > *ret_fit)
			count = 0;
		*ret_fit = fit;
		if (count < RULES_CHOICES_MAX)
			ret_at[count] = i;
		count++;
	}
	return count;
}
