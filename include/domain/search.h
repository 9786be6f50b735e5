/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full-text search as the database takes it: text becomes a tsvector, what a user types a tsquery,
 * both in PostgreSQL's text form. Words are runs of letters, marks and digits after folding of case
 * and accents; a letter of a script without spaces is a word by itself. All of it is decided here,
 * so that no dictionary or locale of the server plays a part. Pure.
 */
#ifndef DOMAIN_SEARCH_H
#define DOMAIN_SEARCH_H

#include "base/arena.h"
#include "base/str.h"

enum {
	SEARCH_QUERY_MAX = 200, /* code points of a query */
	SEARCH_WORDS_MAX = 32,	/* words of a query that count; later ones are left out */
	SEARCH_WORD_MAX = 128,	/* bytes of a word; what is longer is cut at a code point */
	SORT_KEY_MAX = 256,	/* bytes */
};

/* tsvector text of a task: 'milk':1A 'litres':2D. Title words weigh A, those of the description
 * (.p may be NULL) D. At most 32 kB: words past that are left out. 0 or -ENOMEM. */
int search_vector(struct arena *arena, struct str title, struct str description,
		  struct str *ret) MUST_CHECK;
/* tsquery text: all words, the last one as a prefix ('buy' & 'mil':*). .p NULL when the text has no
 * word. 0 or -ENOMEM. */
int search_query(struct arena *arena, struct str text, struct str *ret) MUST_CHECK;
/* What titles are sorted by: folded, cut at a code point to SORT_KEY_MAX bytes. 0 or -ENOMEM. */
int search_sort_key(struct arena *arena, struct str title, struct str *ret) MUST_CHECK;

#endif
