/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_SPAWN_H
#define ENGINE_SPAWN_H

/*
 * Starts a worker process: its own process group, a clean environment, no descriptors but its pipe
 * (3) and its output (1 and 2), no new privileges, resource limits, and death with its parent. That
 * keeps an operator's own functions from harming the server by accident; it is no sandbox against
 * hostile code.
 */

#include "base/attr.h"

#include <sys/types.h>

struct spawn_options {
	const char *program;     /* a path, or a name to look for in PATH */
	const char *const *argv; /* NULL-terminated */
	const char *dir;         /* the working directory */
};

struct spawned {
	pid_t pid;
	int pid_fd;    /* readable when it has ended */
	int pipe_fd;   /* our end of the socket pair, non-blocking */
	int output_fd; /* what it prints, non-blocking */
};

/*
 * Never waits for the child: a failure to exec is printed to its output and ends it with 127.
 * Returns 0; -ENOENT: no such program; or another negative errno. The descriptors are the caller's.
 */
int spawn(const struct spawn_options *options, struct spawned *ret_spawned) _must_check_;

#endif
