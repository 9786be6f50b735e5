/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM: the published test cases (McGrew and Viega, "The Galois/Counter Mode of Operation",
 * appendix B, cases 13 to 16, which NIST took over), and what must not open.
 */
#include "src/base/aead_private.h"
#include "test/unit/support/fail_alloc.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct arena *arena;

static void setup(void)
{
	arena = arena_new(1024 * 1024);
	ck_assert_ptr_nonnull(arena);
}

static void teardown(void)
{
	arena_free(arena);
	aead_done();
}

static struct str unhex(const char *hex)
{
	size_t n = strlen(hex) / 2;
	char *out = arena_alloc(arena, n);

	for (size_t i = 0; i < n; i++) {
		const char pair[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		out[i] = (char)strtoul(pair, NULL, 16);
	}
	return (struct str){ out, n };
}

#define KEY_B "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define PLAIN_B                                                            \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" \
	"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define CIPHER_B                                                           \
	"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" \
	"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"

static const struct {
	const char *key, *nonce, *aad, *plain, *cipher, *tag;
} VECTORS[] = {
	{ "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	{ "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "00000000000000000000000000000000",
	  "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919" },
	{ KEY_B, "cafebabefacedbaddecaf888", "", PLAIN_B "1aafd255", CIPHER_B "898015ad",
	  "b094dac5d93471bdec1a502270e3cc6c" },
	{ KEY_B, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", PLAIN_B,
	  CIPHER_B, "76fc6ece0f4e1768cddf8853bb2d551b" },
};

START_TEST(published)
{
	for (size_t i = 0; i < ARRAY_SIZE(VECTORS); i++) {
		struct str nonce = unhex(VECTORS[i].nonce), aad = unhex(VECTORS[i].aad),
			   plain = unhex(VECTORS[i].plain), cipher = unhex(VECTORS[i].cipher),
			   tag = unhex(VECTORS[i].tag), opened;
		uint8_t out[128];
		struct aead_key key;

		ck_assert_int_eq(aead_key_parse(str_from(VECTORS[i].key), &key), 0);
		memcpy(out, nonce.p, nonce.n);
		ck_assert_int_eq(aead_seal_in_place(&key, aad, plain, out), 0);
		ck_assert_mem_eq(out + AEAD_NONCE_SIZE, cipher.p, cipher.n);
		ck_assert_mem_eq(out + AEAD_NONCE_SIZE + cipher.n, tag.p, tag.n);
		ck_assert_int_eq(aead_open(arena, &key, aad,
					   (struct str){ (char *)out, plain.n + AEAD_OVERHEAD },
					   &opened),
				 0);
		ck_assert(str_eq(opened, plain));
	}
}
END_TEST

START_TEST(what_is_not_as_it_was_does_not_open)
{
	struct aead_key key, other;
	struct str sealed, untouched = STR("untouched"), opened = untouched;

	ck_assert_int_eq(aead_key_new(&key), 0);
	ck_assert_int_eq(aead_seal(arena, &key, STR("alice 1"), STR("what happened"), &sealed), 0);
	ck_assert_uint_eq(sealed.n, 13 + AEAD_OVERHEAD);
	for (size_t bit = 0; bit < 8 * sealed.n; bit++) {
		struct str copy = arena_dup(arena, sealed);

		((char *)(uintptr_t)copy.p)[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_int_eq(aead_open(arena, &key, STR("alice 1"), copy, &opened), -EBADMSG);
	}
	for (size_t n = 0; n < sealed.n; n++)
		ck_assert_int_eq(aead_open(arena, &key, STR("alice 1"), (struct str){ sealed.p, n },
					   &opened),
				 -EBADMSG);
	other = key;
	other.bytes[31] ^= 1;
	ck_assert_int_eq(aead_open(arena, &other, STR("alice 1"), sealed, &opened), -EBADMSG);
	ck_assert_int_eq(aead_open(arena, &key, STR("alice 2"), sealed, &opened), -EBADMSG);
	ck_assert_int_eq(aead_open(arena, &key, STR(""), sealed, &opened), -EBADMSG);
	ck_assert(opened.p == untouched.p);
	ck_assert_int_eq(aead_open(arena, &key, STR("alice 1"), sealed, &opened), 0);
	ck_assert(str_eq(opened, STR("what happened")));
}
END_TEST

START_TEST(never_the_same_twice)
{
	struct aead_key a, b;
	struct str one, two;

	ck_assert_int_eq(aead_key_new(&a), 0);
	ck_assert_int_eq(aead_key_new(&b), 0);
	ck_assert_mem_ne(a.bytes, b.bytes, sizeof(a.bytes));
	ck_assert_int_eq(aead_seal(arena, &a, STR(""), STR("same"), &one), 0);
	ck_assert_int_eq(aead_seal(arena, &a, STR(""), STR("same"), &two), 0);
	ck_assert_mem_ne(one.p, two.p, AEAD_NONCE_SIZE);
	ck_assert(!str_eq(one, two));
	aead_key_wipe(&a);
	for (size_t i = 0; i < sizeof(a.bytes); i++)
		ck_assert_uint_eq(a.bytes[i], 0);
}
END_TEST

START_TEST(keys_as_text)
{
	struct aead_key key = { { 7 } };

	ck_assert_int_eq(aead_key_parse(STR(" \n" KEY_B "\n"), &key), 0);
	ck_assert_uint_eq(key.bytes[0], 0xfe);
	ck_assert_uint_eq(key.bytes[31], 0x08);
	ck_assert_int_eq(aead_key_parse(STR("FE" KEY_B), &key), -EINVAL);
	ck_assert_int_eq(aead_key_parse(STR(""), &key), -EINVAL);
	ck_assert_int_eq(aead_key_parse((struct str){ KEY_B, 63 }, &key), -EINVAL);
	ck_assert_int_eq(aead_key_parse(STR("g000000000000000000000000000000000000000000000000"
					    "0000000000000000"),
					&key),
			 -EINVAL);
	ck_assert_uint_eq(key.bytes[0], 0xfe);
}
END_TEST

START_TEST(no_memory)
{
	struct aead_key key = { { 1 } };
	struct str sealed, opened;

	if (!fail_alloc_works()) {
		printf("test_aead.c: allocations cannot be made to fail here\n");
		return;
	}
	/* The first use of OpenSSL itself does not bear it. */
	ck_assert_int_eq(aead_init(), 0);
	for (uint64_t nth = 1;; nth++) {
		fail_alloc_arm(nth);
		int r = aead_seal(arena, &key, STR("a"), STR("plain"), &sealed);
		if (!fail_alloc_disarm()) {
			ck_assert_int_eq(r, 0);
			break;
		}
		ck_assert(r == 0 || r == -ENOMEM);
	}
	struct arena *small = arena_new(16);
	ck_assert_int_eq(aead_seal(small, &key, STR("a"), STR("plain"), &sealed), -ENOMEM);
	arena_free(small);
	small = arena_new(16);
	ck_assert_int_eq(aead_seal(arena, &key, STR("a"), STR("more than sixteen bytes"), &sealed),
			 0);
	ck_assert_int_eq(aead_open(small, &key, STR("a"), sealed, &opened), -ENOMEM);
	arena_free(small);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("aead");
	TCase *t = tcase_create("aead");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, published);
	tcase_add_test(t, what_is_not_as_it_was_does_not_open);
	tcase_add_test(t, never_the_same_twice);
	tcase_add_test(t, keys_as_text);
	tcase_add_test(t, no_memory);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
