/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UUIDv7 by RFC 9562 section 6.2 method 1: rand_a is a counter that starts anew each millisecond at
 * a random value with its top bit clear, and counts up inside it. When the counter is used up, or
 * the clock goes back, the last millisecond is carried on (and moved ahead by one at overflow), so
 * that the ids of a process only ever grow. Random bytes come from the kernel 256 at a time; a
 * forked child throws away what it inherited, or parent and child would give the same ids. One
 * thread only.
 */
#include "base/uuid.h"
#include "base/hash.h"
#include "base/time.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sysexits.h>

enum { BATCH = 256, COUNTER_MAX = 0xFFF, COUNTER_SEED_MASK = 0x7FF };

static uint8_t batch[BATCH];
static size_t batch_left;
static uint64_t last_ms;
static unsigned counter;

static void forget_batch(void)
{
	batch_left = 0;
}

static void refill(void)
{
	static bool watches_fork;
	size_t have = 0;

	if (!watches_fork) {
		watches_fork = true;
		pthread_atfork(NULL, NULL, forget_batch);
	}
	while (have < sizeof(batch)) {
		ssize_t n = getrandom(batch + have, sizeof(batch) - have, 0);

		if (n < 0 && errno != EINTR) {
			perror("todod: getrandom");
			exit(EX_SOFTWARE);
		}
		if (n > 0)
			have += (size_t)n;
	}
	batch_left = sizeof(batch);
}

static void take_random(uint8_t *out, size_t n)
{
	if (batch_left < n)
		refill();
	batch_left -= n;
	memcpy(out, batch + batch_left, n);
}

/* Moves (last_ms, counter) to the next pair, which is greater than every one before. */
static void advance(uint64_t now_ms)
{
	uint8_t seed[2];

	if (now_ms <= last_ms && counter < COUNTER_MAX) {
		counter++;
		return;
	}
	last_ms = now_ms > last_ms ? now_ms : last_ms + 1;
	take_random(seed, sizeof(seed));
	counter = ((unsigned)seed[0] << 8 | seed[1]) & COUNTER_SEED_MASK;
}

/* Time, version and variant; rand_a is 12 bits, and rand_b stands in its bytes already. */
static void put_fields(struct uuid *u, uint64_t ms, unsigned rand_a)
{
	for (unsigned i = 0; i < 6; i++)
		u->bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
	u->bytes[6] = (uint8_t)(0x70 | rand_a >> 8);
	u->bytes[7] = (uint8_t)rand_a;
	u->bytes[8] = (uint8_t)(0x80 | (u->bytes[8] & 0x3F));
}

struct uuid uuid_v7(void)
{
	struct uuid u;

	advance((uint64_t)time_now_us() / 1000);
	take_random(u.bytes + 8, 8);
	put_fields(&u, last_ms, counter);
	return u;
}

int uuid_v7_named(int64_t at_us, struct str name, struct uuid *ret)
{
	uint8_t hash[SHA256_SIZE];

	if (hash_sha256(name, hash) < 0)
		return -ENOMEM;
	memcpy(ret->bytes, hash, sizeof(ret->bytes));
	put_fields(ret, at_us > 0 ? (uint64_t)at_us / 1000 : 0,
		   ((unsigned)hash[16] << 8 | hash[17]) & COUNTER_MAX);
	return 0;
}

static bool dash_before(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

static char *put_hex(char *out, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	out[0] = digits[byte >> 4];
	out[1] = digits[byte & 0xF];
	return out + 2;
}

void uuid_format(const struct uuid *u, char out[UUID_TEXT_SIZE])
{
	for (size_t i = 0; i < sizeof(u->bytes); i++) {
		if (dash_before(i))
			*out++ = '-';
		out = put_hex(out, u->bytes[i]);
	}
	*out = '\0';
}

void uuid_format_hex(const struct uuid *u, char out[UUID_HEX_SIZE])
{
	for (size_t i = 0; i < sizeof(u->bytes); i++)
		out = put_hex(out, u->bytes[i]);
	*out = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int uuid_parse(struct str s, struct uuid *ret)
{
	struct uuid u;
	size_t at = 0;

	if (s.n != UUID_TEXT_SIZE - 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(u.bytes); i++) {
		int high, low;

		if (dash_before(i) && s.p[at++] != '-')
			return -EINVAL;
		high = hex_value(s.p[at++]);
		low = hex_value(s.p[at++]);
		if (high < 0 || low < 0)
			return -EINVAL;
		u.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret = u;
	return 0;
}
