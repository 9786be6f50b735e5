/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines through a real pipe: shape, redaction, any bytes at all (Python's json judges), length,
 * and a reader that does not read.
 */
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int pipe_fds[2];
static char got[1 << 20];

static void open_log(enum log_level level)
{
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK), 0);
	log_init(level, "test", pipe_fds[1]); /* which stays blocking: the log must not */
}

/* What is in the pipe now, as a string. */
static const char *read_pipe(void)
{
	size_t n = 0;
	ssize_t r;

	while ((r = read(pipe_fds[0], got + n, sizeof(got) - 1 - n)) > 0)
		n += (size_t)r;
	got[n] = '\0';
	return got;
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

START_TEST(shape)
{
	const struct log_context ctx = { "req-1", "0af7651916cd43dd8448eb211c80319c" };
	const char *line;

	open_log(LOG_INFO);
	ck_assert_ptr_null(log_context_swap(&ctx));
	ck_assert_ptr_eq(log_context_current(), &ctx);
	log_info("task.created", LOG_I64("task_id", -7), LOG_BOOL("again", true),
		 LOG_CSTR("who", "a\"b\n"));
	ck_assert_ptr_eq(log_context_swap(NULL), &ctx);
	log_warn("loop.slow", LOG_I64("n", INT64_MIN));
	ck_assert_str_eq(read_pipe(), "");
	log_flush();
	line = read_pipe();
	ck_assert_int_eq(strncmp(line, "{\"ts\":\"20", 9), 0);
	ck_assert_int_eq(strncmp(line + 7 + 19, ".", 1), 0);
	ck_assert_int_eq(strncmp(line + 7 + 26, "Z\",", 3), 0);
	ck_assert_ptr_nonnull(
		strstr(line, "Z\",\"level\":\"info\",\"role\":\"test\",\"msg\":\"task.created\","
			     "\"correlation_id\":\"req-1\","
			     "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\","
			     "\"task_id\":-7,\"again\":true,\"who\":\"a\\\"b\\n\"}\n"));
	ck_assert_ptr_nonnull(
		strstr(line, "Z\",\"level\":\"warn\",\"role\":\"test\",\"msg\":\"loop.slow\","
			     "\"n\":-9223372036854775808}\n"));
}
END_TEST

START_TEST(levels)
{
	enum log_level level = LOG_DEBUG;

	ck_assert(!log_enabled(LOG_ERROR)); /* before log_init nothing is written */
	log_error("nobody.hears", LOG_I64("n", 1));
	open_log(LOG_WARN);
	log_debug("a", LOG_I64("n", 1));
	log_info("b", LOG_I64("n", 1));
	log_write(LOG_INFO, "c", (const struct log_field[]){ { .type = LOG_FIELD_END } });
	log_warn("d", LOG_I64("n", 1));
	ck_assert_str_eq(read_pipe(), "");
	log_error("e", LOG_I64("n", 1)); /* goes out at once, with what waited */
	ck_assert_uint_eq(count(read_pipe(), "\n"), 2);
	ck_assert_int_eq(log_level_parse(STR("error"), &level), 0);
	ck_assert_int_eq(level, LOG_ERROR);
	ck_assert_int_eq(log_level_parse(STR("Error"), &level), -EINVAL);
	ck_assert_int_eq(level, LOG_ERROR);
}
END_TEST

START_TEST(redaction)
{
	static const char *const hidden[] = { "authorization", "Authorization", "token",
					      "access_token",  "password",	"new_title",
					      "description",   "email",		"user.email",
					      "cookie",	       "client-secret", "title" };
	static const char *const shown[] = { "task_id", "route", "tokens_left", "subtitle",
					     "status" };

	open_log(LOG_INFO);
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		log_info("x", LOG_CSTR(hidden[i], "canary"));
	log_info("x", LOG_I64("password", 4711));
	log_flush();
	ck_assert_ptr_null(strstr(read_pipe(), "canary"));
	ck_assert_ptr_null(strstr(got, "4711"));
	ck_assert_uint_eq(count(got, "\"[redacted]\""), ARRAY_SIZE(hidden) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		log_info("x", LOG_CSTR(shown[i], "canary"));
	log_flush();
	ck_assert_uint_eq(count(read_pipe(), "canary"), ARRAY_SIZE(shown));
}
END_TEST

START_TEST(errors)
{
	struct err e = { 0 };

	open_log(LOG_INFO);
	err_set(&e, &ERR_INVALID, "body.x", "must be %d", 3);
	log_err(LOG_WARN, "request.refused", &e);
	log_err(LOG_DEBUG, "unseen", &e);
	log_flush();
	ck_assert_ptr_nonnull(strstr(read_pipe(), "\"msg\":\"request.refused\",\"code\":\""));
	ck_assert_ptr_nonnull(strstr(got, "\"field\":\"body.x\",\"text\":\"must be 3\"}\n"));
	ck_assert_uint_eq(count(got, "\n"), 1);
}
END_TEST

/* Each line to Python: valid JSON, valid UTF-8, one object with the right msg, at most 8 KiB. */
static void judge(const char *path, int lines)
{
	char command[512];

	snprintf(
		command, sizeof(command),
		"/usr/bin/python3 -c 'import json,sys\n"
		"lines=open(sys.argv[1],\"rb\").read().split(b\"\\n\")\n"
		"assert lines.pop()==b\"\" and len(lines)==%d, len(lines)\n"
		"for l in lines: assert len(l)<8192 and json.loads(l.decode())[\"msg\"]==\"any.bytes\", l' %s",
		lines, path);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(any_bytes)
{
	enum { LINES = 3000 };
	char path[] = "/tmp/test_log.XXXXXX";
	static char bytes[20000];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	log_init(LOG_INFO, "test", fd);
	srand48(20261121);
	for (int i = 0; i < LINES; i++) {
		size_t n = (size_t)lrand48() % (i % 10 ? 64 : sizeof(bytes));

		for (size_t j = 0; j < n;
		     j++) /* control bytes and high bytes more often than by chance */
			bytes[j] = (char)(lrand48() >> 8 & (i % 3 ? 0xff : 0x9f));
		log_info("any.bytes", LOG_STR("a", ((struct str){ bytes, n })), LOG_I64("i", i),
			 LOG_STR("b", ((struct str){ bytes, n / 2 })));
	}
	log_flush();
	ck_assert_uint_eq(log_dropped(), 0);
	judge(path, LINES);
	close(fd);
	unlink(path);
}
END_TEST

/* Cut between characters, and said so. */
START_TEST(long_lines)
{
	static char text[9001];

	open_log(LOG_INFO);
	for (size_t i = 0; i < 9000; i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	log_info("x", LOG_CSTR("euros", text), LOG_I64("after", 5));
	log_flush();
	ck_assert_ptr_nonnull(strstr(read_pipe(), "\xe2\x82\xac\",\"after\":5,\"cut\":true}\n"));
	ck_assert_ptr_null(strstr(got, "\xef\xbf\xbd"));
	memset(text, 1, 8000); /* six bytes each */
	log_info("x", LOG_CSTR("ones", text), LOG_CSTR("more", text));
	log_flush();
	ck_assert_ptr_nonnull(strstr(read_pipe(), "\\u0001\",\"cut\":true}\n"));
	ck_assert_uint_eq(log_dropped(), 0);
}
END_TEST

/* Nobody reads: nothing blocks (the alarm would kill), lines are lost and counted; then they are
 * told. */
START_TEST(stuck_reader)
{
	enum { LINES = 20000 };
	int64_t told = -1;
	uint64_t dropped;
	char *p;

	open_log(LOG_INFO);
	alarm(20);
	for (int i = 0; i < LINES; i++)
		log_info("stuck", LOG_I64("i", i));
	log_error("stuck", LOG_I64("i", LINES));
	dropped = log_dropped();
	ck_assert_uint_gt(dropped, LINES / 2);
	read_pipe();
	p = got + strlen(got);
	log_flush();
	ck_assert_int_gt(read(pipe_fds[0], p, 1), 0); /* the reader is back, and so are we */
	p += 1;
	for (int i = 0; i < 4; i++) {
		ssize_t n = read(pipe_fds[0], p, 100000);

		if (n > 0)
			p += n;
		log_flush();
	}
	*p = '\0';
	p = strstr(got, "\"msg\":\"log.dropped\",\"lines\":");
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(sscanf(p, "\"msg\":\"log.dropped\",\"lines\":%" SCNd64, &told), 1);
	ck_assert_int_eq(told, (int64_t)dropped);
	ck_assert_uint_eq(count(got, "\"log.dropped\""), 1);
	/* Every line is there or counted, and none is broken. */
	ck_assert_uint_eq(count(got, "\"msg\":\"stuck\"") + dropped, LINES + 1);
	ck_assert_uint_eq(count(got, "}\n{\"ts\":"), count(got, "\n") - 1);
	log_info("after", LOG_I64("i", 1));
	log_flush();
	ck_assert_uint_eq(count(read_pipe(), "\n"), 1);
}
END_TEST

START_TEST(broken_descriptor)
{
	open_log(LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	close(pipe_fds[0]);
	log_info("a", LOG_I64("i", 1));
	log_info("b", LOG_I64("i", 1));
	log_flush();
	ck_assert_uint_eq(log_dropped(), 2);
	open_log(LOG_INFO);
	log_info("c", LOG_I64("i", 1));
	log_flush();
	ck_assert_uint_eq(count(read_pipe(), "\n"), 1);
	ck_assert_uint_eq(log_dropped(), 0);
}
END_TEST

static const char TRACE[] = "0af7651916cd43dd8448eb211c80319c";

static const struct {
	const char *traceparent;
	bool is_taken;
} traceparents[] = {
	{ "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true },
	{ "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", false },
	{ "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false },
	{ "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false },
	{ "00-0af7651916cd43dd8448eb211c80319cxb7ad6b7169203331-01", false },
	{ "00-00000000000000000000000000000000-b7ad6b7169203331-01", false },
	{ "", false },
};

START_TEST(traces)
{
	struct log_context ctx = { "", "before" };

	ck_assert(log_context_set_trace(&ctx, str_from(traceparents[_i].traceparent)) ==
		  traceparents[_i].is_taken);
	ck_assert_str_eq(ctx.trace_id, traceparents[_i].is_taken ? TRACE : "before");
	ck_assert(!log_context_set_trace(&ctx, (struct str){ NULL, 0 }));
}
END_TEST

/* Whatever byte stands in it, an id is taken as a whole or not at all. */
START_TEST(correlation_ids)
{
	struct log_context ctx = { "before", "" };
	char id[200];

	for (int c = 0; c < 256; c++) {
		bool is_fit = c > ' ' && c < 0x7f;
		snprintf(id, sizeof(id), "a_b");
		id[1] = (char)c;
		ck_assert_msg(log_context_set_correlation_id(&ctx, (struct str){ id, 3 }) == is_fit,
			      "%d", c);
		ck_assert_int_eq(strncmp(ctx.correlation_id, is_fit ? id : "before", 4), 0);
		snprintf(ctx.correlation_id, sizeof(ctx.correlation_id), "before");
	}
	memset(id, 'x', sizeof(id));
	ck_assert(!log_context_set_correlation_id(&ctx, (struct str){ NULL, 0 }));
	ck_assert(!log_context_set_correlation_id(&ctx, (struct str){ id, 0 }));
	ck_assert(!log_context_set_correlation_id(&ctx, (struct str){ id, 129 }));
	ck_assert_str_eq(ctx.correlation_id, "before");
	ck_assert(log_context_set_correlation_id(&ctx, (struct str){ id, 128 }));
	ck_assert_uint_eq(strlen(ctx.correlation_id), 128);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, shape);
	tcase_add_test(tc, levels);
	tcase_add_test(tc, redaction);
	tcase_add_test(tc, errors);
	tcase_add_test(tc, any_bytes);
	tcase_add_test(tc, long_lines);
	tcase_add_test(tc, stuck_reader);
	tcase_add_test(tc, broken_descriptor);
	tcase_add_loop_test(tc, traces, 0, (int)ARRAY_SIZE(traceparents));
	tcase_add_test(tc, correlation_ids);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
