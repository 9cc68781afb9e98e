/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef AGENT_SYSCALL_FILTER_H
#define AGENT_SYSCALL_FILTER_H

/*
 * The system calls that a running agent has left, for all its threads: an allow-list. No program is
 * loaded, no map or thread made, no process begun, and no socket opened but to ask the kernel about
 * interfaces, to connect to the server over TCP, and to tell the service manager. What is not on the list
 * fails with EPERM.
 */

#include "base/attr.h"

#include <stdbool.h>

struct syscall_filter_options {
	bool writes_files;     /* the statistics' */
	bool pins;             /* links of interfaces that come later */
	bool connects;         /* over TCP; where to is for Landlock to say */
	bool notifies_manager; /* $NOTIFY_SOCKET is set */
};

/* After the last thread was made. Returns 0 or a negative errno. */
int syscall_filter_load(const struct syscall_filter_options *options) _must_check_;

#endif
