// SPDX-License-Identifier: BSD-2-Clause
/*
 * Unpacking: whatever the bytes, all that comes out is plain files and folders below one folder, within the limits.
 */
#include "archive/tree.h"
#include "archive/unpack.h"
#include "base/fd.h"

#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static const struct unpack_limits limits = {.bytes = 64U << 10, .entries = 50};

static void check_tree(const char *dir)
{
	char *paths[] = {(char *)dir, NULL};
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	uint64_t bytes = 0;
	FTSENT *entry;

	REQUIRE(fts);
	while ((entry = fts_read(fts)) != NULL) {
		REQUIRE(entry->fts_info == FTS_D || entry->fts_info == FTS_DP ||
			entry->fts_info == FTS_F);
		REQUIRE((entry->fts_statp->st_mode & (S_ISUID | S_ISGID | S_ISVTX)) == 0);
		if (entry->fts_info == FTS_F) {
			REQUIRE(entry->fts_statp->st_nlink == 1);
			bytes += (uint64_t)entry->fts_statp->st_size;
		}
	}
	REQUIRE(bytes <= limits.bytes);
	fts_close(fts);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	_cleanup_fd_ int fd = memfd_create("input", MFD_CLOEXEC), dir_fd = -1;
	char dir[] = "/tmp/netlambda-fuzz.XXXXXX";
	char *error = NULL;

	REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	REQUIRE(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(dir_fd >= 0);
	if (unpack(fd, dir_fd, &limits, &error) < 0)
		REQUIRE(error);
	check_tree(dir);
	REQUIRE(tree_remove(dir) == 0);
	free(error);
	return 0;
}
