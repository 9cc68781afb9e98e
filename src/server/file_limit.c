// SPDX-License-Identifier: BSD-2-Clause
#include "server/file_limit.h"

#include "base/attr.h"

#include <errno.h>
#include <sys/resource.h>

#define A_SWITCH 2    /* a connection, and the one that takes its place */
#define RESERVE  1024 /* store, ports, threads, workers of functions, HTTP */

uint64_t file_limit_needed(unsigned int switches)
{
	return (uint64_t)A_SWITCH * switches + RESERVE;
}

int file_limit_raise(uint64_t wanted, uint64_t *ret_limit)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = MIN(wanted, limit.rlim_max);
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return -errno;
	}
	*ret_limit = limit.rlim_cur;
	return 0;
}
