/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENGINE_SPAWN_H
#define ENGINE_SPAWN_H

/*
 * Starts a worker, in two steps: a runtime's program, in a sandbox that has no function in it, and then
 * the function. The second may follow at once or much later: meanwhile the interpreter has loaded, and
 * waits for frames on its pipe.
 *
 * Between us and the program stands the launcher, a program of its own (src/launcher): it makes the
 * sandbox and keeps watch from outside of it, and it is the process that we see, signal and wait for. It
 * ends after everything that ran in the sandbox, and as the program did.
 */

#include "base/attr.h"
#include "launcher/control.h"
#include "launcher/layers.h"

#include <sys/types.h>

struct spawn_options {
	const char *launcher;
	const char *name;           /* to show among processes */
	uint32_t layers;            /* LAYER_BIT()s: none less is put up with */
	const char *program;        /* a path, or a name to look for in PATH */
	const char *const *argv;    /* NULL-terminated */
	const char *const *paths;   /* what else it reads; NULL-terminated */
	const char *const *network; /* what it may reach, as of launcher/door.h; NULL: nothing */
	const char *const
		*environment; /* "NAME=value", besides what every worker has; NULL: nothing */
};

struct spawned {
	pid_t pid;      /* the launcher's */
	int pid_fd;     /* readable when all of it has ended */
	int pipe_fd;    /* our end of the socket pair, non-blocking */
	int output_fd;  /* what it prints, non-blocking */
	int control_fd; /* to the launcher, non-blocking */
};

/*
 * Never waits for the child. Returns 0; -ENOENT: there is no such program; or another negative errno.
 * The descriptors are the caller's.
 */
int spawn_start(const struct spawn_options *options, struct spawned *ret_spawned) _must_check_;

/* Gives it its function, once. Nothing is to be written into the pipe before SPECIALISED is read. */
int spawn_specialise(
	const struct spawned *spawned, const struct control_specialise *function) _must_check_;

/* What the launcher says. 1: `ret_report` is filled; 0: nothing now; or a negative errno. */
int spawn_read(const struct spawned *spawned, struct control_report *ret_report) _must_check_;

/* SIGKILL to all that runs in the sandbox. */
void spawn_kill(const struct spawned *spawned);

#endif
