/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunked bodies. The first byte says how the rest is cut into pieces; whatever the cuts, the
 * verdict, the decoded bytes and the length of the body's framing are the same. What was decoded,
 * encoded again as one chunk, decodes to itself.
 */
#include "net/http_parser.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			abort();                                                \
		}                                                               \
	} while (0)

struct result {
	int verdict; /* of http_chunked_next */
	size_t used;
	char *body;
	size_t n;
};

/* Decodes in pieces of at most step bytes. */
static struct result decode(struct str in, size_t step)
{
	struct result r = { .body = malloc(in.n + 1) };
	struct http_chunked c = { 0 };

	CHECK(r.body);
	while (r.verdict == 0 && r.used < in.n) {
		struct str piece = { in.p + r.used, in.n - r.used < step ? in.n - r.used : step },
			   data;
		size_t used;

		r.verdict = http_chunked_next(&c, piece, &data, &used);
		if (r.verdict < 0)
			break;
		CHECK(used <= piece.n && (used > 0 || r.verdict == 1));
		CHECK(data.n <= used &&
		      (data.n == 0 || (data.p >= piece.p && data.p + data.n <= piece.p + used)));
		if (data.n > 0)
			memcpy(r.body + r.n, data.p, data.n);
		r.n += data.n;
		r.used += used;
	}
	CHECK(r.verdict == 1 || r.verdict == 0 || r.verdict == -400 || r.verdict == -431);
	return r;
}

static void check_round_trip(const struct result *first)
{
	size_t n = 0;
	char *out = malloc(first->n + 64);
	struct result again;

	CHECK(out);
	if (first->n > 0) {
		n = (size_t)snprintf(out, 64, "%zx\r\n", first->n);
		memcpy(out + n, first->body, first->n);
		n += first->n;
		memcpy(out + n, "\r\n", 2);
		n += 2;
	}
	memcpy(out + n, "0\r\n\r\n", 5);
	n += 5;
	again = decode((struct str){ out, n }, n);
	CHECK(again.verdict == 1 && again.used == n && again.n == first->n);
	CHECK(memcmp(again.body, first->body, first->n) == 0);
	free(again.body);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result whole, cut;
	struct str in;

	if (size == 0)
		return 0;
	in = (struct str){ (const char *)data + 1, size - 1 };
	whole = decode(in, in.n > 0 ? in.n : 1);
	cut = decode(in, data[0] ? data[0] : 1);
	CHECK(whole.verdict == cut.verdict);
	if (whole.verdict >= 0) {
		CHECK(whole.used == cut.used && whole.n == cut.n);
		CHECK(memcmp(whole.body, cut.body, whole.n) == 0);
	}
	if (whole.verdict == 1)
		check_round_trip(&whole);
	free(whole.body);
	free(cut.body);
	return 0;
}
