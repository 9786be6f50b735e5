/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens whose verdict somebody else decides: jwt_oracle.py prints more than a thousand, judged by
 * PyJWT or by a rule written there, and the verdict here must be the same. With WYCHEPROOF_DIR set,
 * also that suite's file.
 * Requirement: SE1.
 */
#include "src/auth/jwt_private.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 64 * 1024, SETS_MAX = 256, ROWS_MIN = 1300, ARENA_BYTES = 1024 * 1024 };

struct set {
	char name[16];
	struct jwt_keys *keys;
};

struct run {
	struct set sets[SETS_MAX];
	size_t n_sets;
	unsigned rows, by_oracle, wrong;
};

static struct jwt_keys *keys_of_secret(struct str secret, bool hex)
{
	char bytes[1024];
	size_t n = 0;
	for (size_t i = 0; hex && i + 1 < secret.n; i += 2) {
		const char pair[3] = { secret.p[i], secret.p[i + 1], '\0' };
		bytes[n++] = (char)strtoul(pair, NULL, 16);
	}
	struct jwt_key *k = jwt_key_from_secret(hex ? (struct str){ bytes, n } : secret);
	return k ? jwt_keys_new_single(k)
		 : NULL; /* NULL: a secret that is too short is never used */
}

static void add_set(struct run *run, const struct str *column)
{
	struct set *set = &run->sets[run->n_sets++];
	ck_assert_uint_lt(run->n_sets, SETS_MAX);
	ck_assert_int_eq(str_copy(set->name, sizeof(set->name), column[1]), 0);
	if (str_eq(column[0], STR("S"))) {
		set->keys = keys_of_secret(column[2], str_eq(column[3], STR("hex")));
	} else {
		struct err e = { 0 };
		ck_assert_msg(jwt_keys_parse(column[2], &set->keys, &e) == 0, "%s", e.text);
	}
}

static const struct jwt_keys *find_set(const struct run *run, struct str name)
{
	for (size_t i = 0; i < run->n_sets; i++) {
		if (str_eq(str_from(run->sets[i].name), name))
			return run->sets[i].keys;
	}
	ck_abort_msg("no key set %.*s", STR_ARGS(name));
	return NULL;
}

static const char *word(int r)
{
	return r == 0 ? "accept" : r == -EACCES ? "refuse" : r == -ENOKEY ? "nokey" : "error";
}

static void check_verdict(struct run *run, struct str expected, int r, const struct err *e,
			  struct str label)
{
	run->rows++;
	ck_assert((r == 0) == (e->kind == NULL));
	ck_assert(r == 0 || (e->kind == &ERR_UNAUTHORIZED && e->text[0] != '\0'));
	if (str_eq(expected, STR("either")) || str_eq(expected, str_from(word(r))))
		return;
	run->wrong++;
	fprintf(stderr, "expected %.*s, got %s (%s): %.*s\n", STR_ARGS(expected), word(r), e->text,
		STR_ARGS(label));
}

/* T set verdict source issuer audience now label token */
static void check_token(struct run *run, struct arena *arena, const struct str *column)
{
	struct jwt_policy policy = { .issuer = column[4], .audience = column[5], .leeway_s = 30 };
	struct jwt_claims claims = { { NULL, 0 }, -1 };
	struct err e = { 0 };
	int64_t now_s = 0;
	ck_assert_int_eq(str_parse_i64(column[6], &now_s), 0);
	int r = jwt_verify(arena, find_set(run, column[1]), &policy, column[8], now_s, &claims, &e);
	run->by_oracle += str_eq(column[3], STR("oracle"));
	check_verdict(run, column[2], r, &e, column[7]);
	if (r == 0) {
		ck_assert(jwt_subject_is_valid(claims.subject));
		ck_assert_int_gt(claims.expires_s, now_s - 30);
	} else {
		ck_assert_msg(claims.subject.p == NULL && claims.expires_s == -1,
			      "outputs touched on failure");
	}
}

/* W verdict set label token */
static void check_signature(struct run *run, struct arena *arena, const struct str *column)
{
	const struct jwt_keys *keys = find_set(run, column[2]);
	struct str payload;
	struct err e = { 0 };
	int r = -EACCES;
	if (keys)
		r = jws_verify(arena, keys, column[4], &payload, &e);
	else
		err_set(&e, &ERR_UNAUTHORIZED, NULL, "the secret is too short to be used");
	if (r == -ENOKEY)
		r = -EACCES;
	/* Refusing is always allowed where the suite's key is one that todod does not use. */
	bool unusable = !keys || jwt_keys_count(keys) == 0;
	check_verdict(run, unusable && r < 0 ? STR("refuse") : column[1], r, &e, column[3]);
}

static void check_line(struct run *run, struct arena *arena, struct str line)
{
	struct str column[9] = { { NULL, 0 } };
	size_t n = 0;
	while (n < ARRAY_SIZE(column) && str_split(&line, '\t', &column[n]))
		n++;
	if (str_eq(column[0], STR("J")) || str_eq(column[0], STR("S"))) {
		add_set(run, column);
	} else if (str_eq(column[0], STR("W"))) {
		check_signature(run, arena, column);
	} else {
		ck_assert(str_eq(column[0], STR("T")) && n == ARRAY_SIZE(column));
		check_token(run, arena, column);
	}
}

static void run_oracle(struct run *run, const char *argument)
{
	static char line[LINE_MAX_BYTES];
	char command[512];
	snprintf(command, sizeof(command), "/usr/bin/python3 test/unit/auth/jwt_oracle.py %s",
		 argument);
	FILE *f = popen(command, "r");
	struct arena *arena = arena_new(ARENA_BYTES);
	ck_assert(f && arena);
	while (fgets(line, sizeof(line), f)) {
		size_t n = strlen(line);
		ck_assert(n > 1 && line[n - 1] == '\n');
		check_line(run, arena, (struct str){ line, n - 1 });
		arena_reset(arena);
	}
	ck_assert_int_eq(pclose(f), 0);
	arena_free(arena);
	for (size_t i = 0; i < run->n_sets; i++)
		jwt_keys_free(run->sets[i].keys);
}

START_TEST(test_verdicts_of_pyjwt)
{
	static struct run run; /* each test has its own process */
	run_oracle(&run, "");
	printf("jwt oracle: %u tokens, %u judged by PyJWT, %u by rules\n", run.rows, run.by_oracle,
	       run.rows - run.by_oracle);
	ck_assert_uint_ge(run.rows, ROWS_MIN);
	ck_assert_uint_ge(run.by_oracle, ROWS_MIN / 2);
	ck_assert_uint_eq(run.wrong, 0);
}
END_TEST

START_TEST(test_wycheproof)
{
	static struct run run; /* each test has its own process */
	const char *dir = getenv("WYCHEPROOF_DIR");
	if (!dir) {
		printf("jwt wycheproof: not run, WYCHEPROOF_DIR is not set\n");
		return;
	}
	ck_assert_msg(strchr(dir, '\'') == NULL, "WYCHEPROOF_DIR with a quote");
	char quoted[400];
	snprintf(quoted, sizeof(quoted), "'%s'", dir);
	run_oracle(&run, quoted);
	printf("jwt wycheproof: %u cases, %u wrong\n", run.rows, run.wrong);
	ck_assert_uint_gt(run.rows, 0);
	ck_assert_uint_eq(run.wrong, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jwt_oracle");
	TCase *tc = tcase_create("verdicts");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_verdicts_of_pyjwt);
	tcase_add_test(tc, test_wycheproof);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
