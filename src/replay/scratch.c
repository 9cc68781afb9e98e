// SPDX-License-Identifier: BSD-2-Clause
#include "replay/scratch.h"

#include "base/error.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_DIRECTORIES 8

int scratch_open(struct scratch *scratch, char **ret_error)
{
	const char *parent = getenv("TMPDIR");
	_cleanup_free_ char *dir = NULL;

	if (!parent || parent[0] != '/')
		parent = "/tmp";
	if (asprintf(&dir, "%s/netlambda-replay-XXXXXX", parent) < 0) {
		dir = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(dir))
		return error_set(ret_error, -errno, "cannot make a directory in %s: %s", parent,
			strerror(errno));
	scratch->dir = TAKE_PTR(dir);
	return 0;
}

static int remove_entry(const char *path, const struct stat *st _unused_, int type _unused_,
	struct FTW *ftw _unused_)
{
	(void)remove(path);
	return 0;
}

void scratch_close(struct scratch *scratch)
{
	if (scratch->dir)
		nftw(scratch->dir, remove_entry, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS);
	free(scratch->dir);
	scratch->dir = NULL;
}
