/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors and queries as text, and in a real PostgreSQL: what finds what, in many scripts; that
 * whatever people type is a query it can read; and that every text is found by its own words.
 */
#include "domain/search.h"

#include "base/buf.h"
#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>

enum { ARENA_BYTES = 8 << 20, VECTOR_MAX = 32 * 1024, RANDOM_TEXTS = 3000 };

#define A_UMLAUT "\xc3\x84"
#define a_UMLAUT "\xc3\xa4"
#define SHARP_S "\xc3\x9f"
#define ACUTE "\xcc\x81"     /* combining */
#define DIAERESIS "\xcc\x88" /* combining */
#define TOKYO "\xe6\x9d\xb1\xe4\xba\xac"
#define KYOTO "\xe4\xba\xac\xe9\x83\xbd"
#define HIRAGANA "\xe3\x81\x8b\xe3\x81\xa3\xe3\x81\xa6"
#define KATAKANA "\xe3\x82\xb3\xe3\x83\xbc\xe3\x83\x92\xe3\x83\xbc" /* coffee, one word */
#define THAI "\xe0\xb8\x8b\xe0\xb8\xb7\xe0\xb9\x89\xe0\xb8\xad\xe0\xb8\x99\xe0\xb8\xa1"
#define THAI_MILK "\xe0\xb8\x99\xe0\xb8\xa1"
#define HEBREW "\xd7\x97\xd7\x9c\xd7\x91"			  /* milk */
#define HEBREW_POINTED "\xd7\x97\xd6\xb8\xd7\x9c\xd6\xb8\xd7\x91" /* the same with its vowels */
#define EMOJI "\xf0\x9f\x8d\x8e\xf0\x9f\x98\x80"

static struct arena *arena;
static PGconn *pg;

static void set_up(void)
{
	arena = arena_new(ARENA_BYTES);
	ck_assert_ptr_nonnull(arena);
}

static void tear_down(void)
{
	arena_free(arena);
}

static void connect_too(void)
{
	const char *url = getenv("TODOD_TEST_DATABASE_URL");

	set_up();
	ck_assert_msg(url && *url, "TODOD_TEST_DATABASE_URL is not set");
	pg = PQconnectdb(url);
	ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
}

static void disconnect(void)
{
	PQfinish(pg);
	tear_down();
}

static const char *vector_of(const char *title, const char *description)
{
	struct str v = { NULL, 0 };

	ck_assert_int_eq(search_vector(arena, str_from(title), str_from(description), &v), 0);
	ck_assert_ptr_nonnull(v.p);
	ck_assert_uint_le(v.n, VECTOR_MAX);
	ck_assert_uint_eq(strlen(v.p), v.n);
	return v.p;
}

static const char *query_of(const char *text)
{
	struct str q = { NULL, 0 };

	ck_assert_int_eq(search_query(arena, str_from(text), &q), 0);
	return q.p;
}

/* ---- as text ---- */

static const struct {
	const char *title, *description, *vector;
} vectors[] = {
	{ "", NULL, "" },
	{ "!?", EMOJI, "" },
	{ "Milk", "2 litres", "'milk':1A '2':2D 'litres':3D" },
	{ "milk, MILK", NULL, "'milk':1A 'milk':2A" },
	{ "", "only here", "'only':1D 'here':2D" },
	{ A_UMLAUT "rger im Caf"
		   "e" ACUTE,
	  NULL, "'arger':1A 'im':2A 'cafe':3A" },
	{ "it's foo-bar_baz", NULL, "'it':1A 's':2A 'foo':3A 'bar':4A 'baz':5A" },
	{ "9/11 v1.2", NULL, "'9':1A '11':2A 'v1':3A '2':4A" },
	{ TOKYO "5" KATAKANA "x", NULL, "'\xe6\x9d\xb1':1A '\xe4\xba\xac':2A '5" KATAKANA "x':3A" },
	{ "a" TOKYO "b", NULL, "'a':1A '\xe6\x9d\xb1':2A '\xe4\xba\xac':3A 'b':4A" },
	{ "\\ ' \" : * & | ! ( ) < - >", NULL, "" },
};

START_TEST(vectors_as_text)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		ck_assert_str_eq(vector_of(vectors[i].title, vectors[i].description),
				 vectors[i].vector);
}
END_TEST

static const struct {
	const char *text, *query;
} queries[] = {
	{ "", NULL },
	{ " \t ", NULL },
	{ EMOJI, NULL },
	{ "' \\ :* & | ! ( ) <-> \" -", NULL },
	{ ACUTE, NULL },
	{ "mil", "'mil':*" },
	{ "Buy MIL", "'buy' & 'mil':*" },
	{ "buy milk ", "'buy' & 'milk':*" },
	{ "a' | 'b:*", "'a' & 'b':*" },
	{ TOKYO, "'\xe6\x9d\xb1' & '\xe4\xba\xac':*" },
};

START_TEST(queries_as_text)
{
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		const char *q = query_of(queries[i].text);

		if (queries[i].query)
			ck_assert_str_eq(q, queries[i].query);
		else
			ck_assert_msg(q == NULL, "%s gave %s", queries[i].text, q);
	}
}
END_TEST

START_TEST(queries_have_a_bound)
{
	char text[1000] = "";
	const char *q;
	size_t n = 0, words = 1;

	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "w%d ", i);
	q = query_of(text);
	for (const char *p = q; (p = strstr(p, " & ")); p++)
		words++;
	ck_assert_uint_eq(words, SEARCH_WORDS_MAX);
	ck_assert(str_ends(str_from(q), STR(" & 'w31':*")));
}
END_TEST

/* A word that is too long loses its end, at a character. */
START_TEST(words_have_a_bound)
{
	static const struct {
		const char *letter;
		size_t bytes;
	} cases[] = { { "x", 128 }, { "\xd7\x97", 128 }, { "\xe3\x82\xb3", 126 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct str letter = str_from(cases[i].letter);
		char text[3001];
		int bytes = (int)cases[i].bytes;

		for (size_t k = 0; k < 1000; k++)
			memcpy(text + k * letter.n, letter.p, letter.n);
		text[1000 * letter.n] = '\0';
		ck_assert_str_eq(vector_of(text, NULL),
				 arena_printf(arena, "'%.*s':1A", bytes, text).p);
		ck_assert_str_eq(query_of(text), arena_printf(arena, "'%.*s':*", bytes, text).p);
	}
}
END_TEST

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* n bytes of words of three letters. */
static const char *long_text(size_t n)
{
	char *text = arena_alloc(arena, n + 1);
	uint32_t state = 1;

	for (size_t i = 0; i < n; i++)
		text[i] = (char)(i % 4 == 3 ? ' ' : 'a' + (char)(next_random(&state) % 26));
	text[n] = '\0';
	return text;
}

START_TEST(vectors_have_a_bound)
{
	const char *v = vector_of(long_text(65536), long_text(1000));

	/* Full but for less than a word, which is whole. */
	ck_assert_uint_gt(strlen(v), VECTOR_MAX - 20);
	ck_assert(str_ends(str_from(v), STR("A")));
	/* In a full vector the title comes first. */
	v = vector_of(long_text(40), long_text(65536));
	ck_assert_ptr_nonnull(strstr(v, ":10A '"));
	ck_assert(str_ends(str_from(v), STR("D")));
	/* Single letters, as many as may be: the room that is taken suffices. */
	v = vector_of("a b c d e", "f g h");
	ck_assert(str_ends(str_from(v), STR("'h':8D")));
}
END_TEST

START_TEST(sort_keys)
{
	char text[601];
	struct str key;

	ck_assert_int_eq(search_sort_key(arena, STR(A_UMLAUT "rger, B!"), &key), 0);
	ck_assert(str_eq(key, STR("arger, b!")));
	ck_assert_int_eq(search_sort_key(arena, STR(""), &key), 0);
	ck_assert(key.p && key.n == 0);
	for (size_t i = 0; i < 600; i += 3)
		memcpy(text + i, "\xe6\x9d\xb1", 3);
	text[600] = '\0';
	ck_assert_int_eq(search_sort_key(arena, (struct str){ text, 600 }, &key), 0);
	ck_assert_uint_eq(key.n, 255); /* not half a character */
	ck_assert(utf8_valid(key));
	memset(text, 'x', 600);
	ck_assert_int_eq(search_sort_key(arena, (struct str){ text, 600 }, &key), 0);
	ck_assert_uint_eq(key.n, SORT_KEY_MAX);
}
END_TEST

/* ---- in PostgreSQL ---- */

/* The first value; the statement must work. */
static const char *value_of(const char *sql, const char *vector, const char *query)
{
	const char *const values[] = { vector, query };
	PGresult *r = PQexecParams(pg, sql, 2, NULL, values, NULL, NULL, 0);
	struct str v;

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%.200s / %.200s: %s", vector, query,
		      PQerrorMessage(pg));
	v = arena_dup(arena, str_from(PQgetvalue(r, 0, 0)));
	PQclear(r);
	return v.p;
}

static bool finds(const char *query, const char *title, const char *description)
{
	const char *q = query_of(query);

	return q && *value_of("SELECT $1::tsvector @@ $2::tsquery", vector_of(title, description),
			      q) == 't';
}

static const struct {
	const char *query, *title, *description;
	bool found;
} searches[] = {
	{ "milk", "Buy milk", NULL, true },
	{ "MILK buy", "Buy milk", NULL, true },
	{ "mil", "Buy milk", NULL, true },
	{ "mil buy", "Buy milk", NULL, false }, /* only the last word is a prefix */
	{ "ilk", "Buy milk", NULL, false },
	{ "milk eggs", "Buy milk", "and eggs", true },
	{ "milk eggs", "Buy milk", NULL, false },
	{ a_UMLAUT "rger", "ARGER", NULL, true },
	{ "arger", A_UMLAUT "RGER", NULL, true },
	{ "a" DIAERESIS "rger", A_UMLAUT "rger", NULL, true },
	{ "cafe" ACUTE, "Caf\xc3\xa9", NULL, true },
	{ "cafe", "CAFE" ACUTE, NULL, true },
	{ "strasse", "Stra" SHARP_S "e", NULL, true },
	{ "STRA" SHARP_S, "Strasse", NULL, true },
	{ "\xe1\xba\x9e", "ss", NULL, true },	       /* capital sharp s */
	{ "istanbul", "\xc4\xb0STANBUL", NULL, true }, /* dotted capital I */
	{ "\xc4\xb0stanbul", "istanbul", NULL, true },
	{ "ISTANBUL", "istanbul", NULL, true },
	{ "\xc4\xb1sparta", "isparta", NULL, false }, /* a dotless i is a letter of its own */
	{ "\xce\xbf\xce\xb4\xce\xbf\xcf\x83", "\xce\x9f\xce\x94\xce\x9f\xce\xa3", NULL,
	  true }, /* sigmas */
	{ "\xd0\xbc\xd0\xbe\xd0\xbb\xd0\xbe", "\xd0\x9c\xd0\x9e\xd0\x9b\xd0\x9e\xd0\x9a\xd0\x9e",
	  NULL, true }, /* Cyrillic, a prefix */
	{ TOKYO, TOKYO "\xe9\x83\xbd", NULL, true },
	{ KYOTO, TOKYO "\xe9\x83\xbd", NULL, true },
	{ KYOTO, TOKYO, NULL, false },
	{ HIRAGANA, "\xe8\xb2\xb7" HIRAGANA, NULL, true },
	{ "\xe3\x82\xb3\xe3\x83\xbc", KATAKANA, NULL, true },
	{ "\xef\xbd\xba\xef\xbd\xb0\xef\xbe\x8b\xef\xbd\xb0", KATAKANA, NULL,
	  true },						    /* half width */
	{ "\xea\xb0\x80", "\xea\xb0\x81\xeb\x8f\x84", NULL, true }, /* a syllable half typed */
	{ THAI_MILK, THAI, NULL, true },
	{ HEBREW, HEBREW_POINTED, NULL, true },
	{ HEBREW_POINTED, HEBREW, NULL, true },
	{ EMOJI " milk", "milk", NULL, true },
	{ "9/11", "remember 9/11", NULL, true },
	{ "9/1", "remember 9/11", NULL, true },
	{ "9/2", "remember 9/11", NULL, false },
	{ "foo-bar_baz", "foo bar baz", NULL, true },
	{ "foo", "foo-bar_baz", NULL, true },
	{ "baz", "foo-bar_baz", NULL, true },
	{ "\xef\xbc\xad\xef\xbc\xa9", "milk", NULL, true }, /* full width */
	{ "a'b", "a'b", NULL, true },
	{ "a\\", "A\\B", NULL, true },
	{ "!milk", "milk", NULL, true },
	{ "a | b", "a", NULL, false },
	{ "a <-> c", "a b c", NULL, true },
	{ "x:*", "xyz", NULL, true },
	{ "x:D", "x", "d", true },
};

START_TEST(what_finds_what)
{
	for (size_t i = 0; i < ARRAY_SIZE(searches); i++)
		ck_assert_msg(finds(searches[i].query, searches[i].title,
				    searches[i].description) == searches[i].found,
			      "case %zu: %s in %s %s", i, searches[i].query, searches[i].title,
			      searches[i].description);
}
END_TEST

START_TEST(titles_outrank_descriptions)
{
	const char *rank = "SELECT ts_rank($1::tsvector, $2::tsquery)";
	double in_title = strtod(value_of(rank, vector_of("milk", "eggs"), query_of("milk")), NULL);
	double below = strtod(value_of(rank, vector_of("eggs", "milk"), query_of("milk")), NULL);

	ck_assert_double_gt(in_title, 2 * below);
	ck_assert_double_gt(below, 0);
}
END_TEST

START_TEST(long_texts)
{
	char word[1001];
	const char *v = vector_of(long_text(200), long_text(65536));
	long n = strtol(value_of("SELECT length($1::tsvector), $2", v, ""), NULL, 10);

	ck_assert_int_gt(n, 500);
	memset(word, 'w', 1000);
	word[1000] = '\0';
	ck_assert(finds(word, word, NULL));
	word[300] = '\0';
	ck_assert(finds(word, word, NULL));
	word[100] = '\0';
	ck_assert(finds(word, "www", word));
	/* Past the last position that PostgreSQL knows. */
	n = strtol(value_of("SELECT max(p) FROM unnest($1::tsvector) AS u (l, positions, w), "
			    "unnest(positions) AS p WHERE $2 = ''",
			    v, ""),
		   NULL, 10);
	ck_assert_int_le(n, 16383);
}
END_TEST

/* Pieces that could mean something to PostgreSQL, and letters of all kinds. */
static const char *random_text(uint32_t *state)
{
	static const char *const pieces[] = {
		"a",
		"Bc",
		"9",
		" ",
		"  ",
		"'",
		"''",
		"\\",
		"\\'",
		":",
		"*",
		":*",
		":A",
		"&",
		"|",
		"!",
		"!!",
		"(",
		")",
		"<->",
		"<",
		">",
		"<2>",
		"-",
		"_",
		".",
		",",
		"/",
		"\"",
		"$$",
		"%s",
		"%n",
		"--",
		"/*",
		";",
		"\n",
		"\t",
		"\x7f",
		ACUTE,
		A_UMLAUT,
		TOKYO,
		KATAKANA,
		THAI,
		HEBREW,
		EMOJI,
		SHARP_S,
		"\xe2\x80\x8d",
		"\xe2\x80\xae",
		"\xc2\xa0",
		"\xef\xb7\xba",
		"\xc2\xad",
		"\xef\xbf\xbf",
		"\xef\xbc\x87",
		"\xe2\x80\x99",
		"\xca\xbc",
		"\xef\xbc\xbc",
	};
	struct str text;
	struct buf b;

	buf_init(&b, 4096);
	for (uint32_t n = next_random(state) % 24; n > 0; n--)
		buf_append_str(&b, str_from(pieces[next_random(state) % ARRAY_SIZE(pieces)]));
	text = arena_dup(arena, buf_str(&b));
	buf_done(&b);
	return text.p;
}

/* Whatever is typed, PostgreSQL can read what becomes of it, and it finds itself. */
START_TEST(texts_find_themselves)
{
	uint32_t state = 4;
	unsigned searched = 0;

	for (int i = 0; i < RANDOM_TEXTS; i++) {
		const char *text = random_text(&state), *q = query_of(text), *v;

		v = vector_of(text, random_text(&state));
		if (q) {
			ck_assert_msg(*value_of("SELECT $1::tsvector @@ $2::tsquery", v, q) == 't',
				      "%s: %s does not find %s", text, q, v);
			searched++;
		} else {
			value_of("SELECT $1::tsvector, $2", v, "");
		}
		arena_reset(arena);
	}
	ck_assert_uint_gt(searched, RANDOM_TEXTS / 2);
}
END_TEST

/* ---- memory ---- */

static int call(int which, struct arena *a, struct str *ret)
{
	const struct str title = STR(A_UMLAUT "rger"), description = STR("stra" SHARP_S "e");

	switch (which) {
	case 0:
		return search_vector(a, title, description, ret);
	case 1:
		return search_query(a, title, ret);
	default:
		return search_sort_key(a, title, ret);
	}
}

START_TEST(allocations_fail)
{
	unsigned failed = 0;

	if (!fail_alloc_works()) {
		puts("test_search: left out: allocations cannot be made to fail here");
		return;
	}
	for (uint64_t nth = 1;; nth++) {
		struct arena *a = arena_new(1 << 20);
		struct str out = { NULL, 4711 };
		int r;

		fail_alloc_arm(nth);
		r = call(_i, a, &out);
		if (!fail_alloc_disarm()) {
			ck_assert_int_eq(r, 0);
			arena_free(a);
			break;
		}
		ck_assert(r == 0 || (r == -ENOMEM && !out.p && out.n == 4711));
		failed += r < 0;
		arena_free(a);
	}
	ck_assert_uint_ge(failed, 2);
}
END_TEST

START_TEST(arenas_run_out)
{
	for (size_t size = 0;; size += 16) {
		struct arena *a = arena_new(size);
		struct str out = { NULL, 4711 };
		int r = call(_i, a, &out);

		if (r == 0) {
			ck_assert_ptr_nonnull(out.p);
			arena_free(a);
			break;
		}
		ck_assert(r == -ENOMEM && !out.p && out.n == 4711);
		arena_free(a);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("search");
	TCase *tc = tcase_create("text"), *server = tcase_create("server");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, vectors_as_text);
	tcase_add_test(tc, queries_as_text);
	tcase_add_test(tc, queries_have_a_bound);
	tcase_add_test(tc, words_have_a_bound);
	tcase_add_test(tc, vectors_have_a_bound);
	tcase_add_test(tc, sort_keys);
	tcase_add_loop_test(tc, allocations_fail, 0, 3);
	tcase_add_loop_test(tc, arenas_run_out, 0, 3);
	suite_add_tcase(suite, tc);
	tcase_set_timeout(server, 60);
	tcase_add_checked_fixture(server, connect_too, disconnect);
	tcase_add_test(server, what_finds_what);
	tcase_add_test(server, titles_outrank_descriptions);
	tcase_add_test(server, long_texts);
	tcase_add_test(server, texts_find_themselves);
	suite_add_tcase(suite, server);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
