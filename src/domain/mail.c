/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts are encoded (RFC 2047 in headers, quoted-printable in bodies), so that no byte of theirs
 * can end a line; addresses, ids and URLs stand as they are and are refused if they could. The
 * boundary between the parts holds "=_", which quoted-printable text never does.
 */
#include "domain/mail.h"

#include "base/base64.h"
#include "base/time.h"
#include "domain/email.h"

#include <errno.h>
#include <stdio.h>

enum {
	LINE_MAX_BYTES = 76, /* RFC 2045 6.7 (5) */
	WORD_BYTES = 39,     /* of text in an encoded word, so that "Subject: " fits before it */
	PLAIN_MAX = 60,	     /* a header's text that needs no folding */
};

static const struct str BOUNDARY = STR_INIT("=_todod");

/* ---- checks ---- */

/* Visible ASCII without what would end it. */
static bool is_plain(struct str s, size_t max, const char *except)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr(except, s.p[i]) != NULL)
			return false;
	}
	return s.n <= max;
}

static int check(const struct mail *m, struct err *reterr)
{
	const char *wrong = NULL;

	if (!email_is_valid(m->from) || !email_is_valid(m->to))
		wrong = "an address";
	else if (m->message_id.n == 0 || !is_plain(m->message_id, MAIL_ID_MAX, "<>"))
		wrong = "the id";
	else if (!is_plain(m->correlation_id, MAIL_ID_MAX, ""))
		wrong = "the correlation id";
	else if (!is_plain(m->unsubscribe_url, MAIL_URL_MAX, "<>"))
		wrong = "the link";
	else if (!utf8_valid(m->subject) || !utf8_valid(m->from_name))
		wrong = "a text";
	if (wrong == NULL)
		return 0;
	err_set(reterr, &ERR_INVALID, NULL, "%s cannot stand in the header of a mail", wrong);
	return -EINVAL;
}

/* ---- headers ---- */

/* Nothing that a reader would take for an encoded word, and no longer than a line. */
static bool can_stand_plain(struct str s, const char *except)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] >= 0x7f || strchr(except, s.p[i]) != NULL ||
		    (s.p[i] == '=' && i + 1 < s.n && s.p[i + 1] == '?'))
			return false;
	}
	return s.n <= PLAIN_MAX;
}

/* As many whole characters as an encoded word holds. */
static struct str take_word(struct str *rest)
{
	struct str word = { rest->p, 0 };
	size_t pos = 0;

	while (pos < rest->n && utf8_next(*rest, &pos) >= 0 && pos <= WORD_BYTES)
		word.n = pos;
	rest->p += word.n;
	rest->n -= word.n;
	return word;
}

/* RFC 2047: one encoded word a line, none of them cut within a character. */
static void append_words(struct buf *out, struct str s)
{
	bool is_first = true;

	while (s.n > 0 && !out->failed) {
		buf_append_str(out, is_first ? STR("=?UTF-8?B?") : STR("\r\n =?UTF-8?B?"));
		base64_encode(take_word(&s), out);
		buf_append_str(out, STR("?="));
		is_first = false;
	}
}

/* Text in a header, as it is or in encoded words, which hold no controls either: not every reader
 * is as careful with them as with the header itself. Returns whether it was encoded. */
static bool append_text(struct buf *out, struct str s, const char *except, const char *quote)
{
	struct buf line;

	buf_init(&line, MAIL_BYTES_MAX);
	mail_append_line(&line, s);
	bool is_plain_text = can_stand_plain(buf_str(&line), except);
	if (is_plain_text)
		buf_printf(out, "%s%.*s%s", quote, STR_ARGS(buf_str(&line)), quote);
	else
		append_words(out, buf_str(&line));
	if (line.failed)
		out->failed = true;
	buf_done(&line);
	return !is_plain_text;
}

static void append_from(struct buf *out, const struct mail *m)
{
	buf_append_str(out, STR("From: "));
	if (m->from_name.n > 0)
		buf_append_str(out, append_text(out, m->from_name, "\"\\", "\"") ? STR("\r\n ")
										 : STR(" "));
	buf_printf(out, "<%.*s>\r\n", STR_ARGS(m->from));
}

static void append_date(struct buf *out, int64_t us)
{
	static const char days[] = "MonTueWedThuFriSatSun";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t s = us / TIME_US_PER_S;
	struct civil c;

	time_civil_from_s(s, &c);
	int weekday = time_weekday(time_days_from_civil(c.year, c.month, c.day));
	buf_printf(out, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d +0000\r\n", days + 3 * weekday,
		   c.day, months + 3 * (c.month - 1), c.year, c.hour, c.minute, c.second);
}

static void append_headers(struct buf *out, const struct mail *m)
{
	append_date(out, m->date_us);
	append_from(out, m);
	buf_printf(out, "To: <%.*s>\r\nSubject: ", STR_ARGS(m->to));
	append_text(out, m->subject, "", "");
	buf_printf(out, "\r\nMessage-ID: <%.*s>\r\n", STR_ARGS(m->message_id));
	if (m->unsubscribe_url.n > 0)
		buf_printf(out, "List-Unsubscribe: <%.*s>\r\n", STR_ARGS(m->unsubscribe_url));
	if (m->correlation_id.n > 0)
		buf_printf(out, "X-Correlation-ID: %.*s\r\n", STR_ARGS(m->correlation_id));
	buf_printf(out,
		   "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		   "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n",
		   BOUNDARY.p);
}

/* ---- bodies ---- */

/* RFC 2045 6.7. Also encoded, though they need not be: a dot that begins a line, which ends a mail
 * to careless servers, and the F of "From ", which mailboxes change. */
static bool is_literal(struct str s, size_t i, size_t column)
{
	char c = s.p[i];

	if (c == ' ' || c == '\t')
		return i + 1 < s.n && s.p[i + 1] != '\n';
	return c > ' ' && c < 0x7f && c != '=' && !(column == 0 && (c == '.' || c == 'F'));
}

static void append_quoted_printable(struct buf *out, struct str s)
{
	size_t column = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool literal = is_literal(s, i, column);

		if (s.p[i] == '\n') {
			buf_append_str(out, STR("\r\n"));
			column = 0;
			continue;
		}
		/* One column stays for the "=" of a soft line break. */
		if (column + (literal ? 1 : 3) > LINE_MAX_BYTES - 1) {
			buf_append_str(out, STR("=\r\n"));
			column = 0;
			literal = is_literal(s, i, column);
		}
		if (literal)
			buf_append_char(out, s.p[i]);
		else
			buf_printf(out, "=%02X", (uint8_t)s.p[i]);
		column += literal ? 1 : 3;
	}
}

static void append_part(struct buf *out, const char *subtype, struct str s)
{
	buf_printf(out,
		   "--%s\r\nContent-Type: text/%s; charset=utf-8\r\n"
		   "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		   BOUNDARY.p, subtype);
	append_quoted_printable(out, s);
	buf_append_str(out, STR("\r\n"));
}

int mail_write(const struct mail *m, struct buf *out, struct err *reterr)
{
	int r = check(m, reterr);

	if (r < 0)
		return r;
	append_headers(out, m);
	append_part(out, "plain", m->text);
	append_part(out, "html", m->html);
	buf_printf(out, "--%s--\r\n", BOUNDARY.p);
	if (buf_status(out) == 0)
		return 0;
	err_unavailable(reterr, 1, "out of memory");
	return -ENOMEM;
}

/* ---- texts ---- */

static bool is_harmless(int32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0x2028 && c != 0x2029 && c != 0x200e &&
	       c != 0x200f && c != 0x061c && !(c >= 0x202a && c <= 0x202e) &&
	       !(c >= 0x2066 && c <= 0x2069);
}

void mail_append_line(struct buf *out, struct str s)
{
	size_t pos = 0, from = 0;

	while (pos < s.n) {
		from = pos;
		if (is_harmless(utf8_next(s, &pos)))
			buf_append(out, s.p + from, pos - from);
		else
			buf_append_char(out, ' ');
		if (pos == from) /* not UTF-8: nothing more can be made of it */
			return;
	}
}

void mail_append_html(struct buf *out, struct str s)
{
	static const char special[] = "&<>\"'";
	static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };

	for (size_t i = 0; i < s.n; i++) {
		const char *at = s.p[i] != '\0' ? strchr(special, s.p[i]) : NULL;

		if (at != NULL)
			buf_append_str(out, str_from(entities[at - special]));
		else
			buf_append_char(out, s.p[i]);
	}
}
