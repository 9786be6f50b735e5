/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files read whole: configuration, time zones, tokens. Blocks: for start-up.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/types.h>

/* Bytes read into bytes; a negative errno; -EFBIG when the file has more than size. */
ssize_t file_read(const char *path, char *bytes, size_t size);

#endif
