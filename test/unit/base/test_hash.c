/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash against the published vectors and against OpenSSL's own, SHA-256 against FIPS 180
 * examples and OpenSSL's one-shot function, and the properties of the two keyed hashes.
 */
#include "base/hash.h"
#include "src/base/siphash_private.h"
#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

static const struct siphash_key counting_key = { UINT64_C(0x0706050403020100),
						 UINT64_C(0x0f0e0d0c0b0a0908) };

/* Key 00..0f, messages of 0..15 bytes 00 01 02...: the reference implementation's list, the last
 * one also in the paper. */
START_TEST(siphash_published)
{
	static const uint8_t want[16][8] = {
		{ 0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72 },
		{ 0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74 },
		{ 0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d },
		{ 0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85 },
		{ 0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf },
		{ 0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18 },
		{ 0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb },
		{ 0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab },
		{ 0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93 },
		{ 0xb0, 0xe4, 0xa9, 0x0b, 0xdf, 0x82, 0x00, 0x9e },
		{ 0xf3, 0xb9, 0xdd, 0x94, 0xc5, 0xbb, 0x5d, 0x7a },
		{ 0xa7, 0xad, 0x6b, 0x22, 0x46, 0x2f, 0xb3, 0xf4 },
		{ 0xfb, 0xe5, 0x0e, 0x86, 0xbc, 0x8f, 0x1e, 0x75 },
		{ 0x90, 0x3d, 0x84, 0xc0, 0x27, 0x56, 0xea, 0x14 },
		{ 0xee, 0xf2, 0x7a, 0x8e, 0x90, 0xca, 0x23, 0xf7 },
		{ 0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1 },
	};
	char message[16];

	for (size_t n = 0; n < ARRAY_SIZE(want); n++) {
		uint64_t h, wanted = 0;

		message[n] = (char)n;
		h = siphash24(&counting_key, (struct str){ message, n });
		for (size_t i = 8; i-- > 0;)
			wanted = wanted << 8 | want[n][i];
		ck_assert_uint_eq(h, wanted);
	}
}
END_TEST

static uint64_t openssl_siphash(EVP_MAC *mac, const unsigned char *p, size_t n)
{
	static unsigned char key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	size_t size = 8, got = 0;
	OSSL_PARAM params[] = { OSSL_PARAM_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_END };
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	unsigned char out[8];
	uint64_t h = 0;

	ck_assert_int_eq(EVP_MAC_init(ctx, key, sizeof(key), params), 1);
	ck_assert_int_eq(EVP_MAC_update(ctx, p, n), 1);
	ck_assert_int_eq(EVP_MAC_final(ctx, out, &got, sizeof(out)), 1);
	ck_assert_uint_eq(got, 8);
	for (size_t i = 8; i-- > 0;)
		h = h << 8 | out[i];
	EVP_MAC_CTX_free(ctx);
	return h;
}

START_TEST(siphash_as_openssl)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	unsigned char message[600];

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (unsigned char)(i * 73 >> 1);
	for (size_t n = 0; n < sizeof(message); n += 1 + n / 50)
		ck_assert_uint_eq(siphash24(&counting_key, (struct str){ (char *)message, n }),
				  openssl_siphash(mac, message, n));
	EVP_MAC_free(mac);
}
END_TEST

START_TEST(keyed_hashes)
{
	ck_assert_uint_eq(hash_random64(STR("a")), hash_random64(STR("a")));
	ck_assert_uint_ne(hash_random64(STR("a")), hash_random64(STR("b")));
	ck_assert_uint_ne(hash_random64(STR("a")), hash_stable64(STR("a")));
	ck_assert_uint_ne(hash_stable64(STR("")), hash_stable64(STR("\0")));
	/* Written down once: clients and tables keep these. */
	ck_assert_uint_eq(hash_stable64(STR("")), UINT64_C(0x44afbe4be7871427));
	ck_assert_uint_eq(hash_stable64(STR("tasks")), UINT64_C(0x128abbfa1b471286));
}
END_TEST

START_TEST(sha256)
{
	static const struct {
		const char *text, *hex;
	} cases[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	uint8_t out[SHA256_SIZE], want[SHA256_SIZE];
	char text[300];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char hex[65];

		ck_assert_int_eq(hash_sha256(str_from(cases[i].text), out), 0);
		for (size_t k = 0; k < sizeof(out); k++)
			snprintf(hex + 2 * k, 3, "%02x", out[k]);
		ck_assert_str_eq(hex, cases[i].hex);
	}
	memset(text, 'q', sizeof(text));
	for (size_t n = 0; n < sizeof(text); n++) {
		ck_assert_int_eq(hash_sha256((struct str){ text, n }, out), 0);
		SHA256((unsigned char *)text, n, want);
		ck_assert_mem_eq(out, want, sizeof(out));
	}
	ck_assert_int_eq(hash_sha256((struct str){ NULL, 0 }, out), 0);
}
END_TEST

/* Once set up, memory that fails gives an error and no harm: the next call works. */
START_TEST(allocations_fail)
{
	uint8_t out[SHA256_SIZE];

	if (!fail_alloc_works()) {
		puts("test_hash: left out: allocations cannot be made to fail here");
		return;
	}
	ck_assert_int_eq(hash_init(), 0);
	for (uint64_t nth = 1;; nth++) {
		int r;

		ck_assert_uint_lt(nth, 20);
		fail_alloc_arm(nth);
		r = hash_sha256(STR("abc"), out);
		if (!fail_alloc_disarm())
			break;
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_int_eq(hash_sha256(STR("abc"), out), 0);
		ck_assert_uint_eq(out[0], 0xba);
		ck_assert_uint_eq(out[31], 0xad);
	}
	fail_alloc_arm(1);
	hash_random64(STR("keyed hashes allocate nothing"));
	ck_assert_uint_eq(fail_alloc_disarm(), 0);
}
END_TEST

START_TEST(constant_time_equality)
{
	char a[40], b[40];

	memset(a, 'x', sizeof(a));
	memset(b, 'x', sizeof(b));
	for (size_t n = 0; n <= sizeof(a); n++) {
		ck_assert(hash_equal_const_time((struct str){ a, n }, (struct str){ b, n }));
		for (size_t at = 0; at < n; at++) {
			b[at] ^= 1;
			ck_assert(
				!hash_equal_const_time((struct str){ a, n }, (struct str){ b, n }));
			b[at] ^= 1;
		}
	}
	ck_assert(!hash_equal_const_time(STR("a"), STR("ab")));
	ck_assert(hash_equal_const_time((struct str){ NULL, 0 }, STR("")));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hash");
	TCase *tc = tcase_create("hash");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, siphash_published);
	tcase_add_test(tc, siphash_as_openssl);
	tcase_add_test(tc, keyed_hashes);
	tcase_add_test(tc, sha256);
	tcase_add_test(tc, allocations_fail);
	tcase_add_test(tc, constant_time_equality);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
