/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LAUNCHER_LAYERS_H
#define LAUNCHER_LAYERS_H

/*
 * The layers that stand between a function and everything else. Each can be absent from a system, so
 * each is asked for, established and reported by itself. What every worker has whatever is asked for is no
 * layer: no descriptors but its own, a clean environment, resource limits, no_new_privs, and its
 * parent's death is its own.
 */

#include "base/attr.h"

#include <stdint.h>

enum layer {
	LAYER_USER,       /* a user namespace, where no user is root */
	LAYER_ROOT,       /* a mount namespace with a root of its own, to read */
	LAYER_PID,        /* sees, and can signal, its own processes only */
	LAYER_NETWORK,    /* no interface but an own loopback */
	LAYER_IPC,        /* no shared memory, semaphores and queues of others */
	LAYER_UTS,        /* the host's name is not its to set */
	LAYER_CGROUP,     /* a cgroup namespace */
	LAYER_PRIVILEGES, /* an unprivileged user, no capability */
	LAYER_LANDLOCK,   /* the kernel's own check of files, ports and signals */
	LAYER_SYSCALLS,   /* a seccomp filter */
	LAYER_MEMORY,     /* a control group that limits memory, */
	LAYER_CPU,        /* the use of processors, */
	LAYER_PROCESSES,  /* and processes */
	LAYER_COUNT,
};

#define LAYER_BIT(layer) (1U << (layer))
#define LAYERS_ALL       (LAYER_BIT(LAYER_COUNT) - 1)

/* "user-namespace", "private-root", ... */
const char *layer_name(enum layer layer);

/* What goes wrong when a layer cannot be had, and what to do about it; NULL: nothing special. */
const char *layer_hint(enum layer layer);

#endif
