/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_SANDBOX_H
#define AGENT_SANDBOX_H

/*
 * Least privilege, in two steps around the start of the collecting thread: first what threads
 * inherit (user, capabilities, files), then the system calls of all threads that there are. What is
 * in force is logged in one line.
 */

#include "agent/counting.h"
#include "agent/privileges.h"

struct sandbox_options {
	bool off;         /* for debugging: nothing is given up */
	const char *user; /* as in struct privileges_options */
	const char *stats_file;
	const char *alarm_file; /* is read again */
	bool connects;          /* over TCP, to this port, again and again: version 2 */
	uint16_t port;
	const char *credentials; /* are read again when they change; NULL: there are none */
	const char *crl;         /* likewise */
};

struct sandbox {
	struct sandbox_options options;
	struct privileges privileges;
	bool pins;
};

void sandbox_done(struct sandbox *sandbox);

/* With everything loaded and attached, before counting_start(). As privileges_drop(). */
int sandbox_enter(struct sandbox *sandbox, const struct sandbox_options *options,
	const struct counting *counting, char **ret_error) _must_check_;

/* After counting_start(). */
int sandbox_seal(struct sandbox *sandbox, char **ret_error) _must_check_;

#endif
