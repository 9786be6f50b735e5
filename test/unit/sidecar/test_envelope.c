/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure parts of the embedded sidecar's broker: cutting JSON, envelopes, partitions, what an
 * answer means, the lists of the configuration.
 */
#include "roles/sidecar/delivery_private.h"
#include "roles/sidecar/settings_private.h"
#include "roles/sidecar/slice_private.h"
#include "roles/sidecar/wrap_private.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new(4 * 1024 * 1024);
	ck_assert_ptr_nonnull(arena);
}

static void tear_down(void)
{
	arena_free(arena);
}

static void assert_str(struct str s, const char *expected)
{
	ck_assert_msg(str_eq(s, str_from(expected)), "\"%.*s\", not \"%s\"", STR_ARGS(s), expected);
}

START_TEST(cuts_json)
{
	struct str json = STR(
		" { \"a\" : [1, {\"b\":\"]}\\\",\"}] ,\"c\\\"\":null,\"d\":\"x,y\" , \"e\":-1.5e3} ");
	struct str key, value;
	struct slice s;

	slice_open(&s, json);
	ck_assert(slice_next(&s, &key, &value));
	assert_str(key, "a");
	assert_str(value, "[1, {\"b\":\"]}\\\",\"}]");
	ck_assert(slice_next(&s, &key, &value));
	assert_str(key, "c\\\"");
	assert_str(value, "null");
	ck_assert(slice_next(&s, &key, &value) && slice_next(&s, &key, &value));
	assert_str(value, "-1.5e3");
	ck_assert(!slice_next(&s, &key, &value));
	assert_str(slice_get(json, STR("d")), "\"x,y\"");
	ck_assert_ptr_null(slice_get(json, STR("b")).p);
	slice_open(&s, STR("[]"));
	ck_assert(!slice_next(&s, &key, &value));
	slice_open(&s, STR("[1,\"2\"]"));
	ck_assert(slice_next(&s, &key, &value) && key.p == NULL);
	ck_assert(slice_next(&s, &key, &value));
	assert_str(value, "\"2\"");
}
END_TEST

/* Whatever it is given, it ends and stays inside. */
START_TEST(cuts_garbage)
{
	static const char *const TEXTS[] = { "",       "{",	  "[",		 "{\"", "{\"a",
					     "{\"a\"", "{\"a\":", "{\"a\":\"\\", "[,,", "[[[",
					     "x",      "{]",	  "[}" };
	struct str key, value;
	struct slice s;

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		unsigned n = 0;
		slice_open(&s, str_from(TEXTS[i]));
		while (slice_next(&s, &key, &value))
			ck_assert_uint_lt(n++, 10);
	}
}
END_TEST

START_TEST(checks_values)
{
	static const char *const GOOD[] = { "1",  "\"x\"",	"null",	  " [1, 2] ",
					    "{}", "{\"a\":{}}", "-0.5e-3" };
	static const char *const BAD[] = { "",
					   "1,2",
					   "1}",
					   "1,\"x\":2",
					   "[1]]",
					   "{",
					   "nul",
					   "{\"a\":1,\"a\":2}",
					   "\"\\ud800\"",
					   "\xff",
					   "[1],\"x\":[2" };
	struct str text;

	for (size_t i = 0; i < ARRAY_SIZE(GOOD); i++)
		ck_assert_msg(slice_check(arena, str_from(GOOD[i]), NULL) == 0, "%s", GOOD[i]);
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++)
		ck_assert_msg(slice_check(arena, str_from(BAD[i]), NULL) == -EINVAL, "%s", BAD[i]);
	ck_assert_int_eq(slice_text(arena, STR("\"a\\u00fc\\n\""), &text), 0);
	assert_str(text, "a\xc3\xbc\n");
	ck_assert_int_eq(slice_text(arena, STR("1"), &text), -EINVAL);
}
END_TEST

static struct str wrap(const struct wrap *w, struct str body, int expected)
{
	struct buf *out = arena_buf(arena, 65536);
	struct err err = { 0 };

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(wrap_body(arena, w, body, out, &err), expected);
	if (expected == 0)
		ck_assert_int_eq(slice_check(arena, buf_str(out), NULL), 0);
	return buf_str(out);
}

START_TEST(completes_events)
{
	struct wrap w = { .topic = STR("t"),
			  .pubsub = STR("p"),
			  .source = STR("app"),
			  .content_type = STR("Application/CloudEvents+JSON; charset=utf-8"),
			  .traceparent = STR("00-a-b-01") };
	struct str e = wrap(
		&w,
		STR("{\"id\":\"1\",\"topic\":\"old\",\"data\":{\"n\":1.50},\"traceid\":\"x\",\"ext\":\"\\u00e4\"}"),
		0);

	assert_str(slice_get(e, STR("topic")), "\"t\"");
	assert_str(slice_get(e, STR("pubsubname")), "\"p\"");
	assert_str(slice_get(e, STR("source")), "\"app\"");
	assert_str(slice_get(e, STR("data")), "{\"n\":1.50}");
	assert_str(slice_get(e, STR("ext")), "\"\\u00e4\"");
	assert_str(slice_get(e, STR("traceid")), "\"x\"");
	ck_assert_ptr_null(slice_get(e, STR("traceparent")).p);
	/* Whose traceid is missing loses its traceparent too, however it is spelled. */
	e = wrap(&w, STR("{\"trace\\u0070arent\":\"mine\"}"), 0);
	assert_str(slice_get(e, STR("traceparent")), "\"00-a-b-01\"");
	ck_assert_ptr_null(memmem(e.p, e.n, "mine", 4));
	w.traceparent = (struct str){ NULL, 0 };
	e = wrap(&w, STR("{\"traceparent\":\"mine\"}"), 0);
	assert_str(slice_get(e, STR("traceid")), "\"\"");
	assert_str(slice_get(e, STR("traceparent")), "\"\"");
	w.traceparent = STR("00-a-b-01");
	e = wrap(&w, STR("{}"), 0);
	assert_str(slice_get(e, STR("traceparent")), "\"00-a-b-01\"");
	assert_str(slice_get(e, STR("specversion")), "\"1.0\"");
	ck_assert_ptr_null(slice_get(e, STR("id")).p); /* only its publisher knows which it is */
	wrap(&w, STR("[]"), -EINVAL);
	wrap(&w, STR("{\"id\":"), -EINVAL);
}
END_TEST

START_TEST(wraps_bodies)
{
	struct wrap w = { .topic = STR("t"),
			  .pubsub = STR("p"),
			  .source = STR("app"),
			  .content_type = STR("application/json") };

	assert_str(slice_get(wrap(&w, STR(" [1] "), 0), STR("data")), "[1]");
	assert_str(slice_get(wrap(&w, STR("not json"), 0), STR("data")), "\"not json\"");
	w.content_type = STR("application/octet-stream");
	assert_str(slice_get(wrap(&w, STR("\x01\xff"), 0), STR("data_base64")), "\"Af8=\"");
	w.content_type = (struct str){ NULL, 0 };
	assert_str(slice_get(wrap(&w, STR(""), 0), STR("data")), "\"\"");
	assert_str(slice_get(wrap(&w, STR("x"), 0), STR("datacontenttype")), "\"text/plain\"");
	struct str raw = wrap_raw(arena, STR("\x01\xff"), STR("t"), STR("p"));
	assert_str(slice_get(raw, STR("data_base64")), "\"Af8=\"");
	ck_assert_int_eq(slice_check(arena, raw, NULL), 0);
}
END_TEST

START_TEST(base64)
{
	static const char *const BAD[] = { "A", "AA", "AAA", "A===", "!!!!", "=AAA" };
	struct str bytes;

	ck_assert_int_eq(wrap_base64_decode(arena, STR("Af8="), &bytes), 0);
	ck_assert_uint_eq(bytes.n, 2);
	ck_assert_int_eq(wrap_base64_decode(arena, STR(""), &bytes), 0);
	ck_assert_uint_eq(bytes.n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++)
		ck_assert_msg(wrap_base64_decode(arena, str_from(BAD[i]), &bytes) == -EINVAL, "%s",
			      BAD[i]);
}
END_TEST

START_TEST(answers_mean)
{
	static const struct {
		int status;
		const char *body;
		enum verdict verdict;
	} ANSWERS[] = {
		{ 200, "", VERDICT_DONE },
		{ 204, "", VERDICT_DONE },
		{ 200, "not json", VERDICT_DONE },
		{ 200, "{}", VERDICT_DONE },
		{ 200, "{\"status\":\"\"}", VERDICT_DONE },
		{ 200, "{\"status\":\"SUCCESS\"}", VERDICT_DONE },
		{ 200, "{\"status\":1}", VERDICT_DONE },
		{ 200, "{\"status\":\"RETRY\"}", VERDICT_RETRY },
		{ 201, "{\"status\":\"what\"}", VERDICT_RETRY },
		{ 200, "{\"status\":\"DROP\"}", VERDICT_DROP },
		{ 404, "", VERDICT_DROP },
		{ 429, "", VERDICT_RETRY },
		{ 500, "", VERDICT_RETRY },
		{ 503, "{\"status\":\"SUCCESS\"}", VERDICT_RETRY },
		{ 599, "", VERDICT_RETRY },
		{ 302, "", VERDICT_POISON },
		{ 400, "", VERDICT_POISON },
		{ 401, "", VERDICT_POISON },
		{ 422, "", VERDICT_POISON },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ANSWERS); i++)
		ck_assert_msg(verdict_of(arena, ANSWERS[i].status, str_from(ANSWERS[i].body)) ==
				      ANSWERS[i].verdict,
			      "%d %s", ANSWERS[i].status, ANSWERS[i].body);
	assert_str(delivery_escape(arena, STR("a b/\xc3\xbc-_.~")), "a+b%2F%C3%BC-_.~");
}
END_TEST

START_TEST(partitions)
{
	/* Stored records depend on it: it never changes. */
	ck_assert_uint_eq(topic_partition_of(STR("alice"), 12),
			  topic_partition_of(STR("alice"), 12));
	ck_assert_uint_eq(topic_partition_of(STR("alice"), 1), 0);
	for (unsigned members = 1; members <= 15; members++) {
		unsigned share[15] = { 0 }, last = 0;
		for (unsigned part = 0; part < 12; part++) {
			unsigned m = partition_member(part, 12, members);
			ck_assert_uint_lt(m, members);
			ck_assert_uint_ge(m, last);
			last = m;
			share[m]++;
		}
		for (unsigned m = 0; m < members; m++)
			ck_assert(share[m] >= 12 / members &&
				  share[m] <= (12 + members - 1) / members);
	}
}
END_TEST

static int parse_apps(struct settings *s, const char *text)
{
	struct err err = { 0 };

	memset(s, 0, sizeof(*s));
	s->arena = arena;
	return settings_parse_apps(s, str_from(text), &err);
}

START_TEST(reads_apps)
{
	static const char *const BAD[] = { "",
					   ",",
					   "a",
					   "a=",
					   "a=1",
					   "a=1:2",
					   "a=x:127.0.0.1:1",
					   "a=1:127.0.0.1:0",
					   "a=1:127.0.0.1:65536",
					   "a=65536:h:1",
					   "=1:h:1",
					   "a b=1:h:1",
					   ".a=1:h:1",
					   "a=-1:h:1" };
	struct settings *s = calloc(1, sizeof(*s));

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(
		parse_apps(
			s,
			" chat-api=3500:127.0.0.1:8200, a=0:[::1]:8204,chat-api=3501:127.0.0.1:8201 "),
		0);
	ck_assert_uint_eq(s->n_apps, 2);
	ck_assert_uint_eq(s->n_instances, 3);
	assert_str(s->instances[1].address, "[::1]:8204");
	ck_assert(s->instances[2].app == 0 && s->instances[2].number == 1 &&
		  s->instances[2].api_port == 3501);
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++)
		ck_assert_msg(parse_apps(s, BAD[i]) == -EINVAL, "%s", BAD[i]);
	free(s);
}
END_TEST

static struct config *config;

static struct settings *read_settings(const char *tokens, const char *secrets, struct err *err)
{
	const struct config_key *const tables[] = { SIDECAR_OPTIONS };
	struct config *c = config_new(tables, 1);

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(config_set(c, STR("sidecar.apps"), STR("a=1:h:1, z=2:h:1"), "test"), 0);
	ck_assert_int_eq(config_set(c, STR("sidecar.tokens"), str_from(tokens), "test"), 0);
	ck_assert_int_eq(config_set(c, STR("sidecar.secrets"), str_from(secrets), "test"), 0);
	config = c; /* what is read views into it */
	return settings_new(c, err);
}

/* Tokens and secrets that come with the configuration and not in files. */
START_TEST(reads_tokens_and_secrets)
{
	static const char *const BAD_TOKENS[] = { "a/api=", "a/api=x y", "b/api=x", "a/other=x",
						  "a/api" };
	struct err err = { 0 };
	struct settings *s =
		read_settings("a/api=A=1; z/app=Z2 ;a/app=A2", "{\"n\":{\"k\":\"v\"}}", &err);

	ck_assert_ptr_nonnull(s);
	assert_str(s->apps[0].api_token, "A=1");
	ck_assert_str_eq(s->apps[0].app_header, "dapr-api-token: A2");
	ck_assert_uint_eq(s->apps[1].api_token.n, 0);
	ck_assert_str_eq(s->apps[1].app_header, "dapr-api-token: Z2");
	assert_str(s->secrets, "{\"n\":{\"k\":\"v\"}}");
	settings_free(s);
	config_free(config);
	for (size_t i = 0; i < ARRAY_SIZE(BAD_TOKENS); i++) {
		ck_assert_msg(read_settings(BAD_TOKENS[i], "", &err) == NULL, "%s", BAD_TOKENS[i]);
		config_free(config);
	}
	ck_assert_ptr_null(read_settings("", "{", &err));
	config_free(config);
}
END_TEST

START_TEST(reads_rules)
{
	static const char *const BAD[] = { "a", "a/=x", "b/c=x", "a/c", "/c=x", "a=x" };
	struct settings *s = calloc(1, sizeof(*s));
	struct err err = { 0 };

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(parse_apps(s, "a=1:h:1, z=2:h:1"), 0);
	ck_assert_int_eq(settings_parse_rules(s, "k", STR("a/publish=x y; ;a/publish=z"), s->scopes,
					      &s->n_scopes, &err),
			 0);
	ck_assert(settings_allow(s, 0, STR("publish"), STR("y")) &&
		  settings_allow(s, 0, STR("publish"), STR("z")));
	ck_assert(!settings_allow(s, 0, STR("publish"), STR("other")));
	ck_assert_int_eq(
		settings_parse_rules(s, "k", STR("z/invoke="), s->scopes, &s->n_scopes, &err), 0);
	ck_assert(!settings_allow(s, 1, STR("invoke"), STR("a")));
	ck_assert(settings_allow(s, 0, STR("subscribe"), STR("other")) &&
		  settings_allow(s, 1, STR("publish"), STR("other")));
	ck_assert_int_eq(settings_parse_rules(s, "k", STR("a/cron-x=0 0,30 * * * *"), s->crons,
					      &s->n_crons, &err),
			 0);
	assert_str(s->crons[0].value, "0 0,30 * * * *");
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++)
		ck_assert_msg(settings_parse_rules(s, "k", str_from(BAD[i]), s->crons, &s->n_crons,
						   &err) == -EINVAL,
			      "%s", BAD[i]);
	free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("envelope");
	TCase *tc = tcase_create("envelope");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, cuts_json);
	tcase_add_test(tc, cuts_garbage);
	tcase_add_test(tc, checks_values);
	tcase_add_test(tc, completes_events);
	tcase_add_test(tc, wraps_bodies);
	tcase_add_test(tc, base64);
	tcase_add_test(tc, answers_mean);
	tcase_add_test(tc, partitions);
	tcase_add_test(tc, reads_apps);
	tcase_add_test(tc, reads_tokens_and_secrets);
	tcase_add_test(tc, reads_rules);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
