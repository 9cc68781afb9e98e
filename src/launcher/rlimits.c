// SPDX-License-Identifier: BSD-2-Clause
#include "launcher/rlimits.h"

#include "launcher/control.h"

#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>

struct limit {
	int resource;
	rlim_t most;
};

/* None of addresses, which V8 reserves by the terabyte; of data, once there is a function to say how much. */
static const struct limit limits[] = {
	{RLIMIT_CORE, 0},
	{RLIMIT_NOFILE, 256},
	{RLIMIT_FSIZE, 64U << 20}, /* bytes a file */
	{RLIMIT_MSGQUEUE, 0},
	{RLIMIT_MEMLOCK, 64U << 10},
	{RLIMIT_SIGPENDING, 1024},
	{RLIMIT_NICE, 0},
	{RLIMIT_RTPRIO, 0},
};

static int limit_set(const struct limit *limit)
{
	struct rlimit now, wanted = {limit->most, limit->most};

	if (getrlimit(limit->resource, &now) < 0)
		return -errno;
	wanted.rlim_cur = MIN(wanted.rlim_cur, now.rlim_max);
	wanted.rlim_max = MIN(wanted.rlim_max, now.rlim_max);
	return setrlimit(limit->resource, &wanted) < 0 ? -errno : 0;
}

int rlimits_set(bool own_user)
{
	const struct limit processes = {RLIMIT_NPROC, CONTROL_PROCESSES};
	int r = own_user ? limit_set(&processes) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(limits) && r == 0; i++)
		r = limit_set(&limits[i]);
	return r;
}
