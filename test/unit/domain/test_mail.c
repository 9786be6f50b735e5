/* SPDX-License-Identifier: Apache-2.0 */
/* What mails look like byte by byte, where a parser would be too kind; and that they are refused or
 * written whole. What parsers make of them is test/flow/test_mail.py. */
#include "domain/mail.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct mail mail_of(void)
{
	return (struct mail){
		.from_name = STR("todod"),
		.from = STR("from@example.org"),
		.to = STR("to@example.org"),
		.message_id = STR("id@example.org"),
		.correlation_id = STR("c-1"),
		.unsubscribe_url = STR("https://example.org/u"),
		.date_us = INT64_C(1795262400000000),
		.subject = STR("Reminder: milk"),
		.text = STR("milk\n"),
		.html = STR("<p>milk</p>\n"),
	};
}

static void writes(const struct mail *m, const char *wanted)
{
	struct err err = { .text = "" };
	struct buf out;

	buf_init(&out, MAIL_BYTES_MAX);
	ck_assert_msg(mail_write(m, &out, &err) == 0, "%s", err.text);
	struct str got = buf_str(&out);
	ck_assert_msg(memmem(got.p, got.n, wanted, strlen(wanted)) != NULL, "%.*s\nhas no\n%s",
		      STR_ARGS(got), wanted);
	buf_done(&out);
}

START_TEST(whole)
{
	const struct mail m = mail_of();

	writes(&m, "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
		   "From: \"todod\" <from@example.org>\r\n"
		   "To: <to@example.org>\r\n"
		   "Subject: Reminder: milk\r\n"
		   "Message-ID: <id@example.org>\r\n"
		   "List-Unsubscribe: <https://example.org/u>\r\n"
		   "X-Correlation-ID: c-1\r\n"
		   "Auto-Submitted: auto-generated\r\n"
		   "MIME-Version: 1.0\r\n"
		   "Content-Type: multipart/alternative; boundary=\"=_todod\"\r\n"
		   "\r\n"
		   "--=_todod\r\n"
		   "Content-Type: text/plain; charset=utf-8\r\n"
		   "Content-Transfer-Encoding: quoted-printable\r\n"
		   "\r\n"
		   "milk\r\n"
		   "\r\n"
		   "--=_todod\r\n"
		   "Content-Type: text/html; charset=utf-8\r\n"
		   "Content-Transfer-Encoding: quoted-printable\r\n"
		   "\r\n"
		   "<p>milk</p>\r\n"
		   "\r\n"
		   "--=_todod--\r\n");
}
END_TEST

START_TEST(subjects)
{
	static const struct {
		const char *subject, *line;
	} cases[] = {
		{ "plain", "\r\nSubject: plain\r\n" },
		{ "gr\xC3\xBC\xC3\x9F", "\r\nSubject: =?UTF-8?B?Z3LDvMOf?=\r\n" },
		{ "a =?b", "\r\nSubject: =?UTF-8?B?YSA9P2I=?=\r\n" },
		{ "a\r\nBcc: b", "\r\nSubject: a  Bcc: b\r\n" },
		{ "a\xE2\x80\xAE"
		  "b",
		  "\r\nSubject: a b\r\n" },
		/* 39 bytes a word, never within a character. */
		{ "0123456789012345678901234567890123456789012345678901234567890",
		  "\r\nSubject: =?UTF-8?B?MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4?=\r\n"
		  " =?UTF-8?B?OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MA==?=\r\n" },
		{ "01234567890123456789012345678901234567\xC3\xBC",
		  "=?UTF-8?B?MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc=?=\r\n"
		  " =?UTF-8?B?w7w=?=\r\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail m = mail_of();

		m.subject = str_from(cases[i].subject);
		writes(&m, cases[i].line);
	}
}
END_TEST

START_TEST(bodies)
{
	static const struct {
		const char *text, *lines;
	} cases[] = {
		{ ".\n", "\r\n\r\n=2E\r\n\r\n" },
		{ "..a\nb.\n", "\r\n\r\n=2E.a\r\nb.\r\n\r\n" },
		{ "From x\n", "\r\n\r\n=46rom x\r\n\r\n" },
		{ "a=b\n", "a=3Db\r\n" },
		{ "a \nb\t\n", "a=20\r\nb=09\r\n" },
		{ "a ", "a=20\r\n--" },
		{ "a\rb\n", "a=0Db\r\n" },
		{ "a\r\n.\r\nb\n", "a=0D\r\n=2E=0D\r\nb\r\n" },
		{ "\xC3\xBC\n", "=C3=BC\r\n" },
		{ "--=_todod--\n", "--=3D_todod--\r\n" },
		{ "", "quoted-printable\r\n\r\n\r\n--=_todod" },
		/* 75 and the sign that the line goes on. */
		{ "0123456789012345678901234567890123456789012345678901234567890123456789012345"
		  ".x\n",
		  "\r\n012345678901234567890123456789012345678901234567890123456789012345678901234=\r\n"
		  "5.x\r\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail m = mail_of();

		m.text = str_from(cases[i].text);
		writes(&m, cases[i].lines);
	}
}
END_TEST

START_TEST(nothing_is_written_of_what_is_refused)
{
	struct mail bad[6];
	struct buf out;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = mail_of();
	bad[0].to = STR("a@b.org\r\nBcc: c@d.org");
	bad[1].from = STR("nobody");
	bad[2].message_id = STR("");
	bad[3].correlation_id = STR("a\nb");
	bad[4].unsubscribe_url = STR("https://a>");
	bad[5].subject = STR("\xFF");
	buf_init(&out, MAIL_BYTES_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = { .text = "" };

		ck_assert_int_eq(mail_write(&bad[i], &out, &err), -EINVAL);
		ck_assert_uint_eq(out.n, 0);
		ck_assert_ptr_eq(err.kind, &ERR_INVALID);
	}
	buf_done(&out);
}
END_TEST

START_TEST(little_room)
{
	const struct mail m = mail_of();
	struct buf out;

	buf_init(&out, MAIL_BYTES_MAX);
	ck_assert_int_eq(mail_write(&m, &out, NULL), 0);
	size_t n_whole = out.n;
	buf_done(&out);
	for (size_t max = 0; max < n_whole; max += 7) {
		buf_init(&out, max);
		ck_assert_int_eq(mail_write(&m, &out, NULL), -ENOMEM);
		buf_done(&out);
	}
}
END_TEST

START_TEST(html)
{
	struct buf out;

	buf_init(&out, 1000);
	mail_append_html(&out, STR("<a href=\"x\">'&amp;'</a>\xC3\xBC"));
	ck_assert(str_eq(buf_str(&out), STR("&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#39;"
					    "&lt;/a&gt;\xC3\xBC")));
	buf_done(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mail");
	TCase *tc = tcase_create("mail");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, whole);
	tcase_add_test(tc, subjects);
	tcase_add_test(tc, bodies);
	tcase_add_test(tc, nothing_is_written_of_what_is_refused);
	tcase_add_test(tc, little_room);
	tcase_add_test(tc, html);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
