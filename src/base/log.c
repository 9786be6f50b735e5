/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of the process: lines are made in `line`, gather in `pending`, and leave in log_flush.
 *
 * What must hold: only whole lines enter pending, and what was entered leaves unless the descriptor
 * is broken, so a reader never sees half a line followed by another. A write happens only after
 * poll has said that the descriptor takes it, and is at most PIPE_BUF long: a pipe that polls
 * writable has room for that much, so a write does not block even though the descriptor (often
 * shared with the shell) is left in blocking mode. Where it can, a write ends at a line's end:
 * processes that share one pipe then do not mix their lines.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/scope.h"
#include "base/time.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum {
	LINE_BYTES_MAX = 8192,
	PENDING_BYTES_MAX = 65536,
	WRITE_BYTES_MAX = 4096, /* PIPE_BUF */
	TS_SIZE = 28,		/* 2026-11-21T12:00:00.123456Z */
	TS_SECOND_SIZE = 19,
};

static struct {
	int fd;
	const struct log_context *context;
	struct buf line;
	struct buf pending;
	uint64_t dropped;
	uint64_t dropped_untold;    /* since the last line that told */
	int64_t ts_second;	    /* the second that ts holds */
	char ts[TIME_RFC3339_SIZE]; /* without a fraction */
} logger = { .fd = -1, .ts_second = INT64_MIN };

static const char *const level_names[_LOG_LEVEL_MAX] = { "debug", "info", "warn", "error" };

void log_init(enum log_level level, const char *role, int fd)
{
	struct scope *s = scope_current();

	log_flush();
	buf_done(&logger.line);
	buf_done(&logger.pending);
	buf_init(&logger.line, LINE_BYTES_MAX);
	buf_init(&logger.pending, PENDING_BYTES_MAX);
	logger.fd = fd;
	logger.dropped = 0;
	logger.dropped_untold = 0;
	s->level = level;
	snprintf(s->role, sizeof(s->role), "%s", role);
}

int log_level_parse(struct str name, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
		if (str_eq(name, str_from(level_names[i]))) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

bool log_enabled(enum log_level level)
{
	return level >= scope_current()->level;
}

const struct log_context *log_context_swap(const struct log_context *ctx)
{
	const struct log_context *before = logger.context;

	logger.context = ctx;
	return before;
}

const struct log_context *log_context_current(void)
{
	return logger.context;
}

bool log_context_set_correlation_id(struct log_context *ctx, struct str id)
{
	bool is_fit = id.n >= 1 && id.n < sizeof(ctx->correlation_id);

	for (size_t i = 0; is_fit && i < id.n; i++)
		is_fit = id.p[i] > 0x20 && id.p[i] < 0x7f;
	if (is_fit)
		(void)!str_copy(ctx->correlation_id, sizeof(ctx->correlation_id), id);
	return is_fit;
}

static bool is_lower_hex(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	}
	return true;
}

/* version-trace-span-flags; all zeros means there is none. */
bool log_context_set_trace(struct log_context *ctx, struct str traceparent)
{
	static const char ZEROS[] = "00000000000000000000000000000000";

	if (traceparent.n != 55 || !str_starts(traceparent, STR("00-")) || traceparent.p[35] != '-')
		return false;
	struct str trace = { traceparent.p + 3, 32 };
	if (!is_lower_hex(trace) || str_eq(trace, STR(ZEROS)))
		return false;
	(void)!str_copy(ctx->trace_id, sizeof(ctx->trace_id), trace);
	return true;
}

uint64_t log_dropped(void)
{
	return logger.dropped;
}

/*
 * What never goes into a log: secrets, and what people wrote or who they are. The last word of a
 * field's name decides, so that access_token and new_title are covered by token and title.
 */
#define WORD(literal)                          \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}
static bool is_redacted(struct str name)
{
	static const struct str words[] = {
		WORD("authorization"), WORD("bearer"),	    WORD("body"),	 WORD("cookie"),
		WORD("credential"),    WORD("credentials"), WORD("description"), WORD("email"),
		WORD("jwt"),	       WORD("message"),	    WORD("password"),	 WORD("secret"),
		WORD("title"),	       WORD("token"),
	};
	size_t start = name.n;

	while (start > 0 && name.p[start - 1] != '_' && name.p[start - 1] != '.' &&
	       name.p[start - 1] != '-')
		start--;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_eq_nocase((struct str){ name.p + start, name.n - start }, words[i]))
			return true;
	return false;
}

/* At most max bytes of s, not ending inside a character. */
static struct str cut(struct str s, size_t max)
{
	size_t n = max;

	if (s.n <= max)
		return s;
	while (n > 0 && max - n < 3 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return (struct str){ s.p, n };
}

static void put_ts(struct json_out *o)
{
	char ts[TS_SIZE];
	int64_t us = time_now_us();
	int64_t second = us / TIME_US_PER_S;
	int64_t fraction = us % TIME_US_PER_S;

	if (second != logger.ts_second) {
		time_format_rfc3339(second * TIME_US_PER_S, logger.ts);
		logger.ts_second = second;
	}
	memcpy(ts, logger.ts, TS_SECOND_SIZE);
	ts[TS_SECOND_SIZE] = '.';
	for (size_t i = TS_SECOND_SIZE + 6; i > TS_SECOND_SIZE; i--) {
		ts[i] = (char)('0' + fraction % 10);
		fraction /= 10;
	}
	ts[TS_SIZE - 2] = 'Z';
	json_key_str(o, STR("ts"), (struct str){ ts, TS_SIZE - 1 });
}

static void put_field(struct json_out *o, const struct log_field *f, size_t max)
{
	struct str name = cut(str_from(f->name), max);

	if (is_redacted(name))
		json_key_str(o, name, STR("[redacted]"));
	else if (f->type == LOG_FIELD_STR)
		json_key_str(o, name, cut(f->str, max));
	else if (f->type == LOG_FIELD_BOOL)
		json_key_bool(o, name, f->i64 != 0);
	else
		json_key_i64(o, name, f->i64);
}

/* Makes the line with every string cut to max bytes; 0, or -ENOBUFS if it still is too long. */
static int make_line(enum log_level level, const char *msg, const struct log_field *fields,
		     size_t max)
{
	const struct log_context *ctx = logger.context;
	struct json_out o;

	buf_clear(&logger.line);
	json_out_init(&o, &logger.line);
	json_begin_object(&o);
	put_ts(&o);
	json_key_str(&o, STR("level"), str_from(level_names[level]));
	json_key_str(&o, STR("role"), str_from(scope_current()->role));
	json_key_str(&o, STR("msg"), cut(str_from(msg), max));
	if (ctx && ctx->correlation_id[0] != '\0')
		json_key_str(&o, STR("correlation_id"), str_from(ctx->correlation_id));
	if (ctx && ctx->trace_id[0] != '\0')
		json_key_str(&o, STR("trace_id"), str_from(ctx->trace_id));
	for (const struct log_field *f = fields; f->type != LOG_FIELD_END; f++)
		put_field(&o, f, max);
	if (max < LINE_BYTES_MAX)
		json_key_bool(&o, STR("cut"), true);
	json_end_object(&o);
	buf_append_char(&logger.line, '\n');
	return buf_status(&logger.line);
}

static void count_dropped(uint64_t lines)
{
	logger.dropped += lines;
	logger.dropped_untold += lines;
}

/* Puts the line into pending, whole or not at all. */
static bool gather_line(void)
{
	if (buf_reserve(&logger.pending, logger.line.n) < 0) {
		logger.pending.failed = false; /* what is in it is still good */
		return false;
	}
	buf_append_str(&logger.pending, buf_str(&logger.line));
	return true;
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
	/* A string of n bytes can become 6n when escaped: the first try nearly always fits, the
	 * last is sure to. */
	static const size_t limits[] = { LINE_BYTES_MAX, 1024, 128, 16 };
	size_t i = 0;

	if (!log_enabled(level))
		return;
	if (logger.pending.n > PENDING_BYTES_MAX - LINE_BYTES_MAX)
		log_flush();
	while (i < ARRAY_SIZE(limits) && make_line(level, msg, fields, limits[i]) < 0)
		i++;
	if (i == ARRAY_SIZE(limits) || !gather_line())
		count_dropped(1);
	if (level >= LOG_ERROR)
		log_flush();
}

void log_err(enum log_level level, const char *msg, const struct err *e)
{
	const struct log_field fields[] = {
		LOG_CSTR("code", e->kind ? e->kind->code : "none"),
		LOG_CSTR("field", e->field),
		LOG_CSTR("text", e->text),
		{ .type = LOG_FIELD_END },
	};

	log_write(level, msg, fields);
}

/* Whole lines that fit one write; a part of a line only when that alone is longer. */
static size_t next_write_size(struct str s)
{
	const char *end;

	if (s.n <= WRITE_BYTES_MAX)
		return s.n;
	end = memrchr(s.p, '\n', WRITE_BYTES_MAX);
	return end ? (size_t)(end + 1 - s.p) : WRITE_BYTES_MAX;
}

/* Bytes taken; 0 when it would block; negative errno when the descriptor is broken. */
static ssize_t write_some(struct str s)
{
	struct pollfd p = { .fd = logger.fd, .events = POLLOUT };
	ssize_t n;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	do
		n = write(logger.fd, s.p, next_write_size(s));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n;
}

static uint64_t count_lines(struct str s)
{
	uint64_t lines = 0;

	for (ssize_t i = str_find_char(s, '\n', 0); i >= 0;
	     i = str_find_char(s, '\n', (size_t)i + 1))
		lines++;
	return lines;
}

/* Moves pending to the descriptor until it is empty or would block; true if some of it went. */
static bool drain(void)
{
	size_t done = 0;

	while (done < logger.pending.n) {
		struct str rest = { logger.pending.p + done, logger.pending.n - done };
		ssize_t n = write_some(rest);

		if (n < 0) {
			count_dropped(count_lines(rest));
			buf_clear(&logger.pending);
			return false;
		}
		if (n == 0)
			break;
		done += (size_t)n;
	}
	buf_consume(&logger.pending, done);
	return done > 0;
}

static void tell_dropped(void)
{
	const struct log_field fields[] = {
		LOG_I64("lines", (int64_t)logger.dropped_untold),
		{ .type = LOG_FIELD_END },
	};

	if (make_line(LOG_WARN, "log.dropped", fields, LINE_BYTES_MAX) == 0 && gather_line())
		logger.dropped_untold = 0;
}

void log_flush(void)
{
	if (drain() && logger.dropped_untold > 0) {
		tell_dropped();
		drain();
	}
}
