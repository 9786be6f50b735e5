/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over files instead of under libFuzzer, so that every corpus, and every input
 * that once found something, is tried in each `make check` by the compiler the product is built
 * with. Arguments are files and directories, read in the order of their names; the last line
 * printed is how many inputs there were.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What the targets define; libFuzzer's name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16 * 1024 * 1024, DEPTH_MAX = 4 };

static void die(const char *what, const char *path)
{
	fprintf(stderr, "replay: %s: %s: %s\n", path, what, strerror(errno));
	exit(1);
}

/* Exactly as much memory as there is input, so that reading past it is noticed. */
static void replay_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size > 0 ? size : 1);
	FILE *f = fopen(path, "rb");

	if (!data || !f || fread(data, 1, size, f) != size)
		die("cannot read", path);
	fclose(f);
	fprintf(stderr, "replay: %s\n", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static unsigned replay(const char *path, unsigned depth);

static unsigned replay_directory(const char *path, unsigned depth)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);
	unsigned done = 0;

	if (n < 0)
		die("cannot read", path);
	for (int i = 0; i < n; i++) {
		char child[1024];

		if (entries[i]->d_name[0] != '.') {
			snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
			done += replay(child, depth + 1);
		}
		free(entries[i]);
	}
	free(entries);
	return done;
}

static unsigned replay(const char *path, unsigned depth)
{
	struct stat st;

	if (stat(path, &st) < 0)
		die("cannot read", path);
	if (S_ISDIR(st.st_mode))
		return depth < DEPTH_MAX ? replay_directory(path, depth) : 0;
	if (st.st_size > INPUT_MAX) {
		errno = EFBIG;
		die("cannot replay", path);
	}
	replay_file(path, (size_t)st.st_size);
	return 1;
}

int main(int argc, char **argv)
{
	unsigned done = 0;

	for (int i = 1; i < argc; i++)
		done += replay(argv[i], 0);
	printf("%u inputs\n", done);
	return done > 0 ? 0 : 1;
}
