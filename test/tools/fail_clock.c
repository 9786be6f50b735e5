/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For LD_PRELOAD: a program whose wall clock is wrong, by FAIL_CLOCK_SECONDS (ahead, or behind with
 * a sign). What measures durations is left alone.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long offset_seconds;

static __attribute__((constructor)) void begin(void)
{
	const char *text = getenv("FAIL_CLOCK_SECONDS");

	offset_seconds = text ? strtol(text, NULL, 10) : 0;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *ts)
{
	long r = syscall(SYS_clock_gettime, clock, ts);

	if (r == 0 && clock == CLOCK_REALTIME)
		ts->tv_sec += offset_seconds;
	return (int)r;
}
