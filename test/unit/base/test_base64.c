/* SPDX-License-Identifier: Apache-2.0 */
/* base64url against OpenSSL's encoder and the vectors of RFC 4648; strictness by trying every short
 * text. */
#include "base/base64.h"

#include <check.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

static void encodes_to(struct str bytes, const char *text)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	base64url_encode(bytes, &b);
	ck_assert_int_eq(buf_status(&b), 0);
	ck_assert_msg(str_eq(buf_str(&b), str_from(text)), "%.*s, not %s", STR_ARGS(buf_str(&b)),
		      text);
	buf_done(&b);
}

static void padded_encodes_to(struct str bytes, const char *text)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	base64_encode(bytes, &b);
	ck_assert_int_eq(buf_status(&b), 0);
	ck_assert_msg(str_eq(buf_str(&b), str_from(text)), "%.*s, not %s", STR_ARGS(buf_str(&b)),
		      text);
	buf_done(&b);
}

START_TEST(rfc4648)
{
	encodes_to((struct str){ NULL, 0 }, "");
	encodes_to(STR("f"), "Zg");
	encodes_to(STR("fo"), "Zm8");
	encodes_to(STR("foo"), "Zm9v");
	encodes_to(STR("foob"), "Zm9vYg");
	encodes_to(STR("fooba"), "Zm9vYmE");
	encodes_to(STR("foobar"), "Zm9vYmFy");
	encodes_to(STR("\xFB\xFF\xFE"), "-__-");
}
END_TEST

START_TEST(as_openssl_and_back)
{
	unsigned char bytes[400], text[600], out[400];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * i * 7 + (i >> 3));
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		size_t got = 0;
		int len = EVP_EncodeBlock(text, bytes, (int)n);

		padded_encodes_to((struct str){ (char *)bytes, n }, (char *)text);
		for (int i = 0; i < len; i++)
			text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
		while (len > 0 && text[len - 1] == '=')
			len--;
		text[len] = '\0';
		encodes_to((struct str){ (char *)bytes, n }, (char *)text);
		ck_assert_int_eq(base64url_decode((struct str){ (char *)text, (size_t)len }, out, n,
						  &got),
				 0);
		ck_assert_uint_eq(got, n);
		ck_assert_mem_eq(out, bytes, n);
		ck_assert_uint_le(n, BASE64URL_DECODED_MAX((size_t)len));
		if (n)
			ck_assert_int_eq(base64url_decode((struct str){ (char *)text, (size_t)len },
							  out, n - 1, &got),
					 -ENOSPC);
	}
}
END_TEST

/* Of all texts of 2, 3, and of 4 with two bytes running, exactly one per byte string decodes. */
START_TEST(one_text_per_bytes)
{
	unsigned two = 0, three = 0, four = 0;
	unsigned char out[3];
	size_t n;

	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			char s[4] = { (char)a, (char)b, 'A', 'A' };

			two += base64url_decode((struct str){ s, 2 }, out, sizeof(out), &n) == 0;
			four += base64url_decode((struct str){ s, 4 }, out, sizeof(out), &n) == 0;
			s[2] = s[0];
			s[0] = 'A';
			three += base64url_decode((struct str){ s, 3 }, out, sizeof(out), &n) == 0;
		}
	ck_assert_uint_eq(two, 256);
	ck_assert_uint_eq(three, 64 * 16);
	ck_assert_uint_eq(four, 64 * 64);
}
END_TEST

START_TEST(refused)
{
	static const char *const cases[] = { "A",     "AAAAA", "Zg==", "Zg=",  "Zm9v\n",    " Zm9v",
					     "Zm 9v", "Zh",    "Zm9",  "ab+/", "a\xC3\xA9g" };
	unsigned char out[16] = { 0x5A };
	size_t n = 4711;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(base64url_decode(str_from(cases[i]), out, sizeof(out), &n) == -EINVAL,
			      "%s", cases[i]);
	ck_assert_uint_eq(n, 4711);
	ck_assert_int_eq(base64url_decode((struct str){ NULL, 0 }, out, 0, &n), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(full_buffer)
{
	struct buf b;

	buf_init(&b, 5);
	base64url_encode(STR("foob"), &b);
	ck_assert_int_eq(buf_status(&b), -ENOBUFS);
	ck_assert_uint_eq(b.n, 0);
	buf_done(&b);
}
END_TEST

/* RFC 4648 section 10, and what it forbids. */
START_TEST(with_padding)
{
	static const struct {
		const char *text, *bytes; /* bytes NULL: refused */
	} CASES[] = {
		{ "", "" },
		{ "Zg==", "f" },
		{ "Zm8=", "fo" },
		{ "Zm9v", "foo" },
		{ "Zm9vYg==", "foob" },
		{ "Zm9vYmE=", "fooba" },
		{ "+/+/", "\xfb\xff\xbf" },
		{ "Zg", NULL },
		{ "Zg=", NULL },
		{ "Zh==", NULL },
		{ "Zm9=", NULL },
		{ "-_-_", NULL },
		{ "====", NULL },
		{ "Z===", NULL },
		{ "Zm 9", NULL },
		{ "Zg==Zg==", NULL },
		{ "=Zg=", NULL },
	};
	struct arena *arena = arena_new(4096);

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct str got = { NULL, 0 };
		int r = base64_decode(arena, str_from(CASES[i].text), &got);

		ck_assert_msg(r == (CASES[i].bytes ? 0 : -EINVAL), "%s: %d", CASES[i].text, r);
		if (CASES[i].bytes)
			ck_assert(str_eq(got, str_from(CASES[i].bytes)));
	}
	arena_free(arena);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base64");
	TCase *tc = tcase_create("base64");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, rfc4648);
	tcase_add_test(tc, as_openssl_and_back);
	tcase_add_test(tc, one_text_per_bytes);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, full_buffer);
	tcase_add_test(tc, with_padding);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
