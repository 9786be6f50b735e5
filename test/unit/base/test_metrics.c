/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: the exposition read back by a small parser of its own, values, bounds, collectors. */
#include "base/metrics.h"
#include "base/str.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct metric_family requests = { "http_requests_total", METRIC_COUNTER,
					       "Requests \\ by\nroute." };
static const struct metric_family memory = { "memory_bytes", METRIC_GAUGE, "Memory." };
static const struct metric_family seconds = { "http_seconds", METRIC_HISTOGRAM, "Time." };

enum { SAMPLES_MAX = 6000 };

struct sample {
	char name[64], labels[128];
	double value;
};

static struct sample samples[SAMPLES_MAX];
static size_t n_samples;

/* name or name{...}, a space, a number; labels must be name="value" with only \\, \" and \n
 * escaped. */
static void parse_sample(const char *line)
{
	struct sample *s = &samples[n_samples++];
	size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:");
	const char *p = line + n, *start;
	char *end;

	ck_assert_msg(n > 0 && n < sizeof(s->name) && !(line[0] >= '0' && line[0] <= '9'), "%s",
		      line);
	memcpy(s->name, line, n);
	s->name[n] = '\0';
	start = ++p; /* past '{' or ' ' */
	s->labels[0] = '\0';
	if (p[-1] == '{') {
		do {
			p += strspn(
				p,
				"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
			ck_assert_msg(p[0] == '=' && p[1] == '"', "%s", line);
			for (p += 2; *p != '"'; p++)
				ck_assert_msg(*p && (*p != '\\' || strchr("\\\"n", *++p)), "%s",
					      line);
			p++;
		} while (*p++ == ',');
		ck_assert_msg(p[-1] == '}' && *p == ' ', "%s", line);
		ck_assert_uint_lt((size_t)(p - 1 - start), sizeof(s->labels));
		memcpy(s->labels, start, (size_t)(p - 1 - start));
		s->labels[p - 1 - start] = '\0';
		p++;
	}
	s->value = strtod(p, &end);
	ck_assert_msg(end != p && *end == '\0', "%s", line);
}

/* A family is HELP, TYPE, and then its samples, all together; no family comes twice. */
static void parse(char *text)
{
	char family[64] = "", seen[1024] = " ", word[80];
	char *rest = text, *line;

	n_samples = 0;
	ck_assert(text[0] == '\0' || text[strlen(text) - 1] == '\n');
	while ((line = strtok_r(rest, "\n", &rest))) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			ck_assert_int_eq(sscanf(line, "# HELP %63s", family), 1);
			snprintf(word, sizeof(word), " %s ", family);
			ck_assert_msg(!strstr(seen, word), "%s came before", family);
			ck_assert_uint_lt(strlen(seen) + strlen(word), sizeof(seen));
			memcpy(seen + strlen(seen), word, strlen(word) + 1);
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			ck_assert_msg(strncmp(line + 7, family, strlen(family)) == 0, "%s", line);
		} else {
			parse_sample(line);
			ck_assert_msg(strncmp(line, family, strlen(family)) == 0 && family[0], "%s",
				      line);
		}
	}
}

static char *render(void)
{
	struct buf out;
	char *text;

	buf_init(&out, 4 << 20);
	metrics_render(&out);
	text = buf_take(&out, NULL);
	ck_assert_ptr_nonnull(text);
	return text;
}

static double sample_of(const char *name, const char *labels)
{
	for (size_t i = 0; i < n_samples; i++)
		if (strcmp(samples[i].name, name) == 0 && strcmp(samples[i].labels, labels) == 0)
			return samples[i].value;
	ck_abort_msg("no %s{%s}", name, labels);
	return 0;
}

static void expect_sample(const char *name, const char *labels, double value)
{
	double got = sample_of(name, labels);

	ck_assert_msg(memcmp(&got, &value, sizeof(got)) == 0, "%s{%s} is %.17g", name, labels, got);
}

START_TEST(exact_text)
{
	char *text;

	metric_add(metric_get(&requests, "route=\"/a\",method=\"GET\""), 3);
	metric_set(metric_get(&memory, ""), 0.1);
	metric_add(metric_get(&requests, ""), UINT64_MAX);
	text = render();
	ck_assert_str_eq(
		text, "# HELP http_requests_total Requests \\\\ by\\nroute.\n"
		      "# TYPE http_requests_total counter\n"
		      "http_requests_total{route=\"/a\",method=\"GET\"} 3\n"
		      "http_requests_total 18446744073709551615\n"
		      "# HELP memory_bytes Memory.\n# TYPE memory_bytes gauge\nmemory_bytes 0.1\n");
	free(text);
	metrics_done();
	text = render();
	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

START_TEST(histograms)
{
	static const struct {
		const char *le;
		double count;
	} expected[] = {
		{ "0.001", 4 }, { "0.0025", 5 }, { "0.005", 5 }, { "0.01", 5 }, { "0.025", 5 },
		{ "0.05", 5 },	{ "0.1", 5 },	 { "0.25", 5 },	 { "0.5", 6 },	{ "1", 6 },
		{ "2.5", 6 },	{ "5", 6 },	 { "10", 7 },	 { "+Inf", 9 },
	};
	static const double seen[] = { 0,   -1, (double)NAN, 0.001,	      0.0011,
				       0.5, 10, 10.001,	     (double)INFINITY };
	struct metric *m = metric_get(&seconds, "route=\"/a\"");
	char labels[64], *text;

	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		metric_observe(m, seen[i]);
	metric_observe(metric_get(&seconds, ""), 0.25);
	text = render();
	parse(text);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		snprintf(labels, sizeof(labels), "route=\"/a\",le=\"%s\"", expected[i].le);
		expect_sample("http_seconds_bucket", labels, expected[i].count);
	}
	expect_sample("http_seconds_count", "route=\"/a\"", 9);
	expect_sample("http_seconds_sum", "route=\"/a\"", (double)INFINITY);
	expect_sample("http_seconds_bucket", "le=\"0.1\"", 0);
	expect_sample("http_seconds_bucket", "le=\"0.25\"", 1);
	expect_sample("http_seconds_sum", "", 0.25);
	ck_assert_uint_eq(n_samples, 2 * (ARRAY_SIZE(expected) + 2));
	ck_assert(metric_value(m) > 8.5 && metric_value(m) < 9.5);
	free(text);
	metrics_done();
}
END_TEST

/* Any double comes back as itself. */
START_TEST(numbers)
{
	static const double values[] = { 0,
					 1,
					 -1,
					 42,
					 0.1,
					 1.0 / 3,
					 1e15,
					 1e16,
					 123456789012345680.0,
					 5e-324,
					 1.7e308,
					 (double)INFINITY,
					 -(double)INFINITY };
	struct metric *m = metric_get(&memory, "x=\"\\\\ \\\" \\n\"");
	char *text;

	srand48(1);
	for (size_t i = 0; i < 2000; i++) {
		double v = i < ARRAY_SIZE(values)
				   ? values[i]
				   : ldexp(drand48() - 0.5, (int)(lrand48() % 600) - 300);

		metric_set(m, v);
		text = render();
		parse(text);
		expect_sample("memory_bytes", "x=\"\\\\ \\\" \\n\"", v);
		free(text);
	}
	metric_set(m, (double)NAN);
	text = render();
	ck_assert_ptr_nonnull(strstr(text, "} NaN\n"));
	free(text);
	metrics_done();
}
END_TEST

START_TEST(same_series)
{
	static const struct metric_family same_name = { "http_requests_total", METRIC_COUNTER,
							"Elsewhere." };
	struct metric *m = metric_get(&requests, "a=\"1\"");

	ck_assert_ptr_eq(m, metric_get(&requests, "a=\"1\""));
	ck_assert_ptr_eq(m, metric_get(&same_name, "a=\"1\""));
	ck_assert_ptr_ne(m, metric_get(&requests, "a=\"2\""));
	ck_assert_ptr_ne(m, metric_get(&memory, "a=\"1\""));
	metrics_done();
}
END_TEST

/* 4096 series; past that everything goes to one that is not shown, and works for each type. */
START_TEST(too_many)
{
	struct metric *spare, *first = metric_get(&seconds, "");
	char labels[32], *text;

	for (int i = 1; i < 4096; i++) {
		snprintf(labels, sizeof(labels), "i=\"%d\"", i);
		metric_add(metric_get(&requests, labels), 1);
	}
	spare = metric_get(&requests, "i=\"spare\"");
	ck_assert_ptr_eq(spare, metric_get(&memory, ""));
	ck_assert_ptr_eq(first, metric_get(&seconds, ""));
	metric_add(spare, 1);
	metric_set(spare, 1);
	metric_observe(spare, 1);
	text = render();
	parse(text);
	ck_assert_uint_eq(n_samples, 4095 + 16);
	ck_assert_ptr_null(strstr(text, "spare"));
	free(text);
	metrics_done();
}
END_TEST

static void set_memory(void *arg)
{
	metric_set(metric_get(&memory, ""), ++*(double *)arg);
}

START_TEST(collectors)
{
	double a = 10, others[63] = { 0 };
	char *text;

	ck_assert_int_eq(metric_on_collect(set_memory, &a), 0);
	for (size_t i = 0; i < 63; i++)
		ck_assert_int_eq(metric_on_collect(set_memory, &others[i]), 0);
	ck_assert_int_eq(metric_on_collect(set_memory, &a), -ENOSPC);
	for (size_t i = 0; i < 63; i++)
		metric_off_collect(set_memory, &others[i]);
	metric_off_collect(set_memory, &others[0]); /* gone already: nothing happens */
	text = render();
	ck_assert_ptr_nonnull(strstr(text, "memory_bytes 11\n"));
	free(text);
	metric_off_collect(set_memory, &a);
	text = render();
	ck_assert_ptr_nonnull(strstr(text, "memory_bytes 11\n"));
	free(text);
	metrics_done();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tc = tcase_create("metrics");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, exact_text);
	tcase_add_test(tc, histograms);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, same_series);
	tcase_add_test(tc, too_many);
	tcase_add_test(tc, collectors);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
