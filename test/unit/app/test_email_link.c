/* SPDX-License-Identifier: Apache-2.0 */
/* Links: what is signed is read back, and nothing else is. */
#include "app/email_link.h"

#include "auth/jws.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

enum { NOW_S = 1000000 };

static struct arena *arena;
static struct jwt_key *key;
static struct jwt_keys *keys;

static void setup(void)
{
	arena = arena_new(1 << 22);
	key = jwt_key_from_secret(STR("0123456789abcdef0123456789abcdef"));
	keys = jwt_keys_new_single(key);
	ck_assert(arena != NULL && keys != NULL);
}

static void teardown(void)
{
	jwt_keys_free(keys);
	arena_free(arena);
}

static struct email_link link_of(struct str user)
{
	struct email_link link = { .purpose = EMAIL_LINK_CONFIRM,
				   .user_id = user,
				   .expires_s = NOW_S + 10 };

	ck_assert_int_eq(email_link_hash(STR("a@example.org"), link.address_hash), 0);
	return link;
}

START_TEST(there_and_back)
{
	static const struct str users[] = { STR_INIT("u"), STR_INIT("a/b \"c\" \\ \xC3\xBC"),
					    STR_INIT("{\"p\":\"confirm\"}") };

	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		for (int p = 0; p < _EMAIL_LINK_PURPOSE_MAX; p++) {
			struct email_link link = link_of(users[i]), got;

			link.purpose = (enum email_link_purpose)p;
			struct str token = email_link_sign(arena, key, &link);
			ck_assert_int_eq(email_link_verify(arena, keys, token, NOW_S, &got), 0);
			ck_assert(got.purpose == link.purpose && got.expires_s == link.expires_s &&
				  str_eq(got.user_id, link.user_id));
			ck_assert_str_eq(got.address_hash, link.address_hash);
			ck_assert_int_eq(email_link_verify(arena, keys, token, NOW_S + 10, &got),
					 -EINVAL);
		}
	}
}
END_TEST

START_TEST(hashes)
{
	char a[EMAIL_LINK_HASH_SIZE], b[EMAIL_LINK_HASH_SIZE];

	ck_assert_int_eq(email_link_hash(STR("a@example.org"), a), 0);
	ck_assert_int_eq(email_link_hash(STR("A@example.org"), b), 0);
	ck_assert_uint_eq(strlen(a), EMAIL_LINK_HASH_SIZE - 1);
	ck_assert_str_ne(a, b);
}
END_TEST

/* Each character of a link replaced, each end cut off: none of them is a link. */
START_TEST(damaged)
{
	const struct email_link link = link_of(STR("u"));
	struct str token = email_link_sign(arena, key, &link);
	struct email_link got = { .expires_s = 7 };

	ck_assert_uint_lt(token.n, 900);
	for (size_t i = 0; i < token.n; i++) {
		struct str copy = arena_dup(arena, token);
		char *p = arena_alloc(arena, token.n);

		memcpy(p, copy.p, token.n);
		p[i] = p[i] == 'A' ? 'B' : 'A';
		ck_assert_int_eq(email_link_verify(arena, keys, (struct str){ p, token.n }, NOW_S,
						   &got),
				 -EINVAL);
		ck_assert_int_eq(email_link_verify(arena, keys, (struct str){ token.p, i }, NOW_S,
						   &got),
				 -EINVAL);
	}
	ck_assert_int_eq(got.expires_s, 7);
}
END_TEST

START_TEST(of_others)
{
	struct jwt_key *other = jwt_key_from_secret(STR("another secret of more than 32 bytes"));
	const struct email_link link = link_of(STR("u"));
	struct email_link got;

	ck_assert_int_eq(email_link_verify(arena, keys, email_link_sign(arena, other, &link), NOW_S,
					   &got),
			 -EINVAL);
	jwt_key_free(other);
	/* Signed by the right key, and no link: a token of a user, for one. */
	static const char *const payloads[] = {
		"{}",
		"{\"sub\":\"u\",\"exp\":2000000000}",
		"{\"p\":\"confirm\",\"u\":\"u\",\"x\":2000000000}",
		"{\"p\":\"delete\",\"u\":\"u\",\"a\":\"x\",\"x\":2000000000}",
		"{\"p\":\"confirm\",\"u\":\"\",\"a\":\"x\",\"x\":2000000000}",
		"{\"p\":\"confirm\",\"u\":\"u\",\"a\":\"12345678901234567890123\",\"x\":2000000000}",
		"{\"p\":\"confirm\",\"u\":\"u\",\"a\":\"x\",\"x\":\"2000000000\"}",
		"{\"p\":\"confirm\",\"u\":\"u\",\"a\":\"x\"}",
		"x",
	};
	for (size_t i = 0; i < ARRAY_SIZE(payloads); i++)
		ck_assert_int_eq(email_link_verify(arena, keys,
						   jws_sign(arena, key, str_from(payloads[i])),
						   NOW_S, &got),
				 -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("email_link");
	TCase *tc = tcase_create("email_link");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, hashes);
	tcase_add_test(tc, damaged);
	tcase_add_test(tc, of_others);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
