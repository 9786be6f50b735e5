/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of mutated documents, good and bad, judged by our reader and by Python's json module
 * made as strict as json.h: they must agree on each. The seed is fixed, so that a disagreement
 * comes again.
 */
#include "base/json.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char judge[] =
	"import json,struct,sys\n"
	"class Bad(Exception): pass\n"
	"def bad(*a): raise Bad\n"
	"def pairs(p):\n"
	"    if len(p) > 256 or len(set(k for k, _ in p)) != len(p): raise Bad\n"
	"    return dict(p)\n"
	"def number(t):\n"
	"    f = float(t)\n"
	"    if f in (float('inf'), float('-inf')): raise Bad\n"
	"    return f\n"
	"def check(v, depth):\n"
	"    if isinstance(v, str):\n"
	"        if '\\0' in v: raise Bad\n"
	"        v.encode('utf-8')\n"
	"    elif isinstance(v, (dict, list)):\n"
	"        if depth > 32: raise Bad\n"
	"        if isinstance(v, dict):\n"
	"            for k in v: check(k, depth)\n"
	"            v = v.values()\n"
	"        for x in v: check(x, depth + 1)\n"
	"def good(b):\n"
	"    try:\n"
	"        v = json.loads(b.decode('utf-8'), object_pairs_hook=pairs, parse_constant=bad, parse_float=number,\n"
	"                       parse_int=lambda t: number(t))\n"
	"        if not isinstance(v, dict): raise Bad\n"
	"        check(v, 1)\n"
	"    except (Bad, ValueError, RecursionError): return False\n"
	"    return True\n"
	"f = open(sys.argv[1], 'rb')\n"
	"while (h := f.read(4)):\n"
	"    sys.stdout.write('y' if good(f.read(struct.unpack('=I', h)[0])) else 'n')\n";

enum { JUDGED = 6000 };

/* A good document with a few bytes replaced, removed, doubled or taken from the alphabet of JSON.
 */
static size_t mutate(char *out, unsigned *seed)
{
	static const char *const seeds[] = {
		"{\"s\":\"a\\u00e9\\ud83d\\ude00\",\"list\":[\"x\",\"y\"],\"n\":-1.5e+30,\"o\":{\"t\":true,\"z\":null}}",
		"{\"a\":[0,10,-0,0.5,1e5,[],{}],\"b\":{\"c\":\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"}}",
		" { \"k\" : [ 1 , 2 ] , \"\\u006b2\" : \"\\\\\\\"\\/\\b\" } ",
		"{\"a\":1,\"b\":{\"a\":1,\"b\":{\"a\":false}},\"c\":1e308,\"d\":12345678901234567890}",
	};
	static const char alphabet[] =
		"{}[]:,\"\\u0019deEfb+-. \t\n\r\f\v/tn\x80\xC3\xED\xA0\xFF\x1F\x7F";
	const char *from = seeds[(unsigned)rand_r(seed) % ARRAY_SIZE(seeds)];
	size_t n = strlen(from);

	memcpy(out, from, n);
	for (int changes = rand_r(seed) % 4; changes > 0; changes--) {
		size_t at = (size_t)rand_r(seed) % n;
		char c = alphabet[(unsigned)rand_r(seed) % (sizeof(alphabet) - 1)];

		switch (rand_r(seed) % 3) {
		case 0:
			out[at] = c;
			break;
		case 1:
			memmove(out + at, out + at + 1, n - at - 1);
			n--;
			break;
		default:
			memmove(out + at + 1, out + at, n - at);
			out[at] = c;
			n++;
		}
	}
	return n;
}

static void ask_python(const char *path, char verdicts[JUDGED + 1])
{
	char script[] = "/tmp/test_json_judge_XXXXXX", command[128];
	int fd = mkstemp(script);
	FILE *answer;

	ck_assert_int_eq(write(fd, judge, sizeof(judge) - 1), sizeof(judge) - 1);
	close(fd);
	snprintf(command, sizeof(command), "/usr/bin/python3 %s %s", script, path);
	answer = popen(command, "r");
	ck_assert_ptr_nonnull(answer);
	ck_assert_uint_eq(fread(verdicts, 1, JUDGED + 1, answer), JUDGED);
	ck_assert_int_eq(pclose(answer), 0);
	unlink(script);
}

/* Whether it is JSON: a 422 says that it is, but not what a field wants. */
static bool accepts(struct str doc)
{
	static const struct json_field no_fields[] = { JSON_FIELD_END };
	struct arena *a = arena_new(1 << 20);
	struct err e = { 0 };
	int r = json_parse(a, doc, "body", no_fields, NULL, &e);

	arena_free(a);
	ck_assert_int_eq(r, e.kind ? -EINVAL : 0);
	return !e.kind || e.kind->http_status != 400;
}

START_TEST(as_python_judges)
{
	static char verdicts[JUDGED + 1];
	char path[] = "/tmp/test_json_docs_XXXXXX", doc[256];
	unsigned seed = 8259, good = 0;
	FILE *f = fdopen(mkstemp(path), "wb");

	for (int i = 0; i < JUDGED; i++) {
		uint32_t n = (uint32_t)mutate(doc, &seed);

		ck_assert_uint_eq(fwrite(&n, sizeof(n), 1, f), 1);
		ck_assert_uint_eq(fwrite(doc, 1, n, f), n);
	}
	ck_assert_int_eq(fclose(f), 0);
	ask_python(path, verdicts);
	unlink(path);
	seed = 8259;
	for (int i = 0; i < JUDGED; i++) {
		struct str s = { doc, mutate(doc, &seed) };
		bool accepted = accepts(s); /* 422 says: JSON, but not what a field wants */

		good += accepted;
		ck_assert_msg(accepted == (verdicts[i] == 'y'), "Python says %c to %.*s",
			      verdicts[i], STR_ARGS(s));
	}
	ck_assert_uint_gt(good, JUDGED / 20);
	ck_assert_uint_lt(good, JUDGED * 19 / 20);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_judged");
	TCase *tc = tcase_create("json_judged");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, as_python_judges);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
