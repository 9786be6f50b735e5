/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mails of reminders for tests: a JSON object on each line of standard input ({"title", "to",
 * "from_name", "message_id", "correlation_id", "unsubscribe_url", "time_zone", "due_date",
 * "late_by"}, each of which may be missing), a JSON object on each line of standard output:
 * {"mail"} or {"error"}.
 */
#include "base/json.h"
#include "domain/mail.h"
#include "domain/mail_text.h"

#include <stdio.h>
#include <stdlib.h>

struct words {
	struct json_str title, to, from, from_name, message_id, correlation_id, unsubscribe_url,
		time_zone, due_date;
	struct json_i64 late_by;
};

#define WORD(name) JSON_FIELD(struct words, name, #name, JSON_KIND_STR)

static const struct json_field WORDS[] = {
	WORD(title),
	WORD(to),
	WORD(from),
	WORD(from_name),
	WORD(message_id),
	WORD(correlation_id),
	WORD(unsubscribe_url),
	WORD(time_zone),
	WORD(due_date),
	JSON_FIELD(struct words, late_by, "late_by", JSON_KIND_I64),
	JSON_FIELD_END,
};

static struct str or_else(const struct json_str *v, struct str otherwise)
{
	return v->state == JSON_SET ? v->v : otherwise;
}

static int write_mail(struct arena *arena, const struct words *w, struct buf *out, struct err *err)
{
	const struct mail_text text = { arena_buf(arena, 65536), arena_buf(arena, 65536),
					arena_buf(arena, 65536) };
	const struct reminder_notice notice = {
		.title = or_else(&w->title, STR("a title")),
		.remind_at_us = INT64_C(1795262400000000),
		.due_date = or_else(&w->due_date, (struct str){ NULL, 0 }),
		.late_by_s = w->late_by.state == JSON_SET ? w->late_by.v : NOTICE_NOT_LATE,
	};
	const struct tz *tz;

	if (tz_load(or_else(&w->time_zone, STR("UTC")), &tz) < 0)
		return err_set(err, &ERR_INVALID, NULL, "no such zone");
	mail_text_reminder(&text, &notice, tz, STR("https://todod.example.org/"));
	const struct mail mail = {
		.from_name = or_else(&w->from_name, STR("todod")),
		.from = or_else(&w->from, STR("todod@example.org")),
		.to = or_else(&w->to, STR("somebody@example.org")),
		.message_id = or_else(&w->message_id, STR("id.1@example.org")),
		.correlation_id = or_else(&w->correlation_id, STR("the-request")),
		.unsubscribe_url = or_else(&w->unsubscribe_url, STR("https://x.example.org/u?t=a")),
		.date_us = INT64_C(1795262400000000),
		.subject = buf_str(text.subject),
		.text = buf_str(text.text),
		.html = buf_str(text.html),
	};
	return mail_write(&mail, out, err);
}

static void answer(struct str line)
{
	struct arena *arena = arena_new(16 * 1024 * 1024);
	struct words w = { .title = { .state = JSON_ABSENT } };
	struct err err = { .text = "" };
	struct buf mail, out;
	struct json_out o;

	buf_init(&mail, MAIL_BYTES_MAX);
	buf_init(&out, 8 * MAIL_BYTES_MAX);
	int r = json_parse(arena, line, "line", WORDS, &w, &err);
	if (r == 0)
		r = write_mail(arena, &w, &mail, &err);
	json_out_init(&o, &out);
	json_begin_object(&o);
	if (r == 0)
		json_key_str(&o, STR("mail"), buf_str(&mail));
	else
		json_key_str(&o, STR("error"), str_from(err.text));
	json_end_object(&o);
	printf("%.*s\n", STR_ARGS(buf_str(&out)));
	buf_done(&mail);
	buf_done(&out);
	arena_free(arena);
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0)
		answer(str_trim((struct str){ line, (size_t)n }));
	free(line);
	tz_done();
	return EXIT_SUCCESS;
}
