/* SPDX-License-Identifier: Apache-2.0 */
/*
 * todod parse: one answer for each line, in order, flushed, so that a program can hold a dialogue
 * with it. An arena is emptied after each line; a line that is too long is skipped to its end and
 * answered with an error like any other that cannot be read.
 */
#include "app/command_parse.h"

#include "assistant/rules.h"
#include "assistant/rules_reply.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/time.h"
#include "base/tz.h"
#include "domain/due.h"

#include <errno.h>
#include <sysexits.h>

enum {
	LINE_MAX_BYTES = 512 * 1024, /* a text of 64 KiB may be escaped */
	ARENA_MAX = 16 * 1024 * 1024,
	OUTPUT_MAX = 4 * 1024 * 1024,
};

struct parse {
	const struct command_parse *options;
	struct arena *arena;
	struct buf line, out, reply;
};

/* One line of JSON. */
struct request {
	struct json_str text, now, tz;
};

static const struct json_field REQUEST_FIELDS[] = {
	JSON_FIELD(struct request, text, "text", JSON_KIND_STR),
	JSON_FIELD(struct request, now, "now", JSON_KIND_STR),
	JSON_FIELD(struct request, tz, "tz", JSON_KIND_STR),
	JSON_FIELD_END,
};

/* Zone and clock of a line, or of the command. 0 or -EINVAL with the reason in *ret_why. */
static int read_context(struct str now, struct str tz, struct due_context *ctx,
			const char **ret_why)
{
	struct civil local;
	bool has_offset;
	int64_t s;

	if (tz.p != NULL && tz_load(tz, &ctx->tz) < 0) {
		*ret_why = "tz is no time zone of the IANA database, as Europe/Berlin is";
		return -EINVAL;
	}
	if (now.p == NULL) {
		ctx->now_us = time_now_us();
		return 0;
	}
	char text[48];
	bool is_local = now.n < sizeof(text) - 1 &&
			time_parse_rfc3339(now, &ctx->now_us, &local, &has_offset) < 0;
	/* a reading without an offset, and without seconds */
	if (is_local && now.n == sizeof("2026-11-21T10:00") - 1) {
		str_copy(text, sizeof(text), now);
		memcpy(text + now.n, ":00", sizeof(":00"));
		now = str_from(text);
	}
	if (time_parse_rfc3339(now, &ctx->now_us, &local, &has_offset) < 0) {
		*ret_why = "now must be RFC 3339 or a local reading like 2026-11-21T10:00:00";
		return -EINVAL;
	}
	if (!has_offset && ctx->tz != NULL) {
		tz_from_local(ctx->tz, &local, &s);
		ctx->now_us = s * TIME_US_PER_S;
	}
	return 0;
}

static struct str kind_name(enum due_kind kind)
{
	static const struct str NAMES[] = {
		[DUE_DATE] = STR_INIT("date"),	       [DUE_TIME] = STR_INIT("time"),
		[DUE_DATETIME] = STR_INIT("datetime"), [DUE_RANGE] = STR_INIT("range"),
		[DUE_DURATION] = STR_INIT("duration"), [DUE_SET] = STR_INIT("set"),
	};

	return NAMES[kind];
}

static void write_value(struct json_out *o, struct str key, const struct due_value *v,
			const struct due_context *ctx)
{
	char room[48];
	struct buf text;

	buf_init(&text, sizeof(room));
	due_append_value(&text, v, ctx->tz);
	json_key_str(o, key, buf_str(&text));
	buf_done(&text);
}

static void write_found(struct json_out *o, struct str text, const struct due *d,
			const struct due_context *ctx)
{
	json_begin_object(o);
	json_key_str(o, STR("kind"), kind_name(d->kind));
	json_key_str(o, STR("text"), (struct str){ text.p + d->start, d->end - d->start });
	json_key_i64(o, STR("start"), (int64_t)d->start);
	json_key_i64(o, STR("end"), (int64_t)d->end);
	if (d->kind == DUE_DURATION)
		json_key_str(o, STR("value"), d->iso);
	else if (d->has_value)
		write_value(o, STR("value"), &d->value, ctx);
	if (d->kind == DUE_RANGE && d->has_end)
		write_value(o, STR("end_value"), &d->end_value, ctx);
	if (d->kind == DUE_SET)
		json_key_str(o, STR("rrule"), d->rrule);
	if (d->problem != NULL)
		json_key_str(o, STR("problem"), str_from(d->problem));
	json_end_object(o);
}

static int write_dates(struct parse *p, struct str text, const struct due_context *ctx,
		       const char **ret_why)
{
	struct due_list list;
	struct json_out o;

	int r = due_find(p->arena, text, ctx, &list);
	if (r < 0) {
		*ret_why = r == -E2BIG ? "the text is longer than 65536 bytes" : "out of memory";
		return r;
	}
	json_out_init(&o, &p->out);
	json_begin_object(&o);
	json_key_str(&o, STR("text"), text);
	json_key(&o, STR("found"));
	json_begin_array(&o);
	for (size_t i = 0; i < list.n; i++) {
		/* a date that does not exist has no place among dates */
		if ((list.v[i].flags & DUE_IMPOSSIBLE) == 0)
			write_found(&o, text, &list.v[i], ctx);
	}
	json_end_array(&o);
	json_end_object(&o);
	if (buf_status(&p->out) < 0) {
		*ret_why = "out of memory";
		return -ENOMEM;
	}
	return 0;
}

static int write_command(struct parse *p, struct str text, const struct due_context *ctx,
			 const char **ret_why)
{
	const struct rules_command *command;
	struct json_out o;

	int r = rules_parse(p->arena, text, ctx, &command);
	if (r < 0) {
		*ret_why = r == -E2BIG ? "the text is longer than 65536 bytes" : "out of memory";
		return r;
	}
	buf_clear(&p->reply);
	rules_reply_preview(&p->reply, command, ctx);
	json_out_init(&o, &p->out);
	rules_write_json(&o, text, command, buf_str(&p->reply), ctx->tz);
	if (buf_status(&p->out) < 0) {
		*ret_why = "out of memory";
		return -ENOMEM;
	}
	return 0;
}

static void write_error(struct parse *p, const char *why)
{
	struct json_out o;

	buf_clear(&p->out);
	json_out_init(&o, &p->out);
	json_begin_object(&o);
	json_key_str(&o, STR("error"), str_from(why));
	json_end_object(&o);
}

static int answer(struct parse *p, struct str line, const char **ret_why, struct err *err)
{
	struct request rq = { .text = { JSON_SET, line } };
	struct due_context ctx = { .day_first = p->options->is_day_first };

	if (!p->options->is_plain) {
		rq = (struct request){ 0 };
		if (json_parse(p->arena, line, "line", REQUEST_FIELDS, &rq, err) < 0) {
			*ret_why = err->text;
			return -EINVAL;
		}
		if (rq.text.state != JSON_SET) {
			*ret_why = "text is missing";
			return -EINVAL;
		}
	}
	struct str now = rq.now.state == JSON_SET ? rq.now.v : p->options->now;
	struct str tz = rq.tz.state == JSON_SET ? rq.tz.v : p->options->tz;
	int r = read_context(now, tz, &ctx, ret_why);
	if (r < 0)
		return r;
	return p->options->is_dates ? write_dates(p, rq.text.v, &ctx, ret_why)
				    : write_command(p, rq.text.v, &ctx, ret_why);
}

/* The next line without its end. False at the end of the input. */
static bool read_line(struct parse *p, FILE *in, bool *ret_is_whole)
{
	int c = getc(in);

	buf_clear(&p->line);
	if (c == EOF)
		return false;
	for (; c != EOF && c != '\n'; c = getc(in))
		buf_append_char(&p->line, (char)c);
	*ret_is_whole = buf_status(&p->line) == 0;
	if (*ret_is_whole && p->line.n > 0 && p->line.p[p->line.n - 1] == '\r')
		p->line.n--;
	return true;
}

static int run(struct parse *p, FILE *in, FILE *out)
{
	bool is_whole;

	while (read_line(p, in, &is_whole)) {
		struct err err = { 0 };
		const char *why = "the line is too long";
		arena_reset(p->arena);
		buf_clear(&p->out);
		if (!is_whole || answer(p, buf_str(&p->line), &why, &err) < 0)
			write_error(p, why);
		buf_append_char(&p->out, '\n');
		if (buf_status(&p->out) < 0)
			return EX_OSERR;
		if (fwrite(p->out.p, 1, p->out.n, out) != p->out.n || fflush(out) != 0)
			return EX_IOERR;
	}
	return EX_OK;
}

int command_parse(const struct command_parse *options, FILE *in, FILE *out)
{
	struct parse p = { .options = options };
	struct due_context ctx = { 0 };
	const char *why = NULL;

	if (read_context(options->now, options->tz, &ctx, &why) < 0) {
		fprintf(stderr, "todod: parse: %s\n", why);
		return EX_USAGE;
	}
	p.arena = arena_new(ARENA_MAX);
	if (p.arena == NULL) {
		fprintf(stderr, "todod: out of memory\n");
		return EX_OSERR;
	}
	buf_init(&p.line, LINE_MAX_BYTES);
	buf_init(&p.out, OUTPUT_MAX);
	buf_init(&p.reply, OUTPUT_MAX);
	int exit_code = run(&p, in, out);
	buf_done(&p.line);
	buf_done(&p.out);
	buf_done(&p.reply);
	arena_free(p.arena);
	tz_done();
	return exit_code;
}
