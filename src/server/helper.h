/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SERVER_HELPER_H
#define SERVER_HELPER_H

/*
 * Runs a program beside the server and waits for it on the loop: what would take too long there, or
 * is too dangerous. It gets no descriptors but its standard input and output, and is killed when
 * its time is up.
 */

#include "base/loop.h"

#include <sys/types.h>

#define HELPER_OUTPUT_MAX 1024 /* bytes; more of it is dropped */
#define HELPER_ARGUMENTS  3

struct helper {
	struct loop *loop;
	pid_t pid; /* 0: not running */
	int pid_fd, output_fd;
	struct loop_io pid_io;
	struct loop_timer timer;
	/*
	 * `success`: it ended with status 0; `output`: what it printed, without its last line feed.
	 */
	void (*done)(struct helper *helper, bool success, char *output);
};

/*
 * Starts `arguments` (the first is the program's path; NULL-terminated). `helper->done` is called
 * once, later. 0 or a negative errno, then it is not called.
 */
int helper_start(struct helper *helper, struct loop *loop, const char *const *arguments,
	int input_fd) _must_check_;

/* Kills it, if it runs; `done` is not called any more. */
void helper_stop(struct helper *helper);

#endif
