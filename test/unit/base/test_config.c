/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: each type and bound by table, the order of sources, every mistake in its exact
 * words, secrets. */
#include "base/config.h"
#include "src/base/config_private.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct config_key app_keys[] = {
	{ .name = "log.level",
	  .type = CONFIG_CHOICE,
	  .default_value = "info",
	  .choices = "debug|info|warn|error",
	  .doc = "lines below this level are left out" },
	{ .name = "http.port",
	  .type = CONFIG_I64,
	  .default_value = "8000",
	  .min = 1,
	  .max = 65535,
	  .doc = "port" },
	{ .name = "http.timeout",
	  .type = CONFIG_DURATION_MS,
	  .default_value = "10s",
	  .min = 250,
	  .max = 3600000,
	  .doc = "deadline of a head" },
	{ .name = "http.body_max",
	  .type = CONFIG_BYTES,
	  .default_value = "64KiB",
	  .min = 1024,
	  .max = 1 << 20,
	  .doc = "largest body" },
	{ .name = NULL },
};
static const struct config_key db_keys[] = {
	{ .name = "database.url",
	  .type = CONFIG_STRING,
	  .flags = CONFIG_SECRET | CONFIG_REQUIRED,
	  .doc = "where" },
	{ .name = "database.prepare",
	  .type = CONFIG_BOOL,
	  .default_value = "on",
	  .doc = "prepared statements" },
	{ .name = "app.title",
	  .type = CONFIG_STRING,
	  .default_value = "todod",
	  .min = 2,
	  .max = 8,
	  .doc = "title" },
	{ .name = "app.free", .type = CONFIG_I64, .doc = "any number or none" },
	{ .name = NULL },
};
static const struct config_key *const tables[] = { app_keys, db_keys };

static struct config *new_config(void)
{
	struct config *c = config_new(tables, ARRAY_SIZE(tables));

	ck_assert_ptr_nonnull(c);
	return c;
}

/* The whole output of one of the printing functions. */
static char *printed(const struct config *c, void (*print)(const struct config *c, struct buf *out))
{
	struct buf out;
	char *text;

	buf_init(&out, 1 << 20);
	print(c, &out);
	ck_assert_int_eq(buf_status(&out), 0);
	text = buf_take(&out, NULL);
	ck_assert_ptr_nonnull(text);
	return text;
}

static void expect_mistakes(const struct config *c, const char *expected)
{
	char *text = printed(c, config_mistakes);

	ck_assert_str_eq(text, expected);
	free(text);
}

START_TEST(defaults)
{
	struct config *c = new_config();

	ck_assert(str_eq(config_str(c, "log.level"), STR("info")));
	ck_assert_int_eq(config_i64(c, "http.port"), 8000);
	ck_assert_int_eq(config_i64(c, "http.timeout"), 10000);
	ck_assert_int_eq(config_i64(c, "http.body_max"), 65536);
	ck_assert(config_bool(c, "database.prepare"));
	ck_assert_str_eq(config_str(c, "database.url").p, "");
	ck_assert_int_eq(config_i64(c, "app.free"), 0);
	expect_mistakes(c, "");
	config_free(c);
	config_free(NULL);
}
END_TEST

START_TEST(values)
{
	static const struct {
		const char *name, *value;
		int mistakes;
		int64_t number;
	} cases[] = {
		{ "http.port", "1", 0, 1 },
		{ "http.port", "65535", 0, 65535 },
		{ "http.port", "0", 1, 8000 },
		{ "http.port", "65536", 1, 8000 },
		{ "http.port", "", 1, 8000 },
		{ "http.port", "80x", 1, 8000 },
		{ "http.port", "+80", 1, 8000 },
		{ "http.port", "9223372036854775808", 1, 8000 },
		{ "http.port", "8 0", 1, 8000 },
		{ "app.free", "-9223372036854775808", 0, INT64_MIN },
		{ "app.free", "", 0, 0 },
		{ "http.timeout", "250ms", 0, 250 },
		{ "http.timeout", "249ms", 1, 10000 },
		{ "http.timeout", "30", 0, 30000 },
		{ "http.timeout", "30s", 0, 30000 },
		{ "http.timeout", "2m", 0, 120000 },
		{ "http.timeout", "1h", 0, 3600000 },
		{ "http.timeout", "1d", 1, 10000 },
		{ "http.timeout", "-1s", 1, 10000 },
		{ "http.timeout", "s", 1, 10000 },
		{ "http.timeout", "1.5s", 1, 10000 },
		{ "http.timeout", "1 s", 1, 10000 },
		{ "http.timeout", "1S", 1, 10000 },
		{ "http.timeout", "9223372036854775807d", 1, 10000 },
		{ "http.body_max", "1024", 0, 1024 },
		{ "http.body_max", "2KiB", 0, 2048 },
		{ "http.body_max", "1MiB", 0, 1 << 20 },
		{ "http.body_max", "1GiB", 1, 65536 },
		{ "http.body_max", "64kb", 1, 65536 },
		{ "http.body_max", "9007199254740993KiB", 1, 65536 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *c = new_config();

		ck_assert_msg(config_set(c, str_from(cases[i].name), str_from(cases[i].value),
					 "test") == cases[i].mistakes,
			      "%s=%s", cases[i].name, cases[i].value);
		ck_assert_msg(config_i64(c, cases[i].name) == cases[i].number, "%s=%s",
			      cases[i].name, cases[i].value);
		config_free(c);
	}
}
END_TEST

START_TEST(words)
{
	static const struct {
		const char *text;
		bool value;
	} good[] = { { "true", true }, { "false", false }, { "on", true }, { "off", false },
		     { "yes", true },  { "no", false },	   { "1", true },  { "0", false } };
	static const struct str bad[] = {
		{ "", 0 }, { "TRUE", 4 }, { "2", 1 }, { "yes ", 4 }, { "o\0", 2 },
	};
	struct config *c = new_config();

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ck_assert_int_eq(
			config_set(c, STR("database.prepare"), str_from(good[i].text), "test"), 0);
		ck_assert_int_eq(config_bool(c, "database.prepare"), good[i].value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(config_set(c, STR("database.prepare"), bad[i], "test"), 1);
	ck_assert_int_eq(config_set(c, STR("log.level"), STR("error"), "test"), 0);
	ck_assert_int_eq(config_set(c, STR("log.level"), STR("info|warn"), "test"), 1);
	ck_assert_int_eq(config_set(c, STR("log.level"), STR(""), "test"), 1);
	ck_assert(str_eq(config_str(c, "log.level"), STR("error")));
	ck_assert_int_eq(config_set(c, STR("app.title"), STR("x"), "test"), 1);
	ck_assert_int_eq(config_set(c, STR("app.title"), STR("123456789"), "test"), 1);
	ck_assert_int_eq(config_set(c, STR("app.title"), STR("a\nb"), "test"), 1);
	ck_assert_int_eq(config_set(c, STR("app.title"), STR("a\xff"), "test"), 1);
	ck_assert_int_eq(config_set(c, STR("app.title"), (struct str){ "a\0b", 3 }, "test"), 1);
	ck_assert_int_eq(config_set(c, STR("app.title"), STR("Zw\xc3\xb6lf"), "test"), 0);
	ck_assert_str_eq(config_str(c, "app.title").p, "Zw\xc3\xb6lf");
	ck_assert_int_eq(config_set(c, STR("app.title"), (struct str){ NULL, 0 }, "test"), 0);
	ck_assert_uint_eq(config_str(c, "app.title").n, 0);
	config_free(c);
}
END_TEST

static void write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* environ's strings are not const, so they are copies. */
static int read_environ(struct config *c, const char (*texts)[64], size_t n,
			const char *const *others)
{
	char *envp[16] = { NULL };
	int mistakes;

	ck_assert_uint_lt(n, ARRAY_SIZE(envp));
	for (size_t i = 0; i < n; i++)
		envp[i] = strdup(texts[i]);
	mistakes = config_read_environ(c, envp, others);
	for (size_t i = 0; i < n; i++)
		free(envp[i]);
	return mistakes;
}

START_TEST(order_of_sources)
{
	char path[] = "/tmp/test_config.XXXXXX", expected[512];
	static const char environ_text[][64] = { "PATH=/bin",
						 "TODOD_HTTP_TIMEOUT=3s",
						 "TODOD_HTTP_BODY_MAX=3KiB",
						 "TODOD_DATABASE_URL=postgres://u:canary@h/d",
						 "TODODX=1",
						 "MY_TODOD_X=1" };
	struct config *c = new_config();
	char *text;

	write_file(path,
		   "# all of it\r\n\n  http.port = 2 \nhttp.timeout=2s\r\nhttp.body_max = 2KiB\n"
		   "app.title = a # b");
	ck_assert_int_eq(config_read_file(c, path), 0);
	ck_assert_int_eq(read_environ(c, environ_text, ARRAY_SIZE(environ_text), NULL), 0);
	ck_assert_int_eq(config_set(c, STR("http.body_max"), STR("4KiB"), CONFIG_COMMAND_LINE), 0);
	ck_assert_int_eq(config_check(c), 0);
	snprintf(
		expected, sizeof(expected),
		"log.level = info  # default\nhttp.port = 2  # %s:3\nhttp.timeout = 3s  # environment\n"
		"http.body_max = 4KiB  # command line\ndatabase.url = [set]  # environment\n"
		"database.prepare = on  # default\napp.title = a # b  # %s:6\napp.free =   # default\n",
		path, path);
	text = printed(c, config_print);
	ck_assert_str_eq(text, expected);
	ck_assert(str_eq(config_str(c, "database.url"), STR("postgres://u:canary@h/d")));
	free(text);
	config_free(c);
	unlink(path);
}
END_TEST

START_TEST(mistakes_of_a_file)
{
	static const char text[] =
		"http.port = eighty\nnonsense\n\nhttp.prt = 80\nhttp.port = 80\n"
		"http.timeout = 2w\ndatabase.url = a\tcanary\nlog.level = verbose\n= 3\n"
		"app.title = waytoolong\nsomething.else.entirely = 1\nhttp.body_max = 2GiB\n"
		"database.prepare = \x1b[31m\xff";
	struct config *c = new_config();

	ck_assert_int_eq(config_read_text(c, "todod.conf", (struct str){ text, sizeof(text) - 1 }),
			 12);
	expect_mistakes(
		c,
		"todod.conf:1: http.port: \"eighty\" is not a whole number; allowed: a whole number from 1 to 65535\n"
		"todod.conf:2: nonsense: expected: name = value\n"
		"todod.conf:4: http.prt: no such key; did you mean http.port?\n"
		"todod.conf:5: http.port: set more than once in this file\n"
		"todod.conf:6: http.timeout: \"2w\" is not a duration; allowed: a duration in ms, s, m, h or d (30s; "
		"without a unit: seconds) from 250ms to 1h\n"
		"todod.conf:7: database.url: the value (not shown) holds control characters or bytes that are not "
		"UTF-8; allowed: text\n"
		"todod.conf:8: log.level: \"verbose\" is not one of the choices; allowed: one of debug, info, warn, "
		"error\n"
		"todod.conf:9: : no such key\n"
		"todod.conf:10: app.title: \"waytoolong\" has a length out of bounds; allowed: text of 2 to 8 bytes\n"
		"todod.conf:11: something.else.entirely: no such key\n"
		"todod.conf:12: http.body_max: \"2GiB\" is out of bounds; allowed: a size in bytes, KiB, MiB or GiB "
		"(64KiB) from 1KiB to 1MiB\n"
		"todod.conf:13: database.prepare: \"?[31m?\" holds control characters or bytes that are not UTF-8; "
		"allowed: true, false, on, off, yes, no, 1 or 0\n");
	ck_assert_int_eq(config_i64(c, "http.port"), 8000);
	config_free(c);
}
END_TEST

START_TEST(mistakes_elsewhere)
{
	static const char environ_text[][64] = { "TODOD_HTTP_PROT=1", "TODOD_http_port=1",
						 "TODOD_HTTP_PORT=x", "TODOD_", "TODOD_X" };
	struct config *c = new_config();

	ck_assert_int_eq(read_environ(c, environ_text, ARRAY_SIZE(environ_text), NULL), 5);
	ck_assert_int_eq(config_set(c, STR("log.levle"), STR("info"), CONFIG_COMMAND_LINE), 1);
	ck_assert_int_eq(config_set(c, STR("http.port"), STR("y"), CONFIG_COMMAND_LINE), 1);
	ck_assert_int_eq(config_set(c, STR("database.url"), STR("canary"), CONFIG_COMMAND_LINE), 1);
	ck_assert_int_eq(config_read_file(c, "/nonexistent/todod.conf"), 1);
	ck_assert_int_eq(config_read_file(c, "/proc/self"), 1);
	ck_assert_int_eq(config_check(c), 11);
	expect_mistakes(
		c,
		"environment: TODOD_HTTP_PROT: no such key; did you mean TODOD_HTTP_PORT?\n"
		"environment: TODOD_http_port: no such key; did you mean TODOD_HTTP_PORT?\n"
		"environment: TODOD_HTTP_PORT: \"x\" is not a whole number; allowed: a whole number from 1 to 65535\n"
		"environment: TODOD_: no such key\n"
		"environment: TODOD_X: no such key\n"
		"command line: --log.levle: no such key; did you mean --log.level?\n"
		"command line: --http.port: \"y\" is not a whole number; allowed: a whole number from 1 to 65535\n"
		"command line: database.url: is a secret, which other users could read here; use the environment or "
		"the file\n"
		"/nonexistent/todod.conf: the file cannot be read: No such file or directory\n"
		"/proc/self: the file cannot be read: Is a directory\n"
		"configuration: database.url: required but empty; set TODOD_DATABASE_URL; allowed: text\n");
	config_free(c);
}
END_TEST

/* Variables of others pass by their whole names only. */
START_TEST(variables_of_others)
{
	static const char environ_text[][64] = { "TODOD_URL=http://x", "TODOD_URLS=x",
						 "TODOD_UR=x" };
	static const char *const others[] = { "TODOD_URL", NULL };
	struct config *c = new_config();

	ck_assert_int_eq(read_environ(c, environ_text, ARRAY_SIZE(environ_text), others), 2);
	ck_assert(config_has(c, STR("http.port")) && !config_has(c, STR("http.por")));
	config_free(c);
}
END_TEST

/* A thousand mistakes are counted, a hundred told. */
/* What several roles share: one of them knows a part of the keys. */
START_TEST(taken_from_another)
{
	static const struct config_key *const app_only[] = { app_keys };
	struct config *from = new_config(), *c = config_new(app_only, 1);
	char *text;

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(config_set(c, STR("http.port"), STR("1"), "mine:1"), 0);
	ck_assert_int_eq(config_set(c, STR("log.level"), STR("warn"), "mine:2"), 0);
	ck_assert_ptr_null(config_place(from, "http.port"));
	ck_assert_int_eq(config_set(from, STR("http.port"), STR("2"), "theirs:1"), 0);
	ck_assert_int_eq(config_set(from, STR("http.timeout"), STR("3s"), "theirs:2"), 0);
	ck_assert_int_eq(config_set(from, STR("database.url"), STR("x"), "theirs:3"), 0);
	config_take(c, from);
	config_free(from);

	ck_assert_int_eq(config_i64(c, "http.port"), 2);
	ck_assert_str_eq(config_place(c, "http.port"), "theirs:1");
	ck_assert_int_eq(config_i64(c, "http.timeout"), 3000);
	ck_assert_str_eq(config_place(c, "log.level"), "mine:2");
	ck_assert(str_eq(config_str(c, "log.level"), STR("warn")));
	ck_assert_ptr_null(config_place(c, "http.body_max"));
	ck_assert(!config_has(c, STR("database.url")));
	expect_mistakes(c, "");
	text = printed(c, config_print);
	ck_assert_ptr_nonnull(strstr(text, "http.port = 2  # theirs:1\n"));
	free(text);
	config_free(c);
}
END_TEST

START_TEST(mistakes_are_bounded)
{
	struct config *c = new_config();
	char *text = malloc(2001), *told;
	size_t lines = 0;

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < 1000; i++)
		memcpy(text + 2 * i, "x\n", 3);
	ck_assert_int_eq(config_read_text(c, "f", str_from(text)), 1000);
	told = printed(c, config_mistakes);
	for (const char *p = told; (p = strchr(p, '\n')); p++)
		lines++;
	ck_assert_uint_eq(lines, 101);
	ck_assert_ptr_nonnull(strstr(told, "and 900 more mistakes\n"));
	free(told);
	free(text);
	config_free(c);
}
END_TEST

START_TEST(large_file)
{
	char path[] = "/tmp/test_config.XXXXXX";
	char *text = malloc(65538);
	struct config *c = new_config();

	ck_assert_ptr_nonnull(text);
	memset(text, '#', 65537);
	text[65537] = '\0';
	write_file(path, text);
	ck_assert_int_eq(config_read_file(c, path), 1);
	ck_assert_int_eq(truncate(path, 65536), 0);
	ck_assert_int_eq(config_read_file(c, path), 0);
	free(text);
	config_free(c);
	unlink(path);
}
END_TEST

START_TEST(help)
{
	struct config *c = new_config();
	char *text;

	ck_assert_int_eq(config_set(c, STR("http.port"), STR("81"), "test"), 0);
	text = printed(c, config_help);
	ck_assert_ptr_nonnull(strstr(
		text, "  --http.port\n      port\n      a whole number from 1 to 65535; default "
		      "8000\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "  TODOD_DATABASE_URL\n      where\n      text; required; secret: "));
	free(text);
	config_free(c);
}
END_TEST

static const struct config_key bad_default[] = {
	{ .name = "a", .type = CONFIG_I64, .default_value = "x" },
	{ 0 }
};
static const struct config_key same_variable[] = { { .name = "a.b" }, { .name = "a_b" }, { 0 } };
static const struct config_key *const bad_tables[][1] = { { bad_default }, { same_variable } };

/* Tables that cannot work stop the process in the developer's hands. */
START_TEST(bad_table)
{
	config_free(config_new(bad_tables[_i], 1));
}
END_TEST

START_TEST(unknown_reader)
{
	config_i64(new_config(), _i ? "http.prt" : "log.level");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tc = tcase_create("config");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, values);
	tcase_add_test(tc, words);
	tcase_add_test(tc, order_of_sources);
	tcase_add_test(tc, mistakes_of_a_file);
	tcase_add_test(tc, mistakes_elsewhere);
	tcase_add_test(tc, variables_of_others);
	tcase_add_test(tc, mistakes_are_bounded);
	tcase_add_test(tc, taken_from_another);
	tcase_add_test(tc, large_file);
	tcase_add_test(tc, help);
	tcase_add_loop_test_raise_signal(tc, bad_table, SIGABRT, 0, 2);
	tcase_add_loop_test_raise_signal(tc, unknown_reader, SIGABRT, 0, 2);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
