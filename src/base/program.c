// SPDX-License-Identifier: BSD-2-Clause
#include "base/program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void program_find(
	const char *own, const char *other, const char *installed, char path[static PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
	size_t tail = strlen(own);

	if (len > (ssize_t)tail && memcmp(path + len - tail, own, tail) == 0 &&
		(size_t)len - tail + strlen(other) < PATH_MAX)
		strcpy(path + len - tail, other);
	else
		snprintf(path, PATH_MAX, "%s", installed);
}
