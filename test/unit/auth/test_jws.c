/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures over any text, with a private key, and their verification with the public one alone.
 */
#include "auth/jws.h"

#include <check.h>
#include <errno.h>
#include <openssl/pem.h>

/* A new key of this type, as PEM, both halves; the caller frees nothing, the arena does. */
static void make_key(struct arena *arena, int type, struct str *ret_private, struct str *ret_public)
{
	EVP_PKEY *pkey = type == EVP_PKEY_EC ? EVP_EC_gen("P-256")
					     : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;

	ck_assert_ptr_nonnull(pkey);
	ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	long n = BIO_get_mem_data(bio, &p);
	*ret_private = arena_dup(arena, (struct str){ p, (size_t)n });
	ck_assert_int_eq(BIO_reset(bio), 1);
	ck_assert_int_eq(PEM_write_bio_PUBKEY(bio, pkey), 1);
	n = BIO_get_mem_data(bio, &p);
	*ret_public = arena_dup(arena, (struct str){ p, (size_t)n });
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

START_TEST(signed_privately_verified_publicly)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct err err = { 0 };
	struct str private_pem, public_pem;
	make_key(arena, EVP_PKEY_ED25519, &private_pem, &public_pem);
	struct jwt_key *private_key = jws_key_from_pem(private_pem, "test", &err),
		       *public_key = jws_key_from_pem(public_pem, "test", &err);
	struct jwt_keys *keys = jwt_keys_new_single(public_key);
	struct str token, payload = { NULL, 0 };

	ck_assert(private_key != NULL && public_key != NULL && keys != NULL);
	ck_assert(str_eq(jwt_key_id(private_key), jwt_key_id(public_key)));
	token = jws_sign(arena, private_key, STR("{\"seq\":1}"));
	ck_assert_ptr_nonnull(token.p);
	ck_assert_int_eq(jws_verify(arena, keys, token, &payload, &err), 0);
	ck_assert(str_eq(payload, STR("{\"seq\":1}")));
	ck_assert_ptr_null(jws_sign(arena, public_key, STR("x")).p);
	for (size_t i = 0; i < token.n; i++) {
		struct str changed = arena_dup(arena, token);

		((char *)(uintptr_t)changed.p)[i] ^= 1;
		ck_assert_int_lt(jws_verify(arena, keys, changed, &payload, &err), 0);
	}
	/* It is no token of a user. */
	const struct jwt_policy policy = { .leeway_s = 30 };
	struct jwt_claims claims;
	ck_assert_int_eq(jwt_verify(arena, keys, &policy, token, 0, &claims, &err), -EACCES);
	jwt_keys_free(keys);
	jwt_key_free(private_key);
	arena_free(arena);
}
END_TEST

START_TEST(not_a_key)
{
	struct arena *arena = arena_new(64 * 1024);
	struct str private_pem, public_pem;
	struct err err = { 0 };

	make_key(arena, EVP_PKEY_EC, &private_pem, &public_pem);
	ck_assert_ptr_null(jws_key_from_pem(STR(""), "secret audit/checkpoint-key", &err));
	ck_assert_ptr_nonnull(strstr(err.text, "secret audit/checkpoint-key"));
	ck_assert_ptr_null(jws_key_from_pem(STR("-----BEGIN PUBLIC KEY-----\n"), "test", &err));
	ck_assert_ptr_null(jws_key_from_pem(public_pem, "test", &err));
	ck_assert_ptr_nonnull(strstr(err.text, "Ed25519"));
	ck_assert_ptr_null(jws_key_from_pem(private_pem, "test", &err));
	arena_free(arena);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jws");
	TCase *t = tcase_create("jws");

	tcase_add_test(t, signed_privately_verified_publicly);
	tcase_add_test(t, not_a_key);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
