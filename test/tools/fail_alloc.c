/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same for a whole program that knows nothing of it: a shared library for LD_PRELOAD.
 *
 *	gcc -O1 -g -D_GNU_SOURCE -I. -fPIC -shared -o fail_alloc.so test/tools/fail_alloc.c
 *
 * FAIL_ALLOC_FILE=path   a struct fail_alloc (four 64-bit words: nth, seen, failed, sticky) lives
 *in this file, which is made if need be; a test maps or writes it to arm a process that runs. Write
 *seen and failed first, nth last. FAIL_ALLOC_NTH=n       armed from the start, for allocations on
 *the way up. Only without a file. FAIL_ALLOC_STICKY=1    with FAIL_ALLOC_NTH: and all after it.
 */
#include "test/tools/fail_alloc.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void give_up(const char *what)
{
	perror(what);
	_exit(70);
}

static void map_control(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p;

	if (fd < 0)
		give_up("fail_alloc: open");
	if (ftruncate(fd, (off_t)sizeof(struct fail_alloc)) < 0)
		give_up("fail_alloc: ftruncate");
	p = mmap(NULL, sizeof(struct fail_alloc), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		give_up("fail_alloc: mmap");
	close(fd);
	fail_alloc_control = p;
}

static __attribute__((constructor)) void begin(void)
{
	const char *path = getenv("FAIL_ALLOC_FILE");
	const char *nth = getenv("FAIL_ALLOC_NTH");

	if (path) {
		map_control(path);
	} else if (nth) {
		fail_alloc_arm(strtoull(nth, NULL, 10));
		fail_alloc_control->sticky = getenv("FAIL_ALLOC_STICKY") != NULL;
	}
}
