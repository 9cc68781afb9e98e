/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_INIT_H
#define LAUNCHER_INIT_H

/*
 * Process 1 of a worker's namespaces, and what it starts. It makes the namespaces that are left to
 * make, starts the runtime, gives up its privileges, and from then on reaps. With it all else in its
 * process namespace ends, by the kernel's hand.
 */

#include "launcher/sandbox.h"

/* The ends of the socket pairs that the launcher made for the two processes. */
struct init_sockets {
	int init_fd;
	int runtime_fd;
};

/* In a process that was cloned with its user and process namespaces; waits until their maps are made. */
_Noreturn void init_run(struct sandbox *sandbox, const struct init_sockets *sockets);

/* In init's child: confines itself and becomes the runtime's program. */
_Noreturn void runtime_run(struct sandbox *sandbox);

#endif
