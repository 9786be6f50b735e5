/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of request heads and chunked bodies. The long table of refused requests is
 * test/flow/http_cases.py, which goes over the wire; here stand what a head means, bounds to the
 * byte, and linear time. Percent-decoding is compared with libcurl's.
 */
#include "net/http_parser.h"

#include "src/net/http_chars_private.h"

#include <check.h>
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define HOST "Host: a.test\r\n"

static struct http_head h;
static char big[64 * 1024];

static ssize_t parse(struct str bytes)
{
	size_t scanned = 0;

	return http_parse_head(bytes, &scanned, &h);
}

/* The verdict when the bytes come one by one. */
static ssize_t parse_bytewise(struct str bytes)
{
	size_t scanned = 0;
	ssize_t r = 0;

	for (size_t n = 1; n <= bytes.n && r == 0; n++) {
		r = http_parse_head((struct str){ bytes.p, n }, &scanned, &h);
		ck_assert_uint_le(scanned, n);
	}
	return r;
}

static void assert_str(struct str got, const char *want)
{
	ck_assert_uint_eq(got.n, strlen(want));
	ck_assert_int_eq(memcmp(got.p, want, got.n), 0);
}

START_TEST(the_parts_of_a_head)
{
	const char *text =
		"POST /a%20b/c?d=e?f HTTP/1.1\r\n" HOST "X-One:  two \t\r\ncontent-length: 17\r\n"
		"EXPECT: 100-Continue\r\nx-one: three\r\n\r\nBODY";

	ck_assert_int_eq(parse(str_from(text)), (ssize_t)strlen(text) - 4);
	ck_assert_int_eq(h.method, HTTP_POST);
	assert_str(h.method_text, "POST");
	assert_str(h.target, "/a%20b/c?d=e?f");
	assert_str(h.path, "/a%20b/c");
	assert_str(h.query, "d=e?f");
	assert_str(h.host, "a.test");
	ck_assert_int_eq(h.minor_version, 1);
	ck_assert_uint_eq(h.n_headers, 5);
	assert_str(http_head_get(&h, STR("X-ONE")), "two");
	ck_assert_uint_eq(http_head_count(&h, STR("x-One")), 2);
	ck_assert_ptr_null(http_head_get(&h, STR("x-on")).p);
	ck_assert(h.has_content_length && !h.chunked && h.keep_alive && h.expect_continue &&
		  !h.upgrade);
	ck_assert_uint_eq(h.content_length, 17);
}
END_TEST

/* flags: k keep-alive, c chunked, u upgrade, e expect-continue, l has a length */
static const struct {
	const char *text, *flags;
} meanings[] = {
	{ "GET / HTTP/1.1\r\n" HOST "\r\n", "k" },
	{ "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "" },
	{ "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive, CLOSE\r\n\r\n", "" },
	{ "GET / HTTP/1.1\r\n" HOST "Connection: x\r\nConnection:\tclose\r\n\r\n", "" },
	{ "GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", "k" },
	{ "GET / HTTP/1.0\r\n\r\n", "" },
	{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "k" },
	{ "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "ku" },
	{ "GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n\r\n", "k" },
	{ "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n\r\n", "k" },
	{ "GET / HTTP/1.0\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "" },
	{ "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", "kc" },
	{ "PUT / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n", "kel" },
	{ "PUT / HTTP/1.0\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", "l" },
};

START_TEST(what_a_head_means)
{
	const char *flags = meanings[_i].flags;

	ck_assert_int_eq(parse(str_from(meanings[_i].text)), (ssize_t)strlen(meanings[_i].text));
	ck_assert_int_eq(h.keep_alive, strchr(flags, 'k') != NULL);
	ck_assert_int_eq(h.chunked, strchr(flags, 'c') != NULL);
	ck_assert_int_eq(h.upgrade, strchr(flags, 'u') != NULL);
	ck_assert_int_eq(h.expect_continue, strchr(flags, 'e') != NULL);
	ck_assert_int_eq(h.has_content_length, strchr(flags, 'l') != NULL);
}
END_TEST

START_TEST(every_method)
{
	for (enum http_method m = HTTP_GET; m < HTTP_UNKNOWN_METHOD; m++) {
		int n = snprintf(big, sizeof(big), "%s / HTTP/1.1\r\n" HOST "\r\n",
				 http_method_name(m));

		ck_assert_int_eq(parse((struct str){ big, (size_t)n }), n);
		ck_assert_int_eq(h.method, m);
	}
}
END_TEST

static const struct {
	const char *request_line, *target, *path, *query, *host;
} targets[] = {
	{ "GET / HTTP/1.1", "/", "/", "", "a.test" },
	{ "GET /? HTTP/1.1", "/?", "/", "", "a.test" },
	{ "GET /a/../b/./%2e%2E HTTP/1.1", "/a/../b/./%2e%2E", "/a/../b/./%2e%2E", "", "a.test" },
	{ "GET //x?%zz HTTP/1.1", "//x?%zz", "//x", "%zz", "a.test" },
	{ "GET http://A.test/x?y HTTP/1.1", "/x?y", "/x", "y", "a.test" },
	{ "OPTIONS * HTTP/1.1", "*", "*", "", "a.test" },
	{ "OPTIONS /x HTTP/1.1", "/x", "/x", "", "a.test" },
};

START_TEST(forms_of_the_target)
{
	int n = snprintf(big, sizeof(big), "%s\r\n" HOST "\r\n", targets[_i].request_line);

	ck_assert_int_eq(parse((struct str){ big, (size_t)n }), n);
	assert_str(h.target, targets[_i].target);
	assert_str(h.path, targets[_i].path);
	assert_str(h.query, targets[_i].query);
	assert_str(h.host, targets[_i].host);
}
END_TEST

START_TEST(absolute_form_in_1_0_names_the_host)
{
	ck_assert_int_gt(parse(STR("GET http://b.test:80/x HTTP/1.0\r\n\r\n")), 0);
	assert_str(h.host, "b.test:80");
}
END_TEST

static const struct {
	const char *text;
	int verdict;
} refused[] = {
	{ "\r\n\r\n", -400 },
	{ "GET / HTTP/1.1\r\n\r\n", -400 },
	{ "GET / HTTP/1.1\r\n" HOST HOST "\r\n", -400 },
	{ "GET / HTTP/1.1\r\n" HOST "A\n", -400 },
	{ "GET / HTTP/1.1\r\n" HOST "A\rB", -400 },
	{ "GET / HTTP/1.1\r\n" HOST "A: \x7f", -400 },
	{ "\x16\x03", -400 },
	{ "GET / HTTP/1.1\r\n" HOST " a: b\r\n\r\n", -400 },
	{ "GET / HTTP/1.1\r\n" HOST "a : b\r\n\r\n", -400 },
	{ "GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", -400 },
	{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", -400 },
	{ "HEAD / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", -400 },
	{ "PUT / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	  -400 },
	{ "PUT / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", -400 },
	{ "PUT / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", -400 },
	{ "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", -400 },
	{ "PUT / HTTP/1.1\r\n" HOST "Expect: 200\r\n\r\n", -417 },
	{ "FOO / HTTP/1.1\r\n" HOST "\r\n", -501 },
	{ "FOO / HTTP/1.1\r\n\r\n", -400 },
	{ "GET / HTTP/2.0\r\n\r\n", -505 },
	{ "GET / HTTP/1.1 \r\n" HOST "\r\n", -400 },
};

START_TEST(refused_at_once_and_bytewise)
{
	struct str text = str_from(refused[_i].text);

	ck_assert_int_eq(parse(text), refused[_i].verdict);
	ck_assert_int_eq(parse_bytewise(text), refused[_i].verdict);
}
END_TEST

START_TEST(nul_is_refused_wherever_it_stands)
{
	const char text[] = "GET /ab HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";

	for (size_t i = 0; i < sizeof(text) - 3; i++) {
		memcpy(big, text, sizeof(text));
		big[i] = '\0';
		ck_assert_int_eq(parse((struct str){ big, sizeof(text) - 1 }), -400);
	}
}
END_TEST

START_TEST(every_prefix_wants_more)
{
	struct str text = STR("GET /a?b HTTP/1.1\r\n" HOST "X: y\r\n\r\n");

	for (size_t n = 0; n < text.n; n++)
		ck_assert_int_eq(parse((struct str){ text.p, n }), 0);
	ck_assert_int_eq(parse_bytewise(text), (ssize_t)text.n);
}
END_TEST

/* "GET /aaa HTTP/1.1" of n bytes. */
static size_t put_request_line(size_t n)
{
	memset(big, 'a', n);
	memcpy(big, "GET /", 5);
	memcpy(big + n - 9, " HTTP/1.1", 9);
	memcpy(big + n, "\r\n" HOST "\r\n", 18);
	return n + 18;
}

START_TEST(a_request_line_has_8_kib)
{
	size_t n = put_request_line(HTTP_MAX_LINE_BYTES);

	ck_assert_int_eq(parse((struct str){ big, n }), (ssize_t)n);
	n = put_request_line(HTTP_MAX_LINE_BYTES + 1);
	ck_assert_int_eq(parse((struct str){ big, n }), -414);
	ck_assert_int_eq(parse_bytewise((struct str){ big, n }), -414);
}
END_TEST

/* A head of n bytes, in lines of at most 4000. */
static void put_head(size_t n)
{
	size_t at = (size_t)snprintf(big, sizeof(big), "GET / HTTP/1.1\r\n" HOST);

	while (at < n - 2) {
		size_t line = n - 2 - at;

		if (line > 4000)
			line = line < 4100 ? 2000 : 4000;
		memset(big + at, 'x', line);
		big[at + 1] = ':';
		memcpy(big + at + line - 2, "\r\n", 2);
		at += line;
	}
	memcpy(big + at, "\r\n", 2);
}

START_TEST(a_head_has_16_kib)
{
	put_head(HTTP_MAX_HEAD_BYTES);
	ck_assert_int_eq(parse((struct str){ big, HTTP_MAX_HEAD_BYTES }), HTTP_MAX_HEAD_BYTES);
	put_head(HTTP_MAX_HEAD_BYTES + 1);
	ck_assert_int_eq(parse((struct str){ big, HTTP_MAX_HEAD_BYTES }), 0);
	ck_assert_int_eq(parse((struct str){ big, HTTP_MAX_HEAD_BYTES + 1 }), -431);
	ck_assert_int_eq(parse_bytewise((struct str){ big, HTTP_MAX_HEAD_BYTES + 1 }), -431);
	memset(big, 'a', sizeof(big));
	ck_assert_int_eq(parse((struct str){ big, sizeof(big) }), -414);
}
END_TEST

START_TEST(a_head_has_64_headers)
{
	for (int extra = 0; extra < 2; extra++) {
		size_t n = (size_t)snprintf(big, sizeof(big), "GET / HTTP/1.1\r\n" HOST);

		for (int i = 0; i < HTTP_MAX_HEADERS - 1 + extra; i++, n += 6)
			memcpy(big + n, "a: b\r\n", 6);
		memcpy(big + n, "\r\n", 2);
		ck_assert_int_eq(parse((struct str){ big, n + 2 }), extra ? -431 : (ssize_t)n + 2);
	}
}
END_TEST

START_TEST(scanned_bytes_are_not_looked_at_again)
{
	size_t scanned = 0;

	memcpy(big, "GET / HTTP/1.1\r\nX: ", 19);
	memset(big + 19, 'y', 5000);
	ck_assert_int_eq(http_parse_head((struct str){ big, 5000 }, &scanned, &h), 0);
	ck_assert_uint_eq(scanned, 5000);
	memset(big, '\0', 4000); /* would be refused, if it were read */
	ck_assert_int_eq(http_parse_head((struct str){ big, 5001 }, &scanned, &h), 0);
	ck_assert_uint_eq(scanned, 5001);
}
END_TEST

static bool is_one_of(int c, const char *set)
{
	return c != 0 && strchr(set, c) != NULL;
}

START_TEST(classes_of_bytes_are_those_of_the_rfcs)
{
	for (int c = 0; c < 256; c++) {
		bool alnum = c < 128 && isalnum(c), visible = c > 0x20 && c < 0x7f;

		ck_assert_int_eq(http_char_is((char)c, HTTP_CHAR_TOKEN),
				 alnum || is_one_of(c, "!#$%&'*+-.^_`|~"));
		ck_assert_int_eq(http_char_is((char)c, HTTP_CHAR_FIELD),
				 c == '\t' || c == ' ' || visible || c > 0x7f);
		ck_assert_int_eq(http_char_is((char)c, HTTP_CHAR_TARGET),
				 visible && !is_one_of(c, "\"#<>\\"));
		ck_assert_int_eq(http_char_is((char)c, HTTP_CHAR_DIGIT), c < 128 && isdigit(c));
		ck_assert_int_eq(http_char_is((char)c, HTTP_CHAR_HEX), c < 128 && isxdigit(c));
		ck_assert_int_eq(http_char_is((char)c, HTTP_CHAR_HOST),
				 alnum || is_one_of(c, "-._~"));
		ck_assert_int_eq(http_char_is((char)c, HTTP_CHAR_IPV6),
				 (c < 128 && isxdigit(c)) || is_one_of(c, ":."));
		ck_assert_int_eq(http_char_is((char)c, HTTP_CHAR_VISIBLE), visible);
	}
}
END_TEST

/* Decodes in pieces of step bytes into big; the verdict. */
static int decode(struct str in, size_t step, size_t *ret_n, size_t *ret_used)
{
	struct http_chunked c = { 0 };
	int r = 0;

	*ret_n = *ret_used = 0;
	while (r == 0 && *ret_used < in.n) {
		size_t left = in.n - *ret_used, used;
		struct str data;

		r = http_chunked_next(&c,
				      (struct str){ in.p + *ret_used, left < step ? left : step },
				      &data, &used);
		if (r < 0)
			break;
		memcpy(big + *ret_n, data.p, data.n);
		*ret_n += data.n;
		*ret_used += used;
	}
	return r;
}

static const struct {
	const char *text;
	int verdict;
	const char *body; /* of a complete one; what follows it in text is left alone */
} chunked[] = {
	{ "0\r\n\r\n", 1, "" },
	{ "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET", 1, "abcde" },
	{ "A;x=y\r\n0123456789\r\n0;z\r\nT: u\r\n\r\n", 1, "0123456789" },
	{ "3\r\nabc\r\n0\r\n", 0, NULL },
	{ "ffffffff\r\nabc", 0, NULL },
	{ "100000000\r\n", -400, NULL },
	{ "0x3\r\nabc\r\n", -400, NULL },
	{ "+3\r\nabc\r\n", -400, NULL },
	{ "3 \r\nabc\r\n", -400, NULL },
	{ "3\nabc\r\n", -400, NULL },
	{ "\r\n", -400, NULL },
	{ "3\r\nabcd\r\n", -400, NULL },
	{ "3\r\nabc\n0\r\n\r\n", -400, NULL },
	{ "0\r\n: x\r\n\r\n", -400, NULL },
	{ "0\r\nT u\r\n\r\n", -400, NULL },
};

START_TEST(chunked_bodies_in_pieces_of_any_size)
{
	struct str in = str_from(chunked[_i].text);

	for (size_t step = 1; step <= in.n; step++) {
		size_t n, used;

		ck_assert_int_eq(decode(in, step, &n, &used), chunked[_i].verdict);
		if (chunked[_i].verdict == 1) {
			assert_str((struct str){ big, n }, chunked[_i].body);
			ck_assert_uint_eq(in.n - used, str_ends(in, STR("GET")) ? 3 : 0);
		}
	}
}
END_TEST

/* However many extensions share the line, and however short each is. */
START_TEST(chunk_extensions_are_bounded)
{
	static const char *const extensions[] = { ";a", ";ab", ";a=b", ";aaaaaaaaaaaaaaaa" };
	struct str part = str_from(extensions[_i]);
	size_t n, used, at = 1;

	big[0] = '3';
	for (; at + part.n < 1000; at += part.n)
		memcpy(big + at, part.p, part.n);
	char *text = strndup(big, at);

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(decode((struct str){ text, at }, at, &n, &used), -400);
	ck_assert_int_eq(decode((struct str){ text, at }, 1, &n, &used), -400);
	ck_assert_int_eq(decode((struct str){ text, 200 }, 1, &n, &used), 0);
	free(text);
}
END_TEST

START_TEST(trailers_are_bounded)
{
	char *text = malloc(20000);
	size_t n, used;

	ck_assert_ptr_nonnull(text);
	memcpy(text, "0\r\nX:", 5);
	memset(text + 5, 'y', 19995);
	ck_assert_int_eq(decode((struct str){ text, 20000 }, 20000, &n, &used), -431);
	free(text);
}
END_TEST

static const struct {
	const char *text, *decoded; /* NULL: refused */
	bool plus_is_space;
} escapes[] = {
	{ "", "", false },
	{ "abc", "abc", false },
	{ "a%20b%2fC", "a b/C", false },
	{ "%C3%A9", "\xc3\xa9", false },
	{ "a+b", "a+b", false },
	{ "a+b%2B", "a b+", true },
	{ "%00", NULL, false },
	{ "%", NULL, false },
	{ "%4", NULL, false },
	{ "%g0", NULL, false },
	{ "%C3", NULL, false },
	{ "%ED%A0%80", NULL, false },
	{ "%C0%AF", NULL, false },
};

static const struct {
	const char *text, *encoded;
} segments[] = {
	{ "", "" },
	{ "a-b_c.d~", "a-b_c.d~" },
	{ "a b/c?d%+", "a%20b%2Fc%3Fd%25%2B" },
	{ "\xc3\xa9", "%C3%A9" },
	{ ".", "%2E" },
	{ "..", "%2E%2E" },
	{ "...", "..." },
};

START_TEST(percent_decoding)
{
	struct str s = str_from(escapes[_i].text);
	ssize_t n = http_percent_decode(s, escapes[_i].plus_is_space, big);

	if (!escapes[_i].decoded) {
		ck_assert_int_eq(n, -EINVAL);
		return;
	}
	ck_assert_int_ge(n, 0);
	assert_str((struct str){ big, (size_t)n }, escapes[_i].decoded);
}
END_TEST

START_TEST(percent_decoding_agrees_with_libcurl)
{
	char text[8], *theirs;
	int their_n;
	ssize_t n;

	for (int c = 1; c < 128; c++) {
		int text_n =
			snprintf(text, sizeof(text), c % 2 ? "a%%%02xb" : "a%%%02Xb", (unsigned)c);

		theirs = curl_easy_unescape(NULL, text, text_n, &their_n);
		ck_assert_ptr_nonnull(theirs);
		n = http_percent_decode((struct str){ text, (size_t)text_n }, false, big);
		ck_assert_int_eq(n, their_n);
		ck_assert_int_eq(memcmp(big, theirs, (size_t)n), 0);
		curl_free(theirs);
	}
}
END_TEST

/* What is encoded is the same again when it is decoded, and stands for itself in a path. */
START_TEST(percent_encoding)
{
	struct arena *arena = arena_new(64 * 1024);
	char all[255];

	for (int c = 1; c < 256; c++)
		all[c - 1] = (char)c;
	for (size_t i = 0; i < ARRAY_SIZE(segments); i++)
		assert_str(http_percent_encode(arena, str_from(segments[i].text)),
			   segments[i].encoded);
	struct str s = http_percent_encode(arena, (struct str){ all, 127 });
	ck_assert_int_eq(http_percent_decode(s, true, big), 127);
	ck_assert_int_eq(memcmp(big, all, 127), 0);
	s = http_percent_encode(arena, (struct str){ all, sizeof(all) });
	ck_assert_ptr_nonnull(s.p);
	ck_assert_uint_eq(strspn(s.p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-._~%"),
			  s.n);
	arena_free(arena);
}
END_TEST

static Suite *parser_suite(void)
{
	Suite *s = suite_create("http_parser");
	TCase *t = tcase_create("head");

	tcase_add_test(t, the_parts_of_a_head);
	tcase_add_loop_test(t, what_a_head_means, 0, (int)ARRAY_SIZE(meanings));
	tcase_add_test(t, every_method);
	tcase_add_loop_test(t, forms_of_the_target, 0, (int)ARRAY_SIZE(targets));
	tcase_add_test(t, absolute_form_in_1_0_names_the_host);
	tcase_add_loop_test(t, refused_at_once_and_bytewise, 0, (int)ARRAY_SIZE(refused));
	tcase_add_test(t, nul_is_refused_wherever_it_stands);
	tcase_add_test(t, every_prefix_wants_more);
	tcase_add_test(t, a_request_line_has_8_kib);
	tcase_add_test(t, a_head_has_16_kib);
	tcase_add_test(t, a_head_has_64_headers);
	tcase_add_test(t, scanned_bytes_are_not_looked_at_again);
	tcase_add_test(t, classes_of_bytes_are_those_of_the_rfcs);
	suite_add_tcase(s, t);
	t = tcase_create("body");
	tcase_add_loop_test(t, chunked_bodies_in_pieces_of_any_size, 0, (int)ARRAY_SIZE(chunked));
	tcase_add_loop_test(t, chunk_extensions_are_bounded, 0, 4);
	tcase_add_test(t, trailers_are_bounded);
	tcase_add_loop_test(t, percent_decoding, 0, (int)ARRAY_SIZE(escapes));
	tcase_add_test(t, percent_decoding_agrees_with_libcurl);
	tcase_add_test(t, percent_encoding);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(parser_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
