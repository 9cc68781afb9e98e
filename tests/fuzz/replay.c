// SPDX-License-Identifier: BSD-2-Clause
/*
 * Feeds files, and those of directories, to a fuzz target: REPLAY PATH...; the place of libFuzzer's
 * main(). The input ends at a page that cannot be read, so reading too far fails without a sanitizer
 * as well.
 */
#include "base/attr.h"
#include "tests/unit/wire/guard.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static unsigned int inputs;

static int refuse(const char *path)
{
	perror(path);
	return -1;
}

static int replay_file(const char *path)
{
	uint8_t bytes[4096];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file)
		return refuse(path);
	size = fread(bytes, 1, sizeof(bytes), file);
	if (ferror(file)) {
		fclose(file);
		return refuse(path);
	}
	fclose(file);
	/* Said before, so that the last line names the culprit. */
	printf("%s, %zu bytes\n", path, size);
	fflush(stdout);
	LLVMFuzzerTestOneInput(guard_place(bytes, size), size);
	inputs++;
	return 0;
}

static int replay_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!directory)
		return refuse(path);
	while (r == 0 && (entry = readdir(directory))) {
		char name[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		r = replay_file(name);
	}
	closedir(directory);
	return r;
}

static int replay(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return refuse(path);
	return S_ISDIR(status.st_mode) ? replay_directory(path) : replay_file(path);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (replay(argv[i]) < 0)
			return EXIT_FAILURE;
	printf("%u inputs\n", inputs);
	if (inputs == 0) {
		fprintf(stderr, "usage: %s FILE-OR-DIRECTORY...: no input was found\n", argv[0]);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
