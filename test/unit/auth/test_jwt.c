/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published vectors (RFC 7515 appendix A, RFC 8037 appendix A), key sets, key files, signing.
 * Verdicts over many generated tokens are in test_jwt_oracle.c.
 * Requirement: SE1.
 */
#include "src/auth/jwt_private.h"

#include "base/buf.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW INT64_C(1800000000)

static struct arena *arena;
static char dir[] = "/tmp/test_jwt.XXXXXX";

static void setup(void)
{
	arena = arena_new(1024 * 1024);
	ck_assert_ptr_nonnull(arena);
}

static void teardown(void)
{
	arena_free(arena);
}

static const struct jwt_policy any_party = { .leeway_s = 30 };

/* RFC 7515 appendix A.1.1, the payload of A.1 to A.3. */
#define PAYLOAD \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define PAYLOAD_TEXT \
	"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"

/* Appendix A.1; the key is
 * AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow. */
static const uint8_t a1_key[] = {
	3,   35,  53, 75,  43,	15, 165, 188, 131, 126, 6,   101, 119, 123, 166, 143,
	90,  179, 40, 230, 240, 84, 201, 40,  169, 15,	132, 178, 210, 80,  46,	 191,
	211, 251, 90, 146, 210, 6,  71,	 239, 150, 138, 180, 195, 119, 98,  61,	 34,
	61,  46,  33, 114, 5,	46, 79,	 8,   192, 205, 154, 245, 103, 208, 128, 163,
};
static const char a1_token[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." PAYLOAD
			       ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/* Appendix A.2 */
#define A2_N                                                                                                   \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR" \
	"T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB" \
	"dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia" \
	"GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define A2_JWK "{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQAB\"}"
static const char a2_token[] =
	"eyJhbGciOiJSUzI1NiJ9." PAYLOAD
	".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9"
	"uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB"
	"_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq"
	"Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

/* Appendix A.3 */
#define A3_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define A3_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define A3_JWK "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" A3_X "\",\"y\":\"" A3_Y "\"}"
static const char a3_token[] =
	"eyJhbGciOiJFUzI1NiJ9." PAYLOAD
	".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/* RFC 8037 appendices A.1 to A.4 */
#define ED_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define ED_JWK "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}"
#define ED_PEM                                                               \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" \
	"-----END PRIVATE KEY-----\n"
#define ED_THUMBPRINT "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
static const char ed_token[] =
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
	"09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

static struct jwt_keys *keys_of(const char *jwks)
{
	struct jwt_keys *ks = NULL;
	struct err e = { 0 };
	ck_assert_msg(jwt_keys_parse(str_from(jwks), &ks, &e) == 0, "%s: %s", e.field, e.text);
	return ks;
}

static struct jwt_keys *single(struct jwt_key *k)
{
	ck_assert_ptr_nonnull(k);
	struct jwt_keys *ks = jwt_keys_new_single(k);
	ck_assert_ptr_nonnull(ks);
	return ks;
}

static struct jwt_key *a1_hmac(void)
{
	return jwt_key_from_secret((struct str){ (const char *)a1_key, sizeof(a1_key) });
}

/* The vector verifies, and no longer once any one character of it changes. Takes keys. */
static void check_vector(struct jwt_keys *keys, const char *token, const char *payload)
{
	struct str got = { NULL, 0 };
	struct err e = { 0 };
	ck_assert_msg(jws_verify(arena, keys, str_from(token), &got, &e) == 0, "%s", e.text);
	ck_assert(str_eq(got, str_from(payload)));
	char *copy = strdup(token);
	ck_assert_ptr_nonnull(copy);
	for (size_t i = 0; copy[i]; i++) {
		copy[i] = token[i] == 'A' ? 'B' : 'A';
		ck_assert_msg(jws_verify(arena, keys, str_from(copy), &got, &e) < 0,
			      "byte %zu of %s", i, token);
		copy[i] = token[i];
		arena_reset(arena);
	}
	free(copy);
	jwt_keys_free(keys);
}

START_TEST(test_rfc7515_a1_hs256)
{
	check_vector(single(a1_hmac()), a1_token, PAYLOAD_TEXT);
}
END_TEST

START_TEST(test_rfc7515_a2_rs256)
{
	check_vector(keys_of("{\"keys\":[" A2_JWK "]}"), a2_token, PAYLOAD_TEXT);
}
END_TEST

START_TEST(test_rfc7515_a3_es256)
{
	check_vector(keys_of("{\"keys\":[" A3_JWK "]}"), a3_token, PAYLOAD_TEXT);
}
END_TEST

START_TEST(test_rfc8037_a4_eddsa)
{
	check_vector(keys_of("{\"keys\":[" ED_JWK "]}"), ed_token, "Example of Ed25519 signing");
}
END_TEST

/* A token without kid finds its key among keys of other types. */
START_TEST(test_no_kid_picks_by_algorithm)
{
	struct jwt_keys *ks = keys_of("{\"keys\":[" ED_JWK "," A3_JWK "," A2_JWK "]}");
	const char *const tokens[] = { a2_token, a3_token, ed_token };
	struct str payload;
	ck_assert_uint_eq(jwt_keys_count(ks), 3);
	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
		ck_assert_int_eq(jws_verify(arena, ks, str_from(tokens[i]), &payload, NULL), 0);
	ck_assert_int_eq(jws_verify(arena, ks, str_from(a1_token), &payload, NULL), -EACCES);
	jwt_keys_free(ks);
}
END_TEST

/* Without kid at most 8 keys of the algorithm are tried: the right one as the eighth counts, as the
 * ninth no more. */
START_TEST(test_no_kid_tries_a_bounded_number)
{
	for (unsigned others = 7; others <= 8; others++) {
		struct jwt_keys ks = { .n = 0 };
		struct str payload;
		for (unsigned i = 0; i < others; i++)
			ks.v[ks.n++] = jwt_key_new(
				JWT_EDDSA, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), STR("other"));
		struct jwt_keys *right = keys_of("{\"keys\":[" ED_JWK "]}");
		ks.v[ks.n++] = right->v[0];
		int r = jws_verify(arena, &ks, str_from(ed_token), &payload, NULL);
		ck_assert_int_eq(r, others < 8 ? 0 : -EACCES);
		for (unsigned i = 0; i < others; i++)
			jwt_key_free(ks.v[i]);
		jwt_keys_free(right);
	}
}
END_TEST

static const struct {
	const char *what, *jwks;
	int keys; /* usable; -1: refused as a document */
} documents[] = {
	{ "none", "{\"keys\":[]}", 0 },
	{ "as Better Auth publishes",
	  "{\"keys\":[{\"crv\":\"Ed25519\",\"x\":\"" ED_X
	  "\",\"kty\":\"OKP\",\"kid\":\"c5c7995d-0000\"}]}",
	  1 },
	{ "alg and use",
	  "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"EdDSA\",\"use\":\"sig\",\"x\":\"" ED_X
	  "\"}]}",
	  1 },
	{ "extra members",
	  "{\"a\":1,\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X
	  "\",\"x5c\":[1],\"expiresAt\":null}]}",
	  1 },
	{ "for encryption",
	  "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"enc\",\"x\":\"" ED_X "\"}]}",
	  0 },
	{ "use null",
	  "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":null,\"x\":\"" ED_X "\"}]}", 0 },
	{ "ops verify",
	  "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"key_ops\":[\"verify\"],\"x\":\"" ED_X
	  "\"}]}",
	  1 },
	{ "ops sign",
	  "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"key_ops\":[\"sign\"],\"x\":\"" ED_X
	  "\"}]}",
	  0 },
	{ "alg contradicts",
	  "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"ES256\",\"x\":\"" ED_X "\"}]}",
	  0 },
	{ "HS256 on a public key",
	  "{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"HS256\",\"n\":\"" A2_N "\",\"e\":\"AQAB\"}]}", 0 },
	{ "RS512",
	  "{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"RS512\",\"n\":\"" A2_N "\",\"e\":\"AQAB\"}]}", 0 },
	{ "private",
	  "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"" ED_X "\",\"x\":\"" ED_X
	  "\"}]}",
	  0 },
	{ "symmetric", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"" A2_N "\"}]}", 0 },
	{ "X25519", "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED_X "\"}]}", 0 },
	{ "P-384",
	  "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" A3_X "\",\"y\":\"" A3_Y "\"}]}",
	  0 },
	{ "unknown type", "{\"keys\":[{\"kty\":\"AKP\",\"pub\":\"AAAA\"},{}]}", 0 },
	{ "x too short", "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}", 0 },
	{ "x too long", "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "AAAA\"}]}",
	  0 },
	{ "x with padding",
	  "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "=\"}]}", 0 },
	{ "x missing", "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}]}", 0 },
	{ "not on the curve",
	  "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" A3_X "\",\"y\":\"" A3_X "\"}]}",
	  0 },
	{ "RSA of 1024 bits",
	  "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"wS0eSmUVCfq3LBV5tTfcZDjzRW3KxvdkV6YDdvBBpJp8XvZCsk1M_4BxyqZq"
	  "IH4dCJ1xvXyNOvHqNQmZkqAAx5pSvr1wOnCzC8QhX5lJXpPzc2b4sS3m9cV0hOaL0y6Xl4wM8eFq1kP1sT0T7wC1"
	  "\",\"e\":\"AQAB\"}]}",
	  0 },
	{ "exponent 1", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQ\"}]}", 0 },
	{ "exponent even", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQAA\"}]}", 0 },
	{ "exponent 0", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"\"}]}", 0 },
	{ "exponent too long",
	  "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"" A2_N "\"}]}", 0 },
	{ "modulus even", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" A2_N "AA\",\"e\":\"AQAB\"}]}", 0 },
	{ "modulus too long",
	  "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" A2_N A2_N A2_N A2_N A2_N "\",\"e\":\"AQAB\"}]}",
	  0 },
	{ "same kid twice",
	  "{\"keys\":[{\"kid\":\"a\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"},"
	  "{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQAB\"}]}",
	  1 },
	{ "no kid twice", "{\"keys\":[" ED_JWK "," A2_JWK "]}", 2 },
	{ "good after bad", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"}," A3_JWK "]}",
	  1 },
	{ "no keys", "{}", -1 },
	{ "keys null", "{\"keys\":null}", -1 },
	{ "keys an object", "{\"keys\":{}}", -1 },
	{ "keys of numbers", "{\"keys\":[1]}", -1 },
	{ "an array", "[" ED_JWK "]", -1 },
	{ "a lone key", ED_JWK, -1 },
	{ "cut off", "{\"keys\":[" ED_JWK, -1 },
	{ "not JSON", "<html>not found</html>", -1 },
	{ "empty", "", -1 },
	{ "keys twice", "{\"keys\":[],\"keys\":[" ED_JWK "]}", -1 },
};

START_TEST(test_documents)
{
	struct jwt_keys *ks = NULL;
	struct err e = { 0 };
	int r = jwt_keys_parse(str_from(documents[_i].jwks), &ks, &e);
	if (documents[_i].keys < 0) {
		ck_assert_msg(r == -EINVAL && ks == NULL && e.text[0] != '\0', "%s",
			      documents[_i].what);
		return;
	}
	ck_assert_msg(r == 0, "%s: %s", documents[_i].what, e.text);
	ck_assert_msg((int)jwt_keys_count(ks) == documents[_i].keys, "%s", documents[_i].what);
	jwt_keys_free(ks);
}
END_TEST

START_TEST(test_document_bounds)
{
	struct jwt_keys *ks = NULL;
	struct buf b;
	buf_init(&b, 128 * 1024);
	for (int n = 64; n <= 65; n++) {
		buf_append_str(&b, STR("{\"keys\":["));
		for (int i = 0; i < n; i++)
			buf_printf(
				&b,
				"%s{\"kid\":\"k%d\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X
				"\"}",
				i ? "," : "", i);
		buf_append_str(&b, STR("]}"));
		ck_assert_int_eq(buf_status(&b), 0);
		int r = jwt_keys_parse(buf_str(&b), &ks, NULL);
		ck_assert_int_eq(r, n == 64 ? 0 : -EINVAL);
		if (r == 0) {
			ck_assert_uint_eq(jwt_keys_count(ks), 64);
			jwt_keys_free(ks);
		}
		buf_clear(&b);
	}
	for (size_t size = 65536; size <= 65537; size++) {
		buf_append_str(&b, STR("{\"keys\":[]}"));
		while (b.n < size)
			buf_append_char(&b, ' ');
		ck_assert_int_eq(jwt_keys_parse(buf_str(&b), &ks, NULL),
				 size == 65536 ? 0 : -EINVAL);
		if (size == 65536)
			jwt_keys_free(ks);
		buf_clear(&b);
	}
	buf_done(&b);
}
END_TEST

/* The key that came first keeps its id; a token of the second is a bad signature, not another try.
 */
START_TEST(test_duplicate_kid_first_wins)
{
	struct jwt_keys *ks = keys_of(
		"{\"keys\":[{\"kid\":\"a\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X
		"\"},{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQAB\"}]}");
	ck_assert_int_eq((int)ks->v[0]->alg, (int)JWT_EDDSA);
	jwt_keys_free(ks);
}
END_TEST

static const char *write_file(const char *name, const char *content, size_t n)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, content, n), (int)n);
	close(fd);
	return path;
}

static void file_setup(void)
{
	setup();
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void file_teardown(void)
{
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
	teardown();
}

START_TEST(test_pem_file)
{
	struct err e = { 0 };
	struct jwt_key *k = jwt_key_from_pem_file(write_file("ed.pem", ED_PEM, strlen(ED_PEM)), &e);
	ck_assert_msg(k != NULL, "%s", e.text);
	ck_assert(str_eq(jwt_key_id(k), STR(ED_THUMBPRINT))); /* RFC 8037 appendix A.3 */
	jwt_key_free(k);
}
END_TEST

/* A private key as PEM in out; cipher may be NULL. */
static size_t make_pem(EVP_PKEY *pkey, const EVP_CIPHER *cipher, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char pass[] = "secret";
	ck_assert(pkey && PEM_write_bio_PrivateKey(bio, pkey, cipher, cipher ? pass : NULL,
						   cipher ? 6 : 0, NULL, NULL));
	int n = BIO_read(bio, out, (int)size);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	ck_assert_int_gt(n, 0);
	return (size_t)n;
}

static void refused_pem(const char *path, const char *reason)
{
	struct err e = { 0 };
	ck_assert_ptr_null(jwt_key_from_pem_file(path, &e));
	ck_assert_ptr_nonnull(e.kind);
	ck_assert_msg(strstr(e.text, reason) != NULL, "\"%s\" is not in \"%s\"", reason, e.text);
	ck_assert_msg(strstr(e.text, dir) != NULL, "the path is not in \"%s\"", e.text);
}

START_TEST(test_pem_file_mistakes)
{
	static char pem[8192];
	char path[64];
	snprintf(path, sizeof(path), "%s/missing", dir);
	refused_pem(path, "No such file");
	refused_pem(dir, "directory");
	refused_pem(write_file("empty", "", 0), "no readable PEM");
	refused_pem(write_file("text", "hello\n", 6), "no readable PEM");
	memset(pem, 'x', sizeof(pem));
	refused_pem(write_file("big", pem, sizeof(pem)), "longer than");
	size_t n = make_pem(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), NULL, pem, sizeof(pem));
	refused_pem(write_file("ec.pem", pem, n), "not Ed25519");
	n = make_pem(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), NULL, pem, sizeof(pem));
	refused_pem(write_file("x.pem", pem, n), "not Ed25519");
	n = make_pem(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_aes_256_cbc(), pem, sizeof(pem));
	refused_pem(write_file("locked.pem", pem, n), "must not be encrypted");
	if (geteuid() != 0) {
		const char *closed = write_file("closed", ED_PEM, strlen(ED_PEM));
		ck_assert_int_eq(chmod(closed, 0), 0);
		refused_pem(closed, "Permission denied");
	}
}
END_TEST

START_TEST(test_secret_file)
{
	struct err e = { 0 };
	const char text[] = "  0123456789abcdef0123456789abcdef \r\n";
	struct jwt_key *k = jwt_key_from_secret_file(write_file("secret", text, strlen(text)), &e);
	ck_assert_msg(k != NULL, "%s", e.text);
	ck_assert_uint_eq(jwt_key_id(k).n, 0);
	struct str token = jwt_sign(arena, k, STR("u"), STR(""), STR(""), NOW, 60);
	/* The white space is not part of the secret. */
	struct jwt_keys *ks = single(jwt_key_from_secret(STR("0123456789abcdef0123456789abcdef")));
	struct jwt_claims claims;
	ck_assert_int_eq(jwt_verify(arena, ks, &any_party, token, NOW, &claims, &e), 0);
	jwt_key_free(k);
	jwt_keys_free(ks);
	const char path[] = "/nonexistent/secret";
	ck_assert_ptr_null(jwt_key_from_secret_file(path, &e));
	ck_assert_ptr_nonnull(strstr(e.text, path));
	ck_assert_ptr_null(jwt_key_from_secret_file(
		write_file("short", "0123456789abcdef0123456789abcde\n", 32), &e));
	ck_assert_ptr_nonnull(strstr(e.text, "31 bytes"));
}
END_TEST

START_TEST(test_short_secret)
{
	ck_assert_ptr_null(jwt_key_from_secret(STR("")));
	ck_assert_ptr_null(jwt_key_from_secret(STR("0123456789abcdef0123456789abcde")));
	struct jwt_key *k = jwt_key_from_secret(STR("0123456789abcdef0123456789abcdef"));
	ck_assert_ptr_nonnull(k);
	jwt_key_free(k);
}
END_TEST

static struct jwt_key *new_signer(int which)
{
	if (which == 0)
		return a1_hmac();
	struct err e = { 0 };
	struct jwt_key *k = jwt_key_from_pem_file(write_file("ed.pem", ED_PEM, strlen(ED_PEM)), &e);
	ck_assert_msg(k != NULL, "%s", e.text);
	return k;
}

START_TEST(test_sign_then_verify)
{
	struct jwt_key *k = new_signer(_i);
	struct jwt_policy policy = { STR("https://me.example"), STR("todod"), 30 };
	struct str token = jwt_sign(arena, k, STR("zo\xc3\xab \"quoted\""), policy.issuer,
				    policy.audience, NOW, 900);
	struct jwt_claims claims;
	struct err e = { 0 };
	ck_assert_ptr_nonnull(token.p);
	struct jwt_keys *ks = single(k);
	ck_assert_msg(jwt_verify(arena, ks, &policy, token, NOW, &claims, &e) == 0, "%s", e.text);
	ck_assert(str_eq(claims.subject, STR("zo\xc3\xab \"quoted\"")));
	ck_assert_int_eq(claims.expires_s, NOW + 900);
	ck_assert_int_eq(jwt_verify(arena, ks, &policy, token, NOW + 929, &claims, &e), 0);
	ck_assert_int_eq(jwt_verify(arena, ks, &policy, token, NOW + 930, &claims, &e), -EACCES);
	ck_assert_str_eq(e.text, "the token has expired");
	ck_assert_int_eq(jwt_verify(arena, ks, &policy, token, NOW - 30, &claims, &e), 0);
	ck_assert_int_eq(jwt_verify(arena, ks, &policy, token, NOW - 31, &claims, &e), -EACCES);
	policy.audience = STR("other");
	ck_assert_int_eq(jwt_verify(arena, ks, &policy, token, NOW, &claims, &e), -EACCES);
	jwt_keys_free(ks);
}
END_TEST

/* What jwt_verify would refuse is not made. */
START_TEST(test_sign_refuses)
{
	struct jwt_key *k = new_signer(_i);
	static char big[8192];
	memset(big, 'x', sizeof(big));
	const struct str bad[] = {
		STR(""),     { big, 129 },    STR("a\nb"),	   STR("a\x7f"),
		STR("\xff"), STR("\xc2\x85"), STR("\xed\xa0\x80"), { "a\0b", 3 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_ptr_null(jwt_sign(arena, k, bad[i], STR(""), STR(""), NOW, 60).p);
	ck_assert_ptr_null(
		jwt_sign(arena, k, STR("u"), (struct str){ big, sizeof(big) }, STR(""), NOW, 60).p);
	ck_assert_ptr_null(
		jwt_sign(arena, k, STR("u"), STR(""), (struct str){ big, 4600 }, NOW, 60).p);
	ck_assert_ptr_null(jwt_sign(arena, k, STR("u"), STR(""), STR(""), NOW, INT64_MAX).p);
	ck_assert_ptr_nonnull(
		jwt_sign(arena, k, (struct str){ big, 128 }, STR(""), STR(""), NOW, 60).p);
	jwt_key_free(k);
	struct jwt_keys *ks = keys_of("{\"keys\":[" ED_JWK "]}");
	ck_assert_ptr_null(
		jwt_sign(arena, ks->v[0], STR("u"), STR(""), STR(""), NOW, 60).p); /* public */
	jwt_keys_free(ks);
}
END_TEST

/* PyJWT reads what was signed here. */
START_TEST(test_pyjwt_reads_ours)
{
	struct jwt_key *k = new_signer(_i);
	struct str token = jwt_sign(arena, k, STR("user-1"), STR("iss"), STR("aud"), NOW, 60);
	struct str command = arena_printf(
		arena,
		"/usr/bin/python3 -c \"import jwt, base64, datetime, jwt.api_jwt\n"
		"from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey as K\n"
		"d = lambda s: base64.urlsafe_b64decode(s + '=' * (-len(s) %% 4))\n"
		"class F(datetime.datetime):\n"
		"  now = classmethod(lambda c, tz=None: c.fromtimestamp(%lld, tz))\n"
		"jwt.api_jwt.datetime = F\n"
		"hs = d('AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow')\n"
		"key, alg = [(hs, 'HS256'), (K.from_public_bytes(d('" ED_X "')), 'EdDSA')][%d]\n"
		"c = jwt.decode('%.*s', key, [alg], issuer='iss', audience='aud')\n"
		"assert c == {'sub': 'user-1', 'iss': 'iss', 'aud': 'aud', 'iat': %lld, 'exp': %lld}, c\"",
		(long long)NOW, _i, STR_ARGS(token), (long long)NOW, (long long)NOW + 60);
	ck_assert_ptr_nonnull(command.p);
	ck_assert_int_eq(system(command.p), 0);
	jwt_key_free(k);
}
END_TEST

/* An arena that is too small for the work is no memory (503), never a refusal or an acceptance of
 * half a token. */
START_TEST(test_small_arena)
{
	struct jwt_key *k = a1_hmac();
	struct str token = jwt_sign(arena, k, STR("user-1"), STR("iss"), STR("aud"), NOW, 60);
	struct jwt_keys *ks = single(k);
	unsigned without = 0;
	int r = -ENOMEM;
	for (size_t size = 16; r != 0 && size < 64 * 1024; size += 16) {
		struct arena *small = arena_new(size);
		struct jwt_claims claims;
		struct err e = { 0 };
		ck_assert_ptr_nonnull(small);
		r = jwt_verify(small, ks, &any_party, token, NOW, &claims, &e);
		ck_assert_msg(r == 0 || (r == -ENOMEM && e.kind == &ERR_UNAVAILABLE),
			      "%zu bytes: %d %s", size, r, e.text);
		without += r < 0;
		arena_free(small);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_gt(without, 0);
	jwt_keys_free(ks);
}
END_TEST

/* OpenSSL allocations from the nth on fail. */
static unsigned allocations_left;

static bool may_allocate(void)
{
	if (allocations_left == 0)
		return false;
	allocations_left--;
	return true;
}

static void *limited_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return may_allocate() ? malloc(n) : NULL;
}

static void *limited_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return may_allocate() ? realloc(p, n) : NULL;
}

static void plain_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* Every point at which OpenSSL can run out of memory: the token is not accepted, nothing crashes or
 * leaks, and it works afterwards. */
START_TEST(test_openssl_without_memory)
{
	static const char *const tokens[] = { a2_token, a3_token, ed_token };
	unsigned n = 0, failures = 0;
	allocations_left = UINT_MAX;
	ck_assert_int_eq(CRYPTO_set_mem_functions(limited_malloc, limited_realloc, plain_free), 1);
	struct jwt_keys *ks = keys_of("{\"keys\":[" ED_JWK "," A3_JWK "," A2_JWK "]}");
	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
		int r = -ENOMEM;
		struct str payload;
		for (n = 0; r != 0 && n < 5000; n++) {
			allocations_left = n;
			r = jws_verify(arena, ks, str_from(tokens[i]), &payload, NULL);
			allocations_left = UINT_MAX;
			ck_assert_msg(r == 0 || r == -ENOMEM || r == -EACCES, "%d", r);
			failures += r != 0;
			arena_reset(arena);
		}
		ck_assert_int_eq(r, 0);
	}
	jwt_keys_free(ks);
	int r = -ENOMEM;
	for (n = 0; r != 0 && n < 5000; n++) {
		allocations_left = n;
		ks = NULL;
		r = jwt_keys_parse(STR("{\"keys\":[" ED_JWK "," A3_JWK "," A2_JWK "]}"), &ks, NULL);
		allocations_left = UINT_MAX;
		failures += r != 0;
		if (r == 0 &&
		    jwt_keys_count(ks) < 3) { /* a key that could not be made may be passed over */
			jwt_keys_free(ks);
			r = -ENOMEM;
		}
	}
	ck_assert_int_eq(r, 0);
	jwt_keys_free(ks);
	ck_assert_uint_gt(failures, 20);
	printf("jwt: %u failed allocations inside OpenSSL\n", failures);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jwt");
	TCase *tc = tcase_create("tokens");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_rfc7515_a1_hs256);
	tcase_add_test(tc, test_rfc7515_a2_rs256);
	tcase_add_test(tc, test_rfc7515_a3_es256);
	tcase_add_test(tc, test_rfc8037_a4_eddsa);
	tcase_add_test(tc, test_no_kid_picks_by_algorithm);
	tcase_add_test(tc, test_no_kid_tries_a_bounded_number);
	tcase_add_test(tc, test_small_arena);
	tcase_add_test(tc, test_openssl_without_memory);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	tc = tcase_create("keys");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_documents, 0, ARRAY_SIZE(documents));
	tcase_add_test(tc, test_document_bounds);
	tcase_add_test(tc, test_duplicate_kid_first_wins);
	tcase_add_test(tc, test_short_secret);
	suite_add_tcase(s, tc);
	tc = tcase_create("files");
	tcase_add_checked_fixture(tc, file_setup, file_teardown);
	tcase_add_test(tc, test_pem_file);
	tcase_add_test(tc, test_pem_file_mistakes);
	tcase_add_test(tc, test_secret_file);
	tcase_add_loop_test(tc, test_sign_then_verify, 0, 2);
	tcase_add_loop_test(tc, test_sign_refuses, 0, 2);
	tcase_add_loop_test(tc, test_pyjwt_reads_ours, 0, 2);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
