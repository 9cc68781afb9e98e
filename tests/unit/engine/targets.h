/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_ENGINE_TARGETS_H
#define TESTS_UNIT_ENGINE_TARGETS_H

/*
 * What attempts to escape are directed at: files, sockets, memory and a process that are not the
 * function's, all of them open to everybody as far as their own modes say, so that it is the sandbox
 * that keeps functions away.
 */

#include "base/attr.h"

#include <stdbool.h>

#define TARGET_PATH 128

struct targets {
	char dir[TARGET_PATH];
	char launcher[TARGET_PATH],
		program[TARGET_PATH]; /* copies: the tree may be closed to others */
	char function[TARGET_PATH];   /* a folder */
	char code[TARGET_PATH];       /* in it */
	char secret[TARGET_PATH];     /* another function's file, for all to read */
	char database[TARGET_PATH];   /* the server's own */
	char playground[TARGET_PATH]; /* a name in a directory for all to write to */
	char socket_path[TARGET_PATH];
	char socket_name[TARGET_PATH]; /* abstract */
	char tcp_port[16], other_port[16], udp_port[16];
	int tcp_fd;      /* listens; nobody takes anyone in, unless a test does */
	char server[16]; /* our process */
	char environ[TARGET_PATH], command_line[TARGET_PATH];
	char segment[16];
	int segment_id;
};

/*
 * What main() returns: what `run` does, or 77 if what is promised of isolation cannot be had here. If it is
 * root's, all of it happens in namespaces apart from the host's (mounts, names, shared memory). With
 * TESTED_USER in the environment the tests and all that they make belong to an unprivileged user, who has
 * control groups of version 1 of his own where there are any.
 */
int targets_run(int (*run)(void));

/* For a group's setup and teardown. */
int targets_make(struct targets *targets);
int targets_remove(struct targets *targets);

/* Makes the function's code what it was. */
void targets_restore(const struct targets *targets);

/* For a function's `config`, to be freed. */
char *targets_as_json(const struct targets *targets);

#endif
