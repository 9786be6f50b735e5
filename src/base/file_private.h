/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files read whole: configuration and time zones.
 */
#ifndef BASE_FILE_PRIVATE_H
#define BASE_FILE_PRIVATE_H

#include <sys/types.h>

/* Bytes read into bytes; a negative errno; -EFBIG when the file has more than size. */
ssize_t file_read(const char *path, char *bytes, size_t size);

#endif
