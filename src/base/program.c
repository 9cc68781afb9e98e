// SPDX-License-Identifier: BSD-2-Clause
#include "base/program.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEVELS 4 /* from a program up to its build directory */

static bool find_above(const char *own, const char *other, char path[static PATH_MAX])
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", own);
	for (int level = 0; level < LEVELS; level++) {
		char *slash = strrchr(dir, '/');

		if (!slash || slash == dir)
			return false;
		*slash = '\0';
		if (snprintf(path, PATH_MAX, "%s/%s", dir, other) < PATH_MAX &&
			access(path, X_OK) == 0)
			return true;
	}
	return false;
}

void program_find(const char *other, const char *installed, char path[static PATH_MAX])
{
	char own[PATH_MAX] = "";

	if (readlink("/proc/self/exe", own, sizeof(own) - 1) < 0 || !find_above(own, other, path))
		snprintf(path, PATH_MAX, "%s", installed);
}
