/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens from a stranger. The first byte says how the rest is read:
 *   r  as a token
 *   m  as changes of an issued token: which one, then (position high, low, bits to flip) any number
 * of times c  as the claims of a properly signed token, so that they are looked at What must hold:
 * nothing verifies but the very bytes that were issued; what is accepted has a usable subject and
 * has not expired; a refusal gives a reason and leaves the result alone. The private keys of the
 * first three tokens no longer exist.
 */
#include "src/auth/jwt_private.h"

#include "base/base64.h"
#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW INT64_C(1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char jwks[] =
	"{\"keys\":[{\"kid\":\"ed\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPap"
	"iMlrwIaaPcHURo\"},{\"kid\":\"ec\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"32QxgeiMFUwHIEw82kjecEZkJ"
	"CpfHiIUE7RX330l9DI\",\"y\":\"h2XcuAORZJaVKvksQHhEduZHqrmwY5ehvPzGLIlyQlc\"},{\"kid\":\"rsa\",\"kty\""
	":\"RSA\",\"n\":\"tvnPRKfvt3pDIipTFZQUovS64bPbc3nA7d8o-ISjP6DKNN8nLSk_I9A6k1SBq7JC7YW2saPJXzWhTeplX0n"
	"P8HjS8jPjZuT4na2J1neuONdQWLG2tQTnSrZ65IJHOuHWsZda1wH-W7a1MVhsk0SrXJWQ3Izk6O72z274Kr_90FyWSGJIIPnHnib"
	"GhwKJQK7tpTXqf8qsfb6zqeeQY1iGEh9v8Fhw7gSCIZx0rcucvB7Ktsdm_fdFjHPPR_3EsO4IZR6T7kyKKVS7DY7Y7WiUbKe09CY"
	"0g6sY0B-DbKQRkptAGlvlOhjkcYDrCuW6lVwep1znQoEuJein7NFdHEzDIw\",\"e\":\"AQAB\"}]}";
static const char *const issued[] = {
	"eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ1IiwiZXhwIjo0MDAwMDAwMDAwfQ.R3W55FARz"
	"YB1WciATmMiBQGw5Ct_rP13soFYLlUP45rqCsCSZn0itaXEq1x5L8niB9kAWWhJMCdqV6x2hcgIBQ",
	"eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ1IiwiZXhwIjo0MDAwMDAwMDAwfQ.52ZqZt7DS"
	"UYL1FlWGb42ERo20BH9t1GW2KdmwfY3Xor9HdGszRz7L2AvMOFGmQvmWpb8ivfM8y9KanIqjkwZoQ",
	"eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1IiwiZXhwIjo0MDAwMDAwMDAwfQ.PtYfume-"
	"YjDZ1EzA_qvGcyqFzUNv_6FGHAXRSnaFfmDgeJUAIcd5Dent0yvNUxKZ5k8bTf4RJIyJQNKWW4DQJQijHVdUPLbZ8RbUn70I_37W"
	"ijeSItPFyJUdzMCynokDxXPYwTG4ff08qNsV_M-cgSHF1CY-bFA5xplRBcGlbnGjn82a1cjIRsfXCwRdUbI-e6iQ33vNkNB_7MeX"
	"mDu7XsBS_Jzo1HHSIVEcJUcUwCMsWK7qQyQ8nAP8fcUXV0d2sPzeNXAwVvodnExWfv52eP70ewMQbZwn8Nm_va2Y1k6d64hFtQmX"
	"HZeq7q4K-GR7pssUVb8zzsMHpbtEzQLwnw",
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1IiwiZXhwIjo0MDAwMDAwMDAwfQ.zIF06Kl_m4y5SfttU1EZ3iTs"
	"n7rBZTFlv73Ce8vZ5O0",
};

static struct jwt_key *secret_key;
static struct jwt_keys *public_keys, *secret_keys;

static void require(bool holds)
{
	if (!holds)
		abort();
}

static int verify(struct arena *arena, const struct jwt_keys *keys, struct str token)
{
	const struct jwt_policy policy = { .leeway_s = 30 };
	struct jwt_claims claims = { { NULL, 0 }, -1 };
	struct err e = { 0 };
	int r = jwt_verify(arena, keys, &policy, token, NOW, &claims, &e);
	require(r == 0 || r == -EACCES || r == -ENOKEY || r == -ENOMEM);
	if (r == 0) {
		require(jwt_subject_is_valid(claims.subject) && claims.expires_s > NOW - 30 &&
			!e.kind);
	} else {
		require(!claims.subject.p && claims.expires_s == -1 && e.text[0] != '\0');
		require(e.kind == (r == -ENOMEM ? &ERR_UNAVAILABLE : &ERR_UNAUTHORIZED));
	}
	return r;
}

static bool was_issued(struct str token)
{
	for (size_t i = 0; i < ARRAY_SIZE(issued); i++) {
		if (str_eq(token, str_from(issued[i])))
			return true;
	}
	return false;
}

static void check_token(struct arena *arena, struct str token)
{
	bool known = was_issued(token);
	int by_public = verify(arena, public_keys, token),
	    by_secret = verify(arena, secret_keys, token);
	if (by_public != -ENOMEM && by_secret != -ENOMEM)
		require((by_public == 0) + (by_secret == 0) == known);
}

static void check_changes(struct arena *arena, const uint8_t *data, size_t size)
{
	struct str copy =
		arena_dup(arena, str_from(issued[size ? data[0] % ARRAY_SIZE(issued) : 0]));
	char *bytes = (char *)(uintptr_t)copy.p;
	require(copy.p);
	for (size_t i = 1; i + 3 <= size; i += 3)
		bytes[((size_t)data[i] << 8 | data[i + 1]) % copy.n] ^= (char)data[i + 2];
	check_token(arena, copy);
}

static void check_claims(struct arena *arena, struct str claims)
{
	struct buf token;
	uint8_t signature[JWT_SIGNATURE_MAX];
	size_t n;
	buf_init(&token, 2 * JWT_MAX_BYTES);
	base64url_encode(STR("{\"alg\":\"HS256\"}"), &token);
	buf_append_char(&token, '.');
	base64url_encode(claims, &token);
	if (buf_status(&token) == 0 &&
	    jwt_key_sign(secret_key, buf_str(&token), signature, &n) == 0) {
		buf_append_char(&token, '.');
		base64url_encode((struct str){ (const char *)signature, n }, &token);
		if (buf_status(&token) == 0) {
			require(verify(arena, public_keys, buf_str(&token)) != 0);
			int r = verify(arena, secret_keys, buf_str(&token));
			require(r != 0 || token.n <= JWT_MAX_BYTES);
		}
	}
	buf_done(&token);
}

static void start(void)
{
	require(jwt_keys_parse(STR(jwks), &public_keys, NULL) == 0 &&
		jwt_keys_count(public_keys) == 3);
	secret_key = jwt_key_from_secret(STR(SECRET));
	struct jwt_key *k = jwt_key_from_secret(STR(SECRET));
	secret_keys = secret_key && k ? jwt_keys_new_single(k) : NULL;
	require(secret_keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!public_keys)
		start();
	struct arena *arena = arena_new(1024 * 1024);
	require(arena);
	if (size > 0 && data[0] == 'm')
		check_changes(arena, data + 1, size - 1);
	else if (size > 0 && data[0] == 'c')
		check_claims(arena, (struct str){ (const char *)data + 1, size - 1 });
	else if (size > 0)
		check_token(arena, (struct str){ (const char *)data + 1, size - 1 });
	arena_free(arena);
	return 0;
}
