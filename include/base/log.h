/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One JSON object a line on standard output: ts, level, role, msg, correlation_id, trace_id, then
 * the fields. msg names what happened in dotted words ("task.created", "http.request"), fields say
 * the rest. Every string is escaped, so that a line is always one line of valid JSON; a line is at
 * most 8 KiB. Fields named in the redaction list (authorization, token, password, title,
 * description, email, ...) show "[redacted]".
 *
 * Lines gather in a bounded buffer that the loop flushes once a turn; error lines flush at once. A
 * reader that is too slow costs lines, which are counted, never a blocked loop.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, _LOG_LEVEL_MAX };

enum log_field_type { LOG_FIELD_END, LOG_FIELD_STR, LOG_FIELD_I64, LOG_FIELD_BOOL };

struct log_field {
	enum log_field_type type;
	const char *name;
	struct str str;
	int64_t i64;
};

/* Who a line is about; switched with the fiber. Empty strings are left out of the line. */
struct log_context {
	char correlation_id[129];
	char trace_id[33]; /* W3C trace-context, 32 hex digits */
};

/* Take over what is fit for logs and headers: 1 to 128 visible ASCII characters, the trace of a W3C
 * traceparent of version 00. False, and *ctx untouched, when it is not. */
bool log_context_set_correlation_id(struct log_context *ctx, struct str id);
bool log_context_set_trace(struct log_context *ctx, struct str traceparent);

#define LOG_STR(field_name, value)                                          \
	{                                                                   \
		.type = LOG_FIELD_STR, .name = (field_name), .str = (value) \
	}
#define LOG_CSTR(field_name, value)                                                 \
	{                                                                           \
		.type = LOG_FIELD_STR, .name = (field_name), .str = str_from(value) \
	}
#define LOG_I64(field_name, value)                                          \
	{                                                                   \
		.type = LOG_FIELD_I64, .name = (field_name), .i64 = (value) \
	}
#define LOG_BOOL(field_name, value)                                          \
	{                                                                    \
		.type = LOG_FIELD_BOOL, .name = (field_name), .i64 = (value) \
	}

#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_warn(...) LOG_AT(LOG_WARN, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__)
/* LOG_AT(level, msg, fields...): at least one field. */
#define LOG_AT(level, msg, ...)                                                             \
	do {                                                                                \
		if (log_enabled(level))                                                     \
			log_write((level), (msg),                                           \
				  (const struct log_field[]){ __VA_ARGS__,                  \
							      { .type = LOG_FIELD_END } }); \
	} while (0)

/* Level and role (copied) are those of the current scope, for a process of one role the only one;
 * fd is written to and not owned. Callable again (tests, log.level reload). */
void log_init(enum log_level level, const char *role, int fd);
/* "debug", "info", "warn", "error"; -EINVAL otherwise. */
int log_level_parse(struct str name, enum log_level *ret_level);
bool log_enabled(enum log_level level);
/* fields end with LOG_FIELD_END. */
void log_write(enum log_level level, const char *msg, const struct log_field *fields);
/* Puts code, field and text of e into a line of this level. */
void log_err(enum log_level level, const char *msg, const struct err *e);
/* Writes what has gathered as far as the descriptor takes it without blocking. */
void log_flush(void);
/* Makes ctx the current context (NULL: none) and returns the one before. ctx must outlive its time
 * as current. */
const struct log_context *log_context_swap(const struct log_context *ctx);
const struct log_context *log_context_current(void); /* NULL when there is none */
/* Lines dropped since the start. */
uint64_t log_dropped(void);

#endif
