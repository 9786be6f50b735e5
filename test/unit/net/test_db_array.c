/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters that are arrays, uuids in results, and as many parameters as there may be, through a
 * real PostgreSQL: what arrives is read back as the server's own text, or element by element.
 */
#include "src/net/db_private.h"
#include "test/unit/support/fail_alloc.h"
#include "test/unit/support/pg_fixture.h"

#include <errno.h>

enum { ARENA_BYTES = 1 << 20, MANY = 20000, ITEMS_MAX = 6 };

/* For tables, whose initialisers must be constant. */
#define TEXT(literal)                          \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}
#define NO_TEXT         \
	{               \
		NULL, 0 \
	}

static struct db_result *ask(struct db *db, const struct db_statement *s,
			     const struct db_param *params)
{
	const struct db_query query = { s, params };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *result = NULL;
	struct err err = { 0 };

	ck_assert_msg(db_run_wait(db, &segment, &result, NULL, &err) == 0, "%s: %s", s->sql,
		      err.text);
	ck_assert_int_eq(db_rows(result), 1);
	return result;
}

static void ask_text(struct db *db, const struct db_statement *s, const struct db_param *param,
		     const char *expected)
{
	struct db_result *r = ask(db, s, param);

	ck_assert_msg(str_eq(db_text(r, 0, 0), str_from(expected)), "%s: %.*s is not %s", s->sql,
		      STR_ARGS(db_text(r, 0, 0)), expected);
	db_result_free(r);
}

/* ---- texts ---- */

static const struct db_statement TEXTS = {
	"texts", "SELECT $1::text || ' ' || coalesce(array_lower($1, 1), 0)", 1
};

static const struct {
	size_t n;
	struct str v[ITEMS_MAX];
	const char *text;
} text_cases[] = {
	{ 0, { NO_TEXT }, "{} 0" },
	{ 1, { TEXT("a") }, "{a} 1" },
	{ 1, { NO_TEXT }, "{NULL} 1" },
	{ 4, { TEXT(""), NO_TEXT, TEXT("NULL"), TEXT("x") }, "{\"\",NULL,\"NULL\",x} 1" },
	{ 5,
	  { TEXT("a,b"), TEXT("{c}"), TEXT("d\"e"), TEXT("f\\g"), TEXT(" h ") },
	  "{\"a,b\",\"{c}\",\"d\\\"e\",\"f\\\\g\",\" h \"} 1" },
	{ 2,
	  { TEXT("na\xc3\xafve"), TEXT("\xf0\x9f\x98\x80") },
	  "{na\xc3\xafve,\xf0\x9f\x98\x80} 1" },
};

static void texts_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct arena *arena = arena_new(ARENA_BYTES);
	struct db *db;

	config.prepare = *(bool *)arg;
	db = pg_open(&config);
	for (size_t i = 0; i < ARRAY_SIZE(text_cases); i++) {
		struct db_param p;

		ck_assert_int_eq(db_param_texts(arena, text_cases[i].v, text_cases[i].n, &p), 0);
		ask_text(db, &TEXTS, &p, text_cases[i].text);
	}
	db_free(db);
	arena_free(arena);
}

START_TEST(test_texts)
{
	bool prepare = _i == 1;

	pg_run(texts_fiber, &prepare);
}
END_TEST

/* ---- numbers ---- */

static const struct db_statement I64S = { "i64s", "SELECT pg_typeof($1) || $1::text", 1 };
static const struct db_statement I32S = { "i32s", "SELECT pg_typeof($1) || $1::text", 1 };
static const struct db_statement I16S = { "i16s", "SELECT pg_typeof($1) || $1::text", 1 };
static const struct db_statement BOOLS = { "bools", "SELECT pg_typeof($1) || $1::text", 1 };
static const struct db_statement TIMES = {
	"times",
	"SELECT string_agg(coalesce((t AT TIME ZONE 'UTC')::text, '-'), ',' ORDER BY n) "
	"FROM unnest($1) WITH ORDINALITY AS u (t, n)",
	1,
};

static const struct {
	enum db_type element;
	const struct db_statement *statement;
	size_t n;
	int64_t v[ITEMS_MAX];
	const char *text;
} number_cases[] = {
	{ DB_I64, &I64S, 0, { 0 }, "bigint[]{}" },
	{ DB_I64,
	  &I64S,
	  5,
	  { 0, -1, INT64_MAX, DB_NULL_ELEMENT, INT64_MIN + 1 },
	  "bigint[]{0,-1,9223372036854775807,NULL,-9223372036854775807}" },
	{ DB_I32,
	  &I32S,
	  3,
	  { INT32_MIN, DB_NULL_ELEMENT, INT32_MAX },
	  "integer[]{-2147483648,NULL,2147483647}" },
	{ DB_I16,
	  &I16S,
	  3,
	  { INT16_MIN, INT16_MAX, DB_NULL_ELEMENT },
	  "smallint[]{-32768,32767,NULL}" },
	{ DB_BOOL, &BOOLS, 4, { 1, 0, DB_NULL_ELEMENT, 7 }, "boolean[]{t,f,NULL,t}" },
	{ DB_TIME,
	  &TIMES,
	  4,
	  { 0, -1, DB_NULL_ELEMENT, INT64_C(1795262400123456) },
	  "1970-01-01 00:00:00,1969-12-31 23:59:59.999999,-,2026-11-21 12:00:00.123456" },
};

static void numbers_fiber(void *arg)
{
	struct db_config config = pg_config(pg.app_url);
	struct arena *arena = arena_new(ARENA_BYTES);
	struct db *db;

	config.prepare = *(bool *)arg;
	db = pg_open(&config);
	for (size_t i = 0; i < ARRAY_SIZE(number_cases); i++) {
		struct db_param p;

		ck_assert_int_eq(db_param_i64s(arena, number_cases[i].element, number_cases[i].v,
					       number_cases[i].n, &p),
				 0);
		ask_text(db, number_cases[i].statement, &p, number_cases[i].text);
	}
	db_free(db);
	arena_free(arena);
}

START_TEST(test_numbers)
{
	bool prepare = _i == 1;

	pg_run(numbers_fiber, &prepare);
}
END_TEST

/* ---- uuids, nulls ---- */

static void uuids_fiber(void *arg)
{
	static const struct db_statement texts = { "uuid_texts", "SELECT $1::text", 1 };
	static const struct db_statement second = { "uuid_second", "SELECT ($1)[2]", 1 };
	struct uuid v[2] = { { { 0 } },
			     { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255 } } };
	struct db_config config = pg_config(pg.app_url);
	struct arena *arena = arena_new(ARENA_BYTES);
	struct db *db = pg_open(&config);
	struct db_result *r;
	struct db_param p;
	struct uuid back;

	(void)arg;
	ck_assert_int_eq(db_param_uuids(arena, v, 0, &p), 0);
	ask_text(db, &texts, &p, "{}");
	ck_assert_int_eq(db_param_uuids(arena, v, 2, &p), 0);
	ask_text(db, &texts, &p,
		 "{00000000-0000-0000-0000-000000000000,01020304-0506-0708-090a-0b0c0d0e0fff}");
	r = ask(db, &second, &p);
	back = db_uuid(r, 0, 0);
	ck_assert_mem_eq(back.bytes, v[1].bytes, sizeof(back.bytes));
	db_result_free(r);
	db_free(db);
	arena_free(arena);
}

START_TEST(test_uuids)
{
	pg_run(uuids_fiber, NULL);
}
END_TEST

static void null_fiber(void *arg)
{
	static struct db_statement statements[DB_ARRAY];
	static char names[DB_ARRAY][16];
	static const char *const types[] = {
		[DB_TEXT] = "text[]",	 [DB_I64] = "bigint[]",
		[DB_I32] = "integer[]",	 [DB_I16] = "smallint[]",
		[DB_BOOL] = "boolean[]", [DB_TIME] = "timestamp with time zone[]",
		[DB_UUID] = "uuid[]",	 [DB_BYTES] = "bytea[]",
	};
	struct db_config config = pg_config(pg.app_url);
	struct db *db = pg_open(&config);

	(void)arg;
	for (enum db_type t = DB_TEXT; t < DB_ARRAY; t++) {
		const struct db_param p = DB_PARAM_NULL_ARRAY(t);
		char expected[64];

		snprintf(names[t], sizeof(names[t]), "null_%d", (int)t);
		statements[t] =
			(struct db_statement){ names[t],
					       "SELECT ($1 IS NULL)::text || pg_typeof($1)", 1 };
		snprintf(expected, sizeof(expected), "true%s", types[t]);
		ask_text(db, &statements[t], &p, expected);
	}
	db_free(db);
}

START_TEST(test_arrays_that_are_null)
{
	pg_run(null_fiber, NULL);
}
END_TEST

/* ---- bounds ---- */

static void many_fiber(void *arg)
{
	static const struct db_statement sums = {
		"sums",
		"SELECT sum(a)::int8, sum(a * n)::int8, count(*) FILTER (WHERE t = 't' || a) "
		"FROM unnest($1, $2) WITH ORDINALITY AS u (a, t, n)",
		2,
	};
	static int64_t numbers[MANY];
	static struct str texts[MANY];
	struct db_config config = pg_config(pg.app_url);
	struct arena *arena = arena_new(64 * (size_t)MANY * 2);
	struct db *db = pg_open(&config);
	int64_t sum = 0, weighted = 0;
	struct db_param p[2];
	struct db_result *r;

	(void)arg;
	for (int64_t i = 0; i < MANY; i++) {
		numbers[i] = i * i - 1000;
		texts[i] = arena_printf(arena, "t%lld", (long long)numbers[i]);
		sum += numbers[i];
		weighted += numbers[i] * (i + 1);
	}
	ck_assert_int_eq(db_param_i64s(arena, DB_I64, numbers, MANY, &p[0]), 0);
	ck_assert_int_eq(db_param_texts(arena, texts, MANY, &p[1]), 0);
	r = ask(db, &sums, p);
	ck_assert_int_eq(db_i64(r, 0, 0), sum);
	ck_assert_int_eq(db_i64(r, 0, 1), weighted);
	ck_assert_int_eq(db_i64(r, 0, 2), MANY);
	db_result_free(r);
	db_free(db);
	arena_free(arena);
}

START_TEST(test_many_elements)
{
	pg_run(many_fiber, NULL);
}
END_TEST

static void most_params_fiber(void *arg)
{
	char sql[DB_PARAMS_MAX * 8] = "SELECT $1";
	struct db_statement s = { "most", sql, DB_PARAMS_MAX };
	struct db_param p[DB_PARAMS_MAX + 1];
	struct db_config config = pg_config(pg.app_url);
	struct db *db = pg_open(&config);
	const struct db_query query = { &s, p };
	const struct db_segment segment = { .queries = &query, .n_queries = 1 };
	struct db_result *r = NULL;
	size_t at = strlen(sql);

	(void)arg;
	for (int i = 0; i <= DB_PARAMS_MAX; i++)
		p[i] = (struct db_param)DB_PARAM_I64(INT64_C(1) << (i % 57));
	for (int i = 2; i <= DB_PARAMS_MAX; i++)
		at += (size_t)snprintf(sql + at, sizeof(sql) - at, "+$%d", i);
	r = ask(db, &s, p);
	ck_assert_int_eq(db_i64(r, 0, 0), (INT64_C(1) << 57) - 1 + (1 << 7) - 1);
	db_result_free(r);
	s.n_params = DB_PARAMS_MAX + 1;
	ck_assert_int_eq(db_run_wait(db, &segment, &r, NULL, NULL), -EINVAL);
	db_free(db);
}

START_TEST(test_most_parameters)
{
	pg_run(most_params_fiber, NULL);
}
END_TEST

static bool is_untouched(const struct db_param *p)
{
	return p->type == DB_BYTES && p->v.str.n == 4711;
}

START_TEST(test_bad_elements)
{
	static const struct str texts[] = { TEXT("a\0b"), TEXT("\xff"), TEXT("\xed\xa0\x80") };
	static const struct {
		enum db_type element;
		int64_t v;
	} numbers[] = {
		{ DB_I16, 32768 },
		{ DB_I16, -32769 },
		{ DB_I32, INT64_C(1) << 31 },
		{ DB_I32, -(INT64_C(1) << 31) - 1 },
		{ DB_TIME, INT64_MIN + 1 },
	};
	struct arena *arena = arena_new(ARENA_BYTES);
	struct db_param p = { .type = DB_BYTES, .v.str = { NULL, 4711 } };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const struct str v[] = { STR("fine"), texts[i], STR("fine") };

		ck_assert_int_eq(db_param_texts(arena, v, 3, &p), -EINVAL);
		ck_assert(is_untouched(&p));
	}
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const int64_t v[] = { 1, numbers[i].v };

		ck_assert_int_eq(db_param_i64s(arena, numbers[i].element, v, 2, &p), -EINVAL);
		ck_assert(is_untouched(&p));
	}
	ck_assert_uint_eq(arena_used(arena), 0);
	arena_free(arena);
}
END_TEST

/* What only looks like an array is refused before it is sent. */
START_TEST(test_half_arrays)
{
	const struct db_param bad[] = {
		{ .type = DB_ARRAY, .v.str = STR("x") },
		{ .type = DB_ARRAY, .v.str = STR("x"), .array_of = DB_ARRAY },
		{ .type = DB_ARRAY, .array_of = DB_TEXT },
		DB_PARAM_NULL(DB_ARRAY),
		DB_PARAM_NULL_ARRAY(DB_ARRAY),
		DB_PARAM_NULL_ARRAY(DB_NULL),
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(db_params_check(&bad[i], 1) == -EINVAL, "%zu", i);
}
END_TEST

START_TEST(test_no_memory)
{
	const struct str texts[] = { STR("some"), STR("words") };
	const int64_t numbers[] = { 1, 2, 3 };
	static const struct uuid uuids[300];
	struct db_param p = { .type = DB_BYTES, .v.str = { NULL, 4711 } };
	struct arena *arena = arena_new(16);

	ck_assert_int_eq(db_param_texts(arena, texts, 2, &p), -ENOMEM);
	ck_assert_int_eq(db_param_i64s(arena, DB_I16, numbers, 3, &p), -ENOMEM);
	ck_assert_int_eq(db_param_uuids(arena, uuids, 1, &p), -ENOMEM);
	ck_assert(is_untouched(&p));
	arena_free(arena);
	if (!fail_alloc_works())
		return;
	arena = arena_new(ARENA_BYTES);
	fail_alloc_arm(1);
	/* More than the arena's first block. */
	ck_assert_int_eq(db_param_uuids(arena, uuids, ARRAY_SIZE(uuids), &p), -ENOMEM);
	ck_assert_uint_eq(fail_alloc_disarm(), 1);
	ck_assert(is_untouched(&p));
	arena_free(arena);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("db_array");
	TCase *with_server = tcase_create("server"), *tc = tcase_create("alone");
	SRunner *runner;
	int failed;

	tcase_set_timeout(with_server, 60);
	tcase_add_checked_fixture(with_server, pg_setup, pg_teardown);
	tcase_add_loop_test(with_server, test_texts, 0, 2);
	tcase_add_loop_test(with_server, test_numbers, 0, 2);
	tcase_add_test(with_server, test_uuids);
	tcase_add_test(with_server, test_arrays_that_are_null);
	tcase_add_test(with_server, test_many_elements);
	tcase_add_test(with_server, test_most_parameters);
	suite_add_tcase(suite, with_server);
	tcase_add_test(tc, test_bad_elements);
	tcase_add_test(tc, test_half_arrays);
	tcase_add_test(tc, test_no_memory);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
