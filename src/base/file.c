/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a small file whole, into memory of the caller. It blocks, so it is for start-up and for
 * files on a local disk that are read once. A file that grows while it is read is cut or refused,
 * never overrun.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static ssize_t read_all(int fd, char *bytes, size_t size)
{
	size_t n = 0;
	ssize_t r;

	while (n < size) {
		r = read(fd, bytes + n, size - n);
		if (r == 0)
			return (ssize_t)n;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0)
			n += (size_t)r;
	}
	do
		r = read(fd, &(char){ 0 }, 1);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r > 0 ? -EFBIG : (ssize_t)n;
}

ssize_t file_read(const char *path, char *bytes, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read_all(fd, bytes, size);
	close(fd);
	return n;
}
