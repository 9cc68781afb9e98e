/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_CGROUP_H
#define LAUNCHER_CGROUP_H

/*
 * Control groups for workers, of either version, where they may be made: of version 1 below the group
 * that a process is in, of version 2 beside it, since there a group has either processes or limited
 * groups below it. So a server that was given a part of version 2's tree (systemd's Delegate=) first
 * moves itself into a group of its own at the bottom of it.
 */

#include "base/attr.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_controller {
	CGROUP_MEMORY,
	CGROUP_CPU,
	CGROUP_PROCESSES,
	CGROUP_CONTROLLERS,
};

/* A worker's group for one controller; of version 2 it is the same directory for each. */
struct cgroup {
	enum cgroup_controller controller;
	bool unified;       /* version 2 */
	char dir[PATH_MAX]; /* empty: there is none */
};

/*
 * Makes room for workers' groups, for a process that will start some: takes up the place described
 * above, and removes what workers of a process that was killed have left. What cannot be had shows
 * when a group is made.
 */
void cgroup_prepare(void);

/*
 * Makes the group of the worker whose launcher is `pid`, without limits. 0, or a negative errno and in
 * `ret_what` what it is about.
 */
int cgroup_make(enum cgroup_controller controller, pid_t pid, struct cgroup *ret_cgroup,
	const char **ret_what) _must_check_;

int cgroup_add(const struct cgroup *cgroup, pid_t pid) _must_check_;

/* Bytes; hundredths of a processor; processes and threads. 0: no limit. */
int cgroup_limit(const struct cgroup *cgroup, uint64_t limit) _must_check_;

/* How many processes were killed for the memory of the group; also after they have gone. */
uint64_t cgroup_count_killed(const struct cgroup *cgroup);

/* SIGKILL to all in it. */
void cgroup_kill(const struct cgroup *cgroup);

/* When all have gone. */
void cgroup_remove(struct cgroup *cgroup);

#endif
