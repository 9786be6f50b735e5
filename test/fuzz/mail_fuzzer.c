/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a mail is made of, cut at newlines: title, address, name of the sender, ids,
 * link. And any bytes as the payload of a reminder's event. Held against: a mail is refused, or has
 * its ten headers, its two parts, lines of ASCII within their bounds, and the text that went in; a
 * payload is refused, or says the same when it is written and read again.
 */
#include "domain/email.h"
#include "domain/mail.h"
#include "domain/mail_text.h"

#include <errno.h>
#include <stdlib.h>

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- a mail ---- */

static const char *const HEADERS[] = { "Date: ",
				       "From: ",
				       "To: <",
				       "Subject: ",
				       "Message-ID: <",
				       "List-Unsubscribe: <",
				       "X-Correlation-ID: ",
				       "Auto-Submitted: auto-generated\r\n",
				       "MIME-Version: 1.0\r\n",
				       "Content-Type: multipart/alternative; " };
enum { LINE_MAX_BYTES = 998, BODY_LINE_MAX = 76 };

/* The line at *rest with its CRLF; empty at the end. */
static struct str next_line(struct str *rest)
{
	const char *end = rest->n > 0 ? memmem(rest->p, rest->n, "\r\n", 2) : NULL;
	struct str line = { rest->p, end ? (size_t)(end - rest->p) + 2 : 0 };

	must(end != NULL || rest->n == 0);
	rest->p += line.n;
	rest->n -= line.n;
	return line;
}

static void check_bytes(struct str mail)
{
	struct str rest = mail, line;

	while ((line = next_line(&rest)).n > 0) {
		must(line.n <= LINE_MAX_BYTES + 2 && line.p[0] != '.');
		for (size_t i = 0; i + 2 < line.n; i++)
			must((line.p[i] >= ' ' && line.p[i] < 0x7f) || line.p[i] == '\t');
	}
}

/* Leaves *rest behind the empty line. */
static void check_headers(struct str *rest)
{
	size_t n = 0;
	struct str line;

	while ((line = next_line(rest)).n > 2) {
		if (line.p[0] == ' ') {
			must(n == 2 || n == 4); /* of From and Subject: encoded words */
			must(str_starts(line, STR(" =?UTF-8?B?")) || str_starts(line, STR(" <")));
			continue;
		}
		must(n < ARRAY_SIZE(HEADERS) && str_starts(line, str_from(HEADERS[n])));
		n++;
	}
	must(n == ARRAY_SIZE(HEADERS));
}

static int hex(char c)
{
	must((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'));
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* A part from behind its own headers to the next boundary, decoded by RFC 2045 6.7. */
static void check_part(struct str *rest, struct str wanted)
{
	size_t at = 0;
	struct str line;

	while ((line = next_line(rest)).n > 2)
		must(str_starts(line, STR("Content-T")));
	for (line = next_line(rest); !str_starts(line, STR("--=_todod")); line = next_line(rest)) {
		must(line.n > 0 && line.n <= BODY_LINE_MAX + 2);
		bool is_soft = line.n > 2 && line.p[line.n - 3] == '=';
		for (size_t i = 0; i < line.n - 2 - is_soft; i++) {
			char c = line.p[i];
			if (c == '=') {
				must(i + 2 < line.n - 2);
				c = (char)(hex(line.p[i + 1]) << 4 | hex(line.p[i + 2]));
				i += 2;
			}
			must(at < wanted.n && wanted.p[at++] == c);
		}
		if (!is_soft && at < wanted.n)
			must(wanted.p[at++] == '\n');
	}
	must(at == wanted.n);
}

static void check_mail(const struct buf *out, const struct mail *m)
{
	struct str rest = buf_str(out);

	check_bytes(rest);
	check_headers(&rest);
	must(str_eq(next_line(&rest), STR("--=_todod\r\n")));
	check_part(&rest, m->text);
	check_part(&rest, m->html);
	must(rest.n == 0);
}

static struct str cut(struct str *rest)
{
	struct str part = { NULL, 0 };

	str_split(rest, '\n', &part);
	return part;
}

static void try_mail(struct arena *a, struct str input)
{
	const struct mail_text text = { arena_buf(a, 1 << 16), arena_buf(a, 1 << 16),
					arena_buf(a, 1 << 16) };
	struct str title = cut(&input), to = cut(&input), name = cut(&input), id = cut(&input),
		   correlation = cut(&input), link = cut(&input);
	const struct reminder_notice notice = {
		.title = title,
		.remind_at_us = INT64_C(1795262400000000),
		.due_date = cut(&input),
		.late_by_s = (int64_t)input.n,
	};
	const struct tz *utc;
	struct err err = { .text = "" };
	struct buf out;

	must(tz_load(STR("UTC"), &utc) == 0);
	mail_text_reminder(&text, &notice, utc, STR("https://example.org/"));
	if (text.subject->failed || text.text->failed || text.html->failed)
		return;
	const struct mail m = {
		.from_name = name,
		.from = STR("todod@example.org"),
		.to = to.n > 0 ? to : STR("a@example.org"),
		.message_id = id.n > 0 ? id : STR("id@example.org"),
		.correlation_id = correlation.n > 0 ? correlation : STR("c"),
		.unsubscribe_url = link.n > 0 ? link : STR("https://example.org/"),
		.subject = buf_str(text.subject),
		.text = buf_str(text.text),
		.html = buf_str(text.html),
	};
	buf_init(&out, MAIL_BYTES_MAX);
	int r = mail_write(&m, &out, &err);
	must(r == 0 || r == -EINVAL || r == -ENOMEM);
	if (r == 0)
		check_mail(&out, &m);
	else
		must(err.text[0] != '\0' && (r == -ENOMEM || out.n == 0));
	must(r != 0 || email_is_valid(m.to));
	buf_done(&out);
}

/* ---- a payload ---- */

static void try_payload(struct arena *a, struct str input)
{
	static const struct event_origin ORIGIN = { .source = STR_INIT("s"),
						    .user_id = STR_INIT("u"),
						    .correlation_id = STR_INIT("c") };
	struct reminder_notice n = { .version = 77 }, again;
	struct err err = { .text = "" };
	struct event e = { .at_us = 0 };
	struct buf *out = arena_buf(a, 1 << 20);
	static const char mark[] = "\"payload\":";

	int r = reminder_notice_parse(a, input, &n, &err);
	if (r < 0) {
		must(r == -EINVAL && n.version == 77 && err.kind != NULL);
		return;
	}
	must(n.version >= 1 && n.task_id >= 1 && n.title.n > 0 && n.attempt >= 0 &&
	     n.late_by_s >= NOTICE_NOT_LATE);
	reminder_notice_write_trigger(out, &ORIGIN, &e, &n);
	must(buf_status(out) == 0);
	const char *at = memmem(out->p, out->n, mark, sizeof(mark) - 1);
	must(at != NULL);
	at += sizeof(mark) - 1;
	const struct str payload = { at, (size_t)(out->p + out->n - at) - 2 };
	must(reminder_notice_parse(a, payload, &again, NULL) == 0);
	must(memcmp(&again.reminder_id, &n.reminder_id, sizeof(n.reminder_id)) == 0 &&
	     again.task_id == n.task_id && str_eq(again.title, n.title) &&
	     again.remind_at_us == n.remind_at_us && str_eq(again.due_date, n.due_date) &&
	     again.channels == n.channels && again.version == n.version &&
	     again.late_by_s == n.late_by_s && again.attempt == n.attempt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = { (const char *)data, size };
	struct arena *a = arena_new(64 << 20);

	must(a != NULL);
	try_mail(a, input);
	try_payload(a, input);
	arena_free(a);
	return 0;
}
