/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

/* A directory of the test's own, in which it works; gone afterwards. As setup and teardown of a test. */

#include "base/attr.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline int scratch_new(void **state)
{
	/* In memory where there is such a place: a disk would flush thousands of times. */
	char *directory = strdup(access("/dev/shm", W_OK) == 0 ? "/dev/shm/netlambda-test.XXXXXX"
							       : "/tmp/netlambda-test.XXXXXX");

	if (!directory || !mkdtemp(directory) || chdir(directory) < 0)
		return -1;
	*state = directory;
	return 0;
}

static inline int scratch_remove_entry(const char *path, const struct stat *st _unused_,
	int type _unused_, struct FTW *ftw _unused_)
{
	return remove(path);
}

static inline void scratch_remove(const char *directory)
{
	nftw(directory, scratch_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int scratch_free(void **state)
{
	if (chdir("/") < 0)
		return -1;
	scratch_remove(*state);
	free(*state);
	return 0;
}

/* How many files and directories are in one. */
static inline unsigned int scratch_entries(const char *path)
{
	DIR *directory = opendir(path);
	unsigned int count = 0;

	while (directory && readdir(directory))
		count++;
	closedir(directory);
	return count - 2; /* . and .. */
}

#endif
