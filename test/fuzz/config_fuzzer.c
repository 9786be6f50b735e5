/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration file of any bytes: values stay within their bounds, mistakes are counted as they
 * are told, nothing that is told holds control bytes, and the secret appears nowhere.
 */
#include "base/config.h"
#include "src/base/config_private.h"

#include <stdlib.h>

static const struct config_key keys[] = {
	{ .name = "a.text",
	  .type = CONFIG_STRING,
	  .default_value = "abc",
	  .min = 2,
	  .max = 9,
	  .doc = "text" },
	{ .name = "a.number",
	  .type = CONFIG_I64,
	  .default_value = "5",
	  .min = -9,
	  .max = 99,
	  .doc = "number" },
	{ .name = "a.switch", .type = CONFIG_BOOL, .default_value = "no", .doc = "switch" },
	{ .name = "a.time",
	  .type = CONFIG_DURATION_MS,
	  .default_value = "5s",
	  .min = 1,
	  .max = 86400000,
	  .doc = "time" },
	{ .name = "a.size",
	  .type = CONFIG_BYTES,
	  .default_value = "1KiB",
	  .min = 1,
	  .max = 1 << 30,
	  .doc = "size" },
	{ .name = "a.choice",
	  .type = CONFIG_CHOICE,
	  .default_value = "x",
	  .choices = "x|yy|zzz",
	  .doc = "choice" },
	{ .name = "b.free", .type = CONFIG_I64, .doc = "unbounded" },
	{ .name = "b.secret", .type = CONFIG_STRING, .flags = CONFIG_SECRET, .doc = "secret" },
	{ .name = NULL },
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool is_between(int64_t v, int64_t min, int64_t max)
{
	return v >= min && v <= max;
}

static void check_values(const struct config *c)
{
	struct str text = config_str(c, "a.text"), choice = config_str(c, "a.choice");

	require(text.n == 0 || is_between((int64_t)text.n, 2, 9));
	require(utf8_valid(text) && strlen(text.p) == text.n);
	require(is_between(config_i64(c, "a.number"), -9, 99));
	require(is_between(config_i64(c, "a.time"), 1, 86400000));
	require(is_between(config_i64(c, "a.size"), 1, 1 << 30));
	require(str_eq(choice, STR("x")) || str_eq(choice, STR("yy")) ||
		str_eq(choice, STR("zzz")));
}

static size_t count_lines(struct str text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\n')
			n++;
		else
			require((unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config_key *const tables[] = { keys };
	struct config *c = config_new(tables, 1);
	struct buf out;
	struct str secret;
	int mistakes;

	require(c != NULL);
	mistakes = config_read_text(c, "f", (struct str){ (const char *)data, size });
	check_values(c);
	buf_init(&out, 1 << 20);
	config_mistakes(c, &out);
	require(count_lines(buf_str(&out)) == (mistakes > 100 ? 101 : (size_t)mistakes));
	buf_clear(&out);
	config_print(c, &out);
	require(buf_status(&out) == 0 && count_lines(buf_str(&out)) == 8);
	secret = config_str(c, "b.secret");
	if (secret.n >= 40) /* too long to be there by chance */
		require(!memmem(out.p, out.n, secret.p, secret.n));
	require(config_check(c) == mistakes);
	buf_done(&out);
	config_free(c);
	return 0;
}
